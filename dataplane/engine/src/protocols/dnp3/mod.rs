//! DNP3 (IEEE 1815) over TCP and UDP.
//!
//! `link` finds frames and keeps to their checksums; fragments are put together from transport segments here;
//! `objects` reads the objects of a fragment with the sizes in `layout`, and `names` has the names.

mod layout;
mod link;
mod names;
mod objects;

use self::link::{Header, Start, start, user_data};
use self::objects::{Content, Stop};
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// DNP3.
pub static DNP3: Protocol = Protocol {
    name: "dnp3",
    title: "DNP3",
    family: Family::Operational,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[20_000],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0x05]),
    probe: Some(probe),
    parser: Some(framed::parser::<Dnp3>),
    events: &["dnp3", "anomaly"],
    source: "IEEE 1815-2012",
};

fn probe(probe: &Probe<'_>) -> Found {
    match look(probe.payload) {
        Found::Maybe if !probe.is_stream() => Found::No,
        found => found,
    }
}

/// Two start octets and a checksum over a header whose function exists.
fn look(bytes: &[u8]) -> Found {
    match start(bytes) {
        Start::Open => Found::Maybe,
        Start::Frame(_) if Header::read(bytes).is_some_and(Header::is_known) => Found::Yes,
        Start::Frame(_) | Start::Elsewhere | Start::Short | Start::BadChecksum => Found::No,
    }
}

/// Largest fragment that is put together: twice what the standard asks of every device (4.1.3).
const FRAGMENT_MAX: usize = 4096;

/// A fragment of one direction.
#[derive(Debug, Default)]
struct Fragment {
    data: Vec<u8>,
    /// Link header and sequence number of the last segment; none while nothing is open.
    last: Option<(Header, u8)>,
}

/// DNP3 on one flow.
#[derive(Debug, Default)]
struct Dnp3 {
    fragments: [Fragment; 2],
}

impl Fragment {
    /// Takes a transport segment (8.2); the fragment is whole where the answer is true.
    fn segment(&mut self, header: Header, segment: &[u8]) -> Result<bool, &'static str> {
        let (&control, data) = segment.split_first().ok_or("malformed")?;
        let (is_final, is_first, sequence) = (control & 0x80 != 0, control & 0x40 != 0, control & 0x3f);
        if is_first {
            self.data.clear();
        } else {
            let follows = self.last.is_some_and(|(last, number)| {
                (last.source, last.destination) == (header.source, header.destination)
                    && (number + 1) & 0x3f == sequence
            });
            if !follows {
                self.close();
                return Err("transport_sequence");
            }
        }
        if self.data.len() + data.len() > FRAGMENT_MAX {
            self.close();
            return Err("fragment_too_long");
        }
        self.data.extend_from_slice(data);
        self.last = (!is_final).then_some((header, sequence));
        Ok(is_final)
    }

    fn close(&mut self) {
        self.data.clear();
        self.last = None;
    }
}

impl Messages for Dnp3 {
    const NAME: &'static str = "dnp3";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match start(bytes) {
            Start::Open => Framing::Open,
            Start::Frame(len) => Framing::whole(len),
            Start::Elsewhere => Framing::Invalid("malformed"),
            Start::Short => Framing::Invalid("len_too_small"),
            Start::BadChecksum => Framing::Invalid("bad_link_crc"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("malformed")?;
        let [to_server, to_client] = &mut self.fragments;
        let fragment = if message.from == Direction::ToServer { to_server } else { to_client };
        let Some(data) = user_data(message.bytes) else {
            fragment.close();
            report.anomaly("bad_transport_crc");
            return Ok(Next::More);
        };
        if !header.has_user_data() {
            if !header.is_known() {
                report.anomaly("unknown_link_function");
            }
            return Ok(Next::More);
        }
        match fragment.segment(header, &data) {
            Ok(true) => write(header, &fragment.data, report),
            Ok(false) => {}
            Err(name) => report.anomaly(name),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(fragment) = self.fragments.get_mut(from as usize) {
            fragment.close();
        }
    }

    fn clear(&mut self) {
        self.fragments.iter_mut().for_each(Fragment::close);
    }
}

/// Writes a fragment as Suricata does.
fn write(link: Header, fragment: &[u8], report: &mut Report<'_, '_>) {
    let Some((&[control, function], rest)) = fragment.split_first_chunk::<2>() else {
        return report.anomaly("malformed");
    };
    let is_response = function >= 129;
    let (indications, data) = match rest.split_first_chunk::<2>() {
        Some((indications, data)) if is_response => (Some(*indications), data),
        None if is_response => return report.anomaly("malformed"),
        _ => (None, rest),
    };
    let mut event = report.event("dnp3");
    event.label(
        "type",
        match function {
            130 => "unsolicited_response",
            129.. => "response",
            _ => "request",
        },
    );
    event.object("control").flag("dir", link.is_from_master()).flag("pri", link.is_primary());
    event.flag("fcb", link.count_bit()).flag("fcv", link.is_count_valid());
    event.number("function_code", link.function()).close();
    event.number("src", link.source).number("dst", link.destination);
    event.object("application").object("control");
    event.flag("fir", control & 0x80 != 0).flag("fin", control & 0x40 != 0).flag("con", control & 0x20 != 0);
    event.flag("uns", control & 0x10 != 0).number("sequence", control & 0x0f).close();
    event.number("function_code", function).label("function", names::function(function)).list("objects");
    let walked = objects::write(data, content(function), &mut event);
    event.close().flag("complete", walked.is_ok()).close();
    if let Some(indications) = indications {
        write_indications(indications, &mut event);
    }
    drop(event);
    match walked {
        Ok(()) => {}
        Err(Stop::Malformed) => report.anomaly("malformed"),
        Err(Stop::Unknown) => report.anomaly("unknown_object"),
    }
    if names::function(function) == "UNKNOWN" {
        report.anomaly("unknown_function");
    }
}

fn write_indications(indications: [u8; 2], event: &mut EventWriter<'_>) {
    let bits = u16::from_le_bytes(indications);
    event.object("iin").list("indicators");
    for (bit, name) in names::INDICATIONS.iter().enumerate() {
        if bits >> bit & 1 == 1 {
            event.label("", name);
        }
    }
    event.close().close();
}

/// Whether a function's headers have objects behind them (4.4).
const fn content(function: u8) -> Content {
    match function {
        2..=6 | 11 | 12 | 16..=18 | 25..=33 | 129..=131 => Content::Objects,
        _ => Content::Headers,
    }
}
