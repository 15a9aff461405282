//! Figures for people, and what goes into the JSON.

use core::fmt::Write;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::{Bench, Figures, Series};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    date: String,
    version: &'static str,
    machine: Machine,
    settings: Settings,
    /// Figures of each shape.
    pub shapes: Vec<Figures>,
}

#[derive(Debug, Serialize)]
struct Settings {
    runs: u16,
    least_packets: u64,
    flow_capacity: usize,
    eve: String,
}

impl Report {
    /// A report without figures so far.
    #[must_use]
    pub fn new(date: String, machine: Machine, bench: &Bench) -> Self {
        let settings = Settings {
            runs: bench.runs,
            least_packets: bench.packets,
            flow_capacity: bench.flow_capacity,
            eve: bench.eve.display().to_string(),
        };
        Self { date, version: env!("CARGO_PKG_VERSION"), machine, settings, shapes: Vec::new() }
    }

    /// What was measured on, and the titles of the columns of [`row`].
    #[must_use]
    pub fn heading(&self) -> String {
        let machine = &self.machine;
        format!(
            "{}, {} cores, {}, kernel {}{}, load {}\n\
             one core, CPU time, median of {} runs (in brackets the best), cycles of a {:.0} MHz time-stamp counter\n\n\
             {:<11} {:>9}   {:^34}   {:^34}   {:^34}\n{:<11} {:>9} {}\n",
            machine.cpu,
            machine.cores,
            machine.caches.join(", "),
            machine.kernel,
            if machine.is_virtual { " (virtual)" } else { "" },
            machine.load,
            self.settings.runs,
            machine.tsc_hz / 1e6,
            "",
            "",
            "parse + look up + count",
            "whole engine, records dropped",
            "whole engine, records and EVE",
            "shape",
            "packets",
            format!("  {:>16} {:>17}", "Mpps", "cycles/packet").repeat(3),
        )
    }

    /// The steps of every shape, and new flows.
    #[must_use]
    pub fn steps(&self) -> String {
        let mut text =
            String::from("\ncycles/packet  receive   parse  look up+count  inspect  records   export\n");
        for figures in &self.shapes {
            let steps = figures.steps;
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{:<14} {:>7.1} {:>7.1} {:>14.1} {:>8.1} {:>8.1} {:>8.1}",
                figures.name,
                steps.receive,
                steps.parse,
                steps.look_up_and_count,
                steps.inspect,
                steps.records,
                steps.export
            );
        }
        for figures in &self.shapes {
            if let Some(flows) = figures.new_flows_per_second {
                let _ = writeln!(
                    text,
                    "\n{}: {:.2} M new flows/s, {:.2} M/s with their end and record, {:.2} M/s into a full table",
                    figures.name,
                    flows.begun / 1e6,
                    flows.begun_and_ended / 1e6,
                    flows.begun_in_a_full_table / 1e6
                );
            }
        }
        text
    }
}

/// One shape.
#[must_use]
pub fn row(figures: &Figures) -> String {
    let case = |series: &Series| {
        format!(
            "  {:>7.2} ({:>6.2}) {:>8.0} ({:>6.0})",
            series.mpps, series.best_mpps, series.cycles, series.best_cycles
        )
    };
    let cases = [&figures.count, &figures.full, &figures.full_with_eve].map(case).concat();
    format!("{:<11} {:>9} {cases}\n", figures.name, figures.packets)
}
