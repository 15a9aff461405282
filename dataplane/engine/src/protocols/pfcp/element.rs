//! Information elements: type, length, value, some within others (3GPP TS 29.244, 8).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::names;
use crate::protocols::framed::Cursor;
use crate::protocols::ran::Plmn;
use crate::record::{Datum, EventWriter};

/// How deep elements are looked for within others.
const DEPTH_MAX: u8 = 4;
/// Seconds from 1900 to 1970 (RFC 5905).
const UNIX_EPOCH: u64 = 2_208_988_800;
/// Bytes of a name that are written.
const NAME_MAX: usize = 100;

/// What the elements of a message say, the first of each kind.
#[derive(Debug, Default)]
pub(super) struct Summary<'a> {
    node: Option<Node<'a>>,
    cause: Option<u8>,
    recovery: Option<u32>,
    session: Option<(u64, Option<IpAddr>)>,
    instance: Option<&'a [u8]>,
    apn: Option<&'a [u8]>,
    addresses: [Option<IpAddr>; 2],
    tunnel: Option<(u32, Option<IpAddr>)>,
    subscriber: Option<Plmn>,
    report: Option<u8>,
    rules: u32,
    elements: u32,
}

/// Who a node is.
#[derive(Clone, Copy, Debug)]
enum Node<'a> {
    Address(IpAddr),
    Name(&'a [u8]),
}

impl<'a> Summary<'a> {
    /// Reads elements; whether all of them make sense.
    pub(super) fn read(&mut self, bytes: &'a [u8]) -> bool {
        self.level(bytes, 0)
    }

    fn level(&mut self, bytes: &'a [u8], depth: u8) -> bool {
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            let Some((kind, value)) = next(&mut cursor) else { return false };
            self.elements += 1;
            self.rules += u32::from(matches!(kind, 1 | 9 | 15));
            if is_group(kind) && depth < DEPTH_MAX {
                if !self.level(value, depth + 1) {
                    return false;
                }
            } else {
                self.element(kind, value);
            }
        }
        true
    }

    fn element(&mut self, kind: u16, value: &'a [u8]) {
        match (kind, value) {
            (19, [cause, ..]) => self.cause = self.cause.or(Some(*cause)),
            (21, value) => self.tunnel = self.tunnel.or_else(|| tunnel(value)),
            (22, name) => self.instance = self.instance.or(Some(name)),
            (39, [kinds, ..]) => self.report = self.report.or(Some(*kinds)),
            (57, value) => self.session = self.session.or_else(|| session(value)),
            (60, value) => self.node = self.node.or_else(|| node(value)),
            (93, value) => self.ue_address(value),
            (96, [a, b, c, d, ..]) => self.recovery = Some(u32::from_be_bytes([*a, *b, *c, *d])),
            // An identity of a subscriber, of which the IMSI comes first.
            (141, [flags, len, rest @ ..]) if flags & 1 != 0 => {
                let digits = rest.get(..usize::from(*len));
                self.subscriber = self.subscriber.or_else(|| digits.and_then(Plmn::of_identity));
            }
            (159, name) => self.apn = self.apn.or(Some(name)),
            _ => {}
        }
    }

    fn ue_address(&mut self, value: &[u8]) {
        let mut cursor = Cursor::new(value);
        let Some(flags) = cursor.u8() else { return };
        let [v4, v6] = &mut self.addresses;
        if flags & 2 != 0 {
            *v4 = v4.or_else(|| cursor.array::<4>().map(|bytes| Ipv4Addr::from(*bytes).into()));
        }
        if flags & 1 != 0 {
            *v6 = v6.or_else(|| cursor.array::<16>().map(|bytes| Ipv6Addr::from(*bytes).into()));
        }
    }

    /// Writes what is there.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        match self.node {
            Some(Node::Address(address)) => drop(event.datum("node", Datum::Ip(address))),
            Some(Node::Name(labels)) => drop(event.text("node", &dotted(labels))),
            None => {}
        }
        if let Some(cause) = self.cause {
            event.number("cause_code", cause);
            if let Some(name) = names::cause(cause) {
                event.label("cause", name);
            }
        }
        if let Some(since) = self.recovery.and_then(|seconds| u64::from(seconds).checked_sub(UNIX_EPOCH)) {
            event.datum("running_since", Datum::Time(since * 1_000_000_000));
        }
        if let Some((seid, address)) = self.session {
            event.object("session").number("seid", seid);
            endpoint(address, event);
        }
        if let Some((teid, address)) = self.tunnel {
            event.object("tunnel").number("teid", teid);
            endpoint(address, event);
        }
        for (name, labels) in [("network_instance", self.instance), ("apn", self.apn)] {
            if let Some(labels) = labels {
                event.text(name, &dotted(labels));
            }
        }
        for (name, address) in ["address", "address_v6"].into_iter().zip(self.addresses) {
            if let Some(address) = address {
                event.datum(name, Datum::Ip(address));
            }
        }
        if let Some(plmn) = self.subscriber {
            event.text("subscriber_network", plmn.text().as_slice());
        }
        if let Some(report) = self.report {
            event.number("report_type", report);
        }
        event.number("rules", self.rules).number("elements", self.elements);
    }
}

