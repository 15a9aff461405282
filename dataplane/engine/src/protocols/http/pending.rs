//! Requests that wait for their responses, oldest first.

use std::collections::VecDeque;

use super::message::{Message, Method, Upgrade};

/// Requests that may wait. A client that pipelines more loses the pairing of the oldest.
const WAITING_MAX: usize = 32;
/// Bytes of text they may hold together.
const HELD_MAX: usize = 64 * 1024;
/// Messages kept for reuse.
const SPARE_MAX: usize = 4;

/// A queue with a bound on number and size.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: VecDeque<Message>,
    held: usize,
    spare: Vec<Message>,
}

impl Pending {
    /// Appends a request and leaves an empty message in its place.
    pub(super) fn push(&mut self, message: &mut Message) {
        let empty = self.spare.pop().unwrap_or_default();
        let message = core::mem::replace(message, empty);
        self.held += message.held();
        self.waiting.push_back(message);
    }

    /// The oldest request, if there are more than there is room for.
    pub(super) fn pop_excess(&mut self) -> Option<Message> {
        let excess = self.waiting.len() > WAITING_MAX || (self.held > HELD_MAX && self.waiting.len() > 1);
        if excess { self.pop() } else { None }
    }

    /// The oldest request.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.waiting.pop_front()?;
        self.held = self.held.saturating_sub(message.held());
        Some(message)
    }

    /// The newest request.
    pub(super) fn newest_mut(&mut self) -> Option<&mut Message> {
        self.waiting.back_mut()
    }

    /// Takes a message back for reuse.
    pub(super) fn recycle(&mut self, mut message: Message) {
        if self.spare.len() < SPARE_MAX {
            message.clear();
            self.spare.push(message);
        }
    }

    /// Whether a request waits that may turn the connection into something else.
    pub(super) fn may_change_protocol(&self) -> bool {
        self.waiting
            .iter()
            .any(|message| message.upgrade != Upgrade::None || message.method == Method::Connect)
    }

    /// Forgets all requests.
    pub(super) fn clear(&mut self) {
        while let Some(message) = self.pop() {
            self.recycle(message);
        }
        self.held = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::http::start_line::Version;

    #[test]
    fn number_and_size_of_what_waits_are_bounded() {
        let mut pending = Pending::default();
        let mut message = Message::default();
        let target = [b'a'; 8_000];
        for _ in 0..1_000 {
            message.begin_request(b"GET", &target, Version::default());
            pending.push(&mut message);
            while let Some(oldest) = pending.pop_excess() {
                pending.recycle(oldest);
            }
            assert!(pending.waiting.len() <= WAITING_MAX && pending.held <= HELD_MAX);
        }
        pending.clear();
        assert_eq!((pending.held, pending.waiting.len()), (0, 0));
        assert!(pending.spare.len() <= SPARE_MAX);
    }
}
