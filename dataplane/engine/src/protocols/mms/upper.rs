//! What lies between transport and MMS: session (ISO 8327-1), presentation (ISO 8823-1) and association control
//! (ISO 8650-1), as far as it is needed to find the MMS unit and to say who associates with whom.

use crate::protocols::ber;
use crate::protocols::tlv::{Elements, unsigned};
use crate::record::EventWriter;

/// Session units.
mod spdu {
    /// Give tokens, and data transfer behind it: both have this number.
    pub(super) const GIVE_TOKENS: u8 = 1;
    pub(super) const FINISH: u8 = 9;
    pub(super) const DISCONNECT: u8 = 10;
    pub(super) const REFUSE: u8 = 12;
    pub(super) const CONNECT: u8 = 13;
    pub(super) const ACCEPT: u8 = 14;
    pub(super) const ABORT: u8 = 25;
    pub(super) const ABORT_ACCEPT: u8 = 26;
}

/// Abstract syntax of MMS, 1.0.9506.2.1 and its second version.
const MMS_SYNTAX: [&[u8]; 2] = [&[0x28, 0xca, 0x22, 2, 1], &[0x28, 0xca, 0x22, 2, 2]];
/// Elements of a list that are looked at.
const LIST_MAX: usize = 16;

/// What a session unit carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carried<'a> {
    /// Connect: the presentation's and association's opening.
    Connect(Association<'a>),
    /// Accept.
    Accept(Association<'a>),
    /// Refuse, finish, disconnect or abort: its name.
    End(&'static str),
    /// A unit of MMS (or association control).
    Data(&'a [u8]),
}

/// An association as its opening, or the answer to that, says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Association<'a> {
    /// Whether the abstract syntax of MMS is among those on offer.
    pub(super) offers_mms: bool,
    /// Content of AARQ or AARE.
    control: &'a [u8],
    is_response: bool,
    /// The unit of MMS in it.
    pub(super) mms: &'a [u8],
}

impl<'a> Carried<'a> {
    /// Reads a session unit; None where it is none, or nothing that MMS uses.
    pub(super) fn read(unit: &'a [u8]) -> Option<Self> {
        let (&code, rest) = unit.split_first()?;
        if code == spdu::GIVE_TOKENS {
            return rest.strip_prefix(&[0, 1, 0]).map(|data| Self::Data(pdv(data).unwrap_or_default()));
        }
        let parameters = sized(rest)?.0;
        let data = user_data(parameters).unwrap_or_default();
        Some(match code {
            spdu::CONNECT => Self::Connect(Association::read(data)),
            spdu::ACCEPT => Self::Accept(Association::read(data)),
            spdu::REFUSE => Self::End("refuse"),
            spdu::FINISH => Self::End("finish"),
            spdu::DISCONNECT => Self::End("disconnect"),
            spdu::ABORT | spdu::ABORT_ACCEPT => Self::End("abort"),
            _ => return None,
        })
    }
}

/// What follows a length of one byte, or of two behind 255 (8.2.5), and what follows that.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes {
        [0xff, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [len, rest @ ..] => (usize::from(*len), rest),
        [] => return None,
    };
    Some(rest.split_at_checked(len).unwrap_or((rest, &[])))
}

/// The parameter with user data, extended or not.
fn user_data(mut parameters: &[u8]) -> Option<&[u8]> {
    while let Some((&code, rest)) = parameters.split_first() {
        let (content, after) = sized(rest)?;
        if matches!(code, 193 | 194) {
            return Some(content);
        }
        parameters = after;
    }
    None
}

/// The first value of fully encoded presentation data.
fn pdv(data: &[u8]) -> Option<&[u8]> {
    let list = Elements::new(data).of(0x61)?;
    let value = Elements::new(list).of(0x30)?;
    // One ASN.1 value, or octets.
    Elements::new(value).of(0xa0).or_else(|| Elements::new(value).of(0x81))
}

impl<'a> Association<'a> {
    fn read(data: &'a [u8]) -> Self {
        let mut association = Self::default();
        let Some(parameters) = Elements::new(data).of(0x31).and_then(|set| Elements::new(set).of(0xa2))
        else {
            return association;
        };
        if let Some(contexts) = Elements::new(parameters).of(0xa4) {
            association.offers_mms = Elements::new(contexts).take(LIST_MAX).any(|(_, context)| {
                Elements::new(context).of(0x06).is_some_and(|syntax| MMS_SYNTAX.contains(&syntax))
            });
        }
        let control = pdv(parameters).and_then(|value| Elements::new(value).next());
        if let Some((tag @ (0x60 | 0x61), control)) = control {
            association.control = control;
            association.is_response = tag == 0x61;
            let external = Elements::new(control).of(0xbe).and_then(|list| Elements::new(list).of(0x28));
            let mms = external.and_then(|external| Elements::new(external).of(0xa0));
            association.mms = mms.unwrap_or_default();
        }
        association
    }

    /// Writes the members of an object: titles, qualifiers, the result, and that there was a password, not which.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        for (tag, content) in Elements::new(self.control) {
            let value = Elements::new(content).next();
            match (self.is_response, tag, value) {
                (false, 0xa2, Some((0x06, title))) => title_of("called_ap_title", title, event),
                (false, 0xa3, Some((0x02, number))) => number_of("called_ae_qualifier", number, event),
                (false, 0xa6, Some((0x06, title))) => title_of("calling_ap_title", title, event),
                (false, 0xa7, Some((0x02, number))) => number_of("calling_ae_qualifier", number, event),
                (true, 0xa4, Some((0x06, title))) => title_of("responding_ap_title", title, event),
                (true, 0xa5, Some((0x02, number))) => number_of("responding_ae_qualifier", number, event),
                (true, 0xa2, Some((0x02, result))) => {
                    event.label("result", result_name(result));
                }
                (false, 0x8b, _) | (true, 0x89, _) => title_of("authentication_mechanism", content, event),
                (false, 0xac, Some((kind, _))) | (true, 0xaa, Some((kind, _))) => {
                    // A character string is a password that everybody can read (ISO 8650-1, 7.1.5).
                    event.flag("authentication", true).flag("password_in_clear", kind == 0x80);
                }
                _ => {}
            }
        }
    }
}

const fn result_name(result: &[u8]) -> &'static str {
    match result {
        [0] => "accepted",
        [1] => "rejected_permanent",
        [2] => "rejected_transient",
        _ => "unknown",
    }
}

fn title_of(name: &'static str, content: &[u8], event: &mut EventWriter<'_>) {
    event.text(name, ber::oid(content).as_bytes());
}

fn number_of(name: &'static str, content: &[u8], event: &mut EventWriter<'_>) {
    if let Some(number) = unsigned(content) {
        event.number(name, number);
    }
}
