//! The C header and the Rust types have one layout, and the same numbers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::mem::{offset_of, size_of};
use std::process::Command;

use ebpf_maps::{
    Address, Count, FlowKey, LIST_ALLOW, LIST_DENY, LpmV4, LpmV6, Parsed, Probe, Reason, SERVICE_LOCAL,
    SERVICE_REMOTE, SHUNT_DROP, SHUNT_FORWARD, SHUNT_PASS, SHUNT_UPPER_FLAGS, Service, Settings, Shunt,
    flags, kind,
};

/// A C expression and the value it has in Rust.
type Fact = (String, u64);

fn number(name: &str, value: u32) -> Fact {
    (name.to_owned(), u64::from(value))
}

/// Size and offsets of a structure, as C and Rust name them alike.
macro_rules! layout {
    ($c:literal, $rust:ty, [$($field:ident),*]) => {
        vec![
            (concat!("sizeof(struct ", $c, ")").to_owned(), size_of::<$rust>() as u64),
            $((concat!("offsetof(struct ", $c, ", ", stringify!($field), ")").to_owned(),
               offset_of!($rust, $field) as u64),)*
        ]
    };
}

fn layouts() -> Vec<Fact> {
    [
        layout!(
            "flow_key",
            FlowKey,
            [lower, upper, lower_port, upper_port, protocol, kind, outer_vlan, inner_vlan]
        ),
        layout!("shunt", Shunt, [packets, bytes, last_ns, action, tcp_flags]),
        layout!("lpm_v4", LpmV4, [prefix_len, address]),
        layout!("lpm_v6", LpmV6, [prefix_len, address]),
        layout!("address", Address, []),
        layout!("service", Service, [protocol, port]),
        layout!("settings", Settings, [flags, sample, rate_interval_ns, rate_burst_ns, stall_ns]),
        layout!("count", Count, [packets, bytes]),
        layout!(
            "parsed",
            Parsed,
            [
                source,
                destination,
                network_offset,
                transport_offset,
                payload_offset,
                source_port,
                destination_port,
                ethertype,
                outer_vlan,
                inner_vlan,
                kind,
                protocol,
                is_fragment,
                tcp_flags,
                icmp_type
            ]
        ),
        layout!("probe", Probe, [parsed, key, side, hash]),
    ]
    .concat()
}

fn numbers() -> Vec<Fact> {
    vec![
        number("SHUNT_DROP", SHUNT_DROP),
        number("SHUNT_PASS", SHUNT_PASS),
        number("SHUNT_FORWARD", SHUNT_FORWARD),
        number("SHUNT_UPPER_FLAGS", SHUNT_UPPER_FLAGS),
        number("LIST_DENY", LIST_DENY),
        number("LIST_ALLOW", LIST_ALLOW),
        number("SERVICE_LOCAL", SERVICE_LOCAL),
        number("SERVICE_REMOTE", SERVICE_REMOTE),
        number("SETTING_PROTECT_NEIGHBOURS", flags::PROTECT_NEIGHBOURS),
        number("SETTING_PROTECT_SERVICES", flags::PROTECT_SERVICES),
        number("SETTING_PASS_OWN", flags::PASS_OWN),
        number("SETTING_LIST_SOURCES", flags::LIST_SOURCES),
        number("SETTING_LIST_DESTINATIONS", flags::LIST_DESTINATIONS),
        number("SETTING_DENY_OTHER_SOURCES", flags::DENY_OTHER_SOURCES),
        number("SETTING_DENY_OTHER_DESTINATIONS", flags::DENY_OTHER_DESTINATIONS),
        number("SETTING_SHUNT", flags::SHUNT),
        number("SETTING_KEY_VLAN", flags::KEY_VLAN),
        number("SETTING_WATCHDOG", flags::WATCHDOG),
        number("PARSED_NOT_IP", u32::from(kind::NOT_IP)),
        number("PARSED_IPV4", u32::from(kind::IPV4)),
        number("PARSED_IPV6", u32::from(kind::IPV6)),
        number("PARSED_UNREAD", u32::from(kind::UNREAD)),
        number("PARSED_MALFORMED", u32::from(kind::MALFORMED)),
        ("REASONS".to_owned(), Reason::ALL.len() as u64),
    ]
}

/// Every reason by the name that C has for it: its verdict, then why.
fn reasons() -> Vec<Fact> {
    let name = |reason: Reason| {
        let camel = format!("{reason:?}");
        camel.chars().fold("REASON".to_owned(), |mut name, c| {
            if c.is_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
            name
        })
    };
    Reason::ALL.iter().map(|reason| number(&name(*reason), reason.index())).collect()
}

#[test]
fn c_and_rust_agree() {
    let facts = [layouts(), numbers(), reasons()].concat();
    let mut source =
        "#include <stddef.h>\n#include <stdio.h>\n#include \"maps.h\"\nint main(void) {\n".to_owned();
    for (expression, _) in &facts {
        writeln!(source, "printf(\"{expression}=%llu\\n\", (unsigned long long)({expression}));").unwrap();
    }
    source.push_str("return 0; }\n");
    let folder = tempfile::tempdir().unwrap();
    let (file, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    fs::write(&file, source).unwrap();
    let include = concat!("-I", env!("CARGO_MANIFEST_DIR"), "/../xdp");
    let compiled = Command::new("cc").arg(include).arg(&file).arg("-o").arg(&program).status().unwrap();
    assert!(compiled.success());
    let printed = Command::new(program).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let in_c: BTreeMap<&str, u64> = printed
        .lines()
        .map(|line| line.rsplit_once('=').unwrap())
        .map(|(expression, value)| (expression, value.parse().unwrap()))
        .collect();
    for (expression, in_rust) in &facts {
        assert_eq!(in_c.get(expression.as_str()), Some(in_rust), "{expression}");
    }
    eprintln!("{} facts compared", facts.len());
}

#[test]
fn addresses_come_back_as_they_were() {
    for (text, family) in
        [("192.0.2.1", kind::IPV4), ("2001:db8::1", kind::IPV6), ("::ffff:192.0.2.1", kind::IPV6)]
    {
        let address: std::net::IpAddr = text.parse().unwrap();
        assert_eq!(Address::from(address).ip(family), address);
    }
}

#[test]
fn names_are_short_enough_for_the_kernel_and_differ() {
    let names: std::collections::BTreeSet<_> =
        Reason::ALL.iter().map(|reason| (reason.verdict().name(), reason.name())).collect();
    assert_eq!(names.len(), Reason::ALL.len());
    for name in
        [ebpf_maps::maps::OWN_ADDRESSES, ebpf_maps::maps::V4_DESTINATION, ebpf_maps::maps::V6_DESTINATION]
    {
        assert!(name.len() <= 15, "{name}");
    }
}
