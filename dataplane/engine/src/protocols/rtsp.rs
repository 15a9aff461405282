//! The Real-Time Streaming Protocol, versions 1 (RFC 2326) and 2 (RFC 7826): requests with their responses, media in the
//! same connection, and the media flows that are announced.

use super::fields::{Credentials, field, first_line, head_len, number, parameter, without_password};
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol, sdp};
use crate::record::{Direction, EventWriter};

/// RTSP.
pub static RTSP: Protocol = Protocol {
    name: "rtsp",
    title: "RTSP",
    family: Family::Media,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[554, 8554],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(4, b"ADGOPRST"),
    probe: Some(probe),
    parser: Some(framed::parser::<Rtsp>),
    events: &["rtsp", "anomaly"],
    source: "RFC 7826, RFC 2326",
};

/// Longest first line and fields.
const HEAD_MAX: usize = 16 * 1024;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 24 * 1024;
/// Longest body that is believed.
const BODY_MAX: u64 = 1 << 24;
/// Bytes of a field that are kept.
const TEXT_MAX: usize = 512;

/// Longest target that a request line is told by.
const TARGET_MAX: usize = 1024;

/// Methods (RFC 2326 10, RFC 7826 13).
const METHODS: [&str; 12] = [
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
    "RECORD",
    "REDIRECT",
    "PLAY_NOTIFY",
];

fn probe(probe: &Probe<'_>) -> Found {
    start_line(probe.payload, !probe.is_stream())
}

/// Whether this begins with a request or status line.
fn start_line(bytes: &[u8], is_datagram: bool) -> Found {
    let open = if is_datagram { Found::No } else { Found::Maybe };
    let status = b"RTSP/1.0 200 ";
    let fits = bytes.iter().zip(status).enumerate().all(|(at, (byte, wanted))| match at {
        5 => matches!(byte, b'1' | b'2'),
        7 | 10 | 11 => byte.is_ascii_digit(),
        9 => (b'1'..=b'5').contains(byte),
        _ => byte == wanted,
    });
    if fits {
        return if bytes.len() >= status.len() { Found::Yes } else { open };
    }
    let end = bytes.iter().take(16).position(|byte| *byte == b' ');
    let method = bytes.get(..end.unwrap_or(bytes.len().min(16))).unwrap_or_default();
    let Some(end) = end else {
        let is_start = METHODS.iter().any(|known| known.as_bytes().starts_with(method));
        return if is_start { open } else { Found::No };
    };
    if !METHODS.iter().any(|known| known.as_bytes() == method) {
        return Found::No;
    }
    let target = bytes.get(end + 1..).unwrap_or_default();
    for wanted in [&b"rtsp://"[..], b"rtsps://", b"rtspu://", b"* RTSP/1.", b"* RTSP/2."] {
        let shown = target.get(..wanted.len()).unwrap_or(target).to_ascii_lowercase();
        let wanted = wanted.to_ascii_lowercase();
        if shown == wanted {
            return Found::Yes;
        }
        if wanted.starts_with(&shown) {
            return open;
        }
    }
    // A path, as scanners ask for: the version at the end of the line says what it is.
    if target.first() != Some(&b'/') {
        return Found::No;
    }
    let end = target.iter().take(TARGET_MAX).position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = target.get(..end.unwrap_or_default()).unwrap_or_default();
    match end {
        Some(_) if line.ends_with(b" RTSP/1.0") || line.ends_with(b" RTSP/2.0") => Found::Yes,
        None if target.len() < TARGET_MAX => open,
        _ => Found::No,
    }
}

/// A request that waits for its response.
#[derive(Debug, Default)]
struct Asked {
    number: u64,
    method: Vec<u8>,
    target: Vec<u8>,
    agent: Vec<u8>,
    transport: Vec<u8>,
    session: Vec<u8>,
    credentials: Option<Credentials>,
    description: Vec<u8>,
}

fn kept(text: Option<&[u8]>) -> Vec<u8> {
    let text = text.unwrap_or_default();
    text.get(..TEXT_MAX).unwrap_or(text).to_vec()
}

fn sequence(head: &[u8]) -> u64 {
    field(head, &["cseq"]).and_then(number).unwrap_or_default()
}

/// Identifier of a session, without its timeout.
fn session(head: &[u8]) -> Vec<u8> {
    kept(field(head, &["session"]).and_then(|value| value.split(|byte| *byte == b';').next()))
}

