use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, Error, KeyLog, ServerConfig};
use rustls_pki_types::CertificateDer;

use super::store::Tickets;
use super::trust::Verifier;
use super::verification::algorithms;
use super::{Group, PeerTrust, SpkiHash, TlsKey, Trust, TrustError, spki_of};
use crate::primitive::Backend;
use crate::profile::Profile;
use crate::selftest::Proven;

/// Application protocol of the channel (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"wirewarden-tunnel/1";

/// Our certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    spki: SpkiHash,
}

impl Identity {
    /// A key with the certificates for it, its own first.
    ///
    /// # Errors
    ///
    /// [`TlsError::Trust`] where the first is no certificate, [`TlsError::KeyMismatch`] where it is that of another key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: TlsKey) -> Result<Self, TlsError> {
        let spki = spki_of(chain.first().ok_or(TrustError::Certificate)?)?;
        if spki != *key.spki() {
            return Err(TlsError::KeyMismatch);
        }
        Ok(Self { spki: SpkiHash::of(&spki), certified: Arc::new(CertifiedKey::new(chain, Arc::new(key))) })
    }

    /// The hash of our public key, which peers may pin.
    pub fn spki(&self) -> SpkiHash {
        self.spki
    }

    /// The certificates, our own first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
}

/// What one side of a channel needs.
#[derive(Debug)]
pub struct Side {
    /// That the self-test passed.
    pub proven: Proven,
    /// The library that computes.
    pub backend: Backend,
    /// Groups and signatures: one for a client; a server has those of all its peers, and looks at each peer's own later.
    pub profiles: Vec<Profile>,
    /// Our certificate and key.
    pub identity: Identity,
    /// Whom we trust.
    pub trust: Arc<Trust>,
    /// Sessions to resume. A client needs one for each peer.
    pub tickets: Arc<Tickets>,
    /// The wall clock, by which certificates expire.
    pub clock: Arc<dyn TimeProvider>,
}

/// The provider of profiles: their groups, AES-256-GCM with SHA-384, ML-DSA. Nothing classical alone.
pub fn provider(_: Proven, backend: Backend, profiles: &[Profile]) -> CryptoProvider {
    let rest = aws_lc_rs::default_provider();
    // Strongest first, which is the order in which a server chooses.
    let groups = Group::ALL.into_iter().rev();
    let wanted = groups.filter(|group| profiles.iter().any(|profile| profile.group() == *group));
    CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: wanted.map(|group| group.kx(backend)).collect(),
        signature_verification_algorithms: algorithms(backend, profiles),
        ..rest
    }
}

/// TLS as the client of `peer`.
///
/// # Errors
///
/// [`TlsError::Tls`] where rustls refuses the configuration.
pub fn client(side: Side, peer: PeerTrust) -> Result<ClientConfig, TlsError> {
    let provider = provider(side.proven, side.backend, &side.profiles);
    let verifier = verifier(&provider, side.trust, Some(peer));
    let mut config = ClientConfig::builder_with_details(Arc::new(provider), side.clock)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(side.identity.certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::store(side.tickets);
    config.enable_sni = false;
    config.enable_early_data = false;
    config.key_log = Arc::new(NoKeyLog);
    Ok(config)
}

/// TLS as a server, which demands a certificate.
///
/// # Errors
///
/// [`TlsError::Tls`] where rustls refuses the configuration.
pub fn server(side: Side) -> Result<ServerConfig, TlsError> {
    let provider = provider(side.proven, side.backend, &side.profiles);
    let verifier = verifier(&provider, side.trust, None);
    let mut config = ServerConfig::builder_with_details(Arc::new(provider), side.clock)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(side.identity.certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = side.tickets;
    config.max_early_data_size = 0;
    config.key_log = Arc::new(NoKeyLog);
    Ok(config)
}

fn verifier(provider: &CryptoProvider, trust: Arc<Trust>, expected: Option<PeerTrust>) -> Arc<Verifier> {
    Arc::new(Verifier { trust, expected, algorithms: provider.signature_verification_algorithms })
}

/// Secrets are written nowhere, whatever the environment asks for.
#[derive(Debug)]
struct NoKeyLog;

impl KeyLog for NoKeyLog {
    fn log(&self, _: &str, _: &[u8], _: &[u8]) {}

    fn will_log(&self, _: &str) -> bool {
        false
    }
}

/// Why there is no TLS configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// rustls refuses it.
    #[error("TLS: {0}")]
    Tls(#[from] Error),
    /// A certificate or list cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The certificate is that of another key.
    #[error("the certificate is not for this key")]
    KeyMismatch,
}
