use proptest::prelude::*;

use super::*;

fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, ports: [u16; 2], fragment: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 1];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(ports[0].to_be_bytes());
    packet.extend(ports[1].to_be_bytes());
    packet.extend([0; 4]);
    packet
}

fn ipv6(source: [u8; 16], destination: [u8; 16], next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    packet.extend(source);
    packet.extend(destination);
    packet.extend(payload);
    packet
}

fn ethernet(between: &[u8], packet: &[u8]) -> Vec<u8> {
    [&[2; 12], between, packet].concat()
}

const IPV4: &[u8] = &[0x08, 0x00];
const IPV6: &[u8] = &[0x86, 0xdd];

proptest! {
    #[test]
    fn both_directions_of_an_ipv4_flow_meet(
        a: [u8; 4], b: [u8; 4], ports: [u16; 2], workers in 1..64_u32,
        protocol in prop::sample::select(vec![TCP, UDP, SCTP, 1]),
    ) {
        let there = ethernet(IPV4, &ipv4(a, b, protocol, ports, 0x4000));
        let back = ethernet(IPV4, &ipv4(b, a, protocol, [ports[1], ports[0]], 0));
        for spread in [Spread::Flows, Spread::Hosts] {
            let chosen = worker(&there, spread, workers);
            prop_assert!(chosen < workers);
            prop_assert_eq!(chosen, worker(&back, spread, workers));
        }
    }

    #[test]
    fn both_directions_of_an_ipv6_flow_meet(a: [u8; 16], b: [u8; 16], ports: [u8; 4], workers in 1..64_u32) {
        let [p0, p1, p2, p3] = ports;
        let options = [UDP, 0, 1, 4, 0, 0, 0, 0];
        let udp = |ports: [u8; 4]| [&options[..], &ports, &[0, 8, 0, 0]].concat();
        let there = ethernet(IPV6, &ipv6(a, b, DESTINATION, &udp(ports)));
        let back = ethernet(IPV6, &ipv6(b, a, DESTINATION, &udp([p2, p3, p0, p1])));
        prop_assert_eq!(worker(&there, Spread::Flows, workers), worker(&back, Spread::Flows, workers));
    }

    #[test]
    fn any_bytes_give_a_worker(frame: Vec<u8>, cut in 0..80_usize, workers in 1..64_u32) {
        prop_assert!(worker(&frame, Spread::Flows, workers) < workers);
        for packet in [ipv4([1; 4], [2; 4], TCP, [1, 2], 0), ipv6([1; 16], [2; 16], ROUTING, &frame)] {
            let between = if packet.len() == 28 { IPV4 } else { IPV6 };
            let whole = ethernet(between, &packet);
            prop_assert!(worker(whole.get(..cut).unwrap_or(&whole), Spread::Flows, workers) < workers);
        }
    }
}

#[test]
fn flows_spread_evenly() {
    let mut counts = [0_u32; 4];
    for port in 0..4000 {
        let frame = ethernet(IPV4, &ipv4([10, 0, 0, 1], [10, 0, 0, 2], TCP, [20_000 + port, 443], 0));
        counts[worker(&frame, Spread::Flows, 4) as usize] += 1;
    }
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn hosts_spread_evenly_and_ports_do_not_matter() {
    let mut counts = [0_u32; 4];
    for host in 0..=255_u8 {
        let frame = |ports| ethernet(IPV4, &ipv4([10, 0, 0, host], [10, 1, 0, 1], UDP, ports, 0));
        let chosen = worker(&frame([1, 2]), Spread::Hosts, 4);
        assert_eq!(chosen, worker(&frame([3, 4]), Spread::Hosts, 4));
        counts[chosen as usize] += 1;
    }
    assert!(counts.iter().all(|count| (40..90).contains(count)), "{counts:?}");
}

#[test]
fn the_fragments_of_a_datagram_meet() {
    let a = Endpoints::read(&ethernet(IPV4, &ipv4([1; 4], [2; 4], UDP, [7, 8], 0x2000)), Spread::Flows);
    let b = Endpoints::read(&ethernet(IPV4, &ipv4([1; 4], [2; 4], UDP, [9, 9], 0x0010)), Spread::Flows);
    assert_eq!(a, b);
    assert_eq!(a.unwrap().a.1, 0);
    let piece = |ports: [u8; 4]| [&[UDP, 0, 0, 1, 0, 0, 0, 9][..], &ports, &[0; 4]].concat();
    let of = |ports| {
        Endpoints::read(&ethernet(IPV6, &ipv6([1; 16], [2; 16], FRAGMENT, &piece(ports))), Spread::Flows)
    };
    assert_eq!(of([1, 2, 3, 4]), of([5, 6, 7, 8]));
    assert_eq!(of([1, 2, 3, 4]).unwrap().protocol, UDP);
}

#[test]
fn tags_labels_and_pppoe_hide_nothing() {
    let inner = ipv4([10, 0, 0, 1], [10, 0, 0, 2], TCP, [1234, 443], 0);
    let plain = Endpoints::read(&ethernet(IPV4, &inner), Spread::Flows);
    assert!(plain.is_some());
    let wrappings: [&[u8]; 5] = [
        &[0x81, 0x00, 0x00, 0x05, 0x08, 0x00],
        &[0x88, 0xa8, 0x00, 0x05, 0x81, 0x00, 0x00, 0x06, 0x08, 0x00],
        &[0x88, 0x47, 0x00, 0x01, 0x01, 0x40],
        &[0x88, 0x47, 0x00, 0x01, 0x00, 0x40, 0x00, 0x02, 0x01, 0x40],
        &[0x88, 0x64, 0x11, 0x00, 0x00, 0x01, 0x00, 0x1e, 0x00, 0x21],
    ];
    for between in wrappings {
        assert_eq!(Endpoints::read(&ethernet(between, &inner), Spread::Flows), plain, "{between:x?}");
    }
}

#[test]
fn what_is_not_ip_goes_to_worker_0() {
    let arp = ethernet(&[0x08, 0x06], &[0; 28]);
    assert_eq!(worker(&arp, Spread::Flows, 8), 0);
    let endless = ethernet(&[0x81, 0x00].repeat(40), &[]);
    assert_eq!(worker(&endless, Spread::Flows, 8), 0);
    assert_eq!(worker(&[], Spread::Flows, 8), 0);
}
