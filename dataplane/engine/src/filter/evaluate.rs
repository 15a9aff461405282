use wire::{FlowKey, KeyKind, Side};

use super::{End, Expr, Field, Primitive, Relation};
use crate::protocols::Exposure;
use crate::record::{Body, FlowIdentity, FlowSummary, Record};
use crate::{Classification, CryptoClass, Names, ProtocolId, ServiceId};

/// An answer that may have to wait. Ordered so that `and` is the least and `or` the greatest (Kleene, K3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not hold, whatever comes.
    No,
    /// What is known so far does not say.
    Maybe,
    /// It holds.
    Yes,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug)]
pub struct FlowView<'a> {
    /// Its identity, always known.
    pub flow: &'a FlowIdentity,
    /// Its numbers, once it ended.
    pub summary: Option<&'a FlowSummary>,
    /// What it carries, once that is decided.
    pub class: Option<Classification>,
    /// What its session negotiated, once an event said so. None for a flow that ended: it never said.
    pub crypto: Option<CryptoClass>,
}

impl<'a> FlowView<'a> {
    /// The view that a record gives: the whole flow from its summary, its identity from an event.
    #[must_use]
    pub const fn of_record(record: &'a Record, crypto: Option<CryptoClass>) -> Self {
        let summary = match &record.body {
            Body::Flow(summary) => Some(summary),
            Body::Event(_) => None,
        };
        let class = match summary {
            Some(summary) => Some(summary.class),
            None => None,
        };
        Self { flow: &record.flow, summary, class, crypto }
    }
}

/// A filter with its names looked up: what is walked for each flow.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Test(Test),
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    Plain(Primitive),
    App(ProtocolId),
    Service(ServiceId),
    /// The class, and the exposure of each protocol by number.
    Crypto(CryptoClass, Box<[Exposure]>),
    Encrypted(Box<[Exposure]>),
    /// A name that the plan does not have; the parser lets none through.
    Never,
}

impl Plan {
    // The tree is at most a few times `MAX_FILTER_DEPTH` deep, here and in `judge`.
    pub(super) fn new(expr: &Expr, names: &Names) -> Self {
        let all = |parts: &[Expr]| parts.iter().map(|part| Self::new(part, names)).collect();
        match expr {
            Expr::Not(inner) => Self::Not(Box::new(Self::new(inner, names))),
            Expr::And(parts) => Self::All(all(parts)),
            Expr::Or(parts) => Self::Any(all(parts)),
            Expr::Is(primitive) => Self::Test(Test::new(primitive, names)),
        }
    }

    pub(super) fn judge(&self, flow: &FlowView<'_>) -> Truth {
        match self {
            Self::Not(inner) => match inner.judge(flow) {
                Truth::Yes => Truth::No,
                Truth::No => Truth::Yes,
                Truth::Maybe => Truth::Maybe,
            },
            Self::All(parts) => {
                let mut least = Truth::Yes;
                for part in parts {
                    least = least.min(part.judge(flow));
                    if least == Truth::No {
                        break;
                    }
                }
                least
            }
            Self::Any(parts) => {
                let mut greatest = Truth::No;
                for part in parts {
                    greatest = greatest.max(part.judge(flow));
                    if greatest == Truth::Yes {
                        break;
                    }
                }
                greatest
            }
            Self::Test(test) => test.judge(flow),
        }
    }
}

impl Test {
    fn new(primitive: &Primitive, names: &Names) -> Self {
        let exposures = || names.protocols().map(|protocol| protocol.exposure).collect();
        match primitive {
            Primitive::App(name) => names.protocol_id(name).map_or(Self::Never, Self::App),
            Primitive::Service(name) => names.service_id(name).map_or(Self::Never, Self::Service),
            Primitive::Crypto(class) => Self::Crypto(*class, exposures()),
            Primitive::Cleartext => Self::Crypto(CryptoClass::Cleartext, exposures()),
            Primitive::Encrypted => Self::Encrypted(exposures()),
            plain => Self::Plain(plain.clone()),
        }
    }

    fn judge(&self, flow: &FlowView<'_>) -> Truth {
        match self {
            Self::Plain(primitive) => plain(primitive, flow),
            Self::App(id) => known(flow.class, |class| class.protocol == *id),
            Self::Service(id) => known(flow.class, |class| class.service == *id),
            Self::Crypto(class, exposures) => match posture(flow, exposures) {
                Posture::NotYet => Truth::Maybe,
                Posture::Class(found) => Truth::from(found == *class),
                Posture::Encrypted | Posture::Unknown => Truth::No,
            },
            Self::Encrypted(exposures) => match posture(flow, exposures) {
                Posture::NotYet => Truth::Maybe,
                Posture::Class(CryptoClass::Cleartext) | Posture::Unknown => Truth::No,
                Posture::Class(_) | Posture::Encrypted => Truth::Yes,
            },
            Self::Never => Truth::No,
        }
    }
}

/// What a flow's content is worth to somebody who copied it.
enum Posture {
    NotYet,
    Class(CryptoClass),
    /// Encrypted, with what is not known.
    Encrypted,
    Unknown,
}

