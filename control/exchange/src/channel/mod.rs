//! The channel: what two daemons say to each other within TLS until both have keys, and after. No I/O, no clock.

mod message;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use aws_lc_rs::digest::{Context, SHA384};
use rustls_pki_types::UnixTime;

use crate::classical::{Binding, Classical};
use crate::profile::Auth;
use crate::refusal::Refusal;
use crate::schedule::{
    EpochContext, Exporter, Mode, PolicyHash, READY_LABEL, Role, SaContext, SaKey, Suite, VERSION,
};
use crate::tls::{Group, PeerTrust, SpkiHash};

pub use message::{
    AuthMessage, BadMessage, Close, Hello, MAX_MESSAGE, MAX_QUEUES, Message, Probe, RESERVED_SPIS, Reader,
};

/// What one side brings to a channel.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the SAs carry.
    pub mode: Mode,
    /// How the peers prove who they are.
    pub auth: Auth,
    /// Our classical key, needed where `auth` wants one.
    pub classical: Option<Classical>,
    /// The peer's classical key.
    pub classical_peer: Option<PeerTrust>,
    /// Queues from which we send, 1 to [`MAX_QUEUES`].
    pub queues: u16,
    /// Hash of the policy, which must be the peer's too.
    pub policy: PolicyHash,
    /// The last epoch of which we have had keys with this peer; 0 after a start.
    pub last_epoch: u64,
}

/// What TLS settled before the channel began.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Which end we are.
    pub role: Role,
    /// Group of the key exchange.
    pub group: Group,
    /// The hash of our key.
    pub ours: SpkiHash,
    /// The hash of the peer's key.
    pub theirs: SpkiHash,
    /// The wall clock, by which classical certificates expire.
    pub now: UnixTime,
}

impl Ends {
    fn initiator(&self) -> SpkiHash {
        if self.role == Role::Initiator { self.ours } else { self.theirs }
    }

    /// The next epoch: odd where the smaller key called, even where the larger did. So two channels that both sides
    /// opened at once have different epochs, and both sides know which is the newer.
    fn epoch_after(&self, last: u64) -> Option<u64> {
        let parity = u64::from(self.initiator() < self.responder());
        let next = last.checked_add(1)?;
        if next % 2 == parity { Some(next) } else { next.checked_add(1) }
    }

    fn responder(&self) -> SpkiHash {
        if self.role == Role::Initiator { self.theirs } else { self.ours }
    }
}

/// One SA with its key.
#[derive(Debug)]
pub struct Sa {
    /// The sender's queue, which is one of its cores (RFC 9611).
    pub queue: u16,
    /// Security parameters index.
    pub spi: u32,
    /// Key and salt. There is one copy, here; whoever takes it wipes it.
    pub key: SaKey,
}

/// The SAs of one epoch.
#[derive(Debug)]
pub struct Keys {
    /// Its number.
    pub epoch: u64,
    /// What they carry.
    pub mode: Mode,
    /// Cipher.
    pub suite: Suite,
    /// One for each of the peer's queues: packets that come.
    pub inbound: Vec<Sa>,
    /// One for each of our queues: packets that go, once the epoch is up.
    pub outbound: Vec<Sa>,
}

/// What a channel tells its owner.
#[derive(Debug)]
pub enum Notice {
    /// Both sides said "ready": here are the keys. Install the inbound SAs, then call [`Channel::installed`].
    Keys(Box<Keys>),
    /// Both sides have their inbound SAs in place: send a probe on each outbound one.
    Probe {
        /// Of this epoch.
        epoch: u64,
    },
    /// A probe arrived at both sides: send on these SAs from now on, and let those of older epochs go.
    Up {
        /// This epoch.
        epoch: u64,
    },
    /// A probe of the path's MTU arrived at the peer.
    ProbeSeen(Probe),
    /// The peer answered a ping.
    Alive(u64),
    /// The peer ended the channel.
    Closed(Close),
}

/// What a channel needs while it takes a message.
pub trait Surroundings: Exporter {
    /// A random SPI that is not in use on this machine.
    fn fresh_spi(&mut self) -> Option<u32>;

    /// Whether a size of outer packet that the peer's probe claims did arrive.
    fn has_seen(&mut self, probe: Probe) -> bool;
}

