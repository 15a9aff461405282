//! RMCP: IPMI's sessions with management controllers, and how well they are protected (IPMI 2.0, 13; DMTF DSP0136).

use super::clear::Clear;
use super::framed::{self, Cursor, Framing, Masked, Message, Messages, Next, Report};
use super::repeated::Repeated;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::{Direction, EventWriter};

/// RMCP and IPMI. Their openings are recognised by signatures.
pub static RMCP: Protocol = Protocol {
    name: "rmcp",
    title: "RMCP (IPMI)",
    family: Family::Management,
    carriers: &[Carrier::Udp],
    ports: &[623, 664],
    exposure: Exposure::Negotiated,
    opening: Opening::any(9),
    probe: None,
    parser: Some(framed::parser::<Rmcp>),
    events: &["rmcp", "anomaly"],
    source: "DMTF DSP0136; IPMI 2.0, 13",
};

/// RMCP on one flow.
#[derive(Debug, Default)]
struct Rmcp {
    repeated: Repeated,
    clear: Clear,
}

impl Messages for Rmcp {
    const NAME: &'static str = "rmcp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let ([6, _, _, class], rest) = message.bytes.split_first_chunk::<4>().ok_or("malformed_message")?
        else {
            return Err("malformed_message");
        };
        match (class & 0x1f, rest) {
            // ASF: its enterprise number, then the type of a message.
            (6, [0, 0, 0x11, 0xbe, kind, ..]) if self.repeated.is_new(message.from, *kind, &[]) => {
                report.event("rmcp").label("class", "asf").label("message", asf(*kind));
            }
            (7, [6, kind, rest @ ..]) => self.session(message.from, *kind, rest, report)?,
            (7, [kind, rest @ ..]) => self.plain(message.from, *kind, rest, report)?,
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Rmcp {
    /// IPMI 1.5: kind of authentication, sequence, session, code where there is authentication, length, message (13.6).
    fn plain(
        &mut self,
        from: Direction,
        authentication: u8,
        rest: &[u8],
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let mut cursor = Cursor::new(rest);
        let message = (|| {
            cursor.take(8)?;
            if authentication != 0 {
                cursor.take(16)?;
            }
            let len = cursor.u8()?;
            cursor.take(usize::from(len))
        })();
        let message = message.ok_or("malformed_session_header")?;
        let name = match authentication {
            0 => "none",
            1 => "md2",
            2 => "md5",
            4 => "password",
            5 => "oem",
            _ => "unknown",
        };
        self.command(from, ("1.5", name), message, report);
        Ok(())
    }

    /// A request or an answer of IPMI: address, function, checksum, address, sequence, command (13.8).
    fn command(
        &mut self,
        from: Direction,
        (version, authentication): (&'static str, &'static str),
        message: &[u8],
        report: &mut Report<'_, '_>,
    ) {
        let [_, function, _, _, _, command, ..] = *message else { return };
        if !self.repeated.is_new(from, 0, &[function & 0xfc, command]) {
            return;
        }
        let mut event = report.event("rmcp");
        event.label("class", "ipmi").label("version", version).label("authentication", authentication);
        // What comes before a session is always in the clear.
        if authentication != "none" {
            self.clear.tell(&mut event);
        }
        event.number("function", function >> 2).number("command", command);
        if let Some(name) = ipmi(function >> 2 & 0x3e, command) {
            event.label("message", name);
        }
        // Answers have the odd function, and behind the command how it went.
        if let (1, Some(code)) = (function >> 2 & 1, message.get(6)) {
            event.number("completion", *code);
        }
    }

    /// IPMI 2.0: kind of payload, session, sequence, length, payload (13.6).
    fn session(
        &mut self,
        from: Direction,
        kind: u8,
        rest: &[u8],
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let mut cursor = Cursor::new(rest);
        let payload = (|| {
            if kind & 0x3f == 2 {
                cursor.take(6)?;
            }
            cursor.take(8)?;
            let len = cursor.u16_le()?;
            cursor.take(usize::from(len))
        })();
        let payload = payload.ok_or("malformed_session_header")?;
        let (is_encrypted, is_authenticated) = (kind & 0x80 != 0, kind & 0x40 != 0);
        let name = match kind & 0x3f {
            0 if !is_encrypted => {
                self.command(
                    from,
                    ("2.0", if is_authenticated { "session" } else { "none" }),
                    payload,
                    report,
                );
                return Ok(());
            }
            0x10 => "open_session_request",
            0x11 => "open_session_response",
            0x12 => "key_exchange_1",
            0x13 => "key_exchange_2",
            0x14 => "key_exchange_3",
            0x15 => "key_exchange_4",
            _ => return Ok(()),
        };
        if !self.repeated.is_new(from, kind & 0x3f, payload) {
            return Ok(());
        }
        let mut event = report.event("rmcp");
        event.label("class", "ipmi").label("version", "2.0").label("message", name);
        handshake(kind & 0x3f, payload, &mut event);
        Ok(())
    }
}

/// Steps of opening a session (13.17 to 13.23).
fn handshake(kind: u8, payload: &[u8], event: &mut EventWriter<'_>) {
    match (kind, payload) {
        (0x10, [_, privilege, _, _, _, _, _, _, algorithms @ ..]) => {
            event.number("privilege", privilege & 0xf);
            suite(algorithms, event);
        }
        (0x11, [_, status, privilege, _, _, _, _, _, _, _, _, _, algorithms @ ..]) => {
            event.number("status", *status).number("privilege", privilege & 0xf);
            suite(algorithms, event);
        }
        (0x11 | 0x13 | 0x14 | 0x15, [_, status, ..]) => drop(event.number("status", *status)),
        // Who asks; who answers sends a hash of the password to anybody who does (13.21).
        (0x12, payload) => {
            if let Some([privilege, _, _, len, name @ ..]) = payload.get(24..) {
                event.number("privilege", privilege & 0xf);
                let name = name.get(..usize::from(*len)).unwrap_or(name);
                Masked::of(name).write("user", event);
                event.flag("null_user", name.is_empty());
            }
        }
        _ => {}
    }
}

/// Algorithms of a session: authentication, integrity, confidentiality, each in eight bytes (13.17).
fn suite(algorithms: &[u8], event: &mut EventWriter<'_>) {
    let mut parts =
        algorithms.chunks_exact(8).filter_map(|part| part.get(4)).map(|algorithm| algorithm & 0x3f);
    let (Some(authentication), Some(integrity), Some(confidentiality)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let hash = |algorithm| match algorithm {
        0 => "none",
        1 => "hmac_sha1",
        2 => "hmac_md5",
        3 => "hmac_sha256",
        _ => "unknown",
    };
    event.label("authentication", hash(authentication));
    event.label(
        "integrity",
        match integrity {
            0 => "none",
            1 => "hmac_sha1_96",
            2 => "hmac_md5_128",
            3 => "md5_128",
            4 => "hmac_sha256_128",
            _ => "unknown",
        },
    );
    event.label(
        "confidentiality",
        match confidentiality {
            0 => "none",
            1 => "aes_cbc_128",
            2 => "xrc4_128",
            3 => "xrc4_40",
            _ => "unknown",
        },
    );
}

/// Messages of ASF (DSP0136, 3.2.4).
const fn asf(kind: u8) -> &'static str {
    match kind {
        0x10 => "reset",
        0x11 => "power_up",
        0x12 => "power_down",
        0x13 => "power_cycle",
        0x40 => "presence_pong",
        0x41 => "capabilities_response",
        0x42 => "system_state_response",
        0x43 => "open_session_response",
        0x44 => "close_session_response",
        0x80 => "presence_ping",
        0x81 => "capabilities_request",
        0x82 => "system_state_request",
        0x83 => "open_session_request",
        0x84 => "close_session_request",
        0xc0 => "key_exchange_1",
        0xc1 => "key_exchange_2",
        0xc2 => "key_exchange_3",
        _ => "unknown",
    }
}

/// Commands worth a name (IPMI 2.0, appendix G).
const fn ipmi(function: u8, command: u8) -> Option<&'static str> {
    Some(match (function, command) {
        (0, 1) => "get_chassis_status",
        (0, 2) => "chassis_control",
        (0, 8) => "set_boot_options",
        (6, 1) => "get_device_id",
        (6, 2) => "cold_reset",
        (6, 0x37) => "get_system_guid",
        (6, 0x38) => "get_authentication_capabilities",
        (6, 0x39) => "get_session_challenge",
        (6, 0x3a) => "activate_session",
        (6, 0x3b) => "set_privilege_level",
        (6, 0x3c) => "close_session",
        (6, 0x43) => "set_user_access",
        (6, 0x44) => "get_user_access",
        (6, 0x45) => "set_user_name",
        (6, 0x46) => "get_user_name",
        (6, 0x47) => "set_user_password",
        (6, 0x48) => "activate_payload",
        (6, 0x54) => "get_cipher_suites",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::bench::Bench;
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const PING: &[u8] = &[6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];
    const CAPABILITIES: &[u8] =
        &[6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0, 0x38, 0x8e, 4, 0xb5];

    fn payload(kind: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        [&[6, 0, 0xff, 7, 6, kind, 0, 0, 0, 0, 0, 0, 0, 0, len, 0][..], content].concat()
    }

    /// A session without any protection: suite 0.
    fn open() -> Vec<u8> {
        let part = |kind: u8| [kind, 0, 0, 8, 0, 0, 0, 0];
        payload(0x10, &[&[0, 4, 0, 0, 1, 2, 3, 4][..], &part(0), &part(1), &part(2)].concat())
    }

    #[test]
    fn sessions_say_how_they_are_protected() {
        let mut bench = Bench::new(&RMCP);
        for datagram in [PING, CAPABILITIES, CAPABILITIES, &open()] {
            bench.datagram(ToServer, datagram);
        }
        let key_exchange = [&[0; 24][..], &[4, 0, 0, 5], b"admin"].concat();
        bench.datagram(ToServer, &payload(0x12, &key_exchange));
        bench.datagram(ToClient, &payload(0x13, &[0, 0x0d]));
        assert_eq!(bench.kinds(), ["rmcp"; 5]);
        let text = |name| bench.text("rmcp", name);
        assert_eq!((text("confidentiality"), text("user")), ("none".into(), "a***".into()));
        assert_eq!(bench.value("rmcp", "status"), Some(Datum::Unsigned(0x0d)));
        assert!(bench.all().join(" ").contains("get_authentication_capabilities"));
    }

    #[test]
    fn truncated_headers_are_anomalies() {
        for end in [6, 12, 16] {
            let mut bench = Bench::new(&RMCP);
            bench.datagram(ToServer, &CAPABILITIES[..end]);
            assert_eq!(bench.text("anomaly", "event"), "malformed_session_header", "{end}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 1..80), change in any::<(prop::sample::Index, u8)>()) {
            let mut sample = open();
            let at = change.0.index(sample.len());
            sample[at] = change.1;
            for bytes in [bytes, sample] {
                Bench::new(&RMCP).datagram(ToServer, &bytes);
            }
        }
    }
}
