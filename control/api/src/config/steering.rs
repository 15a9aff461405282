//! What becomes of packets before a worker sees them: settled flows, and lists of prefixes.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use toml::de::DeValue;

use crate::config::reader::{Section, shortened};
use crate::config::{BadValue, Choice};

/// Settled flows, whose packets are counted where they come in and no longer by a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShuntConfig {
    /// On which ports.
    pub ports: ShuntPorts,
    /// What becomes of such packets on a port that listens.
    pub taps: ShuntTaps,
    /// Packets after it was settled from which on a flow is shunted.
    pub after_packets: u32,
    /// Flows that begin to be shunted in a second, by each worker.
    pub per_second: u32,
}

impl Default for ShuntConfig {
    fn default() -> Self {
        Self { ports: ShuntPorts::Taps, taps: ShuntTaps::Drop, after_packets: 32, per_second: 10_000 }
    }
}

/// On which ports settled flows are shunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShuntPorts {
    /// On those that only listen.
    Taps,
    /// Also on those that forward.
    All,
    /// On none.
    Off,
}

impl Choice for ShuntPorts {
    const ALL: &'static [(&'static str, Self)] =
        &[("taps", Self::Taps), ("all", Self::All), ("off", Self::Off)];
}

/// What becomes of the packets of a shunted flow on a port that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShuntTaps {
    /// They end here, as those that a worker has read do.
    Drop,
    /// They are the host's.
    Pass,
}

impl Choice for ShuntTaps {
    const ALL: &'static [(&'static str, Self)] = &[("drop", Self::Drop), ("pass", Self::Pass)];
}

pub(super) fn read_shunt(section: &Section<'_, '_>) -> ShuntConfig {
    let default = ShuntConfig::default();
    ShuntConfig {
        ports: section.choice("ports", default.ports),
        taps: section.choice("taps", default.taps),
        after_packets: section.integer("after_packets", default.after_packets, 8..=1_000_000),
        per_second: section.integer("per_second", default.per_second, 1..=1_000_000),
    }
}

/// Prefixes whose packets are dropped, or not, before a worker sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListsConfig {
    /// What becomes of packets from sources on no list.
    pub other_sources: ListAction,
    /// What becomes of packets to destinations on no list.
    pub other_destinations: ListAction,
    /// The lists.
    pub prefixes: Vec<PrefixList>,
}

impl Default for ListsConfig {
    fn default() -> Self {
        Self { other_sources: ListAction::Allow, other_destinations: ListAction::Allow, prefixes: Vec::new() }
    }
}

/// Prefixes that the same is done about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixList {
    /// Which address of a packet they are of.
    pub of: ListOf,
    /// What becomes of its packets; of several prefixes that match, the longest decides.
    pub action: ListAction,
    /// Written here.
    pub prefixes: Vec<Prefix>,
    /// A file of more, one a line.
    pub file: Option<PathBuf>,
}

/// Which address of a packet a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListOf {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

impl Choice for ListOf {
    const ALL: &'static [(&'static str, Self)] =
        &[("source", Self::Source), ("destination", Self::Destination)];
}

/// What a list has done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAction {
    /// It goes on.
    Allow,
    /// It is dropped.
    Deny,
}

impl Choice for ListAction {
    const ALL: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("deny", Self::Deny)];
}

/// An address and how many of its bits count (RFC 4632, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// The address, whatever its bits behind the prefix are.
    pub address: IpAddr,
    /// Bits that count, at most as many as the address has.
    pub bits: u8,
}

impl Prefix {
    /// One address alone.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither an address nor an address, a slash and a number of its bits")]
pub struct NotAPrefix;

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NotAPrefix)?;
        let Self { bits: all, .. } = Self::of(address);
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| NotAPrefix)?;
        if bits > all { Err(NotAPrefix) } else { Ok(Self { address, bits }) }
    }
}

pub(super) fn read_lists(section: &Section<'_, '_>) -> ListsConfig {
    let default = ListsConfig::default();
    ListsConfig {
        other_sources: section.choice("other_sources", default.other_sources),
        other_destinations: section.choice("other_destinations", default.other_destinations),
        prefixes: section.sections("list", MAX_LISTS).iter().map(read_list).collect(),
    }
}

fn read_list(section: &Section<'_, '_>) -> PrefixList {
    let entries = section.list("prefixes", "[\"192.0.2.0/24\"]", MAX_PREFIXES);
    let prefixes = entries.iter().filter_map(|entry| {
        let DeValue::String(text) = entry.value.get_ref() else {
            section.entry_type_problem(entry, "text", "\"192.0.2.0/24\"");
            return None;
        };
        let bad = |_| section.entry_problem(entry, BadValue::Prefix { value: shortened(text) });
        text.parse().map_err(bad).ok()
    });
    PrefixList {
        prefixes: prefixes.collect(),
        of: section.choice("of", ListOf::Source),
        action: section.choice("action", ListAction::Deny),
        file: section.path("file", "./deny.txt"),
    }
}

const MAX_LISTS: usize = 64;
const MAX_PREFIXES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_as_they_are_written() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::1/128"] {
            assert_eq!(text.parse::<Prefix>().map(|prefix| prefix.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("192.0.2.7".parse::<Prefix>().map(|prefix| prefix.bits), Ok(32));
        for text in ["", "/8", "192.0.2.0/33", "::/129", "192.0.2/24", "::/-1", "1.2.3.4/8/8"] {
            assert_eq!(text.parse::<Prefix>(), Err(NotAPrefix), "{text}");
        }
    }
}
