//! Beside other XDP programs on one interface, where libxdp's dispatcher is attached to it.
//!
//! A dispatcher calls up to ten programs one after another; each takes the place of a function of the dispatcher
//! (`BPF_PROG_TYPE_EXT`). Adding one means another dispatcher with all of them, which replaces the old one at once. Rules
//! and names are those of version 2 of libxdp's "Protocol for atomic loading of multi-prog dispatchers"; the dispatcher's
//! object file is libxdp's own.
//!
//! Unlike libxdp, the link of our program is not pinned: it ends with its owner, and the dispatcher goes on to the next
//! program as if the place were empty.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use aya::programs::links::FdLink;
use aya::programs::{Extension, ProgramError, ProgramFd, ProgramInfo, Xdp, loaded_links};
use aya::{Ebpf, EbpfLoader};

use super::attached;
use super::error::{Need, XdpError, os_error};
use super::netlink::{self, Seen};
use super::program::{Mode, ModeChoice};

/// `struct xdp_dispatcher_config`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Chain {
    magic: u8,
    version: u8,
    programs: u8,
    takes_pieces: u8,
    /// Answers of each program after which the next one is called, a bit for each.
    goes_on: [u32; PROGRAMS],
    /// The lower, the earlier.
    priorities: [u32; PROGRAMS],
    flags: [u32; PROGRAMS],
}

// SAFETY: numbers without padding, any bytes are valid.
unsafe impl aya::Pod for Chain {}

const PROGRAMS: usize = 10;
const MAGIC: u8 = 236;
const VERSION: u8 = 2;
/// What the function answers whose place nobody has taken.
const EMPTY: u32 = 31;
/// Behind filters (xdp-filter has 10) and what has no priority of its own (50): our program keeps what it takes.
const PRIORITY: u32 = 100;
/// Program of the object file.
const MAIN: &str = "xdp_dispatcher";
const OBJECT: &str = "xdp-dispatcher.o";
/// How often the place is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is tried where others change the same interface.
const TRIES: usize = 5;

/// A program in its place of a dispatcher.
struct Component {
    program: Extension,
    info: ProgramInfo,
    goes_on: u32,
    priority: u32,
    flags: u32,
}

/// The dispatcher that an interface has.
struct Dispatcher {
    fd: ProgramFd,
    seen: Seen,
    folder: PathBuf,
    /// Those that are in their places.
    components: Vec<Component>,
}

