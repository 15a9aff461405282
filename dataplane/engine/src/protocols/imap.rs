//! The Internet Message Access Protocol (RFC 9051, RFC 3501): who logs on how, and when TLS begins.

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::lines::Lines;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// IMAP. Its openings are recognised by signatures.
pub static IMAP: Protocol = Protocol {
    name: "imap",
    title: "IMAP",
    family: Family::Mail,
    carriers: &[Carrier::Tcp],
    ports: &[143, 993],
    exposure: Exposure::Negotiated,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Imap>),
    events: &["imap", "anomaly"],
    source: "RFC 9051, RFC 3501",
};

/// Bytes of a name that are kept.
const TEXT_MAX: usize = 256;
/// Bytes of a tag that can be matched with its answer.
const TAG_MAX: usize = 64;

/// What waits for its tagged answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Tls,
    Login(Vec<u8>),
    Authenticate(Vec<u8>),
}

/// IMAP on one flow.
#[derive(Debug, Default)]
struct Imap {
    /// Bytes of a literal that come next, by direction (RFC 9051, 4.3).
    literals: [usize; 2],
    /// The line goes on behind a literal: it is no new command.
    goes_on: [bool; 2],
    asked: Option<(Vec<u8>, Asked)>,
    clear: Clear,
    pieces: Lines,
}

impl Imap {
    fn command(&mut self, line: &[u8]) {
        let (tag, rest) = lines::words(line);
        let (verb, arguments) = lines::words(rest);
        let first = || {
            // A name that comes as a literal is not read.
            let word =
                Some(lines::words(arguments).0).filter(|word| !word.starts_with(b"{")).unwrap_or_default();
            let word = word.strip_prefix(b"\"").and_then(|word| word.strip_suffix(b"\"")).unwrap_or(word);
            word.get(..TEXT_MAX).unwrap_or(word).to_vec()
        };
        let asked = match verb.to_ascii_uppercase().as_slice() {
            b"STARTTLS" => Asked::Tls,
            b"LOGIN" => Asked::Login(first()),
            b"AUTHENTICATE" => Asked::Authenticate(first()),
            _ => return,
        };
        if tag.len() <= TAG_MAX {
            self.asked = Some((tag.to_vec(), asked));
        }
    }

    fn answer(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Next {
        let (tag, rest) = lines::words(line);
        if self.asked.as_ref().is_none_or(|(asked, _)| asked != tag) {
            return Next::More;
        }
        let is_good = lines::words(rest).0.eq_ignore_ascii_case(b"OK");
        let Some((_, asked)) = self.asked.take() else { return Next::More };
        let (name, value, auth) = match &asked {
            Asked::Tls if is_good => {
                report.event("imap").flag("starttls", true);
                return Next::Upgrade;
            }
            Asked::Tls => return Next::More,
            Asked::Login(user) => ("user", user, "login"),
            Asked::Authenticate(mechanism) => ("mechanism", mechanism, "sasl"),
        };
        let mut event = report.event("imap");
        event.label("auth", auth).text(name, value).flag("success", is_good);
        self.clear.tell(&mut event);
        Next::More
    }
}

/// Length of the literal that a line announces at its end: `{12}` or `{12+}`.
fn literal(line: &[u8]) -> Option<usize> {
    let inside = line.strip_suffix(b"}")?;
    let inside = inside.strip_suffix(b"+").unwrap_or(inside);
    let start = inside.iter().rposition(|byte| *byte == b'{')?;
    let digits = inside.get(start + 1..).filter(|digits| (1..=9).contains(&digits.len()))?;
    digits
        .iter()
        .try_fold(0_usize, |len, digit| digit.is_ascii_digit().then(|| len * 10 + usize::from(digit - b'0')))
}

impl Messages for Imap {
    const NAME: &'static str = "imap";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        match self.literals.get(from as usize) {
            Some(len) if *len > 0 => Framing::at_most(*len, 0),
            _ => lines::framing(bytes),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let side = message.from as usize;
        let (Some(left), Some(goes_on)) = (self.literals.get_mut(side), self.goes_on.get_mut(side)) else {
            return Err("malformed_data");
        };
        if *left > 0 {
            *left = 0;
            return Ok(Next::More);
        }
        let begun = self.pieces.begin(message.bytes, message.from);
        let is_ended = message.bytes.ends_with(b"\n");
        *left = literal(lines::content(message.bytes)).filter(|_| is_ended).unwrap_or_default();
        let went_on = core::mem::replace(goes_on, *left > 0);
        let Some(line) = begun.filter(|_| !went_on) else { return Ok(Next::More) };
        match message.from {
            Direction::ToServer => self.command(line),
            Direction::ToClient => return Ok(self.answer(line, report)),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes.first() {
            Some(b'*' | b'+' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z') => Found::Likely(80),
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        if let (Some(left), Some(goes_on)) =
            (self.literals.get_mut(from as usize), self.goes_on.get_mut(from as usize))
        {
            (*left, *goes_on) = (0, false);
        }
        self.pieces.lost(from);
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
    fn a_logon_is_read_and_its_password_is_not() {
        let mut bench = Bench::new(&IMAP);
        bench.stream(ToClient, b"* OK ready\r\n");
        bench.stream(ToServer, b"a1 LOGIN \"alice\" \"hidden\"\r\n");
        bench.stream(ToClient, b"* CAPABILITY IMAP4rev1\r\na1 OK done\r\n");
        assert_eq!(
            (bench.text("imap", "user"), bench.text("imap", "auth")),
            ("alice".into(), "login".into())
        );
        assert_eq!(bench.value("imap", "success"), Some(Datum::Flag(true)));
        assert!(!bench.all().iter().any(|item| item.contains("104, 105, 100, 100")));
    }

    #[test]
    fn tls_is_handed_on_and_a_message_within_is_no_command() {
        let mut bench = Bench::new(&IMAP);
        bench.stream(ToServer, b"a1 APPEND x {16}\r\na2 STARTTLS\r\nxxx\r\n");
        bench.stream(ToClient, b"a2 OK\r\n");
        assert_eq!(bench.ending, None);
        bench.stream(ToServer, b"a3 STARTTLS\r\n");
        bench.stream(ToClient, b"a3 OK begin\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
    }

    proptest! {
        #[test]
        fn any_text_reads_the_same_in_any_cut(client in "a (LOGIN|STARTTLS|AUTHENTICATE|APPEND) [a-z]{0,9} (\\{1?[0-9]\\}\r\n)?[ -~\r\n]{0,40}", server in "a (OK|NO)[ -~\r\n]{0,40}") {
            assert_any_cut_agrees(&IMAP, &[(ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
