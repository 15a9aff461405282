//! The File Transfer Protocol's control connection (RFC 959): commands with their replies, masked passwords, and TLS
//! (RFC 4217). Data connections are announced to the engine.

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::lines::Lines;
use super::{Carrier, Expected, Exposure, Family, Found, Opening, Protocol, Subject, lines};
use crate::record::{Direction, EventWriter};

/// FTP. Its openings are recognised by signatures.
pub static FTP: Protocol = Protocol {
    name: "ftp",
    title: "FTP (control)",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp],
    ports: &[21],
    exposure: Exposure::Negotiated,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<Ftp>),
    events: &["ftp", "anomaly"],
    source: "RFC 959, RFC 4217, RFC 2428",
};

/// Bytes of an argument or a reply's line that are written.
const TEXT_MAX: usize = 512;
/// Lines of a reply that are written.
const LINES_MAX: usize = 16;

/// FTP on one flow.
#[derive(Debug, Default)]
struct Ftp {
    commands: Transactions<()>,
    /// Lines of a reply that is not over.
    lines: Vec<Vec<u8>>,
    has_greeting: bool,
    clear: Clear,
    pieces: Lines,
    /// Where the next data connection goes, if it was said.
    data: Option<DataPort>,
}

/// Where a data connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataPort {
    /// To the server (PASV, EPSV).
    Server(u16),
    /// To the client (PORT, EPRT).
    Client(u16),
}

/// Code of a reply's last line, or that of the only one.
struct Reply<'a> {
    code: u16,
    lines: &'a [Vec<u8>],
}

impl Ftp {
    fn line(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let parsed = lines::reply(line);
        // Lines within a reply need not begin with its code (RFC 959, 4.2).
        let (code, is_last, text) = match parsed {
            Some(parsed) => parsed,
            None if !self.lines.is_empty() => (0, false, line),
            None => return Err("invalid_reply"),
        };
        if self.lines.len() < LINES_MAX {
            self.lines.push(text.get(..TEXT_MAX).unwrap_or(text).to_vec());
        }
        // A preliminary reply is followed by another.
        if !is_last {
            return Ok(Next::More);
        }
        let lines = core::mem::take(&mut self.lines);
        if code < 200 {
            return Ok(Next::More);
        }
        if !self.has_greeting && code == 220 {
            self.has_greeting = true;
            write(None, &Reply { code, lines: &lines }, report);
            return Ok(Next::More);
        }
        let Some(command) = self.commands.pop() else { return Ok(Next::More) };
        if let Some(port) = lines.first().and_then(|line| data_port(code, line)) {
            self.data = Some(DataPort::Server(port));
            self.announce(Subject::default(), report);
        }
        if transfer(lines::words(&command.bytes).0).is_some() {
            // Over: the next one is announced anew.
            self.data = None;
        }
        let is_tls = is_tls(&command.bytes) && matches!(code, 234 | 334);
        let mut event = write(Some(&command.bytes), &Reply { code, lines: &lines }, report);
        if !is_before_tls(&command.bytes) {
            self.clear.tell(&mut event);
        }
        drop(event);
        self.commands.recycle(command);
        if is_tls {
            return Ok(Next::Upgrade);
        }
        Ok(Next::More)
    }
}

impl Ftp {
    /// A command: it waits for its reply, and may be about a data connection.
    fn command(&mut self, line: &[u8], report: &mut Report<'_, '_>) {
        let (verb, argument) = lines::words(line);
        // The secret is not even kept.
        let kept = if is_secret(verb) { verb } else { line };
        if verb.is_empty() {
            return;
        }
        if let Some(oldest) = self.commands.open((), kept) {
            self.commands.recycle(oldest);
        }
        if let Some(port) = client_port(verb, argument) {
            self.data = Some(DataPort::Client(port));
        } else if let Some(name) = transfer(verb) {
            self.announce(Subject::new(name, argument), report);
            return;
        } else {
            return;
        }
        self.announce(Subject::default(), report);
    }

    /// Announces the data connection, again once it is known what for. It is between the same two hosts: other
    /// addresses in commands and replies are those before translation, or not meant well (RFC 2577, 3).
    fn announce(&self, subject: Subject, report: &mut Report<'_, '_>) {
        let Some(data) = self.data else { return };
        let flow = *report.flow();
        let (called, port) = match data {
            DataPort::Server(port) => (flow.client.opposite(), port),
            DataPort::Client(port) => (flow.client, port),
        };
        let Some(address) = flow.key.ip(called) else { return };
        let peer = flow.key.ip(called.opposite());
        report.expect(Expected { carrier: Carrier::Tcp, address, port, peer, protocol: "ftp_data", subject });
    }
}

/// Commands that use a data connection (RFC 959 4.1.3, RFC 3659).
const TRANSFERS: [&str; 7] = ["RETR", "STOR", "STOU", "APPE", "LIST", "NLST", "MLSD"];

