//! Versions of QUIC: which exist, how they lay out their packets, and what their Initial keys are made from.
//!
//! Sources: RFC 9000 15 (version 1, drafts 0xff0000xx, versions 0x?a?a?a?a that force a negotiation), RFC 9369
//! (version 2), RFC 9001 5.2 and the drafts before it (salts), the QUIC Versions registry of the QUIC working group
//! (mvfst, picoquic), and Chromium's `quic_versions` and `crypto_utils` (Q0xx, T0xx and their salts).

/// A version number as it stands on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Version(pub(super) u32);

/// Which language a version speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// IETF QUIC: TLS in CRYPTO frames, Initial packets under a key that anybody can derive.
    Ietf,
    /// Google's T050 and T051: TLS in Google's CRYPTO frames, Initial packets as with the IETF.
    GoogleTls,
    /// Google's Q050: its own handshake messages, Initial packets as with the IETF.
    GoogleSealed,
    /// Google's Q046 and before: its own handshake messages in the clear.
    GoogleOpen,
}

/// How long headers write the lengths of connection ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdLayout {
    /// One byte before each id (draft 22 and later, RFC 8999).
    Apart,
    /// One byte with both lengths before both ids (draft 21 and before, Q044 to Q046).
    Together,
}

/// Labels of the key derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) key: &'static [u8],
    pub(super) iv: &'static [u8],
    pub(super) header: &'static [u8],
}

impl Version {
    /// Version Negotiation packets have this in place of a version.
    pub(super) const NEGOTIATION: Self = Self(0);

    /// The number of the draft that this version is based on, where it matters.
    const fn draft(self) -> Option<u32> {
        match self.0 {
            0xff00_0000..=0xff00_00ff => Some(self.0 & 0xff),
            0xface_b000 | 0xface_b001 => Some(22),
            // Another number for version 1.
            0xface_b003 => Some(34),
            0xface_b002..=0xface_b01f => Some(27),
            // picoquic's own, of the time of drafts 27 and 29.
            0x5043_5130 => Some(27),
            0x5043_5131 => Some(29),
            _ => None,
        }
    }

    /// Whether the number is one that a client sends to make the server negotiate (RFC 9000 15).
    pub(super) const fn is_forcing_negotiation(self) -> bool {
        self.0 & 0x0f0f_0f0f == 0x0a0a_0a0a
    }

    /// Whether this is version 2 (RFC 9369) or its draft: packet types and labels differ.
    const fn is_two(self) -> bool {
        matches!(self.0, 0x6b33_43cf | 0x709a_50c4)
    }

    /// The language; none for a number that nobody is known to use.
    pub(super) const fn dialect(self) -> Option<Dialect> {
        let [letter, zero, tens, units] = self.0.to_be_bytes();
        if zero == b'0' && tens.is_ascii_digit() && units.is_ascii_digit() {
            let number = (tens - b'0') * 10 + (units - b'0');
            return match (letter, number) {
                (b'Q', 50) => Some(Dialect::GoogleSealed),
                // Versions with a public header, and the three that followed with a long one.
                (b'Q', 9..=48) => Some(Dialect::GoogleOpen),
                (b'T', 48..=51) => Some(Dialect::GoogleTls),
                _ => None,
            };
        }
        let is_known = matches!(self.0, 0x0000_0001)
            || self.is_two()
            || self.is_forcing_negotiation()
            || matches!(self.draft(), Some(10..=34));
        if is_known { Some(Dialect::Ietf) } else { None }
    }

    /// Whether packets of this version have a long header; Google's did not before Q044.
    pub(super) fn has_long_header(self) -> bool {
        match self.dialect() {
            Some(Dialect::GoogleOpen) => self.0.to_be_bytes() >= *b"Q044",
            Some(_) => true,
            None => false,
        }
    }

    /// How the lengths of connection ids are written.
    pub(super) const fn id_layout(self) -> IdLayout {
        if matches!(self.dialect(), Some(Dialect::GoogleOpen)) || matches!(self.draft(), Some(0..=21)) {
            IdLayout::Together
        } else {
            IdLayout::Apart
        }
    }

    /// Whether the type bits of long headers are those of version 2 (RFC 9369 3.2).
    pub(super) const fn has_types_of_two(self) -> bool {
        self.is_two()
    }

