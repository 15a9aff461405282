//! Numbers of OPC UA services (IEC 62541-6, annex A: the ids of the binary encodings) and status codes (annex A.2).

/// The service of a request's or response's type id.
pub(super) const fn service(id: u32) -> Option<(&'static str, Half)> {
    use Half::{Request as Q, Response as R};
    Some(match id {
        397 => ("ServiceFault", R),
        422 => ("FindServers", Q),
        425 => ("FindServers", R),
        428 => ("GetEndpoints", Q),
        431 => ("GetEndpoints", R),
        437 => ("RegisterServer", Q),
        440 => ("RegisterServer", R),
        446 => ("OpenSecureChannel", Q),
        449 => ("OpenSecureChannel", R),
        452 => ("CloseSecureChannel", Q),
        455 => ("CloseSecureChannel", R),
        461 => ("CreateSession", Q),
        464 => ("CreateSession", R),
        467 => ("ActivateSession", Q),
        470 => ("ActivateSession", R),
        473 => ("CloseSession", Q),
        476 => ("CloseSession", R),
        479 => ("Cancel", Q),
        482 => ("Cancel", R),
        488 => ("AddNodes", Q),
        491 => ("AddNodes", R),
        494 => ("AddReferences", Q),
        497 => ("AddReferences", R),
        500 => ("DeleteNodes", Q),
        503 => ("DeleteNodes", R),
        506 => ("DeleteReferences", Q),
        509 => ("DeleteReferences", R),
        527 => ("Browse", Q),
        530 => ("Browse", R),
        533 => ("BrowseNext", Q),
        536 => ("BrowseNext", R),
        554 => ("TranslateBrowsePathsToNodeIds", Q),
        557 => ("TranslateBrowsePathsToNodeIds", R),
        560 => ("RegisterNodes", Q),
        563 => ("RegisterNodes", R),
        566 => ("UnregisterNodes", Q),
        569 => ("UnregisterNodes", R),
        615 => ("QueryFirst", Q),
        618 => ("QueryFirst", R),
        621 => ("QueryNext", Q),
        624 => ("QueryNext", R),
        631 => ("Read", Q),
        634 => ("Read", R),
        664 => ("HistoryRead", Q),
        667 => ("HistoryRead", R),
        673 => ("Write", Q),
        676 => ("Write", R),
        700 => ("HistoryUpdate", Q),
        703 => ("HistoryUpdate", R),
        712 => ("Call", Q),
        715 => ("Call", R),
        _ => return subscription_service(id),
    })
}

/// Services of monitored items and subscriptions.
const fn subscription_service(id: u32) -> Option<(&'static str, Half)> {
    use Half::{Request as Q, Response as R};
    Some(match id {
        751 => ("CreateMonitoredItems", Q),
        754 => ("CreateMonitoredItems", R),
        763 => ("ModifyMonitoredItems", Q),
        766 => ("ModifyMonitoredItems", R),
        769 => ("SetMonitoringMode", Q),
        772 => ("SetMonitoringMode", R),
        775 => ("SetTriggering", Q),
        778 => ("SetTriggering", R),
        781 => ("DeleteMonitoredItems", Q),
        784 => ("DeleteMonitoredItems", R),
        787 => ("CreateSubscription", Q),
        790 => ("CreateSubscription", R),
        793 => ("ModifySubscription", Q),
        796 => ("ModifySubscription", R),
        799 => ("SetPublishingMode", Q),
        802 => ("SetPublishingMode", R),
        826 => ("Publish", Q),
        829 => ("Publish", R),
        832 => ("Republish", Q),
        835 => ("Republish", R),
        841 => ("TransferSubscriptions", Q),
        844 => ("TransferSubscriptions", R),
        847 => ("DeleteSubscriptions", Q),
        850 => ("DeleteSubscriptions", R),
        12208 => ("FindServersOnNetwork", Q),
        12209 => ("FindServersOnNetwork", R),
        12211 => ("RegisterServer2", Q),
        12212 => ("RegisterServer2", R),
        _ => return None,
    })
}

/// Which half of a service a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// The client asks.
    Request,
    /// The server answers.
    Response,
}

