//! Rules between values: each is checked where all values it speaks of were read.

use std::path::Path;

use crate::config::boot::{Backend, MemoryConfig, ModeName, PortDraft, port_buffers_mib};
use crate::config::device::{Device, DeviceKind};
use crate::config::live::{Compress, EveOutput, EveRotation, FlowTimeouts, LiveConfig};
use crate::config::reader::{Section, shortened};
use crate::config::{BrokenRule, ByteSize, Choice, ShuntPorts, Timeout, nearest};

/// Bytes above Ethernet that `net_af_packet` says it can take (DPDK 22.11).
const AF_PACKET_MTU: u16 = 1500;

/// Rules between ports. `sections` and `ports` are the same list, as text and as values.
pub(super) fn ports(sections: &[Section<'_, '_>], ports: &[PortDraft], backend: Backend) {
    for (index, (section, port)) in sections.iter().zip(ports).enumerate() {
        let earlier = || sections.iter().zip(ports).take(index);
        if let Some(name) = &port.name
            && let Some((first, _)) = earlier().find(|(_, other)| other.name.as_ref() == Some(name))
        {
            let rule = BrokenRule::DuplicatePortName { name: name.clone(), line: first.line("name") };
            section.rule("name", rule);
        }
        if let Some(device) = &port.device
            && let Some((first, _)) = earlier().find(|(_, other)| other.device.as_ref() == Some(device))
        {
            let rule = BrokenRule::DuplicateDevice { device: device.clone(), line: first.line("device") };
            section.rule("device", rule);
        }
        device_fits(section, port, earlier().next(), backend);
        if backend == Backend::AfPacket && port.mtu > AF_PACKET_MTU {
            section.rule("mtu", BrokenRule::LongForAfPacket { limit: AF_PACKET_MTU });
        }
        peer(section, port, ports);
    }
}

/// The exception port is an interface that is made, so its name is one that the kernel takes and that no port has.
pub(super) fn exception_port(section: &Section<'_, '_>, name: Option<&str>, ports: &[PortDraft]) {
    let Some(name) = name else { return };
    let is_of_port = |port: &PortDraft| {
        port.failover.as_deref() == Some(name)
            || port.device.as_ref().and_then(Device::interface).as_deref() == Some(name)
    };
    // IFNAMSIZ counts the NUL behind it.
    if name.len() > 15 {
        section.rule("exception_port", BrokenRule::NoInterfaceName { name: shortened(name) });
    } else if ports.iter().any(is_of_port) {
        section.rule("exception_port", BrokenRule::ExceptionIsPort { name: name.to_owned() });
    }
}

fn device_fits(
    section: &Section<'_, '_>,
    port: &PortDraft,
    first: Option<(&Section<'_, '_>, &PortDraft)>,
    backend: Backend,
) {
    let Some(device) = port.device.clone() else { return };
    let kind = device.kind();
    if !backend.opens(kind) {
        let opens = match backend {
            Backend::AfXdp | Backend::AfPacket => "a kernel interface (\"eth1\")",
            Backend::Replay => "a capture file (\"./office.pcap\")",
            Backend::Dpdk | Backend::Auto => {
                "a PCI address (\"0000:03:00.0\") or a virtual device (\"net_ring0\")"
            }
        };
        section
            .rule("device", BrokenRule::BackendCannotOpen { device, kind, backend: backend.name(), opens });
        return;
    }
    let Some((first, Some(other))) = first.map(|(section, port)| (section, port.device.as_ref())) else {
        return;
    };
    if backend == Backend::Auto && Backend::of(kind) != Backend::of(other.kind()) {
        let line = first.line("device");
        section.rule("device", BrokenRule::MixedDevices { device, kind, first: other.kind(), line });
    }
}

fn peer(section: &Section<'_, '_>, port: &PortDraft, ports: &[PortDraft]) {
    if port.mode == ModeName::Tap {
        if section.has("peer") {
            section.rule("peer", BrokenRule::PeerOfTap);
        }
        return;
    }
    if port.device.as_ref().is_some_and(|device| device.kind() == DeviceKind::File) {
        section.rule("mode", BrokenRule::InlineFile);
        return;
    }
    if !section.has("peer") {
        section.rule("mode", BrokenRule::NoPeer);
        return;
    }
    let Some(peer) = port.peer.clone() else { return };
    if port.name.as_ref() == Some(&peer) {
        section.rule("peer", BrokenRule::PeerOfItself);
        return;
    }
    let Some(other) = ports.iter().find(|other| other.name.as_ref() == Some(&peer)) else {
        let names = ports
            .iter()
            .filter_map(|other| other.name.as_deref())
            .filter(|name| port.name.as_deref() != Some(name));
        let nearest = nearest(&peer, names).map(str::to_owned);
        section.rule("peer", BrokenRule::UnknownPeer { peer, nearest });
        return;
    };
    let Some(name) = port.name.clone() else { return };
    if other.mode != ModeName::Inline || other.peer.as_ref() != Some(&name) {
        section.rule("peer", BrokenRule::OneSidedPeer { peer, name });
    }
}

