use core::fmt;

use zeroize::Zeroizing;

use crate::aead::{Aad, Aead, Aes256Gcm, Nonce, TAG};
use crate::ecn::{DscpMode, EcnMode, outer_class};
use crate::inner::{ETHERIP, GRE, IPV4, IPV4_DONT_FRAGMENT, IPV6, Inner, NO_NEXT_HEADER, Version};
use crate::key::SaKey;
use crate::outer::{Endpoint, Path, Template};
use crate::packet::Packet;
use crate::sa::{Epoch, Framing, Limits, Moment, PeerId, SaError, Spi};
use crate::selector::Selectors;
use crate::sequence::{Sequence, SequenceCounter};

/// What an outbound SA is besides its key.
#[derive(Clone, Debug)]
pub struct OutboundConfig {
    /// The receiver's name for it.
    pub spi: Spi,
    /// Who receives.
    pub peer: PeerId,
    /// Which of its policy's keys it has.
    pub epoch: Epoch,
    /// The way its packets go.
    pub path: Path,
    /// What it carries.
    pub framing: Framing,
    /// Traffic it carries; Ethernet frames are not looked at.
    pub selectors: Selectors,
    /// How it numbers packets.
    pub sequence: Sequence,
    /// How long it may send.
    pub limits: Limits,
    /// Padding against traffic analysis.
    pub padding: TfcPadding,
}

/// Padding that hides how long packets are (RFC 4303, 2.7); IP packets only, since they know their own length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TfcPadding {
    /// None.
    #[default]
    None,
    /// Up to a multiple of this many bytes, as far as the path takes it.
    Multiple(u16),
}

/// Why a packet was not sealed. Nothing of it has changed, and no number was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealRefusal {
    /// It is not an IP packet, or its lengths do not agree.
    #[error("not a sound IP packet")]
    Malformed,
    /// It is not the SA's traffic.
    #[error("not traffic of this SA")]
    NotSelected,
    /// It may not be fragmented and is larger than this: its sender is to be told.
    #[error("larger than {mtu} bytes")]
    TooBig {
        /// The largest packet that passes.
        mtu: u16,
    },
    /// It is larger than this, and IPv4 without DF: to be fragmented before it is sealed.
    #[error("larger than {mtu} bytes, to be fragmented")]
    NeedsFragments {
        /// The largest packet that passes.
        mtu: u16,
    },
    /// It is IPv6, does not fit, and no IPv6 link may refuse as little (RFC 8200, 5).
    #[error("the path is too narrow for IPv6")]
    PathBelowMinimum,
    /// The buffer has too little room before or behind it.
    #[error("no room in the buffer")]
    NoRoom,
    /// The policy has no SA: nothing leaves in the clear.
    #[error("the policy has no SA")]
    NoSa,
    /// The SA has sent as many packets as it may.
    #[error("the SA has reached its hard limit of packets")]
    PacketLimit,
    /// The SA is older than it may be.
    #[error("the SA has reached its hard limit of time")]
    TimeLimit,
}

/// Sender of one security association, and the only one of its key.
///
/// ```compile_fail
/// fn second_sender(sa: &tunnel::OutboundSa) -> tunnel::OutboundSa {
///     sa.clone()
/// }
/// ```
pub struct OutboundSa<A = Aes256Gcm> {
    engine: A,
    salt: Zeroizing<[u8; 4]>,
    counter: SequenceCounter,
    template: Template,
    /// Bytes of the largest text: payload, padding, its length, next header.
    text_max: usize,
    config: OutboundConfig,
    soft_at: Moment,
    hard_at: Moment,
}

impl<A: Aead> OutboundSa<A> {
    /// A sender that starts at number 1, now.
    ///
    /// # Errors
    /// [`SaError`]; the key is wiped.
    #[expect(clippy::needless_pass_by_value, reason = "the key is used up: there is no second sender of it")]
    pub fn new(key: SaKey, config: OutboundConfig, now: Moment) -> Result<Self, SaError> {
        let template = Template::new(&config.path, config.spi.value()).map_err(|_| SaError::MixedVersions)?;
        let text_max = text_max(&config, &template)?;
        Ok(Self {
            engine: A::expand(key.cipher_key()).ok_or(SaError::NoEngine)?,
            salt: key.salt(),
            counter: SequenceCounter::up_to(config.limits.hard_packets.min(config.sequence.last())),
            template,
            text_max,
            soft_at: now.after(config.limits.soft_after),
            hard_at: now.after(config.limits.hard_after),
            config,
        })
    }

