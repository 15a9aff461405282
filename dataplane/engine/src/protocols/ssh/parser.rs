//! Reads the two directions of a connection until they are encrypted, and writes one `ssh` event.

use memchr::memchr;

use super::algorithm::is_group_exchange;
use super::banner::{Banner, LINE_MAX};
use super::event;
use super::kexinit::{KEXINIT_MAX, List};
use super::packet::{Framing, Packet, head, integer_bits, message, string};
use super::probe::is_kexinit;
use super::session::{HostKey, Peer, Session};
use crate::protocols::{Input, Output, Parser, Progress, Then};

/// Lines of text before an identification string.
const PREAMBLE_LINES_MAX: u16 = 256;
/// Largest packet of the exchange that is read; larger ones are passed over.
const EXCHANGE_MAX: usize = 16 * 1024;

/// What the next byte of a direction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The identification string, or text before it: so many lines so far.
    Banner { lines: u16 },
    /// Packets in clear.
    Packets,
    /// What is encrypted.
    Ended,
}

/// How far one direction was read.
#[derive(Clone, Copy, Debug)]
struct Lane {
    phase: Phase,
    /// Unread bytes in which there is no line end.
    scanned: usize,
}

impl Default for Lane {
    fn default() -> Self {
        Self { phase: Phase::Banner { lines: 0 }, scanned: 0 }
    }
}

/// What reading a piece led to.
enum Step {
    Took(usize),
    Wait,
    /// A packet of so many bytes is passed over.
    Skip(usize),
    /// So many bytes were read, and nothing more of this direction or the flow is wanted.
    Leave(usize, Then),
}

/// SSH on one connection.
#[derive(Debug, Default)]
pub(super) struct SshParser {
    lanes: [Lane; 2],
    session: Session,
    scratch: Vec<u8>,
    is_written: bool,
}

