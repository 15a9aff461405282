//! MMS over the upper layers of OSI.

use engine::protocols::mms::MMS;
use engine::protocols::s7comm::S7COMM;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{self, ToClient, ToServer};
use serde_json::{Value, json};

use crate::captures::{capture, connections};
use crate::talk::{Turn, is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// An element of the basic encoding rules.
fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let length = if len < 128 { vec![len as u8] } else { vec![0x82, (len >> 8) as u8, len as u8] };
    [tag, &length, content].concat()
}

fn of(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[tag], &parts.concat())
}

fn text(tag: u8, text: &str) -> Vec<u8> {
    tlv(&[tag], text.as_bytes())
}

/// A session unit in one transport unit.
fn packet(session: &[u8]) -> Vec<u8> {
    let length = (7 + session.len() as u16).to_be_bytes();
    [&[3, 0], &length[..], &[2, 0xf0, 0x80], session].concat()
}

fn values(context: u8, unit: &[u8]) -> Vec<u8> {
    of(0x61, &[of(0x30, &[vec![2, 1, context], tlv(&[0xa0], unit)])])
}

fn mms(from: Direction, unit: &[u8]) -> Turn {
    (from, packet(&[&[1, 0, 1, 0][..], &values(3, unit)].concat()))
}

const ACSE_SYNTAX: [u8; 4] = [0x52, 1, 0, 1];
const MMS_SYNTAX: [u8; 5] = [0x28, 0xca, 0x22, 2, 1];
const MMS_CONTEXT: [u8; 5] = [0x28, 0xca, 0x22, 2, 3];

fn initiate(tag: u8) -> Vec<u8> {
    let services = [3, 0xee, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0xed, 0x18];
    let detail = of(0xa4, &[tlv(&[0x80], &[1]), tlv(&[0x81], &[5, 0xf1, 0]), tlv(&[0x82], &services)]);
    of(
        tag,
        &[
            tlv(&[0x80], &[0, 0xfd, 0xe8]),
            tlv(&[0x81], &[5]),
            tlv(&[0x82], &[5]),
            tlv(&[0x83], &[10]),
            detail,
        ],
    )
}

fn associate(syntax: &[u8]) -> Vec<u8> {
    let context = |id: u8, syntax: &[u8]| {
        of(0x30, &[vec![2, 1, id], tlv(&[6], syntax), of(0x30, &[tlv(&[6], &[0x51, 1])])])
    };
    let external = of(0x28, &[vec![2, 1, 3], tlv(&[0xa0], &initiate(0xa8))]);
    let request = of(
        0x60,
        &[
            of(0xa1, &[tlv(&[6], &MMS_CONTEXT)]),
            of(0xa2, &[tlv(&[6], &[0x29, 1, 0x87, 0x67, 1])]),
            of(0xa3, &[vec![2, 1, 12]]),
            of(0xa6, &[tlv(&[6], &[0x29, 1, 0x87, 0x67])]),
            of(0xa7, &[vec![2, 1, 13]]),
            tlv(&[0x8b], &[0x52, 3, 1]),
            of(0xac, &[text(0x80, "s3cr3t")]),
            of(0xbe, &[external]),
        ],
    );
    let contexts = of(0xa4, &[context(1, &ACSE_SYNTAX), context(3, syntax)]);
    let normal = of(0xa2, &[tlv(&[0x81], &[0, 0, 0, 1]), contexts, values(1, &request)]);
    let presentation = of(0x31, &[of(0xa0, &[vec![0x80, 1, 1]]), normal]);
    let parameters = [
        &hex("0506 130100 160102 14020002 33020001 34020001 c1ff")[..],
        &(presentation.len() as u16).to_be_bytes(),
        &presentation,
    ]
    .concat();
    packet(&[&[0x0d, 0xff][..], &(parameters.len() as u16).to_be_bytes(), &parameters].concat())
}

fn accept() -> Vec<u8> {
    let external = of(0x28, &[vec![2, 1, 3], tlv(&[0xa0], &initiate(0xa9))]);
    let response =
        of(0x61, &[of(0xa1, &[tlv(&[6], &MMS_CONTEXT)]), of(0xa2, &[vec![2, 1, 0]]), of(0xbe, &[external])]);
    let normal = of(0xa2, &[tlv(&[0x83], &[0, 0, 0, 1]), values(1, &response)]);
    let presentation = of(0x31, &[of(0xa0, &[vec![0x80, 1, 1]]), normal]);
    let parameters = [&[0xc1, presentation.len() as u8][..], &presentation].concat();
    packet(&[&[0x0e, parameters.len() as u8][..], &parameters].concat())
}

fn object(domain: &str, item: &str) -> Vec<u8> {
    of(0xa1, &[text(0x1a, domain), text(0x1a, item)])
}

fn request(invoke: u8, service: Vec<u8>) -> Vec<u8> {
    of(0xa0, &[vec![2, 1, invoke], service])
}

