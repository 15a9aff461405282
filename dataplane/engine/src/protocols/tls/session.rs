//! What is known of one session so far, message by message.

use arrayvec::ArrayVec;

use super::chain::Chain;
use super::fingerprint::Transport;
use super::groups::is_grease;
use super::handshake::Protection;
use super::hello::{self, Carriage, ClientHello, ServerHello, ServerKeyExchange, rank};
use super::posture::Class;
use super::recycled;
use super::suites::{KeyExchange, Suite};
use crate::record::Direction;

/// Handshake message types (RFC 8446 4, RFC 5246 7.4, RFC 5077, RFC 6066).
pub(super) mod message {
    pub(in super::super) const CLIENT_HELLO: u8 = 1;
    pub(in super::super) const SERVER_HELLO: u8 = 2;
    pub(super) const NEW_SESSION_TICKET: u8 = 4;
    pub(super) const HELLO_RETRY_DRAFT: u8 = 6;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const CERTIFICATE_STATUS: u8 = 22;
}

/// An alert that could be read (RFC 8446 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) from: Direction,
    pub(super) level: u8,
    pub(super) description: u8,
}

/// One session. Messages that matter are kept whole and read again when the event is written.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// What carries the messages; outlives a reset.
    pub(super) transport: Transport,
    /// Body of the first ClientHello; empty before.
    pub(super) client_hello: Vec<u8>,
    /// Body of the ServerHello; empty before, and for SSLv2.
    pub(super) server_hello: Vec<u8>,
    /// Who sent the ClientHello.
    pub(super) client: Option<Direction>,
    /// Version that an SSLv2-compatible ClientHello offers.
    pub(super) sslv2_offer: Option<u16>,
    /// Version in use, 0 before the ServerHello.
    pub(super) version: u16,
    /// Suite in use.
    pub(super) suite: Option<u16>,
    /// Group and length of the server's key share.
    pub(super) server_share: Option<(u16, usize)>,
    pub(super) server_key_exchange: Option<ServerKeyExchange>,
    pub(super) server_chain: Chain,
    pub(super) client_chain: Chain,
    /// Groups of key shares in the second ClientHello.
    pub(super) retry_shares: ArrayVec<u16, 8>,
    /// Group that a HelloRetryRequest asked for.
    pub(super) retry_group: Option<u16>,
    pub(super) is_retried: bool,
    pub(super) is_ocsp_stapled: bool,
    pub(super) is_client_asked: bool,
    pub(super) is_ticket_issued: bool,
    pub(super) alerts: ArrayVec<Alert, 4>,
    pub(super) has_failed: bool,
    /// Bytes were lost, or a message was too long to keep.
    pub(super) has_gaps: bool,
    /// ChangeCipherSpec by direction.
    pub(super) cipher_changed: [bool; 2],
    /// Records by direction that could not be read.
    pub(super) sealed: [u32; 2],
    /// Records by direction.
    pub(super) records: [u32; 2],
    /// TLS 1.3 is on offer.
    pub(super) offers_tls13: bool,
}

impl Session {
    /// Takes a whole handshake message.
    pub(super) fn message(&mut self, kind: u8, body: &[u8], from: Direction) {
        match kind {
            message::CLIENT_HELLO => self.client_hello(body, from),
            message::SERVER_HELLO => self.server_hello(body, from),
            message::HELLO_RETRY_DRAFT => self.is_retried = true,
            message::NEW_SESSION_TICKET => self.is_ticket_issued = true,
            message::CERTIFICATE => {
                let is_clients = from == self.client.unwrap_or(Direction::ToServer);
                let chain = if is_clients { &mut self.client_chain } else { &mut self.server_chain };
                if !chain.is_seen {
                    chain.read(body);
                }
            }
            message::SERVER_KEY_EXCHANGE => {
                if let Some(suite) = self.suite.and_then(Suite::of) {
                    self.server_key_exchange =
                        ServerKeyExchange::parse(body, suite.key_exchange, self.version);
                }
            }
            message::CERTIFICATE_REQUEST => self.is_client_asked = true,
            // RFC 6066 8 and RFC 6961: ocsp, ocsp_multi.
            message::CERTIFICATE_STATUS => self.is_ocsp_stapled |= matches!(body.first(), Some(1 | 2)),
            _ => {}
        }
    }

