//! Initial keys, which anybody can derive from the first packet, and packets opened with them (RFC 9001 5).

use core::ops::Range;

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockEncrypt, KeyInit};
use aes_gcm::{AeadInPlace, Aes128Gcm};
use arrayvec::ArrayVec;
use hkdf::Hkdf;
use sha2::Sha256;

use super::header::{LEAST_PROTECTED, Long, MAX_ID};
use super::version::Version;

/// Keys of both sides for the Initial packets of one connection.
#[derive(Clone, Debug)]
pub(super) struct InitialKeys {
    version: Version,
    destination: ArrayVec<u8, MAX_ID>,
    pub(super) client: Keys,
    pub(super) server: Keys,
}

impl InitialKeys {
    /// The keys that the client's first packet stands for: its version, and the connection id it made up for the
    /// server. None for a version without protection.
    pub(super) fn derive(version: Version, destination: &[u8]) -> Option<Self> {
        let salt = version.salt()?;
        let (_, initial) = Hkdf::<Sha256>::extract(Some(salt), destination);
        Some(Self {
            version,
            destination: destination.iter().copied().take(MAX_ID).collect(),
            client: Keys::derive(&initial, b"client in", version)?,
            server: Keys::derive(&initial, b"server in", version)?,
        })
    }

    /// Whether they were derived from this version.
    pub(super) fn is_of_version(&self, version: Version) -> bool {
        self.version == version
    }

    /// Whether they were derived from this version and connection id.
    pub(super) fn is_of(&self, version: Version, destination: &[u8]) -> bool {
        self.version == version && self.destination.as_slice() == destination
    }
}

/// Keys of one side.
#[derive(Clone)]
pub(super) struct Keys {
    key: [u8; 16],
    iv: [u8; 12],
    header: [u8; 16],
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    fn derive(initial: &Hkdf<Sha256>, side: &[u8], version: Version) -> Option<Self> {
        let labels = version.labels();
        let secret: [u8; 32] = expand(initial, side)?;
        let secret = Hkdf::<Sha256>::from_prk(&secret).ok()?;
        Some(Self {
            key: expand(&secret, labels.key)?,
            iv: expand(&secret, labels.iv)?,
            header: expand(&secret, labels.header)?,
        })
    }

    /// Opens an Initial packet: its frames are in that part of `space`. None where it is not under these keys, or was cut.
    pub(super) fn open(&self, long: &Long<'_>, space: &mut Vec<u8>) -> Option<Range<usize>> {
        let protected = long.body();
        if long.missing > 0 || protected.len() < LEAST_PROTECTED || long.packet.len() > MAX_PACKET {
            return None;
        }
        let sample = protected.get(4..)?.first_chunk::<16>()?;
        let mut mask = (*sample).into();
        Aes128::new(&self.header.into()).encrypt_block(&mut mask);
        space.clear();
        space.extend_from_slice(long.packet);
        let (first_mask, number_mask) = mask.split_first()?;
        let first = space.first_mut()?;
        *first ^= first_mask & 0x0f;
        let number_len = usize::from(*first & 0x03) + 1;
        let number_end = long.number_at + number_len;
        let mut nonce = self.iv;
        let number = space.get_mut(long.number_at..number_end)?;
        for (byte, mask) in number.iter_mut().zip(number_mask) {
            *byte ^= mask;
        }
        // Numbers of Initials are small: what was sent is the whole of them (RFC 9000 A.3).
        for (place, byte) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *place ^= byte;
        }
        let (header, content) = space.split_at_mut_checked(number_end)?;
        let (content, tag) = content.split_last_chunk_mut::<16>()?;
        let tag = (*tag).into();
        Aes128Gcm::new(&self.key.into())
            .decrypt_in_place_detached(&nonce.into(), header, content, &tag)
            .ok()?;
        Some(number_end..number_end + content.len())
    }
}

#[cfg(test)]
impl Keys {
    /// Protects a packet whose number has four bytes at the end of `header`.
    pub(super) fn seal(&self, header: &[u8], frames: &[u8]) -> Vec<u8> {
        let mut packet = header.to_vec();
        let number_at = header.len() - 4;
        let mut nonce = self.iv;
        nonce.iter_mut().rev().zip(header.iter().rev().take(4)).for_each(|(place, byte)| *place ^= byte);
        let mut content = frames.to_vec();
        let cipher = Aes128Gcm::new(&self.key.into());
        let tag = cipher.encrypt_in_place_detached(&nonce.into(), header, &mut content).unwrap();
        packet.extend(content);
        packet.extend(tag);
        let mut mask = aes_gcm::aes::Block::clone_from_slice(&packet[number_at + 4..number_at + 20]);
        Aes128::new(&self.header.into()).encrypt_block(&mut mask);
        packet[0] ^= mask[0] & 0x0f;
        (0..4).for_each(|at| packet[number_at + at] ^= mask[1 + at]);
        packet
    }
}

