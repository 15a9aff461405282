use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope, Side, TunnelKind};

use super::*;
use crate::protocols::{Exposure, Family};
use crate::record::{EndReason, FlowIdentity, FlowState, FlowSummary, TunnelIdentity};
use crate::{Classification, CryptoClass, ProtocolId, ProtocolName, ServiceId, Tier};

fn names() -> Names {
    let mut names = Names::default();
    let protocols = [
        ("modbus", Exposure::Cleartext),
        ("tls", Exposure::Negotiated),
        ("wireguard", Exposure::Encrypted),
        ("icmp", Exposure::Cleartext),
        ("h225", Exposure::Unknown),
    ];
    for (name, exposure) in protocols {
        let title = name.into();
        names
            .add_protocol(ProtocolName { name: name.into(), title, family: Family::Network, exposure })
            .unwrap();
    }
    for service in ["YouTube", "Google Maps", "A \"quoted\" \\ one"] {
        names.add_service(service).unwrap();
    }
    names
}

/// 10.1.2.3:51000 (client) to 192.0.2.9:502 over TCP.
fn identity() -> FlowIdentity {
    let client_end = (FlowKey::from_ipv4([10, 1, 2, 3]), 51_000);
    let server_end = (FlowKey::from_ipv4([192, 0, 2, 9]), 502);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, client_end, server_end, Scope::default());
    FlowIdentity {
        id: 7,
        key,
        client,
        interface: 3,
        vlans: [10, 0],
        icmp: None,
        tunnel: TunnelIdentity { kind: TunnelKind::Vxlan, depth: 1, id: 5000, outer: None },
    }
}

fn summary(protocol: &str) -> FlowSummary {
    FlowSummary {
        packets: [6, 4],
        bytes: [900_000, 200_000],
        start_ns: 1_000_000_000,
        end_ns: 7_000_000_000,
        state: FlowState::Established,
        reason: EndReason::Timeout,
        tcp_flags: Some([0x1a, 0x12]),
        midstream: false,
        gaps: true,
        class: Classification {
            protocol: names().protocol_id(protocol).unwrap(),
            service: ServiceId(1),
            confidence: 90,
            tier: Tier::Signature,
            evidence: Default::default(),
        },
    }
}

fn judge(text: &str, view: &FlowView<'_>) -> Truth {
    Filter::parse(text, &names()).unwrap_or_else(|error| panic!("{text}: {error}")).judge(view)
}

fn error(text: &str) -> FilterError {
    Filter::parse(text, &names()).expect_err(text)
}

/// What is so of the flow below.
const HOLD: &[&str] = &[
    "modbus",
    "app modbus",
    "APP = Modbus",
    "tcp",
    "proto 6",
    "proto tcp",
    "ip",
    "not ip6",
    "! udp",
    "host 10.1.2.3",
    "host 192.0.2.9",
    "src 10.0.0.0/8",
    "src host 10.1.2.3",
    "dst net 192.0.2.0/24",
    "dst port 502",
    "src port 51000",
    "port 502",
    "portrange 500-510",
    "tcp port 502",
    "tcp dst port 502",
    "port in (80, 502)",
    "src in (192.168.0.0/16, 10.1.2.3)",
    "vlan",
    "vlan 10",
    "tunnel",
    "tunnel vxlan",
    "tunnel in (gtpu, vxlan)",
    "tunnel_id = 5000",
    "tunnel_depth >= 1",
    "service youtube",
    "service \"YouTube\"",
    "service in (\"Google Maps\", youtube)",
    "bytes > 1M",
    "bytes = 1.1M",
    "bytes_toserver >= 900000",
    "bytes_toclient < 1M",
    "packets >= 10",
    "pkts_toserver = 6",
    "confidence > 50",
    "confidence <= 90%",
    "duration > 5s",
    "duration = 6",
    "duration < 1m",
    "state = established",
    "state established",
    "state in (new, established)",
    "state != closed",
    "reason = timeout",
    "tier >= signature",
    "tier < parser",
    "cleartext",
    "crypto in (cleartext, weak)",
    "not encrypted",
    "gaps",
    "not midstream",
    "interface = 3",
    "flow_id = 7",
    "modbus and not dst 10.0.0.0/8",
    "(udp or tcp) && !(port 80 || port 443)",
    "10.1.2.3",
    "192.0.2.0/24",
    "not not tcp",
    "udp or tcp and modbus",
];

