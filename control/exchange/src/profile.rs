//! Which groups and signatures a channel uses, and how often, how long and how large: profiles and named presets.

use std::str::FromStr;
use std::time::Duration;

use crate::primitive::DsaSet;
use crate::tls::Group;

/// The strength of a channel. There is no classical one: a peer that has no ML-KEM is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// CNSA 2.0: SecP384r1MLKEM1024 and ML-DSA-87, nothing below.
    #[default]
    Cnsa2,
    /// X25519MLKEM768 with ML-DSA-65; takes ML-DSA-87 as well.
    Balanced,
    /// X25519MLKEM768 with ML-DSA-44, for the smallest certificates; takes the larger ones as well.
    Constrained,
}

impl Profile {
    /// Every profile, strongest first.
    pub const ALL: [Self; 3] = [Self::Cnsa2, Self::Balanced, Self::Constrained];

    /// The one group that is offered and taken.
    pub const fn group(self) -> Group {
        match self {
            Self::Cnsa2 => Group::Secp384r1MlKem1024,
            Self::Balanced | Self::Constrained => Group::X25519MlKem768,
        }
    }

    /// Parameter set of the keys that are made for it.
    pub const fn signature(self) -> DsaSet {
        match self {
            Self::Cnsa2 => DsaSet::MlDsa87,
            Self::Balanced => DsaSet::MlDsa65,
            Self::Constrained => DsaSet::MlDsa44,
        }
    }

    /// Parameter sets of keys that are taken from peers and authorities: its own and all above.
    pub fn accepts(self, set: DsaSet) -> bool {
        set >= self.signature()
    }

    /// The name that is written in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cnsa2 => "cnsa2",
            Self::Balanced => "balanced",
            Self::Constrained => "constrained",
        }
    }
}

impl FromStr for Profile {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or(UnknownName { one_of: "cnsa2, balanced or constrained" })
    }
}

/// How a peer proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Auth {
    /// By its ML-DSA certificate, in the handshake.
    #[default]
    MlDsa,
    /// Also by an Ed25519 or ECDSA signature of the channel's binding, within the channel: whoever impersonates it
    /// must break both.
    MlDsaAndClassical,
}

impl Auth {
    /// The name that is written in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlDsa => "mldsa",
            Self::MlDsaAndClassical => "mldsa+classical",
        }
    }

    /// Its number in messages and key contexts.
    pub const fn number(self) -> u8 {
        match self {
            Self::MlDsa => 1,
            Self::MlDsaAndClassical => 2,
        }
    }
}

impl FromStr for Auth {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::MlDsa, Self::MlDsaAndClassical]
            .into_iter()
            .find(|auth| auth.name() == text)
            .ok_or(UnknownName { one_of: "mldsa or mldsa+classical" })
    }
}

/// A kind of link, with the settings that suit it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Offices and data centres over Ethernet or the Internet.
    #[default]
    Enterprise,
    /// Scanners, PACS and record systems: large images, long secrecy.
    Healthcare,
    /// PLCs and substations: layer 2 frames, little and regular traffic, slow peers.
    Industrial,
    /// Vehicles and charging points: mobile networks whose addresses change.
    Automotive,
    /// Air and satellite links: narrow, with a long round trip and a small MTU.
    Aviation,
    /// Back-haul and core: jumbo frames, many packets.
    Telecom,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 6] = [
        Self::Enterprise,
        Self::Healthcare,
        Self::Industrial,
        Self::Automotive,
        Self::Aviation,
        Self::Telecom,
    ];

    /// The name that is written in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enterprise => "enterprise",
            Self::Healthcare => "healthcare",
            Self::Industrial => "industrial",
            Self::Automotive => "automotive",
            Self::Aviation => "aviation",
            Self::Telecom => "telecom",
        }
    }

    /// What it sets.
    pub const fn settings(self) -> Settings {
        match self {
            Self::Enterprise => Settings { mtu: 1500, ..COMMON },
            Self::Healthcare => Settings { mtu: 1500, full_handshake_every: minutes(30), ..COMMON },
            Self::Industrial => Settings {
                profile: Profile::Balanced,
                mtu: 1500,
                overhead: OVERHEAD_LAYER_2,
                deadline: Duration::from_secs(10),
                ..COMMON
            },
            Self::Automotive => Settings {
                profile: Profile::Constrained,
                mtu: 1358,
                rekey_every: minutes(30),
                keepalive: Duration::from_secs(15),
                ..COMMON
            },
            Self::Aviation => Settings {
                profile: Profile::Constrained,
                mtu: 1280,
                rekey_every: minutes(30),
                keepalive: Duration::from_secs(60),
                deadline: Duration::from_secs(15),
                ..COMMON
            },
            Self::Telecom => Settings { mtu: 9000, rekey_every: minutes(5), ..COMMON },
        }
    }
}

impl FromStr for Preset {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or(UnknownName {
            one_of: "enterprise, healthcare, industrial, automotive, aviation or telecom",
        })
    }
}

