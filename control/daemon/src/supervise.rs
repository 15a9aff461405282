//! Keeps the data plane running: starts it or takes over one that runs, asks four times a second how it is, and starts it
//! anew when it is dead or stuck. It is never in the way of a packet: the data plane runs on without it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::control::{
    Command, DataplaneStatus, FailoverStatus, LastWords, Loss, Mode, Reason, Reply, Supervision,
    SupervisionState, WorkerState,
};
use rustix::process::Signal;
use tokio::process::{Child, Command as Process};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::breaker::Backoff;
use crate::clock::{Clock, millis};
use crate::guard::Guarded;
use crate::health::Components;
use crate::plane::{Connection, Peer, Plane};
use crate::starved;

/// How often the data plane is asked how it is.
const BEAT: Duration = Duration::from_millis(250);
/// How long it may take to say so: with [`BEAT`] and a start, below the two seconds that are promised.
const ANSWER: Duration = Duration::from_millis(1000);
/// Parts in which an answer is waited for: a machine that stood still, or a daemon that was stopped, uses one of them up.
const PARTS: u32 = 4;
/// How often it may take that long once more where others have its processors.
const TURNS: u32 = 15;
/// Silence of a worker that is told of, though it is not stuck, milliseconds.
const SILENT_MS: u64 = 1000;
/// How long a start may take: memory is reserved and cards are reset.
const START: Duration = Duration::from_secs(90);
/// How long an end in order may take: every open flow is written.
const STOP: Duration = Duration::from_secs(10);
/// How long a process takes to be gone once its connections are.
const END: Duration = Duration::from_millis(200);
/// Crashes within [`CRASH_WINDOW`] that lead to safe mode.
const CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_secs(120);
/// The longest wait before a start.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Name of the part in the health.
const PART: &str = "dataplane";

/// How the data plane is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// The program; none where somebody else starts it (a unit of its own).
    pub(crate) program: Option<PathBuf>,
    /// What it starts with.
    pub(crate) config: PathBuf,
    /// Where that file exists, it starts in safe mode.
    pub(crate) safe_mode_file: PathBuf,
    /// Where that file exists, it starts on the kernel's interfaces, in the place of DPDK.
    pub(crate) on_kernel_file: PathBuf,
    /// Where it keeps compiled signatures.
    pub(crate) cache: PathBuf,
    /// What it tells is added to this file; to our own standard error where there is none.
    pub(crate) log: Option<PathBuf>,
}

/// What others see of the supervision, and tell it.
#[derive(Default)]
pub(crate) struct Watched {
    seen: Guarded<Supervision>,
    wish: Guarded<Wish>,
    wake: Notify,
}

/// What somebody wants of the supervision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    Run,
    Restart,
    Stop,
}

impl Watched {
    pub(crate) fn seen(&self) -> Supervision {
        self.seen.lock().clone()
    }

    /// Starts the data plane anew, out of safe mode.
    pub(crate) fn restart(&self) {
        *self.wish.lock() = Wish::Restart;
        self.wake.notify_one();
    }

    /// Ends the data plane and leaves it.
    pub(crate) fn stop(&self) {
        *self.wish.lock() = Wish::Stop;
        self.wake.notify_one();
    }

    fn take_wish(&self) -> Wish {
        let mut wish = self.wish.lock();
        match *wish {
            Wish::Restart => core::mem::take(&mut *wish),
            other => other,
        }
    }

    fn set(&self, change: impl FnOnce(&mut Supervision)) {
        change(&mut self.seen.lock());
    }
}

/// What is told about each answer of the data plane.
pub(crate) trait Listener: Send + Sync {
    /// The data plane answered; what it runs may not be what it should.
    fn heard(&self, status: &DataplaneStatus);
}

/// The task that supervises.
pub(crate) struct Supervisor<L> {
    pub(crate) launch: Launch,
    pub(crate) plane: Arc<Plane>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) components: Arc<Components>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: L,
}

/// What the supervision remembers of the lives before.
struct Tries {
    crashes: Vec<Instant>,
    backoff: Backoff,
}

/// Why a data plane is no longer looked after.
#[derive(Debug)]
enum End {
    /// It crashed or was stuck: what happened.
    Crash(String),
    /// It could not start or ended by itself, as this code says.
    Exit(i32),
    /// DPDK lost a port: what happened.
    Lost(String),
    /// Somebody wants it started anew.
    Restart,
    /// Somebody wants it to end.
    Stop,
}