impl Asked {
    fn read(head: &[u8], body: &[u8]) -> Option<Self> {
        let [method, target, _] = first_line(head)?;
        let (target, has_password) = without_password(target, TEXT_MAX);
        let mut credentials = field(head, &["authorization"]).map(Credentials::read);
        if has_password {
            credentials = Some(Credentials { kind: "userinfo", user: Vec::new(), is_clear: true });
        }
        Some(Self {
            number: sequence(head),
            method: kept(Some(method)),
            target,
            agent: kept(field(head, &["user-agent"])),
            transport: kept(field(head, &["transport"])),
            session: session(head),
            credentials,
            description: if sdp::is_description(body) {
                body.get(..sdp::KEPT).unwrap_or(body).to_vec()
            } else {
                Vec::new()
            },
        })
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        event.text("method", &self.method).text("url", &self.target).number("cseq", self.number);
        for (name, value) in [("user_agent", &self.agent), ("session", &self.session)] {
            if !value.is_empty() {
                event.text(name, value);
            }
        }
        if let Some(credentials) = &self.credentials {
            credentials.write(event);
        }
        if !self.description.is_empty() {
            sdp::write("request_sdp", &self.description, event);
        }
    }
}

/// RTSP on one flow.
#[derive(Debug, Default)]
struct Rtsp {
    requests: Transactions<Asked>,
    /// Packets of media in the connection, and their bytes.
    packets: u64,
    bytes: u64,
}

impl Rtsp {
    fn response(
        &mut self,
        head: &[u8],
        body: &[u8],
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let [_, code, reason] = first_line(head).ok_or("malformed_data")?;
        let code = number(code).filter(|code| (100..600).contains(code)).ok_or("invalid_status")?;
        let wanted = sequence(head);
        let asked = self.requests.close(|asked| asked.number == wanted);
        let transport = field(head, &["transport"]).unwrap_or_default();
        if code == 200 {
            announce(transport, report);
        }
        let mut event = report.event("rtsp");
        match &asked {
            Some(asked) => asked.key.write(&mut event),
            None => {
                event.number("cseq", wanted);
            }
        }
        event.number("code", code).text("reason", reason.get(..TEXT_MAX).unwrap_or(reason));
        for (name, value) in
            [("server", field(head, &["server"])), ("session_id", Some(session(head).as_slice()))]
        {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                event.text(name, value.get(..TEXT_MAX).unwrap_or(value));
            }
        }
        let transport = if transport.is_empty() {
            asked.as_ref().map_or(&[][..], |asked| &asked.key.transport)
        } else {
            transport
        };
        if !transport.is_empty() {
            event.text("transport", transport.get(..TEXT_MAX).unwrap_or(transport));
        }
        if sdp::is_description(body) {
            let body = body.get(..sdp::KEPT).unwrap_or(body);
            sdp::write("sdp", body, &mut event);
        }
        Ok(())
    }
}

/// Announces the media that a server agrees to send (RFC 2326 12.39, RFC 7826 18.54).
fn announce(transport: &[u8], report: &mut Report<'_, '_>) {
    let flow = *report.flow();
    let is_datagrams = !transport.windows(4).any(|part| part.eq_ignore_ascii_case(b"/TCP"));
    let ports = |name| {
        let mut ends = parameter(transport, name)?.split(|byte| *byte == b'-').map(number);
        let first = u16::try_from(ends.next()??).ok()?;
        let second = ends.next().flatten().and_then(|port| u16::try_from(port).ok());
        Some([first, second.unwrap_or(first.saturating_add(1))])
    };
    let address = |name| core::str::from_utf8(parameter(transport, name)?).ok()?.parse().ok();
    if !is_datagrams {
        return;
    }
    if let (Some(ports), Some(client)) =
        (ports("client_port"), address("destination").or_else(|| flow.key.ip(flow.client)))
    {
        sdp::media(client, ports, None, report);
    }
}