/// Status codes that are often seen; the number is written as well.
pub(super) const fn status(code: u32) -> &'static str {
    match code & 0xffff_0000 {
        0x0000_0000 => "Good",
        0x8001_0000 => "BadUnexpectedError",
        0x8002_0000 => "BadInternalError",
        0x8003_0000 => "BadOutOfMemory",
        0x8004_0000 => "BadResourceUnavailable",
        0x8005_0000 => "BadCommunicationError",
        0x8007_0000 => "BadDecodingError",
        0x8008_0000 => "BadEncodingLimitsExceeded",
        0x800a_0000 => "BadTimeout",
        0x800b_0000 => "BadServiceUnsupported",
        0x800c_0000 => "BadShutdown",
        0x800f_0000 => "BadNothingToDo",
        0x8012_0000 => "BadCertificateInvalid",
        0x8013_0000 => "BadSecurityChecksFailed",
        0x8014_0000 => "BadCertificateTimeInvalid",
        0x801a_0000 => "BadCertificateUntrusted",
        0x801f_0000 => "BadUserAccessDenied",
        0x8020_0000 => "BadIdentityTokenInvalid",
        0x8021_0000 => "BadIdentityTokenRejected",
        0x8022_0000 => "BadSecureChannelIdInvalid",
        0x8025_0000 => "BadSessionIdInvalid",
        0x8026_0000 => "BadSessionClosed",
        0x8027_0000 => "BadSessionNotActivated",
        0x8033_0000 => "BadNodeIdInvalid",
        0x8034_0000 => "BadNodeIdUnknown",
        0x8035_0000 => "BadAttributeIdInvalid",
        0x803a_0000 => "BadNotReadable",
        0x803b_0000 => "BadNotWritable",
        0x8054_0000 => "BadSecurityModeRejected",
        0x8055_0000 => "BadSecurityPolicyRejected",
        0x8056_0000 => "BadTooManySessions",
        0x8078_0000 => "BadTooManyPublishRequests",
        0x8079_0000 => "BadNoSubscription",
        0x807d_0000 => "BadTcpServerTooBusy",
        0x807e_0000 => "BadTcpMessageTypeInvalid",
        0x807f_0000 => "BadTcpSecureChannelUnknown",
        0x8080_0000 => "BadTcpMessageTooLarge",
        0x8081_0000 => "BadTcpNotEnoughResources",
        0x8082_0000 => "BadTcpInternalError",
        0x8083_0000 => "BadTcpEndpointUrlInvalid",
        0x8085_0000 => "BadRequestTimeout",
        0x8086_0000 => "BadSecureChannelClosed",
        0x4000_0000.. => {
            if code & 0x8000_0000 == 0 {
                "Uncertain"
            } else {
                "Bad"
            }
        }
        _ => "Good",
    }
}

/// How a channel is protected (IEC 62541-4, 7.20).
pub(super) const fn security_mode(code: u32) -> &'static str {
    match code {
        1 => "None",
        2 => "Sign",
        3 => "SignAndEncrypt",
        _ => "Invalid",
    }
}

/// A security policy (IEC 62541-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Its name, the last part of its URI.
    pub(super) name: &'static str,
    /// What it rests on, in the words that all protocols use.
    pub(super) class: &'static str,
    /// What makes it weak.
    pub(super) weakness: Option<&'static str>,
}

/// What stands before the name of a policy in its URI.
const POLICY_PREFIX: &[u8] = b"http://opcfoundation.org/UA/SecurityPolicy#";

/// The policy of a URI.
pub(super) fn policy(uri: &[u8]) -> Option<Policy> {
    let (name, class, weakness) = match uri.strip_prefix(POLICY_PREFIX)? {
        b"None" => ("None", "cleartext", None),
        b"Basic128" => ("Basic128", "classical", Some("sha1_signature")),
        b"Basic128Rsa15" => ("Basic128Rsa15", "classical", Some("sha1_signature")),
        b"Basic192" => ("Basic192", "classical", Some("sha1_signature")),
        b"Basic192Rsa15" => ("Basic192Rsa15", "classical", Some("sha1_signature")),
        b"Basic256" => ("Basic256", "classical", Some("sha1_signature")),
        b"Basic256Rsa15" => ("Basic256Rsa15", "classical", Some("sha1_signature")),
        b"Basic256Sha256" => ("Basic256Sha256", "classical", None),
        b"Aes128_Sha256_RsaOaep" => ("Aes128_Sha256_RsaOaep", "classical", None),
        b"Aes256_Sha256_RsaPss" => ("Aes256_Sha256_RsaPss", "classical", None),
        b"ECC_nistP256" => ("ECC_nistP256", "classical", None),
        b"ECC_nistP384" => ("ECC_nistP384", "classical", None),
        b"ECC_brainpoolP256r1" => ("ECC_brainpoolP256r1", "classical", None),
        b"ECC_brainpoolP384r1" => ("ECC_brainpoolP384r1", "classical", None),
        b"ECC_curve25519" => ("ECC_curve25519", "classical", None),
        b"ECC_curve448" => ("ECC_curve448", "classical", None),
        _ => return None,
    };
    Some(Policy { name, class, weakness })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_and_states_have_names() {
        let uri = b"http://opcfoundation.org/UA/SecurityPolicy#Basic256";
        assert_eq!(policy(uri).and_then(|policy| policy.weakness), Some("sha1_signature"));
        assert_eq!(policy(b"http://example.com/#None"), None);
        assert_eq!(status(0x8034_0000), "BadNodeIdUnknown");
        assert_eq!(status(0x8fff_0000), "Bad");
        assert_eq!(status(0x4092_0000), "Uncertain");
        assert_eq!(service(631), Some(("Read", Half::Request)));
    }
}