/// Intervals, limits and budgets of a channel and its SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Groups and signatures.
    pub profile: Profile,
    /// How peers prove who they are.
    pub auth: Auth,
    /// New keys by resumption with a fresh KEM after this time, shortened by up to a tenth at random.
    pub rekey_every: Duration,
    /// New keys by resumption after so many packets on one SA.
    pub rekey_packets: u64,
    /// Nothing is sent any more on an SA after so many packets.
    pub hard_packets: u64,
    /// Nothing is sent any more on an SA that is this old.
    pub hard_age: Duration,
    /// A full handshake with certificates after this time.
    pub full_handshake_every: Duration,
    /// How long old inbound SAs are kept for packets that are under way.
    pub linger: Duration,
    /// From the TCP connection to both sides' "ready".
    pub deadline: Duration,
    /// Between keep-alives of an idle channel; NAT bindings of UDP encapsulation live about 30 s.
    pub keepalive: Duration,
    /// Largest outer packet in bytes.
    pub mtu: u16,
    /// The most that wrapping adds to one packet, in bytes.
    pub overhead: u16,
}

impl Settings {
    /// The largest inner packet, in bytes, that always fits.
    pub const fn inner_mtu(&self) -> u16 {
        self.mtu.saturating_sub(self.overhead)
    }

    /// Bytes of key exchange per hour and peer, both directions, from the measured size of handshakes.
    pub fn control_bytes_per_hour(&self) -> u64 {
        let per_hour = |every: Duration| 3600 / every.as_secs().max(1);
        let full = per_hour(self.full_handshake_every);
        let resumed = per_hour(self.rekey_every).saturating_sub(full);
        let (full_size, resumed_size) = match self.profile {
            Profile::Cnsa2 => (28_200, 3_900),
            Profile::Balanced => (23_300, 3_050),
            Profile::Constrained => (17_800, 3_050),
        };
        full * full_size + resumed * resumed_size
    }
}

impl Default for Settings {
    fn default() -> Self {
        Preset::default().settings()
    }
}

/// A name that is none of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {one_of}")]
pub struct UnknownName {
    one_of: &'static str,
}

impl UnknownName {
    pub(crate) const fn new(one_of: &'static str) -> Self {
        Self { one_of }
    }
}

const COMMON: Settings = Settings {
    profile: Profile::Cnsa2,
    auth: Auth::MlDsa,
    rekey_every: minutes(10),
    rekey_packets: 1 << 28,
    hard_packets: 1 << 30,
    hard_age: minutes(90),
    full_handshake_every: minutes(60),
    linger: Duration::from_secs(30),
    deadline: Duration::from_secs(5),
    keepalive: Duration::from_secs(20),
    mtu: 1500,
    overhead: OVERHEAD,
};

/// Outer IPv6 (40) and UDP (8), ESP header (8) and IV (8), up to 3 bytes of padding, trailer (2), ICV (16): RFC 4303,
/// RFC 4106 and RFC 3948. With IPv4 outside it is 20 less.
const OVERHEAD: u16 = 40 + 8 + 8 + 8 + 3 + 2 + 16;

/// The same around Ethernet with a VLAN tag (18) in GRE (4) in IPv4 (20).
const OVERHEAD_LAYER_2: u16 = OVERHEAD + 18 + 4 + 20;

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse(), Ok(profile));
        }
        assert_eq!("mldsa+classical".parse(), Ok(Auth::MlDsaAndClassical));
        assert_eq!(
            "classical".parse::<Profile>().unwrap_err().to_string(),
            "must be cnsa2, balanced or constrained"
        );
    }

    #[test]
    fn the_strongest_profile_takes_only_the_strongest_signature() {
        assert_eq!(Profile::default(), Profile::Cnsa2);
        assert!(!Profile::Cnsa2.accepts(DsaSet::MlDsa65));
        assert!(Profile::Balanced.accepts(DsaSet::MlDsa87));
        assert!(!Profile::Balanced.accepts(DsaSet::MlDsa44));
        assert!(Profile::Constrained.accepts(DsaSet::MlDsa44));
    }

    #[test]
    fn every_preset_keeps_its_own_order() {
        for preset in Preset::ALL {
            let settings = preset.settings();
            assert!(settings.rekey_every <= settings.full_handshake_every, "{preset:?}");
            assert!(settings.full_handshake_every < settings.hard_age, "{preset:?}");
            assert!(settings.rekey_packets < settings.hard_packets, "{preset:?}");
            assert!(settings.hard_packets < 1 << 32, "{preset:?}");
            // An inner packet of the smallest IPv6 MTU needs fragments only where the outer one has that MTU as well.
            assert!(settings.inner_mtu() >= 1280 || settings.mtu < 1365, "{preset:?}");
            assert!(settings.control_bytes_per_hour() < 100_000, "{preset:?}");
        }
        assert_eq!(Preset::Enterprise.settings().inner_mtu(), 1415);
    }
}