/// The name of a command that uses a data connection.
fn transfer(verb: &[u8]) -> Option<&'static str> {
    TRANSFERS.into_iter().find(|name| verb.eq_ignore_ascii_case(name.as_bytes()))
}

/// Verbs of commands (RFC 959, 2228, 2389, 2428, 3659, 4217): where the place in a stream was lost, other words may be
/// the rest of a password.
const VERBS: [&[u8]; 47] = [
    b"USER", b"PASS", b"ACCT", b"CWD", b"CDUP", b"SMNT", b"QUIT", b"REIN", b"PORT", b"PASV", b"TYPE",
    b"STRU", b"MODE", b"RETR", b"STOR", b"STOU", b"APPE", b"ALLO", b"REST", b"RNFR", b"RNTO", b"ABOR",
    b"DELE", b"RMD", b"MKD", b"PWD", b"LIST", b"NLST", b"SITE", b"SYST", b"STAT", b"HELP", b"NOOP", b"AUTH",
    b"ADAT", b"PBSZ", b"PROT", b"CCC", b"FEAT", b"OPTS", b"EPRT", b"EPSV", b"MDTM", b"SIZE", b"MLST",
    b"MLSD", b"XPWD",
];

/// Port that the client waits on: PORT (RFC 959, 4.1.2), EPRT (RFC 2428, 2).
fn client_port(verb: &[u8], argument: &[u8]) -> Option<u16> {
    if verb.eq_ignore_ascii_case(b"PORT") {
        return six_numbers(argument);
    }
    if !verb.eq_ignore_ascii_case(b"EPRT") {
        return None;
    }
    let (delimiter, rest) = argument.split_first()?;
    rest.split(|byte| byte == delimiter).nth(2).and_then(decimal)
}

fn decimal(digits: &[u8]) -> Option<u16> {
    core::str::from_utf8(digits).ok()?.trim().parse().ok()
}

/// The port of an address and a port in six numbers.
fn six_numbers(text: &[u8]) -> Option<u16> {
    let mut parts = text.split(|byte| *byte == b',').skip(4).map(decimal);
    let (high, low) = (parts.next()??, parts.next()??);
    (high < 256 && low < 256).then_some(high << 8 | low)
}

/// Whether this is AUTH TLS, or one of its older names (RFC 4217, 4 and 17).
fn is_tls(command: &[u8]) -> bool {
    let (verb, mechanism) = lines::words(command);
    verb.eq_ignore_ascii_case(b"AUTH") && is_one_of(mechanism, &[b"TLS", b"TLS-C", b"SSL", b"TLS-P"])
}

/// Whether the argument of a command is a secret.
fn is_secret(verb: &[u8]) -> bool {
    is_one_of(verb, &[b"PASS", b"ACCT", b"ADAT"])
}

/// Whether this is what clients ask before they protect themselves (RFC 4217, 4; RFC 2389; RFC 7151).
fn is_before_tls(command: &[u8]) -> bool {
    let verb = lines::words(command).0;
    is_one_of(verb, &[b"AUTH", b"FEAT", b"HOST", b"HELP", b"NOOP", b"SYST", b"OPTS", b"QUIT"])
}

/// Whether a word is one of these, in capitals or not.
fn is_one_of(word: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name))
}

fn write<'a>(command: Option<&[u8]>, reply: &Reply<'_>, report: &'a mut Report<'_, '_>) -> EventWriter<'a> {
    let mut event = report.event("ftp");
    if let Some(command) = command {
        let (verb, argument) = lines::words(command);
        event.text("command", &verb.get(..16).unwrap_or(verb).to_ascii_uppercase());
        if is_secret(verb) {
            event.label("command_data", "***");
        } else if !argument.is_empty() {
            event.text("command_data", argument.get(..TEXT_MAX).unwrap_or(argument));
        }
    }
    event.list("completion_code").text("", reply.code.to_string().as_bytes()).close();
    event.list("reply");
    for line in reply.lines {
        event.text("", line);
    }
    event.close();
    if let Some(port) = reply.lines.first().and_then(|line| data_port(reply.code, line)) {
        event.number("dynamic_port", port);
    }
    event
}

/// Port of a data connection that the server waits on: 227 (RFC 959, 4.1.2) and 229 (RFC 2428, 3).
fn data_port(code: u16, text: &[u8]) -> Option<u16> {
    let start = text.iter().position(|byte| *byte == b'(')?;
    let inside = text.get(start + 1..)?.split(|byte| *byte == b')').next()?;
    match code {
        227 => six_numbers(inside),
        229 => inside.split(|byte| *byte == b'|').nth(3).and_then(decimal),
        _ => None,
    }
}

impl Messages for Ftp {
    const NAME: &'static str = "ftp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        lines::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let Some(line) = self.pieces.begin(message.bytes, message.from) else { return Ok(Next::More) };
        if message.from == Direction::ToClient {
            return self.line(line, report);
        }
        self.command(line, report);
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match from {
            Direction::ToServer => command_starts(bytes),
            Direction::ToClient if bytes.len() < 4 => Found::Maybe,
            Direction::ToClient if bytes.get(..4).is_some_and(|head| lines::reply(head).is_some()) => {
                Found::Likely(90)
            }
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        self.pieces.lost(from);
        // Replies no longer belong to the commands that wait.
        self.commands.clear();
        self.lines.clear();
    }

