//! The data plane on ports: workers on their cores, an exporter thread, and the counters that hold it to account.

mod control;
mod cores;
#[cfg(feature = "xdp")]
mod exception;
mod exporting;
#[cfg(feature = "xdp")]
mod failover;
#[cfg(feature = "xdp")]
mod kernel;
mod keys;
#[cfg(feature = "xdp")]
mod lists;
mod observers;
mod orders;
mod polling;
mod ports;
mod privileges;
mod scan;
mod settings;
mod shunting;
mod tending;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use api::config::{Backend, Choice, Config};
use api::control::{FailoverStatus, Loss as PortLoss, Mode};
use crossbeam_channel::{Receiver, Sender, bounded};
use engine::detectors::signatures::{self, DatabaseCache, SignatureErrors};
use engine::{Counters, EngineError, Names, Plan, RecordBatch};
use export::ExportError;
use packet_io::replay::ReplayError;
use packet_io::{IoStats, PacketBuf, PacketIo};

use crate::Log;
use control::{Control, ControlError};
use exporting::{Exporting, Message, Outputs};
use orders::{Pulse, mailbox};
use polling::{Base, Lane, Manner, Poller, Wiring};
pub use privileges::{OPENING_INTERFACES, Privileges};
use tending::{Ask, Ports};

use crate::tunnelling::{Exchanged, Mesh, TunnelError, Tunnelling};

/// The exception port of a run, while it lasts.
#[cfg(feature = "xdp")]
type Kept = Option<exception::Exception>;
#[cfg(not(feature = "xdp"))]
type Kept = ();

/// Batches on their way from the workers to the exporter, at once.
const BATCHES_IN_FLIGHT: usize = 64;
/// Questions to the thread in charge that wait at most.
const ASKS_WAITING: usize = 16;
/// How often the thread in charge looks whether the run should end.
const LOOK: Duration = Duration::from_millis(20);

