//! SSH before encryption: identification and key exchange (RFC 4253).

use super::tls::encapsulation_key;
use super::with_length;
use crate::random::Random;

/// An identification string (RFC 4253, 4.2).
#[must_use]
pub fn banner(software: &str) -> Vec<u8> {
    format!("SSH-2.0-{software}\r\n").into_bytes()
}

/// SSH_MSG_KEXINIT in its packet (RFC 4253, 7.1), with the algorithms that OpenSSH 9.9 and later prefer.
#[must_use]
pub fn kexinit(random: &mut Random) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend_from_slice(&random.bytes(16));
    for names in NAME_LISTS {
        with_length::<4>(&mut payload, |out| out.extend_from_slice(names.as_bytes()));
    }
    // No guessed packet follows; reserved.
    payload.extend_from_slice(&[0; 5]);
    packet(random, &payload)
}

/// A client's share of mlkem768x25519-sha256: SSH_MSG_KEX_HYBRID_INIT (draft-ietf-sshm-mlkem-hybrid-kex).
#[must_use]
pub fn client_share(random: &mut Random) -> Vec<u8> {
    let mut share = encapsulation_key(random);
    share.extend_from_slice(&random.bytes(32));
    let mut payload = vec![30];
    string(&mut payload, &share);
    packet(random, &payload)
}

/// The server's answer: SSH_MSG_KEX_HYBRID_REPLY with an Ed25519 host key and signature (RFC 8709), then
/// SSH_MSG_NEWKEYS.
#[must_use]
pub fn server_share(random: &mut Random) -> Vec<u8> {
    let (host_key, share, signature) = (random.bytes(32), random.bytes(1088 + 32), random.bytes(64));
    let mut payload = vec![31];
    with_length::<4>(&mut payload, |out| {
        string(out, b"ssh-ed25519");
        string(out, &host_key);
    });
    string(&mut payload, &share);
    with_length::<4>(&mut payload, |out| {
        string(out, b"ssh-ed25519");
        string(out, &signature);
    });
    let mut answer = packet(random, &payload);
    answer.extend_from_slice(&new_keys(random));
    answer
}

/// SSH_MSG_NEWKEYS: what follows is encrypted (RFC 4253, 7.3).
#[must_use]
pub fn new_keys(random: &mut Random) -> Vec<u8> {
    packet(random, &[21])
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    with_length::<4>(out, |out| out.extend_from_slice(bytes));
}

/// Something that looks encrypted.
#[must_use]
pub fn encrypted(random: &mut Random, len: usize) -> Vec<u8> {
    random.bytes(len)
}

/// A binary packet without encryption, padded to a multiple of 8 bytes (RFC 4253, 6).
#[must_use]
pub fn packet(random: &mut Random, payload: &[u8]) -> Vec<u8> {
    // At least 4 bytes of padding, for length, padding length, payload and padding together.
    let padding = 8 - (5 + payload.len()) % 8;
    let padding = if padding < 4 { padding + 8 } else { padding };
    let mut packet = Vec::with_capacity(5 + payload.len() + padding);
    with_length::<4>(&mut packet, |out| {
        // At most 11.
        out.push(u8::try_from(padding).unwrap_or(u8::MAX));
        out.extend_from_slice(payload);
        out.extend_from_slice(&random.bytes(padding));
    });
    packet
}

/// Key exchange, host key, then ciphers, MACs, compressions and languages of both directions.
const NAME_LISTS: [&str; 10] = [
    "mlkem768x25519-sha256,sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,\
     curve25519-sha256@libssh.org,ecdh-sha2-nistp256",
    "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256",
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr",
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr",
    "umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
    "umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-256",
    "none,zlib@openssh.com",
    "none,zlib@openssh.com",
    "",
    "",
];
