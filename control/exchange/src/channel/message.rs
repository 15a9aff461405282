use crate::schedule::Role;

/// A message of the channel, within TLS: one byte of type, two of length (big-endian), and the fields in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the sender wants; the first message of each side.
    Hello(Hello),
    /// The sender's classical signature of the channel's binding; the second message where both want it.
    Auth(AuthMessage),
    /// SPIs for the receiver's queues, in their order.
    Spis {
        /// Number of the new set of keys.
        epoch: u64,
        /// One for each of the receiver's queues.
        spis: Vec<u32>,
    },
    /// The sender has all it needs; with what proves that both mean the same.
    Ready([u8; 48]),
    /// The sender's inbound SAs are in place.
    Installed(u64),
    /// A packet of the receiver's SAs arrived and its tag was good.
    Heard(u64),
    /// A probe of the path's MTU is on its way (RFC 8899): its number and the size of the outer packet.
    Probe(Probe),
    /// That probe arrived.
    ProbeSeen(Probe),
    /// Is the channel alive?
    Ping(u64),
    /// It is.
    Pong(u64),
    /// The end of this channel.
    Close(Close),
}

/// What a side wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Version of the channel.
    pub version: u16,
    /// Who sends it, so that a reflected message is seen.
    pub role: Role,
    /// Number of the suite.
    pub suite: u16,
    /// Number of the mode.
    pub mode: u8,
    /// Number of the authentication.
    pub auth: u8,
    /// Queues from which the sender sends, 1 to [`MAX_QUEUES`].
    pub queues: u16,
    /// The last epoch of which the sender has had keys with this peer; 0 after a start.
    pub last_epoch: u64,
    /// Hash of the policy.
    pub policy: [u8; 48],
}

/// A classical certificate and a signature by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthMessage {
    /// Number of the TLS signature scheme.
    pub scheme: u16,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// A probe of the path's MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its number.
    pub id: u32,
    /// Size of the outer packet in bytes.
    pub size: u16,
}

/// Why a channel ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A newer channel took over.
    Replaced,
    /// The sender refuses; it does not say why.
    Refused,
    /// The sender stops: its SAs are gone.
    Stopping,
}

/// The most queues a side may have.
pub const MAX_QUEUES: u16 = 256;

/// The longest message without its head, in bytes: a classical certificate.
pub const MAX_MESSAGE: usize = 4096;

/// SPIs up to this are reserved (RFC 4303, section 2.1).
pub const RESERVED_SPIS: u32 = 255;

/// A message is longer than it may be, shorter than its fields, or holds what no field may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct BadMessage;

