//! Names of public-key and signature algorithms by object identifier.
//!
//! Sources: RFC 8017 (RSA), RFC 5758 and RFC 5480 (DSA, ECDSA, curves), RFC 5639 (Brainpool), RFC 8410 (EdDSA, XDH),
//! RFC 9881 (ML-DSA), RFC 9909 (SLH-DSA), RFC 9935 (ML-KEM), RFC 9215 (GOST), GM/T 0006 (SM2).

/// Public-key algorithm of a certificate, by its object identifier: its name, and its size in bits where the
/// algorithm fixes it.
pub(super) fn key_algorithm(oid: &[u8]) -> Option<(&'static str, u16)> {
    let found = KEYS.iter().find(|(content, ..)| *content == oid)?;
    Some((found.1, found.2))
}

/// Named curve, by its object identifier: name and size in bits.
pub(super) fn curve(oid: &[u8]) -> Option<(&'static str, u16)> {
    let found = CURVES.iter().find(|(content, ..)| *content == oid)?;
    Some((found.1, found.2))
}

/// Signature algorithm, by its object identifier: name, and whether its hash is MD5, SHA-1 or older.
pub(super) fn signature(oid: &[u8]) -> Option<(&'static str, bool)> {
    if let [.., last] = oid
        && oid.starts_with(&NIST_SIGNATURES)
        && oid.len() == NIST_SIGNATURES.len() + 1
    {
        return post_quantum(*last).map(|name| (name, false));
    }
    let found = SIGNATURES.iter().find(|(content, ..)| *content == oid)?;
    Some((found.1, found.2))
}

/// 2.16.840.1.101.3.4.3: NIST's signature algorithms.
const NIST_SIGNATURES: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];

/// Name of the algorithm with this last arc under 2.16.840.1.101.3.4.3.
fn post_quantum(arc: u8) -> Option<&'static str> {
    Some(match arc {
        1 => "dsa-with-sha224",
        2 => "dsa-with-sha256",
        3 => "dsa-with-sha384",
        4 => "dsa-with-sha512",
        9 => "ecdsa-with-SHA3-224",
        10 => "ecdsa-with-SHA3-256",
        11 => "ecdsa-with-SHA3-384",
        12 => "ecdsa-with-SHA3-512",
        13 => "rsassa-pkcs1-v1_5-with-sha3-224",
        14 => "rsassa-pkcs1-v1_5-with-sha3-256",
        15 => "rsassa-pkcs1-v1_5-with-sha3-384",
        16 => "rsassa-pkcs1-v1_5-with-sha3-512",
        17 => "ML-DSA-44",
        18 => "ML-DSA-65",
        19 => "ML-DSA-87",
        20 => "SLH-DSA-SHA2-128s",
        21 => "SLH-DSA-SHA2-128f",
        22 => "SLH-DSA-SHA2-192s",
        23 => "SLH-DSA-SHA2-192f",
        24 => "SLH-DSA-SHA2-256s",
        25 => "SLH-DSA-SHA2-256f",
        26 => "SLH-DSA-SHAKE-128s",
        27 => "SLH-DSA-SHAKE-128f",
        28 => "SLH-DSA-SHAKE-192s",
        29 => "SLH-DSA-SHAKE-192f",
        30 => "SLH-DSA-SHAKE-256s",
        31 => "SLH-DSA-SHAKE-256f",
        32 => "HashML-DSA-44",
        33 => "HashML-DSA-65",
        34 => "HashML-DSA-87",
        _ => return None,
    })
}

/// Post-quantum algorithms use one identifier for keys and signatures.
pub(super) fn post_quantum_key(oid: &[u8]) -> Option<&'static str> {
    match oid.strip_prefix(&NIST_SIGNATURES)? {
        [arc @ 17..=31] => post_quantum(*arc),
        _ => None,
    }
}

