//! Counters in the text formats that Prometheus reads, straight from the workers' cells: there is no registry beside
//! them that could say something else.

use std::fmt::{Display, Write};

use api::control::{
    CounterSnapshot, DataplaneStatus, Health, Mode, TunnelRow, TunnelState, TunnelTable, WorkerState,
};

use crate::desk::Desk;

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Everything. A data plane that cannot be reached is `wirewarden_up 0`, and its counters are missing.
pub(super) async fn text(desk: &Desk, format: Format) -> String {
    let counters = desk.plane.counters().await.ok();
    let mut out = Page { text: String::with_capacity(16 * 1024), format };
    let status = desk.status().await;
    let is_up = u64::from(counters.is_some());
    out.gauge("wirewarden_up", "Whether the data plane answers", &[(&[], is_up)]);
    if let Some(daemon) = &status.daemon {
        let labels = [("program", "wirewardend"), ("version", daemon.version.as_str())];
        out.gauge("wirewarden_build_info", "Which build this is", &[(&labels, 1)]);
        out.gauge(
            "wirewarden_config_revision",
            "Number of the running configuration",
            &[(&[], daemon.revision)],
        );
        let pending = u64::from(daemon.pending.is_some());
        out.gauge("wirewarden_config_pending", "Whether a change awaits its confirmation", &[(&[], pending)]);
        let restarts = daemon.supervision.restarts;
        out.counter("wirewarden_dataplane_restarts", "Starts of the data plane anew", &[(&[], restarts)]);
        out.family("wirewarden_component_healthy", "gauge", "Whether a part works");
        for part in &daemon.components {
            let is_good = u64::from(part.health != Health::Failed);
            out.sample("wirewarden_component_healthy", &[("component", part.name.as_str())], is_good);
        }
    }
    if let Some(dataplane) = &status.dataplane {
        of_dataplane(&mut out, dataplane);
    }
    if let Some(counters) = &counters {
        of_workers(&mut out, counters);
        of_queues(&mut out, counters);
        of_ports(&mut out, counters);
        of_outputs(&mut out, counters);
    }
    of_tunnels(&mut out, &desk.tunnels.table());
    if format == Format::OpenMetrics {
        out.text.push_str("# EOF\n");
    }
    out.text
}

fn of_dataplane(out: &mut Page, status: &DataplaneStatus) {
    let version = [("version", status.signatures_version.as_str())];
    out.gauge("wirewarden_signatures_info", "Version of the signature set", &[(&version, 1)]);
    out.gauge("wirewarden_signatures", "Signatures in use", &[(&[], u64::from(status.signatures))]);
    let is_safe = u64::from(status.mode == Mode::Safe);
    out.gauge("wirewarden_safe_mode", "Whether packets are counted and passed on only", &[(&[], is_safe)]);
    let failover = status.failover.as_ref();
    out.gauge(
        "wirewarden_failover",
        "Whether the kernel's interfaces are in the place of DPDK",
        &[(&[], u64::from(failover.is_some()))],
    );
    if let Some(failover) = failover {
        out.gauge(
            "wirewarden_failover_lost_flows",
            "Flows open when DPDK was lost",
            &[(&[], failover.flows_lost)],
        );
        let first = failover.first_packet_ms.map(|took| (&[][..], took));
        out.gauge(
            "wirewarden_failover_first_packet_milliseconds",
            "From the loss of DPDK to the first packet",
            first.as_slice(),
        );
    }
    out.gauge(
        "wirewarden_dataplane_generation",
        "How often settings were taken into use",
        &[(&[], status.generation)],
    );
    let uptime = status.uptime_ms / 1000;
    out.gauge("wirewarden_dataplane_uptime_seconds", "Since the start of the data plane", &[(&[], uptime)]);
    out.counter(
        "wirewarden_observers_dropped_lines",
        "Events that slow subscribers lost",
        &[(&[], status.observers_dropped)],
    );
    out.family("wirewarden_worker_running", "gauge", "Whether a worker goes round its queues");
    for worker in &status.workers {
        let is_running = u64::from(worker.state == WorkerState::Running);
        out.sample("wirewarden_worker_running", &[("worker", &worker.worker.to_string())], is_running);
    }
}

