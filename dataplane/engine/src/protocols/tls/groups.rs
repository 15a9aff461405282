//! Named groups of key exchange, and signature schemes: IANA's names, and which of them a quantum computer breaks.
//!
//! Sources: IANA "TLS Supported Groups" and "TLS SignatureScheme"; RFC 7919 (FFDHE), RFC 8422 (curves), RFC 8998
//! (SM2), draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem, draft-tls-westerbaan-xyber768d00, and for the numbers
//! that were used before those the tables of the Open Quantum Safe provider for OpenSSL.

use GroupKind::{Classical, Hybrid, PostQuantum, Short};

/// What a group's security rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Discrete logarithms, of at least 112 bits of security.
    Classical,
    /// Discrete logarithms in a group that is too small (NIST SP 800-57: below 112 bits of security).
    Short,
    /// A classical group and a post-quantum KEM.
    Hybrid,
    /// A post-quantum KEM alone.
    PostQuantum,
}

/// A named group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// IANA's number.
    pub code: u16,
    /// IANA's name.
    pub name: &'static str,
    /// What its security rests on.
    pub kind: GroupKind,
}

/// Who sent a key share; a KEM's public key and its ciphertext differ in length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareFrom {
    /// `KeyShareClientHello` (RFC 8446 4.2.8): an encapsulation key.
    Client,
    /// `KeyShareServerHello`: a ciphertext.
    Server,
}

impl Group {
    /// The group of a number alone.
    #[must_use]
    pub fn of(code: u16) -> Option<&'static Self> {
        let at = GROUPS.binary_search_by_key(&code, |group| group.code).ok()?;
        GROUPS.get(at)
    }

    /// The group of a number and the length of a share of it: numbers that experiments used before IANA gave them
    /// away are told apart by that length. None where neither meaning fits.
    #[must_use]
    pub fn of_share(code: u16, len: usize, from: ShareFrom) -> Option<&'static Self> {
        let [client, server, frodo_client, frodo_server] = match code {
            0x0200 => [800, 768, 9616, 9720],
            0x0201 => [1184, 1088, 9616, 9720],
            0x0202 => [1568, 1568, 15632, 15744],
            _ => return Self::of(code),
        };
        let (standard, experiment) = match from {
            ShareFrom::Client => (client, frodo_client),
            ShareFrom::Server => (server, frodo_server),
        };
        if len == standard {
            return Self::of(code);
        }
        FRODO.iter().find(|group| group.code == code && len == experiment)
    }
}

/// Whether a value is one of those that clients send to keep servers tolerant (RFC 8701).
#[must_use]
pub const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && high & 0x0f == 0x0a
}

/// Name of a signature scheme (IANA "TLS SignatureScheme"; pairs of hash and signature of TLS 1.2, RFC 5246
/// 7.4.1.4.1, that have no name there are called alike).
#[must_use]
pub fn scheme_name(code: u16) -> Option<&'static str> {
    let at = SCHEMES.binary_search_by_key(&code, |scheme| scheme.0).ok()?;
    SCHEMES.get(at).map(|scheme| scheme.1)
}

/// Whether a signature scheme rests on MD5 or SHA-1 (RFC 9155).
#[must_use]
pub const fn is_weak_scheme(code: u16) -> bool {
    matches!(code >> 8, 1 | 2) && matches!(code & 0xff, 1..=3)
}

const fn group(code: u16, name: &'static str, kind: GroupKind) -> Group {
    Group { code, name, kind }
}

/// FrodoKEM as the Open Quantum Safe project numbered it, before IANA gave the numbers to ML-KEM.
static FRODO: [Group; 3] = [
    group(0x0200, "frodo640aes", PostQuantum),
    group(0x0201, "frodo640shake", PostQuantum),
    group(0x0202, "frodo976aes", PostQuantum),
];

