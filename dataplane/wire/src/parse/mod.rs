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
use ip::Extent;
use link::Network;
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
    let mut context = Context::outermost();
    let view = View::frame(bytes, wire_len as usize);
    let network = link::read(link_header::first(view, link)?, &mut context)?;
    context.scope_by_vlan(options);
    let entry = network_layer(headers, network, &context, Extent::Announced, options)?;
    open_tunnels(headers, entry, context, options);
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
    let context = Context::of(outer);
    let network = link::by_version(View::frame(bytes, bytes.len()))?;
    let entry = network_layer(headers, network, &context, Extent::Whole, options)?;
    open_tunnels(headers, entry, context, options);
    Ok(())
}

/// Opens tunnel after tunnel; what cannot be read inside leaves `headers` with what carries it.
fn open_tunnels<'a>(
    headers: &mut Headers,
    mut entry: Option<Entry<'a>>,
    mut context: Context,
    options: &ParseOptions,
) {
    while let Some(tunnel) = entry {
        if context.tunnel.depth >= options.tunnel_depth.min(MAX_TUNNEL_DEPTH) {
            return;
        }
        context.enter(&tunnel, headers.network_offset, options);
        entry = match open(headers, &tunnel, &mut context, options) {
            Ok(next) => next,
            Err(_) => return,
        };
    }
}

fn open<'a>(
    headers: &mut Headers,
    entry: &Entry<'a>,
    context: &mut Context,
    options: &ParseOptions,
) -> Result<Option<Entry<'a>>, Malformed> {
    let network = link::read(entry.carried.into(), context)?;
    if let Network::Other(other) = &network
        && !link::is_known(context.ethertype, other)
    {
        return Err(Malformed::Unsupported);
    }
    network_layer(headers, network, context, Extent::Announced, options)
}

/// Reads a packet from its network header on, writes `headers` if all of it is well, and finds the tunnel it
/// carries, if any.
fn network_layer<'a>(
    headers: &mut Headers,
    network: Network<'a>,
    context: &Context,
    extent: Extent,
    options: &ParseOptions,
) -> Result<Option<Entry<'a>>, Malformed> {
    let packet = match network {
        Network::Ipv4(view) => ip::read_v4(view, extent, options.checksums)?,
        Network::Ipv6(view) => ip::read_v6(view, extent)?,
        Network::Other(other) => {
            *headers = context.frame_without_ip(&other)?;
            return Ok(None);
        }
    };
    if packet.fragment.is_some() {
        *headers = context.packet(&packet, &transport::Segment::none(packet.payload));
        return Ok(None);
    }
    let segment = transport::read(&packet, options.checksums)?;
    *headers = context.packet(&packet, &segment);
    Ok(tunnel::find(&packet, &segment))
}
