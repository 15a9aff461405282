//! How much of the path of a packet is walked.

use core::hint::black_box;

use arrayvec::ArrayVec;
use engine::record::{Body, Datum, Record};
use engine::{Counter, Engine, Frame, Names, RecordBatch, Verdict};
use export::eve::EveExporter;
use export::{ExportError, Exporter};
use packet_io::memory::MemoryBuf;
use packet_io::{BURST, Burst, ChecksumOffload, PacketBuf};
use wire::{Headers, LinkType, ParseOptions};

/// Takes bursts; each implementation walks a bit further.
pub(crate) trait Stage {
    /// Takes one burst.
    fn burst(&mut self, burst: &Burst<MemoryBuf>) -> Result<(), ExportError>;

    /// Lets every flow end.
    fn end_flows(&mut self) -> Result<(), ExportError> {
        Ok(())
    }
}

/// Nothing: what remains is the source.
#[derive(Debug)]
pub(crate) struct Receive;

impl Stage for Receive {
    #[inline]
    fn burst(&mut self, burst: &Burst<MemoryBuf>) -> Result<(), ExportError> {
        black_box(burst.bufs());
        Ok(())
    }
}

/// Views and headers, and nothing after them.
#[derive(Debug)]
pub(crate) struct Parse {
    options: ParseOptions,
    headers: Box<[Headers; BURST]>,
}

impl Parse {
    pub(crate) fn new() -> Self {
        Self { options: ParseOptions::default(), headers: Box::new([Headers::default(); BURST]) }
    }
}

impl Stage for Parse {
    #[inline]
    fn burst(&mut self, burst: &Burst<MemoryBuf>) -> Result<(), ExportError> {
        let frames = frames(burst, 0);
        for (at, (frame, headers)) in frames.iter().zip(self.headers.iter_mut()).enumerate() {
            // As the engine does.
            if let Some(later) = frames.get(at + 8) {
                mem_sys::prefetch_start(later.bytes);
            }
            if let Some(link) = frame.link {
                let _ = black_box(headers.parse(frame.bytes, frame.wire_len, link, &self.options));
            }
        }
        black_box(&self.headers);
        Ok(())
    }
}

/// What becomes of records.
#[derive(Debug)]
pub(crate) enum Records {
    /// They are forgotten.
    Drop,
    /// They are written once more, against the clock; then forgotten.
    Rewrite(Rewrite),
    /// They become EVE lines, on the same thread.
    Export(Export),
}

/// The engine, and what becomes of its records.
#[derive(Debug)]
pub(crate) struct Inspect {
    engine: Engine,
    batch: RecordBatch,
    records: Records,
    names: Names,
    /// Added to the time of packets: time passes between rounds.
    shift_ns: u64,
    last_ns: u64,
}

impl Inspect {
    pub(crate) fn new(engine: Engine, records: Records) -> Self {
        let mut names = engine.plan().names().clone();
        let _ = names.add_interface("memory");
        Self { engine, batch: RecordBatch::with_capacity(), records, names, shift_ns: 0, last_ns: 0 }
    }

    /// Value of a counter of the engine.
    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        self.engine.counters().value(counter)
    }

    pub(crate) const fn records(&self) -> &Records {
        &self.records
    }

    /// Forgets what was measured so far.
    pub(crate) const fn restart(&mut self) {
        match &mut self.records {
            Records::Drop => {}
            Records::Rewrite(rewrite) => (rewrite.flows_ns, rewrite.events_ns) = (0, 0),
            Records::Export(export) => (export.ns, export.records) = (0, 0),
        }
    }

    fn hand_on(&mut self) -> Result<(), ExportError> {
        match &mut self.records {
            Records::Drop => {}
            Records::Rewrite(rewrite) => rewrite.take(&self.batch),
            Records::Export(export) => export.take(&self.batch, &self.names)?,
        }
        self.batch.clear();
        Ok(())
    }
}

