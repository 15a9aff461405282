//! What the events say, as users read them.

use serde_json::{Value, json};

use crate::samples;
use crate::talk::{Outcome, play};

fn outcomes() -> Vec<(&'static str, Outcome)> {
    let all = samples();
    all.iter()
        .map(|sample| (sample.protocol.name, play(sample.protocol, sample.carrier, &sample.turns)))
        .collect()
}

fn first(protocol: &str, kind: &str) -> Value {
    let all = outcomes();
    let (_, outcome) = all.iter().find(|(name, _)| *name == protocol).unwrap();
    assert_eq!(outcome.anomalies(), [""; 0]);
    outcome.of(kind)[0].clone()
}

#[test]
fn no_secret_is_written() {
    for (name, outcome) in outcomes() {
        let all = format!("{:?}", outcome.events);
        for secret in ["topsecret", "c2VjcmV0", "5e5e5e5e", "5c5c5c5c"] {
            assert!(!all.contains(secret), "{name}: {secret}");
        }
    }
}

#[test]
fn a_simple_bind_is_a_password_in_clear() {
    assert_eq!(
        first("ldap", "ldap"),
        json!({
            "request": {
                "operation": "bind_request", "message_id": 1,
                "bind_request": {"version": 3, "name": "cn=admin", "authentication": "simple"},
            },
            "crypto": {"class": "cleartext"},
            "credentials": {"kind": "simple", "password_in_clear": true},
            "responses": [{
                "operation": "bind_response", "message_id": 1,
                "bind_response": {"result_code": "success", "matched_dn": "", "message": ""},
            }],
        })
    );
}

#[test]
fn a_ticket_under_rc4_without_preauthentication_is_weak() {
    let event = first("kerberos", "krb5");
    assert_eq!(event["cname"], json!("alice"));
    assert_eq!(event["ticket_encryption"], json!("rc4-hmac"));
    let weak = json!(["rc4", "no_preauthentication"]);
    assert_eq!(event["crypto"], json!({"class": "symmetric", "posture": "weak", "weaknesses": weak}));
}

#[test]
fn remote_procedures_name_their_interface() {
    let event = first("dcerpc", "dcerpc");
    assert_eq!((&event["request"], &event["response"]), (&json!("BIND"), &json!("BINDACK")));
    assert_eq!(
        event["interfaces"],
        json!([{
            "uuid": "12345778-1234-abcd-ef00-0123456789ac", "version": "1.0", "interface": "samr", "ack_result": 0,
        }])
    );
}

#[test]
fn keys_in_a_description_are_masked_and_make_the_session_weak() {
    let event = first("sip", "sip");
    let media = &event["sdp"]["media_descriptions"][0];
    assert_eq!(media["attributes"], json!(["crypto:1 AES_CM_128_HMAC_SHA1_80 ***"]));
    assert_eq!((&event["code"], &event["crypto"]["weaknesses"]), (&json!(486), &json!(["key_in_clear"])));
}
