//! Application protocols of radio access networks (3GPP series 25, 36 and 38): procedures in aligned PER over SCTP.
//!
//! All of them share one envelope: which kind of message, which procedure, and a list of information elements. The
//! payload protocol identifier of SCTP tells them apart.

mod identity;
mod names;
mod nas;
mod pdu;
#[cfg(test)]
mod tests;

use core::fmt::Debug;
use core::marker::PhantomData;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};
use crate::record::{Direction, EventWriter};
use pdu::{Element, Pdu};

pub(in crate::protocols) use identity::Plmn;

/// The members of the events of all application protocols here.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "cause_group", "ciphering", "criticality", "elements", "integrity", "message", "nas", "plmn",
    "procedure", "procedure_code", "protection",
];

/// One of these protocols.
trait Interface: Debug + Default + Send + 'static {
    const NAME: &'static str;
    /// Registered port, 0 for none.
    const PORT: u16;
    /// The choice of kinds of messages may be extended: one bit more in front of it (ITU-T X.691, 23).
    const EXTENSIBLE: bool = true;

    /// Name of a procedure.
    fn procedure(_code: u8) -> Option<&'static str> {
        None
    }

    /// Writes what an element says, where it is worth telling.
    fn element(_element: &Element<'_>, _event: &mut EventWriter<'_>) {}
}

macro_rules! interfaces {
    ($($static:ident, $interface:ident = $name:literal, $title:literal, $port:literal, $source:literal;)*) => {
        $(
            #[doc = $title]
            pub static $static: Protocol = Protocol {
                name: $name,
                title: $title,
                family: Family::Telecom,
                carriers: &[Carrier::Sctp],
                ports: &[$port],
                exposure: Exposure::Cleartext,
                opening: Opening::one_of(6, &[0x00, 0x20, 0x40, 0x80]),
                probe: Some(probe::<$interface>),
                parser: Some(parser::<$interface>),
                events: &[$name, "anomaly"],
                source: $source,
            };
        )*
    };
}

interfaces! {
    S1AP, S1 = "s1ap", "S1AP (LTE core)", 36412, "3GPP TS 36.413";
    X2AP, X2 = "x2ap", "X2AP (between LTE base stations)", 36422, "3GPP TS 36.423";
    M2AP, M2 = "m2ap", "M2AP (LTE multicast)", 36443, "3GPP TS 36.443";
    M3AP, M3 = "m3ap", "M3AP (LTE multicast)", 36444, "3GPP TS 36.444";
    NGAP, Ng = "ngap", "NGAP (5G core)", 38412, "3GPP TS 38.413";
    XNAP, Xn = "xnap", "XnAP (between 5G base stations)", 38422, "3GPP TS 38.423";
    F1AP, F1 = "f1ap", "F1AP (within a 5G base station)", 38472, "3GPP TS 38.473";
    E1AP, E1 = "e1ap", "E1AP (within a 5G base station)", 38462, "3GPP TS 37.483";
    W1AP, W1 = "w1ap", "W1AP (within an LTE base station)", 37472, "3GPP TS 37.473";
    HNBAP, Hnb = "hnbap", "HNBAP (femtocells)", 29169, "3GPP TS 25.469";
    RUA, Ru = "rua", "RUA (femtocells)", 29169, "3GPP TS 25.468";
    SBC_AP, Sbc = "sbc_ap", "SBc-AP (cell broadcast)", 29168, "3GPP TS 29.168";
    LCS_AP, Lcs = "lcs_ap", "LCS-AP (location services)", 9082, "3GPP TS 29.171";
}

macro_rules! plain {
    ($($interface:ident = $name:literal, $port:literal, $extensible:literal, $procedures:expr;)*) => {
        $(
            #[derive(Debug, Default)]
            struct $interface;

            impl Interface for $interface {
                const NAME: &'static str = $name;
                const PORT: u16 = $port;
                const EXTENSIBLE: bool = $extensible;

                fn procedure(code: u8) -> Option<&'static str> {
                    let procedures: &[&'static str] = $procedures;
                    procedures.get(usize::from(code)).copied()
                }
            }
        )*
    };
}

plain! {
    X2 = "x2ap", 36422, true, names::X2AP;
    Xn = "xnap", 38422, true, names::XNAP;
    F1 = "f1ap", 38472, false, names::F1AP;
    E1 = "e1ap", 38462, true, names::E1AP;
    M2 = "m2ap", 36443, true, &[];
    M3 = "m3ap", 36444, true, &[];
    W1 = "w1ap", 37472, false, &[];
    Hnb = "hnbap", 29169, true, &[];
    Ru = "rua", 29169, true, &[];
    Sbc = "sbc_ap", 29168, true, &[];
    Lcs = "lcs_ap", 9082, true, &[];
}

