//! Frames that lie, and frames that only look as if.

use crate::builder::*;
use crate::{ethernet as parse_frame, parse, parse_with, payload, ports};
use wire::{Checksums, Headers, LayerSet, LinkType, Malformed, ParseOptions};

/// A packet of the inner addresses with its bytes changed by `change`.
fn spoiled(ends: Ends, protocol: u8, payload: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = ip(ends, protocol, payload);
    change(&mut packet);
    frame(ends, &packet)
}

fn cases() -> Vec<(Malformed, Vec<u8>)> {
    let datagram = udp(INNER, 1, 2, b"payload");
    let v4 = |change: fn(&mut Vec<u8>)| spoiled(INNER, 17, &udp(INNER, 1, 2, b"payload"), change);
    let v6 = |change: fn(&mut Vec<u8>)| spoiled(INNER6, 17, &udp(INNER6, 1, 2, b"payload"), change);
    let mut extensions = datagram.clone();
    for _ in 0..12 {
        extensions = extension(60, 8, &extensions);
    }
    let segment = |change: fn(&mut Vec<u8>)| {
        let mut segment = tcp(INNER, 1, 2, &[], b"x");
        change(&mut segment);
        frame(INNER, &ip(INNER, 6, &segment))
    };
    let spoil_last = |protocol, payload: &[u8]| {
        let mut bytes = frame(INNER, &ip(INNER, protocol, payload));
        *bytes.last_mut().unwrap() ^= 0x55;
        bytes
    };
    vec![
        (Malformed::LinkTruncated, vec![0; 13]),
        (Malformed::LinkTruncated, ethernet_llc(&[0xaa, 0xaa, 3, 0])),
        (Malformed::TagTruncated, ethernet(0x8100, &[0, 1, 8])),
        (Malformed::TagTruncated, ethernet(0x8847, &[0, 0, 0x10, 64, 0, 0])),
        (Malformed::TagTruncated, ethernet(0x8864, &[0x11, 0])),
        (Malformed::TooManyTags, ethernet(0x8100, &[0, 1, 0x81, 0].repeat(20))),
        (Malformed::TooManyTags, ethernet(0x8847, &[0, 0, 0x10, 64].repeat(40))),
        (Malformed::Ipv4Truncated, ethernet(0x0800, &[0x45; 19])),
        (Malformed::Ipv4BadHeader, v4(|packet| packet[0] = 0x44)),
        (Malformed::Ipv4BadHeader, v4(|packet| packet[0] = 0x55)),
        (Malformed::Ipv4BadLength, v4(|packet| packet[3] = 19)),
        (Malformed::Ipv4BadLength, v4(|packet| packet[2] = 9)),
        (Malformed::Ipv4BadChecksum, v4(|packet| packet[8] ^= 1)),
        (Malformed::Ipv6Truncated, ethernet(0x86dd, &[0x60; 39])),
        (Malformed::Ipv6BadHeader, v6(|packet| packet[0] = 0x45)),
        (Malformed::Ipv6BadLength, v6(|packet| packet[4] = 9)),
        (Malformed::Ipv6BadExtension, frame(INNER6, &ipv6(INNER6, 60, &[17, 200, 0, 0, 0, 0, 0, 0]))),
        (Malformed::Ipv6BadExtension, frame(INNER6, &ipv6(INNER6, 44, &[17, 0, 0]))),
        (Malformed::Ipv6TooManyExtensions, frame(INNER6, &ipv6(INNER6, 60, &extensions))),
        (Malformed::FragmentTooLong, frame(INNER, &ipv4(INNER, 17, &[], 0x1fff, &[0; 20]))),
        (Malformed::TcpTruncated, frame(INNER, &ip(INNER, 6, &[0; 19]))),
        (Malformed::TcpBadOffset, segment(|segment| segment[12] = 0x40)),
        (Malformed::TcpBadOffset, segment(|segment| segment[12] = 0x60)),
        (Malformed::TcpBadChecksum, spoil_last(6, &tcp(INNER, 1, 2, &[], b"x"))),
        (Malformed::UdpTruncated, frame(INNER, &ip(INNER, 17, &[0; 7]))),
        (Malformed::UdpTruncated, frame(INNER, &ip(INNER, 136, &[0; 7]))),
        (Malformed::UdpBadLength, frame(INNER, &ip(INNER, 17, &[0, 1, 0, 2, 0, 7, 0, 0]))),
        (Malformed::UdpBadLength, frame(INNER, &ip(INNER, 17, &[0, 1, 0, 2, 0, 9, 0, 0]))),
        (Malformed::UdpBadLength, frame(INNER, &ip(INNER, 136, &[0, 1, 0, 2, 0, 9, 0, 0]))),
        (Malformed::UdpBadChecksum, spoil_last(17, &datagram)),
        (Malformed::SctpTruncated, frame(INNER, &ip(INNER, 132, &[0; 11]))),
        (Malformed::SctpBadChecksum, spoil_last(132, &sctp(1, 2, b"chunk"))),
        (Malformed::IcmpTruncated, frame(INNER, &ip(INNER, 1, &[8, 0, 0, 0, 0, 0, 0]))),
        (Malformed::IcmpTruncated, frame(INNER6, &ip(INNER6, 58, &[8, 0, 0]))),
        (Malformed::IcmpBadChecksum, spoil_last(1, &icmp(8, 0, b"echo"))),
        (Malformed::ArpTruncated, ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1, 2, 3])),
        (Malformed::ArpTruncated, ethernet(0x0806, &[0, 1])),
    ]
}

