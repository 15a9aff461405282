use core::fmt;

use zeroize::Zeroizing;

use crate::aead::{Aad, Aead, Aes256Gcm, Nonce, TAG};
use crate::ecn;
use crate::inner::{self, ETHERIP, GRE, IPV4, IPV6, Inner, NO_NEXT_HEADER, Version};
use crate::key::SaKey;
use crate::outer::Outer;
use crate::packet::Packet;
use crate::replay::{Freshness, ReplayWindow, Stale};
use crate::sa::{CoreId, Epoch, Framing, PeerId, SaError, Spi};
use crate::selector::Selectors;
use crate::sequence::Sequence;

/// What an inbound SA is besides its key.
#[derive(Clone, Debug)]
pub struct InboundConfig {
    /// Our name for it.
    pub spi: Spi,
    /// Who sends.
    pub peer: PeerId,
    /// Which of its policy's keys it has.
    pub epoch: Epoch,
    /// What it carries.
    pub framing: Framing,
    /// Traffic it may carry, seen from the sender; Ethernet frames are not looked at.
    pub selectors: Selectors,
    /// How the sender numbers packets.
    pub sequence: Sequence,
}

/// What came out of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// An IP packet.
    Ip(Version),
    /// An Ethernet frame.
    Ethernet,
    /// Nothing: the packet was sent to hide that there is no traffic.
    Dummy,
    /// Nothing: it keeps a translator's entry alive.
    KeepAlive,
    /// IKE beside ESP on its port, still in its outer headers: for somebody else.
    NonEsp,
}

/// Why a packet was not opened: it is to be dropped, but for [`NotTunnelled`](Self::NotTunnelled) and
/// [`OtherCore`](Self::OtherCore).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefusal {
    /// It is neither ESP nor UDP to the tunnel's port. Nothing of it has changed.
    #[error("not a packet of a tunnel")]
    NotTunnelled,
    /// The SA is another core's, which must open it. Nothing of it has changed.
    #[error("an SA of core {}", _0.0)]
    OtherCore(CoreId),
    /// It is a fragment of an outer packet.
    #[error("a fragment of a sealed packet")]
    Fragment,
    /// Outer lengths do not agree.
    #[error("malformed outer headers")]
    MalformedOuter,
    /// It is too short to be ESP.
    #[error("too short for ESP")]
    Truncated,
    /// No SA has this index.
    #[error("an unknown SPI")]
    UnknownSpi,
    /// A packet of this number was opened before.
    #[error("a replay")]
    Replayed,
    /// Its number lies before the window.
    #[error("older than the replay window")]
    TooOld,
    /// The tag is wrong.
    #[error("not authentic")]
    NotAuthentic,
    /// The padding is not 1, 2, 3 …, or longer than the packet.
    #[error("wrong padding")]
    BadPadding,
    /// What is inside is not what the SA carries.
    #[error("an inner protocol that the SA does not carry")]
    WrongFraming,
    /// The inner lengths do not agree.
    #[error("a malformed inner packet")]
    MalformedInner,
    /// The inner packet is not the SA's traffic.
    #[error("not traffic of this SA")]
    NotSelected,
    /// The network marked it, and its sender does not know marks (RFC 6040).
    #[error("congestion marked on traffic that cannot say so")]
    CongestionLoss,
}

/// Receiver of one security association.
pub struct InboundSa<A = Aes256Gcm> {
    engine: A,
    salt: Zeroizing<[u8; 4]>,
    window: ReplayWindow,
    config: InboundConfig,
    opened: u64,
}

impl<A: Aead> InboundSa<A> {
    /// A receiver that has seen nothing yet.
    ///
    /// # Errors
    /// [`SaError::NoEngine`]; the key is wiped.
    #[expect(clippy::needless_pass_by_value, reason = "the key is used up and wiped")]
    pub fn new(key: SaKey, config: InboundConfig) -> Result<Self, SaError> {
        Ok(Self {
            engine: A::expand(key.cipher_key()).ok_or(SaError::NoEngine)?,
            salt: key.salt(),
            window: ReplayWindow::new(),
            config,
            opened: 0,
        })
    }

    /// What it was made of.
    #[must_use]
    pub const fn config(&self) -> &InboundConfig {
        &self.config
    }

    /// Authentic packets so far.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }

    /// The newest number seen, 0 for none.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.window.newest()
    }

    /// The first half of opening: decrypts, and moves the window only if the tag is right.
    #[inline]
    pub(crate) fn decrypt(
        &mut self,
        packet: &mut Packet<'_>,
        outer: &Outer,
    ) -> Result<(Freshness, Text), OpenRefusal> {
        let esp = packet.bytes_mut().get_mut(outer.esp..outer.end).ok_or(OpenRefusal::Truncated)?;
        let (header, sealed) = esp.split_first_chunk_mut::<16>().ok_or(OpenRefusal::Truncated)?;
        let Some(len) = sealed.len().checked_sub(TAG + TRAILER) else { return Err(OpenRefusal::Truncated) };
        let [p0, p1, p2, p3, l0, l1, l2, l3, iv @ ..] = *header;
        let number = self.window.check(self.config.sequence, u32::from_be_bytes([l0, l1, l2, l3]))?;
        let (spi, low) = (u32::from_be_bytes([p0, p1, p2, p3]), u32::from_be_bytes([l0, l1, l2, l3]));
        let aad = match self.config.sequence {
            Sequence::Extended => Aad::extended(spi, number),
            Sequence::Short => Aad::short(spi, low),
        };
        self.engine.open(Nonce::new(*self.salt, iv), aad, sealed).map_err(|_| OpenRefusal::NotAuthentic)?;
        let freshness = self.window.accept(number)?;
        self.opened += 1;
        Ok((freshness, Text { start: outer.esp + 16, len }))
    }

    /// The second half: takes off the trailer, checks what is inside, and leaves only that in the packet.
    #[inline]
    pub(crate) fn unwrap(
        &self,
        packet: &mut Packet<'_>,
        class: u8,
        text: Text,
    ) -> Result<Opened, OpenRefusal> {
        let end = text.start + text.len;
        let whole = packet.bytes().get(text.start..end + TRAILER).ok_or(OpenRefusal::Truncated)?;
        let (payload, &[padding, next]) =
            whole.split_last_chunk::<TRAILER>().ok_or(OpenRefusal::Truncated)?;
        let len = payload.len().checked_sub(usize::from(padding)).ok_or(OpenRefusal::BadPadding)?;
        let (payload, padding) = payload.split_at_checked(len).ok_or(OpenRefusal::BadPadding)?;
        if !padding.iter().zip(1_u8..).all(|(byte, value)| *byte == value) {
            return Err(OpenRefusal::BadPadding);
        }
        if next == NO_NEXT_HEADER {
            return Ok(Opened::Dummy);
        }
        let header = self.config.framing.header();
        match (next, self.config.framing) {
            (IPV4 | IPV6, Framing::Ip) => {
                return self.unwrap_ip(packet, class, Text { start: text.start, len }, next);
            }
            (ETHERIP, Framing::EtherIp) | (GRE, Framing::Gre) if payload.starts_with(header) => {}
            _ => return Err(OpenRefusal::WrongFraming),
        }
        if len < header.len() + ETHERNET_HEADER {
            return Err(OpenRefusal::MalformedInner);
        }
        keep(packet, text.start + header.len(), len - header.len())?;
        Ok(Opened::Ethernet)
    }

    #[inline]
    fn unwrap_ip(
        &self,
        packet: &mut Packet<'_>,
        class: u8,
        text: Text,
        next: u8,
    ) -> Result<Opened, OpenRefusal> {
        let payload = packet.bytes().get(text.start..text.start + text.len).ok_or(OpenRefusal::Truncated)?;
        let inner = Inner::parse(payload).ok_or(OpenRefusal::MalformedInner)?;
        if (next == IPV4) != (inner.version == Version::V4) {
            return Err(OpenRefusal::WrongFraming);
        }
        if !self.config.selectors.match_any(&inner) {
            return Err(OpenRefusal::NotSelected);
        }
        let mark = ecn::leaving(inner.class, class).ok_or(OpenRefusal::CongestionLoss)?;
        // What follows the inner packet is TFC padding.
        keep(packet, text.start, inner.len)?;
        if mark != inner.class & ecn::ECN {
            inner::set_ecn(packet.bytes_mut(), inner.version, mark);
        }
        Ok(Opened::Ip(inner.version))
    }
}

/// The decrypted part of a packet, without its trailer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    start: usize,
    len: usize,
}

#[inline]
fn keep(packet: &mut Packet<'_>, start: usize, len: usize) -> Result<(), OpenRefusal> {
    if packet.narrow(start..start + len) { Ok(()) } else { Err(OpenRefusal::MalformedInner) }
}

impl From<Stale> for OpenRefusal {
    fn from(stale: Stale) -> Self {
        match stale {
            Stale::Seen => Self::Replayed,
            Stale::Old => Self::TooOld,
        }
    }
}

impl<A> fmt::Debug for InboundSa<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundSa")
            .field("spi", &self.config.spi)
            .field("epoch", &self.config.epoch)
            .field("opened", &self.opened)
            .field("newest", &self.window.newest())
            .finish_non_exhaustive()
    }
}

/// Padding length and next header.
const TRAILER: usize = 2;
const ETHERNET_HEADER: usize = 14;