impl<L: Listener> Supervisor<L> {
    /// Supervises until the program ends.
    pub(crate) async fn run(self) {
        let mut tries =
            Tries { crashes: Vec::new(), backoff: Backoff::new(Duration::from_millis(250), LONGEST_WAIT) };
        self.watched.set(|seen| seen.external = self.launch.program.is_none());
        loop {
            let began = Instant::now();
            let end = self.one_life().await;
            let last = self.plane.status();
            self.plane.heard(None);
            if began.elapsed() > CRASH_WINDOW {
                tries.backoff.reset();
            }
            tries.crashes.retain(|crash| crash.elapsed() < CRASH_WINDOW);
            if self.goes_on_at_once(end, last.as_ref(), &mut tries).await {
                continue;
            }
            let recent = u32::try_from(tries.crashes.len()).unwrap_or(u32::MAX);
            self.watched.set(|seen| seen.recent_crashes = recent);
            if tries.crashes.len() >= CRASHES && !self.launch.safe_mode_file.exists() {
                tracing::error!(crashes = recent, "safe mode: packets are counted and passed on");
                let _ = crate::files::replace(&self.launch.safe_mode_file, b"after repeated crashes\n");
            }
            let wait = tries.backoff.next_wait(random());
            if !wait.is_zero() {
                self.watched.set(|seen| seen.state = SupervisionState::BackingOff);
                let _ = timeout(wait, self.watched.wake.notified()).await;
            }
        }
    }

    /// Notes how a data plane ended; whether the next one is started without a wait.
    async fn goes_on_at_once(&self, end: End, last: Option<&DataplaneStatus>, tries: &mut Tries) -> bool {
        match end {
            End::Stop => self.rest(SupervisionState::Stopped, "told to stop").await,
            // It ran to its end, 1: with something to tell. Whoever else starts it may do so again.
            End::Exit(0 | 1) if self.launch.program.is_none() => {
                self.note_restart("it ended in order");
                self.components.degraded(PART, "it ended in order, and whoever starts it has not yet");
            }
            End::Exit(0 | 1) => self.rest(SupervisionState::Stopped, "its sources ended").await,
            End::Restart => {
                self.leave_other_modes();
                tries.crashes.clear();
                tries.backoff.reset();
                self.watched.set(|seen| seen.recent_crashes = 0);
                self.note_restart("somebody asked for it");
            }
            End::Lost(why) => {
                tracing::error!(why, "a port is lost: the kernel's interfaces take its place");
                self.note_restart(&why);
                self.components.failed(PART, why);
            }
            End::Exit(code) => {
                let why = format!("it ended with exit code {code}: see its log");
                self.note_restart(&why);
                self.components.failed(PART, why);
                return false;
            }
            End::Crash(why) => {
                tracing::error!(why, "the data plane crashed");
                tries.crashes.push(Instant::now());
                self.note_restart(&why);
                self.fail_over(&why, last);
                self.components.failed(PART, why);
                return false;
            }
        }
        true
    }

    /// After a crash with DPDK, the next one takes the kernel's interfaces, where every port has one.
    fn fail_over(&self, why: &str, last: Option<&DataplaneStatus>) {
        let file = &self.launch.on_kernel_file;
        let Some(last) = last.filter(|last| last.backend == "dpdk" && !file.exists()) else { return };
        let text = std::fs::read_to_string(&self.launch.config).unwrap_or_default();
        let is_possible = api::Config::from_toml(&text, "").is_ok_and(|config| config.on_kernel().is_some());
        if !is_possible {
            return;
        }
        let flows_lost = last.workers.iter().map(|worker| worker.flows).sum();
        let at_boot_ms = millis(self.clock.since_boot());
        match (Loss { why: why.to_owned(), flows_lost, at_boot_ms }).leave(file) {
            Ok(()) => tracing::error!(why, flows_lost, "the next data plane takes the kernel's interfaces"),
            Err(error) => {
                tracing::error!(%error, "the data plane cannot be told to take the kernel's interfaces")
            }
        }
    }

    fn note_restart(&self, why: &str) {
        self.watched.set(|seen| {
            seen.restarts += 1;
            seen.last_reason = Some(why.to_owned());
        });
    }

    /// Nothing to do until somebody wants the data plane started.
    async fn rest(&self, state: SupervisionState, why: &str) {
        tracing::info!(why, "the data plane rests");
        self.watched.set(|seen| {
            seen.state = state;
            seen.last_reason = Some(why.to_owned());
        });
        self.components.degraded(PART, why);
        while self.watched.take_wish() != Wish::Restart {
            self.watched.wake.notified().await;
        }
        self.leave_other_modes();
    }