impl Stage for Inspect {
    #[inline]
    fn burst(&mut self, burst: &Burst<MemoryBuf>) -> Result<(), ExportError> {
        let frames = frames(burst, self.shift_ns);
        let mut verdicts = [Verdict::Forward; BURST];
        self.engine.process(&frames, &mut verdicts, &mut self.batch);
        black_box(&verdicts);
        self.last_ns = frames.last().map_or(self.last_ns, |frame| frame.timestamp_ns);
        if self.batch.is_full() { self.hand_on() } else { Ok(()) }
    }

    fn end_flows(&mut self) -> Result<(), ExportError> {
        let later = self.last_ns + LONGER_THAN_TIMEOUTS_NS;
        while self.counter(Counter::FlowsActive) > 0 {
            self.engine.tick(later, &mut self.batch);
            if self.batch.is_full() {
                self.hand_on()?;
            }
        }
        self.shift_ns += LONGER_THAN_TIMEOUTS_NS;
        Ok(())
    }
}

/// Longest default timeout and a bit.
const LONGER_THAN_TIMEOUTS_NS: u64 = 660_000_000_000;

/// Writes records that are there once more, to see what writing them costs.
#[derive(Debug, Default)]
pub(crate) struct Rewrite {
    copy: RecordBatch,
    pub(crate) flows_ns: u64,
    pub(crate) events_ns: u64,
}

impl Rewrite {
    fn take(&mut self, batch: &RecordBatch) {
        let start = mem_sys::thread_cpu_ns();
        for record in batch.records() {
            if let Body::Flow(summary) = record.body {
                self.copy.push_flow(record.timestamp_ns, record.flow, summary);
            }
        }
        black_box(&self.copy);
        self.copy.clear();
        let between = mem_sys::thread_cpu_ns();
        for record in batch.records() {
            if let Body::Event(kind) = record.body {
                self.event(batch, record, kind);
            }
        }
        black_box(&self.copy);
        self.copy.clear();
        self.flows_ns += between - start;
        self.events_ns += mem_sys::thread_cpu_ns() - between;
    }

    fn event(&mut self, batch: &RecordBatch, record: &Record, kind: &'static str) {
        let mut writer = self.copy.event(record.timestamp_ns, record.flow, kind);
        for item in batch.items(record) {
            match item.value {
                text @ Datum::Text(..) => writer.text(item.name, batch.text(text)),
                hex @ Datum::Hex(..) => writer.hex(item.name, batch.text(hex)),
                Datum::Object => writer.object(item.name),
                Datum::List => writer.list(item.name),
                Datum::Close => writer.close(),
                plain => writer.datum(item.name, plain),
            };
        }
    }
}

/// Makes EVE lines of records, against the clock.
#[derive(Debug)]
pub(crate) struct Export {
    exporter: EveExporter,
    pub(crate) ns: u64,
    pub(crate) records: u64,
}

impl Export {
    pub(crate) const fn new(exporter: EveExporter) -> Self {
        Self { exporter, ns: 0, records: 0 }
    }

    fn take(&mut self, batch: &RecordBatch, names: &Names) -> Result<(), ExportError> {
        let start = mem_sys::thread_cpu_ns();
        self.exporter.export(batch, names)?;
        self.ns += mem_sys::thread_cpu_ns() - start;
        self.records += batch.records().len() as u64;
        Ok(())
    }
}

/// Lends a burst to the engine, as a worker does.
#[inline]
fn frames(burst: &Burst<MemoryBuf>, shift_ns: u64) -> ArrayVec<Frame<'_>, BURST> {
    let pairs = burst.bufs().iter().zip(burst.metas());
    pairs
        .map(|(buf, meta)| Frame {
            bytes: buf.bytes(),
            wire_len: meta.wire_len,
            timestamp_ns: meta.timestamp_ns + shift_ns,
            link: LinkType::from_linktype(meta.link.linktype()),
            interface: meta.interface,
            checksums_good: meta.link.checksums() == ChecksumOffload::Good,
        })
        .collect()
}
