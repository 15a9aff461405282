//! Names of operations, results (RFC 4511, 4.1.9) and extensions.

use super::operation::tag;

/// Name of an operation.
pub(super) const fn operation(tag: u8) -> &'static str {
    match tag {
        tag::BIND => "bind_request",
        tag::BIND_RESPONSE => "bind_response",
        tag::UNBIND => "unbind_request",
        tag::SEARCH => "search_request",
        tag::ENTRY => "search_result_entry",
        tag::SEARCH_DONE => "search_result_done",
        tag::REFERENCE => "search_result_reference",
        tag::MODIFY => "modify_request",
        tag::MODIFY_RESPONSE => "modify_response",
        tag::ADD => "add_request",
        tag::ADD_RESPONSE => "add_response",
        tag::DELETE => "del_request",
        tag::DELETE_RESPONSE => "del_response",
        tag::RENAME => "mod_dn_request",
        tag::RENAME_RESPONSE => "mod_dn_response",
        tag::COMPARE => "compare_request",
        tag::COMPARE_RESPONSE => "compare_response",
        tag::ABANDON => "abandon_request",
        tag::EXTENDED => "extended_request",
        tag::EXTENDED_RESPONSE => "extended_response",
        tag::INTERMEDIATE => "intermediate_response",
        _ => "unknown",
    }
}

/// Name of a result.
pub(super) const fn result(code: i64) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "operations_error",
        2 => "protocol_error",
        3 => "time_limit_exceeded",
        4 => "size_limit_exceeded",
        5 => "compare_false",
        6 => "compare_true",
        7 => "auth_method_not_supported",
        8 => "stronger_auth_required",
        10 => "referral",
        11 => "admin_limit_exceeded",
        12 => "unavailable_critical_extension",
        13 => "confidentiality_required",
        14 => "sasl_bind_in_progress",
        16 => "no_such_attribute",
        17 => "undefined_attribute_type",
        18 => "inappropriate_matching",
        19 => "constraint_violation",
        20 => "attribute_or_value_exists",
        21 => "invalid_attribute_syntax",
        32 => "no_such_object",
        33 => "alias_problem",
        34 => "invalid_dns_syntax",
        36 => "alias_dereferencing_problem",
        48 => "inappropriate_authentication",
        49 => "invalid_credentials",
        50 => "insufficient_access_rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling_to_perform",
        54 => "loop_detect",
        64 => "naming_violation",
        65 => "object_class_violation",
        66 => "not_allowed_on_non_leaf",
        67 => "not_allowed_on_rdn",
        68 => "entry_already_exists",
        69 => "object_class_mods_prohibited",
        71 => "affects_multiple_dsas",
        80 => "other",
        _ => return None,
    })
}

/// Name of an extended operation.
pub(super) const fn extended(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        b"1.3.6.1.4.1.1466.20037" => "start_tls",
        b"1.3.6.1.4.1.4203.1.11.1" => "modify_password",
        b"1.3.6.1.4.1.4203.1.11.3" => "who_am_i",
        b"1.3.6.1.4.1.1466.101.119.1" => "dynamic_refresh",
        b"1.3.6.1.1.8" => "cancel",
        b"1.3.6.1.1.21.1" => "start_transaction",
        b"1.2.840.113556.1.4.1781" => "fast_bind",
        _ => return None,
    })
}
