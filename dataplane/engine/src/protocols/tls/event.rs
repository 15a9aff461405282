//! The `tls` event: the fields of Suricata's EVE, then what goes beyond them.

use super::chain::Chain;
use super::digests;
use super::fingerprint::{self, Transport, hex_digit, push_decimal};
use super::groups::{Group, ShareFrom, scheme_name};
use super::hello::{self, ClientHello, ServerHello};
use super::posture::{Posture, Selected};
use super::session::{Alert, Session};
use super::suites::Suite;
use crate::protocols::x509::{AlternativeName, Certificate, Name};
use crate::record::{Datum, Direction, EventWriter};

/// Space for texts that are put together, kept between events.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) text: Vec<u8>,
    pub(super) codes: Vec<u16>,
}

/// Writes everything that is known of a session.
pub(super) fn write(session: &Session, scratch: &mut Scratch, event: &mut EventWriter<'_>) {
    let client = ClientHello::parse(&session.client_hello, session.carriage());
    let server = ServerHello::parse(&session.server_hello);
    let certificate = Certificate::parse(&session.server_chain.leaf);
    write_identity(&session.server_chain, certificate.as_ref(), scratch, event);
    if let Some(name) = client.as_ref().and_then(ClientHello::server_name) {
        event.text("sni", name);
    }
    if session.transport != Transport::Quic {
        write_version(event, "version", session.version);
    }
    write_validity(certificate.as_ref(), event);
    if session.is_resumed() {
        event.flag("session_resumed", true);
    }
    write_protocols(client.as_ref(), server.as_ref(), event);
    write_fingerprints(session, (client.as_ref(), server.as_ref()), scratch, event);
    if let Some(code) = session.suite {
        write_code(event, "cipher", code, Suite::of(code).map(|suite| suite.name));
    }
    write_names(certificate.as_ref(), event);
    write_server_certificate(session, certificate.as_ref(), scratch, event);
    if !session.client_chain.leaf.is_empty() {
        let certificate = Certificate::parse(&session.client_chain.leaf);
        event.object("client");
        write_identity(&session.client_chain, certificate.as_ref(), scratch, event);
        write_validity(certificate.as_ref(), event);
        event.close();
    }
    write_signs(session, client.as_ref(), event);
    write_alerts(&session.alerts, event);
    write_crypto(session, client.as_ref(), server.as_ref(), &mut scratch.text, event);
}

/// Whom a certificate names, by whom, and its number and hash.
fn write_identity(
    chain: &Chain,
    certificate: Option<&Certificate<'_>>,
    scratch: &mut Scratch,
    event: &mut EventWriter<'_>,
) {
    let text = &mut scratch.text;
    if let Some(certificate) = certificate {
        write_name(event, "subject", certificate.subject, text);
        write_name(event, "issuerdn", certificate.issuer, text);
        text.clear();
        push_colons(
            text,
            certificate.serial.get(..MAX_SERIAL).unwrap_or(certificate.serial),
            u8::to_ascii_uppercase,
        );
        event.text("serial", text);
    }
    if !chain.leaf.is_empty() {
        text.clear();
        push_colons(text, &digests::of_certificate(&chain.leaf).sha1, u8::to_ascii_lowercase);
        event.text("fingerprint", text);
    }
}

fn write_name(event: &mut EventWriter<'_>, field: &'static str, name: Name<'_>, text: &mut Vec<u8>) {
    text.clear();
    name.write(text);
    event.text(field, text);
}

fn write_validity(certificate: Option<&Certificate<'_>>, event: &mut EventWriter<'_>) {
    let Some(certificate) = certificate else { return };
    for (field, moment) in [("notbefore", certificate.not_before), ("notafter", certificate.not_after)] {
        if let Some(moment) = moment {
            event.text(field, moment.as_bytes());
        }
    }
}

fn write_protocols(
    client: Option<&ClientHello<'_>>,
    server: Option<&ServerHello<'_>>,
    event: &mut EventWriter<'_>,
) {
    let offered = client.map(|hello| hello.known).filter(|known| known.alpn.is_some());
    let selected = server.map(|hello| hello.known).filter(|known| known.alpn.is_some());
    for (field, known) in [("client_alpns", offered), ("server_alpns", selected)] {
        let Some(known) = known else { continue };
        event.list(field);
        for name in known.protocols().take(MAX_LIST) {
            event.text("", name);
        }
        event.close();
    }
}

