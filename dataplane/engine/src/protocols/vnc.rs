//! The Remote Framebuffer protocol of VNC (RFC 6143): versions, authentication and its result, the screen; and TLS.
//!
//! Beside the security types of the RFC those of its registry are named (IANA "RFB Security Types"); VeNCrypt (19) and
//! TLS (18) are followed to their handshake.

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// VNC.
pub static VNC: Protocol = Protocol {
    name: "vnc",
    title: "VNC (RFB)",
    family: Family::RemoteAccess,
    carriers: &[Carrier::Tcp],
    ports: &[5900, 5901, 5800],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, b"R"),
    probe: Some(probe),
    parser: Some(framed::parser::<Rfb>),
    events: &["rfb", "anomaly"],
    source: "RFC 6143",
};

/// Bytes of a version.
const VERSION: usize = 12;
/// Longest name or reason that is believed.
const TEXT_MAX: usize = 64 * 1024;
/// Bytes of it that are written.
const TEXT_SHOWN: usize = 512;
/// Security types (RFC 6143, 7.1.2, and the registry).
const NONE: u8 = 1;
const VNC_AUTH: u8 = 2;
const TLS: u8 = 18;
const VENCRYPT: u8 = 19;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let shape = b"RFB ddd.ddd\n";
    let fits = bytes.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        _ => byte == wanted,
    });
    match (fits, bytes.len() >= VERSION) {
        (false, _) => Found::No,
        (true, false) => Found::Maybe,
        (true, true) if matches!(bytes.get(4..7), Some(b"003" | b"004" | b"005")) => Found::Yes,
        (true, true) => Found::No,
    }
}

/// What comes next, and from whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// The server's version.
    #[default]
    ServerVersion,
    /// The client's version.
    ClientVersion,
    /// The list of types that the server offers, or (version 3.3) its choice.
    Types,
    /// The type that the client takes.
    Choice,
    /// Why the server refuses.
    Refusal,
    /// 16 random bytes of the server.
    Challenge,
    /// Those, encrypted with the password.
    Response,
    /// What became of it.
    Result,
    /// Why it failed.
    Reason,
    /// Whether the screen is shared.
    ClientInit,
    /// The screen.
    ServerInit,
    /// VeNCrypt: version of the server, of the client, agreement, types, choice, agreement.
    Crypt(u8),
    /// Nothing more.
    Over,
}

impl Step {
    /// Who sends this.
    const fn from(self) -> Direction {
        match self {
            Self::ClientVersion | Self::Choice | Self::Response | Self::ClientInit | Self::Crypt(1 | 4) => {
                Direction::ToServer
            }
            _ => Direction::ToClient,
        }
    }
}

/// VNC on one flow.
#[derive(Debug, Default)]
struct Rfb {
    step: Step,
    server: Option<[u8; 8]>,
    client: Option<[u8; 8]>,
    minor: u8,
    offered: Vec<u8>,
    chosen: Option<u8>,
    /// Subtype of VeNCrypt.
    subtype: Option<u32>,
    has_response: bool,
    outcome: Option<u32>,
    reason: Vec<u8>,
    shared: Option<bool>,
    is_told: bool,
}

impl Rfb {
    /// Bytes of what comes next, as far as they are known.
    fn len(&self, bytes: &[u8]) -> Framing {
        let counted = |head: usize, unit: usize| match bytes.get(head - 1) {
            Some(0) => Framing::whole(head),
            Some(count) => Framing::whole(head + usize::from(*count) * unit),
            None => Framing::Open,
        };
        let text = |head: usize| match bytes.get(head - 4..).and_then(<[u8]>::first_chunk) {
            None => Framing::Open,
            Some(len) => match u32::from_be_bytes(*len) as usize {
                len if len <= TEXT_MAX => Framing::at_most(head + len, head + TEXT_SHOWN),
                _ => Framing::Invalid("invalid_length"),
            },
        };
        match self.step {
            Step::ServerVersion | Step::ClientVersion => Framing::whole(VERSION),
            Step::Types if self.minor < 7 => Framing::whole(4),
            Step::Types => counted(1, 1),
            Step::Choice | Step::ClientInit => Framing::whole(1),
            Step::Refusal | Step::Reason => text(4),
            Step::Challenge | Step::Response => Framing::whole(16),
            Step::Result => Framing::whole(4),
            Step::ServerInit => text(24),
            Step::Crypt(0 | 1) => Framing::whole(2),
            Step::Crypt(2 | 5) => Framing::whole(1),
            Step::Crypt(3) => counted(1, 4),
            Step::Crypt(_) => Framing::whole(4),
            Step::Over => Framing::at_most(bytes.len(), 0),
        }
    }

