//! The Lightweight Directory Access Protocol, versions 2 and 3 (RFC 4511), over TCP, behind StartTLS, and over UDP
//! ([MS-ADTS] 6.3.3): requests with their responses.
//!
//! `operation` writes what requests and responses say, `filter` what is searched for (RFC 4515), `names` names numbers.

mod filter;
mod names;
mod operation;
#[cfg(test)]
mod tests;

use super::ber::{ENUMERATED, Elements, Head, INTEGER, OCTET_STRING, Part, SEQUENCE, head, integer};
use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use operation::{Outcome, tag};

/// LDAP.
pub static LDAP: Protocol = Protocol {
    name: "ldap",
    title: "LDAP",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[389, 3268],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(7, &[SEQUENCE]),
    probe: Some(probe),
    parser: Some(framed::parser::<Ldap>),
    events: &["ldap", "anomaly"],
    source: "RFC 4511, RFC 4515, [MS-ADTS] 6.3.3",
};

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 16 * 1024;
/// Objects of one search that are written.
const OBJECTS_MAX: usize = 8;
/// Bytes of a name that are written.
pub(super) const NAME_MAX: usize = 512;
/// The extended operation that starts TLS (RFC 4511, 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

fn probe(probe: &Probe<'_>) -> Found {
    let found = shape(probe.payload).unwrap_or_else(|found| found);
    if probe.is_stream() {
        return found;
    }
    // A message ends with its datagram, or another one follows.
    let total = usize::try_from(probe.wire_len).unwrap_or(usize::MAX);
    match Part::read(probe.payload) {
        Ok(outer)
            if outer.size() == total || (outer.size() < total && outer.rest.first() == Some(&SEQUENCE)) =>
        {
            found
        }
        _ => Found::No,
    }
}

/// A message: number, an operation whose first fields are what they must be.
fn shape(bytes: &[u8]) -> Result<Found, Found> {
    let outer = Part::read(bytes)?;
    let id = Part::read(outer.content)?;
    let is_message = outer.tag == SEQUENCE && id.tag == INTEGER && (1..=4).contains(&id.len);
    if !is_message || id.content.first().is_some_and(|first| *first > 0x7f) {
        return Err(Found::No);
    }
    let operation = Part::read(id.rest)?;
    let behind = outer.len.checked_sub(id.size() + operation.size()).ok_or(Found::No)?;
    // Controls (4.1.11), and nothing else.
    let is_end = behind == 0 || !operation.is_whole() || matches!(operation.rest.first(), None | Some(0xa0));
    if !is_end {
        return Err(Found::No);
    }
    match operation.tag {
        tag::UNBIND if operation.len == 0 => Ok(Found::Likely(88)),
        tag::ABANDON if (1..=4).contains(&operation.len) => Ok(Found::Likely(80)),
        tag::DELETE => Ok(Found::Likely(70)),
        tag::BIND => {
            let version = Part::read(operation.content)?;
            let is_version = version.tag == INTEGER && version.len == 1;
            let is_known = version.content.first().is_none_or(|version| (1..=3).contains(version));
            need(is_version && is_known)?;
            first_is(version.rest, OCTET_STRING)
        }
        tag::SEARCH => {
            let base = Part::read(operation.content)?;
            need(base.tag == OCTET_STRING)?;
            let scope = Part::read(base.rest)?;
            need(
                scope.tag == ENUMERATED
                    && scope.len == 1
                    && scope.content.first().is_none_or(|scope| *scope <= 3),
            )?;
            first_is(scope.rest, ENUMERATED)
        }
        tag::BIND_RESPONSE..=tag::EXTENDED_RESPONSE if tag::is_result(operation.tag) => {
            let code = Part::read(operation.content)?;
            need(code.tag == ENUMERATED && (1..=2).contains(&code.len))?;
            let matched = Part::read(code.rest)?;
            need(matched.tag == OCTET_STRING)?;
            first_is(matched.rest, OCTET_STRING)
        }
        tag::ENTRY | tag::MODIFY | tag::ADD | tag::COMPARE => {
            let object = Part::read(operation.content)?;
            need(object.tag == OCTET_STRING)?;
            first_is(object.rest, SEQUENCE)
        }
        tag::RENAME => {
            let object = Part::read(operation.content)?;
            need(object.tag == OCTET_STRING)?;
            first_is(object.rest, OCTET_STRING)
        }
        tag::EXTENDED => {
            let name = Part::read(operation.content)?;
            let is_oid = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
            need(name.tag == 0x80 && name.len >= 5 && name.content.iter().all(is_oid))?;
            Ok(if name.is_whole() { Found::Yes } else { Found::Maybe })
        }
        tag::REFERENCE | tag::INTERMEDIATE => Ok(Found::Likely(70)),
        _ => Err(Found::No),
    }
}

