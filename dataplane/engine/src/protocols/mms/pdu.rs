//! Units of MMS (ISO 9506-2, clause 7), and the objects and files that they name.

use super::names::{access_error, error_class, object_class, rejected, service};
use crate::protocols::tlv::{Elements, unsigned};
use crate::record::EventWriter;

/// Objects of one unit that are written.
const OBJECTS_MAX: usize = 24;
/// Bytes of a name that are written; the standard allows 32, and IEC 61850 uses 129.
const NAME_MAX: usize = 160;

/// A unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    pub(super) kind: Kind,
    /// Number of the request that it is, or answers.
    pub(super) invoke: u32,
    /// Tag of its service, and content.
    service: (u16, &'a [u8]),
}

/// What kind of unit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
    Error,
    Unconfirmed,
    Reject,
    Cancel,
    InitiateRequest,
    InitiateResponse,
    InitiateError,
    ConcludeRequest,
    ConcludeResponse,
    ConcludeError,
}

impl Kind {
    /// Name in events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Request | Self::Response | Self::Error => "confirmed",
            Self::Unconfirmed => "unconfirmed",
            Self::Reject => "reject",
            Self::Cancel => "cancel",
            Self::InitiateRequest => "initiate_request",
            Self::InitiateResponse => "initiate_response",
            Self::InitiateError => "initiate_error",
            Self::ConcludeRequest => "conclude_request",
            Self::ConcludeResponse => "conclude_response",
            Self::ConcludeError => "conclude_error",
        }
    }
}

impl<'a> Unit<'a> {
    /// Reads a unit; None where it is none.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (tag, content) = Elements::new(bytes).next()?;
        let kind = match tag {
            0xa0 => Kind::Request,
            0xa1 => Kind::Response,
            0xa2 => Kind::Error,
            0xa3 => Kind::Unconfirmed,
            0xa4 => Kind::Reject,
            0x85 | 0x86 | 0xa7 => Kind::Cancel,
            0xa8 => Kind::InitiateRequest,
            0xa9 => Kind::InitiateResponse,
            0xaa => Kind::InitiateError,
            0x8b => Kind::ConcludeRequest,
            0x8c => Kind::ConcludeResponse,
            0xad => Kind::ConcludeError,
            _ => return None,
        };
        let mut elements = Elements::new(content);
        let mut unit = Self { kind, invoke: 0, service: (tag, content) };
        match kind {
            Kind::Request | Kind::Response => {
                let (0x02, invoke) = elements.next()? else { return None };
                unit.invoke = unsigned(invoke)?;
                // Modifiers may stand before the service.
                unit.service = elements.find(|(tag, _)| *tag != 0x30)?;
                number_of(unit.service.0)?;
            }
            Kind::Error => {
                let (0x80, invoke) = elements.next()? else { return None };
                unit.invoke = unsigned(invoke)?;
                unit.service = (0xa2, elements.of(0xa2)?);
            }
            Kind::Unconfirmed => unit.service = elements.next()?,
            Kind::Reject => {
                if let Some(invoke) = elements.of(0x80) {
                    unit.invoke = unsigned(invoke)?;
                }
            }
            Kind::InitiateRequest | Kind::InitiateResponse => {
                elements.of(0xa4)?;
            }
            _ => {}
        }
        Some(unit)
    }

    /// Name of the confirmed service.
    pub(super) fn service_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Request | Kind::Response => number_of(self.service.0).and_then(service),
            _ => None,
        }
    }

    /// Whether it reports values, which devices do at the pace of their process.
    pub(super) const fn is_report(&self) -> bool {
        matches!((self.kind, self.service.0), (Kind::Unconfirmed, 0xa0))
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        let content = self.service.1;
        match self.kind {
            Kind::Request => write_request(self.service, event),
            Kind::Response => write_response(self.service, event),
            Kind::Error => write_error(content, event),
            Kind::Unconfirmed => {
                let kind = match self.service.0 {
                    0xa0 => "informationReport",
                    0xa1 => "unsolicitedStatus",
                    0xa2 => "eventNotification",
                    _ => "unknown",
                };
                event.label("service", kind);
                if self.is_report() {
                    write_variables(content, event);
                    let values = Elements::new(content).skip(1).find(|(tag, _)| *tag == 0xa0);
                    write_results("values", values.map(|(_, list)| list), event);
                }
            }
            Kind::Reject => {
                let reason = Elements::new(content).find(|(tag, _)| *tag != 0x80);
                event.label("rejected", reason.map_or("unknown", |(tag, _)| rejected(tag)));
            }
            Kind::InitiateRequest | Kind::InitiateResponse => write_initiate(content, event),
            Kind::InitiateError | Kind::ConcludeError => write_error(content, event),
            Kind::Cancel | Kind::ConcludeRequest | Kind::ConcludeResponse => {}
        }
    }
}

