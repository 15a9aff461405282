//! SIGTRAN: signalling system 7 over SCTP (RFC 4666, 3331, 4165, 3868, 4233), with what its messages carry.
//!
//! Of global titles only the first five digits are written: the rest may be a subscriber's number.

mod adaptation;
mod names;
mod sccp;
mod ss7;
mod tcap;
#[cfg(test)]
mod tests;

use core::fmt::Debug;
use core::marker::PhantomData;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};
use crate::record::Direction;
use adaptation::Unit;

/// The members of the events of all adaptation layers.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "application_context", "circuit", "class", "code", "components", "dpc", "from", "global_title", "id",
    "isup", "link_state", "message", "name", "network", "opc", "parameters", "point_code",
    "routing_context", "sccp", "subsystem", "subsystem_number", "tcap", "to", "type", "user", "user_part",
];

/// One of these protocols.
trait Layer: Debug + Default + Send + 'static {
    const NAME: &'static str;
    const PORT: u16;
    /// Classes that no other of them has.
    const OWN: &'static [u8];
    /// Classes that others have too, for management.
    const SHARED: &'static [u8];
    /// Where it is taken for granted when nothing tells it from the others; 0: never.
    const DEFAULT: u8 = 0;
}

macro_rules! layers {
    ($($static:ident, $layer:ident = $name:literal, $title:literal, $port:literal, $own:expr, $shared:expr, $default:literal, $source:literal;)*) => {
        $(
            #[doc = $title]
            pub static $static: Protocol = Protocol {
                name: $name,
                title: $title,
                family: Family::Telecom,
                carriers: &[Carrier::Sctp],
                ports: &[$port],
                exposure: Exposure::Cleartext,
                opening: Opening::one_of(8, &[1]),
                probe: Some(probe::<$layer>),
                parser: Some(parser::<$layer>),
                events: &[$name, "anomaly"],
                source: $source,
            };

            #[derive(Debug, Default)]
            struct $layer;

            impl Layer for $layer {
                const NAME: &'static str = $name;
                const PORT: u16 = $port;
                const OWN: &'static [u8] = $own;
                const SHARED: &'static [u8] = $shared;
                const DEFAULT: u8 = $default;
            }
        )*
    };
}

layers! {
    M3UA, M3 = "m3ua", "M3UA", 2905, &[1], &[0, 2, 3, 4, 9], 80, "RFC 4666";
    M2UA, M2 = "m2ua", "M2UA", 2904, &[6], &[0, 3, 4, 10], 0, "RFC 3331";
    M2PA, Peer = "m2pa", "M2PA", 3565, &[11], &[], 0, "RFC 4165";
    SUA, Sua = "sua", "SUA", 14001, &[7, 8], &[0, 2, 3, 4, 9], 0, "RFC 3868";
    IUA, Iua = "iua", "IUA", 9900, &[5], &[0, 3, 4], 0, "RFC 4233";
}

fn probe<L: Layer>(probe: &Probe<'_>) -> Found {
    let Some(unit) = Unit::read(probe.payload) else { return Found::No };
    if names::message(unit.class, unit.kind).is_none() || !unit.is_sound() {
        return Found::No;
    }
    if L::OWN.contains(&unit.class) {
        return Found::Likely(97);
    }
    match (L::SHARED.contains(&unit.class), probe.has_port(L::PORT), L::DEFAULT) {
        (false, ..) => Found::No,
        (true, true, _) => Found::Likely(95),
        (true, false, 0) => Found::Maybe,
        (true, false, confidence) => Found::Likely(confidence),
    }
}

fn parser<L: Layer>() -> Box<dyn Parser> {
    framed::parser::<Reader<L>>()
}

/// One of these protocols on one flow.
#[derive(Debug, Default)]
struct Reader<L>(PhantomData<L>);

impl<L: Layer> Messages for Reader<L> {
    const NAME: &'static str = L::NAME;

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let unit = Unit::read(message.bytes).ok_or("malformed_message")?;
        // Heartbeats and acknowledgements say nothing of what is carried.
        if unit.is_idle() {
            return Ok(Next::More);
        }
        let mut event = report.event(L::NAME);
        event.label("class", names::class(unit.class));
        event.label("message", names::message(unit.class, unit.kind).unwrap_or("unknown"));
        unit.write(&mut event);
        drop(event);
        if !unit.is_sound() {
            report.anomaly("malformed_parameter");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}
