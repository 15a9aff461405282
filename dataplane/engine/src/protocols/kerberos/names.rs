//! Names of messages, encryption types (the IANA registry "Kerberos Encryption Type Numbers"), pre-authentication (the
//! IANA registry "Pre-authentication and Typed Data") and errors (RFC 4120, 7.5.9).

use super::message::kind;

/// Name of a message.
pub(super) const fn message(tag: u8) -> &'static str {
    match tag {
        kind::AS_REQ => "KRB_AS_REQ",
        kind::AS_REP => "KRB_AS_REP",
        kind::TGS_REQ => "KRB_TGS_REQ",
        kind::TGS_REP => "KRB_TGS_REP",
        kind::AP_REQ => "KRB_AP_REQ",
        kind::AP_REP => "KRB_AP_REP",
        kind::PRIV => "KRB_PRIV",
        _ => "KRB_ERROR",
    }
}

/// Name of an encryption type.
pub(super) const fn etype(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "des-cbc-crc",
        2 => "des-cbc-md4",
        3 => "des-cbc-md5",
        5 => "des3-cbc-md5",
        7 => "des3-cbc-sha1",
        9 => "dsaWithSHA1-CmsOID",
        10 => "md5WithRSAEncryption-CmsOID",
        11 => "sha1WithRSAEncryption-CmsOID",
        12 => "rc2CBC-EnvOID",
        13 => "rsaEncryption-EnvOID",
        14 => "rsaES-OAEP-ENV-OID",
        15 => "des-ede3-cbc-Env-OID",
        16 => "des3-cbc-sha1-kd",
        17 => "aes128-cts-hmac-sha1-96",
        18 => "aes256-cts-hmac-sha1-96",
        19 => "aes128-cts-hmac-sha256-128",
        20 => "aes256-cts-hmac-sha384-192",
        23 => "rc4-hmac",
        24 => "rc4-hmac-exp",
        25 => "camellia128-cts-cmac",
        26 => "camellia256-cts-cmac",
        -128 => "rc4-md4",
        -133 => "rc4-hmac-old",
        -135 => "rc4-hmac-old-exp",
        _ => return None,
    })
}

/// What is wrong with an encryption type (RFC 6649: DES and exportable RC4; RFC 8429: 3DES and RC4).
pub(super) const fn weakness(number: i64) -> Option<&'static str> {
    match number {
        1..=3 => Some("des"),
        5 | 7 | 16 => Some("3des"),
        23 | -128 | -133 => Some("rc4"),
        24 | -135 => Some("rc4_exportable"),
        _ => None,
    }
}

/// Whether this pre-authentication shows that the client knows its key.
pub(super) const fn proves_key(number: i64) -> bool {
    matches!(number, 2 | 14 | 16 | 136 | 138 | 141 | 151)
}

/// Name of a kind of pre-authentication.
pub(super) const fn padata(number: i64) -> Option<&'static str> {
    Some(match number {
        1 => "PA-TGS-REQ",
        2 => "PA-ENC-TIMESTAMP",
        3 => "PA-PW-SALT",
        11 => "PA-ETYPE-INFO",
        14 => "PA-PK-AS-REQ_OLD",
        15 => "PA-PK-AS-REP_OLD",
        16 => "PA-PK-AS-REQ",
        17 => "PA-PK-AS-REP",
        19 => "PA-ETYPE-INFO2",
        128 => "PA-PAC-REQUEST",
        129 => "PA-FOR-USER",
        130 => "PA-FOR-X509-USER",
        133 => "PA-FX-COOKIE",
        136 => "PA-FX-FAST",
        138 => "PA-ENCRYPTED-CHALLENGE",
        141 => "PA-OTP-CHALLENGE",
        149 => "PA-REQ-ENC-PA-REP",
        150 => "PA_AS_FRESHNESS",
        151 => "PA-SPAKE",
        165 => "PA-SUPPORTED-ENCTYPES",
        167 => "PA-PAC-OPTIONS",
        _ => return None,
    })
}