impl Parser for SshParser {
    fn reset(&mut self) {
        self.lanes = Default::default();
        self.session.clear();
        self.scratch.clear();
        self.scratch.shrink_to(4 * 1024);
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        let side = input.from as usize;
        if input.after_gap {
            // Where a packet starts is not known, and soon all is encrypted.
            return self.leave_direction(side, input.bytes.len(), out);
        }
        let mut at = 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            let phase = self.lanes.get(side).map_or(Phase::Ended, |lane| lane.phase);
            let step = match phase {
                Phase::Banner { lines } => self.banner(side, rest, lines),
                Phase::Packets => self.packet(side, rest, out),
                Phase::Ended => Step::Leave(rest.len(), Then::DirectionDone),
            };
            match step {
                Step::Took(read) => at += read,
                Step::Wait => return Progress::read(at),
                Step::Skip(length) if length > rest.len() => {
                    let beyond = (length - rest.len()) as u64;
                    return Progress { consumed: input.bytes.len(), then: Then::Skip(beyond) };
                }
                Step::Skip(length) => at += length,
                Step::Leave(_, Then::DirectionDone) => {
                    return self.leave_direction(side, input.bytes.len(), out);
                }
                Step::Leave(read, then) => {
                    if then == Then::Done {
                        self.write(out);
                    }
                    return Progress { consumed: at + read, then };
                }
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

impl SshParser {
    fn enter(&mut self, side: usize, phase: Phase) {
        if let Some(lane) = self.lanes.get_mut(side) {
            *lane = Lane { phase, scanned: 0 };
        }
    }

    fn peer(&mut self, side: usize) -> &mut Peer {
        let [to_server, to_client] = &mut self.session.peers;
        if side == 0 { to_server } else { to_client }
    }

    /// Nothing more of one direction; if that was the second one, the flow is done.
    fn leave_direction(&mut self, side: usize, read: usize, out: &mut Output<'_>) -> Progress {
        self.enter(side, Phase::Ended);
        if self.lanes.iter().all(|lane| lane.phase == Phase::Ended) {
            self.write(out);
            return Progress { consumed: read, then: Then::Done };
        }
        Progress { consumed: read, then: Then::DirectionDone }
    }

    fn banner(&mut self, side: usize, bytes: &[u8], lines: u16) -> Step {
        if lines == 0 && bytes.first() == Some(&0) {
            return self.without_banner(side, bytes);
        }
        let Some(lane) = self.lanes.get_mut(side) else { return Step::Wait };
        let window = bytes.get(..LINE_MAX).unwrap_or(bytes);
        let Some(end) = window.get(lane.scanned..).and_then(|rest| memchr(b'\n', rest)) else {
            lane.scanned = window.len();
            return if window.len() < LINE_MAX { Step::Wait } else { self.not_ssh() };
        };
        let end = end + lane.scanned;
        let line = window.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.starts_with(b"SSH-") {
            if lines >= PREAMBLE_LINES_MAX {
                return self.not_ssh();
            }
            self.enter(side, Phase::Banner { lines: lines + 1 });
            return Step::Took(end + 1);
        }
        if Banner::read(line).is_none() {
            return self.not_ssh();
        }
        // A line is shorter than the vector has room for.
        if self.peer(side).banner.try_extend_from_slice(line).is_err() {
            return self.not_ssh();
        }
        self.enter(side, Phase::Packets);
        if self.session.is_version_1() && self.session.peers.iter().all(|peer| !peer.banner.is_empty()) {
            return Step::Leave(end + 1, Then::Done);
        }
        Step::Took(end + 1)
    }

    /// In midstream the first that is seen may be a packet.
    fn without_banner(&mut self, side: usize, bytes: &[u8]) -> Step {
        match head(bytes) {
            Framing::Open => Step::Wait,
            // As much as the probe needs to know it.
            Framing::Packet(packet) if bytes.len() < packet.length.min(64) => Step::Wait,
            Framing::Packet(_) if is_kexinit(bytes) => {
                self.enter(side, Phase::Packets);
                Step::Took(0)
            }
            Framing::Packet(_) | Framing::Invalid => self.not_ssh(),
        }
    }

    fn not_ssh(&self) -> Step {
        Step::Leave(0, if self.session.is_begun() { Then::DirectionDone } else { Then::NotMine })
    }

    fn packet(&mut self, side: usize, bytes: &[u8], out: &mut Output<'_>) -> Step {
        if self.session.is_version_1() {
            // Its packets have another form. The other side's string is still to come.
            return if bytes.is_empty() { Step::Wait } else { Step::Leave(0, Then::DirectionDone) };
        }
        let packet = match head(bytes) {
            Framing::Packet(packet) => packet,
            Framing::Open => return Step::Wait,
            Framing::Invalid => {
                let mut event = out.event("anomaly");
                event.label("app_proto", "ssh").label("type", "applayer").label("event", "invalid_packet");
                return Step::Leave(0, Then::DirectionDone);
            }
        };
        let limit = match packet.message {
            message::NEWKEYS => {
                self.peer(side).has_new_keys = true;
                return Step::Leave(0, Then::DirectionDone);
            }
            message::KEXINIT => KEXINIT_MAX,
            message::KEX_31 | message::KEX_DH_GEX_REPLY | message::DISCONNECT => EXCHANGE_MAX,
            _ => 0,
        };
        if packet.length > limit {
            return Step::Skip(packet.length);
        }
        match packet.payload(bytes) {
            None => Step::Wait,
            Some(payload) => {
                self.message(side, packet, payload);
                Step::Took(packet.length)
            }
        }
    }

    fn message(&mut self, side: usize, packet: Packet, payload: &[u8]) {
        match packet.message {
            message::KEXINIT => {
                self.peer(side).kexinit.read(payload);
            }
            message::DISCONNECT => {
                self.session.disconnect = payload.first_chunk().copied().map(u32::from_be_bytes);
            }
            message::KEX_31 => {
                let is_group = self.session.agreed(List::KeyExchange).is_some_and(is_group_exchange);
                if is_group {
                    self.session.group_bits = integer_bits(payload).map(|(bits, _)| bits);
                } else {
                    self.session.host_key = host_key(payload);
                }
            }
            _ => self.session.host_key = host_key(payload),
        }
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written || !self.session.is_begun() {
            return;
        }
        self.is_written = true;
        event::write(&self.session, &mut self.scratch, out);
    }
}

/// Reads the host key at the start of a reply (RFC 4253, 6.6 and 8).
fn host_key(reply: &[u8]) -> Option<HostKey> {
    let (blob, _) = string(reply)?;
    let (kind, rest) = string(blob)?;
    let mut key = HostKey::default();
    key.kind.try_extend_from_slice(kind).ok()?;
    key.bits = match kind {
        // Exponent and modulus.
        b"ssh-rsa" => integer_bits(rest).and_then(|(_, rest)| integer_bits(rest)).map(|(bits, _)| bits),
        b"ssh-dss" => integer_bits(rest).map(|(bits, _)| bits),
        _ => None,
    };
    Some(key)
}
