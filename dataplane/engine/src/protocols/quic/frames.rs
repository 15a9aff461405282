//! Frames of Initial packets (RFC 9000 12.4 and 19), and of Google's versions with the same header.

use super::header::varint;

/// A frame that says something about the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// Bytes of the handshake.
    Crypto { offset: u64, content: &'a [u8] },
    /// The connection was given up with this error (RFC 9000 20).
    Close { error: u64 },
}

/// Which frames there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Ietf,
    /// Google's own types, in Q050, T050 and T051.
    Google,
}

/// The frames of a packet up to the first that cannot be read.
pub(super) fn frames(content: &[u8], framing: Framing) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = content;
    core::iter::from_fn(move || {
        loop {
            let frame = match framing {
                Framing::Ietf => ietf(&mut rest)?,
                Framing::Google => google(&mut rest)?,
            };
            if frame.is_some() {
                return frame;
            }
        }
    })
}

/// Reads one frame: none at the end, nothing told by those that do not matter.
fn ietf<'a>(rest: &mut &'a [u8]) -> Option<Option<Frame<'a>>> {
    match varint(rest)? {
        // PADDING, in one go; PING.
        0 => *rest = after_padding(rest),
        1 => {}
        kind @ (2 | 3) => acknowledgement(rest, kind == 3)?,
        6 => return crypto(rest).map(Some),
        kind @ (0x1c | 0x1d) => {
            let error = varint(rest)?;
            if kind == 0x1c {
                varint(rest)?;
            }
            let reason = usize::try_from(varint(rest)?).ok()?;
            *rest = rest.get(reason..)?;
            return Some(Some(Frame::Close { error }));
        }
        _ => return None,
    }
    Some(None)
}

/// ACK (RFC 9000 19.3).
fn acknowledgement(rest: &mut &[u8], has_counts: bool) -> Option<()> {
    varint(rest)?;
    varint(rest)?;
    let ranges = varint(rest)?;
    varint(rest)?;
    for _ in 0..ranges {
        varint(rest)?;
        varint(rest)?;
    }
    if has_counts {
        for _ in 0..3 {
            varint(rest)?;
        }
    }
    Some(())
}

fn crypto<'a>(rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    let offset = varint(rest)?;
    let len = usize::try_from(varint(rest)?).ok()?;
    let (content, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(Frame::Crypto { offset, content })
}

/// Chromium's `QuicFrameType`: 0 is PADDING, 7 PING, 8 CRYPTO; a first bit set is STREAM, a second ACK.
fn google<'a>(rest: &mut &'a [u8]) -> Option<Option<Frame<'a>>> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    match kind {
        0 => *rest = after_padding(rest),
        7 => {}
        8 => return crypto(rest).map(Some),
        0x40..=0x7f => google_acknowledgement(rest, *kind)?,
        _ => return None,
    }
    Some(None)
}

/// ACK of Google QUIC: `01ntllmm`, n more than one range, l and m the lengths of numbers.
fn google_acknowledgement(rest: &mut &[u8], kind: u8) -> Option<()> {
    let len = |bits: u8| [1, 2, 4, 6].get(usize::from(bits & 0b11)).copied().unwrap_or(1);
    let (largest, block) = (len(kind >> 2), len(kind));
    *rest = rest.get(largest + 2..)?;
    let blocks = if kind & 0x20 != 0 { usize::from(take(rest)?) } else { 0 };
    *rest = rest.get(block + blocks * (1 + block)..)?;
    let stamps = usize::from(take(rest)?);
    let stamps = if stamps == 0 { 0 } else { 5 + (stamps - 1) * 3 };
    *rest = rest.get(stamps..)?;
    Some(())
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

fn after_padding(rest: &[u8]) -> &[u8] {
    let zeros = rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len());
    rest.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_of_an_initial_are_read_past_those_that_do_not_matter() {
        let content = [1, 0, 0, 2, 5, 0, 1, 0, 2, 2, 6, 3, 2, 9, 8, 0, 0x1c, 0x41, 0x28, 6, 1, b'x', 0];
        let read: Vec<_> = frames(&content, Framing::Ietf).collect();
        assert_eq!(
            read,
            [Frame::Crypto { offset: 3, content: &[9, 8] }, Frame::Close { error: 0x128 }],
            "an acknowledgement with a range, a CRYPTO frame, an end for lack of a certificate"
        );
    }

    #[test]
    fn googles_frames_have_other_numbers() {
        let content = [0x40, 1, 0, 0, 1, 0, 7, 8, 0, 2, 9, 8, 0, 0];
        let read: Vec<_> = frames(&content, Framing::Google).collect();
        assert_eq!(read, [Frame::Crypto { offset: 0, content: &[9, 8] }]);
    }

    #[test]
    fn a_frame_that_is_cut_or_unknown_ends_the_packet() {
        for content in [&[6, 0, 4, 1][..], &[0x30, 6, 0, 1, 1], &[2, 0xff], &[0x1c, 1, 0, 9]] {
            assert_eq!(frames(content, Framing::Ietf).count(), 0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(content in prop::collection::vec(any::<u8>(), 0..200)) {
            frames(&content, Framing::Ietf).count();
            frames(&content, Framing::Google).count();
        }
    }
}
