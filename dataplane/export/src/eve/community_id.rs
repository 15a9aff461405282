//! Community ID version 1: the flow hash that Zeek, Suricata and others share (community-id-spec).

use core::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::record::FlowIdentity;

/// `1:` and 20 bytes in base 64.
const LEN: usize = 30;

/// The Community ID of a flow; none for flows without IP, and for ICMP whose type was not seen.
pub(super) fn of_flow(flow: &FlowIdentity, seed: u16) -> Option<[u8; LEN]> {
    let protocol = flow.key.protocol();
    let client = (flow.key.ip(flow.client)?, flow.key.port(flow.client));
    let server = (flow.key.ip(flow.client.opposite())?, flow.key.port(flow.client.opposite()));
    let (ports, swaps) = match protocol {
        TCP | UDP | SCTP => (Some((client.1, server.1)), true),
        ICMP => icmp_ports(flow.icmp?, ICMP_PAIRS),
        ICMPV6 => icmp_ports(flow.icmp?, ICMPV6_PAIRS),
        _ => (None, true),
    };
    let (mut from, mut to) = (client.0, server.0);
    let (mut from_port, mut to_port) = ports.unwrap_or((0, 0));
    if swaps && (from, from_port) > (to, to_port) {
        core::mem::swap(&mut from, &mut to);
        core::mem::swap(&mut from_port, &mut to_port);
    }
    let mut input = Input { block: [0; BLOCK], len: 0 };
    input.push(seed.to_be_bytes());
    for address in [from, to] {
        match address {
            IpAddr::V4(v4) => input.push(v4.octets()),
            IpAddr::V6(v6) => input.push(v6.octets()),
        }
    }
    input.push([protocol, 0]);
    if ports.is_some() {
        input.push(from_port.to_be_bytes());
        input.push(to_port.to_be_bytes());
    }
    let mut text = *b"1:............................";
    let (_, encoded) = text.split_first_chunk_mut::<2>()?;
    STANDARD.encode_slice(input.sha1(), encoded).ok()?;
    Some(text)
}

/// Bytes of a block of SHA-1.
const BLOCK: usize = 64;

/// What is hashed: 42 bytes at most, so that with its padding it is one block.
struct Input {
    block: [u8; BLOCK],
    len: usize,
}