    fn client_hello(&mut self, body: &[u8], from: Direction) {
        let Some(hello) = ClientHello::parse(body, self.carriage()) else { return };
        if !self.has_client_hello() {
            self.client = Some(from);
            self.offers_tls13 = rank(hello.highest_version()) > hello::TLS12;
            self.client_hello.extend_from_slice(body);
        } else if self.server_hello.is_empty() {
            // A second one before any ServerHello answers a HelloRetryRequest.
            self.is_retried = true;
            self.retry_shares =
                hello.key_shares().map(|(group, _)| group).take(self.retry_shares.capacity()).collect();
        }
    }

    fn server_hello(&mut self, body: &[u8], from: Direction) {
        let Some(hello) = ServerHello::parse(body) else { return };
        self.client.get_or_insert(from.reversed());
        if hello.is_retry {
            self.is_retried = true;
            self.retry_group = hello.key_share().map(|(group, _)| group);
        } else if self.server_hello.is_empty() {
            self.server_hello.extend_from_slice(body);
            self.version = hello.negotiated_version();
            self.suite = Some(hello.cipher_suite);
            self.server_share = hello.key_share().filter(|(group, _)| !is_grease(*group));
        }
    }

    /// Takes an SSLv2-compatible ClientHello.
    pub(super) fn sslv2_client_hello(&mut self, version: u16, from: Direction) {
        self.client = Some(from);
        self.sslv2_offer.get_or_insert(version);
    }

    /// Takes an SSLv2 ServerHello: the session is SSLv2.
    pub(super) fn sslv2_server_hello(&mut self, from: Direction) {
        self.client.get_or_insert(from.reversed());
        self.version = hello::SSL2;
    }

    /// Takes what there is of a ClientHello whose end never came.
    pub(super) fn cut_client_hello(&mut self, body: &[u8], from: Direction) {
        if !self.has_client_hello() && ClientHello::parse(body, self.carriage()).is_some() {
            self.client = Some(from);
            self.client_hello.extend_from_slice(body);
        }
    }

    /// Takes note of a ChangeCipherSpec.
    pub(super) fn change_cipher_spec(&mut self, from: Direction) {
        if let Some(changed) = self.cipher_changed.get_mut(from as usize) {
            *changed = true;
        }
    }

    /// Takes note of a record.
    pub(super) fn record(&mut self, from: Direction, protection: Protection) {
        if let Some(records) = self.records.get_mut(from as usize) {
            *records = records.saturating_add(1);
        }
        if protection == Protection::Sealed {
            self.sealed(from);
        }
    }

    /// Takes note that a record could not be read.
    pub(super) fn sealed(&mut self, from: Direction) {
        if let Some(sealed) = self.sealed.get_mut(from as usize) {
            *sealed = sealed.saturating_add(1);
        }
    }

    pub(super) fn carriage(&self) -> Carriage {
        if self.transport == Transport::Dtls { Carriage::Datagram } else { Carriage::Stream }
    }

    /// Takes an alert that could be read.
    pub(super) fn alert(&mut self, from: Direction, level: u8, description: u8) {
        let _ = self.alerts.try_push(Alert { from, level, description });
        self.has_failed |= level == FATAL;
    }

    pub(super) fn has_client_hello(&self) -> bool {
        !self.client_hello.is_empty() || self.sslv2_offer.is_some()
    }

    pub(super) fn has_server_hello(&self) -> bool {
        self.version != 0
    }

    pub(super) fn has_hello(&self) -> bool {
        self.has_client_hello() || self.has_server_hello() || self.is_retried
    }

    pub(super) fn is_tls13(&self) -> bool {
        rank(self.version) > hello::TLS12
    }

    /// Whether a handshake record after ChangeCipherSpec can still be readable: TLS 1.3 sends it only for the sake
    /// of middleboxes (RFC 8446 D.4), and never to protect what follows a HelloRetryRequest.
    pub(super) fn ignores_change_cipher(&self) -> bool {
        self.is_tls13()
            || self.is_retried
            || (!self.has_server_hello() && (self.offers_tls13 || self.client.is_none()))
    }

