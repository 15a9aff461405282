//! The lists of algorithms that both sides send, and what they agree on (RFC 4253, 7.1).

use core::ops::Range;

use super::packet::string;

/// Bytes of a packet that are kept. OpenSSH sends 1.5 KB.
pub(super) const KEXINIT_MAX: usize = 32 * 1024;
/// Random bytes before the lists.
const COOKIE_LEN: usize = 16;

/// Which list, in the order they are sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    KeyExchange,
    HostKey,
    CipherToServer,
    CipherToClient,
    MacToServer,
    MacToClient,
    CompressionToServer,
    CompressionToClient,
}

/// Lists of a KEXINIT: the last two, of languages, are empty everywhere.
const LISTS: usize = List::CompressionToClient as usize + 3;

/// One side's KEXINIT.
#[derive(Debug, Default)]
pub(super) struct KexInit {
    bytes: Vec<u8>,
    lists: [Range<usize>; LISTS],
    /// A packet of the exchange follows at once, for the methods that this side guessed.
    pub(super) guesses: bool,
}

impl KexInit {
    /// Forgets everything, keeps the allocation where it is of a usual size.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(4 * 1024);
        self.lists = Default::default();
        self.guesses = false;
    }

    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads the payload behind the message number. False, and nothing is kept, where it is not as it should be.
    pub(super) fn read(&mut self, payload: &[u8]) -> bool {
        if payload.len() > KEXINIT_MAX || !self.is_empty() {
            return false;
        }
        let Some((lists, guesses)) = lists_of(payload) else { return false };
        self.bytes.extend_from_slice(payload);
        self.lists = lists;
        self.guesses = guesses;
        true
    }

    /// A list as it was sent, with commas.
    pub(super) fn list(&self, list: List) -> &[u8] {
        self.lists.get(list as usize).and_then(|range| self.bytes.get(range.clone())).unwrap_or_default()
    }

    /// The names of a list.
    pub(super) fn names(&self, list: List) -> impl Iterator<Item = &[u8]> {
        self.list(list).split(|byte| *byte == b',').filter(|name| !name.is_empty())
    }

    /// Whether a list has a name.
    pub(super) fn has(&self, list: List, name: &[u8]) -> bool {
        self.names(list).any(|other| other == name)
    }
}

/// Where the ten lists are, and whether a guess follows.
fn lists_of(payload: &[u8]) -> Option<([Range<usize>; LISTS], bool)> {
    let mut rest = payload.get(COOKIE_LEN..)?;
    let mut lists: [Range<usize>; LISTS] = Default::default();
    for list in &mut lists {
        let (names, after) = string(rest)?;
        // Names are printable US-ASCII (RFC 4251, 6).
        if !names.iter().all(|byte| (0x21..=0x7e).contains(byte)) {
            return None;
        }
        let end = payload.len() - after.len();
        *list = end - names.len()..end;
        rest = after;
    }
    let ([guesses, ..], _) = rest.split_first_chunk::<5>()?;
    Some((lists, *guesses != 0))
}

/// Whether `payload`, perhaps cut short, has the beginning of the lists as a client or a server would send them.
pub(super) fn is_likely(payload: &[u8]) -> bool {
    let Some(([a, b, c, d], rest)) = payload.get(COOKIE_LEN..).and_then(<[u8]>::split_first_chunk) else {
        return false;
    };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    let names = usize::try_from(length).ok().and_then(|length| rest.get(..length)).unwrap_or(rest);
    (8..4_096).contains(&length)
        && names.len() >= 8
        && names.iter().all(|byte| (0x21..=0x7e).contains(byte))
        && names.windows(4).any(|window| window == b"-sha")
}

/// The algorithm agreed on: the first of the client's that the server has as well. None where there is none.
pub(super) fn agreed<'a>(client: &'a KexInit, server: &KexInit, list: List) -> Option<&'a [u8]> {
    client.names(list).find(|name| !is_indicator(name) && server.has(list, name))
}

/// Names in the list of key exchanges that are none, but say what a side can do (RFC 8308, 2.1; OpenSSH PROTOCOL 1.9;
/// Dropbear).
pub(super) fn is_indicator(name: &[u8]) -> bool {
    [b"ext-info-".as_slice(), b"kex-strict-", b"kexguess2@"].iter().any(|start| name.starts_with(start))
}

/// Whether the guess of a side is right: both sides' first key exchange and first host key are the same.
pub(super) fn is_guess_right(client: &KexInit, server: &KexInit) -> bool {
    [List::KeyExchange, List::HostKey].into_iter().all(|list| {
        let first = client.names(list).next();
        first.is_some() && first == server.names(list).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(lists: [&str; 10], guesses: u8) -> Vec<u8> {
        let mut payload = vec![7; COOKIE_LEN];
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([guesses, 0, 0, 0, 0]);
        payload
    }

    fn kexinit(kex: &str, host_key: &str) -> KexInit {
        let mut kexinit = KexInit::default();
        assert!(kexinit.read(&payload([kex, host_key, "a", "b", "c", "d", "none", "none", "", ""], 1)));
        kexinit
    }

    #[test]
    fn the_first_of_the_clients_that_the_server_has_is_agreed_on() {
        let client = kexinit("a,b,c", "x");
        let server = kexinit("d,c,b", "y");
        assert_eq!(agreed(&client, &server, List::KeyExchange), Some(b"b".as_slice()));
        assert_eq!(agreed(&client, &server, List::HostKey), None);
        let dropbear = kexinit("e,kexguess2@matt.ucc.asn.au", "x");
        let other = kexinit("f,kexguess2@matt.ucc.asn.au", "x");
        assert_eq!(agreed(&dropbear, &other, List::KeyExchange), None);
        assert_eq!(agreed(&client, &server, List::CompressionToClient), Some(b"none".as_slice()));
    }

    #[test]
    fn a_guess_is_right_where_both_first_choices_are_the_same() {
        assert!(is_guess_right(&kexinit("a,b", "x"), &kexinit("a", "x,y")));
        assert!(!is_guess_right(&kexinit("a,b", "x"), &kexinit("b,a", "x")));
        assert!(!is_guess_right(&kexinit("a", "x"), &kexinit("a", "y,x")));
        assert!(!is_guess_right(&kexinit("", ""), &kexinit("", "")));
    }

    #[test]
    fn what_is_cut_short_or_not_printable_is_refused() {
        let whole = payload(["a"; 10], 0);
        for end in 0..whole.len() {
            assert!(!KexInit::default().read(&whole[..end]), "{end}");
        }
        assert!(!KexInit::default().read(&payload(["a", "b c", "", "", "", "", "", "", "", ""], 0)));
        assert!(!KexInit::default().read(&vec![0; KEXINIT_MAX + 1]));
    }

    #[test]
    fn only_lists_that_look_like_ssh_are_likely() {
        assert!(is_likely(&payload(["curve25519-sha256,ext-info-c", "", "", "", "", "", "", "", "", ""], 0)));
        assert!(is_likely(
            &payload(["curve25519-sha256,ext-info-c", "", "", "", "", "", "", "", "", ""], 0)[..40]
        ));
        assert!(!is_likely(&payload(["a"; 10], 0)));
        assert!(!is_likely(&[0; 64]));
    }
}