/// Why the data plane could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration asks for a backend this build does not have.
    #[error("the {0} backend is not there: {1}")]
    Backend(&'static str, &'static str),
    /// No port is configured.
    #[error("no port to receive from: add a [[boot.ports]] section")]
    NoPorts,
    /// Workers of an in-line pair would share a transmit queue.
    #[error(
        "port {port} forwards to {peer}, which has {peer_queues} queues where {port} has {queues}: give both the same"
    )]
    UnequalQueues {
        /// Port.
        port: String,
        /// The port it forwards to.
        peer: String,
        /// Queues of the port.
        queues: usize,
        /// Queues of its peer.
        peer_queues: usize,
    },
    /// Signatures that cannot be used.
    #[error(transparent)]
    Signatures(#[from] SignatureErrors),
    /// Tunnels or their rules that cannot be used.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// No memory for an engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An output cannot be opened.
    #[error(transparent)]
    Output(#[from] ExportError),
    /// Capture files cannot be played.
    #[error(transparent)]
    Files(#[from] ReplayError),
    /// A DPDK port cannot be used.
    #[cfg(feature = "dpdk")]
    #[error(transparent)]
    Dpdk(#[from] packet_io::dpdk::DpdkError),
    /// A kernel interface cannot be used.
    #[cfg(feature = "xdp")]
    #[error(transparent)]
    AfXdp(#[from] packet_io::af_xdp::AfXdpError),
    /// DPDK has lost a port, and whoever started this data plane is to start it on the kernel's interfaces.
    #[cfg(all(feature = "dpdk", feature = "xdp"))]
    #[error("{}; start it again with --on-kernel", .0.why)]
    PortLost(PortLoss),
    /// It is to start on the kernel's interfaces, and has none.
    #[cfg(feature = "xdp")]
    #[error("nothing takes the place of these ports: `boot.failover` is off, or a port has no interface")]
    NoInterfaces,
    /// A list of prefixes cannot be read.
    #[cfg(feature = "xdp")]
    #[error(transparent)]
    Lists(#[from] lists::ListError),
    /// A device that DPDK cannot name.
    #[cfg(feature = "dpdk")]
    #[error("port {port}: {source}")]
    Device {
        /// Port.
        port: String,
        /// What is wrong with it.
        source: packet_io::dpdk::DeviceError,
    },
    /// The exception port cannot be had.
    #[cfg(feature = "xdp")]
    #[error(transparent)]
    Exception(#[from] packet_io::tun::TunError),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The control socket cannot be had.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl RunError {
    /// Whether the configuration is at fault, not the machine.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        #[cfg(feature = "xdp")]
        if matches!(self, Self::Lists(_) | Self::NoInterfaces) {
            return true;
        }
        matches!(self, Self::NoPorts | Self::UnequalQueues { .. } | Self::Signatures(_) | Self::Tunnel(_))
    }

    /// Whether a backend cannot be had on this machine, so that another may.
    const fn is_machine(&self) -> bool {
        match self {
            Self::Backend(..) => true,
            #[cfg(feature = "dpdk")]
            Self::Dpdk(_) | Self::Device { .. } => true,
            #[cfg(feature = "xdp")]
            Self::AfXdp(_) => true,
            _ => false,
        }
    }
}

/// What a finished run has to account for.
#[derive(Debug, Default)]
pub struct RunReport {
    /// Every engine counter by name, workers added up.
    pub counters: Vec<(String, u64)>,
    /// Each port's name and counters.
    pub ports: Vec<(String, IoStats)>,
    /// What the XDP programs counted, by port, verdict and reason.
    pub xdp: Vec<(String, u64)>,
    /// Packets that workers took from ports.
    pub polled: u64,
    /// Packets sent on.
    pub forwarded: u64,
    /// Packets that should have been sent on and that no port took.
    pub not_forwarded: u64,
    /// Records lost because the exporter was behind.
    pub records_lost: u64,
    /// What went wrong on the way, each once: outputs, capture files.
    pub errors: Vec<String>,
}

impl RunReport {
    /// Value of an engine counter, 0 for one that does not exist.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }

    /// Adds what a run has to account for that went on after this one.
    #[cfg(all(feature = "dpdk", feature = "xdp"))]
    fn add(&mut self, later: Self) {
        for (name, value) in later.counters {
            match self.counters.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => *sum += value,
                None => self.counters.push((name, value)),
            }
        }
        self.ports.extend(later.ports);
        self.xdp.extend(later.xdp);
        self.polled += later.polled;
        self.forwarded += later.forwarded;
        self.not_forwarded += later.not_forwarded;
        self.records_lost += later.records_lost;
        self.errors.extend(later.errors);
    }

    /// Drops by reason.
    pub fn drops(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counters.iter().filter_map(|(name, value)| Some((name.strip_prefix("drop.")?, *value)))
    }

    /// Whether every packet taken from a port is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let dropped: u64 = self.drops().map(|(_, count)| count).sum();
        let processed = self.counter("packets.processed") + self.counter("defrag.held");
        let ended = processed + self.counter("packets.consumed") + dropped;
        // What was processed and then dropped is among both.
        self.polled == self.counter("packets.received")
            && self.polled + self.counter("packets.dropped_later") == ended
    }
}

/// How a data plane is started, beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Where it listens for orders; nowhere where there is none.
    pub control: Option<PathBuf>,
    /// What it does with packets.
    pub mode: Mode,
    /// Set by whoever moved the files of the outputs: they are opened anew.
    pub reopen: Arc<AtomicBool>,
    /// Where it tells of itself.
    pub log: Log,
    /// Where compiled signatures are kept for the next start; nowhere where there is none.
    pub cache: Option<PathBuf>,
    /// What was lost, where it is to take the kernel's interfaces of the ports at once.
    pub on_kernel: Option<PortLoss>,
    /// What the program gave up before, for the status.
    pub confinement: String,
    /// What it gives up once its ports are open.
    pub privileges: Privileges,
}

/// Whether packets are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inspect {
    /// They go through the engine.
    Yes,
    /// They are counted and passed on: nothing reads them.
    CountOnly,
}

/// Tells of what a run took the place of.
type Rescued = Box<dyn Fn() -> FailoverStatus + Send + Sync>;

/// What workers and the thread in charge tell each other.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    stop: AtomicBool,
    /// Workers that have something to read still.
    busy: AtomicU64,
    polled: AtomicU64,
    forwarded: AtomicU64,
    not_forwarded: AtomicU64,
    records_lost: AtomicU64,
}