/// HKDF-Expand-Label of TLS 1.3 with no context (RFC 8446 7.1).
fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> Option<[u8; N]> {
    let mut out = [0; N];
    let [high, low] = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = u8::try_from(PREFIX.len() + label.len()).ok()?;
    secret.expand_multi_info(&[&[high, low, label_len], PREFIX, label, &[0]], &mut out).ok()?;
    Some(out)
}

const PREFIX: &[u8] = b"tls13 ";
/// Largest packet that is opened: a jumbo frame's.
const MAX_PACKET: usize = 9216;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use super::super::header::Kind;
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    const DESTINATION: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    #[test]
    fn keys_are_those_of_rfc_9001_a_1() {
        let keys = InitialKeys::derive(Version(1), &DESTINATION).unwrap();
        assert_eq!(keys.client.key.to_vec(), hex("1f369613dd76d5467730efcbe3b1a22d"));
        assert_eq!(keys.client.iv.to_vec(), hex("fa044b2f42a3fd3b46fb255c"));
        assert_eq!(keys.client.header.to_vec(), hex("9f50449e04a0e810283a1e9933adedd2"));
        assert_eq!(keys.server.key.to_vec(), hex("cf3a5331653c364c88f0f379b6067e37"));
        assert_eq!(keys.server.iv.to_vec(), hex("0ac1493ca1905853b0bba03e"));
        assert_eq!(keys.server.header.to_vec(), hex("c206b8d9b9f0f37644430b490eeaa314"));
    }

    #[test]
    fn keys_are_those_of_rfc_9369_a_1() {
        let keys = InitialKeys::derive(Version(0x6b33_43cf), &DESTINATION).unwrap();
        assert_eq!(keys.client.key.to_vec(), hex("8b1a0bc121284290a29e0971b5cd045d"));
        assert_eq!(keys.client.iv.to_vec(), hex("91f73e2351d8fa91660e909f"));
        assert_eq!(keys.client.header.to_vec(), hex("45b95e15235d6f45a6b19cbcb0294ba9"));
        assert_eq!(keys.server.key.to_vec(), hex("82db637861d55e1d011f19ea71d5d2a7"));
        assert_eq!(keys.server.iv.to_vec(), hex("dd13c276499c0249d3310652"));
        assert_eq!(keys.server.header.to_vec(), hex("edf6d05c83121201b436e16877593c3a"));
    }

    /// RFC 9001 A.3.
    const SERVER_INITIAL: &str = "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a
        5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9
        c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4
        2158407dd074ee";

    #[test]
    fn the_server_initial_of_rfc_9001_a_3_is_opened_and_any_change_refused() {
        let packet = hex(SERVER_INITIAL);
        let keys = InitialKeys::derive(Version(1), &DESTINATION).unwrap();
        let mut space = Vec::new();
        let long = Long::parse(&packet, 0).unwrap();
        assert_eq!(long.kind, Kind::Initial);
        let frames = keys.server.open(&long, &mut space).unwrap();
        let frames = &space[frames];
        assert!(frames.starts_with(&[2, 0, 0, 0, 0, 6, 0, 0x40, 0x5a, 2, 0, 0, 0x56, 3, 3]));
        assert!(keys.client.open(&long, &mut space).is_none());
        for at in [0, 30, packet.len() - 1] {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            if let Some(long) = Long::parse(&changed, 0) {
                assert!(keys.server.open(&long, &mut space).is_none(), "byte {at}");
            }
        }
    }

    /// RFC 9369 A.3.
    const SERVER_INITIAL_2: &str = "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea
        26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16
        a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140";

    #[test]
    fn the_server_initial_of_rfc_9369_a_3_is_opened() {
        let packet = hex(SERVER_INITIAL_2);
        let keys = InitialKeys::derive(Version(0x6b33_43cf), &DESTINATION).unwrap();
        let mut space = Vec::new();
        let long = Long::parse(&packet, 0).unwrap();
        let frames = keys.server.open(&long, &mut space).unwrap();
        let frames = &space[frames];
        assert!(frames.starts_with(&[2, 0, 0, 0, 0, 6, 0, 0x40, 0x5a, 2, 0, 0, 0x56, 3, 3]));
    }
}
