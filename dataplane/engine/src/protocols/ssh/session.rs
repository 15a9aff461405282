//! What is known of one connection.

use super::algorithm::{
    Class, Weakness, is_aead, is_group_exchange, is_weak_cipher, is_weak_host_key, is_weak_key_exchange,
    is_weak_mac, prime_bits,
};
use super::banner::is_version_1;
use super::kexinit::{KexInit, List, agreed};

use arrayvec::ArrayVec;

/// Smallest prime and RSA modulus that are not weak (NIST SP 800-131A).
const BITS_MIN: u32 = 2048;

/// What one side sent.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Identification string without its line end; empty where it was not seen.
    pub(super) banner: ArrayVec<u8, { super::banner::LINE_MAX }>,
    /// Its lists.
    pub(super) kexinit: KexInit,
    /// It switched to the new keys: what follows is encrypted.
    pub(super) has_new_keys: bool,
}

impl Peer {
    fn clear(&mut self) {
        self.banner.clear();
        self.kexinit.clear();
        self.has_new_keys = false;
    }

    fn is_version_1(&self) -> bool {
        let protocol = self.banner.get(4..).and_then(|rest| rest.split(|byte| *byte == b'-').next());
        protocol.is_some_and(is_version_1)
    }

    /// Whether its list has a name that only the other role sends (RFC 8308, 2.1; OpenSSH PROTOCOL 1.9).
    fn claims(&self, ext_info: &[u8], strict: &[u8]) -> bool {
        self.kexinit.has(List::KeyExchange, ext_info) || self.kexinit.has(List::KeyExchange, strict)
    }
}

/// The server's host key, as its reply showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostKey {
    /// Type of the key: "ssh-ed25519".
    pub(super) kind: ArrayVec<u8, 64>,
    /// Bits of an RSA modulus or a DSA prime.
    pub(super) bits: Option<u32>,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// By direction.
    pub(super) peers: [Peer; 2],
    /// Bits of the prime that the server chose in a group exchange.
    pub(super) group_bits: Option<u32>,
    /// Host key.
    pub(super) host_key: Option<HostKey>,
    /// Reason code of a DISCONNECT (RFC 4253, 11.1).
    pub(super) disconnect: Option<u32>,
}

impl Session {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for peer in &mut self.peers {
            peer.clear();
        }
        self.group_bits = None;
        self.host_key = None;
        self.disconnect = None;
    }

    /// Client and server. In midstream the flow table may have guessed wrong; the lists say who is who.
    pub(super) fn roles(&self) -> [&Peer; 2] {
        let [to_server, to_client] = &self.peers;
        let is_swapped = to_server.claims(b"ext-info-s", b"kex-strict-s-v00@openssh.com")
            || to_client.claims(b"ext-info-c", b"kex-strict-c-v00@openssh.com");
        if is_swapped { [to_client, to_server] } else { [to_server, to_client] }
    }

    /// Whether anything of it is worth an event.
    pub(super) fn is_begun(&self) -> bool {
        self.peers.iter().any(|peer| !peer.banner.is_empty() || !peer.kexinit.is_empty())
    }

    /// Whether both sides' lists were read.
    pub(super) fn has_both_lists(&self) -> bool {
        self.peers.iter().all(|peer| !peer.kexinit.is_empty())
    }

    /// Whether one of the sides speaks SSH 1 only.
    pub(super) fn is_version_1(&self) -> bool {
        self.peers.iter().any(Peer::is_version_1)
    }

    /// What both sides agreed on in a list.
    pub(super) fn agreed(&self, list: List) -> Option<&[u8]> {
        let [client, server] = self.roles();
        agreed(&client.kexinit, &server.kexinit, list)
    }

    /// Bits of the prime of finite-field Diffie-Hellman, where it is used and known.
    pub(super) fn prime_bits(&self) -> Option<u32> {
        let name = self.agreed(List::KeyExchange)?;
        if is_group_exchange(name) { self.group_bits } else { prime_bits(name) }
    }

    /// What the key exchange rests on.
    pub(super) fn class(&self) -> Class {
        if self.is_version_1() {
            // RSA, always.
            return Class::Classical;
        }
        if !self.has_both_lists() {
            let is_encrypted = self.peers.iter().any(|peer| peer.has_new_keys);
            return if is_encrypted { Class::Unknown } else { Class::Incomplete };
        }
        // Without agreement the server disconnects (RFC 4253, 7.1).
        self.agreed(List::KeyExchange).map_or(Class::Incomplete, Class::of_key_exchange)
    }

    /// What falls today.
    pub(super) fn weaknesses(&self) -> ArrayVec<Weakness, 7> {
        let mut found = ArrayVec::new();
        let mut note = |weakness, is_there: bool| {
            if is_there {
                found.push(weakness);
            }
        };
        let is = |list, weak: fn(&[u8]) -> bool| self.agreed(list).is_some_and(weak);
        note(Weakness::Version, self.is_version_1());
        note(Weakness::KeyExchange, is(List::KeyExchange, is_weak_key_exchange));
        note(Weakness::KeyExchangeSize, self.prime_bits().is_some_and(|bits| bits < BITS_MIN));
        note(Weakness::HostKeyAlgorithm, is(List::HostKey, is_weak_host_key));
        let key_bits = self.host_key.as_ref().and_then(|key| key.bits);
        note(Weakness::HostKeySize, key_bits.is_some_and(|bits| bits < BITS_MIN));
        let ciphers = [List::CipherToServer, List::CipherToClient];
        note(Weakness::Cipher, ciphers.into_iter().any(|list| is(list, is_weak_cipher)));
        let macs = [(List::CipherToServer, List::MacToServer), (List::CipherToClient, List::MacToClient)];
        note(
            Weakness::Mac,
            macs.into_iter().any(|(cipher, mac)| !is(cipher, is_aead) && is(mac, is_weak_mac)),
        );
        found
    }
}
