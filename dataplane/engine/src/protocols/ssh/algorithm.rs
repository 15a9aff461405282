//! What algorithms of SSH are worth (names: IANA "Secure Shell (SSH) Protocol Parameters", and vendors').

/// What a key exchange rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A post-quantum KEM alone.
    PostQuantum,
    /// A post-quantum KEM and a classical group.
    Hybrid,
    /// Factoring or discrete logarithms.
    Classical,
    /// The exchange was not completed.
    Incomplete,
    /// The name is not known, or what would tell was not seen.
    Unknown,
}

impl Class {
    /// Name in `crypto.class`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PostQuantum => "pq",
            Self::Hybrid => "hybrid",
            Self::Classical => "classical",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }

    /// Class of a key exchange method by its name.
    pub(super) fn of_key_exchange(name: &[u8]) -> Self {
        // draft-ietf-sshm-mlkem-hybrid-kex, draft-ietf-sshm-ntruprime-ssh; then what OQS, AWS, tinyssh and
        // Tectia ship under names of their own: all of them name the KEM.
        const KEMS: [&[u8]; 8] =
            [b"mlkem", b"ml-kem", b"kyber", b"sntrup", b"frodo", b"bike", b"hqc", b"saber"];
        const GROUPS: [&[u8]; 6] = [b"x25519", b"curve25519", b"x448", b"nistp", b"ecdh", b"secp"];
        const CLASSICAL: [&[u8]; 10] = [
            b"curve25519-",
            b"curve448-",
            b"ecdh-sha2-",
            b"ecdh-",
            b"ecmqv-",
            b"diffie-hellman-",
            b"gss-",
            b"rsa1024-",
            b"rsa2048-",
            b"sm2kep-",
        ];
        let has = |parts: &[&[u8]]| parts.iter().any(|part| memchr::memmem::find(name, part).is_some());
        if has(&KEMS) {
            return if has(&GROUPS) { Self::Hybrid } else { Self::PostQuantum };
        }
        if CLASSICAL.iter().any(|start| name.starts_with(start)) {
            return Self::Classical;
        }
        Self::Unknown
    }
}

/// Whether a method has a post-quantum KEM in it.
pub(super) fn is_post_quantum(name: &[u8]) -> bool {
    matches!(Class::of_key_exchange(name), Class::PostQuantum | Class::Hybrid)
}

/// Something that falls today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weakness {
    /// SSH 1.
    Version,
    /// A key exchange that RFC 9142 says should not or must not be used.
    KeyExchange,
    /// A prime below 2,048 bits.
    KeyExchangeSize,
    /// A host key that signs over SHA-1, or DSA.
    HostKeyAlgorithm,
    /// An RSA host key below 2,048 bits.
    HostKeySize,
    /// RC4 (RFC 8758), DES, a cipher with blocks of 64 bits, or none.
    Cipher,
    /// MD5, a tag below 128 bits over SHA-1, or none.
    Mac,
}

impl Weakness {
    /// Name in `crypto.weaknesses`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::KeyExchange => "key_exchange",
            Self::KeyExchangeSize => "key_exchange_size",
            Self::HostKeyAlgorithm => "host_key_algorithm",
            Self::HostKeySize => "host_key_size",
            Self::Cipher => "cipher",
            Self::Mac => "mac",
        }
    }
}

/// Whether RFC 9142, 3 and 4 say SHOULD NOT or MUST NOT. (Group 14 with SHA-1 is a MAY.)
pub(super) fn is_weak_key_exchange(name: &[u8]) -> bool {
    const WHOLE: [&[u8]; 3] =
        [b"diffie-hellman-group1-sha1", b"diffie-hellman-group-exchange-sha1", b"rsa1024-sha1"];
    const STARTS: [&[u8]; 2] = [b"gss-gex-sha1-", b"gss-group1-sha1-"];
    WHOLE.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether the server signs with DSA, or over SHA-1 (RFC 8332, 1).
pub(super) fn is_weak_host_key(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 10] = [
        b"ssh-dss",
        b"ssh-rsa",
        b"ssh-dss-cert-v00@openssh.com",
        b"ssh-dss-cert-v01@openssh.com",
        b"ssh-rsa-cert-v00@openssh.com",
        b"ssh-rsa-cert-v01@openssh.com",
        b"x509v3-ssh-dss",
        b"x509v3-ssh-rsa",
        b"x509v3-sign-dss",
        b"x509v3-sign-rsa",
    ];
    NAMES.contains(&name) || name.starts_with(b"pgp-sign-")
}

