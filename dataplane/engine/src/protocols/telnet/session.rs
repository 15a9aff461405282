//! What is known of a Telnet session: options of both sides, and what was said about the terminal.

use arrayvec::ArrayVec;

use super::lane::code;
use super::names::{function, option, reject_reason};
use crate::protocols::framed::Masked;
use crate::record::{Direction, EventWriter};

/// Options that matter.
pub(super) mod opt {
    pub(in super::super) const BINARY: u8 = 0;
    pub(super) const TERMINAL_TYPE: u8 = 24;
    pub(in super::super) const END_OF_RECORD: u8 = 25;
    pub(super) const NAWS: u8 = 31;
    pub(super) const TERMINAL_SPEED: u8 = 32;
    pub(super) const AUTHENTICATION: u8 = 37;
    pub(super) const ENCRYPT: u8 = 38;
    pub(super) const NEW_ENVIRON: u8 = 39;
    pub(in super::super) const TN3270E: u8 = 40;
    pub(in super::super) const START_TLS: u8 = 46;
}

/// TN3270E's words (RFC 2355, 4).
mod word {
    pub(super) const ASSOCIATE: u8 = 0;
    pub(super) const CONNECT: u8 = 1;
    pub(super) const DEVICE_TYPE: u8 = 2;
    pub(super) const FUNCTIONS: u8 = 3;
    pub(super) const IS: u8 = 4;
    pub(super) const REASON: u8 = 5;
    pub(super) const REJECT: u8 = 6;
    pub(super) const REQUEST: u8 = 7;
}

/// A session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Options that each side says it will use, a bit each.
    will: [u64; 2],
    /// Options that each side asks the other to use.
    asked: [u64; 2],
    terminal: ArrayVec<u8, 40>,
    speed: ArrayVec<u8, 24>,
    window: Option<(u16, u16)>,
    user: Masked,
    is_authenticating: bool,
    is_encrypting: bool,
    /// Who said that TLS follows.
    tls: [bool; 2],
    device: ArrayVec<u8, 40>,
    lu: ArrayVec<u8, 8>,
    asked_lu: ArrayVec<u8, 8>,
    /// Display or printer that the host is to make (RFC 4777, 5).
    device_name: ArrayVec<u8, 10>,
    /// A password, or what stands for it, among the variables; and the seed that makes it a substitute.
    has_password: bool,
    has_seed: bool,
    functions: Option<u8>,
    rejected: Option<u8>,
    /// Application that the host bound the terminal to.
    pub(super) application: ArrayVec<u8, 8>,
}

impl Session {
    /// Takes WILL, WONT, DO or DONT.
    pub(super) fn negotiate(&mut self, from: Direction, verb: u8, option: u8) {
        let side = from as usize;
        let (Some(will), Some(asked)) = (self.will.get_mut(side), self.asked.get_mut(side)) else { return };
        let Some(bit) = 1_u64.checked_shl(option.into()) else { return };
        match verb {
            code::WILL => *will |= bit,
            code::WONT => *will &= !bit,
            code::DO => *asked |= bit,
            code::DONT => *asked &= !bit,
            _ => {}
        }
    }

