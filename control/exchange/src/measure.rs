//! What a handshake costs each side, in CPU time, beside the classical one of today: medians of one run, the kinds taking
//! turns, so that ratios hold on a machine that is shared.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustix::time::{ClockId, clock_gettime};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::DefaultTimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

use crate::pki::{InMemory, KeyKind, PkiError};
use crate::primitive::Backend;
use crate::profile::Profile;
use crate::selftest::Proven;
use crate::tls::{self, PeerTrust, Side, Tickets, TlsError, Trust, TrustError};

/// What one kind of handshake costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Group and signature.
    pub name: String,
    /// The library that computes the post-quantum part; none of the classical one.
    pub backend: Option<Backend>,
    /// Whether it resumes an earlier one.
    pub resumed: bool,
    /// CPU time of the client, median.
    pub client: Duration,
    /// CPU time of the server, median.
    pub server: Duration,
    /// Bytes of both directions.
    pub bytes: usize,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Keys or certificates could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Classical keys or certificates could not be made.
    #[error("classical certificates: {0}")]
    Classical(#[from] rcgen::Error),
    /// A handshake did not end.
    #[error("{kind}: the handshake did not end: {why}")]
    Handshake {
        /// Which kind.
        kind: String,
        /// What happened.
        why: String,
    },
}

/// Measures the classical handshake (X25519, ECDSA P-256; the first) and every profile, full and resumed, on each of
/// `backends`, `rounds` times each.
///
/// # Errors
///
/// [`MeasureError`].
pub fn handshakes(proven: Proven, backends: &[Backend], rounds: usize) -> Result<Vec<Cost>, MeasureError> {
    let mut kinds = vec![classical()?];
    for backend in backends {
        for profile in Profile::ALL {
            for resumes in [false, true] {
                kinds.push(hybrid(proven, profile, *backend, resumes)?);
            }
        }
    }
    for _ in 0..rounds.max(2) {
        for kind in &mut kinds {
            if !kind.resumes {
                kind.tickets.forget();
            }
            let sample = kind.shake()?;
            kind.measured.push(sample);
        }
    }
    Ok(kinds.into_iter().map(Kind::median).collect())
}

/// One kind of handshake.
struct Kind {
    name: String,
    backend: Option<Backend>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    tickets: Arc<Tickets>,
    resumes: bool,
    measured: Vec<Sample>,
}

#[derive(Clone, Copy, Default)]
struct Sample {
    client: Duration,
    server: Duration,
    bytes: usize,
}

impl Kind {
    fn shake(&self) -> Result<Sample, MeasureError> {
        let failed = |why: &dyn std::fmt::Display| MeasureError::Handshake {
            kind: self.name.clone(),
            why: why.to_string(),
        };
        let mut cost = Sample::default();
        let name = ServerName::try_from("east").map_err(|error| failed(&error))?;
        let client = timed(&mut cost.client, || ClientConnection::new(Arc::clone(&self.client), name));
        let mut client = Connection::from(client.map_err(|error| failed(&error))?);
        let server = timed(&mut cost.server, || ServerConnection::new(Arc::clone(&self.server)));
        let mut server = Connection::from(server.map_err(|error| failed(&error))?);
        while client.wants_write() || server.wants_write() {
            let wire = timed(&mut cost.client, || written(&mut client));
            timed(&mut cost.server, || read(&mut server, &wire)).map_err(|error| failed(&error))?;
            let back = timed(&mut cost.server, || written(&mut server));
            timed(&mut cost.client, || read(&mut client, &back)).map_err(|error| failed(&error))?;
            cost.bytes += wire.len() + back.len();
        }
        if client.is_handshaking() || server.is_handshaking() {
            return Err(failed(&"neither side has more to say"));
        }
        Ok(cost)
    }

    /// Median of each side; of resumptions without the first handshake, which was a full one.
    fn median(self) -> Cost {
        let of = |side: fn(&Sample) -> Duration| {
            let mut all: Vec<Duration> =
                self.measured.iter().skip(usize::from(self.resumes)).map(side).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        Cost {
            client: of(|sample| sample.client),
            server: of(|sample| sample.server),
            bytes: self.measured.last().map_or(0, |sample| sample.bytes),
            name: self.name,
            backend: self.backend,
            resumed: self.resumes,
        }
    }
}

fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
    let started = cpu();
    let result = work();
    *sum += cpu().saturating_sub(started);
    result
}

fn written(from: &mut Connection) -> Vec<u8> {
    let mut wire = Vec::new();
    // Writing to memory does not fail.
    while from.wants_write() && from.write_tls(&mut wire).is_ok() {}
    wire
}

fn read(into: &mut Connection, mut wire: &[u8]) -> Result<(), rustls::Error> {
    while !wire.is_empty() {
        into.read_tls(&mut wire).map_err(|error| rustls::Error::General(error.to_string()))?;
        into.process_new_packets()?;
    }
    Ok(())
}

/// Mutual X25519 with ECDSA P-256, as TLS 1.3 is used today.
fn classical() -> Result<Kind, MeasureError> {
    let tls = |error: rustls::Error| MeasureError::Tls(error.into());
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256);
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()?)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).map_err(tls)?;
    let roots = Arc::new(roots);
    let identity = |name: &str| -> Result<_, rcgen::Error> {
        let key = key()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &authority)?;
        let private = rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Ok((vec![certificate.der().clone()], private))
    };
    let provider = Arc::new(rustls::crypto::CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    });
    let (chain, private) = identity("west")?;
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(tls)?
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain, private)
        .map_err(tls)?;
    client.resumption = Resumption::disabled();
    let (chain, private) = identity("east")?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| tls(rustls::Error::General(error.to_string())))?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .map_err(tls)?;
    Ok(Kind {
        name: "X25519 + ECDSA P-256".to_owned(),
        backend: None,
        client: Arc::new(client),
        server: Arc::new(server),
        tickets: Arc::default(),
        resumes: false,
        measured: Vec::new(),
    })
}

fn hybrid(proven: Proven, profile: Profile, backend: Backend, resumes: bool) -> Result<Kind, MeasureError> {
    let key = KeyKind::MlDsa(profile.signature());
    let authority = InMemory::new(key, backend, SystemTime::now())?;
    let tickets = Arc::new(Tickets::default());
    let side = |name: &str, tickets: &Arc<Tickets>| -> Result<Side, MeasureError> {
        let trust = Trust::new(vec![], std::slice::from_ref(authority.certificate()), &[]);
        Ok(Side {
            proven,
            backend,
            profiles: vec![profile],
            identity: authority.identity(name, SystemTime::now())?,
            trust: Arc::new(trust.map_err(TlsError::from)?),
            tickets: Arc::clone(tickets),
            clock: Arc::new(DefaultTimeProvider),
        })
    };
    let peer = PeerTrust::named("east").ok_or(TlsError::Trust(TrustError::Certificate))?;
    Ok(Kind {
        name: format!("{} + {}", profile.group().name(), profile.signature().name()),
        backend: Some(backend),
        client: Arc::new(tls::client(side("west", &tickets)?, peer)?),
        server: Arc::new(tls::server(side("east", &Arc::default())?)?),
        tickets,
        resumes,
        measured: Vec::new(),
    })
}
