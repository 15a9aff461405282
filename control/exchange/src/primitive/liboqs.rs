use oqs::{kem, sig};

use super::{
    Backend, DsaKey, DsaSet, Encapsulated, Kem, KemKeys, KemSet, PrimitiveError, Signatures, Signed,
    expand_seed, expect_len,
};
use crate::secret::Secret;

/// liboqs. Its types print what they hold and are not wiped: here they never live longer than one expression, which
/// takes their allocation over.
#[derive(Debug)]
pub(super) struct Liboqs;

impl Kem for Liboqs {
    fn keypair(&self, set: KemSet) -> Result<KemKeys, PrimitiveError> {
        let (public, secret) = kem(set)?.keypair().map_err(|_| failed("ML-KEM key generation"))?;
        Ok(KemKeys { public: public.into_vec(), secret: secret.into_vec().into() })
    }

    fn keypair_of(&self, set: KemSet, seed: &Secret) -> Result<KemKeys, PrimitiveError> {
        let kem = kem(set)?;
        let expected = kem.length_keypair_seed();
        let seed = kem.keypair_seed_from_bytes(seed.expose()).ok_or(PrimitiveError::Length {
            what: "seed",
            length: seed.len(),
            expected,
        })?;
        let (public, secret) = kem.keypair_derand(seed).map_err(|_| failed("ML-KEM key generation"))?;
        Ok(KemKeys { public: public.into_vec(), secret: secret.into_vec().into() })
    }

    fn encapsulate(&self, set: KemSet, public: &[u8]) -> Result<Encapsulated, PrimitiveError> {
        expect_len("encapsulation key", public.len(), set.public_len())?;
        let kem = kem(set)?;
        let public =
            kem.public_key_from_bytes(public).ok_or(PrimitiveError::Refused { what: "encapsulation key" })?;
        let (ciphertext, shared) =
            kem.encapsulate(public).map_err(|_| PrimitiveError::Refused { what: "encapsulation key" })?;
        Ok(Encapsulated { ciphertext: ciphertext.into_vec(), shared: shared.into_vec().into() })
    }

    fn decapsulate(&self, set: KemSet, secret: &Secret, ciphertext: &[u8]) -> Result<Secret, PrimitiveError> {
        expect_len("decapsulation key", secret.len(), set.secret_len())?;
        expect_len("ciphertext", ciphertext.len(), set.ciphertext_len())?;
        let kem = kem(set)?;
        let refused = PrimitiveError::Refused { what: "decapsulation key" };
        let secret = kem.secret_key_from_bytes(secret.expose()).ok_or(refused)?;
        let ciphertext = kem.ciphertext_from_bytes(ciphertext).ok_or(refused)?;
        let shared = kem.decapsulate(secret, ciphertext).map_err(|_| refused)?;
        Ok(shared.into_vec().into())
    }
}

impl Signatures for Liboqs {
    fn key(&self, set: DsaSet, seed: &Secret) -> Result<Box<dyn DsaKey>, PrimitiveError> {
        let (public, secret) = expand_seed(set, seed)?;
        // liboqs reads as many bytes as its parameter set has, whatever it was given.
        expect_len("private key", secret.len(), set.secret_len())?;
        Ok(Box::new(Key { set, public, secret }))
    }

    fn verify(&self, set: DsaSet, public: &[u8], signed: Signed<'_>) -> Result<(), PrimitiveError> {
        expect_len("public key", public.len(), set.public_len())?;
        expect_len("signature", signed.signature.len(), set.signature_len())?;
        let refused = PrimitiveError::Refused { what: "signature" };
        let sig = sig(set)?;
        let public = sig.public_key_from_bytes(public).ok_or(refused)?;
        let signature = sig.signature_from_bytes(signed.signature).ok_or(refused)?;
        sig.verify_with_ctx_str(signed.message, signature, signed.context, public).map_err(|_| refused)
    }
}

struct Key {
    set: DsaSet,
    public: Vec<u8>,
    secret: Secret,
}

impl DsaKey for Key {
    fn set(&self) -> DsaSet {
        self.set
    }

    fn public(&self) -> &[u8] {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        let sig = sig(self.set)?;
        let secret = sig.secret_key_from_bytes(self.secret.expose()).ok_or(failed("ML-DSA private key"))?;
        Ok(sig.sign(message, secret).map_err(|_| failed("ML-DSA signature"))?.into_vec())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("set", &self.set).finish_non_exhaustive()
    }
}

fn kem(set: KemSet) -> Result<kem::Kem, PrimitiveError> {
    oqs::init();
    kem::Kem::new(match set {
        KemSet::MlKem512 => kem::Algorithm::MlKem512,
        KemSet::MlKem768 => kem::Algorithm::MlKem768,
        KemSet::MlKem1024 => kem::Algorithm::MlKem1024,
    })
    .map_err(|_| failed(set.name()))
}

fn sig(set: DsaSet) -> Result<sig::Sig, PrimitiveError> {
    oqs::init();
    sig::Sig::new(match set {
        DsaSet::MlDsa44 => sig::Algorithm::MlDsa44,
        DsaSet::MlDsa65 => sig::Algorithm::MlDsa65,
        DsaSet::MlDsa87 => sig::Algorithm::MlDsa87,
    })
    .map_err(|_| failed(set.name()))
}

const fn failed(what: &'static str) -> PrimitiveError {
    PrimitiveError::Failed { backend: Backend::Liboqs, what }
}
