use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA384, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerMisbehaved, SignatureScheme,
};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, ServerName, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use super::signing::alg_id_of;
use super::verification::algorithms;
use crate::primitive::{Backend, DsaSet};
use crate::profile::Profile;
use crate::refusal::Refusal;

/// SHA-384 of a public key as a certificate holds it (SubjectPublicKeyInfo): what is pinned and what keys are bound to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiHash(pub [u8; 48]);

impl SpkiHash {
    /// The hash of a key.
    pub fn of(spki: &[u8]) -> Self {
        let mut hash = [0; 48];
        for (to, from) in hash.iter_mut().zip(digest(&SHA384, spki).as_ref()) {
            *to = *from;
        }
        Self(hash)
    }

    /// The hash written as 96 hexadecimal digits, as it is printed.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 96 {
            return None;
        }
        let mut hash = [0; 48];
        for (to, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(hash))
    }
}

impl fmt::Display for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public key within a certificate.
///
/// # Errors
///
/// [`TrustError::Certificate`] where it is no certificate.
pub fn spki_of(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, TrustError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| TrustError::Certificate)?;
    Ok(certificate.subject_public_key_info())
}

/// The hash of the public key within a certificate.
///
/// # Errors
///
/// [`TrustError::Certificate`] where it is no certificate.
pub fn spki_hash(certificate: &CertificateDer<'_>) -> Result<SpkiHash, TrustError> {
    Ok(SpkiHash::of(&spki_of(certificate)?))
}

/// The parameter set of the ML-DSA key within a certificate; none where it is another kind of key.
pub fn signature_of(certificate: &CertificateDer<'_>) -> Option<DsaSet> {
    let spki = spki_of(certificate).ok()?;
    let algorithm = SubjectPublicKeyInfoRef::from_der(&spki).ok()?.algorithm.oid.to_der().ok()?;
    DsaSet::ALL.into_iter().find(|set| *alg_id_of(*set) == *algorithm)
}

/// What makes one peer that peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerTrust {
    /// Its key is one of these, whatever its certificate says; two while a key is replaced.
    Pinned(Vec<SpkiHash>),
    /// Its certificate is of an authority of ours and has this name (a DNS name) among its alternative names.
    Named(ServerName<'static>),
}

impl PeerTrust {
    /// Trust in whoever an authority of ours gave this name to; none where no certificate can have it.
    pub fn named(name: &str) -> Option<Self> {
        ServerName::try_from(name.to_owned()).ok().map(Self::Named)
    }

    /// Whether `certificate`, which is already trusted, is this peer's.
    pub fn is(&self, certificate: &CertificateDer<'_>) -> bool {
        match self {
            Self::Pinned(pins) => spki_hash(certificate).is_ok_and(|hash| pins.contains(&hash)),
            Self::Named(name) => EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(name).is_ok()),
        }
    }
}

/// Whom we trust: pinned keys, authorities, and their revocation lists.
#[derive(Debug, Default)]
pub struct Trust {
    pins: Vec<SpkiHash>,
    anchors: Vec<TrustAnchor<'static>>,
    lists: Vec<CertRevocationList<'static>>,
}

