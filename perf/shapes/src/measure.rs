//! Which runs are made, and the figures that come of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Counter, Counters, Engine, EngineConfig, Inspection, Plan};
use export::eve::{EveExporter, EveOptions};
use export::{OpenMode, Sink};
use packet_io::memory::Memory;
use serde::Serialize;

use crate::BenchError;
use crate::pass::{self, Timing};
use crate::shape::{Rest, Shape};
use crate::stage::{Export, Inspect, Parse, Receive, Records, Rewrite, Stage};

/// How to measure.
#[derive(Debug)]
pub struct Bench {
    /// What the engine knows.
    pub plan: Arc<Plan>,
    /// Flows that it tracks at once.
    pub flow_capacity: usize,
    /// Least runs of each case.
    pub runs: u16,
    /// Least time for a shape: there are more runs until it is over.
    pub time: Duration,
    /// Least packets of a run.
    pub packets: u64,
    /// Where EVE lines go.
    pub eve: PathBuf,
    /// Rate of the time-stamp counter.
    pub tsc_hz: f64,
}

/// How much of the path is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
    /// Packets are received
    Receive,
    /// And parsed
    Parse,
    /// And looked up and counted
    Count,
    /// And inspected
    Full,
    /// And records written as EVE lines
    Eve,
}

/// Figures of one shape.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Name of the shape.
    pub name: &'static str,
    /// Packets of a run.
    pub packets: u64,
    /// Flows begun in a run.
    pub flows: u64,
    /// Records written in a run.
    pub records: u64,
    /// Mean bytes of a packet on the wire.
    pub bytes_per_packet: f64,
    /// Parse, look up and count: inspection off, records dropped.
    pub count: Series,
    /// The whole engine, records dropped.
    pub full: Series,
    /// The whole engine, records written as EVE lines on the same thread.
    pub full_with_eve: Series,
    /// Where the cycles go.
    pub steps: Steps,
    /// What beginning and ending flows costs, where every packet begins one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_flows_per_second: Option<NewFlows>,
}

/// Runs of one case.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Million packets a second of CPU time, median run.
    pub mpps: f64,
    /// Cycles of the time-stamp counter a packet, median run.
    pub cycles: f64,
    /// The same of the fastest run.
    pub best_mpps: f64,
    /// The same of the fastest run.
    pub best_cycles: f64,
    /// CPU time a packet of each run, nanoseconds.
    pub ns_per_packet: Vec<f64>,
}

/// Cycles a packet of each step, by separate loops or by difference of medians.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Steps {
    /// The source alone.
    pub receive: f64,
    /// Views and headers, less `receive`.
    pub parse: f64,
    /// Hash, flow table, counters, timers: `count` less all before and less its records.
    pub look_up_and_count: f64,
    /// Reassembly, probes, signatures, parsers: `full` less `count` and less the records of events.
    pub inspect: f64,
    /// Writing every record once into a recycled batch.
    pub records: f64,
    /// EVE lines of every record.
    pub export: f64,
}

/// New flows a second of CPU time on one core, inspection off, median run.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NewFlows {
    /// Begun in a table with room.
    pub begun: f64,
    /// Begun, and ended by their timeout with a record each.
    pub begun_and_ended: f64,
    /// Begun in a full table, where each has to evict another, with a record each.
    pub begun_in_a_full_table: f64,
}

/// Timings of all runs of one shape.
#[derive(Debug, Default)]
struct Runs {
    receive: Vec<Timing>,
    parse: Vec<Timing>,
    count: Vec<Timing>,
    full: Vec<Timing>,
    full_with_eve: Vec<Timing>,
    evicting: Vec<Timing>,
    flow_records_ns: Vec<f64>,
    event_records_ns: Vec<f64>,
    export_ns: Vec<f64>,
    flows: u64,
    records: u64,
}

