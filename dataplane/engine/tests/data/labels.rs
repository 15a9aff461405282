//! Captures: flows are taken and read without contradiction.

use engine::protocols::amqp::AMQP;
use engine::protocols::bittorrent::BITTORRENT;
use engine::protocols::cassandra::CASSANDRA;
use engine::protocols::http::HTTP2;
use engine::protocols::kafka::KAFKA;
use engine::protocols::mqtt::MQTT;
use engine::protocols::nats::NATS;
use engine::protocols::stomp::STOMP;
use engine::protocols::tds::TDS;
use engine::protocols::{Protocol, Then};

use crate::captures::{capture, connections, datagram_flows};

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
    for (protocol, name, least) in [
        (&TDS, "mssql_tds.pcap", (0, 8)),
        (&CASSANDRA, "cassandra.pcap", (1, 1)),
        (&KAFKA, "kafka.pcapng", (4, 4)),
        (&MQTT, "coap_mqtt.pcap", (1, 1)),
        (&NATS, "nats.pcap", (1, 1)),
        (&AMQP, "amqp.pcap", (0, 1)),
        (&STOMP, "stomp.pcapng", (1, 1)),
        (&HTTP2, "http2.pcapng", (1, 1)),
        (&BITTORRENT, "bittorrent_tcp_miss.pcapng", (0, 0)),
    ] {
        if let Some((taken, read)) = read(protocol, name) {
            assert!(taken >= least.0 && read >= least.1, "{name}: {taken}, {read}");
        }
    }
}

#[test]
fn peers_in_datagrams_are_read_without_contradiction() {
    let Some(file) = capture("bittorrent_utp.pcap") else { return };
    let flows = datagram_flows(&BITTORRENT, &file);
    let read = flows.iter().filter(|flow| !flow.outcome.events.is_empty()).count();
    eprintln!("{read} of {} flows read", flows.len());
    assert!(read > 0 && flows.iter().all(|flow| flow.outcome.anomalies().is_empty()));
}
