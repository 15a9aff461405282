//! Sampled values: currents and voltages, thousands of times a second, straight over Ethernet. An event is written of
//! each stream's first message and of changes; samples are counted, not kept.

use arrayvec::ArrayVec;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::goose::frame;
use super::tlv::{Elements, unsigned};
use super::{Carrier, Exposure, Family, Opening, Protocol};
use crate::record::{Direction, EventWriter};

/// Sampled values.
pub static SAMPLED_VALUES: Protocol = Protocol {
    name: "sv",
    title: "IEC 61850 sampled values",
    family: Family::Operational,
    carriers: &[Carrier::Ethernet(0x88ba)],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(0),
    probe: None,
    parser: Some(framed::parser::<SampledValues>),
    events: &["sv", "anomaly"],
    source: "IEC 61850-9-2; IEC 61869-9",
};

/// Streams of one pair of addresses that are kept apart.
const STREAMS_MAX: usize = 16;
/// Changes of one stream that are written.
const CHANGES_MAX: u32 = 16;
/// Bytes of an identifier.
const ID_MAX: usize = 65;

/// Samples of one point in time.
#[derive(Clone, Copy, Debug, Default)]
struct Samples<'a> {
    id: &'a [u8],
    data_set: &'a [u8],
    count: u16,
    configuration: u32,
    synchronised: u8,
    rate: Option<u32>,
    size: usize,
}

impl<'a> Samples<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut samples = Self::default();
        let mut has_count = false;
        for (tag, value) in Elements::new(bytes) {
            match tag {
                0x80 => samples.id = value.get(..ID_MAX).unwrap_or(value),
                0x81 => samples.data_set = value.get(..129).unwrap_or(value),
                0x82 => {
                    samples.count = value.first_chunk().map(|count| u16::from_be_bytes(*count))?;
                    has_count = true;
                }
                0x83 => samples.configuration = unsigned(value)?,
                0x85 => samples.synchronised = value.first().copied()?,
                0x86 => samples.rate = unsigned(value),
                0x87 => samples.size = value.len(),
                _ => {}
            }
        }
        (has_count && !samples.id.is_empty()).then_some(samples)
    }

    fn write(&self, application: u16, simulated: bool, event: &mut EventWriter<'_>) {
        event.number("app_id", application).text("sv_id", self.id);
        if !self.data_set.is_empty() {
            event.text("data_set", self.data_set);
        }
        event.number("conf_rev", self.configuration).flag("simulation", simulated);
        event.label(
            "synchronisation",
            match self.synchronised {
                0 => "none",
                1 => "local",
                2 => "global",
                _ => "area",
            },
        );
        if let Some(rate) = self.rate {
            event.number("rate", rate);
        }
        event.number("sample_bytes", self.size as u64);
    }
}

/// What is known of a stream.
#[derive(Debug)]
struct Stream {
    application: u16,
    id: ArrayVec<u8, ID_MAX>,
    count: u16,
    configuration: u32,
    synchronised: u8,
    is_simulated: bool,
    frames: u64,
    gaps: u64,
    repeated: u64,
    changes: u32,
}

/// Sampled values between one pair of addresses.
#[derive(Debug, Default)]
struct SampledValues {
    streams: Vec<Stream>,
    others: u64,
}

impl Messages for SampledValues {
    const NAME: &'static str = "sv";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (application, simulated, bytes) = frame(message.bytes).ok_or("malformed_frame")?;
        let list = Elements::new(bytes).of(0x60).and_then(|unit| Elements::new(unit).of(0xa2));
        let list = list.ok_or("malformed_unit")?;
        for (tag, bytes) in Elements::new(list).take(STREAMS_MAX) {
            let samples = Samples::read(bytes).filter(|_| tag == 0x30).ok_or("malformed_unit")?;
            self.samples(&samples, application, simulated, report);
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> super::Found {
        super::Found::No
    }

    fn clear(&mut self) {
        self.streams.clear();
        self.others = 0;
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        for stream in &self.streams {
            let mut event = report.event("sv");
            event.label("type", "summary").number("app_id", stream.application).text("sv_id", &stream.id);
            event.number("samples", stream.frames).number("gaps", stream.gaps);
            event.number("repeated", stream.repeated);
        }
        if self.others > 0 {
            report.event("sv").label("type", "other_streams").number("samples", self.others);
        }
    }
}

impl SampledValues {
    fn samples(
        &mut self,
        samples: &Samples<'_>,
        application: u16,
        simulated: bool,
        report: &mut Report<'_, '_>,
    ) {
        let known = self
            .streams
            .iter_mut()
            .find(|known| known.application == application && known.id.as_slice() == samples.id);
        let kind = if let Some(known) = known {
            known.next(samples, simulated)
        } else if self.streams.len() < STREAMS_MAX {
            self.streams.push(Stream {
                application,
                id: samples.id.iter().copied().take(ID_MAX).collect(),
                count: samples.count,
                configuration: samples.configuration,
                synchronised: samples.synchronised,
                is_simulated: simulated,
                frames: 1,
                gaps: 0,
                repeated: 0,
                changes: 0,
            });
            Some("stream")
        } else {
            self.others = self.others.saturating_add(1);
            None
        };
        if let Some(kind) = kind {
            let mut event = report.event("sv");
            event.label("type", kind);
            samples.write(application, simulated, &mut event);
        }
    }
}

impl Stream {
    /// The next samples: the number goes up by one, and starts anew each second. What is to be written of them.
    fn next(&mut self, samples: &Samples<'_>, simulated: bool) -> Option<&'static str> {
        self.frames = self.frames.saturating_add(1);
        if samples.count == self.count {
            self.repeated = self.repeated.saturating_add(1);
        } else if samples.count != self.count.wrapping_add(1) && samples.count != 0 {
            self.gaps = self.gaps.saturating_add(1);
        }
        self.count = samples.count;
        let now = (samples.configuration, samples.synchronised, simulated);
        if now == (self.configuration, self.synchronised, self.is_simulated) {
            return None;
        }
        (self.configuration, self.synchronised, self.is_simulated) = now;
        self.changes = self.changes.saturating_add(1);
        (self.changes <= CHANGES_MAX).then_some("change")
    }
}
