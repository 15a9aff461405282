//! What the data plane reports.

use super::message::{Cursor, Fields, Message};
use super::order::Remote;
use super::{MAX_PEERS, MAX_QUEUES, PeerName, VERSION};

/// A report of the data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The first of every connection: how the data plane is made, and which SAs it has.
    Hello {
        /// Queues that it sends from: so many outbound SAs has each epoch.
        queues: u16,
        /// Epochs with SAs, each peer's in ascending order.
        installed: Vec<InstalledEpoch>,
    },
    /// All SAs of an epoch are in place: answers [`super::Order::Complete`].
    Installed {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// An order was not carried out. What came of its epoch is wiped.
    Refused {
        /// Whose.
        peer: PeerName,
        /// Which; 0 where the order named none.
        epoch: u64,
        /// Why.
        why: Objection,
    },
    /// Each inbound SA of an epoch has opened an authentic packet. Said once.
    Heard {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// The SAs of an epoch are gone, and its inbound SPIs can be used again.
    Wiped {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
        /// SPIs of the inbound ones.
        spis: Vec<u32>,
    },
    /// An outbound SA of the epoch in use has reached a soft limit. Said once to an SA.
    RekeyWanted {
        /// Whose.
        peer: PeerName,
        /// Which.
        epoch: u64,
    },
    /// A peer sends from elsewhere now, and is followed.
    Roamed {
        /// Which.
        peer: PeerName,
        /// Where it is.
        remote: Remote,
    },
    /// What was counted of a peer, absolute since the start of the data plane; about every second.
    Counters {
        /// Which.
        peer: PeerName,
        /// Values.
        counters: PeerCounters,
    },
    /// The probe of the path's MTU that [`super::Order::MtuProbe`] asked the peer's data plane for has come.
    MtuProbeArrived {
        /// From whom.
        peer: PeerName,
        /// Bytes of the outer packet.
        size: u16,
    },
}

/// An epoch that has SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstalledEpoch {
    /// Whose.
    pub peer: PeerName,
    /// Which.
    pub epoch: u64,
    /// Whether its outbound SAs are in use.
    pub is_up: bool,
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// The data plane's configuration has no such peer.
    #[error("the data plane has no such peer")]
    UnknownPeer,
    /// An outbound SA of a queue that it does not have, or of one twice, or not one of each.
    #[error("the outbound SAs are not one to each queue")]
    Queues,
    /// An SPI that is in use.
    #[error("an SPI is in use")]
    SpiInUse,
    /// The table of inbound SAs is full.
    #[error("the table of inbound SAs is full")]
    Full,
    /// What the SA carries is not what the peer's configuration says.
    #[error("the framing is not that of the configuration")]
    Framing,
    /// The peer's address and ours are not of one IP, or it has none.
    #[error("the peer has no address that ours can reach")]
    Path,
    /// The path's MTU is too small for any packet.
    #[error("the path's MTU is too small")]
    Mtu,
    /// No engine for the cipher runs here.
    #[error("this machine cannot run the cipher")]
    Cipher,
    /// There is no such epoch.
    #[error("there is no such epoch")]
    UnknownEpoch,
    /// The epoch is not newer than one that is there.
    #[error("the epoch is not new")]
    StaleEpoch,
    /// A worker did not answer in time.
    #[error("a worker did not answer")]
    Stuck,
}

impl Objection {
    /// All of them; its place is its number.
    const ALL: [Self; 11] = [
        Self::UnknownPeer,
        Self::Queues,
        Self::SpiInUse,
        Self::Full,
        Self::Framing,
        Self::Path,
        Self::Mtu,
        Self::Cipher,
        Self::UnknownEpoch,
        Self::StaleEpoch,
        Self::Stuck,
    ];
}

/// What is counted of a peer, all queues together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Packets opened.
    pub rx_packets: u64,
    /// Bytes of them, after opening.
    pub rx_bytes: u64,
    /// Packets sealed.
    pub tx_packets: u64,
    /// Bytes of them, before sealing.
    pub tx_bytes: u64,
    /// Packets dropped because their number was seen before, or is behind the window.
    pub replay_drops: u64,
    /// Packets dropped because their tag is wrong.
    pub auth_drops: u64,
    /// Packets dropped although authentic: padding, framing, selectors, congestion.
    pub inner_drops: u64,
    /// Packets not sealed because there is no SA, or it has reached its hard limit.
    pub keyless_drops: u64,
    /// Packets not sealed for another reason.
    pub seal_drops: u64,
}

const HELLO: u8 = 65;
const INSTALLED: u8 = 66;
const REFUSED: u8 = 67;
const HEARD: u8 = 68;
const WIPED: u8 = 69;
const REKEY_WANTED: u8 = 70;
const ROAMED: u8 = 71;
const COUNTERS: u8 = 72;
const MTU_PROBE_ARRIVED: u8 = 73;

/// Epochs that a peer may have at once, in a message.
const MAX_EPOCHS: usize = MAX_PEERS * 4;

