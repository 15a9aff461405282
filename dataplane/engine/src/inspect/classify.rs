use core::ops::ControlFlow;

use crate::detectors::signatures::Scanner;
use crate::plan::{Plan, static_number};
use crate::protocols::{self, Found, Probe};
use crate::trace::{Answer, Listen};
use crate::{Classification, Evidence, ProtocolId, ServiceBasis, ServiceId, Tier};

/// Confidence of a parser's probe that has no doubt.
const SURE: u8 = 100;
/// Confidence of what a payload protocol identifier names.
const NAMED: u8 = 95;

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

/// Asks the probes that are worth asking, then (unless one has no doubt) the signatures.
pub(super) fn classify<L: Listen>(
    plan: &Plan,
    scanner: &mut Scanner,
    probe: &Probe<'_>,
    (excluded, packet): (ProtocolId, u8),
    listener: &mut L,
) -> Opinion {
    let (best, open) = ask_probes(plan, probe, excluded, listener);
    if let Some((SURE, protocol)) = best {
        let evidence = Evidence { packet, ..NOTHING.evidence };
        return Opinion::Is(Classification {
            protocol,
            confidence: SURE,
            tier: Tier::Parser,
            evidence,
            ..NOTHING
        });
    }
    let matched = scanner.scan(plan.signatures(), probe).filter(|matched| {
        plan.of_signature_protocol(matched.protocol) != excluded
            && best.is_none_or(|(confidence, _)| matched.confidence > confidence)
    });
    if let Some(matched) = matched {
        let protocol = plan.of_signature_protocol(matched.protocol);
        let evidence = Evidence {
            signature: plan.number_of_signature(matched.signature),
            offset: matched.offset,
            packet,
            ..NOTHING.evidence
        };
        let confidence = matched.confidence;
        return Opinion::Is(Classification {
            protocol,
            confidence,
            tier: Tier::Signature,
            evidence,
            ..NOTHING
        });
    }
    match best {
        Some((confidence, protocol)) => {
            let evidence = Evidence { packet, ..NOTHING.evidence };
            Opinion::Is(Classification { protocol, confidence, tier: Tier::Parser, evidence, ..NOTHING })
        }
        None if open => Opinion::Open,
        None => Opinion::Nothing,
    }
}

/// What a payload protocol identifier of SCTP names, unless the probe of that protocol says otherwise.
pub(super) fn confirm(probe: &Probe<'_>, named: ProtocolId, packet: u8) -> Option<Classification> {
    let protocol = static_number(named).and_then(|number| protocols::ALL.get(number));
    let confidence = match protocol.and_then(|protocol| Some((protocol, protocol.probe?))) {
        Some((protocol, _)) if probe.payload.len() < usize::from(protocol.opening.min_len) => return None,
        Some((_, ask)) => match ask(probe) {
            Found::No => return None,
            Found::Maybe => NAMED,
            Found::Likely(confidence) => confidence.max(NAMED),
            Found::Yes => SURE,
        },
        None => NAMED,
    };
    let evidence = Evidence { packet, ..NOTHING.evidence };
    Some(Classification { protocol: named, confidence, tier: Tier::Parser, evidence, ..NOTHING })
}

const NOTHING: Classification = Classification {
    protocol: ProtocolId::UNKNOWN,
    service: ServiceId(0),
    confidence: 0,
    tier: Tier::None,
    evidence: Evidence { signature: 0, offset: 0, packet: 0, service: ServiceBasis::None },
};

/// The best of the probes, with its confidence, and whether one of them wants to see more.
fn ask_probes<L: Listen>(
    plan: &Plan,
    probe: &Probe<'_>,
    excluded: ProtocolId,
    listener: &mut L,
) -> (Option<(u8, ProtocolId)>, bool) {
    let mut best: Option<(u8, ProtocolId)> = None;
    let mut open = false;
    let ports = [probe.destination_port, probe.source_port];
    plan.each_candidate(probe.carrier, probe.payload, ports, |candidate| {
        let id = candidate.id;
        if id == excluded {
            listener.probed(id, Answer::Excluded);
            return ControlFlow::Continue(());
        }
        if probe.payload.len() < usize::from(candidate.min_len) {
            open |= probe.is_stream();
            listener.probed(id, Answer::TooShort);
            return ControlFlow::Continue(());
        }
        let found = (candidate.ask)(probe);
        listener.probed(id, Answer::Said(found));
        match found {
            Found::No => {}
            Found::Maybe => open = true,
            Found::Likely(confidence) => {
                if best.is_none_or(|(other, _)| confidence > other) {
                    best = Some((confidence, id));
                }
            }
            Found::Yes => {
                best = Some((SURE, id));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    (best, open)
}
