//! What a search looks for, as text (RFC 4515).

use crate::protocols::ber::{Elements, OCTET_STRING, SEQUENCE};

/// How deep filters may be nested; what is deeper is written as "...".
const DEPTH_MAX: u32 = 16;

/// Appends the filter of this tag and content, at most up to `most` bytes of `text`.
pub(super) fn write(tag: u8, content: &[u8], most: usize, text: &mut Vec<u8>) {
    item(tag, content, DEPTH_MAX, most, text);
    text.truncate(most);
}

fn item(tag: u8, content: &[u8], depth: u32, most: usize, text: &mut Vec<u8>) {
    if text.len() >= most {
        return;
    }
    let Some(deeper) = depth.checked_sub(1) else { return text.extend_from_slice(b"...") };
    text.push(b'(');
    let mut parts = Elements::new(content);
    match tag {
        0xa0..=0xa2 => {
            text.push(match tag {
                0xa0 => b'&',
                0xa1 => b'|',
                _ => b'!',
            });
            while let Some((tag, content)) = parts.next_cut() {
                if text.len() >= most {
                    break;
                }
                item(tag, content, deeper, most, text);
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            name(&mut parts, text);
            text.extend_from_slice(match tag {
                0xa5 => b">=",
                0xa6 => b"<=",
                0xa8 => b"~=",
                _ => b"=",
            });
            escaped(parts.cut_with_tag(OCTET_STRING).unwrap_or_default(), most, text);
        }
        0xa4 => {
            name(&mut parts, text);
            text.push(b'=');
            substrings(parts.cut_with_tag(SEQUENCE).unwrap_or_default(), most, text);
        }
        0x87 => {
            text.extend_from_slice(content.get(..256).unwrap_or(content));
            text.extend_from_slice(b"=*");
        }
        0xa9 => extensible(parts, most, text),
        _ => text.extend_from_slice(b"?"),
    }
    text.push(b')');
}

fn name(parts: &mut Elements<'_>, text: &mut Vec<u8>) {
    let name = parts.cut_with_tag(OCTET_STRING).unwrap_or_default();
    text.extend_from_slice(name.get(..256).unwrap_or(name));
}

fn substrings(content: &[u8], most: usize, text: &mut Vec<u8>) {
    let mut ends_open = true;
    let mut parts = Elements::new(content);
    while let Some((tag, piece)) = parts.next_cut() {
        if text.len() >= most {
            return;
        }
        if tag != 0x80 {
            text.push(b'*');
        }
        escaped(piece, most, text);
        ends_open = tag != 0x82;
    }
    if ends_open {
        text.push(b'*');
    }
}

/// A matching rule, an attribute, a value, and whether names count (RFC 4511, 4.5.1.7.7).
fn extensible(parts: Elements<'_>, most: usize, text: &mut Vec<u8>) {
    let (mut rule, mut attribute, mut value, mut dn) = (&[][..], &[][..], &[][..], false);
    for (tag, content) in parts.take(4) {
        match tag {
            0x81 => rule = content,
            0x82 => attribute = content,
            0x83 => value = content,
            0x84 => dn = content != [0],
            _ => {}
        }
    }
    text.extend_from_slice(attribute.get(..256).unwrap_or(attribute));
    if dn {
        text.extend_from_slice(b":dn");
    }
    if !rule.is_empty() {
        text.push(b':');
        text.extend_from_slice(rule.get(..256).unwrap_or(rule));
    }
    text.extend_from_slice(b":=");
    escaped(value, most, text);
}

/// A value; what has a meaning in filters, and what is no text, as backslash and digits (RFC 4515, 3).
fn escaped(value: &[u8], most: usize, text: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for byte in value {
        if text.len() >= most {
            return;
        }
        if matches!(byte, b'(' | b')' | b'*' | b'\\' | 0..=0x1f | 0x7f..) {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
            text.extend_from_slice(&[b'\\', digit(byte >> 4), digit(byte & 0xf)]);
        } else {
            text.push(*byte);
        }
    }
}
