//! Messages that are sent again and again, of which only what is new is worth telling.

use arrayvec::ArrayVec;

use crate::record::Direction;

/// Kinds of messages, by direction, whose last content is known.
const KINDS_MAX: usize = 16;
/// Messages of a flow that are told, new or not.
const TOLD_MAX: u16 = 256;

/// What was told of one flow.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Repeated {
    last: ArrayVec<(Direction, u8, u64), KINDS_MAX>,
    messages: u32,
    told: u16,
}

impl Repeated {
    /// Whether the last message of this kind and direction said something else; remembers what this one says.
    pub(in crate::protocols) fn is_new(&mut self, from: Direction, kind: u8, content: &[u8]) -> bool {
        self.messages = self.messages.saturating_add(1);
        // FNV-1a: a collision would hide one message of somebody who wants it hidden and could leave it out as well.
        let digest = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let known = self.last.iter_mut().find(|(side, other, _)| *side == from && *other == kind);
        let is_new = match known {
            Some((_, _, last)) => core::mem::replace(last, digest) != digest,
            None => self.last.try_push((from, kind, digest)).is_ok(),
        };
        if is_new && self.told < TOLD_MAX {
            self.told += 1;
            return true;
        }
        false
    }

    /// Messages of the flow, told or not.
    pub(in crate::protocols) const fn messages(&self) -> u32 {
        self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn what_is_said_again_is_not_new_and_the_number_of_what_is_told_is_bounded() {
        let mut repeated = Repeated::default();
        assert!(repeated.is_new(ToServer, 1, b"up") && !repeated.is_new(ToServer, 1, b"up"));
        assert!(repeated.is_new(ToClient, 1, b"up") && repeated.is_new(ToServer, 2, b"up"));
        assert!(repeated.is_new(ToServer, 1, b"down"));
        let told =
            (0..2_000_u32).filter(|number| repeated.is_new(ToServer, 1, &number.to_be_bytes())).count();
        assert!(told < usize::from(TOLD_MAX));
        assert_eq!(repeated.messages(), 2_005);
    }
}
