//! Tunnels: whose traffic is sealed, where its packets go, and how their keys are agreed on.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use toml::de::DeValue;

use crate::config::exchange::{self, ExchangeConfig};
use crate::config::reader::{Entry, Section, shortened};
use crate::config::{BadValue, BootConfig, BrokenRule, Choice, PortMode, Prefix, nearest};

/// Tunnels over one pair of inline ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Name of the inline port by which sealed packets go; its peer is inside. None: nothing is sealed.
    pub outside: Option<String>,
    /// Our addresses outside, at most one of each IP.
    pub local: Vec<IpAddr>,
    /// Our link-layer address on both sides; made of the first of `local` where there is none.
    pub mac: Option<MacAddress>,
    /// Routers outside by which peers are reached; where there is none of an IP, its peers are on the link.
    pub next_hop: Vec<IpAddr>,
    /// Link-layer address of everything outside, which then is not asked for.
    pub next_hop_mac: Option<MacAddress>,
    /// Our addresses inside, each with the prefix of its link.
    pub inside: Vec<Prefix>,
    /// Routers inside by which what is on no link of ours is reached.
    pub inside_next_hop: Vec<IpAddr>,
    /// What becomes of frames without IP, and of neighbour discovery, from one side to the other.
    pub link_frames: LinkFrames,
    /// UDP port of encapsulated ESP.
    pub udp_port: u16,
    /// What becomes of a flow while it is not known yet what the rules ask.
    pub unclassified: Treatment,
    /// What becomes of a flow that no rule speaks of.
    pub otherwise: Treatment,
    /// Rules; the first that holds decides.
    pub rules: Vec<TunnelRule>,
    /// Far ends, names all different.
    pub peers: Vec<TunnelPeer>,
    /// How keys are agreed on.
    pub exchange: ExchangeConfig,
}

impl Default for TunnelConfig {
    fn default() -> Self {
        Self {
            outside: None,
            local: Vec::new(),
            mac: None,
            next_hop: Vec::new(),
            next_hop_mac: None,
            inside: Vec::new(),
            inside_next_hop: Vec::new(),
            link_frames: LinkFrames::Drop,
            udp_port: 4500,
            unclassified: Treatment::Encrypt,
            otherwise: Treatment::Drop,
            rules: Vec::new(),
            peers: Vec::new(),
            exchange: ExchangeConfig::default(),
        }
    }
}

/// What becomes of frames without IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFrames {
    /// They end here.
    Drop,
    /// They go on, in the clear.
    Pass,
}

impl Choice for LinkFrames {
    const ALL: &'static [(&'static str, Self)] = &[("drop", Self::Drop), ("pass", Self::Pass)];
}

/// What becomes of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is sealed, or dropped.
    Encrypt,
    /// It is dropped.
    Drop,
    /// It goes on in the clear.
    Bypass,
}

impl Choice for Treatment {
    const ALL: &'static [(&'static str, Self)] =
        &[("encrypt", Self::Encrypt), ("drop", Self::Drop), ("bypass", Self::Bypass)];
}

/// What becomes of traffic that is to be sealed while there is no key for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyless {
    /// It is dropped: fail closed.
    Drop,
    /// It goes on in the clear: fail open.
    Pass,
}

impl Choice for Keyless {
    const ALL: &'static [(&'static str, Self)] = &[("drop", Self::Drop), ("pass", Self::Pass)];
}

/// What is done about the flows that a filter chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRule {
    /// The filter, in the language of `docs/filter.md`.
    pub filter: String,
    /// What becomes of its flows.
    pub verdict: Treatment,
    /// The peer that they are sealed to; by their addresses where there is none.
    pub peer: Option<String>,
    /// What becomes of them while there is no key.
    pub otherwise: Keyless,
}

/// A far end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelPeer {
    /// Its name, which its certificate has too where it is not pinned.
    pub name: String,
    /// Its address outside, of the IP of one of `local`; none where it is known only once it sends.
    pub address: Option<IpAddr>,
    /// Where it is called for keys; none where it calls.
    pub endpoint: Option<SocketAddr>,
    /// Prefixes behind it.
    pub prefixes: Vec<Prefix>,
    /// Prefixes of ours that reach it; all where there are none.
    pub ours: Vec<Prefix>,
    /// What is in its sealed packets.
    pub framing: Framing,
    /// Bytes of the largest outer packet that passes.
    pub mtu: u16,
    /// Whether its address may change.
    pub roaming: Roaming,
    /// Whether ESP goes in UDP, through translators.
    pub udp_encapsulation: bool,
    /// SHA-384 of its public keys, lower-case hexadecimal; where there are none its certificate has to be of `ca`.
    pub keys: Vec<String>,
    /// SHA-384 of its classical public keys, with `auth = "mldsa+classical"`.
    pub classical_keys: Vec<String>,
    /// Addresses from which it may call; its `address` and that of its `endpoint` where there are none.
    pub allow: Vec<Prefix>,
}