/// Number of a context-specific tag.
fn number_of(tag: u16) -> Option<u8> {
    match tag.to_be_bytes() {
        [0, byte] if byte & 0xc0 == 0x80 && byte & 0x1f != 0x1f => Some(byte & 0x1f),
        [0x9f | 0xbf, number] => Some(number),
        _ => None,
    }
}

/// What both sides can do.
fn write_initiate(content: &[u8], event: &mut EventWriter<'_>) {
    for (tag, value) in Elements::new(content) {
        let name = match tag {
            0x80 => "max_pdu_size",
            0x81 => "max_outstanding_calling",
            0x82 => "max_outstanding_called",
            0x83 => "nesting_level",
            0xa4 => {
                write_detail(value, event);
                continue;
            }
            _ => continue,
        };
        if let Some(number) = unsigned(value) {
            event.number(name, number);
        }
    }
}

fn write_detail(content: &[u8], event: &mut EventWriter<'_>) {
    if let Some(version) = Elements::new(content).of(0x80).and_then(unsigned) {
        event.number("version", version);
    }
    // A bit string: bits that are not used, then a bit for each service.
    let Some([_, bits @ ..]) = Elements::new(content).of(0x82) else { return };
    event.list("services");
    for number in 0..78_u8 {
        let byte = bits.get(usize::from(number / 8)).copied().unwrap_or_default();
        if byte & 0x80 >> (number % 8) != 0
            && let Some(name) = service(number)
        {
            event.label("", name);
        }
    }
    event.close();
}

fn write_request((tag, content): (u16, &[u8]), event: &mut EventWriter<'_>) {
    match number_of(tag) {
        Some(1) => write_name_list_scope(content, event),
        Some(4) => {
            if let Some(variables) = Elements::new(content).of(0xa1) {
                write_variables(variables, event);
            }
        }
        Some(5) => {
            write_variables(content, event);
            if let Some(data) = Elements::new(content).skip(1).find(|(tag, _)| *tag == 0xa0) {
                event.number("values", Elements::new(data.1).count() as u64);
            }
        }
        Some(6) => {
            let name = Elements::new(content).of(0xa0);
            write_objects(name.into_iter(), event);
        }
        Some(3 | 11 | 12 | 15) => write_objects(core::iter::once(content), event),
        Some(13) => {
            let list = Elements::new(content).of(0xa1).unwrap_or_default();
            write_object_list(list, event);
        }
        Some(26 | 29 | 32 | 36 | 37) => write_named("domain", tag, content, event),
        Some(38..=45) => write_named("program", tag, content, event),
        Some(46 | 72 | 75 | 76 | 77) => write_files(content, event),
        _ => {}
    }
}

/// What names are asked for: their class, and where.
fn write_name_list_scope(content: &[u8], event: &mut EventWriter<'_>) {
    let class = Elements::new(content).of(0xa0).and_then(|class| Elements::new(class).of(0x80));
    if let Some(class) = class.and_then(unsigned) {
        event.label("object_class", object_class(class));
    }
    match Elements::new(content).of(0xa1).and_then(|scope| Elements::new(scope).next()) {
        Some((0x80, _)) => event.label("scope", "vmd"),
        Some((0x81, domain)) => event.label("scope", "domain").text("domain", short(domain)),
        Some((0x82, _)) => event.label("scope", "association"),
        _ => event,
    };
}

/// Variables by name, or a list of them.
fn write_variables(specification: &[u8], event: &mut EventWriter<'_>) {
    match Elements::new(specification).next() {
        Some((0xa0, list)) => {
            let names = Elements::new(list)
                .filter(|(tag, _)| *tag == 0x30)
                .filter_map(|(_, item)| Elements::new(item).of(0xa0));
            write_objects(names, event);
        }
        Some((0xa1, name)) => {
            event.flag("variable_list", true);
            write_objects(core::iter::once(name), event);
        }
        _ => {}
    }
}

/// Object names that stand one behind the other.
fn write_object_list(list: &[u8], event: &mut EventWriter<'_>) {
    event.list("objects");
    for object in Elements::new(list).take(OBJECTS_MAX) {
        write_object(object, event);
    }
    event.close();
}

