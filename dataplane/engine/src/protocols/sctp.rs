//! What the payload protocol identifiers of SCTP name (RFC 9260, 15.5; IANA registry).

/// Payload protocol identifiers, ascending, with names of protocols.
pub static PAYLOAD_PROTOCOLS: &[(u32, &str)] = &[
    (1, "iua"),
    (2, "m2ua"),
    (3, "m3ua"),
    (4, "sua"),
    (5, "m2pa"),
    (7, "megaco"),
    (13, "h323"),
    (18, "s1ap"),
    (19, "rua"),
    (20, "hnbap"),
    (24, "sbc_ap"),
    (27, "x2ap"),
    (29, "lcs_ap"),
    (43, "m2ap"),
    (44, "m3ap"),
    (45, "ssh"),
    (46, "diameter"),
    // Of Diameter, and below of NGAP, XnAP, F1AP and E1AP: records of DTLS (RFC 6083).
    (47, "dtls"),
    (60, "ngap"),
    (61, "xnap"),
    (62, "f1ap"),
    (64, "e1ap"),
    (66, "dtls"),
    (67, "dtls"),
    (68, "dtls"),
    (69, "dtls"),
    (73, "w1ap"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_ascend_and_each_names_a_protocol() {
        assert!(PAYLOAD_PROTOCOLS.is_sorted_by(|a, b| a.0 < b.0));
        let plan = crate::Plan::builtin().unwrap();
        for (identifier, name) in PAYLOAD_PROTOCOLS {
            assert_eq!(plan.by_payload_identifier(*identifier), plan.protocol_id(name), "{name}");
            assert!(plan.protocol_id(name).is_some(), "{name}");
        }
        assert_eq!(plan.by_payload_identifier(3_u32.swap_bytes()), plan.protocol_id("m3ua"));
        assert_eq!(plan.by_payload_identifier(0), None);
    }
}
