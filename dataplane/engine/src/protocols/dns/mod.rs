//! The Domain Name System (RFC 1035) over UDP and TCP, and what shares its message format: multicast DNS (RFC 6762)
//! and link-local multicast name resolution (RFC 4795).
//!
//! `message` walks names and records, `registry` holds the IANA names, `rdata` writes what a record says,
//! `event` the events, `probe` tells messages from other datagrams, and `parser` reads a flow of them.

mod event;
mod message;
mod parser;
mod probe;
mod rdata;
mod registry;

use super::{Carrier, Exposure, Family, Opening, Parser, Protocol};
use parser::DnsParser;

/// The members of the events of DNS and the protocols like it.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "algo", "algorithm", "alpn", "answer", "answers", "app_proto", "authorities", "caa", "client_subnet",
    "cpu", "data", "digest", "digest_type", "dnskey", "do", "ds", "ech", "ede_code", "ede_text", "edns",
    "event", "expiration", "fingerprint", "flags", "grouped", "hinfo", "id", "inception", "incomplete",
    "ipv4hint", "ipv6hint", "key_bytes", "key_tag", "labels", "matching_type", "naptr", "no_default_alpn",
    "opcode", "options", "order", "os", "port", "preference", "prefix", "priority", "protocol", "queries",
    "query", "rcode", "rdata", "regexp", "rrname", "rrsig", "rrtype", "selector", "services", "soa", "srv",
    "sshfp", "svcb", "tag", "tlsa", "ttl", "tx_id", "type", "type_covered", "udp_size", "unicast_response",
    "usage", "value", "version", "weight",
];

/// DNS over UDP and TCP.
pub static DNS: Protocol = Protocol {
    name: "dns",
    title: "DNS",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[53],
    exposure: Exposure::Cleartext,
    // The reserved bit of the flags, and at most four questions (behind the length in a stream).
    opening: Opening::any(12)
        .in_datagrams([0, 0, 0, 0x40, 0xff, 0xf8, 0, 0], [0; 8])
        .in_streams([0, 0, 0, 0, 0, 0x40, 0xff, 0xf8], [0; 8]),
    probe: Some(probe::dns),
    parser: Some(dns_parser),
    events: &["dns", "anomaly"],
    source: "RFC 1035, RFC 6891, RFC 7766",
};

/// Multicast DNS.
pub static MDNS: Protocol = Protocol {
    name: "mdns",
    title: "Multicast DNS",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[5353],
    exposure: Exposure::Cleartext,
    opening: Opening::any(12).on_ports(),
    probe: Some(probe::mdns),
    parser: Some(mdns_parser),
    events: &["mdns", "anomaly"],
    source: "RFC 6762",
};

/// Link-local multicast name resolution.
pub static LLMNR: Protocol = Protocol {
    name: "llmnr",
    title: "LLMNR",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5355],
    exposure: Exposure::Cleartext,
    opening: Opening::any(12).on_ports(),
    probe: Some(probe::llmnr),
    parser: Some(llmnr_parser),
    events: &["llmnr", "anomaly"],
    source: "RFC 4795",
};

/// DNSCrypt, found by the certificate that its clients ask for over DNS before they encrypt.
pub static DNSCRYPT: Protocol = Protocol {
    name: "dnscrypt",
    title: "DNSCrypt",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Encrypted,
    opening: Opening::any(12),
    probe: None,
    parser: None,
    events: &[],
    source: "draft-denis-dprive-dnscrypt",
};

/// Which protocol a message is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Dialect {
    #[default]
    Dns,
    Mdns,
    Llmnr,
}

impl Dialect {
    /// Name of the protocol and of its events.
    const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Mdns => "mdns",
            Self::Llmnr => "llmnr",
        }
    }
}

fn dns_parser() -> Box<dyn Parser> {
    Box::new(DnsParser::new(Dialect::Dns))
}

fn mdns_parser() -> Box<dyn Parser> {
    Box::new(DnsParser::new(Dialect::Mdns))
}

fn llmnr_parser() -> Box<dyn Parser> {
    Box::new(DnsParser::new(Dialect::Llmnr))
}