static KEYS: &[(&[u8], &str, u16)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], "RSA", 0),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], "RSA-PSS", 0),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7], "RSA-OAEP", 0),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], "EC", 0),
    (&[0x2b, 0x65, 0x6e], "X25519", 256),
    (&[0x2b, 0x65, 0x6f], "X448", 448),
    (&[0x2b, 0x65, 0x70], "Ed25519", 256),
    (&[0x2b, 0x65, 0x71], "Ed448", 456),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], "DSA", 0),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3e, 2, 1], "DH", 0),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1], "DH", 0),
    (&[0x2a, 0x85, 3, 2, 2, 19], "GOST R 34.10-2001", 256),
    (&[0x2a, 0x85, 3, 7, 1, 1, 1, 1], "GOST R 34.10-2012-256", 256),
    (&[0x2a, 0x85, 3, 7, 1, 1, 1, 2], "GOST R 34.10-2012-512", 512),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 1], "ML-KEM-512", 0),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 2], "ML-KEM-768", 0),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 4, 3], "ML-KEM-1024", 0),
];

static CURVES: &[(&[u8], &str, u16)] = &[
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "secp256r1", 256),
    (&[0x2b, 0x81, 4, 0, 34], "secp384r1", 384),
    (&[0x2b, 0x81, 4, 0, 35], "secp521r1", 521),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1], "secp192r1", 192),
    (&[0x2b, 0x81, 4, 0, 33], "secp224r1", 224),
    (&[0x2b, 0x81, 4, 0, 10], "secp256k1", 256),
    (&[0x2b, 0x81, 4, 0, 31], "secp192k1", 192),
    (&[0x2b, 0x81, 4, 0, 32], "secp224k1", 224),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7], "brainpoolP256r1", 256),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11], "brainpoolP384r1", 384),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 13], "brainpoolP512r1", 512),
    (&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x82, 0x2d], "curveSM2", 256),
    (&[0x2b, 0x81, 4, 0, 16], "sect283k1", 283),
    (&[0x2b, 0x81, 4, 0, 17], "sect283r1", 283),
    (&[0x2b, 0x81, 4, 0, 36], "sect409k1", 409),
    (&[0x2b, 0x81, 4, 0, 37], "sect409r1", 409),
    (&[0x2b, 0x81, 4, 0, 38], "sect571k1", 571),
    (&[0x2b, 0x81, 4, 0, 39], "sect571r1", 571),
];

static SIGNATURES: &[(&[u8], &str, bool)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], "sha256WithRSAEncryption", false),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "ecdsa-with-SHA256", false),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], "ecdsa-with-SHA384", false),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5], "sha1WithRSAEncryption", true),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12], "sha384WithRSAEncryption", false),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13], "sha512WithRSAEncryption", false),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 14], "sha224WithRSAEncryption", false),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10], "RSASSA-PSS", false),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2], "md2WithRSAEncryption", true),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 3], "md4WithRSAEncryption", true),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4], "md5WithRSAEncryption", true),
    (&[0x2b, 0x0e, 3, 2, 29], "sha1WithRSA", true),
    (&[0x2b, 0x0e, 3, 2, 3], "md5WithRSA", true),
    (&[0x2b, 0x0e, 3, 2, 27], "dsaWithSHA1", true),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3], "dsa-with-sha1", true),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1], "ecdsa-with-SHA1", true),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1], "ecdsa-with-SHA224", false),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], "ecdsa-with-SHA512", false),
    (&[0x2b, 0x65, 0x70], "Ed25519", false),
    (&[0x2b, 0x65, 0x71], "Ed448", false),
    (&[0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75], "SM2-with-SM3", false),
    (&[0x2a, 0x85, 3, 2, 2, 3], "GOST R 34.11-94 with GOST R 34.10-2001", false),
    (&[0x2a, 0x85, 3, 7, 1, 1, 3, 2], "GOST R 34.10-2012-256", false),
    (&[0x2a, 0x85, 3, 7, 1, 1, 3, 3], "GOST R 34.10-2012-512", false),
];