/// Nothing where there are no tunnels.
fn of_tunnels(out: &mut Page, table: &TunnelTable) {
    if table.peers.is_empty() {
        return;
    }
    type Of = fn(&TunnelRow) -> u64;
    let gauges: [(&str, &str, Of); 4] = [
        ("wirewarden_tunnel_up", "Whether packets for a peer are sealed", |row| {
            u64::from(matches!(row.state, TunnelState::Up | TunnelState::Old))
        }),
        ("wirewarden_tunnel_epoch", "Number of the keys in use", |row| row.epoch.unwrap_or(0)),
        ("wirewarden_tunnel_key_age_seconds", "Age of the keys in use", |row| {
            row.key_age_ms.unwrap_or(0) / 1000
        }),
        ("wirewarden_tunnel_handshake_age_seconds", "Since the last full handshake", |row| {
            row.handshake_age_ms.unwrap_or(0) / 1000
        }),
    ];
    for (name, help, of) in gauges {
        out.family(name, "gauge", help);
        for row in &table.peers {
            out.sample(name, &[("peer", row.peer.as_str())], of(row));
        }
    }
    let counters: [(&str, &str, Of); 10] = [
        ("wirewarden_tunnel_handshakes", "Full handshakes that led to keys", |row| row.handshakes),
        ("wirewarden_tunnel_rekeys", "Resumptions that led to keys", |row| row.rekeys),
        ("wirewarden_tunnel_refused_sessions", "Sessions that one of the two refused", |row| row.refused),
        ("wirewarden_tunnel_rx_packets", "Packets opened", |row| row.counters.rx_packets),
        ("wirewarden_tunnel_rx_bytes", "Bytes opened", |row| row.counters.rx_bytes),
        ("wirewarden_tunnel_tx_packets", "Packets sealed", |row| row.counters.tx_packets),
        ("wirewarden_tunnel_tx_bytes", "Bytes sealed", |row| row.counters.tx_bytes),
        ("wirewarden_tunnel_replay_dropped_packets", "Packets that came twice or too late", |row| {
            row.counters.replay_drops
        }),
        ("wirewarden_tunnel_auth_dropped_packets", "Packets whose tag was wrong", |row| {
            row.counters.auth_drops
        }),
        ("wirewarden_tunnel_other_dropped_packets", "Packets not sealed or opened otherwise", |row| {
            row.counters.other_drops
        }),
    ];
    for (name, help, of) in counters {
        out.counter_family(name, help);
        for row in &table.peers {
            out.counter_sample(name, &[("peer", row.peer.as_str())], of(row));
        }
    }
    let name = "wirewarden_tunnel_refusals";
    out.counter_family(name, "Connections for keys that were refused, by reason");
    for (reason, count) in &table.refusals {
        out.counter_sample(name, &[("reason", reason.as_str())], *count);
    }
    if let Some(identity) = &table.identity {
        let name = "wirewarden_tunnel_identity_expiry_seconds";
        out.gauge(
            name,
            "When our certificate ends, seconds since the UNIX epoch",
            &[(&[], identity.until_ms / 1000)],
        );
    }
}