/// Object names, each at the start of its bytes.
fn write_objects<'a>(names: impl Iterator<Item = &'a [u8]>, event: &mut EventWriter<'_>) {
    event.list("objects");
    let mut count = 0_u64;
    for name in names {
        if count < OBJECTS_MAX as u64
            && let Some(object) = Elements::new(name).next()
        {
            write_object(object, event);
        }
        count += 1;
    }
    event.close();
    if count > OBJECTS_MAX as u64 {
        event.number("object_count", count);
    }
}

/// An object's name: of the device, of a domain (a logical device of IEC 61850), of the association.
fn write_object((tag, content): (u16, &[u8]), event: &mut EventWriter<'_>) {
    match tag {
        0x80 | 0x82 => {
            event.object("").text("name", short(content)).close();
        }
        0xa1 => {
            let mut elements = Elements::new(content);
            let (Some((_, domain)), Some((_, item))) = (elements.next(), elements.next()) else { return };
            event.object("").text("domain", short(domain)).text("item", short(item));
            // IEC 61850-8-1, 7.3: logical node, functional constraint, data object, attributes.
            let mut parts = item.split(|byte| *byte == b'$').skip(1);
            if let Some(constraint) = parts.next().filter(|part| part.len() == 2) {
                event.text("functional_constraint", constraint);
                if constraint == b"CO" {
                    event.flag("control", true);
                }
            }
            event.close();
        }
        _ => {}
    }
}

/// A name by itself, or first in a sequence.
fn write_named(name: &'static str, tag: u16, content: &[u8], event: &mut EventWriter<'_>) {
    let is_plain = matches!(tag.to_be_bytes(), [0x9f, _] | [0, 0x80..=0x9f]);
    let named = if is_plain { Some(content) } else { Elements::new(content).next().map(|(_, named)| named) };
    if let Some(named) = named {
        event.text(name, short(named));
    }
}

/// Names of files: strings, in lists or not.
fn write_files(content: &[u8], event: &mut EventWriter<'_>) {
    event.list("files");
    for (tag, inner) in Elements::new(content).take(4) {
        match tag {
            0x19 | 0x1a => {
                event.text("", short(inner));
            }
            0xa0..=0xa2 => {
                for (_, name) in Elements::new(inner).filter(|(tag, _)| matches!(tag, 0x19 | 0x1a)).take(4) {
                    event.text("", short(name));
                }
            }
            _ => {}
        }
    }
    event.close();
}

fn write_response((tag, content): (u16, &[u8]), event: &mut EventWriter<'_>) {
    match number_of(tag) {
        Some(0) => {
            for (tag, name) in [(0x80, "logical_status"), (0x81, "physical_status")] {
                if let Some(status) = Elements::new(content).of(tag).and_then(unsigned) {
                    event.number(name, status);
                }
            }
        }
        Some(1) => {
            let names = Elements::new(content).of(0xa0).unwrap_or_default();
            event.number("names", Elements::new(names).count() as u64);
        }
        Some(2) => {
            for (tag, name) in [(0x80, "vendor"), (0x81, "model"), (0x82, "revision")] {
                if let Some(text) = Elements::new(content).of(tag) {
                    event.text(name, short(text));
                }
            }
        }
        Some(4) => write_results("values", Elements::new(content).of(0xa1), event),
        Some(5) => write_results("results", Some(content), event),
        Some(73) => {
            event.number("size", Elements::new(content).of(0x80).map_or(0, <[u8]>::len) as u64);
        }
        Some(77) => {
            let entries = Elements::new(content).of(0xa0).and_then(|list| Elements::new(list).of(0x30));
            event.number("entries", entries.map_or(0, |list| Elements::new(list).count()) as u64);
        }
        _ => {}
    }
}

/// How many there are, and why some could not be had.
fn write_results(name: &'static str, list: Option<&[u8]>, event: &mut EventWriter<'_>) {
    let list = list.unwrap_or_default();
    event.number(name, Elements::new(list).count() as u64);
    let failures = || Elements::new(list).filter(|(tag, _)| *tag == 0x80);
    let count = failures().count() as u64;
    if count > 0 {
        event.number("failures", count);
        if let Some(code) = failures().find_map(|(_, code)| unsigned(code)) {
            event.label("failure", access_error(code));
        }
    }
}

fn write_error(content: &[u8], event: &mut EventWriter<'_>) {
    let class = Elements::new(content).of(0xa0).and_then(|class| Elements::new(class).next());
    if let Some((tag, code)) = class {
        event.label("error_class", error_class(number_of(tag).unwrap_or(u8::MAX)));
        if let Some(code) = unsigned(code) {
            event.number("error_code", code);
        }
    }
}

fn short(name: &[u8]) -> &[u8] {
    name.get(..NAME_MAX).unwrap_or(name)
}
