//! A gateway with given keys, and packets for it.

use std::net::{IpAddr, Ipv4Addr};

use tunnel::{
    Carrier, CoreId, DscpMode, EcnMode, Endpoint, Epoch, Framing, Gateway, InboundConfig, InboundSa,
    KEY_MATERIAL, Limits, Moment, NAT_PORT, OpenRefusal, Opened, OutboundConfig, OutboundSa, Packet, Path,
    PeerId, PolicyId, Roaming, SaKey, SealRefusal, Selectors, Sequence, Spi, TfcPadding,
};

pub(crate) const NOW: Moment = Moment(1);
const HEAD: usize = 128;

/// One direction: name and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sa {
    pub(crate) spi: u32,
    pub(crate) key: [u8; KEY_MATERIAL],
}

impl Sa {
    fn key(&self) -> SaKey {
        SaKey::fill(|material| {
            *material = self.key;
            Ok::<(), ()>(())
        })
        .unwrap()
    }
}

pub(crate) struct Ends {
    pub(crate) local: Ipv4Addr,
    pub(crate) remote: Ipv4Addr,
    pub(crate) carrier: Carrier,
    pub(crate) sequence: Sequence,
}

pub(crate) struct Tunnel {
    gateway: Gateway,
    policy: PolicyId,
}

impl Tunnel {
    pub(crate) fn new(ends: &Ends, sends: &Sa, receives: &Sa) -> Self {
        let port = if ends.carrier == Carrier::Ip { 0 } else { NAT_PORT };
        let remote = Endpoint { address: IpAddr::V4(ends.remote), port };
        let mut gateway = Gateway::new(CoreId(0), NAT_PORT, 4);
        gateway.add_peer(remote, Roaming::Follow).unwrap();
        let config = OutboundConfig {
            spi: Spi::new(sends.spi).unwrap(),
            peer: PeerId(0),
            epoch: Epoch(0),
            path: Path {
                local: IpAddr::V4(ends.local),
                remote,
                carrier: ends.carrier,
                mtu: 1500,
                hop_limit: 64,
                dscp: DscpMode::Copy,
                ecn: EcnMode::Normal,
            },
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: ends.sequence,
            limits: Limits::default(),
            padding: TfcPadding::None,
        };
        let inbound = InboundConfig {
            spi: Spi::new(receives.spi).unwrap(),
            peer: PeerId(0),
            epoch: Epoch(0),
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: ends.sequence,
        };
        gateway.inbound.install(InboundSa::new(receives.key(), inbound).unwrap()).unwrap();
        let policy = gateway.outbound.add_policy(Selectors::everything()).unwrap();
        gateway.outbound.install(policy, OutboundSa::new(sends.key(), config, NOW).unwrap()).unwrap();
        Self { gateway, policy }
    }

    pub(crate) fn seal(&mut self, bytes: &[u8]) -> Result<Vec<u8>, SealRefusal> {
        let mut storage = buffer(bytes);
        let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).unwrap()];
        let mut results = [Ok(())];
        self.gateway.seal(self.policy, &mut packets, &mut results, NOW);
        results[0].map(|()| packets[0].bytes().to_vec())
    }

    pub(crate) fn open(&mut self, bytes: &[u8]) -> Result<(Opened, Vec<u8>), OpenRefusal> {
        let mut storage = buffer(bytes);
        let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).unwrap()];
        let mut results = [Ok(Opened::Dummy)];
        self.gateway.open(&mut packets, &mut results, NOW);
        results[0].map(|opened| (opened, packets[0].bytes().to_vec()))
    }
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    let mut storage = vec![0; HEAD];
    storage.extend(bytes);
    storage.extend([0; 128]);
    storage
}

/// An ICMP echo request of `payload` bytes.
pub(crate) fn echo(from: Ipv4Addr, to: Ipv4Addr, sequence: u16, payload: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x57, 0x57];
    message.extend(sequence.to_be_bytes());
    message.extend((0..payload).map(|at| u8::try_from(at % 251).unwrap()));
    let sum = wire::checksum::internet(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4(from, to, 1, &message)
}

/// An IPv4 packet without options.
pub(crate) fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    let len = u16::try_from(20 + payload.len()).unwrap();
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    let sum = wire::checksum::internet(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}
