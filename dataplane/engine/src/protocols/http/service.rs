//! What HTTP carries, where its header fields or the start of a body say so by specification.

use super::fhir;
use super::field::without_parameters;

/// Names that the parser gives to services, so that a plan can number them.
pub static SERVICES: &[&str] = &[
    OCSP,
    SOAP,
    JSON_RPC,
    MPEG_DASH,
    HLS,
    IPP,
    DOH,
    TSP,
    RTSP,
    RTMP,
    GIT,
    ACTIVE_SYNC,
    ELASTICSEARCH,
    ICECAST,
    UPNP,
    WEBDAV,
    SSTP,
    RPC_OVER_HTTP,
    BITTORRENT,
    FHIR,
    THRIFT,
    MQTT,
    COAP,
    SIP,
    XMPP,
    AMQP,
    STOMP,
    OCPP,
    OPC_UA,
    WAMP,
    MSRP,
    BFCP,
    GRAPHQL,
    ICE,
];

const OCSP: &str = "OCSP";
const SOAP: &str = "SOAP";
const JSON_RPC: &str = "JSON-RPC";
const MPEG_DASH: &str = "MpegDash";
const HLS: &str = "HLS";
const IPP: &str = "IPP";
const DOH: &str = "DoH";
const TSP: &str = "TSP";
const RTSP: &str = "RTSP";
const RTMP: &str = "RTMP";
const GIT: &str = "Git";
const ACTIVE_SYNC: &str = "ActiveSync";
const ELASTICSEARCH: &str = "Elasticsearch";
const ICECAST: &str = "Icecast";
const UPNP: &str = "UPnP";
const WEBDAV: &str = "WebDAV";
const SSTP: &str = "SSTP";
/// As its specification abbreviates it.
const RPC_OVER_HTTP: &str = "MS-RPCH";
const BITTORRENT: &str = "BitTorrent";
const THRIFT: &str = "Thrift";
const MQTT: &str = "MQTT";
const COAP: &str = "CoAP";
const SIP: &str = "SIP";
const XMPP: &str = "XMPP";
const AMQP: &str = "AMQP";
const STOMP: &str = "STOMP";
const OCPP: &str = "OCPP";
const OPC_UA: &str = "OPC UA";
const WAMP: &str = "WAMP";
const MSRP: &str = "MSRP";
const BFCP: &str = "BFCP";
const GRAPHQL: &str = "GraphQL";
const ICE: &str = "Ice";
/// Records of patients: what is written of targets is masked.
pub(super) const FHIR: &str = "FHIR";

/// Beginnings of names in the registry "WebSocket Subprotocol Name Registry" (IANA), and of two that are not in it.
const SUBPROTOCOLS: &[(&[u8], &str)] = &[
    (b"mqtt", MQTT),
    (b"mqttv3.1", MQTT),
    (b"coap", COAP),
    (b"sip", SIP),
    (b"xmpp", XMPP),
    (b"amqp", AMQP),
    (b"v10.stomp", STOMP),
    (b"v11.stomp", STOMP),
    (b"v12.stomp", STOMP),
    (b"ocpp", OCPP),
    (b"opcua+", OPC_UA),
    (b"wamp", WAMP),
    (b"msrp", MSRP),
    (b"bfcp", BFCP),
    (b"soap", SOAP),
    (b"graphql-", GRAPHQL),
    (b"ice.zeroc.com", ICE),
];

