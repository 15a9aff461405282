//! Verification of ML-DSA and SLH-DSA for webpki, and which of it a profile takes.

use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use super::signing::{alg_id_of, scheme_of};
use crate::primitive::{Backend, DsaSet, Signed, SlhSet};
use crate::profile::Profile;

/// The signatures that any of `profiles` takes: ML-DSA for handshakes, SLH-DSA also on certificates and revocation lists.
pub(crate) fn algorithms(backend: Backend, profiles: &[Profile]) -> WebPkiSupportedAlgorithms {
    let table = match backend {
        Backend::Liboqs => &LIBOQS,
        Backend::AwsLc => &AWS_LC,
    };
    let sets = DsaSet::ALL.iter().filter(|set| profiles.iter().any(|profile| profile.accepts(**set))).count();
    WebPkiSupportedAlgorithms {
        all: table.all.get(..SlhSet::ALL.len() + sets).unwrap_or_default(),
        mapping: table.mapping.get(..sets).unwrap_or_default(),
    }
}

#[derive(Debug)]
struct MlDsa {
    backend: Backend,
    set: DsaSet,
}

impl SignatureVerificationAlgorithm for MlDsa {
    fn verify_signature(
        &self,
        public: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let signed = Signed { message, context: &[], signature };
        self.backend.signatures().verify(self.set, public, signed).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id_of(self.set)
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id_of(self.set)
    }
}

#[derive(Debug)]
struct SlhDsa(SlhSet);

impl SignatureVerificationAlgorithm for SlhDsa {
    fn verify_signature(
        &self,
        public: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.0.verify(public, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.public_key_alg_id()
    }
}

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// Strongest first, so that what a profile takes is always a front part.
struct Table {
    all: [Algorithm; 6],
    mapping: [(SignatureScheme, &'static [Algorithm]); 3],
}

static LIBOQS: Table = table(&LIBOQS_ML_DSA);
static AWS_LC: Table = table(&AWS_LC_ML_DSA);

const fn table(sets: &'static [[Algorithm; 1]; 3]) -> Table {
    let [[dsa87], [dsa65], [dsa44]] = *sets;
    let [of87, of65, of44] = sets;
    Table {
        all: [&SLH_128S, &SLH_192S, &SLH_256S, dsa87, dsa65, dsa44],
        mapping: [
            (scheme_of(DsaSet::MlDsa87), of87),
            (scheme_of(DsaSet::MlDsa65), of65),
            (scheme_of(DsaSet::MlDsa44), of44),
        ],
    }
}

static LIBOQS_ML_DSA: [[Algorithm; 1]; 3] = [
    [&MlDsa { backend: Backend::Liboqs, set: DsaSet::MlDsa87 }],
    [&MlDsa { backend: Backend::Liboqs, set: DsaSet::MlDsa65 }],
    [&MlDsa { backend: Backend::Liboqs, set: DsaSet::MlDsa44 }],
];
static AWS_LC_ML_DSA: [[Algorithm; 1]; 3] = [
    [&MlDsa { backend: Backend::AwsLc, set: DsaSet::MlDsa87 }],
    [&MlDsa { backend: Backend::AwsLc, set: DsaSet::MlDsa65 }],
    [&MlDsa { backend: Backend::AwsLc, set: DsaSet::MlDsa44 }],
];
static SLH_128S: SlhDsa = SlhDsa(SlhSet::Sha2S128);
static SLH_192S: SlhDsa = SlhDsa(SlhSet::Sha2S192);
static SLH_256S: SlhDsa = SlhDsa(SlhSet::Sha2S256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_takes_its_own_signature_and_the_stronger_ones() {
        let schemes = |profile| {
            algorithms(Backend::Liboqs, &[profile])
                .mapping
                .iter()
                .map(|(scheme, _)| u16::from(*scheme))
                .collect::<Vec<_>>()
        };
        assert_eq!(schemes(Profile::Cnsa2), [0x0906]);
        assert_eq!(schemes(Profile::Balanced), [0x0906, 0x0905]);
        assert_eq!(schemes(Profile::Constrained), [0x0906, 0x0905, 0x0904]);
        assert_eq!(algorithms(Backend::Liboqs, &[Profile::Cnsa2, Profile::Balanced]).mapping.len(), 2);
        assert_eq!(algorithms(Backend::AwsLc, &[Profile::Cnsa2]).all.len(), 4);
    }
}