/// The buffers of DPDK ports fit into the memory.
pub(super) fn buffers(section: &Section<'_, '_>, ports: &[PortDraft], memory: &MemoryConfig) {
    let of_dpdk = |port: &&PortDraft| {
        port.device.as_ref().is_some_and(|device| Backend::of(device.kind()) == Backend::Dpdk)
    };
    let need_mib: u64 = ports
        .iter()
        .filter(of_dpdk)
        .map(|port| port_buffers_mib(port.queues, port.rx_descriptors, port.tx_descriptors, port.mtu))
        .sum();
    let mib = u64::from(memory.mib);
    if need_mib > mib {
        let need_mib = need_mib.next_multiple_of(u64::from(memory.hugepage_size.mib()));
        section.rule("mib", BrokenRule::BuffersDoNotFit { mib, need_mib });
    }
}

/// A state that says less about a flow is not kept longer than one that says more.
pub(super) fn timeouts(section: &Section<'_, '_>, timeouts: &FlowTimeouts) {
    let order = |key: &'static str, value: Timeout, limit_key: &'static str, limit: Timeout| {
        if value > limit {
            let at = if section.has(key) { key } else { limit_key };
            section.rule(at, BrokenRule::TimeoutOrder { key, value, limit_key, limit });
        }
    };
    order("tcp_new", timeouts.tcp_new, "tcp_established", timeouts.tcp_established);
    order("tcp_closed", timeouts.tcp_closed, "tcp_established", timeouts.tcp_established);
    order("udp_new", timeouts.udp_new, "udp_established", timeouts.udp_established);
}

/// One direction of one stream has no more than all streams together.
pub(super) fn stream_memory(section: &Section<'_, '_>, per_direction: ByteSize, whole: ByteSize) {
    if per_direction > whole {
        let (key, limit_key) = ("per_direction", "reassembly_memory");
        let at = if section.has(key) { key } else { limit_key };
        section.rule(at, BrokenRule::LargerThanWhole { key, value: per_direction, limit_key, limit: whole });
    }
}

/// Files that never end are neither kept nor compressed, and standard output is no file.
pub(super) fn rotation(section: &Section<'_, '_>, path: &Path, rotation: &EveRotation) {
    let ends = ["rotate_size", "rotate_every"];
    if path == Path::new("-") {
        for key in ends.into_iter().filter(|key| section.has(key)) {
            section.rule(key, BrokenRule::RotatedOutput { key });
        }
    }
    if rotation.size.is_some() || rotation.every.is_some() || ends.iter().any(|key| section.has(key)) {
        return;
    }
    let is_kept =
        |key: &&str| section.has(key) && (*key != "compress" || rotation.compress != Compress::None);
    for key in ["keep_files", "keep_size", "compress"].into_iter().filter(is_kept) {
        section.rule(key, BrokenRule::NeverEnds { key });
    }
}

/// Settled flows are not forwarded past the workers where some are to be sealed.
pub(super) fn tunnel(shunt: &Section<'_, '_>, live: &LiveConfig) {
    if live.tunnel.is_on() && live.shunt.ports == ShuntPorts::All {
        shunt.rule("ports", BrokenRule::ShuntPastTunnel);
    }
}

/// No two outputs write into one file.
pub(super) fn outputs(sections: &[Section<'_, '_>], outputs: &[Option<EveOutput>]) {
    for (index, (section, output)) in sections.iter().zip(outputs).enumerate() {
        let Some(output) = output else { continue };
        let same = |other: &&Option<EveOutput>| other.as_ref().is_some_and(|other| other.path == output.path);
        let first = sections.iter().zip(outputs).take(index).find(|(_, other)| same(other));
        if let Some((first, _)) = first {
            let path = output.path.display().to_string();
            section.rule("path", BrokenRule::DuplicateOutput { path, line: first.line("path") });
        }
    }
}
