//! The Redis serialisation protocol, versions 2 and 3: who logs on how, which commands are given, and how they are
//! answered.
//!
//! `token` tells lines and strings apart, `command` collects what may be known of a command, `reply` counts what
//! belongs to an answer, `parser` puts them together.

mod command;
mod parser;
mod reply;
#[cfg(test)]
mod tests;
mod token;

use super::framed;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// Redis.
pub static REDIS: Protocol = Protocol {
    name: "redis",
    title: "Redis",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[6379],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"*"),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Redis>),
    events: &["redis", "anomaly"],
    source: "Redis documentation: RESP protocol specification",
};

/// A request is an array of strings, the first of them a command's name. What a server says first, and commands in one
/// line, are told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient && !probe.midstream {
        return Found::No;
    }
    let bytes = probe.payload.get(..64).unwrap_or(probe.payload);
    let Some(rest) = bytes.strip_prefix(b"*") else { return Found::No };
    let rest = match token::counted(rest) {
        token::Counted::Open => return Found::Maybe,
        token::Counted::Is(1..=1_048_576, rest) => rest,
        _ => return Found::No,
    };
    let rest = match rest.split_first() {
        None => return Found::Maybe,
        Some((b'$', rest)) => rest,
        Some(_) => return Found::No,
    };
    let (len, name) = match token::counted(rest) {
        token::Counted::Open => return Found::Maybe,
        token::Counted::Is(len @ 2..=32, rest) => (usize::try_from(len).unwrap_or_default(), rest),
        _ => return Found::No,
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name.get(..len) {
        None if name.iter().all(is_name) => Found::Maybe,
        Some(command) if command.iter().all(is_name) => match name.get(len..) {
            Some([b'\r', b'\n', ..]) => Found::Yes,
            Some([] | [b'\r']) => Found::Maybe,
            _ => Found::No,
        },
        _ => Found::No,
    }
}
