//! Internet Relay Chat: who joins what on which server, and when TLS begins (RFC 2812; IRCv3 tls).
//!
//! What people say to each other is not written.

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// IRC. Its openings are recognised by signatures.
pub static IRC: Protocol = Protocol {
    name: "irc",
    title: "IRC",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[6667, 6668, 6669, 6697],
    exposure: Exposure::Negotiated,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Irc>),
    events: &["irc", "anomaly"],
    source: "RFC 1459, RFC 2812; IRCv3",
};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 256;
/// Joins of a flow that are told.
const JOINS_MAX: u8 = 32;

/// IRC on one flow.
#[derive(Debug, Default)]
struct Irc {
    nick: Vec<u8>,
    has_password: bool,
    has_sasl: bool,
    wants_tls: bool,
    is_registered: bool,
    joins: u8,
    clear: Clear,
}

/// A message: who sent it, what it is, its parameters (RFC 2812, 2.3.1).
fn split(line: &[u8]) -> (&[u8], &[u8], &[u8]) {
    // Tags of IRCv3 stand in front.
    let line = if line.starts_with(b"@") { lines::words(line).1 } else { line };
    let (prefix, rest) = match line.strip_prefix(b":") {
        Some(line) => lines::words(line),
        None => (&[][..], line),
    };
    let (command, parameters) = lines::words(rest);
    (prefix, command, parameters)
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..TEXT_MAX).unwrap_or(text)
}

impl Irc {
    fn client(&mut self, command: &[u8], parameters: &[u8], report: &mut Report<'_, '_>) {
        let first = lines::words(parameters).0;
        match command.to_ascii_uppercase().as_slice() {
            b"NICK" => {
                self.nick.clear();
                self.nick.extend_from_slice(cut(first.strip_prefix(b":").unwrap_or(first)));
            }
            b"PASS" => self.has_password = true,
            b"AUTHENTICATE" => self.has_sasl = true,
            b"STARTTLS" => self.wants_tls = true,
            b"JOIN" if self.joins < JOINS_MAX && !first.is_empty() => {
                self.joins += 1;
                let mut event = report.event("irc");
                event.label("command", "join").text("channels", cut(first));
                self.clear.tell(&mut event);
            }
            _ => {}
        }
    }

    fn server(&mut self, prefix: &[u8], command: &[u8], report: &mut Report<'_, '_>) -> Next {
        match command {
            b"670" if core::mem::take(&mut self.wants_tls) => {
                report.event("irc").label("command", "starttls").flag("starttls", true);
                return Next::Upgrade;
            }
            // Welcome, or a password that is wrong (RFC 2812, 5.1 and 5.2).
            b"001" | b"464" if !core::mem::replace(&mut self.is_registered, command == b"001") => {
                let mut event = report.event("irc");
                event.label("command", "register").flag("success", command == b"001");
                event.text("server", cut(prefix)).text("nick", &self.nick);
                event.flag("has_password", self.has_password).flag("has_sasl", self.has_sasl);
                self.clear.tell(&mut event);
            }
            _ => {}
        }
        Next::More
    }
}

impl Messages for Irc {
    const NAME: &'static str = "irc";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        lines::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (prefix, command, parameters) = split(lines::content(message.bytes));
        match message.from {
            Direction::ToClient => return Ok(self.server(prefix, command, report)),
            Direction::ToServer => self.client(command, parameters, report),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes.first() {
            Some(byte) if byte.is_ascii_uppercase() || *byte == b':' || *byte == b'@' => Found::Likely(80),
            _ => Found::No,
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Then;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    #[test]
    fn registrations_and_joins_are_told_and_what_is_said_is_not() {
        let mut bench = Bench::new(&IRC);
        bench.stream(ToServer, b"PASS hidden\r\nNICK alice\r\nUSER alice 0 * :Alice\r\n");
        bench.stream(ToClient, b":irc.example.org 001 alice :Welcome\r\n");
        bench.stream(ToServer, b"JOIN #test\r\nPRIVMSG #test :hello there\r\n");
        assert_eq!(bench.kinds(), ["irc"; 2]);
        assert_eq!(
            (bench.text("irc", "server"), bench.text("irc", "nick")),
            ("irc.example.org".into(), "alice".into())
        );
        assert_eq!(bench.text("irc", "channels"), "#test");
        assert_eq!(bench.value("irc", "has_password"), Some(Datum::Flag(true)));
        let all = bench.all().join(" ");
        assert!(!all.contains("104, 105, 100, 100") && !all.contains("104, 101, 108, 108"), "{all}");
    }

    #[test]
    fn tls_is_handed_on_when_the_server_agrees() {
        let mut bench = Bench::new(&IRC);
        bench.stream(ToServer, b"STARTTLS\r\n");
        bench.stream(ToClient, b":irc.example.org 670 * :STARTTLS successful\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
    }

    proptest! {
        #[test]
        fn any_text_reads_the_same_in_any_cut(client in "(NICK|JOIN|STARTTLS)[ -~\r\n]{0,40}", server in "(:a 001|:a 670|@x :a 464)[ -~\r\n]{0,40}") {
            assert_any_cut_agrees(&IRC, &[(ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