/// Runs the data plane until `stop` is set or its sources end; `tell` learns how its ports were opened, and what goes
/// wrong on the way.
///
/// # Errors
/// When it cannot begin.
pub fn run(
    config: &Config,
    options: &RunOptions,
    stop: &AtomicBool,
    tell: &dyn Fn(&str),
) -> Result<RunReport, RunError> {
    let boot = &config.boot;
    if boot.ports.is_empty() {
        return Err(RunError::NoPorts);
    }
    let given = cores::Given::now();
    let (plan, cache) = first_plan(config, options, tell)?;
    let start = Start { config, options, plan: &plan, cache: &cache, given, stop, tell };
    #[cfg(feature = "xdp")]
    if let Some(loss) = &options.on_kernel {
        let boot = config.on_kernel().ok_or(RunError::NoInterfaces)?;
        return start.rescued(&boot, loss).map(Option::unwrap_or_default);
    }
    let is_chosen = boot.backend == Backend::Auto;
    match boot.resolved_backend() {
        Some(Backend::Replay) => {
            let lanes = ports::replay(boot)?;
            start.workers(lanes, Backend::Replay, (&Pinning::None, Loss::Never), &mut tending::Nothing)
        }
        Some(Backend::Dpdk) if is_chosen => start.dpdk_or_else(),
        Some(Backend::Dpdk) => start.dpdk(boot),
        Some(Backend::AfXdp) if is_chosen => start.af_xdp_or_else(),
        Some(Backend::AfXdp) => start.af_xdp(boot),
        Some(Backend::AfPacket) => start.af_packet(boot),
        Some(Backend::Auto) | None => Err(RunError::NoPorts),
    }
}

/// The plan that a run starts with, and where its databases are kept.
fn first_plan(
    config: &Config,
    options: &RunOptions,
    tell: &dyn Fn(&str),
) -> Result<(Arc<Plan>, Option<DatabaseCache>), RunError> {
    // What is not used cannot be what crashes.
    if options.mode == Mode::Safe {
        return Ok((Arc::new(Plan::from_files(&[])?), None));
    }
    let cache = options.cache.as_deref().and_then(|folder| match DatabaseCache::open(folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tell(&format!("compiled signatures are not kept: {error}"));
            None
        }
    });
    let files = match &config.live.classify.signatures_dir {
        Some(folder) => signatures::builtin_files_and(folder)?,
        None => signatures::builtin_files(),
    };
    let plan = match &cache {
        Some(cache) => Plan::from_files_and(&files, cache)?,
        None => Plan::from_files(&files)?,
    };
    if let Some(Err(error)) = cache.as_ref().map(|cache| cache.keep(plan.signatures())) {
        tell(&format!("compiled signatures are not kept: {error}"));
    }
    Ok((Arc::new(plan), cache))
}

/// A run on its way, on one backend or another.
struct Start<'a> {
    config: &'a Config,
    options: &'a RunOptions,
    plan: &'a Arc<Plan>,
    cache: &'a Option<DatabaseCache>,
    given: cores::Given,
    stop: &'a AtomicBool,
    tell: &'a dyn Fn(&str),
}

