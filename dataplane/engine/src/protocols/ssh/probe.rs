//! Whether a stream opens like SSH.

use memchr::memchr;

use super::banner::{Banner, LINE_MAX, may_begin};
use super::kexinit;
use super::packet::{Framing, HEAD_LEN, head, message};
use crate::protocols::{Found, Probe};
use crate::record::Direction;

/// Bytes of text before a server's identification string that a probe waits through.
const PREAMBLE_MAX: usize = 4 * 1024;

/// SSH opens with an identification string on both sides; in midstream a KEXINIT may be the first that is seen.
pub(super) fn ssh(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return Found::No;
    }
    let bytes = probe.payload;
    if may_begin(bytes) {
        return banner(bytes, bytes.len() < usize::try_from(probe.wire_len).unwrap_or(usize::MAX));
    }
    if is_kexinit(bytes) {
        return Found::Likely(92);
    }
    preamble(probe)
}

/// Whether a KEXINIT packet starts here.
pub(super) fn is_kexinit(bytes: &[u8]) -> bool {
    match head(bytes) {
        Framing::Packet(packet) if packet.message == message::KEXINIT => {
            kexinit::is_likely(bytes.get(HEAD_LEN + 1..).unwrap_or_default())
        }
        _ => false,
    }
}

fn banner(bytes: &[u8], is_cut: bool) -> Found {
    match memchr(b'\n', bytes.get(..LINE_MAX).unwrap_or(bytes)) {
        Some(end) if Banner::read(bytes.get(..end).unwrap_or_default()).is_some() => Found::Yes,
        Some(_) => Found::No,
        None if bytes.len() >= LINE_MAX => Found::No,
        // Its end is missing; some clients send it late.
        None if bytes.starts_with(b"SSH-2.0-") || bytes.starts_with(b"SSH-1.") => {
            if is_cut || bytes.len() > 12 { Found::Likely(95) } else { Found::Maybe }
        }
        None => Found::Maybe,
    }
}

/// Lines of text before a server's identification string (RFC 4253, 4.2): waited through on port 22 only.
fn preamble(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToServer {
        return Found::No;
    }
    let bytes = probe.payload.get(..PREAMBLE_MAX).unwrap_or(probe.payload);
    if bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n')) {
        return Found::No;
    }
    let mut rest = bytes;
    while let Some(end) = memchr(b'\n', rest) {
        rest = rest.get(end + 1..).unwrap_or_default();
        if rest.starts_with(b"SSH-") {
            return banner(rest, false);
        }
    }
    if probe.has_port(22) && bytes.len() < PREAMBLE_MAX { Found::Maybe } else { Found::No }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Carrier;

    fn found(payload: &[u8], from: Direction, port: u16) -> Found {
        ssh(&Probe {
            payload,
            wire_len: u32::try_from(payload.len()).unwrap(),
            from,
            carrier: Carrier::Tcp,
            source_port: 40_000,
            destination_port: port,
            destination: None,
            earlier: &[],
            midstream: false,
        })
    }

    #[test]
    fn identification_strings_are_found_on_any_port_and_either_side() {
        for from in [Direction::ToServer, Direction::ToClient] {
            assert_eq!(found(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", from, 2_222), Found::Yes);
            assert_eq!(found(b"SSH-1.5-1.2.27\n", from, 22), Found::Yes);
            assert_eq!(found(b"SS", from, 22), Found::Maybe);
            assert_eq!(found(b"SSH-x.y-z\r\n", from, 22), Found::No);
            assert_eq!(found(b"SSHD ready\r\n", from, 23), Found::No);
        }
    }

    #[test]
    fn text_before_the_servers_string_is_borne() {
        assert_eq!(found(b"Welcome\r\nto this\r\nSSH-2.0-x\r\n", Direction::ToClient, 2_222), Found::Yes);
        assert_eq!(found(b"Welcome\r\n", Direction::ToClient, 22), Found::Maybe);
        assert_eq!(found(b"220 smtp.example.com\r\n", Direction::ToClient, 25), Found::No);
        assert_eq!(found(b"Welcome\r\nSSH-2.0-x\r\n", Direction::ToServer, 22), Found::No);
    }
}