    /// Whoever starts the data plane anew wants all of it, and as the configuration says.
    fn leave_other_modes(&self) {
        let _ = std::fs::remove_file(&self.launch.safe_mode_file);
        let _ = std::fs::remove_file(&self.launch.on_kernel_file);
    }

    /// One data plane from its start, or from where it is taken over, to its end.
    async fn one_life(&self) -> End {
        match self.watched.take_wish() {
            Wish::Stop => return End::Stop,
            Wish::Restart => self.leave_other_modes(),
            Wish::Run => {}
        }
        self.watched.set(|seen| seen.state = SupervisionState::Starting);
        let (mut child, connection) = match self.plane.connect().await {
            Ok(connection) => (None, Ok(connection)),
            Err(_) => match self.start().await {
                Ok(mut child) => {
                    let connection = self.wait_for_start(child.as_mut()).await;
                    (child, connection)
                }
                Err(end) => return end,
            },
        };
        let end = match connection {
            Ok(connection) => self.look_after(connection, &mut child).await,
            Err(end) => end,
        };
        self.bury(child, end).await
    }

    async fn start(&self) -> Result<Option<Child>, End> {
        let Some(program) = &self.launch.program else {
            return Ok(None);
        };
        let mut process = Process::new(program);
        process.arg("-c").arg(&self.launch.config).arg("--control").arg(self.plane.socket());
        process.arg("--safe-mode-file").arg(&self.launch.safe_mode_file);
        process.arg("--on-kernel-file").arg(&self.launch.on_kernel_file);
        process.arg("--cache").arg(&self.launch.cache);
        // Of a group of its own: what ends the daemon does not end the data plane.
        process.process_group(0).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        if let Some(log) = &self.launch.log
            && let Ok(file) = std::fs::OpenOptions::new().append(true).create(true).open(log)
        {
            process.stderr(file);
        }
        match process.spawn() {
            Ok(child) => {
                tracing::info!(pid = child.id(), "started the data plane");
                Ok(Some(child))
            }
            Err(error) => {
                let why = format!("cannot start {}: {error}", program.display());
                tracing::error!(why);
                self.components.failed(PART, why);
                Err(End::Exit(127))
            }
        }
    }

