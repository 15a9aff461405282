//! Requests that wait for their responses.

use std::collections::VecDeque;

/// Requests that may wait; of more, the oldest go unanswered.
pub(in crate::protocols) const WAITING_MAX: usize = 64;
/// Bytes of a request that are kept.
const KEPT_BYTES: usize = 1024;

/// A request, kept to be written with its response.
#[derive(Debug)]
pub(in crate::protocols) struct Request<K> {
    /// What its response has in common with it.
    pub(in crate::protocols) key: K,
    /// Its number within the flow.
    pub(in crate::protocols) number: u64,
    /// Its first bytes, at most [`KEPT_BYTES`].
    pub(in crate::protocols) bytes: Vec<u8>,
}

/// Requests of one flow, oldest first.
#[derive(Debug)]
pub(in crate::protocols) struct Transactions<K> {
    waiting: VecDeque<Request<K>>,
    spare: Vec<Vec<u8>>,
    next: u64,
}

impl<K> Default for Transactions<K> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), spare: Vec::new(), next: 0 }
    }
}

impl<K> Transactions<K> {
    /// Takes a request. Gives the oldest one where there are too many: it is to be written as it is.
    pub(in crate::protocols) fn open(&mut self, key: K, bytes: &[u8]) -> Option<Request<K>> {
        let excess = if self.waiting.len() >= WAITING_MAX { self.waiting.pop_front() } else { None };
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.extend_from_slice(bytes.get(..KEPT_BYTES).unwrap_or(bytes));
        let number = self.number();
        self.waiting.push_back(Request { key, number, bytes: kept });
        excess
    }

    /// The oldest request that something belongs to which does not end it.
    pub(in crate::protocols) fn waiting(&mut self, belongs: impl Fn(&K) -> bool) -> Option<&mut K> {
        self.waiting.iter_mut().map(|request| &mut request.key).find(|key| belongs(key))
    }

    /// Takes out the oldest request that a response belongs to.
    pub(in crate::protocols) fn close(&mut self, belongs: impl Fn(&K) -> bool) -> Option<Request<K>> {
        let at = self.waiting.iter().position(|request| belongs(&request.key))?;
        self.waiting.remove(at)
    }

    /// Takes out the oldest request.
    pub(in crate::protocols) fn pop(&mut self) -> Option<Request<K>> {
        self.waiting.pop_front()
    }

    /// Puts what [`Self::pop`] gave back to the front: more of its response is to come.
    pub(in crate::protocols) fn put_back(&mut self, request: Request<K>) {
        self.waiting.push_front(request);
    }

    /// Number for a message without a request.
    pub(in crate::protocols) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes back what [`Self::open`], [`Self::close`] or [`Self::pop`] gave.
    pub(in crate::protocols) fn recycle(&mut self, request: Request<K>) {
        let mut bytes = request.bytes;
        if self.spare.len() < WAITING_MAX {
            bytes.clear();
            self.spare.push(bytes);
        }
    }

    /// Forgets all requests.
    pub(in crate::protocols) fn clear(&mut self) {
        while let Some(request) = self.pop() {
            self.recycle(request);
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_size_of_what_waits_are_bounded() {
        let mut transactions = Transactions::default();
        let mut given_up = 0;
        for key in 0..1_000_u32 {
            if let Some(request) = transactions.open(key, &[7; 9_000]) {
                assert_eq!((request.key, request.bytes.len()), (given_up, KEPT_BYTES));
                given_up += 1;
                transactions.recycle(request);
            }
            assert!(transactions.waiting.len() <= WAITING_MAX);
        }
        transactions.clear();
        assert!(transactions.waiting.is_empty() && transactions.spare.len() <= WAITING_MAX);
    }

    #[test]
    fn a_response_takes_the_oldest_request_of_its_key() {
        let mut transactions = Transactions::default();
        for (key, byte) in [(1, 10), (2, 20), (1, 30)] {
            assert!(transactions.open(key, &[byte]).is_none());
        }
        let request = transactions.close(|key| *key == 1).unwrap();
        assert_eq!((request.number, request.bytes.as_slice()), (1, &[10][..]));
        assert!(transactions.close(|key| *key == 9).is_none());
        assert_eq!(transactions.pop().map(|request| request.number), Some(2));
        assert_eq!(transactions.number(), 4);
    }
}