impl Messages for Rtsp {
    const NAME: &'static str = "rtsp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match bytes {
            // A packet of media: channel and length (RFC 2326, 10.12).
            [b'$', _, a, b, ..] => return Framing::at_most(4 + usize::from(u16::from_be_bytes([*a, *b])), 4),
            [b'$', ..] => return Framing::Open,
            [b'\r' | b'\n', ..] => return Framing::whole(1),
            _ => {}
        }
        if start_line(bytes, false) == Found::No {
            return Framing::Invalid("invalid_start_line");
        }
        let shown = bytes.get(..HEAD_MAX).unwrap_or(bytes);
        let Some(head) = head_len(shown) else {
            return if shown.len() < HEAD_MAX { Framing::Open } else { Framing::Invalid("head_too_long") };
        };
        let fields = shown.get(..head).unwrap_or_default();
        let body = field(fields, &["content-length"]).and_then(number).unwrap_or_default();
        match usize::try_from(body) {
            Ok(body_len) if body <= BODY_MAX => Framing::at_most(head + body_len, SHOWN_MAX),
            _ => Framing::Invalid("invalid_length"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match message.bytes {
            [b'\r' | b'\n'] => return Ok(Next::More),
            [b'$', _, a, b, ..] => {
                self.packets += 1;
                self.bytes += u64::from(u16::from_be_bytes([*a, *b]));
                return Ok(Next::More);
            }
            _ => {}
        }
        let end = head_len(message.bytes).unwrap_or(message.bytes.len());
        let (head, body) = message.bytes.split_at_checked(end).unwrap_or((message.bytes, &[]));
        if head.starts_with(b"RTSP/") {
            self.response(head, body, report)?;
            return Ok(Next::More);
        }
        if start_line(head, true) == Found::No {
            return Err("invalid_start_line");
        }
        let asked = Asked::read(head, body).ok_or("malformed_data")?;
        if let Some(oldest) = self.requests.open(asked, &[]) {
            oldest.key.write(&mut report.event("rtsp"));
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        start_line(bytes, false)
    }

    fn clear(&mut self) {
        self.requests.clear();
        (self.packets, self.bytes) = (0, 0);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            request.key.write(&mut report.event("rtsp"));
        }
        if self.packets > 0 {
            report
                .event("rtsp")
                .number("interleaved_packets", self.packets)
                .number("interleaved_bytes", self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn session() -> Vec<(Direction, Vec<u8>)> {
        let description =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=cam\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n";
        let described = format!(
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: cam/1\r\nContent-Length: {}\r\n\r\n{description}",
            description.len()
        );
        let media = b"$\x00\x00\x04abcd$\x01\x00\x02xy";
        let setup = "RTSP/1.0 200 OK\r\nCSeq: 2\r\nSession: 77;timeout=60\r\n\
                     Transport: RTP/AVP;unicast;client_port=8000-8001;server_port=9000-9001\r\n\r\n";
        vec![
            (
                ToServer,
                b"DESCRIBE rtsp://bob:topsecret@192.0.2.2/a RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic dG9wc2VjcmV0\r\n\r\n"
                    .to_vec(),
            ),
            (ToClient, described.into_bytes()),
            (
                ToServer,
                b"SETUP rtsp://192.0.2.2/a/track1 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=8000-8001\r\n\r\n"
                    .to_vec(),
            ),
            (ToClient, [setup.as_bytes(), media].concat()),
        ]
    }

    #[test]
    fn requests_stand_with_their_responses_and_media_are_announced() {
        assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
        let mut bench = Bench::new(&RTSP);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        bench.finish();
        assert_eq!(bench.kinds(), ["rtsp"; 3]);
        assert_eq!(bench.text("rtsp", "url"), "rtsp://***@192.0.2.2/a");
        assert_eq!(bench.value("rtsp", "password_in_clear"), Some(Datum::Flag(true)));
        assert_eq!(
            (bench.text("rtsp", "server"), bench.text("rtsp", "session_name")),
            ("cam/1".into(), "cam".into())
        );
        assert_eq!(bench.value("rtsp", "interleaved_bytes"), Some(Datum::Unsigned(6)));
        let client = core::net::IpAddr::from([192, 0, 2, 1]);
        let ends: Vec<_> = bench.expected.iter().map(|expected| (expected.address, expected.port)).collect();
        assert_eq!(ends, [(client, 8000), (client, 8001)]);
        // "topsecret" and "dG9wc2Vj", as bytes are printed.
        let all = bench.all();
        assert!(
            !all.iter().any(|item| item.contains("116, 111, 112, 115") || item.contains("100, 71, 57, 119"))
        );
    }

    #[test]
    fn neighbours_are_refused_and_no_prefix_is() {
        for wrong in [
            &b"OPTIONS * HTTP/1.1\r\n"[..],
            b"OPTIONS sip:a@b SIP/2.0\r\n",
            b"RTSP/1.0 900 x",
            b"SETUP http://a",
            b"OPTIONS / HTTP/1.1\r\n",
            b"OPTIONS /RTSP/1.0\r\n",
        ] {
            assert_eq!(probe(&tcp(wrong, ToServer, 554)), Found::No, "{wrong:?}");
        }
        for text in [&b"OPTIONS * RTSP/1.0\r\n"[..], b"RTSP/1.0 200 OK\r\n", b"DESCRIBE /a/b RTSP/1.0\r\n"] {
            assert_eq!(probe(&tcp(text, ToServer, 4000)), Found::Yes, "{text:?}");
            for end in 1..text.len() {
                assert_ne!(probe(&tcp(&text[..end], ToServer, 4000)), Found::No, "{end}");
            }
        }
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&RTSP), 0);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&RTSP, &session());
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
            assert_any_cut_agrees(&RTSP, &turns);
        }
    }
}
