//! Reads both directions of a connection: negotiation, logins, and the records of a 3270 terminal.

use super::lane::{Lane, Token, code};
use super::login::{Attempt, Login};
use super::screen::{Input as Keys, Screen};
use super::session::{Session, opt};
use crate::protocols::framed::from_ebcdic;
use crate::protocols::{Input, Output, Parser, Progress, Then};
use crate::record::Direction;

/// Bytes of a record that are kept.
const RECORD_MAX: usize = 16 * 1024;
/// `anomaly` events of one flow.
const ANOMALIES_MAX: u8 = 16;

/// Telnet on one connection.
#[derive(Debug, Default)]
pub(super) struct TelnetParser {
    lanes: [Lane; 2],
    session: Session,
    login: Login,
    records: [Vec<u8>; 2],
    text: Vec<u8>,
    /// Input fields of the screen that do not show what is typed.
    hidden: arrayvec::ArrayVec<u16, 16>,
    /// A key that the host has not answered yet.
    pending: Option<Keys>,
    interactions: u64,
    is_3270: bool,
    is_5250: bool,
    /// Records of the 5250 data stream, by direction.
    counts: [u64; 2],
    /// Bytes were lost: a record in the middle of which that was means nothing.
    is_record_lost: [bool; 2],
    is_begun: bool,
    is_over: bool,
    anomalies: u8,
}

impl Parser for TelnetParser {
    fn reset(&mut self) {
        let mut records = core::mem::take(&mut self.records);
        records.iter_mut().for_each(Vec::clear);
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        *self = Self { records, text, ..Self::default() };
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        let side = input.from as usize;
        if input.after_gap {
            self.lost(side);
        }
        for (at, byte) in input.bytes.iter().enumerate() {
            let Some(lane) = self.lanes.get_mut(side) else { break };
            match lane.take(*byte) {
                Token::Part => continue,
                Token::Data(byte) => self.data(input.from, byte, out),
                Token::Command(code::END_OF_RECORD) => self.end_of_record(input.from, out),
                Token::Command(_) => {}
                Token::Option(verb, option) => self.option(input.from, verb, option, out),
                Token::Sub => {
                    let sub = lane.sub.clone();
                    self.session.sub(input.from, &sub);
                    if let Some(then) = self.after_sub(out) {
                        return Progress { consumed: at + 1, then };
                    }
                }
                Token::Invalid => self.anomaly("invalid_command", out),
            }
            self.is_begun = true;
        }
        Progress::all(&input)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write_pending(None, out);
        if let Some(attempt) = self.login.over() {
            write_login(&attempt, out);
        }
        self.write_session(out);
    }
}

impl TelnetParser {
    fn lost(&mut self, side: usize) {
        if let Some(lane) = self.lanes.get_mut(side) {
            lane.clear();
        }
        if let (Some(record), Some(is_lost)) = (self.records.get_mut(side), self.is_record_lost.get_mut(side))
        {
            record.clear();
            *is_lost = true;
        }
        self.login.clear();
    }

    fn option(&mut self, from: Direction, verb: u8, option: u8, out: &mut Output<'_>) {
        self.session.negotiate(from, verb, option);
        if super::names::option(option).is_none() && option < 128 {
            self.anomaly("unknown_option", out);
        }
        self.check_terminal(out);
    }

    fn after_sub(&mut self, out: &mut Output<'_>) -> Option<Then> {
        self.check_terminal(out);
        let then = if self.session.is_tls_next() {
            Then::Upgrade
        } else if self.session.is_encrypting() {
            Then::Done
        } else {
            return None;
        };
        self.write_session(out);
        Some(then)
    }

    fn check_terminal(&mut self, out: &mut Output<'_>) {
        if !self.is_3270 && (self.session.is_3270() || self.session.uses(opt::TN3270E)) {
            self.is_3270 = true;
            out.refine("tn3270", 99);
        } else if !self.is_3270 && !self.is_5250 && self.session.is_5250() {
            self.is_5250 = true;
            out.refine("tn5250", 99);
        }
    }

    fn data(&mut self, from: Direction, byte: u8, out: &mut Output<'_>) {
        if self.is_5250 {
            return;
        }
        if self.is_3270 {
            if let Some(record) = self.records.get_mut(from as usize)
                && record.len() < RECORD_MAX
            {
                record.push(byte);
            }
            return;
        }
        match from {
            Direction::ToClient => self.login.server(byte),
            Direction::ToServer => {
                if let Some(attempt) = self.login.client(byte) {
                    write_login(&attempt, out);
                }
            }
        }
    }

