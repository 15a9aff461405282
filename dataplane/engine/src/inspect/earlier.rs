use crate::protocols::{EARLIER_BYTES, Earlier};
use crate::record::Direction;

/// How many payloads are remembered.
const REMEMBERED: usize = 3;

/// The beginnings of payloads that decided nothing.
#[derive(Debug, Default)]
pub(super) struct EarlierPayloads {
    kept: arrayvec::ArrayVec<Kept, REMEMBERED>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    from: Direction,
    bytes: [u8; EARLIER_BYTES],
    kept: usize,
    len: u32,
}

impl EarlierPayloads {
    pub(super) fn remember(&mut self, from: Direction, payload: &[u8]) {
        let kept = payload.len().min(EARLIER_BYTES);
        let mut bytes = [0; EARLIER_BYTES];
        if let (Some(place), Some(start)) = (bytes.get_mut(..kept), payload.get(..kept)) {
            place.copy_from_slice(start);
        }
        if self.kept.is_full() {
            self.kept.remove(0);
        }
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        self.kept.push(Kept { from, bytes, kept, len });
    }

    /// What is remembered, oldest first.
    pub(super) fn views(&self) -> arrayvec::ArrayVec<Earlier<'_>, REMEMBERED> {
        self.kept
            .iter()
            .map(|kept| Earlier {
                from: kept.from,
                bytes: kept.bytes.get(..kept.kept).unwrap_or_default(),
                len: kept.len,
            })
            .collect()
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}
