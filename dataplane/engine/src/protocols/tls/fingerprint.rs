//! JA3, JA3S and JA4: hashes over what a hello offers and in which order.
//!
//! Sources: the description of JA3 and JA3S by their authors (Althouse, Atkinson, Atkins; 2017), and FoxIO's JA4 for
//! TLS clients (BSD licence). GREASE (RFC 8701) is left out everywhere.

use super::digests;
use super::groups::is_grease;
use super::hello::{ClientHello, ServerHello, extension};

/// Length of a JA4: ten characters, and two times twelve digits of SHA-256.
pub const JA4_LEN: usize = 36;

/// What carries a hello, as JA4 says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TLS over a stream.
    #[default]
    Tls,
    /// QUIC.
    Quic,
    /// DTLS.
    Dtls,
}

/// MD5 of a JA3 or JA3S string.
#[must_use]
pub fn digest(text: &[u8]) -> [u8; 16] {
    digests::md5(text)
}

/// Writes the JA3 string over `text`: version, suites, extensions, groups and point formats.
pub fn write_ja3(hello: &ClientHello<'_>, text: &mut Vec<u8>) {
    text.clear();
    push_decimal(text, hello.version);
    text.push(b',');
    push_list(text, hello.cipher_suites.meant());
    text.push(b',');
    push_list(text, hello.extensions.iter().map(|(kind, _)| kind).filter(|kind| !is_grease(*kind)));
    text.push(b',');
    push_list(text, hello.known.groups().meant());
    text.push(b',');
    push_list(text, hello.known.point_formats().iter().map(|format| u16::from(*format)));
}

/// Writes the JA3S string over `text`: version, suite and extensions.
pub fn write_ja3s(hello: &ServerHello<'_>, text: &mut Vec<u8>) {
    text.clear();
    push_decimal(text, hello.version);
    text.push(b',');
    push_decimal(text, hello.cipher_suite);
    text.push(b',');
    push_list(text, hello.extensions.iter().map(|(kind, _)| kind));
}

/// The JA4 of a ClientHello; `codes` and `text` are scratch space.
#[must_use]
pub fn ja4(
    hello: &ClientHello<'_>,
    transport: Transport,
    codes: &mut Vec<u16>,
    text: &mut Vec<u8>,
) -> [u8; JA4_LEN] {
    let mut out = [b'_'; JA4_LEN];
    let suites = sorted(codes, hello.cipher_suites.meant());
    text.clear();
    push_hex_list(text, suites);
    let (suite_count, suite_hash) = (suites.len(), short_hash(text));

    let meant = || hello.extensions.iter().map(|(kind, _)| kind).filter(|kind| !is_grease(*kind));
    let extension_count = meant().count();
    let hashed =
        sorted(codes, meant().filter(|kind| !matches!(*kind, extension::SERVER_NAME | extension::ALPN)));
    text.clear();
    push_hex_list(text, hashed);
    if !text.is_empty() {
        let end = text.len();
        text.push(b'_');
        push_hex_list(text, hello.known.signature_schemes().meant());
        if text.len() == end + 1 {
            text.truncate(end);
        }
    }
    let [version_high, version_low] = version_digits(offered_version(hello, transport));
    let [suites_high, suites_low] = two_digits(suite_count);
    let [extensions_high, extensions_low] = two_digits(extension_count);
    let [alpn_first, alpn_last] = alpn_ends(hello.known.protocols().next().unwrap_or_default());
    let head = [
        match transport {
            Transport::Tls => b't',
            Transport::Quic => b'q',
            Transport::Dtls => b'd',
        },
        version_high,
        version_low,
        if hello.known.server_name.is_some() { b'd' } else { b'i' },
        suites_high,
        suites_low,
        extensions_high,
        extensions_low,
        alpn_first,
        alpn_last,
    ];
    let parts = head.iter().chain(b"_").chain(&suite_hash).chain(b"_");
    let tail = short_hash(text);
    for (place, byte) in out.iter_mut().zip(parts.chain(&tail)) {
        *place = *byte;
    }
    out
}

fn sorted(codes: &mut Vec<u16>, values: impl Iterator<Item = u16>) -> &[u16] {
    codes.clear();
    codes.extend(values);
    codes.sort_unstable();
    codes
}

/// The highest number of `supported_versions`, be it of a draft, else `legacy_version`. DTLS counts down.
fn offered_version(hello: &ClientHello<'_>, transport: Transport) -> u16 {
    let offered = || hello.supported_versions().meant();
    let highest = if transport == Transport::Dtls { offered().min() } else { offered().max() };
    highest.unwrap_or(hello.version)
}

fn version_digits(version: u16) -> [u8; 2] {
    *match version {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        0xfeff => b"d1",
        0xfefd => b"d2",
        0xfefc => b"d3",
        _ => b"00",
    }
}

fn two_digits(count: usize) -> [u8; 2] {
    let count = u8::try_from(count.min(99)).unwrap_or(99);
    [b'0' + count / 10, b'0' + count % 10]
}

/// First and last character of a protocol name; of its hexadecimal form where either is not a letter or digit.
fn alpn_ends(name: &[u8]) -> [u8; 2] {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return *b"00" };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last];
    }
    [hex_digit(first >> 4), hex_digit(last & 0x0f)]
}

