//! Messages of Kerberos 5 (RFC 4120, 5.4 to 5.9), as far as they are in clear.

use arrayvec::ArrayVec;

use crate::protocols::ber::{Elements, OCTET_STRING, SEQUENCE};

/// Encryption types or kinds of pre-authentication of one message that are kept.
const LIST_MAX: usize = 16;
/// Bytes of a name that are kept.
const NAME_MAX: usize = 256;
/// Components of a principal's name that are kept.
const COMPONENTS_MAX: usize = 8;

/// Tags of messages: classes of the application, constructed.
pub(super) mod kind {
    pub(in super::super) const AS_REQ: u8 = 0x6a;
    pub(in super::super) const AS_REP: u8 = 0x6b;
    pub(in super::super) const TGS_REQ: u8 = 0x6c;
    pub(in super::super) const TGS_REP: u8 = 0x6d;
    pub(in super::super) const AP_REQ: u8 = 0x6e;
    pub(in super::super) const AP_REP: u8 = 0x6f;
    pub(in super::super) const PRIV: u8 = 0x75;
    pub(in super::super) const ERROR: u8 = 0x7e;
}

/// Numbers of a list.
pub(super) type Numbers = ArrayVec<i64, LIST_MAX>;

/// A message.
#[derive(Debug)]
pub(super) enum Message {
    /// AS-REQ or TGS-REQ.
    Request(Asked),
    /// AS-REP or TGS-REP.
    Reply(Reply),
    /// KRB-ERROR.
    Error(Error),
    /// AP-REQ.
    Application(Reply),
    /// AP-REP or KRB-PRIV: nothing in clear.
    Protected,
}

/// A request to a key distribution centre (5.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) tag: u8,
    pub(super) options: u32,
    pub(super) client: Vec<u8>,
    pub(super) realm: Vec<u8>,
    pub(super) service: Vec<u8>,
    pub(super) nonce: i64,
    pub(super) etypes: Numbers,
    pub(super) padata: Numbers,
}

/// A reply (5.4.2), or the ticket of an application's request (5.5.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) tag: u8,
    pub(super) client: Vec<u8>,
    pub(super) realm: Vec<u8>,
    pub(super) service: Vec<u8>,
    pub(super) service_realm: Vec<u8>,
    /// Encryption type of what the client reads.
    pub(super) etype: Option<i64>,
    /// Encryption type of what the service reads.
    pub(super) ticket_etype: Option<i64>,
    pub(super) padata: Numbers,
}

/// An error (5.9.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Error {
    pub(super) code: i64,
    pub(super) client: Vec<u8>,
    pub(super) realm: Vec<u8>,
    pub(super) service: Vec<u8>,
    pub(super) text: Vec<u8>,
    /// Encryption types that the centre would take (5.2.7.4, 5.2.7.5).
    pub(super) etypes: Numbers,
}

impl Message {
    /// Reads a message without the length in front of it; what is behind the bytes' end is left out.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (tag, content) = Elements::new(bytes).next_cut()?;
        let fields = Fields(Elements::new(content).cut_with_tag(SEQUENCE)?);
        let has_version = |number| fields.number(number) == Some(5);
        match tag {
            kind::AS_REQ | kind::TGS_REQ if has_version(1) => Some(Self::Request(Asked::read(tag, fields))),
            kind::AS_REP | kind::TGS_REP if has_version(0) => Some(Self::Reply(Reply::read(tag, fields))),
            kind::AP_REQ if has_version(0) => {
                let mut reply = Reply { tag, ..Reply::default() };
                reply.ticket(fields.get(3).unwrap_or_default());
                reply.etype = fields.get(4).and_then(etype);
                Some(Self::Application(reply))
            }
            kind::ERROR if has_version(0) => Some(Self::Error(Error::read(fields))),
            kind::AP_REP | kind::PRIV if has_version(0) => Some(Self::Protected),
            _ => None,
        }
    }
}

/// Members of a sequence, each in a tag of its number.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The member of this number.
    fn get(self, number: u8) -> Option<&'a [u8]> {
        let mut elements = Elements::new(self.0);
        core::iter::from_fn(|| elements.next_cut())
            .find(|(tag, _)| *tag == 0xa0 | number)
            .map(|(_, content)| content)
    }

    fn number(self, number: u8) -> Option<i64> {
        Elements::new(self.get(number)?).integer()
    }

    fn name(self, number: u8) -> Vec<u8> {
        self.get(number).map(principal).unwrap_or_default()
    }

    fn string(self, number: u8) -> Vec<u8> {
        let string = self.get(number).and_then(|content| Elements::new(content).next_cut());
        string.map(|(_, text)| text.get(..NAME_MAX).unwrap_or(text).to_vec()).unwrap_or_default()
    }
}