fn endpoint(address: Option<IpAddr>, event: &mut EventWriter<'_>) {
    if let Some(address) = address {
        event.datum("address", Datum::Ip(address));
    }
    event.close();
}

/// Elements that hold others (8.1.2): rules to create, to change and to remove, and their parts.
const fn is_group(kind: u16) -> bool {
    matches!(kind, 1..=18 | 77..=80 | 83 | 85..=87 | 99 | 127..=130)
}

fn next<'a>(cursor: &mut Cursor<'a>) -> Option<(u16, &'a [u8])> {
    let (kind, len) = (cursor.u16()?, cursor.u16()?);
    (kind != 0).then_some((kind, cursor.take(usize::from(len))?))
}

fn node(value: &[u8]) -> Option<Node<'_>> {
    let (kind, rest) = value.split_first()?;
    Some(match kind & 0xf {
        0 => Node::Address(Ipv4Addr::from(*rest.first_chunk::<4>()?).into()),
        1 => Node::Address(Ipv6Addr::from(*rest.first_chunk::<16>()?).into()),
        2 => Node::Name(rest),
        _ => return None,
    })
}

/// F-SEID (8.2.37).
fn session(value: &[u8]) -> Option<(u64, Option<IpAddr>)> {
    let mut cursor = Cursor::new(value);
    let flags = cursor.u8()?;
    let seid = u64::from_be_bytes(*cursor.array()?);
    Some((seid, address(&mut cursor, flags & 2 != 0, flags & 1 != 0)))
}

/// F-TEID, unless the user plane is to choose (8.2.3).
fn tunnel(value: &[u8]) -> Option<(u32, Option<IpAddr>)> {
    let mut cursor = Cursor::new(value);
    let flags = cursor.u8()?;
    if flags & 4 != 0 {
        return None;
    }
    Some((cursor.u32()?, address(&mut cursor, flags & 1 != 0, flags & 2 != 0)))
}

/// The IPv4 address, or the IPv6 one behind it.
fn address(cursor: &mut Cursor<'_>, has_v4: bool, has_v6: bool) -> Option<IpAddr> {
    if has_v4 {
        return cursor.array::<4>().map(|bytes| Ipv4Addr::from(*bytes).into());
    }
    if !has_v6 {
        return None;
    }
    cursor.array::<16>().map(|bytes| Ipv6Addr::from(*bytes).into())
}

/// A name as labels, each behind its length, with dots; as it is where it is text already.
fn dotted(bytes: &[u8]) -> ArrayVec<u8, NAME_MAX> {
    let mut name = ArrayVec::new();
    let mut rest = bytes;
    while let Some((len, behind)) = rest.split_first() {
        let Some((label, behind)) = behind.split_at_checked(usize::from(*len)) else {
            name.clear();
            let _ = name.try_extend_from_slice(bytes.get(..NAME_MAX).unwrap_or(bytes));
            return name;
        };
        if !name.is_empty() {
            let _ = name.try_push(b'.');
        }
        if name.try_extend_from_slice(label).is_err() {
            break;
        }
        rest = behind;
    }
    name
}