impl TunnelPeer {
    /// From where it may call for keys: the prefixes of `allow`, or else its known addresses.
    #[must_use]
    pub fn callers(&self) -> Vec<Prefix> {
        if !self.allow.is_empty() {
            return self.allow.clone();
        }
        let known = [self.address, self.endpoint.map(|endpoint| endpoint.ip())];
        known.into_iter().flatten().map(Prefix::of).collect()
    }
}

/// What is in sealed packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// IP packets.
    #[default]
    Ip,
    /// Ethernet frames in EtherIP (RFC 3378).
    EtherIp,
    /// Ethernet frames in GRE (RFC 2784).
    Gre,
}

impl Choice for Framing {
    const ALL: &'static [(&'static str, Self)] =
        &[("ip", Self::Ip), ("etherip", Self::EtherIp), ("gre", Self::Gre)];
}

/// Whether a peer's address may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roaming {
    /// It stays.
    Fixed,
    /// Its newest authentic packet says where it is.
    Follow,
}

impl Choice for Roaming {
    const ALL: &'static [(&'static str, Self)] = &[("fixed", Self::Fixed), ("follow", Self::Follow)];
}

/// An Ethernet address of one station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A text that is no address of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not six bytes of two hexadecimal digits with colons between, or of a group or nobody")]
pub struct NotAMac;

impl FromStr for MacAddress {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut parts = text.split(':');
        let mut bytes = [0; 6];
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or(NotAMac)?;
        }
        let [first, ..] = bytes;
        let is_station = parts.next().is_none() && first & 1 == 0 && bytes != [0; 6];
        is_station.then_some(Self(bytes)).ok_or(NotAMac)
    }
}

impl TunnelConfig {
    /// Whether anything is sealed.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.outside.is_some()
    }

    /// Name of the port inside, where there is one.
    #[must_use]
    pub fn inside_port<'a>(&self, boot: &'a BootConfig) -> Option<&'a str> {
        let outside = self.outside.as_deref()?;
        match &boot.ports.iter().find(|port| port.name == outside)?.mode {
            PortMode::Inline { peer } => Some(peer),
            PortMode::Tap => None,
        }
    }
}

pub(super) fn read(section: &Section<'_, '_>, boot: &BootConfig) -> TunnelConfig {
    let default = TunnelConfig::default();
    let local = one_of_each(section, "local", "[\"192.0.2.1\"]");
    let sections = section.sections("peers", MAX_PEERS);
    let peers: Vec<Option<TunnelPeer>> = sections.iter().map(|peer| read_peer(peer, &local)).collect();
    peer_names(&sections, &peers);
    let peers: Vec<TunnelPeer> = peers.into_iter().flatten().collect();
    let rules = section.sections("rules", MAX_RULES);
    let config = TunnelConfig {
        outside: section.name("outside", "wan").map(str::to_owned),
        local,
        mac: parsed(section, "mac", "02:00:00:00:00:01"),
        next_hop: one_of_each(section, "next_hop", "[\"192.0.2.254\"]"),
        next_hop_mac: parsed(section, "next_hop_mac", "02:00:00:00:00:02"),
        inside: listed(section, "inside", "[\"10.1.0.1/24\"]", MAX_INSIDE),
        inside_next_hop: one_of_each(section, "inside_next_hop", "[\"10.1.0.254\"]"),
        link_frames: section.choice("link_frames", default.link_frames),
        udp_port: section.integer("udp_port", default.udp_port, 1..=65_535),
        unclassified: section.choice("unclassified", default.unclassified),
        otherwise: section.choice("otherwise", default.otherwise),
        rules: rules.iter().filter_map(|rule| read_rule(rule, &peers)).collect(),
        peers,
        exchange: exchange::read(&section.section("exchange")),
    };
    ports(section, &config, boot);
    let has = |address: &&IpAddr| config.local.iter().any(|local| local.is_ipv4() == address.is_ipv4());
    if let Some(address) = config.next_hop.iter().find(|address| !has(address)) {
        section.rule("next_hop", BrokenRule::NoLocalAddress { address: *address });
    }
    config
}

