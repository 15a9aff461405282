//! The `radius` event.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::names;
use super::{Packet, Waiting, attributes};
use crate::protocols::framed::Report;
use crate::record::{Datum, EventWriter};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 253;
/// Microsoft, in Vendor-Specific attributes (RFC 2548).
const MICROSOFT: u32 = 311;

/// Text attributes with the names they are written under: those of requests, then of both.
const TEXTS: [(u8, &str); 13] = [
    (1, "username"),
    (32, "nas_identifier"),
    (87, "nas_port_id"),
    (30, "called_station_id"),
    (31, "calling_station_id"),
    (44, "session_id"),
    (50, "multi_session_id"),
    (77, "connect_info"),
    (11, "filter_id"),
    (18, "reply_message"),
    (22, "framed_route"),
    (81, "tunnel_private_group"),
    (34, "login_lat_service"),
];

/// Numbers with the names they are written under.
const NUMBERS: [(u8, &str); 13] = [
    (5, "nas_port"),
    (61, "nas_port_type"),
    (7, "framed_protocol"),
    (12, "framed_mtu"),
    (27, "session_timeout"),
    (28, "idle_timeout"),
    (42, "input_octets"),
    (43, "output_octets"),
    (46, "session_time"),
    (47, "input_packets"),
    (48, "output_packets"),
    (52, "input_gigawords"),
    (53, "output_gigawords"),
];

/// Writes a request with its response, or one of them.
pub(super) fn write(asked: Option<&Waiting>, response: Option<&Packet<'_>>, report: &mut Report<'_, '_>) {
    let mut event = report.event("radius");
    let mut credentials = None;
    if let Some(asked) = asked {
        event.number("id", asked.key.id);
        event.label("request", names::packet(asked.key.code).unwrap_or("unknown"));
        write_attributes(&asked.bytes, &mut event);
        credentials = kind_of_credentials(&asked.bytes);
    }
    if let Some(response) = response {
        if asked.is_none() {
            event.number("id", response.id);
        }
        event.label("response", names::packet(response.code).unwrap_or("unknown"));
        event.object("answer");
        write_attributes(response.attributes, &mut event);
        event.close();
        if asked.is_some_and(|asked| asked.key.code == 1) && matches!(response.code, 2 | 3) {
            event.flag("success", response.code == 2);
        }
    }
    if let Some(kind) = credentials {
        event.object("credentials").label("kind", kind).flag("password_in_clear", false).close();
    }
    let request = asked.filter(|asked| asked.key.code == 1);
    write_crypto(request.map(|request| request.bytes.as_slice()), credentials, &mut event);
}

fn number(value: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes)
}

fn write_attributes(bytes: &[u8], event: &mut EventWriter<'_>) {
    let mut has_eap = false;
    let mut written = [0_u64; 4];
    for (kind, value) in attributes(bytes).take(255) {
        // Of an attribute that stands there several times the first is written.
        let Some(word) = written.get_mut(usize::from(kind >> 6)) else { continue };
        let bit = 1 << (kind & 63);
        if *word & bit != 0 {
            continue;
        }
        *word |= bit;
        if let Some((_, name)) = TEXTS.iter().find(|(other, _)| *other == kind) {
            event.text(name, value.get(..TEXT_MAX).unwrap_or(value));
        } else if let (Some((_, name)), Some(value)) =
            (NUMBERS.iter().find(|(other, _)| *other == kind), number(value))
        {
            event.number(name, value);
        } else {
            has_eap |= kind == 79;
            write_special(kind, value, event);
        }
    }
    if has_eap {
        write_eap(bytes, event);
    }
}

fn write_special(kind: u8, value: &[u8], event: &mut EventWriter<'_>) {
    let ip = |value: &[u8]| <[u8; 4]>::try_from(value).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    let ip6 =
        |value: &[u8]| <[u8; 16]>::try_from(value).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
    let address = match kind {
        4 => ip(value).map(|address| ("nas_ip", address)),
        8 => ip(value).map(|address| ("framed_ip", address)),
        14 => ip(value).map(|address| ("login_ip", address)),
        95 => ip6(value).map(|address| ("nas_ipv6", address)),
        _ => None,
    };
    if let Some((name, address)) = address {
        event.datum(name, Datum::Ip(address));
    }
    let named = match (kind, number(value)) {
        (6, Some(value)) => names::service(value).map(|name| ("service_type", name)),
        (40, Some(value)) => names::status(value).map(|name| ("status_type", name)),
        (49, Some(value)) => names::cause(value).map(|name| ("terminate_cause", name)),
        _ => None,
    };
    if let Some((name, label)) = named {
        event.label(name, label);
    }
    if kind == 26
        && let Some(vendor) = value.first_chunk().map(|vendor| u32::from_be_bytes(*vendor))
    {
        event.number("vendor", vendor);
    }
}

/// What the EAP packet is that the attributes carry (RFC 3579, 3.1): its first one has the head.
fn write_eap(bytes: &[u8], event: &mut EventWriter<'_>) {
    let Some((_, [code, _, _, _, rest @ ..])) = attributes(bytes).find(|(kind, _)| *kind == 79) else {
        return;
    };
    let name = match code {
        1 => "request",
        2 => "response",
        3 => "success",
        4 => "failure",
        _ => return,
    };
    event.object("eap").label("code", name);
    if let (1 | 2, Some(method)) = (code, rest.first()) {
        match names::eap_method(*method) {
            Some(name) => event.label("method", name),
            None => event.number("method", *method),
        };
    }
    event.close();
}

/// How somebody proves who they are.
fn kind_of_credentials(bytes: &[u8]) -> Option<&'static str> {
    attributes(bytes).find_map(|(kind, value)| match kind {
        2 => Some("pap"),
        3 => Some("chap"),
        79 => Some("eap"),
        70 => Some("arap"),
        26 => {
            let (vendor, rest) = value.split_first_chunk::<4>()?;
            match (u32::from_be_bytes(*vendor) == MICROSOFT, rest.first()?) {
                (true, 1) => Some("mschap"),
                (true, 25) => Some("mschapv2"),
                _ => None,
            }
        }
        _ => None,
    })
}

/// RADIUS hides passwords and shows who answers by MD5 alone (RFC 2865, 3 and 5.2); without a Message-Authenticator
/// whoever is between can forge an answer (RFC 9765, 1).
fn write_crypto(request: Option<&[u8]>, credentials: Option<&'static str>, event: &mut EventWriter<'_>) {
    let mut weaknesses = ArrayVec::<_, 3>::new();
    weaknesses.push("md5");
    if request.is_some_and(|bytes| !attributes(bytes).any(|(kind, _)| kind == 80)) {
        weaknesses.push("no_message_authenticator");
    }
    match credentials {
        Some("pap") => weaknesses.push("password_under_md5"),
        Some("chap" | "mschap" | "mschapv2") => weaknesses.push("guessable_response"),
        _ => {}
    }
    event.object("crypto").label("class", "symmetric").label("posture", "weak").list("weaknesses");
    for weakness in weaknesses {
        event.label("", weakness);
    }
    event.close().close();
}
