//! What the first exchange says, and the `ike` event: the fields of Suricata's EVE, then what goes beyond them.

use arrayvec::ArrayVec;

use super::message::{
    KEY_EXCHANGE, KEY_EXCHANGE_ONE, Message, NOTIFY, NOTIFY_ONE, SA, SA_ONE, VENDOR_ID, VENDOR_ID_ONE,
    Version,
};
use super::posture::Posture;
use super::proposal::{self, Transform, kind};
use super::{registry, vendor};
use crate::record::{Direction, EventWriter};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    header: Option<Header>,
    /// Who sent the first message.
    initiator: Option<Direction>,
    /// Security association payloads: on offer, and chosen.
    offer: Vec<u8>,
    choice: Vec<u8>,
    /// Group of the initiator's key, and the length of the data.
    share: Option<(u16, u16)>,
    notifications: ArrayVec<u16, 24>,
    vendors: Vec<u8>,
    /// Messages in the clear and encrypted, by direction.
    open: [u16; 2],
    encrypted: [u16; 2],
    is_aggressive: bool,
    errors: u16,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    version: Version,
    minor: u8,
    initiator: [u8; 8],
    responder: [u8; 8],
    exchange: u8,
    id: u32,
}

impl Seen {
    /// Whether any message came.
    pub(super) const fn is_any(&self) -> bool {
        self.header.is_some()
    }

    /// Whether nothing more in the clear will come: keys are in use.
    pub(super) fn is_settled(&self) -> bool {
        let encrypted: u16 = self.encrypted.iter().sum();
        (encrypted > 0 && !self.choice.is_empty()) || encrypted >= ENOUGH_ENCRYPTED
    }

    pub(super) fn reset(&mut self) {
        let Self { offer, choice, vendors, .. } = self;
        let mut kept = [offer, choice, vendors].map(core::mem::take);
        kept.iter_mut().for_each(Vec::clear);
        let [offer, choice, vendors] = kept;
        *self = Self { offer, choice, vendors, ..Self::default() };
    }

    /// Takes a message.
    pub(super) fn message(&mut self, message: &Message<'_>, from: Direction) {
        let counts = if message.is_encrypted() { &mut self.encrypted } else { &mut self.open };
        if let Some(count) = counts.get_mut(from as usize) {
            *count = count.saturating_add(1);
        }
        let header = self.header.get_or_insert(Header {
            version: message.version,
            minor: message.minor,
            initiator: *message.initiator,
            responder: *message.responder,
            exchange: message.exchange,
            id: message.id,
        });
        if header.responder == [0; 8] && header.initiator == *message.initiator {
            header.responder = *message.responder;
        }
        if message.is_encrypted() {
            return;
        }
        let is_first = message.is_first() && !message.is_response();
        if is_first {
            self.initiator = Some(from);
        }
        let is_response = message.is_response() || self.initiator.is_some_and(|initiator| initiator != from);
        self.is_aggressive |= message.version == Version::One && message.exchange == AGGRESSIVE;
        for payload in message.payloads() {
            match (message.version, payload.kind) {
                (Version::Two, SA) | (Version::One, SA_ONE) => {
                    let place = if is_response { &mut self.choice } else { &mut self.offer };
                    place.clear();
                    place.extend_from_slice(payload.body.get(..MAX_SA).unwrap_or(payload.body));
                }
                (Version::Two, KEY_EXCHANGE) => self.key_exchange(payload.body, is_response),
                (Version::One, KEY_EXCHANGE_ONE) => {}
                (Version::Two, NOTIFY) => self.notification(payload.body),
                (Version::One, NOTIFY_ONE) => self.errors = self.errors.saturating_add(1),
                (Version::Two, VENDOR_ID) | (Version::One, VENDOR_ID_ONE) => self.vendor(payload.body),
                _ => {}
            }
        }
    }

