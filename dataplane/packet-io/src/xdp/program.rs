use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aya::maps::{DevMap, MapData, XskMap};
use aya::programs::links::FdLink;
use aya::programs::{ProgramError, TestRun, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use ebpf_maps::{SERVICE_LOCAL, SERVICE_REMOTE, flags, maps, programs};

use super::attached;
use super::dispatcher::{self, Place};
use super::error::{Need, XdpError, kernel_release, os_error};
use super::lists::{Action, List, ListEntry};
use super::pins::Pins;
use super::state::State;
use crate::linux;

/// Where in the way of a packet the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, before the kernel makes a packet of its own of the frame.
    Native,
    /// In the kernel's stack: works with every driver, and costs a copy.
    Generic,
    /// In the card.
    Offloaded,
    /// In several of them.
    Several,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
            Self::Several => "several",
        })
    }
}

/// Which mode is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeChoice {
    /// Native, and generic where the driver refuses that.
    #[default]
    Auto,
    /// Native or an error.
    Native,
    /// Generic.
    Generic,
}

/// A service that keeps reaching the host, for packets to or from the host's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The host serves it.
    Local {
        /// IP protocol number.
        protocol: u8,
        /// Port of the host.
        port: u16,
    },
    /// The host uses it.
    Remote {
        /// IP protocol number.
        protocol: u8,
        /// Port of the other end.
        port: u16,
    },
}

impl Service {
    /// SSH, by which a remote host is managed (RFC 4253, 4).
    pub const SSH: Self = Self::Local { protocol: 6, port: 22 };
}

/// What is never kept from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protect {
    /// ARP and neighbour discovery; where it is not said, if the interface has an address of its own.
    pub neighbours: Option<bool>,
    /// Services of the host.
    pub services: Vec<Service>,
    /// Everything that is addressed to the host.
    pub own: bool,
}

impl Default for Protect {
    /// Neighbours where the interface has an address, and SSH.
    fn default() -> Self {
        Self { neighbours: None, services: vec![Service::SSH], own: false }
    }
}

/// How the program is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpConfig {
    /// Interface of this network namespace.
    pub interface: String,
    /// Mode wanted.
    pub mode: ModeChoice,
    /// What is never kept from the host.
    pub protect: Protect,
    /// Whether VLAN ids are part of a flow's identity.
    pub key_vlan: bool,
    /// Whether packets may come in several pieces, as jumbo frames do (kernel 5.18); slower, so only where needed.
    pub in_pieces: bool,
    /// Interface that shunted flows are forwarded to.
    pub peer: Option<String>,
    /// Settled flows at most.
    pub shunts: u32,
    /// Prefixes at most on each list.
    pub prefixes: u32,
    /// Sources at most whose rate is known; the ones least heard of make room.
    pub sources: u32,
    /// Silence of the owner after which packets go to the host; it must call [`State::beat`] more often.
    pub watchdog: Option<Duration>,
    /// Prefixes that are on its lists from the first packet on.
    pub lists: Arc<[ListEntry]>,
    /// What becomes of packets from sources and to destinations on no list.
    pub others: [Action; 2],
    /// Folder of a BPF file system below which the maps are to have names; they have none otherwise.
    pub pin: Option<PathBuf>,
}

impl XdpConfig {
    /// Native or generic, the host's own traffic protected, 65,536 settled flows, 1,000,000 prefixes, 65,536 sources,
    /// two seconds of watchdog.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            mode: ModeChoice::Auto,
            protect: Protect::default(),
            key_vlan: true,
            in_pieces: false,
            peer: None,
            shunts: 65_536,
            prefixes: 1_000_000,
            sources: 65_536,
            watchdog: Some(Duration::from_secs(2)),
            lists: Arc::default(),
            others: [Action::Allow; 2],
            pin: None,
        }
    }
}

/// The program in the kernel, for its owner: it is detached when this is dropped, and when the process ends in
/// whatever way.
#[derive(Debug)]
pub struct XdpProgram {
    // First: what is attached goes before what it uses.
    held: Option<Held>,
    /// Whether libxdp's dispatcher was on the interface when it was loaded.
    among: bool,
    ebpf: Ebpf,
    name: &'static str,
    sockets: Sockets,
    state: State,
    _pins: Option<Pins>,
    interface: String,
    index: u32,
    wanted: ModeChoice,
    mode: Option<Mode>,
    fallback: Option<XdpError>,
}

