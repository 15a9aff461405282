//! The words of the language and what they stand for.

use core::fmt;

use wire::TunnelKind;

use super::Field;
use crate::Tier;
use crate::record::{EndReason, FlowState};

/// Words that start a statement, and those that join statements; for suggestions.
pub(super) const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "host",
    "net",
    "src",
    "dst",
    "port",
    "portrange",
    "proto",
    "ip",
    "ip6",
    "ethertype",
    "vlan",
    "tunnel",
    "app",
    "service",
    "crypto",
    "cleartext",
    "encrypted",
    "state",
    "reason",
    "tier",
    "midstream",
    "gaps",
];

/// IP protocols that are words of their own, by IANA number. Where one has two names the first is printed.
pub(super) const TRANSPORTS: &[(&str, u8)] =
    &[("tcp", 6), ("udp", 17), ("icmp", 1), ("icmp6", 58), ("icmpv6", 58), ("sctp", 132), ("igmp", 2)];

/// IP protocols that `proto` knows by name as well.
const MORE_PROTOCOLS: &[(&str, u8)] = &[
    ("ipip", 4),
    ("dccp", 33),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("pgm", 113),
    ("l2tp", 115),
    ("udplite", 136),
];

/// Fields that are compared with numbers. Where one has two names the first is printed.
const FIELDS: &[(&str, Field)] = &[
    ("bytes", Field::Bytes),
    ("bytes_toserver", Field::BytesToServer),
    ("bytes_toclient", Field::BytesToClient),
    ("packets", Field::Packets),
    ("pkts_toserver", Field::PacketsToServer),
    ("pkts_toclient", Field::PacketsToClient),
    ("packets_toserver", Field::PacketsToServer),
    ("packets_toclient", Field::PacketsToClient),
    ("duration", Field::Duration),
    ("confidence", Field::Confidence),
    ("tunnel_depth", Field::TunnelDepth),
    ("tunnel_id", Field::TunnelId),
    ("icmp_type", Field::IcmpType),
    ("icmp_code", Field::IcmpCode),
    ("interface", Field::Interface),
    ("flow_id", Field::FlowId),
];

/// Every tunnel kind but none.
pub(super) const TUNNELS: &[TunnelKind] = &[
    TunnelKind::Gre,
    TunnelKind::Pptp,
    TunnelKind::Erspan,
    TunnelKind::Vxlan,
    TunnelKind::Geneve,
    TunnelKind::GtpU,
    TunnelKind::L2tp,
    TunnelKind::IpIp,
    TunnelKind::SixInFour,
    TunnelKind::FourInSix,
    TunnelKind::SixInSix,
    TunnelKind::Teredo,
    TunnelKind::Capwap,
    TunnelKind::Mpls,
];

pub(super) const STATES: &[FlowState] = &[FlowState::New, FlowState::Established, FlowState::Closed];

pub(super) const REASONS: &[EndReason] =
    &[EndReason::Timeout, EndReason::Closed, EndReason::Evicted, EndReason::Shutdown];

pub(super) const TIERS: &[Tier] = &[Tier::None, Tier::Guess, Tier::Model, Tier::Signature, Tier::Parser];

pub(super) fn transport(word: &str) -> Option<u8> {
    TRANSPORTS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number)
}

pub(super) fn transport_name(number: u8) -> Option<&'static str> {
    TRANSPORTS.iter().find(|(_, it)| *it == number).map(|(name, _)| *name)
}

/// The number of an IP protocol by any name that `proto` knows.
pub(super) fn ip_protocol(word: &str) -> Option<u8> {
    TRANSPORTS.iter().chain(MORE_PROTOCOLS).find(|(name, _)| *name == word).map(|(_, number)| *number)
}

pub(super) fn ip_protocol_names() -> impl Iterator<Item = &'static str> {
    TRANSPORTS.iter().chain(MORE_PROTOCOLS).map(|(name, _)| *name)
}

pub(super) fn field(word: &str) -> Option<Field> {
    FIELDS.iter().find(|(name, _)| *name == word).map(|(_, field)| *field)
}

pub(super) fn field_name(field: Field) -> &'static str {
    FIELDS.iter().find(|(_, it)| *it == field).map_or("", |(name, _)| *name)
}

/// Every word of the language that is not the name of a protocol or a value.
pub(super) fn statement_starts() -> impl Iterator<Item = &'static str> {
    let transports = TRANSPORTS.iter().map(|(name, _)| *name);
    KEYWORDS.iter().copied().chain(transports).chain(FIELDS.iter().map(|(name, _)| *name))
}

/// Unit suffixes of a field's numbers and what they multiply by; the first that divides a number prints it.
pub(super) const fn units(field: Field) -> &'static [(&'static str, u64)] {
    match field {
        Field::Duration => DURATIONS,
        Field::Bytes
        | Field::BytesToServer
        | Field::BytesToClient
        | Field::Packets
        | Field::PacketsToServer
        | Field::PacketsToClient => MULTIPLES,
        Field::Confidence => PER_CENT,
        _ => &[],
    }
}

pub(super) fn write_value(f: &mut fmt::Formatter<'_>, field: Field, value: u64) -> fmt::Result {
    if field == Field::Duration
        && let Some((unit, size)) = DURATIONS.iter().find(|(_, size)| value.is_multiple_of(*size))
    {
        return write!(f, "{}{unit}", value / size);
    }
    write!(f, "{value}")
}

const DURATIONS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const MULTIPLES: &[(&str, u64)] = &[
    ("k", 1_000),
    ("K", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

const PER_CENT: &[(&str, u64)] = &[("%", 1)];
