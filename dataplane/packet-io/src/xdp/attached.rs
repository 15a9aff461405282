use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use aya::maps::{Map, MapData};
use aya::programs::{ProgramInfo, loaded_links, loaded_programs};
use ebpf_maps::programs;

use super::dispatcher;
use super::error::{Need, XdpError};
use super::netlink;
use super::program::{Mode, index_of};
use super::state::State;
use crate::linux;

/// An XDP program on an interface, ours or another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Interface.
    pub interface: String,
    /// How it is attached.
    pub mode: Mode,
    /// Number of the program in the kernel; 0 where several are attached in several modes.
    pub program: u32,
    /// Its name, at most 15 bytes; empty where it has none.
    pub name: String,
    /// Number of libxdp's dispatcher that calls it among others; none where it has the interface to itself.
    pub dispatcher: Option<u32>,
    /// Processes that hold it, by number and command.
    pub owners: Vec<(u32, String)>,
    /// Whether this process may look at programs (`CAP_SYS_ADMIN`): else the name and the owners are not known.
    pub is_known: bool,
}

impl Attachment {
    /// Whether the program is one of ours, by its name.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        is_name_of_ours(&self.name)
    }
}

/// Whether a program of this name is one of ours.
pub(super) fn is_name_of_ours(name: &str) -> bool {
    [programs::WITH_FRAGMENTS, programs::PLAIN].contains(&name)
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known {
            return write!(
                f,
                "program {}, {}, whose it is takes CAP_SYS_ADMIN to see",
                self.program, self.mode
            );
        }
        let name = if self.name.is_empty() { "without a name" } else { &self.name };
        write!(f, "program {} {name}, {}", self.program, self.mode)?;
        if let Some(dispatcher) = self.dispatcher {
            write!(f, ", in dispatcher {dispatcher}")?;
        }
        match self.owners.as_slice() {
            [] => f.write_str(", no process holds it"),
            owners => {
                owners.iter().try_for_each(|(pid, command)| write!(f, ", held by {command} (pid {pid})"))
            }
        }
    }
}

/// Number of the program on an interface; none where nothing is or it cannot be known.
pub(super) fn attachment_id(index: u32) -> Option<u32> {
    netlink::attached(index).ok().flatten().map(|seen| seen.program)
}

/// What is attached to an interface by its index; none where nothing is or it cannot be known.
pub(super) fn attachment(index: u32) -> Option<Attachment> {
    let seen = netlink::attached(index).ok().flatten()?;
    let (info, dispatcher) = match dispatcher::ours(index, seen.program) {
        Some(ours) => (Some(ours), Some(seen.program)),
        None => (program_info(seen.program), None),
    };
    let program = info.as_ref().map_or(seen.program, ProgramInfo::id);
    Some(Attachment {
        interface: linux::interface_name(index)?,
        mode: seen.mode,
        program,
        name: info.as_ref().and_then(ProgramInfo::name_as_str).unwrap_or_default().to_owned(),
        dispatcher,
        owners: holders(program),
        is_known: info.is_some() || may_look(),
    })
}

/// Every XDP program on an interface of this network namespace.
///
/// # Errors
/// [`XdpError::System`] where the interfaces cannot be listed.
pub fn attachments() -> Result<Vec<Attachment>, XdpError> {
    let list = fs::read_to_string("/proc/net/dev")
        .map_err(|source| XdpError::System { step: "listing the interfaces", source })?;
    let names = list.lines().skip(2).filter_map(|line| line.split(':').next().map(str::trim));
    Ok(names.filter_map(linux::interface_index).filter_map(attachment).collect())
}

/// Our program on an interface, seen from another process than its owner.
#[derive(Debug)]
pub struct Attached {
    attachment: Attachment,
    state: State,
}

