//! Puts TLS messages together, byte by byte.

use engine::record::Direction;

use crate::support::tcp::Chunk;

pub(crate) const CLIENT: Direction = Direction::ToServer;
pub(crate) const SERVER: Direction = Direction::ToClient;

/// Handshake types.
pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const TICKET: u8 = 4;
pub(crate) const CERTIFICATE: u8 = 11;
pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
pub(crate) const STATUS: u8 = 22;

pub(crate) fn chunk(from: Direction, bytes: impl Into<Vec<u8>>) -> Chunk {
    Chunk { from, bytes: bytes.into(), after_gap: false }
}

/// A record of this type.
pub(crate) fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 3, 3];
    out.extend(vector16(content));
    out
}

/// A handshake message.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &vector24(body)].concat()
}

/// A handshake message in a record of its own.
pub(crate) fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    record(22, &message(kind, body))
}

pub(crate) fn change_cipher_spec() -> Vec<u8> {
    record(20, &[1])
}

pub(crate) fn data(len: usize) -> Vec<u8> {
    record(23, &vec![0x5a; len])
}

/// A protected Finished message.
pub(crate) fn sealed_finished() -> Vec<u8> {
    record(22, &[0xe7; 40])
}

pub(crate) fn vector8(content: &[u8]) -> Vec<u8> {
    [&[u8::try_from(content.len()).unwrap()][..], content].concat()
}

pub(crate) fn vector16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

pub(crate) fn vector24(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[1..], content].concat()
}

pub(crate) fn codes(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// An extension.
pub(crate) fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(content)].concat()
}

pub(crate) fn server_name(name: &str) -> Vec<u8> {
    let entry = [&[0][..], &vector16(name.as_bytes())].concat();
    extension(0, &vector16(&entry))
}

pub(crate) fn groups(values: &[u16]) -> Vec<u8> {
    extension(10, &vector16(&codes(values)))
}

pub(crate) fn versions(values: &[u16]) -> Vec<u8> {
    extension(43, &vector8(&codes(values)))
}

pub(crate) fn alpn(names: &[&str]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| vector8(name.as_bytes())).collect();
    extension(16, &vector16(&list))
}

/// `key_share` of a client: group and length of the key.
pub(crate) fn key_shares(shares: &[(u16, usize)]) -> Vec<u8> {
    let list: Vec<u8> = shares.iter().flat_map(|(group, len)| extension(*group, &vec![7; *len])).collect();
    extension(51, &vector16(&list))
}

/// `key_share` of a server.
pub(crate) fn key_share(group: u16, len: usize) -> Vec<u8> {
    extension(51, &extension(group, &vec![9; len]))
}

/// Body of a ClientHello.
pub(crate) fn client_hello(
    version: u16,
    session_id: &[u8],
    suites: &[u16],
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([0xc1; 32]);
    body.extend(vector8(session_id));
    body.extend(vector16(&codes(suites)));
    body.extend([1, 0]);
    if !extensions.is_empty() {
        body.extend(vector16(&extensions.concat()));
    }
    body
}

/// Body of a ServerHello.
pub(crate) fn server_hello(version: u16, session_id: &[u8], suite: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend([0x51; 32]);
    body.extend(vector8(session_id));
    body.extend(suite.to_be_bytes());
    body.push(0);
    if !extensions.is_empty() {
        body.extend(vector16(&extensions.concat()));
    }
    body
}

/// Body of a HelloRetryRequest that asks for a group: SHA-256 of "HelloRetryRequest" is its random.
pub(crate) fn hello_retry(session_id: &[u8], suite: u16, group: u16) -> Vec<u8> {
    let random = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
    let mut body =
        server_hello(0x0303, session_id, suite, &[extension(43, &[3, 4]), extension(51, &codes(&[group]))]);
    for (at, place) in body[2..34].iter_mut().enumerate() {
        *place = u8::from_str_radix(&random[2 * at..2 * at + 2], 16).unwrap();
    }
    body
}

/// Body of a ServerKeyExchange on a named curve, signed with a scheme.
pub(crate) fn curve_exchange(group: u16, scheme: u16) -> Vec<u8> {
    let point = vector8(&[4; 65]);
    [&[3][..], &codes(&[group]), &point, &codes(&[scheme]), &vector16(&[0x77; 64])].concat()
}

/// Body of a ServerKeyExchange with a prime of so many bits.
pub(crate) fn prime_exchange(bits: usize, scheme: u16) -> Vec<u8> {
    let mut prime = vec![0xff; bits / 8];
    prime.insert(0, 0);
    let public = vec![0x33; bits / 8];
    [vector16(&prime), vector16(&[2]), vector16(&public), codes(&[scheme]), vector16(&[0x77; 64])].concat()
}

/// Body of a Certificate message.
pub(crate) fn certificates(chain: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = chain.iter().flat_map(|certificate| vector24(certificate)).collect();
    vector24(&list)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &len, content].concat()
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = der(0x30, &[der(6, &[0x55, 4, 3]), der(0x0c, name.as_bytes())].concat());
    der(0x30, &der(0x31, &attribute))
}

/// A certificate with an RSA key of so many bits, signed with sha256WithRSAEncryption (11) or sha1 (5).
pub(crate) fn certificate(subject: &str, issuer: &str, rsa_bits: usize, signature: u8) -> Vec<u8> {
    let rsa =
        |last| der(0x30, &[der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]), vec![5, 0]].concat());
    let mut modulus = vec![0xff; rsa_bits / 8];
    modulus.insert(0, 0);
    let key = der(0x30, &[der(2, &modulus), der(2, &[1, 0, 1])].concat());
    let validity = der(0x30, &[der(0x17, b"250102030405Z"), der(0x18, b"20510203040506Z")].concat());
    let names = der(0x30, &[der(0x82, subject.as_bytes()), der(0x87, &[192, 0, 2, 1])].concat());
    let names = der(0x30, &[der(6, &[0x55, 0x1d, 0x11]), der(4, &names)].concat());
    let body = [
        der(0xa0, &der(2, &[2])),
        der(2, &[0x0a, 0xbc, 0x01]),
        rsa(signature),
        common_name(issuer),
        validity,
        common_name(subject),
        der(0x30, &[rsa(1), der(3, &[&[0][..], &key].concat())].concat()),
        der(0xa3, &der(0x30, &names)),
    ];
    der(0x30, &[der(0x30, &body.concat()), rsa(signature), der(3, &[0; 65])].concat())
}