impl Start<'_> {
    #[cfg(feature = "dpdk")]
    fn dpdk(&self, boot: &api::config::BootConfig) -> Result<RunReport, RunError> {
        let ports::Opened { eal, ports, lanes } = ports::dpdk(boot, &self.config.live)?;
        for ((name, _), port) in ports.iter().zip(&boot.ports) {
            (self.tell)(&format!("port {name}: by DPDK, {}", port.device));
        }
        let pinning = Pinning::Dpdk(eal);
        let mut ports = tending::DpdkPorts::new(boot, ports);
        let mut report = self.workers(lanes, Backend::Dpdk, (&pinning, Loss::Counted), &mut ports)?;
        report.ports = ports.stats();
        #[cfg(feature = "xdp")]
        if let Some((port, why)) = ports.into_loss() {
            // What DPDK holds of the interfaces went with the ports.
            drop(pinning);
            let flows_lost = report.counter("flow.ended.shutdown");
            return self.go_on(boot, report, &failover::loss(format!("port {port}: {why}"), flows_lost));
        }
        Ok(report)
    }

    /// Goes on by AF_XDP where DPDK has lost a port.
    #[cfg(all(feature = "dpdk", feature = "xdp"))]
    fn go_on(
        &self,
        boot: &api::config::BootConfig,
        mut before: RunReport,
        loss: &PortLoss,
    ) -> Result<RunReport, RunError> {
        (self.tell)(&format!("{}; {} flows are lost", loss.why, loss.flows_lost));
        if self.options.control.is_some() {
            // Who gives orders also starts what takes the place of a data plane that ended.
            return Err(RunError::PortLost(loss.clone()));
        }
        let Some(boot) = boot.on_interfaces() else { return Ok(before) };
        if let Some(later) = self.rescued(&boot, loss)? {
            before.add(later);
        }
        Ok(before)
    }

    /// Runs by AF_XDP in the place of ports that were lost, as soon as the interfaces are there; nothing where it is told
    /// to stop before.
    #[cfg(feature = "xdp")]
    fn rescued(
        &self,
        boot: &api::config::BootConfig,
        loss: &PortLoss,
    ) -> Result<Option<RunReport>, RunError> {
        let mut told = String::new();
        while !self.stop.load(Ordering::Relaxed) {
            match kernel::open(boot, &self.config.live, self.tell) {
                Ok(mut opened) => {
                    opened.ports.rescue(failover::Rescue::new(loss.clone()));
                    return self.on_kernel(opened).map(Some);
                }
                Err(why) if why.is_machine() => {
                    let why = why.to_string();
                    if why != told {
                        (self.tell)(&format!("not yet by AF_XDP: {why}"));
                        told = why;
                    }
                    thread::sleep(LOOK);
                }
                Err(why) => return Err(why),
            }
        }
        Ok(None)
    }

    #[cfg(not(feature = "dpdk"))]
    fn dpdk(&self, _: &api::config::BootConfig) -> Result<RunReport, RunError> {
        Err(RunError::Backend("dpdk", "this program was built without it"))
    }

    #[cfg(feature = "xdp")]
    fn af_xdp(&self, boot: &api::config::BootConfig) -> Result<RunReport, RunError> {
        self.on_kernel(kernel::open(boot, &self.config.live, self.tell)?)
    }

    /// Runs on open ports of the kernel.
    #[cfg(feature = "xdp")]
    fn on_kernel(&self, opened: kernel::Opened) -> Result<RunReport, RunError> {
        let kernel::Opened { mut ports, lanes } = opened;
        let mut report = self.workers(lanes, Backend::AfXdp, (&Pinning::Cores, Loss::Counted), &mut ports)?;
        report.ports = ports.stats();
        report.xdp = ports.xdp();
        Ok(report)
    }

    #[cfg(not(feature = "xdp"))]
    fn af_xdp(&self, _: &api::config::BootConfig) -> Result<RunReport, RunError> {
        Err(RunError::Backend("af_xdp", "this program was built without it"))
    }

    #[cfg(all(feature = "dpdk", feature = "xdp"))]
    fn af_packet(&self, boot: &api::config::BootConfig) -> Result<RunReport, RunError> {
        self.dpdk(&kernel::by_af_packet(boot))
    }

    #[cfg(not(all(feature = "dpdk", feature = "xdp")))]
    fn af_packet(&self, _: &api::config::BootConfig) -> Result<RunReport, RunError> {
        Err(RunError::Backend("af_packet", "use a virtual device: device = \"net_af_packet0,iface=NAME\""))
    }

    /// DPDK, or the kernel's interfaces of the same devices.
    fn dpdk_or_else(&self) -> Result<RunReport, RunError> {
        let boot = &self.config.boot;
        #[cfg(feature = "xdp")]
        if let Some(on_interfaces) = boot.on_interfaces() {
            return match self.dpdk(boot) {
                Err(why) if why.is_machine() => {
                    (self.tell)(&format!("not by DPDK: {why}"));
                    self.af_xdp(&on_interfaces)
                }
                other => other,
            };
        }
        self.dpdk(boot)
    }

    /// AF_XDP, or AF_PACKET.
    fn af_xdp_or_else(&self) -> Result<RunReport, RunError> {
        let boot = &self.config.boot;
        (self.tell)("not by DPDK: the devices are interfaces that the kernel has");
        match self.af_xdp(boot) {
            Err(why) if why.is_machine() && cfg!(feature = "dpdk") => {
                (self.tell)(&format!("not by AF_XDP: {why}"));
                (self.tell)("by AF_PACKET, several times slower");
                self.af_packet(boot)
            }
            other => other,
        }
    }
}