    fn key_exchange(&mut self, body: &[u8], is_response: bool) {
        if let ([g1, g2, _, _], data) = body.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]))
            && !is_response
        {
            let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
            self.share = Some((u16::from_be_bytes([*g1, *g2]), len));
        }
    }

    fn notification(&mut self, body: &[u8]) {
        let Some(([_, _, k1, k2], _)) = body.split_first_chunk::<4>() else { return };
        let kind = u16::from_be_bytes([*k1, *k2]);
        self.errors = self.errors.saturating_add(u16::from(kind < FIRST_STATUS));
        if !self.notifications.contains(&kind) {
            let _ = self.notifications.try_push(kind);
        }
    }

    /// Keeps ids one after the other, each behind its length.
    fn vendor(&mut self, id: &[u8]) {
        let id = id.get(..MAX_VENDOR).unwrap_or(id);
        if id.is_empty()
            || self.vendors.len() + id.len() > MAX_VENDORS
            || self.vendors().any(|other| other == id)
        {
            return;
        }
        self.vendors.push(u8::try_from(id.len()).unwrap_or_default());
        self.vendors.extend_from_slice(id);
    }

    fn vendors(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.vendors.as_slice();
        core::iter::from_fn(move || {
            let (len, after) = rest.split_first()?;
            let (id, after) = after.split_at_checked(usize::from(*len))?;
            rest = after;
            Some(id)
        })
    }

    fn transforms(&self, payload: &[u8], version: Version) -> ArrayVec<Transform, MAX_TRANSFORMS> {
        match version {
            Version::Two => proposal::version_two(payload).take(MAX_TRANSFORMS).collect(),
            Version::One => proposal::version_one(payload).take(MAX_TRANSFORMS).collect(),
        }
    }
}

/// Writes everything that is known of an exchange.
pub(super) fn write(seen: &Seen, has_esp: bool, event: &mut EventWriter<'_>) {
    let Some(header) = seen.header else { return };
    let version = header.version;
    event
        .number("version_major", if version == Version::One { 1_u8 } else { 2 })
        .number("version_minor", header.minor)
        .hex("init_spi", &header.initiator)
        .hex("resp_spi", &header.responder)
        .number("message_id", header.id)
        .number("exchange_type", header.exchange);
    if let Some(name) = registry::exchange(header.exchange) {
        event.label("exchange", name);
    }
    let offered = seen.transforms(&seen.offer, version);
    let selected = seen.transforms(&seen.choice, version);
    write_selected(&selected, version, event);
    write_notifications(seen, event);
    write_vendors(seen, event);
    for (field, is_so) in [
        ("aggressive", seen.is_aggressive),
        ("encrypted", seen.encrypted != [0; 2]),
        ("esp_in_udp", has_esp),
        ("ppk", seen.notifications.contains(&USE_PPK)),
    ] {
        if is_so {
            event.flag(field, true);
        }
    }
    write_crypto(seen, version, &offered, &selected, event);
}

/// What the responder chose, under the names that Suricata has for it.
fn write_selected(selected: &[Transform], version: Version, event: &mut EventWriter<'_>) {
    for (field, wanted) in [
        ("alg_enc", kind::ENCRYPTION),
        ("alg_prf", kind::PRF),
        ("alg_auth", kind::INTEGRITY),
        ("alg_dh", kind::KEY_EXCHANGE),
        ("alg_esn", kind::SEQUENCE_NUMBERS),
        ("authentication_method", kind::AUTHENTICATION),
    ] {
        let field = if version == Version::One && wanted == kind::PRF { "alg_hash" } else { field };
        if let Some(transform) = selected.iter().find(|transform| transform.kind == wanted) {
            write_name(field, transform, version, event);
            if let Some(bits) = transform.bits {
                event.number("key_length", bits);
            }
        }
    }
}

fn write_notifications(seen: &Seen, event: &mut EventWriter<'_>) {
    if seen.errors > 0 {
        event.number("errors", seen.errors);
    }
    if seen.notifications.is_empty() {
        return;
    }
    event.list("notify");
    for kind in &seen.notifications {
        match registry::notification(*kind) {
            Some(name) => event.label("", name),
            None => event.number("", *kind),
        };
    }
    event.close();
}

