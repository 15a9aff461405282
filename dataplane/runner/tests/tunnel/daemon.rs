//! The daemon's side of the key socket, as far as a test needs it.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use api::config::Framing;
use api::tunnel::{
    Arrival, Incoming, Install, Order, PeerCounters, PeerName, Report, SaDirection, SaKeyMaterial, SaLimits,
    Suite, send, socket_beside,
};

use sample::memory::{Needle, copies};

use crate::plant::End;

/// A connection to the key socket of a data plane.
pub(crate) struct Keys {
    incoming: Incoming<UnixStream>,
    out: UnixStream,
    end: End,
    seen: Vec<Report>,
    /// The ciphers' keys of all SAs that were given.
    given: Vec<Needle>,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Keys {
    pub(crate) fn connect(control: &Path, end: End) -> Self {
        let stream = UnixStream::connect(socket_beside(control)).expect("the key socket");
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        Self {
            out: stream.try_clone().unwrap(),
            incoming: Incoming::new(stream),
            end,
            seen: Vec::new(),
            given: Vec::new(),
        }
    }

    /// How many copies of keys that it was given a data plane has in its memory, and of how many keys.
    pub(crate) fn copies_in(&self, pid: u32) -> (usize, usize) {
        (copies(pid, &self.given).unwrap(), self.given.len())
    }

    fn peer(&self) -> PeerName {
        PeerName::new(self.end.other().name()).unwrap()
    }

    /// Waits for a report.
    fn expect<T>(&mut self, what: &str, mut is_it: impl FnMut(&Report) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(at) = self.seen.iter().position(|report| is_it(report).is_some()) {
                return is_it(&self.seen.remove(at)).unwrap();
            }
            self.read();
            let refused = self.seen.iter().find(|report| matches!(report, Report::Refused { .. }));
            assert!(refused.is_none(), "{refused:?} where {what} was waited for");
            assert!(began.elapsed() < PATIENCE, "no {what} at {:?}: {:?}", self.end, self.seen);
        }
    }

    /// Whether there was a report to be read.
    fn read(&mut self) -> bool {
        match self.incoming.receive::<Report>().unwrap() {
            Arrival::Message(report) => {
                self.seen.push(report);
                true
            }
            Arrival::Nothing => false,
            Arrival::Closed => panic!("the data plane has gone"),
        }
    }

    fn order(&mut self, order: &Order) {
        send(order, &mut self.out).unwrap();
    }

    /// Queues, and epochs with whether they are up.
    pub(crate) fn hello(&mut self) -> (u16, Vec<(u64, bool)>) {
        self.expect("hello", |report| match report {
            Report::Hello { queues, installed } => {
                Some((*queues, installed.iter().map(|it| (it.epoch, it.is_up)).collect()))
            }
            _ => None,
        })
    }

    /// Installs both SAs of an epoch under keys made of `seed`, and waits until they are in place.
    pub(crate) fn install(&mut self, epoch: u64, seed: u8) {
        for (direction, from) in [(SaDirection::Inbound, self.end.other()), (SaDirection::Outbound, self.end)]
        {
            // Both ends name and key the SAs alike, by who sends.
            let sender: u8 = if from == End::East { 1 } else { 2 };
            let low = u32::try_from(epoch).unwrap();
            let key = key_of(seed ^ sender, low);
            self.given.push(Needle::of(&key[..32]));
            let install = Install {
                peer: self.peer(),
                epoch,
                direction,
                queue: 0,
                spi: 0x1000 * u32::from(sender) + low,
                framing: Framing::Ip,
                suite: Suite::default(),
                limits: SaLimits {
                    soft_packets: 1 << 28,
                    hard_packets: 1 << 30,
                    soft_after: Duration::from_mins(10),
                    hard_after: Duration::from_mins(30),
                },
                remote: None,
                key: SaKeyMaterial::copied(&key),
            };
            self.order(&Order::Install(Box::new(install)));
        }
        let peer = self.peer();
        self.order(&Order::Complete { peer, epoch });
        self.expect("installed", |report| (*report == Report::Installed { peer, epoch }).then_some(()));
    }

    pub(crate) fn probe(&mut self, epoch: u64) {
        let peer = self.peer();
        self.order(&Order::Probe { peer, epoch });
    }

    pub(crate) fn expired(&mut self, epoch: u64) {
        let peer = self.peer();
        self.order(&Order::Expired { peer, epoch });
        // The answer to another order comes after it.
        let _ = self.wipe(u64::MAX);
    }

    /// Wipes an epoch; how many inbound SAs it had.
    pub(crate) fn wipe(&mut self, epoch: u64) -> usize {
        let peer = self.peer();
        self.order(&Order::Wipe { peer, epoch });
        self.expect("wiped", |report| match report {
            Report::Wiped { epoch: wiped, spis, .. } if *wiped == epoch => Some(spis.len()),
            _ => None,
        })
    }

    /// Wipes everything.
    pub(crate) fn down(&mut self) {
        let peer = self.peer();
        self.order(&Order::Down { peer });
        let _ = self.wipe(u64::MAX);
    }

    /// What was counted of the peer by now.
    pub(crate) fn counters(&mut self) -> PeerCounters {
        // What came since somebody last read is old.
        while self.read() {}
        self.seen.retain(|report| !matches!(report, Report::Counters { .. }));
        // The first may have been under way before.
        for _ in 0..2 {
            self.expect("counters", |report| match report {
                Report::Counters { .. } => Some(()),
                _ => None,
            });
        }
        self.expect("counters", |report| match report {
            Report::Counters { counters, .. } => Some(*counters),
            _ => None,
        })
    }
}

/// A key that is in no memory by chance.
fn key_of(seed: u8, epoch: u32) -> [u8; 36] {
    let mut state = (u64::from(seed) << 32 | u64::from(epoch)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    core::array::from_fn(|_| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        state.to_be_bytes()[0]
    })
}

/// Whether the peer was heard on an epoch by now.
pub(crate) fn is_heard(keys: &mut Keys, epoch: u64) -> bool {
    for _ in 0..20 {
        keys.read();
    }
    keys.seen.iter().any(|report| matches!(report, Report::Heard { epoch: heard, .. } if *heard == epoch))
}

/// Both ends change over to new keys, as the exchange has them do it.
pub(crate) fn bring_up((east, west): (&mut Keys, &mut Keys), epoch: u64) {
    for keys in [&mut *east, &mut *west] {
        keys.install(epoch, 0x50);
    }
    for keys in [&mut *east, &mut *west] {
        keys.probe(epoch);
    }
    for keys in [&mut *east, &mut *west] {
        keys.expect("heard", |report| match report {
            Report::Heard { epoch: heard, .. } if *heard == epoch => Some(()),
            _ => None,
        });
    }
    for keys in [&mut *east, &mut *west] {
        let peer = keys.peer();
        keys.order(&Order::Up { peer, epoch });
        // Taken by all workers when the next is answered.
        let _ = keys.wipe(u64::MAX);
    }
}
