//! Contents of messages.

use core::net::{IpAddr, Ipv4Addr};

use arrayvec::ArrayVec;

use super::super::framed::{Cursor, Report};
use super::names;
use crate::record::Datum;

/// Capabilities that are written.
const CAPABILITIES_MAX: usize = 32;
/// Families with several paths that are remembered of a side.
const FAMILIES_MAX: usize = 8;
/// IPv4, unicast.
const IPV4_UNICAST: (u16, u8) = (1, 1);
/// Numbers of a path that are written.
const PATH_MAX: usize = 32;
/// Bytes of a message for people that are written (RFC 9003).
const TEXT_MAX: usize = 255;
/// What stands for a number of four bytes where there is room for two (RFC 6793, 9).
const AS_TRANS: u16 = 23_456;

/// OPEN (RFC 4271, 4.2).
#[derive(Debug)]
pub(super) struct Open<'a> {
    version: u8,
    asn: u16,
    hold_time: u16,
    id: [u8; 4],
    capabilities: ArrayVec<(u8, &'a [u8]), CAPABILITIES_MAX>,
    /// An optional parameter of type 1: authentication, deprecated.
    has_authentication: bool,
}

impl<'a> Open<'a> {
    pub(super) fn read(content: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(content);
        let (version, asn, hold_time) = (cursor.u8()?, cursor.u16()?, cursor.u16()?);
        let id = *cursor.array::<4>()?;
        let len = cursor.u8()?;
        let mut open =
            Self { version, asn, hold_time, id, capabilities: ArrayVec::new(), has_authentication: false };
        // Parameters of more than 255 bytes say so by a type of 255 (RFC 9072, 2).
        let is_long = len == 255 && cursor.rest().first() == Some(&255);
        let parameters = if is_long {
            cursor.u8()?;
            let len = cursor.u16()?;
            cursor.take(usize::from(len))?
        } else {
            cursor.take(usize::from(len))?
        };
        let mut parameters = Cursor::new(parameters);
        while let Some(kind) = parameters.u8() {
            let len = if is_long { usize::from(parameters.u16()?) } else { usize::from(parameters.u8()?) };
            let value = parameters.take(len)?;
            open.has_authentication |= kind == 1;
            if kind == 2 {
                open.take_capabilities(value)?;
            }
        }
        Some(open)
    }

    fn take_capabilities(&mut self, bytes: &'a [u8]) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        while let Some(code) = cursor.u8() {
            let len = cursor.u8()?;
            let _ = self.capabilities.try_push((code, cursor.take(usize::from(len))?));
        }
        Some(())
    }

    fn capability(&self, code: u8) -> Option<&'a [u8]> {
        self.capabilities.iter().find(|(other, _)| *other == code).map(|(_, value)| *value)
    }

    /// Whether it knows numbers of four bytes (RFC 6793).
    pub(super) fn is_wide(&self) -> bool {
        self.capability(65).is_some()
    }

    /// For which families it sends or takes several paths to a prefix, each with a number (RFC 7911, 4).
    pub(super) fn paths(&self) -> Paths {
        let (families, _) = self.capability(69).unwrap_or_default().as_chunks::<4>();
        let mut paths = Paths::default();
        for [a1, a0, safi, directions] in families {
            let _ = paths.0.try_push((u16::from_be_bytes([*a1, *a0]), *safi, *directions));
        }
        paths
    }

    pub(super) fn write(&self, report: &mut Report<'_, '_>) {
        let wide = self.capability(65).and_then(<[u8]>::first_chunk).map(|asn| u32::from_be_bytes(*asn));
        let asn = wide.filter(|_| self.asn == AS_TRANS || wide == Some(self.asn.into()));
        let mut event = report.event("bgp");
        event.label("type", "open").number("version", self.version);
        event.number("asn", asn.unwrap_or(self.asn.into())).number("hold_time_s", self.hold_time);
        event.datum("identifier", Datum::Ip(IpAddr::V4(Ipv4Addr::from(self.id))));
        if self.has_authentication {
            event.flag("authentication", true);
        }
        event.list("capabilities");
        // Each once: a capability stands again for each family.
        let mut told = [0_u64; 4];
        for (code, _) in &self.capabilities {
            let word = told.get_mut(usize::from(code >> 6));
            let bit = 1 << (code & 63);
            if word.is_none_or(|word| core::mem::replace(word, *word | bit) & bit != 0) {
                continue;
            }
            match names::capability(*code) {
                Some(name) => event.label("", name),
                None => event.number("", *code),
            };
        }
        event.close().list("families");
        for (_, value) in self.capabilities.iter().filter(|(code, _)| *code == 1) {
            if let [a1, a0, _, safi] = **value {
                names::write_family(u16::from_be_bytes([a1, a0]), safi, "", &mut event);
            }
        }
        event.close();
        // A name of host and domain, each behind its length.
        if let Some([len, rest @ ..]) = self.capability(73)
            && let Some(host) = rest.get(..usize::from(*len))
        {
            event.text("hostname", host);
        }
    }
}

