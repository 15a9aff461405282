use aws_lc_rs::digest::{SHA256, digest};

use super::Row;
use super::vectors::{Vector, Verification};
use crate::primitive::{Backend, DsaSet, KemSet, PrimitiveError, Signed, expand_seed, fresh_seed};
use crate::secret::Secret;

pub(super) const KEM_KEYS: &str = "ACVP ML-KEM keyGen";
pub(super) const DECAPSULATION: &str = "ACVP ML-KEM decapsulation";
pub(super) const DSA_KEYS: &str = "ACVP ML-DSA keyGen";
pub(super) const VERIFICATION: &str = "ACVP ML-DSA sigVer";
const MALFORMED: &str = "malformed keys, ciphertexts and signatures";

/// The ACVP vectors on one library.
pub(super) fn known_answers(backend: Backend, vectors: &[Vector]) -> [Row; 4] {
    let row = |what| Row::new(backend.name(), what);
    let mut rows = [row(KEM_KEYS), row(DECAPSULATION), row(DSA_KEYS), row(VERIFICATION)];
    let [kem_keys, decapsulation, dsa_keys, verification] = &mut rows;
    for vector in vectors {
        match *vector {
            Vector::KemKeys { set, seed, digest } => kem_keys.count(
                backend
                    .kem()
                    .keypair_of(set, &Secret::copied(seed))
                    .map(|keys| is_digest(&keys.public, &keys.secret, digest)),
            ),
            Vector::Decapsulation { set, secret, ciphertext, shared } => decapsulation.count(
                backend
                    .kem()
                    .decapsulate(set, &Secret::copied(secret), ciphertext)
                    .map(|got| got == Secret::copied(shared)),
            ),
            Vector::DsaKeys { set, seed, digest } => dsa_keys.count(dsa_keys_of(backend, set, seed, digest)),
            Vector::Verification(vector) => verification.count(verify(backend, &vector)),
        }
    }
    rows
}

/// The expansion is AWS-LC's for both; with liboqs, a signature by the expanded key must also be good.
fn dsa_keys_of(backend: Backend, set: DsaSet, seed: &[u8], digest: &[u8]) -> Result<bool, PrimitiveError> {
    let seed = Secret::copied(seed);
    let (public, secret) = expand_seed(set, &seed)?;
    let signature = backend.signatures().key(set, &seed)?.sign(MESSAGE)?;
    let signed = Signed { message: MESSAGE, context: &[], signature: &signature };
    backend.signatures().verify(set, &public, signed)?;
    Ok(is_digest(&public, &secret, digest))
}

fn is_digest(public: &[u8], secret: &Secret, expected: &[u8]) -> bool {
    digest(&SHA256, Secret::joined(&[public, secret.expose()]).expose()).as_ref() == expected
}

fn verify(backend: Backend, vector: &Verification) -> Result<bool, PrimitiveError> {
    let Verification { set, public, message, context, signature, good } = *vector;
    let signed = Signed { message, context, signature };
    let refused = is_refused(backend.signatures().verify(set, public, signed))?;
    Ok(refused != good)
}

/// What must be refused, and the ciphertexts that must give another secret instead (FIPS 203, sections 6.3 and 7).
pub(super) fn malformed(backend: Backend) -> Row {
    let mut row = Row::new(backend.name(), MALFORMED);
    for set in KemSet::ALL {
        row.count(unreduced_key_is_refused(backend, set));
        row.count(damaged_key_is_refused(backend, set));
        row.count(changed_ciphertext_gives_another_secret(backend, set));
        row.count(short_input_is_refused(backend, set));
    }
    for set in DsaSet::ALL {
        row.count(changed_signature_is_refused(backend, set));
        row.count(short_signature_is_refused(backend, set));
    }
    row
}

fn unreduced_key_is_refused(backend: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let mut public = backend.kem().keypair(set)?.public;
    // The first coefficient becomes 4,095, which is not below the modulus of 3,329.
    for byte in public.iter_mut().take(2) {
        *byte = 0xFF;
    }
    is_refused(backend.kem().encapsulate(set, &public))
}

fn damaged_key_is_refused(backend: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let keys = backend.kem().keypair(set)?;
    let ciphertext = backend.kem().encapsulate(set, &keys.public)?.ciphertext;
    // The decapsulation key ends in H(ek) ‖ z, 32 bytes each.
    let damaged = flipped(keys.secret.expose(), set.secret_len() - 40);
    is_refused(backend.kem().decapsulate(set, &damaged.into(), &ciphertext))
}

