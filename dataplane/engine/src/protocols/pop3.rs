//! The Post Office Protocol, version 3 (RFC 1939), with STLS (RFC 2595): who logs on how, and when TLS begins.

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::lines::Lines;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// POP3. Its openings are recognised by signatures.
pub static POP3: Protocol = Protocol {
    name: "pop3",
    title: "POP3",
    family: Family::Mail,
    carriers: &[Carrier::Tcp],
    ports: &[110, 995],
    exposure: Exposure::Negotiated,
    opening: Opening::any(3),
    probe: None,
    parser: Some(framed::parser::<Pop3>),
    events: &["pop3", "anomaly"],
    source: "RFC 1939, RFC 2595, RFC 5034",
};

/// Bytes of a name that are kept.
const TEXT_MAX: usize = 256;

/// How the client logs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Logon {
    #[default]
    None,
    Password,
    Digest,
    Sasl,
}

/// POP3 on one flow.
#[derive(Debug, Default)]
struct Pop3 {
    user: Vec<u8>,
    logon: Logon,
    /// A logon, or STLS, waits for its answer.
    is_asked: bool,
    wants_tls: bool,
    clear: Clear,
    pieces: Lines,
}

impl Pop3 {
    fn command(&mut self, line: &[u8]) {
        let (verb, rest) = lines::words(line);
        let logon = match verb.to_ascii_uppercase().as_slice() {
            b"USER" => {
                self.keep(rest);
                return;
            }
            b"STLS" => {
                self.wants_tls = true;
                return;
            }
            b"PASS" => Logon::Password,
            b"APOP" => {
                self.keep(lines::words(rest).0);
                Logon::Digest
            }
            b"AUTH" if !rest.is_empty() => Logon::Sasl,
            _ => return,
        };
        (self.logon, self.is_asked) = (logon, true);
    }

    fn keep(&mut self, user: &[u8]) {
        self.user.clear();
        self.user.extend_from_slice(user.get(..TEXT_MAX).unwrap_or(user));
    }

    fn reply(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Next {
        let is_good = line.starts_with(b"+OK");
        if !(is_good || line.starts_with(b"-ERR")) {
            return Next::More;
        }
        if core::mem::take(&mut self.wants_tls) && is_good {
            report.event("pop3").flag("starttls", true);
            return Next::Upgrade;
        }
        if core::mem::take(&mut self.is_asked) {
            let mut event = report.event("pop3");
            if !self.user.is_empty() {
                event.text("user", &self.user);
            }
            event.label(
                "auth",
                match self.logon {
                    Logon::Password => "password",
                    Logon::Digest => "apop",
                    Logon::Sasl | Logon::None => "sasl",
                },
            );
            event.flag("success", is_good);
            self.clear.tell(&mut event);
        }
        Next::More
    }
}

impl Messages for Pop3 {
    const NAME: &'static str = "pop3";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        lines::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let Some(line) = self.pieces.begin(message.bytes, message.from) else { return Ok(Next::More) };
        match message.from {
            Direction::ToClient => return Ok(self.reply(line, report)),
            Direction::ToServer => self.command(line),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match from {
            Direction::ToServer if bytes.first().is_some_and(u8::is_ascii_alphabetic) => Found::Likely(80),
            Direction::ToClient if bytes.starts_with(b"+OK") || bytes.starts_with(b"-ERR") => {
                Found::Likely(90)
            }
            Direction::ToClient if b"+OK".starts_with(bytes) || b"-ERR".starts_with(bytes) => Found::Maybe,
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        self.pieces.lost(from);
    }

    fn clear(&mut self) {
        self.user.clear();
        (self.logon, self.is_asked, self.wants_tls) = (Logon::None, false, false);
        (self.clear, self.pieces) = (Clear::default(), Lines::default());
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
    fn what_follows_a_very_long_password_is_no_command() {
        let mut bench = Bench::new(&POP3);
        bench.stream(ToServer, &[&b"PASS "[..], &[b'x'; 4091], b"USER eve\r\nUSER alice\r\n"].concat());
        bench.stream(ToClient, b"+OK\r\n");
        bench.stream(ToServer, b"PASS y\r\n");
        bench.stream(ToClient, b"+OK\r\n");
        assert!(!bench.all().iter().any(|item| item.contains("eve")));
    }

    #[test]
    fn a_logon_is_read_and_its_password_is_not() {
        let mut bench = Bench::new(&POP3);
        bench.stream(ToClient, b"+OK ready\r\n");
        bench.stream(ToServer, b"USER alice\r\nPASS hidden\r\n");
        bench.stream(ToClient, b"+OK\r\n");
        bench.stream(ToClient, b"-ERR no\r\n");
        assert_eq!(
            (bench.text("pop3", "user"), bench.text("pop3", "auth")),
            ("alice".into(), "password".into())
        );
        assert_eq!(bench.kinds(), ["pop3"]);
        assert!(!bench.all().iter().any(|item| item.contains("104, 105, 100, 100")));
    }

    #[test]
    fn tls_is_handed_on_when_the_server_agrees() {
        let mut bench = Bench::new(&POP3);
        bench.stream(ToServer, b"STLS\r\n");
        bench.stream(ToClient, b"+OK begin\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
        assert_eq!(bench.value("pop3", "starttls"), Some(Datum::Flag(true)));
    }

    proptest! {
        #[test]
        fn any_text_reads_the_same_in_any_cut(client in "[A-Z ]{0,20}(USER|PASS|STLS|AUTH)[ -~\r\n]{0,40}", server in "(\\+OK|-ERR)[ -~\r\n]{0,40}") {
            assert_any_cut_agrees(&POP3, &[(ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
