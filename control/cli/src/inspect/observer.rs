use std::time::{Duration, Instant};

use engine::record::Body;
use engine::{Names, RecordBatch};
use export::eve::EveExporter;
use export::{ExportError, Exporter, Selection};
use packet_io::replay::Progress;
use runner::InspectReport;
use runner::inspect::Observer;

use crate::progress::Bar;
use crate::stop::Stop;
use crate::summary::Summary;
use crate::tell;

/// Takes records while they come: through the filter to the summary and the EVE exporter.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) selection: Option<Selection>,
    pub(super) eve: Option<Eve>,
    pub(super) summary: Summary,
    pub(super) bar: Bar,
    /// Before the filter.
    pub(super) flows_seen: u64,
    pub(super) stop: Stop,
}

/// Where EVE records go, and how that goes.
#[derive(Debug)]
pub(super) struct Eve {
    exporter: EveExporter,
    health: EveHealth,
    flushed: Instant,
}

/// How the writing of EVE records goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EveHealth {
    Good,
    /// Records were lost.
    Failed,
    /// The reader has what it wanted and went away.
    ReaderGone,
}

impl Inspection {
    /// The end: what the filter still holds, the counters, and what is buffered.
    pub(super) fn finish(&mut self, ended: &InspectReport) {
        if let Some(selection) = &mut self.selection {
            take(selection.finish(), &ended.names, &mut self.summary, self.eve.as_mut(), &self.stop);
        }
        let Some(eve) = &mut self.eve else { return };
        let counters: Vec<(&str, u64)> =
            ended.counters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let counted = eve.exporter.stats(self.summary.last_ns(), &counters);
        eve.note(counted, &self.stop);
        eve.flush(&self.stop);
    }

    /// How the writing of EVE records went; good where none were asked for.
    pub(super) fn eve_health(&self) -> EveHealth {
        self.eve.as_ref().map_or(EveHealth::Good, |eve| eve.health)
    }
}

impl Observer for Inspection {
    fn records(&mut self, batch: &RecordBatch, names: &Names) {
        let flows = batch.records().iter().filter(|record| matches!(record.body, Body::Flow(_))).count();
        self.flows_seen += flows as u64;
        let chosen = match &mut self.selection {
            Some(selection) => selection.choose(batch),
            None => batch,
        };
        take(chosen, names, &mut self.summary, self.eve.as_mut(), &self.stop);
    }

    fn progress(&mut self, progress: Progress) {
        self.bar.show(progress);
        if let Some(eve) = self.eve.as_mut().filter(|eve| eve.flushed.elapsed() >= FLUSH_EVERY) {
            eve.flush(&self.stop);
        }
    }
}

impl Eve {
    pub(super) fn new(exporter: EveExporter) -> Self {
        Self { exporter, health: EveHealth::Good, flushed: Instant::now() }
    }

    /// Lines written and lost.
    pub(super) fn lines(&self) -> (u64, u64) {
        let tally = self.exporter.tally();
        (tally.lines, tally.lost_lines)
    }

    fn flush(&mut self, stop: &Stop) {
        let flushed = self.exporter.flush();
        self.note(flushed, stop);
        self.flushed = Instant::now();
    }

    /// A reader that went away has what it wanted; anything else is told, once, when it starts.
    fn note(&mut self, result: Result<(), ExportError>, stop: &Stop) {
        match result {
            Ok(()) => {}
            Err(ExportError::ReaderGone) => {
                self.health = EveHealth::ReaderGone;
                stop.request();
            }
            Err(error) => {
                self.health = EveHealth::Failed;
                tell::error(&error.to_string());
            }
        }
    }
}

fn take(batch: &RecordBatch, names: &Names, summary: &mut Summary, eve: Option<&mut Eve>, stop: &Stop) {
    summary.add(batch);
    if let Some(eve) = eve {
        let exported = eve.exporter.export(batch, names);
        eve.note(exported, stop);
    }
}

/// Whoever watches the records come need not wait longer.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