/// One side of a channel.
#[derive(Debug)]
pub struct Channel {
    terms: Terms,
    ends: Ends,
    stage: Stage,
    /// Running hashes of what the initiator and the responder said before "ready".
    said: [Transcript; 2],
    classical: [SpkiHash; 2],
    epoch: u64,
    ours: Vec<u32>,
    theirs: Vec<u32>,
    progress: Progress,
    gave_keys: bool,
    outgoing: Vec<u8>,
    notices: VecDeque<Notice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Hello,
    Auth,
    Spis,
    Ready,
    Keyed,
    Closed,
}

/// Who has said what of the current keys.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    we_installed: bool,
    they_installed: bool,
    we_heard: bool,
    they_heard: bool,
    probing: bool,
    up: bool,
}

impl Channel {
    /// Begins: our hello, and our classical signature where it is wanted, are ready to be sent.
    ///
    /// # Errors
    ///
    /// [`Refusal::Parameters`] where `terms` contradict themselves, [`Refusal::ClassicalSignature`] where we cannot sign.
    pub fn new(terms: Terms, ends: Ends, exporter: &dyn Exporter) -> Result<Self, Refusal> {
        let wants_classical = terms.auth == Auth::MlDsaAndClassical;
        if wants_classical != (terms.classical.is_some() && terms.classical_peer.is_some())
            || !(1..=MAX_QUEUES).contains(&terms.queues)
        {
            return Err(Refusal::Parameters);
        }
        let mut channel = Self {
            ends,
            stage: Stage::Hello,
            said: [Transcript::new(), Transcript::new()],
            classical: [NO_KEY; 2],
            epoch: 0,
            ours: Vec::new(),
            theirs: Vec::new(),
            progress: Progress::default(),
            gave_keys: false,
            outgoing: Vec::new(),
            notices: VecDeque::new(),
            terms,
        };
        channel.send(&Message::Hello(Hello {
            version: VERSION,
            role: ends.role,
            suite: Suite::Aes256Gcm16.number(),
            mode: channel.terms.mode.number(),
            auth: channel.terms.auth.number(),
            queues: channel.terms.queues,
            last_epoch: channel.terms.last_epoch,
            policy: channel.terms.policy.0,
        }));
        if let Some(classical) = channel.terms.classical.clone().filter(|_| wants_classical) {
            let binding = channel.binding(exporter)?;
            let message = classical.prove(ends.role, &binding).map_err(|_| Refusal::ClassicalSignature)?;
            channel.set_classical(ends.role, classical.spki());
            channel.send(&Message::Auth(message));
        }
        Ok(channel)
    }

    /// Takes a message of the peer.
    ///
    /// # Errors
    ///
    /// Why the peer is refused; nothing more may be taken then.
    pub fn take(&mut self, message: Message, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        let result = self.step(message, around);
        if result.is_err() {
            self.stage = Stage::Closed;
        }
        result
    }

    fn step(&mut self, message: Message, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        if self.stage < Stage::Ready {
            self.said_by(self.ends.role.other(), &message);
        }
        match (self.stage, message) {
            (Stage::Closed, _) => Ok(()),
            (_, Message::Close(close)) => {
                self.stage = Stage::Closed;
                self.notices.push_back(Notice::Closed(close));
                Ok(())
            }
            (Stage::Hello, Message::Hello(hello)) => self.on_hello(&hello, around),
            (Stage::Auth, Message::Auth(auth)) => self.on_auth(&auth, around),
            (Stage::Spis, Message::Spis { epoch, spis }) => self.on_spis(epoch, spis, around),
            (Stage::Ready, Message::Ready(proof)) => self.on_ready(&proof, around),
            (Stage::Keyed, message) => self.on_keyed(&message, around),
            _ => Err(Refusal::BadMessage),
        }
    }

    fn on_hello(&mut self, hello: &Hello, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        if hello.version != VERSION {
            return Err(Refusal::Version);
        }
        if hello.role == self.ends.role {
            return Err(Refusal::BadMessage);
        }
        let same = (Suite::Aes256Gcm16.number(), self.terms.mode.number(), self.terms.auth.number());
        if (hello.suite, hello.mode, hello.auth) != same {
            return Err(Refusal::Parameters);
        }
        if hello.policy != self.terms.policy.0 {
            return Err(Refusal::Policy);
        }
        let last = hello.last_epoch.max(self.terms.last_epoch);
        self.epoch = self.ends.epoch_after(last).ok_or(Refusal::StaleEpoch)?;
        self.ours = vec![0; usize::from(hello.queues)];
        if self.terms.auth == Auth::MlDsaAndClassical {
            self.stage = Stage::Auth;
            return Ok(());
        }
        self.send_spis(around)
    }

