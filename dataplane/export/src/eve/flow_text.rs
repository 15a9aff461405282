//! What all lines of a flow have in common, written once and kept: a flow's events and its end often come soon after
//! each other.

use engine::Names;
use engine::record::FlowIdentity;
use wire::{FlowKey, KeyKind, TunnelKind};

use super::{community_id, json, names};

/// Texts of the latest flows.
#[derive(Debug)]
pub(super) struct FlowTexts {
    /// Seed of `community_id`; without one the member is left out.
    seed: Option<u16>,
    /// By the lowest bits of the flow's id.
    latest: Box<[FlowText]>,
}

/// Flows whose text is kept: as much as stays in the second cache beside everything else.
const KEPT: usize = 256;

/// What all lines of a flow have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct FlowText {
    /// All that the text is made from but the name of its interface; none while the place is empty.
    of: Option<FlowIdentity>,
    text: Vec<u8>,
    /// Where the members before `event_type` end, and those of the ends.
    parts: [usize; 2],
}

impl FlowTexts {
    pub(super) fn new(seed: Option<u16>) -> Self {
        Self { seed, latest: vec![FlowText::default(); KEPT].into_boxed_slice() }
    }

    /// The text of a flow.
    pub(super) fn of(&mut self, flow: &FlowIdentity, names: &Names) -> &FlowText {
        let place = usize::try_from(flow.id % KEPT as u64).unwrap_or(0);
        #[expect(clippy::indexing_slicing, reason = "a remainder of the length")]
        let kept = &mut self.latest[place];
        if kept.of.as_ref() != Some(flow) {
            kept.write(flow, names, self.seed);
        }
        kept
    }
}

