//! NetBIOS over TCP and UDP (RFC 1001, RFC 1002): the name, datagram and session services.
//!
//! `name` decodes names, `service` reads queries and registrations, `datagram` the datagrams. Sessions carry SMB
//! and are read with it.

mod datagram;
mod name;
mod service;

pub(super) use name::Name;

use super::framed;
use super::{Carrier, Exposure, Family, Opening, Protocol};

/// The members of the events of the NetBIOS services.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "active", "addresses", "broadcast", "destination_name", "error_code", "group", "id", "mailslot", "name",
    "names", "opcode", "rcode", "rrname", "rrtype", "service", "source_port", "suffix", "type", "unit_id",
];

/// The NetBIOS name service.
pub static NBNS: Protocol = Protocol {
    name: "nbns",
    title: "NetBIOS name service",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[137],
    exposure: Exposure::Cleartext,
    opening: Opening::any(50),
    probe: Some(service::probe),
    parser: Some(framed::parser::<service::NameService>),
    events: &["nbns", "anomaly"],
    source: "RFC 1002, 4.2",
};

/// The NetBIOS datagram service.
pub static NBDGM: Protocol = Protocol {
    name: "nbdgm",
    title: "NetBIOS datagram service",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[138],
    exposure: Exposure::Cleartext,
    opening: Opening::range(11, 0x10, 0x16),
    probe: Some(datagram::probe),
    parser: Some(framed::parser::<datagram::DatagramService>),
    events: &["nbdgm", "anomaly"],
    source: "RFC 1002, 4.4",
};
