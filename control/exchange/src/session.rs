//! One TLS connection with its channel: bytes of the network in and out. No I/O; time is an argument.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Acceptor;
use rustls::{ClientConfig, ClientConnection, Connection, HandshakeKind, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::channel::{Channel, Close, Ends, Notice, Probe, Reader, Surroundings, Terms};
use crate::primitive::DsaSet;
use crate::refusal::Refusal;
use crate::schedule::{Exporter, NotReady, Role};
use crate::tls::{ALPN, Group, SpkiHash, refusal_of, signature_of, spki_hash};

/// A peer, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub usize);

/// What a session asks of the one that holds it.
pub trait Host {
    /// TLS as a server.
    fn server(&self) -> Arc<ServerConfig>;
    /// The hash of our key.
    fn ours(&self) -> SpkiHash;
    /// Whose certificate this is; it is already trusted.
    fn peer_of(&self, certificate: &CertificateDer<'_>) -> Option<PeerId>;
    /// Whether this peer, whose certificates these are, may use this group and its key. One who calls us is looked at
    /// here, since TLS took what any of the peers may use.
    ///
    /// # Errors
    ///
    /// Why not.
    fn admits(&self, peer: PeerId, group: Group, chain: &[CertificateDer<'_>]) -> Result<(), Refusal>;
    /// What we bring to a channel with this peer.
    fn terms(&self, peer: PeerId) -> Terms;
    /// The wall clock.
    fn wall(&self) -> UnixTime;
    /// How long after a full handshake a session may be resumed.
    fn resumable(&self) -> Duration;
    /// A random SPI that is not in use on this machine.
    fn fresh_spi(&mut self) -> Option<u32>;
    /// Whether a probe of the path's MTU arrived.
    fn has_seen(&mut self, peer: PeerId, probe: Probe) -> bool;
}

/// What is known of a session once its handshake is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Who it is with.
    pub peer: PeerId,
    /// Which end we are.
    pub role: Role,
    /// Group of the key exchange.
    pub group: Group,
    /// Parameter set of the peer's key.
    pub signature: DsaSet,
    /// Whether it resumed an older one, so that no certificates were shown.
    pub resumed: bool,
    /// The hash of the peer's key.
    pub theirs: SpkiHash,
}

/// One TLS connection with its channel.
pub struct Session {
    tls: Tls,
    role: Role,
    started: Instant,
    expected: Option<PeerId>,
    facts: Option<SessionFacts>,
    /// The certificates that the peer showed.
    chain: Vec<CertificateDer<'static>>,
    channel: Option<Channel>,
    reader: Reader,
}

enum Tls {
    Accepting(Box<Acceptor>),
    Open(Box<Connection>),
    /// Ended, with what is still to be sent.
    Ended(Vec<u8>),
}

impl Session {
    /// A session that we open with `peer`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where TLS cannot begin.
    pub fn initiate(config: Arc<ClientConfig>, peer: PeerId, now: Instant) -> Result<Self, Refusal> {
        // The name is not sent: it only names the peer to the session store, of which each peer has its own.
        let name = ServerName::try_from("peer").map_err(|_| Refusal::Malformed)?;
        let connection = ClientConnection::new(config, name).map_err(|_| Refusal::Malformed)?;
        Ok(Self::new(Tls::Open(Box::new(connection.into())), Role::Initiator, Some(peer), now))
    }

    /// A session that somebody opens with us.
    pub fn accept(now: Instant) -> Self {
        Self::new(Tls::Accepting(Box::default()), Role::Responder, None, now)
    }

    fn new(tls: Tls, role: Role, expected: Option<PeerId>, started: Instant) -> Self {
        Self {
            tls,
            role,
            started,
            expected,
            facts: None,
            chain: Vec::new(),
            channel: None,
            reader: Reader::default(),
        }
    }

    /// Takes bytes that came from the network.
    ///
    /// # Errors
    ///
    /// Why the peer is refused. What is left to be sent, such as an alert, is still given by [`transmit`](Self::transmit).
    pub fn receive(&mut self, bytes: &[u8], host: &mut dyn Host) -> Result<(), Refusal> {
        let result = self.advance(bytes, host);
        if result.is_err() {
            self.end();
        }
        result
    }

    fn advance(&mut self, mut bytes: &[u8], host: &mut dyn Host) -> Result<(), Refusal> {
        if let Tls::Accepting(acceptor) = &mut self.tls {
            read_all(&mut bytes, |bytes| acceptor.read_tls(bytes))?;
            match acceptor.accept() {
                Ok(None) => return Ok(()),
                Ok(Some(accepted)) => self.tls = greet(accepted, host)?,
                Err((error, mut alert)) => {
                    let mut rest = Vec::new();
                    let _ = alert.write_all(&mut rest);
                    self.tls = Tls::Ended(rest);
                    return Err(refusal_of(&error));
                }
            }
        }
        loop {
            let Tls::Open(connection) = &mut self.tls else { return Ok(()) };
            // Reading nothing would mean to rustls that the connection ended.
            let taken = if bytes.is_empty() {
                0
            } else {
                connection.read_tls(&mut bytes).map_err(|_| Refusal::Malformed)?
            };
            let state = connection.process_new_packets().map_err(|error| refusal_of(&error))?;
            let (plain, closed) = (state.plaintext_bytes_to_read(), state.peer_has_closed());
            check_age(connection, host)?;
            if !connection.is_handshaking() && self.channel.is_none() {
                self.open_channel(host)?;
            }
            if plain > 0 {
                self.take_plaintext(plain, host)?;
            }
            self.flush()?;
            if closed {
                return self.on_closed();
            }
            if taken == 0 {
                return if bytes.is_empty() { Ok(()) } else { Err(Refusal::Malformed) };
            }
        }
    }

    fn open_channel(&mut self, host: &mut dyn Host) -> Result<(), Refusal> {
        let Tls::Open(connection) = &mut self.tls else { return Ok(()) };
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(Refusal::Protocol);
        }
        let chain = connection.peer_certificates().unwrap_or_default();
        let certificate = chain.first().ok_or(Refusal::NoCertificate)?;
        let theirs = spki_hash(certificate).map_err(|_| Refusal::Untrusted)?;
        let peer = host.peer_of(certificate).ok_or(Refusal::WrongPeer)?;
        if theirs == host.ours() || self.expected.is_some_and(|expected| expected != peer) {
            return Err(Refusal::WrongPeer);
        }
        let group = connection
            .negotiated_key_exchange_group()
            .and_then(|group| Group::from_number(group.name().into()))
            .ok_or(Refusal::ClassicalOnly)?;
        let signature = signature_of(certificate).ok_or(Refusal::Untrusted)?;
        host.admits(peer, group, chain)?;
        self.chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        self.facts = Some(SessionFacts { peer, role: self.role, group, signature, resumed, theirs });
        let ends = Ends { role: self.role, group, ours: host.ours(), theirs, now: host.wall() };
        self.channel = Some(Channel::new(host.terms(peer), ends, connection.as_ref())?);
        Ok(())
    }

    fn take_plaintext(&mut self, length: usize, host: &mut dyn Host) -> Result<(), Refusal> {
        let (Tls::Open(connection), Some(channel), Some(facts)) =
            (&mut self.tls, &mut self.channel, self.facts)
        else {
            return Err(Refusal::BadMessage);
        };
        let mut plain = vec![0; length];
        connection.reader().read_exact(&mut plain).map_err(|_| Refusal::Malformed)?;
        let mut around = Around { connection, host, peer: facts.peer };
        let mut rest = plain.as_slice();
        while let Some(message) = self.reader.next(&mut rest).map_err(|_| Refusal::BadMessage)? {
            channel.take(message, &mut around)?;
        }
        Ok(())
    }

    /// Hands what the channel wants to say to TLS.
    fn flush(&mut self) -> Result<(), Refusal> {
        let (Tls::Open(connection), Some(channel)) = (&mut self.tls, &mut self.channel) else {
            return Ok(());
        };
        let outgoing = channel.outgoing();
        if outgoing.is_empty() {
            return Ok(());
        }
        connection.writer().write_all(&outgoing).map_err(|_| Refusal::Malformed)
    }

    /// The peer ended TLS in order. With keys that is no refusal: the SAs do not depend on the connection.
    fn on_closed(&mut self) -> Result<(), Refusal> {
        if !self.channel.as_ref().is_some_and(Channel::may_end) {
            return Err(Refusal::ClosedEarly);
        }
        self.tls = Tls::Ended(Vec::new());
        Ok(())
    }

    /// Ends with what there is still to say: TLS's alert, or that we refuse.
    fn end(&mut self) {
        self.close(Close::Refused);
    }

    /// Ends the session.
    pub fn close(&mut self, close: Close) {
        if let Some(channel) = &mut self.channel {
            channel.close(close);
        }
        let _ = self.flush();
        let mut rest = Vec::new();
        match &mut self.tls {
            Tls::Open(connection) => {
                connection.send_close_notify();
                drain(connection, &mut rest);
            }
            Tls::Ended(left) => rest.append(left),
            Tls::Accepting(_) => {}
        }
        self.tls = Tls::Ended(rest);
    }

    /// Appends what is to be sent over the network.
    pub fn transmit(&mut self, out: &mut Vec<u8>) {
        match &mut self.tls {
            Tls::Accepting(_) => {}
            Tls::Open(connection) => drain(connection, out),
            Tls::Ended(rest) => out.append(rest),
        }
    }

    /// What the owner is to know, oldest first.
    pub fn notice(&mut self) -> Option<Notice> {
        self.channel.as_mut().and_then(Channel::notice)
    }

    /// Does something with the channel, and hands what it wants to say to TLS.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where TLS takes no more.
    pub fn with_channel(&mut self, act: impl FnOnce(&mut Channel)) -> Result<(), Refusal> {
        if let Some(channel) = &mut self.channel {
            act(channel);
        }
        self.flush()
    }

    /// What is known of it once the handshake is over.
    pub fn facts(&self) -> Option<SessionFacts> {
        self.facts
    }

    /// The certificates that the peer showed, its own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The peer that a session of ours is meant for, or whose it turned out to be.
    pub fn peer(&self) -> Option<PeerId> {
        self.facts.map(|facts| facts.peer).or(self.expected)
    }

    /// Which end we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether both sides said "ready".
    pub fn is_keyed(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_keyed)
    }

    /// Whether its keys are those to send with.
    pub fn is_up(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_up)
    }

    /// Whether it has keys that were never sent with.
    pub fn has_unused_keys(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::has_unused_keys)
    }

    /// The number of its set of keys.
    pub fn epoch(&self) -> u64 {
        self.channel.as_ref().map_or(0, Channel::epoch)
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether nothing more is read from it.
    pub fn is_ended(&self) -> bool {
        matches!(self.tls, Tls::Ended(_))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("role", &self.role)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Looks at a ClientHello before anything costly is computed for it.
fn greet(accepted: rustls::server::Accepted, host: &dyn Host) -> Result<Tls, Refusal> {
    let config = host.server();
    let hello = accepted.client_hello();
    if !hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ALPN)) {
        return Err(Refusal::Protocol);
    }
    let offered = hello.named_groups().unwrap_or_default();
    let wanted = &config.crypto_provider().kx_groups;
    if !offered.iter().any(|group| wanted.iter().any(|ours| ours.name() == *group)) {
        let hybrid = offered.iter().any(|group| is_post_quantum((*group).into()));
        return Err(if hybrid { Refusal::NothingInCommon } else { Refusal::ClassicalOnly });
    }
    let mut connection = accepted.into_connection(config).map_err(|(error, _)| refusal_of(&error))?;
    if connection.received_resumption_data().is_none() {
        connection.set_resumption_data(&host.wall().as_secs().to_be_bytes());
    }
    Ok(Tls::Open(Box::new(connection.into())))
}

