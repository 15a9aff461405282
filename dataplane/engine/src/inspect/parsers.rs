use crate::plan::static_number;
use crate::protocols::{self, Parser};
use crate::{ProtocolId, protocols::Protocol};

/// Parsers kept for the next flow, of each protocol.
const KEPT: usize = 4096;

/// Parsers that no flow uses, by protocol.
#[derive(Debug)]
pub(crate) struct ParserPool {
    free: Vec<Vec<Box<dyn Parser>>>,
}

impl ParserPool {
    pub(crate) fn new() -> Self {
        Self { free: protocols::ALL.iter().map(|_| Vec::new()).collect() }
    }

    /// A fresh parser of a protocol, where it has one.
    pub(crate) fn take(&mut self, id: ProtocolId) -> Option<Box<dyn Parser>> {
        let number = static_number(id)?;
        let protocol: &Protocol = protocols::ALL.get(number)?;
        let make = protocol.parser?;
        let free = self.free.get_mut(number)?;
        let parser = free.pop().unwrap_or_else(make);
        // The next flow takes the next one, which was left alone for long.
        if let Some(next) = free.last() {
            mem_sys::prefetch_value(&**next);
        }
        Some(parser)
    }

    /// Takes a parser back.
    pub(crate) fn give(&mut self, id: ProtocolId, mut parser: Box<dyn Parser>) {
        if let Some(free) = static_number(id).and_then(|number| self.free.get_mut(number))
            && free.len() < KEPT
        {
            parser.reset();
            free.push(parser);
        }
    }
}