fn response(invoke: u8, service: Vec<u8>) -> Vec<u8> {
    of(0xa1, &[vec![2, 1, invoke], service])
}

fn variables(items: &[&str]) -> Vec<u8> {
    let list = items.iter().map(|item| of(0x30, &[of(0xa0, &[object("LD0", item)])]));
    of(0xa0, &list.collect::<Vec<_>>())
}

pub(crate) fn samples() -> Vec<Sample> {
    let read = request(1, of(0xa4, &[of(0xa1, &[variables(&["MMXU1$MX$TotW", "GGIO1$ST$Ind1"])])]));
    let operate = of(0xa5, &[variables(&["CSWI1$CO$Pos$Oper"]), of(0xa0, &[vec![0x83, 1, 1]])]);
    let report = of(
        0xa3,
        &[of(0xa0, &[of(0xa1, &[text(0x80, "RPT")]), of(0xa0, &[vec![0x83, 1, 1], vec![0x80, 1, 3]])])],
    );
    let mut halves = mms(
        ToServer,
        &request(
            6,
            tlv(&[0xbf, 0x48], &[of(0xa0, &[text(0x19, "COMTRADE/1.cfg")]), vec![0x81, 1, 0]].concat()),
        ),
    )
    .1;
    let second = halves.split_off(20);
    halves[3] = 20;
    halves[6] = 0;
    halves.extend([&[3, 0, 0, 7 + second.len() as u8, 2, 0xf0, 0x80], &second[..]].concat());
    let turns = vec![
        (
            ToServer,
            [hex("03000016 11e00000000100 c0010a c1020001 c2020001"), associate(&MMS_SYNTAX)].concat(),
        ),
        (ToClient, hex("03000016 11d00001000400 c0010a c1020001 c2020001")),
        (ToClient, accept()),
        mms(ToServer, &read),
        mms(ToClient, &response(1, of(0xa4, &[of(0xa1, &[vec![0x87, 1, 8], vec![0x80, 1, 10]])]))),
        mms(ToServer, &request(2, operate)),
        mms(ToClient, &response(2, of(0xa5, &[vec![0x80, 1, 3]]))),
        mms(ToServer, &request(3, tlv(&[0x82], &[]))),
        mms(ToClient, &response(3, of(0xa2, &[text(0x80, "ACME"), text(0x81, "RTU"), text(0x82, "1.0")]))),
        mms(
            ToServer,
            &request(4, of(0xa1, &[of(0xa0, &[vec![0x80, 1, 0]]), of(0xa1, &[text(0x81, "LD0")])])),
        ),
        mms(ToClient, &of(0xa2, &[vec![0x80, 1, 4], of(0xa2, &[of(0xa0, &[vec![0x87, 1, 2]])])])),
        mms(ToClient, &report),
        (ToServer, halves),
        mms(ToServer, &[0x8b, 0]),
        mms(ToClient, &[0x8c, 0]),
        (ToServer, packet(&[9, 2, 0xc1, 0])),
    ];
    vec![Sample { protocol: &MMS, carrier: Carrier::Tcp, turns }]
}

fn events(turns: &[Turn]) -> Vec<Value> {
    play(&MMS, Carrier::Tcp, turns).of("mms").into_iter().cloned().collect()
}

#[test]
fn an_association_in_several_transport_units_is_found() {
    let whole = associate(&MMS_SYNTAX);
    let session = &whole[7..];
    let (first, second) = session.split_at(session.len() / 2);
    let part = |bytes: &[u8], end: u8| {
        let length = (7 + bytes.len() as u16).to_be_bytes();
        [&[3, 0], &length[..], &[2, 0xf0, end], bytes].concat()
    };
    let bytes = [part(first, 0), part(second, 0x80)].concat();
    assert!(is_taken(probe(&MMS, Carrier::Tcp, ToServer, &bytes)));
    for end in 1..bytes.len() {
        assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &bytes[..end]), Found::Maybe, "{end}");
    }
}

#[test]
fn an_association_says_who_meets_whom_and_what_they_can_do() {
    let events = events(&samples()[0].turns);
    assert_eq!(events[0]["type"], "connect_request");
    let request = &events[1];
    assert_eq!(
        (&request["type"], &request["called_ap_title"], &request["called_ae_qualifier"]),
        (&json!("associate_request"), &json!("1.1.1.999.1"), &json!(12))
    );
    assert_eq!(
        (&request["calling_ap_title"], &request["calling_ae_qualifier"]),
        (&json!("1.1.1.999"), &json!(13))
    );
    assert_eq!((&request["authentication"], &request["password_in_clear"]), (&json!(true), &json!(true)));
    assert_eq!(
        (&request["initiate"]["max_pdu_size"], &request["initiate"]["version"]),
        (&json!(65000), &json!(1))
    );
    let services = request["initiate"]["services"].as_array().unwrap();
    assert!(services.contains(&json!("read")) && services.contains(&json!("fileOpen")));
    assert_eq!(
        (&events[3]["type"], &events[3]["result"]),
        (&json!("associate_response"), &json!("accepted"))
    );
    assert!(!format!("{events:?}").contains("s3cr3t"));
}

