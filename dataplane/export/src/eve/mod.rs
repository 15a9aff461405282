//! EVE JSON, as Suricata's users know it: one object a line.
//!
//! `flow`, `stats` and the events of parsers have the members that Suricata gives them. Beyond EVE: `app_service`,
//! `app_confidence` and `app_evidence` say what a flow was classified as and why; `tunnel` names the innermost
//! tunnel; `flow.midstream` and `flow.gaps` are there where they are true. `src` is the client's side. How text from
//! the wire is escaped is said at `json::string` and in `docs/eve.md`.

mod community_id;
mod flow_text;
mod json;
mod line;
mod names;
mod stats;
mod time;

#[cfg(test)]
mod tests;

use engine::record::Body;
use engine::{Names, RecordBatch};

use crate::{ExportError, Exporter, FileTally, Sink, Tally};

pub use names::transport;
pub use time::Zone;

use flow_text::FlowTexts;
use time::Clock;

/// How EVE lines are written.
#[derive(Clone, Debug)]
pub struct EveOptions {
    /// Zone of timestamps.
    pub zone: Zone,
    /// Seed of `community_id`; without one the member is left out.
    pub community_id: Option<u16>,
    /// Values of `event_type` that are written; all of them where it is empty.
    pub types: Vec<String>,
}

impl Default for EveOptions {
    fn default() -> Self {
        Self { zone: Zone::Utc, community_id: Some(0), types: Vec::new() }
    }
}

/// Writes records as EVE JSON.
#[derive(Debug)]
pub struct EveExporter {
    sink: Sink,
    format: Format,
    types: Vec<String>,
}

/// What writing a line needs beside the record.
#[derive(Debug)]
struct Format {
    clock: Clock,
    flows: FlowTexts,
    /// What closes each open object and list; kept for its storage.
    open: Vec<u8>,
}

impl EveExporter {
    /// Lines into `sink`.
    #[must_use]
    pub fn new(sink: Sink, options: &EveOptions) -> Self {
        let flows = FlowTexts::new(options.community_id);
        let format = Format { clock: Clock::new(&options.zone), flows, open: Vec::new() };
        Self { sink, format, types: options.types.clone() }
    }

    fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind)
    }

    fn line(&mut self, write: impl FnOnce(&mut Format, &mut Vec<u8>)) -> Result<(), ExportError> {
        write(&mut self.format, self.sink.buffer());
        self.sink.buffer().extend_from_slice(b"}\n");
        self.sink.line_ended()
    }
}

impl Exporter for EveExporter {
    fn export(&mut self, batch: &RecordBatch, names: &Names) -> Result<(), ExportError> {
        let mut result = Ok(());
        for record in batch.records() {
            let kind = match record.body {
                Body::Flow(_) => "flow",
                Body::Event(kind) => kind,
            };
            if !self.wants(kind) {
                continue;
            }
            // Later records are taken all the same: the disk may have room again.
            result = result.and(self.line(|format, out| format.record(out, batch, record, names)));
        }
        result
    }

    fn stats(&mut self, timestamp_ns: u64, counters: &[(&str, u64)]) -> Result<(), ExportError> {
        if !self.wants("stats") {
            return Ok(());
        }
        self.line(|format, out| {
            format.timestamp(out, timestamp_ns);
            out.extend_from_slice(br#","event_type":"stats","stats":"#);
            stats::write(out, counters);
        })
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        self.sink.drain()
    }

    fn tend(&mut self, now_s: u64) -> Result<(), ExportError> {
        self.sink.tend(now_s)
    }

    fn reopen(&mut self) -> Result<(), ExportError> {
        self.sink.reopen()
    }

    fn tally(&self) -> Tally {
        self.sink.tally()
    }

    fn file_tally(&self) -> FileTally {
        self.sink.file_tally()
    }

    fn target(&self) -> &str {
        self.sink.target()
    }
}
