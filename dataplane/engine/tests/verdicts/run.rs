//! Engines that are shown frames, and what they say of each flow, by its addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use engine::record::Body;
use engine::{
    Counters, Engine, EngineConfig, Frame, MAX_BURST, Plan, RecordBatch, Share, Tier, Timeouts, Verdict,
};
use wire::{LinkType, Side};

use crate::support::json;

/// The ends of a flow, the lower first, whatever VLAN or tunnel it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    pub protocol: u8,
    pub ends: [(IpAddr, u16); 2],
}

/// What was said of one flow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub protocol: String,
    pub service: String,
    pub tier: Tier,
    /// Signature that decided, where one did.
    pub signature: Option<String>,
    /// Type and object of each event.
    pub events: Vec<(&'static str, String)>,
    pub packets: u64,
}

impl Said {
    /// Whether the payload decided, and not a port or an address.
    pub(crate) fn by_content(&self) -> bool {
        self.tier >= Tier::Signature
    }
}

/// Flows by their ends, in the order they ended.
pub(crate) type Flows = BTreeMap<Ends, Vec<Said>>;

/// Names of which the second is what the first rides on, or begins as: with less to see it may be all there is.
const BENEATH: &[(&str, &str)] = &[
    ("http_proxy", "http"),
    ("http_connect", "http"),
    ("websocket", "http"),
    ("json_rpc", "http"),
    ("stratum", "json_rpc"),
    ("nest_log_sink", "weave"),
    ("nfs", "sunrpc"),
    ("dnscrypt", "dns"),
    // STARTTLS and its kin.
    ("tls", "smtp"),
    ("tls", "imap"),
    ("tls", "pop3"),
    ("tls", "ftp"),
    ("tls", "xmpp"),
    ("tls", "rdp"),
];

/// What may share one UDP flow (RFC 7983).
const MULTIPLEXED: &[&str] = &["stun", "dtls", "rtp", "rtcp", "srtp"];

/// Whether a flow of `whole` may be called `part` by those who see less of it.
pub(crate) fn is_part(whole: &str, part: &str) -> bool {
    BENEATH.contains(&(whole, part)) || (MULTIPLEXED.contains(&whole) && MULTIPLEXED.contains(&part))
}

/// A frame to be shown to an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub link: LinkType,
    pub bytes: &'a [u8],
    pub wire_len: u32,
}

/// Everything the program carries.
pub(crate) fn plan() -> &'static Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| Arc::new(Plan::builtin().expect("built-in signatures")))
}

/// Settings for captures, with a small flow table.
pub(crate) fn config() -> EngineConfig {
    EngineConfig { flow_capacity: 16_384, timeouts: Timeouts::for_captures(), ..EngineConfig::default() }
}

/// Shows the frames to `workers` engines, each of which takes its share, a millisecond apart.
pub(crate) fn judge<'a>(frames: &(impl Iterator<Item = Shown<'a>> + Clone), workers: usize) -> Flows {
    let mut flows = Flows::new();
    for index in 0..workers {
        let config = EngineConfig { share: Share { index, of: workers }, ..config() };
        let engine = Engine::new(config, Arc::clone(plan()), Arc::new(Counters::default()));
        let mut run = Run { engine: engine.expect("an engine"), batch: RecordBatch::default() };
        run.show(frames.clone(), &mut flows);
    }
    flows
}

/// An engine at work.
pub(crate) struct Run {
    pub engine: Engine,
    pub batch: RecordBatch,
}

impl Run {
    pub(crate) fn show<'a>(&mut self, frames: impl Iterator<Item = Shown<'a>>, flows: &mut Flows) {
        let mut events = BTreeMap::new();
        let mut burst = Vec::with_capacity(MAX_BURST);
        let mut now_ns = 1_700_000_000_000_000_000;
        let mut frames = frames.peekable();
        while let Some(shown) = frames.next() {
            now_ns += 1_000_000;
            burst.push(Frame {
                bytes: shown.bytes,
                wire_len: shown.wire_len,
                timestamp_ns: now_ns,
                link: Some(shown.link),
                interface: 0,
                checksums_good: false,
            });
            if burst.len() == MAX_BURST || frames.peek().is_none() {
                self.engine.process(&burst, &mut [Verdict::Forward; MAX_BURST], &mut self.batch);
                burst.clear();
                self.collect(&mut events, flows);
            }
        }
        while !self.engine.shut_down(&mut self.batch) {
            self.collect(&mut events, flows);
        }
        self.collect(&mut events, flows);
    }

    fn collect(&mut self, events: &mut BTreeMap<u64, Vec<(&'static str, String)>>, flows: &mut Flows) {
        let names = plan().names();
        for record in self.batch.records() {
            let Body::Flow(summary) = record.body else {
                let (kind, value) = json::event(&self.batch, record);
                events.entry(record.flow.id).or_default().push((kind, value.to_string()));
                continue;
            };
            let key = record.flow.key;
            let end = |side| key.ip(side).map(|ip| (ip, key.port(side)));
            let (Some(low), Some(high)) = (end(Side::Lower), end(Side::Upper)) else { continue };
            let class = summary.class;
            let said = Said {
                protocol: names.protocol(class.protocol).expect("a name").name.to_string(),
                service: names.service(class.service).unwrap_or_default().to_owned(),
                tier: class.tier,
                signature: (class.tier == Tier::Signature)
                    .then(|| names.signature(class.evidence.signature).unwrap_or_default().to_owned()),
                events: events.remove(&record.flow.id).unwrap_or_default(),
                packets: summary.packets.iter().sum(),
            };
            let mut ends = [low, high];
            ends.sort_unstable();
            flows.entry(Ends { protocol: key.protocol(), ends }).or_default().push(said);
        }
        self.batch.clear();
    }
}