impl Asked {
    fn read(tag: u8, fields: Fields<'_>) -> Self {
        let padata = fields.get(3).map(padata).unwrap_or_default();
        let body = fields.get(4).and_then(|content| Elements::new(content).cut_with_tag(SEQUENCE));
        let body = Fields(body.unwrap_or_default());
        // A BIT STRING: unused bits of the last byte, then 32 bits or more (5.2.8).
        let options = body.get(0).and_then(|content| Elements::new(content).with_tag(0x03));
        let options = options.and_then(|bits| bits.get(1..)).and_then(<[u8]>::first_chunk);
        let etypes = body.get(8).and_then(|content| Elements::new(content).cut_with_tag(SEQUENCE));
        let mut etypes = Elements::new(etypes.unwrap_or_default());
        Self {
            tag,
            options: options.map_or(0, |bits| u32::from_be_bytes(*bits)),
            client: body.name(1),
            realm: body.string(2),
            service: body.name(3),
            nonce: body.number(7).unwrap_or_default(),
            etypes: core::iter::from_fn(|| etypes.integer()).take(LIST_MAX).collect(),
            padata,
        }
    }
}

impl Reply {
    fn read(tag: u8, fields: Fields<'_>) -> Self {
        let mut reply = Self {
            tag,
            padata: fields.get(2).map(padata).unwrap_or_default(),
            realm: fields.string(3),
            client: fields.name(4),
            etype: fields.get(6).and_then(etype),
            ..Self::default()
        };
        reply.ticket(fields.get(5).unwrap_or_default());
        reply
    }

    /// Reads the clear part of a ticket (5.3).
    fn ticket(&mut self, content: &[u8]) {
        let ticket = Elements::new(content).cut_with_tag(0x61);
        let Some(fields) = ticket.and_then(|ticket| Elements::new(ticket).cut_with_tag(SEQUENCE)).map(Fields)
        else {
            return;
        };
        self.service_realm = fields.string(1);
        self.service = fields.name(2);
        self.ticket_etype = fields.get(3).and_then(etype);
    }
}

impl Error {
    fn read(fields: Fields<'_>) -> Self {
        Self {
            code: fields.number(6).unwrap_or_default(),
            client: fields.name(8),
            realm: fields.string(9),
            service: fields.name(10),
            text: fields.string(11),
            etypes: fields.get(12).map(offered).unwrap_or_default(),
        }
    }
}

/// Encryption type of EncryptedData (5.2.9).
fn etype(content: &[u8]) -> Option<i64> {
    Fields(Elements::new(content).cut_with_tag(SEQUENCE)?).number(0)
}

/// Names of a principal, with slashes between (RFC 1964, 2.1.1).
fn principal(content: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    let parts = Elements::new(content).cut_with_tag(SEQUENCE).map(Fields).and_then(|fields| fields.get(1));
    let parts = parts.and_then(|parts| Elements::new(parts).cut_with_tag(SEQUENCE)).unwrap_or_default();
    for (at, (_, part)) in Elements::new(parts).take(COMPONENTS_MAX).enumerate() {
        if at > 0 {
            name.push(b'/');
        }
        name.extend_from_slice(part.get(..NAME_MAX).unwrap_or(part));
        if name.len() >= NAME_MAX {
            break;
        }
    }
    name.truncate(NAME_MAX);
    name
}

/// Types of pre-authentication data (5.2.7).
fn padata(content: &[u8]) -> Numbers {
    let items = Elements::new(content).cut_with_tag(SEQUENCE).unwrap_or_default();
    let mut items = Elements::new(items);
    core::iter::from_fn(|| items.cut_with_tag(SEQUENCE))
        .filter_map(|item| Fields(item).number(1))
        .take(LIST_MAX)
        .collect()
}

/// Encryption types in the data of an error: METHOD-DATA with ETYPE-INFO or ETYPE-INFO2.
fn offered(content: &[u8]) -> Numbers {
    let data = Elements::new(content).cut_with_tag(OCTET_STRING).unwrap_or_default();
    let items = Elements::new(data).cut_with_tag(SEQUENCE).unwrap_or_default();
    let mut items = Elements::new(items);
    let mut etypes = Numbers::new();
    for item in core::iter::from_fn(|| items.cut_with_tag(SEQUENCE)).take(LIST_MAX) {
        let fields = Fields(item);
        if !matches!(fields.number(1), Some(11 | 19)) {
            continue;
        }
        let value = fields.get(2).and_then(|value| Elements::new(value).cut_with_tag(OCTET_STRING));
        let entries = value.and_then(|value| Elements::new(value).cut_with_tag(SEQUENCE)).unwrap_or_default();
        let mut entries = Elements::new(entries);
        for entry in core::iter::from_fn(|| entries.cut_with_tag(SEQUENCE)).take(LIST_MAX) {
            if let Some(etype) = Fields(entry).number(0)
                && !etypes.contains(&etype)
            {
                let _ = etypes.try_push(etype);
            }
        }
    }
    etypes
}
