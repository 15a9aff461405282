//! Packets: an opcode, and for those of the control channel a session, acknowledgements and a number.

/// What a packet is for (the upper five bits of its first byte).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    ClientReset,
    ServerReset,
    /// A client's reset with a wrapped key behind it (tls-crypt-v2).
    ClientResetWithKey,
    SoftReset,
    Control,
    /// A control packet with the client's wrapped key behind it.
    ControlWithKey,
    Acknowledge,
    DataV1,
    DataV2,
}

impl Opcode {
    pub(super) const fn of(first: u8) -> Option<Self> {
        Some(match first >> 3 {
            1 | 7 => Self::ClientReset,
            2 | 8 => Self::ServerReset,
            3 => Self::SoftReset,
            4 => Self::Control,
            5 => Self::Acknowledge,
            6 => Self::DataV1,
            9 => Self::DataV2,
            10 => Self::ClientResetWithKey,
            11 => Self::ControlWithKey,
            _ => return None,
        })
    }

    pub(super) const fn is_reset(self) -> bool {
        matches!(self, Self::ClientReset | Self::ServerReset | Self::ClientResetWithKey)
    }

    pub(super) const fn is_data(self) -> bool {
        matches!(self, Self::DataV1 | Self::DataV2)
    }

    const fn has_key(self) -> bool {
        matches!(self, Self::ClientResetWithKey | Self::ControlWithKey)
    }
}

/// What is around the control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// Nothing.
    None,
    /// An HMAC of so many bytes, and a number and time against replays.
    Auth(u8),
    /// All but the opcode and the session is encrypted.
    Crypt,
}

impl Wrap {
    /// Every kind; HMACs by length: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
    pub(super) const ALL: [Self; 8] = [
        Self::None,
        Self::Auth(20),
        Self::Auth(32),
        Self::Auth(64),
        Self::Auth(16),
        Self::Auth(48),
        Self::Auth(28),
        Self::Crypt,
    ];

    /// Name in the event.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Auth(_) => "tls-auth",
            Self::Crypt => "tls-crypt",
        }
    }

    /// Hash of the HMAC, by its length.
    pub(super) const fn hash(self) -> Option<&'static str> {
        Some(match self {
            Self::Auth(16) => "MD5",
            Self::Auth(20) => "SHA1",
            Self::Auth(28) => "SHA224",
            Self::Auth(32) => "SHA256",
            Self::Auth(48) => "SHA384",
            Self::Auth(64) => "SHA512",
            _ => return None,
        })
    }
}

/// A packet of the control channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Control<'a> {
    pub(super) opcode: Opcode,
    /// Who sends it.
    pub(super) session: &'a [u8; 8],
    /// Number of the packet for the wrapping; 0 without one.
    pub(super) replay: u32,
    /// Numbers that are acknowledged; unknown where encrypted.
    pub(super) acknowledged: &'a [[u8; 4]],
    /// Whose they are.
    pub(super) remote: Option<&'a [u8; 8]>,
    /// Number of the packet in the channel; none of acknowledgements, and where encrypted.
    pub(super) number: Option<u32>,
    /// Bytes of TLS, or what is encrypted.
    pub(super) content: &'a [u8],
}