    /// Takes the next piece; what follows it.
    fn take(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        self.step = match self.step {
            Step::ServerVersion => {
                self.server = Some(version(bytes)?);
                Step::ClientVersion
            }
            Step::ClientVersion => {
                let client = version(bytes)?;
                self.client = Some(client);
                // RFC 6143 appendix A: what is not 3.7 or 3.8 is 3.3; later and other ones are as 3.8 (7.1.1).
                self.minor = match client {
                    [b'0', b'0', b'3', _, b'0', b'0', minor @ (b'7' | b'8'), _] => minor - b'0',
                    [b'0', b'0', b'3', _, b'0', b'0', b'0'..=b'6', _] => 3,
                    _ => 8,
                };
                Step::Types
            }
            Step::Types => self.types(bytes)?,
            Step::Choice => self.choose(*bytes.first().ok_or("malformed_data")?),
            Step::Challenge => Step::Response,
            Step::Response => {
                self.has_response = true;
                Step::Result
            }
            Step::Result => {
                let outcome = Cursor::new(bytes).u32().ok_or("malformed_data")?;
                self.outcome = Some(outcome);
                match outcome {
                    0 => Step::ClientInit,
                    _ if self.minor >= 8 => Step::Reason,
                    _ => Step::Over,
                }
            }
            Step::Refusal | Step::Reason => {
                self.reason = bytes.get(4..).unwrap_or_default().to_vec();
                Step::Over
            }
            Step::ClientInit => {
                self.shared = bytes.first().map(|shared| *shared != 0);
                Step::ServerInit
            }
            Step::ServerInit => {
                self.write(Some(bytes), report);
                return Ok(Next::Done);
            }
            Step::Crypt(number) => match self.crypt(number, bytes)? {
                Some(step) => step,
                None => {
                    self.write(None, report);
                    return Ok(Next::Upgrade);
                }
            },
            Step::Over => Step::Over,
        };
        if self.step == Step::Over {
            self.write(None, report);
            return Ok(if self.chosen == Some(TLS) { Next::Upgrade } else { Next::Done });
        }
        Ok(Next::More)
    }

