//! The exporter thread: records and counters out, away from the packet cores.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::config::{self, EveOutput, EveRotation, LogLevel, OutputConfig};
use api::control::OutputCounters;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use engine::record::Body;
use engine::{Counters, CryptoClass, Names, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{Compression, ExportError, Exporter, Rotation, Sink, WhenFull};

use crate::Log;

use super::RunOptions;
use super::observers::{Observer, Observers};
use super::scan::Tally;

/// Lines wait this long at most to be written.
const FLUSH: Duration = Duration::from_millis(200);
/// Errors that are told; what follows repeats them.
const TOLD: usize = 32;

/// What workers and the control threads send.
pub(crate) enum Message {
    Records(RecordBatch),
    /// Counters that are not a worker's, by name.
    #[cfg_attr(not(feature = "xdp"), expect(dead_code, reason = "only XDP programs have some"))]
    Gauges(Vec<(String, u64)>),
    /// The names of the plan whose records come next: what had a number keeps it.
    Names(Box<Names>),
    /// Other outputs, open already.
    Outputs(Outputs),
    /// Somebody wants to see the records.
    Observe(Box<Observer>),
    /// What was exported so far.
    Report(Sender<Report>),
    /// Nothing comes any more.
    End,
}

/// What was exported so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) outputs: Vec<OutputCounters>,
    /// Flows that ended.
    pub(crate) ended: Tally,
    /// Handshakes by class, in the order of [`CryptoClass::ALL`].
    pub(crate) handshakes: [u64; CryptoClass::ALL.len()],
    pub(crate) observers: u32,
    pub(crate) observers_dropped: u64,
    pub(crate) errors: Vec<String>,
}

/// Open outputs, and how often counters go to them.
pub(crate) struct Outputs {
    exporters: Vec<Box<dyn Exporter>>,
    stats_interval: Duration,
}

impl Outputs {
    pub(crate) fn open(output: &OutputConfig) -> Result<Self, ExportError> {
        let exporters = output.eve.iter().map(open_eve).collect::<Result<_, _>>()?;
        Ok(Self { exporters, stats_interval: output.stats_interval.duration() })
    }
}

/// The exporters and what they are fed with.
pub(crate) struct Exporting {
    outputs: Outputs,
    names: Names,
    counters: Vec<Arc<Counters>>,
    receiver: Receiver<Message>,
    give_back: Sender<RecordBatch>,
    gauges: Vec<(String, u64)>,
    ended: Tally,
    handshakes: [u64; CryptoClass::ALL.len()],
    observers: Observers,
    errors: Vec<String>,
    /// Somebody moved the files.
    reopen: Arc<AtomicBool>,
    log: Log,
}

impl Exporting {
    pub(crate) fn new(
        outputs: Outputs,
        names: Names,
        counters: Vec<Arc<Counters>>,
        (receiver, give_back): (Receiver<Message>, Sender<RecordBatch>),
        options: &RunOptions,
    ) -> Self {
        Self {
            outputs,
            ended: Tally::of(&names),
            names,
            counters,
            receiver,
            give_back,
            gauges: Vec::new(),
            handshakes: [0; CryptoClass::ALL.len()],
            observers: Observers::default(),
            errors: Vec::new(),
            reopen: Arc::clone(&options.reopen),
            log: options.log.clone(),
        }
    }

    /// Exports until the end is told or the last sender is gone; gives what went wrong.
    #[expect(clippy::disallowed_methods, reason = "the exporter's own clock, away from the packet cores")]
    pub(crate) fn run(mut self) -> Vec<String> {
        let (mut flushed, mut told) = (Instant::now(), Instant::now());
        loop {
            match self.receiver.recv_timeout(FLUSH) {
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(message) => self.take(message),
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.tend();
                self.observers.flush();
            }
            if told.elapsed() >= self.outputs.stats_interval {
                told = Instant::now();
                self.stats();
            }
        }
        self.stats();
        self.each(|exporter, _| exporter.flush());
        self.observers.end();
        self.errors
    }

