//! Hashes of what comes again and again: a server sends the same certificate to everybody, and the hellos of one
//! program offer the same. Comparing the bytes costs a twentieth of hashing them.

use core::cell::RefCell;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// SHA-1 and SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CertificateDigests {
    pub(super) sha1: [u8; 20],
    pub(super) sha256: [u8; 32],
}

/// Hashes of a certificate's encoding.
pub(super) fn of_certificate(encoding: &[u8]) -> CertificateDigests {
    let make = |encoding: &[u8]| CertificateDigests {
        sha1: Sha1::digest(encoding).into(),
        sha256: Sha256::digest(encoding).into(),
    };
    SEEN.with_borrow_mut(|seen| seen.certificates.get(encoding, make))
}

/// MD5 of a JA3 or JA3S string.
pub(super) fn md5(text: &[u8]) -> [u8; 16] {
    SEEN.with_borrow_mut(|seen| seen.ja3.get(text, |text| Md5::digest(text).into()))
}

/// SHA-256 of a list of JA4.
pub(super) fn sha256(text: &[u8]) -> [u8; 32] {
    SEEN.with_borrow_mut(|seen| seen.ja4.get(text, |text| Sha256::digest(text).into()))
}

/// What a thread hashed last.
#[derive(Debug)]
struct Seen {
    certificates: Memo<CertificateDigests, 256, 4096>,
    ja3: Memo<[u8; 16], 256, 1024>,
    ja4: Memo<[u8; 32], 256, 1024>,
}

thread_local! {
    // A worker is a thread, and it has thousands of parsers.
    static SEEN: RefCell<Seen> =
        const { RefCell::new(Seen { certificates: Memo::new(), ja3: Memo::new(), ja4: Memo::new() }) };
}

/// The last bytes of each of `PLACES` kinds, `LONGEST` at most, and their hash.
#[derive(Debug)]
struct Memo<H, const PLACES: usize, const LONGEST: usize> {
    places: Vec<(Vec<u8>, H)>,
}

impl<H: Copy + Default, const PLACES: usize, const LONGEST: usize> Memo<H, PLACES, LONGEST> {
    const fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// The hash of `bytes`, which `make` makes where they are not those seen last at their place.
    fn get(&mut self, bytes: &[u8], make: impl Fn(&[u8]) -> H) -> H {
        if bytes.is_empty() || bytes.len() > LONGEST {
            return make(bytes);
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Default::default);
        }
        let Some((seen, hash)) = self.places.get_mut(place(bytes) % PLACES) else { return make(bytes) };
        if seen != bytes {
            *hash = make(bytes);
            seen.clear();
            seen.extend_from_slice(bytes);
        }
        *hash
    }
}

/// Where bytes belong, by 32 each of their beginning, middle and end. Whoever makes them meet only has them hashed.
fn place(bytes: &[u8]) -> usize {
    const PART: usize = 32;
    let middle = bytes.len() / 2;
    let end = bytes.len().saturating_sub(PART);
    let mut sum = bytes.len() as u64;
    for start in [0, middle, end] {
        let part = bytes.get(start..).unwrap_or_default();
        for word in part.as_chunks::<8>().0.iter().take(PART / 8) {
            sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
        }
    }
    // The upper bits of a product are the mixed ones.
    usize::try_from(sum >> 40).unwrap_or_default()
}

/// 2^64 divided by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: usize, len: usize) -> Vec<u8> {
        (0..len).map(|at| u8::try_from((at * 31 + seed * 7919) % 251).unwrap()).collect()
    }

    #[test]
    fn hashes_are_those_of_the_bytes_whatever_came_before() {
        for round in 0..3 {
            for seed in 0..1000 {
                let bytes = sample(seed, (seed * 13 + round) % 5000);
                let both = of_certificate(&bytes);
                assert_eq!(both.sha1, <[u8; 20]>::from(Sha1::digest(&bytes)));
                assert_eq!(both.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)));
                assert_eq!(md5(&bytes), <[u8; 16]>::from(Md5::digest(&bytes)));
                assert_eq!(sha256(&bytes), <[u8; 32]>::from(Sha256::digest(&bytes)));
            }
        }
    }

    #[test]
    fn what_meets_at_one_place_is_told_apart() {
        // Parts that the place does not look at.
        let (one, mut other) = (sample(1, 1000), sample(1, 1000));
        other[100] ^= 1;
        assert_eq!(place(&one), place(&other));
        for bytes in [&one, &other, &one] {
            assert_eq!(of_certificate(bytes).sha256, <[u8; 32]>::from(Sha256::digest(bytes)));
        }
    }

    #[test]
    fn a_hash_is_made_once_and_what_is_long_is_not_kept() {
        let made = core::cell::Cell::new(0);
        let make = |_: &[u8]| made.replace(made.get() + 1);
        let mut memo = Memo::<i32, 16, 64>::new();
        let texts = [sample(3, 64), sample(3, 65), Vec::new()];
        for _ in 0..4 {
            for text in &texts {
                memo.get(text, make);
            }
        }
        assert_eq!(made.get(), 1 + 4 + 4);
        assert!(memo.places.iter().all(|(seen, _)| seen.len() <= 64));
    }

    #[test]
    fn different_bytes_have_different_places_mostly() {
        let places: std::collections::HashSet<usize> = (0..256)
            .map(|seed: usize| place(format!("771,{seed}-4865-4866,0-23-65281,29-23-24,0").as_bytes()) % 256)
            .collect();
        assert!(places.len() > 128, "{}", places.len());
    }
}