impl Bench {
    /// Measures a shape.
    ///
    /// # Errors
    /// No memory for an engine, or EVE lines cannot be written.
    pub fn measure(&self, shape: &Shape) -> Result<Figures, BenchError> {
        let mut memory = shape.memory();
        let packets = shape.whole_rounds(self.packets);
        let mut runs = Runs::default();
        // One run of each case after the other, so that a busy minute of the machine spoils all alike.
        let start = Instant::now();
        while runs.receive.len() < usize::from(self.runs) || start.elapsed() < self.time {
            runs.receive.push(self.case(Case::Receive, shape, &mut memory)?);
            runs.parse.push(self.case(Case::Parse, shape, &mut memory)?);
            runs.count.push(self.case(Case::Count, shape, &mut memory)?);
            runs.full.push(self.case(Case::Full, shape, &mut memory)?);
            self.rewrite(shape, &mut memory, &mut runs)?;
            self.export(shape, &mut memory, &mut runs)?;
            if shape.is_scan {
                runs.evicting.push(self.evict(shape, &mut memory)?);
            }
        }
        Ok(Figures {
            name: shape.name,
            packets,
            flows: runs.flows,
            records: runs.records,
            bytes_per_packet: shape.bytes_per_packet(),
            count: self.series(&runs.count),
            full: self.series(&runs.full),
            full_with_eve: self.series(&runs.full_with_eve),
            steps: self.steps(&runs),
            new_flows_per_second: shape.is_scan.then(|| new_flows(&runs)),
        })
    }

    /// Runs one case, and nothing else.
    ///
    /// # Errors
    /// No memory for an engine, or EVE lines cannot be written.
    pub fn profile(&self, shape: &Shape, case: Case) -> Result<Series, BenchError> {
        let mut memory = shape.memory();
        let timings: Result<Vec<Timing>, BenchError> =
            (0..self.runs).map(|_| self.case(case, shape, &mut memory)).collect();
        Ok(self.series(&timings?))
    }

    fn case(&self, case: Case, shape: &Shape, memory: &mut Memory) -> Result<Timing, BenchError> {
        let inspection = match case {
            Case::Receive => return self.time(shape, memory, &mut Receive),
            Case::Parse => return self.time(shape, memory, &mut Parse::new()),
            Case::Count => Inspection::Off,
            Case::Full => Inspection::Full,
            Case::Eve => return self.time(shape, memory, &mut self.exporting()?),
        };
        self.time(shape, memory, &mut Inspect::new(self.engine(inspection)?, Records::Drop))
    }

    /// Some rounds to warm up, then whole rounds against the clock.
    fn time(&self, shape: &Shape, memory: &mut Memory, stage: &mut impl Stage) -> Result<Timing, BenchError> {
        pass::run(memory, shape.warm_up(), shape.rest, stage)?;
        Ok(pass::run(memory, shape.whole_rounds(self.packets), shape.rest, stage)?)
    }

    /// A run in which records are written once more, to tell what they cost.
    fn rewrite(&self, shape: &Shape, memory: &mut Memory, runs: &mut Runs) -> Result<(), BenchError> {
        let mut stage = Inspect::new(self.engine(Inspection::Full)?, Records::Rewrite(Rewrite::default()));
        pass::run(memory, shape.warm_up(), shape.rest, &mut stage)?;
        stage.restart();
        let timing = pass::run(memory, shape.whole_rounds(self.packets), shape.rest, &mut stage)?;
        if let Records::Rewrite(rewrite) = stage.records() {
            runs.flow_records_ns.push(rewrite.flows_ns as f64 / timing.packets as f64);
            runs.event_records_ns.push(rewrite.events_ns as f64 / timing.packets as f64);
        }
        Ok(())
    }

    /// A run in which records become EVE lines.
    fn export(&self, shape: &Shape, memory: &mut Memory, runs: &mut Runs) -> Result<(), BenchError> {
        let mut stage = self.exporting()?;
        pass::run(memory, shape.warm_up(), shape.rest, &mut stage)?;
        stage.restart();
        let flows = stage.counter(Counter::FlowsCreated);
        let timing = pass::run(memory, shape.whole_rounds(self.packets), shape.rest, &mut stage)?;
        runs.flows = stage.counter(Counter::FlowsCreated) - flows;
        if let Records::Export(export) = stage.records() {
            runs.records = export.records;
            runs.export_ns.push(export.ns as f64 / timing.packets as f64);
        }
        runs.full_with_eve.push(timing);
        Ok(())
    }

    fn exporting(&self) -> Result<Inspect, BenchError> {
        let sink = Sink::file(&self.eve, OpenMode::Truncate)?;
        let exporter = EveExporter::new(sink, &EveOptions::default());
        Ok(Inspect::new(self.engine(Inspection::Full)?, Records::Export(Export::new(exporter))))
    }

