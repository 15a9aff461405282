//! The frame around a message: four bytes of length, one of kind, then the fields in network byte order.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::{Zeroize, Zeroizing};

use super::PeerName;
use super::order::Remote;

/// Bytes of the longest message, its length included.
pub const MAX_MESSAGE: usize = 64 * 1024;

const LENGTH: usize = 4;

/// Why a connection cannot go on. After each of these it is to be closed.
#[derive(Debug, thiserror::Error)]
pub enum KeyChannelError {
    /// The system failed to read or write.
    #[error("the key socket: {0}")]
    Io(#[from] io::Error),
    /// A length that no message has.
    #[error("a message of {len} bytes")]
    Length {
        /// As it said.
        len: usize,
    },
    /// Bytes that are no message of this version.
    #[error("a message of kind {kind} that is not understood")]
    Malformed {
        /// Its kind.
        kind: u8,
    },
}

/// Something that goes over the key socket.
pub trait Message: Sized {
    /// Its kind; those of orders and of reports are apart.
    fn kind(&self) -> u8;

    /// Writes its fields.
    fn write(&self, to: &mut Fields<'_>);

    /// Reads the fields of a message of this kind; `None` where they are not sound.
    fn read(kind: u8, from: &mut Cursor<'_>) -> Option<Self>;
}

/// Writes one message; what was copied of it is wiped.
///
/// # Errors
/// [`KeyChannelError::Io`], where the other side has gone or takes nothing within the time limit of `to`.
pub fn send<M: Message>(message: &M, to: &mut impl Write) -> Result<(), KeyChannelError> {
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_MESSAGE));
    bytes.extend([0; LENGTH]);
    bytes.push(message.kind());
    message.write(&mut Fields(&mut bytes));
    let len = bytes.len();
    if len > MAX_MESSAGE {
        return Err(KeyChannelError::Length { len });
    }
    let announced = u32::try_from(len - LENGTH).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = bytes.first_chunk_mut() {
        *place = announced;
    }
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}

/// What reading brought.
#[derive(Debug)]
pub enum Arrival<M> {
    /// A message.
    Message(M),
    /// Nothing within the time limit of the source; what came of a message is kept.
    Nothing,
    /// The other side has closed the connection.
    Closed,
}

/// Messages from a stream, which may have a time limit or not block. Its buffer is wiped behind every message.
pub struct Incoming<R> {
    source: R,
    bytes: Zeroizing<Vec<u8>>,
    /// Bytes that are there.
    len: usize,
}

impl<R> std::fmt::Debug for Incoming<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<R: Read> Incoming<R> {
    /// Messages of `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { source, bytes: Zeroizing::new(vec![0; MAX_MESSAGE]), len: 0 }
    }

    #[cfg(test)]
    pub(super) fn is_wiped(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// Where they come from.
    #[must_use]
    pub const fn source(&self) -> &R {
        &self.source
    }

    /// The next message.
    ///
    /// # Errors
    /// [`KeyChannelError`]; the connection is of no use any more.
    pub fn receive<M: Message>(&mut self) -> Result<Arrival<M>, KeyChannelError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Arrival::Message(message));
            }
            let Some(room) = self.bytes.get_mut(self.len..).filter(|room| !room.is_empty()) else {
                return Err(KeyChannelError::Length { len: self.len });
            };
            match self.source.read(room) {
                Ok(0) => return Ok(Arrival::Closed),
                Ok(count) => self.len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(Arrival::Nothing);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The message that is there whole, taken out of the buffer.
    fn take<M: Message>(&mut self) -> Result<Option<M>, KeyChannelError> {
        let Some((announced, rest)) =
            self.bytes.get(..self.len).and_then(|bytes| bytes.split_first_chunk::<LENGTH>())
        else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*announced)).unwrap_or(usize::MAX);
        if !(1..=MAX_MESSAGE - LENGTH).contains(&len) {
            return Err(KeyChannelError::Length { len });
        }
        let Some((&kind, fields)) = rest.get(..len).and_then(<[u8]>::split_first) else { return Ok(None) };
        let mut cursor = Cursor(fields);
        let message = M::read(kind, &mut cursor).filter(|_| cursor.0.is_empty());
        let used = LENGTH + len;
        self.bytes.copy_within(used..self.len, 0);
        let left = self.len - used;
        if let Some(freed) = self.bytes.get_mut(left..self.len) {
            freed.zeroize();
        }
        self.len = left;
        message.map(Some).ok_or(KeyChannelError::Malformed { kind })
    }
}

/// Where the fields of a message are written.
pub struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// Always 19 bytes.
    pub(super) fn remote(&mut self, remote: Remote) {
        self.address(remote.address);
        self.u16(remote.port);
    }

    /// Always 33 bytes.
    pub(super) fn peer(&mut self, peer: &PeerName) {
        self.u8(peer.len);
        self.bytes(&peer.bytes);
    }

    /// Always 17 bytes.
    pub(super) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(address) => {
                self.u8(4);
                self.bytes(&address.octets());
                self.bytes(&[0; 12]);
            }
            IpAddr::V6(address) => {
                self.u8(6);
                self.bytes(&address.octets());
            }
        }
    }
}

/// Where the fields of a message are read.
pub struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<&[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| *byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn remote(&mut self) -> Option<Remote> {
        Some(Remote { address: self.address()?, port: self.u16()? })
    }

    pub(super) fn peer(&mut self) -> Option<PeerName> {
        let len = self.u8()?;
        let bytes: &[u8; PeerName::MAX] = self.array()?;
        let (text, padding) = bytes.split_at_checked(usize::from(len))?;
        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        PeerName::new(str::from_utf8(text).ok()?)
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        let version = self.u8()?;
        let bytes: [u8; 16] = *self.array()?;
        match (version, bytes) {
            (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) => Some(Ipv4Addr::new(a, b, c, d).into()),
            (6, _) => Some(Ipv6Addr::from(bytes).into()),
            _ => None,
        }
    }
}
