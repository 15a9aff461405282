//! Captures, as another dissector reads them.

use std::collections::BTreeSet;

use engine::protocols::Protocol;
use engine::protocols::{diameter, kerberos, mgcp, sip, sunrpc};
use serde_json::Value;

use crate::captures::{Flow, capture, connections, datagram_flows};
use crate::tshark::{column, tshark};

/// Every text of that name anywhere in the events.
fn texts(flows: &[Flow], name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let all = flows.iter().filter(|flow| flow.is_taken).flat_map(|flow| &flow.outcome.events);
    for (_, value) in all {
        collect(value, name, &mut found);
    }
    found
}

fn collect(value: &Value, name: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                if let (true, Some(text)) = (member == name, value.as_str()) {
                    found.insert(text.to_owned());
                }
                collect(value, name, found);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| collect(member, name, found)),
        _ => {}
    }
}

/// Holds what the other dissector reads in a field to what our events say under a name.
fn compare(file: &str, protocol: &Protocol, filter: &str, field: &str, name: &str) {
    let Some(path) = capture(file) else { return };
    let Some(rows) = tshark(&path, filter, &[field]) else { return };
    let mut flows = datagram_flows(protocol, &path);
    flows.extend(connections(protocol, &path));
    let theirs: BTreeSet<String> = column(&rows, 0).into_iter().collect();
    assert!(!theirs.is_empty(), "{file}: nothing to compare");
    assert_eq!(texts(&flows, name), theirs, "{file}: {name}");
}

#[test]
fn clients_of_kerberos_are_those_that_another_dissector_names() {
    // Names of one component are the same in both forms.
    compare("kerberos.pcap", &kerberos::KERBEROS, "kerberos.CNameString", "kerberos.CNameString", "cname");
}

#[test]
fn methods_of_sip_are_those_that_another_dissector_names() {
    compare("sip.pcap", &sip::SIP, "sip.Method", "sip.Method", "method");
}

#[test]
fn endpoints_of_mgcp_are_those_that_another_dissector_names() {
    compare("mgcp.pcap", &mgcp::MGCP, "mgcp.req", "mgcp.req.endpoint", "endpoint");
}

#[test]
fn sessions_of_diameter_are_those_that_another_dissector_names() {
    compare("diameter.pcap", &diameter::DIAMETER, "diameter", "diameter.Session-Id", "session_id");
}

#[test]
fn files_of_nfs_are_those_that_another_dissector_names() {
    compare("nfsv2.pcap", &sunrpc::SUNRPC, "nfs.name && rpc.msgtyp == 0", "nfs.name", "filename");
}