fn read_rule(section: &Section<'_, '_>, peers: &[TunnelPeer]) -> Option<TunnelRule> {
    if !section.has("filter") {
        section.missing("filter", "the flows it is about", "filter = \"cleartext\"");
    }
    if !section.has("verdict") {
        section.missing("verdict", "what becomes of them", "verdict = \"encrypt\"");
    }
    let peer = section.name("peer", "west").map(str::to_owned);
    if let Some(peer) = peer.as_ref().filter(|peer| !peers.iter().any(|known| known.name == **peer)) {
        let nearest = nearest(peer, peers.iter().map(|known| known.name.as_str())).map(str::to_owned);
        section.rule("peer", BrokenRule::UnknownTunnelPeer { peer: peer.clone(), nearest });
    }
    Some(TunnelRule {
        filter: section.text("filter", "cleartext")?.to_owned(),
        verdict: section.choice("verdict", Treatment::Drop),
        peer,
        otherwise: section.choice("else", Keyless::Drop),
    })
}

fn read_peer(section: &Section<'_, '_>, local: &[IpAddr]) -> Option<TunnelPeer> {
    let framing = section.choice("framing", Framing::Ip);
    if !section.has("name") {
        section.missing("name", "the peer", "name = \"west\"");
    }
    if !section.has("prefixes") && framing == Framing::Ip {
        section.missing("prefixes", "what is behind the peer", "prefixes = [\"10.2.0.0/16\"]");
    }
    let address: Option<IpAddr> = parsed(section, "address", "192.0.2.2");
    let is_reachable = |address: &IpAddr| local.iter().any(|local| local.is_ipv4() == address.is_ipv4());
    if let Some(address) = address.filter(|address| !local.is_empty() && !is_reachable(address)) {
        section.rule("address", BrokenRule::NoLocalAddress { address });
    }
    Some(TunnelPeer {
        address,
        endpoint: parsed(section, "endpoint", "192.0.2.2:4510"),
        prefixes: listed(section, "prefixes", "[\"10.2.0.0/16\"]", MAX_PREFIXES),
        ours: listed(section, "ours", "[\"10.1.0.0/16\"]", MAX_PREFIXES),
        framing,
        mtu: section.integer("mtu", 1500, 640..=9702),
        roaming: section.choice("roaming", Roaming::Fixed),
        udp_encapsulation: section.flag("udp_encapsulation", false),
        keys: hashes(section, "keys"),
        classical_keys: hashes(section, "classical_keys"),
        allow: listed(section, "allow", "[\"192.0.2.0/24\"]", MAX_PREFIXES),
        name: section.name("name", "west")?.to_owned(),
    })
}

/// The ports that the tunnel is between.
fn ports(section: &Section<'_, '_>, config: &TunnelConfig, boot: &BootConfig) {
    let Some(outside) = &config.outside else {
        for key in ["peers", "rules"] {
            if section.has(key) {
                return section.missing(
                    "outside",
                    "the port by which sealed packets go",
                    "outside = \"wan\"",
                );
            }
        }
        return;
    };
    let port = boot.ports.iter().find(|port| port.name == *outside);
    let is_inline = port.is_some_and(|port| matches!(port.mode, PortMode::Inline { .. }));
    if !is_inline {
        let inline = boot.ports.iter().filter(|port| matches!(port.mode, PortMode::Inline { .. }));
        let nearest = nearest(outside, inline.map(|port| port.name.as_str())).map(str::to_owned);
        section.rule("outside", BrokenRule::NotInline { port: outside.clone(), nearest });
    }
    if config.local.is_empty() {
        section.missing("local", "our addresses outside", "local = [\"192.0.2.1\"]");
    }
}

fn peer_names(sections: &[Section<'_, '_>], peers: &[Option<TunnelPeer>]) {
    for (index, (section, peer)) in sections.iter().zip(peers).enumerate() {
        let Some(peer) = peer else { continue };
        let same = |other: &&Option<TunnelPeer>| other.as_ref().is_some_and(|other| other.name == peer.name);
        let first = sections.iter().zip(peers).take(index).find(|(_, other)| same(other));
        if let Some((first, _)) = first {
            let rule = BrokenRule::DuplicateTunnelPeer { name: peer.name.clone(), line: first.line("name") };
            section.rule("name", rule);
        }
    }
}

/// A value that is written as text.
pub(super) fn parsed<T: FromStr>(section: &Section<'_, '_>, key: &str, example: &'static str) -> Option<T> {
    let text = section.text(key, example)?;
    let value = text.parse().ok();
    if value.is_none() {
        section.value_problem(key, BadValue::Unreadable { value: shortened(text), example });
    }
    value
}

/// Values of a list that are written as text.
fn listed<T: FromStr>(section: &Section<'_, '_>, key: &str, example: &'static str, most: usize) -> Vec<T> {
    let entries = section.list(key, example, most);
    entries.iter().filter_map(|entry| entry_of(section, entry, example)).collect()
}

