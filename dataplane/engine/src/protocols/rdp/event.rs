//! The `rdp` event in the names of Suricata's EVE output, and `crypto`.

use super::negotiation::{Confirm, Request, Security};
use super::settings::{Client, Server};
use crate::protocols::framed::Report;
use crate::record::EventWriter;

/// Protocols by bit of what a client offers.
const PROTOCOLS: [(u32, &str); 5] =
    [(1, "ssl"), (2, "hybrid"), (4, "rds_tls"), (8, "hybrid_ex"), (16, "rds_aad")];

/// What a server says it supports, by bit ([MS-RDPBCGR] 2.2.1.2.1).
const SUPPORTS: [(u8, &str); 5] = [
    (1, "extended_client_data"),
    (2, "dynvc_gfx"),
    (4, "reserved"),
    (8, "restricted_admin"),
    (16, "restricted_authentication"),
];

/// Capabilities of a client, by bit ([MS-RDPBCGR] 2.2.1.3.2).
const CAPABILITIES: [(u16, &str); 11] = [
    (0x001, "support_errinfo_pdf"),
    (0x002, "want_32bpp_session"),
    (0x004, "support_statusinfo_pdu"),
    (0x008, "strong_asymmetric_keys"),
    (0x020, "valid_connection_type"),
    (0x040, "support_monitor_layout_pdu"),
    (0x080, "support_netchar_autodetect"),
    (0x100, "support_dynvc_gfx_protocol"),
    (0x200, "support_dynamic_time_zone"),
    (0x400, "support_heartbeat_pdu"),
    (0x800, "support_skip_channeljoin"),
];

pub(super) fn write_request(number: u64, request: &Request, report: &mut Report<'_, '_>) {
    let mut event = report.event("rdp");
    event.number("tx_id", number).label("event_type", "initial_request");
    if let Some(cookie) = &request.cookie {
        event.text("cookie", cookie);
    }
    if let Some(token) = &request.token {
        event.text("routing_token", token);
    }
    let Some((flags, protocols)) = request.offered else { return };
    event.list("protocols");
    for (bit, name) in PROTOCOLS {
        if protocols & bit != 0 {
            event.label("", name);
        }
    }
    event.close();
    if flags & 1 != 0 {
        event.flag("restricted_admin", true);
    }
    if flags & 2 != 0 {
        event.flag("remote_credential_guard", true);
    }
}

pub(super) fn write_confirm(
    number: u64,
    request: Option<&Request>,
    confirm: &Confirm,
    report: &mut Report<'_, '_>,
) {
    let mut event = report.event("rdp");
    event.number("tx_id", number).label("event_type", "initial_response");
    if let Some(cookie) = request.and_then(|request| request.cookie.as_ref()) {
        event.text("cookie", cookie);
    }
    let security = match confirm {
        Confirm::Failure(code) => {
            event.number("error_code", *code).label("reason", reason(*code));
            return;
        }
        Confirm::Plain => Security::Standard,
        Confirm::Selected(flags, security) => {
            event.list("server_supports");
            for (bit, name) in SUPPORTS {
                if flags & bit != 0 {
                    event.label("", name);
                }
            }
            event.close();
            *security
        }
    };
    event.label("protocol", security.name());
    if security == Security::Standard {
        // Nobody proves who the server is, and the keys fall with RC4.
        event.object("crypto").label("class", "classical").label("posture", "weak");
        event.list("weaknesses").label("", "cipher").label("", "anonymous").close().close();
    }
}

/// Why a server refuses ([MS-RDPBCGR] 2.2.1.2.2).
const fn reason(code: u32) -> &'static str {
    match code {
        1 => "ssl required by server",
        2 => "ssl not allowed by server",
        3 => "ssl cert not on server",
        4 => "inconsistent flags",
        5 => "hybrid required by server",
        6 => "ssl with user auth required by server",
        _ => "unknown",
    }
}

pub(super) fn write_client(number: u64, client: &Client, report: &mut Report<'_, '_>) {
    let mut event = report.event("rdp");
    event.number("tx_id", number).label("event_type", "connect_request").object("client");
    event.text("version", version(client.version).as_bytes());
    event.number("desktop_width", client.width).number("desktop_height", client.height);
    if let Some(depth) = client.color_depth {
        event.number("color_depth", depth);
    }
    event.text("keyboard_layout", format!("0x{:x}", client.keyboard_layout).as_bytes());
    event.number("build", client.build);
    if !client.name.is_empty() {
        event.text("client_name", client.name.as_bytes());
    }
    event.number("keyboard_type", client.keyboard_type);
    event.number("keyboard_subtype", client.keyboard_subtype).number("function_keys", client.function_keys);
    if let Some(id) = client.product_id {
        event.number("product_id", id);
    }
    write_capabilities(client.capabilities, &mut event);
    event.close();
    if !client.channels.is_empty() {
        event.list("channels");
        for channel in &client.channels {
            let name = channel.split(|byte| *byte == 0).next().unwrap_or_default();
            event.text("", name);
        }
        event.close();
    }
    if let Some(methods) = client.encryption {
        event.list("encryption_methods");
        for (bit, name) in [(1, "40bit"), (8, "56bit"), (2, "128bit"), (16, "fips")] {
            if methods & bit != 0 {
                event.label("", name);
            }
        }
        event.close();
    }
}

fn write_capabilities(capabilities: Option<u16>, event: &mut EventWriter<'_>) {
    let Some(capabilities) = capabilities else { return };
    event.list("capabilities");
    for (bit, name) in CAPABILITIES {
        if capabilities & bit != 0 {
            event.label("", name);
        }
    }
    event.close();
}

/// Versions of the protocol, of both sides ([MS-RDPBCGR] 2.2.1.3.2).
fn version(version: u32) -> String {
    match version {
        0x0008_0001 => "v4".to_owned(),
        0x0008_0004 => "v5".to_owned(),
        0x0008_0005..=0x0008_0012 => format!("v10.{}", version - 0x0008_0005),
        other => format!("0x{other:08x}"),
    }
}

pub(super) fn write_server(number: u64, server: &Server, report: &mut Report<'_, '_>) {
    let mut event = report.event("rdp");
    event.number("tx_id", number).label("event_type", "connect_response");
    if let Some(number) = server.version {
        event.object("server").text("version", version(number).as_bytes()).close();
    }
    let Some((method, level)) = server.encryption else { return };
    // [MS-RDPBCGR] 5.3.2: RC4, but for FIPS, which is 3DES.
    let (name, weakness) = match method {
        0 => ("none", "none"),
        1 => ("40bit", "export_rc4"),
        2 => ("128bit", "rc4"),
        8 => ("56bit", "export_rc4"),
        16 => ("fips", "3des"),
        _ => ("unknown", "unknown"),
    };
    event.label("encryption_method", name).number("encryption_level", level);
    // Under TLS the level is none, and what protects is TLS.
    if method != 0 {
        event.object("crypto").label("class", "classical").label("posture", "weak");
        event.list("weaknesses").label("", weakness).label("", "anonymous").close().close();
    }
}
