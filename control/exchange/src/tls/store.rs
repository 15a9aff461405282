use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::server::StoresServerSessions;
use rustls_pki_types::ServerName;
use zeroize::Zeroizing;

/// Sessions that can be resumed, as a client of one peer and as a server of all: in memory, bounded, each used once.
///
/// Never written to disk: after a restart there is a full handshake.
#[derive(Default)]
pub struct Tickets {
    received: Mutex<VecDeque<Tls13ClientSessionValue>>,
    given: Mutex<VecDeque<Given>>,
}

impl Tickets {
    /// Forgets every session: the next handshake is a full one.
    pub fn forget(&self) {
        lock(&self.received).clear();
        lock(&self.given).clear();
    }

    /// Whether a client has a session to resume.
    pub fn is_empty(&self) -> bool {
        lock(&self.received).is_empty()
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    // There is one group, which is offered at once.
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        let mut received = lock(&self.received);
        if received.len() == RECEIVED {
            received.pop_front();
        }
        received.push_back(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        lock(&self.received).pop_back()
    }
}

impl StoresServerSessions for Tickets {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let mut given = lock(&self.given);
        if given.len() == GIVEN {
            given.pop_front();
        }
        given.push_back((key, Zeroizing::new(value)));
        true
    }

    // Only TLS 1.2 reads a session without taking it.
    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut given = lock(&self.given);
        let at = given.iter().position(|(stored, _)| stored == key)?;
        given.remove(at).map(|(_, mut value)| std::mem::take(&mut *value))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (received, given) = (lock(&self.received).len(), lock(&self.given).len());
        f.debug_struct("Tickets").field("received", &received).field("given", &given).finish()
    }
}

/// The name of a session and what a server needs to resume it.
type Given = (Vec<u8>, Zeroizing<Vec<u8>>);

/// A thread that panicked while it held the list left it whole: single pushes and removals.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server gives two with each handshake.
const RECEIVED: usize = 4;
/// Two for each of 512 peers.
const GIVEN: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_given_out_once_and_the_oldest_makes_way() {
        let tickets = Tickets::default();
        for number in 0..=u16::try_from(GIVEN).unwrap() {
            assert!(tickets.put(number.to_be_bytes().to_vec(), vec![1]));
        }
        assert_eq!(tickets.take(&[0, 0]), None);
        assert_eq!(tickets.take(&[0, 1]), Some(vec![1]));
        assert_eq!(tickets.take(&[0, 1]), None);
        tickets.forget();
        assert_eq!(tickets.take(&[0, 2]), None);
    }
}
