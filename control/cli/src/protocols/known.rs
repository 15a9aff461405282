//! One protocol, and everything the program can say of it.

use std::fmt::Write;

use engine::Plan;
use engine::protocols::{ALL, Carrier, Exposure, Family, Protocol, event_fields, numbered::NUMBERED};
use serde_json::{Value, json};

use crate::look::{Ink, Look};

/// A protocol that a plan knows.
#[derive(Debug)]
pub(super) struct Known<'p> {
    pub(super) name: &'p str,
    pub(super) title: &'p str,
    pub(super) family: Family,
    exposure: Exposure,
    carriers: Vec<Carrier>,
    ports: Vec<u16>,
    /// Where a port alone makes a guess.
    guesses: Vec<(Carrier, u16)>,
    events: &'p [&'p str],
    source: &'p str,
    /// Its code, where it has some.
    code: Option<&'static Protocol>,
    /// Names of its signatures.
    signatures: Vec<String>,
}

impl<'p> Known<'p> {
    /// All protocols of a plan, by name.
    pub(super) fn of_plan(plan: &'p Plan) -> Vec<Self> {
        let names = plan.names();
        let mut all: Vec<Self> = names.protocols().skip(1).map(|named| Self::new(plan, named)).collect();
        all.sort_by_key(|known| known.name);
        all
    }

    fn new(plan: &'p Plan, named: &'p engine::ProtocolName) -> Self {
        let name = named.name.as_ref();
        let code = ALL.iter().chain(NUMBERED).copied().find(|protocol| protocol.name == name);
        let set = plan.signatures();
        let described = set.protocols().iter().position(|protocol| protocol.name == name);
        let by_text = described.and_then(|at| set.protocols().get(at));
        let files: Vec<&str> = set
            .samples()
            .iter()
            .filter(|sample| described.is_some_and(|at| usize::from(sample.protocol) == at))
            .map(|sample| sample.file.as_str())
            .collect();
        let labels = (0..=u16::MAX).map_while(|index| set.label(index));
        let signatures =
            labels.filter(|label| files.contains(&label.file.as_str())).map(ToString::to_string).collect();
        let mut carriers = code.map_or_else(Vec::new, |code| code.carriers.to_vec());
        let mut ports = code.map_or_else(Vec::new, |code| code.ports.to_vec());
        if let Some(text) = by_text {
            carriers.extend(
                text.carriers
                    .iter()
                    .filter(|carrier| !carriers.contains(carrier))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            ports.extend(text.ports.iter().filter(|port| !ports.contains(port)).copied().collect::<Vec<_>>());
        }
        let id = plan.protocol_id(name).unwrap_or_default();
        Self {
            name,
            title: named.title.as_ref(),
            family: named.family,
            exposure: named.exposure,
            carriers,
            ports,
            guesses: plan.guesses().ports_of(id).collect(),
            events: code.map_or(&[], |code| code.events),
            source: code.map_or_else(|| by_text.map_or("", |text| text.source.as_str()), |code| code.source),
            code,
            signatures,
        }
    }

    /// The best way it is known by.
    pub(super) fn tier(&self) -> &'static str {
        let is_numbered =
            self.carriers.iter().any(|carrier| matches!(carrier, Carrier::Ip(_) | Carrier::Ethernet(_)));
        match self.code {
            Some(code) if code.parser.is_some() => "parser",
            _ if is_numbered => "number",
            Some(code) if code.probe.is_some() => "probe",
            _ if !self.signatures.is_empty() => "signature",
            // Its parser is another's: what that reads is refined to it.
            _ => "refinement",
        }
    }

    pub(super) fn ports_text(&self) -> String {
        let mut text = self.ports.iter().take(3).map(u16::to_string).collect::<Vec<_>>().join(" ");
        if self.ports.len() > 3 {
            text.push_str(" …");
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "family": self.family.name(),
            "known_by": self.tier(),
            "carriers": self.carriers.iter().map(|carrier| carrier_text(*carrier)).collect::<Vec<_>>(),
            "ports": self.ports,
            "guessed_by": self.guesses.iter().map(|(carrier, port)| format!("{} {port}", carrier_text(*carrier))).collect::<Vec<_>>(),
            "events": self.events,
            "fields": self.events.iter().map(|event| ((*event).to_owned(), json!(event_fields(event)))).collect::<serde_json::Map<_, _>>(),
            "signatures": self.signatures,
            "exposure": self.exposure.name(),
            "source": self.source,
        })
    }

    pub(super) fn text(&self, look: &Look) -> String {
        let mut page = format!("{}  {}\n", look.paint(Ink::Heading, self.name), self.title);
        let carriers: Vec<String> = self.carriers.iter().map(|carrier| carrier_text(*carrier)).collect();
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        let guesses: Vec<String> =
            self.guesses.iter().map(|(carrier, port)| format!("{} {port}", carrier_text(*carrier))).collect();
        let exposure = match self.exposure {
            Exposure::Cleartext => "cleartext: who copies the wire reads it",
            Exposure::Encrypted => "encrypted: sizes and the handshake show",
            Exposure::Negotiated => "negotiated: the session decides, its records say",
            Exposure::Unknown => "unknown",
        };
        let fields = self.events.iter().filter(|event| !event_fields(event).is_empty());
        let fields: Vec<String> = fields.map(|event| event_fields(event).join(", ")).collect();
        for (title, value) in [
            ("family", self.family.name().to_owned()),
            ("known by", self.tier().to_owned()),
            ("rides on", carriers.join(", ")),
            ("usual ports", ports.join(", ")),
            ("guessed by", guesses.join(", ")),
            ("events", self.events.join(", ")),
            ("fields", fields.join("; ")),
            ("signatures", self.signatures.join(", ")),
            ("exposure", exposure.to_owned()),
            ("source", self.source.to_owned()),
        ] {
            if !value.is_empty() {
                field(&mut page, look, title, &value);
            }
        }
        page
    }
}

/// Appends a titled value, wrapped to the width of the page.
pub(super) fn field(page: &mut String, look: &Look, title: &str, value: &str) {
    let mut column = 0;
    let _ = write!(page, "  {}", look.paint(Ink::Faint, &format!("{title:<12}")));
    for word in value.split(' ') {
        if column > 0 && column + word.len() + 1 > look.width.saturating_sub(INDENT) {
            let _ = write!(page, "\n{:1$}", "", INDENT - 1);
            column = 0;
        }
        let _ = write!(page, " {word}");
        column += word.len() + 1;
    }
    page.push('\n');
}

/// Columns before a value.
const INDENT: usize = 15;

fn carrier_text(carrier: Carrier) -> String {
    match carrier {
        Carrier::Tcp => "tcp".to_owned(),
        Carrier::Udp => "udp".to_owned(),
        Carrier::Sctp => "sctp".to_owned(),
        Carrier::Ip(number) => format!("ip protocol {number}"),
        Carrier::Ethernet(ethertype) => format!("ethertype {ethertype:#06x}"),
    }
}
