//! The exporter thread: records and counters out, away from the packet cores.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::config::{EveOutput, OutputConfig};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use engine::{Counters, Names, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{ExportError, Exporter, OpenMode, Sink};

/// Lines wait this long at most to be written.
const FLUSH: Duration = Duration::from_millis(200);
/// Errors that are told; what follows repeats them.
const TOLD: usize = 32;

/// What workers send.
pub(crate) enum Message {
    Records(RecordBatch),
    /// Counters that are not a worker's, by name.
    #[cfg_attr(not(feature = "xdp"), expect(dead_code, reason = "only XDP programs have some"))]
    Gauges(Vec<(String, u64)>),
}

/// The exporters and what they are fed with.
pub(crate) struct Exporting {
    exporters: Vec<Box<dyn Exporter>>,
    names: Names,
    counters: Vec<Arc<Counters>>,
    stats_interval: Duration,
    receiver: Receiver<Message>,
    give_back: Sender<RecordBatch>,
    gauges: Vec<(String, u64)>,
    errors: Vec<String>,
}

impl Exporting {
    pub(crate) fn open(
        output: &OutputConfig,
        names: Names,
        counters: Vec<Arc<Counters>>,
        receiver: Receiver<Message>,
        give_back: Sender<RecordBatch>,
    ) -> Result<Self, ExportError> {
        let exporters = output.eve.iter().map(open_eve).collect::<Result<_, _>>()?;
        let stats_interval = output.stats_interval.duration();
        Ok(Self {
            exporters,
            names,
            counters,
            stats_interval,
            receiver,
            give_back,
            gauges: Vec::new(),
            errors: Vec::new(),
        })
    }

    /// Exports until the last worker is gone; gives what went wrong.
    #[expect(clippy::disallowed_methods, reason = "the exporter's own clock, away from the packet cores")]
    pub(crate) fn run(mut self) -> Vec<String> {
        let (mut flushed, mut told) = (Instant::now(), Instant::now());
        loop {
            match self.receiver.recv_timeout(FLUSH) {
                Ok(Message::Records(mut batch)) => {
                    self.each(|exporter, names| exporter.export(&batch, names));
                    batch.clear();
                    let _ = self.give_back.try_send(batch);
                }
                Ok(Message::Gauges(gauges)) => self.gauges = gauges,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if flushed.elapsed() >= FLUSH {
                flushed = Instant::now();
                self.each(|exporter, _| exporter.flush());
            }
            if told.elapsed() >= self.stats_interval {
                told = Instant::now();
                self.stats();
            }
        }
        self.stats();
        self.each(|exporter, _| exporter.flush());
        self.errors
    }

    #[expect(clippy::disallowed_methods, reason = "a stats record says when it was written")]
    fn stats(&mut self) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let now_ns = u64::try_from(wall).unwrap_or(u64::MAX);
        let mut totals = crate::inspect::sum(&self.counters);
        totals.extend(self.gauges.iter().cloned());
        let totals: Vec<(&str, u64)> = totals.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.each(|exporter, _| exporter.stats(now_ns, &totals));
    }

    fn each(&mut self, mut act: impl FnMut(&mut dyn Exporter, &Names) -> Result<(), ExportError>) {
        for exporter in &mut self.exporters {
            match act(exporter.as_mut(), &self.names) {
                Ok(()) | Err(ExportError::ReaderGone) => {}
                Err(error) => {
                    let error = error.to_string();
                    if self.errors.len() < TOLD && !self.errors.contains(&error) {
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
        Sink::file(&output.path, OpenMode::Append)?
    };
    let options = EveOptions {
        community_id: Some(output.community_id_seed),
        types: output.types.clone(),
        ..EveOptions::default()
    };
    Ok(Box::new(EveExporter::new(sink, &options)))
}
