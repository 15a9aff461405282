//! The Network News Transfer Protocol: who logs on, which groups are read, and when TLS begins (RFC 3977, 4642, 4643).

use super::clear::Clear;
use super::framed::{self, Framing, Masked, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// NNTP. Its openings are recognised by signatures.
pub static NNTP: Protocol = Protocol {
    name: "nntp",
    title: "NNTP",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[119, 563],
    exposure: Exposure::Negotiated,
    opening: Opening::any(3),
    probe: None,
    parser: Some(framed::parser::<Nntp>),
    events: &["nntp", "anomaly"],
    source: "RFC 3977, RFC 4642, RFC 4643",
};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 256;
/// Events of groups that are written of a flow.
const GROUPS_MAX: u8 = 32;

/// NNTP on one flow.
#[derive(Debug, Default)]
struct Nntp {
    has_greeting: bool,
    wants_tls: bool,
    user: Masked,
    /// A password, or a step of SASL, waits for its answer.
    is_logging_on: bool,
    groups: u8,
    clear: Clear,
}

impl Nntp {
    fn command(&mut self, line: &[u8], report: &mut Report<'_, '_>) {
        let (verb, rest) = lines::words(line);
        let (kind, value) = lines::words(rest);
        match verb.to_ascii_uppercase().as_slice() {
            b"STARTTLS" => self.wants_tls = true,
            b"AUTHINFO" if kind.eq_ignore_ascii_case(b"USER") => self.user = Masked::of(value),
            b"AUTHINFO" => self.is_logging_on = true,
            b"GROUP" | b"LISTGROUP" if !kind.is_empty() && self.groups < GROUPS_MAX => {
                self.groups += 1;
                let mut event = report.event("nntp");
                event.text("group", kind.get(..TEXT_MAX).unwrap_or(kind));
                self.clear.tell(&mut event);
            }
            _ => {}
        }
    }

    fn reply(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Next {
        // Lines of articles come between replies; those that count have a code that was waited for.
        let Some((code, _, text)) = lines::reply(line) else { return Next::More };
        match code {
            200 | 201 if !core::mem::replace(&mut self.has_greeting, true) => {
                report.event("nntp").text("greeting", text.get(..TEXT_MAX).unwrap_or(text));
            }
            382 if self.wants_tls => {
                report.event("nntp").flag("starttls", true);
                return Next::Upgrade;
            }
            281 | 283 | 481 | 482 if core::mem::take(&mut self.is_logging_on) => {
                let mut event = report.event("nntp");
                self.user.write("user", &mut event);
                event.flag("success", code < 300);
                self.clear.tell(&mut event);
            }
            _ => {}
        }
        Next::More
    }
}

impl Messages for Nntp {
    const NAME: &'static str = "nntp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        lines::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let line = lines::content(message.bytes);
        match message.from {
            Direction::ToClient => return Ok(self.reply(line, report)),
            Direction::ToServer => self.command(line, report),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match (from, bytes.first()) {
            (Direction::ToServer, Some(byte)) if byte.is_ascii_alphabetic() => Found::Likely(80),
            (Direction::ToClient, Some(byte)) if byte.is_ascii_digit() => Found::Likely(80),
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
    fn logons_and_groups_are_told_and_passwords_are_not() {
        let mut bench = Bench::new(&NNTP);
        bench.stream(ToClient, b"200 news.example.org ready (posting ok)\r\n");
        bench.stream(ToServer, b"AUTHINFO USER alice\r\n");
        bench.stream(ToClient, b"381 more\r\n");
        bench.stream(ToServer, b"AUTHINFO PASS hidden\r\n");
        bench.stream(ToClient, b"281 welcome\r\n");
        bench.stream(ToServer, b"GROUP misc.test\r\n");
        assert_eq!(bench.kinds(), ["nntp"; 3]);
        assert_eq!(
            (bench.text("nntp", "user"), bench.text("nntp", "group")),
            ("a***".into(), "misc.test".into())
        );
        assert_eq!(bench.value("nntp", "success"), Some(Datum::Flag(true)));
        assert!(!bench.all().join(" ").contains("104, 105, 100, 100"));
    }

    #[test]
    fn tls_is_handed_on_when_the_server_agrees() {
        let mut bench = Bench::new(&NNTP);
        bench.stream(ToServer, b"STARTTLS\r\n");
        bench.stream(ToClient, b"382 go on\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
    }

    proptest! {
        #[test]
        fn any_text_reads_the_same_in_any_cut(client in "(STARTTLS|GROUP|AUTHINFO)[ -~\r\n]{0,40}", server in "(200|382|281)[ -~\r\n]{0,40}") {
            assert_any_cut_agrees(&NNTP, &[(ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
