//! What the daemon orders.

use std::net::IpAddr;
use std::time::Duration;

use zeroize::Zeroizing;

use super::message::{Cursor, Fields, Message};
use super::{KEY_MATERIAL, MAX_QUEUES, PeerName};
use crate::config::Framing;

/// An order of the daemon. Peers are those of `live.tunnel.peers`, by name; what an SA's packets look like outside and
/// which traffic it carries follows from the configuration that the data plane has of its peer.
#[derive(Debug)]
pub enum Order {
    /// Takes an SA in. Inbound ones open packets at once, outbound ones wait for [`Order::Up`].
    Install(Box<Install>),
    /// These were all SAs of an epoch; answered by [`super::Report::Installed`] or [`super::Report::Refused`].
    Complete {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// Sends a dummy packet on each outbound SA of an epoch, and again until it is up, wiped or 10 s have passed.
    Probe {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// Sends on the outbound SAs of an epoch from now on; those of the one before are wiped.
    Up {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// Wipes all SAs of an epoch; answered by [`super::Report::Wiped`].
    Wipe {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// Stops sending on the SAs of an epoch: its traffic is refused until another is up.
    Expired {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// Wipes all SAs of a peer; answered by [`super::Report::Wiped`] for each epoch.
    Down {
        /// Which.
        peer: PeerName,
    },
    /// Sends a dummy packet whose outer packet has `size` bytes, for the discovery of the path's MTU.
    MtuProbe {
        /// To whom.
        peer: PeerName,
        /// Bytes of the outer packet.
        size: u16,
    },
    /// Outer packets to a peer may have so many bytes from now on.
    PathMtu {
        /// To whom.
        peer: PeerName,
        /// Bytes of the largest outer packet that passes.
        mtu: u16,
    },
}

/// One SA of an epoch.
#[derive(Debug)]
pub struct Install {
    /// With whom.
    pub peer: PeerName,
    /// Which of its successive keys.
    pub epoch: u64,
    /// Which way its packets go.
    pub direction: SaDirection,
    /// The sender's queue, which is one of its cores (RFC 9611): ours for an outbound SA, below the number that
    /// [`super::Report::Hello`] says; the peer's for an inbound one.
    pub queue: u16,
    /// Security parameters index, from 256.
    pub spi: u32,
    /// What it carries; that of the peer's configuration.
    pub framing: Framing,
    /// Cipher.
    pub suite: Suite,
    /// How long it may send; of no meaning for an inbound SA.
    pub limits: SaLimits,
    /// Where the peer is, where the exchange knows better than the configuration.
    pub remote: Option<Remote>,
    /// Key and salt.
    pub key: SaKeyMaterial,
}

/// Which way an SA's packets go, seen from the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaDirection {
    /// From the peer to us.
    Inbound,
    /// From us to the peer.
    Outbound,
}

/// Cipher of an SA, by the number of its IKEv2 transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suite {
    /// AES-256-GCM with a tag of 16 bytes and extended sequence numbers (RFC 4106), transform 20.
    #[default]
    Aes256Gcm16,
}

impl Suite {
    /// The number of its transform.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Aes256Gcm16 => 20,
        }
    }
}

/// How long an SA may send: at the soft limit [`super::Report::RekeyWanted`] is said, at the hard limit sending stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaLimits {
    /// Packets after which a successor is due.
    pub soft_packets: u64,
    /// Packets after which sending stops.
    pub hard_packets: u64,
    /// Time after which a successor is due; whole milliseconds.
    pub soft_after: Duration,
    /// Time after which sending stops; whole milliseconds.
    pub hard_after: Duration,
}

/// Where a peer's outer packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its address.
    pub address: IpAddr,
    /// Its UDP port, 0 where ESP is carried by IP itself.
    pub port: u16,
}

/// Key and salt of one SA: in one place, wiped when dropped, never printed, not to be cloned.
pub struct SaKeyMaterial(Box<Zeroizing<[u8; KEY_MATERIAL]>>);

impl SaKeyMaterial {
    /// A copy of `bytes`, which their owner wipes.
    #[must_use]
    pub fn copied(bytes: &[u8; KEY_MATERIAL]) -> Self {
        let mut material = Box::new(Zeroizing::new([0; KEY_MATERIAL]));
        material.copy_from_slice(bytes);
        Self(material)
    }

    /// The bytes, to be used and not to be kept.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_MATERIAL] {
        &self.0
    }
}

