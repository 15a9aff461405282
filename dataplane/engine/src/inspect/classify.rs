use crate::counters::{Counter, Counters};
use crate::plan::{Plan, static_id};
use crate::protocols::{Found, Probe};
use crate::{Classification, Evidence, ProtocolId, Tier};

/// Confidence of a parser's probe that has no doubt.
const SURE: u8 = 100;

/// What the probes say of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It is this.
    Is(Classification),
    /// It may become something with more bytes or the next payload.
    Open,
    /// Nothing knows it, and more bytes of this direction will not help.
    Nothing,
}

/// Asks the probes that are worth asking, then the signatures.
pub(super) fn classify(
    plan: &Plan,
    probe: &Probe<'_>,
    excluded: ProtocolId,
    packet: u8,
    counters: &Counters,
) -> Opinion {
    let Some(&first) = probe.payload.first() else { return Opinion::Nothing };
    let mut best: Option<(u8, ProtocolId)> = None;
    let mut open = false;
    for (number, protocol) in plan.candidates(probe.carrier, first, [probe.destination_port, probe.source_port]) {
        let id = static_id(number);
        if id == excluded {
            continue;
        }
        if probe.payload.len() < usize::from(protocol.opening.min_len) {
            open |= probe.is_stream();
            continue;
        }
        let Some(ask) = protocol.probe else { continue };
        match ask(probe) {
            Found::No => {}
            Found::Maybe => open = true,
            Found::Likely(confidence) => {
                if best.is_none_or(|(other, _)| confidence > other) {
                    best = Some((confidence, id));
                }
            }
            Found::Yes => {
                best = Some((SURE, id));
                break;
            }
        }
    }
    let Some((confidence, protocol)) = best else {
        return if open { Opinion::Open } else { Opinion::Nothing };
    };
    counters.add(Counter::FlowsClassified, 1);
    let evidence = Evidence { signature: 0, offset: 0, packet };
    Opinion::Is(Classification { protocol, confidence, tier: Tier::Parser, evidence, ..Classification::default() })
}