/// The place of our program. It is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    mode: Mode,
    is_lost: Arc<AtomicBool>,
    // Looking and leaving take privileges that others give up once ports are open.
    leave: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Place {
    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether the program is still in its place, as of a second ago.
    pub(super) fn is_held(&self) -> bool {
        !self.is_lost.load(Ordering::Relaxed)
    }

    /// Starts a thread with the privileges of this one, which watches the place and gives it up.
    fn keep(link: FdLink, mode: Mode, index: u32, program: u32, object: Vec<u8>) -> io::Result<Self> {
        let (leave, left) = mpsc::channel();
        let is_lost = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&is_lost);
        let keeper = move || {
            let mut was_seen = true;
            while left.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let seen = netlink::attached(index).ok().flatten();
                let ours = seen.and_then(|seen| ours(index, seen.program));
                let is_seen = ours.is_some_and(|info| info.id() == program);
                // Once may be while somebody puts another dispatcher there.
                lost.store(!is_seen && !was_seen, Ordering::Relaxed);
                was_seen = is_seen;
            }
            drop(link);
            // What cannot be taken away is an empty place, and goes when the next program joins.
            let _ = give_up(index, program, &object);
        };
        let keeper = thread::Builder::new().name("xdp-place".to_owned()).spawn(keeper)?;
        Ok(Self { mode, is_lost, leave: Some(leave), keeper: Some(keeper) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave = None;
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// Whether the program on an interface is a dispatcher of libxdp; that can be seen without privileges.
pub(super) fn is_on(index: u32) -> bool {
    netlink::attached(index).ok().flatten().is_some_and(|seen| folder_of(index, seen.program).is_dir())
}

/// Whether libxdp's dispatcher is on an interface. Joining it takes `CAP_SYS_ADMIN`: the kernel shows programs that are
/// there to nobody else.
#[must_use]
pub fn is_dispatched(interface: &str) -> bool {
    crate::linux::interface_index(interface).is_some_and(is_on)
}

/// Our program among those of the dispatcher on an interface.
pub(super) fn ours(index: u32, dispatcher: u32) -> Option<ProgramInfo> {
    let folder = folder_of(index, dispatcher);
    let pinned = |slot| ProgramInfo::from_pin(folder.join(format!("prog{slot}-prog"))).ok();
    (0..PROGRAMS).filter_map(pinned).find(|info| is_ours(info) && is_linked(info))
}

/// Joins the dispatcher of an interface.
///
/// # Errors
/// [`XdpError`] by its cause. The programs that were there are where they were.
pub(super) fn join(
    ebpf: &mut Ebpf,
    name: &'static str,
    interface: &str,
    index: u32,
    wanted: ModeChoice,
) -> Result<Place, XdpError> {
    let cannot = |reason: String| XdpError::Dispatcher { interface: interface.to_owned(), reason };
    let object = object().map_err(cannot)?;
    let program: &mut Extension = ebpf
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| cannot("the program was not loaded for it".to_owned()))?;
    for _ in 0..TRIES {
        let _lock = lock().map_err(|error| cannot(format!("{}: {error}", root().display())))?;
        let old = Dispatcher::read(index, interface)?;
        let mode = old.seen.mode;
        match (wanted, mode) {
            (ModeChoice::Auto, _)
            | (ModeChoice::Native, Mode::Native)
            | (ModeChoice::Generic, Mode::Generic) => {}
            _ => return Err(cannot(format!("it is in {mode} mode, and another is asked for"))),
        }
        let mut kept = old.components;
        // It would get packets that this one wants.
        if let Some(other) = kept.iter().find(|one| is_ours(&one.info)) {
            let why = format!("program {} of ours is in it; end its owner first", other.info.id());
            return Err(cannot(why));
        }
        if kept.len() >= PROGRAMS {
            return Err(cannot(format!("it has {PROGRAMS} programs already, and room for no more")));
        }
        let at = kept.iter().take_while(|one| one.priority <= PRIORITY).count();
        let answers = 1 << EMPTY | 1 << XDP_PASS;
        let mine = Newcomer { program, at, goes_on: answers };
        match replace(&object, index, &old.fd, mode, &mut kept, Some(mine)) {
            Ok(Some(link)) => {
                remove(&old.folder);
                let id = program.info().map_err(|error| failed(&error, interface))?.id();
                return Place::keep(link, mode, index, id, object)
                    .map_err(|source| XdpError::System { step: "starting a thread", source });
            }
            // Nothing was put in, or somebody else was faster.
            Ok(None) | Err(Failure::Changed) => {}
            Err(failure) => return Err(failure.told(interface, mode)),
        }
    }
    Err(cannot("others change it all the time; try again".to_owned()))
}

/// Takes our program out of the dispatcher of an interface, whoever holds it.
///
/// # Errors
/// [`XdpError`] by its cause.
pub(super) fn detach(index: u32, program: u32, interface: &str) -> Result<(), XdpError> {
    let cannot = |reason: String| XdpError::Dispatcher { interface: interface.to_owned(), reason };
    let object = object().map_err(cannot)?;
    give_up(index, program, &object)
}

fn give_up(index: u32, program: u32, object: &[u8]) -> Result<(), XdpError> {
    let interface = crate::linux::interface_name(index)
        .ok_or_else(|| XdpError::NoInterface { interface: format!("number {index}") })?;
    let cannot = |reason: String| XdpError::Dispatcher { interface: interface.clone(), reason };
    for _ in 0..TRIES {
        let _lock = lock().map_err(|error| cannot(format!("{}: {error}", root().display())))?;
        let old = Dispatcher::read(index, &interface)?;
        let mode = old.seen.mode;
        let mut kept = old.components;
        kept.retain(|one| one.info.id() != program);
        let result = if kept.is_empty() {
            netlink::exchange(index, None, old.fd.as_fd(), mode).map_err(Failure::of_exchange)
        } else {
            replace(object, index, &old.fd, mode, &mut kept, None).map(|_| ())
        };
        match result {
            Ok(()) => {
                remove(&old.folder);
                return Ok(());
            }
            Err(Failure::Changed) => {}
            Err(failure) => return Err(failure.told(&interface, mode)),
        }
    }
    Err(cannot("others change it all the time; try again".to_owned()))
}

/// Why a dispatcher could not be replaced.
enum Failure {
    /// Somebody else has replaced it.
    Changed,
    Program(ProgramError),
    Object(aya::EbpfError),
    Pin(String),
    Refused(io::Error),
}

impl Failure {
    fn of_exchange(error: io::Error) -> Self {
        match error.raw_os_error() {
            // "Active program does not match expected".
            Some(libc::EEXIST) => Self::Changed,
            _ => Self::Refused(error),
        }
    }

    fn told(self, interface: &str, mode: Mode) -> XdpError {
        let interface = interface.to_owned();
        match self {
            Self::Changed => XdpError::Dispatcher { interface, reason: "others change it".to_owned() },
            Self::Program(error) => failed(&error, &interface),
            Self::Object(error) => XdpError::object(error),
            Self::Pin(reason) => XdpError::Dispatcher { interface, reason },
            Self::Refused(source) => XdpError::Refused { interface, mode, source },
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        Self::Program(error)
    }
}

/// Our program on its way into a dispatcher.
struct Newcomer<'p> {
    program: &'p mut Extension,
    at: usize,
    goes_on: u32,
}

/// Puts a dispatcher with these programs in the place of the one that is there; gives the link of the newcomer.
fn replace(
    object: &[u8],
    index: u32,
    old: &ProgramFd,
    mode: Mode,
    kept: &mut [Component],
    newcomer: Option<Newcomer<'_>>,
) -> Result<Option<FdLink>, Failure> {
    let chain = chain_of(kept, newcomer.as_ref().map(|new| (new.at, new.goes_on)));
    let mut loader = EbpfLoader::new();
    loader.override_global("conf", &chain, true);
    let mut ebpf = loader.load(object).map_err(Failure::Object)?;
    let main: &mut Xdp = ebpf.program_mut(MAIN).ok_or(ProgramError::NotLoaded)?.try_into()?;
    main.load()?;
    let fd = main.fd()?.try_clone().map_err(ProgramError::IOError)?;
    let folder = folder_of(index, main.info()?.id());
    let filled = fill(&fd, &folder, kept, newcomer).and_then(|link| {
        netlink::exchange(index, Some(fd.as_fd()), old.as_fd(), mode).map_err(Failure::of_exchange)?;
        Ok(link)
    });
    if filled.is_err() {
        remove(&folder);
    }
    filled
}

/// Attaches programs to a dispatcher and gives them their names, but for the link of the newcomer.
fn fill(
    dispatcher: &ProgramFd,
    folder: &Path,
    kept: &mut [Component],
    newcomer: Option<Newcomer<'_>>,
) -> Result<Option<FdLink>, Failure> {
    let pin = |what: &str, error: &dyn std::fmt::Display| Failure::Pin(format!("{what}: {error}"));
    fs::create_dir_all(folder).map_err(|error| pin(&folder.display().to_string(), &error))?;
    let at = newcomer.as_ref().map_or(usize::MAX, |new| new.at);
    for (number, one) in kept.iter_mut().enumerate() {
        let slot = number + usize::from(number >= at);
        let id = one.program.attach_to_program(dispatcher, &function(slot))?;
        let link: FdLink = one.program.take_link(id)?.into();
        let file = folder.join(format!("prog{slot}-link"));
        link.pin(&file).map_err(|error| pin("a link", &error))?;
        one.program.pin(folder.join(format!("prog{slot}-prog"))).map_err(|error| pin("a program", &error))?;
    }
    let Some(Newcomer { program, at, .. }) = newcomer else { return Ok(None) };
    if program.fd().is_err() {
        program.load(dispatcher.try_clone().map_err(ProgramError::IOError)?, &function(at))?;
    }
    let id = program.attach_to_program(dispatcher, &function(at))?;
    let link: FdLink = program.take_link(id)?.into();
    // Others ask for it by the first name. The second would be the link's: libxdp, which does not open it, stops taking
    // names away at one that is missing.
    for kind in ["prog", "link"] {
        program.pin(folder.join(format!("prog{at}-{kind}"))).map_err(|error| pin("a program", &error))?;
    }
    Ok(Some(link))
}

/// The settings of a dispatcher of these programs and a newcomer, which has a place and answers to go on after.
fn chain_of(kept: &[Component], newcomer: Option<(usize, u32)>) -> Chain {
    let mut entries: Vec<[u32; 3]> = kept.iter().map(|one| [one.goes_on, one.priority, one.flags]).collect();
    if let Some((at, goes_on)) = newcomer {
        entries.insert(at.min(entries.len()), [goes_on, PRIORITY, 0]);
    }
    let mut chain = Chain { magic: MAGIC, version: VERSION, ..Chain::default() };
    chain.programs = u8::try_from(entries.len()).unwrap_or(u8::MAX);
    let places = chain.goes_on.iter_mut().zip(&mut chain.priorities).zip(&mut chain.flags);
    for (((goes_on, priority), flags), entry) in places.zip(entries) {
        [*goes_on, *priority, *flags] = entry;
    }
    chain
}

impl Dispatcher {
    /// Reads the dispatcher of an interface, while nobody changes it.
    fn read(index: u32, interface: &str) -> Result<Self, XdpError> {
        let cannot = |reason: String| XdpError::Dispatcher { interface: interface.to_owned(), reason };
        let seen = netlink::attached(index)
            .map_err(|source| XdpError::System { step: "asking for the XDP program", source })?
            .ok_or_else(|| cannot("it is gone; start again".to_owned()))?;
        let folder = folder_of(index, seen.program);
        let info = attached::program_info(seen.program)
            .ok_or(XdpError::Capability { step: "looking at libxdp's dispatcher", needs: Need::SysAdmin })?;
        let fd = info.fd().map_err(|error| failed(&error, interface))?;
        let chain = info
            .map_ids()
            .ok()
            .flatten()
            .unwrap_or_default()
            .into_iter()
            .find_map(read_chain)
            .ok_or_else(|| cannot("its settings cannot be read".to_owned()))?;
        if (chain.magic, chain.version) != (MAGIC, VERSION) {
            let why =
                format!("it has version {} of its protocol, and this program knows {VERSION}", chain.version);
            return Err(cannot(why));
        }
        let mut components = Vec::new();
        for slot in 0..usize::from(chain.programs).min(PROGRAMS) {
            let file = folder.join(format!("prog{slot}-prog"));
            let unreadable = |error: ProgramError| cannot(format!("{}: {error}", file.display()));
            let info = ProgramInfo::from_pin(&file).map_err(unreadable)?;
            // Before this process has it open, too.
            if !is_alive(&info) {
                continue;
            }
            let at = |list: &[u32]| list.get(slot).copied().unwrap_or_default();
            components.push(Component {
                program: Extension::from_pin(&file).map_err(unreadable)?,
                info,
                goes_on: at(&chain.goes_on),
                priority: at(&chain.priorities),
                flags: at(&chain.flags),
            });
        }
        Ok(Self { fd, seen, folder, components })
    }
}

/// The settings, if this map has them.
fn read_chain(id: u32) -> Option<Chain> {
    let map = MapData::from_id(id).ok()?;
    let size = map.info().ok()?.value_size();
    if usize::try_from(size) != Ok(size_of::<Chain>()) {
        return None;
    }
    let map = Array::<_, Chain>::try_from(Map::from_map_data(map).ok()?).ok()?;
    map.get(&0, 0).ok()
}

fn is_ours(info: &ProgramInfo) -> bool {
    info.name_as_str().is_some_and(attached::is_name_of_ours)
}

/// Whether a program is in its place, and, if it is ours, somebody listens to it: libxdp makes the links of all outlive
/// their owners when it puts a dispatcher of its own in the place of ours.
fn is_alive(info: &ProgramInfo) -> bool {
    is_linked(info) && !(is_ours(info) && attached::holders(info.id()).is_empty())
}

/// Whether a program is in a place: what its owner held alone is not, once the owner is gone.
fn is_linked(info: &ProgramInfo) -> bool {
    loaded_links().filter_map(Result::ok).any(|link| link.program_id() == info.id())
}

/// The function of the dispatcher that the program of a place replaces.
fn function(slot: usize) -> String {
    format!("prog{slot}")
}

/// Takes the names of a dispatcher away; with them it goes, once it is not attached.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
    let _ = fs::remove_dir(folder);
}

