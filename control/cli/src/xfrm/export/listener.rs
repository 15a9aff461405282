//! Whether a peer's packets come on SAs that are not in use yet. The kernel does not say of packets without payload
//! whether they were authentic, so they are opened here, as copies: many may receive by one key, only one may send.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use api::tunnel::Install;
use rustix::net::ipproto::ESP;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recvfrom, socket_with};
use tunnel::{
    CoreId, Endpoint, Epoch, Framing, Gateway, InboundConfig, InboundSa, Moment, NAT_PORT, Opened, Packet,
    PeerId, Roaming, SaKey, Selectors, Sequence, Spi,
};

/// Inbound SAs whose first packet is awaited.
pub(super) struct Listener {
    gateway: Gateway,
    /// Sockets that get a copy of all ESP; closed while nothing is awaited.
    sockets: Option<[Option<OwnedFd>; 2]>,
    awaited: BTreeMap<u32, IpAddr>,
    room: Vec<u8>,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self { gateway: empty(), sockets: None, awaited: BTreeMap::new(), room: vec![0; ROOM] }
    }

    /// Awaits the first packet on an inbound SA at one of our addresses.
    pub(super) fn await_packet(&mut self, install: &Install, local: IpAddr) -> io::Result<()> {
        if self.sockets.is_none() {
            self.sockets = Some([Some(raw(AddressFamily::INET)?), raw(AddressFamily::INET6).ok()]);
        }
        self.admit(install, local)
    }

    fn admit(&mut self, install: &Install, local: IpAddr) -> io::Result<()> {
        let Some(spi) = Spi::new(install.spi) else { return Ok(()) };
        let key = SaKey::fill(|bytes| {
            bytes.copy_from_slice(install.key.expose());
            Ok::<(), io::Error>(())
        })?;
        let config = InboundConfig {
            spi,
            peer: PeerId(0),
            epoch: Epoch(0),
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: Sequence::Extended,
        };
        let sa = InboundSa::new(key, config).map_err(io::Error::other)?;
        self.gateway.inbound.install(sa).map_err(io::Error::other)?;
        self.awaited.insert(install.spi, local);
        Ok(())
    }

    /// Awaits nothing any more: all keys are wiped.
    pub(super) fn rest(&mut self) {
        if self.sockets.take().is_some() {
            self.gateway = empty();
            self.awaited.clear();
        }
    }

    /// The SPIs on which an authentic packet has come since.
    pub(super) fn heard(&mut self) -> Vec<u32> {
        for at in 0..2 {
            for _ in 0..AT_ONCE {
                if !self.take(at) {
                    break;
                }
            }
        }
        let heard = self.gateway.inbound.iter().filter(|sa| sa.opened() > 0);
        heard.map(|sa| sa.config().spi.value()).collect()
    }

    /// Looks at one packet; whether there was one.
    fn take(&mut self, at: usize) -> bool {
        let socket = self.sockets.as_ref().and_then(|sockets| sockets.get(at)).and_then(Option::as_ref);
        let Some(socket) = socket else { return false };
        let start = if at == 0 { 0 } else { IPV6_HEADER };
        let Some(place) = self.room.get_mut(start..) else { return false };
        let Ok((_, len, from)) = recvfrom(socket, place, RecvFlags::DONTWAIT) else { return false };
        self.look_at(start, len, from.and_then(|from| SocketAddr::try_from(from).ok()));
        true
    }

    /// Opens the packet that begins at a place of the room.
    fn look_at(&mut self, start: usize, len: usize, from: Option<SocketAddr>) {
        if let (IPV6_HEADER, Some(SocketAddr::V6(from))) = (start, from) {
            let spi =
                self.room.get(start..).and_then(<[u8]>::first_chunk).map(|spi| u32::from_be_bytes(*spi));
            let Some(IpAddr::V6(to)) = spi.and_then(|spi| self.awaited.get(&spi)) else { return };
            put_header(&mut self.room, len, *from.ip(), *to);
        }
        if let Some(packet) = Packet::new(&mut self.room, 0..start + len) {
            let mut result = [Ok(Opened::Dummy)];
            self.gateway.open(&mut [packet], &mut result, Moment(1));
        }
    }
}