#[test]
fn services_are_written_with_their_answers_and_the_names_of_objects() {
    let outcome = play(&MMS, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("mms");
    assert_eq!(
        events[4],
        &json!({
            "id": 1, "type": "confirmed", "invoke_id": 1, "service": "read",
            "request": {"objects": [
                {"domain": "LD0", "item": "MMXU1$MX$TotW", "functional_constraint": "MX"},
                {"domain": "LD0", "item": "GGIO1$ST$Ind1", "functional_constraint": "ST"},
            ]},
            "response": {"values": 2, "failures": 1, "failure": "object-non-existent"},
        })
    );
    assert_eq!(
        events[5]["request"],
        json!({"objects": [
            {"domain": "LD0", "item": "CSWI1$CO$Pos$Oper", "functional_constraint": "CO", "control": true},
        ], "values": 1})
    );
    assert_eq!(
        events[5]["response"],
        json!({"results": 1, "failures": 1, "failure": "object-access-denied"})
    );
    assert_eq!(events[6]["response"], json!({"vendor": "ACME", "model": "RTU", "revision": "1.0"}));
    assert_eq!(
        events[7]["request"],
        json!({"object_class": "namedVariable", "scope": "domain", "domain": "LD0"})
    );
    assert_eq!(events[7]["error"], json!({"error_class": "access", "error_code": 2}));
    assert_eq!(
        events[8],
        &json!({
            "type": "unconfirmed", "service": "informationReport", "variable_list": true,
            "objects": [{"name": "RPT"}], "values": 2, "failures": 1, "failure": "object-access-denied",
        })
    );
    assert_eq!((&events[9]["type"], &events[11]["type"]), (&json!("conclude_request"), &json!("finish")));
    // In two transport units, and never answered.
    assert_eq!(
        (&events[12]["service"], &events[12]["request"]["files"]),
        (&json!("fileOpen"), &json!(["COMTRADE/1.cfg"]))
    );
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[3].clone();
    let answer = |service| mms(ToClient, &response(1, service));
    for (turn, name) in [
        (answer(of(0xa5, &[vec![0x81, 0]])), "service_mismatch"),
        (mms(ToClient, &response(9, of(0xa5, &[vec![0x81, 0]]))), "unsolicited_response"),
        ((ToClient, packet(&[0x32, 0, 0])), "malformed_session_unit"),
        (mms(ToClient, &[0x30, 0]), "malformed_unit"),
        ((ToClient, hex("03000007 02f000")), "malformed_session_unit"),
        ((ToClient, hex("0300000b 06100000000000")), "malformed_transport_unit"),
    ] {
        let anomalies = play(&MMS, Carrier::Tcp, &[begin.clone(), turn.clone()]).anomalies().join(" ");
        if turn.1.len() == 7 {
            // An empty part of something longer.
            assert_eq!(anomalies, "");
        } else {
            assert_eq!(anomalies, name);
        }
    }
}

#[test]
fn what_shares_the_transport_is_not_taken() {
    // S7, another application over OSI, a unit that is not whole, a transport unit without session.
    let s7 = crate::s7comm::samples().remove(0);
    assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &s7.turns[0].1), Found::No);
    assert_eq!(probe(&S7COMM, Carrier::Tcp, ToServer, &samples()[0].turns[0].1), Found::No);
    assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &associate(&[0x56, 1, 1])), Found::No);
    assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &associate(&MMS_SYNTAX)), Found::Yes);
    let mut short = mms(ToServer, &request(1, tlv(&[0x82], &[]))).1;
    assert!(is_taken(probe(&MMS, Carrier::Tcp, ToServer, &short)));
    let last = short.len() - 1;
    short[last] = 9;
    assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &short), Found::No);
    assert_eq!(probe(&MMS, Carrier::Tcp, ToServer, &packet(&[8, 2, 0, 5])), Found::No);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("iso9506-1-mms.pcap") else { return };
    let flows = connections(&MMS, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    assert!(flows.iter().all(|flow| flow.outcome.anomalies().is_empty()));
    let fields = ["mms.invokeID", "mms.domainId", "mms.itemId"];
    let Some(rows) = tshark(&file, "mms.confirmed_RequestPDU_element", &fields) else { return };
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("mms")).collect();
    let asked: Vec<_> = events.iter().filter(|event| event.get("request").is_some()).collect();
    assert_eq!(asked.len(), rows.len());
    for (event, invoke) in asked.iter().zip(column(&rows, 0)) {
        assert_eq!(event["invoke_id"].to_string(), invoke);
    }
    for name in column(&rows, 1).into_iter().chain(column(&rows, 2)) {
        assert!(format!("{asked:?}").contains(&name), "{name}");
    }
}