/// Every known group, by number.
static GROUPS: &[Group] = &[
    group(0x0001, "sect163k1", Short),
    group(0x0002, "sect163r1", Short),
    group(0x0003, "sect163r2", Short),
    group(0x0004, "sect193r1", Short),
    group(0x0005, "sect193r2", Short),
    group(0x0006, "sect233k1", Classical),
    group(0x0007, "sect233r1", Classical),
    group(0x0008, "sect239k1", Classical),
    group(0x0009, "sect283k1", Classical),
    group(0x000a, "sect283r1", Classical),
    group(0x000b, "sect409k1", Classical),
    group(0x000c, "sect409r1", Classical),
    group(0x000d, "sect571k1", Classical),
    group(0x000e, "sect571r1", Classical),
    group(0x000f, "secp160k1", Short),
    group(0x0010, "secp160r1", Short),
    group(0x0011, "secp160r2", Short),
    group(0x0012, "secp192k1", Short),
    group(0x0013, "secp192r1", Short),
    group(0x0014, "secp224k1", Classical),
    group(0x0015, "secp224r1", Classical),
    group(0x0016, "secp256k1", Classical),
    group(0x0017, "secp256r1", Classical),
    group(0x0018, "secp384r1", Classical),
    group(0x0019, "secp521r1", Classical),
    group(0x001a, "brainpoolP256r1", Classical),
    group(0x001b, "brainpoolP384r1", Classical),
    group(0x001c, "brainpoolP512r1", Classical),
    group(0x001d, "x25519", Classical),
    group(0x001e, "x448", Classical),
    group(0x001f, "brainpoolP256r1tls13", Classical),
    group(0x0020, "brainpoolP384r1tls13", Classical),
    group(0x0021, "brainpoolP512r1tls13", Classical),
    group(0x0022, "GC256A", Classical),
    group(0x0023, "GC256B", Classical),
    group(0x0024, "GC256C", Classical),
    group(0x0025, "GC256D", Classical),
    group(0x0026, "GC512A", Classical),
    group(0x0027, "GC512B", Classical),
    group(0x0028, "GC512C", Classical),
    group(0x0029, "curveSM2", Classical),
    group(0x0100, "ffdhe2048", Classical),
    group(0x0101, "ffdhe3072", Classical),
    group(0x0102, "ffdhe4096", Classical),
    group(0x0103, "ffdhe6144", Classical),
    group(0x0104, "ffdhe8192", Classical),
    group(0x0200, "MLKEM512", PostQuantum),
    group(0x0201, "MLKEM768", PostQuantum),
    group(0x0202, "MLKEM1024", PostQuantum),
    group(0x023a, "kyber512", PostQuantum),
    group(0x023c, "kyber768", PostQuantum),
    group(0x023d, "kyber1024", PostQuantum),
    group(0x11eb, "SecP256r1MLKEM768", Hybrid),
    group(0x11ec, "X25519MLKEM768", Hybrid),
    group(0x11ed, "SecP384r1MLKEM1024", Hybrid),
    group(0x11ee, "curveSM2MLKEM768", Hybrid),
    group(0x2f39, "x25519_kyber512", Hybrid),
    group(0x2f3a, "p256_kyber512", Hybrid),
    group(0x2f3c, "p384_kyber768", Hybrid),
    group(0x2f3d, "p521_kyber1024", Hybrid),
    group(0x2f90, "x448_kyber768", Hybrid),
    group(0x4138, "CECPQ2", Hybrid),
    group(0x6399, "X25519Kyber768Draft00", Hybrid),
    group(0x639a, "SecP256r1Kyber768Draft00", Hybrid),
    group(0xfe30, "X25519Kyber512Draft00", Hybrid),
    group(0xfe31, "X25519Kyber768Draft00Old", Hybrid),
    group(0xfe32, "P256Kyber768Draft00", Hybrid),
    group(0xff01, "arbitrary_explicit_prime_curves", Classical),
    group(0xff02, "arbitrary_explicit_char2_curves", Classical),
];

/// Every known signature scheme, by number.
static SCHEMES: &[(u16, &str)] = &[
    (0x0101, "rsa_pkcs1_md5"),
    (0x0102, "dsa_md5"),
    (0x0103, "ecdsa_md5"),
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0420, "rsa_pkcs1_sha256_legacy"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0502, "dsa_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0520, "rsa_pkcs1_sha384_legacy"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0602, "dsa_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0620, "rsa_pkcs1_sha512_legacy"),
    (0x0704, "eccsi_sha256"),
    (0x0705, "iso_ibs1"),
    (0x0706, "iso_ibs2"),
    (0x0707, "iso_chinese_ibs"),
    (0x0708, "sm2sig_sm3"),
    (0x0709, "gostr34102012_256a"),
    (0x070a, "gostr34102012_256b"),
    (0x070b, "gostr34102012_256c"),
    (0x070c, "gostr34102012_256d"),
    (0x070d, "gostr34102012_512a"),
    (0x070e, "gostr34102012_512b"),
    (0x070f, "gostr34102012_512c"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256"),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384"),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
    (0x0911, "slhdsa_sha2_128s"),
    (0x0912, "slhdsa_sha2_128f"),
    (0x0913, "slhdsa_sha2_192s"),
    (0x0914, "slhdsa_sha2_192f"),
    (0x0915, "slhdsa_sha2_256s"),
    (0x0916, "slhdsa_sha2_256f"),
    (0x0917, "slhdsa_shake_128s"),
    (0x0918, "slhdsa_shake_128f"),
    (0x0919, "slhdsa_shake_192s"),
    (0x091a, "slhdsa_shake_192f"),
    (0x091b, "slhdsa_shake_256s"),
    (0x091c, "slhdsa_shake_256f"),
    (0xeeee, "gostr34102012_256"),
    (0xefef, "gostr34102012_512"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_so_that_every_entry_is_found() {
        assert!(GROUPS.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(SCHEMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(Group::of(0x11ec).map(|group| group.name), Some("X25519MLKEM768"));
        assert_eq!(scheme_name(0x0905), Some("mldsa65"));
    }

    #[test]
    fn a_number_with_two_meanings_is_told_by_the_length_of_the_share() {
        let named = |code, len, from| Group::of_share(code, len, from).map(|group| group.name);
        assert_eq!(named(0x0201, 1088, ShareFrom::Server), Some("MLKEM768"));
        assert_eq!(named(0x0201, 1184, ShareFrom::Client), Some("MLKEM768"));
        assert_eq!(named(0x0201, 9720, ShareFrom::Server), Some("frodo640shake"));
        assert_eq!(named(0x0201, 1184, ShareFrom::Server), None);
        assert_eq!(named(0x001d, 32, ShareFrom::Server), Some("x25519"));
    }

    #[test]
    fn grease_is_two_equal_bytes_that_end_in_a() {
        assert!([0x0a0a, 0x1a1a, 0xfafa].into_iter().all(is_grease));
        assert!([0x0a1a, 0x0b0b, 0x1301, 0x11ec].into_iter().all(|value| !is_grease(value)));
    }

    #[test]
    fn md5_and_sha1_signatures_are_weak_and_modern_ones_are_not() {
        assert!([0x0101, 0x0201, 0x0203].into_iter().all(is_weak_scheme));
        assert!([0x0301, 0x0401, 0x0804, 0x0905].into_iter().all(|code| !is_weak_scheme(code)));
    }
}
