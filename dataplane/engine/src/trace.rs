//! How a verdict came about, told step by step to whoever asks: what `wirewarden explain` prints.
//!
//! An engine without a [`Trace`] pays one branch for each payload that is inspected, and nothing for the packets of
//! settled flows: the probes and signatures are asked by code that is compiled once without a word of tracing.

use core::fmt::Debug;

use crate::detectors::signatures::{Scanner, SignatureMatch};
use crate::plan::Plan;
use crate::protocols::{Carrier, Found, Probe, Progress};
use crate::record::{Direction, FlowIdentity};
use crate::{Classification, ProtocolId, ServiceBasis, ServiceId};

/// Takes the steps of all flows; called on the thread of the engine.
pub trait Trace: Debug + Send {
    /// Takes a step of `flow`.
    fn step(&mut self, flow: &FlowIdentity, step: Step<'_>);
}

/// One step on the way to a verdict.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A packet brought payload.
    Payload {
        /// Which way.
        from: Direction,
        /// TCP, UDP or SCTP.
        carrier: Carrier,
        /// The packet's payload.
        bytes: &'a [u8],
        /// Position in the sender's stream, for TCP the sequence number.
        seq: Option<u32>,
    },
    /// Probes and signatures are shown bytes that nobody knows yet.
    Asked {
        /// Which way they go.
        from: Direction,
        /// A datagram, or the stream so far.
        bytes: &'a [u8],
    },
    /// A protocol's probe was asked.
    Probed {
        /// Whose probe.
        protocol: ProtocolId,
        /// What it said.
        answer: Answer,
    },
    /// A signature matched. All that do are told; the engine takes the best.
    Matched(SignatureMatch),
    /// Nobody knows these bytes.
    Undecided {
        /// Whether some probe wants to see more.
        is_open: bool,
    },
    /// The flow is this.
    Decided(Classification),
    /// A parser read.
    Read {
        /// Which.
        protocol: ProtocolId,
        /// Which way the bytes go.
        from: Direction,
        /// How many it was shown.
        shown: usize,
        /// Bytes were lost before them.
        after_gap: bool,
        /// How far it came, and what it wants next.
        progress: Progress,
    },
    /// The parser knows the protocol more precisely.
    Refined {
        /// The more precise protocol.
        protocol: ProtocolId,
        /// Per cent.
        confidence: u8,
    },
    /// The service is known.
    Service {
        /// Which.
        service: ServiceId,
        /// What told it.
        basis: ServiceBasis,
    },
    /// The bytes contradict the protocol: its verdict is taken back.
    TakenBack {
        /// What it is not.
        protocol: ProtocolId,
    },
    /// From here on the flow carries another protocol.
    Upgraded {
        /// What it was.
        protocol: ProtocolId,
    },
    /// Nothing more of the flow is looked at.
    Settled,
    /// Nothing told the protocol; this is what the port is usually used for.
    Guessed(Classification),
}

/// What a probe said, or why it was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it said.
    Said(Found),
    /// There are fewer bytes than it needs.
    TooShort,
    /// It was taken back on this flow before.
    Excluded,
}

/// Listens while the probes are asked; what is called on `()` is nothing.
pub(crate) trait Listen {
    fn probed(&mut self, protocol: ProtocolId, answer: Answer);
}

impl Listen for () {
    #[inline(always)]
    fn probed(&mut self, _: ProtocolId, _: Answer) {}
}

/// Tells a trace what is said of one payload.
pub(crate) struct Listener<'t, 'f> {
    pub(crate) trace: &'t mut (dyn Trace + 'static),
    pub(crate) flow: &'f FlowIdentity,
}

impl Listen for Listener<'_, '_> {
    fn probed(&mut self, protocol: ProtocolId, answer: Answer) {
        self.trace.step(self.flow, Step::Probed { protocol, answer });
    }
}

impl Listener<'_, '_> {
    /// Tells the bytes, and every signature that matches them.
    pub(crate) fn begin(&mut self, plan: &Plan, scanner: &mut Scanner, probe: &Probe<'_>) {
        self.trace.step(self.flow, Step::Asked { from: probe.from, bytes: probe.payload });
        scanner.each_match(plan.signatures(), probe, &mut |matched| {
            self.trace.step(self.flow, Step::Matched(matched));
        });
    }
}