/// A raw socket of IPv6 gives what follows the header; this puts one before it (RFC 8200, 3).
fn put_header(room: &mut [u8], len: usize, from: Ipv6Addr, to: Ipv6Addr) {
    let Some(header) = room.first_chunk_mut::<IPV6_HEADER>() else { return };
    let [l0, l1] = u16::try_from(len).unwrap_or(0).to_be_bytes();
    let fixed = [0x60, 0, 0, 0, l0, l1, 50, 64];
    let whole = fixed.into_iter().chain(from.octets()).chain(to.octets());
    header.iter_mut().zip(whole).for_each(|(place, byte)| *place = byte);
}

fn empty() -> Gateway {
    let mut gateway = Gateway::new(CoreId(0), NAT_PORT, AWAITED);
    let nowhere = Endpoint { address: Ipv6Addr::UNSPECIFIED.into(), port: 0 };
    // There is room for the first.
    let _ = gateway.add_peer(nowhere, Roaming::Fixed);
    gateway
}

fn raw(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, Some(ESP))?)
}

const IPV6_HEADER: usize = 40;
const ROOM: usize = IPV6_HEADER + 65_536;
/// Packets looked at in one go.
const AT_ONCE: usize = 256;
/// SAs awaited at once.
const AWAITED: u16 = 4096;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use api::tunnel::{PeerName, SaDirection, SaKeyMaterial, SaLimits, Suite};
    use tunnel::{
        Carrier, DscpMode, EcnMode, HEADROOM, Limits, OutboundConfig, OutboundSa, Path, TAILROOM, TfcPadding,
    };

    use super::*;

    fn install(spi: u32, key: [u8; 36]) -> Install {
        let long = Duration::from_secs(600);
        Install {
            peer: PeerName::new("west").unwrap(),
            epoch: 1,
            direction: SaDirection::Inbound,
            queue: 0,
            spi,
            framing: api::config::Framing::Ip,
            suite: Suite::Aes256Gcm16,
            limits: SaLimits { soft_packets: 9, hard_packets: 10, soft_after: long, hard_after: long },
            remote: None,
            key: SaKeyMaterial::copied(&key),
        }
    }

    /// A packet without payload, as a data plane sends one to be heard.
    fn dummy(key: [u8; 36], from: IpAddr, to: IpAddr) -> Vec<u8> {
        let key = SaKey::fill(|bytes| {
            *bytes = key;
            Ok::<(), ()>(())
        });
        let config = OutboundConfig {
            spi: Spi::new(0x1234).unwrap(),
            peer: PeerId(0),
            epoch: Epoch(0),
            path: Path {
                local: from,
                remote: Endpoint { address: to, port: 0 },
                carrier: Carrier::Ip,
                mtu: 1500,
                hop_limit: 64,
                dscp: DscpMode::Copy,
                ecn: EcnMode::Normal,
            },
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: Sequence::Extended,
            limits: Limits::default(),
            padding: TfcPadding::None,
        };
        let mut sa: OutboundSa = OutboundSa::new(key.unwrap(), config, Moment(1)).unwrap();
        let mut room = vec![0; HEADROOM + 64 + TAILROOM + 64];
        let mut packet = Packet::new(&mut room, HEADROOM..HEADROOM).unwrap();
        sa.seal_dummy(&mut packet, 64, Moment(1)).unwrap();
        packet.bytes().to_vec()
    }

    #[test]
    fn a_packet_without_payload_is_heard_and_a_forged_one_is_not() {
        for ends in [["192.0.2.1", "192.0.2.2"], ["2001:db8::1", "2001:db8::2"]] {
            let [from, to] = ends.map(|text| text.parse::<IpAddr>().unwrap());
            let mut listener = Listener::new();
            listener.admit(&install(0x1234, [7; 36]), to).unwrap();
            let start = if to.is_ipv4() { 0 } else { IPV6_HEADER };
            let mut deliver = |packet: &[u8]| {
                // Of IPv6 a raw socket gives what is behind the header.
                let packet = &packet[start..];
                listener.room[start..start + packet.len()].copy_from_slice(packet);
                listener.look_at(start, packet.len(), Some(SocketAddr::new(from, 0)));
                listener.heard()
            };
            assert!(deliver(&dummy([8; 36], from, to)).is_empty(), "of another key");
            let mut forged = dummy([7; 36], from, to);
            *forged.last_mut().unwrap() ^= 1;
            assert!(deliver(&forged).is_empty() && deliver(&forged[..start + 20]).is_empty());
            assert_eq!(deliver(&dummy([7; 36], from, to)), [0x1234]);
        }
    }
}