/// What keeps it attached.
#[derive(Debug)]
enum Held {
    /// The interface is its own.
    Alone(#[expect(dead_code, reason = "held, not asked")] FdLink),
    /// It is one of those that libxdp's dispatcher calls.
    Among(Place),
}

/// The map of sockets.
struct Sockets(XskMap<MapData>);

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sockets")
    }
}

impl XdpProgram {
    /// Loads the program and tells it what to do; it is not attached yet.
    ///
    /// # Errors
    /// [`XdpError`] by its cause.
    pub fn load(config: &XdpConfig) -> Result<Self, XdpError> {
        let index = index_of(&config.interface)?;
        linux::lift_memlock();
        let name = if config.in_pieces { programs::WITH_FRAGMENTS } else { programs::PLAIN };
        let among = dispatcher::is_on(index);
        let mut loader = EbpfLoader::new();
        if among {
            // It is loaded when it joins: it belongs to one dispatcher from then on.
            loader.extension(name);
        }
        let mut ebpf = loader
            .map_max_entries(maps::SHUNTS, config.shunts.max(1))
            .map_max_entries(maps::RATES, config.sources.max(1))
            .map_max_entries(maps::V4_SOURCE, config.prefixes.max(1))
            .map_max_entries(maps::V4_DESTINATION, config.prefixes.max(1))
            .map_max_entries(maps::V6_SOURCE, config.prefixes.max(1))
            .map_max_entries(maps::V6_DESTINATION, config.prefixes.max(1))
            .load(ebpf_maps::PROGRAM)
            .map_err(XdpError::object)?;
        if !among {
            load_program(&mut ebpf, name)?;
        }
        let pins =
            config.pin.as_deref().map(|folder| Pins::of(&ebpf, folder, &config.interface)).transpose()?;
        let mut state = State::of(|name| ebpf.take_map(name))?;
        prepare(&mut state, config)?;
        let sockets = taken(&mut ebpf, maps::SOCKETS)
            .and_then(|map| XskMap::try_from(map).map_err(XdpError::map(maps::SOCKETS)))?;
        if let Some(peer) = &config.peer {
            let forward = index_of(peer)?;
            let map = taken(&mut ebpf, maps::PEER)?;
            let mut map = DevMap::try_from(map).map_err(XdpError::map(maps::PEER))?;
            map.set(0, forward, None, 0).map_err(XdpError::map(maps::PEER))?;
        }
        Ok(Self {
            held: None,
            among,
            ebpf,
            name,
            sockets: Sockets(sockets),
            state,
            _pins: pins,
            interface: config.interface.clone(),
            index,
            wanted: config.mode,
            mode: None,
            fallback: None,
        })
    }

    /// Attaches it to its interface; the best mode that is wanted and possible.
    ///
    /// # Errors
    /// [`XdpError`] by its cause, that of the last mode tried.
    pub fn attach(&mut self) -> Result<Mode, XdpError> {
        if self.among {
            let place =
                dispatcher::join(&mut self.ebpf, self.name, &self.interface, self.index, self.wanted)?;
            let mode = place.mode();
            (self.held, self.mode) = (Some(Held::Among(place)), Some(mode));
            return Ok(mode);
        }
        let modes: &[Mode] = match self.wanted {
            ModeChoice::Auto => &[Mode::Native, Mode::Generic],
            ModeChoice::Native => &[Mode::Native],
            ModeChoice::Generic => &[Mode::Generic],
        };
        let mut refused = None;
        for &mode in modes {
            match self.attach_in(mode) {
                Ok(link) => {
                    (self.held, self.mode, self.fallback) = (Some(Held::Alone(link)), Some(mode), refused);
                    return Ok(mode);
                }
                Err(error @ XdpError::Refused { .. }) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| XdpError::NotOurs { interface: self.interface.clone() }))
    }

    fn attach_in(&mut self, mode: Mode) -> Result<FdLink, XdpError> {
        let flags = if mode == Mode::Native { XdpMode::Driver } else { XdpMode::Skb };
        let index = self.index;
        let program = xdp(&mut self.ebpf, self.name)?;
        let link = program
            .attach_to_if_index(index, flags)
            .and_then(|id| program.take_link(id))
            .map_err(|error| attach_error(&error, &self.interface, index, mode))?;
        // The library falls back to an attachment that outlives the process; we do not.
        FdLink::try_from(link).map_err(|_| XdpError::KernelTooOld {
            what: "an XDP attachment that ends with its owner",
            since: "5.9",
            kernel: kernel_release(),
        })
    }