    /// Takes a subnegotiation: option and content.
    pub(super) fn sub(&mut self, from: Direction, content: &[u8]) {
        let Some((&option, content)) = content.split_first() else { return };
        match (option, content) {
            (opt::TERMINAL_TYPE, [0, name @ ..]) => fill(&mut self.terminal, name),
            (opt::TERMINAL_SPEED, [0, speed @ ..]) => fill(&mut self.speed, speed),
            (opt::NAWS, [w1, w0, h1, h0]) => {
                self.window = Some((u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0])));
            }
            (opt::NEW_ENVIRON, [0 | 2, variables @ ..]) => self.environment(variables),
            (opt::AUTHENTICATION, [0, ..]) => self.is_authenticating = true,
            // START of encryption (RFC 2946).
            (opt::ENCRYPT, [3, ..]) => self.is_encrypting = true,
            (opt::START_TLS, [1]) => {
                if let Some(tls) = self.tls.get_mut(from as usize) {
                    *tls = true;
                }
            }
            (opt::TN3270E, words) => self.tn3270e(words),
            _ => {}
        }
    }

    /// Variables (RFC 1572, RFC 4777): the user's name, masked, and those of 5250 terminals.
    fn environment(&mut self, variables: &[u8]) {
        const VALUE: u8 = 1;
        const ESCAPE: u8 = 2;
        let mut rest = variables;
        while let Some((0 | 3, after)) = rest.split_first() {
            let mut variable = (ArrayVec::<u8, 16>::new(), ArrayVec::<u8, 64>::new());
            let (mut in_value, mut is_escaped) = (false, false);
            rest = after;
            while let Some((&byte, after)) = rest.split_first() {
                match byte {
                    0 | 3 if !is_escaped => break,
                    VALUE if !is_escaped => in_value = true,
                    ESCAPE if !is_escaped => is_escaped = true,
                    byte => {
                        is_escaped = false;
                        // What is longer is cut.
                        let _ = if in_value { variable.1.try_push(byte) } else { variable.0.try_push(byte) };
                    }
                }
                rest = after;
            }
            self.variable(&variable.0, &variable.1);
        }
    }

    fn variable(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"USER" => self.user = Masked::of(value),
            b"DEVNAME" => fill(&mut self.device_name, value),
            b"IBMSUBSPW" => self.has_password = !value.is_empty(),
            b"IBMRSEED" => self.has_seed = value.iter().any(|byte| *byte != 0),
            // With a seed in the name the client sends its own there (RFC 4777, 5).
            [b'I', b'B', b'M', b'R', b'S', b'E', b'E', b'D', ..] => self.has_seed = true,
            _ => {}
        }
    }

    fn tn3270e(&mut self, words: &[u8]) {
        match words {
            [word::DEVICE_TYPE, verb @ (word::REQUEST | word::IS), rest @ ..] => {
                let end = rest.iter().position(|byte| matches!(*byte, word::CONNECT | word::ASSOCIATE));
                let (device, lu) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                fill(&mut self.device, device);
                let place = if *verb == word::IS { &mut self.lu } else { &mut self.asked_lu };
                fill(place, lu.get(1..).unwrap_or_default());
            }
            [word::DEVICE_TYPE, word::REJECT, word::REASON, reason] => self.rejected = Some(*reason),
            [word::FUNCTIONS, word::REQUEST | word::IS, list @ ..] => {
                self.functions =
                    Some(list.iter().filter(|code| **code < 8).fold(0, |bits, code| bits | 1 << code));
            }
            _ => {}
        }
    }

    /// Whether an option is in use: one side will, and the other asked it to.
    pub(super) fn uses(&self, option: u8) -> bool {
        let Some(bit) = 1_u64.checked_shl(option.into()) else { return false };
        let [[client, server], [by_client, by_server]] = [self.will, self.asked];
        (client & by_server | server & by_client) & bit != 0
    }

    /// Whether both sides may speak the 3270 data stream: by TN3270E, or by what came before it (RFC 1576).
    pub(super) fn is_3270(&self) -> bool {
        self.is_3270e()
            || (self.uses(opt::END_OF_RECORD)
                && self.uses(opt::BINARY)
                && (self.terminal.starts_with(b"IBM-327") || self.terminal.starts_with(b"IBM-DYNAMIC")))
    }

    /// Whether both sides may speak the 5250 data stream (RFC 1205, RFC 4777, 3).
    pub(super) fn is_5250(&self) -> bool {
        const TERMINALS: [&[u8]; 12] = [
            b"IBM-3179-2",
            b"IBM-3180-2",
            b"IBM-3196-A1",
            b"IBM-3477-F",
            b"IBM-3486-BA",
            b"IBM-3487-H",
            b"IBM-3812-1",
            b"IBM-5251-11",
            b"IBM-5291-1",
            b"IBM-5292-2",
            b"IBM-5553-",
            b"IBM-5555-",
        ];
        self.uses(opt::END_OF_RECORD)
            && self.uses(opt::BINARY)
            && TERMINALS.iter().any(|name| self.terminal.starts_with(name))
    }

    /// Whether records have TN3270E's header.
    pub(super) fn is_3270e(&self) -> bool {
        self.uses(opt::TN3270E) && self.functions.is_some()
    }

    /// Whether what follows is TLS.
    pub(super) const fn is_tls_next(&self) -> bool {
        let [client, server] = self.tls;
        client && server
    }

    /// Whether what follows is encrypted by Telnet's own means.
    pub(super) const fn is_encrypting(&self) -> bool {
        self.is_encrypting
    }

    /// Writes the members of a `telnet` event.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("type", "session");
        for (name, side) in [("client_options", 0), ("server_options", 1)] {
            let bits = self.will.get(side).copied().unwrap_or_default();
            event.list(name);
            for label in (0..64).filter(|code| bits >> code & 1 == 1).filter_map(option) {
                event.label("", label);
            }
            event.close();
        }
        write_text("terminal_type", &self.terminal, event);
        write_text("terminal_speed", &self.speed, event);
        if let Some((columns, rows)) = self.window {
            event.number("columns", columns).number("rows", rows);
        }
        self.user.write("user", event);
        event.flag("authentication", self.is_authenticating);
        event.flag("encrypted", self.is_encrypting || self.is_tls_next());
    }

    /// Writes the members of a `tn5250` event; `records` came from client and server.
    pub(super) fn write_5250(&self, records: [u64; 2], event: &mut EventWriter<'_>) {
        event.label("type", "session");
        write_text("terminal_type", &self.terminal, event);
        write_text("device_name", &self.device_name, event);
        event.object("credentials");
        self.user.write("user", event);
        event.flag("password_in_clear", self.has_password && !self.has_seed);
        event.flag("password_substitute", self.has_password && self.has_seed).close();
        let [to_server, to_client] = records;
        event.number("records_to_server", to_server).number("records_to_client", to_client);
    }

    /// Writes the members of a `tn3270` event.
    pub(super) fn write_3270(&self, event: &mut EventWriter<'_>) {
        event.label("type", "session").flag("tn3270e", self.uses(opt::TN3270E));
        let device = if self.device.is_empty() { &self.terminal[..] } else { &self.device };
        write_text("device_type", device, event);
        write_text("lu_name", &self.lu, event);
        write_text("requested_lu_name", &self.asked_lu, event);
        write_text("application", &self.application, event);
        if let Some(bits) = self.functions {
            event.list("functions");
            for label in (0..8).filter(|code| bits >> code & 1 == 1).filter_map(function) {
                event.label("", label);
            }
            event.close();
        }
        if let Some(reason) = self.rejected {
            event.label("rejected", reject_reason(reason));
        }
    }
}

fn write_text(name: &'static str, value: &[u8], event: &mut EventWriter<'_>) {
    if !value.is_empty() {
        event.text(name, value);
    }
}

fn fill<const N: usize>(place: &mut ArrayVec<u8, N>, bytes: &[u8]) {
    *place = bytes.iter().copied().take(N).collect();
}
