//! The Media Gateway Control Protocol (RFC 3435): commands with their responses, and the media flows that are announced.

use super::fields::{field, first_line, head_len, lines, number};
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol, sdp};
use crate::record::{Direction, EventWriter};

/// MGCP.
pub static MGCP: Protocol = Protocol {
    name: "mgcp",
    title: "MGCP",
    family: Family::Media,
    carriers: &[Carrier::Udp],
    ports: &[2427, 2727],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(8, b"ACDEMNRacdemnr12345689"),
    probe: Some(probe),
    parser: Some(framed::parser::<Mgcp>),
    events: &["mgcp", "anomaly"],
    source: "RFC 3435",
};

/// Verbs (RFC 3435, 2.3).
const VERBS: [&str; 10] = ["EPCF", "CRCX", "MDCX", "DLCX", "RQNT", "NTFY", "AUEP", "AUCX", "RSIP", "MESG"];
/// Bytes of a text that are written.
const TEXT_MAX: usize = 512;
/// Messages of one datagram that are read (RFC 3435, 3.5.5).
const MESSAGES_MAX: usize = 16;

/// Parameters that are written, and the names they are written under (RFC 3435, 3.2.2).
const PARAMETERS: [(&str, &str); 12] = [
    ("C", "call_id"),
    ("I", "connection_id"),
    ("N", "notified_entity"),
    ("X", "request_id"),
    ("M", "mode"),
    ("L", "local_options"),
    ("R", "requested_events"),
    ("S", "signal_requests"),
    ("O", "observed_events"),
    ("RM", "restart_method"),
    ("E", "reason_code"),
    ("P", "connection_parameters"),
];

fn is_verb(word: &[u8]) -> bool {
    VERBS.iter().any(|verb| word.eq_ignore_ascii_case(verb.as_bytes()))
}

/// A command line (3.2.1).
#[derive(Clone, Copy, Debug)]
struct Command<'a> {
    verb: &'a [u8],
    transaction: u64,
    endpoint: &'a [u8],
    version: &'a [u8],
}

/// Reads a command line.
fn command(head: &[u8]) -> Option<Command<'_>> {
    let [verb, transaction, rest] = first_line(head)?;
    let space = memchr::memchr(b' ', rest)?;
    let (endpoint, version) = rest.split_at_checked(space)?;
    let version = version.get(1..)?;
    let is_version = version.len() >= 8 && version.get(..5)?.eq_ignore_ascii_case(b"MGCP ");
    let transaction = number(transaction).filter(|id| (1..=999_999_999).contains(id))?;
    (is_verb(verb) && is_version && !endpoint.is_empty()).then_some(Command {
        verb,
        transaction,
        endpoint,
        version,
    })
}

/// Code, transaction and comment of a response line (3.3).
fn response(head: &[u8]) -> Option<(u64, u64, &[u8])> {
    let [code, transaction, comment] = first_line(head)?;
    let code = number(code).filter(|_| code.len() == 3)?;
    let transaction = number(transaction).filter(|id| (1..=999_999_999).contains(id))?;
    matches!(code, 0..=299 | 400..=599 | 800..=899).then_some((code, transaction, comment))
}

fn probe(probe: &Probe<'_>) -> Found {
    if command(probe.payload).is_some() {
        return Found::Yes;
    }
    // Many protocols answer like this: only to a command.
    let Some((_, transaction, _)) = response(probe.payload) else { return Found::No };
    let is_answer = probe.earlier.iter().any(|earlier| {
        let line = lines(earlier.bytes).next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        earlier.from != probe.from
            && words.next().is_some_and(is_verb)
            && words.next().and_then(number) == Some(transaction)
    });
    if is_answer { Found::Yes } else { Found::No }
}

/// MGCP on one flow.
#[derive(Debug, Default)]
struct Mgcp {
    commands: Transactions<u64>,
}

/// Fields and body of a message.
fn parts(message: &[u8]) -> (&[u8], &[u8]) {
    let end = head_len(message).unwrap_or(message.len());
    message.split_at_checked(end).unwrap_or((message, &[]))
}

fn write_parameters(head: &[u8], event: &mut EventWriter<'_>) {
    for (parameter, name) in PARAMETERS {
        if let Some(value) = field(head, &[parameter]) {
            event.text(name, value.get(..TEXT_MAX).unwrap_or(value));
        }
    }
}

fn write_command(message: &[u8], event: &mut EventWriter<'_>) {
    let (head, body) = parts(message);
    if let Some(Command { verb, transaction, endpoint, version }) = command(head) {
        event.text("command", &verb.to_ascii_uppercase()).number("transaction", transaction);
        event.text("endpoint", endpoint.get(..TEXT_MAX).unwrap_or(endpoint));
        event.text("version", version.get(..32).unwrap_or(version));
    }
    write_parameters(head, event);
    if sdp::is_description(body) {
        sdp::write("sdp", body, event);
    }
}