/// What is not.
const FAIL: &[&str] = &[
    "modbus and not src 10.0.0.0/8",
    "tls",
    "app unknown",
    "udp",
    "icmp",
    "icmp6",
    "ip6",
    "dst 10.0.0.0/8",
    "src port 502",
    "port 80",
    "vlan 11",
    "tunnel gre",
    "service \"google maps\"",
    "bytes > 1.1M",
    "confidence < 50",
    "duration > 6s",
    "state = new",
    "reason != timeout",
    "encrypted",
    "crypto weak",
    "midstream",
    "icmp_type = 8",
    "udp and tcp or tls",
    "host ::ffff:10.1.2.3",
    "ethertype 0x0800",
];

#[test]
fn statements_hold_for_the_flow_they_describe() {
    let flow = identity();
    let summary = summary("modbus");
    let view = FlowView { flow: &flow, summary: Some(&summary), class: Some(summary.class), crypto: None };
    for text in HOLD {
        assert_eq!(judge(text, &view), Truth::Yes, "{text}");
    }
    for text in FAIL {
        assert_eq!(judge(text, &view), Truth::No, "{text}");
    }
}

#[test]
fn before_the_end_only_the_identity_decides() {
    let flow = identity();
    let view = FlowView { flow: &flow, summary: None, class: None, crypto: None };
    let answers = [
        ("tcp and src 10.0.0.0/8", Truth::Yes),
        ("udp and modbus", Truth::No),
        ("tcp and modbus", Truth::Maybe),
        ("udp or modbus", Truth::Maybe),
        ("tcp or modbus", Truth::Yes),
        ("not modbus", Truth::Maybe),
        ("bytes > 1M", Truth::Maybe),
        ("crypto = weak", Truth::Maybe),
        ("encrypted and vlan 11", Truth::No),
    ];
    for (text, truth) in answers {
        assert_eq!(judge(text, &view), truth, "{text}");
    }
}

#[test]
fn what_was_negotiated_decides_for_protocols_that_negotiate() {
    let flow = identity();
    let summary = summary("tls");
    let ended =
        |crypto| FlowView { flow: &flow, summary: Some(&summary), class: Some(summary.class), crypto };
    assert_eq!(judge("crypto = weak", &ended(Some(CryptoClass::Weak))), Truth::Yes);
    assert_eq!(judge("encrypted", &ended(Some(CryptoClass::PostQuantum))), Truth::Yes);
    assert_eq!(judge("encrypted", &ended(Some(CryptoClass::Cleartext))), Truth::No);
    assert_eq!(judge("cleartext", &ended(Some(CryptoClass::Cleartext))), Truth::Yes);
    assert_eq!(judge("crypto in (weak, quantum_vulnerable)", &ended(None)), Truth::No);
    let going_on = FlowView { summary: None, ..ended(None) };
    assert_eq!(judge("crypto = weak", &going_on), Truth::Maybe);
}

#[test]
fn icmp_and_flows_without_ip_have_their_own_words() {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 1, ([0, 1], 0), ([0, 2], 0), Scope::default());
    let ping = FlowIdentity { key, client, icmp: Some((8, 0)), ..identity() };
    let view = FlowView { flow: &ping, summary: None, class: None, crypto: None };
    assert_eq!(judge("icmp and icmp_type = 8 and icmp_code = 0", &view), Truth::Yes);
    assert_eq!(judge("port 0", &view), Truth::No);

    let (from, to) = (FlowKey::from_mac([2, 0, 0, 0, 0, 1]), FlowKey::from_mac([1, 0x80, 0xc2, 0, 0, 0x0e]));
    let (key, client) = FlowKey::new(KeyKind::Ethernet, 0, (from, 0x88cc), (to, 0x88cc), Scope::default());
    let lldp = FlowIdentity { key, client, ..identity() };
    let view = FlowView { flow: &lldp, summary: None, class: None, crypto: None };
    assert_eq!(judge("ethertype 0x88cc and src host 02:00:00:00:00:01", &view), Truth::Yes);
    assert_eq!(judge("ip or ip6 or port 35020 or dst 02:00:00:00:00:01", &view), Truth::No);
}

