//! Telnet, and the terminals of IBM's machines over it (TN3270, TN3270E, TN5250).
//!
//! `lane` tells data from commands, `session` knows what was negotiated, `login` sees credentials go by without
//! keeping them, `screen` reads the 3270 data stream, `parser` puts them together, `names` has the names.

mod lane;
mod login;
mod names;
mod parser;
mod screen;
mod session;

use self::lane::{Lane, Token, code};
use self::parser::TelnetParser;
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};

/// The members of the events of Telnet and the terminals over it.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "aid", "app_proto", "application", "authentication", "columns", "command", "credentials", "cursor",
    "device_name", "device_type", "encrypted", "event", "fields", "functions", "hidden_fields",
    "hidden_input_in_clear", "id", "input_fields", "lu_name", "modified_fields", "password_in_clear",
    "password_substitute", "records_to_client", "records_to_server", "rejected", "request",
    "requested_lu_name", "response", "result", "rows", "terminal_speed", "terminal_type", "tn3270e", "type",
];

/// Telnet.
pub static TELNET: Protocol = Protocol {
    name: "telnet",
    title: "Telnet",
    family: Family::RemoteAccess,
    carriers: &[Carrier::Tcp],
    ports: &[23, 992],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(3, &[code::ESCAPE]),
    probe: Some(probe),
    parser: Some(parser),
    events: &["telnet", "tn3270", "tn5250", "anomaly"],
    source: "RFC 854, RFC 855, RFC 885, RFC 1572",
};

/// The 3270 terminal over Telnet, found by what Telnet negotiates.
pub static TN3270: Protocol = Protocol {
    name: "tn3270",
    title: "TN3270",
    family: Family::Mainframe,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(1),
    probe: None,
    parser: None,
    events: &["tn3270", "anomaly"],
    source: "RFC 1576, RFC 2355; IBM GA23-0059",
};

/// The 5250 terminal over Telnet, found by what Telnet negotiates.
pub static TN5250: Protocol = Protocol {
    name: "tn5250",
    title: "TN5250",
    family: Family::Mainframe,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(1),
    probe: None,
    parser: None,
    events: &["tn5250", "anomaly"],
    source: "RFC 1205, RFC 4777",
};

fn parser() -> Box<dyn Parser> {
    Box::<TelnetParser>::default()
}

/// Negotiation of options that exist, before anything else.
fn probe(probe: &Probe<'_>) -> Found {
    let mut lane = Lane::default();
    let mut commands = 0_u32;
    for (at, byte) in probe.payload.iter().enumerate() {
        match lane.take(*byte) {
            Token::Part => {}
            Token::Option(_, option) if names::option(option).is_some() => commands += 1,
            // Extended options, and those of games.
            Token::Option(_, 69 | 70 | 85..=87 | 90..=93 | 138..=140 | 200 | 201 | 255) => commands += 1,
            Token::Sub => {
                if lane.sub.first().is_none_or(|option| names::option(*option).is_none()) {
                    return Found::No;
                }
                commands += 1;
            }
            Token::Data(_) if commands == 0 => return Found::No,
            // What follows the negotiation is text.
            Token::Data(byte) => {
                let is_text =
                    byte.is_ascii_graphic() || byte.is_ascii_whitespace() || byte == 0x1b || byte >= 0x80;
                if !is_text || at > 512 {
                    return if is_text { found(commands, probe) } else { Found::No };
                }
            }
            Token::Command(_) if commands > 0 => {}
            Token::Command(_) | Token::Option(..) | Token::Invalid => return Found::No,
        }
    }
    found(commands, probe)
}

fn found(commands: u32, probe: &Probe<'_>) -> Found {
    match commands {
        0 => Found::Maybe,
        1 if !probe.has_port(23) => Found::Likely(80),
        _ => Found::Yes,
    }
}
