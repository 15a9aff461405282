//! The seam to the daemon: threads of their own that listen on a Unix socket, ask the workers between two of their bursts
//! and swap what they work by. No packet core ever waits for them.

mod answers;
mod listen;
mod merging;
mod reload;
mod steps;
mod watching;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::Config;
use api::control::Mode;
use crossbeam_channel::Sender;
use engine::detectors::signatures::{DatabaseCache, Merged};
use engine::{Counters, Names, Plan};

use super::exporting::Message;
use super::orders::{Order, Post, Pulse};
use super::polling::Base;
use super::shunting::Switches;
use super::tending::Ask;
use super::{Rescued, RunOptions};
use crate::Log;
use crate::tunnelling::{Exchanged, KeyAnswer, KeyOrder, Slots, TunnelPlan};

pub(super) use listen::{is_ours, listen};
use watching::Silence;
pub(super) use watching::Thread;

/// Time that a worker had and gave no sign of life in, after which it counts as stuck.
const STUCK: Duration = Duration::from_secs(1);
/// Errors that are kept for the status.
const ERRORS_KEPT: usize = 32;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another data plane listens there.
    #[error("another data plane listens on {}", .0.display())]
    InUse(PathBuf),
    /// The system refused the socket, its folder or its lock.
    #[error("cannot listen on {}: {source}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A worker as the control threads know it.
pub(super) struct Link {
    post: Post,
    counters: Arc<Counters>,
    pulse: Arc<Pulse>,
    core: Option<u16>,
    /// Rounds at the last look, and when they had changed: by the thread in charge.
    rounds: AtomicU64,
    changed_ms: AtomicU64,
    silence: Guarded<Silence>,
}

impl Link {
    pub(super) fn new(post: Post, counters: Arc<Counters>, pulse: Arc<Pulse>, core: Option<u16>) -> Self {
        Self {
            post,
            counters,
            pulse,
            core,
            rounds: AtomicU64::new(0),
            changed_ms: AtomicU64::new(0),
            silence: Guarded::new(Silence::default()),
        }
    }
}

/// What is in use.
struct Current {
    config: Config,
    digest: String,
    plan: Arc<Plan>,
    /// Those of the plan, with the ports.
    names: Names,
    generation: u64,
}

/// The tunnels in use.
pub(super) struct Tunnels {
    /// Places of peers, kept while the process lives.
    slots: Slots,
    plan: Option<Arc<TunnelPlan>>,
    /// Rises with every change.
    generation: u64,
    /// What the kernel has to do with them.
    exception: Option<Arc<Exchanged>>,
}

impl Tunnels {
    pub(super) fn new(
        slots: Slots,
        plan: Option<Arc<TunnelPlan>>,
        exception: Option<Arc<Exchanged>>,
    ) -> Self {
        let mut own = Self { slots, plan: None, generation: 0, exception };
        own.set(plan);
        own
    }

    /// Has others be in use.
    fn set(&mut self, plan: Option<Arc<TunnelPlan>>) {
        if let Some(exception) = &self.exception {
            exception.follow(plan.as_deref());
        }
        self.plan = plan;
        self.generation += 1;
    }
}

/// What the control threads share.
pub(super) struct Control {
    started: Instant,
    /// Where the databases of the plan in use are kept.
    cache: Option<DatabaseCache>,
    rescued: Option<Rescued>,
    switches: Switches,
    mode: Mode,
    backend: &'static str,
    /// The workers' time.
    base: Base,
    tunnels: Guarded<Tunnels>,
    /// What the program gave up.
    confinement: String,
    workers: Vec<Link>,
    exporter: Sender<Message>,
    ask: Sender<Ask>,
    stopping: AtomicBool,
    /// When the thread in charge looked last: without it the workers' signs of life say nothing.
    looked_ms: AtomicU64,
    in_charge: Thread,
    /// When it had looked at the last status, and how long it was silent at those.
    looks_silence: Guarded<(u64, Silence)>,
    current: Guarded<Current>,
    /// Held while settings are swapped: one at a time.
    swapping: Guarded<()>,
    /// Databases that were compiled beside the plan in use, for the next.
    merged: Guarded<Merged>,
    changes: merging::Changes,
    errors: Guarded<Vec<String>>,
    connections: AtomicU64,
    pub(super) log: Log,
}

