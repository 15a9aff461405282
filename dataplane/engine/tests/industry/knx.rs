//! KNXnet/IP.

use engine::CryptoClass;
use engine::protocols::knx::KNX;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections, datagram_flows};
use crate::talk::{play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

fn unit(service: &str, body: &str) -> Vec<u8> {
    let body = hex(body);
    [&hex("0610")[..], &hex(service), &(6 + body.len() as u16).to_be_bytes(), &body].concat()
}

pub(crate) fn samples() -> Vec<Sample> {
    let name = format!("{:0<60}", "486f6d65");
    let turns = vec![
        (ToServer, unit("0205", "0801 c0a8000a e6d5 0801 c0a8000a e6d5 04040200")),
        (ToClient, unit("0206", "07 00 0801 c0a8000b 0e57 0404 1102")),
        (ToServer, unit("0420", "04070000 11 00 bce0 0000 0a03 01 00 81")),
        (ToClient, unit("0421", "04070000")),
        (ToClient, unit("0420", "04070000 29 00 bce0 1105 0a03 03 00 80 0c1a")),
        (ToServer, unit("0420", "04070100 11 00 b060 0000 1105 01 03 80")),
        (
            ToClient,
            unit(
                "0202",
                &format!(
                    "0801 c0a8000b 0e57 3601 02 00 1105 0000 00c501020304 e000170c 001122334455 {name} 0402 0201"
                ),
            ),
        ),
        (ToServer, unit("0530", "29 00 bcd0 1105 0a03 01 00 80")),
        (ToServer, unit("0209", "0700 0801 c0a8000a e6d5")),
        (ToClient, unit("020a", "0721")),
    ];
    [Carrier::Udp, Carrier::Tcp]
        .map(|carrier| Sample { protocol: &KNX, carrier, turns: turns.clone() })
        .into()
}

#[test]
fn connections_and_messages_of_the_bus_are_events() {
    let outcome = play(&KNX, Carrier::Udp, &samples()[0].turns);
    assert_eq!((outcome.anomalies(), outcome.crypto), (vec![], Some(CryptoClass::Cleartext)));
    let events = outcome.of("knx");
    assert_eq!(
        events[0],
        &json!({
            "service": "connect_request", "control_endpoint": {"protocol": "udp", "ip": "192.168.0.10", "port": 59093},
            "data_endpoint": {"protocol": "udp", "ip": "192.168.0.10", "port": 59093}, "connection_type": "tunnel",
            "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!((&events[1]["channel"], &events[1]["status"]), (&json!(7), &json!("no_error")));
    assert_eq!(
        events[2],
        &json!({
            "service": "tunnelling_request", "channel": 7, "sequence": 0, "message": "l_data_req", "source": "0.0.0",
            "destination": "1/2/3", "operation": "group_value_write", "value": 1,
        })
    );
    assert_eq!((&events[3]["source"], &events[3]["data"]), (&json!("1.1.5"), &json!("0c1a")));
    assert_eq!((&events[4]["destination"], &events[4]["operation"]), (&json!("1.1.5"), &json!("restart")));
    assert_eq!(
        events[5]["device"],
        json!({
            "medium": "tp1", "programming_mode": false, "address": "1.1.5", "serial": "00c501020304",
            "mac": "001122334455", "name": "Home",
        })
    );
    assert_eq!((&events[6]["service"], &events[6]["value"]), (&json!("routing_indication"), &json!(0)));
    assert_eq!(events[8]["status"], "connection_id");
    let secure = play(&KNX, Carrier::Udp, &[(ToServer, unit("0950", &"ab".repeat(40)))]);
    assert_eq!(secure.crypto, None);
}

#[test]
fn near_misses_are_refused_and_contradictions_anomalies() {
    for payload in [
        "0611 0205 000e 0801c0a80001",
        "0610 0299 000e 0801c0a800010e57",
        "0610 0201 000d 0801c0a800010e57",
        "0710 0201 000e 0801c0a800010e57",
    ] {
        assert_eq!(probe(&KNX, Carrier::Udp, ToServer, &hex(payload)), Found::No, "{payload}");
    }
    let begin = samples()[0].turns[0].clone();
    for (turn, name) in [
        ("0610 0299 0008 0000", "unknown_service"),
        ("0610 0201 0007 00", "invalid_length"),
        ("0510", "invalid_header"),
    ] {
        assert_eq!(play(&KNX, Carrier::Tcp, &[begin.clone(), (ToServer, hex(turn))]).anomalies(), [name]);
    }
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("knxip.pcapng") else { return };
    let flows: Vec<_> = datagram_flows(&KNX, &file).into_iter().chain(connections(&KNX, &file)).collect();
    assert!(flows.iter().all(|flow| flow.is_taken));
    let Some(rows) = tshark(&file, "kip", &["knxip.service"]) else { return };
    assert_eq!(flows.iter().map(|flow| flow.outcome.of("knx").len()).sum::<usize>(), column(&rows, 0).len());
}