fn write_vendors(seen: &Seen, event: &mut EventWriter<'_>) {
    if seen.vendors.is_empty() {
        return;
    }
    event.list("vendor_ids");
    for id in seen.vendors() {
        match vendor::name(id) {
            Some(name) => event.label("", name),
            None if vendor::is_text(id) => event.text("", id),
            None => event.hex("", id),
        };
    }
    event.close();
}

fn write_crypto(
    seen: &Seen,
    version: Version,
    offered: &[Transform],
    selected: &[Transform],
    event: &mut EventWriter<'_>,
) {
    let mut posture = Posture::of(selected, version, seen.is_aggressive);
    // Keys are in use although the agreement was not seen.
    if seen.choice.is_empty() && seen.encrypted != [0; 2] {
        posture.class = "unknown";
    }
    event.object("crypto").label("class", posture.class).label("posture", posture.name());
    if !posture.weaknesses.is_empty() {
        event.list("weaknesses");
        for weakness in &posture.weaknesses {
            event.label("", weakness);
        }
        event.close();
    }
    if let Some(transform) = selected.iter().find(|transform| transform.kind == kind::KEY_EXCHANGE) {
        event.flag("forward_secrecy", true);
        write_name("selected_group", transform, version, event);
    }
    let is_additional =
        |transform: &&Transform| kind::ADDITIONAL.contains(&transform.kind) && transform.id != 0;
    write_list("additional_groups", selected.iter().filter(is_additional), version, event);
    if let Some(transform) = selected.iter().find(|transform| transform.kind == kind::ENCRYPTION) {
        write_name("selected_suite", transform, version, event);
    }
    let of = |wanted: u8| offered.iter().filter(move |transform| transform.kind == wanted);
    write_list("offered_groups", of(kind::KEY_EXCHANGE), version, event);
    write_list("offered_additional_groups", offered.iter().filter(is_additional), version, event);
    write_list("offered_encryption", of(kind::ENCRYPTION), version, event);
    write_list("offered_prf", of(kind::PRF), version, event);
    write_list("offered_integrity", of(kind::INTEGRITY), version, event);
    if let Some((group, len)) = seen.share {
        event.list("key_shares");
        let share = Transform { kind: kind::KEY_EXCHANGE, id: group, bits: None, proposal: 0 };
        write_name("", &share, version, event);
        event.close().number("key_share_length", len);
    }
    event.close();
}

/// Writes each algorithm once.
fn write_list<'a>(
    field: &'static str,
    transforms: impl Iterator<Item = &'a Transform>,
    version: Version,
    event: &mut EventWriter<'_>,
) {
    let mut written = ArrayVec::<u16, 32>::new();
    for transform in transforms {
        if written.contains(&transform.id) || written.is_full() {
            continue;
        }
        if written.is_empty() {
            event.list(field);
        }
        written.push(transform.id);
        write_name("", transform, version, event);
    }
    if !written.is_empty() {
        event.close();
    }
}

fn write_name(field: &'static str, transform: &Transform, version: Version, event: &mut EventWriter<'_>) {
    match registry::name(transform, version) {
        Some(name) => event.label(field, name),
        None => event.number(field, transform.id),
    };
}

const AGGRESSIVE: u8 = 4;
const USE_PPK: u16 = 16435;
/// Notifications below this are errors (RFC 7296 3.10.1).
const FIRST_STATUS: u16 = 16384;
/// Encrypted messages after which the first exchange will not come.
const ENOUGH_ENCRYPTED: u16 = 4;
/// Bytes of a security association that are kept.
const MAX_SA: usize = 4096;
/// Algorithms that are looked at.
const MAX_TRANSFORMS: usize = 256;
/// Bytes of a vendor id, and of all, that are kept.
const MAX_VENDOR: usize = 64;
const MAX_VENDORS: usize = 1024;
