//! Two gateways and packets between them.

use std::net::IpAddr;

use tunnel::{
    Aead, Carrier, CoreId, DscpMode, EcnMode, Endpoint, Epoch, Framing, Gateway, InboundConfig, InboundSa,
    Limits, Moment, NAT_PORT, OpenRefusal, Opened, OutboundConfig, OutboundSa, Packet, Path, PeerId,
    PolicyId, Roaming, SaKey, SealRefusal, Selectors, Sequence, Spi, TfcPadding, Version,
};

pub(crate) const NOW: Moment = Moment(1_000_000_000);
pub(crate) const SPI: u32 = 0x1234_5678;
pub(crate) const HEAD: usize = 128;

/// A key that `seed` chooses.
pub(crate) fn key(seed: u8) -> SaKey {
    SaKey::fill(|bytes| {
        for (at, byte) in (0_u8..).zip(bytes) {
            *byte = at.wrapping_mul(7).wrapping_add(seed);
        }
        Ok::<(), ()>(())
    })
    .unwrap()
}

pub(crate) fn endpoint(version: Version, host: u8, carrier: Carrier) -> Endpoint {
    let address = match version {
        Version::V4 => IpAddr::from([192, 0, 2, host]),
        Version::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)]),
    };
    Endpoint { address, port: if carrier == Carrier::Ip { 0 } else { NAT_PORT } }
}

pub(crate) fn path(version: Version, carrier: Carrier) -> Path {
    Path {
        local: endpoint(version, 1, carrier).address,
        remote: endpoint(version, 2, carrier),
        carrier,
        mtu: 1500,
        hop_limit: 64,
        dscp: DscpMode::Copy,
        ecn: EcnMode::Normal,
    }
}

pub(crate) fn outbound(path: Path) -> OutboundConfig {
    OutboundConfig {
        spi: Spi::new(SPI).unwrap(),
        peer: PeerId(0),
        epoch: Epoch(1),
        path,
        framing: Framing::Ip,
        selectors: Selectors::everything(),
        sequence: Sequence::Extended,
        limits: Limits::default(),
        padding: TfcPadding::None,
    }
}

pub(crate) fn inbound(of: &OutboundConfig) -> InboundConfig {
    InboundConfig {
        spi: of.spi,
        peer: PeerId(0),
        epoch: of.epoch,
        framing: of.framing,
        selectors: of.selectors.clone(),
        sequence: of.sequence,
    }
}

/// A sender and a receiver of one SA.
pub(crate) struct Pair<A: Aead> {
    pub(crate) sender: Gateway<A>,
    pub(crate) receiver: Gateway<A>,
    pub(crate) policy: PolicyId,
}

impl<A: Aead> Pair<A> {
    pub(crate) fn new(config: OutboundConfig) -> Self {
        let (version, carrier) = match config.path.local {
            IpAddr::V4(_) => (Version::V4, config.path.carrier),
            IpAddr::V6(_) => (Version::V6, config.path.carrier),
        };
        let mut sender = Gateway::new(CoreId(0), NAT_PORT, 16);
        let mut receiver = Gateway::new(CoreId(0), NAT_PORT, 16);
        sender.add_peer(endpoint(version, 2, carrier), Roaming::Follow).unwrap();
        receiver.add_peer(endpoint(version, 1, carrier), Roaming::Follow).unwrap();
        receiver.inbound.install(InboundSa::new(key(1), inbound(&config)).unwrap()).unwrap();
        let policy = sender.outbound.add_policy(config.selectors.clone()).unwrap();
        sender.outbound.install(policy, OutboundSa::new(key(1), config, NOW).unwrap()).unwrap();
        Self { sender, receiver, policy }
    }

    pub(crate) fn seal(&mut self, bytes: &[u8]) -> Result<Vec<u8>, SealRefusal> {
        seal(&mut self.sender, self.policy, bytes, NOW)
    }

    pub(crate) fn open(&mut self, bytes: &[u8]) -> Result<(Opened, Vec<u8>), OpenRefusal> {
        open(&mut self.receiver, bytes, NOW)
    }
}

pub(crate) fn seal<A: Aead>(
    gateway: &mut Gateway<A>,
    policy: PolicyId,
    bytes: &[u8],
    now: Moment,
) -> Result<Vec<u8>, SealRefusal> {
    let mut storage = buffer(bytes);
    let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).unwrap()];
    let mut results = [Ok(())];
    gateway.seal(policy, &mut packets, &mut results, now);
    results[0].map(|()| packets[0].bytes().to_vec())
}

pub(crate) fn open<A: Aead>(
    gateway: &mut Gateway<A>,
    bytes: &[u8],
    now: Moment,
) -> Result<(Opened, Vec<u8>), OpenRefusal> {
    let mut storage = buffer(bytes);
    let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).unwrap()];
    let mut results = [Ok(Opened::Dummy)];
    gateway.open(&mut packets, &mut results, now);
    results[0].map(|opened| (opened, packets[0].bytes().to_vec()))
}

/// A dirty buffer with a packet in it.
fn buffer(bytes: &[u8]) -> Vec<u8> {
    let mut storage = vec![0xa5; HEAD];
    storage.extend(bytes);
    storage.extend([0x5a; 256]);
    storage
}

/// A UDP datagram of `payload` bytes from 10.1.0.1 to 10.2.0.2, or fd01::1 to fd02::2.
pub(crate) fn udp(version: Version, payload: usize) -> Vec<u8> {
    let length = u16::try_from(8 + payload).unwrap();
    let mut packet = match version {
        Version::V4 => {
            let mut header = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2];
            header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
            header
        }
        Version::V6 => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
            header[4..6].copy_from_slice(&length.to_be_bytes());
            header.extend([0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            header.extend([0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
            header
        }
    };
    if version == Version::V4 {
        fix(&mut packet);
    }
    packet.extend([0x0f, 0xa0, 0x13, 0x88]);
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((0..payload).map(|at| u8::try_from(at % 251).unwrap()));
    packet
}

/// Sets DSCP and ECN.
pub(crate) fn set_class(packet: &mut [u8], class: u8) {
    if packet[0] >> 4 == 4 {
        packet[1] = class;
        fix(packet);
    } else {
        packet[0] = 0x60 | class >> 4;
        packet[1] = packet[1] & 15 | class << 4;
    }
}

/// DSCP and ECN.
pub(crate) fn class(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 { packet[1] } else { packet[0] << 4 | packet[1] >> 4 }
}

/// Computes the checksum of an IPv4 header without options anew.
pub(crate) fn fix(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let sum = wire::checksum::internet(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}
