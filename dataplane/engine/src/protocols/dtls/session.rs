//! One session: what its records say until they are protected.

use arrayvec::ArrayVec;

use super::messages::{Fragment, Lane};
use super::record::{Plain, Record, content, records};
use crate::protocols::Output;
use crate::protocols::tls::fingerprint::Transport;
use crate::protocols::tls::hello::{Carriage, ClientHello, Extensions, ServerHello};
use crate::protocols::tls::{Handshake, Protection};
use crate::record::{Direction, EventWriter};

/// Reads the handshake of one session.
#[derive(Debug)]
pub(in crate::protocols) struct DtlsSession {
    lanes: [Lane; 2],
    said: Said,
    records: u32,
    is_written: bool,
}

/// What the messages say.
#[derive(Debug)]
struct Said {
    handshake: Handshake,
    /// A ClientHello was seen: a second one with a cookie is the same again (RFC 6347 4.2.1).
    has_client_hello: bool,
    has_cookie: bool,
    /// Protection profiles for SRTP that the client offers.
    profiles: ArrayVec<u16, 16>,
    /// The one that the server chose.
    profile: Option<u16>,
}

impl Default for DtlsSession {
    fn default() -> Self {
        let said = Said {
            handshake: Handshake::new(Transport::Dtls),
            has_client_hello: false,
            has_cookie: false,
            profiles: ArrayVec::new(),
            profile: None,
        };
        Self { lanes: Default::default(), said, records: 0, is_written: false }
    }
}

impl DtlsSession {
    /// Forgets the session, keeps allocations.
    pub(in crate::protocols) fn reset(&mut self) {
        self.lanes.iter_mut().for_each(Lane::reset);
        self.said.handshake.reset();
        self.said.has_client_hello = false;
        self.said.has_cookie = false;
        self.said.profiles.clear();
        self.said.profile = None;
        self.records = 0;
        self.is_written = false;
    }

    /// Reads a datagram; says whether it starts with a record.
    pub(in crate::protocols) fn datagram(&mut self, bytes: &[u8], from: Direction) -> bool {
        let before = self.records;
        for record in records(bytes, 0) {
            self.records = self.records.saturating_add(1);
            match record {
                Record::Plain(record) if record.epoch == 0 => self.open(&record, from),
                Record::Plain(_) | Record::Unified => self.said.handshake.record(from, Protection::Sealed),
            }
        }
        self.records > before
    }

    /// Whether a hello was seen.
    pub(in crate::protocols) fn has_hello(&self) -> bool {
        self.said.handshake.has_hello()
    }

    /// Whether nothing more can be learned.
    pub(in crate::protocols) fn is_settled(&self) -> bool {
        self.is_written || self.said.handshake.is_settled() || self.records >= MOST_RECORDS
    }

    /// Writes the event, once, where there is something to tell.
    pub(in crate::protocols) fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written || self.records == 0 {
            return;
        }
        self.is_written = true;
        let Self { lanes, said, .. } = self;
        for (lane, from) in lanes.iter_mut().zip([Direction::ToServer, Direction::ToClient]) {
            lane.flush(|kind, body| said.message(kind, body, from));
        }
        said.write(&mut out.event("tls"));
    }

    /// Reads a record that is not protected.
    fn open(&mut self, record: &Plain<'_>, from: Direction) {
        let Self { lanes, said, .. } = self;
        said.handshake.record(from, Protection::Open);
        match (record.content, record.fragment) {
            (content::CHANGE_CIPHER_SPEC, _) => said.handshake.change_cipher_spec(from),
            (content::ALERT, [level, description]) => said.handshake.alert(from, *level, *description),
            (content::HANDSHAKE, fragments) => {
                let Some(lane) = lanes.get_mut(from as usize) else { return };
                let mut rest = fragments;
                while let Some((fragment, after)) = Fragment::parse(rest, 0) {
                    lane.take(&fragment, |kind, body| said.message(kind, body, from));
                    rest = after;
                }
            }
            _ => {}
        }
    }
}

