//! Figures as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};
use shapes::{Figures, Machine, Series, Steps};

use super::testpmd::{Peer, PeerError};

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) flow_capacity: usize,
    pub(super) figures: Vec<(&'static str, Figures)>,
    /// Where a comparison was asked for.
    pub(super) peer: Option<Result<Peer, PeerError>>,
}

impl Report {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        out.push_str(&described(&self.machine));
        writeln!(out, "one core, CPU time, packets from memory, {} flows at most\n", self.flow_capacity)?;
        let heads = ["Mpps", "Gbit/s", "cycles", "Mpps", "Gbit/s", "cycles"].map(|head| format!("{head:>8}"));
        writeln!(out, "{:<11} {:>5} {:>6} {:^24}  {:^24}", "", "", "", "whole engine", "with EVE lines")?;
        let heads = [heads.get(..3), heads.get(3..)].map(|half| half.unwrap_or_default().concat()).join("  ");
        writeln!(out, "{:<11} {:>5} {:>6}{heads}", "traffic", "runs", "bytes")?;
        for (name, figures) in &self.figures {
            let (runs, bytes) = (figures.full.ns_per_packet.len(), figures.bytes_per_packet);
            let [full, eve] = [&figures.full, &figures.full_with_eve].map(|series| rate(series, bytes));
            writeln!(out, "{name:<11} {runs:>5} {bytes:>6.0}{full}  {eve}")?;
        }
        writeln!(out, "\n{:<11} {}", "cycles", NAMES.map(|name| format!("{name:>10}")).concat())?;
        for (name, figures) in &self.figures {
            let steps = in_order(figures.steps).map(|cycles| format!("{cycles:>10.1}")).concat();
            writeln!(out, "{name:<11} {steps}")?;
        }
        match &self.peer {
            None => {}
            Some(Ok(peer)) => writeln!(
                out,
                "\ndpdk-testpmd {}, io between two null devices: {:.1} Mpps of CPU time ({} packets in {:.2} s)",
                peer.version,
                peer.mpps(),
                peer.packets,
                peer.cpu.as_secs_f64()
            )?,
            Some(Err(error)) => writeln!(out, "\nno comparison with dpdk-testpmd: {error}")?,
        }
        if cfg!(debug_assertions) {
            writeln!(
                out,
                "\nThis program was built without optimisation: the figures say nothing of a release."
            )?;
        }
        Ok(())
    }

    pub(super) fn json(&self) -> String {
        let traffic: Vec<Value> = self.figures.iter().map(|(name, figures)| one(name, figures)).collect();
        let mut all = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "optimised": !cfg!(debug_assertions),
            "machine": self.machine,
            "flow_capacity": self.flow_capacity,
            "traffic": traffic,
        });
        let peer = self.peer.as_ref().map(|peer| match peer {
            Ok(peer) => json!({
                "program": "dpdk-testpmd",
                "version": peer.version,
                "mode": "io, two null devices",
                "mpps": peer.mpps(),
                "packets": peer.packets,
                "cpu_seconds": peer.cpu.as_secs_f64(),
            }),
            Err(error) => json!({ "program": "dpdk-testpmd", "error": error.to_string() }),
        });
        if let (Some(peer), Some(all)) = (peer, all.as_object_mut()) {
            all.insert("peer".to_owned(), peer);
        }
        format!("{all:#}\n")
    }
}

/// The machine in one line.
pub(crate) fn described(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {}, kernel {}{}, load {}, counter of {:.0} MHz\n",
        machine.cpu,
        machine.cores,
        machine.caches.join(", "),
        machine.kernel,
        if machine.is_virtual { " (virtual)" } else { "" },
        machine.load,
        machine.tsc_hz / 1e6,
    )
}

/// Columns of one case.
fn rate(series: &Series, bytes: f64) -> String {
    format!("{:>8.2}{:>8.2}{:>8.0}", series.mpps, gbit_per_second(series, bytes), series.cycles)
}

/// Of the packets themselves, without preamble and gap.
fn gbit_per_second(series: &Series, bytes: f64) -> f64 {
    series.mpps * bytes * 8.0 / 1e3
}

fn one(name: &str, figures: &Figures) -> Value {
    let case = |series: &Series| {
        json!({
            "mpps": series.mpps,
            "gbit_per_second": gbit_per_second(series, figures.bytes_per_packet),
            "cycles_per_packet": series.cycles,
            "best_mpps": series.best_mpps,
            "runs": series.ns_per_packet.len(),
        })
    };
    let steps: serde_json::Map<String, Value> = NAMES
        .into_iter()
        .zip(in_order(figures.steps))
        .map(|(name, cycles)| (name.replace(' ', "_"), json!(cycles)))
        .collect();
    json!({
        "name": name,
        "packets_per_run": figures.packets,
        "bytes_per_packet": figures.bytes_per_packet,
        "flows_per_run": figures.flows,
        "records_per_run": figures.records,
        "count": case(&figures.count),
        "full": case(&figures.full),
        "full_with_eve": case(&figures.full_with_eve),
        "cycles_per_packet": steps,
    })
}

/// Steps as the path of a packet meets them.
const NAMES: [&str; 6] = ["receive", "parse", "look up", "inspect", "records", "export"];

const fn in_order(steps: Steps) -> [f64; 6] {
    [steps.receive, steps.parse, steps.look_up_and_count, steps.inspect, steps.records, steps.export]
}
