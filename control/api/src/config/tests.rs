use super::*;

#[test]
fn every_key_of_the_schema_is_written() {
    let text = full().to_toml();
    for key in SCHEMA {
        let name = key.path.rsplit('.').next().unwrap_or(key.path);
        let is_table = key.kind == "table" || key.kind.starts_with("list of tables");
        let written = if is_table {
            text.contains(&format!("[{}]", key.path)) || text.contains(&format!("[{}.", key.path))
        } else {
            text.lines().any(|line| line.starts_with(&format!("{name} = ")))
        };
        // One of the two that exclude each other.
        assert!(written || key.path == "boot.flow_memory", "{} is not written", key.path);
    }
}

#[test]
fn what_is_written_is_read_back() {
    for config in [full(), Config::default()] {
        assert_eq!(Config::from_toml(&config.to_toml(), "full.toml"), Ok(config));
    }
}

#[test]
fn the_default_of_each_key_is_what_the_schema_says() {
    let text = Config::default().to_toml();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').to_owned();
        } else if let Some((name, value)) = line.split_once(" = ") {
            let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
            let key = SCHEMA.iter().find(|key| key.path == path);
            assert!(
                key.is_some_and(|key| key.default == value || key.path == "version"),
                "{path} has the default {value}, the schema says {key:?}"
            );
        }
    }
}

#[test]
fn no_key_is_in_the_schema_twice() {
    for (index, key) in SCHEMA.iter().enumerate() {
        assert!(SCHEMA.iter().skip(index + 1).all(|other| other.path != key.path), "{}", key.path);
    }
}

/// A configuration in which every key has a value.
fn full() -> Config {
    Config::from_toml(FULL, "full.toml").unwrap()
}

const FULL: &str = r#"
version = 1
[boot]
backend = "auto"
cores = [2, 3]
main_core = 1
flow_capacity = 100000
stop_when_idle = "500ms"
exception_port = "ww0"
memory.mib = 1024
xdp.pin = "/sys/fs/bpf/wirewarden"
[[boot.ports]]
name = "lan"
device = "0000:03:00.0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "net_ring0"
queues = 1
failover = "eth1"
mtu = 9000
mode = "inline"
peer = "lan"
[live.classify]
signatures_dir = "a \"quoted\" directory"
[[live.lists.list]]
prefixes = ["192.0.2.0/24", "2001:db8::1"]
[[live.lists.list]]
of = "destination"
action = "allow"
file = "partners.txt"
[live.tunnel]
outside = "wan"
local = ["192.0.2.1", "2001:db8::1"]
mac = "02:00:00:00:00:01"
next_hop = ["192.0.2.254"]
next_hop_mac = "02:00:00:00:00:02"
inside = ["10.1.0.1/24", "fd01::1/64"]
inside_next_hop = ["10.1.0.254"]
[[live.tunnel.rules]]
filter = "cleartext and net 10.0.0.0/8"
verdict = "encrypt"
peer = "west"
else = "pass"
[[live.tunnel.peers]]
name = "west"
address = "192.0.2.2"
endpoint = "[2001:db8::2]:4510"
prefixes = ["10.2.0.0/16", "fd02::/64"]
ours = ["10.1.0.0/16"]
framing = "etherip"
mtu = 1400
roaming = "follow"
udp_encapsulation = true
keys = ["000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"]
allow = ["192.0.2.0/24"]
[live.tunnel.exchange]
listen = "192.0.2.1:4510"
identity = "pki/east.pem"
ca = "pki/ca.crt"
crl = "pki/ca.crl"
profile = "balanced"
rekey_every = "5m"
full_handshake_every = "30m"
rekey_packets = 1000000
expire_after = "2h"
[[live.output.eve]]
path = "eve.json"
types = ["flow", "tls"]
rotate_size = "1GiB"
rotate_every = "1h"
keep_files = 24
keep_size = "10GiB"
compress = "zstd"
when_full = "lose_new"
[live.log]
level = "debug"
"#;