    /// Waits until it listens.
    async fn wait_for_start(&self, mut child: Option<&mut Child>) -> Result<Connection, End> {
        let began = Instant::now();
        loop {
            if let Ok(connection) = self.plane.connect().await {
                return Ok(connection);
            }
            if let Some(child) = child.as_deref_mut()
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(self.of_status(status, child.id()));
            }
            match self.watched.take_wish() {
                Wish::Stop => return Err(End::Stop),
                Wish::Restart => return Err(End::Restart),
                Wish::Run => {}
            }
            if child.is_some() && began.elapsed() > START {
                return Err(End::Crash(format!("it did not listen {} s after its start", START.as_secs())));
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Asks how it is until it is well no more, or somebody wants something else.
    async fn look_after(&self, mut connection: Connection, child: &mut Option<Child>) -> End {
        let peer = connection.peer();
        tracing::info!(pid = peer.pid(), adopted = child.is_none(), "the data plane answers");
        loop {
            let why = match self.asked(&mut connection, &peer).await {
                Some(Ok(Reply::Status(status))) => match status.dataplane {
                    Some(status) => self.judge(&status),
                    None => Some("it says nothing of itself".to_owned()),
                },
                Some(Ok(_)) => Some("it answers something else".to_owned()),
                Some(Err(reason)) => Some(reason.to_string()),
                None => Some(format!("it does not answer within {} ms", ANSWER.as_millis())),
            };
            if let Some(why) = why {
                // An end in order looks like a broken connection at first.
                return match self.ended_by_itself(&peer, child).await {
                    Some(end) => end,
                    None => kill(&peer, why),
                };
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.watched.wake.notified() => {}
                // What ended need not be waited for.
                () = connection.closed() => {}
            }
            match self.watched.take_wish() {
                Wish::Run => {}
                Wish::Restart => {
                    self.end_in_order(connection, &peer, child).await;
                    return End::Restart;
                }
                Wish::Stop => {
                    self.end_in_order(connection, &peer, child).await;
                    return End::Stop;
                }
            }
        }
    }

    /// Asks it how it is; none where it does not answer in time. One that waits for a processor is waited for.
    async fn asked(&self, connection: &mut Connection, peer: &Peer) -> Option<Result<Reply, Reason>> {
        let mut answer = std::pin::pin!(connection.ask(Command::Status));
        for _ in 0..TURNS {
            let mut is_starved = false;
            for _ in 0..PARTS {
                if let Ok(answer) = timeout(ANSWER / PARTS, &mut answer).await {
                    return Some(answer);
                }
                is_starved |= peer.pid().is_some_and(starved::is_starved);
            }
            if !is_starved {
                return None;
            }
            tracing::warn!("the data plane waits for a processor that others have");
            self.components.degraded(PART, "it waits for a processor that others have");
        }
        None
    }

    /// How a data plane ended that has; none where it runs still, or was killed and nobody saw how.
    async fn ended_by_itself(&self, peer: &Peer, child: &mut Option<Child>) -> Option<End> {
        let pid = peer.pid();
        if let Some(child) = child {
            let status = timeout(END, child.wait()).await.ok()?.ok()?;
            return Some(self.of_status(status, pid));
        }
        timeout(END, peer.gone()).await.ok()?;
        Some(of_words(LastWords::of(self.plane.socket(), pid?)?))
    }

    fn of_status(&self, status: ExitStatus, pid: Option<u32>) -> End {
        use std::os::unix::process::ExitStatusExt;
        match (status.code(), status.signal()) {
            (Some(code), _) if code == 101 || code > 128 => End::Crash(format!("exit code {code}")),
            (Some(code), _) => {
                let words = pid.and_then(|pid| LastWords::of(self.plane.socket(), pid));
                words.filter(|words| words.lost.is_some()).map_or(End::Exit(code), of_words)
            }
            (None, signal) => End::Crash(format!("killed by signal {}", signal.unwrap_or(0))),
        }
    }

    /// What is wrong with a data plane that says this of itself.
    fn judge(&self, status: &DataplaneStatus) -> Option<String> {
        let stuck = status.workers.iter().find(|worker| worker.state == WorkerState::Stuck);
        if let Some(worker) = stuck {
            return Some(format!("worker {} is stuck for {} ms", worker.worker, worker.held_ms));
        }
        self.plane.heard(Some(status.clone()));
        let is_safe = status.mode == Mode::Safe;
        let state = if is_safe { SupervisionState::Safe } else { SupervisionState::Running };
        self.watched.set(|seen| seen.state = state);
        let is_starved = status.workers.iter().any(|worker| worker.silent_ms >= SILENT_MS);
        match (is_safe, &status.failover, status.errors.last()) {
            (true, ..) => self
                .components
                .degraded(PART, "safe mode: packets are counted and passed on, and nothing reads them"),
            (false, Some(failover), _) => self.components.degraded(PART, told_of(failover)),
            (false, None, _) if is_starved => self
                .components
                .degraded(PART, "a worker waits for its processor: something else runs on its core"),
            (false, None, Some(error)) => self.components.degraded(PART, error.clone()),
            (false, None, None) => self.components.good(PART),
        }
        self.listener.heard(status);
        None
    }

    async fn end_in_order(&self, mut connection: Connection, peer: &Peer, child: &mut Option<Child>) {
        let _ = timeout(ANSWER, connection.ask(Command::Stop)).await;
        let gone = async {
            match child {
                Some(child) => _ = child.wait().await,
                // It ends when it closes the connection.
                None => while connection.next_message().await.is_ok() {},
            }
        };
        if timeout(STOP, gone).await.is_err() {
            tracing::warn!("the data plane did not end in order");
            peer.signal(Signal::KILL);
        }
    }

    /// Leaves no process behind that would hold the devices.
    async fn bury(&self, child: Option<Child>, end: End) -> End {
        if let Some(mut child) = child {
            if !matches!(end, End::Exit(_)) {
                let _ = child.start_kill();
            }
            let _ = timeout(STOP, child.wait()).await;
        }
        end
    }
}

fn kill(peer: &Peer, why: String) -> End {
    peer.signal(Signal::KILL);
    End::Crash(why)
}

fn of_words(words: LastWords) -> End {
    match words.lost {
        Some(_) => End::Lost(words.why),
        None => End::Exit(i32::from(words.code)),
    }
}

fn told_of(failover: &FailoverStatus) -> String {
    let FailoverStatus { why, flows_lost, first_packet_ms } = failover;
    let first = match first_packet_ms {
        Some(took) => format!("the first packet came after {took} ms"),
        None => "no packet came yet".to_owned(),
    };
    format!(
        "by AF_XDP in the place of DPDK ({why}): {flows_lost} flows are lost, {first}; `wirewarden restart` tries DPDK again"
    )
}

fn random() -> u32 {
    let mut bytes = [0_u8; 4];
    let _ = getrandom::fill(&mut bytes);
    u32::from_ne_bytes(bytes)
}