fn changed_ciphertext_gives_another_secret(backend: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let keys = backend.kem().keypair(set)?;
    let sent = backend.kem().encapsulate(set, &keys.public)?;
    let changed = flipped(&sent.ciphertext, 100);
    let got = backend.kem().decapsulate(set, &keys.secret, &changed)?;
    let again = backend.kem().decapsulate(set, &keys.secret, &changed)?;
    Ok(got != sent.shared && got == again)
}

fn short_input_is_refused(backend: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let keys = backend.kem().keypair(set)?;
    let sent = backend.kem().encapsulate(set, &keys.public)?;
    let all_but_one = |bytes: &[u8]| bytes.get(1..).unwrap_or_default().to_vec();
    Ok(is_refused(backend.kem().encapsulate(set, &all_but_one(&keys.public)))?
        && is_refused(backend.kem().decapsulate(set, &keys.secret, &all_but_one(&sent.ciphertext)))?
        && is_refused(backend.kem().decapsulate(
            set,
            &all_but_one(keys.secret.expose()).into(),
            &sent.ciphertext,
        ))?)
}

fn changed_signature_is_refused(backend: Backend, set: DsaSet) -> Result<bool, PrimitiveError> {
    let key = backend.signatures().key(set, &fresh_seed()?)?;
    let signature = key.sign(MESSAGE)?;
    let ends = [0, set.signature_len() / 2, set.signature_len() - 1];
    for changed in ends.map(|at| flipped(&signature, at)) {
        let signed = Signed { message: MESSAGE, context: &[], signature: &changed };
        if !is_refused(backend.signatures().verify(set, key.public(), signed))? {
            return Ok(false);
        }
    }
    let other = Signed { message: b"another message", context: &[], signature: &signature };
    is_refused(backend.signatures().verify(set, key.public(), other))
}

fn short_signature_is_refused(backend: Backend, set: DsaSet) -> Result<bool, PrimitiveError> {
    let key = backend.signatures().key(set, &fresh_seed()?)?;
    let signature = key.sign(MESSAGE)?;
    let short = signature.get(1..).unwrap_or_default();
    let signed = Signed { message: MESSAGE, context: &[], signature: short };
    is_refused(backend.signatures().verify(set, key.public(), signed))
}

/// Each library on what the other made.
pub(super) fn crossed() -> [Row; 3] {
    let row = |what| Row::new("liboqs+aws-lc", what);
    let mut rows = [
        row("each decapsulates the other's"),
        row("each verifies the other's"),
        row("same implicit rejection"),
    ];
    let [kem, signatures, rejection] = &mut rows;
    for (one, other) in [(Backend::Liboqs, Backend::AwsLc), (Backend::AwsLc, Backend::Liboqs)] {
        for set in KemSet::ALL {
            kem.count(decapsulates(one, other, set));
            rejection.count(rejects_alike(one, other, set));
        }
        for set in DsaSet::ALL {
            signatures.count(verifies(one, other, set));
        }
    }
    rows
}

fn decapsulates(one: Backend, other: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let keys = one.kem().keypair(set)?;
    let sent = other.kem().encapsulate(set, &keys.public)?;
    Ok(one.kem().decapsulate(set, &keys.secret, &sent.ciphertext)? == sent.shared)
}

fn rejects_alike(one: Backend, other: Backend, set: KemSet) -> Result<bool, PrimitiveError> {
    let keys = one.kem().keypair(set)?;
    let sent = one.kem().encapsulate(set, &keys.public)?;
    let changed = flipped(&sent.ciphertext, set.ciphertext_len() - 1);
    let here = one.kem().decapsulate(set, &keys.secret, &changed)?;
    Ok(here == other.kem().decapsulate(set, &keys.secret, &changed)? && here != sent.shared)
}

fn verifies(one: Backend, other: Backend, set: DsaSet) -> Result<bool, PrimitiveError> {
    let key = one.signatures().key(set, &fresh_seed()?)?;
    let signature = key.sign(MESSAGE)?;
    let signed = Signed { message: MESSAGE, context: &[], signature: &signature };
    other.signatures().verify(set, key.public(), signed).map(|()| true)
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    bytes
}

/// Refusals are what is wanted; not to reach the case, or to fail in it, is told.
fn is_refused<T>(result: Result<T, PrimitiveError>) -> Result<bool, PrimitiveError> {
    match result.map(drop) {
        Ok(()) => Ok(false),
        Err(PrimitiveError::Refused { .. } | PrimitiveError::Length { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

const MESSAGE: &[u8] = b"a message of the self-test";
