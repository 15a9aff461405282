//! Private keys as files hold them: PKCS#8 (RFC 5958), for ML-DSA the seed alone (RFC 9881, section 6).

use super::PkiError;
use crate::primitive::{DsaSet, SEED_LEN, SlhSet};
use crate::secret::Secret;

/// Writes the seed of an ML-DSA key: 54 bytes.
pub(super) fn write_seed(set: DsaSet, seed: &Secret) -> Secret {
    let [prefix @ .., _, _, _, _, _] = ML_DSA_HEAD;
    let last = ML_DSA_LAST + set as u8;
    Secret::joined(&[&prefix, &[last, 0x04, 0x22, 0x80, 0x20], seed.expose()])
}

/// Writes a key of SLH-DSA (RFC 9909).
pub(super) fn write_slh(set: SlhSet, secret: &Secret) -> Secret {
    let length = secret.len();
    let octets: &[u8] = if length < 128 { &[0x04] } else { &[0x04, 0x81] };
    let inner = 3 + 13 + octets.len() + 1 + length;
    let outer: &[u8] = if inner < 128 { &[0x30] } else { &[0x30, 0x81] };
    let (inner, length) = (u8::try_from(inner).unwrap_or(u8::MAX), u8::try_from(length).unwrap_or(u8::MAX));
    let last = [slh_last(set)];
    Secret::joined(&[outer, &[inner], &VERSION, &OID_HEAD, &last, octets, &[length], secret.expose()])
}

/// What a PKCS#8 document holds.
pub(super) enum Found {
    MlDsa(DsaSet, Secret),
    Slh(SlhSet, Secret),
    /// Another algorithm: AWS-LC reads it.
    Other,
}

/// Reads a PKCS#8 document. Of an ML-DSA key both forms that hold the seed are read.
pub(super) fn read(document: &Secret) -> Result<Found, PkiError> {
    let (body, rest) = element(document.expose(), 0x30).ok_or(PkiError::Key)?;
    if !rest.is_empty() {
        return Err(PkiError::Key);
    }
    let (version, rest) = element(body, 0x02).ok_or(PkiError::Key)?;
    let (algorithm, rest) = element(rest, 0x30).ok_or(PkiError::Key)?;
    let (key, _) = element(rest, 0x04).ok_or(PkiError::Key)?;
    if !matches!(version, [0 | 1]) {
        return Err(PkiError::Key);
    }
    let Some([last]) = algorithm.strip_prefix(&OID_HEAD[2..]) else { return Ok(Found::Other) };
    if let Some(set) = DsaSet::ALL.into_iter().find(|set| ML_DSA_LAST + *set as u8 == *last) {
        return Ok(Found::MlDsa(set, seed_of(key)?));
    }
    let set = SlhSet::ALL.into_iter().find(|set| slh_last(*set) == *last).ok_or(PkiError::Key)?;
    if key.len() != set.secret_len() {
        return Err(PkiError::Key);
    }
    Ok(Found::Slh(set, Secret::copied(key)))
}

/// `[0] seed`, or a sequence of seed and expanded key, whose second part is made anew from the first.
fn seed_of(key: &[u8]) -> Result<Secret, PkiError> {
    let seed = match element(key, 0x80) {
        Some((seed, [])) => seed,
        Some(_) => return Err(PkiError::Key),
        None => {
            let Some((both, [])) = element(key, 0x30) else { return Err(PkiError::KeyWithoutSeed) };
            element(both, 0x04).ok_or(PkiError::Key)?.0
        }
    };
    if seed.len() == SEED_LEN { Ok(Secret::copied(seed)) } else { Err(PkiError::Key) }
}

/// The contents of the DER element with this tag that `bytes` begin with, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, short], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match short {
        0..=0x7F => (usize::from(short), rest),
        0x81 => rest
            .split_first()
            .filter(|(length, _)| **length >= 0x80)
            .map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

/// Version 0.
const VERSION: [u8; 3] = [0x02, 0x01, 0x00];
/// AlgorithmIdentifier of 2.16.840.1.101.3.4.3.x without parameters, up to x.
const OID_HEAD: [u8; 12] = [0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];
/// x of ML-DSA-44; 65 and 87 follow.
const ML_DSA_LAST: u8 = 17;
/// A whole document of ML-DSA up to the seed.
const ML_DSA_HEAD: [u8; 22] = [
    0x30, 0x34, 0x02, 0x01, 0x00, 0x30, 0x0B, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 17,
    0x04, 0x22, 0x80, 0x20,
];

const fn slh_last(set: SlhSet) -> u8 {
    match set {
        SlhSet::Sha2S128 => 20,
        SlhSet::Sha2S192 => 22,
        SlhSet::Sha2S256 => 24,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_seed_takes_54_bytes_and_is_read_back() {
        for set in DsaSet::ALL {
            let document = write_seed(set, &Secret::copied(&[9; 32]));
            assert_eq!(document.len(), 54);
            let Ok(Found::MlDsa(read, seed)) = read(&document) else { panic!("not read") };
            assert_eq!((read, seed.expose()), (set, [9; 32].as_slice()));
        }
    }

    #[test]
    fn aws_lc_writes_the_same_bytes() {
        use aws_lc_rs::signature::{ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair};
        let all = [&ML_DSA_44_SIGNING, &ML_DSA_65_SIGNING, &ML_DSA_87_SIGNING];
        for (set, algorithm) in DsaSet::ALL.into_iter().zip(all) {
            let theirs = PqdsaKeyPair::from_seed(algorithm, &[3; 32]).unwrap().to_pkcs8v1().unwrap();
            assert_eq!(write_seed(set, &Secret::copied(&[3; 32])).expose(), theirs.as_ref());
        }
    }

    #[test]
    fn slh_dsa_keys_are_read_back() {
        for set in SlhSet::ALL {
            let key: Vec<u8> = (0..).take(set.secret_len()).collect();
            let Ok(Found::Slh(read, secret)) = read(&write_slh(set, &Secret::copied(&key))) else {
                panic!("not read")
            };
            assert_eq!((read, secret.expose()), (set, key.as_slice()));
        }
    }

    #[test]
    fn the_form_with_seed_and_expanded_key_is_read_and_the_one_without_seed_named() {
        let mut key = vec![0x04, 0x20];
        key.extend([5; 32]);
        key.extend([0x04, 0x01, 0xFF]);
        let both = document(&[&[0x30, u8::try_from(key.len()).unwrap()], key.as_slice()].concat());
        assert!(matches!(read(&both), Ok(Found::MlDsa(DsaSet::MlDsa44, seed)) if seed.expose() == [5; 32]));
        assert!(matches!(read(&document(&[0x04, 0x01, 0xFF])), Err(PkiError::KeyWithoutSeed)));
    }

    fn document(key: &[u8]) -> Secret {
        let length = u8::try_from(key.len()).unwrap();
        Secret::joined(&[&[0x30, 3 + 13 + 2 + length], &VERSION, &OID_HEAD, &[17, 0x04, length], key])
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0_usize..54, to: u8) {
            let _ = read(&Secret::copied(&bytes));
            let mut damaged = write_seed(DsaSet::MlDsa65, &Secret::copied(&[1; 32])).expose().to_vec();
            damaged[at] = to;
            let _ = read(&Secret::copied(&damaged[..at]));
            let _ = read(&damaged.into());
        }
    }
}
