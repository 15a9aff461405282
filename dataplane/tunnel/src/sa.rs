use core::fmt;
use core::time::Duration;

/// Security parameters index: the name of an SA at its receiver (RFC 4303, 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(u32);

impl Spi {
    /// The index, unless it is one of the 256 that are reserved.
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value < 256 { None } else { Some(Self(value)) }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spi({:#010x})", self.0)
    }
}

/// A core that seals and opens packets with SAs of its own (RFC 9611).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreId(pub u16);

/// Far end of tunnels: all SAs of a peer follow its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerId(pub u16);

/// Which of a policy's successive keys an SA has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// Nanoseconds since a start that stays the same while the program runs, never going back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment that much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// What an SA carries between its ESP header and trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// IPv4 and IPv6 packets: tunnel mode (RFC 4303, 3.1.2).
    Ip,
    /// Ethernet frames in EtherIP (RFC 3378).
    EtherIp,
    /// Ethernet frames in GRE (RFC 2784, protocol 0x6558).
    Gre,
}

impl Framing {
    /// What precedes the packet within the encrypted part.
    #[inline]
    pub(crate) const fn header(self) -> &'static [u8] {
        match self {
            Self::Ip => &[],
            Self::EtherIp => &[0x30, 0x00],
            Self::Gre => &[0x00, 0x00, 0x65, 0x58],
        }
    }
}

/// How long an SA may send.
///
/// At the soft limit it asks for a successor and goes on; at the hard limit it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Packets after which a successor is due.
    pub soft_packets: u64,
    /// Packets after which sending stops.
    pub hard_packets: u64,
    /// Time after which a successor is due.
    pub soft_after: Duration,
    /// Time after which sending stops.
    pub hard_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            soft_packets: 1 << 28,
            hard_packets: 1 << 30,
            soft_after: Duration::from_mins(10),
            hard_after: Duration::from_mins(30),
        }
    }
}

impl Limits {
    /// The soft limits brought forward by up to a tenth, so that SAs that began together do not end together.
    #[must_use]
    pub fn jittered(self, random: u64) -> Self {
        let share = u32::try_from(random % 1001).unwrap_or(0);
        Self {
            soft_packets: self.soft_packets - self.soft_packets / 10_000 * u64::from(share),
            soft_after: self.soft_after - self.soft_after / 10_000 * share,
            ..self
        }
    }
}

/// An SA cannot be made of what it was to be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaError {
    /// One end of the path is IPv4, the other IPv6.
    #[error("a path has both ends in IPv4 or both in IPv6")]
    MixedVersions,
    /// No packet of IPv4's least MTU would fit.
    #[error("an outer MTU of {mtu} leaves {inner} bytes for a packet: at least 576 are needed")]
    PathTooSmall {
        /// The outer MTU.
        mtu: u16,
        /// What it leaves.
        inner: usize,
    },
    /// No engine for AES-256-GCM runs here.
    #[error("this machine cannot run the engine for AES-256-GCM")]
    NoEngine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_indices_name_no_sa() {
        assert_eq!(Spi::new(255), None);
        assert_eq!(Spi::new(256).map(Spi::value), Some(256));
    }

    #[test]
    fn jitter_brings_soft_limits_forward_by_a_tenth_at_most() {
        let limits = Limits::default();
        for random in [0, 1, 500, 1000, 1001, u64::MAX] {
            let jittered = limits.jittered(random);
            assert!(jittered.soft_packets <= limits.soft_packets);
            assert!(jittered.soft_packets >= limits.soft_packets / 10 * 9);
            assert!(
                jittered.soft_after <= limits.soft_after && jittered.soft_after >= limits.soft_after / 10 * 9
            );
            assert_eq!(
                (jittered.hard_packets, jittered.hard_after),
                (limits.hard_packets, limits.hard_after)
            );
        }
        assert_ne!(limits.jittered(1000), limits);
    }
}
