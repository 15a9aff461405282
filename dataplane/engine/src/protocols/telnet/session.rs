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

    /// Variables (RFC 1572): the user's name, masked.
    fn environment(&mut self, variables: &[u8]) {
        if let Some(rest) = variables.strip_prefix(b"\0USER\x01") {
            self.user = Masked::default();
            for byte in rest.iter().take_while(|byte| **byte > 3) {
                self.user.push(*byte);
            }
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
