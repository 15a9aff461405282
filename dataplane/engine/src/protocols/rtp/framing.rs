//! Where packets start and end in a stream.

/// How a stream is cut into packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) enum Framing {
    /// STUN messages and channels of TURN one after the other, which have lengths of their own (RFC 8489 6.2.2,
    /// RFC 8656 12.5).
    Bare,
    /// Two bytes of length (RFC 4571).
    Prefixed,
    /// A type, a zero, and two bytes of length ([MS-TURN] 2.2.1).
    Microsoft,
}

/// A packet of which the start is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) struct Frame<'a> {
    /// As much of the packet as there is.
    pub(in crate::protocols) bytes: &'a [u8],
    /// Its length, where the framing says it.
    pub(in crate::protocols) len: Option<usize>,
    /// How much of it is not there yet, where the framing says it.
    pub(in crate::protocols) missing: Option<usize>,
}

impl Framing {
    /// The first packet of `bytes`; none where its header is not whole, or is none.
    pub(in crate::protocols) fn frame_start(self, bytes: &[u8]) -> Option<Frame<'_>> {
        let (len, rest) = match self {
            Self::Bare => return Some(Frame { bytes, len: None, missing: None }),
            Self::Prefixed => {
                let (len, rest) = bytes.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*len)), rest)
            }
            Self::Microsoft => {
                let ([2 | 3, 0, l1, l2], rest) = bytes.split_first_chunk::<4>()? else { return None };
                (usize::from(u16::from_be_bytes([*l1, *l2])), rest)
            }
        };
        let kept = rest.get(..len).unwrap_or(rest);
        Some(Frame { bytes: kept, len: Some(len), missing: Some(len - kept.len()) })
    }

    /// The first packet of `bytes`, and how many bytes it takes; none where it is not whole.
    pub(in crate::protocols) fn packet(self, bytes: &[u8]) -> Option<(&[u8], usize)> {
        let head = match self {
            Self::Bare => {
                let ([kind, _, l1, l2], _) = bytes.split_first_chunk::<4>()?;
                let len = usize::from(u16::from_be_bytes([*l1, *l2]));
                // Channels are padded in streams, and the padding is not counted.
                let (len, padded) = match kind {
                    0x40..=0x7f => (4 + len, (4 + len).next_multiple_of(4)),
                    _ => (20 + len, 20 + len),
                };
                return bytes.get(..padded).and_then(|packet| Some((packet.get(..len)?, padded)));
            }
            Self::Prefixed => 2,
            Self::Microsoft => 4,
        };
        let frame = self.frame_start(bytes)?;
        (frame.missing == Some(0)).then_some((frame.bytes, head + frame.bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_by_each_framing() {
        assert_eq!(Framing::Prefixed.packet(&[0, 2, 8, 9, 7]), Some((&[8, 9][..], 4)));
        assert_eq!(Framing::Prefixed.packet(&[0, 3, 8, 9]), None);
        assert_eq!(Framing::Microsoft.packet(&[2, 0, 0, 1, 8, 9]), Some((&[8][..], 5)));
        assert_eq!(Framing::Microsoft.packet(&[4, 0, 0, 1, 8, 9]), None);
        assert_eq!(Framing::Bare.packet(&[0x40, 0, 0, 1, 8, 0, 0, 0, 1]), Some((&[0x40, 0, 0, 1, 8][..], 8)));
        assert_eq!(Framing::Bare.packet(&[0x40, 0, 0, 1, 8, 0]), None);
    }
}
