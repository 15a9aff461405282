use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::Usage;
use super::report::Report;

/// Writes the report as one JSON object, for programs.
pub(crate) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &value(report))?;
    writeln!(out)
}

fn value(report: &Report) -> Value {
    let run = &report.run;
    let (first, last) = report.span_ns.unzip();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "files": run.files,
        "errors": run.errors,
        "interrupted": run.interrupted,
        "elapsed_seconds": run.elapsed.as_secs_f64(),
        "first_packet_ns": first,
        "last_packet_ns": last,
        "captured_seconds": report.captured().map(|time| time.as_secs_f64()),
        "packets": {
            "received": run.counter("packets.received"),
            "received_bytes": run.counter("bytes.received"),
            "processed": run.counter("packets.processed"),
            "held": run.counter("defrag.held"),
            "dropped": run.drops().iter().map(|(_, count)| count).sum::<u64>(),
        },
        "filter": run.filter,
        "flows_seen": run.flows_seen,
        "unjudged_events": run.unjudged_events,
        "eve": run.eve.map(|(lines, lost)| json!({"lines": lines, "lost": lost})),
        "flows": report.total.flows,
        "flow_packets": report.total.packets,
        "flow_bytes": report.total.bytes,
        "flows_guessed_from_port": report.guessed,
        "protocols": usages(&report.protocols, report.total.bytes),
        "services": usages(&report.services, report.total.bytes),
        "talkers": report.talkers.iter().map(|(address, traffic)| json!({
            "ip": address,
            "flows": traffic.usage.flows,
            "packets": traffic.usage.packets,
            "bytes": traffic.usage.bytes,
            "bytes_sent": traffic.sent,
        })).collect::<Value>(),
        "talkers_approximate": report.talkers_forgot,
        "exposure": report.exposure.iter().map(|row| {
            let mut object = usage_object(row.posture.name(), row.usage, report.total.bytes);
            object.insert("protocols".to_owned(), usages(&row.protocols, row.usage.bytes));
            Value::Object(object)
        }).collect::<Value>(),
        "events": counts(&report.events),
        "anomalies": counts(&report.anomalies),
        "alerts": counts(&report.alerts),
        "drops": run.drops().iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect::<Value>(),
        "counters": counts(&run.counters),
    })
}

fn usages(rows: &[(String, Usage)], whole: u64) -> Value {
    rows.iter().map(|(name, usage)| Value::Object(usage_object(name, *usage, whole))).collect()
}

fn usage_object(name: &str, usage: Usage, whole: u64) -> Map<String, Value> {
    // Shares are for people: the counts beside them are exact.
    #[expect(clippy::cast_precision_loss, reason = "a share in per cent")]
    let share = if whole == 0 { 0.0 } else { usage.bytes as f64 / whole as f64 };
    let members = [
        ("name", json!(name)),
        ("flows", json!(usage.flows)),
        ("packets", json!(usage.packets)),
        ("bytes", json!(usage.bytes)),
        ("share_of_bytes", json!(share)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn counts(rows: &[(String, u64)]) -> Value {
    rows.iter().map(|(name, count)| (name.clone(), json!(count))).collect()
}