    /// The salt of the Initial secret (RFC 9001 5.2).
    pub(super) const fn salt(self) -> Option<&'static [u8; 20]> {
        match self.dialect() {
            Some(Dialect::GoogleSealed) => return Some(&SALT_Q050),
            Some(Dialect::GoogleTls) if self.0 == 0x5430_3530 => return Some(&SALT_T050),
            Some(Dialect::GoogleTls) => return Some(&SALT_T051),
            Some(Dialect::GoogleOpen) | None => return None,
            Some(Dialect::Ietf) => {}
        }
        match (self.0, self.draft()) {
            (0x6b33_43cf, _) => Some(&SALT_2),
            (0x709a_50c4, _) => Some(&SALT_2_DRAFT),
            (_, Some(33..)) | (_, None) => Some(&SALT_1),
            (_, Some(29..=32)) => Some(&SALT_29),
            (_, Some(23..=28)) => Some(&SALT_23),
            (_, Some(21..=22)) => Some(&SALT_21),
            (_, Some(17..=20)) => Some(&SALT_17),
            (_, Some(..=16)) => Some(&SALT_10),
        }
    }

    /// Labels of the key derivation (RFC 9001 5.1, RFC 9369 3.3.2).
    pub(super) const fn labels(self) -> Labels {
        if self.is_two() {
            Labels { key: b"quicv2 key", iv: b"quicv2 iv", header: b"quicv2 hp" }
        } else {
            Labels { key: b"quic key", iv: b"quic iv", header: b"quic hp" }
        }
    }

    /// Whether transport parameters have numbers and lengths of two bytes each (draft 26 and before).
    pub(super) const fn has_fixed_parameters(self) -> bool {
        matches!(self.draft(), Some(0..=26))
    }

    /// Writes the version as Suricata does: Google's by its letters, others in hexadecimal without leading zeros.
    pub(super) fn text(self, text: &mut Vec<u8>) {
        text.clear();
        let bytes = self.0.to_be_bytes();
        if bytes.iter().all(u8::is_ascii_alphanumeric) {
            text.extend_from_slice(&bytes);
            return;
        }
        let mut has_digit = false;
        for shift in (0..32).step_by(4).rev() {
            let digit = u8::try_from(self.0 >> shift & 0xf).unwrap_or_default();
            has_digit |= digit != 0 || shift == 0;
            if has_digit {
                text.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
            }
        }
    }

    /// The name of a version for people, where it has one.
    pub(super) const fn name(self) -> Option<&'static str> {
        Some(match (self.0, self.draft()) {
            (1, _) => "QUIC v1",
            (0x6b33_43cf, _) => "QUIC v2",
            (0x709a_50c4, _) => "QUIC v2 draft",
            (0xface_b000..=0xface_b01f, _) => "mvfst",
            (0x5043_5130 | 0x5043_5131, _) => "picoquic",
            (_, Some(34)) => "draft-34",
            (_, Some(33)) => "draft-33",
            (_, Some(32)) => "draft-32",
            (_, Some(31)) => "draft-31",
            (_, Some(30)) => "draft-30",
            (_, Some(29)) => "draft-29",
            (_, Some(28)) => "draft-28",
            (_, Some(27)) => "draft-27",
            (_, Some(_)) => "draft before 27",
            _ if self.is_forcing_negotiation() => "reserved",
            _ => match self.dialect() {
                Some(Dialect::GoogleTls) => "Google QUIC with TLS",
                Some(Dialect::GoogleOpen | Dialect::GoogleSealed) => "Google QUIC",
                _ => return None,
            },
        })
    }
}

/// RFC 9001 5.2, from draft-ietf-quic-tls-33 on.
const SALT_1: [u8; 20] = *b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a";
/// RFC 9369 3.3.1.
const SALT_2: [u8; 20] = *b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9";
/// draft-ietf-quic-v2-01.
const SALT_2_DRAFT: [u8; 20] =
    *b"\xa7\x07\xc2\x03\xa5\x9b\x47\x18\x4a\x1d\x62\xca\x57\x04\x06\xea\x7a\xe3\xe5\xd3";
/// draft-ietf-quic-tls-29 to 32.
const SALT_29: [u8; 20] =
    *b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99";
/// draft-ietf-quic-tls-23 to 28.
const SALT_23: [u8; 20] =
    *b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02";
/// draft-ietf-quic-tls-21 and 22.
const SALT_21: [u8; 20] =
    *b"\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a";
/// draft-ietf-quic-tls-17 to 20.
const SALT_17: [u8; 20] =
    *b"\xef\x4f\xb0\xab\xb4\x74\x70\xc4\x1b\xef\xcf\x80\x31\x33\x4f\xae\x48\x5e\x09\xa0";
/// draft-ietf-quic-tls-10 to 16.
const SALT_10: [u8; 20] =
    *b"\x9c\x10\x8f\x98\x52\x0a\x5c\x5c\x32\x96\x8e\x95\x0e\x8a\x2c\x5f\xe0\x6d\x6c\x38";
/// Chromium, `crypto_utils`: Q050.
const SALT_Q050: [u8; 20] =
    *b"\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45";
/// Chromium, `crypto_utils`: T050.
const SALT_T050: [u8; 20] =
    *b"\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10";
/// Chromium, `crypto_utils`: T051.
const SALT_T051: [u8; 20] =
    *b"\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(version: u32) -> String {
        let mut text = Vec::new();
        Version(version).text(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn versions_are_written_as_hexadecimal_or_by_their_letters() {
        for number in [0_u32, 1, 0xa, 0x10, 0x6b33_43cf, 0xff00_001d, 0xface_b002] {
            assert_eq!(text(number), format!("{number:x}"));
        }
        assert_eq!(text(0x5130_3436), "Q046");
    }

    #[test]
    fn only_versions_that_exist_have_a_dialect() {
        let known = [
            (1, Some(Dialect::Ietf)),
            (0x6b33_43cf, Some(Dialect::Ietf)),
            (0xff00_001d, Some(Dialect::Ietf)),
            (0x1a2a_3a4a, Some(Dialect::Ietf)),
            (0x5130_3433, Some(Dialect::GoogleOpen)),
            (0x5130_3530, Some(Dialect::GoogleSealed)),
            (0x5430_3531, Some(Dialect::GoogleTls)),
            (0, None),
            (2, None),
            (0xff00_0009, None),
            (0x5130_3939, None),
            (0xdead_beef, None),
        ];
        for (number, dialect) in known {
            assert_eq!(Version(number).dialect(), dialect, "{number:x}");
        }
    }

    #[test]
    fn only_the_public_header_comes_before_q044() {
        assert!(!Version(0x5130_3433).has_long_header());
        assert!(Version(0x5130_3436).has_long_header());
        assert_eq!(Version(0x5130_3436).id_layout(), IdLayout::Together);
        assert_eq!(Version(0x5130_3530).id_layout(), IdLayout::Apart);
    }
}
