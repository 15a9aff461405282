//! NetBIOS names in first-level encoding (RFC 1001, 14.1).

/// Bytes of a name before encoding; the last says what it is the name of.
const LEN: usize = 16;

/// A decoded name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) struct Name {
    bytes: [u8; LEN],
}

impl Name {
    /// Reads a name at the start of `bytes`: a length of 32, 32 letters, labels of a scope, and a zero. Gives it and
    /// the bytes it took.
    pub(in crate::protocols) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let letters = bytes.strip_prefix(&[32])?.first_chunk::<{ 2 * LEN }>()?;
        let mut name = [0; LEN];
        for (byte, pair) in name.iter_mut().zip(letters.as_chunks::<2>().0) {
            let [high, low] = pair.map(|letter| letter.wrapping_sub(b'A'));
            if high > 15 || low > 15 {
                return None;
            }
            *byte = high << 4 | low;
        }
        let mut at = 1 + letters.len();
        loop {
            let label = usize::from(*bytes.get(at)?);
            at += 1 + label;
            match label {
                0 => return Some((Self { bytes: name }, at)),
                1..=63 if at < 255 => {}
                _ => return None,
            }
        }
    }

    /// Its text, without the padding of spaces or zeros.
    pub(in crate::protocols) fn text(&self) -> &[u8] {
        let (text, _) = self.bytes.split_at(LEN - 1);
        let end = text.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |last| last + 1);
        text.get(..end).unwrap_or_default()
    }

    /// What it is the name of: its last byte.
    pub(in crate::protocols) const fn suffix(&self) -> u8 {
        self.bytes[LEN - 1]
    }

    /// Name of the suffix.
    pub(in crate::protocols) const fn service(&self) -> &'static str {
        match self.suffix() {
            0x00 => "workstation",
            0x01 => "master_browser_group",
            0x03 => "messenger",
            0x06 => "remote_access_server",
            0x1b => "domain_master_browser",
            0x1c => "domain_controllers",
            0x1d => "master_browser",
            0x1e => "browser_election",
            0x1f => "netdde",
            0x20 => "server",
            0x21 => "remote_access_client",
            _ => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_with_a_scope_decodes() {
        // The example of RFC 1001, 14.1, with its "h" put right.
        let bytes = b"\x20FEGIGFCAEOGFHEECEJEPFDCAGOGBGNGF\x07SCOPEID\x03COM\0rest";
        let (name, len) = Name::read(bytes).unwrap();
        assert_eq!((name.text(), name.suffix(), len), (&b"The NetBIOS nam"[..], b'e', 46));
        assert_eq!(Name::read(&bytes[..40]), None);
        assert_eq!(Name::read(b"\x20FEGIGFCAEOGFHEECEJEPFDCAGOGBGNG1\0"), None);
    }

    proptest! {
        #[test]
        fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            Name::read(&bytes);
        }
    }
}
