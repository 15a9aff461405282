//! The Dynamic Host Configuration Protocol for IPv4 (RFC 2131, BOOTP of RFC 951) and IPv6 (RFC 8415).

mod v4;
mod v6;

use super::framed;
use super::{Carrier, Exposure, Family, Opening, Protocol};

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
