use core::net::IpAddr;

use wire::{Headers, TunnelKind};

use crate::record::TunnelIdentity;

/// Tunnels remembered at once; flows of further ones are marked with the last place, which says only the kind.
const CAPACITY: usize = 4096;

/// Tunnels that flows were found in, each once; a flow keeps the index.
#[derive(Debug)]
pub(crate) struct Tunnels {
    seen: Vec<TunnelIdentity>,
    /// Index by a hash of the identity, 0 for none: a miss costs a duplicate, never an error.
    recent: Box<[u16; 256]>,
}

impl Tunnels {
    pub(crate) fn new() -> Self {
        Self { seen: vec![TunnelIdentity::default()], recent: Box::new([0; 256]) }
    }

    /// Identity behind an index that [`Tunnels::index_of`] gave.
    pub(crate) fn identity(&self, index: u16) -> TunnelIdentity {
        self.seen.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// Index of the tunnel of a packet.
    pub(crate) fn index_of(&mut self, headers: &Headers, frame: &[u8]) -> u16 {
        let tunnel = headers.tunnel;
        if tunnel.kind == TunnelKind::None {
            return 0;
        }
        let outer = outer_ends(frame, tunnel.outer_ip_offset as usize);
        let identity = TunnelIdentity { kind: tunnel.kind, depth: tunnel.depth, id: tunnel.id, outer };
        let mixed = (u64::from(tunnel.id) ^ (tunnel.kind as u64) << 32 ^ outer_hash(outer))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(recent) = self.recent.get_mut((mixed >> 56) as usize) else { return 0 };
        if self.seen.get(usize::from(*recent)) == Some(&identity) {
            return *recent;
        }
        if self.seen.len() >= CAPACITY {
            let vague = TunnelIdentity { id: 0, outer: None, ..identity };
            let known = self.seen.iter().skip(CAPACITY).position(|seen| *seen == vague);
            return known
                .and_then(|index| u16::try_from(CAPACITY + index).ok())
                .unwrap_or_else(|| self.append(vague));
        }
        if let Some(known) = self.seen.iter().position(|seen| *seen == identity) {
            *recent = u16::try_from(known).unwrap_or(0);
            return *recent;
        }
        let index = self.append(identity);
        if let Some(recent) = self.recent.get_mut((mixed >> 56) as usize) {
            *recent = index;
        }
        index
    }

    fn append(&mut self, identity: TunnelIdentity) -> u16 {
        // Vague identities beyond the capacity are few: one for each kind and depth.
        self.seen.push(identity);
        u16::try_from(self.seen.len() - 1).unwrap_or(0)
    }
}

fn outer_ends(frame: &[u8], offset: usize) -> Option<(IpAddr, IpAddr)> {
    let header = frame.get(offset..)?;
    match header.first()? >> 4 {
        4 => {
            let source: [u8; 4] = *header.get(12..)?.first_chunk()?;
            let destination: [u8; 4] = *header.get(16..)?.first_chunk()?;
            Some((IpAddr::from(source), IpAddr::from(destination)))
        }
        6 => {
            let source: [u8; 16] = *header.get(8..)?.first_chunk()?;
            let destination: [u8; 16] = *header.get(24..)?.first_chunk()?;
            Some((IpAddr::from(source), IpAddr::from(destination)))
        }
        _ => None,
    }
}

fn outer_hash(outer: Option<(IpAddr, IpAddr)>) -> u64 {
    let half = |address: IpAddr| match address {
        IpAddr::V4(v4) => wire::FlowKey::from_ipv4(v4.octets())[1],
        IpAddr::V6(v6) => {
            let [high, low] = wire::FlowKey::from_ipv6(v6.octets());
            high ^ low.rotate_left(17)
        }
    };
    outer.map_or(0, |(source, destination)| half(source) ^ half(destination).rotate_left(31))
}
