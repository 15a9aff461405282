//! The Dynamic Host Configuration Protocol for IPv4 (RFC 2131, BOOTP of RFC 951) and IPv6 (RFC 8415).

mod v4;
mod v6;

use super::framed;
use super::{Carrier, Exposure, Family, Opening, Protocol};

/// The members of the events of both DHCP protocols.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "bootfile_url", "client_id", "client_mac", "dhcp_type", "dns_servers", "fqdn", "hop_count", "hostname",
    "ia_ta", "id", "lease_time", "ntp_servers", "params", "preferred_lifetime", "prefix_length",
    "rebinding_time", "relay_agent_information", "relayed", "renewal_time", "requested_ip", "routers",
    "server_id", "status", "status_text", "subnet_mask", "type", "vendor_class",
];

/// DHCP for IPv4, and BOOTP.
pub static DHCP: Protocol = Protocol {
    name: "dhcp",
    title: "DHCP",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[67, 68],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(236, &[1, 2]),
    probe: Some(v4::probe),
    parser: Some(framed::parser::<v4::Dhcp>),
    events: &["dhcp", "anomaly"],
    source: "RFC 2131, RFC 2132, RFC 951",
};

/// DHCP for IPv6.
pub static DHCPV6: Protocol = Protocol {
    name: "dhcpv6",
    title: "DHCPv6",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[546, 547],
    exposure: Exposure::Cleartext,
    opening: Opening::range(4, 1, 36),
    probe: Some(v6::probe),
    parser: Some(framed::parser::<v6::Dhcpv6>),
    events: &["dhcpv6", "anomaly"],
    source: "RFC 8415",
};