impl Input {
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(place) = self.block.get_mut(self.len..self.len + N) {
            place.copy_from_slice(&bytes);
        }
        self.len += N;
    }

    /// SHA-1 (FIPS 180-4, 5.1.1 and 6.1) of the one block, without the bookkeeping of a hash of any length.
    fn sha1(mut self) -> [u8; 20] {
        let bits = (self.len as u64) * 8;
        self.push([0x80]);
        if let Some(end) = self.block.last_chunk_mut() {
            *end = bits.to_be_bytes();
        }
        let mut state = INITIAL_STATE;
        sha1::compress(&mut state, &[self.block.into()]);
        let mut digest = [0; 20];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// FIPS 180-4, 5.3.1.
const INITIAL_STATE: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// What stands for the ports of an ICMP flow, and whether the ends are put in order: type and the type that answers
/// it where there is one, else type and code, one way.
fn icmp_ports((kind, code): (u8, u8), pairs: &[(u8, u8)]) -> (Option<(u16, u16)>, bool) {
    let answer = pairs.iter().find_map(|&(ask, answer)| match kind {
        _ if kind == ask => Some(answer),
        _ if kind == answer => Some(ask),
        _ => None,
    });
    let second = answer.unwrap_or(code);
    (Some((kind.into(), second.into())), answer.is_some())
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Echo, router discovery, timestamp, information, address mask (RFC 792, 950, 1256).
const ICMP_PAIRS: &[(u8, u8)] = &[(8, 0), (10, 9), (13, 14), (15, 16), (17, 18)];
/// Echo, listener discovery, router and neighbor discovery, node information, home agent discovery (RFC 4443, 2710,
/// 4861, 4620, 6275).
const ICMPV6_PAIRS: &[(u8, u8)] = &[(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];

#[cfg(test)]
mod tests {
    use engine::record::TunnelIdentity;
    use wire::{FlowKey, KeyKind, Scope};

    use super::*;

    fn id(protocol: u8, source: (&str, u16), destination: (&str, u16), seed: u16) -> String {
        let wide = |address: &str| match address.parse().unwrap() {
            IpAddr::V4(v4) => (KeyKind::Ipv4, FlowKey::from_ipv4(v4.octets())),
            IpAddr::V6(v6) => (KeyKind::Ipv6, FlowKey::from_ipv6(v6.octets())),
        };
        let icmp = matches!(protocol, ICMP | ICMPV6);
        let (kind, from) = wide(source.0);
        let (_, to) = wide(destination.0);
        let ports = if icmp { (0, 0) } else { (source.1, destination.1) };
        let (key, client) = FlowKey::new(kind, protocol, (from, ports.0), (to, ports.1), Scope::default());
        let icmp = icmp.then(|| (u8::try_from(source.1).unwrap(), u8::try_from(destination.1).unwrap()));
        let tunnel = TunnelIdentity::default();
        let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp, tunnel };
        String::from_utf8(of_flow(&flow, seed).unwrap().to_vec()).unwrap()
    }

    type Vector<'a> = (u8, (&'a str, u16), (&'a str, u16), &'a str, &'a str);

    /// From the baseline of the specification and the tests of its reference implementation: seed 0 and seed 1.
    /// For ICMP the second member is the type, the fourth the code.
    const VECTORS: &[Vector<'_>] = &[
        (
            6,
            ("128.232.110.120", 34855),
            ("66.35.250.204", 80),
            "LQU9qZlK+B5F3KDmev6m5PMibrg=",
            "3V71V58M3Ksw/yuFALMcW0LAHvc=",
        ),
        (
            6,
            ("66.35.250.204", 80),
            ("128.232.110.120", 34855),
            "LQU9qZlK+B5F3KDmev6m5PMibrg=",
            "3V71V58M3Ksw/yuFALMcW0LAHvc=",
        ),
        (
            6,
            ("10.0.0.1", 10),
            ("10.0.0.2", 11569),
            "SXBGMX1lBOwhhoDrZynfROxnhnM=",
            "HmBRGR+fUyXF4t8WEtal7Y0gEAo=",
        ),
        (
            6,
            ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
            ("2607:f8b0:400c:c03::1a", 25),
            "/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            "eJYTW6AOzFLlSUoESovMjnu7rMw=",
        ),
        (
            17,
            ("192.168.1.52", 54585),
            ("8.8.8.8", 53),
            "d/FP5EW3wiY1vCndhwleRRKHowQ=",
            "Q9We8WO3piVF8yEQBNJF4uiSVrI=",
        ),
        (
            17,
            ("8.8.8.8", 53),
            ("192.168.1.52", 54585),
            "d/FP5EW3wiY1vCndhwleRRKHowQ=",
            "Q9We8WO3piVF8yEQBNJF4uiSVrI=",
        ),
        (
            132,
            ("192.168.170.8", 7),
            ("192.168.170.56", 7),
            "MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
            "5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
        ),
        (
            132,
            ("192.168.170.56", 80),
            ("192.168.170.8", 7),
            "jQgCxbku+pNGw8WPbEc/TS/uTpQ=",
            "Y1/0jQg6e+I3ZwZZ9LP65DNbTXU=",
        ),
        (
            46,
            ("10.1.12.1", 0),
            ("10.1.12.2", 0),
            "KHlLkgoJW7ifUTyTSgyVfkFHzKw=",
            "rYir8gphR31noO9iDRQmF/BteEI=",
        ),
        (
            46,
            ("10.1.24.4", 0),
            ("10.1.12.1", 0),
            "/nQI4Rh/TtY3mf0R2gJFBkVlgS4=",
            "BK3BVW3U2eemuwVQVN3zd/GULno=",
        ),
        (
            1,
            ("192.168.0.89", 8),
            ("192.168.0.1", 0),
            "X0snYXpgwiv9TZtqg64sgzUn6Dk=",
            "03g6IloqVBdcZlPyX8r0hgoE7kA=",
        ),
        (
            1,
            ("192.168.0.1", 0),
            ("192.168.0.89", 20),
            "X0snYXpgwiv9TZtqg64sgzUn6Dk=",
            "03g6IloqVBdcZlPyX8r0hgoE7kA=",
        ),
        (
            1,
            ("192.168.0.89", 20),
            ("192.168.0.1", 0),
            "3o2RFccXzUgjl7zDpqmY7yJi8rI=",
            "lCXHHxavE1Vq3oX9NH5ladQg02o=",
        ),
        (
            1,
            ("192.168.0.89", 20),
            ("192.168.0.1", 1),
            "tz/fHIDUHs19NkixVVoOZywde+I=",
            "Ie3wmFyxiEyikbsbcO03d2nh+PM=",
        ),
        (
            1,
            ("10.0.0.1", 11),
            ("10.0.0.2", 0),
            "YHxtAirCG//0OzkcVAukqKQN9xM=",
            "XjUibYHaafLQ3pxQeiMI8g25q20=",
        ),
        (
            58,
            ("fe80::200:86ff:fe05:80da", 135),
            ("fe80::260:97ff:fe07:69ea", 0),
            "dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            "kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
        ),
        (
            58,
            ("fe80::260:97ff:fe07:69ea", 136),
            ("fe80::200:86ff:fe05:80da", 0),
            "dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            "kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
        ),
        (
            58,
            ("fe80::260:97ff:fe07:69ea", 135),
            ("fe80::200:86ff:fe05:80da", 0),
            "zavyT/cezQr1fmImYCwYnMXbgck=",
            "2hSqmsDZ2kdcY9kbiUzOEBic0iM=",
        ),
        (
            58,
            ("3ffe:507:0:1:200:86ff:fe05:80da", 128),
            ("3ffe:501:0:1001::2", 0),
            "+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
            "GfZxjAkDk2MkegpBYHV6tadtFXQ=",
        ),
        (
            58,
            ("fe80::200:86ff:fe05:80da", 133),
            ("ff02::2", 0),
            "hO+sN4H+MG5MY/8hIrXPqc4ZQz0=",
            "L7Ka0ZMYu+J3bL4ulW2PrqyXNo8=",
        ),
        (
            58,
            ("fe80::260:97ff:fe07:69ea", 134),
            ("ff02::1", 0),
            "pkvHqCL88/tg1k4cPigmZXUtL00=",
            "K/ee5UCqAMAQXDorP5nSa2CGLjc=",
        ),
        (
            58,
            ("3ffe:501:410:0:2c0:dfff:fe47:33e", 1),
            ("3ffe:507:0:1:200:86ff:fe05:80da", 4),
            "hLZd0XGWojozrvxqE0dWB1iM6R0=",
            "W8MHwXpWzpoSTD+cGcaJr4u0ys8=",
        ),
        (
            58,
            ("3ffe:507:0:1:200:86ff:fe05:80da", 3),
            ("3ffe:507:0:1:260:97ff:fe07:69ea", 0),
            "/OGBt9BN1ofenrmSPWYicpij2Vc=",
            "Ij4ZxnC87/MXzhOjvH2vHu7LRmE=",
        ),
    ];

    #[test]
    fn the_vectors_of_the_specification_hold() {
        for (protocol, source, destination, seed_0, seed_1) in VECTORS {
            assert_eq!(
                id(*protocol, *source, *destination, 0),
                format!("1:{seed_0}"),
                "{protocol} {source:?}"
            );
            assert_eq!(
                id(*protocol, *source, *destination, 1),
                format!("1:{seed_1}"),
                "{protocol} {source:?}"
            );
        }
    }

    #[test]
    fn flows_without_ip_have_none() {
        let (key, client) =
            FlowKey::new(KeyKind::Ethernet, 0, ([0, 1], 0x88cc), ([0, 2], 0x88cc), Scope::default());
        let tunnel = TunnelIdentity::default();
        let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
        assert_eq!(of_flow(&flow, 0), None);
    }
}
