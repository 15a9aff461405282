//! The schema of a signature file.

use core::fmt;
use std::borrow::Cow;

use toml::de::DeTable;

use super::expression::Checks;
use super::files::SignatureFile;
use super::hex::{MaskedBytes, plain_bytes};
use super::lane::Beginning;
use super::pattern::{Pattern, SCAN_BYTES};
use super::problem::{Problem, Problems};
use super::reader::{Lines, Located, Section, quoted_list};
use super::signature::{Condition, LEAST_BITS, Signature};
use crate::protocols::{Carrier, EARLIER_BYTES, Exposure, Family};
use crate::record::Direction;

const FILE_KEYS: &[&str] = &[
    "id",
    "enabled",
    "protocol",
    "title",
    "family",
    "exposure",
    "source",
    "carriers",
    "ports",
    "signature",
    "sample",
];
const SIGNATURE_KEYS: &[&str] = &[
    "name",
    "carriers",
    "direction",
    "pattern",
    "hex",
    "offset",
    "depth",
    "checks",
    "min_len",
    "max_len",
    "packet",
    "confidence",
    "earlier",
];
const EARLIER_KEYS: &[&str] = &["pattern", "hex", "offset", "depth", "checks", "min_len", "max_len"];
const SAMPLE_KEYS: &[&str] = &["text", "hex", "after", "after_hex", "direction", "carrier", "match", "note"];

const CARRIERS: &[(&str, Carrier)] = &[("tcp", Carrier::Tcp), ("udp", Carrier::Udp), ("sctp", Carrier::Sctp)];
const EXPOSURES: &[(&str, Exposure)] = &[
    ("cleartext", Exposure::Cleartext),
    ("encrypted", Exposure::Encrypted),
    ("negotiated", Exposure::Negotiated),
    ("unknown", Exposure::Unknown),
];
const FAMILIES: &[(&str, Family)] = &[
    ("crypto", Family::Crypto),
    ("database", Family::Database),
    ("finance", Family::Finance),
    ("game", Family::Game),
    ("health", Family::Health),
    ("infrastructure", Family::Infrastructure),
    ("mail", Family::Mail),
    ("mainframe", Family::Mainframe),
    ("management", Family::Management),
    ("media", Family::Media),
    ("messaging", Family::Messaging),
    ("network", Family::Network),
    ("operational", Family::Operational),
    ("peer-to-peer", Family::PeerToPeer),
    ("remote-access", Family::RemoteAccess),
    ("storage", Family::Storage),
    ("telecom", Family::Telecom),
    ("vpn", Family::Vpn),
    ("web", Family::Web),
];
/// Directions to the server and to the client that a name stands for.
const DIRECTIONS: &[(&str, [bool; 2])] =
    &[("to_server", [true, false]), ("to_client", [false, true]), ("any", [true, true])];

/// What a file says.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) path: String,
    /// The file's own text: where it is the same again, so is everything else.
    pub(super) text: Cow<'static, str>,
    pub(super) id: String,
    pub(super) line: u32,
    /// Nothing where the file only switches its id off.
    pub(super) content: Option<Content>,
}

/// What a file that is switched on says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) protocol: ProtocolText,
    pub(super) signatures: Vec<(Signature, Label)>,
    pub(super) samples: Vec<Sample>,
}

/// What a file says of its protocol; what is left out is known from elsewhere.
#[derive(Debug)]
pub(super) struct ProtocolText {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) title: Option<String>,
    pub(super) family: Option<Family>,
    pub(super) exposure: Option<Exposure>,
    pub(super) source: Option<String>,
    pub(super) carriers: Vec<Carrier>,
    pub(super) ports: Vec<u16>,
}

/// Where a signature stands. Prints as `id/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Id of its file.
    pub id: String,
    /// Its name, or its number in the file, counted from 1.
    pub name: String,
    /// Path below the signature folder.
    pub file: String,
    /// Line of its `[[signature]]`, counted from 1.
    pub line: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.name)
    }
}

