//! A configuration as TOML.

use std::fmt::{Display, Write};

use toml::Value;

use crate::config::boot::{BootConfig, ModeName, PortConfig, PortMode};
use crate::config::live::{EveOutput, FlowConfig, LiveConfig, StreamConfig};
use crate::config::{
    Choice, Config, ExchangeConfig, ListsConfig, ShuntConfig, TunnelConfig, TunnelPeer, VERSION, XdpConfig,
};

pub(super) fn to_toml(config: &Config) -> String {
    let mut toml = Toml { text: String::new() };
    toml.plain("version", VERSION);
    boot(&mut toml, &config.boot);
    live(&mut toml, &config.live);
    toml.text
}

fn boot(toml: &mut Toml, boot: &BootConfig) {
    toml.header("[boot]");
    toml.text("backend", boot.backend.name());
    let cores: Vec<String> = boot.cores.iter().map(u16::to_string).collect();
    toml.plain("cores", format_args!("[{}]", cores.join(", ")));
    if let Some(core) = boot.main_core {
        toml.plain("main_core", core);
    }
    toml.plain("burst", boot.burst);
    match boot.flow_capacity {
        Some(flows) => toml.plain("flow_capacity", flows),
        None => toml.text("flow_memory", boot.flow_memory),
    }
    if let Some(timeout) = boot.stop_when_idle {
        toml.text("stop_when_idle", timeout);
    }
    toml.text("failover", boot.failover.name());
    if let Some(name) = &boot.exception_port {
        toml.text("exception_port", name);
    }
    toml.header("[boot.memory]");
    toml.plain("hugepages", boot.memory.hugepages);
    toml.text("hugepage_size", boot.memory.hugepage_size.name());
    toml.plain("mib", boot.memory.mib);
    toml.plain("in_memory", boot.memory.in_memory);
    xdp(toml, &boot.xdp);
    for one in &boot.ports {
        port(toml, one);
    }
}

fn xdp(toml: &mut Toml, xdp: &XdpConfig) {
    let list = |ports: &[u16]| {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        format!("[{}]", ports.join(", "))
    };
    toml.header("[boot.xdp]");
    toml.text("mode", xdp.mode.name());
    toml.text("copy", xdp.copy.name());
    toml.text("frame_size", xdp.frame_size.name());
    toml.plain("busy_poll", xdp.busy_poll);
    toml.text("watchdog", xdp.watchdog);
    toml.text("protect_neighbours", xdp.protect_neighbours.name());
    toml.plain("protect_tcp", list(&xdp.protect_tcp));
    toml.plain("protect_udp", list(&xdp.protect_udp));
    toml.plain("pass_own", xdp.pass_own);
    toml.plain("shunts", xdp.shunts);
    toml.plain("prefixes", xdp.prefixes);
    if let Some(folder) = &xdp.pin {
        toml.text("pin", folder.display());
    }
}

fn port(toml: &mut Toml, port: &PortConfig) {
    toml.header("[[boot.ports]]");
    toml.text("name", &port.name);
    toml.text("device", &port.device);
    toml.plain("queues", port.queues);
    toml.plain("rx_descriptors", port.rx_descriptors);
    toml.plain("tx_descriptors", port.tx_descriptors);
    toml.plain("mtu", port.mtu);
    toml.plain("promiscuous", port.promiscuous);
    if let Some(interface) = &port.failover {
        toml.text("failover", interface);
    }
    match &port.mode {
        PortMode::Tap => toml.text("mode", ModeName::Tap.name()),
        PortMode::Inline { peer } => {
            toml.text("mode", ModeName::Inline.name());
            toml.text("peer", peer);
        }
    }
}

fn live(toml: &mut Toml, live: &LiveConfig) {
    flow(toml, &live.flow);
    stream(toml, &live.stream);
    toml.header("[live.defrag]");
    toml.text("memory", live.defrag.memory);
    toml.text("timeout", live.defrag.timeout);
    toml.plain("max_fragments", live.defrag.max_fragments);
    toml.header("[live.classify]");
    if let Some(dir) = &live.classify.signatures_dir {
        toml.text("signatures_dir", dir.display());
    }
    toml.plain("max_payloads", live.classify.max_payloads);
    toml.plain("guesses", live.classify.guesses);
    steering(toml, &live.shunt, &live.lists);
    toml.header("[live.log]");
    toml.text("level", live.log.level.name());
    tunnel(toml, &live.tunnel);
    toml.header("[live.output]");
    toml.text("stats_interval", live.output.stats_interval);
    for output in &live.output.eve {
        eve(toml, output);
    }
}

fn steering(toml: &mut Toml, shunt: &ShuntConfig, lists: &ListsConfig) {
    toml.header("[live.shunt]");
    toml.text("ports", shunt.ports.name());
    toml.text("taps", shunt.taps.name());
    toml.plain("after_packets", shunt.after_packets);
    toml.plain("per_second", shunt.per_second);
    toml.header("[live.lists]");
    toml.text("other_sources", lists.other_sources.name());
    toml.text("other_destinations", lists.other_destinations.name());
    for list in &lists.prefixes {
        toml.header("[[live.lists.list]]");
        toml.text("of", list.of.name());
        toml.text("action", list.action.name());
        let prefixes: Vec<String> = list.prefixes.iter().map(|prefix| quoted(&prefix.to_string())).collect();
        toml.plain("prefixes", format_args!("[{}]", prefixes.join(", ")));
        if let Some(file) = &list.file {
            toml.text("file", file.display());
        }
    }
}