fn of_workers(out: &mut Page, counters: &CounterSnapshot) {
    type Of = fn(&api::control::WorkerCounters) -> u64;
    let own: [(&str, &str, Of); 6] = [
        ("wirewarden_worker_received_packets", "Packets taken from ports", |worker| worker.received),
        ("wirewarden_worker_forwarded_packets", "Packets sent on", |worker| worker.forwarded),
        ("wirewarden_worker_not_forwarded_packets", "Packets that no port took", |worker| {
            worker.not_forwarded
        }),
        ("wirewarden_worker_lost_records", "Records lost because the exporter was behind", |worker| {
            worker.records_lost
        }),
        ("wirewarden_worker_rounds", "Rounds over the queues", |worker| worker.rounds),
        ("wirewarden_worker_busy_rounds", "Rounds that had packets", |worker| worker.busy_rounds),
    ];
    for (name, help, of) in own {
        out.counter_family(name, help);
        for worker in &counters.workers {
            out.counter_sample(name, &worker_labels(worker.worker, worker.core).as_slices(), of(worker));
        }
    }
    let name = "wirewarden_dropped_packets";
    out.counter_family(name, "Packets dropped by the engine, by cause");
    for worker in &counters.workers {
        for (cause, count) in
            worker.engine.iter().filter_map(|(name, count)| Some((name.strip_prefix("drop.")?, count)))
        {
            let number = worker.worker.to_string();
            out.counter_sample(name, &[("worker", &number), ("cause", cause)], *count);
        }
    }
    let mut names: Vec<&String> = counters.workers.iter().flat_map(|worker| worker.engine.keys()).collect();
    names.sort();
    names.dedup();
    for engine_name in names.into_iter().filter(|name| !name.starts_with("drop.")) {
        let name = format!("wirewarden_engine_{}", engine_name.replace(['.', '-'], "_"));
        let is_level = LEVELS.contains(&engine_name.as_str());
        let help = format!("Engine counter {engine_name}");
        if is_level {
            out.family(&name, "gauge", &help)
        } else {
            out.counter_family(&name, &help)
        }
        for worker in &counters.workers {
            let number = worker.worker.to_string();
            let value = worker.engine.get(engine_name).copied().unwrap_or(0);
            if is_level {
                out.sample(&name, &[("worker", &number)], value);
            } else {
                out.counter_sample(&name, &[("worker", &number)], value);
            }
        }
    }
}

fn of_queues(out: &mut Page, counters: &CounterSnapshot) {
    type Of = fn(&api::control::QueueCounters) -> u64;
    let all: [(&str, &str, Of); 6] = [
        ("wirewarden_queue_rx_packets", "Packets received by a queue", |queue| queue.rx_packets),
        ("wirewarden_queue_rx_bytes", "Bytes received by a queue", |queue| queue.rx_bytes),
        ("wirewarden_queue_rx_errors", "Packets received in error", |queue| queue.rx_errors),
        ("wirewarden_queue_tx_packets", "Packets sent by a queue", |queue| queue.tx_packets),
        ("wirewarden_queue_tx_bytes", "Bytes sent by a queue", |queue| queue.tx_bytes),
        ("wirewarden_queue_tx_errors", "Packets that could not be sent", |queue| queue.tx_errors),
    ];
    for (name, help, of) in all {
        out.counter_family(name, help);
        for worker in &counters.workers {
            for queue in &worker.queues {
                let (number, own) = (queue.queue.to_string(), worker.worker.to_string());
                let labels = [("port", queue.port.as_str()), ("queue", &number), ("worker", &own)];
                out.counter_sample(name, &labels, of(queue));
            }
        }
    }
}