#[derive(Debug, Default)]
struct S1;

impl Interface for S1 {
    const NAME: &'static str = "s1ap";
    const PORT: u16 = 36412;

    fn procedure(code: u8) -> Option<&'static str> {
        names::S1AP.get(usize::from(code)).copied()
    }

    fn element(element: &Element<'_>, event: &mut EventWriter<'_>) {
        match element.id {
            0 => number("mme_ue_id", element.integer(2), event),
            8 => number("enb_ue_id", element.integer(2), event),
            2 => cause(element.value.first().map(|first| first >> 4 & 7), event),
            26 => nas::write(element.octets(), event),
            59 => plmn(element.value.get(1..), event),
            60 => name("enb_name", element.name(), event),
            61 => name("mme_name", element.name(), event),
            _ => {}
        }
    }
}

#[derive(Debug, Default)]
struct Ng;

impl Interface for Ng {
    const NAME: &'static str = "ngap";
    const PORT: u16 = 38412;

    fn procedure(code: u8) -> Option<&'static str> {
        names::NGAP.get(usize::from(code)).copied()
    }

    fn element(element: &Element<'_>, event: &mut EventWriter<'_>) {
        match element.id {
            1 => name("amf_name", element.name(), event),
            10 => number("amf_ue_id", element.integer(3), event),
            85 => number("ran_ue_id", element.integer(2), event),
            15 => cause(element.value.first().map(|first| first >> 5), event),
            27 => plmn(element.value.get(1..), event),
            38 => nas::write(element.octets(), event),
            82 => name("ran_name", element.name(), event),
            _ => {}
        }
    }
}

fn number(name: &'static str, value: Option<u64>, event: &mut EventWriter<'_>) {
    if let Some(value) = value {
        event.number(name, value);
    }
}

fn name(name: &'static str, value: Option<&[u8]>, event: &mut EventWriter<'_>) {
    if let Some(value) = value {
        event.text(name, value);
    }
}

fn plmn(value: Option<&[u8]>, event: &mut EventWriter<'_>) {
    if let Some(plmn) = value.and_then(<[u8]>::first_chunk).and_then(|digits| Plmn::read(*digits)) {
        event.text("plmn", plmn.text().as_slice());
    }
}

/// Groups of causes (3GPP TS 36.413, 9.2.1.3; TS 38.413, 9.3.1.2).
fn cause(group: Option<u8>, event: &mut EventWriter<'_>) {
    let group = match group {
        Some(0) => "radio_network",
        Some(1) => "transport",
        Some(2) => "nas",
        Some(3) => "protocol",
        Some(4) => "misc",
        _ => return,
    };
    event.label("cause_group", group);
}

/// Sound messages of all these protocols look alike: which it is, only the identifier of SCTP or the port says.
fn probe<I: Interface>(probe: &Probe<'_>) -> Found {
    match Pdu::read(probe.payload) {
        Some(pdu) if pdu.elements().is_some() => {
            if probe.has_port(I::PORT) {
                Found::Likely(95)
            } else {
                Found::Maybe
            }
        }
        Some(_) => Found::Maybe,
        None => Found::No,
    }
}

fn parser<I: Interface>() -> Box<dyn Parser> {
    framed::parser::<Reader<I>>()
}

/// One of these protocols on one flow.
#[derive(Debug, Default)]
struct Reader<I>(PhantomData<I>);

impl<I: Interface> Messages for Reader<I> {
    const NAME: &'static str = I::NAME;

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let pdu = Pdu::read(message.bytes).ok_or("malformed_message")?;
        let elements = pdu.elements();
        let mut event = report.event(I::NAME);
        event.label("message", pdu.kind(I::EXTENSIBLE)).number("procedure_code", pdu.procedure);
        if let Some(procedure) = I::procedure(pdu.procedure) {
            event.label("procedure", procedure);
        }
        event.label("criticality", pdu.criticality());
        if let Some(elements) = elements {
            event.number("elements", elements.declared());
            // An element that comes twice is told once: names in an object are unique.
            let mut told = [0_u64; 4];
            for element in elements {
                let bit = told.get_mut(usize::from(element.id) / 64);
                if let Some(word) = bit.filter(|word| **word >> (element.id % 64) & 1 == 0) {
                    *word |= 1 << (element.id % 64);
                    I::element(&element, &mut event);
                }
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}
