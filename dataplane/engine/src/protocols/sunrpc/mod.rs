//! ONC remote procedure calls (RFC 5531) over UDP and TCP: NFS versions 2 to 4 (RFC 1094, RFC 1813, RFC 7530), mount, the
//! port mapper (RFC 1833), and the names of others; calls with their replies, and TLS (RFC 9289).
//!
//! `rpc` reads calls and replies, `nfs` and `portmap` their arguments and results, `names` names numbers.

mod event;
mod names;
mod nfs;
mod portmap;
mod rpc;
#[cfg(test)]
mod tests;

use super::clear::Clear;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use names::{MOUNT_PROGRAM, NFS_PROGRAM, PORTMAP_PROGRAM};
use rpc::{Call, Credentials, Reply};

/// ONC RPC.
pub static SUNRPC: Protocol = Protocol {
    name: "sunrpc",
    title: "ONC RPC",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[111, 2049],
    exposure: Exposure::Negotiated,
    // Calls begin with a number that can be anything; the probe's first look is at two words that cannot.
    opening: Opening::any(4)
        .in_datagrams([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [0; 8])
        .in_streams([0x7e, 0, 0, 0, 0, 0, 0, 0], [0; 8]),
    probe: Some(probe),
    parser: Some(framed::parser::<Rpc>),
    events: &["sunrpc", "nfs", "anomaly"],
    source: "RFC 5531, RFC 1833, RFC 9289",
};

/// NFS: what ONC RPC turns out to be by the number of its program.
pub static NFS: Protocol = Protocol {
    name: "nfs",
    title: "NFS",
    family: Family::Storage,
    probe: None,
    source: "RFC 1094, RFC 1813, RFC 7530, RFC 8881",
    ..SUNRPC
};

/// Bytes of a record that are read.
const SHOWN_MAX: usize = 4 * 1024;
/// Longest fragment that is believed.
const FRAGMENT_MAX: u32 = 1 << 24;

fn probe(probe: &Probe<'_>) -> Found {
    if probe.is_stream() {
        return record(probe.payload, probe.midstream);
    }
    rpc::look(probe.payload, true)
}

/// A record mark (RFC 5531, 11), and a call behind it.
fn record(bytes: &[u8], is_midstream: bool) -> Found {
    let Some((&mark, message)) = bytes.split_first_chunk::<4>() else {
        let is_possible = bytes.first().is_none_or(|first| first & 0x7f == 0);
        return if is_possible { Found::Maybe } else { Found::No };
    };
    let mark = u32::from_be_bytes(mark);
    let len = mark & 0x7fff_ffff;
    if !(24..=FRAGMENT_MAX).contains(&len) {
        return Found::No;
    }
    let message = message.get(..len as usize).unwrap_or(message);
    let is_whole = message.len() == len as usize;
    match rpc::look(message, is_whole) {
        Found::No if is_midstream => rpc::look_at_reply(message),
        found => found,
    }
}

/// Names that the parser gives to services.
pub(in crate::protocols) static SERVICES: &[&str] = &[NFS_SERVICE];

const NFS_SERVICE: &str = "NFS";

/// Whether a call of another program is made for NFS alone: the mount daemon (RFC 1813, appendix I), and the port mapper
/// where it is asked for that or for NFS (RFC 1833, 2.2 and 3).
fn serves_nfs(call: &Call<'_>) -> bool {
    match call.program {
        MOUNT_PROGRAM => true,
        PORTMAP_PROGRAM if matches!(call.procedure, 3 | 5) => {
            matches!(Cursor::new(call.arguments).u32(), Some(NFS_PROGRAM | MOUNT_PROGRAM))
        }
        _ => false,
    }
}

/// A call that waits for its reply.
#[derive(Clone, Debug)]
struct Asked {
    xid: u32,
    program: u32,
    version: u32,
    procedure: u32,
    credentials: Credentials,
}

/// ONC RPC on one flow.
#[derive(Debug, Default)]
struct Rpc {
    calls: Transactions<Asked>,
    /// The last fragment of a direction was not the last of its record.
    goes_on: [bool; 2],
    is_refined: bool,
    clear: Clear,
    tally: nfs::Tally,
}

impl Rpc {
    fn call(&mut self, call: &Call<'_>, report: &mut Report<'_, '_>) {
        if call.program == NFS_PROGRAM && !self.is_refined {
            self.is_refined = true;
            report.refine("nfs", 100);
        }
        if serves_nfs(call) {
            report.service(NFS_SERVICE);
        }
        let asked = Asked {
            xid: call.xid,
            program: call.program,
            version: call.version,
            procedure: call.procedure,
            credentials: call.credentials.clone(),
        };
        // Sent again, because no answer came in time.
        if self.calls.waiting(|other| other.xid == asked.xid && other.procedure == asked.procedure).is_some()
        {
            return;
        }
        if let Some(oldest) = self.calls.open(asked, call.arguments) {
            event::write(&oldest, None, &mut self.clear, report);
            self.calls.recycle(oldest);
        }
    }

    fn reply(&mut self, reply: &Reply<'_>, report: &mut Report<'_, '_>) -> Next {
        let Some(request) = self.calls.close(|asked| asked.xid == reply.xid) else { return Next::More };
        let is_tls = request.key.credentials.is_tls() && reply.starts_tls;
        if self.tally.is_worth_telling(&request, reply) {
            event::write(&request, Some(reply), &mut self.clear, report);
        }
        self.calls.recycle(request);
        if is_tls {
            return Next::Upgrade;
        }
        Next::More
    }
}

impl Messages for Rpc {
    const NAME: &'static str = "sunrpc";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        let Some(mark) = bytes.first_chunk().map(|mark| u32::from_be_bytes(*mark)) else {
            return Framing::Open;
        };
        let len = mark & 0x7fff_ffff;
        if len > FRAGMENT_MAX {
            return Framing::Invalid("invalid_length");
        }
        let goes_on = self.goes_on.get(from as usize).is_some_and(|goes_on| *goes_on);
        Framing::at_most(4 + len as usize, if goes_on { 4 } else { SHOWN_MAX })
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::at_most(bytes.len(), SHOWN_MAX)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut bytes = message.bytes;
        if message.carrier == Carrier::Tcp {
            let mut cursor = Cursor::new(bytes);
            let is_last = cursor.u32().ok_or("malformed_data")? >> 31 == 1;
            bytes = cursor.rest();
            let place = self.goes_on.get_mut(message.from as usize).ok_or("malformed_data")?;
            if core::mem::replace(place, !is_last) {
                return Ok(Next::More);
            }
        }
        if let Some(call) = Call::read(bytes) {
            self.call(&call, report);
            return Ok(Next::More);
        }
        let reply = Reply::read(bytes).ok_or("malformed_data")?;
        Ok(self.reply(&reply, report))
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        record(bytes, true)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(goes_on) = self.goes_on.get_mut(from as usize) {
            *goes_on = false;
        }
    }

    fn clear(&mut self) {
        self.calls.clear();
        (self.goes_on, self.is_refined, self.clear) = ([false; 2], false, Clear::default());
        self.tally = nfs::Tally::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.calls.pop() {
            event::write(&request, None, &mut self.clear, report);
            self.calls.recycle(request);
        }
        self.tally.write(report);
    }
}