impl Trust {
    /// Trust in these keys and authorities. Where there is a revocation list, there must be a valid one for every
    /// authority whose certificates are shown.
    ///
    /// # Errors
    ///
    /// [`TrustError`] where an authority's certificate or a list cannot be read.
    pub fn new(
        pins: Vec<SpkiHash>,
        authorities: &[CertificateDer<'_>],
        lists: &[CertificateRevocationListDer<'_>],
    ) -> Result<Self, TrustError> {
        let anchors = authorities
            .iter()
            .map(|one| anchor_from_trusted_cert(one).map(|anchor| anchor.to_owned()))
            .collect::<Result<_, _>>()
            .map_err(|_| TrustError::Authority)?;
        let lists = lists
            .iter()
            .map(|one| OwnedCertRevocationList::from_der(one).map(CertRevocationList::Owned))
            .collect::<Result<_, _>>()
            .map_err(|_| TrustError::List)?;
        Ok(Self { pins, anchors, lists })
    }

    /// Whether peers that trust as we do would trust this certificate, the first of `chain`, under `profile`.
    ///
    /// # Errors
    ///
    /// The reason why not.
    pub fn would_trust(
        &self,
        chain: &[CertificateDer<'_>],
        profile: Profile,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| Refusal::Expired)?;
        let now = UnixTime::since_unix_epoch(since);
        let (certificate, intermediates) = chain.split_first().ok_or(Refusal::NoCertificate)?;
        if !signature_of(certificate).is_some_and(|signature| profile.accepts(signature)) {
            return Err(Refusal::NothingInCommon);
        }
        let algorithms = algorithms(Backend::default(), &[profile]);
        let check = Check { algorithms: &algorithms, usage: KeyUsage::client_auth() };
        self.check(certificate, intermediates, now, check)
    }

    /// Whether a certificate is trusted now, with those of intermediate authorities that came with it.
    ///
    /// # Errors
    ///
    /// The reason why not.
    pub(crate) fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        check: Check<'_>,
    ) -> Result<(), Refusal> {
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| Refusal::Untrusted)?;
        if self.pins.contains(&SpkiHash::of(&certificate.subject_public_key_info())) {
            return Ok(());
        }
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        let usage = check.usage;
        certificate
            .verify_for_usage(
                check.algorithms.all,
                &self.anchors,
                intermediates,
                now,
                usage,
                revocation,
                None,
            )
            .map(drop)
            .map_err(|error| reason(&error))
    }
}

/// How a certificate is checked.
#[derive(Clone, Copy)]
pub(crate) struct Check<'a> {
    pub(crate) algorithms: &'a WebPkiSupportedAlgorithms,
    pub(crate) usage: KeyUsage,
}

fn reason(error: &webpki::Error) -> Refusal {
    match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => Refusal::Expired,
        webpki::Error::CertRevoked => Refusal::Revoked,
        webpki::Error::CrlExpired { .. } | webpki::Error::UnknownRevocationStatus => {
            Refusal::NoRevocationList
        }
        _ => Refusal::Untrusted,
    }
}

/// Checks peers' certificates in the handshake. Whatever is wrong, the peer is told the same.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Arc<Trust>,
    /// Whom a client expects. A server learns it from the certificate.
    pub(super) expected: Option<PeerTrust>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<(), Error> {
        let check = Check { algorithms: &self.algorithms, usage };
        self.trust
            .check(end_entity, intermediates, now, check)
            .and_then(|()| match &self.expected {
                Some(peer) if !peer.is(end_entity) => Err(Refusal::WrongPeer),
                _ => Ok(()),
            })
            .map_err(refuse)
    }

    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .map_err(|_| refuse(Refusal::BadSignature))
    }
}

/// Whatever the reason, the peer gets the alert `certificate_unknown`; the reason travels within the error.
fn refuse(refusal: Refusal) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
}

/// Why TLS failed, as we count it.
pub fn refusal_of(error: &Error) -> Refusal {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => {
            reason.downcast_ref().copied().unwrap_or(Refusal::Untrusted)
        }
        Error::InvalidCertificate(_) => Refusal::Untrusted,
        Error::NoCertificatesPresented => Refusal::NoCertificate,
        Error::NoApplicationProtocol => Refusal::Protocol,
        Error::PeerIncompatible(_) => Refusal::NothingInCommon,
        Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::IllegalParameter,
        ) => Refusal::NothingInCommon,
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Refusal::Protocol,
        Error::AlertReceived(_) => Refusal::RefusedByPeer,
        _ => Refusal::Malformed,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, now, KeyUsage::server_auth())
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Nobody needs to know whom we trust.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates, now, KeyUsage::client_auth())
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What cannot be trusted because it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A certificate.
    #[error("not a certificate")]
    Certificate,
    /// A certificate of an authority.
    #[error("not a certificate of an authority")]
    Authority,
    /// A revocation list.
    #[error("not a revocation list")]
    List,
}

const NO_TLS12: Error = Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