/// Media types that belong to one protocol.
const MEDIA_TYPES: &[(&[u8], &str)] = &[
    // RFC 6960, appendix A
    (b"application/ocsp-request", OCSP),
    (b"application/ocsp-response", OCSP),
    // RFC 3902
    (b"application/soap+xml", SOAP),
    (b"application/json-rpc", JSON_RPC),
    (b"application/jsonrequest", JSON_RPC),
    // ISO/IEC 23009-1, annex C
    (b"application/dash+xml", MPEG_DASH),
    (b"video/vnd.mpeg.dash.mpd", MPEG_DASH),
    (b"video/iso.segment", MPEG_DASH),
    // RFC 8216, 10 and what came before it
    (b"application/vnd.apple.mpegurl", HLS),
    (b"application/x-mpegurl", HLS),
    (b"audio/mpegurl", HLS),
    (b"audio/x-mpegurl", HLS),
    // RFC 8010
    (b"application/ipp", IPP),
    // RFC 8484
    (b"application/dns-message", DOH),
    // RFC 3161
    (b"application/timestamp-query", TSP),
    (b"application/timestamp-reply", TSP),
    (b"application/x-rtsp-tunnelled", RTSP),
    (b"application/x-fcs", RTMP),
    (b"application/x-git-upload-pack-request", GIT),
    (b"application/x-git-upload-pack-result", GIT),
    (b"application/x-git-upload-pack-advertisement", GIT),
    (b"application/x-git-receive-pack-request", GIT),
    (b"application/x-git-receive-pack-advertisement", GIT),
    (b"application/x-thrift", THRIFT),
    (b"application/vnd.apache.thrift.binary", THRIFT),
    (b"application/vnd.apache.thrift.compact", THRIFT),
    (b"application/vnd.apache.thrift.json", THRIFT),
    // [MS-ASHTTP]
    (b"application/vnd.ms-sync.wbxml", ACTIVE_SYNC),
    (b"application/vnd.ms-sync", ACTIVE_SYNC),
];

/// Methods that belong to one protocol over HTTP.
const METHODS: &[(&[u8], &str)] = &[
    // RFC 4918, RFC 3253, RFC 4791
    (b"PROPFIND", WEBDAV),
    (b"PROPPATCH", WEBDAV),
    (b"MKCOL", WEBDAV),
    (b"MKCALENDAR", WEBDAV),
    (b"LOCK", WEBDAV),
    (b"UNLOCK", WEBDAV),
    (b"REPORT", WEBDAV),
    // UPnP Device Architecture, 4 (eventing)
    (b"SUBSCRIBE", UPNP),
    (b"UNSUBSCRIBE", UPNP),
    (b"M-SEARCH", UPNP),
    // [MS-SSTP], [MS-RPCH]
    (b"SSTP_DUPLEX_POST", SSTP),
    (b"RPC_IN_DATA", RPC_OVER_HTTP),
    (b"RPC_OUT_DATA", RPC_OVER_HTTP),
    (b"SOURCE", ICECAST),
];

/// The service of a Content-Type value.
pub(super) fn of_content_type(value: &[u8]) -> Option<&'static str> {
    let media_type = without_parameters(value);
    let known = MEDIA_TYPES.iter().find(|(wanted, _)| media_type.eq_ignore_ascii_case(wanted));
    known.map(|(_, name)| *name).or_else(|| fhir::is_media_type(value).then_some(FHIR))
}

/// The service of an Accept value.
pub(super) fn of_accepted(value: &[u8]) -> Option<&'static str> {
    fhir::is_media_type(value).then_some(FHIR)
}

/// The service of a method.
pub(super) fn of_method(method: &[u8]) -> Option<&'static str> {
    METHODS.iter().find(|(wanted, _)| *wanted == method).map(|(_, name)| *name)
}

/// What is spoken in a WebSocket, by the subprotocol that the server chose (RFC 6455, 1.9). A version may follow.
pub(super) fn of_subprotocol(value: &[u8]) -> Option<&'static str> {
    let follows = |rest: &[u8]| rest.first().is_none_or(|byte| !byte.is_ascii_alphabetic());
    let is_named = |name: &[u8]| {
        let (start, rest) = value.split_at_checked(name.len()).unwrap_or_default();
        let is_open = matches!(name.last(), Some(b'+' | b'-'));
        start.eq_ignore_ascii_case(name) && (is_open || follows(rest))
    };
    SUBPROTOCOLS.iter().find(|(name, _)| is_named(name)).map(|(_, service)| *service)
}

