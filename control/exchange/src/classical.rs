//! The second proof of who a peer is: a classical signature within the channel (`auth = "mldsa+classical"`).

use std::sync::Arc;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::channel::AuthMessage;
use crate::pki::{Key, KeyKind, PkiError};
use crate::refusal::Refusal;
use crate::schedule::{BINDING_LABEL, Exporter, NotReady, Role, VERSION};
use crate::tls::{Check, Group, PeerTrust, SpkiHash, Trust, spki_hash};

/// Our classical key and whom we trust.
#[derive(Clone, Debug)]
pub struct Classical {
    key: Arc<Key>,
    certificate: CertificateDer<'static>,
    trust: Arc<Trust>,
}

impl Classical {
    /// A key with its certificate, and trust in others' classical keys.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] where the key is no classical one.
    pub fn new(
        key: Arc<Key>,
        certificate: CertificateDer<'static>,
        trust: Arc<Trust>,
    ) -> Result<Self, PkiError> {
        if !key.kind().is_classical() {
            return Err(PkiError::Key);
        }
        Ok(Self { key, certificate, trust })
    }

    pub(crate) fn spki(&self) -> SpkiHash {
        SpkiHash::of(&self.key.spki())
    }

    /// Our signature of the channel's binding.
    pub(crate) fn prove(&self, sender: Role, binding: &Binding) -> Result<AuthMessage, PkiError> {
        let scheme = if self.key.kind() == KeyKind::Ed25519 { ED25519 } else { ECDSA_P384 };
        let signature = self.key.sign(&binding.signed_by(sender))?;
        Ok(AuthMessage { scheme, certificate: self.certificate.to_vec(), signature })
    }

    /// The hash of the peer's classical key, if its signature is good and the key is that peer's.
    pub(crate) fn check(
        &self,
        message: &AuthMessage,
        sender: Role,
        binding: &Binding,
        peer: (&PeerTrust, UnixTime),
    ) -> Result<SpkiHash, Refusal> {
        let refused = Refusal::ClassicalSignature;
        let certificate = CertificateDer::from(message.certificate.as_slice());
        let usage = match sender {
            Role::Initiator => KeyUsage::client_auth(),
            Role::Responder => KeyUsage::server_auth(),
        };
        let check = Check { algorithms: &ALGORITHMS, usage };
        self.trust.check(&certificate, &[], peer.1, check).map_err(|_| refused)?;
        if !peer.0.is(&certificate) {
            return Err(refused);
        }
        let algorithm = match message.scheme {
            ED25519 => webpki::aws_lc_rs::ED25519,
            ECDSA_P384 => webpki::aws_lc_rs::ECDSA_P384_SHA384,
            _ => return Err(refused),
        };
        EndEntityCert::try_from(&certificate)
            .and_then(|shown| {
                shown.verify_signature(algorithm, &binding.signed_by(sender), &message.signature)
            })
            .map_err(|_| refused)?;
        spki_hash(&certificate).map_err(|_| refused)
    }
}

/// What ties the signature to this TLS session and these two ML-DSA keys.
pub(crate) struct Binding([u8; 48]);

impl Binding {
    pub(crate) fn new(
        exporter: &dyn Exporter,
        group: Group,
        initiator: SpkiHash,
        responder: SpkiHash,
    ) -> Result<Self, NotReady> {
        let context =
            [&VERSION.to_be_bytes()[..], &group.number().to_be_bytes(), &initiator.0, &responder.0].concat();
        let mut binding = [0; 48];
        exporter.export(BINDING_LABEL, &context, &mut binding)?;
        Ok(Self(binding))
    }

    fn signed_by(&self, sender: Role) -> Vec<u8> {
        [b"Wirewarden classical authentication v1\0".as_slice(), &[sender.number()], &self.0].concat()
    }
}

/// TLS signature schemes of what is signed with.
const ED25519: u16 = 0x0807;
const ECDSA_P384: u16 = 0x0503;

static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::aws_lc_rs::ED25519, webpki::aws_lc_rs::ECDSA_P384_SHA384],
    mapping: &[],
};
