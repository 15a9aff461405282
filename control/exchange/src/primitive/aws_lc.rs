use aws_lc_rs::encoding::AsRawBytes;
use aws_lc_rs::kem::{self, DecapsulationKey, EncapsulationKey};
use aws_lc_rs::signature::{
    KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING,
    PqdsaKeyPair, PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm, UnparsedPublicKey,
};

use super::{
    Backend, DsaKey, DsaSet, Encapsulated, Kem, KemKeys, KemSet, PrimitiveError, SEED_LEN, Signatures,
    Signed, expect_len,
};
use crate::secret::Secret;

/// AWS-LC. Its own heap wipes what it frees.
#[derive(Debug)]
pub(super) struct AwsLc;

impl Kem for AwsLc {
    fn keypair(&self, set: KemSet) -> Result<KemKeys, PrimitiveError> {
        let failed = failed("ML-KEM key generation");
        let key = DecapsulationKey::generate(kem(set)).map_err(|_| failed)?;
        let public = key.encapsulation_key().and_then(|public| public.key_bytes()).map_err(|_| failed)?;
        let secret = key.key_bytes().map_err(|_| failed)?;
        Ok(KemKeys { public: public.as_ref().to_vec(), secret: Secret::copied(secret.as_ref()) })
    }

    fn keypair_of(&self, _: KemSet, _: &Secret) -> Result<KemKeys, PrimitiveError> {
        Err(PrimitiveError::Unsupported {
            backend: Backend::AwsLc,
            what: "ML-KEM key generation from a seed",
        })
    }

    fn encapsulate(&self, set: KemSet, public: &[u8]) -> Result<Encapsulated, PrimitiveError> {
        expect_len("encapsulation key", public.len(), set.public_len())?;
        let refused = PrimitiveError::Refused { what: "encapsulation key" };
        let key = EncapsulationKey::new(kem(set), public).map_err(|_| refused)?;
        let (ciphertext, shared) = key.encapsulate().map_err(|_| refused)?;
        Ok(Encapsulated { ciphertext: ciphertext.as_ref().to_vec(), shared: Secret::copied(shared.as_ref()) })
    }

    fn decapsulate(&self, set: KemSet, secret: &Secret, ciphertext: &[u8]) -> Result<Secret, PrimitiveError> {
        expect_len("decapsulation key", secret.len(), set.secret_len())?;
        expect_len("ciphertext", ciphertext.len(), set.ciphertext_len())?;
        let refused = PrimitiveError::Refused { what: "decapsulation key" };
        let key = DecapsulationKey::new(kem(set), secret.expose()).map_err(|_| refused)?;
        let shared = key.decapsulate(ciphertext.into()).map_err(|_| refused)?;
        Ok(Secret::copied(shared.as_ref()))
    }
}

impl Signatures for AwsLc {
    fn key(&self, set: DsaSet, seed: &Secret) -> Result<Box<dyn DsaKey>, PrimitiveError> {
        Ok(Box::new(Key { set, pair: pair(set, seed)? }))
    }

    fn verify(&self, set: DsaSet, public: &[u8], signed: Signed<'_>) -> Result<(), PrimitiveError> {
        if !signed.context.is_empty() {
            return Err(PrimitiveError::Unsupported { backend: Backend::AwsLc, what: "a context of ML-DSA" });
        }
        expect_len("public key", public.len(), set.public_len())?;
        expect_len("signature", signed.signature.len(), set.signature_len())?;
        UnparsedPublicKey::new(verification(set), public)
            .verify(signed.message, signed.signature)
            .map_err(|_| PrimitiveError::Refused { what: "signature" })
    }
}

/// Public key, and private key expanded, of a seed.
pub(super) fn expand(set: DsaSet, seed: &Secret) -> Result<(Vec<u8>, Secret), PrimitiveError> {
    let pair = pair(set, seed)?;
    let secret = pair.private_key().as_raw_bytes().map_err(|_| failed("ML-DSA key expansion"))?;
    Ok((pair.public_key().as_ref().to_vec(), Secret::copied(secret.as_ref())))
}

struct Key {
    set: DsaSet,
    pair: PqdsaKeyPair,
}

impl DsaKey for Key {
    fn set(&self) -> DsaSet {
        self.set
    }

    fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        let mut signature = vec![0; self.set.signature_len()];
        let length = self.pair.sign(message, &mut signature).map_err(|_| failed("ML-DSA signature"))?;
        signature.truncate(length);
        Ok(signature)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("set", &self.set).finish_non_exhaustive()
    }
}

fn pair(set: DsaSet, seed: &Secret) -> Result<PqdsaKeyPair, PrimitiveError> {
    expect_len("seed", seed.len(), SEED_LEN)?;
    PqdsaKeyPair::from_seed(signing(set), seed.expose()).map_err(|_| failed("ML-DSA key generation"))
}

fn kem(set: KemSet) -> &'static kem::Algorithm {
    match set {
        KemSet::MlKem512 => &kem::ML_KEM_512,
        KemSet::MlKem768 => &kem::ML_KEM_768,
        KemSet::MlKem1024 => &kem::ML_KEM_1024,
    }
}

fn signing(set: DsaSet) -> &'static PqdsaSigningAlgorithm {
    match set {
        DsaSet::MlDsa44 => &ML_DSA_44_SIGNING,
        DsaSet::MlDsa65 => &ML_DSA_65_SIGNING,
        DsaSet::MlDsa87 => &ML_DSA_87_SIGNING,
    }
}

fn verification(set: DsaSet) -> &'static PqdsaVerificationAlgorithm {
    match set {
        DsaSet::MlDsa44 => &ML_DSA_44,
        DsaSet::MlDsa65 => &ML_DSA_65,
        DsaSet::MlDsa87 => &ML_DSA_87,
    }
}

const fn failed(what: &'static str) -> PrimitiveError {
    PrimitiveError::Failed { backend: Backend::AwsLc, what }
}