    fn clear(&mut self) {
        self.commands.clear();
        self.lines.clear();
        (self.has_greeting, self.clear) = (false, Clear::default());
        (self.pieces, self.data) = (Lines::default(), None);
    }
}

/// Whether a command starts here: a verb, and what ends it.
fn command_starts(bytes: &[u8]) -> Found {
    let end = bytes.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(bytes.len());
    let (verb, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    let is_verb = is_one_of(verb, &VERBS);
    match rest.first() {
        None if verb.len() <= 4 => Found::Maybe,
        Some(b' ' | b'\r' | b'\n') if is_verb => Found::Likely(80),
        _ => Found::No,
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

    fn session() -> Vec<(Direction, Vec<u8>)> {
        [
            (ToClient, "220-Welcome\r\n text\r\n220 FTP ready\r\n"),
            (ToServer, "USER alice\r\n"),
            (ToClient, "331 password?\r\n"),
            (ToServer, "PASS hidden\r\n"),
            (ToClient, "230 ok\r\n"),
            (ToServer, "PASV\r\n"),
            (ToClient, "227 Entering Passive Mode (192,0,2,1,4,5).\r\n"),
        ]
        .map(|(from, text)| (from, text.as_bytes().to_vec()))
        .to_vec()
    }

    #[test]
    fn commands_stand_with_their_replies_and_no_password_does() {
        let mut bench = Bench::new(&FTP);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        assert_eq!(bench.kinds(), ["ftp"; 4]);
        assert_eq!(
            (bench.text("ftp", "command"), bench.text("ftp", "command_data")),
            ("USER".into(), "alice".into())
        );
        assert_eq!(bench.value("ftp", "dynamic_port"), Some(Datum::Unsigned(0x0405)));
        assert!(!bench.all().iter().any(|item| item.contains("104, 105, 100, 100")));
    }

    #[test]
    fn the_rest_of_a_long_password_is_no_command() {
        let mut bench = Bench::new(&FTP);
        bench.stream(ToClient, b"220 FTP\r\n");
        let secret = "CWD topsecret ".repeat(1000);
        bench.stream(ToServer, format!("USER a\r\nPASS {secret}\r\n").as_bytes());
        bench.stream(ToClient, b"331 more\r\n530 no\r\n");
        bench.stream(ToServer, b"QUIT\r\n");
        bench.stream(ToClient, b"221 bye\r\n");
        let commands: Vec<_> = bench.all().into_iter().filter(|item| item.starts_with("command ")).collect();
        assert_eq!(commands.len(), 3, "{commands:?}");
        // "topsecret", as bytes are printed.
        assert!(!bench.all().iter().any(|item| item.contains("116, 111, 112, 115")));
    }

    #[test]
    fn after_lost_bytes_only_a_verb_is_a_command() {
        for (bytes, found) in [
            (&b"ord secret\r\n"[..], Found::No),
            (b"RETR x", Found::Likely(80)),
            (b"RET", Found::Maybe),
            (b"secretsecret", Found::No),
            (b"QUIT\r", Found::Likely(80)),
        ] {
            assert_eq!(command_starts(bytes), found, "{bytes:?}");
        }
    }

    #[test]
    fn data_connections_are_announced_with_what_they_are_for() {
        let mut bench = Bench::new(&FTP);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        bench.stream(ToServer, b"RETR notes.txt\r\n");
        bench.stream(ToClient, b"150 here\r\n226 done\r\n");
        bench.stream(ToServer, b"PORT 192,0,2,1,8,1\r\n");
        let ends: Vec<_> = bench.expected.iter().map(|expected| (expected.address, expected.port)).collect();
        let (server, client) =
            (core::net::IpAddr::from([192, 0, 2, 2]), core::net::IpAddr::from([192, 0, 2, 1]));
        assert_eq!(ends, [(server, 0x0405), (server, 0x0405), (client, 0x0801)]);
        let subject = &bench.expected[1].subject;
        assert_eq!((subject.command(), subject.name()), ("RETR", &b"notes.txt"[..]));
        assert_eq!(bench.expected[1].peer, Some(client));
        assert_eq!(client_port(b"EPRT", b"|2|2001:db8::1|5282|"), Some(5282));
    }

    #[test]
    fn tls_is_handed_on_when_the_server_agrees() {
        let mut bench = Bench::new(&FTP);
        bench.stream(ToClient, b"220 FTP\r\n");
        bench.stream(ToServer, b"AUTH TLS\r\n");
        bench.stream(ToClient, b"234 go\r\n");
        assert_eq!(bench.ending, Some(Then::Upgrade));
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&FTP, &session());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
            let mut turns = session();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&FTP, &turns);
        }
    }
}
