//! Handshake messages out of fragments (RFC 6347 4.2.2): in order of their numbers, each once.

use crate::protocols::pieces::Pieces;

/// Messages of one side that wait for fragments, or for messages before them.
const MAX_WAITING: usize = 6;
/// Longest message that is put together.
const MAX_MESSAGE: usize = 32 * 1024;
/// Longest message that is believed (RFC 5246 7.4.2 would allow 2^24, for certificates).
const MAX_LEN: usize = 1 << 17;

/// A handshake header with what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// Bytes of the whole message.
    len: usize,
    sequence: u16,
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the first fragment of a record; gives what follows it. `missing` bytes of the record were not captured.
    pub(super) fn parse(record: &'a [u8], missing: usize) -> Option<(Self, &'a [u8])> {
        let ([kind, l1, l2, l3, s1, s2, o1, o2, o3, f1, f2, f3], rest) = record.split_first_chunk::<12>()?;
        let number = |a: &u8, b: &u8, c: &u8| usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (len, offset, here) = (number(l1, l2, l3), number(o1, o2, o3), number(f1, f2, f3));
        let is_known = matches!(kind, 0..=5 | 8 | 11..=16 | 20..=25 | 67);
        if !is_known || len > MAX_LEN || offset + here > len || (here == 0 && len > 0) {
            return None;
        }
        let (bytes, rest) = match rest.split_at_checked(here) {
            Some(split) => split,
            None if here <= rest.len() + missing => (rest, &[][..]),
            None => return None,
        };
        let sequence = u16::from_be_bytes([*s1, *s2]);
        Some((Self { kind: *kind, len, sequence, offset, bytes }, rest))
    }

    fn is_whole(&self) -> bool {
        self.bytes.len() == self.len
    }
}

/// One side's messages.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Number of the message that is next.
    next: u16,
    waiting: [Waiting; MAX_WAITING],
}

/// A message that is not whole, or not next.
#[derive(Debug, Default)]
struct Waiting {
    /// Type, length and number; none where the place is free.
    header: Option<(u8, usize, u16)>,
    pieces: Pieces,
}

impl Waiting {
    fn whole(&self) -> Option<(u8, &[u8])> {
        let (kind, len, _) = self.header?;
        self.pieces.start().get(..len).map(|body| (kind, body))
    }

    fn is(&self, sequence: u16) -> bool {
        self.header.is_some_and(|(_, _, number)| number == sequence)
    }

    fn free(&mut self) {
        self.header = None;
        self.pieces.clear();
    }
}

impl Lane {
    /// Takes a fragment and hands on the messages that are complete with it, in order.
    pub(super) fn take(&mut self, fragment: &Fragment<'_>, mut message: impl FnMut(u8, &[u8])) {
        if fragment.sequence < self.next {
            return;
        }
        if fragment.sequence == self.next && fragment.is_whole() {
            message(fragment.kind, fragment.bytes);
            self.step();
        } else {
            self.keep(fragment);
        }
        while let Some(place) = self.waiting.iter().find(|place| place.is(self.next)) {
            let Some((kind, body)) = place.whole() else { break };
            message(kind, body);
            self.step();
        }
    }

    /// Hands on what is whole although something before it never came.
    pub(super) fn flush(&mut self, mut message: impl FnMut(u8, &[u8])) {
        while let Some(place) = self
            .waiting
            .iter_mut()
            .filter(|place| place.whole().is_some())
            .min_by_key(|place| place.header.map(|(_, _, sequence)| sequence))
        {
            if let Some((kind, body)) = place.whole() {
                message(kind, body);
            }
            place.free();
        }
    }

    pub(super) fn reset(&mut self) {
        self.next = 0;
        self.waiting.iter_mut().for_each(Waiting::free);
    }

    /// The next message was handed on.
    fn step(&mut self) {
        for place in &mut self.waiting {
            if place.is(self.next) {
                place.free();
            }
        }
        self.next = self.next.saturating_add(1);
    }

    fn keep(&mut self, fragment: &Fragment<'_>) {
        if fragment.len > MAX_MESSAGE {
            // Too long to keep: those behind it need not wait for it.
            if fragment.sequence == self.next && fragment.offset + fragment.bytes.len() == fragment.len {
                self.step();
            }
            return;
        }
        let header = (fragment.kind, fragment.len, fragment.sequence);
        let known = self.waiting.iter().position(|place| place.is(fragment.sequence));
        let Some(at) = known.or_else(|| self.waiting.iter().position(|place| place.header.is_none())) else {
            return;
        };
        let Some(place) = self.waiting.get_mut(at) else { return };
        // Fragments of one message agree on its type and length.
        if *place.header.get_or_insert(header) == header {
            place.pieces.insert(fragment.offset, fragment.bytes, fragment.len);
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(kind: u8, body: &[u8], sequence: u16, offset: usize, len: usize) -> Vec<u8> {
        let three = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
        let mut bytes = vec![kind];
        bytes.extend(three(body.len()));
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(three(offset));
        bytes.extend(three(len));
        bytes.extend(&body[offset..offset + len]);
        bytes
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_give_the_messages_in_theirs(
            lens in prop::collection::vec(1_usize..400, 1..6),
            cut in 16_usize..200,
            seed in any::<u64>(),
            again in 0_usize..3,
        ) {
            let bodies: Vec<Vec<u8>> = lens.iter().map(|len| (0..*len).map(|at| (at % 251) as u8).collect()).collect();
            let mut fragments = Vec::new();
            for (sequence, body) in bodies.iter().enumerate() {
                for offset in (0..body.len()).step_by(cut) {
                    fragments.push(fragment(11, body, sequence as u16, offset, cut.min(body.len() - offset)));
                }
            }
            let copies: Vec<_> = fragments.iter().take(again).cloned().collect();
            fragments.extend(copies);
            let mut state = seed;
            for at in (1..fragments.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                fragments.swap(at, (state >> 33) as usize % (at + 1));
            }
            let mut lane = Lane::default();
            let mut read = Vec::new();
            for bytes in &fragments {
                let (fragment, rest) = Fragment::parse(bytes, 0).unwrap();
                prop_assert!(rest.is_empty());
                lane.take(&fragment, |_, body| read.push(body.to_vec()));
            }
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn any_bytes_are_survived(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..40)) {
            let mut lane = Lane::default();
            for mut bytes in parts {
                if let Some(lens) = bytes.get_mut(0..12) {
                    lens[0] %= 25;
                    lens[1] = 0;
                    lens[4] = 0;
                    lens[6] = 0;
                    lens[9] = 0;
                }
                let mut rest = bytes.as_slice();
                while let Some((fragment, after)) = Fragment::parse(rest, 0) {
                    lane.take(&fragment, |_, _| {});
                    rest = after;
                }
            }
            lane.flush(|_, _| {});
        }
    }

    #[test]
    fn what_is_whole_is_told_at_the_end_although_its_forerunner_is_lost() {
        let mut lane = Lane::default();
        let mut read = Vec::new();
        for bytes in
            [fragment(12, &[5; 9], 3, 0, 9), fragment(11, &[4; 9], 2, 0, 9), fragment(14, &[1; 9], 4, 0, 3)]
        {
            lane.take(&Fragment::parse(&bytes, 0).unwrap().0, |kind, _| read.push(kind));
        }
        assert!(read.is_empty());
        lane.flush(|kind, _| read.push(kind));
        assert_eq!(read, [11, 12]);
    }
}