/// Families with several paths to a prefix: family, subsequent family, whether it takes (1) or sends (2) them.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths(ArrayVec<(u16, u8, u8), FAMILIES_MAX>);

impl Paths {
    fn has(&self, family: (u16, u8), direction: u8) -> bool {
        self.0.iter().any(|(afi, safi, own)| (*afi, *safi) == family && own & direction != 0)
    }
}

/// What the opens of both sides say of how updates are written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed<'a> {
    /// Numbers of autonomous systems have four bytes, where it is known.
    pub(super) wide: Option<bool>,
    /// What the sender may do, and what the receiver takes, where both opens were seen.
    pub(super) paths: Option<(&'a Paths, &'a Paths)>,
}

impl Agreed<'_> {
    /// How many prefixes of a family there are: bits, and as many bytes as those take, each behind the number of its
    /// path where that was agreed. Where it is not known, what fits counts.
    fn prefixes(&self, bytes: &[u8], family: (u16, u8)) -> u32 {
        let most = match family {
            (1, 1 | 2) => 32,
            (2, 1 | 2) => 128,
            // Labels and route distinguishers count as bits (RFC 8277, 2; RFC 4364, 4.3.4).
            (1 | 2, 4 | 128) => 255,
            _ => return 0,
        };
        let counted = |has_numbers| prefixes(bytes, most, has_numbers);
        match self.paths {
            Some((sender, receiver)) => counted(sender.has(family, 2) && receiver.has(family, 1)),
            None => counted(false).or_else(|| counted(true)),
        }
        .unwrap_or(0)
    }
}

/// NOTIFICATION (RFC 4271, 4.5).
#[derive(Debug)]
pub(super) struct Notification<'a> {
    code: u8,
    subcode: u8,
    data: &'a [u8],
}

impl<'a> Notification<'a> {
    pub(super) fn read(content: &'a [u8]) -> Option<Self> {
        let ([code, subcode], data) = content.split_first_chunk::<2>()?;
        Some(Self { code: *code, subcode: *subcode, data })
    }

    pub(super) fn write(&self, report: &mut Report<'_, '_>) {
        let mut event = report.event("bgp");
        event.label("type", "notification").number("code", self.code).label("error", names::error(self.code));
        event.number("subcode", self.subcode);
        if let Some(name) = names::suberror(self.code, self.subcode) {
            event.label("suberror", name);
        }
        // Why somebody shut it down, in words (RFC 9003, 2).
        if let (6, 2 | 4, Some((len, rest))) = (self.code, self.subcode, self.data.split_first())
            && let Some(text) = rest.get(..usize::from(*len).min(TEXT_MAX)).filter(|text| !text.is_empty())
        {
            event.text("reason", text);
        }
    }
}

/// UPDATE (RFC 4271, 4.3).
#[derive(Debug, Default)]
pub(super) struct Update {
    pub(super) withdrawn: u32,
    pub(super) announced: u32,
    origin: Option<&'static str>,
    path: ArrayVec<u32, PATH_MAX>,
    next_hop: Option<Ipv4Addr>,
    /// Family of routes that are in an attribute (RFC 4760).
    family: Option<(u16, u8)>,
    attributes: u32,
}