/// Where worker threads run.
#[derive(Debug)]
pub(crate) enum Pinning {
    /// Wherever the kernel puts them.
    None,
    /// On the cores of the configuration.
    #[cfg(feature = "xdp")]
    Cores,
    /// On the cores of the configuration, known to DPDK.
    #[cfg(feature = "dpdk")]
    Dpdk(packet_io::dpdk::Eal),
}

/// What happens when the exporter is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Records are lost and counted: packets do not wait.
    #[cfg_attr(
        not(any(feature = "dpdk", feature = "xdp")),
        expect(dead_code, reason = "only captures are played")
    )]
    Counted,
    /// Workers wait: the source does, too.
    Never,
}

/// Lanes of each worker, with the names of the interfaces.
pub(crate) struct Lanes<Io: PacketIo> {
    pub(crate) workers: Vec<Vec<Lane<Io>>>,
    /// What counts settled flows of each worker; none where nothing can.
    pub(crate) shunts: Vec<Option<shunting::PortShunts>>,
    /// What becomes of such flows on each port.
    pub(crate) switches: shunting::Switches,
    pub(crate) interfaces: Vec<String>,
}

impl Start<'_> {
    /// Makes the exception port, where there is one, and gives up what open ports do not need; the options, with what is
    /// left for the status, what has to live as long as the workers, and their way to the kernel.
    fn settled(&self, backend: Backend) -> Result<(RunOptions, Kept, Option<Arc<Exchanged>>), RunError> {
        let boot = &self.config.boot;
        #[cfg(feature = "xdp")]
        let made = exception::Exception::open(boot, &self.config.live)?;
        #[cfg(not(feature = "xdp"))]
        if boot.exception_port.is_some() {
            return Err(RunError::Backend("exception port", "this program was built without it"));
        }
        let mut options = self.options.clone();
        let is_alone = options.control.is_none();
        if let Some(left) = options.privileges.settle(backend, boot, is_alone) {
            (self.tell)(&format!("after the start: {left}"));
            options.confinement = format!("{}; after the start {left}", options.confinement);
        }
        #[cfg(feature = "xdp")]
        {
            let port = made.map(|(port, tun)| port.start(tun, &options.log)).transpose()?;
            let exchanged = port.as_ref().map(exception::Exception::exchanged);
            Ok((options, port, exchanged))
        }
        #[cfg(not(feature = "xdp"))]
        Ok((options, (), None))
    }

    /// Starts the workers and stays until they are done.
    fn workers<Io: PacketIo<Buf: PacketBuf + Send> + polling::Source + Send>(
        &self,
        lanes: Lanes<Io>,
        backend: Backend,
        (pinning, loss): (&Pinning, Loss),
        ports: &mut dyn Ports,
    ) -> Result<RunReport, RunError> {
        let boot = &self.config.boot;
        self.given.settle(boot.main_core, &boot.cores);
        let (options, _exception, exchanged) = self.settled(backend)?;
        let workers = lanes.workers.len().max(1);
        let shared = Shared { busy: AtomicU64::new(workers as u64), ..Shared::default() };
        let counters: Vec<_> = (0..workers).map(|_| Arc::new(Counters::default())).collect();
        let mut names: Names = self.plan.names().clone();
        for interface in &lanes.interfaces {
            names.add_interface(interface.clone());
        }
        let (sender, receiver) = bounded::<Message>(BATCHES_IN_FLIGHT);
        let (give_back, spare) = bounded::<RecordBatch>(BATCHES_IN_FLIGHT);
        let (ask, asks) = bounded::<Ask>(ASKS_WAITING);
        let outputs = Outputs::open(&self.config.live.output)?;
        let ways = (receiver, give_back);
        let exporting = Exporting::new(outputs, names.clone(), counters.clone(), ways, &options);
        let inspect = if self.options.mode == Mode::Safe { Inspect::CountOnly } else { Inspect::Yes };
        let base = Base::start();
        let manner =
            Manner { loss, inspect, stop_when_idle: boot.stop_when_idle, burst: boot.burst.into(), base };
        let engine_config = settings::engine(self.config, self.options.mode, workers);
        let (slots, tunnels, policy) = settings::tunnels(self.config, self.options.mode, &names)?;
        let mut meshes = Mesh::of(workers).into_iter();
        let (mut pollers, mut links) = (Vec::new(), Vec::new());
        let mut shunts = lanes.shunts.into_iter();
        for (index, lanes) in lanes.workers.into_iter().enumerate() {
            let own = counters.get(index).cloned().unwrap_or_default();
            let mut engine =
                engine::Engine::new(engine_config.clone(), Arc::clone(self.plan), Arc::clone(&own))?;
            if let Some(shunts) = shunts.next().flatten() {
                engine.set_shunt(Box::new(shunts), shunting::limits(boot, &self.config.live.shunt));
            }
            engine.set_policy(policy.clone());
            let Some(mesh) = meshes.next() else { break };
            let mut tunnelling = Tunnelling::new(mesh, Arc::clone(&own), exchanged.clone());
            tunnelling.set_plan(tunnels.clone());
            let (post, mailbox) = mailbox();
            let pulse = Arc::new(Pulse::default());
            let core = boot.cores.get(index).copied();
            links.push(control::Link::new(post, own, Arc::clone(&pulse), core));
            let wiring = Wiring { sender: sender.clone(), spare: spare.clone(), mailbox, pulse };
            pollers.push(Poller::new(lanes, (engine, tunnelling), wiring, manner));
        }
        let control = Arc::new(Control::new(
            (self.config.clone(), Arc::clone(self.plan), names),
            control::Tunnels::new(slots, tunnels, exchanged),
            (self.cache.clone(), ports.rescued(), lanes.switches),
            (&options, backend.name(), base),
            (links, sender.clone(), ask),
        ));
        if let Some(path) = &self.options.control {
            control::listen(&control, path)?;
            keys::listen(&control, &api::tunnel::socket_beside(path))?;
        }
        let leave = (options.privileges, backend);
        let crew = Crew { shared: &shared, control: &control, asks, stop: self.stop, tell: self.tell, leave };
        let errors = thread::scope(|scope| {
            crew.supervise(scope, (exporting, sender), pollers, (pinning, &boot.cores), ports)
        })?;
        Ok(shared.report(&counters, errors))
    }
}

