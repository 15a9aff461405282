//! Records per second that one core turns into EVE lines. `cargo bench -p export` prints the best of five rounds.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::io;
use std::time::Instant;

use engine::protocols::{Exposure, Family};
use engine::record::{EndReason, FlowIdentity, FlowState, FlowSummary, TunnelIdentity};
use engine::{Classification, Evidence, Names, ProtocolId, ProtocolName, RecordBatch, ServiceId, Tier};
use export::eve::{EveExporter, EveOptions};
use export::{Compression, Exporter, Rotation, Sink};
use wire::{FlowKey, KeyKind, Scope};

const RECORDS: u32 = 1000;
const REPEATS: u32 = 300;

fn main() {
    let names = names();
    files(&names);
    for (name, community_id, batch) in [
        ("flow", Some(0), flows(false)),
        ("flow, without community_id", None, flows(false)),
        ("flow, IPv6", Some(0), flows(true)),
        ("tls event", Some(0), events()),
    ] {
        let options = EveOptions { community_id, ..EveOptions::default() };
        let mut exporter = EveExporter::new(Sink::writer(io::sink(), "nowhere".to_owned()), &options);
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..REPEATS {
                if let Err(error) = exporter.export(&batch, &names) {
                    println!("{error}");
                }
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let records = f64::from(RECORDS * REPEATS);
        let tally = exporter.tally();
        let line = tally.bytes.checked_div(tally.lines).unwrap_or(0);
        println!(
            "eve/{name}: {:.0} records/s, {:.0} ns each, {line} bytes a line",
            records / best,
            1e9 * best / records
        );
    }
}

/// Flow records into a file that is rotated every 64 MiB, as the data plane writes it.
fn files(names: &Names) {
    let batch = flows(false);
    for (name, compression) in [("rotated", Compression::None), ("rotated and compressed", Compression::Zstd)]
    {
        let folder = std::env::temp_dir().join(format!("wirewarden-bench-eve-{}", std::process::id()));
        if let Err(error) = std::fs::create_dir(&folder) {
            println!("{}: {error}", folder.display());
            return;
        }
        let rotation =
            Rotation { size: Some(64 << 20), keep_files: Some(4), compression, ..Rotation::default() };
        match Sink::rotating(&folder.join("eve.json"), &rotation) {
            Ok(sink) => into_files(name, EveExporter::new(sink, &EveOptions::default()), (&batch, names)),
            Err(error) => println!("{error}"),
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
}

fn into_files(name: &str, mut exporter: EveExporter, (batch, names): (&RecordBatch, &Names)) {
    let mut best = f64::INFINITY;
    for second in 0..5 {
        let start = Instant::now();
        for _ in 0..REPEATS {
            let done = exporter.export(batch, names).and_then(|()| exporter.tend(second));
            if let Err(error) = done {
                println!("{error}");
            }
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (records, files) = (f64::from(RECORDS * REPEATS), exporter.file_tally());
    println!(
        "eve/flow, {name}: {:.0} records/s, {} files ended, {} lines lost",
        records / best,
        files.rotations,
        exporter.tally().lost_lines
    );
}

fn names() -> Names {
    let mut names = Names::default();
    let (title, exposure) = ("TLS".into(), Exposure::Negotiated);
    let _ = names.add_protocol(ProtocolName { name: "tls".into(), title, family: Family::Crypto, exposure });
    let _ = names.add_service("YouTube");
    let _ = names.add_interface("eth0");
    names
}

fn identity(number: u32, v6: bool) -> FlowIdentity {
    let (kind, client, server) = if v6 {
        let address =
            |low: u32| FlowKey::from_ipv6((0x2001_0db8_u128 << 96 | u128::from(low) << 40 | 7).to_be_bytes());
        (KeyKind::Ipv6, address(number), address(number.wrapping_mul(77)))
    } else {
        let address = |low: u32| FlowKey::from_ipv4((0x0a00_0000 | low).to_be_bytes());
        (KeyKind::Ipv4, address(number * 251), address(number * 911))
    };
    let (key, client) = FlowKey::new(kind, 6, (client, 51_000), (server, 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity {
        id: u64::from(number) << 20,
        key,
        client,
        interface: 0,
        vlans: [100, 0],
        icmp: None,
        tunnel,
    }
}

fn flows(v6: bool) -> RecordBatch {
    let mut batch = RecordBatch::with_capacity();
    for number in 0..RECORDS {
        let start_ns = 1_795_238_040_123_456_789 + u64::from(number) * 7_000_000_000;
        let summary = FlowSummary {
            packets: [12, 10],
            bytes: [1_400, 90_000],
            start_ns,
            end_ns: start_ns + 61_999_999_999,
            state: FlowState::Closed,
            reason: EndReason::Closed,
            tcp_flags: Some([0x1a, 0x1b]),
            midstream: false,
            gaps: false,
            class: Classification {
                protocol: ProtocolId(1),
                service: ServiceId(1),
                confidence: 97,
                tier: Tier::Parser,
                evidence: Evidence { offset: 5, packet: 4, ..Evidence::default() },
            },
        };
        batch.push_flow(start_ns + 62_000_000_000, identity(number, v6), summary);
    }
    batch
}

fn events() -> RecordBatch {
    let mut batch = RecordBatch::with_capacity();
    for number in 0..RECORDS {
        batch
            .event(1_795_238_040_123_456_789, identity(number, false), "tls")
            .text("sni", b"r3---sn-4g5e6nzl.googlevideo.example")
            .label("version", "TLS 1.3")
            .text("ja3", b"2a26b1a62e40d25d4de3babc9d532f30")
            .text("ja4", b"t12d6707h2_2955a3196ffa_c83f907a73d3")
            .hex("fingerprint", &[0xa5; 20])
            .object("crypto")
            .label("group", "X25519MLKEM768")
            .label("class", "post-quantum")
            .close();
    }
    batch
}
