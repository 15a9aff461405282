//! Contents of messages.

use core::net::{IpAddr, Ipv4Addr};

use arrayvec::ArrayVec;

use super::super::framed::{Cursor, Report};
use super::names;
use crate::record::Datum;

/// Capabilities that are written.
const CAPABILITIES_MAX: usize = 32;
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
        for (code, _) in &self.capabilities {
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
    /// Reads an update; numbers of autonomous systems have four bytes, or two, or it is not known.
    pub(super) fn read(content: &[u8], wide: Option<bool>) -> Option<Self> {
        let mut cursor = Cursor::new(content);
        let mut update = Self::default();
        let len = cursor.u16()?;
        update.withdrawn = prefixes(cursor.take(usize::from(len))?);
        let len = cursor.u16()?;
        let mut attributes = Cursor::new(cursor.take(usize::from(len))?);
        while let Some(flags) = attributes.u8() {
            let code = attributes.u8()?;
            let len =
                if flags & 0x10 == 0 { usize::from(attributes.u8()?) } else { attributes.u16()?.into() };
            let value = attributes.take(len)?;
            update.attributes += 1;
            update.attribute(code, value, wide);
        }
        update.announced = prefixes(cursor.rest());
        Some(update)
    }

    fn attribute(&mut self, code: u8, value: &[u8], wide: Option<bool>) {
        match (code, value) {
            (1, [0]) => self.origin = Some("igp"),
            (1, [1]) => self.origin = Some("egp"),
            (1, [2]) => self.origin = Some("incomplete"),
            (2, path) => {
                if let Some(wide) = wide.filter(|_| self.path.is_empty()) {
                    self.take_path(path, wide);
                }
            }
            (3, [a, b, c, d]) => self.next_hop = Some(Ipv4Addr::new(*a, *b, *c, *d)),
            (14 | 15, [a1, a0, safi, ..]) => self.family = Some((u16::from_be_bytes([*a1, *a0]), *safi)),
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

/// How many prefixes there are: bits, and as many bytes as those take. Where paths have identifiers (RFC 7911) this does
/// not fit, and none are counted.
fn prefixes(bytes: &[u8]) -> u32 {
    let mut cursor = Cursor::new(bytes);
    let mut count = 0;
    while let Some(bits) = cursor.u8() {
        if bits > 32 || cursor.take(usize::from(bits).div_ceil(8)).is_none() {
            return 0;
        }
        count += 1;
    }
    count
}