impl Message for Report {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => HELLO,
            Self::Installed { .. } => INSTALLED,
            Self::Refused { .. } => REFUSED,
            Self::Heard { .. } => HEARD,
            Self::Wiped { .. } => WIPED,
            Self::RekeyWanted { .. } => REKEY_WANTED,
            Self::Roamed { .. } => ROAMED,
            Self::Counters { .. } => COUNTERS,
            Self::MtuProbeArrived { .. } => MTU_PROBE_ARRIVED,
        }
    }

    fn write(&self, to: &mut Fields<'_>) {
        match self {
            Self::Hello { queues, installed } => {
                to.u16(VERSION);
                to.u16(*queues);
                let kept = installed.get(..MAX_EPOCHS).unwrap_or(installed);
                to.u16(u16::try_from(kept.len()).unwrap_or(u16::MAX));
                for one in kept {
                    to.peer(&one.peer);
                    to.u64(one.epoch);
                    to.flag(one.is_up);
                }
            }
            Self::Installed { peer, epoch }
            | Self::Heard { peer, epoch }
            | Self::RekeyWanted { peer, epoch } => {
                to.peer(peer);
                to.u64(*epoch);
            }
            Self::Refused { peer, epoch, why } => {
                to.peer(peer);
                to.u64(*epoch);
                let number = Objection::ALL.iter().position(|one| one == why);
                to.u8(number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX));
            }
            Self::Wiped { peer, epoch, spis } => {
                to.peer(peer);
                to.u64(*epoch);
                let kept = spis.get(..usize::from(MAX_QUEUES)).unwrap_or(spis);
                to.u16(u16::try_from(kept.len()).unwrap_or(u16::MAX));
                kept.iter().for_each(|spi| to.u32(*spi));
            }
            Self::Roamed { peer, remote } => {
                to.peer(peer);
                to.remote(*remote);
            }
            Self::Counters { peer, counters } => {
                to.peer(peer);
                counters.values().into_iter().for_each(|value| to.u64(value));
            }
            Self::MtuProbeArrived { peer, size } => {
                to.peer(peer);
                to.u16(*size);
            }
        }
    }

    fn read(kind: u8, from: &mut Cursor<'_>) -> Option<Self> {
        if kind == HELLO {
            return read_hello(from);
        }
        let peer = from.peer()?;
        Some(match kind {
            INSTALLED => Self::Installed { peer, epoch: from.u64()? },
            HEARD => Self::Heard { peer, epoch: from.u64()? },
            REKEY_WANTED => Self::RekeyWanted { peer, epoch: from.u64()? },
            REFUSED => {
                let epoch = from.u64()?;
                Self::Refused { peer, epoch, why: *Objection::ALL.get(usize::from(from.u8()?))? }
            }
            WIPED => {
                let epoch = from.u64()?;
                let count = from.u16().filter(|count| *count <= MAX_QUEUES)?;
                let spis = (0..count).map(|_| from.u32()).collect::<Option<Vec<u32>>>()?;
                Self::Wiped { peer, epoch, spis }
            }
            ROAMED => Self::Roamed { peer, remote: from.remote()? },
            COUNTERS => Self::Counters { peer, counters: PeerCounters::read(from)? },
            MTU_PROBE_ARRIVED => Self::MtuProbeArrived { peer, size: from.u16()? },
            _ => return None,
        })
    }
}

fn read_hello(from: &mut Cursor<'_>) -> Option<Report> {
    if from.u16()? != VERSION {
        return None;
    }
    let queues = from.u16().filter(|queues| (1..=MAX_QUEUES).contains(queues))?;
    let count = from.u16().filter(|count| usize::from(*count) <= MAX_EPOCHS)?;
    let mut installed = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let (peer, epoch) = (from.peer()?, from.u64()?);
        installed.push(InstalledEpoch { peer, epoch, is_up: from.flag()? });
    }
    Some(Report::Hello { queues, installed })
}

impl PeerCounters {
    /// The values, in the order of the message.
    const fn values(&self) -> [u64; 9] {
        [
            self.rx_packets,
            self.rx_bytes,
            self.tx_packets,
            self.tx_bytes,
            self.replay_drops,
            self.auth_drops,
            self.inner_drops,
            self.keyless_drops,
            self.seal_drops,
        ]
    }

    /// From the values in that order.
    const fn of(values: [u64; 9]) -> Self {
        let [rx_packets, rx_bytes, tx_packets, tx_bytes, replay_drops, auth_drops, inner_drops, rest @ ..] =
            values;
        let [keyless_drops, seal_drops] = rest;
        Self {
            rx_packets,
            rx_bytes,
            tx_packets,
            tx_bytes,
            replay_drops,
            auth_drops,
            inner_drops,
            keyless_drops,
            seal_drops,
        }
    }

    fn read(from: &mut Cursor<'_>) -> Option<Self> {
        let mut values = [0; 9];
        for value in &mut values {
            *value = from.u64()?;
        }
        Some(Self::of(values))
    }

    /// The same with what another queue counted.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut values = self.values();
        values.iter_mut().zip(other.values()).for_each(|(value, more)| *value = value.wrapping_add(more));
        Self::of(values)
    }
}