fn write_fingerprints(
    session: &Session,
    hellos: (Option<&ClientHello<'_>>, Option<&ServerHello<'_>>),
    scratch: &mut Scratch,
    event: &mut EventWriter<'_>,
) {
    let Scratch { text, codes } = scratch;
    let mut write_hashed = |field: &'static str, text: &[u8]| {
        event.object(field).hex("hash", &fingerprint::digest(text)).text("string", text).close();
    };
    let client = hellos.0.filter(|hello| !hello.is_cut);
    if let Some(hello) = client {
        fingerprint::write_ja3(hello, text);
        write_hashed("ja3", text);
    }
    if let Some(hello) = hellos.1 {
        fingerprint::write_ja3s(hello, text);
        write_hashed("ja3s", text);
    }
    if let Some(hello) = client {
        event.text("ja4", &fingerprint::ja4(hello, session.transport, codes, text));
    }
    if session.client_hello.is_empty() && session.sslv2_offer.is_some() {
        event.flag("sslv2_hello", true);
    }
}

fn write_names(certificate: Option<&Certificate<'_>>, event: &mut EventWriter<'_>) {
    let Some(certificate) = certificate else { return };
    let mut names = certificate.alternative_names().take(MAX_NAMES).peekable();
    if names.peek().is_none() {
        return;
    }
    event.list("subjectaltname");
    for name in names {
        match name {
            AlternativeName::Text(text) => event.text("", text.get(..MAX_NAME).unwrap_or(text)),
            AlternativeName::Address(address) => event.datum("", Datum::Ip(address)),
        };
    }
    event.close();
}

fn write_server_certificate(
    session: &Session,
    certificate: Option<&Certificate<'_>>,
    scratch: &mut Scratch,
    event: &mut EventWriter<'_>,
) {
    let chain = &session.server_chain;
    if chain.leaf.is_empty() {
        return;
    }
    event.object("server_certificate");
    if let Some(certificate) = certificate {
        let (key, text) = (&certificate.key, &mut scratch.text);
        text.clear();
        key.write_oid(text);
        write_or(event, "key_algorithm", key.algorithm, text);
        if let Some(bits) = key.bits {
            event.number("key_bits", bits);
        }
        if let Some(curve) = key.curve {
            event.label("curve", curve);
        }
        text.clear();
        certificate.signature.write_oid(text);
        write_or(event, "signature_algorithm", certificate.signature.name, text);
        if certificate.is_self_issued() {
            event.flag("self_issued", true);
        }
    }
    let digests = digests::of_certificate(&chain.leaf);
    event.hex("sha256", &digests.sha256).number("chain_length", chain.len).close();
}

fn write_or(event: &mut EventWriter<'_>, field: &'static str, name: Option<&'static str>, otherwise: &[u8]) {
    match name {
        Some(name) => event.label(field, name),
        None => event.text(field, otherwise),
    };
}

fn write_signs(session: &Session, client: Option<&ClientHello<'_>>, event: &mut EventWriter<'_>) {
    let known = client.map(|hello| hello.known).unwrap_or_default();
    let signs = [
        ("ocsp_stapled", session.is_ocsp_stapled),
        ("ticket_issued", session.is_ticket_issued),
        ("client_certificate_requested", session.is_client_asked),
        ("ech", known.encrypted_client_hello.is_some()),
        ("esni", known.encrypted_server_name.is_some()),
        ("early_data", known.early_data.is_some()),
        ("gaps", session.has_gaps),
        ("client_hello_cut", client.is_some_and(|hello| hello.is_cut)),
    ];
    for (field, _) in signs.into_iter().filter(|(_, is_so)| *is_so) {
        event.flag(field, true);
    }
}

fn write_alerts(alerts: &[Alert], event: &mut EventWriter<'_>) {
    if alerts.is_empty() {
        return;
    }
    event.list("alerts");
    for alert in alerts {
        event.object("");
        event.label("from", if alert.from == Direction::ToServer { "client" } else { "server" });
        event.label("level", if alert.level == 1 { "warning" } else { "fatal" });
        match alert_name(alert.description) {
            Some(name) => event.label("description", name),
            None => event.number("code", alert.description),
        };
        event.close();
    }
    event.close();
}

fn write_crypto(
    session: &Session,
    client: Option<&ClientHello<'_>>,
    server: Option<&ServerHello<'_>>,
    text: &mut Vec<u8>,
    event: &mut EventWriter<'_>,
) {
    let posture = Posture::of(session);
    event.object("crypto").label("class", posture.class.name()).label("posture", posture.name());
    if !posture.weaknesses.is_empty() {
        event.list("weaknesses");
        for weakness in &posture.weaknesses {
            event.label("", weakness.name());
        }
        event.close();
    }
    if let Some(name) = posture.key_exchange {
        event.label("kex", name);
    }
    if let Some(is_forward_secret) = posture.is_forward_secret {
        event.flag("forward_secrecy", is_forward_secret);
    }
    write_selected(session, &posture, text, event);
    if session.has_hello() {
        event.flag("hello_retry", session.is_retried);
    }
    if let Some(group) = session.retry_group {
        write_code(event, "retry_group", group, Group::of(group).map(|group| group.name));
    }
    if let Some(hello) = client {
        write_offer(session, hello, event);
    } else if let Some(version) = session.sslv2_offer {
        write_version(event, "offered_version", version);
    }
    if let Some(hello) = server.filter(|hello| hello.known.supported_groups.is_some()) {
        write_groups(event, "server_groups", hello.known.groups().meant());
    }
    event.close();
}

