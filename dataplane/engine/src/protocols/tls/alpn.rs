//! Services by the names that application-layer protocol negotiation has for them (IANA registry of RFC 7301).

/// Name of the service that a protocol's name stands for, where it says more than that HTTP is carried.
pub(super) fn service(name: &[u8]) -> Option<&'static str> {
    KNOWN.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, service)| *service).or_else(|| {
        // Drafts carry their number.
        name.starts_with(b"doq-i").then_some("DoQ")
    })
}

/// Services that can be told.
pub static SERVICES: &[&str] = &[
    "DoT",
    "DoQ",
    "PostgreSQL",
    "SQL Server",
    "MQTT",
    "XMPP",
    "IMAP",
    "POP3",
    "ManageSieve",
    "FTP",
    "NNTP",
    "IRC",
    "SIP",
    "WebRTC",
    "STUN",
    "CoAP",
    "SMB",
    "NTS",
    "ACME",
    "RADIUS",
    "ONC RPC",
    "BGP",
];

const KNOWN: [(&str, &str); 27] = [
    ("dot", "DoT"),
    ("doq", "DoQ"),
    ("dq", "DoQ"),
    ("postgresql", "PostgreSQL"),
    ("tds/8.0", "SQL Server"),
    ("mqtt", "MQTT"),
    ("xmpp-client", "XMPP"),
    ("xmpp-server", "XMPP"),
    ("imap", "IMAP"),
    ("pop3", "POP3"),
    ("managesieve", "ManageSieve"),
    ("ftp", "FTP"),
    ("nntp", "NNTP"),
    ("nnsp", "NNTP"),
    ("irc", "IRC"),
    ("sip/2", "SIP"),
    ("webrtc", "WebRTC"),
    ("c-webrtc", "WebRTC"),
    ("stun.turn", "STUN"),
    ("stun.nat-discovery", "STUN"),
    ("coap", "CoAP"),
    ("smb", "SMB"),
    ("ntske/1", "NTS"),
    ("acme-tls/1", "ACME"),
    ("radius/1.1", "RADIUS"),
    ("sunrpc", "ONC RPC"),
    ("bgp4", "BGP"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_is_listed_and_http_is_none() {
        assert!(KNOWN.iter().all(|(_, service)| SERVICES.contains(service)));
        assert_eq!((service(b"dot"), service(b"doq-i02"), service(b"h2")), (Some("DoT"), Some("DoQ"), None));
    }
}