    /// Bytes of the largest packet (in layer-2 mode: frame) that this SA seals.
    #[must_use]
    pub fn mtu(&self) -> u16 {
        u16::try_from(self.text_max - TRAILER - self.config.framing.header().len()).unwrap_or(u16::MAX)
    }

    /// Seals a packet in place: outer headers before it, trailer and tag behind it.
    ///
    /// # Errors
    /// [`SealRefusal`], with the packet as it was.
    #[inline]
    pub fn seal(&mut self, packet: &mut Packet<'_>, now: Moment) -> Result<(), SealRefusal> {
        let framed = self.frame(packet, now)?;
        self.encrypt(packet, framed)
    }

    /// The first half of sealing: makes room and writes what surrounds the payload in the text.
    ///
    /// Between this and [`encrypt`](Self::encrypt) other packets' turns should come: a cipher that loads what was stored
    /// a moment ago in smaller pieces has to wait for all stores before.
    #[inline]
    pub(crate) fn frame(&mut self, packet: &mut Packet<'_>, now: Moment) -> Result<Framed, SealRefusal> {
        let Cargo { len, next, class } = self.cargo(packet)?;
        let header = self.config.framing.header();
        let text = self.text_len(header.len() + len);
        let number = self.number(packet, header.len(), text + TAG, now)?;
        self.surround(packet, Plan { len, next, header, text })?;
        Ok(Framed { class, number })
    }

    /// Makes an empty packet that its receiver throws away, of `len` bytes of random-looking text (RFC 4303, 2.6).
    ///
    /// # Errors
    /// [`SealRefusal`], with the packet as it was.
    pub fn seal_dummy(&mut self, packet: &mut Packet<'_>, len: u16, now: Moment) -> Result<(), SealRefusal> {
        let text = (usize::from(len) + TRAILER).next_multiple_of(4);
        let number = self.number(packet, 0, text + TAG, now)?;
        let class = match self.config.dscp() {
            DscpMode::Copy => 0,
            fixed @ DscpMode::Fixed(_) => outer_class(0, fixed, EcnMode::Compatibility),
        };
        self.surround(packet, Plan { len: 0, next: NO_NEXT_HEADER, header: &[], text })?;
        self.encrypt(packet, Framed { class, number })
    }

    /// Bytes of text that a dummy has whose outer packet is the longest within `size`; none where none is. It may be more than
    /// the path is known to carry: that is how its MTU is probed.
    #[must_use]
    pub fn dummy_len(&self, size: u16) -> Option<u16> {
        let text = usize::from(size).checked_sub(self.template.len() + TAG)? / 4 * 4;
        u16::try_from(text.checked_sub(TRAILER)?).ok()
    }

    /// Whether a successor is due: the soft limit of packets or of time is reached.
    #[must_use]
    pub fn is_rekey_due(&self, now: Moment) -> bool {
        self.counter.used() >= self.config.limits.soft_packets || now >= self.soft_at
    }

    /// Packets sealed so far.
    #[must_use]
    pub const fn sealed(&self) -> u64 {
        self.counter.used()
    }

    /// What it was made of.
    #[must_use]
    pub const fn config(&self) -> &OutboundConfig {
        &self.config
    }

    /// Sends to another endpoint from now on.
    ///
    /// # Errors
    /// [`SaError::MixedVersions`] where the peer went to the other IP, which this path cannot follow;
    /// [`SaError::PathTooSmall`] never, since the headers stay as long.
    pub fn redirect(&mut self, remote: Endpoint) -> Result<(), SaError> {
        let path = Path { remote, ..self.config.path };
        self.template = Template::new(&path, self.config.spi.value()).map_err(|_| SaError::MixedVersions)?;
        self.config.path = path;
        Ok(())
    }