impl Control {
    pub(super) fn new(
        (config, plan, names): (Config, Arc<Plan>, Names),
        tunnels: Tunnels,
        (cache, rescued, switches): (Option<DatabaseCache>, Option<Rescued>, Switches),
        (options, backend, base): (&RunOptions, &'static str, Base),
        (workers, exporter, ask): (Vec<Link>, Sender<Message>, Sender<Ask>),
    ) -> Self {
        let digest = api::control::digest(&config);
        Self {
            started: now(),
            cache,
            rescued,
            switches,
            mode: options.mode,
            backend,
            confinement: options.confinement.clone(),
            base,
            tunnels: Guarded::new(tunnels),
            workers,
            exporter,
            ask,
            stopping: AtomicBool::new(false),
            looked_ms: AtomicU64::new(0),
            in_charge: Thread::default(),
            looks_silence: Guarded::new((0, Silence::default())),
            current: Guarded::new(Current { config, digest, plan, names, generation: 1 }),
            swapping: Guarded::new(()),
            merged: Guarded::new(Merged::default()),
            changes: merging::Changes::new(),
            errors: Guarded::new(Vec::new()),
            connections: AtomicU64::new(0),
            log: options.log.clone(),
        }
    }

    /// Nanoseconds of the workers' time.
    pub(super) fn now_ns(&self) -> u64 {
        self.base.now_ns()
    }

    /// The tunnels in use, and how often they were changed.
    pub(super) fn tunnels(&self) -> (Option<Arc<TunnelPlan>>, u64) {
        let tunnels = self.tunnels.lock();
        (tunnels.plan.clone(), tunnels.generation)
    }

    /// The place of a peer, where it has had one.
    pub(super) fn slot_of(&self, peer: api::tunnel::PeerName) -> Option<usize> {
        self.tunnels.lock().slots.find(peer)
    }

    /// Workers that have queues of the ports of the tunnels: so many outbound SAs has each epoch.
    pub(super) fn sealing_workers(&self) -> u16 {
        let current = self.current.lock();
        let outside = current.config.live.tunnel.outside.as_deref();
        let port = current.config.boot.ports.iter().find(|port| Some(port.name.as_str()) == outside);
        let queues = port.map_or(1, |port| port.queues);
        let workers = u16::try_from(self.workers.len()).unwrap_or(u16::MAX);
        queues.clamp(1, workers.max(1))
    }

    /// Has a worker do something about keys between two of its bursts; `None` where it does not answer.
    pub(super) fn key_order(&self, worker: usize, order: KeyOrder) -> Option<KeyAnswer> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        let link = self.workers.get(worker)?;
        link.post.orders.send_timeout(Order::Key(order, reply), STUCK).ok()?;
        answer.recv_timeout(STUCK).ok()
    }

    /// Whether somebody asked the run to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The thread in charge looks at the workers' signs of life, and tells what went wrong with the ports.
    pub(super) fn look(&self, wrong: &[String]) {
        let now_ms = self.uptime_ms();
        self.in_charge.is_this();
        self.looked_ms.store(now_ms, Ordering::Relaxed);
        for worker in &self.workers {
            let rounds = worker.pulse.rounds();
            let mut silence = worker.silence.lock();
            if worker.rounds.swap(rounds, Ordering::Relaxed) == rounds {
                silence.goes_on(now_ms, worker.pulse.thread());
            } else {
                silence.ended_lightly();
                worker.changed_ms.store(now_ms, Ordering::Relaxed);
            }
        }
        wrong.iter().for_each(|one| self.note(one));
    }

    /// What the thread in charge is held to account for since it looked last, milliseconds. Asked for with each status.
    fn looks_held_ms(&self, now_ms: u64, looked_ms: u64) -> u64 {
        let mut looks = self.looks_silence.lock();
        let (before_ms, silence) = &mut *looks;
        if *before_ms == looked_ms {
            silence.goes_on(now_ms, &self.in_charge);
        } else {
            *before_ms = looked_ms;
            silence.ended(now_ms, &self.in_charge);
        }
        silence.held_ms()
    }

    /// Notes for the status what went wrong, once.
    fn note(&self, wrong: &str) {
        let mut errors = self.errors.lock();
        if errors.len() < ERRORS_KEPT && !errors.iter().any(|known| known == wrong) {
            errors.push(wrong.to_owned());
        }
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the control threads")]
fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the UNIX epoch.
#[expect(clippy::disallowed_methods, reason = "the clock of the control threads")]
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Something that control threads share and no packet core touches.
struct Guarded<T>(
    #[expect(
        clippy::disallowed_types,
        reason = "control threads wait for each other, and no worker for them"
    )]
    std::sync::Mutex<T>,
);

impl<T> Guarded<T> {
    #[expect(clippy::disallowed_types, reason = "as its field")]
    const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    /// A thread that panicked leaves whole values: they are replaced, never changed half.
    fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<std::sync::MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}
