//! The Simple Mail Transfer Protocol (RFC 5321) and LMTP (RFC 2033): envelopes, authentication, and STARTTLS (RFC 3207).

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::lines::Lines;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// SMTP. Its openings are recognised by signatures.
pub static SMTP: Protocol = Protocol {
    name: "smtp",
    title: "SMTP",
    family: Family::Mail,
    carriers: &[Carrier::Tcp],
    ports: &[25, 465, 587],
    exposure: Exposure::Negotiated,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Smtp>),
    events: &["smtp", "anomaly"],
    source: "RFC 5321, RFC 3207, RFC 4954, RFC 3030",
};

/// LMTP: what SMTP turns out to be where the client says LHLO.
pub static LMTP: Protocol =
    Protocol { name: "lmtp", title: "LMTP", ports: &[24], source: "RFC 2033", ..SMTP };

/// Recipients of one envelope that are written.
const RECIPIENTS_MAX: usize = 32;
/// Bytes of a name or address that are kept.
const TEXT_MAX: usize = 320;

/// What the client sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Commands,
    /// A message, up to a line with a dot.
    Data,
    /// This many bytes of a chunk (RFC 3030).
    Chunk(usize),
    /// Lines of an authentication: secrets.
    Authentication,
}

/// SMTP on one flow.
#[derive(Debug, Default)]
struct Smtp {
    phase: Phase,
    /// Lines of the client that the server has not answered.
    awaited: u32,
    wants_tls: bool,
    has_greeting: bool,
    banner: Vec<u8>,
    helo: Vec<u8>,
    sender: Option<Vec<u8>>,
    recipients: Vec<Vec<u8>>,
    recipients_count: u32,
    /// Mechanism of an authentication, until it is written.
    mechanism: Vec<u8>,
    /// Something was learnt that no event says.
    is_untold: bool,
    clear: Clear,
    pieces: Lines,
}

impl Smtp {
    fn command(&mut self, line: &[u8], report: &mut Report<'_, '_>) {
        let (verb, rest) = lines::words(line);
        match verb.to_ascii_uppercase().as_slice() {
            verb @ (b"EHLO" | b"HELO" | b"LHLO") => {
                // Only LMTP has it (RFC 2033, 4.1).
                if verb == b"LHLO" {
                    report.refine("lmtp", 99);
                }
                keep(&mut self.helo, rest);
                self.is_untold = true;
            }
            b"MAIL" => {
                self.sender = Some(address(rest));
                self.recipients.clear();
                self.recipients_count = 0;
                self.is_untold = true;
            }
            b"RCPT" => {
                self.recipients_count = self.recipients_count.saturating_add(1);
                if self.recipients.len() < RECIPIENTS_MAX {
                    self.recipients.push(address(rest));
                }
            }
            b"DATA" => self.phase = Phase::Data,
            b"BDAT" => {
                let (size, _) = lines::words(rest);
                let size = size.iter().take(9).filter(|digit| digit.is_ascii_digit());
                let size = size.fold(0_usize, |size, digit| size * 10 + usize::from(digit - b'0'));
                self.phase = if size == 0 { Phase::Commands } else { Phase::Chunk(size) };
            }
            b"AUTH" => {
                keep(&mut self.mechanism, lines::words(rest).0);
                self.is_untold = true;
                self.phase = Phase::Authentication;
            }
            b"STARTTLS" => self.wants_tls = true,
            b"QUIT" => self.write(report),
            _ => {}
        }
    }

    fn reply(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (code, is_last, text) = lines::reply(line).ok_or("invalid_reply")?;
        if !self.has_greeting {
            keep(&mut self.banner, text);
            self.has_greeting = is_last;
            return Ok(Next::More);
        }
        if !is_last {
            return Ok(Next::More);
        }
        self.awaited = self.awaited.saturating_sub(1);
        if self.awaited > 0 {
            // What changes the phase is the last of its group (RFC 2920, 3.1).
            return Ok(Next::More);
        }
        if self.wants_tls {
            if code == 220 {
                self.is_untold = true;
                self.write(report);
                return Ok(Next::Upgrade);
            }
            self.wants_tls = false;
        }
        match self.phase {
            // 334 asks for more of it (RFC 4954, 4).
            Phase::Authentication if code != 334 => self.phase = Phase::Commands,
            Phase::Data if code >= 400 => self.phase = Phase::Commands,
            _ => {}
        }
        Ok(Next::More)
    }

    fn write(&mut self, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_untold) {
            return;
        }
        let mut event = report.event("smtp");
        for (name, text) in [("banner", &self.banner), ("helo", &self.helo), ("auth", &self.mechanism)] {
            if !text.is_empty() {
                event.text(name, text);
            }
        }
        if self.wants_tls {
            event.flag("starttls", true);
        } else {
            self.clear.tell(&mut event);
        }
        if let Some(sender) = self.sender.take() {
            event.text("mail_from", &sender).list("rcpt_to");
            for recipient in self.recipients.drain(..) {
                event.text("", &recipient);
            }
            event.close().number("rcpt_count", self.recipients_count);
        }
        self.mechanism.clear();
    }
}

