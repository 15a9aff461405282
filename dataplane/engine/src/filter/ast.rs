use core::fmt;
use core::net::IpAddr;

use wire::TunnelKind;

use super::{Network, words};
use crate::record::{EndReason, FlowState};
use crate::{CryptoClass, Tier};

/// A filter as a tree. Printing it gives a filter that parses to the same tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// It does not hold.
    Not(Box<Expr>),
    /// All hold; two or more.
    And(Vec<Expr>),
    /// One or more hold; two or more.
    Or(Vec<Expr>),
    /// A statement about the flow.
    Is(Primitive),
}

/// Which end of a flow is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Either.
    Any,
    /// The client, who opened the flow.
    Source,
    /// The server.
    Destination,
}

/// A statement about a flow.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are what the variants say")]
pub enum Primitive {
    /// An end has this IP address.
    Host { end: End, address: IpAddr },
    /// An end of a flow without IP has this MAC address.
    Mac { end: End, address: [u8; 6] },
    /// An end is in this block.
    Net { end: End, network: Network },
    /// An end has a port from `low` to `high`, both included.
    Port { end: End, low: u16, high: u16 },
    /// IP protocol number (IANA).
    IpProtocol(u8),
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// `EtherType` of a flow without IP.
    EtherType(u16),
    /// In this VLAN, or in any.
    Vlan(Option<u16>),
    /// In a tunnel of this kind, or of any.
    Tunnel(Option<TunnelKind>),
    /// Classified as this protocol.
    App(String),
    /// Belongs to this named service.
    Service(String),
    /// A number of the flow compared with a constant.
    Compare { field: Field, relation: Relation, value: u64 },
    /// How far it came.
    State(FlowState),
    /// Why it ended.
    Reason(EndReason),
    /// What its classification rests on.
    Tier { relation: Relation, tier: Tier },
    /// What a copy of it is worth.
    Crypto(CryptoClass),
    /// A copy of it can be read.
    Cleartext,
    /// A copy of it cannot be read as it is.
    Encrypted,
    /// Its opening was not seen.
    Midstream,
    /// Bytes of it were missing.
    Gaps,
}

/// A number of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as the records name them")]
pub enum Field {
    Bytes,
    BytesToServer,
    BytesToClient,
    Packets,
    PacketsToServer,
    PacketsToClient,
    Duration,
    Confidence,
    TunnelDepth,
    TunnelId,
    IcmpType,
    IcmpCode,
    Interface,
    FlowId,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the explanation")]
pub enum Relation {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Relation {
    /// Whether `left` stands in this relation to `right`.
    #[must_use]
    pub fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::GreaterOrEqual => left >= right,
            Self::Greater => left > right,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(primitive) => primitive.fmt(f),
            Self::Not(inner) => {
                f.write_str("not ")?;
                write_operand(f, inner)
            }
            Self::And(parts) => write_joined(f, parts, " and "),
            Self::Or(parts) => write_joined(f, parts, " or "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], joint: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(joint)?;
        }
        write_operand(f, part)?;
    }
    Ok(())
}

fn write_operand(f: &mut fmt::Formatter<'_>, operand: &Expr) -> fmt::Result {
    match operand {
        Expr::And(_) | Expr::Or(_) => write!(f, "({operand})"),
        Expr::Not(_) | Expr::Is(_) => write!(f, "{operand}"),
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { end, address } => write!(f, "{end}host {address}"),
            Self::Mac { end, address: [a, b, c, d, e, g] } => {
                write!(f, "{end}host {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Self::Net { end, network } => write!(f, "{end}net {network}"),
            Self::Port { end, low, high } if low == high => write!(f, "{end}port {low}"),
            Self::Port { end, low, high } => write!(f, "{end}portrange {low}-{high}"),
            Self::IpProtocol(number) => match words::transport_name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "proto {number}"),
            },
            Self::Ip => f.write_str("ip"),
            Self::Ip6 => f.write_str("ip6"),
            Self::EtherType(number) => write!(f, "ethertype {number:#06x}"),
            Self::Vlan(None) => f.write_str("vlan"),
            Self::Vlan(Some(id)) => write!(f, "vlan {id}"),
            Self::Tunnel(None) => f.write_str("tunnel"),
            Self::Tunnel(Some(kind)) => write!(f, "tunnel {}", kind.name()),
            Self::App(name) => write!(f, "app {name}"),
            Self::Service(name) => write_quoted(f, "service ", name),
            Self::Compare { field, relation, value } => {
                write!(f, "{} {} ", words::field_name(*field), relation.sign())?;
                words::write_value(f, *field, *value)
            }
            Self::State(state) => write!(f, "state = {}", state.name()),
            Self::Reason(reason) => write!(f, "reason = {}", reason.name()),
            Self::Tier { relation, tier } => write!(f, "tier {} {}", relation.sign(), tier.name()),
            Self::Crypto(class) => write!(f, "crypto = {}", class.name()),
            Self::Cleartext => f.write_str("cleartext"),
            Self::Encrypted => f.write_str("encrypted"),
            Self::Midstream => f.write_str("midstream"),
            Self::Gaps => f.write_str("gaps"),
        }
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, keyword: &str, name: &str) -> fmt::Result {
    write!(f, "{keyword}\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "",
            Self::Source => "src ",
            Self::Destination => "dst ",
        })
    }
}