    fn on_auth(&mut self, auth: &AuthMessage, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        let (Some(classical), Some(peer)) = (&self.terms.classical, &self.terms.classical_peer) else {
            return Err(Refusal::BadMessage);
        };
        let binding = self.binding(around)?;
        let sender = self.ends.role.other();
        let key = classical.check(auth, sender, &binding, (peer, self.ends.now))?;
        self.set_classical(sender, key);
        self.send_spis(around)
    }

    /// Gives the peer one SPI for each of its queues.
    fn send_spis(&mut self, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        for at in 0..self.ours.len() {
            let fresh = around.fresh_spi().filter(|spi| *spi > RESERVED_SPIS && !self.ours.contains(spi));
            if let (Some(place), Some(spi)) = (self.ours.get_mut(at), fresh) {
                *place = spi;
            } else {
                return Err(Refusal::Parameters);
            }
        }
        self.send(&Message::Spis { epoch: self.epoch, spis: self.ours.clone() });
        self.stage = Stage::Spis;
        Ok(())
    }

    fn on_spis(&mut self, epoch: u64, spis: Vec<u32>, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        if epoch != self.epoch {
            return Err(Refusal::StaleEpoch);
        }
        let mut sorted = spis.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if spis.len() != usize::from(self.terms.queues) || sorted.len() != spis.len() {
            return Err(Refusal::BadMessage);
        }
        self.theirs = spis;
        let proof = self.proof(self.ends.role, around)?;
        // "Ready" is not part of what it proves.
        self.stage = Stage::Ready;
        self.send(&Message::Ready(proof));
        Ok(())
    }

    fn on_ready(&mut self, proof: &[u8; 48], around: &mut dyn Surroundings) -> Result<(), Refusal> {
        let expected = self.proof(self.ends.role.other(), around)?;
        if aws_lc_rs::constant_time::verify_slices_are_equal(proof, &expected).is_err() {
            return Err(Refusal::BadMessage);
        }
        let keys = self.derive(around)?;
        self.stage = Stage::Keyed;
        self.gave_keys = true;
        self.notices.push_back(Notice::Keys(Box::new(keys)));
        Ok(())
    }