impl FlowText {
    fn write(&mut self, flow: &FlowIdentity, names: &Names, seed: Option<u16>) {
        self.of = Some(*flow);
        let out = &mut self.text;
        out.clear();
        out.extend_from_slice(br#","flow_id":"#);
        json::unsigned(out, flow.id);
        if let Some(interface) = names.interface(flow.interface) {
            json::key(out, "in_iface");
            json::string(out, interface.as_bytes());
        }
        out.extend_from_slice(br#","event_type":"#);
        let id = out.len();
        vlans(out, flow);
        ends(out, flow);
        tunnel(out, flow);
        self.parts = [id, out.len()];
        if let Some(id) = seed.and_then(|seed| community_id::of_flow(flow, seed)) {
            out.extend_from_slice(br#","community_id":""#);
            out.extend_from_slice(&id);
            out.push(b'"');
        }
    }

    /// The flow's id and interface, and the name of the member `event_type`.
    pub(super) fn id(&self) -> &[u8] {
        let [id, _] = self.parts;
        self.text.get(..id).unwrap_or_default()
    }

    /// VLANs, the two ends and the protocol between them, and the tunnel around.
    pub(super) fn ends(&self) -> &[u8] {
        let [id, ends] = self.parts;
        self.text.get(id..ends).unwrap_or_default()
    }

    /// The Community ID, where there is one.
    pub(super) fn community_id(&self) -> &[u8] {
        let [_, ends] = self.parts;
        self.text.get(ends..).unwrap_or_default()
    }
}

fn vlans(out: &mut Vec<u8>, flow: &FlowIdentity) {
    let [outer, inner] = flow.vlans;
    if outer == 0 {
        return;
    }
    out.extend_from_slice(br#","vlan":["#);
    json::unsigned(out, outer.into());
    if inner != 0 {
        out.push(b',');
        json::unsigned(out, inner.into());
    }
    out.push(b']');
}

/// Appends the two ends and the protocol between them.
fn ends(out: &mut Vec<u8>, flow: &FlowIdentity) {
    let key = &flow.key;
    let (client, server) = (flow.client, flow.client.opposite());
    let (Some(source), Some(destination)) = (key.ip(client), key.ip(server)) else {
        return ethernet(out, flow);
    };
    out.extend_from_slice(br#","src_ip":"#);
    json::ip(out, source);
    if has_ports(key) {
        out.extend_from_slice(br#","src_port":"#);
        json::unsigned(out, key.port(client).into());
    }
    out.extend_from_slice(br#","dest_ip":"#);
    json::ip(out, destination);
    if has_ports(key) {
        out.extend_from_slice(br#","dest_port":"#);
        json::unsigned(out, key.port(server).into());
    }
    out.extend_from_slice(br#","proto":""#);
    match names::ip_protocol(key.protocol()) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => json::unsigned(out, key.protocol().into()),
    }
    out.push(b'"');
    if let Some((kind, code)) = flow.icmp {
        out.extend_from_slice(br#","icmp_type":"#);
        json::unsigned(out, kind.into());
        out.extend_from_slice(br#","icmp_code":"#);
        json::unsigned(out, code.into());
    }
}

fn ethernet(out: &mut Vec<u8>, flow: &FlowIdentity) {
    let number = flow.key.port(flow.client);
    out.extend_from_slice(br#","ether":{"src_mac":"#);
    json::mac(out, flow.key.mac(flow.client).unwrap_or_default());
    out.extend_from_slice(br#","dest_mac":"#);
    json::mac(out, flow.key.mac(flow.client.opposite()).unwrap_or_default());
    out.extend_from_slice(br#","ether_type":"#);
    json::unsigned(out, number.into());
    out.extend_from_slice(br#"},"proto":""#);
    if let Some(name) = names::ether_type(number) {
        out.extend_from_slice(name.as_bytes());
    } else {
        let [high, low] = number.to_be_bytes();
        out.extend_from_slice(b"0x");
        out.extend(json::hex_digits(high));
        out.extend(json::hex_digits(low));
    }
    out.push(b'"');
}

/// Whether the key's ports are ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
const fn has_ports(key: &FlowKey) -> bool {
    !matches!(key.kind(), KeyKind::Ethernet) && matches!(key.protocol(), 6 | 17 | 33 | 132 | 136)
}

fn tunnel(out: &mut Vec<u8>, flow: &FlowIdentity) {
    let tunnel = &flow.tunnel;
    if tunnel.kind == TunnelKind::None {
        return;
    }
    out.extend_from_slice(br#","tunnel":{"kind":""#);
    out.extend_from_slice(tunnel.kind.name().as_bytes());
    out.extend_from_slice(br#"","id":"#);
    json::unsigned(out, tunnel.id.into());
    out.extend_from_slice(br#","depth":"#);
    json::unsigned(out, tunnel.depth.into());
    if let Some((source, destination)) = tunnel.outer {
        out.extend_from_slice(br#","src_ip":"#);
        json::ip(out, source);
        out.extend_from_slice(br#","dest_ip":"#);
        json::ip(out, destination);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use engine::record::TunnelIdentity;
    use wire::Scope;

    use super::*;

    #[test]
    fn a_kept_text_is_that_of_its_flow_alone() {
        let names = Names::default();
        let mut texts = FlowTexts::new(Some(0));
        let flow = |port: u16, vlan: u16| {
            let (from, to) = (FlowKey::from_ipv4([192, 0, 2, 1]), FlowKey::from_ipv4([192, 0, 2, 2]));
            let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, (from, port), (to, 80), Scope::default());
            // Different flows with the same id: they share a place.
            let tunnel = TunnelIdentity::default();
            FlowIdentity { id: 7, key, client, interface: 0, vlans: [vlan, 0], icmp: None, tunnel }
        };
        for (port, vlan) in [(1, 0), (2, 0), (2, 0), (2, 9), (1, 0), (3, 0)] {
            let flow = flow(port, vlan);
            let mut fresh = FlowText::default();
            fresh.write(&flow, &names, Some(0));
            let kept = texts.of(&flow, &names);
            assert_eq!(kept.text, fresh.text);
            assert_eq!(kept.parts, fresh.parts);
            let port = format!("\"src_port\":{port},");
            assert!(String::from_utf8_lossy(kept.ends()).contains(&port));
        }
    }
}
