//! What may be known of a command: its name, its key, and of a login the name of who logs on; no values.

use crate::protocols::kept::Kept;

/// Arguments that are looked at.
const ARGUMENTS_MAX: usize = 5;

/// A command while its arguments come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    arguments: [Kept<64>; ARGUMENTS_MAX],
    /// How many there were, the name among them.
    pub(super) count: u32,
}

/// What a command is to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody logs on.
    Login,
    /// It changes the server, its code or its users, or empties it.
    Administration,
    /// From then on answers come unasked.
    Subscription,
    /// Another protocol or a stream of changes follows.
    Replication,
    Other,
}

impl Command {
    /// Takes the next argument, or its beginning.
    pub(super) fn push(&mut self, argument: &[u8]) {
        if let Some(place) = usize::try_from(self.count).ok().and_then(|at| self.arguments.get_mut(at)) {
            place.set(argument);
            if self.count == 0 {
                *place = upper(argument);
            }
        }
        self.count = self.count.saturating_add(1);
    }

    /// An argument; empty where there is none.
    fn argument(&self, at: usize) -> &[u8] {
        self.arguments.get(at).map_or(&[], Kept::as_bytes)
    }

    /// Its name, in capitals.
    pub(super) fn name(&self) -> &[u8] {
        self.argument(0)
    }

    pub(super) fn kind(&self) -> Kind {
        match self.name() {
            b"AUTH" => Kind::Login,
            b"HELLO" if self.login_at().is_some() => Kind::Login,
            b"CONFIG" | b"ACL" | b"FLUSHALL" | b"FLUSHDB" | b"SHUTDOWN" | b"SAVE" | b"BGSAVE"
            | b"SLAVEOF" | b"REPLICAOF" | b"MODULE" | b"DEBUG" | b"EVAL" | b"EVALSHA" | b"SCRIPT"
            | b"FUNCTION" | b"FCALL" | b"MIGRATE" | b"RESTORE" | b"CLUSTER" | b"FAILOVER"
            | b"BGREWRITEAOF" | b"SWAPDB" => Kind::Administration,
            b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" | b"MONITOR" => Kind::Subscription,
            b"SYNC" | b"PSYNC" => Kind::Replication,
            _ => Kind::Other,
        }
    }

    /// Where the name of who logs on stands.
    fn login_at(&self) -> Option<usize> {
        match self.name() {
            b"AUTH" if self.count > 2 => Some(1),
            // HELLO 3 AUTH user password
            b"HELLO" if self.argument(2).eq_ignore_ascii_case(b"AUTH") => Some(3),
            _ => None,
        }
    }

    /// Who logs on.
    pub(super) fn user(&self) -> &[u8] {
        match self.login_at() {
            Some(at) => self.argument(at),
            None => b"default",
        }
    }

    /// What the command is about: a subcommand with its object, or a key.
    pub(super) fn subject(&self) -> Kept<64> {
        let mut subject = Kept::default();
        match self.name() {
            b"AUTH" | b"EVAL" | b"ECHO" => {}
            // Of users' rules only the name of the user is told.
            b"CONFIG" | b"ACL" | b"CLIENT" | b"CLUSTER" | b"SCRIPT" | b"MODULE" | b"FUNCTION" | b"DEBUG"
            | b"COMMAND" | b"OBJECT" | b"MEMORY" | b"LATENCY" | b"SLOWLOG" | b"PUBSUB" | b"XGROUP"
            | b"XINFO" => {
                subject.push(self.argument(1));
                let is_plain = !matches!(self.name(), b"SCRIPT" | b"FUNCTION" | b"DEBUG");
                if is_plain && !self.argument(2).is_empty() {
                    subject.push(b" ");
                    subject.push(self.argument(2));
                }
            }
            _ => subject.set(self.argument(1)),
        }
        subject
    }

    pub(super) fn clear(&mut self) {
        self.arguments.iter_mut().for_each(Kept::clear);
        self.count = 0;
    }
}

fn upper(name: &[u8]) -> Kept<64> {
    let mut kept = Kept::default();
    for byte in name.iter().take(32) {
        kept.push(&[byte.to_ascii_uppercase()]);
    }
    kept
}