fn entry_of<T: FromStr>(
    section: &Section<'_, '_>,
    entry: &Entry<'_, '_>,
    example: &'static str,
) -> Option<T> {
    let DeValue::String(text) = entry.value.get_ref() else {
        section.entry_type_problem(entry, "text", example);
        return None;
    };
    let value = text.parse().ok();
    if value.is_none() {
        section.entry_problem(entry, BadValue::Unreadable { value: shortened(text), example });
    }
    value
}

/// Addresses, at most one of each IP.
fn one_of_each(section: &Section<'_, '_>, key: &str, example: &'static str) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = Vec::new();
    for entry in section.list(key, example, 2) {
        let Some(address) = entry_of::<IpAddr>(section, &entry, example) else { continue };
        let is_second = all.iter().any(|known| known.is_ipv4() == address.is_ipv4());
        if is_second || address.is_unspecified() || address.is_multicast() {
            section.entry_problem(&entry, BadValue::Unreadable { value: address.to_string(), example });
            continue;
        }
        all.push(address);
    }
    all
}

/// SHA-384 hashes in hexadecimal, in lower case afterwards.
fn hashes(section: &Section<'_, '_>, key: &str) -> Vec<String> {
    let mut all = Vec::new();
    for entry in section.list(key, HASH_EXAMPLE, MAX_KEYS) {
        let Some(text) = entry_of::<String>(section, &entry, HASH_EXAMPLE) else { continue };
        if text.len() != HASH_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let bad = BadValue::Unreadable { value: shortened(&text), example: HASH_EXAMPLE };
            section.entry_problem(&entry, bad);
            continue;
        }
        all.push(text.to_ascii_lowercase());
    }
    all
}

const HASH_EXAMPLE: &str = "the 96 digits that `wirewarden pki show` prints";
const HASH_DIGITS: usize = 96;
const MAX_PEERS: usize = crate::tunnel::MAX_PEERS;
const MAX_RULES: usize = 1024;
const MAX_KEYS: usize = 4;
/// Prefixes of a side: pairs of both sides are an SA's selectors, of which there are sixteen.
const MAX_PREFIXES: usize = 16;
const MAX_INSIDE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const PORTS: &str = r#"
version = 1
[[boot.ports]]
name = "lan"
device = "eth0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "eth1"
mode = "inline"
peer = "lan"
"#;

    fn errors(tunnel: &str) -> String {
        Config::from_toml(&format!("{PORTS}{tunnel}"), "t")
            .map(|_| String::new())
            .unwrap_or_else(|e| e.to_string())
    }

    #[test]
    fn a_small_tunnel_is_read_with_closed_defaults() {
        let text = format!(
            "{PORTS}[live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\"]\n[[live.tunnel.peers]]\nname = \"west\"\nprefixes = [\"10.2.0.0/16\"]\n"
        );
        let config = Config::from_toml(&text, "t").unwrap();
        let tunnel = &config.live.tunnel;
        assert!(tunnel.is_on());
        assert_eq!(tunnel.inside_port(&config.boot), Some("lan"));
        assert_eq!((tunnel.unclassified, tunnel.otherwise), (Treatment::Encrypt, Treatment::Drop));
        assert!(!Config::from_toml(PORTS, "t").unwrap().live.tunnel.is_on());
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let head = "[live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\"]\n";
        for (text, words) in [
            ("[live.tunnel]\noutside = \"wam\"\nlocal = [\"192.0.2.1\"]\n".to_owned(), "`wam`"),
            ("[live.tunnel]\noutside = \"wan\"\n".to_owned(), "live.tunnel.local"),
            (
                "[live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\", \"192.0.2.2\"]\n".to_owned(),
                "local[1]",
            ),
            (
                format!("{head}[[live.tunnel.peers]]\nname = \"a\"\nprefixes = []\naddress = \"::1\"\n"),
                "address",
            ),
            (
                format!(
                    "{head}[[live.tunnel.rules]]\nfilter = \"tcp\"\nverdict = \"encrypt\"\npeer = \"x\"\n"
                ),
                "`x`",
            ),
            (format!("{head}[[live.tunnel.peers]]\nname = \"a\"\n"), "prefixes"),
            (format!("{head}mac = \"01:00:00:00:00:00\"\n"), "mac"),
            (
                format!("{head}[[live.tunnel.peers]]\nname = \"a\"\nprefixes = []\nkeys = [\"ab\"]\n"),
                "keys[0]",
            ),
        ] {
            let errors = errors(&text);
            assert!(errors.contains(words), "{text}: {errors}");
        }
    }

    #[test]
    fn link_layer_addresses_are_of_stations() {
        assert_eq!("02:00:5e:10:00:ff".parse(), Ok(MacAddress([2, 0, 0x5e, 0x10, 0, 0xff])));
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "0:0:0:0:0:1",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert_eq!(text.parse::<MacAddress>(), Err(NotAMac), "{text}");
        }
    }
}
