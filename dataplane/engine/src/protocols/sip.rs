//! The Session Initiation Protocol (RFC 3261) over UDP and TCP: requests with their final responses, what sessions are
//! described, and the media flows that are announced (RFC 3264).

use super::fields::{Credentials, field, fields, first_line, head_len, number};
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol, sdp};
use crate::record::{Direction, EventWriter};

/// SIP.
pub static SIP: Protocol = Protocol {
    name: "sip",
    title: "SIP",
    family: Family::Media,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5060, 5061],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(4, b"ABCIMNOPRSU"),
    probe: Some(probe),
    parser: Some(framed::parser::<Sip>),
    events: &["sip", "anomaly"],
    source: "RFC 3261, RFC 3264, RFC 8866",
};

/// Longest first line and fields.
const HEAD_MAX: usize = 16 * 1024;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 24 * 1024;
/// Longest body that is believed.
const BODY_MAX: u64 = 1 << 24;
/// Bytes of a field that are kept.
const TEXT_MAX: usize = 512;

/// Methods (the IANA registry "Methods" of SIP).
const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
];

/// Fields that are written of requests, with their short forms and the names they are written under.
const REQUEST_FIELDS: [(&[&str], &str); 6] = [
    (&["from", "f"], "from"),
    (&["to", "t"], "to"),
    (&["call-id", "i"], "call_id"),
    (&["cseq"], "cseq"),
    (&["user-agent"], "user_agent"),
    (&["contact", "m"], "contact"),
];

fn probe(probe: &Probe<'_>) -> Found {
    start_line(probe.payload, !probe.is_stream())
}

/// Whether this begins with a request or status line (RFC 3261, 7.1 and 7.2).
fn start_line(bytes: &[u8], is_datagram: bool) -> Found {
    let open = if is_datagram { Found::No } else { Found::Maybe };
    if let Some(rest) = bytes.strip_prefix(b"SIP/2.0 ") {
        return match rest.get(..4) {
            Some([b'1'..=b'6', b, c, b' ']) if b.is_ascii_digit() && c.is_ascii_digit() => Found::Yes,
            Some(_) => Found::No,
            None => open,
        };
    }
    if b"SIP/2.0 ".starts_with(bytes) {
        return open;
    }
    let shown = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    let end = memchr::memchr(b'\n', shown);
    let line = shown.get(..end.unwrap_or(shown.len())).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (method, target, version) = (words.next().unwrap_or_default(), words.next(), words.next());
    let Some(target) = target else {
        let is_start = METHODS.iter().any(|known| known.as_bytes().starts_with(method));
        return if is_start && end.is_none() { open } else { Found::No };
    };
    if !METHODS.iter().any(|known| known.as_bytes() == method) {
        return Found::No;
    }
    let schemes: [&[u8]; 5] = [b"sip:", b"sips:", b"tel:", b"urn:", b"im:"];
    let is_open = end.is_none() && shown.len() < TEXT_MAX;
    let begins =
        |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !schemes.iter().any(|scheme| begins(scheme)) {
        let could = schemes.iter().any(|scheme| scheme.starts_with(&target.to_ascii_lowercase()));
        return if could && is_open && version.is_none() { open } else { Found::No };
    }
    match version {
        Some(b"SIP/2.0") if end.is_some() => Found::Yes,
        Some(version) if is_open && b"SIP/2.0".starts_with(version) => open,
        None if is_open => open,
        // A target that is longer than what is looked at.
        None if end.is_none() => Found::Likely(80),
        _ => Found::No,
    }
}

/// A request that waits for its final response.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    line: Vec<u8>,
    /// Number and method.
    sequence: Vec<u8>,
    call: Vec<u8>,
    values: [Vec<u8>; REQUEST_FIELDS.len()],
    credentials: Option<Credentials>,
    description: Vec<u8>,
}

fn kept(text: &[u8], most: usize) -> Vec<u8> {
    text.get(..most).unwrap_or(text).to_vec()
}

/// Number and method of a CSeq, one blank between (RFC 3261, 20.16).
fn sequence(head: &[u8]) -> Vec<u8> {
    let value = field(head, &["cseq"]).unwrap_or_default();
    let mut words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    kept(&[first, b" ", second].concat(), 64)
}

impl Asked {
    fn read(head: &[u8], body: &[u8]) -> Self {
        let authorization = fields(head).find(|(name, _)| {
            name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"proxy-authorization")
        });
        let line = super::fields::lines(head).next().unwrap_or_default();
        Self {
            line: kept(line, TEXT_MAX),
            sequence: sequence(head),
            call: kept(field(head, &["call-id", "i"]).unwrap_or_default(), 128),
            values: REQUEST_FIELDS.map(|(names, _)| kept(field(head, names).unwrap_or_default(), TEXT_MAX)),
            credentials: authorization.map(|(_, value)| Credentials::read(value)),
            description: description(body),
        }
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        let mut words = self.line.splitn(3, |byte| *byte == b' ');
        for name in ["method", "uri", "version"] {
            event.text(name, words.next().unwrap_or_default());
        }
        event.text("request_line", &self.line);
        for ((_, name), value) in REQUEST_FIELDS.iter().zip(&self.values) {
            if !value.is_empty() {
                event.text(name, value);
            }
        }
        if let Some(credentials) = &self.credentials {
            credentials.write(event);
        }
        if !self.description.is_empty() {
            sdp::write("sdp", &self.description, event);
        }
    }
}

