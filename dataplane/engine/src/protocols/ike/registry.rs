//! Names of algorithms and messages: IANA "Internet Key Exchange Version 2 (IKEv2) Parameters" and "Internet Key
//! Exchange (IKE) Attributes".

use super::message::Version;
use super::proposal::{Transform, kind};

/// IANA's name of an algorithm.
pub(super) fn name(transform: &Transform, version: Version) -> Option<&'static str> {
    match (version, transform.kind) {
        (_, kind::KEY_EXCHANGE) => key_exchange(transform.id),
        (Version::Two, kind::ENCRYPTION) => encryption(transform.id),
        (Version::Two, kind::PRF) => prf(transform.id),
        (Version::Two, kind::INTEGRITY) => integrity(transform.id),
        (Version::Two, kind::SEQUENCE_NUMBERS) => {
            Some(if transform.id == 0 { "No Extended Sequence Numbers" } else { "Extended Sequence Numbers" })
        }
        (Version::Two, other) if kind::ADDITIONAL.contains(&other) => key_exchange(transform.id),
        (Version::One, kind::ENCRYPTION) => encryption_one(transform.id),
        (Version::One, kind::PRF) => hash_one(transform.id),
        (Version::One, kind::AUTHENTICATION) => authentication_one(transform.id),
        _ => None,
    }
}

/// Key exchange methods, "Transform Type 4"; version 1's groups have the same numbers.
pub(super) const fn key_exchange(id: u16) -> Option<&'static str> {
    Some(match id {
        0 => "NONE",
        1 => "768-bit MODP Group",
        2 => "1024-bit MODP Group",
        5 => "1536-bit MODP Group",
        14 => "2048-bit MODP Group",
        15 => "3072-bit MODP Group",
        16 => "4096-bit MODP Group",
        17 => "6144-bit MODP Group",
        18 => "8192-bit MODP Group",
        19 => "256-bit random ECP group",
        20 => "384-bit random ECP group",
        21 => "521-bit random ECP group",
        22 => "1024-bit MODP Group with 160-bit Prime Order Subgroup",
        23 => "2048-bit MODP Group with 224-bit Prime Order Subgroup",
        24 => "2048-bit MODP Group with 256-bit Prime Order Subgroup",
        25 => "192-bit Random ECP Group",
        26 => "224-bit Random ECP Group",
        27 => "brainpoolP224r1",
        28 => "brainpoolP256r1",
        29 => "brainpoolP384r1",
        30 => "brainpoolP512r1",
        31 => "Curve25519",
        32 => "Curve448",
        33 => "GOST3410_2012_256",
        34 => "GOST3410_2012_512",
        35 => "ml-kem-512",
        36 => "ml-kem-768",
        37 => "ml-kem-1024",
        _ => return None,
    })
}

const fn encryption(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "ENCR_DES_IV64",
        2 => "ENCR_DES",
        3 => "ENCR_3DES",
        4 => "ENCR_RC5",
        5 => "ENCR_IDEA",
        6 => "ENCR_CAST",
        7 => "ENCR_BLOWFISH",
        8 => "ENCR_3IDEA",
        9 => "ENCR_DES_IV32",
        11 => "ENCR_NULL",
        12 => "ENCR_AES_CBC",
        13 => "ENCR_AES_CTR",
        14 => "ENCR_AES_CCM_8",
        15 => "ENCR_AES_CCM_12",
        16 => "ENCR_AES_CCM_16",
        18 => "ENCR_AES_GCM_8",
        19 => "ENCR_AES_GCM_12",
        20 => "ENCR_AES_GCM_16",
        21 => "ENCR_NULL_AUTH_AES_GMAC",
        23 => "ENCR_CAMELLIA_CBC",
        24 => "ENCR_CAMELLIA_CTR",
        25 => "ENCR_CAMELLIA_CCM_8",
        26 => "ENCR_CAMELLIA_CCM_12",
        27 => "ENCR_CAMELLIA_CCM_16",
        28 => "ENCR_CHACHA20_POLY1305",
        29 => "ENCR_AES_CCM_8_IIV",
        30 => "ENCR_AES_GCM_16_IIV",
        31 => "ENCR_CHACHA20_POLY1305_IIV",
        32 => "ENCR_KUZNYECHIK_MGM_KTREE",
        33 => "ENCR_MAGMA_MGM_KTREE",
        34 => "ENCR_KUZNYECHIK_MGM_MAC_KTREE",
        35 => "ENCR_MAGMA_MGM_MAC_KTREE",
        _ => return None,
    })
}

const fn prf(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "PRF_HMAC_MD5",
        2 => "PRF_HMAC_SHA1",
        3 => "PRF_HMAC_TIGER",
        4 => "PRF_AES128_XCBC",
        5 => "PRF_HMAC_SHA2_256",
        6 => "PRF_HMAC_SHA2_384",
        7 => "PRF_HMAC_SHA2_512",
        8 => "PRF_AES128_CMAC",
        9 => "PRF_HMAC_STREEBOG_512",
        _ => return None,
    })
}

