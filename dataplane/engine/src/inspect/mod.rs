//! Payloads: which protocol they are, and the parser that reads them.
//!
//! A flow with payload gets an [`Inspection`] from a pool: its streams, the payloads that decided nothing yet, and
//! then a parser, also from a pool. When the verdict is final or nothing more is of interest everything goes back
//! and the flow is settled: it costs only its counters from there on.

mod association;
mod classify;
mod earlier;
mod expectations;
mod inspection;
mod parsers;

pub(crate) use expectations::Expectations;
pub(crate) use inspection::{Inspection, Outcome, Segment, Workspace, direction_of};
pub(crate) use parsers::ParserPool;

use crate::flow::slot::Slot;

/// Inspections of one engine, by index.
#[derive(Debug)]
pub(crate) struct Inspections {
    pool: Vec<Inspection>,
    free: Vec<u32>,
    limit: usize,
}

impl Inspections {
    pub(crate) fn new(limit: usize) -> Self {
        Self { pool: Vec::new(), free: Vec::new(), limit }
    }

    /// The inspection of a flow, begun if there is none; none when all are in use.
    pub(crate) fn of(&mut self, slot: &mut Slot) -> Option<&mut Inspection> {
        let index = match slot.inspection() {
            Some(index) => index,
            None => {
                let index = match self.free.pop() {
                    Some(index) => {
                        // The next flow takes the next one, which was left alone for long.
                        if let Some(next) = self.free.last().and_then(|next| self.pool.get(*next as usize)) {
                            mem_sys::prefetch_value(next);
                        }
                        index
                    }
                    None if self.pool.len() < self.limit => {
                        self.pool.push(Inspection::default());
                        u32::try_from(self.pool.len() - 1).ok()?
                    }
                    None => return None,
                };
                let inspection = self.pool.get_mut(index as usize)?;
                inspection.begin(slot);
                slot.set_inspection(Some(index));
                index
            }
        };
        self.pool.get_mut(index as usize)
    }

    /// Asks for the memory of the parser of a flow, if it has one.
    #[inline]
    pub(crate) fn prefetch_parser(&self, slot: &Slot) {
        if let Some(inspection) = slot.inspection().and_then(|index| self.pool.get(index as usize)) {
            inspection.prefetch_parser();
        }
    }

    /// Asks for the memory of a flow's inspection, if it has one.
    #[inline]
    pub(crate) fn prefetch(&self, slot: &Slot) {
        if let Some(inspection) = slot.inspection().and_then(|index| self.pool.get(index as usize)) {
            mem_sys::prefetch_value(inspection);
        }
    }

    /// The inspection of a flow that has one.
    pub(crate) fn existing(&mut self, slot: &Slot) -> Option<&mut Inspection> {
        self.pool.get_mut(slot.inspection()? as usize)
    }

    /// Takes a flow's inspection back, emptied; the flow is settled.
    pub(crate) fn release(&mut self, slot: &mut Slot, workspace: &mut Workspace<'_>) {
        if let Some(index) = slot.inspection()
            && let Some(inspection) = self.pool.get_mut(index as usize)
        {
            inspection.clear(workspace);
            self.free.push(index);
        }
        slot.set_inspection(None);
    }
}