    fn types(&mut self, bytes: &[u8]) -> Result<Step, &'static str> {
        if self.minor < 7 {
            let [0, 0, 0, chosen] = *bytes.first_chunk::<4>().ok_or("malformed_data")? else {
                return Err("malformed_data");
            };
            return Ok(if chosen == 0 { Step::Refusal } else { self.choose(chosen) });
        }
        self.offered = bytes.get(1..).unwrap_or_default().to_vec();
        Ok(if self.offered.is_empty() { Step::Refusal } else { Step::Choice })
    }

    /// What follows the choice of a type.
    fn choose(&mut self, chosen: u8) -> Step {
        self.chosen = Some(chosen);
        match chosen {
            VNC_AUTH => Step::Challenge,
            // Only version 3.8 says what became of it (7.2.1).
            NONE if self.minor >= 8 => Step::Result,
            NONE => Step::ClientInit,
            VENCRYPT => Step::Crypt(0),
            // What others send is not described: nothing more can be read.
            _ => Step::Over,
        }
    }

    /// A step of VeNCrypt; none where TLS follows.
    fn crypt(&mut self, number: u8, bytes: &[u8]) -> Result<Option<Step>, &'static str> {
        match number {
            2 if bytes != [0] => Ok(Some(Step::Over)),
            0..=3 => Ok(Some(Step::Crypt(number + 1))),
            4 => {
                self.subtype = Cursor::new(bytes).u32();
                // Plain (256) goes on without TLS, with a user and a password.
                let is_tls = self.subtype.is_some_and(|subtype| (257..=265).contains(&subtype));
                Ok(Some(if is_tls { Step::Crypt(5) } else { Step::Over }))
            }
            _ if bytes == [1] => Ok(None),
            _ => Ok(Some(Step::Over)),
        }
    }

    fn write(&mut self, screen: Option<&[u8]>, report: &mut Report<'_, '_>) {
        if self.is_told {
            return;
        }
        self.is_told = true;
        let is_hidden = matches!(self.chosen, Some(TLS | VENCRYPT)) && self.subtype != Some(256);
        let mut event = report.event("rfb");
        for (name, version) in
            [("server_protocol_version", self.server), ("client_protocol_version", self.client)]
        {
            if let Some([a, b, c, _, d, e, f, _]) = version {
                event.object(name).text("major", &[a, b, c]).text("minor", &[d, e, f]).close();
            }
        }
        self.write_authentication(&mut event);
        if let Some(shared) = self.shared {
            event.flag("screen_shared", shared);
        }
        if let Some(screen) = screen {
            write_screen(screen, &mut event);
        }
        if !is_hidden && self.chosen.is_some() {
            event.object("crypto").label("class", "cleartext").label("posture", "cleartext").close();
        }
    }

    fn write_authentication(&self, event: &mut EventWriter<'_>) {
        event.object("authentication");
        if !self.offered.is_empty() {
            event.list("offered");
            for offered in self.offered.iter().take(32) {
                event.number("", *offered);
            }
            event.close();
        }
        if let Some(chosen) = self.chosen {
            event.number("security_type", chosen);
            if let Some(name) = security(chosen) {
                event.label("security_name", name);
            }
        }
        if let Some(subtype) = self.subtype {
            event.number("vencrypt_subtype", subtype);
        }
        if self.has_response {
            // Challenge and response together let anybody guess the password offline.
            event.object("vnc").label("challenge", "***").label("response", "***").close();
        }
        match self.outcome {
            Some(0) => event.label("security_result", "OK"),
            Some(1) => event.label("security_result", "FAIL"),
            Some(2) => event.label("security_result", "TOOMANY"),
            Some(other) => event.number("security_result", other),
            None => event,
        };
        if !self.reason.is_empty() {
            event.text("reason", &self.reason);
        }
        event.close();
    }
}

/// The numbers of a version, with what stands between.
fn version(bytes: &[u8]) -> Result<[u8; 8], &'static str> {
    match bytes {
        [b'R', b'F', b'B', b' ', rest @ ..] if look(bytes) == Found::Yes => {
            rest.first_chunk().copied().ok_or("malformed_data")
        }
        _ => Err("malformed_data"),
    }
}

/// The screen (7.3.2).
fn write_screen(bytes: &[u8], event: &mut EventWriter<'_>) {
    let Some((&[a, b, c, d, bits, depth, order, is_true, e, f, g, h, i, j, red, green, blue, ..], rest)) =
        bytes.split_first_chunk::<24>()
    else {
        return;
    };
    let wide = |high, low| u16::from_be_bytes([high, low]);
    event.object("framebuffer").number("width", wide(a, b)).number("height", wide(c, d)).text("name", rest);
    event.object("pixel_format").number("bits_per_pixel", bits).number("depth", depth);
    event.flag("big_endian", order != 0).flag("true_color", is_true != 0);
    event.number("red_max", wide(e, f)).number("green_max", wide(g, h)).number("blue_max", wide(i, j));
    event.number("red_shift", red).number("green_shift", green).number("blue_shift", blue).close().close();
}

/// Name of a security type.
const fn security(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "invalid",
        NONE => "none",
        VNC_AUTH => "vnc",
        5 => "ra2",
        6 => "ra2ne",
        16 => "tight",
        17 => "ultra",
        TLS => "tls",
        VENCRYPT => "vencrypt",
        20 => "sasl",
        21 => "md5",
        22 => "xvp",
        30 => "apple_dh",
        33 => "apple_srp",
        _ => return None,
    })
}