impl Mgcp {
    fn one(&mut self, message: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let (head, body) = parts(message);
        if sdp::is_description(body) {
            sdp::announce(body, report);
        }
        if let Some(Command { transaction, .. }) = command(head) {
            // Sent again, because no answer came in time.
            if self.commands.waiting(|other| *other == transaction).is_none()
                && let Some(oldest) = self.commands.open(transaction, message)
            {
                write_command(&oldest.bytes, &mut report.event("mgcp"));
                self.commands.recycle(oldest);
            }
            return Ok(());
        }
        let (code, transaction, comment) = response(head).ok_or("malformed_data")?;
        if code == 0 || (100..200).contains(&code) {
            // An acknowledgement, or "it is being worked on" (2.4).
            return Ok(());
        }
        let asked = self.commands.close(|other| *other == transaction);
        let mut event = report.event("mgcp");
        match &asked {
            Some(asked) => write_command(&asked.bytes, &mut event),
            None => {
                event.number("transaction", transaction);
            }
        }
        event.object("response").number("code", code);
        if !comment.is_empty() {
            event.text("comment", comment.get(..TEXT_MAX).unwrap_or(comment));
        }
        write_parameters(head, &mut event);
        if sdp::is_description(body) {
            sdp::write("sdp", body, &mut event);
        }
        drop(event);
        if let Some(asked) = asked {
            self.commands.recycle(asked);
        }
        Ok(())
    }
}

impl Messages for Mgcp {
    const NAME: &'static str = "mgcp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        // Messages of one datagram have a line with a dot between them.
        let mut rest = message.bytes;
        for _ in 0..MESSAGES_MAX {
            let dot = [&b"\n.\r\n"[..], b"\n.\n"]
                .into_iter()
                .filter_map(|dot| memchr::memmem::find(rest, dot).map(|at| (at + 1, at + dot.len())))
                .min();
            let Some((end, next)) = dot else { break };
            self.one(rest.get(..end).unwrap_or_default(), report)?;
            rest = rest.get(next..).unwrap_or_default();
        }
        if !rest.trim_ascii().is_empty() {
            self.one(rest, report)?;
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.commands.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(command) = self.commands.pop() {
            write_command(&command.bytes, &mut report.event("mgcp"));
            self.commands.recycle(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, taken_of_random, udp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const CREATE: &[u8] =
        b"CRCX 1204 aaln/1@rgw.example.net MGCP 1.0\r\nC: A3C47F\r\nL: p:10, a:PCMU\r\nM: recvonly\r\n";
    const CREATED: &[u8] = b"200 1204 OK\r\nI: FDE234C8\r\n\r\nv=0\r\no=- 1 1 IN IP4 128.96.41.1\r\ns=-\r\n\
        c=IN IP4 128.96.41.1\r\nt=0 0\r\nm=audio 3456 RTP/AVP 0\r\n";

    #[test]
    fn commands_stand_with_their_responses_and_media_are_announced() {
        assert_eq!(probe(&udp(CREATE, ToServer, 4000)), Found::Yes);
        assert_eq!(probe(&udp(CREATED, ToClient, 2427)), Found::No);
        let mut bench = Bench::new(&MGCP);
        bench.datagram(ToServer, CREATE);
        bench.datagram(ToServer, CREATE);
        bench.datagram(ToClient, CREATED);
        bench.finish();
        assert_eq!(bench.kinds(), ["mgcp"]);
        assert_eq!(
            (bench.text("mgcp", "command"), bench.text("mgcp", "endpoint")),
            ("CRCX".into(), "aaln/1@rgw.example.net".into())
        );
        assert_eq!(bench.value("mgcp", "code"), Some(Datum::Unsigned(200)));
        assert_eq!(
            (bench.text("mgcp", "call_id"), bench.text("mgcp", "connection_id")),
            ("A3C47F".into(), "FDE234C8".into())
        );
        assert_eq!((bench.expected[0].protocol, bench.expected[0].port), ("rtp", 3456));
    }

    #[test]
    fn messages_of_one_datagram_are_told_apart() {
        let both = [CREATE, b".\r\n", b"RSIP 1205 *@rgw.example.net MGCP 1.0\r\nRM: restart\r\n"].concat();
        let mut bench = Bench::new(&MGCP);
        bench.datagram(ToServer, &both);
        bench.finish();
        assert_eq!(bench.kinds(), ["mgcp"; 2]);
        assert_eq!(bench.text("mgcp", "restart_method"), "restart");
    }

    #[test]
    fn near_misses_are_refused() {
        for wrong in [
            &b"CRCX 0 a@b MGCP 1.0\r\n"[..],
            b"CRCX 12 a@b SGCP 1.0\r\n",
            b"CREX 12 a@b MGCP 1.0\r\n",
            b"CRCX 12 MGCP 1.0\r\n",
        ] {
            assert_eq!(probe(&udp(wrong, ToServer, 2427)), Found::No, "{wrong:?}");
        }
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&MGCP), 0);
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(at in any::<prop::sample::Index>(), value in any::<u8>(), pick in any::<bool>()) {
            let mut message = if pick { CREATE.to_vec() } else { CREATED.to_vec() };
            let place = at.index(message.len());
            message[place] = value;
            let mut bench = Bench::new(&MGCP);
            bench.datagram(ToServer, CREATE);
            bench.datagram(ToClient, &message);
            bench.finish();
        }
    }
}