/// A description of a session, where the body is one.
fn description(body: &[u8]) -> Vec<u8> {
    if sdp::is_description(body) { kept(body, sdp::KEPT) } else { Vec::new() }
}

/// Keys that anybody on the way can read.
fn write_keys(descriptions: [&[u8]; 2], event: &mut EventWriter<'_>) {
    if descriptions.into_iter().any(sdp::has_keys) {
        event.object("crypto").label("class", "symmetric").label("posture", "weak");
        event.list("weaknesses").label("", "key_in_clear").close().close();
    }
}

/// SIP on one flow.
#[derive(Debug, Default)]
struct Sip {
    requests: Transactions<Asked>,
}

impl Sip {
    fn request(&mut self, head: &[u8], body: &[u8], report: &mut Report<'_, '_>) {
        let asked = Asked::read(head, body);
        sdp::announce(&asked.description, report);
        // Sent again, because no answer came in time.
        if self.requests.waiting(|other| *other == asked).is_some() {
            return;
        }
        if asked.line.starts_with(b"ACK ") {
            // Nothing answers this (RFC 3261, 17.1.1.3).
            write_unanswered(&asked, report);
        } else if let Some(oldest) = self.requests.open(asked, &[]) {
            write_unanswered(&oldest.key, report);
        }
    }

    fn response(
        &mut self,
        head: &[u8],
        body: &[u8],
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let [_, code, reason] = first_line(head).ok_or("malformed_data")?;
        let code_number = number(code).filter(|code| (100..700).contains(code)).ok_or("invalid_status")?;
        let answer = description(body);
        sdp::announce(&answer, report);
        if code_number < 200 {
            return Ok(());
        }
        let sequence = sequence(head);
        let call = kept(field(head, &["call-id", "i"]).unwrap_or_default(), 128);
        let asked = self.requests.close(|asked| asked.sequence == sequence && asked.call == call);
        let mut event = report.event("sip");
        match &asked {
            Some(asked) => asked.key.write(&mut event),
            None => {
                event.text("call_id", &call).text("cseq", &sequence).label("version", "SIP/2.0");
            }
        }
        event.number("code", code_number).text("reason", reason.get(..TEXT_MAX).unwrap_or(reason));
        let line = super::fields::lines(head).next().unwrap_or_default();
        event.text("response_line", line.get(..TEXT_MAX).unwrap_or(line));
        if let Some(server) = field(head, &["server"]) {
            event.text("server", server.get(..TEXT_MAX).unwrap_or(server));
        }
        if let Some(challenge) = field(head, &["www-authenticate", "proxy-authenticate"]) {
            write_challenge(challenge, &mut event);
        }
        if !answer.is_empty() {
            sdp::write("response_sdp", &answer, &mut event);
        }
        let offer = asked.as_ref().map_or(&[][..], |asked| &asked.key.description);
        write_keys([offer, &answer], &mut event);
        Ok(())
    }
}

/// Realm and algorithm of a challenge (RFC 7616, 3.3).
fn write_challenge(challenge: &[u8], event: &mut EventWriter<'_>) {
    let end = memchr::memchr(b' ', challenge).unwrap_or(challenge.len());
    let (scheme, rest) = challenge.split_at_checked(end).unwrap_or((challenge, &[]));
    event.object("challenge").text("scheme", scheme.get(..32).unwrap_or(scheme));
    for name in ["realm", "algorithm"] {
        if let Some(value) = super::fields::parameter(rest, name) {
            event.text(name, value.get(..128).unwrap_or(value));
        }
    }
    event.close();
}

fn write_unanswered(asked: &Asked, report: &mut Report<'_, '_>) {
    let mut event = report.event("sip");
    asked.write(&mut event);
    write_keys([&asked.description, &[]], &mut event);
}