#[test]
fn every_lie_has_its_reason() {
    let options = ParseOptions { checksums: Checksums::Enforce, ..ParseOptions::default() };
    for (reason, frame) in cases() {
        assert_eq!(parse_with(LinkType::Ethernet, &frame, &options), Err(reason), "{frame:02x?}");
    }
}

#[test]
fn every_reason_has_a_case() {
    // Links without a flow are in `walk`; what is wrong in a tunnel leaves the packet to the outer flow.
    let elsewhere = [Malformed::Unsupported, Malformed::TunnelTruncated];
    for reason in Malformed::ALL {
        let is_covered = cases().iter().any(|(covered, _)| covered == reason) || elsewhere.contains(reason);
        assert!(is_covered, "{reason}");
    }
}

#[test]
fn an_error_leaves_the_headers_as_they_were() {
    let before = parse_frame(&frame(INNER, &inner_udp(INNER)));
    for (_, bytes) in cases() {
        let mut headers = before;
        let wire_len = u32::try_from(bytes.len()).unwrap();
        if headers.parse(&bytes, wire_len, LinkType::Ethernet, &ParseOptions::default()).is_err() {
            assert_eq!(headers, before);
        }
    }
}

#[test]
fn a_total_length_of_zero_is_the_rest_of_the_frame() {
    let bytes = spoiled(INNER, 6, &tcp(INNER, 80, 81, &[], &[7; 3000]), |packet| packet[2..4].fill(0));
    let headers = parse_frame(&bytes);
    assert_eq!((ports(&headers), headers.payload_len), ([80, 81], 3000));
}

#[test]
fn an_ipv6_payload_length_of_zero_is_the_rest_of_the_frame() {
    let bytes = spoiled(INNER6, 6, &tcp(INNER6, 80, 81, &[], &[7; 3000]), |packet| packet[4..6].fill(0));
    assert_eq!(parse_frame(&bytes).payload_len, 3000);
}

#[test]
fn padding_of_the_frame_is_not_payload() {
    for ends in [INNER, INNER6] {
        for segment in [tcp(ends, 80, 81, &[], b""), udp(ends, 80, 81, b"")] {
            let protocol = if segment.len() == 20 { 6 } else { 17 };
            let mut bytes = frame(ends, &ip(ends, protocol, &segment));
            bytes.extend([0xee; 9]);
            let headers = parse_frame(&bytes);
            assert_eq!((headers.payload_len, headers.payload_wire_len), (0, 0));
            assert!(!headers.layers.contains(LayerSet::SNAPPED));
        }
    }
}

#[test]
fn a_udp_length_may_be_zero_or_short() {
    let mut datagram = udp(INNER, 80, 81, b"payload");
    datagram[4..6].copy_from_slice(&[0, 0]);
    assert_eq!(parse_frame(&frame(INNER, &ip(INNER, 17, &datagram))).payload_len, 7);
    datagram[4..6].copy_from_slice(&[0, 10]);
    let bytes = frame(INNER, &ip(INNER, 17, &datagram));
    assert_eq!(payload(&parse_frame(&bytes), &bytes), b"pa");
}

#[test]
fn a_snapped_packet_is_read_as_long_as_its_ports_are_there() {
    let bytes = frame(INNER, &ip(INNER, 6, &tcp(INNER, 80, 81, &[1; 8], &[7; 100])));
    let wire_len = u32::try_from(bytes.len()).unwrap();
    for cut in 0..bytes.len() {
        let mut headers = Headers::default();
        let found = headers.parse(&bytes[..cut], wire_len, LinkType::Ethernet, &ParseOptions::default());
        let expected = match cut {
            0..14 => Err(Malformed::LinkTruncated),
            14..34 => Err(Malformed::Ipv4Truncated),
            34..38 => Err(Malformed::TcpTruncated),
            _ => Ok(()),
        };
        assert_eq!(found, expected, "cut at {cut}");
        if found.is_ok() {
            assert!(headers.layers.contains(LayerSet::SNAPPED));
            assert_eq!(ports(&headers), [80, 81]);
            // Before its data offset was captured, the header counts as one without options.
            assert_eq!(headers.payload_wire_len, if cut < 54 { 108 } else { 100 });
            assert_eq!(headers.payload_len as usize, cut.saturating_sub(62));
            assert_eq!(headers.tcp.seq, if cut < 54 { 0 } else { 0x0102_0304 });
        }
    }
}

#[test]
fn padding_cut_off_by_the_capture_is_not_missed() {
    let bytes = frame(INNER, &ip(INNER, 17, &udp(INNER, 1, 2, b"")));
    let mut headers = Headers::default();
    headers.parse(&bytes, 60, LinkType::Ethernet, &ParseOptions::default()).unwrap();
    assert!(!headers.layers.contains(LayerSet::SNAPPED));
}

#[test]
fn a_wire_length_below_the_captured_one_is_not_believed() {
    let bytes = frame(INNER, &inner_udp(INNER));
    let mut headers = Headers::default();
    headers.parse(&bytes, 3, LinkType::Ethernet, &ParseOptions::default()).unwrap();
    assert_eq!(Ok(headers), parse(LinkType::Ethernet, &bytes));
}
