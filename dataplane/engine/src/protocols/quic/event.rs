//! The `quic` event: the fields of Suricata's EVE, then what goes beyond them.

use arrayvec::ArrayVec;

use super::google;
use super::header::{Long, MAX_ID, varint};
use super::version::{Dialect, Version};
use crate::protocols::tls::Handshake;
use crate::protocols::tls::fingerprint;
use crate::protocols::tls::hello::{Carriage, ClientHello, extension};
use crate::record::{Direction, EventWriter};

/// What was seen of a connection beside its TLS messages.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The version in use, or on offer.
    pub(super) version: Option<Version>,
    /// Versions that the server named instead.
    offered: ArrayVec<Version, 16>,
    client_id: ArrayVec<u8, MAX_ID>,
    server_id: ArrayVec<u8, MAX_ID>,
    pub(super) has_retry: bool,
    pub(super) has_early_data: bool,
    /// Who gave up in an Initial packet, and why.
    pub(super) close: Option<(Direction, u64)>,
    /// `user_agent` among the transport parameters.
    user_agent: Vec<u8>,
    /// The latest ClientHello of Google's handshake.
    google_hello: Vec<u8>,
    is_google_rejected: bool,
}

impl Seen {
    pub(super) fn reset(&mut self) {
        let Self { user_agent, google_hello, .. } = self;
        let (mut user_agent, mut google_hello) = (core::mem::take(user_agent), core::mem::take(google_hello));
        user_agent.clear();
        google_hello.clear();
        *self = Self { user_agent, google_hello, ..Self::default() };
    }

    /// Takes note of a packet's version; one that was made up to be refused does not replace a real one.
    pub(super) fn version(&mut self, version: Version) {
        if self.version.is_none() || !version.is_forcing_negotiation() {
            self.version = Some(version);
        }
    }

    /// Takes note of a Version Negotiation.
    pub(super) fn negotiation(&mut self, long: &Long<'_>) {
        if self.offered.is_empty() {
            self.offered = long.versions().take(self.offered.capacity()).collect();
        }
    }

    /// Takes note of the first ids that the two sides gave themselves.
    pub(super) fn connection_ids(&mut self, long: &Long<'_>) {
        if self.client_id.is_empty() && self.server_id.is_empty() {
            self.client_id.extend(long.source.iter().copied().take(MAX_ID));
            self.server_id.extend(long.destination.iter().copied().take(MAX_ID));
        }
    }

    /// Looks into a ClientHello for what TLS alone does not have.
    pub(super) fn client_hello(&mut self, body: &[u8]) {
        let Some(hello) = ClientHello::parse(body, Carriage::Stream) else { return };
        let is_fixed = self.version.is_some_and(Version::has_fixed_parameters);
        let mut parameters = hello
            .extensions
            .iter()
            .filter(|(kind, _)| matches!(*kind, extension::QUIC_TRANSPORT_PARAMETERS | PARAMETERS_DRAFT))
            .map(|(_, content)| content);
        let Some(content) = parameters.next() else { return };
        if !is_fixed && let Some(agent) = parameter(content, USER_AGENT) {
            self.user_agent.clear();
            self.user_agent.extend_from_slice(agent.get(..MAX_USER_AGENT).unwrap_or(agent));
        }
    }

    /// Takes a message of Google's handshake.
    pub(super) fn google_message(&mut self, message: &google::Message<'_>) {
        if message.is_from_client() {
            self.google_hello.clear();
            let bytes = message.bytes;
            self.google_hello.extend_from_slice(bytes.get(..MAX_GOOGLE_HELLO).unwrap_or(bytes));
        } else {
            self.is_google_rejected = true;
        }
    }

    /// Whether nothing more of Google's handshake is in the clear: the client sent its public value, or the
    /// handshake is long over.
    pub(super) fn is_google_settled(&self, datagrams: u8) -> bool {
        let hello = google::Message::parse(&self.google_hello);
        let has_key = hello.is_some_and(|hello| hello.value(*b"PUBS").is_some());
        has_key || (datagrams >= ENOUGH_GOOGLE && self.is_google())
    }

    fn is_google(&self) -> bool {
        let dialect = self.version.and_then(Version::dialect);
        matches!(dialect, Some(Dialect::GoogleOpen | Dialect::GoogleSealed))
            || (self.version.is_none() && self.is_google_rejected)
    }
}

