//! An engine seen and changed while it runs, between two of its bursts.

use std::sync::Arc;

use wire::{Checksums, ParseOptions};

use super::{Engine, summary};
use crate::config::EngineConfig;
use crate::detectors::signatures::{Scanner, ScannerError};
use crate::flow::slot::Marks;
use crate::plan::Plan;
use crate::policy::{Deciding, Policy};
use crate::record::{EndReason, FlowIdentity, FlowSummary};

/// What takes the place of an engine's plan and rules while it runs. All that takes time or memory was done when it was
/// made; what was there before is given back in it, so that somebody else frees it.
#[derive(Debug)]
pub struct Replacement {
    plan: Arc<Plan>,
    scanner: Scanner,
    config: EngineConfig,
    deciding: Option<Box<Deciding>>,
}

impl Replacement {
    /// What an engine needs for this plan and these rules. What a start fixes stays as it is: `flow_capacity`, `pages`,
    /// `hash_seed`, `share`, `stream.inspections`, `defrag.datagrams`.
    ///
    /// # Errors
    /// No memory to scan with the signatures.
    pub fn new(plan: Arc<Plan>, config: EngineConfig) -> Result<Self, ScannerError> {
        Ok(Self { scanner: Scanner::new(plan.signatures())?, plan, config, deciding: None })
    }

    /// Brings this policy, too; without one every packet that can be read goes on.
    pub fn set_policy(&mut self, policy: Option<Arc<Policy>>) {
        // Tables round their capacity up, by less than a factor of four.
        let capacity = self.config.flow_capacity.saturating_mul(4).saturating_add(4096);
        self.deciding = policy.map(|policy| Box::new(Deciding::new(policy, capacity)));
    }
}

/// A flow that is open.
#[derive(Clone, Copy, Debug)]
pub struct OpenFlow {
    /// Whose packets.
    pub identity: FlowIdentity,
    /// Its numbers so far; the reason says nothing.
    pub summary: FlowSummary,
}

impl Engine {
    /// Changes places with `replacement`: plan and rules are those it brought, and it has those that were there. No flow
    /// is lost, and none is read twice; takes well under a microsecond.
    pub fn replace(&mut self, replacement: &mut Replacement) {
        core::mem::swap(&mut self.plan, &mut replacement.plan);
        core::mem::swap(&mut self.scanner, &mut replacement.scanner);
        core::mem::swap(&mut self.config, &mut replacement.config);
        match (&mut self.deciding, &mut replacement.deciding) {
            // What is known of flows stays; what was decided of them is decided anew.
            (Some(own), Some(new)) => own.swap_policy(new),
            (own, new) => core::mem::swap(own, new),
        }
        // What the memory was made for at the start does not change.
        let (config, start) = (&mut self.config, &replacement.config);
        config.flow_capacity = start.flow_capacity;
        config.pages = start.pages;
        config.hash_seed = start.hash_seed;
        config.share = start.share;
        config.stream.inspections = start.stream.inspections;
        self.trusting = ParseOptions { checksums: Checksums::Ignore, ..self.config.parse };
        self.flows.set_rules(&self.config.timeouts, self.config.eviction);
        self.buffers.set_limit(self.config.stream.total_bytes);
        self.defrag.set_limits(self.config.defrag);
    }

    /// Shows the open flows among `most` places of the table from `from` on, and gives where to go on; none at the end.
    /// Flows that begin or end in between may be missed.
    pub fn open_flows(&self, from: u32, most: u32, visit: &mut dyn FnMut(&OpenFlow)) -> Option<u32> {
        let all = self.flows.table().indices();
        let end = from.saturating_add(most).min(all.end);
        for index in from..end {
            let Some(slot) = self.flows.slot(index).filter(|slot| slot.marks.has(Marks::LIVE)) else {
                continue;
            };
            let identity = self.flows.identity(slot);
            visit(&OpenFlow { identity, summary: summary(slot, EndReason::Timeout) });
        }
        (end < all.end).then_some(end)
    }
}