/// Whether a request sends a stream that only its end ends, as sources of Icecast do: with SOURCE, or with PUT and
/// neither a length nor chunks.
pub(super) fn is_source(method: &[u8], content_type: &[u8]) -> bool {
    let media_type = without_parameters(content_type);
    let is = |kind: &[u8]| media_type.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    method == b"SOURCE" || method == b"PUT" && (is(b"audio/") || is(b"video/") || is(b"application/ogg"))
}

/// The name that [`is_source`] tells of.
pub(super) const fn of_source() -> &'static str {
    ICECAST
}

/// The service of a target. The announce request of a BitTorrent tracker (BEP 3) needs both parameters; one for its
/// figures is at `scrape` (BEP 48).
pub(super) fn of_target(target: &[u8]) -> Option<&'static str> {
    let (path, query) = target.split_at_checked(memchr::memchr(b'?', target)?)?;
    let has = |name: &[u8]| memchr::memmem::find(query, name).is_some();
    let is_scrape = || path.ends_with(b"/scrape") || path.ends_with(b"/scrape.php");
    (has(b"info_hash=") && (has(b"peer_id=") || is_scrape())).then_some(BITTORRENT)
}

/// The service that a SOAPAction field names (SOAP 1.1, 6.1.1).
pub(super) const fn of_soap_action() -> &'static str {
    SOAP
}

/// The service of an `X-Elastic-Product` field.
pub(super) fn of_elastic_product(value: &[u8]) -> Option<&'static str> {
    value.eq_ignore_ascii_case(b"Elasticsearch").then_some(ELASTICSEARCH)
}

/// The service that an `icy-name` field names.
pub(super) const fn of_icy_name() -> &'static str {
    ICECAST
}

/// The service of an `NT` field in a request (General Event Notification Architecture).
pub(super) fn of_notification_type(value: &[u8]) -> Option<&'static str> {
    value.eq_ignore_ascii_case(b"upnp:event").then_some(UPNP)
}

/// Whether the start of a body of this media type says what is carried.
pub(super) fn is_told_by_body(content_type: &[u8]) -> bool {
    let media_type = without_parameters(content_type);
    [b"application/json".as_slice(), b"text/xml", b"application/xml"]
        .iter()
        .any(|wanted| media_type.eq_ignore_ascii_case(wanted))
}

/// The service of the start of a JSON or XML body: a JSON-RPC object or batch (JSON-RPC 2.0, 4), or an Envelope of
/// one of the SOAP namespaces.
pub(super) fn of_body(start: &[u8]) -> Option<&'static str> {
    let has = |text: &[u8]| memchr::memmem::find(start, text).is_some();
    match start.trim_ascii_start().first()? {
        b'{' | b'[' if has(b"\"jsonrpc\"") => Some(JSON_RPC),
        b'<' | 0xef
            if has(b"Envelope")
                && (has(b"http://schemas.xmlsoap.org/soap/envelope/")
                    || has(b"http://www.w3.org/2003/05/soap-envelope")) =>
        {
            Some(SOAP)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_name_services_whatever_their_parameters() {
        assert_eq!(of_content_type(b"application/OCSP-request"), Some(OCSP));
        assert_eq!(of_content_type(b"application/soap+xml; charset=utf-8; action=\"x\""), Some(SOAP));
        assert_eq!(of_content_type(b"text/html"), None);
    }

    #[test]
    fn bodies_are_told_by_what_the_specifications_demand() {
        assert_eq!(of_body(b" [{\"jsonrpc\": \"2.0\", \"method\": \"sum\"}]"), Some(JSON_RPC));
        assert_eq!(of_body(b"{\"json\": 1}"), None);
        let envelope =
            b"<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\">";
        assert_eq!(of_body(envelope), Some(SOAP));
        assert_eq!(of_body(b"<Envelope>"), None);
        assert_eq!(of_body(b""), None);
    }

    #[test]
    fn every_name_given_is_listed() {
        let named = MEDIA_TYPES.iter().chain(METHODS).map(|(_, name)| *name);
        for name in named.chain([ELASTICSEARCH, BITTORRENT, FHIR, of_icy_name(), of_soap_action()]) {
            assert!(SERVICES.contains(&name), "{name}");
        }
    }
}