/// A server hands the time of the full handshake on from ticket to ticket, and refuses one that is too old.
fn check_age(connection: &mut Connection, host: &dyn Host) -> Result<(), Refusal> {
    let Connection::Server(connection) = connection else { return Ok(()) };
    if !connection.is_handshaking() {
        return Ok(());
    }
    let Some(data) = connection.received_resumption_data() else { return Ok(()) };
    let full = data.first_chunk().map(|secs| u64::from_be_bytes(*secs)).ok_or(Refusal::SessionTooOld)?;
    let age = host.wall().as_secs().checked_sub(full).ok_or(Refusal::SessionTooOld)?;
    if age > (host.resumable() + SLACK).as_secs() {
        return Err(Refusal::SessionTooOld);
    }
    connection.set_resumption_data(&full.to_be_bytes());
    Ok(())
}

/// Groups with ML-KEM or an older lattice, alone or with a curve.
const fn is_post_quantum(group: u16) -> bool {
    matches!(group, 0x0200..=0x0202 | 0x11EB..=0x11EE | 0x6399 | 0x639A | 0x4138 | 0xFE30 | 0xFE31)
}

struct Around<'a> {
    connection: &'a Connection,
    host: &'a mut dyn Host,
    peer: PeerId,
}

impl Exporter for Around<'_> {
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady> {
        self.connection.export(label, context, out)
    }
}

impl Surroundings for Around<'_> {
    fn fresh_spi(&mut self) -> Option<u32> {
        self.host.fresh_spi()
    }

    fn has_seen(&mut self, probe: Probe) -> bool {
        self.host.has_seen(self.peer, probe)
    }
}

fn read_all(bytes: &mut &[u8], mut read: impl FnMut(&mut &[u8]) -> io::Result<usize>) -> Result<(), Refusal> {
    while !bytes.is_empty() {
        if read(bytes).map_err(|_| Refusal::Malformed)? == 0 {
            return Err(Refusal::Malformed);
        }
    }
    Ok(())
}

fn drain(connection: &mut Connection, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    while connection.wants_write() && connection.write_tls(out).is_ok() {}
}

/// Clocks of both sides run apart, and a rekey may be late.
const SLACK: Duration = Duration::from_secs(300);