impl Messages for Rfb {
    const NAME: &'static str = "rfb";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        // Until it is this side's turn its bytes wait.
        if self.step == Step::Over || self.step.from() == from { self.len(bytes) } else { Framing::Open }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if self.step == Step::Over {
            return Ok(Next::Done);
        }
        self.take(message.bytes, report)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        // Without the steps before it nothing of this can be read.
        Found::No
    }

    fn lost(&mut self, _: Direction) {
        self.step = Step::Over;
    }

    fn clear(&mut self) {
        let (mut offered, mut reason) =
            (core::mem::take(&mut self.offered), core::mem::take(&mut self.reason));
        offered.clear();
        reason.clear();
        *self = Self { offered, reason, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.server.is_some() {
            self.write(None, report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Then;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
    use crate::record::Datum;
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    fn session() -> Vec<(Direction, Vec<u8>)> {
        let screen = [
            &[5, 0, 3, 0x20, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 4][..],
            b"desk",
        ];
        vec![
            (ToClient, b"RFB 003.008\n".to_vec()),
            (ToServer, b"RFB 003.008\n".to_vec()),
            (ToClient, vec![2, 2, 16]),
            (ToServer, vec![2]),
            (ToClient, vec![0xc4; 16]),
            (ToServer, vec![0x5e; 16]),
            (ToClient, vec![0; 4]),
            (ToServer, vec![1]),
            (ToClient, screen.concat()),
        ]
    }

    #[test]
    fn a_logon_and_its_screen_are_one_event_without_the_answer_to_the_challenge() {
        assert_eq!(probe(&tcp(b"RFB 003.008\n", ToClient, 4000)), Found::Yes);
        assert_eq!(probe(&tcp(b"RFB 001.008\n", ToClient, 5900)), Found::No);
        let mut bench = Bench::new(&VNC);
        session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
        assert_eq!((bench.kinds(), bench.ending), (vec!["rfb"], Some(Then::Done)));
        assert_eq!(bench.value("rfb", "security_type"), Some(Datum::Unsigned(2)));
        assert_eq!(
            (bench.text("rfb", "security_result"), bench.text("rfb", "name")),
            ("OK".into(), "desk".into())
        );
        assert_eq!(bench.value("rfb", "width"), Some(Datum::Unsigned(1280)));
        assert!(!bench.all().iter().any(|item| item.contains("94, 94")));
    }

    #[test]
    fn the_oldest_version_and_a_failed_logon_are_read() {
        let mut bench = Bench::new(&VNC);
        for (from, bytes) in [
            (ToClient, &b"RFB 003.003\n"[..]),
            (ToServer, b"RFB 003.003\n"),
            (ToClient, &[0, 0, 0, 2]),
            (ToClient, &[7; 16]),
            (ToServer, &[8; 16]),
            (ToClient, &[0, 0, 0, 1]),
        ] {
            bench.stream(from, bytes);
        }
        assert_eq!(bench.text("rfb", "security_result"), "FAIL");
    }

    #[test]
    fn tls_is_handed_on() {
        let mut bench = Bench::new(&VNC);
        for (from, bytes) in [
            (ToClient, &b"RFB 003.008\n"[..]),
            (ToServer, b"RFB 003.008\n"),
            (ToClient, &[1, 19]),
            (ToServer, &[19]),
            (ToClient, &[0, 2]),
            (ToServer, &[0, 2]),
            (ToClient, &[0]),
            (ToClient, &[1, 0, 0, 1, 4]),
            (ToServer, &[0, 0, 1, 4]),
            (ToClient, &[1]),
        ] {
            bench.stream(from, bytes);
        }
        assert_eq!(bench.value("rfb", "vencrypt_subtype"), Some(Datum::Unsigned(260)));
        assert_eq!(bench.ending, Some(Then::Upgrade));
    }

    #[test]
    fn random_payloads_are_not_taken() {
        assert_eq!(taken_of_random(&VNC), 0);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        assert_any_cut_agrees(&VNC, &session());
    }

    proptest! {
        #[test]
        fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut turns = session();
            for (at, value) in changes {
                let turn = at.index(turns.len());
                let place = at.index(turns[turn].1.len());
                turns[turn].1[place] = value;
            }
            assert_any_cut_agrees(&VNC, &turns);
        }
    }
}