impl Messages for Sip {
    const NAME: &'static str = "sip";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if matches!(bytes.first(), Some(b'\r' | b'\n')) {
            // Keeps the connection open (RFC 5626, 4.4.1).
            return Framing::whole(1);
        }
        if start_line(bytes, false) == Found::No {
            return Framing::Invalid("invalid_start_line");
        }
        let shown = bytes.get(..HEAD_MAX).unwrap_or(bytes);
        let Some(head) = head_len(shown) else {
            return if shown.len() < HEAD_MAX { Framing::Open } else { Framing::Invalid("head_too_long") };
        };
        let fields = shown.get(..head).unwrap_or_default();
        let body = field(fields, &["content-length", "l"]).and_then(number).unwrap_or_default();
        match usize::try_from(body) {
            Ok(body_len) if body <= BODY_MAX => Framing::at_most(head + body_len, SHOWN_MAX),
            _ => Framing::Invalid("invalid_length"),
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        // Telephones behind a translation keep it open with a few bytes of anything.
        let is_keep_alive = message.carrier != Carrier::Tcp && message.bytes.len() < 8;
        if is_keep_alive || message.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Ok(Next::More);
        }
        let end = head_len(message.bytes).unwrap_or(message.bytes.len());
        let (head, body) = message.bytes.split_at_checked(end).unwrap_or((message.bytes, &[]));
        if head.starts_with(b"SIP/2.0 ") {
            self.response(head, body, report)?;
        } else if start_line(head, true) == Found::No {
            return Err("invalid_start_line");
        } else {
            self.request(head, body, report);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        start_line(bytes, false)
    }

    fn clear(&mut self) {
        self.requests.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            write_unanswered(&request.key, report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn message(start: &str, cseq: &str, fields: &str, body: &str) -> Vec<u8> {
        format!(
            "{start}\r\nVia: SIP/2.0/TCP 192.0.2.1\r\nf: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\n\
             Call-ID: a84b4c76e66710\r\nCSeq: {cseq}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n\
        m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n\
        m=video 0 RTP/AVP 31\r\n";
    const ANSWER: &str = "v=0\r\no=bob 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n\
        m=audio 3456 RTP/AVP 0\r\na=rtcp:4000\r\n";

    fn session() -> Vec<(Direction, Vec<u8>)> {
        let digest = "Authorization: Digest username=\"alice\", realm=\"x\", response=\"topsecret\"\r\n";
        vec![
            (ToServer, message("INVITE sip:bob@example.org SIP/2.0", "1 INVITE", digest, OFFER)),
            (ToClient, message("SIP/2.0 180 Ringing", "1 INVITE", "", "")),
            (ToClient, message("SIP/2.0 200 OK", "1 INVITE", "Server: pbx\r\n", ANSWER)),
            (
                ToServer,
                [&b"\r\n\r\n"[..], &message("ACK sip:bob@example.org SIP/2.0", "1 ACK", "", "")].concat(),
            ),
            (ToServer, message("BYE sip:bob@example.org SIP/2.0", "2 BYE", "", "")),
        ]
    }

    #[test]
    fn requests_stand_with_their_final_responses_and_media_are_announced() {
        assert_eq!(probe(&udp(&session()[0].1, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&SIP);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        bench.finish();
        assert_eq!(bench.kinds(), ["sip"; 3]);
        assert_eq!(
            (bench.text("sip", "method"), bench.text("sip", "uri")),
            ("INVITE".into(), "sip:bob@example.org".into())
        );
        assert_eq!(bench.value("sip", "code"), Some(Datum::Unsigned(200)));
        assert_eq!((bench.text("sip", "server"), bench.text("sip", "user")), ("pbx".into(), "alice".into()));
        assert_eq!(bench.text("sip", "media"), "audio 49170 RTP/AVP 0");
        assert_eq!(bench.text("sip", "posture"), "weak");
        let ends: Vec<_> = bench.expected.iter().map(|expected| (expected.protocol, expected.port)).collect();
        assert_eq!(ends, [("rtp", 49170), ("rtcp", 49171), ("rtp", 3456), ("rtcp", 4000)]);
        // "topsecret" and "c2VjcmV0", as bytes are printed.
        let all = bench.all();
        assert!(
            !all.iter().any(|item| item.contains("116, 111, 112, 115") || item.contains("99, 50, 86, 106"))
        );
    }

    #[test]
    fn datagrams_sent_again_are_one_request() {
        let register = message("REGISTER sip:example.org SIP/2.0", "5 REGISTER", "", "");
        let mut bench = Bench::new(&SIP);
        bench.datagram(ToServer, &register);
        bench.datagram(ToServer, &register);
        let refused = message(
            "SIP/2.0 401 Unauthorized",
            "5 REGISTER",
            "WWW-Authenticate: Digest realm=\"pbx\", algorithm=MD5\r\n",
            "",
        );
        bench.datagram(ToClient, &refused);
        bench.finish();
        assert_eq!(bench.kinds(), ["sip"]);
        assert_eq!(
            (bench.text("sip", "reason"), bench.text("sip", "algorithm")),
            ("Unauthorized".into(), "MD5".into())
        );
    }

    #[test]
    fn neighbours_are_refused_and_no_prefix_is() {
        for wrong in [
            &b"NOTIFY * HTTP/1.1\r\n"[..],
            b"OPTIONS rtsp://a/b RTSP/1.0\r\n",
            b"INVITE sip:a SIP/3.0\r\n",
            b"SIP/2.0 999 x\r\n",
            b"MESSAGE hello there\r\n",
        ] {
            assert_eq!(probe(&tcp(wrong, ToServer, 5060)), Found::No, "{wrong:?}");
        }
        let right = &session()[0].1;
        for end in 1..200 {
            assert_ne!(probe(&tcp(&right[..end], ToServer, 4000)), Found::No, "{end}");
        }
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&SIP), 0);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&SIP, &session());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut turns = session();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&SIP, &turns);
        }
    }
}
