use super::ip::Packet;
use super::link::Macs;
use super::transport::Segment;
use super::tunnel::Entry;
use super::view::View;
use crate::{
    FlowKey, Fragment, Headers, IcmpFields, KeyKind, LayerSet, MAX_VLANS, ParseOptions, Scope, TcpFields,
    Tunnel, TunnelKind,
};

/// What the layers around the one at hand said: the part of [`Headers`] that is not about one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) layers: LayerSet,
    pub(super) ethertype: u16,
    pub(super) tunnel: Tunnel,
    vlans: [u16; MAX_VLANS],
    vlan_count: usize,
    scope: Scope,
}

impl Context {
    /// Outside of everything.
    pub(super) fn outermost() -> Self {
        Self {
            layers: LayerSet::default(),
            ethertype: 0,
            tunnel: Tunnel::default(),
            vlans: [0; MAX_VLANS],
            vlan_count: 0,
            scope: Scope::default(),
        }
    }

    /// Where a fragment was found.
    pub(super) fn of(fragment: &Headers) -> Self {
        Self {
            layers: LayerSet(fragment.layers.0 & !LayerSet::SNAPPED.0),
            ethertype: fragment.ethertype,
            tunnel: fragment.tunnel,
            vlans: fragment.vlans,
            vlan_count: MAX_VLANS,
            scope: fragment.key.scope(),
        }
    }

    pub(super) fn met(&mut self, layer: LayerSet) {
        self.layers = self.layers.with(layer);
    }

    /// A tag was met: the ids of the outermost frame are kept, as far as there is room.
    pub(super) fn met_vlan(&mut self, id: u16) {
        self.met(LayerSet::VLAN);
        if self.tunnel.depth > 0 {
            return;
        }
        if let Some(slot) = self.vlans.get_mut(self.vlan_count) {
            *slot = id;
            self.vlan_count += 1;
        }
    }

    /// Keeps flows of different VLANs apart, if so wished. Called once, behind the outermost link header.
    pub(super) fn scope_by_vlan(&mut self, options: &ParseOptions) {
        if options.key_vlan {
            self.scope = Scope::new(self.vlans[0], self.vlans[1], 0, 0);
        }
    }

    /// Goes into a tunnel that an IP header at `outer_ip_offset` carries.
    pub(super) fn enter(&mut self, entry: &Entry<'_>, outer_ip_offset: u32, options: &ParseOptions) {
        let depth = self.tunnel.depth + 1;
        self.tunnel = Tunnel { kind: entry.kind, depth, id: entry.id, outer_ip_offset };
        // The other ids differ between the two directions of one tunnel.
        if options.key_tunnel && matches!(entry.kind, TunnelKind::Vxlan | TunnelKind::Geneve) {
            let [outer, inner] = self.scope.vlans();
            self.scope = Scope::new(outer, inner, entry.kind as u8, entry.id);
        }
    }

    /// What there is to say of an IP packet.
    #[inline(always)]
    pub(super) fn packet(&self, packet: &Packet<'_>, segment: &Segment<'_>) -> Headers {
        let payload = segment.payload;
        let (payload_len, payload_wire_len, fragment) = match packet.fragment {
            None => (payload.bytes().len(), payload.wire_len(), None),
            Some(place) => {
                let data_offset = narrow(packet.payload.offset());
                let data_len = narrow(packet.payload.bytes().len());
                let fragment =
                    Fragment { id: place.id, offset: place.offset, more: place.more, data_offset, data_len };
                (0, 0, Some(fragment))
            }
        };
        let (key, sender) = FlowKey::new(
            packet.kind,
            packet.protocol,
            (packet.source, segment.source_port),
            (packet.destination, segment.destination_port),
            self.scope,
        );
        Headers {
            key,
            sender,
            protocol: packet.protocol,
            ethertype: self.ethertype,
            ttl: packet.ttl,
            tos: packet.tos,
            layers: self.layers.with(packet.layers),
            vlans: self.vlans,
            network_offset: narrow(packet.network_offset),
            transport_offset: narrow(packet.payload.offset()),
            payload_offset: narrow(payload.offset()),
            payload_len: narrow(payload_len),
            payload_wire_len: narrow(payload_wire_len),
            tcp: segment.tcp,
            icmp: segment.icmp,
            fragment,
            tunnel: self.tunnel,
        }
    }

    /// What there is to say of a frame that carries something else.
    pub(super) fn frame_without_ip(&self, macs: Macs, view: View<'_>) -> Headers {
        let (key, sender) = FlowKey::new(
            KeyKind::Ethernet,
            0,
            (FlowKey::from_mac(macs.source), self.ethertype),
            (FlowKey::from_mac(macs.destination), self.ethertype),
            self.scope,
        );
        let offset = narrow(view.offset());
        let cut = if view.is_cut() { LayerSet::SNAPPED } else { LayerSet::default() };
        Headers {
            key,
            sender,
            protocol: 0,
            ethertype: self.ethertype,
            ttl: 0,
            tos: 0,
            layers: self.layers.with(cut),
            vlans: self.vlans,
            network_offset: offset,
            transport_offset: offset,
            payload_offset: offset,
            payload_len: narrow(view.bytes().len()),
            payload_wire_len: narrow(view.wire_len()),
            tcp: TcpFields::default(),
            icmp: IcmpFields::default(),
            fragment: None,
            tunnel: self.tunnel,
        }
    }
}

/// An offset or length as [`Headers`] keeps it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a frame is shorter than 2^32 bytes, checked before it is read"
)]
pub(super) const fn narrow(offset: usize) -> u32 {
    offset as u32
}