/// A payload that must match, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Path of its file below the signature folder.
    pub file: String,
    /// Line of its `[[sample]]`, counted from 1.
    pub line: u32,
    /// Index of the protocol of its file.
    pub protocol: u16,
    /// The payload.
    pub payload: Vec<u8>,
    /// The payload of the other direction before it, if any.
    pub after: Option<Vec<u8>>,
    /// Which way it goes.
    pub direction: Direction,
    /// TCP, UDP or SCTP.
    pub carrier: Carrier,
    /// Whether it is the protocol.
    pub is_match: bool,
}

/// Reads one file; what is wrong goes to `problems`, and then there is no definition.
pub(super) fn read(file: &SignatureFile, problems: &mut Problems<'_>) -> Option<Definition> {
    let SignatureFile { path, text, .. } = file;
    let lines = Lines::of(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(1, |span| lines.line(span.start));
        problems.add(line, Problem::Syntax(error.message().to_owned()));
    }
    if !errors.is_empty() {
        return None;
    }
    let before = problems.count();
    let file = Section::new(&root, &lines, FILE_KEYS, problems);
    let id = file.required("id", "write the file's name without `.toml`", problems);
    let id = id.and_then(|id| name_of("id", &id, problems))?;
    check_place(path, &id, &file, problems);
    let line = file.line_of("id");
    let is_enabled = file.switch("enabled", problems).unwrap_or(true);
    let content = if is_enabled { Some(content(path, &id.value, &file, problems)) } else { None };
    (problems.count() == before).then(|| Definition {
        path: path.clone(),
        text: text.clone(),
        id: id.value,
        line,
        content,
    })
}

/// The id is the file's name, the family its folder's.
fn check_place(path: &str, id: &Located<String>, file: &Section<'_>, problems: &mut Problems<'_>) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.strip_suffix(".toml").unwrap_or(name);
    if stem != id.value {
        let problem = Problem::IdIsNotFileName { id: id.value.clone(), stem: stem.to_owned() };
        problems.add(id.line, problem);
    }
    let folder = folder.rsplit_once('/').map_or(folder, |(_, last)| last);
    // A wrong type is reported where the value is read.
    let family = file.text("family", &mut Problems::new(path));
    if let Some(family) = family.filter(|family| !folder.is_empty() && family.value != folder) {
        let problem =
            Problem::FamilyIsNotFolder { family: family.value.to_owned(), folder: folder.to_owned() };
        problems.add(family.line, problem);
    }
}

fn content(path: &str, id: &str, file: &Section<'_>, problems: &mut Problems<'_>) -> Content {
    let protocol = protocol(id, file, problems);
    let mut signatures = Vec::new();
    for (index, section) in file.sections("signature", SIGNATURE_KEYS, problems).iter().enumerate() {
        let signature = signature(section, &protocol.carriers, problems);
        let name = section.text("name", problems).and_then(|name| name_of("name", &name, problems));
        let name = name.map_or_else(|| (index + 1).to_string(), |name| name.value);
        let label = Label { id: id.to_owned(), name, file: path.to_owned(), line: section.line };
        signatures.extend(signature.map(|signature| (signature, label)));
    }
    if !file.has("signature") {
        problems.add(file.line, Problem::NoSignature);
    }
    let mut samples = Vec::new();
    for section in &file.sections("sample", SAMPLE_KEYS, problems) {
        samples.extend(sample(path, section, &protocol.carriers, problems));
    }
    Content { protocol, signatures, samples }
}

fn protocol(id: &str, file: &Section<'_>, problems: &mut Problems<'_>) -> ProtocolText {
    let name = file.text("protocol", problems).and_then(|name| name_of("protocol", &name, problems));
    let owned = |text: Option<Located<&str>>| text.map(|text| text.value.to_owned());
    let ports = file.numbers("ports", (1, 65535), problems);
    ProtocolText {
        line: file.line_of(if file.has("protocol") { "protocol" } else { "id" }),
        name: name.map_or_else(|| id.to_owned(), |name| name.value),
        title: owned(file.text("title", problems)),
        family: named(file, "family", FAMILIES, problems),
        exposure: named(file, "exposure", EXPOSURES, problems),
        source: owned(file.text("source", problems)),
        carriers: carriers(file, problems),
        ports: ports.unwrap_or_default().into_iter().filter_map(|port| u16::try_from(port).ok()).collect(),
    }
}