#[test]
fn errors_point_at_the_column_and_name_the_nearest_word() {
    let cases = [
        ("modbas and tcp", 1, 6, Some("modbus")),
        ("tcp and modbas", 9, 6, Some("modbus")),
        ("  hots 10.0.0.1", 3, 4, Some("host")),
        ("byte > 5", 1, 4, Some("bytes")),
        ("state = establishd", 9, 10, Some("established")),
        ("crypto in (weak, postquantum)", 18, 11, Some("post-quantum")),
        ("tunnel vxlam", 8, 5, Some("vxlan")),
        ("proto tcpp", 7, 4, Some("tcp")),
        ("app modbos", 5, 6, Some("modbus")),
        ("service youtub", 9, 6, Some("\"YouTube\"")),
        ("youtube", 1, 7, Some("service \"YouTube\"")),
        ("443", 1, 3, Some("port 443")),
        ("port 80 or 443", 12, 3, Some("port 443")),
        ("port 80-90", 6, 5, Some("portrange 80-90")),
        ("host 10.0.0.0/8", 6, 10, Some("net 10.0.0.0/8")),
        ("net 10.0.0.1/8", 5, 10, Some("10.0.0.0/8")),
        ("net 10.0.0.1", 5, 8, Some("host 10.0.0.1")),
        ("vlan 4095", 6, 4, None),
        ("port 65536", 6, 5, None),
        ("src and tcp", 5, 3, None),
        ("tcp udp", 5, 3, None),
        ("(tcp", 1, 1, None),
        ("tcp)", 4, 1, None),
        ("tcp and", 8, 1, None),
        ("", 1, 1, None),
        ("tcp & udp", 5, 1, None),
        ("service \"x", 9, 1, None),
        ("port in ()", 10, 1, None),
        ("port in 80", 9, 2, None),
        ("state > new", 7, 1, None),
        ("bytes 5", 7, 1, None),
        ("bytes > tcp", 9, 3, None),
        ("é", 1, 1, None),
        ("tcp and é", 9, 1, None),
    ];
    for (text, column, length, suggestion) in cases {
        let found = error(text);
        let place = (found.column, found.length, found.suggestion.as_deref());
        assert_eq!(place, (column, length, suggestion), "{text}: {found}");
    }
}

#[test]
fn an_error_reads_like_a_sentence_with_a_mark_below() {
    let text = "modbas and not src 10.0.0.0/8";
    let error = error(text);
    assert_eq!(
        error.to_string(),
        "column 1: \"modbas\" is no keyword, field or protocol; did you mean `modbus`?"
    );
    assert_eq!(error.pointed(text), format!("{text}\n^^^^^^"));
    let hostile = "tcp \u{1b}[31m";
    assert!(!self::error(hostile).pointed(hostile).contains('\u{1b}'));
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |n: usize| format!("{}tcp{}", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&deep(MAX_FILTER_DEPTH), &names()).is_ok());
    assert_eq!(error(&deep(MAX_FILTER_DEPTH + 1)).kind, FilterErrorKind::TooDeep);
    assert_eq!(error(&format!("{}tcp", "!".repeat(MAX_FILTER_DEPTH + 1))).kind, FilterErrorKind::TooDeep);
    let long = format!("tcp{}", " or udp".repeat(600));
    assert_eq!(error(&long).kind, FilterErrorKind::TooLong { bytes: long.len() });
    // Wide is fine: nothing nests.
    assert!(Filter::parse(&format!("tcp{}", " or udp".repeat(500)), &names()).is_ok());
}