    /// Follows a change of the path's MTU, as its discovery found it.
    ///
    /// # Errors
    /// [`SaError::PathTooSmall`]; the old one stays.
    pub fn set_path_mtu(&mut self, mtu: u16) -> Result<(), SaError> {
        let old = core::mem::replace(&mut self.config.path.mtu, mtu);
        match text_max(&self.config, &self.template) {
            Ok(text_max) => self.text_max = text_max,
            Err(error) => {
                self.config.path.mtu = old;
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is to be sealed, if it is this SA's and fits.
    #[inline]
    fn cargo(&self, packet: &Packet<'_>) -> Result<Cargo, SealRefusal> {
        let framing = self.config.framing;
        let (next, bytes) = match framing {
            Framing::Ip => return self.ip_cargo(packet.bytes()),
            Framing::EtherIp => (ETHERIP, packet.bytes()),
            Framing::Gre => (GRE, packet.bytes()),
        };
        if bytes.len() < ETHERNET_HEADER {
            return Err(SealRefusal::Malformed);
        }
        if bytes.len() + framing.header().len() + TRAILER > self.text_max {
            return Err(SealRefusal::TooBig { mtu: self.mtu() });
        }
        // A frame need not hold IP: its outer packet says nothing about congestion, so none of it is lost.
        Ok(Cargo {
            len: bytes.len(),
            next,
            class: outer_class(0, self.config.dscp(), EcnMode::Compatibility),
        })
    }

    #[inline]
    fn ip_cargo(&self, bytes: &[u8]) -> Result<Cargo, SealRefusal> {
        let inner = Inner::parse(bytes).ok_or(SealRefusal::Malformed)?;
        if !self.config.selectors.match_any(&inner) {
            return Err(SealRefusal::NotSelected);
        }
        if inner.len + TRAILER > self.text_max {
            return Err(self.oversize(bytes, &inner));
        }
        let next = if inner.version == Version::V4 { IPV4 } else { IPV6 };
        let class = outer_class(inner.class, self.config.dscp(), self.config.path.ecn);
        Ok(Cargo { len: inner.len, next, class })
    }

    #[cold]
    fn oversize(&self, bytes: &[u8], inner: &Inner) -> SealRefusal {
        let mtu = self.mtu();
        match inner.version {
            Version::V6 if inner.len <= IPV6_MINIMUM || mtu < IPV6_LEAST => SealRefusal::PathBelowMinimum,
            Version::V4 if may_fragment(bytes) => SealRefusal::NeedsFragments { mtu },
            Version::V4 | Version::V6 => SealRefusal::TooBig { mtu },
        }
    }

    /// Bytes of the text that holds `payload` bytes: a multiple of four (RFC 4303, 2.4).
    #[inline]
    fn text_len(&self, payload: usize) -> usize {
        let least = (payload + TRAILER).next_multiple_of(4);
        match (self.config.padding, self.config.framing) {
            (TfcPadding::Multiple(unit @ 1..), Framing::Ip) => {
                least.next_multiple_of(usize::from(unit)).next_multiple_of(4).min(self.text_max)
            }
            _ => least,
        }
    }

    /// The number of the next packet, if the SA may send and the packet has room: `front` bytes before it besides the
    /// outer headers, and `sealed` from there on. Link padding behind a packet is free room.
    #[inline]
    fn number(
        &mut self,
        packet: &Packet<'_>,
        front: usize,
        sealed: usize,
        now: Moment,
    ) -> Result<u64, SealRefusal> {
        let behind = packet.len() + packet.tailroom();
        if packet.headroom() < front + self.template.len() || behind + front < sealed {
            return Err(SealRefusal::NoRoom);
        }
        if now >= self.hard_at {
            return Err(SealRefusal::TimeLimit);
        }
        self.counter.next().ok_or(SealRefusal::PacketLimit)
    }

    #[inline]
    fn surround(&self, packet: &mut Packet<'_>, plan: Plan) -> Result<(), SealRefusal> {
        let Plan { len, next, header, text } = plan;
        let front = self.template.len() + header.len();
        let grown = packet.narrow(0..len) && packet.grow(front, text - header.len() - len + TAG);
        let (Some(sealed), true) = (packet.bytes_mut().get_mut(self.template.len()..), grown) else {
            return Err(SealRefusal::NoRoom);
        };
        frame(sealed, header, header.len() + len, next, text);
        Ok(())
    }

    /// The second half of sealing: cipher, tag, and outer headers.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "used up: a number is encrypted with once")]
    pub(crate) fn encrypt(&self, packet: &mut Packet<'_>, framed: Framed) -> Result<(), SealRefusal> {
        let Framed { class, number } = framed;
        let sealed = packet.bytes_mut().get_mut(self.template.len()..).ok_or(SealRefusal::NoRoom)?;
        let spi = self.config.spi.value();
        // The header as the receiver will see it; with extended numbers both halves (RFC 4106, 5).
        #[expect(clippy::cast_possible_truncation, reason = "numbers of 32 bits end at 2^32 - 1")]
        let aad = match self.config.sequence {
            Sequence::Extended => Aad::extended(spi, number),
            Sequence::Short => Aad::short(spi, number as u32),
        };
        let nonce = Nonce::new(*self.salt, number.to_be_bytes());
        self.engine.seal(nonce, aad, sealed).map_err(|_| SealRefusal::NoRoom)?;
        self.template.write(packet.bytes_mut(), class, number);
        self.template.finish(packet.bytes_mut());
        Ok(())
    }
}

/// Writes what surrounds the payload within the text: framing before, zeros of TFC padding, 1, 2, 3 …, its length and
/// the next header behind.
#[inline]
fn frame(sealed: &mut [u8], header: &[u8], payload: usize, next: u8, text: usize) {
    if let Some(place) = sealed.get_mut(..header.len()) {
        place.copy_from_slice(header);
    }
    let Some(tail) = sealed.get_mut(payload..text) else { return };
    // At most three bytes of ESP padding; where there is more, it is TFC padding, which comes first.
    let free = tail.len().saturating_sub(TRAILER);
    let padding = free & 3;
    let Some((zeros, trailer)) = tail.split_at_mut_checked(free - padding) else { return };
    zeros.fill(0);
    for (byte, value) in trailer.iter_mut().zip([1_u8, 2, 3]).take(padding) {
        *byte = value;
    }
    if let [.., length, following] = trailer {
        *length = u8::try_from(padding).unwrap_or(0);
        *following = next;
    }
}

fn text_max(config: &OutboundConfig, template: &Template) -> Result<usize, SaError> {
    let mtu = config.path.mtu;
    let text = usize::from(mtu).saturating_sub(template.len() + TAG) / 4 * 4;
    let inner = text.saturating_sub(TRAILER + config.framing.header().len());
    if inner < IPV4_MINIMUM { Err(SaError::PathTooSmall { mtu, inner }) } else { Ok(text) }
}

fn may_fragment(bytes: &[u8]) -> bool {
    matches!(*bytes, [_, _, _, _, _, _, f0, f1, ..] if u16::from_be_bytes([f0, f1]) & IPV4_DONT_FRAGMENT == 0)
}

impl OutboundConfig {
    const fn dscp(&self) -> DscpMode {
        self.path.dscp
    }
}

impl<A> fmt::Debug for OutboundSa<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundSa")
            .field("spi", &self.config.spi)
            .field("epoch", &self.config.epoch)
            .field("sealed", &self.counter.used())
            .finish_non_exhaustive()
    }
}

struct Cargo {
    len: usize,
    next: u8,
    class: u8,
}

#[derive(Clone, Copy)]
struct Plan {
    len: usize,
    next: u8,
    header: &'static [u8],
    text: usize,
}

/// A packet between the halves of sealing: its number is used up, so it has to be encrypted, once.
#[derive(Debug)]
pub(crate) struct Framed {
    class: u8,
    number: u64,
}

/// Padding length and next header.
const TRAILER: usize = 2;
const ETHERNET_HEADER: usize = 14;
/// Every host takes this much (RFC 791, 3.2).
const IPV4_MINIMUM: usize = 576;
/// Every link takes this much (RFC 8200, 5).
const IPV6_MINIMUM: usize = 1280;
const IPV6_LEAST: u16 = 1280;