fn carriers(section: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Carrier> {
    if !section.has("carriers") {
        let mend = "write one or more of \"tcp\", \"udp\", \"sctp\"";
        problems.add(section.line, Problem::MissingKey { key: "carriers", mend });
    }
    let mut carriers = Vec::new();
    for name in section.texts("carriers", problems).unwrap_or_default() {
        carriers.extend(look_up("carriers", &name, CARRIERS, problems));
    }
    carriers
}

fn signature(
    section: &Section<'_>,
    carriers_of_file: &[Carrier],
    problems: &mut Problems<'_>,
) -> Option<Signature> {
    let before = problems.count();
    let own = if section.has("carriers") { carriers(section, problems) } else { carriers_of_file.to_vec() };
    for foreign in own.iter().filter(|carrier| !carriers_of_file.contains(carrier)) {
        let problem = Problem::ForeignCarrier { carrier: carrier_name(*foreign) };
        problems.add(section.line_of("carriers"), problem);
    }
    let directions = named(section, "direction", DIRECTIONS, problems);
    let packet = section.number("packet", (1, 3), problems);
    if !section.has("confidence") {
        let mend =
            "write how sure a match is, 1 to 99 per cent, or 100 where nothing else can look like this";
        problems.add(section.line, Problem::MissingKey { key: "confidence", mend });
    }
    let confidence = section.number("confidence", (1, 100), problems);
    let payload = condition(section, SCAN_BYTES, problems);
    let earlier = section.section("earlier", EARLIER_KEYS, problems);
    let earlier = earlier.map(|earlier| condition(&earlier, EARLIER_BYTES, problems));
    if problems.count() != before {
        return None;
    }
    let signature = Signature {
        protocol: 0,
        confidence: u8::try_from(confidence?.value).ok()?,
        most_earlier: packet.map_or(u8::MAX, |packet| u8::try_from(packet.value - 1).unwrap_or(u8::MAX)),
        serves_midstream: false,
        beginning: Beginning::of(&payload),
        payload,
        earlier: earlier.map(Box::new),
        directions: directions.unwrap_or([true, true]),
        carriers: [Carrier::Tcp, Carrier::Udp, Carrier::Sctp].map(|carrier| own.contains(&carrier)),
    };
    check_strength(&signature, section.line, problems);
    (problems.count() == before).then(|| signature.with_midstream())
}

fn check_strength(signature: &Signature, line: u32, problems: &mut Problems<'_>) {
    let bits = signature.bits();
    if bits < f64::from(LEAST_BITS) {
        let whole = (0..LEAST_BITS).rev().find(|whole| f64::from(*whole) <= bits).unwrap_or(0);
        problems.add(line, Problem::TooWeak { bits: whole, least: LEAST_BITS });
    }
}

/// The keys that say what bytes must be, of which only the first `reach` are at hand.
fn condition(section: &Section<'_>, reach: usize, problems: &mut Problems<'_>) -> Condition {
    let most = u32::try_from(reach).unwrap_or(u32::MAX);
    let offset = section.number("offset", (0, most), problems).map_or(0, |offset| offset.value);
    let depth = section.number("depth", (1, most), problems).map_or(most, |depth| depth.value);
    let window = (
        usize::try_from(offset).unwrap_or(0),
        usize::try_from(offset.saturating_add(depth)).unwrap_or(reach),
    );
    let window = (window.0, window.1.min(reach));
    let needs_pattern = [("depth", "`pattern`", section.has("pattern"))];
    let needs_place = [("offset", "`pattern` or `hex`", section.has("pattern") || section.has("hex"))];
    for (key, needed, is_there) in needs_pattern.into_iter().chain(needs_place) {
        if section.has(key) && !is_there {
            problems.add(section.line_of(key), Problem::Needs { key, needed });
        }
    }
    if !["pattern", "hex", "checks"].iter().any(|key| section.has(key)) {
        problems.add(section.line, Problem::NothingToMatch);
    }
    let pattern = section.text("pattern", problems).and_then(|text| {
        let parsed = Pattern::parse(text.value, window);
        parsed.map_err(|error| problems.add(text.line, Problem::Pattern(error))).ok()
    });
    let hex = section.text("hex", problems).and_then(|text| {
        let parsed = MaskedBytes::parse(text.value, window.0);
        parsed.map_err(|error| problems.add(text.line, Problem::Hex { key: "hex", error })).ok()
    });
    let mut checks = Checks::default();
    for text in section.texts("checks", problems).unwrap_or_default() {
        if let Err(error) = checks.add(text.value) {
            problems.add(text.line, Problem::Check { check: text.value.to_owned(), error });
        }
    }
    let (min_len, max_len) = lengths(section, problems);
    Condition { min_len, max_len, hex, checks, pattern: pattern.map(Box::new) }
}

fn lengths(section: &Section<'_>, problems: &mut Problems<'_>) -> (u32, u32) {
    let min = section.number("min_len", (1, 65535), problems).map_or(1, |min| min.value);
    let max = section.number("max_len", (1, 65535), problems).map_or(u32::MAX, |max| max.value);
    if min > max {
        problems.add(section.line_of("min_len"), Problem::NoLength { min, max });
    }
    (min, max)
}

fn sample(
    path: &str,
    section: &Section<'_>,
    carriers_of_file: &[Carrier],
    problems: &mut Problems<'_>,
) -> Option<Sample> {
    let payload = bytes(section, "text", "hex", problems);
    if payload.is_none() && !section.has("text") && !section.has("hex") {
        problems.add(section.line, Problem::MissingKey { key: "hex", mend: "write the payload, or `text`" });
    }
    let after = bytes(section, "after", "after_hex", problems);
    if !section.has("match") {
        let mend = "write true where this is the protocol, false where it only looks like it";
        problems.add(section.line, Problem::MissingKey { key: "match", mend });
    }
    let is_match = section.switch("match", problems);
    let directions = named(section, "direction", DIRECTIONS, problems);
    if !section.has("direction") || directions == Some([true, true]) {
        let mend = "write \"to_server\" or \"to_client\"";
        problems.add(section.line, Problem::MissingKey { key: "direction", mend });
    }
    section.any_text("note", problems);
    let carrier = named(section, "carrier", CARRIERS, problems);
    Some(Sample {
        file: path.to_owned(),
        line: section.line,
        protocol: 0,
        payload: payload?,
        after,
        direction: if directions? == [true, false] { Direction::ToServer } else { Direction::ToClient },
        carrier: carrier.or_else(|| carriers_of_file.first().copied())?,
        is_match: is_match?,
    })
}

/// Bytes given as text or in hexadecimal.
fn bytes(
    section: &Section<'_>,
    text_key: &'static str,
    hex_key: &'static str,
    problems: &mut Problems<'_>,
) -> Option<Vec<u8>> {
    if section.has(text_key) && section.has(hex_key) {
        let problem = Problem::Both { first: text_key, second: hex_key };
        problems.add(section.line_of(hex_key), problem);
    }
    if let Some(text) = section.text(text_key, problems) {
        return Some(text.value.as_bytes().to_vec());
    }
    let text = section.text(hex_key, problems)?;
    match plain_bytes(text.value) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            problems.add(text.line, Problem::Hex { key: hex_key, error });
            None
        }
    }
}

/// A text that must be one of the names of a table.
fn named<T: Copy>(
    section: &Section<'_>,
    key: &'static str,
    table: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let text = section.text(key, problems)?;
    look_up(key, &text, table, problems)
}

fn look_up<T: Copy>(
    key: &'static str,
    text: &Located<&str>,
    table: &[(&str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let found = table.iter().find(|(name, _)| *name == text.value).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        let value = text.value.to_owned();
        problems
            .add(text.line, Problem::UnknownName { key: key.to_owned(), value, known: quoted_list(&names) });
    }
    found
}

/// A name of the form that protocols have.
fn name_of(key: &'static str, text: &Located<&str>, problems: &mut Problems<'_>) -> Option<Located<String>> {
    let value = text.value;
    let is_name = value.len() <= 32
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name {
        problems.add(text.line, Problem::BadName { key, value: value.to_owned() });
    }
    is_name.then(|| Located { value: value.to_owned(), line: text.line })
}

/// A carrier as the files write it.
pub(super) fn carrier_name(carrier: Carrier) -> &'static str {
    CARRIERS.iter().find(|(_, known)| *known == carrier).map_or("another carrier", |(name, _)| name)
}