fn tunnel(toml: &mut Toml, tunnel: &TunnelConfig) {
    toml.header("[live.tunnel]");
    toml.optional("outside", tunnel.outside.as_ref());
    toml.texts("local", &tunnel.local);
    toml.optional("mac", tunnel.mac.as_ref());
    toml.texts("next_hop", &tunnel.next_hop);
    toml.optional("next_hop_mac", tunnel.next_hop_mac.as_ref());
    toml.texts("inside", &tunnel.inside);
    toml.texts("inside_next_hop", &tunnel.inside_next_hop);
    toml.text("link_frames", tunnel.link_frames.name());
    toml.plain("udp_port", tunnel.udp_port);
    toml.text("unclassified", tunnel.unclassified.name());
    toml.text("otherwise", tunnel.otherwise.name());
    for rule in &tunnel.rules {
        toml.header("[[live.tunnel.rules]]");
        toml.text("filter", &rule.filter);
        toml.text("verdict", rule.verdict.name());
        toml.optional("peer", rule.peer.as_ref());
        toml.text("else", rule.otherwise.name());
    }
    tunnel.peers.iter().for_each(|peer| tunnel_peer(toml, peer));
    exchange(toml, &tunnel.exchange);
}

fn tunnel_peer(toml: &mut Toml, peer: &TunnelPeer) {
    toml.header("[[live.tunnel.peers]]");
    toml.text("name", &peer.name);
    toml.optional("address", peer.address.as_ref());
    toml.optional("endpoint", peer.endpoint.as_ref());
    toml.texts("prefixes", &peer.prefixes);
    toml.texts("ours", &peer.ours);
    toml.text("framing", peer.framing.name());
    toml.plain("mtu", peer.mtu);
    toml.text("roaming", peer.roaming.name());
    toml.plain("udp_encapsulation", peer.udp_encapsulation);
    toml.texts("keys", &peer.keys);
    toml.texts("classical_keys", &peer.classical_keys);
    toml.texts("allow", &peer.allow);
}

fn exchange(toml: &mut Toml, exchange: &ExchangeConfig) {
    toml.header("[live.tunnel.exchange]");
    toml.optional("listen", exchange.listen.as_ref());
    toml.optional("identity", exchange.identity.as_ref().map(|path| path.display()).as_ref());
    toml.optional("ca", exchange.ca.as_ref().map(|path| path.display()).as_ref());
    toml.optional("crl", exchange.crl.as_ref().map(|path| path.display()).as_ref());
    toml.text("backend", exchange.backend.name());
    toml.text("preset", exchange.preset.name());
    toml.optional("profile", exchange.profile.map(Choice::name).as_ref());
    toml.text("auth", exchange.auth.name());
    toml.optional("rekey_every", exchange.rekey_every.as_ref());
    toml.optional("full_handshake_every", exchange.full_handshake_every.as_ref());
    toml.plain("rekey_packets", exchange.rekey_packets);
    toml.optional("expire_after", exchange.expire_after.as_ref());
    toml.plain("accepts", exchange.accepts);
    toml.plain("accepts_each", exchange.accepts_each);
    toml.plain("half_open", exchange.half_open);
}

fn flow(toml: &mut Toml, flow: &FlowConfig) {
    toml.header("[live.flow]");
    toml.text("eviction", flow.eviction.name());
    toml.plain("key_vlan", flow.key_vlan);
    toml.plain("key_tunnel", flow.key_tunnel);
    toml.plain("tunnel_depth", flow.tunnel_depth);
    toml.text("checksums", flow.checksums.name());
    toml.header("[live.flow.timeouts]");
    toml.text("tcp_new", flow.timeouts.tcp_new);
    toml.text("tcp_established", flow.timeouts.tcp_established);
    toml.text("tcp_closed", flow.timeouts.tcp_closed);
    toml.text("udp_new", flow.timeouts.udp_new);
    toml.text("udp_established", flow.timeouts.udp_established);
    toml.text("icmp", flow.timeouts.icmp);
    toml.text("other", flow.timeouts.other);
}

fn stream(toml: &mut Toml, stream: &StreamConfig) {
    toml.header("[live.stream]");
    toml.text("reassembly_memory", stream.reassembly_memory);
    toml.text("per_direction", stream.per_direction);
    toml.plain("segments", stream.segments);
    toml.text("overlap", stream.overlap.name());
    toml.plain("midstream", stream.midstream);
}

fn eve(toml: &mut Toml, eve: &EveOutput) {
    toml.header("[[live.output.eve]]");
    toml.text("path", eve.path.display());
    let types: Vec<String> = eve.types.iter().map(|name| quoted(name)).collect();
    toml.plain("types", format_args!("[{}]", types.join(", ")));
    toml.plain("community_id_seed", eve.community_id_seed);
    let rotation = &eve.rotation;
    if let Some(size) = rotation.size {
        toml.text("rotate_size", size);
    }
    if let Some(every) = rotation.every {
        toml.text("rotate_every", every);
    }
    if let Some(files) = rotation.keep_files {
        toml.plain("keep_files", files);
    }
    if let Some(size) = rotation.keep_size {
        toml.text("keep_size", size);
    }
    toml.text("compress", rotation.compress.name());
    toml.text("when_full", rotation.when_full.name());
}

/// Lines of TOML.
struct Toml {
    text: String,
}

impl Toml {
    fn header(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }

    /// A value that is written as it prints.
    fn plain(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    /// A value that is written in quotes.
    fn text(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {}", quoted(&value.to_string())));
    }

    /// A value in quotes, where there is one.
    fn optional(&mut self, key: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A list of values in quotes.
    fn texts(&mut self, key: &str, values: &[impl Display]) {
        let values: Vec<String> = values.iter().map(|value| quoted(&value.to_string())).collect();
        self.plain(key, format_args!("[{}]", values.join(", ")));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}
