//! Units of the upper layer (DICOM PS3.8, 9.3): where they end, who associates, and for what.

use super::names;
use crate::protocols::framed::{Cursor, Framing, Masked};
use crate::record::EventWriter;

/// Type, reserved, length.
pub(super) const HEADER_LEN: usize = 6;
/// Bytes of a unit that are read.
const SHOWN_MAX: usize = 16 * 1024;
/// The same of a unit that is data only: header, and length, context and control of its value.
const DATA_SHOWN: usize = HEADER_LEN + 6;
/// Longest opening that is believed: 128 contexts with 20 transfer syntaxes each.
const ASSOCIATE_MAX: usize = 256 * 1024;
/// Contexts of an association, and transfer syntaxes of one, that are written.
const CONTEXTS_MAX: usize = 32;
const SYNTAXES_MAX: usize = 8;
/// Longest identifier (PS3.5, 9).
const UID_MAX: usize = 64;

/// Unit types.
pub(super) mod kind {
    pub(in super::super) const ASSOCIATE: u8 = 1;
    pub(in super::super) const ACCEPT: u8 = 2;
    pub(in super::super) const REJECT: u8 = 3;
    pub(in super::super) const DATA: u8 = 4;
    pub(in super::super) const RELEASE: u8 = 5;
    pub(in super::super) const RELEASED: u8 = 6;
    pub(in super::super) const ABORT: u8 = 7;
}

/// Where the unit at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some((&[kind, _, l3, l2, l1, l0], rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return match bytes.first() {
            Some(kind::ASSOCIATE..=kind::ABORT) | None => Framing::Open,
            Some(_) => Framing::Invalid("unknown_unit_type"),
        };
    };
    let Ok(length) = usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])) else {
        return Framing::Invalid("invalid_length");
    };
    let whole = HEADER_LEN.saturating_add(length);
    match kind {
        kind::ASSOCIATE | kind::ACCEPT if (68..=ASSOCIATE_MAX).contains(&length) => {
            Framing::at_most(whole, SHOWN_MAX)
        }
        kind::REJECT | kind::RELEASE | kind::RELEASED | kind::ABORT if length == 4 => Framing::whole(whole),
        kind::DATA if length >= 6 => match rest.first_chunk::<6>() {
            None => Framing::Open,
            Some([p3, p2, p1, p0, _, control]) => {
                let value = u32::from_be_bytes([*p3, *p2, *p1, *p0]);
                let fills = usize::try_from(value).is_ok_and(|value| value.checked_add(4) == Some(length));
                // Images: what they say of a patient is passed over.
                let is_data = control & 1 == 0;
                Framing::at_most(whole, if fills && is_data { DATA_SHOWN } else { SHOWN_MAX })
            }
        },
        kind::ASSOCIATE..=kind::ABORT => Framing::Invalid("invalid_length"),
        _ => Framing::Invalid("unknown_unit_type"),
    }
}

/// A request for an association, or its acceptance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Associate<'a> {
    called: &'a [u8; 16],
    calling: &'a [u8; 16],
    items: Cursor<'a>,
}

impl<'a> Associate<'a> {
    /// Reads what follows the header.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let version = cursor.u16()?;
        cursor.u16()?;
        let (called, calling) = (cursor.array()?, cursor.array()?);
        cursor.take(32)?;
        let has_titles = [called, calling].iter().all(|title| is_title(title.as_slice()));
        (version & 1 == 1 && has_titles).then_some(Self { called, calling, items: cursor })
    }

    /// Writes who asks whom.
    pub(super) fn write_titles(&self, event: &mut EventWriter<'_>) {
        event.text("called_ae", self.called.trim_ascii()).text("calling_ae", self.calling.trim_ascii());
    }

    /// Writes what one side offers, or accepts of it.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        let mut contexts = 0_usize;
        for (kind, body) in (Items { cursor: self.items }) {
            match kind {
                0x20 | 0x21 => {
                    if contexts == 0 {
                        event.list("contexts");
                    }
                    contexts += 1;
                    if contexts <= CONTEXTS_MAX {
                        write_context(kind == 0x21, body, event);
                    }
                }
                0x50 => {
                    if contexts > 0 {
                        event.close();
                    }
                    write_user_information(body, event);
                    event.number("context_count", contexts as u64);
                    return;
                }
                _ => {}
            }
        }
        if contexts > 0 {
            event.close().number("context_count", contexts as u64);
        }
    }

    /// Abstract syntax of context `id`.
    pub(super) fn abstract_syntax(&self, id: u8) -> Option<&'a [u8]> {
        Items { cursor: self.items }
            .filter(|(kind, body)| *kind == 0x20 && body.first() == Some(&id))
            .find_map(|(_, body)| sub_items(body).find(|(kind, _)| *kind == 0x30))
            .map(|(_, uid)| uid)
    }
}

