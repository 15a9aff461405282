//! Packets of one direction of the control channel, in the order of their numbers.

/// Packets that wait for one before them.
const MOST_WAITING: usize = 8;
/// Longest content that waits.
const MOST_BYTES: usize = 2048;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    next: u32,
    waiting: [Waiting; MOST_WAITING],
}

#[derive(Debug, Default)]
struct Waiting {
    number: Option<u32>,
    content: Vec<u8>,
}

impl Ordered {
    /// Takes a packet and hands on what is next, each packet once.
    pub(super) fn take(&mut self, number: u32, content: &[u8], mut deliver: impl FnMut(&[u8])) {
        if number > self.next {
            return self.keep(number, content);
        }
        if number < self.next {
            return;
        }
        deliver(content);
        self.next = self.next.saturating_add(1);
        while let Some(place) = self.waiting.iter_mut().find(|place| place.number == Some(self.next)) {
            deliver(&place.content);
            place.number = None;
            place.content.clear();
            self.next = self.next.saturating_add(1);
        }
    }

    fn keep(&mut self, number: u32, content: &[u8]) {
        let is_known = self.waiting.iter().any(|place| place.number == Some(number));
        if is_known || content.len() > MOST_BYTES {
            return;
        }
        if let Some(place) = self.waiting.iter_mut().find(|place| place.number.is_none()) {
            place.number = Some(number);
            place.content.clear();
            place.content.extend_from_slice(content);
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = 0;
        for place in &mut self.waiting {
            place.number = None;
            place.content.clear();
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use super::*;

    #[test]
    fn packets_are_handed_on_in_order_and_once() {
        let mut ordered = Ordered::default();
        let mut read = Vec::new();
        for number in [0, 2, 1, 1, 0, 4, 4, 3, 9] {
            ordered.take(number, &[number as u8], |content| read.extend_from_slice(content));
        }
        assert_eq!(read, [0, 1, 2, 3, 4]);
        ordered.reset();
        ordered.take(0, &[7], |content| read.extend_from_slice(content));
        assert_eq!(read.last(), Some(&7));
    }

    #[test]
    fn no_more_wait_than_there_are_places() {
        let mut ordered = Ordered::default();
        for number in 1..100 {
            ordered.take(number, &[1; MOST_BYTES], |_| unreachable!("the first never came"));
        }
        assert!(ordered.waiting.iter().all(|place| place.content.len() <= MOST_BYTES));
    }
}