const fn need(is_so: bool) -> Result<(), Found> {
    if is_so { Ok(()) } else { Err(Found::No) }
}

/// It is, if the next element has this tag.
fn first_is(bytes: &[u8], tag: u8) -> Result<Found, Found> {
    let part = Part::read(bytes)?;
    need(part.tag == tag)?;
    Ok(Found::Yes)
}

/// What authentication a bind asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Auth {
    /// None of those that are known.
    #[default]
    Other,
    /// A password, or (false) none: anonymous.
    Simple(bool),
    /// SASL with this mechanism.
    Sasl(Vec<u8>),
    /// NTLM in the three steps of [MS-ADTS] 5.1.1.1.3.
    Sicily,
}

/// A request that waits, and what came for it so far.
#[derive(Debug, Default)]
struct Asked {
    id: i64,
    tag: u8,
    auth: Auth,
    entries: u32,
    references: u32,
    objects: Vec<Vec<u8>>,
}

/// LDAP on one flow.
#[derive(Debug, Default)]
struct Ldap {
    requests: Transactions<Asked>,
    /// A SASL mechanism was agreed on that may protect what follows.
    may_be_wrapped: bool,
    clear: Clear,
}

impl Ldap {
    /// A request: it waits for its response, or is written where none will come.
    fn request(&mut self, id: i64, tag: u8, content: &[u8], report: &mut Report<'_, '_>) {
        let (auth, kept) = if tag == tag::BIND { bind(content) } else { (Auth::Other, content) };
        let asked = Asked { id, tag, auth, ..Asked::default() };
        if matches!(tag, tag::UNBIND | tag::ABANDON) {
            let request = Request { key: asked, number: self.requests.number(), bytes: kept.to_vec() };
            operation::write(&request, None, &mut self.clear, report);
            return;
        }
        if let Some(oldest) = self.requests.open(asked, kept) {
            operation::write(&oldest, None, &mut self.clear, report);
            self.requests.recycle(oldest);
        }
    }

    fn response(&mut self, id: i64, tag: u8, content: &[u8], report: &mut Report<'_, '_>) -> Next {
        let is_asked = |asked: &Asked| asked.id == id;
        match tag {
            tag::ENTRY | tag::REFERENCE | tag::INTERMEDIATE => {
                let Some(asked) = self.requests.waiting(is_asked) else { return Next::More };
                if tag != tag::ENTRY {
                    asked.references = asked.references.saturating_add(1);
                    return Next::More;
                }
                asked.entries = asked.entries.saturating_add(1);
                if asked.objects.len() < OBJECTS_MAX {
                    let name = Elements::new(content).cut_with_tag(OCTET_STRING).unwrap_or_default();
                    asked.objects.push(name.get(..NAME_MAX).unwrap_or(name).to_vec());
                }
                return Next::More;
            }
            _ => {}
        }
        let outcome = Outcome::read(tag, content);
        let Some(request) = self.requests.close(is_asked) else {
            // Of its own accord (4.4), or to a request that was not seen.
            operation::write_unasked(id, &outcome, report);
            return Next::More;
        };
        let is_tls = request.bytes.windows(START_TLS.len()).any(|name| name == START_TLS)
            && request.key.tag == tag::EXTENDED
            && outcome.code == Some(0);
        if outcome.code == Some(0) && matches!(request.key.auth, Auth::Sasl(_) | Auth::Sicily) {
            self.may_be_wrapped = true;
        }
        operation::write(&request, Some(&outcome), &mut self.clear, report);
        self.requests.recycle(request);
        if is_tls {
            return Next::Upgrade;
        }
        Next::More
    }