    /// Takes the program off its interface.
    pub fn detach(&mut self) {
        self.held = None;
        self.mode = None;
    }

    /// How it is attached, none where it is not.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Whether packets may come to it in several pieces.
    #[must_use]
    pub fn is_in_pieces(&self) -> bool {
        self.name == programs::WITH_FRAGMENTS
    }

    /// Whether it is still there: an interface may go, and another process may take the program off.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        match &self.held {
            None => false,
            Some(Held::Alone(_)) => attached::attachment_id(self.index).is_some_and(|id| id != 0),
            Some(Held::Among(place)) => place.is_held(),
        }
    }

    /// Why it is not attached in a better mode, where one was tried.
    #[must_use]
    pub fn fallback(&self) -> Option<&XdpError> {
        self.fallback.as_ref()
    }

    /// Name of the interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Index of the interface.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
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

    /// Hands the packets of a receive queue to an AF_XDP socket.
    ///
    /// # Errors
    /// [`XdpError::Map`] for a queue number above 255, or a socket that is not set up.
    pub fn set_socket(&mut self, queue: u32, socket: &impl AsRawFd) -> Result<(), XdpError> {
        self.sockets.0.set(queue, socket.as_raw_fd(), 0).map_err(XdpError::map(maps::SOCKETS))
    }

    /// What the program does with a packet on queue 0, without an interface: the action (`linux/bpf.h`, `xdp_action`).
    /// It counts.
    ///
    /// # Errors
    /// [`XdpError::System`] where the kernel does not run it, as for less than 14 bytes.
    pub fn try_packet(&mut self, packet: &[u8]) -> Result<u32, XdpError> {
        let options = TestRunOptions { data_in: Some(packet), ..TestRunOptions::new() };
        let result = xdp(&mut self.ebpf, self.name)?.test_run(options);
        result.map(|result| result.return_value).map_err(|error| run_error(&error))
    }
}

pub(super) fn load_program(ebpf: &mut Ebpf, name: &str) -> Result<(), XdpError> {
    match xdp(ebpf, name)?.load() {
        Ok(()) => Ok(()),
        Err(ProgramError::LoadError { io_error, verifier_log }) => {
            Err(load_error(name, io_error, &verifier_log.to_string(), kernel_release()))
        }
        Err(other) => Err(XdpError::object(other.into())),
    }
}

fn load_error(name: &str, error: io::Error, log: &str, kernel: String) -> XdpError {
    match error.raw_os_error() {
        Some(libc::EPERM) => XdpError::Capability { step: "loading the XDP program", needs: Need::Bpf },
        // Before it is a fault of the program, a refusal is for the age of the kernel: 5.10 knows neither atomic exchange
        // (5.12) nor the coarse clock (5.11).
        _ if is_older(&kernel, OLDEST) => {
            XdpError::KernelTooOld { what: "the XDP program", since: "5.15", kernel }
        }
        // The kernel does not know the flag, and does not come to look at the program.
        Some(libc::EINVAL) if name == programs::WITH_FRAGMENTS && log.is_empty() => XdpError::KernelTooOld {
            what: "an XDP program for frames in several pieces",
            since: "5.18",
            kernel,
        },
        _ => {
            let tail: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
            let log = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
            XdpError::Verifier { kernel, source: error, log }
        }
    }
}

/// The oldest kernel that is supported, major and minor.
const OLDEST: [u32; 2] = [5, 15];

/// Whether sockets of the kernel that runs take packets in several pieces (6.6); programs have done so for longer.
pub(crate) fn sockets_take_pieces() -> bool {
    !is_older(&kernel_release(), [6, 6])
}

/// Whether a kernel's release, as `5.10.0-32-amd64`, is below a version; not where it cannot be read.
fn is_older(release: &str, version: [u32; 2]) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { return false };
    [major, minor] < version
}

/// Lines of the verifier's log that are kept: the last say what is wrong.
const LOG_LINES: usize = 20;

fn attach_error(error: &ProgramError, interface: &str, index: u32, mode: Mode) -> XdpError {
    let code = os_error(error).unwrap_or(libc::EINVAL);
    let interface = interface.to_owned();
    match code {
        libc::ENODEV => XdpError::NoInterface { interface },
        libc::EPERM => XdpError::Capability { step: "attaching the XDP program", needs: Need::NetAdmin },
        libc::EBUSY | libc::EEXIST => match attached::attachment(index) {
            Some(attachment) => XdpError::AlreadyAttached { interface, attachment },
            None => XdpError::Refused { interface, mode, source: io::Error::from_raw_os_error(code) },
        },
        code => XdpError::Refused { interface, mode, source: io::Error::from_raw_os_error(code) },
    }
}

