//! IEC 60870-5-104: telecontrol over TCP.
//!
//! `types` has the tables of the standard, `asdu` checks and writes application units; frames, sequence numbers and
//! their events are here.

mod asdu;
mod types;

use self::asdu::Asdu;
use self::types::unnumbered;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// IEC 60870-5-104.
pub static IEC104: Protocol = Protocol {
    name: "iec104",
    title: "IEC 60870-5-104",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[2404],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[START]),
    probe: Some(probe),
    parser: Some(framed::parser::<Iec104>),
    events: &["iec104", "anomaly"],
    source: "IEC 60870-5-104:2006; IEC 60870-5-101:2003",
};

const START: u8 = 0x68;
/// Start and length.
const PREFIX_LEN: usize = 2;

fn probe(probe: &Probe<'_>) -> Found {
    let found = look(probe.payload);
    // More units behind the first must be as right as it is.
    let mut rest = probe.payload;
    while let Framing::Message { len, .. } = framing(rest)
        && let Some(after) = rest.get(len..).filter(|after| !after.is_empty())
    {
        if look(after) == Found::No {
            return Found::No;
        }
        rest = after;
    }
    found
}

/// Whether a unit stands at the start that is right in all it says.
fn look(bytes: &[u8]) -> Found {
    let len = match framing(bytes) {
        Framing::Open => return Found::Maybe,
        Framing::Invalid(_) => return Found::No,
        Framing::Message { len, .. } => len,
    };
    match (Control::read(bytes), bytes.get(..len)) {
        (Some(Control::Unnumbered(_)), _) => Found::Yes,
        (Some(Control::Supervisory { .. }), _) => Found::Likely(97),
        (Some(Control::Information { .. }), None) => Found::Maybe,
        (Some(Control::Information { .. }), Some(unit)) => {
            let is_right =
                unit.get(CONTROL_END..).and_then(Asdu::read).is_some_and(|asdu| asdu.check().is_ok());
            if is_right { Found::Yes } else { Found::No }
        }
        (None, _) => Found::No,
    }
}

/// Start, length and control field.
const CONTROL_END: usize = 6;

fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [] | [START] => Framing::Open,
        [START, 4..=253, rest @ ..] if rest.len() < 4 => Framing::Open,
        [START, len @ 4..=253, ..] => match Control::read(bytes) {
            None => Framing::Invalid("invalid_control_field"),
            Some(_) => Framing::whole(PREFIX_LEN + usize::from(*len)),
        },
        [START, ..] => Framing::Invalid("invalid_length"),
        _ => Framing::Invalid("invalid_start"),
    }
}

/// The control field (5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    /// Numbered information.
    Information { send: u16, receive: u16 },
    /// A receipt.
    Supervisory { receive: u16 },
    /// A control function by its name.
    Unnumbered(&'static str),
}

impl Control {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [_, len, a, b, c, d] = *bytes.first_chunk::<CONTROL_END>()?;
        let receive = u16::from_le_bytes([c, d]);
        match a & 3 {
            3 if (len, b, c, d) == (4, 0, 0, 0) => unnumbered(a).map(Self::Unnumbered),
            1 if (len, a, b) == (4, 1, 0) && c & 1 == 0 => Some(Self::Supervisory { receive: receive >> 1 }),
            0 | 2 if c & 1 == 0 && len >= 10 => {
                Some(Self::Information { send: u16::from_le_bytes([a, b]) >> 1, receive: receive >> 1 })
            }
            _ => None,
        }
    }
}

/// IEC 104 on one connection.
#[derive(Debug, Default)]
struct Iec104 {
    /// Number that the next unit of each direction must have, where it is known.
    expected: [Option<u16>; 2],
}

impl Messages for Iec104 {
    const NAME: &'static str = "iec104";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let control = Control::read(message.bytes).ok_or("invalid_control_field")?;
        match control {
            Control::Supervisory { .. } => {}
            Control::Unnumbered(name) => {
                report.event("iec104").label("type", "U").label("function", name);
            }
            Control::Information { send, receive } => {
                let asdu = message.bytes.get(CONTROL_END..).and_then(Asdu::read).ok_or("malformed_asdu")?;
                let mut event = report.event("iec104");
                event.label("type", "I").number("send_sequence", send).number("receive_sequence", receive);
                asdu.write(&mut event);
                drop(event);
                if let Err(fault) = asdu.check() {
                    report.anomaly(fault.anomaly());
                }
                if let Some(expected) = self.expected.get_mut(message.from as usize) {
                    if expected.is_some_and(|expected| expected != send) {
                        report.anomaly("sequence_mismatch");
                    }
                    *expected = Some((send + 1) & 0x7fff);
                }
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(expected) = self.expected.get_mut(from as usize) {
            *expected = None;
        }
    }

    fn clear(&mut self) {
        self.expected = [None; 2];
    }
}