impl<'a> Control<'a> {
    /// Reads a packet that is wrapped like this.
    pub(super) fn parse(bytes: &'a [u8], wrap: Wrap) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let opcode = Opcode::of(*first).filter(|opcode| !opcode.is_data())?;
        let (session, rest) = rest.split_first_chunk::<8>()?;
        let (replay, rest) = match wrap {
            Wrap::None => (0, rest),
            Wrap::Auth(len) => replay(rest.get(usize::from(len)..)?)?,
            Wrap::Crypt => {
                let (number, rest) = replay(rest)?;
                let content = rest.get(CRYPT_TAG..)?;
                let control = Self {
                    opcode,
                    session,
                    replay: number,
                    acknowledged: &[],
                    remote: None,
                    number: None,
                    content,
                };
                return (content.len() >= 5 && (!opcode.has_key() || has_wrapped_key(bytes)))
                    .then_some(control);
            }
        };
        if opcode.has_key() {
            // The key is only there where all is encrypted.
            return None;
        }
        let (count, rest) = rest.split_first()?;
        if *count > MOST_ACKNOWLEDGED {
            return None;
        }
        let (acknowledged, rest) = rest.split_at_checked(usize::from(*count) * 4)?;
        let (remote, rest) = match count {
            0 => (None, rest),
            _ => rest.split_first_chunk::<8>().map(|(remote, rest)| (Some(remote), rest))?,
        };
        let (number, content) = match opcode {
            Opcode::Acknowledge => (None, rest),
            _ => rest
                .split_first_chunk::<4>()
                .map(|(number, rest)| (Some(u32::from_be_bytes(*number)), rest))?,
        };
        let (acknowledged, _) = acknowledged.as_chunks::<4>();
        Some(Self { opcode, session, replay, acknowledged, remote, number, content })
    }

    /// Whether everything has the values that it has early in a session.
    pub(super) fn is_plausible(&self, wrap: Wrap) -> bool {
        let is_small = |number: u32| number < MOST_PLAUSIBLE;
        let acknowledged = self.acknowledged.iter().all(|number| is_small(u32::from_be_bytes(*number)));
        let is_replay = match wrap {
            Wrap::None => self.replay == 0,
            Wrap::Auth(_) => self.replay > 0 && is_small(self.replay),
            // The first byte of the number says what the client can do (`EARLY_NEG_START`).
            Wrap::Crypt => {
                self.replay > 0 && is_small(self.replay & 0x00ff_ffff) && self.replay >> 24 <= 0x0f
            }
        };
        let is_encrypted = wrap == Wrap::Crypt;
        let content = match self.opcode {
            Opcode::ClientReset => {
                is_encrypted
                    || (self.acknowledged.is_empty() && self.number == Some(0) && self.content.is_empty())
            }
            Opcode::ServerReset => is_encrypted || (self.number == Some(0) && self.content.is_empty()),
            Opcode::Acknowledge => is_encrypted || (!self.acknowledged.is_empty() && self.content.is_empty()),
            Opcode::ClientResetWithKey | Opcode::ControlWithKey => is_encrypted,
            Opcode::SoftReset | Opcode::Control | Opcode::DataV1 | Opcode::DataV2 => {
                is_encrypted || self.number.is_some_and(is_small)
            }
        };
        acknowledged && is_replay && content && self.session != &[0; 8]
    }

    /// Whether the content starts with a record of TLS.
    pub(super) const fn starts_with_tls(&self) -> bool {
        matches!(self.content, [20..=23, 3, 0..=4, ..])
    }
}

/// Number and time against replays.
fn replay(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let ([a, b, c, d, time @ ..], rest) = bytes.split_first_chunk::<8>()?;
    // Seconds since 1970: OpenVPN is of 2001.
    let is_time = u32::from_be_bytes(*time) >= 0x3b00_0000;
    is_time.then_some((u32::from_be_bytes([*a, *b, *c, *d]), rest))
}

/// Whether the last two bytes are the length of a key that fits (tls-crypt-v2: tag, two keys of 128 bytes, metadata
/// of at least one byte, length).
fn has_wrapped_key(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<2>().is_some_and(|(head, len)| {
        let len = usize::from(u16::from_be_bytes(*len));
        (LEAST_WRAPPED..=MOST_WRAPPED).contains(&len) && head.len() + 2 >= CRYPT_HEAD + 5 + len
    })
}

/// Bytes of the tag of `tls-crypt`.
const CRYPT_TAG: usize = 32;
/// Opcode, session, number, time and tag of `tls-crypt`.
const CRYPT_HEAD: usize = 1 + 8 + 8 + CRYPT_TAG;
const LEAST_WRAPPED: usize = 32 + 256 + 2;
const MOST_WRAPPED: usize = 1024;
/// `RELIABLE_ACK_SIZE`.
const MOST_ACKNOWLEDGED: u8 = 8;
/// More packets than a handshake has.
const MOST_PLAUSIBLE: u32 = 1 << 16;