/// Writes everything that is known of a connection.
pub(super) fn write(seen: &Seen, handshake: &mut Handshake, text: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    if let Some(version) = seen.version {
        version.text(text);
        event.text("version", text);
        if let Some(name) = version.name() {
            event.label("version_name", name);
        }
    }
    if !seen.user_agent.is_empty() {
        event.text("ua", &seen.user_agent);
    }
    let hello = google::Message::parse(&seen.google_hello);
    if let Some(hello) = &hello {
        write_google_hello(hello, seen.version, text, event);
    }
    if handshake.has_hello() {
        handshake.write(event);
    }
    for (field, id) in [("client_connection_id", &seen.client_id), ("server_connection_id", &seen.server_id)]
    {
        if !id.is_empty() {
            event.hex(field, id);
        }
    }
    for (field, is_so) in
        [("retry", seen.has_retry), ("zero_rtt", seen.has_early_data), ("rejected", seen.is_google_rejected)]
    {
        if is_so {
            event.flag(field, true);
        }
    }
    if !seen.offered.is_empty() {
        event.list("server_versions");
        for version in &seen.offered {
            version.text(text);
            event.text("", text);
        }
        event.close();
    }
    if let Some((from, error)) = seen.close {
        event.object("close").label("from", side(from)).number("error", error).close();
    }
}

const fn side(from: Direction) -> &'static str {
    match from {
        Direction::ToServer => "client",
        Direction::ToClient => "server",
    }
}

fn write_google_hello(
    hello: &google::Message<'_>,
    version: Option<Version>,
    text: &mut Vec<u8>,
    event: &mut EventWriter<'_>,
) {
    if let Some(name) = hello.value(*b"SNI\0") {
        event.text("sni", name);
    }
    if let Some(agent) = hello.value(*b"UAID") {
        event.text("ua", agent.get(..MAX_USER_AGENT).unwrap_or(agent));
    }
    // CYU: the version's number and the tags in order (Caleb Yu's fingerprint of Google's ClientHello).
    text.clear();
    let number = version.map(|version| version.0.to_be_bytes()).unwrap_or_default();
    text.extend(number.iter().skip(2).filter(|byte| byte.is_ascii_digit()));
    text.push(b',');
    for (at, tag) in hello.tags().enumerate() {
        if at > 0 {
            text.push(b'-');
        }
        text.extend_from_slice(tag);
    }
    event.list("cyu").object("");
    event.hex("hash", &fingerprint::digest(text)).text("string", text).close().close();
    write_google_crypto(hello, event);
}

/// Key exchange and cipher of a ClientHello that has the client's public value; before it they are on offer only.
fn write_google_crypto(hello: &google::Message<'_>, event: &mut EventWriter<'_>) {
    let is_full = hello.value(*b"PUBS").is_some();
    let class = if is_full { "classical" } else { "incomplete" };
    event.object("crypto").label("class", class).label("posture", class).label("kex", "ECDHE");
    if is_full {
        event.flag("forward_secrecy", true);
        let group = match hello.value(*b"KEXS") {
            Some([b'C', b'2', b'5', b'5', ..]) => Some("x25519"),
            Some([b'P', b'2', b'5', b'6', ..]) => Some("secp256r1"),
            _ => None,
        };
        let suite = match hello.value(*b"AEAD") {
            Some([b'A', b'E', b'S', b'G', ..]) => Some("AES_128_GCM_12"),
            Some([b'C', b'C', b'2', b'0', ..]) => Some("CHACHA20_POLY1305"),
            Some([b'S', b'2', b'0', b'P', ..]) => Some("SALSA20_POLY1305"),
            _ => None,
        };
        for (field, value) in [("selected_group", group), ("selected_suite", suite)] {
            if let Some(value) = value {
                event.label(field, value);
            }
        }
    }
    event.close();
}

/// The value of a transport parameter (RFC 9000 18).
fn parameter(content: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut rest = content;
    loop {
        let kind = varint(&mut rest)?;
        let len = usize::try_from(varint(&mut rest)?).ok()?;
        let (value, after) = rest.split_at_checked(len)?;
        rest = after;
        if kind == wanted {
            return Some(value).filter(|value| !value.is_empty());
        }
    }
}

/// `quic_transport_parameters` in drafts before 33.
const PARAMETERS_DRAFT: u16 = 0xffa5;
/// Chromium's `kUserAgentId`.
const USER_AGENT: u64 = 0x3129;
const MAX_USER_AGENT: usize = 255;
/// Bytes of Google's ClientHello that are kept: it fills at most two packets.
const MAX_GOOGLE_HELLO: usize = 2048;
/// Datagrams after which Google's handshake is over.
const ENOUGH_GOOGLE: u8 = 12;