impl Message {
    /// Appends the message, with its head.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([self.number(), 0, 0]);
        self.write_fields(out);
        let length = u16::try_from(out.len() - start - HEAD).unwrap_or(u16::MAX);
        if let Some(room) = out.get_mut(start + 1..start + HEAD) {
            room.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn write_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                out.extend(hello.version.to_be_bytes());
                out.push(hello.role.number());
                out.extend(hello.suite.to_be_bytes());
                out.extend([hello.mode, hello.auth]);
                out.extend(hello.queues.to_be_bytes());
                out.extend(hello.last_epoch.to_be_bytes());
                out.extend(hello.policy);
            }
            Self::Auth(auth) => {
                out.extend(auth.scheme.to_be_bytes());
                out.extend(u16::try_from(auth.certificate.len()).unwrap_or(u16::MAX).to_be_bytes());
                out.extend(&auth.certificate);
                out.extend(&auth.signature);
            }
            Self::Spis { epoch, spis } => {
                out.extend(epoch.to_be_bytes());
                out.extend(spis.iter().flat_map(|spi| spi.to_be_bytes()));
            }
            Self::Ready(proof) => out.extend(proof),
            Self::Installed(number) | Self::Heard(number) | Self::Ping(number) | Self::Pong(number) => {
                out.extend(number.to_be_bytes());
            }
            Self::Probe(probe) | Self::ProbeSeen(probe) => {
                out.extend(probe.id.to_be_bytes());
                out.extend(probe.size.to_be_bytes());
            }
            Self::Close(close) => out.push(match close {
                Close::Replaced => 1,
                Close::Refused => 2,
                Close::Stopping => 3,
            }),
        }
    }

    const fn number(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Auth(_) => 2,
            Self::Spis { .. } => 3,
            Self::Ready(_) => 4,
            Self::Installed(_) => 5,
            Self::Heard(_) => 6,
            Self::Probe(_) => 7,
            Self::ProbeSeen(_) => 8,
            Self::Ping(_) => 9,
            Self::Pong(_) => 10,
            Self::Close(_) => 11,
        }
    }

    /// The message of this number with these fields, and nothing after them.
    fn read(number: u8, fields: &[u8]) -> Option<Self> {
        let mut fields = Fields(fields);
        let message = match number {
            1 => Self::Hello(Hello::read(&mut fields)?),
            2 => {
                let (scheme, length) = (fields.u16()?, usize::from(fields.u16()?));
                let certificate = fields.bytes(length)?.to_vec();
                Self::Auth(AuthMessage { scheme, certificate, signature: fields.rest().to_vec() })
            }
            3 => {
                let (epoch, (spis, rest)) = (fields.u64()?, fields.rest().as_chunks::<4>());
                let fits = rest.is_empty() && (1..=usize::from(MAX_QUEUES)).contains(&spis.len());
                let spis: Vec<u32> = spis.iter().map(|spi| u32::from_be_bytes(*spi)).collect();
                if !fits || spis.iter().any(|spi| *spi <= RESERVED_SPIS) {
                    return None;
                }
                Self::Spis { epoch, spis }
            }
            4 => Self::Ready(fields.array()?),
            5 => Self::Installed(fields.u64()?),
            6 => Self::Heard(fields.u64()?),
            7 => Self::Probe(Probe { id: fields.u32()?, size: fields.u16()? }),
            8 => Self::ProbeSeen(Probe { id: fields.u32()?, size: fields.u16()? }),
            9 => Self::Ping(fields.u64()?),
            10 => Self::Pong(fields.u64()?),
            11 => Self::Close(match fields.array()? {
                [1] => Close::Replaced,
                [2] => Close::Refused,
                [3] => Close::Stopping,
                _ => return None,
            }),
            _ => return None,
        };
        fields.0.is_empty().then_some(message)
    }
}

impl Hello {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let version = fields.u16()?;
        let role = match fields.array()? {
            [1] => Role::Initiator,
            [2] => Role::Responder,
            _ => return None,
        };
        let suite = fields.u16()?;
        let [mode, auth] = fields.array()?;
        let (queues, last_epoch, policy) = (fields.u16()?, fields.u64()?, fields.array()?);
        if !(1..=MAX_QUEUES).contains(&queues) {
            return None;
        }
        Some(Self { version, role, suite, mode, auth, queues, last_epoch, policy })
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Cuts a stream into messages. It never holds more than one message that is not yet complete.
#[derive(Debug, Default)]
pub struct Reader {
    partial: Vec<u8>,
}

impl Reader {
    /// Takes from the front of `bytes` until a message is complete; `None` when all are taken and none is.
    ///
    /// # Errors
    ///
    /// [`BadMessage`], after which the stream cannot be read on.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Message>, BadMessage> {
        self.fill(bytes, HEAD);
        let Some((&[number, high, low], _)) = self.partial.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        // Refused by its head alone: nothing of it is kept.
        if length > longest(number) {
            return Err(BadMessage);
        }
        self.fill(bytes, HEAD + length);
        if self.partial.len() < HEAD + length {
            return Ok(None);
        }
        let message =
            Message::read(number, self.partial.get(HEAD..).unwrap_or_default()).ok_or(BadMessage)?;
        self.partial.clear();
        Ok(Some(message))
    }

    fn fill(&mut self, bytes: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.partial.len()).min(bytes.len());
        if let Some((taken, rest)) = bytes.split_at_checked(missing) {
            self.partial.extend_from_slice(taken);
            *bytes = rest;
        }
    }
}

