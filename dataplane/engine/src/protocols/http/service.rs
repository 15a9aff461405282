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
/// Records of patients: what is written of targets is masked.
pub(super) const FHIR: &str = "FHIR";

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

/// The service of a target: the announce request of a BitTorrent tracker (BEP 3) needs both parameters.
pub(super) fn of_target(target: &[u8]) -> Option<&'static str> {
    let query = target.split_at_checked(memchr::memchr(b'?', target)?)?.1;
    let has = |name: &[u8]| memchr::memmem::find(query, name).is_some();
    (has(b"info_hash=") && has(b"peer_id=")).then_some(BITTORRENT)
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
