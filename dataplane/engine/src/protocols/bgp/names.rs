//! Names of capabilities, address families and errors (IANA registries of BGP).

use crate::record::EventWriter;

/// Capabilities (RFC 5492).
pub(super) const fn capability(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "multiprotocol",
        2 => "route_refresh",
        3 => "outbound_route_filtering",
        5 => "extended_next_hop",
        6 => "extended_message",
        7 => "bgpsec",
        8 => "multiple_labels",
        9 => "role",
        64 => "graceful_restart",
        65 => "four_octet_as",
        67 => "dynamic",
        69 => "additional_paths",
        70 => "enhanced_route_refresh",
        71 => "long_lived_graceful_restart",
        73 => "fqdn",
        128 => "route_refresh_old",
        _ => return None,
    })
}

/// Writes an address family by its name, or its two numbers.
pub(super) fn write_family(afi: u16, safi: u8, name: &'static str, event: &mut EventWriter<'_>) {
    let known = match (afi, safi) {
        (1, 1) => "ipv4_unicast",
        (1, 2) => "ipv4_multicast",
        (1, 4) => "ipv4_labeled",
        (1, 128) => "ipv4_vpn",
        (1, 133) => "ipv4_flow_specification",
        (2, 1) => "ipv6_unicast",
        (2, 2) => "ipv6_multicast",
        (2, 4) => "ipv6_labeled",
        (2, 128) => "ipv6_vpn",
        (2, 133) => "ipv6_flow_specification",
        (25, 65) => "l2_vpn",
        (25, 70) => "ethernet_vpn",
        (16_388, 71) => "link_state",
        _ => {
            event.text(name, format!("{afi}/{safi}").as_bytes());
            return;
        }
    };
    event.label(name, known);
}

/// Errors that end a session (RFC 4271, 4.5).
pub(super) const fn error(code: u8) -> &'static str {
    match code {
        1 => "message_header",
        2 => "open_message",
        3 => "update_message",
        4 => "hold_timer_expired",
        5 => "state_machine",
        6 => "cease",
        7 => "route_refresh",
        8 => "send_hold_timer_expired",
        _ => "unknown",
    }
}

/// Errors in particular (RFC 4271, 6; RFC 4486).
pub(super) const fn suberror(code: u8, subcode: u8) -> Option<&'static str> {
    Some(match (code, subcode) {
        (1, 1) => "not_synchronized",
        (1, 2) => "bad_length",
        (1, 3) => "bad_type",
        (2, 1) => "unsupported_version",
        (2, 2) => "bad_peer_as",
        (2, 3) => "bad_identifier",
        (2, 4) => "unsupported_parameter",
        (2, 6) => "unacceptable_hold_time",
        (2, 7) => "unsupported_capability",
        (2, 11) => "role_mismatch",
        (3, 1) => "malformed_attributes",
        (3, 2) => "unrecognized_attribute",
        (3, 3) => "missing_attribute",
        (3, 8) => "invalid_next_hop",
        (3, 11) => "malformed_as_path",
        (6, 1) => "maximum_prefixes",
        (6, 2) => "administrative_shutdown",
        (6, 3) => "peer_deconfigured",
        (6, 4) => "administrative_reset",
        (6, 5) => "connection_rejected",
        (6, 6) => "configuration_change",
        (6, 7) => "connection_collision",
        (6, 8) => "out_of_resources",
        (6, 9) => "hard_reset",
        (6, 10) => "bfd_down",
        _ => return None,
    })
}