/// Folder of the dispatchers, as libxdp has it: `xdp` below `LIBXDP_BPFFS`, or below `/sys/fs/bpf`.
#[must_use]
pub fn root() -> PathBuf {
    std::env::var_os("LIBXDP_BPFFS").map_or_else(|| PathBuf::from("/sys/fs/bpf"), PathBuf::from).join("xdp")
}

fn folder_of(index: u32, dispatcher: u32) -> PathBuf {
    root().join(format!("dispatch-{index}-{dispatcher}"))
}

/// Held while a dispatcher is read and replaced.
fn lock() -> io::Result<File> {
    let folder = File::open(root())?;
    folder.lock()?;
    Ok(folder)
}

/// The object file of libxdp; says where it was looked for.
fn object() -> Result<Vec<u8>, String> {
    let given = std::env::var_os("LIBXDP_OBJECT_PATH").map(PathBuf::from);
    let triple = format!("/usr/lib/{}-linux-gnu/bpf", std::env::consts::ARCH);
    let usual = ["/usr/lib/bpf", "/usr/lib64/bpf", &triple, "/usr/local/lib/bpf", "/usr/local/lib64/bpf"];
    let folders = given.into_iter().chain(usual.map(PathBuf::from));
    folders.map(|folder| folder.join(OBJECT)).find_map(|file| fs::read(file).ok()).ok_or_else(|| {
        format!(
            "{OBJECT} is in none of the folders that libxdp has it in; name its folder by LIBXDP_OBJECT_PATH"
        )
    })
}

fn failed(error: &ProgramError, interface: &str) -> XdpError {
    match os_error(error) {
        Some(libc::EPERM) => {
            XdpError::Capability { step: "joining libxdp's dispatcher", needs: Need::SysAdmin }
        }
        _ => XdpError::Dispatcher { interface: interface.to_owned(), reason: chain_text(error) },
    }
}

/// An error and its causes.
fn chain_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// `XDP_PASS` of `enum xdp_action`.
const XDP_PASS: u32 = 2;