/// Options of requests, by bit from the left (RFC 4120 5.4.1, RFC 6806, RFC 8062, [MS-SFU]).
pub(super) const OPTIONS: [(u32, &str); 14] = [
    (1, "forwardable"),
    (2, "forwarded"),
    (3, "proxiable"),
    (4, "proxy"),
    (5, "allow_postdate"),
    (6, "postdated"),
    (8, "renewable"),
    (14, "constrained_delegation"),
    (15, "canonicalize"),
    (16, "request_anonymous"),
    (27, "renewable_ok"),
    (28, "enc_tkt_in_skey"),
    (30, "renew"),
    (31, "validate"),
];

/// Name of an error.
pub(super) const fn error(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "KDC_ERR_NONE",
        1 => "KDC_ERR_NAME_EXP",
        2 => "KDC_ERR_SERVICE_EXP",
        3 => "KDC_ERR_BAD_PVNO",
        4 => "KDC_ERR_C_OLD_MAST_KVNO",
        5 => "KDC_ERR_S_OLD_MAST_KVNO",
        6 => "KDC_ERR_C_PRINCIPAL_UNKNOWN",
        7 => "KDC_ERR_S_PRINCIPAL_UNKNOWN",
        8 => "KDC_ERR_PRINCIPAL_NOT_UNIQUE",
        9 => "KDC_ERR_NULL_KEY",
        10 => "KDC_ERR_CANNOT_POSTDATE",
        11 => "KDC_ERR_NEVER_VALID",
        12 => "KDC_ERR_POLICY",
        13 => "KDC_ERR_BADOPTION",
        14 => "KDC_ERR_ETYPE_NOSUPP",
        15 => "KDC_ERR_SUMTYPE_NOSUPP",
        16 => "KDC_ERR_PADATA_TYPE_NOSUPP",
        17 => "KDC_ERR_TRTYPE_NOSUPP",
        18 => "KDC_ERR_CLIENT_REVOKED",
        19 => "KDC_ERR_SERVICE_REVOKED",
        20 => "KDC_ERR_TGT_REVOKED",
        21 => "KDC_ERR_CLIENT_NOTYET",
        22 => "KDC_ERR_SERVICE_NOTYET",
        23 => "KDC_ERR_KEY_EXPIRED",
        24 => "KDC_ERR_PREAUTH_FAILED",
        25 => "KDC_ERR_PREAUTH_REQUIRED",
        26 => "KDC_ERR_SERVER_NOMATCH",
        27 => "KDC_ERR_MUST_USE_USER2USER",
        28 => "KDC_ERR_PATH_NOT_ACCEPTED",
        29 => "KDC_ERR_SVC_UNAVAILABLE",
        31 => "KRB_AP_ERR_BAD_INTEGRITY",
        32 => "KRB_AP_ERR_TKT_EXPIRED",
        33 => "KRB_AP_ERR_TKT_NYV",
        34 => "KRB_AP_ERR_REPEAT",
        35 => "KRB_AP_ERR_NOT_US",
        36 => "KRB_AP_ERR_BADMATCH",
        37 => "KRB_AP_ERR_SKEW",
        38 => "KRB_AP_ERR_BADADDR",
        39 => "KRB_AP_ERR_BADVERSION",
        40 => "KRB_AP_ERR_MSG_TYPE",
        41 => "KRB_AP_ERR_MODIFIED",
        42 => "KRB_AP_ERR_BADORDER",
        44 => "KRB_AP_ERR_BADKEYVER",
        45 => "KRB_AP_ERR_NOKEY",
        46 => "KRB_AP_ERR_MUT_FAIL",
        52 => "KRB_ERR_RESPONSE_TOO_BIG",
        60 => "KRB_ERR_GENERIC",
        61 => "KRB_ERR_FIELD_TOOLONG",
        62 => "KDC_ERROR_CLIENT_NOT_TRUSTED",
        64 => "KDC_ERROR_INVALID_SIG",
        65 => "KDC_ERR_KEY_TOO_WEAK",
        66 => "KDC_ERR_CERTIFICATE_MISMATCH",
        68 => "KDC_ERR_WRONG_REALM",
        90 => "KDC_ERR_PREAUTH_EXPIRED",
        91 => "KDC_ERR_MORE_PREAUTH_DATA_REQUIRED",
        _ => return None,
    })
}