fn primitive() -> impl Strategy<Value = Primitive> {
    let end = || prop::sample::select(vec![End::Any, End::Source, End::Destination]);
    let relation = || {
        use Relation::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        prop::sample::select(vec![Less, LessOrEqual, Equal, NotEqual, GreaterOrEqual, Greater])
    };
    let network = (any::<std::net::IpAddr>(), 0..=128_u8)
        .prop_filter_map("prefix of the family", |(address, prefix)| Network::containing(address, prefix));
    let fields = vec![
        (Field::Bytes, u64::MAX),
        (Field::PacketsToClient, u64::MAX),
        (Field::Duration, u64::MAX),
        (Field::Confidence, 100),
        (Field::TunnelId, u32::MAX.into()),
        (Field::IcmpCode, 255),
        (Field::FlowId, u64::MAX),
    ];
    let field = prop::sample::select(fields).prop_flat_map(|(field, most)| (Just(field), 0..=most));
    let app: Vec<_> = names().protocols().map(|protocol| protocol.name.to_string()).collect();
    let service: Vec<_> = names().services().map(str::to_owned).collect();
    prop_oneof![
        (end(), any::<std::net::IpAddr>()).prop_map(|(end, address)| Primitive::Host { end, address }),
        (end(), any::<[u8; 6]>()).prop_map(|(end, address)| Primitive::Mac { end, address }),
        (end(), network).prop_map(|(end, network)| Primitive::Net { end, network }),
        (end(), any::<u16>(), any::<u16>()).prop_map(|(end, a, b)| Primitive::Port {
            end,
            low: a.min(b),
            high: a.max(b)
        }),
        any::<u8>().prop_map(Primitive::IpProtocol),
        any::<u16>().prop_map(Primitive::EtherType),
        prop::option::of(1..=4094_u16).prop_map(Primitive::Vlan),
        prop::option::of(prop::sample::select(words::TUNNELS)).prop_map(Primitive::Tunnel),
        prop::sample::select(app).prop_map(Primitive::App),
        prop::sample::select(service).prop_map(Primitive::Service),
        (field, relation()).prop_map(|((field, value), relation)| Primitive::Compare {
            field,
            relation,
            value
        }),
        prop::sample::select(words::STATES).prop_map(Primitive::State),
        prop::sample::select(words::REASONS).prop_map(Primitive::Reason),
        (relation(), prop::sample::select(words::TIERS))
            .prop_map(|(relation, tier)| Primitive::Tier { relation, tier }),
        prop::sample::select(CryptoClass::ALL.to_vec()).prop_map(Primitive::Crypto),
        prop::sample::select(vec![
            Primitive::Ip,
            Primitive::Ip6,
            Primitive::Cleartext,
            Primitive::Encrypted,
            Primitive::Midstream,
            Primitive::Gaps,
        ]),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    primitive().prop_map(Expr::Is).prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Expr::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner, 2..4).prop_map(Expr::Or),
        ]
    })
}

/// Words and signs of the language in any order: much nearer to filters than random text.
fn scrambled() -> impl Strategy<Value = String> {
    let mut words: Vec<String> = words::KEYWORDS.iter().map(|word| (*word).to_owned()).collect();
    let more = [
        "(",
        ")",
        ",",
        "!",
        "&&",
        "||",
        "=",
        "!=",
        "<",
        ">=",
        "tcp",
        "modbus",
        "80",
        "1-5",
        "10.0.0.0/8",
        "::1",
        "\"",
        "1.5M",
        "bytes",
        "é",
    ];
    words.extend(more.map(str::to_owned));
    prop::collection::vec(prop::sample::select(words), 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_parses_to_the_same_tree(expr in expr()) {
        let text = expr.to_string();
        prop_assume!(text.len() <= MAX_FILTER_BYTES);
        let parsed = Filter::parse(&text, &names()).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(parsed.expr(), &expr, "{}", text);
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn any_text_gives_a_filter_or_an_error_inside_the_text(text in prop_oneof![any::<String>(), scrambled()]) {
        match Filter::parse(&text, &names()) {
            Ok(filter) => {
                let flow = identity();
                let _ = filter.judge(&FlowView { flow: &flow, summary: None, class: None, crypto: None });
            }
            Err(error) => {
                prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1);
                prop_assert!(!error.to_string().is_empty());
                let _ = error.pointed(&text);
            }
        }
    }

    #[test]
    fn what_is_decided_early_stays_decided(expr in expr(), client_first: bool, protocol in 0..6_u16) {
        let filter = Filter::parse(&expr.to_string(), &names());
        prop_assume!(filter.is_ok());
        let filter = filter.unwrap();
        let mut flow = identity();
        flow.client = if client_first { Side::Lower } else { Side::Upper };
        let mut summary = summary("tls");
        summary.class.protocol = ProtocolId(protocol);
        let early = filter.judge(&FlowView { flow: &flow, summary: None, class: None, crypto: None });
        let late =
            filter.judge(&FlowView { flow: &flow, summary: Some(&summary), class: Some(summary.class), crypto: None });
        prop_assert_ne!(late, Truth::Maybe);
        prop_assert!(early == Truth::Maybe || early == late);
    }
}