impl Said {
    fn write(&mut self, event: &mut EventWriter<'_>) {
        self.handshake.write(event);
        if self.has_cookie {
            event.flag("cookie", true);
        }
        if !self.profiles.is_empty() {
            event.list("srtp_profiles");
            for name in self.profiles.iter().filter_map(|profile| profile_name(*profile)) {
                event.label("", name);
            }
            event.close();
        }
        if let Some(name) = self.profile.and_then(profile_name) {
            event.label("srtp_profile", name);
        }
    }

    fn message(&mut self, kind: u8, body: &[u8], from: Direction) {
        match kind {
            CLIENT_HELLO => {
                let Some(hello) = ClientHello::parse(body, Carriage::Datagram) else { return };
                let is_again = self.has_client_hello && has_cookie(body);
                self.has_cookie |= has_cookie(body);
                self.has_client_hello = true;
                if is_again {
                    return;
                }
                self.profiles = srtp_profiles(hello.extensions);
            }
            SERVER_HELLO => {
                self.profile = ServerHello::parse(body)
                    .and_then(|hello| srtp_profiles(hello.extensions).first().copied());
            }
            HELLO_VERIFY_REQUEST => {
                self.has_cookie = true;
                return;
            }
            _ => {}
        }
        self.handshake.message(kind, body, from);
    }
}

/// Whether a ClientHello that could be read brings a cookie back.
fn has_cookie(body: &[u8]) -> bool {
    let session = body.get(34).map_or(0, |len| usize::from(*len));
    body.get(35 + session).is_some_and(|len| *len > 0)
}

/// Profiles of `use_srtp` (RFC 5764 4.1.1).
fn srtp_profiles(extensions: Extensions<'_>) -> ArrayVec<u16, 16> {
    let content = extensions.iter().find(|(kind, _)| *kind == USE_SRTP).map(|(_, content)| content);
    let Some((len, rest)) = content.and_then(<[u8]>::split_first_chunk::<2>) else { return ArrayVec::new() };
    let list = rest.get(..usize::from(u16::from_be_bytes(*len))).unwrap_or_default();
    list.as_chunks().0.iter().map(|code| u16::from_be_bytes(*code)).take(16).collect()
}

/// Name of a profile (IANA "DTLS-SRTP Protection Profiles").
const fn profile_name(code: u16) -> Option<&'static str> {
    Some(match code {
        1 => "SRTP_AES128_CM_HMAC_SHA1_80",
        2 => "SRTP_AES128_CM_HMAC_SHA1_32",
        5 => "SRTP_NULL_HMAC_SHA1_80",
        6 => "SRTP_NULL_HMAC_SHA1_32",
        7 => "SRTP_AEAD_AES_128_GCM",
        8 => "SRTP_AEAD_AES_256_GCM",
        9 => "DOUBLE_AEAD_AES_128_GCM_AEAD_AES_128_GCM",
        10 => "DOUBLE_AEAD_AES_256_GCM_AEAD_AES_256_GCM",
        11 => "SRTP_ARIA_128_CTR_HMAC_SHA1_80",
        12 => "SRTP_ARIA_128_CTR_HMAC_SHA1_32",
        13 => "SRTP_ARIA_256_CTR_HMAC_SHA1_80",
        14 => "SRTP_ARIA_256_CTR_HMAC_SHA1_32",
        15 => "SRTP_AEAD_ARIA_128_GCM",
        16 => "SRTP_AEAD_ARIA_256_GCM",
        _ => return None,
    })
}

/// Handshake types (RFC 6347 4.3.2).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;
/// Extension number of `use_srtp`.
const USE_SRTP: u16 = 14;
/// Records after which nothing more of the handshake is waited for.
const MOST_RECORDS: u32 = 256;