    fn derive(&self, exporter: &dyn Exporter) -> Result<Keys, Refusal> {
        let context = EpochContext {
            suite: Suite::Aes256Gcm16,
            mode: self.terms.mode,
            group: self.ends.group,
            auth: self.terms.auth,
            initiator: self.ends.initiator(),
            responder: self.ends.responder(),
            classical: self.classical,
            policy: self.terms.policy,
            epoch: self.epoch,
        };
        let sas = |spis: &[u32], sender: Role| {
            (0..)
                .zip(spis)
                .map(|(queue, spi)| {
                    let sa = SaContext { queue, sender, spi: *spi };
                    context.derive(&sa, exporter).map(|key| Sa { queue, spi: *spi, key })
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| Refusal::BadMessage)
        };
        Ok(Keys {
            epoch: self.epoch,
            mode: self.terms.mode,
            suite: Suite::Aes256Gcm16,
            inbound: sas(&self.ours, self.ends.role.other())?,
            outbound: sas(&self.theirs, self.ends.role)?,
        })
    }

    fn on_keyed(&mut self, message: &Message, around: &mut dyn Surroundings) -> Result<(), Refusal> {
        match *message {
            Message::Installed(epoch) if epoch == self.epoch && !self.progress.they_installed => {
                self.progress.they_installed = true;
                self.announce();
            }
            Message::Heard(epoch) if epoch == self.epoch && !self.progress.they_heard => {
                self.progress.they_heard = true;
                self.announce();
            }
            Message::Ping(number) => self.send(&Message::Pong(number)),
            Message::Pong(number) => self.notices.push_back(Notice::Alive(number)),
            Message::Probe(probe) => {
                if around.has_seen(probe) {
                    self.send(&Message::ProbeSeen(probe));
                }
            }
            Message::ProbeSeen(probe) => self.notices.push_back(Notice::ProbeSeen(probe)),
            _ => return Err(Refusal::BadMessage),
        }
        // One who asks faster than we can answer is not a peer that behaves.
        if self.outgoing.len() > MAX_OUTGOING || self.notices.len() > MAX_NOTICES {
            return Err(Refusal::BadMessage);
        }
        Ok(())
    }

    /// Our inbound SAs are in place.
    pub fn installed(&mut self) {
        if self.stage == Stage::Keyed && !self.progress.we_installed {
            self.progress.we_installed = true;
            self.send(&Message::Installed(self.epoch));
            self.announce();
        }
    }

    /// A packet of the peer arrived on an SA of this channel and its tag was good.
    pub fn heard(&mut self) {
        if self.stage == Stage::Keyed && !self.progress.we_heard {
            self.progress.we_heard = true;
            self.send(&Message::Heard(self.epoch));
            self.announce();
        }
    }

    fn announce(&mut self) {
        let progress = &mut self.progress;
        let both_installed = progress.we_installed && progress.they_installed;
        if both_installed && !progress.probing {
            // Even where the peer's probe was quicker than its message.
            progress.probing = true;
            self.notices.push_back(Notice::Probe { epoch: self.epoch });
        }
        if both_installed && progress.we_heard && progress.they_heard && !progress.up {
            progress.up = true;
            self.notices.push_back(Notice::Up { epoch: self.epoch });
        }
    }

    /// Asks whether the channel is alive.
    pub fn ping(&mut self, number: u64) {
        if self.stage == Stage::Keyed {
            self.send(&Message::Ping(number));
        }
    }

    /// Tells the peer of a probe of the path's MTU that the data plane sent.
    pub fn probe(&mut self, probe: Probe) {
        if self.stage == Stage::Keyed {
            self.send(&Message::Probe(probe));
        }
    }

    /// Ends the channel.
    pub fn close(&mut self, close: Close) {
        if self.stage != Stage::Closed {
            self.send(&Message::Close(close));
            self.stage = Stage::Closed;
        }
    }

    /// What is to be sent to the peer, within TLS.
    pub fn outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// What the owner is to know, oldest first.
    pub fn notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The number of the set of keys, once both hellos are known.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether both sides said "ready".
    pub fn is_keyed(&self) -> bool {
        self.stage == Stage::Keyed
    }

    /// Whether it has given keys with which nothing was sent yet.
    pub fn has_unused_keys(&self) -> bool {
        self.gave_keys && !self.progress.up
    }

    /// Whether the connection may end without this being a failure: there are keys, or an end was agreed on.
    pub fn may_end(&self) -> bool {
        self.gave_keys || self.stage == Stage::Closed
    }

    /// Whether its keys are those to send with.
    pub fn is_up(&self) -> bool {
        self.progress.up
    }

    fn send(&mut self, message: &Message) {
        if self.stage < Stage::Ready {
            self.said_by(self.ends.role, message);
        }
        message.write(&mut self.outgoing);
    }

    fn said_by(&mut self, role: Role, message: &Message) {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        let [initiator, responder] = &mut self.said;
        (if role == Role::Initiator { initiator } else { responder }).0.update(&bytes);
    }

    fn set_classical(&mut self, role: Role, key: SpkiHash) {
        let [initiator, responder] = &mut self.classical;
        *(if role == Role::Initiator { initiator } else { responder }) = key;
    }

    fn binding(&self, exporter: &dyn Exporter) -> Result<Binding, Refusal> {
        Binding::new(exporter, self.ends.group, self.ends.initiator(), self.ends.responder())
            .map_err(|_| Refusal::BadMessage)
    }

    /// What `sender` proves by its "ready": that both sides sent and got the same.
    fn proof(&self, sender: Role, exporter: &dyn Exporter) -> Result<[u8; 48], Refusal> {
        let [initiator, responder] = self.said.each_ref().map(|said| said.0.clone().finish());
        let context = [&[sender.number()], initiator.as_ref(), responder.as_ref()].concat();
        let mut proof = [0; 48];
        exporter.export(READY_LABEL, &context, &mut proof).map_err(|_| Refusal::BadMessage)?;
        Ok(proof)
    }
}

struct Transcript(Context);

impl Transcript {
    fn new() -> Self {
        Self(Context::new(&SHA384))
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transcript")
    }
}

const NO_KEY: SpkiHash = SpkiHash([0; 48]);
/// Some hundred answers.
const MAX_OUTGOING: usize = 8192;
const MAX_NOTICES: usize = 256;
