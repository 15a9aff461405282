//! Captures: flows are taken and read without contradiction.

use engine::protocols::tds::TDS;
use engine::protocols::{Protocol, Then};

use crate::captures::{capture, connections};

/// Flows of a capture that a protocol's probe takes, and those that its parser reads from wherever they begin; no
/// anomaly is found in one of them.
fn read(protocol: &'static Protocol, name: &str) -> Option<(usize, usize)> {
    let flows = connections(protocol, &capture(name)?);
    let taken = flows.iter().filter(|flow| flow.is_taken).count();
    let mut read = 0;
    for flow in &flows {
        let is_read = flow.outcome.ending != Some(Then::NotMine) && !flow.outcome.events.is_empty();
        if flow.is_taken || is_read {
            assert_eq!(flow.outcome.anomalies(), [""; 0], "{name}");
        }
        read += usize::from(is_read);
    }
    eprintln!("{name}: {taken} of {} flows taken, {read} read", flows.len());
    Some((taken, read))
}

#[test]
fn captures_are_read_without_contradiction() {
    for (protocol, name, least) in [(&TDS, "mssql_tds.pcap", (0, 8))] {
        if let Some((taken, read)) = read(protocol, name) {
            assert!(taken >= least.0 && read >= least.1, "{name}: {taken}, {read}");
        }
    }
}
