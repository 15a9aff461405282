//! BGP: who peers with whom, what they can, and what routes they exchange (RFC 4271).

mod message;
mod names;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use message::{Agreed, Notification, Open, Paths, Update};

/// The Border Gateway Protocol.
pub static BGP: Protocol = Protocol {
    name: "bgp",
    title: "BGP",
    family: Family::Network,
    carriers: &[Carrier::Tcp],
    ports: &[179],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0xff]),
    probe: Some(probe),
    parser: Some(framed::parser::<Bgp>),
    events: &["bgp", "anomaly"],
    source: "RFC 4271, RFC 4760, RFC 5492, RFC 6793, RFC 7911, RFC 9003",
};

const HEADER_LEN: usize = 19;
const MARKER: [u8; 16] = [0xff; 16];
/// Updates of a flow that are told one by one; the rest are counted.
const UPDATES_TOLD: u32 = 64;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let marker = bytes.get(..MARKER.len()).unwrap_or(bytes);
    if marker.iter().any(|byte| *byte != 0xff) {
        return Found::No;
    }
    match Header::read(bytes) {
        Some(_) => Found::Yes,
        None if bytes.len() < HEADER_LEN => Found::Maybe,
        None => Found::No,
    }
}

/// The header of a message (RFC 4271, 4.1).
#[derive(Clone, Copy, Debug)]
struct Header {
    len: usize,
    kind: u8,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let [.., l1, l0, kind] = *head;
        let len = usize::from(u16::from_be_bytes([l1, l0]));
        // Least and most bytes by type; opens and keepalives never use extended messages (RFC 8654, 3).
        let (least, most) = match kind {
            1 => (29, 4096),
            2 => (23, 65_535),
            3 => (21, 65_535),
            4 => (19, 19),
            5 => (23, 65_535),
            _ => return None,
        };
        (head.starts_with(&MARKER) && (least..=most).contains(&len)).then_some(Self { len, kind })
    }
}

/// BGP on one flow.
#[derive(Debug, Default)]
struct Bgp {
    /// Both sides know numbers of autonomous systems of four bytes, where their opens were seen.
    wide: [Option<bool>; 2],
    /// For which families each side sends or takes several paths, where its open was seen.
    paths: [Option<Paths>; 2],
    updates: u32,
    keepalives: u32,
    announced: u64,
    withdrawn: u64,
}

impl Messages for Bgp {
    const NAME: &'static str = "bgp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match (Header::read(bytes), look(bytes)) {
            // The longest messages are just as long as what is held for a direction.
            (Some(header), _) => Framing::at_most(header.len, 8192),
            (None, Found::Maybe) => Framing::Open,
            (None, _) => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        let content = message.bytes.get(HEADER_LEN..).unwrap_or_default();
        match header.kind {
            1 => {
                let open = Open::read(content).ok_or("malformed_open")?;
                if let Some(wide) = self.wide.get_mut(message.from as usize) {
                    *wide = Some(open.is_wide());
                }
                if let Some(paths) = self.paths.get_mut(message.from as usize) {
                    *paths = Some(open.paths());
                }
                open.write(report);
            }
            2 => self.update(content, message.from, header.len <= message.bytes.len(), report)?,
            3 => Notification::read(content).ok_or("malformed_notification")?.write(report),
            4 => self.keepalives = self.keepalives.saturating_add(1),
            _ => {
                let [f1, f0, kind, safi] = *content.first_chunk::<4>().ok_or("malformed_refresh")?;
                let mut event = report.event("bgp");
                event.label("type", "route_refresh");
                names::write_family(u16::from_be_bytes([f1, f0]), safi, "family", &mut event);
                event.number("subtype", kind);
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.updates + self.keepalives == 0 {
            return;
        }
        report
            .event("bgp")
            .label("type", "summary")
            .number("updates", self.updates)
            .number("keepalives", self.keepalives)
            .number("announced", self.announced)
            .number("withdrawn", self.withdrawn);
    }
}

impl Bgp {
    fn update(
        &mut self,
        content: &[u8],
        from: Direction,
        is_whole: bool,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let wide = match self.wide {
            [Some(a), Some(b)] => Some(a && b),
            _ => None,
        };
        let paths = match (&self.paths, from) {
            ([Some(server_bound), Some(client_bound)], Direction::ToServer) => {
                Some((server_bound, client_bound))
            }
            ([Some(server_bound), Some(client_bound)], Direction::ToClient) => {
                Some((client_bound, server_bound))
            }
            _ => None,
        };
        let update = match Update::read(content, Agreed { wide, paths }) {
            Some(update) => update,
            None if is_whole => return Err("malformed_update"),
            None => Update::default(),
        };
        self.announced += u64::from(update.announced);
        self.withdrawn += u64::from(update.withdrawn);
        self.updates = self.updates.saturating_add(1);
        if self.updates <= UPDATES_TOLD {
            update.write(report);
        }
        Ok(())
    }
}
