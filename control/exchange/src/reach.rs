//! Whether a peer can be reached and would agree on keys: a handshake that is made for that alone, and ends before there
//! are any.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConnection, Connection};
use rustls_pki_types::ServerName;

use crate::endpoint::Credentials;
use crate::primitive::{Backend, DsaSet};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::selftest::Proven;
use crate::tls::{self, Group, PeerTrust, Side, SpkiHash, TlsError, refusal_of, signature_of, spki_hash};

/// What a peer showed of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Group of the key exchange.
    pub group: Group,
    /// Parameter set of its key.
    pub signature: DsaSet,
    /// The hash of its key.
    pub pin: SpkiHash,
    /// From the connection to its first message.
    pub took: Duration,
}

/// Why a peer would not agree on keys.
#[derive(Debug, thiserror::Error)]
pub enum NotReached {
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// We are not ready ourselves.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// One of the two refuses the other.
    #[error("{}: {refusal}", if *.by_peer { "the peer refuses us" } else { "we refuse the peer" })]
    Refused {
        /// Why, as far as it is known: a peer does not say.
        refusal: Refusal,
        /// Whether it was the peer.
        by_peer: bool,
    },
}

/// Who calls.
#[derive(Debug)]
pub struct Caller {
    /// That the self-test passed.
    pub proven: Proven,
    /// The library that computes.
    pub backend: Backend,
    /// Group and signatures.
    pub profile: Profile,
    /// Who we are and whom we trust.
    pub credentials: Credentials,
}

impl Caller {
    fn side(&self) -> Side {
        Side {
            proven: self.proven,
            backend: self.backend,
            profiles: vec![self.profile],
            identity: self.credentials.identity.clone(),
            trust: Arc::clone(&self.credentials.trust),
            tickets: Arc::default(),
            clock: Arc::new(DefaultTimeProvider),
        }
    }
}

/// Makes a handshake with a peer and waits for its first message, so that it is known that it trusts us too. The peer
/// counts it as `closed_early`; keys that are in use are not touched.
///
/// # Errors
///
/// [`NotReached`].
pub fn reach(
    caller: &Caller,
    peer: PeerTrust,
    at: SocketAddr,
    limit: Duration,
) -> Result<Reached, NotReached> {
    let config = tls::client(caller.side(), peer)?;
    let name = ServerName::try_from("peer").map_err(|_| refused_by_us(Refusal::Malformed))?;
    let client = ClientConnection::new(config.into(), name).map_err(|error| NotReached::Tls(error.into()))?;
    let mut connection = Connection::from(client);
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&at, limit).map_err(NotReached::Connect)?;
    let mut bytes = [0; 16 * 1024];
    loop {
        while connection.wants_write() {
            let left = left(started, limit)?;
            stream.set_write_timeout(Some(left)).map_err(NotReached::Connect)?;
            connection.write_tls(&mut stream).map_err(|error| ended(&error))?;
        }
        stream.set_read_timeout(Some(left(started, limit)?)).map_err(NotReached::Connect)?;
        let count = stream.read(&mut bytes).map_err(|error| ended(&error))?;
        let mut rest = bytes.get(..count).unwrap_or_default();
        if rest.is_empty() {
            return Err(refused_by_peer(Refusal::ClosedEarly));
        }
        while !rest.is_empty() {
            connection.read_tls(&mut rest).map_err(|error| ended(&error))?;
            let state = connection.process_new_packets().map_err(|error| {
                let refusal = refusal_of(&error);
                // What the other side says of us comes as an alert.
                let by_peer = matches!(error, rustls::Error::AlertReceived(_));
                NotReached::Refused { refusal, by_peer }
            })?;
            if state.plaintext_bytes_to_read() > 0 {
                return shown(&connection, started.elapsed());
            }
        }
    }
}

fn shown(connection: &Connection, took: Duration) -> Result<Reached, NotReached> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.ok_or_else(|| refused_by_us(Refusal::NoCertificate))?;
    let group = connection.negotiated_key_exchange_group();
    Ok(Reached {
        group: group
            .and_then(|group| Group::from_number(group.name().into()))
            .ok_or_else(|| refused_by_us(Refusal::ClassicalOnly))?,
        signature: signature_of(certificate).ok_or_else(|| refused_by_us(Refusal::Untrusted))?,
        pin: spki_hash(certificate).map_err(|_| refused_by_us(Refusal::Untrusted))?,
        took,
    })
}

fn left(started: Instant, limit: Duration) -> Result<Duration, NotReached> {
    let left = limit.saturating_sub(started.elapsed());
    if left.is_zero() { Err(refused_by_peer(Refusal::Deadline)) } else { Ok(left) }
}

fn ended(error: &io::Error) -> NotReached {
    refused_by_peer(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Refusal::Deadline,
        _ => Refusal::ClosedEarly,
    })
}

const fn refused_by_us(refusal: Refusal) -> NotReached {
    NotReached::Refused { refusal, by_peer: false }
}

const fn refused_by_peer(refusal: Refusal) -> NotReached {
    NotReached::Refused { refusal, by_peer: true }
}
