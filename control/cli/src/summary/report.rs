use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use engine::protocols::Exposure;
use engine::{CryptoClass, Names, ProtocolId};

use super::talkers::Traffic;
use super::{Summary, Tallied, Usage};

/// What a run says beside its records.
#[derive(Debug, Default)]
pub(crate) struct RunFacts {
    pub(crate) files: Vec<String>,
    pub(crate) filter: Option<String>,
    /// Flows of the capture, before the filter.
    pub(crate) flows_seen: u64,
    /// Events that the filter kept although their flow could not be judged.
    pub(crate) unjudged_events: u64,
    /// Counters by name, dots group.
    pub(crate) counters: Vec<(String, u64)>,
    /// What went wrong, a line each.
    pub(crate) errors: Vec<String>,
    pub(crate) interrupted: bool,
    pub(crate) elapsed: Duration,
    /// EVE lines written and lost.
    pub(crate) eve: Option<(u64, u64)>,
}

impl RunFacts {
    /// Value of a counter, 0 where there is none of that name.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }

    /// Drop reasons that occurred, most first.
    pub(crate) fn drops(&self) -> Vec<(&str, u64)> {
        let reasons =
            self.counters.iter().filter_map(|(name, value)| Some((name.strip_prefix("drop.")?, *value)));
        let mut drops: Vec<_> = reasons.filter(|(_, value)| *value > 0).collect();
        drops.sort_by_key(|(name, value)| (core::cmp::Reverse(*value), *name));
        drops
    }
}

/// What a copy of the capture gives away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Posture {
    Class(CryptoClass),
    /// Encrypted; with what was not seen.
    Encrypted,
    /// Neither protocol nor session says.
    Unknown,
}

impl Posture {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Class(class) => class.name(),
            Self::Encrypted => "encrypted",
            Self::Unknown => "unknown",
        }
    }
}

/// The flows of one posture.
#[derive(Debug)]
pub(crate) struct Exposed {
    pub(crate) posture: Posture,
    pub(crate) usage: Usage,
    /// What they were, most bytes first.
    pub(crate) protocols: Vec<(String, Usage)>,
}

/// A summary with its names looked up and its lists in order, most bytes first.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) run: RunFacts,
    pub(crate) total: Usage,
    pub(crate) guessed: u64,
    /// Of the first and of the last packet, nanoseconds since the UNIX epoch; none without flows.
    pub(crate) span_ns: Option<(u64, u64)>,
    pub(crate) protocols: Vec<(String, Usage)>,
    pub(crate) services: Vec<(String, Usage)>,
    pub(crate) talkers: Vec<(IpAddr, Traffic)>,
    /// Small hosts were forgotten on the way.
    pub(crate) talkers_forgot: bool,
    /// Worst first.
    pub(crate) exposure: Vec<Exposed>,
    pub(crate) events: Vec<(String, u64)>,
    pub(crate) anomalies: Vec<(String, u64)>,
    pub(crate) alerts: Vec<(String, u64)>,
}

impl Report {
    /// `names` are those of the records; of the hosts, `top` are listed.
    pub(crate) fn new(summary: &Summary, names: &Names, run: RunFacts, top: usize) -> Self {
        let protocol =
            |id: ProtocolId| names.protocol(id).map_or_else(|| id.0.to_string(), |it| it.name.to_string());
        let mut protocols = BTreeMap::<ProtocolId, Usage>::new();
        let mut exposure = BTreeMap::<Posture, BTreeMap<ProtocolId, Usage>>::new();
        for ((id, negotiated), usage) in &summary.protocols {
            let posture = posture(*negotiated, names.protocol(*id).map(|protocol| protocol.exposure));
            for sum in [
                protocols.entry(*id).or_default(),
                exposure.entry(posture).or_default().entry(*id).or_default(),
            ] {
                *sum = sum.plus(*usage);
            }
        }
        let named = |usages: BTreeMap<ProtocolId, Usage>| {
            by_bytes(usages.into_iter().map(|(id, usage)| (protocol(id), usage)).collect())
        };
        let services =
            summary.services.iter().filter_map(|(id, usage)| Some((names.service(*id)?.to_owned(), *usage)));
        let (talkers, talkers_forgot) = summary.talkers.top(top);
        Self {
            run,
            total: summary.total,
            guessed: summary.guessed,
            span_ns: (summary.total.flows > 0).then_some((summary.first_ns, summary.last_ns)),
            services: by_bytes(services.collect()),
            talkers,
            talkers_forgot,
            exposure: exposure
                .into_iter()
                .map(|(posture, usages)| {
                    let usage = usages.values().fold(Usage::default(), |sum, usage| sum.plus(*usage));
                    Exposed { posture, usage, protocols: named(usages) }
                })
                .collect(),
            protocols: named(protocols),
            events: by_count(
                summary.events.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            ),
            anomalies: tallied(&summary.anomalies),
            alerts: tallied(&summary.alerts),
        }
    }

    /// From the first packet to the last.
    pub(crate) fn captured(&self) -> Option<Duration> {
        self.span_ns.map(|(first, last)| Duration::from_nanos(last.saturating_sub(first)))
    }
}

/// What the session negotiated counts more than what its protocol is known for.
fn posture(negotiated: Option<CryptoClass>, exposure: Option<Exposure>) -> Posture {
    match (negotiated, exposure) {
        (Some(class), _) => Posture::Class(class),
        (None, Some(Exposure::Cleartext)) => Posture::Class(CryptoClass::Cleartext),
        (None, Some(Exposure::Encrypted)) => Posture::Encrypted,
        (None, Some(Exposure::Negotiated | Exposure::Unknown) | None) => Posture::Unknown,
    }
}

fn by_bytes(mut rows: Vec<(String, Usage)>) -> Vec<(String, Usage)> {
    rows.sort_by(|(a, of_a), (b, of_b)| {
        (of_b.bytes, of_b.flows).cmp(&(of_a.bytes, of_a.flows)).then_with(|| a.cmp(b))
    });
    rows
}

fn by_count(mut rows: Vec<(String, u64)>) -> Vec<(String, u64)> {
    rows.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    rows
}

fn tallied(tallied: &Tallied) -> Vec<(String, u64)> {
    let mut rows = by_count(tallied.by_name.iter().map(|(name, count)| (name.clone(), *count)).collect());
    if tallied.beyond > 0 {
        rows.push(("(all others)".to_owned(), tallied.beyond));
    }
    rows
}