    /// A message in a SASL security layer (RFC 4422, 3.7): a length and a token.
    fn wrapped(token: &[u8], report: &mut Report<'_, '_>) -> Next {
        // RFC 4121 4.2.6.2: a wrap token, and whether it is sealed. Others do not say.
        let is_sealed = match token {
            [0x05, 0x04, flags, 0xff, ..] => Some(flags & 2 != 0),
            _ => None,
        };
        let mut event = report.event("ldap");
        event.flag("sasl_layer", true);
        if let Some(is_sealed) = is_sealed {
            event.flag("sealed", is_sealed);
            if !is_sealed {
                event.cleartext();
            }
        }
        Next::Done
    }
}

/// Authentication of a bind request, and its content without what is secret in it.
fn bind(content: &[u8]) -> (Auth, &[u8]) {
    let mut fields = Elements::new(content);
    let (Some(_version), Some(_name)) = (fields.next(), fields.next()) else { return (Auth::Other, &[]) };
    let before = content.len() - fields.len();
    let auth = match fields.next_cut() {
        Some((0x80, password)) => Auth::Simple(!password.is_empty()),
        Some((0xa3, sasl)) => {
            let mechanism = Elements::new(sasl).with_tag(OCTET_STRING).unwrap_or_default();
            Auth::Sasl(mechanism.get(..32).unwrap_or(mechanism).to_vec())
        }
        Some((0x89..=0x8b, _)) => Auth::Sicily,
        _ => Auth::Other,
    };
    (auth, content.get(..before).unwrap_or_default())
}

impl Messages for Ldap {
    const NAME: &'static str = "ldap";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if self.may_be_wrapped && bytes.first() == Some(&0) {
            let Some(len) = bytes.first_chunk().map(|len| u32::from_be_bytes(*len) as usize) else {
                return Framing::Open;
            };
            return Framing::at_most(len + 4, 64);
        }
        match head(bytes) {
            Head::Element(SEQUENCE, head, len) => Framing::at_most(head + len, SHOWN_MAX),
            Head::Open => Framing::Open,
            _ => Framing::Invalid("invalid_message"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if let [0, _, _, _, token @ ..] = message.bytes {
            return Ok(Self::wrapped(token, report));
        }
        let mut outer = Elements::new(message.bytes);
        let mut fields = outer.cut_with_tag(SEQUENCE).map(Elements::new).ok_or("malformed_data")?;
        let id = fields.with_tag(INTEGER).and_then(integer).ok_or("malformed_data")?;
        let (tag, content) = fields.next_cut().ok_or("malformed_data")?;
        if tag::is_request(tag) {
            self.request(id, tag, content, report);
            return Ok(Next::More);
        }
        if tag::is_result(tag) || matches!(tag, tag::ENTRY | tag::REFERENCE | tag::INTERMEDIATE) {
            return Ok(self.response(id, tag, content, report));
        }
        Err("unknown_operation")
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        shape(bytes).unwrap_or_else(|found| found)
    }

    fn lost(&mut self, _: Direction) {
        self.may_be_wrapped = false;
    }

    fn clear(&mut self) {
        self.requests.clear();
        (self.may_be_wrapped, self.clear) = (false, Clear::default());
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            operation::write(&request, None, &mut self.clear, report);
            self.requests.recycle(request);
        }
    }
}
