//! What holds for any bytes: no panic, ranges inside the frame, and no packet lost in a tunnel.

use crate::builder::*;
use crate::samples::{linked, tunneled};
use proptest::prelude::*;
use wire::{Checksums, Headers, LinkType, Malformed, ParseOptions};

const LINKS: [LinkType; 10] = [
    LinkType::Null,
    LinkType::Ethernet,
    LinkType::Ppp,
    LinkType::PppHdlc,
    LinkType::RawIp,
    LinkType::Ieee80211,
    LinkType::Loop,
    LinkType::LinuxSll,
    LinkType::Ieee80211Radiotap,
    LinkType::LinuxSll2,
];

/// Parses in every way there is, and checks that what is said of the frame is inside it.
fn parse_any(bytes: &[u8], wire_len: u32, link: LinkType) -> Result<Headers, Malformed> {
    let options = ParseOptions { tunnel_depth: 8, ..ParseOptions::default() };
    let mut headers = Headers::default();
    let enforce = ParseOptions { checksums: Checksums::Enforce, ..options };
    if headers.parse(bytes, wire_len, link, &enforce).is_ok() {
        assert_inside(&headers, bytes.len());
    }
    headers.parse(bytes, wire_len, link, &options)?;
    assert_inside(&headers, bytes.len());
    assert!(headers.tunnel.outer_ip_offset <= headers.network_offset, "{headers:?}");
    let mut inner = Headers::default();
    if inner.parse_ip(bytes, &headers, &options).is_ok() {
        assert_inside(&inner, bytes.len());
    }
    Ok(headers)
}

fn assert_inside(headers: &Headers, len: usize) {
    assert!(headers.network_offset <= headers.transport_offset, "{headers:?}");
    assert!(headers.transport_offset <= headers.payload_offset, "{headers:?}");
    assert!((headers.payload_offset + headers.payload_len) as usize <= len, "{headers:?}");
    assert!(headers.payload_len <= headers.payload_wire_len, "{headers:?}");
    if let Some(fragment) = headers.fragment {
        assert_eq!(headers.payload_len, 0, "{headers:?}");
        assert!((fragment.data_offset + fragment.data_len) as usize <= len, "{headers:?}");
        assert!(u32::from(fragment.offset) + fragment.data_len <= 65_535, "{headers:?}");
    }
}

fn samples() -> Vec<(&'static str, LinkType, Vec<u8>)> {
    let links = linked().into_iter().map(|sample| (sample.name, sample.link, sample.frame));
    let tunnels = tunneled().into_iter().map(|sample| (sample.name, LinkType::Ethernet, sample.frame));
    links.chain(tunnels).collect()
}

#[test]
fn a_sample_cut_anywhere_is_read_or_has_a_reason() {
    for (_, link, frame) in samples() {
        for cut in 0..=frame.len() {
            let whole_len = u32::try_from(frame.len()).unwrap();
            let cut_len = u32::try_from(cut).unwrap();
            let _ = parse_any(&frame[..cut], whole_len, link);
            let _ = parse_any(&frame[..cut], cut_len, link);
        }
    }
}

#[test]
fn a_tunnel_cut_inside_is_not_lost() {
    for sample in tunneled() {
        let wire_len = u32::try_from(sample.frame.len()).unwrap();
        let outer = ParseOptions { tunnel_depth: 0, ..ParseOptions::default() };
        for cut in 0..sample.frame.len() {
            let bytes = &sample.frame[..cut];
            let mut headers = Headers::default();
            let alone = headers.parse(bytes, wire_len, LinkType::Ethernet, &outer);
            let opened = headers.parse(bytes, wire_len, LinkType::Ethernet, &ParseOptions::default());
            assert_eq!(alone, opened, "{} cut at {cut}", sample.name);
        }
    }
}

#[test]
fn a_sample_with_any_one_byte_changed_is_read_or_has_a_reason() {
    for (_, link, frame) in samples() {
        for at in 0..frame.len() {
            for bits in [0x01, 0x40, 0x80, 0xff] {
                let mut changed = frame.clone();
                changed[at] ^= bits;
                let _ = parse_any(&changed, u32::try_from(frame.len()).unwrap(), link);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_have_a_reason(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        more in 0..2_000_u32,
        link in proptest::sample::select(&LINKS[..]),
    ) {
        let wire_len = u32::try_from(bytes.len()).unwrap() + more;
        let _ = parse_any(&bytes, wire_len, link);
    }

    #[test]
    fn any_ip_payload_is_read_or_has_a_reason(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        protocol in any::<u8>(),
        is_ipv6 in any::<bool>(),
    ) {
        let ends = if is_ipv6 { OUTER6 } else { OUTER };
        let frame = frame(ends, &ip(ends, protocol, &bytes));
        let _ = parse_any(&frame, u32::try_from(frame.len()).unwrap(), LinkType::Ethernet);
    }

    #[test]
    fn any_datagram_at_a_tunnel_port_is_a_flow(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        port in proptest::sample::select(&wire::number::tunnel_port::ALL[..]),
    ) {
        let frame = carried_by_udp(port, &bytes);
        prop_assert!(parse_any(&frame, u32::try_from(frame.len()).unwrap(), LinkType::Ethernet).is_ok());
    }

    #[test]
    fn random_datagrams_at_a_tunnel_port_stay_udp(
        bytes in proptest::collection::vec(any::<u8>(), 64..65),
        port in proptest::sample::select(&wire::number::tunnel_port::ALL[..]),
    ) {
        let headers = crate::ethernet(&carried_by_udp(port, &bytes));
        prop_assert_eq!(crate::ports(&headers), [50_000, port]);
    }

    #[test]
    fn several_changed_bytes_are_read_or_have_a_reason(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let samples = samples();
        let (_, link, frame) = &samples[which.index(samples.len())];
        let mut changed = frame.clone();
        for (at, value) in changes {
            let index = at.index(changed.len());
            changed[index] = value;
        }
        let _ = parse_any(&changed, u32::try_from(changed.len()).unwrap(), *link);
    }
}