impl Shared {
    /// What a run of these workers has to account for, but for its ports.
    fn report(&self, counters: &[Arc<Counters>], errors: Vec<String>) -> RunReport {
        RunReport {
            counters: crate::inspect::sum(counters),
            ports: Vec::new(),
            xdp: Vec::new(),
            polled: self.polled.load(Ordering::Relaxed),
            forwarded: self.forwarded.load(Ordering::Relaxed),
            not_forwarded: self.not_forwarded.load(Ordering::Relaxed),
            records_lost: self.records_lost.load(Ordering::Relaxed),
            errors,
        }
    }
}

/// What the thread in charge needs.
struct Crew<'a> {
    shared: &'a Shared,
    control: &'a Control,
    asks: Receiver<Ask>,
    stop: &'a AtomicBool,
    tell: &'a dyn Fn(&str),
    /// What workers give up, on which backend.
    leave: (Privileges, Backend),
}

impl Crew<'_> {
    /// Starts the threads, waits for the end, and gathers what went wrong.
    fn supervise<'scope, Io: PacketIo<Buf: PacketBuf + Send> + polling::Source + Send + 'scope>(
        &self,
        scope: &'scope thread::Scope<'scope, '_>,
        (exporting, sender): (Exporting, Sender<Message>),
        pollers: Vec<Poller<Io>>,
        (pinning, cores): (&'scope Pinning, &[u16]),
        ports: &mut dyn Ports,
    ) -> Result<Vec<String>, RunError>
    where
        Self: 'scope,
    {
        let shared = self.shared;
        let exporter = thread::Builder::new()
            .name("exporter".into())
            .spawn_scoped(scope, move || exporting.run())
            .map_err(RunError::Thread)?;
        let (privileges, backend) = self.leave;
        let mut threads = Vec::new();
        for (index, poller) in pollers.into_iter().enumerate() {
            let core = cores.get(index).copied();
            let started =
                thread::Builder::new().name(format!("worker-{index}")).spawn_scoped(scope, move || {
                    privileges.work(backend);
                    poller.run(shared, pinning, core)
                });
            match started {
                Ok(thread) => threads.push(thread),
                Err(refused) => {
                    shared.stop.store(true, Ordering::Relaxed);
                    let _ = sender.send(Message::End);
                    return Err(RunError::Thread(refused));
                }
            }
        }
        let mut errors = self.tend(ports, &sender);
        shared.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            match thread.join() {
                Ok(more) => errors.extend(more),
                Err(_) => errors.push("a worker thread panicked; its flows are lost".to_owned()),
            }
        }
        // All that the workers sent is before this.
        let _ = sender.send(Message::End);
        errors.extend(exporter.join().unwrap_or_else(|_| vec!["the exporter thread panicked".to_owned()]));
        Ok(errors)
    }

    /// Looks after the ports and answers what only this thread can, until the run should end.
    fn tend(&self, ports: &mut dyn Ports, sender: &Sender<Message>) -> Vec<String> {
        let mut errors = Vec::new();
        let mut look = tending::Timer::start(LOOK);
        let is_over = || {
            let is_asked = self.stop.load(Ordering::Relaxed) || self.control.is_stopping();
            is_asked || self.shared.busy.load(Ordering::Relaxed) == 0
        };
        while !is_over() && !ports.is_lost() {
            let left = look.left();
            if left.is_zero() {
                let mut wrong = ports.tend(sender, self.tell);
                self.control.look(&wrong);
                errors.append(&mut wrong);
                look.again();
            } else if let Ok(ask) = self.asks.recv_timeout(left) {
                ask.answer(ports);
            }
        }
        errors
    }
}

/// Why a configuration file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Config(#[from] api::config::ConfigErrors),
}

/// Reads a configuration file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &std::path::Path) -> Result<Config, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    Ok(Config::from_toml(&text, &path.display().to_string())?)
}
