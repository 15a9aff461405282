//! X.224 connection request and confirm, with what RDP adds ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2).

use crate::protocols::Found;

/// Bytes of a cookie or token that are kept.
const COOKIE_MAX: usize = 128;
/// Bytes of TPKT and of the fixed part of X.224.
const FIXED: usize = 11;

/// What the server chose ([MS-RDPBCGR] 2.2.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    /// RDP's own: RC4.
    Standard,
    /// TLS.
    Tls,
    /// CredSSP over TLS.
    Hybrid,
    /// RDSTLS over TLS.
    RdsTls,
    /// CredSSP over TLS, and an early authorization result.
    HybridEx,
    /// Microsoft Entra ID over TLS.
    Aad,
    /// Of another number.
    Other(u32),
}

impl Security {
    const fn of(number: u32) -> Self {
        match number {
            0 => Self::Standard,
            1 => Self::Tls,
            2 => Self::Hybrid,
            4 => Self::RdsTls,
            8 => Self::HybridEx,
            16 => Self::Aad,
            other => Self::Other(other),
        }
    }

    /// Name in `protocol`, as Suricata's EVE output has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "rdp",
            Self::Tls => "ssl",
            Self::Hybrid => "hybrid",
            Self::RdsTls => "rds_tls",
            Self::HybridEx => "hybrid_ex",
            Self::Aad => "rds_aad",
            Self::Other(_) => "unknown",
        }
    }
}

/// A connection request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What follows `Cookie: mstshash=`.
    pub(super) cookie: Option<Vec<u8>>,
    /// What follows `Cookie: msts=`, or stands there else: where a broker sends the client.
    pub(super) token: Option<Vec<u8>>,
    /// Flags and protocols of RDP_NEG_REQ.
    pub(super) offered: Option<(u8, u32)>,
}

impl Request {
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let mut rest = variable(packet, 0xe0)?;
        let (mut cookie, mut token) = (None, None);
        if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            let line = rest.get(..end)?;
            let kept = |text: &[u8]| Some(text.get(..COOKIE_MAX).unwrap_or(text).to_vec());
            match line.strip_prefix(b"Cookie: mstshash=") {
                Some(user) => cookie = kept(user),
                None => token = kept(line.strip_prefix(b"Cookie: msts=").unwrap_or(line)),
            }
            rest = rest.get(end + 2..)?;
        }
        let offered = match rest {
            [1, flags, 8, 0, a, b, c, d, ..] => Some((*flags, u32::from_le_bytes([*a, *b, *c, *d]))),
            _ => None,
        };
        Some(Self { cookie, token, offered })
    }
}

/// A connection confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirm {
    /// Without negotiation: RDP's own security.
    Plain,
    /// Flags and protocol of RDP_NEG_RSP.
    Selected(u8, Security),
    /// The code of RDP_NEG_FAILURE.
    Failure(u32),
}

impl Confirm {
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        match variable(packet, 0xd0)? {
            [2, flags, 8, 0, a, b, c, d, ..] => {
                Some(Self::Selected(*flags, Security::of(u32::from_le_bytes([*a, *b, *c, *d]))))
            }
            [3, _, 8, 0, a, b, c, d, ..] => Some(Self::Failure(u32::from_le_bytes([*a, *b, *c, *d]))),
            [] => Some(Self::Plain),
            _ => None,
        }
    }
}

/// What follows the fixed part of a packet of this kind, class 0.
fn variable(packet: &[u8], kind: u8) -> Option<&[u8]> {
    let (&[_, _, _, _, indicator, found, _, _, _, _, class], rest) = packet.split_first_chunk::<FIXED>()?;
    if found != kind || class != 0 || usize::from(indicator) + 5 != packet.len() {
        return None;
    }
    Some(rest)
}

/// Whether this is a request of X.224 and nothing else. Cookie and negotiation are optional (2.2.1.1), but others ride
/// on X.224 as well.
pub(super) fn is_bare_request(bytes: &[u8]) -> bool {
    bytes.starts_with(&[3, 0, 0, 11]) && variable(bytes, 0xe0).is_some_and(<[u8]>::is_empty)
}

/// Whether a stream begins with a connection request or confirm of RDP.
pub(super) fn look(bytes: &[u8]) -> Found {
    let at = |place: usize, allowed: &dyn Fn(u8) -> bool| bytes.get(place).is_none_or(|byte| allowed(*byte));
    let is_possible = at(0, &|version| version == 3)
        && at(1, &|reserved| reserved == 0)
        && at(2, &|high| high <= 1)
        && at(5, &|kind| matches!(kind, 0xe0 | 0xd0))
        && at(6, &|reference| reference == 0 || bytes.get(5) == Some(&0xd0))
        && at(10, &|class| class == 0);
    if !is_possible {
        return Found::No;
    }
    let Some(&[_, _, a, b, indicator]) = bytes.first_chunk::<5>() else { return Found::Maybe };
    let len = usize::from(u16::from_be_bytes([a, b]));
    if len != usize::from(indicator) + 5 || len < FIXED {
        return Found::No;
    }
    let Some(rest) = bytes.get(FIXED..) else { return Found::Maybe };
    let is_whole = bytes.len() >= len;
    let packet = bytes.get(..len).unwrap_or(bytes);
    if bytes.get(5) == Some(&0xd0) {
        // S7 and others are confirmed with parameters: this has eight bytes of its own.
        return match (len, is_whole, Confirm::read(packet)) {
            (19, true, Some(Confirm::Selected(..) | Confirm::Failure(_))) => Found::Yes,
            (19, false, _) => Found::Maybe,
            _ => Found::No,
        };
    }
    let prefix = b"Cookie: mst";
    let shown = rest.get(..prefix.len()).unwrap_or(rest);
    if !shown.is_empty() && prefix.starts_with(shown) {
        return if shown.len() == prefix.len() { Found::Yes } else { Found::Maybe };
    }
    if !is_whole {
        // RDP_NEG_REQ, or a token that ends with a line.
        return Found::Maybe;
    }
    match Request::read(packet) {
        Some(Request { offered: Some((flags, protocols)), .. }) if flags & 0xf4 == 0 && protocols <= 0x1f => {
            Found::Yes
        }
        _ => Found::No,
    }
}
