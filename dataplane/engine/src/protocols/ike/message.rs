//! Headers and payloads: RFC 7296 3.1 and 3.2, RFC 2408 3.1 and 3.2.

/// A message's header, and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// Index of the initiator.
    pub(super) initiator: &'a [u8; 8],
    /// Index of the responder; zeros in the first message.
    pub(super) responder: &'a [u8; 8],
    next_payload: u8,
    pub(super) version: Version,
    pub(super) minor: u8,
    pub(super) exchange: u8,
    flags: u8,
    pub(super) id: u32,
    payloads: &'a [u8],
}

/// Major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes`, of which `missing` at the end were not captured.
    pub(super) fn parse(bytes: &'a [u8], missing: usize) -> Option<Self> {
        let (initiator, rest) = bytes.split_first_chunk::<8>()?;
        let (responder, rest) = rest.split_first_chunk::<8>()?;
        let ([next_payload, version, exchange, flags, a, b, c, d, len @ ..], payloads) =
            rest.split_first_chunk::<12>()?;
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (major, is_known) = match version >> 4 {
            1 => (Version::One, is_known_one(*next_payload, *exchange, *flags)),
            2 => (Version::Two, is_known_two(*next_payload, *exchange, *flags)),
            _ => return None,
        };
        let fits = len == bytes.len() + missing && initiator != &[0; 8];
        (is_known && fits).then_some(Self {
            initiator,
            responder,
            next_payload: *next_payload,
            version: major,
            minor: version & 0x0f,
            exchange: *exchange,
            flags: *flags,
            id: u32::from_be_bytes([*a, *b, *c, *d]),
            payloads,
        })
    }

    /// Reads a message behind the marker that tells it from ESP (RFC 3948 2.2), or one without.
    pub(super) fn parse_marked(bytes: &'a [u8], missing: usize) -> Option<Self> {
        match bytes.split_first_chunk::<4>() {
            Some(([0, 0, 0, 0], rest)) => Self::parse(rest, missing),
            _ => Self::parse(bytes, missing),
        }
    }

    /// Whether the payloads can only be read by the two sides: in version 2 they are all in one that says so.
    pub(super) const fn is_encrypted(&self) -> bool {
        match self.version {
            Version::One => self.flags & ENCRYPTED_ONE != 0,
            Version::Two => matches!(self.next_payload, ENCRYPTED | ENCRYPTED_FRAGMENT),
        }
    }

    /// Whether the responder sends it; version 1 does not say.
    pub(super) const fn is_response(&self) -> bool {
        matches!(self.version, Version::Two) && self.flags & RESPONSE_TWO != 0
    }

    /// Whether this is the first message of an exchange of keys.
    pub(super) fn is_first(&self) -> bool {
        self.responder == &[0; 8]
    }

    /// The payloads, up to the first that does not fit.
    pub(super) fn payloads(&self) -> impl Iterator<Item = Payload<'a>> + use<'a> {
        let mut next = if self.is_encrypted() { 0 } else { self.next_payload };
        let mut rest = self.payloads;
        core::iter::from_fn(move || {
            if next == 0 {
                return None;
            }
            let ([after, _, l1, l2], _) = rest.split_first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([*l1, *l2]));
            let (payload, following) = rest.split_at_checked(len)?;
            let kind = core::mem::replace(&mut next, *after);
            rest = following;
            payload.get(4..).map(|body| Payload { kind, body })
        })
        .take(MOST_PAYLOADS)
    }
}

/// Payloads 1 to 21 (RFC 2408 3.1, RFC 3947 3.2), and those of its drafts.
fn is_known_one(next: u8, exchange: u8, flags: u8) -> bool {
    // A new connection starts with its security association, or goes on with any payload.
    matches!(next, 0..=21 | 130..=132) && matches!(exchange, 1..=6 | 32..=34) && flags & 0xf8 == 0
}

/// Payloads 33 to 54 (IANA "IKEv2 Payload Types").
fn is_known_two(next: u8, exchange: u8, flags: u8) -> bool {
    matches!(next, 0 | 33..=54) && matches!(exchange, 34..=44) && flags & !(0x08 | 0x10 | RESPONSE_TWO) == 0
}

/// Payload types of version 2.
pub(super) const SA: u8 = 33;
pub(super) const KEY_EXCHANGE: u8 = 34;
pub(super) const NOTIFY: u8 = 41;
pub(super) const VENDOR_ID: u8 = 43;
const ENCRYPTED: u8 = 46;
const ENCRYPTED_FRAGMENT: u8 = 53;
/// Payload types of version 1.
pub(super) const SA_ONE: u8 = 1;
pub(super) const KEY_EXCHANGE_ONE: u8 = 4;
pub(super) const NOTIFY_ONE: u8 = 11;
pub(super) const VENDOR_ID_ONE: u8 = 13;

const ENCRYPTED_ONE: u8 = 0x01;
const RESPONSE_TWO: u8 = 0x20;
const MOST_PAYLOADS: usize = 64;