const fn integrity(id: u16) -> Option<&'static str> {
    Some(match id {
        0 => "NONE",
        1 => "AUTH_HMAC_MD5_96",
        2 => "AUTH_HMAC_SHA1_96",
        3 => "AUTH_DES_MAC",
        4 => "AUTH_KPDK_MD5",
        5 => "AUTH_AES_XCBC_96",
        6 => "AUTH_HMAC_MD5_128",
        7 => "AUTH_HMAC_SHA1_160",
        8 => "AUTH_AES_CMAC_96",
        9 => "AUTH_AES_128_GMAC",
        10 => "AUTH_AES_192_GMAC",
        11 => "AUTH_AES_256_GMAC",
        12 => "AUTH_HMAC_SHA2_256_128",
        13 => "AUTH_HMAC_SHA2_384_192",
        14 => "AUTH_HMAC_SHA2_512_256",
        _ => return None,
    })
}

const fn encryption_one(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "DES-CBC",
        2 => "IDEA-CBC",
        3 => "Blowfish-CBC",
        4 => "RC5-R16-B64-CBC",
        5 => "3DES-CBC",
        6 => "CAST-CBC",
        7 => "AES-CBC",
        8 => "CAMELLIA-CBC",
        _ => return None,
    })
}

const fn hash_one(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "MD5",
        2 => "SHA",
        3 => "Tiger",
        4 => "SHA2-256",
        5 => "SHA2-384",
        6 => "SHA2-512",
        _ => return None,
    })
}

const fn authentication_one(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "pre-shared key",
        2 => "DSS signatures",
        3 => "RSA signatures",
        4 => "Encryption with RSA",
        5 => "Revised encryption with RSA",
        9 => "ECDSA with SHA-256 on the P-256 curve",
        10 => "ECDSA with SHA-384 on the P-384 curve",
        11 => "ECDSA with SHA-512 on the P-521 curve",
        // draft-ietf-ipsec-isakmp-xauth, draft-ietf-ipsec-isakmp-hybrid-auth
        64221 => "HybridInitRSA",
        64222 => "HybridRespRSA",
        65001 => "XAUTHInitPreShared",
        65002 => "XAUTHRespPreShared",
        65005 => "XAUTHInitRSA",
        65006 => "XAUTHRespRSA",
        _ => return None,
    })
}

/// Name of an exchange.
pub(super) const fn exchange(id: u8) -> Option<&'static str> {
    Some(match id {
        1 => "Base",
        2 => "Identity Protection",
        3 => "Authentication Only",
        4 => "Aggressive",
        5 => "Informational",
        6 => "Transaction",
        32 => "Quick Mode",
        33 => "New Group Mode",
        34 => "IKE_SA_INIT",
        35 => "IKE_AUTH",
        36 => "CREATE_CHILD_SA",
        37 => "INFORMATIONAL",
        38 => "IKE_SESSION_RESUME",
        39 => "GSA_AUTH",
        40 => "GSA_REGISTRATION",
        41 => "GSA_REKEY",
        43 => "IKE_INTERMEDIATE",
        44 => "IKE_FOLLOWUP_KE",
        _ => return None,
    })
}

/// Name of a notification of version 2 ("IKEv2 Notify Message Error Types" and "Status Types") that can stand in a
/// message in the clear.
pub(super) const fn notification(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        4 => "INVALID_IKE_SPI",
        5 => "INVALID_MAJOR_VERSION",
        7 => "INVALID_SYNTAX",
        9 => "INVALID_MESSAGE_ID",
        11 => "INVALID_SPI",
        14 => "NO_PROPOSAL_CHOSEN",
        17 => "INVALID_KE_PAYLOAD",
        24 => "AUTHENTICATION_FAILED",
        43 => "TEMPORARY_FAILURE",
        16388 => "NAT_DETECTION_SOURCE_IP",
        16389 => "NAT_DETECTION_DESTINATION_IP",
        16390 => "COOKIE",
        16404 => "MULTIPLE_AUTH_SUPPORTED",
        16406 => "REDIRECT_SUPPORTED",
        16407 => "REDIRECT",
        16408 => "REDIRECTED_FROM",
        16418 => "CHILDLESS_IKEV2_SUPPORTED",
        16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        16431 => "SIGNATURE_HASH_ALGORITHMS",
        16434 => "PUZZLE",
        16435 => "USE_PPK",
        16438 => "INTERMEDIATE_EXCHANGE_SUPPORTED",
        16441 => "ADDITIONAL_KEY_EXCHANGE",
        16443 => "SUPPORTED_AUTH_METHODS",
        _ => return None,
    })
}