/// Whether a cipher is broken or has blocks of 64 bits.
pub(super) fn is_weak_cipher(name: &[u8]) -> bool {
    const STARTS: [&[u8]; 7] = [b"arcfour", b"des-", b"3des-", b"blowfish-", b"cast128-", b"idea-", b"des_"];
    is_none(name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether a MAC is over MD5, or keeps 96 bits of SHA-1, or is none.
pub(super) fn is_weak_mac(name: &[u8]) -> bool {
    const STARTS: [&[u8]; 2] = [b"hmac-md5", b"hmac-sha1-96"];
    is_none(name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Whether this stands for no algorithm at all.
pub(super) fn is_none(name: &[u8]) -> bool {
    name == b"none"
}

/// Whether a cipher authenticates, so that the negotiated MAC is not used (RFC 5647, OpenSSH PROTOCOL 1.6 and
/// PROTOCOL.chacha20poly1305).
pub(super) fn is_aead(cipher: &[u8]) -> bool {
    const NAMES: [&[u8]; 6] = [
        b"chacha20-poly1305@openssh.com",
        b"chacha20-poly1305",
        b"aes128-gcm@openssh.com",
        b"aes256-gcm@openssh.com",
        b"AEAD_AES_128_GCM",
        b"AEAD_AES_256_GCM",
    ];
    NAMES.contains(&cipher)
}

/// Whether the server chooses the prime (RFC 4419).
pub(super) fn is_group_exchange(name: &[u8]) -> bool {
    name.starts_with(b"diffie-hellman-group-exchange-") || name.starts_with(b"gss-gex-")
}

/// Bits of the prime that a method of finite-field Diffie-Hellman names (RFC 4253, 8; RFC 8268).
pub(super) fn prime_bits(name: &[u8]) -> Option<u32> {
    let rest = name.strip_prefix(b"diffie-hellman-group").or_else(|| name.strip_prefix(b"gss-group"))?;
    let bits = match rest.split(|byte| *byte == b'-').next()? {
        b"1" => 1024,
        b"14" => 2048,
        b"15" => 3072,
        b"16" => 4096,
        b"17" => 6144,
        b"18" => 8192,
        _ => return None,
    };
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_exchanges_have_their_class() {
        for (name, class) in [
            ("mlkem768x25519-sha256", Class::Hybrid),
            ("mlkem768nistp256-sha256", Class::Hybrid),
            ("mlkem1024nistp384-sha384", Class::Hybrid),
            ("sntrup761x25519-sha512", Class::Hybrid),
            ("sntrup761x25519-sha512@openssh.com", Class::Hybrid),
            ("sntrup4591761x25519-sha512@tinyssh.org", Class::Hybrid),
            ("ecdh-nistp384-kyber-768r3-sha384-d00@openquantumsafe.org", Class::Hybrid),
            ("x25519-kyber-512r3-sha256-d00@amazon.com", Class::Hybrid),
            ("curve25519-frodokem1344-sha512@ssh.com", Class::Hybrid),
            ("ml-kem-768-sha256@openquantumsafe.org", Class::PostQuantum),
            ("kyber-1024r3-sha512-d00@openquantumsafe.org", Class::PostQuantum),
            ("curve25519-sha256@libssh.org", Class::Classical),
            ("ecdh-sha2-nistp256", Class::Classical),
            ("diffie-hellman-group14-sha1", Class::Classical),
            ("gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g==", Class::Classical),
            ("rsa2048-sha256", Class::Classical),
            ("something@example.com", Class::Unknown),
            ("", Class::Unknown),
        ] {
            assert_eq!(Class::of_key_exchange(name.as_bytes()), class, "{name}");
        }
    }

    #[test]
    fn what_rfc_9142_allows_is_not_weak() {
        assert!(is_weak_key_exchange(b"diffie-hellman-group1-sha1"));
        assert!(is_weak_key_exchange(b"diffie-hellman-group-exchange-sha1"));
        assert!(!is_weak_key_exchange(b"diffie-hellman-group14-sha1"));
        assert!(!is_weak_key_exchange(b"diffie-hellman-group-exchange-sha256"));
    }

    #[test]
    fn weak_ciphers_macs_and_keys_are_known() {
        for name in ["arcfour", "arcfour256", "3des-cbc", "3des-ctr", "blowfish-cbc", "none"] {
            assert!(is_weak_cipher(name.as_bytes()), "{name}");
        }
        assert!(!is_weak_cipher(b"aes128-cbc") && !is_weak_cipher(b"chacha20-poly1305@openssh.com"));
        assert!(is_weak_mac(b"hmac-md5-etm@openssh.com") && !is_weak_mac(b"hmac-sha1"));
        assert!(is_weak_host_key(b"ssh-dss") && !is_weak_host_key(b"rsa-sha2-512"));
    }

    #[test]
    fn groups_name_their_primes() {
        assert_eq!(prime_bits(b"diffie-hellman-group16-sha512"), Some(4096));
        assert_eq!(prime_bits(b"diffie-hellman-group1-sha1"), Some(1024));
        assert_eq!(prime_bits(b"diffie-hellman-group-exchange-sha256"), None);
        assert_eq!(prime_bits(b"curve25519-sha256"), None);
    }
}
