//! A handshake apart from the records that carry it: TLS brings it in records, DTLS in fragments, QUIC in frames.

use super::alpn;
use super::event::{self, Scratch};
use super::fingerprint::Transport;
use super::hello::{ClientHello, ServerHello};
use super::recycled;
use super::session::Session;
use crate::record::{Direction, EventWriter};

/// Collects the messages of one handshake and writes what they say.
#[derive(Debug, Default)]
pub struct Handshake {
    pub(super) session: Session,
    scratch: Scratch,
}

impl Handshake {
    /// A handshake of which nothing is known.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { session: Session { transport, ..Session::default() }, scratch: Scratch::default() }
    }

    /// Forgets everything but the transport, keeps allocations.
    pub fn reset(&mut self) {
        self.session.reset();
        self.scratch.text = recycled(&mut self.scratch.text);
        self.scratch.codes = recycled(&mut self.scratch.codes);
    }

    /// Takes a whole handshake message without its header (RFC 8446 section 4).
    pub fn message(&mut self, kind: u8, body: &[u8], from: Direction) {
        self.session.message(kind, body, from);
    }

    /// Takes what there is of a ClientHello whose end never came.
    pub fn cut_client_hello(&mut self, body: &[u8], from: Direction) {
        self.session.cut_client_hello(body, from);
    }

    /// Takes note of a ChangeCipherSpec.
    pub fn change_cipher_spec(&mut self, from: Direction) {
        self.session.change_cipher_spec(from);
    }

    /// Takes note of a record or packet; a protected one is one that only the two sides can read.
    pub fn record(&mut self, from: Direction, protection: Protection) {
        self.session.record(from, protection);
    }

    /// Takes an alert that could be read.
    pub fn alert(&mut self, from: Direction, level: u8, description: u8) {
        self.session.alert(from, level, description);
    }

    /// Whether a hello was seen.
    #[must_use]
    pub fn has_hello(&self) -> bool {
        self.session.has_hello()
    }

    /// Whether nothing more can be learned.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.session.is_settled()
    }

    /// The service whose name the server chose; where that cannot be seen, the only one that the client offers (RFC 7301).
    #[must_use]
    pub fn service(&self) -> Option<&'static str> {
        let server = ServerHello::parse(&self.session.server_hello);
        if let Some(chosen) = server.and_then(|hello| hello.known.protocols().next()) {
            return alpn::service(chosen);
        }
        let client = ClientHello::parse(&self.session.client_hello, self.session.carriage())?;
        let mut offered = client.known.protocols().take(OFFERED_MAX).map(alpn::service);
        let first = offered.next()??;
        offered.all(|other| other == Some(first)).then_some(first)
    }

    /// Writes the members of the `tls` object; for QUIC all but the version, which is QUIC's own there.
    pub fn write(&mut self, event: &mut EventWriter<'_>) {
        event::write(&self.session, &mut self.scratch, event);
    }
}

/// Protocols of an offer that are looked at.
const OFFERED_MAX: usize = 16;

/// Whether a record can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// By anybody, or with keys that anybody can derive (QUIC Initial).
    Open,
    /// By the two sides.
    Sealed,
}
