//! Whether a stream opens like HTTP/1 or HTTP/2.

use memchr::{memchr, memmem};

use super::start_line::{Beginning, beginning, is_known_method, request_line, status_line};
use crate::protocols::{Found, Probe};

/// Longest first line a probe waits for; servers refuse longer ones (RFC 9112, 3 asks for at least 8,000).
const LINE_MAX: usize = 16 * 1024;
/// Beginning of a request line that is enough without its end.
const LONG_ENOUGH: usize = 512;

/// Connection preface of HTTP/2 (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// HTTP/1 opens with a request line or a status line. Over UDP the same lines are SSDP.
pub(super) fn http1(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return Found::No;
    }
    // Empty lines before a request line are to be ignored (RFC 9112, 2.2).
    let bytes = skip_empty_lines(probe.payload);
    let Some(end) = memchr(b'\n', bytes.get(..LINE_MAX).unwrap_or(bytes)) else {
        return match beginning(bytes) {
            _ if bytes.len() >= LINE_MAX => Found::No,
            Beginning::Other => Found::No,
            Beginning::Open => Found::Maybe,
            Beginning::Request if is_cut(probe) => Found::Likely(85),
            Beginning::Request if bytes.len() >= LONG_ENOUGH => Found::Likely(75),
            Beginning::Request => Found::Maybe,
        };
    };
    let line = bytes.get(..end).unwrap_or_default();
    if status_line(line).is_some() {
        return Found::Yes;
    }
    match request_line(line) {
        Some(request) if is_known_method(request.method) => Found::Yes,
        Some(_) => Found::Likely(90),
        None => Found::No,
    }
}

/// HTTP/2 opens with the client's preface, or with the server's SETTINGS frame.
pub(super) fn http2(probe: &Probe<'_>) -> Found {
    let bytes = probe.payload;
    if !probe.is_stream() {
        return Found::No;
    }
    if bytes.starts_with(PREFACE) {
        return Found::Yes;
    }
    if PREFACE.starts_with(bytes) {
        return if is_cut(probe) && bytes.len() > b"PRI * HTTP/2.0".len() {
            Found::Yes
        } else {
            Found::Maybe
        };
    }
    if is_settings_first(bytes) { Found::Likely(80) } else { Found::No }
}

/// Whether frames stand here from the first byte on, SETTINGS with values that have a meaning first (RFC 9113, 4.1,
/// 6.5). Without a value in it that would be nine bytes that other protocols have too.
fn is_settings_first(bytes: &[u8]) -> bool {
    let Some(([0, 0, length, 4, 0, 0, 0, 0, 0], mut rest)) = bytes.split_first_chunk::<9>() else {
        return false;
    };
    let length = usize::from(*length);
    if length == 0 || length % 6 != 0 {
        return false;
    }
    let Some((values, after)) = rest.split_at_checked(length) else { return false };
    let known = |entry: &[u8]| matches!(entry, [0, 1..=6 | 8 | 9, ..]);
    if !values.chunks_exact(6).all(known) {
        return false;
    }
    rest = after;
    // What follows are frames of RFC 9113, the last of them perhaps not whole.
    while let Some(([high, middle, low, kind, _, stream, ..], body)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        if *kind > 0x10 || stream & 0x80 != 0 || length > 16_384 {
            return false;
        }
        rest = usize::try_from(length).ok().and_then(|length| body.get(length..)).unwrap_or_default();
    }
    true
}

/// In midstream, WebSocket is frames that fill the bytes seen: masked from the client, not masked from the server
/// (RFC 6455, 5.1).
pub(super) fn websocket(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() || !probe.midstream {
        return Found::No;
    }
    let Some(ours) = frames(probe.payload) else { return Found::No };
    if let Some(earlier) = probe.earlier.iter().find(|earlier| earlier.from != probe.from) {
        let is_whole = usize::try_from(earlier.len).is_ok_and(|len| len == earlier.bytes.len());
        match frames(earlier.bytes) {
            Some(theirs) if theirs.is_masked != ours.is_masked => return Found::Likely(85),
            // Only its beginning is known.
            None if !is_whole => {}
            _ => return Found::No,
        }
    }
    if ours.is_text { Found::Likely(70) } else { Found::Maybe }
}

/// Frames of one direction.
struct Frames {
    is_masked: bool,
    /// The first is text that can be read.
    is_text: bool,
}

/// Reads whole frames up to the last byte; all of them with a mask or all without.
fn frames(mut bytes: &[u8]) -> Option<Frames> {
    let mut frames: Option<Frames> = None;
    while let Some(([first, second], rest)) = bytes.split_first_chunk::<2>() {
        let opcode = first & 0x0f;
        // Extensions that set reserved bits compress messages: their frames look like anything.
        if first & 0x70 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
            return None;
        }
        let is_masked = second & 0x80 != 0;
        let (length, rest) = match second & 0x7f {
            126 => rest
                .split_first_chunk::<2>()
                .map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest.split_first_chunk::<8>().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            length => (u64::from(length), rest),
        };
        let rest = if is_masked { rest.get(4..)? } else { rest };
        let (payload, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        match &frames {
            Some(before) if before.is_masked != is_masked => return None,
            Some(_) => {}
            None => {
                let is_text =
                    !is_masked && opcode == 1 && payload.len() >= 4 && core::str::from_utf8(payload).is_ok();
                frames = Some(Frames { is_masked, is_text });
            }
        }
        bytes = after;
    }
    frames.filter(|_| bytes.is_empty())
}