impl Attached {
    /// Finds our program on an interface.
    ///
    /// # Errors
    /// [`XdpError::NoInterface`], [`XdpError::NotOurs`], [`XdpError::Capability`] or [`XdpError::Map`].
    pub fn open(interface: &str) -> Result<Self, XdpError> {
        let not_ours = || XdpError::NotOurs { interface: interface.to_owned() };
        let attachment = seen(interface)?;
        // What was seen a moment ago may be gone.
        let info = program_info(attachment.program).ok_or_else(not_ours)?;
        let ids = info.map_ids().ok().flatten().unwrap_or_default();
        let mut maps: Vec<(String, MapData)> = ids
            .into_iter()
            .filter_map(|id| MapData::from_id(id).ok())
            .filter_map(|map| Some((map.info().ok()?.name_as_str()?.to_owned(), map)))
            .collect();
        let state = State::of(|name| {
            let at = maps.iter().position(|(other, _)| other == name)?;
            Map::from_map_data(maps.swap_remove(at).1).ok()
        })?;
        Ok(Self { attachment, state })
    }

    /// How and by whom it is attached.
    #[must_use]
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// What it was told, and what it counted.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The same, to tell it more.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// Takes our program off an interface, whoever holds it: its packets are the host's from then on.
///
/// # Errors
/// [`XdpError::NotOurs`] where the program is another's or not held by a link, [`XdpError::Capability`] or
/// [`XdpError::System`].
pub fn detach(interface: &str) -> Result<Attachment, XdpError> {
    let not_ours = || XdpError::NotOurs { interface: interface.to_owned() };
    let attachment = seen(interface)?;
    if attachment.dispatcher.is_some() {
        dispatcher::detach(index_of(interface)?, attachment.program, interface)?;
        return Ok(attachment);
    }
    let link = loaded_links()
        .filter_map(Result::ok)
        .find(|link| link.program_id() == attachment.program)
        .ok_or_else(not_ours)?;
    let failed = |source: io::Error| match source.raw_os_error() {
        Some(libc::EPERM) => XdpError::Capability { step: "detaching an XDP program", needs: Need::SysAdmin },
        _ => XdpError::System { step: "detaching an XDP program", source },
    };
    let link = link_by_id(link.id()).map_err(failed)?;
    bpf(BPF_LINK_DETACH, u32::try_from(link.as_raw_fd()).unwrap_or(u32::MAX)).map_err(failed)?;
    Ok(attachment)
}

/// Our program on an interface; an error where there is none, or where that cannot be seen.
fn seen(interface: &str) -> Result<Attachment, XdpError> {
    match attachment(index_of(interface)?) {
        Some(attachment) if !attachment.is_known => {
            Err(XdpError::Capability { step: "looking at XDP programs", needs: Need::SysAdmin })
        }
        Some(attachment) if attachment.is_ours() => Ok(attachment),
        _ => Err(XdpError::NotOurs { interface: interface.to_owned() }),
    }
}

/// Whether the kernel tells this process of programs; there is one at least where this is asked.
fn may_look() -> bool {
    loaded_programs().next().is_some_and(|first| first.is_ok())
}

pub(super) fn program_info(id: u32) -> Option<ProgramInfo> {
    loaded_programs().filter_map(Result::ok).find(|info| info.id() == id)
}

/// Processes that have a program or a link to it open, by what the kernel says of their descriptors.
pub(super) fn holders(program: u32) -> Vec<(u32, String)> {
    let wanted = format!("prog_id:\t{program}");
    let numbers = |folder: &str| {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).collect::<Vec<_>>()
    };
    let holds = |pid: &u32| {
        let folder = format!("/proc/{pid}/fdinfo");
        numbers(&folder).iter().any(|fd| {
            fs::read_to_string(format!("{folder}/{fd}"))
                .is_ok_and(|text| text.lines().any(|line| line == wanted))
        })
    };
    let command = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (pid, text.trim_end().to_owned())
    };
    numbers("/proc").into_iter().filter(holds).map(command).collect()
}

// Commands of bpf(2) that the map library keeps to itself.
const BPF_LINK_GET_FD_BY_ID: libc::c_long = 30;
const BPF_LINK_DETACH: libc::c_long = 34;

fn link_by_id(id: u32) -> io::Result<OwnedFd> {
    let fd = bpf(BPF_LINK_GET_FD_BY_ID, id)?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Calls bpf(2) with a command whose attributes are one number.
fn bpf(command: libc::c_long, number: u32) -> io::Result<i32> {
    let attributes = [number, 0, 0, 0];
    let (from, len) = (attributes.as_ptr(), size_of_val(&attributes));
    // SAFETY: the kernel reads as many bytes as said; these commands write nothing.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, from, len) };
    linux::check(i32::try_from(result).unwrap_or(-1))
}