pub(super) fn run_error(error: &ProgramError) -> XdpError {
    let source = io::Error::from_raw_os_error(os_error(error).unwrap_or(libc::EINVAL));
    XdpError::System { step: "running the XDP program on a packet", source }
}

/// Writes down what is protected, and that the owner is alive.
fn prepare(state: &mut State, config: &XdpConfig) -> Result<(), XdpError> {
    let addresses = linux::addresses()
        .map_err(|source| XdpError::System { step: "asking for the addresses of this host", source })?;
    let is_of_interface = |name: &str| name == config.interface;
    let has_address =
        addresses.iter().any(|(name, address)| is_of_interface(name) && !is_link_local(*address));
    for (_, address) in addresses {
        state.add_own_address(address)?;
    }
    for service in &config.protect.services {
        let (protocol, port, side) = match *service {
            Service::Local { protocol, port } => (protocol, port, SERVICE_LOCAL),
            Service::Remote { protocol, port } => (protocol, port, SERVICE_REMOTE),
        };
        state.add_service(protocol, port, side)?;
        // Fragments have no ports: those to the host that could be of the service go to it, too.
        state.add_service(protocol, 0, SERVICE_LOCAL)?;
    }
    let mut settings = ebpf_maps::Settings::default();
    if config.protect.neighbours.unwrap_or(has_address) {
        settings.flags |= flags::PROTECT_NEIGHBOURS;
    }
    if !config.protect.services.is_empty() {
        settings.flags |= flags::PROTECT_SERVICES;
    }
    if config.protect.own {
        settings.flags |= flags::PASS_OWN;
    }
    if config.key_vlan {
        settings.flags |= flags::KEY_VLAN;
    }
    if let Some(limit) = config.watchdog {
        settings.flags |= flags::WATCHDOG;
        settings.stall_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    }
    state.set_settings(settings)?;
    state.list_all(config.lists.iter().copied())?;
    for (list, others) in [List::Source, List::Destination].into_iter().zip(config.others) {
        state.set_others(list, others)?;
    }
    state.beat()
}

/// Every interface that is up has such an IPv6 address: it does not make it the host's.
fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(_) => false,
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

pub(super) fn index_of(interface: &str) -> Result<u32, XdpError> {
    linux::interface_index(interface).ok_or_else(|| XdpError::NoInterface { interface: interface.to_owned() })
}

pub(super) fn xdp<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut Xdp, XdpError> {
    let missing = || XdpError::Object(Box::new(ProgramError::NotLoaded.into()));
    ebpf.program_mut(name)
        .ok_or_else(missing)?
        .try_into()
        .map_err(|error: ProgramError| XdpError::Object(Box::new(error.into())))
}

pub(super) fn taken(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, XdpError> {
    let missing = aya::maps::MapError::InvalidName { name: name.to_owned() };
    ebpf.take_map(name).ok_or_else(|| XdpError::map(name)(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 5.10 says of the program.
    const LOG: &str = "BPF_STX uses reserved fields\nprocessed 0 insns";

    fn refused(errno: i32, log: &str, kernel: &str) -> XdpError {
        load_error(programs::PLAIN, io::Error::from_raw_os_error(errno), log, kernel.to_owned())
    }

    #[test]
    fn a_kernel_that_is_too_old_is_told_by_its_age_and_not_by_its_log() {
        let error = refused(libc::EINVAL, LOG, "5.10.0-32-amd64");
        assert_eq!(error.to_string(), "the XDP program needs kernel 5.15, this is 5.10.0-32-amd64");
    }

    #[test]
    fn a_refusal_of_a_kernel_that_is_new_enough_has_the_end_of_the_log() {
        for kernel in ["5.15.0-1-generic", "6.1.0-56-amd64", "10.0-rc1", "unknown"] {
            let error = refused(libc::EINVAL, LOG, kernel);
            let XdpError::Verifier { log, .. } = error else { panic!("{kernel}: {error}") };
            assert!(log.ends_with("processed 0 insns"));
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_for_the_age_of_the_kernel() {
        assert!(matches!(refused(libc::EPERM, "", "5.10.0"), XdpError::Capability { .. }));
    }
}
