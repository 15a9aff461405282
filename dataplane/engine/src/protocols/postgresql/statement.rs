//! Statements that wait for their answers, and those that were prepared.

use crate::protocols::framed::Transactions;
use crate::protocols::kept::Kept;
use crate::protocols::sql::{self, Dialect, STATEMENT_MAX};

/// Prepared statements that are remembered.
const PREPARED_MAX: usize = 32;

/// What waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A simple query: all its answers up to ReadyForQuery.
    Query,
    /// An execution of a prepared statement: one answer.
    Execution,
    /// The end of a group of executions: a ReadyForQuery.
    Sync,
}

#[derive(Debug)]
struct Prepared {
    name: Kept<64>,
    digest: Vec<u8>,
}

/// Statements of one session.
#[derive(Debug, Default)]
pub(super) struct Statements {
    waiting: Transactions<Waiting>,
    prepared: Vec<Prepared>,
    bound: Vec<u8>,
    scratch: Vec<u8>,
}

impl Statements {
    /// A simple query.
    pub(super) fn query(&mut self, text: &[u8]) {
        self.scratch.clear();
        sql::digest(text, Dialect::Standard, &mut self.scratch);
        self.scratch.truncate(STATEMENT_MAX);
        if let Some(oldest) = self.waiting.open(Waiting::Query, &self.scratch) {
            self.waiting.recycle(oldest);
        }
    }

    /// A statement is prepared under a name, or without one.
    pub(super) fn prepare(&mut self, name: &[u8], text: &[u8]) {
        let mut digest = match self.prepared.iter().position(|known| known.name.as_bytes() == name) {
            Some(at) => self.prepared.swap_remove(at).digest,
            None if self.prepared.len() >= PREPARED_MAX => self.prepared.swap_remove(0).digest,
            None => Vec::new(),
        };
        digest.clear();
        sql::digest(text, Dialect::Standard, &mut digest);
        digest.truncate(STATEMENT_MAX);
        self.prepared.push(Prepared { name: Kept::of(name), digest });
    }

    /// A prepared statement gets its values.
    pub(super) fn bind(&mut self, name: &[u8]) {
        let known = self.prepared.iter().find(|known| known.name.as_bytes() == name);
        self.bound.clear();
        self.bound.extend_from_slice(known.map_or(&[], |known| &known.digest));
    }

    /// What was bound is executed.
    pub(super) fn execute(&mut self) {
        if let Some(oldest) = self.waiting.open(Waiting::Execution, &self.bound) {
            self.waiting.recycle(oldest);
        }
    }

    /// A group of executions ends.
    pub(super) fn sync(&mut self) {
        if let Some(oldest) = self.waiting.open(Waiting::Sync, &[]) {
            self.waiting.recycle(oldest);
        }
    }

    /// One statement was executed, or failed: `tell` is given its text.
    pub(super) fn answered(&mut self, tell: impl FnOnce(&[u8])) {
        let Some(front) = self.waiting.pop() else { return tell(&[]) };
        match front.key {
            Waiting::Execution => {
                tell(&front.bytes);
                self.waiting.recycle(front);
            }
            // Of a query with several statements more answers may come; those of a group end with Sync.
            Waiting::Query | Waiting::Sync => {
                tell(&front.bytes);
                self.waiting.put_back(front);
            }
        }
    }

    /// The server is ready: everything up to the end of a group or a query is over.
    pub(super) fn ready(&mut self) {
        while let Some(front) = self.waiting.pop() {
            let key = front.key;
            self.waiting.recycle(front);
            if key != Waiting::Execution {
                break;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.prepared.clear();
        self.bound.clear();
    }
}