/// The first twelve digits of SHA-256; zeros for nothing.
fn short_hash(text: &[u8]) -> [u8; 12] {
    let mut out = [b'0'; 12];
    if text.is_empty() {
        return out;
    }
    for (pair, byte) in out.as_chunks_mut().0.iter_mut().zip(digests::sha256(text)) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 0x0f)];
    }
    out
}

fn push_list(text: &mut Vec<u8>, values: impl Iterator<Item = u16>) {
    let start = text.len();
    for value in values {
        if text.len() > start {
            text.push(b'-');
        }
        push_decimal(text, value);
    }
}

fn push_hex_list(text: &mut Vec<u8>, values: impl IntoIterator<Item = impl core::borrow::Borrow<u16>>) {
    for (at, value) in values.into_iter().enumerate() {
        let [high, low] = value.borrow().to_be_bytes();
        let digits =
            [b',', hex_digit(high >> 4), hex_digit(high & 0x0f), hex_digit(low >> 4), hex_digit(low & 0x0f)];
        text.extend_from_slice(if at == 0 { digits.get(1..).unwrap_or_default() } else { &digits });
    }
}

/// Appends a number in decimal.
pub(super) fn push_decimal(text: &mut Vec<u8>, value: u16) {
    let mut digits = [0; 5];
    let mut rest = value;
    let mut start = digits.len();
    for (at, place) in digits.iter_mut().enumerate().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        start = at;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// Digit of the lower half of a byte.
pub(super) const fn hex_digit(nibble: u8) -> u8 {
    match nibble & 0x0f {
        digit @ 0..=9 => b'0' + digit,
        letter => b'a' + letter - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_leading_zeros() {
        let mut text = Vec::new();
        push_list(&mut text, [0, 9, 10, 771, 65535].into_iter());
        assert_eq!(text, b"0-9-10-771-65535");
        text.clear();
        push_hex_list(&mut text, [0x0a, 0x1301_u16]);
        assert_eq!(text, b"000a,1301");
    }

    #[test]
    fn counts_stop_at_99() {
        assert_eq!(
            [two_digits(0), two_digits(7), two_digits(42), two_digits(300)],
            [*b"00", *b"07", *b"42", *b"99"]
        );
    }

    #[test]
    fn alpn_ends_are_characters_or_hexadecimal_digits() {
        let cases: [(&[u8], &[u8; 2]); 7] = [
            (b"h2", b"h2"),
            (b"http/1.1", b"h1"),
            (b"", b"00"),
            (b"x", b"xx"),
            (b"\xab", b"ab"),
            (b"\xab\xcd", b"ad"),
            (b"\x30\xab", b"3b"),
        ];
        for (name, ends) in cases {
            assert_eq!(&alpn_ends(name), ends, "{name:?}");
        }
    }

    /// A list with its length in front, in two bytes.
    fn vector16(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        [&length.to_be_bytes()[..], content].concat()
    }

    fn codes(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    /// The hello that FoxIO's description of JA4 takes apart ("JA4: TLS client fingerprint", example and raw form):
    /// `t13d1516h2_002f,0035,..._0005,000a,..._0403,0804,...`. GREASE stands in every list, and nothing in order.
    fn published_hello(server_name: &[u8], alpn: &[u8]) -> Vec<u8> {
        let suites = [
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let schemes = codes(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]);
        let mut extensions = Vec::new();
        let mut extension = |kind: u16, content: &[u8]| {
            extensions.extend(kind.to_be_bytes());
            extensions.extend(vector16(content));
        };
        extension(0x6a6a, b"");
        extension(0x0000, server_name);
        for kind in [0x0017, 0xff01, 0x000a, 0x000b, 0x0023] {
            let content: &[u8] = match kind {
                0xff01 => b"\0",
                0x000a => b"\0\x02\0\x1d",
                0x000b => b"\x01\0",
                _ => b"",
            };
            extension(kind, content);
        }
        extension(0x0010, &vector16(alpn));
        extension(0x0005, b"\x01\0\0\0\0");
        extension(0x000d, &vector16(&schemes));
        extension(0x0012, b"");
        extension(0x0033, &vector16(b"\0\x1d\0\x01\x05"));
        extension(0x002d, b"\x01\x01");
        extension(0x002b, b"\x06\x2a\x2a\x03\x04\x03\x03");
        extension(0x001b, b"\x02\0\x02");
        extension(0x4469, b"");
        extension(0x0015, &[0; 40]);
        let head = [&[3, 3][..], &[7; 32], &[0]].concat();
        [head, vector16(&codes(&suites)), vec![1, 0], vector16(&extensions)].concat()
    }

    fn ja4_of(body: &[u8], transport: Transport) -> String {
        let hello =
            ClientHello::parse(body, crate::protocols::tls::hello::Carriage::Stream).expect("a hello");
        String::from_utf8(ja4(&hello, transport, &mut Vec::new(), &mut Vec::new()).to_vec()).unwrap()
    }

    #[test]
    fn the_published_example_of_ja4_comes_out() {
        let name = vector16(b"\0\0\x0bexample.org");
        let body = published_hello(&name, b"\x02h2\x08http/1.1");
        assert_eq!(ja4_of(&body, Transport::Tls), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(ja4_of(&body, Transport::Quic), "q13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn an_address_for_a_name_is_still_a_name_for_ja4() {
        let name = vector16(b"\0\0\x09192.0.2.1");
        let body = published_hello(&name, b"\x08http/1.1");
        assert_eq!(ja4_of(&body, Transport::Tls), "t13d1516h1_8daaf6152771_e5627efa2ab1");
    }
}