impl std::fmt::Debug for SaKeyMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaKeyMaterial(36 bytes)")
    }
}

const INSTALL: u8 = 1;
const COMPLETE: u8 = 2;
const PROBE: u8 = 3;
const UP: u8 = 4;
const WIPE: u8 = 5;
const EXPIRED: u8 = 6;
const DOWN: u8 = 7;
const MTU_PROBE: u8 = 8;
const PATH_MTU: u8 = 9;

impl Message for Order {
    fn kind(&self) -> u8 {
        match self {
            Self::Install(_) => INSTALL,
            Self::Complete { .. } => COMPLETE,
            Self::Probe { .. } => PROBE,
            Self::Up { .. } => UP,
            Self::Wipe { .. } => WIPE,
            Self::Expired { .. } => EXPIRED,
            Self::Down { .. } => DOWN,
            Self::MtuProbe { .. } => MTU_PROBE,
            Self::PathMtu { .. } => PATH_MTU,
        }
    }

    fn write(&self, to: &mut Fields<'_>) {
        match self {
            Self::Install(install) => install.write(to),
            Self::Complete { peer, epoch }
            | Self::Probe { peer, epoch }
            | Self::Up { peer, epoch }
            | Self::Wipe { peer, epoch }
            | Self::Expired { peer, epoch } => {
                to.peer(peer);
                to.u64(*epoch);
            }
            Self::Down { peer } => to.peer(peer),
            Self::MtuProbe { peer, size: bytes } | Self::PathMtu { peer, mtu: bytes } => {
                to.peer(peer);
                to.u16(*bytes);
            }
        }
    }

    fn read(kind: u8, from: &mut Cursor<'_>) -> Option<Self> {
        if kind == INSTALL {
            return Install::read(from).map(Box::new).map(Self::Install);
        }
        let peer = from.peer()?;
        Some(match kind {
            COMPLETE => Self::Complete { peer, epoch: from.u64()? },
            PROBE => Self::Probe { peer, epoch: from.u64()? },
            UP => Self::Up { peer, epoch: from.u64()? },
            WIPE => Self::Wipe { peer, epoch: from.u64()? },
            EXPIRED => Self::Expired { peer, epoch: from.u64()? },
            DOWN => Self::Down { peer },
            MTU_PROBE => Self::MtuProbe { peer, size: from.u16()? },
            PATH_MTU => Self::PathMtu { peer, mtu: from.u16()? },
            _ => return None,
        })
    }
}

impl Install {
    fn write(&self, to: &mut Fields<'_>) {
        to.peer(&self.peer);
        to.u64(self.epoch);
        to.u8(match self.direction {
            SaDirection::Inbound => 1,
            SaDirection::Outbound => 2,
        });
        to.u16(self.queue);
        to.u32(self.spi);
        to.u8(self.framing.number());
        to.u16(self.suite.number());
        to.u64(self.limits.soft_packets);
        to.u64(self.limits.hard_packets);
        to.u64(millis(self.limits.soft_after));
        to.u64(millis(self.limits.hard_after));
        to.flag(self.remote.is_some());
        let nowhere = Remote { address: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), port: 0 };
        to.remote(self.remote.unwrap_or(nowhere));
        to.bytes(self.key.expose());
    }

    fn read(from: &mut Cursor<'_>) -> Option<Self> {
        let peer = from.peer()?;
        let epoch = from.u64()?;
        let direction = match from.u8()? {
            1 => SaDirection::Inbound,
            2 => SaDirection::Outbound,
            _ => return None,
        };
        let queue = from.u16().filter(|queue| *queue < MAX_QUEUES)?;
        let spi = from.u32().filter(|spi| *spi >= 256)?;
        let framing = Framing::from_number(from.u8()?)?;
        let suite = Suite::Aes256Gcm16;
        if from.u16()? != suite.number() {
            return None;
        }
        let limits = SaLimits {
            soft_packets: from.u64()?,
            hard_packets: from.u64()?,
            soft_after: Duration::from_millis(from.u64()?),
            hard_after: Duration::from_millis(from.u64()?),
        };
        let (has_remote, remote) = (from.flag()?, from.remote()?);
        let key = SaKeyMaterial::copied(from.array()?);
        let remote = has_remote.then_some(remote);
        Some(Self { peer, epoch, direction, queue, spi, framing, suite, limits, remote, key })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