/// JSON-RPC 2.0 opens with an object or a batch that says so (4 and 6). Other protocols are made of it: whoever
/// knows them better may say so.
pub(super) fn json_rpc(probe: &Probe<'_>) -> Found {
    const BEGINNING: usize = 1024;
    if !probe.is_stream() {
        return Found::No;
    }
    let bytes = probe.payload.get(..BEGINNING).unwrap_or(probe.payload);
    let Some(([b'{' | b'['], rest)) = bytes.split_first_chunk::<1>() else { return Found::No };
    if !matches!(rest.trim_ascii_start().first(), None | Some(b'{' | b'"')) {
        return Found::No;
    }
    let has = |text: &[u8]| memmem::find(rest, text).is_some();
    if has(b"\"jsonrpc\"")
        && has(b"\"2.0\"")
        && (has(b"\"method\"") || has(b"\"result\"") || has(b"\"error\""))
    {
        return Found::Likely(65);
    }
    if bytes.len() < BEGINNING && !bytes.ends_with(b"}") && !bytes.ends_with(b"}\n") {
        Found::Maybe
    } else {
        Found::No
    }
}

fn is_cut(probe: &Probe<'_>) -> bool {
    usize::try_from(probe.wire_len).is_ok_and(|wire| wire > probe.payload.len())
}

fn skip_empty_lines(mut bytes: &[u8]) -> &[u8] {
    for _ in 0..4 {
        let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) else { break };
        bytes = rest;
    }
    if bytes == b"\r" { &[] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::{Carrier, Earlier};
    use crate::record::Direction;

    fn probe(payload: &[u8]) -> Probe<'_> {
        Probe {
            payload,
            wire_len: u32::try_from(payload.len()).unwrap(),
            from: Direction::ToServer,
            carrier: Carrier::Tcp,
            source_port: 40_000,
            destination_port: 12_345,
            destination: None,
            earlier: &[],
            midstream: false,
        }
    }

    #[test]
    fn requests_and_responses_are_found_on_any_port() {
        for payload in ["GET / HTTP/1.1\r\n", "\r\n\r\nPROPFIND /dav HTTP/1.1\n", "HTTP/1.0 200 OK\r\n"] {
            assert_eq!(http1(&probe(payload.as_bytes())), Found::Yes, "{payload}");
        }
        assert_eq!(http1(&probe(b"BREW /pot HTTP/1.1\r\n")), Found::Likely(90));
    }

    #[test]
    fn ssdp_is_not_http() {
        let line: &[u8] = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n";
        let over_udp = Probe { carrier: Carrier::Udp, ..probe(line) };
        assert_eq!(http1(&over_udp), Found::No);
    }

    #[test]
    fn look_alikes_are_refused() {
        for payload in [
            "OPTIONS rtsp://a/b RTSP/1.0\r\n",
            "NOTIFY sip:a@b SIP/2.0\r\n",
            "OPTIONS icap://a/b ICAP/1.0\r\n",
            "GET /\r\n",
        ] {
            assert_eq!(http1(&probe(payload.as_bytes())), Found::No, "{payload}");
        }
    }

    #[test]
    fn a_split_request_line_is_waited_for() {
        assert_eq!(http1(&probe(b"GE")), Found::Maybe);
        assert_eq!(http1(&probe(b"GET /a/long/pa")), Found::Maybe);
        assert_eq!(http1(&probe(b"OPTIONS rtsp://a")), Found::Maybe);
        let snapped = Probe { wire_len: 900, ..probe(b"GET /a/long/pa") };
        assert_eq!(http1(&snapped), Found::Likely(85));
        let endless = vec![b'G'; LINE_MAX];
        assert_eq!(http1(&probe(&endless)), Found::No);
    }

    #[test]
    fn websocket_frames_are_told_in_midstream_only() {
        let text = b"\x81\x05Hello";
        let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        // RFC 6455, 5.7.
        let midstream = |payload| Probe { midstream: true, ..probe(payload) };
        assert_eq!(websocket(&midstream(text)), Found::Likely(70));
        assert_eq!(websocket(&midstream(masked)), Found::Maybe);
        assert_eq!(websocket(&probe(text)), Found::No);
        assert_eq!(websocket(&midstream(&text[..6])), Found::No);
        let earlier = [Earlier { from: Direction::ToClient, bytes: text, len: 7 }];
        assert_eq!(websocket(&Probe { earlier: &earlier, ..midstream(masked) }), Found::Likely(85));
        let same = [Earlier { from: Direction::ToClient, bytes: masked, len: 11 }];
        assert_eq!(websocket(&Probe { earlier: &same, ..midstream(masked) }), Found::No);
    }

    #[test]
    fn json_rpc_says_so() {
        let request: &[u8] =
            b"{\"jsonrpc\": \"2.0\", \"method\": \"subtract\", \"params\": [42, 23], \"id\": 1}";
        assert_eq!(json_rpc(&probe(request)), Found::Likely(65));
        assert_eq!(json_rpc(&probe(&request[..20])), Found::Maybe);
        assert_eq!(json_rpc(&probe(b"{\"json\": \"2.0\", \"method\": \"x\"}")), Found::No);
        assert_eq!(json_rpc(&probe(b"[Session started]\n")), Found::No);
    }

    #[test]
    fn http2_opens_with_its_preface_or_the_servers_settings() {
        assert_eq!(http2(&probe(PREFACE)), Found::Yes);
        assert_eq!(http2(&probe(b"PRI *")), Found::Maybe);
        assert_eq!(http1(&probe(PREFACE)), Found::No);
        let settings = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100, 0, 0, 0, 4, 1, 0, 0, 0, 0];
        assert_eq!(http2(&probe(&settings)), Found::Likely(80));
        assert_eq!(http2(&probe(&settings[..9])), Found::No);
        assert_eq!(http2(&probe(b"POST / HTTP/1.1\r\n")), Found::No);
    }
}