impl Update {
    /// Reads an update.
    pub(super) fn read(content: &[u8], agreed: Agreed<'_>) -> Option<Self> {
        let mut cursor = Cursor::new(content);
        let mut update = Self::default();
        let len = cursor.u16()?;
        update.withdrawn = agreed.prefixes(cursor.take(usize::from(len))?, IPV4_UNICAST);
        let len = cursor.u16()?;
        let mut attributes = Cursor::new(cursor.take(usize::from(len))?);
        while let Some(flags) = attributes.u8() {
            let code = attributes.u8()?;
            let len =
                if flags & 0x10 == 0 { usize::from(attributes.u8()?) } else { attributes.u16()?.into() };
            let value = attributes.take(len)?;
            update.attributes += 1;
            update.attribute(code, value, agreed);
        }
        update.announced += agreed.prefixes(cursor.rest(), IPV4_UNICAST);
        Some(update)
    }

    fn attribute(&mut self, code: u8, value: &[u8], agreed: Agreed<'_>) {
        match (code, value) {
            (1, [0]) => self.origin = Some("igp"),
            (1, [1]) => self.origin = Some("egp"),
            (1, [2]) => self.origin = Some("incomplete"),
            (2, path) => {
                if let Some(wide) = agreed.wide.filter(|_| self.path.is_empty()) {
                    self.take_path(path, wide);
                }
            }
            (3, [a, b, c, d]) => self.next_hop = Some(Ipv4Addr::new(*a, *b, *c, *d)),
            // Routes of other families (RFC 4760, 3 and 4): behind a next hop and a reserved byte, or withdrawn.
            (14, [a1, a0, safi, len, rest @ ..]) => {
                let family = (u16::from_be_bytes([*a1, *a0]), *safi);
                self.family = Some(family);
                let routes = rest.get(usize::from(*len) + 1..).unwrap_or_default();
                self.announced = self.announced.saturating_add(agreed.prefixes(routes, family));
            }
            (15, [a1, a0, safi, routes @ ..]) => {
                let family = (u16::from_be_bytes([*a1, *a0]), *safi);
                self.family = Some(family);
                self.withdrawn = self.withdrawn.saturating_add(agreed.prefixes(routes, family));
            }
            _ => {}
        }
    }

    /// Segments: kind, count, numbers.
    fn take_path(&mut self, path: &[u8], wide: bool) {
        let mut cursor = Cursor::new(path);
        while let (Some(_), Some(count)) = (cursor.u8(), cursor.u8()) {
            for _ in 0..count {
                let number = if wide { cursor.u32() } else { cursor.u16().map(u32::from) };
                let Some(number) = number else { return };
                let _ = self.path.try_push(number);
            }
        }
    }

    pub(super) fn write(&self, report: &mut Report<'_, '_>) {
        let mut event = report.event("bgp");
        event.label("type", "update").number("withdrawn", self.withdrawn).number("announced", self.announced);
        event.number("attributes", self.attributes);
        if let Some(origin) = self.origin {
            event.label("origin", origin);
        }
        if let Some(next_hop) = self.next_hop {
            event.datum("next_hop", Datum::Ip(IpAddr::V4(next_hop)));
        }
        if let Some((afi, safi)) = self.family {
            names::write_family(afi, safi, "family", &mut event);
        }
        if !self.path.is_empty() {
            event.list("as_path");
            for number in &self.path {
                event.number("", *number);
            }
            event.close();
        }
    }
}

/// How many prefixes there are; None where they do not fill `bytes`.
fn prefixes(bytes: &[u8], most_bits: u8, has_numbers: bool) -> Option<u32> {
    let mut cursor = Cursor::new(bytes);
    let mut count = 0;
    while !cursor.is_empty() {
        if has_numbers {
            cursor.u32()?;
        }
        let bits = cursor.u8().filter(|bits| *bits <= most_bits)?;
        cursor.take(usize::from(bits).div_ceil(8))?;
        count += 1;
    }
    Some(count)
}
