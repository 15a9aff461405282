//! Capture files through the engine: what `wirewarden inspect` runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::{Counters, Engine, EngineConfig, EngineError, Names, Plan, RecordBatch, Share, Timeouts};
use packet_io::PacketIo;
use packet_io::replay::{Progress, Replay, ReplayError, ReplayOptions};

use crate::worker::Worker;

/// Batches on their way from workers, at once.
const BATCHES_IN_FLIGHT: usize = 8;
/// Turns of a worker between two looks at the clock of progress.
const TURNS_PER_REPORT: u32 = 256;

/// What to inspect, and how.
#[derive(Debug)]
pub struct InspectOptions {
    /// Capture files, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Threads that share the flows; each reads all files. 1 with standard input.
    pub workers: usize,
    /// How each worker's engine is set; timeouts for captures by default.
    pub engine: EngineConfig,
}

impl InspectOptions {
    /// The defaults for these files.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        let engine = EngineConfig { timeouts: Timeouts::for_captures(), ..EngineConfig::default() };
        Self { files, workers: 1, engine }
    }
}

/// Takes what an inspection finds while it runs.
pub trait Observer {
    /// Records, with the names of the numbers in them.
    fn records(&mut self, batch: &RecordBatch, names: &Names);

    /// How far the files were read; called now and then.
    fn progress(&mut self, progress: Progress);
}

/// What is left to say at the end.
#[derive(Debug)]
pub struct InspectReport {
    /// Every counter by name, workers added up.
    pub counters: Vec<(String, u64)>,
    /// What went wrong with the files.
    pub errors: Vec<ReplayError>,
    /// It was stopped before the files ended.
    pub interrupted: bool,
    /// Names of everything in the records.
    pub names: Names,
}

impl InspectReport {
    /// Value of a counter, 0 for one that does not exist.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }
}