    /// Whether both sides went over to protected records, or one did and the other was not seen.
    pub(super) fn is_complete(&self) -> bool {
        let is_protected = |side: usize| {
            let changed = self.cipher_changed.get(side).copied().unwrap_or_default();
            let sealed = self.sealed.get(side).copied().unwrap_or_default();
            if self.is_tls13() { sealed > 0 } else { changed || sealed > 0 }
        };
        let seen = |side: usize| self.records.get(side).copied().unwrap_or_default() > 0;
        let is_over = |side: usize| is_protected(side) || !seen(side);
        self.has_server_hello()
            && !self.has_failed
            && (self.version == hello::SSL2
                || ((is_protected(0) || is_protected(1)) && is_over(0) && is_over(1)))
    }

    /// The class of a session that is not complete: unknown where protected records show that it went on unseen.
    pub(super) fn class_while_open(&self) -> Class {
        let went_on =
            self.sealed.iter().any(|count| *count > 0) || self.cipher_changed.iter().any(|changed| *changed);
        if went_on && !self.has_server_hello() && !self.has_failed {
            Class::Unknown
        } else {
            Class::Incomplete
        }
    }

    /// Whether an earlier session was taken up: TLS 1.3 by `pre_shared_key` (RFC 8446 2.2), before by the same
    /// session id (RFC 5246 7.3), or by a ticket (RFC 5077 3.1), after which no certificate comes.
    pub(super) fn is_resumed(&self) -> bool {
        let Some(server) = ServerHello::parse(&self.server_hello) else { return false };
        if self.is_tls13() {
            return server.known.pre_shared_key.is_some();
        }
        if self.server_chain.is_seen || self.server_key_exchange.is_some() {
            return false;
        }
        let client = ClientHello::parse(&self.client_hello, self.carriage());
        if client
            .is_some_and(|client| !client.session_id.is_empty() && client.session_id == server.session_id)
        {
            return true;
        }
        let sends_certificate = Suite::of(server.cipher_suite).is_some_and(|suite| {
            let exchange = suite.key_exchange;
            !exchange.is_anonymous()
                && !matches!(exchange, KeyExchange::Psk | KeyExchange::EcdhePsk | KeyExchange::DhePsk)
        });
        let from = self.client.map_or(Direction::ToClient, Direction::reversed);
        let has_changed = self.cipher_changed.get(from as usize).copied().unwrap_or_default();
        let has_ticket =
            client.is_none_or(|client| client.known.session_ticket.is_some_and(|ticket| !ticket.is_empty()));
        sends_certificate && has_changed && has_ticket && !self.has_gaps
    }

    /// Whether nothing more can be learned.
    pub(super) fn is_settled(&self) -> bool {
        let sealed: u32 = self.sealed.iter().sum();
        if self.has_failed
            || self.version == hello::SSL2
            || sealed >= ENOUGH_SEALED
            || (sealed >= ENOUGH_MIDSTREAM && !self.has_hello())
        {
            return true;
        }
        if !self.has_server_hello() {
            return false;
        }
        if self.is_tls13() {
            self.sealed.iter().all(|count| *count > 0)
        } else {
            self.cipher_changed == [true; 2]
        }
    }

    pub(super) fn reset(&mut self) {
        self.server_chain.reset();
        self.client_chain.reset();
        *self = Self {
            transport: self.transport,
            client_hello: recycled(&mut self.client_hello),
            server_hello: recycled(&mut self.server_hello),
            server_chain: core::mem::take(&mut self.server_chain),
            client_chain: core::mem::take(&mut self.client_chain),
            ..Self::default()
        };
    }
}

const FATAL: u8 = 2;
/// Protected records after which the rest of the handshake will not come: it was lost, or the other way is not seen.
const ENOUGH_SEALED: u32 = 32;
/// Protected records that are enough where no handshake was seen at all.
const ENOUGH_MIDSTREAM: u32 = 4;
