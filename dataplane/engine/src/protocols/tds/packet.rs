//! Packets (MS-TDS 2.2.3.1), and records of TLS where those follow without packets around them.

use crate::protocols::framed::Framing;

/// Bytes before a packet's data.
pub(super) const HEAD: usize = 8;
/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 4096 + HEAD;

pub(super) const BATCH: u8 = 1;
pub(super) const RPC: u8 = 3;
pub(super) const RESPONSE: u8 = 4;
pub(super) const ATTENTION: u8 = 6;
pub(super) const BULK: u8 = 7;
pub(super) const FEDERATED: u8 = 8;
pub(super) const TRANSACTION: u8 = 14;
pub(super) const LOGIN7: u8 = 16;
pub(super) const SSPI: u8 = 17;
pub(super) const PRELOGIN: u8 = 18;
/// The login of versions 4.2 and 5.0.
pub(super) const LOGIN: u8 = 2;
/// Normal requests of version 5.0.
const NORMAL: u8 = 15;

/// Where a packet, or a record of TLS, ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [0x14..=0x17, 3, ..] => {
            let Some([_, _, minor, high, low]) = bytes.first_chunk::<5>() else { return Framing::Open };
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if *minor > 4 || len > 16_384 + 2_048 {
                return Framing::Invalid("invalid_record");
            }
            Framing::whole(5 + len)
        }
        [0x14..=0x17] => Framing::Open,
        [kind, ..] => tds(*kind, bytes),
        [] => Framing::Open,
    }
}

fn tds(kind: u8, bytes: &[u8]) -> Framing {
    if !matches!(
        kind,
        BATCH
            | LOGIN
            | RPC
            | RESPONSE
            | ATTENTION
            | BULK
            | FEDERATED
            | TRANSACTION
            | NORMAL
            | LOGIN7
            | SSPI
            | PRELOGIN
    ) {
        return Framing::Invalid("unknown_packet");
    }
    let Some([_, status, high, low, _, _, _, window]) = bytes.first_chunk::<HEAD>() else {
        return if bytes.get(1).is_none_or(|status| status & 0xe0 == 0) {
            Framing::Open
        } else {
            Framing::Invalid("invalid_header")
        };
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if status & 0xe0 != 0 || *window != 0 || !(HEAD..=32_767).contains(&len) {
        return Framing::Invalid("invalid_header");
    }
    // Handshakes of TLS ride in the former, whole.
    let most = if kind == PRELOGIN || kind == RESPONSE { usize::MAX } else { SHOWN_MAX };
    Framing::at_most(len, most)
}

/// Where the packet that opens a session ends: one packet, the last of its message, of no process yet.
pub(super) fn opening(bytes: &[u8]) -> Framing {
    match (bytes.first(), bytes.get(1), bytes.get(6)) {
        (Some(&(LOGIN7 | PRELOGIN | RESPONSE)), None | Some(&(0 | 1)), None | Some(&(0 | 1))) => {
            framing(bytes)
        }
        _ => Framing::Invalid("invalid_header"),
    }
}

/// Whether a record of TLS starts with these bytes.
pub(super) const fn is_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 3, 0..=4, ..])
}
