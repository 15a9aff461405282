use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, taken_of_random};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn parameter(tag: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [&tag.to_be_bytes()[..], &len.to_be_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn unit(class: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len() + 8).unwrap();
    [&[1, 0, class, kind][..], &len.to_be_bytes(), content].concat()
}

/// A value with a tag, in the definite form.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat()
}

/// A begin with a request for routing information for a short message, version 3 of MAP.
fn begin() -> Vec<u8> {
    let context = tlv(0xa1, &tlv(0x06, &[4, 0, 0, 1, 0, 20, 3]));
    let external = [tlv(0x06, &[0, 0x11, 0x86, 5, 1, 1, 1]), tlv(0xa0, &tlv(0x60, &context))].concat();
    let invoke = tlv(0xa1, &[tlv(2, &[1]), tlv(2, &[45]), tlv(0x30, &[0x80, 1, 0x91])].concat());
    let content = [tlv(0x48, &[1, 2, 3, 4]), tlv(0x6b, &tlv(0x28, &external)), tlv(0x6c, &invoke)].concat();
    tlv(0x62, &content)
}

/// Unitdata from an MSC to an HLR.
fn unitdata(data: &[u8]) -> Vec<u8> {
    let address = |subsystem| {
        let bytes = [0x12, subsystem, 0, 0x12, 0x04, 0x94, 0x71, 0x12, 0x32, 0x54];
        [&[u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
    };
    let (called, calling) = (address(6), address(8));
    let pointers =
        [3, 2 + called.len(), 1 + called.len() + calling.len()].map(|at| u8::try_from(at).unwrap());
    let data = [&[u8::try_from(data.len()).unwrap()][..], data].concat();
    [&[9, 0][..], &pointers, &called, &calling, &data].concat()
}

fn m3ua_data(sccp: &[u8]) -> Vec<u8> {
    let label = [0, 0, 0, 5, 0, 0, 0, 9, 3, 2, 0, 1];
    let data = parameter(0x0210, &[&label[..], sccp].concat());
    unit(1, 1, &[parameter(6, &[0, 0, 0, 7]), data].concat())
}

fn show(protocol: &Protocol, payload: &[u8], port: u16) -> Found {
    let probe = Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap(),
        from: ToServer,
        carrier: Carrier::Sctp,
        source_port: 40_000,
        destination_port: port,
        destination: None,
        earlier: &[],
        midstream: false,
    };
    protocol.probe.unwrap()(&probe)
}

#[test]
fn layers_are_told_apart_by_class_and_by_port_where_the_class_is_shared() {
    let data = m3ua_data(&unitdata(&begin()));
    assert_eq!(show(&M3UA, &data, 4000), Found::Likely(97));
    assert_eq!(show(&SUA, &data, 14001), Found::No);
    let up = unit(3, 1, &[]);
    assert_eq!((show(&M3UA, &up, 4000), show(&SUA, &up, 4000)), (Found::Likely(80), Found::Maybe));
    assert_eq!(show(&SUA, &up, 14001), Found::Likely(95));
    let mut longer = data.clone();
    longer.extend([0; 4]);
    assert_eq!(show(&M3UA, &longer, 2905), Found::No);
    let mut off = data;
    off[11] += 1;
    assert_eq!(show(&M3UA, &off, 2905), Found::No, "a parameter that runs out");
}

#[test]
fn a_request_of_map_is_read_down_to_its_operation() {
    let mut bench = Bench::new(&M3UA);
    bench.datagram(ToServer, &m3ua_data(&unitdata(&begin())));
    let text = |name| bench.text("m3ua", name);
    assert_eq!((text("user_part"), text("subsystem")), ("sccp".into(), "hlr".into()));
    assert_eq!((text("user"), text("name")), ("map".into(), "send_routing_info_for_sm".into()));
    assert_eq!(text("application_context"), "0.4.0.0.1.0.20.3");
    assert_eq!(text("global_title"), "49172***");
    assert_eq!(bench.value("m3ua", "opc"), Some(Datum::Unsigned(5)));
    assert!(!bench.all().join(" ").contains("4917212"));
}

#[test]
fn values_without_a_length_are_read_like_those_with_one() {
    let begin = begin();
    let open = [&[0x62, 0x80][..], &begin[2..], &[0, 0]].concat();
    let mut bench = Bench::new(&M3UA);
    bench.datagram(ToServer, &m3ua_data(&unitdata(&open)));
    assert_eq!(bench.text("m3ua", "name"), "send_routing_info_for_sm");
}

#[test]
fn links_carry_the_same_in_their_own_ways() {
    let label = [0x83, 9, 0x40, 1, 0];
    let link = [&label[..], &unitdata(&begin())].concat();
    let mut m2ua = Bench::new(&M2UA);
    m2ua.datagram(ToClient, &unit(6, 1, &parameter(0x0300, &link)));
    assert_eq!(m2ua.text("m2ua", "name"), "send_routing_info_for_sm");
    assert_eq!(m2ua.value("m2ua", "dpc"), Some(Datum::Unsigned(9)));
    assert_eq!(m2ua.value("m2ua", "opc"), Some(Datum::Unsigned(5)));
    let mut peer = Bench::new(&M2PA);
    peer.datagram(ToClient, &unit(11, 1, &[&[0; 9][..], &link].concat()));
    peer.datagram(ToClient, &unit(11, 1, &[0; 8]));
    assert_eq!((peer.kinds().len(), peer.text("m2pa", "message")), (1, "user_data".into()));
    let address = |number| [&[0, 2, 0, 1][..], &parameter(0x8003, &[0, 0, 0, number])].concat();
    let content =
        [parameter(0x0102, &address(8)), parameter(0x0103, &address(6)), parameter(0x010b, &begin())]
            .concat();
    let mut sua = Bench::new(&SUA);
    sua.datagram(ToServer, &unit(7, 1, &content));
    assert_eq!((sua.text("sua", "called_subsystem"), sua.text("sua", "user")), ("hlr".into(), "map".into()));
}

#[test]
fn a_call_is_told_by_its_circuit() {
    let mut bench = Bench::new(&M3UA);
    let label = [0, 0, 0, 5, 0, 0, 0, 9, 5, 2, 0, 1];
    let call = [&label[..], &[0x21, 0x00, 0x01, 0]].concat();
    bench.datagram(ToServer, &unit(1, 1, &parameter(0x0210, &call)));
    let messages: Vec<_> = bench.all().into_iter().filter(|item| item.contains("initial_address")).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn random_payloads_are_not_taken() {
    for protocol in [&M3UA, &M2UA, &M2PA, &SUA, &IUA] {
        assert_eq!(taken_of_random(protocol), 0);
    }
}

proptest! {
    #[test]
    fn anything_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for protocol in [&M3UA, &M2UA, &M2PA, &SUA] {
            Bench::new(protocol).datagram(ToServer, &bytes);
        }
        let mut payload = m3ua_data(&unitdata(&begin()));
        for (at, value) in &changes {
            let place = at.index(payload.len());
            payload[place] = *value;
        }
        let _ = show(&M3UA, &payload, 2905);
        Bench::new(&M3UA).datagram(ToServer, &payload);
        // Values without a length within each other, as deep as they come.
        let deep = [&[0x30, 0x80].repeat(200)[..], &bytes].concat();
        Bench::new(&SUA).datagram(ToServer, &unit(7, 1, &parameter(0x010b, &[&[0x62, 0x80][..], &deep].concat())));
    }
}
