//! JSON (RFC 8259) written by hand into a buffer that is reused: no value tree, no allocation.

use core::net::IpAddr;
use std::io::Write;

use engine::record::append;

/// Appends a comma unless this is the first member of its object or list.
pub(super) fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'{' | b'[') | None) {
        out.push(b',');
    }
}

/// Appends `,"name":` behind another member. Names are the program's own, in plain characters.
#[inline]
pub(super) fn key(out: &mut Vec<u8>, name: &str) {
    debug_assert!(is_plain(name.as_bytes()), "{name} would have to be escaped");
    out.extend_from_slice(b",\"");
    append(out, name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends `"name":`, the first of an object.
#[inline]
pub(super) fn first_key(out: &mut Vec<u8>, name: &str) {
    debug_assert!(is_plain(name.as_bytes()), "{name} would have to be escaped");
    out.push(b'"');
    append(out, name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends `,"name":` where the name may have to be escaped.
pub(super) fn text_key(out: &mut Vec<u8>, name: &str) {
    separate(out);
    string(out, name.as_bytes());
    out.push(b':');
}

/// Appends a decimal number.
#[inline]
pub(super) fn unsigned(out: &mut Vec<u8>, value: u64) {
    // Most are short; a length that the compiler knows is copied without a call.
    match u32::try_from(value) {
        Ok(small @ ..10) => out.push(digit(small)),
        Ok(small @ ..100) => out.extend_from_slice(&two(small)),
        Ok(small @ ..1_000) => {
            let [tens, ones] = two(small % 100);
            out.extend_from_slice(&[digit(small / 100), tens, ones]);
        }
        Ok(small @ ..10_000) => {
            let ([a, b], [c, d]) = (two(small / 100), two(small % 100));
            out.extend_from_slice(&[a, b, c, d]);
        }
        Ok(small @ ..100_000) => {
            let (rest, [c, d]) = (small / 100, two(small % 100));
            let [a, b] = two(rest % 100);
            out.extend_from_slice(&[digit(rest / 100), a, b, c, d]);
        }
        _ => append(out, itoa::Buffer::new().format(value).as_bytes()),
    }
}

/// The decimal digit of a number below 10.
#[inline]
fn digit(number: u32) -> u8 {
    let [_, ones] = two(number);
    ones
}

/// Two decimal digits of a number below 100.
#[inline]
pub(super) fn two(number: u32) -> [u8; 2] {
    let (pairs, _) = DIGITS.as_chunks();
    usize::try_from(number).ok().and_then(|at| pairs.get(at)).copied().unwrap_or_default()
}

/// `00` to `99`.
const DIGITS: &[u8; 200] = b"\
      0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849\
      5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

/// Appends a decimal number.
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number; JSON has no infinities and no NaN, they become `null`.
pub(super) fn real(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        // Writing to a vector cannot fail. `{:?}` uses exponents for what would have hundreds of digits.
        let _ = write!(out, "{value:?}");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends `true` or `false`.
pub(super) fn flag(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Each octet in decimal digits with a point behind it, and how many characters that is.
#[expect(clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "computed while compiling")]
static DOTTED: [([u8; 4], u8); 256] = {
    let mut all = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < all.len() {
        let (h, t, o) = (octet / 100, octet / 10 % 10, octet % 10);
        let digits = [b'0' + h as u8, b'0' + t as u8, b'0' + o as u8];
        let [hundreds, tens, ones] = digits;
        all[octet] = match octet {
            0..10 => ([ones, b'.', 0, 0], 2),
            10..100 => ([tens, ones, b'.', 0], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        octet += 1;
    }
    all
};

/// Appends an address as a string.
pub(super) fn ip(out: &mut Vec<u8>, address: IpAddr) {
    out.push(b'"');
    match address {
        IpAddr::V4(v4) => {
            for octet in v4.octets() {
                let Some((text, len)) = DOTTED.get(usize::from(octet)) else { continue };
                let end = out.len() + usize::from(*len);
                out.extend_from_slice(text);
                out.truncate(end);
            }
            out.pop();
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
    out.push(b'"');
}

/// Appends bytes as a string of lower-case hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let mut digits = [[0; 2]; 8];
        for (pair, byte) in digits.iter_mut().zip(chunk) {
            *pair = hex_digits(*byte);
        }
        out.extend_from_slice(digits.as_flattened());
    }
    out.extend(rest.iter().flat_map(|byte| hex_digits(*byte)));
    out.push(b'"');
}

/// Appends a MAC address as a string.
pub(super) fn mac(out: &mut Vec<u8>, octets: [u8; 6]) {
    out.push(b'"');
    for (at, octet) in octets.iter().enumerate() {
        if at > 0 {
            out.push(b':');
        }
        out.extend(hex_digits(*octet));
    }
    out.push(b'"');
}

/// Two lower-case hexadecimal digits.
pub(super) const fn hex_digits(byte: u8) -> [u8; 2] {
    [nibble(byte >> 4), nibble(byte & 15)]
}

const fn nibble(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Appends bytes from the wire as a string.
///
/// What JSON must escape is escaped, and so is what could harm a reader: C0 and C1 controls, DEL, line and paragraph
/// separators, and the controls that reorder text (U+202A to U+202E, U+2066 to U+2069). A byte that is not part of
/// well-formed UTF-8 becomes the four characters `\xHH`; so that this can be undone, a backslash that stands before
/// an `x` on the wire becomes `\x5c`. No byte is lost: replacing every `\xHH` of the string by its byte gives back
/// the bytes of the wire.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    if is_plain(bytes) {
        append(out, bytes);
    } else {
        for chunk in bytes.utf8_chunks() {
            valid(out, chunk.valid());
            for byte in chunk.invalid() {
                escaped_byte(out, *byte);
            }
        }
    }
    out.push(b'"');
}

/// Appends text that the program itself holds, in plain characters, as a string.
#[inline]
pub(super) fn own(out: &mut Vec<u8>, text: &str) {
    debug_assert!(is_plain(text.as_bytes()), "{text} would have to be escaped");
    out.push(b'"');
    append(out, text.as_bytes());
    out.push(b'"');
}

/// Whether nothing is to be escaped. Most strings are short: those take no loop.
fn is_plain(bytes: &[u8]) -> bool {
    match bytes.len() {
        0..4 => !bytes.iter().any(|byte| is_special(*byte)),
        4..8 => are_plain(bytes.first_chunk::<4>(), bytes.last_chunk(), |half| {
            u64::from(u32::from_le_bytes(half)) | SPACES
        }),
        8..16 => are_plain(bytes.first_chunk::<8>(), bytes.last_chunk(), u64::from_le_bytes),
        _ => {
            let (blocks, _) = bytes.as_chunks::<16>();
            bytes.last_chunk().is_some_and(is_plain_block) && blocks.iter().all(is_plain_block)
        }
    }
}

/// Spaces where the upper half of a word has nothing.
const SPACES: u64 = 0x2020_2020_0000_0000;

/// Whether nothing is to be escaped in the first and the last bytes of a text.
#[inline]
fn are_plain<const N: usize>(
    first: Option<&[u8; N]>,
    last: Option<&[u8; N]>,
    word: impl Fn([u8; N]) -> u64,
) -> bool {
    let Some((first, last)) = first.zip(last) else { return false };
    !(has_special(word(*first)) | has_special(word(*last)))
}

/// Whether nothing is to be escaped in a block: all of it at once.
fn is_plain_block(block: &[u8; 16]) -> bool {
    !block.iter().fold(false, |found, byte| found | is_special(*byte))
}

/// Whether a byte is below 0x20, above 0x7e, `"` or `\`.
#[inline]
const fn is_special(byte: u8) -> bool {
    byte.wrapping_sub(0x20) > 0x5e || byte == b'"' || byte == b'\\'
}

/// Whether one of eight bytes is below 0x20, above 0x7e, `"` or `\`.
const fn has_special(word: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    // A borrow or carry from one byte into the next can only follow a byte that was found.
    const fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(EACH * limit) & !word
    }
    let quote = below(word ^ (EACH * b'"' as u64), 1);
    let backslash = below(word ^ (EACH * b'\\' as u64), 1);
    let high = word | word.wrapping_add(EACH);
    (below(word, 0x20) | quote | backslash | high) & HIGH != 0
}

fn valid(out: &mut Vec<u8>, text: &str) {
    let mut plain_from = 0;
    for (at, c) in text.char_indices() {
        let json_asks = matches!(c, '"' | '\\' | '\0'..='\u{1f}');
        let harmful = matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if !(json_asks || harmful) {
            continue;
        }
        out.extend_from_slice(text.as_bytes().get(plain_from..at).unwrap_or_default());
        let behind = at + c.len_utf8();
        plain_from = behind;
        escape(out, c, text.as_bytes().get(behind) == Some(&b'x'));
    }
    out.extend_from_slice(text.as_bytes().get(plain_from..).unwrap_or_default());
}

fn escape(out: &mut Vec<u8>, c: char, before_x: bool) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' if before_x => escaped_byte(out, b'\\'),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ => {
            let [_, _, high, low] = u32::from(c).to_be_bytes();
            out.extend_from_slice(b"\\u");
            out.extend(hex_digits(high));
            out.extend(hex_digits(low));
        }
    }
}

/// The four characters `\xHH`, the backslash escaped as JSON asks.
fn escaped_byte(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(b"\\\\x");
    out.extend(hex_digits(byte));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands_and_no_other_is() {
        for byte in 0..=u8::MAX {
            for (at, len) in [(0, 1), (3, 5), (0, 8), (7, 8), (8, 9), (13, 20), (15, 33), (32, 33), (49, 50)]
            {
                for beside in *b" ~x" {
                    let mut bytes = vec![beside; len];
                    bytes[at] = byte;
                    let is_plain_byte = (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\');
                    assert_eq!(is_plain(&bytes), is_plain_byte, "{byte:#x} at {at} of {len}");
                }
            }
        }
    }

    /// What a JSON reader sees, with every `\xHH` turned back into its byte.
    fn read_back(json: &str) -> Vec<u8> {
        let seen: String = serde_json::from_str(json).unwrap();
        let mut bytes = Vec::new();
        let mut rest = seen.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            if *first == b'\\' && tail.first() == Some(&b'x') {
                let digits = std::str::from_utf8(&tail[1..3]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &tail[3..];
            } else {
                bytes.push(*first);
                rest = tail;
            }
        }
        bytes
    }

    #[test]
    fn numbers_of_every_length_are_written_in_full() {
        let edges = (0..20).flat_map(|power| [10_u64.pow(power) - 1, 10_u64.pow(power)]);
        for value in edges.chain([u64::from(u16::MAX), u64::from(u16::MAX) + 1, u64::MAX, 12_345, 9_876, 205])
        {
            let mut out = Vec::new();
            unsigned(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn hostile_text_is_escaped() {
        for (bytes, json) in [
            (&b"plain text, longer than sixteen bytes"[..], r#""plain text, longer than sixteen bytes""#),
            (b"", r#""""#),
            (b"say \"no\"", r#""say \"no\"""#),
            (b"C:\\dir", r#""C:\\dir""#),
            (b"a\nb\r\t\0\x1b[31m", r#""a\nb\r\t\u0000\u001b[31m""#),
            (b"\x7f", r#""\u007f""#),
            ("\u{85}\u{2028}\u{202e}\u{2066}".as_bytes(), r#""\u0085\u2028\u202e\u2066""#),
            ("M\u{fc}ller \u{1f600}".as_bytes(), "\"M\u{fc}ller \u{1f600}\""),
            (b"\xff\xfe ok \xc3", r#""\\xff\\xfe ok \\xc3""#),
            (b"\\x41", r#""\\x5cx41""#),
            (b"\\\xff", r#""\\\\xff""#),
            (b"\xed\xa0\x80", r#""\\xed\\xa0\\x80""#),
        ] {
            assert_eq!(written(bytes), json);
            assert_eq!(read_back(json), bytes);
        }
    }

    #[test]
    fn numbers_without_a_json_form_are_null() {
        let mut out = Vec::new();
        for value in [1.0, -0.5, 1e300, 1e-7, f64::NAN, f64::INFINITY] {
            separate(&mut out);
            real(&mut out, value);
        }
        assert_eq!(String::from_utf8(out).unwrap(), "1.0,-0.5,1e300,1e-7,null,null");
    }

    #[test]
    fn addresses_are_written_as_everybody_does() {
        for address in ["0.0.0.0", "192.0.2.255", "::", "2001:db8::1", "::ffff:192.0.2.1"] {
            let mut out = Vec::new();
            ip(&mut out, address.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{address}\""));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_string_that_can_be_undone(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(b"\\x5c41\"\xff\xe2\x80\xa8".to_vec())],
                0..80,
            ),
        ) {
            prop_assert_eq!(read_back(&written(&bytes)), bytes);
        }
    }
}