/// The most bytes that a message of this number may have; none of an unknown one is read.
const fn longest(number: u8) -> usize {
    match number {
        1 => 2 + 1 + 2 + 2 + 2 + 8 + 48,
        2 => MAX_MESSAGE,
        3 => 8 + 4 * MAX_QUEUES as usize,
        4 => 48,
        5 | 6 | 9 | 10 => 8,
        7 | 8 => 6,
        11 => 1,
        _ => 0,
    }
}

/// Length of a message's head in bytes.
const HEAD: usize = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_message() -> impl Strategy<Value = Message> {
        let hello =
            (any::<[u16; 2]>(), any::<bool>(), any::<[u8; 2]>(), 1..=MAX_QUEUES, any::<u64>(), any::<u8>())
                .prop_map(|([version, suite], first, [mode, auth], queues, last_epoch, policy)| {
                    let role = if first { Role::Initiator } else { Role::Responder };
                    let policy = [policy; 48];
                    Message::Hello(Hello { version, role, suite, mode, auth, queues, last_epoch, policy })
                });
        let bytes = || proptest::collection::vec(any::<u8>(), 0..1000);
        let probe = (any::<u32>(), any::<u16>()).prop_map(|(id, size)| Probe { id, size });
        prop_oneof![
            hello,
            (any::<u16>(), bytes(), bytes()).prop_map(|(scheme, certificate, signature)| Message::Auth(
                AuthMessage { scheme, certificate, signature }
            )),
            (any::<u64>(), proptest::collection::vec(256..u32::MAX, 1..=256))
                .prop_map(|(epoch, spis)| Message::Spis { epoch, spis }),
            any::<u8>().prop_map(|byte| Message::Ready([byte; 48])),
            any::<u64>().prop_map(Message::Installed),
            any::<u64>().prop_map(Message::Heard),
            probe.clone().prop_map(Message::Probe),
            probe.prop_map(Message::ProbeSeen),
            any::<u64>().prop_map(Message::Ping),
            any::<u64>().prop_map(Message::Pong),
            prop_oneof![Just(Close::Replaced), Just(Close::Refused), Just(Close::Stopping)]
                .prop_map(Message::Close),
        ]
    }

    fn read_all(pieces: &[&[u8]]) -> Result<Vec<Message>, BadMessage> {
        let mut reader = Reader::default();
        let mut messages = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while let Some(message) = reader.next(&mut piece)? {
                messages.push(message);
            }
            assert!(piece.is_empty() && reader.partial.len() <= HEAD + MAX_MESSAGE);
        }
        Ok(messages)
    }

    proptest! {
        #[test]
        fn messages_are_read_back_however_the_stream_is_cut(
            messages in proptest::collection::vec(any_message(), 1..5),
            size in 1_usize..200,
        ) {
            let mut stream = Vec::new();
            messages.iter().for_each(|message| message.write(&mut stream));
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            prop_assert_eq!(read_all(&pieces).unwrap(), messages);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(messages) = read_all(&[&bytes]) {
                let mut stream = Vec::new();
                messages.iter().for_each(|message| message.write(&mut stream));
                prop_assert!(bytes.starts_with(&stream), "what is read is what was written");
            }
        }
    }

    #[test]
    fn what_no_field_may_hold_is_refused() {
        let refused = |bytes: &[u8]| assert_eq!(read_all(&[bytes]), Err(BadMessage), "{bytes:?}");
        refused(&[0, 0, 0]);
        refused(&[12, 0, 0]);
        refused(&[11, 0, 1, 9]);
        refused(&[11, 0, 2]);
        refused(&[2, 0x10, 1]);
        refused(&[9, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        refused(&[3, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 255]);
        refused(&[3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        let mut hello = Vec::new();
        let role = Role::Responder;
        let none = Hello {
            version: 1,
            role,
            suite: 20,
            mode: 1,
            auth: 1,
            queues: 0,
            last_epoch: 0,
            policy: [0; 48],
        };
        Message::Hello(none).write(&mut hello);
        refused(&hello);
        hello[5] = 7;
        refused(&hello);
    }
}