/// Items one behind the other: type, reserved, length, content.
#[derive(Clone, Copy, Debug)]
struct Items<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, _, l1, l0] = *self.cursor.array::<4>()?;
        let body = self.cursor.take(usize::from(u16::from_be_bytes([l1, l0])))?;
        Some((kind, body))
    }
}

/// The items in a context: behind its number and three more bytes.
fn sub_items(context: &[u8]) -> Items<'_> {
    Items { cursor: Cursor::new(context.get(4..).unwrap_or_default()) }
}

fn write_context(is_answer: bool, body: &[u8], event: &mut EventWriter<'_>) {
    let [id, _, result, ..] = body else { return };
    event.object("").number("id", *id);
    if is_answer {
        event.label(
            "result",
            match result {
                0 => "acceptance",
                1 => "user_rejection",
                2 => "no_reason",
                3 => "abstract_syntax_not_supported",
                4 => "transfer_syntaxes_not_supported",
                _ => "unknown",
            },
        );
    }
    let mut syntaxes = 0_usize;
    for (kind, uid) in sub_items(body) {
        match kind {
            0x30 => {
                write_uid("abstract_syntax", uid, event);
                if let Some(name) = names::sop_class(uid) {
                    event.label("abstract_syntax_name", name);
                }
            }
            0x40 if syntaxes < SYNTAXES_MAX => {
                if syntaxes == 0 {
                    event.list("transfer_syntaxes");
                }
                syntaxes += 1;
                match names::transfer_syntax(uid) {
                    Some(name) => event.label("", name),
                    None => event.text("", short(uid)),
                };
            }
            _ => {}
        }
    }
    if syntaxes > 0 {
        event.close();
    }
    event.close();
}

/// Writes an identifier.
pub(super) fn write_uid(name: &'static str, uid: &[u8], event: &mut EventWriter<'_>) {
    event.text(name, short(uid));
}

fn short(uid: &[u8]) -> &[u8] {
    // Those of odd length are filled up with zero.
    let uid = uid.strip_suffix(&[0]).unwrap_or(uid);
    uid.get(..UID_MAX).unwrap_or(uid)
}

fn write_user_information(body: &[u8], event: &mut EventWriter<'_>) {
    for (kind, content) in (Items { cursor: Cursor::new(body) }) {
        match (kind, content) {
            (0x51, [a, b, c, d]) => {
                event.number("max_pdu_length", u32::from_be_bytes([*a, *b, *c, *d]));
            }
            (0x52, uid) => write_uid("implementation_class", uid, event),
            (0x55, name) => {
                event.text("implementation_version", name.get(..16).unwrap_or(name).trim_ascii_end());
            }
            // PS3.7, D.3.3.7: type, whether an answer is wanted, two fields with lengths.
            (0x58, [kind, _, fields @ ..]) => write_identity(*kind, fields, event),
            (0x59, _) => {
                event.flag("user_identity_confirmed", true);
            }
            _ => {}
        }
    }
}

/// Of a user the first letter, of a secret that it was there.
fn write_identity(kind: u8, fields: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(fields);
    let mut field = || cursor.u16().and_then(|len| cursor.take(usize::from(len))).unwrap_or_default();
    let (primary, secondary) = (field(), field());
    event.object("user_identity").label(
        "type",
        match kind {
            1 => "username",
            2 => "username_and_passcode",
            3 => "kerberos",
            4 => "saml",
            5 => "jwt",
            _ => "unknown",
        },
    );
    if matches!(kind, 1 | 2) {
        Masked::of(primary).write("user", event);
    }
    event.flag("password_in_clear", kind == 2 && !secondary.is_empty()).close();
}

/// Titles of application entities are of the default repertoire, not blank (PS3.5, 6.2).
fn is_title(title: &[u8]) -> bool {
    title.iter().all(|byte| matches!(byte, 0x20..=0x7e) && *byte != b'\\')
        && title.iter().any(|byte| *byte != b' ')
}
