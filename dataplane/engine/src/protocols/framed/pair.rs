//! The start of a message told by the message behind it.

use super::Framing;
use crate::protocols::Found;

/// Whether a message starts here that another one follows: for protocols whose heads say little. What `framing` says
/// of the beginning of some bytes must not change with more of them.
pub(in crate::protocols) fn two_messages(bytes: &[u8], framing: impl Fn(&[u8]) -> Framing) -> Found {
    let len = match framing(bytes) {
        Framing::Open => return Found::Maybe,
        Framing::Invalid(_) => return Found::No,
        Framing::Message { len, .. } => len.max(1),
    };
    match bytes.get(len..).filter(|rest| !rest.is_empty()).map(framing) {
        None | Some(Framing::Open) => Found::Maybe,
        Some(Framing::Invalid(_)) => Found::No,
        Some(Framing::Message { .. }) => Found::Likely(80),
    }
}