fn posture(flow: &FlowView<'_>, exposures: &[Exposure]) -> Posture {
    if let Some(class) = flow.crypto {
        return Posture::Class(class);
    }
    let Some(class) = flow.class else { return Posture::NotYet };
    match exposures.get(usize::from(class.protocol.0)) {
        Some(Exposure::Cleartext) => Posture::Class(CryptoClass::Cleartext),
        Some(Exposure::Encrypted) => Posture::Encrypted,
        Some(Exposure::Negotiated) if flow.summary.is_none() => Posture::NotYet,
        _ => Posture::Unknown,
    }
}

fn known<T: Copy>(value: Option<T>, test: impl FnOnce(T) -> bool) -> Truth {
    value.map_or(Truth::Maybe, |value| test(value).into())
}

fn plain(primitive: &Primitive, view: &FlowView<'_>) -> Truth {
    let flow = view.flow;
    let key = &flow.key;
    match primitive {
        Primitive::Host { end, address } => at_end(*end, flow, |side| key.ip(side) == Some(*address)),
        Primitive::Mac { end, address } => at_end(*end, flow, |side| key.mac(side) == Some(*address)),
        Primitive::Net { end, network } => {
            at_end(*end, flow, |side| key.ip(side).is_some_and(|address| network.contains(address)))
        }
        Primitive::Port { end, low, high } => {
            let ports = *low..=*high;
            at_end(*end, flow, |side| has_ports(key) && ports.contains(&key.port(side)))
        }
        Primitive::IpProtocol(number) => {
            (key.kind() != KeyKind::Ethernet && key.protocol() == *number).into()
        }
        Primitive::Ip => (key.kind() == KeyKind::Ipv4).into(),
        Primitive::Ip6 => (key.kind() == KeyKind::Ipv6).into(),
        Primitive::EtherType(number) => {
            (key.kind() == KeyKind::Ethernet && key.port(flow.client) == *number).into()
        }
        Primitive::Vlan(id) => {
            flow.vlans.iter().any(|vlan| *vlan != 0 && id.is_none_or(|id| *vlan == id)).into()
        }
        Primitive::Tunnel(None) => (flow.tunnel.kind != wire::TunnelKind::None).into(),
        Primitive::Tunnel(Some(kind)) => (flow.tunnel.kind == *kind).into(),
        Primitive::Compare { field, relation, value } => compare(*field, *relation, *value, view),
        Primitive::State(state) => known(view.summary, |summary| summary.state == *state),
        Primitive::Reason(reason) => known(view.summary, |summary| summary.reason == *reason),
        Primitive::Tier { relation, tier } => known(view.class, |class| relation.holds(&class.tier, tier)),
        Primitive::Midstream => known(view.summary, |summary| summary.midstream),
        Primitive::Gaps => known(view.summary, |summary| summary.gaps),
        // These are tests of their own.
        Primitive::App(_)
        | Primitive::Service(_)
        | Primitive::Crypto(_)
        | Primitive::Cleartext
        | Primitive::Encrypted => Truth::No,
    }
}

fn compare(field: Field, relation: Relation, value: u64, view: &FlowView<'_>) -> Truth {
    let holds = |found: u64| relation.holds(&found, &value);
    let of_summary = |number: fn(&FlowSummary) -> u64| known(view.summary, |summary| holds(number(summary)));
    let [type_field, code_field] = view.flow.icmp.map_or([None; 2], |(kind, code)| [Some(kind), Some(code)]);
    let of_icmp = |number: Option<u8>| number.is_some_and(|number| holds(number.into())).into();
    match field {
        Field::Bytes => of_summary(|s| s.bytes[0].saturating_add(s.bytes[1])),
        Field::BytesToServer => of_summary(|s| s.bytes[0]),
        Field::BytesToClient => of_summary(|s| s.bytes[1]),
        Field::Packets => of_summary(|s| s.packets[0].saturating_add(s.packets[1])),
        Field::PacketsToServer => of_summary(|s| s.packets[0]),
        Field::PacketsToClient => of_summary(|s| s.packets[1]),
        Field::Duration => of_summary(|s| s.end_ns.saturating_sub(s.start_ns)),
        Field::Confidence => known(view.class, |class| holds(class.confidence.into())),
        Field::TunnelDepth => holds(view.flow.tunnel.depth.into()).into(),
        Field::TunnelId => {
            (view.flow.tunnel.kind != wire::TunnelKind::None && holds(view.flow.tunnel.id.into())).into()
        }
        Field::IcmpType => of_icmp(type_field),
        Field::IcmpCode => of_icmp(code_field),
        Field::Interface => holds(view.flow.interface.into()).into(),
        Field::FlowId => holds(view.flow.id).into(),
    }
}

fn at_end(end: End, flow: &FlowIdentity, test: impl Fn(Side) -> bool) -> Truth {
    match end {
        End::Any => test(Side::Lower) || test(Side::Upper),
        End::Source => test(flow.client),
        End::Destination => test(flow.client.opposite()),
    }
    .into()
}

/// Whether the key's ports are ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
fn has_ports(key: &FlowKey) -> bool {
    key.kind() != KeyKind::Ethernet && matches!(key.protocol(), 6 | 17 | 33 | 132 | 136)
}