fn of_ports(out: &mut Page, counters: &CounterSnapshot) {
    type Of = fn(&api::control::PortCounters) -> u64;
    let all: [(&str, &str, Of); 8] = [
        ("wirewarden_port_rx_packets", "Packets received by a port", |port| port.rx_packets),
        ("wirewarden_port_rx_bytes", "Bytes received by a port", |port| port.rx_bytes),
        ("wirewarden_port_rx_missed_packets", "Packets lost for want of a descriptor", |port| port.rx_missed),
        ("wirewarden_port_rx_error_packets", "Packets received in error", |port| port.rx_errors),
        ("wirewarden_port_rx_no_buffer_packets", "Packets lost for want of a buffer", |port| {
            port.rx_no_buffer
        }),
        ("wirewarden_port_tx_packets", "Packets sent by a port", |port| port.tx_packets),
        ("wirewarden_port_tx_bytes", "Bytes sent by a port", |port| port.tx_bytes),
        ("wirewarden_port_tx_error_packets", "Packets that could not be sent", |port| port.tx_errors),
    ];
    for (name, help, of) in all {
        out.counter_family(name, help);
        for port in &counters.ports {
            out.counter_sample(name, &[("port", port.port.as_str())], of(port));
        }
    }
    let name = "wirewarden_xdp_packets";
    out.counter_family(name, "Packets seen by the XDP program of a port, by verdict and reason");
    for (path, value) in &counters.xdp {
        // xdp.PORT.VERDICT.REASON.packets, where a port's name may have dots.
        let Some(rest) = path.strip_prefix("xdp.").and_then(|path| path.strip_suffix(".packets")) else {
            continue;
        };
        let mut parts = rest.rsplitn(3, '.');
        let (Some(reason), Some(verdict), Some(port)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        out.counter_sample(name, &[("port", port), ("verdict", verdict), ("reason", reason)], *value);
    }
}

fn of_outputs(out: &mut Page, counters: &CounterSnapshot) {
    type Of = fn(&api::control::OutputCounters) -> u64;
    let all: [(&str, &str, Of); 12] = [
        ("wirewarden_output_lines", "Lines written to an output", |output| output.lines),
        ("wirewarden_output_bytes", "Bytes written to an output", |output| output.bytes),
        ("wirewarden_output_lost_lines", "Lines that could not be written", |output| output.lost_lines),
        ("wirewarden_output_errors", "Writes that failed", |output| output.errors),
        ("wirewarden_output_rotations", "Files ended, and the next begun", |output| output.rotations),
        ("wirewarden_output_reopened", "Files opened anew because somebody moved them", |output| {
            output.reopened
        }),
        ("wirewarden_output_compressed_files", "Files compressed", |output| output.compressed_files),
        ("wirewarden_output_removed_files", "Files removed because they were too many", |output| {
            output.removed_files
        }),
        ("wirewarden_output_removed_bytes", "Bytes of those files", |output| output.removed_bytes),
        ("wirewarden_output_shed_files", "Files removed because the disk was full", |output| {
            output.shed_files
        }),
        ("wirewarden_output_shed_bytes", "Bytes of those files", |output| output.shed_bytes),
        ("wirewarden_output_file_errors", "Rotations, removals and compressions that failed", |output| {
            output.file_errors
        }),
    ];
    for (name, help, of) in all {
        out.counter_family(name, help);
        for output in &counters.outputs {
            out.counter_sample(name, &[("output", output.name.as_str())], of(output));
        }
    }
}

/// Engine counters that rise and fall.
const LEVELS: [&str; 2] = ["defrag.held", "flow.active"];

struct WorkerLabels(String, String);

fn worker_labels(worker: u32, core: Option<u16>) -> WorkerLabels {
    WorkerLabels(worker.to_string(), core.map_or_else(String::new, |core| core.to_string()))
}

impl WorkerLabels {
    fn as_slices(&self) -> [(&str, &str); 2] {
        [("worker", &self.0), ("core", &self.1)]
    }
}

/// Lines of a page, in one of the two formats: they differ in where a counter's `_total` is.
struct Page {
    text: String,
    format: Format,
}

/// Labels of a sample.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// A family of counters; `name` is without `_total`.
    fn counter_family(&mut self, name: &str, help: &str) {
        match self.format {
            Format::OpenMetrics => self.family(name, "counter", help),
            Format::Prometheus => self.family(&format!("{name}_total"), "counter", help),
        }
    }

    fn counter_sample(&mut self, name: &str, labels: Labels<'_>, value: u64) {
        self.sample(&format!("{name}_total"), labels, value);
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, u64)]) {
        self.counter_family(name, help);
        samples.iter().for_each(|(labels, value)| self.counter_sample(name, labels, *value));
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[(Labels<'_>, u64)]) {
        self.family(name, "gauge", help);
        samples.iter().for_each(|(labels, value)| self.sample(name, labels, *value));
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: u64) {
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{label}=\"{}\"", Escaped(value));
        }
        self.text.push_str(if labels.is_empty() { "" } else { "}" });
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// A label's value as both formats write it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formats_differ_in_the_name_of_a_counters_family() {
        let page = |format| {
            let mut page = Page { text: String::new(), format };
            page.counter("a_b", "What", &[(&[("x", "1\"\\\n")], 7)]);
            page.gauge("c", "Level", &[(&[], 0)]);
            page.text
        };
        assert_eq!(
            page(Format::Prometheus),
            "# HELP a_b_total What\n# TYPE a_b_total counter\na_b_total{x=\"1\\\"\\\\\\n\"} 7\n# HELP c Level\n# TYPE c gauge\nc 0\n"
        );
        assert!(page(Format::OpenMetrics).starts_with("# HELP a_b What\n# TYPE a_b counter\na_b_total{"));
    }
}