    /// Writes out what is buffered; files are rotated, and opened anew where somebody moved them.
    fn tend(&mut self) {
        let now_s = wall_ns() / 1_000_000_000;
        if self.reopen.swap(false, Ordering::Relaxed) {
            self.log.tell(LogLevel::Info, "the files of the outputs are opened anew");
            self.each(|exporter, _| exporter.reopen());
        }
        self.each(|exporter, _| exporter.tend(now_s));
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Records(mut batch) => {
                self.each(|exporter, names| exporter.export(&batch, names));
                self.observers.see(&batch, &self.names);
                self.count(&batch);
                batch.clear();
                let _ = self.give_back.try_send(batch);
            }
            Message::Gauges(gauges) => self.gauges = gauges,
            Message::Names(names) => {
                self.names = *names;
                self.ended.grow(&self.names);
            }
            Message::Outputs(outputs) => {
                self.each(|exporter, _| exporter.flush());
                self.outputs = outputs;
            }
            Message::Observe(observer) => self.observers.add(*observer),
            Message::Report(reply) => {
                self.each(|exporter, _| exporter.flush());
                let _ = reply.try_send(self.report());
            }
            Message::End => {}
        }
    }

    fn count(&mut self, batch: &RecordBatch) {
        for record in batch.records() {
            match &record.body {
                Body::Flow(summary) => self.ended.see(summary),
                Body::Event(_) => {
                    let class = CryptoClass::of_event(batch, record);
                    if let Some(count) = class.and_then(|class| self.handshakes.get_mut(class as usize)) {
                        *count += 1;
                    }
                }
            }
        }
    }

    fn report(&self) -> Report {
        let counters = |exporter: &dyn Exporter| {
            let (tally, files) = (exporter.tally(), exporter.file_tally());
            OutputCounters {
                name: exporter.target().to_owned(),
                lines: tally.lines,
                bytes: tally.bytes,
                lost_lines: tally.lost_lines,
                errors: tally.errors,
                rotations: files.rotations,
                reopened: files.reopened,
                compressed_files: files.compressed_files,
                removed_files: files.removed_files,
                removed_bytes: files.removed_bytes,
                shed_files: files.shed_files,
                shed_bytes: files.shed_bytes,
                file_errors: files.errors,
            }
        };
        Report {
            outputs: self.outputs.exporters.iter().map(|exporter| counters(exporter.as_ref())).collect(),
            ended: self.ended.clone(),
            handshakes: self.handshakes,
            observers: self.observers.count(),
            observers_dropped: self.observers.dropped(),
            errors: self.errors.clone(),
        }
    }

    fn stats(&mut self) {
        let now_ns = wall_ns();
        let mut totals = crate::inspect::sum(&self.counters);
        totals.extend(self.gauges.iter().cloned());
        let totals: Vec<(&str, u64)> = totals.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.each(|exporter, _| exporter.stats(now_ns, &totals));
        self.observers.stats(now_ns, &totals);
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Exporter, &Names) -> Result<(), ExportError>) {
        for exporter in &mut self.outputs.exporters {
            match act(exporter.as_mut(), &self.names) {
                Ok(()) | Err(ExportError::ReaderGone) => {}
                Err(error) => {
                    let error = error.to_string();
                    if self.errors.len() < TOLD && !self.errors.contains(&error) {
                        self.log.tell(LogLevel::Error, &error);
                        self.errors.push(error);
                    }
                }
            }
        }
    }
}

fn open_eve(output: &EveOutput) -> Result<Box<dyn Exporter>, ExportError> {
    let sink = if output.path == Path::new("-") {
        Sink::stdout()?
    } else {
        Sink::rotating(&output.path, &rotation(&output.rotation))?
    };
    let options = EveOptions {
        community_id: Some(output.community_id_seed),
        types: output.types.clone(),
        ..EveOptions::default()
    };
    Ok(Box::new(EveExporter::new(sink, &options)))
}

fn rotation(wanted: &EveRotation) -> Rotation {
    Rotation {
        size: wanted.size.map(config::ByteSize::bytes),
        every_s: wanted.every.map(|every| every.duration().as_secs().max(1)),
        keep_files: wanted.keep_files,
        keep_bytes: wanted.keep_size.map(config::ByteSize::bytes),
        compression: match wanted.compress {
            config::Compress::None => Compression::None,
            config::Compress::Zstd => Compression::Zstd,
        },
        when_full: match wanted.when_full {
            config::WhenFull::RemoveOldest => WhenFull::RemoveOldest,
            config::WhenFull::LoseNew => WhenFull::LoseNew,
        },
    }
}

/// The time of day: nanoseconds since the UNIX epoch.
#[expect(clippy::disallowed_methods, reason = "the exporter's own clock, away from the packet cores")]
fn wall_ns() -> u64 {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    u64::try_from(wall).unwrap_or(u64::MAX)
}