/// Why an inspection could not begin.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The files cannot be played at all.
    #[error(transparent)]
    Files(#[from] ReplayError),
    /// No memory for an engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system refused a thread.
    #[error("cannot start a worker thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Reads capture files to their end, or until `stop` is set; every open flow is written either way.
///
/// # Errors
/// When it cannot begin. Files that cannot be read, or only in part, are in the report.
pub fn inspect(
    options: InspectOptions,
    plan: &Arc<Plan>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<InspectReport, InspectError> {
    let workers = options.workers.max(1);
    if workers == 1 {
        return alone(options, plan, stop, observer);
    }
    shared(&options, workers, plan, stop, observer)
}

/// One worker on this thread.
fn alone(
    options: InspectOptions,
    plan: &Arc<Plan>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<InspectReport, InspectError> {
    let mut worker = start(options.files, options.engine, plan)?;
    let mut named = Named::new(plan);
    let mut errors = Vec::new();
    let mut turns = 0u32;
    while !worker.io.is_exhausted() && !stop.load(Ordering::Relaxed) {
        worker.turn();
        if worker.batch.is_full() {
            named.update(worker.io.interfaces());
            observer.records(&worker.batch, &named.names);
            worker.batch.clear();
        }
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(TURNS_PER_REPORT) {
            observer.progress(worker.io.progress());
            errors.append(&mut worker.io.take_errors());
        }
    }
    named.update(worker.io.interfaces());
    loop {
        let done = worker.engine.shut_down(&mut worker.batch);
        observer.records(&worker.batch, &named.names);
        worker.batch.clear();
        if done {
            break;
        }
    }
    observer.progress(worker.io.progress());
    errors.append(&mut worker.io.take_errors());
    Ok(InspectReport {
        counters: sum(&[worker.engine.counters().clone()]),
        errors,
        interrupted: !worker.io.is_exhausted(),
        names: named.names,
    })
}

/// What a worker thread sends.
enum Message {
    Records { batch: RecordBatch, interfaces: Vec<String> },
    Progress(Progress),
    Done { errors: Vec<ReplayError>, interrupted: bool },
}

/// Several workers, each with its share of the flows.
fn shared(
    options: &InspectOptions,
    workers: usize,
    plan: &Arc<Plan>,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<InspectReport, InspectError> {
    let mut started = Vec::new();
    for index in 0..workers {
        let share = Share { index, of: workers };
        let capacity = (options.engine.flow_capacity / workers).max(1);
        let config = EngineConfig { share, flow_capacity: capacity, ..options.engine.clone() };
        started.push(start(options.files.clone(), config, plan)?);
    }
    let counters: Vec<_> = started.iter().map(|worker| worker.engine.counters().clone()).collect();
    let (sender, receiver) = bounded(BATCHES_IN_FLIGHT);
    let (give_back, spare) = bounded::<RecordBatch>(BATCHES_IN_FLIGHT);
    thread::scope(|scope| {
        for (index, worker) in started.into_iter().enumerate() {
            let (sender, spare) = (sender.clone(), spare.clone());
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn_scoped(scope, move || run_share(worker, index, stop, &sender, &spare))
                .map_err(InspectError::Thread)?;
        }
        drop(sender);
        Ok(collect(&receiver, &give_back, plan, &counters, observer))
    })
}

/// The loop of one worker thread.
fn run_share(
    mut worker: Worker<Replay>,
    index: usize,
    stop: &AtomicBool,
    sender: &Sender<Message>,
    spare: &Receiver<RecordBatch>,
) {
    let hand_over = |worker: &mut Worker<Replay>| {
        let fresh = spare.try_recv().unwrap_or_else(|_| RecordBatch::with_capacity());
        let batch = core::mem::replace(&mut worker.batch, fresh);
        let interfaces = worker.io.interfaces().to_vec();
        // The receiver only goes away when the program ends.
        sender.send(Message::Records { batch, interfaces }).is_ok()
    };
    let mut turns = 0u32;
    while !worker.io.is_exhausted() && !stop.load(Ordering::Relaxed) {
        worker.turn();
        if worker.batch.is_full() && !hand_over(&mut worker) {
            return;
        }
        turns = turns.wrapping_add(1);
        if index == 0 && turns.is_multiple_of(TURNS_PER_REPORT) {
            let _ = sender.send(Message::Progress(worker.io.progress()));
        }
    }
    let interrupted = !worker.io.is_exhausted();
    loop {
        let done = worker.engine.shut_down(&mut worker.batch);
        if !hand_over(&mut worker) || done {
            break;
        }
    }
    // Every worker meets the same errors; the first tells them.
    let errors = if index == 0 { worker.io.take_errors() } else { Vec::new() };
    let _ = sender.send(Message::Done { errors, interrupted });
}

/// Takes what the workers send, until the last is done.
fn collect(
    receiver: &Receiver<Message>,
    give_back: &Sender<RecordBatch>,
    plan: &Plan,
    counters: &[Arc<Counters>],
    observer: &mut dyn Observer,
) -> InspectReport {
    let mut named = Named::new(plan);
    let (mut errors, mut interrupted) = (Vec::new(), false);
    for message in receiver {
        match message {
            Message::Records { mut batch, interfaces } => {
                named.update(&interfaces);
                observer.records(&batch, &named.names);
                batch.clear();
                let _ = give_back.try_send(batch);
            }
            Message::Progress(progress) => observer.progress(progress),
            Message::Done { errors: mut more, interrupted: stopped } => {
                errors.append(&mut more);
                interrupted |= stopped;
            }
        }
    }
    InspectReport { counters: sum(counters), errors, interrupted, names: named.names }
}

fn start(
    files: Vec<PathBuf>,
    config: EngineConfig,
    plan: &Arc<Plan>,
) -> Result<Worker<Replay>, InspectError> {
    let replay = Replay::open(files, ReplayOptions::default())?;
    let engine = Engine::new(config, Arc::clone(plan), Arc::new(Counters::default()))?;
    Ok(Worker::new(replay, engine))
}

/// Adds the counters of all workers up.
pub(crate) fn sum(counters: &[Arc<Counters>]) -> Vec<(String, u64)> {
    let mut totals: Vec<(String, u64)> = Vec::new();
    for worker in counters {
        for (at, (name, value)) in worker.all().enumerate() {
            match totals.get_mut(at) {
                Some((_, total)) => *total += value,
                None => totals.push((name.to_string(), value)),
            }
        }
    }
    totals
}

/// The names of a plan and of the interfaces met so far.
struct Named {
    names: Names,
    interfaces: usize,
}

impl Named {
    fn new(plan: &Plan) -> Self {
        Self { names: plan.names().clone(), interfaces: 0 }
    }

    fn update(&mut self, interfaces: &[String]) {
        for name in interfaces.iter().skip(self.interfaces) {
            self.names.add_interface(name.clone());
        }
        self.interfaces = self.interfaces.max(interfaces.len());
    }
}