fn write_selected(session: &Session, posture: &Posture, text: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    match posture.selected {
        Some(Selected::Group(group)) => {
            event.label("selected_group", group.name);
        }
        Some(Selected::Number(code)) => write_code(event, "selected_group", code, None),
        Some(Selected::Prime(bits)) => {
            text.clear();
            text.extend_from_slice(b"DH-");
            push_decimal(text, bits);
            event.text("selected_group", text);
        }
        None => {}
    }
    if let Some(code) = session.suite {
        write_code(event, "selected_suite", code, Suite::of(code).map(|suite| suite.name));
    }
    let said = session.server_key_exchange.unwrap_or_default();
    if let Some(bits) = said.prime_bits {
        event.number("dh_bits", bits);
    }
    if let Some(code) = said.scheme {
        write_code(event, "server_signature_scheme", code, scheme_name(code));
    }
}

fn write_offer(session: &Session, hello: &ClientHello<'_>, event: &mut EventWriter<'_>) {
    write_version(event, "offered_version", hello.highest_version());
    if hello.known.supported_groups.is_some() {
        write_groups(event, "offered_groups", hello.known.groups().meant());
    }
    if hello.known.key_share.is_some() {
        event.list("key_shares");
        for (code, key) in hello.key_shares().take(MAX_LIST) {
            write_code(
                event,
                "",
                code,
                Group::of_share(code, key.len(), ShareFrom::Client).map(|group| group.name),
            );
        }
        event.close();
    }
    if !session.retry_shares.is_empty() {
        write_groups(event, "retry_key_shares", session.retry_shares.iter().copied());
    }
    if hello.known.signature_algorithms.is_some() {
        event.list("signature_schemes");
        for code in hello.known.signature_schemes().meant().take(MAX_LIST) {
            write_code(event, "", code, scheme_name(code));
        }
        event.close();
    }
}

fn write_groups(event: &mut EventWriter<'_>, field: &'static str, codes: impl Iterator<Item = u16>) {
    event.list(field);
    for code in codes.take(MAX_LIST) {
        write_code(event, "", code, Group::of(code).map(|group| group.name));
    }
    event.close();
}

/// A number by its name, or in hexadecimal.
fn write_code(event: &mut EventWriter<'_>, field: &'static str, code: u16, name: Option<&'static str>) {
    match name {
        Some(name) => event.label(field, name),
        None => event.text(field, &hexadecimal(code)),
    };
}

/// A version as Suricata prints it.
fn write_version(event: &mut EventWriter<'_>, field: &'static str, version: u16) {
    let name = match version {
        0 => "UNDETERMINED",
        hello::SSL2 => "SSLv2",
        hello::SSL3 => "SSLv3",
        hello::TLS10 => "TLSv1",
        hello::TLS11 => "TLS 1.1",
        hello::TLS12 => "TLS 1.2",
        hello::TLS13 => "TLS 1.3",
        hello::TLCP => "TLCP 1.1",
        hello::DTLS10 => "DTLS 1.0",
        hello::DTLS12 => "DTLS 1.2",
        hello::DTLS13 => "DTLS 1.3",
        _ => {
            let mut text = *b"TLS 1.3 draft-00";
            let [high, low] = version.to_be_bytes();
            if high == 0x7f && low < 100 {
                let [.., tens, units] = &mut text;
                *tens = b'0' + low / 10;
                *units = b'0' + low % 10;
                event.text(field, &text);
            } else {
                event.text(field, &hexadecimal(version));
            }
            return;
        }
    };
    event.label(field, name);
}

fn hexadecimal(code: u16) -> [u8; 6] {
    let [high, low] = code.to_be_bytes();
    [b'0', b'x', hex_digit(high >> 4), hex_digit(high), hex_digit(low >> 4), hex_digit(low)]
}

/// Appends bytes as pairs of digits with colons between.
fn push_colons(text: &mut Vec<u8>, bytes: &[u8], case: impl Fn(&u8) -> u8) {
    for (at, byte) in bytes.iter().enumerate() {
        let digits = [b':', case(&hex_digit(byte >> 4)), case(&hex_digit(*byte))];
        text.extend_from_slice(if at == 0 { digits.get(1..).unwrap_or_default() } else { &digits });
    }
}

/// Name of an alert (IANA "TLS Alerts").
fn alert_name(description: u8) -> Option<&'static str> {
    Some(match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// Entries of a list that are written.
const MAX_LIST: usize = 64;
/// Names of a certificate that are written.
const MAX_NAMES: usize = 100;
/// Bytes of a name that are written: the longest host name (RFC 1035 2.3.4).
const MAX_NAME: usize = 255;
/// Bytes of a serial number that are written; RFC 5280 4.1.2.2 allows 20.
const MAX_SERIAL: usize = 64;
