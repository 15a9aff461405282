//! Synchrophasor data transfer (IEEE C37.118.2): what phasor measurement units say of themselves and are told to do. Data
//! frames come many a second and are only counted.

use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// IEEE C37.118.
pub static SYNCHROPHASOR: Protocol = Protocol {
    name: "synchrophasor",
    title: "IEEE C37.118",
    family: Family::Operational,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[4712, 4713],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[SYNC]),
    probe: Some(probe),
    parser: Some(framed::parser::<Synchrophasor>),
    events: &["synchrophasor", "anomaly"],
    source: "IEEE C37.118.2-2011",
};

const SYNC: u8 = 0xaa;
/// Sync, size, station, second, fraction; and the checksum.
const FRAME_MIN: usize = 16;
/// Bytes of a frame that are read; configurations of large concentrators are longer.
const SHOWN_MAX: usize = 32 * 1024;
/// Stations of one configuration that are written.
const STATIONS_MAX: u16 = 32;

fn probe(probe: &Probe<'_>) -> Found {
    let found = look(probe.payload);
    match framing(probe.payload) {
        _ if found == Found::Maybe && !probe.is_stream() => Found::No,
        Framing::Message { len, .. } if !probe.is_stream() && len != probe.payload.len() => Found::No,
        _ => found,
    }
}

/// A frame whose checksum is right.
fn look(bytes: &[u8]) -> Found {
    let (len, shown) = match framing(bytes) {
        Framing::Open => return Found::Maybe,
        Framing::Invalid(_) => return Found::No,
        Framing::Message { len, shown } => (len, shown),
    };
    match bytes.get(..len) {
        Some(frame) if has_checksum(frame) => Found::Yes,
        Some(_) => Found::No,
        None if shown < len => Found::Likely(80),
        None => Found::Maybe,
    }
}

fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [] | [SYNC] | [SYNC, _] | [SYNC, _, _] => Framing::Open,
        [SYNC, kind, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if frame_type(*kind).is_none() || !matches!(kind & 15, 1..=3) {
                return Framing::Invalid("unknown_frame_type");
            }
            if len < FRAME_MIN {
                Framing::Invalid("invalid_length")
            } else {
                Framing::at_most(len, SHOWN_MAX)
            }
        }
        _ => Framing::Invalid("missing_sync"),
    }
}

const fn frame_type(code: u8) -> Option<&'static str> {
    if code & 0x80 != 0 {
        return None;
    }
    Some(match code >> 4 {
        0 => "data",
        1 => "header",
        2 => "configuration_1",
        3 => "configuration_2",
        4 => "command",
        5 => "configuration_3",
        _ => return None,
    })
}

const fn command(code: u16) -> &'static str {
    match code {
        1 => "turn_off_transmission",
        2 => "turn_on_transmission",
        3 => "send_header",
        4 => "send_configuration_1",
        5 => "send_configuration_2",
        6 => "send_configuration_3",
        8 => "extended_frame",
        _ => "unknown",
    }
}

/// CRC-CCITT, all ones at the start (annex B).
fn has_checksum(frame: &[u8]) -> bool {
    let Some((covered, sum)) = frame.split_last_chunk::<2>() else { return false };
    let found = covered.iter().fold(0xffff_u16, |sum, byte| {
        let high = (sum >> 8) ^ u16::from(*byte);
        let quick = high ^ high >> 4;
        sum << 8 ^ quick << 12 ^ quick << 5 ^ quick
    });
    found == u16::from_be_bytes(*sum)
}

/// C37.118 on one flow.
#[derive(Debug, Default)]
struct Synchrophasor {
    data_frames: u64,
    stations: Option<u16>,
}

impl Messages for Synchrophasor {
    const NAME: &'static str = "synchrophasor";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let mut cursor = Cursor::new(message.bytes);
        let [_, kind, high, low, i1, i0] = *cursor.array::<6>().ok_or("truncated_data")?;
        let is_whole = message.bytes.len() == usize::from(u16::from_be_bytes([high, low]));
        if is_whole && !has_checksum(message.bytes) {
            return Err("checksum_mismatch");
        }
        let id = u16::from_be_bytes([i1, i0]);
        if kind >> 4 == 0 {
            self.data_frames += 1;
            self.stations = Some(id);
            return Ok(Next::More);
        }
        let mut event = report.event("synchrophasor");
        event.label("type", frame_type(kind).unwrap_or("unknown")).number("version", kind & 15);
        event.number("id_code", id);
        if let Some(second) = cursor.u32() {
            event.datum("time", Datum::Time(u64::from(second) * 1_000_000_000));
        }
        cursor.u32();
        let _ = match kind >> 4 {
            1 => {
                let text = message.bytes.get(14..message.bytes.len().saturating_sub(2)).unwrap_or_default();
                event.text("text", text.get(..256).unwrap_or(text));
                Some(())
            }
            2 | 3 => write_configuration(cursor, &mut event),
            4 => cursor.u16().map(|code| {
                event.number("command_code", code).label("command", command(code));
            }),
            _ => None,
        };
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if let Some(id) = self.stations {
            let mut event = report.event("synchrophasor");
            event.label("type", "data").number("id_code", id).number("frames", self.data_frames);
        }
    }
}

/// Stations with their names and what they measure (6.4).
fn write_configuration(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let (_, stations) = (cursor.u32()?, cursor.u16()?);
    event.number("station_count", stations).list("stations");
    for _ in 0..stations.min(STATIONS_MAX) {
        if write_station(&mut cursor, event).is_none() {
            break;
        }
    }
    event.close();
    if stations <= STATIONS_MAX
        && let Some(rate) = cursor.array()
    {
        event.datum("data_rate", Datum::Signed(i16::from_be_bytes(*rate).into()));
    }
    Some(())
}

fn write_station(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let name = cursor.take(16)?;
    let (id, _, phasors, analogs, digitals) =
        (cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?);
    // Names of channels (16 for each digital word), a factor for each, nominal frequency, count of changes.
    let words = usize::from(digitals);
    let channels = usize::from(phasors) + usize::from(analogs);
    cursor.take((channels + 16 * words) * 16)?;
    cursor.take((channels + words) * 4)?;
    cursor.take(4)?;
    event.object("").text("name", name.trim_ascii_end()).number("id_code", id).number("phasors", phasors);
    event.number("analogs", analogs).number("digitals", digitals).close();
    Some(())
}
