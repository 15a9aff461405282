//! The Remote Desktop Protocol ([MS-RDPBCGR]): the negotiation of X.224, then TLS, or the settings that both sides send
//! each other in clear.
//!
//! `negotiation` reads X.224, `settings` the blocks of the conference (T.124), `event` writes.

mod event;
mod negotiation;
mod settings;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use negotiation::{Confirm, Request, Security};

/// RDP.
pub static RDP: Protocol = Protocol {
    name: "rdp",
    title: "RDP",
    family: Family::RemoteAccess,
    carriers: &[Carrier::Tcp],
    ports: &[PORT],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[3]),
    probe: Some(probe),
    parser: Some(framed::parser::<Rdp>),
    events: &["rdp", "anomaly"],
    source: "[MS-RDPBCGR] 2.2.1, ITU-T X.224 13, ITU-T T.123 8, ITU-T T.124 8.7",
};

const PORT: u16 = 3389;

/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 8 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    match negotiation::look(probe.payload) {
        Found::No if probe.has_port(PORT) && negotiation::is_bare_request(probe.payload) => Found::Likely(85),
        found => found,
    }
}

/// RDP on one flow.
#[derive(Debug, Default)]
struct Rdp {
    transactions: u64,
    asked: Option<Request>,
    /// The client's settings were written.
    has_settings: bool,
}

impl Rdp {
    fn data(&mut self, bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) -> Next {
        match from {
            Direction::ToServer if !self.has_settings => {
                let Some(client) = settings::Client::read(bytes) else { return Next::More };
                self.has_settings = true;
                event::write_client(self.transactions, &client, report);
                self.transactions += 1;
                Next::More
            }
            Direction::ToClient if self.has_settings => {
                let Some(server) = settings::Server::read(bytes) else { return Next::More };
                event::write_server(self.transactions, &server, report);
                Next::Done
            }
            _ => Next::More,
        }
    }
}

impl Messages for Rdp {
    const NAME: &'static str = "rdp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match bytes {
            [3, 0, a, b, ..] => match u16::from_be_bytes([*a, *b]) {
                len @ 7.. => Framing::at_most(usize::from(len), SHOWN_MAX),
                _ => Framing::Invalid("invalid_length"),
            },
            [3] | [3, 0] | [3, 0, _] => Framing::Open,
            _ => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match (message.bytes.get(5), message.from) {
            (Some(0xe0), Direction::ToServer) => {
                let request = Request::read(message.bytes).ok_or("malformed_data")?;
                event::write_request(self.transactions, &request, report);
                self.asked = Some(request);
                self.transactions += 1;
                Ok(Next::More)
            }
            (Some(0xd0), Direction::ToClient) => {
                let confirm = Confirm::read(message.bytes).ok_or("malformed_data")?;
                event::write_confirm(self.transactions, self.asked.as_ref(), &confirm, report);
                self.transactions += 1;
                match confirm {
                    Confirm::Failure(_) => Ok(Next::Done),
                    Confirm::Selected(_, Security::Standard) | Confirm::Plain => Ok(Next::More),
                    Confirm::Selected(..) => Ok(Next::Upgrade),
                }
            }
            (Some(0xf0), from) => Ok(self.data(message.bytes, from, report)),
            _ => Err("unexpected_packet"),
        }
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes {
            [3, 0, _, _, 2, 0xf0, 0x80, ..] => Found::Yes,
            [3, 0, ..] if bytes.len() < 7 => Found::Maybe,
            [3] => Found::Maybe,
            _ => Found::No,
        }
    }

    fn clear(&mut self) {
        (self.transactions, self.asked, self.has_settings) = (0, None, false);
    }
}
