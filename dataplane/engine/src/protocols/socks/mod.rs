//! SOCKS, versions 4, 4A and 5: who is asked to connect where, and then whatever is spoken with that end (RFC 1928).

mod message;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Masked, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::{Datum, Direction, EventWriter};
use message::{Target, reply_4, reply_5};

/// SOCKS. Its openings are recognised by signatures.
pub static SOCKS: Protocol = Protocol {
    name: "socks",
    title: "SOCKS",
    family: Family::Network,
    carriers: &[Carrier::Tcp],
    ports: &[1080],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(2, &[4, 5]),
    probe: None,
    parser: Some(framed::parser::<Socks>),
    events: &["socks", "anomaly"],
    source: "RFC 1928, RFC 1929; NEC SOCKS 4 and 4A",
};

/// The service that flows through a proxy are given.
pub(super) static SERVICES: &[&str] = &[SERVICE];

const SERVICE: &str = "SOCKS";
/// Bytes of a version 4 request: head, name of the user, and in 4A name of the host.
const REQUEST_4_MAX: usize = 8 + 256 + 256;

/// What was read of a side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Side {
    #[default]
    Nothing,
    /// The methods were named, or one chosen.
    Method,
    /// The request, or its answer.
    Done,
}

/// SOCKS on one flow.
#[derive(Debug, Default)]
struct Socks {
    client: Side,
    server: Side,
    version: u8,
    /// Method of authentication that the server chose.
    method: Option<u8>,
    /// A user logged on with a password, and whether that was right.
    user: Masked,
    has_password: bool,
    logon: Option<bool>,
    command: u8,
    target: Target,
}

impl Messages for Socks {
    const NAME: &'static str = "socks";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        let len = match (from, self.side(from), bytes) {
            // Version 4: nine bytes at least, and ends of names.
            (Direction::ToServer, Side::Nothing, [4, ..]) => message::request_4(bytes, REQUEST_4_MAX),
            (Direction::ToServer, Side::Nothing, [5, methods, ..]) => Ok(Some(2 + usize::from(*methods))),
            (Direction::ToServer, Side::Method, [1, user, rest @ ..]) => {
                let password = rest.get(usize::from(*user));
                Ok(password.map(|password| 3 + usize::from(*user) + usize::from(*password)))
            }
            (_, Side::Method, [5, ..]) => message::request_5(bytes),
            (Direction::ToClient, Side::Nothing, [0, ..]) => Ok(Some(8)),
            (Direction::ToClient, Side::Nothing, [5, ..]) | (Direction::ToClient, Side::Method, [1, ..]) => {
                Ok(Some(2))
            }
            (_, Side::Nothing, [5]) | (_, Side::Method, [1]) => Ok(None),
            _ => Err("unexpected_message"),
        };
        match len {
            Ok(Some(len)) => Framing::whole(len),
            Ok(None) => Framing::Open,
            Err(name) => Framing::Invalid(name),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match message.from {
            Direction::ToServer => self.client(message.bytes),
            Direction::ToClient => self.server(message.bytes, report),
        }
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        // A request without an answer is worth telling.
        if self.client == Side::Done && self.server != Side::Done {
            self.write(None, None, &mut report.event("socks"));
        }
    }
}

impl Socks {
    const fn side(&self, from: Direction) -> Side {
        match from {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }

    fn client(&mut self, bytes: &[u8]) -> Result<Next, &'static str> {
        match (self.client, bytes) {
            (Side::Nothing, [4, command, ..]) => {
                self.version = 4;
                self.command = *command;
                (self.target, self.user) = message::target_4(bytes).ok_or("malformed_request")?;
                self.client = Side::Done;
            }
            (Side::Nothing, _) => {
                self.version = 5;
                self.client = Side::Method;
            }
            // A user's name and password (RFC 1929, 2).
            (_, [1, len, rest @ ..]) => {
                self.user = Masked::of(rest.get(..usize::from(*len)).unwrap_or_default());
                self.has_password = true;
            }
            (_, [_, command, _, rest @ ..]) => {
                self.command = *command;
                self.target = message::target_5(rest).ok_or("malformed_request")?;
                self.client = Side::Done;
            }
            _ => return Err("malformed_request"),
        }
        Ok(Next::More)
    }

    fn server(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (code, bound) = match (self.server, bytes) {
            (Side::Nothing, [0, code, rest @ ..]) => (*code, message::bound_4(rest)),
            (Side::Nothing, [5, method]) => {
                self.server = Side::Method;
                self.method = Some(*method);
                return match method {
                    0 | 2 => Ok(Next::More),
                    // What follows another method is wrapped by it (RFC 1928, 3), and nothing follows none.
                    _ => {
                        self.write(None, None, &mut report.event("socks"));
                        Ok(Next::Done)
                    }
                };
            }
            (Side::Method, [1, status]) => {
                self.logon = Some(*status == 0);
                return Ok(Next::More);
            }
            (Side::Method, [5, code, _, rest @ ..]) => (*code, message::target_5(rest)),
            _ => return Err("malformed_reply"),
        };
        self.server = Side::Done;
        self.write(Some(code), bound, &mut report.event("socks"));
        let is_granted = if self.version == 4 { code == 90 } else { code == 0 };
        if is_granted && self.command == 1 {
            report.service(SERVICE);
            return Ok(Next::Upgrade);
        }
        Ok(Next::Done)
    }

    fn write(&self, code: Option<u8>, bound: Option<Target>, event: &mut EventWriter<'_>) {
        event.number("version", self.version);
        if let Some(method) = self.method {
            event.label("method", message::method(method));
        }
        self.user.write("user", event);
        if self.has_password {
            event.flag("has_password", true);
        }
        if let Some(logon) = self.logon {
            event.flag("logged_on", logon);
        }
        if self.client == Side::Done {
            event.label("command", message::command(self.command));
            write_target(&self.target, "host", "address", event);
            event.number("port", self.target.port);
        }
        if let Some(code) = code {
            let reply = if self.version == 4 { reply_4(code) } else { reply_5(code) };
            event.label("reply", reply).number("reply_code", code);
        }
        if let Some(bound) = bound {
            event.object("bound");
            write_target(&bound, "host", "address", event);
            event.number("port", bound.port).close();
        }
    }
}

fn write_target(target: &Target, host: &'static str, address: &'static str, event: &mut EventWriter<'_>) {
    if let Some(ip) = target.address {
        event.datum(address, Datum::Ip(ip));
    }
    if !target.host.is_empty() {
        event.text(host, &target.host);
    }
}