    fn end_of_record(&mut self, from: Direction, out: &mut Output<'_>) {
        let side = from as usize;
        if let Some(count) = self.counts.get_mut(side).filter(|_| self.is_5250) {
            *count = count.saturating_add(1);
            return;
        }
        let (Some(record), Some(is_lost)) = (self.records.get_mut(side), self.is_record_lost.get_mut(side))
        else {
            return;
        };
        let mut record = core::mem::take(record);
        if !core::mem::take(is_lost) && self.is_3270 {
            self.record(from, &record, out);
        }
        record.clear();
        if let Some(place) = self.records.get_mut(side) {
            *place = record;
        }
    }

    /// A record of the 3270 data stream, in TN3270E behind a header of five bytes.
    fn record(&mut self, from: Direction, record: &[u8], out: &mut Output<'_>) {
        let mut data = record;
        if self.session.is_3270e() {
            let Some(([kind, _, _, _, _], rest)) = record.split_first_chunk::<5>() else {
                return self.anomaly("truncated_header", out);
            };
            match kind {
                0 => data = rest,
                3 => return self.bind(rest),
                1 | 2 | 4..=8 => return,
                _ => return self.anomaly("unknown_data_type", out),
            }
        }
        if data.is_empty() {
            return;
        }
        match from {
            Direction::ToServer => {
                let Some(keys) = Keys::read(data, &self.hidden) else {
                    return self.anomaly("unknown_aid", out);
                };
                if keys.is_key() {
                    self.write_pending(None, out);
                    self.pending = Some(keys);
                }
            }
            Direction::ToClient => {
                let mut text = core::mem::take(&mut self.text);
                let screen = Screen::read(data, &mut text);
                self.text = text;
                let Some(screen) = screen else { return self.anomaly("unknown_command", out) };
                if screen.is_erasing() || screen.has_fields() {
                    if screen.is_erasing() {
                        self.hidden.clear();
                    }
                    for address in screen.hidden() {
                        let _ = self.hidden.try_push(*address);
                    }
                }
                self.write_pending(Some(&screen), out);
            }
        }
    }

    /// The host's BIND: behind its fixed part stands the application's name (SNA formats, BIND RU).
    fn bind(&mut self, bind: &[u8]) {
        let Some((&length, rest)) = bind.get(27..).and_then(<[u8]>::split_first) else { return };
        if bind.first() == Some(&0x31) && (1..=8).contains(&length) {
            let name = rest.get(..usize::from(length)).unwrap_or_default();
            self.session.application = name.iter().map(|byte| from_ebcdic(*byte)).collect();
        }
    }

    /// Writes the key that waits, with what the host answered.
    fn write_pending(&mut self, screen: Option<&Screen>, out: &mut Output<'_>) {
        let keys = self.pending.take();
        if keys.is_none() && screen.is_none() {
            return;
        }
        self.interactions += 1;
        let mut event = out.event("tn3270");
        event.label("type", "interaction").number("id", self.interactions);
        if let Some(keys) = keys {
            event.object("request");
            keys.write(&mut event);
            event.close();
        }
        if let Some(screen) = screen {
            event.object("response");
            screen.write(&mut event);
            event.close();
        }
    }

    fn write_session(&mut self, out: &mut Output<'_>) {
        if self.is_over || !self.is_begun {
            return;
        }
        self.is_over = true;
        if self.is_3270 {
            self.session.write_3270(&mut out.event("tn3270"));
        } else if self.is_5250 {
            self.session.write_5250(self.counts, &mut out.event("tn5250"));
        } else {
            self.session.write(&mut out.event("telnet"));
        }
    }

    fn anomaly(&mut self, name: &'static str, out: &mut Output<'_>) {
        if self.anomalies < ANOMALIES_MAX {
            self.anomalies += 1;
            let protocol = match (self.is_3270, self.is_5250) {
                (true, _) => "tn3270",
                (_, true) => "tn5250",
                _ => "telnet",
            };
            let mut event = out.event("anomaly");
            event.label("app_proto", protocol).label("type", "applayer").label("event", name);
        }
    }
}

fn write_login(attempt: &Attempt, out: &mut Output<'_>) {
    let mut event = out.event("telnet");
    event.label("type", "login");
    attempt.write(&mut event);
}
