//! The general path: one file for each kind of layer, and here how they follow each other.

mod context;
mod dot11;
pub(crate) mod fast;
mod ip;
mod link;
mod link_header;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;
mod udp_tunnel;
pub(crate) mod view;

use crate::{Headers, LinkType, Malformed, ParseOptions};
use context::Context;
use ip::{Extent, Packet};
use link::{Header, Network, Walk};
use transport::Segment;
use tunnel::Entry;
use view::View;

/// Most tunnels opened one inside the other, whatever the options say.
const MAX_TUNNEL_DEPTH: u8 = 8;

/// Reads a frame: see [`Headers::parse`].
#[inline(never)]
pub(crate) fn frame(
    headers: &mut Headers,
    bytes: &[u8],
    wire_len: u32,
    link: LinkType,
    options: &ParseOptions,
) -> Result<(), Malformed> {
    // Offsets have 32 bits; with that, no sum of an offset and a length can wrap.
    if u32::try_from(bytes.len()).is_err() {
        return Err(Malformed::Unsupported);
    }
    let mut descent = Descent { headers, options, context: Context::outermost(), tunnel: None };
    let mut walk = Walk::new(View::frame(bytes, wire_len as usize));
    let first = link_header::first(&mut walk, link)?;
    let network = walk.run(first, &mut descent.context)?;
    descent.context.scope_by_vlan(options);
    descent.network_layer(network, &walk)?;
    descent.open_tunnels();
    Ok(())
}

/// Reads a reassembled packet: see [`Headers::parse_ip`].
pub(crate) fn reassembled(
    headers: &mut Headers,
    bytes: &[u8],
    outer: &Headers,
    options: &ParseOptions,
) -> Result<(), Malformed> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Malformed::Unsupported);
    }
    let mut descent = Descent { headers, options, context: Context::of(outer), tunnel: None };
    let walk = Walk::new(View::frame(bytes, bytes.len()));
    let packet = match walk.by_version()? {
        Network::Ipv4 => ip::read_v4(walk.view, Extent::Whole, options.checksums)?,
        _ => ip::read_v6(walk.view, Extent::Whole)?,
    };
    descent.transport_layer(&packet)?;
    descent.open_tunnels();
    Ok(())
}

/// The way down through one frame. What is read is written to `headers` packet by packet, from the outside in.
struct Descent<'a, 'h> {
    headers: &'h mut Headers,
    options: &'h ParseOptions,
    context: Context,
    /// The tunnel that the last packet carries.
    tunnel: Option<Entry<'a>>,
}

impl<'a> Descent<'a, '_> {
    /// Opens tunnel after tunnel; what cannot be read inside leaves `headers` with what carries it.
    fn open_tunnels(&mut self) {
        while let Some(tunnel) = &self.tunnel {
            if self.context.tunnel.depth >= self.options.tunnel_depth.min(MAX_TUNNEL_DEPTH) {
                return;
            }
            self.context.enter(tunnel, self.headers.network_offset, self.options);
            let mut walk = Walk::new(tunnel.carried.view);
            let header = tunnel.carried.header;
            if self.open(header, &mut walk).is_err() {
                return;
            }
        }
    }

    fn open(&mut self, first: Header, walk: &mut Walk<'a>) -> Result<(), Malformed> {
        let network = walk.run(first, &mut self.context)?;
        if network == Network::Other && !link::is_known(self.context.ethertype, walk.macs) {
            return Err(Malformed::Unsupported);
        }
        self.network_layer(network, walk)
    }

    /// Reads a packet from its network header on.
    fn network_layer(&mut self, network: Network, walk: &Walk<'a>) -> Result<(), Malformed> {
        match network {
            Network::Ipv4 => {
                let packet = ip::read_v4(walk.view, Extent::Announced, self.options.checksums)?;
                self.transport_layer(&packet)
            }
            Network::Ipv6 => {
                let packet = ip::read_v6(walk.view, Extent::Announced)?;
                self.transport_layer(&packet)
            }
            Network::Other => {
                let macs = walk.macs.ok_or(Malformed::Unsupported)?;
                *self.headers = self.context.frame_without_ip(macs, walk.view);
                self.tunnel = None;
                Ok(())
            }
        }
    }

    /// Reads the rest of a packet, writes `headers` if all of it is well, and finds the tunnel it carries, if any.
    fn transport_layer(&mut self, packet: &Packet<'a>) -> Result<(), Malformed> {
        let mut segment = Segment::none(packet.payload);
        if packet.fragment.is_none() {
            segment.read(packet, self.options.checksums)?;
        }
        *self.headers = self.context.packet(packet, &segment);
        self.tunnel = if packet.fragment.is_none() { tunnel::find(packet, &segment) } else { None };
        Ok(())
    }
}