    /// A run over a table that is full from the start.
    fn evict(&self, shape: &Shape, memory: &mut Memory) -> Result<Timing, BenchError> {
        let config = EngineConfig {
            flow_capacity: (shape.packets.len() / 4).max(1),
            inspection: Inspection::Off,
            ..self.config()
        };
        let engine = Engine::new(config, Arc::clone(&self.plan), Arc::new(Counters::default()))?;
        let mut stage = Inspect::new(engine, Records::Drop);
        pass::run(memory, shape.warm_up(), Rest::Goes, &mut stage)?;
        Ok(pass::run(memory, shape.whole_rounds(self.packets), Rest::Goes, &mut stage)?)
    }

    fn engine(&self, inspection: Inspection) -> Result<Engine, BenchError> {
        let config = EngineConfig { inspection, ..self.config() };
        Ok(Engine::new(config, Arc::clone(&self.plan), Arc::new(Counters::default()))?)
    }

    fn config(&self) -> EngineConfig {
        // Any seed will do; a fixed one makes runs alike.
        EngineConfig {
            flow_capacity: self.flow_capacity,
            hash_seed: 0x5eed_0f7a_b1e5,
            ..EngineConfig::default()
        }
    }

    fn series(&self, timings: &[Timing]) -> Series {
        let ns_per_packet: Vec<f64> = timings.iter().map(|timing| ns_per_packet(*timing)).collect();
        let best = ns_per_packet.iter().copied().fold(f64::INFINITY, f64::min);
        let middle = median(&ns_per_packet);
        Series {
            mpps: 1e3 / middle,
            cycles: self.cycles(middle),
            best_mpps: 1e3 / best,
            best_cycles: self.cycles(best),
            ns_per_packet,
        }
    }

    fn steps(&self, runs: &Runs) -> Steps {
        let middle = |timings: &[Timing]| {
            let each: Vec<f64> = timings.iter().map(|timing| ns_per_packet(*timing)).collect();
            self.cycles(median(&each))
        };
        let [receive, parse, count, full] =
            [&runs.receive, &runs.parse, &runs.count, &runs.full].map(|timings| middle(timings));
        let [flows, events, export] = [&runs.flow_records_ns, &runs.event_records_ns, &runs.export_ns]
            .map(|ns| self.cycles(median(ns)));
        Steps {
            receive,
            parse: parse - receive,
            look_up_and_count: count - parse - flows,
            inspect: full - count - events,
            records: flows + events,
            export,
        }
    }

    fn cycles(&self, ns: f64) -> f64 {
        ns * self.tsc_hz * 1e-9
    }
}

fn new_flows(runs: &Runs) -> NewFlows {
    let rate = |timings: &[Timing], spent: fn(&Timing) -> u64| {
        let each: Vec<f64> =
            timings.iter().map(|timing| timing.packets as f64 * 1e9 / spent(timing).max(1) as f64).collect();
        median(&each)
    };
    NewFlows {
        begun: rate(&runs.count, |timing| timing.ns - timing.ending_ns),
        begun_and_ended: rate(&runs.count, |timing| timing.ns),
        begun_in_a_full_table: rate(&runs.evicting, |timing| timing.ns),
    }
}

fn ns_per_packet(timing: Timing) -> f64 {
    timing.ns as f64 / timing.packets.max(1) as f64
}

/// The middle of some numbers, the mean of both where there are two; 0 where there is none.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = sorted.get(half).copied().unwrap_or(0.0);
    let lower = if sorted.len().is_multiple_of(2) { sorted.get(half.wrapping_sub(1)).copied() } else { None };
    (upper + lower.unwrap_or(upper)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&[9.0, 1.0, 4.0, 2.0]), 3.0);
    }

    #[test]
    fn new_flows_are_told_with_and_without_their_end() {
        let timing = Timing { packets: 1000, ns: 4000, ending_ns: 3000 };
        let runs = Runs { count: vec![timing], evicting: vec![timing], ..Runs::default() };
        let flows = new_flows(&runs);
        assert_eq!([flows.begun, flows.begun_and_ended, flows.begun_in_a_full_table], [1e9, 0.25e9, 0.25e9]);
    }
}