fn keep(kept: &mut Vec<u8>, text: &[u8]) {
    kept.clear();
    kept.extend_from_slice(text.get(..TEXT_MAX).unwrap_or(text));
}

/// The address between brackets of `FROM:<a@b> SIZE=1`.
fn address(argument: &[u8]) -> Vec<u8> {
    let after = argument.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    let path = argument.get(after..).unwrap_or_default().trim_ascii_start();
    let path = lines::words(path).0;
    let end = path.iter().position(|byte| *byte == b'>').map_or(path.len(), |end| end + 1);
    path.get(..end.min(TEXT_MAX)).unwrap_or(path).to_vec()
}

impl Messages for Smtp {
    const NAME: &'static str = "smtp";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        match self.phase {
            Phase::Chunk(len) if from == Direction::ToServer => Framing::at_most(len, 0),
            _ => lines::framing(bytes),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if matches!(self.phase, Phase::Chunk(_)) && message.from == Direction::ToServer {
            self.phase = Phase::Commands;
            self.write(report);
            return Ok(Next::More);
        }
        let Some(line) = self.pieces.begin(message.bytes, message.from) else { return Ok(Next::More) };
        if message.from == Direction::ToClient {
            return self.reply(line, report);
        }
        if matches!(self.phase, Phase::Commands | Phase::Authentication)
            || self.phase == Phase::Data && line == b"."
        {
            self.awaited = self.awaited.saturating_add(1);
        }
        match self.phase {
            Phase::Commands => self.command(line, report),
            Phase::Data if line == b"." => {
                self.phase = Phase::Commands;
                self.write(report);
            }
            Phase::Data | Phase::Chunk(_) | Phase::Authentication => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match from {
            Direction::ToServer if bytes.first().is_some_and(u8::is_ascii_alphabetic) => Found::Likely(80),
            Direction::ToClient if bytes.len() < 4 => Found::Maybe,
            Direction::ToClient if bytes.get(..4).is_some_and(|head| lines::reply(head).is_some()) => {
                Found::Likely(90)
            }
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        self.pieces.lost(from);
        // The rest of a message that was cut is not read as commands.
        if from == Direction::ToServer && self.phase != Phase::Commands {
            self.phase = Phase::Data;
        }
    }

    fn clear(&mut self) {
        (self.phase, self.wants_tls, self.has_greeting, self.is_untold) =
            (Phase::Commands, false, false, false);
        (self.awaited, self.clear, self.pieces) = (0, Clear::default(), Lines::default());
        self.banner.clear();
        self.helo.clear();
        self.sender = None;
        self.recipients.clear();
        self.recipients_count = 0;
        self.mechanism.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.write(report);
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

    fn delivery() -> Vec<(Direction, Vec<u8>)> {
        [
            (ToClient, "220 mx.example.org ESMTP\r\n"),
            (ToServer, "EHLO c.example.org\r\n"),
            (ToClient, "250-mx.example.org\r\n250 AUTH LOGIN\r\n"),
            (ToServer, "AUTH LOGIN\r\n"),
            (ToClient, "334 VXNlcm5hbWU6\r\n"),
            (ToServer, "c2VjcmV0\r\n"),
            (ToClient, "235 ok\r\n"),
            (ToServer, "MAIL FROM:<a@example.org> SIZE=9\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"),
            (ToClient, "250 ok\r\n250 ok\r\n354 go\r\n"),
            (ToServer, "Subject: x\r\n\r\nMAIL FROM:<evil@example.org>\r\n.\r\nQUIT\r\n"),
            (ToClient, "250 ok\r\n221 bye\r\n"),
        ]
        .map(|(from, text)| (from, text.as_bytes().to_vec()))
        .to_vec()
    }

    #[test]
    fn an_envelope_is_read_and_neither_its_message_nor_a_secret() {
        let mut bench = Bench::new(&SMTP);
        delivery().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        assert_eq!(bench.kinds(), ["smtp"]);
        assert_eq!(bench.text("smtp", "mail_from"), "<a@example.org>");
        assert_eq!(bench.text("smtp", "auth"), "LOGIN");
        assert_eq!(bench.value("smtp", "rcpt_count"), Some(Datum::Unsigned(1)));
        assert!(!bench.all().iter().any(|item| item.contains("c2VjcmV0") || item.contains("99, 50, 86")));
    }

    #[test]
    fn tls_is_handed_on_when_the_server_agrees() {
        let mut bench = Bench::new(&SMTP);
        bench.stream(ToClient, b"220 mx\r\n");
        bench.stream(ToServer, b"EHLO c\r\nSTARTTLS\r\n");
        bench.stream(ToClient, b"250 c\r\n220 go ahead\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
        assert_eq!(bench.value("smtp", "starttls"), Some(Datum::Flag(true)));
    }

    #[test]
    fn who_says_lhlo_speaks_lmtp() {
        let mut bench = Bench::new(&SMTP);
        bench.stream(ToClient, b"220 mx\r\n");
        bench.stream(ToServer, b"LHLO c\r\n");
        assert_eq!(bench.refined, Some("lmtp"));
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&SMTP, &delivery());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
            let mut turns = delivery();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&SMTP, &turns);
        }
    }
}
