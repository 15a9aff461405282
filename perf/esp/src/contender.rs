//! Those who are measured: each does 2,048 packets a round, and says what one of them cost.

use core::hint::black_box;
use std::net::IpAddr;

use arrayvec::ArrayVec;
use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};
use rand_core::OsRng;
use tunnel::{
    Aad, Aead, AwsLc, Carrier, CoreId, DscpMode, EcnMode, Endpoint, Epoch, Framing, Gateway, InboundConfig,
    InboundSa, Limits, Moment, NAT_PORT, Nonce, Opened, OutboundConfig, OutboundSa, Packet, Path, PeerId,
    PolicyId, Roaming, SaError, SaKey, SealRefusal, Selectors, Sequence, Spi, TfcPadding, Version,
};

use crate::figures::median;
use crate::pool::{BATCH, BUFFER, BUFFERS, HEAD, Pool, packet};

/// Somebody who can be measured.
pub(crate) trait Contender {
    /// What it does, and by what.
    fn name(&self) -> &'static str;

    /// Does a round with the buffers of a pool, whatever is in them; gives cycles for a packet, the median of its batches.
    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError>;
}

/// A contender did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContenderError {
    /// A tunnel could not be set up.
    #[error("no tunnel: {0}")]
    Setup(&'static str),
    /// An SA could not be made.
    #[error(transparent)]
    Sa(#[from] SaError),
    /// The thread of one panicked.
    #[error("a thread panicked")]
    Panicked,
    /// A packet did not come through.
    #[error("{0} refused a packet")]
    Refused(&'static str),
}

/// All of them, for packets of `size` bytes, peers beside each other.
pub(crate) fn all(size: usize) -> Result<Vec<Box<dyn Contender>>, ContenderError> {
    let mut all: Vec<Box<dyn Contender>> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        all.push(Box::new(Seal::<tunnel::IpsecMb>::new("seal ipsec-mb", size)?));
    }
    all.push(Box::new(Seal::<AwsLc>::new("seal aws-lc-rs", size)?));
    all.push(Box::new(Boring::new(size)?));
    #[cfg(target_arch = "x86_64")]
    {
        all.push(Box::new(Open::<tunnel::IpsecMb>::new("open ipsec-mb", size)?));
    }
    all.push(Box::new(Open::<AwsLc>::new("open aws-lc-rs", size)?));
    all.push(Box::new(BoringOpen(Boring::new(size)?)));
    #[cfg(target_arch = "x86_64")]
    {
        all.push(Box::new(Cipher::<tunnel::IpsecMb>::new("aead ipsec-mb", size)?));
        all.push(Box::new(Cipher::<AwsLc>::new("aead aws-lc-rs", size)?));
        for (name, kind) in [
            ("bound aesenc", ipsec_mb_sys::PortBound::Block),
            ("bound vaesenc", ipsec_mb_sys::PortBound::FourBlocks),
        ] {
            if ipsec_mb_sys::port_bound(kind, 1).is_some() {
                all.push(Box::new(Bound { name, kind, blocks: size.div_ceil(16) as u64 }));
            }
        }
    }
    Ok(all)
}

type Batch<'a> = ArrayVec<Packet<'a>, BATCH>;

/// The packets of a batch of buffers.
fn packets<'a>(bytes: &'a mut [u8], places: &[core::ops::Range<usize>]) -> Batch<'a> {
    bytes
        .chunks_exact_mut(BUFFER)
        .zip(places)
        .filter_map(|(buffer, place)| Packet::new(buffer, place.clone()))
        .collect()
}

/// A tunnel's sending half.
struct Seal<A> {
    name: &'static str,
    gateway: Gateway<A>,
    policy: PolicyId,
    packet: Vec<u8>,
}

impl<A: Aead> Seal<A> {
    fn new(name: &'static str, size: usize) -> Result<Self, ContenderError> {
        let (gateway, policy) = sender()?;
        Ok(Self { name, gateway, policy, packet: packet(size) })
    }
}

impl<A: Aead> Contender for Seal<A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError> {
        pool.fill(&self.packet);
        let mut cycles = Vec::with_capacity(BUFFERS / BATCH);
        for (bytes, places) in pool.batches() {
            let mut results = [Err(SealRefusal::NoSa); BATCH];
            let start = mem_sys::cycles();
            let mut packets = packets(bytes, places);
            self.gateway.seal(self.policy, &mut packets, &mut results, NOW);
            black_box(&packets);
            cycles.push(per_packet(start));
            if results.iter().any(Result::is_err) {
                return Err(ContenderError::Refused(self.name));
            }
        }
        Ok(median(&cycles))
    }
}

/// A tunnel's receiving half.
struct Open<A> {
    seal: Seal<A>,
    gateway: Gateway<A>,
}

impl<A: Aead> Open<A> {
    fn new(name: &'static str, size: usize) -> Result<Self, ContenderError> {
        Ok(Self { seal: Seal::new(name, size)?, gateway: receiver()? })
    }
}

impl<A: Aead> Contender for Open<A> {
    fn name(&self) -> &'static str {
        self.seal.name
    }

    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError> {
        let Seal { name, gateway, policy, packet } = &mut self.seal;
        pool.fill(packet);
        for (bytes, places) in pool.batches() {
            let mut results = [Err(SealRefusal::NoSa); BATCH];
            let mut packets = packets(bytes, places);
            gateway.seal(*policy, &mut packets, &mut results, NOW);
            let ranges: ArrayVec<_, BATCH> = packets.iter().map(Packet::range).collect();
            places.clone_from_slice(&ranges);
        }
        let mut cycles = Vec::with_capacity(BUFFERS / BATCH);
        for (bytes, places) in pool.batches() {
            let mut results = [Ok(Opened::Dummy); BATCH];
            let start = mem_sys::cycles();
            let mut packets = packets(bytes, places);
            self.gateway.open(&mut packets, &mut results, NOW);
            black_box(&packets);
            cycles.push(per_packet(start));
            if results.iter().any(|result| *result != Ok(Opened::Ip(Version::V4))) {
                return Err(ContenderError::Refused(name));
            }
        }
        Ok(median(&cycles))
    }
}

/// Both ends of a WireGuard session, sending.
///
/// It writes to another buffer than it reads; that is the same one for all packets here, which is in its favour.
struct Boring {
    sender: Tunn,
    receiver: Tunn,
    packet: Vec<u8>,
    place: Vec<u8>,
}

impl Boring {
    fn new(size: usize) -> Result<Self, ContenderError> {
        let (ours, theirs) = (StaticSecret::random_from_rng(OsRng), StaticSecret::random_from_rng(OsRng));
        let publics = [PublicKey::from(&ours), PublicKey::from(&theirs)];
        let [our_public, their_public] = publics;
        let mut sender = Tunn::new(ours, their_public, None, None, 1, None);
        let mut receiver = Tunn::new(theirs, our_public, None, None, 2, None);
        let (mut there, mut back, mut done) = (vec![0; BUFFER], vec![0; BUFFER], vec![0; BUFFER]);
        let wrong = ContenderError::Setup("the handshake of boringtun");
        let TunnResult::WriteToNetwork(initiation) = sender.format_handshake_initiation(&mut there, false)
        else {
            return Err(wrong);
        };
        let TunnResult::WriteToNetwork(response) = receiver.decapsulate(None, initiation, &mut back) else {
            return Err(wrong);
        };
        let TunnResult::WriteToNetwork(first) = sender.decapsulate(None, response, &mut done) else {
            return Err(wrong);
        };
        receiver.decapsulate(None, first, &mut vec![0; BUFFER]);
        Ok(Self { sender, receiver, packet: packet(size), place: vec![0; BUFFER] })
    }
}

impl Contender for Boring {
    fn name(&self) -> &'static str {
        "seal boringtun"
    }

    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError> {
        let Self { sender, packet, place, .. } = self;
        pool.fill(packet);
        let mut cycles = Vec::with_capacity(BUFFERS / BATCH);
        for (bytes, places) in pool.batches() {
            let mut sent = 0;
            let start = mem_sys::cycles();
            for (buffer, range) in bytes.chunks_exact(BUFFER).zip(places) {
                let source = buffer.get(range.clone()).unwrap_or_default();
                sent +=
                    usize::from(matches!(sender.encapsulate(source, place), TunnResult::WriteToNetwork(_)));
                black_box(&place);
            }
            cycles.push(per_packet(start));
            if sent != BATCH {
                return Err(ContenderError::Refused("seal boringtun"));
            }
        }
        Ok(median(&cycles))
    }
}

/// The same, receiving.
struct BoringOpen(Boring);

impl Contender for BoringOpen {
    fn name(&self) -> &'static str {
        "open boringtun"
    }

    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError> {
        let Boring { sender, receiver, packet, place } = &mut self.0;
        pool.fill(packet);
        for (bytes, places) in pool.batches() {
            for (buffer, range) in bytes.chunks_exact_mut(BUFFER).zip(places) {
                let place = buffer.get_mut(HEAD..).unwrap_or_default();
                let TunnResult::WriteToNetwork(sealed) = sender.encapsulate(packet, place) else {
                    return Err(ContenderError::Refused("seal boringtun"));
                };
                *range = HEAD..HEAD + sealed.len();
            }
        }
        let mut cycles = Vec::with_capacity(BUFFERS / BATCH);
        for (bytes, places) in pool.batches() {
            let mut opened = 0;
            let start = mem_sys::cycles();
            for (buffer, range) in bytes.chunks_exact(BUFFER).zip(places) {
                let sealed = buffer.get(range.clone()).unwrap_or_default();
                let result = receiver.decapsulate(None, sealed, place);
                opened += usize::from(matches!(result, TunnResult::WriteToTunnelV4(..)));
                black_box(&place);
            }
            cycles.push(per_packet(start));
            if opened != BATCH {
                return Err(ContenderError::Refused("open boringtun"));
            }
        }
        Ok(median(&cycles))
    }
}

/// The cipher alone.
#[cfg(target_arch = "x86_64")]
struct Cipher<A> {
    name: &'static str,
    engine: A,
    size: usize,
    number: u64,
}

#[cfg(target_arch = "x86_64")]
impl<A: Aead> Cipher<A> {
    fn new(name: &'static str, size: usize) -> Result<Self, ContenderError> {
        let engine = A::expand(&[0x6b; 32]).ok_or(SaError::NoEngine)?;
        Ok(Self { name, engine, size, number: 0 })
    }
}

#[cfg(target_arch = "x86_64")]
impl<A: Aead> Contender for Cipher<A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn round(&mut self, pool: &mut Pool) -> Result<f64, ContenderError> {
        let Self { name, engine, size, number } = self;
        pool.fill(&packet(*size));
        let mut cycles = Vec::with_capacity(BUFFERS / BATCH);
        for (bytes, _) in pool.batches() {
            let mut sealed = 0;
            let start = mem_sys::cycles();
            for buffer in bytes.chunks_exact_mut(BUFFER) {
                *number += 1;
                let nonce = Nonce::new([0x6b; 4], number.to_be_bytes());
                let aad = Aad::extended(0x1234_5678, *number);
                let text = buffer.get_mut(HEAD..HEAD + *size + 16).unwrap_or_default();
                sealed += usize::from(engine.seal(nonce, aad, text).is_ok());
            }
            cycles.push(per_packet(start));
            if sealed != BATCH {
                return Err(ContenderError::Refused(name));
            }
        }
        Ok(median(&cycles))
    }
}

/// The rounds of AES alone.
#[cfg(target_arch = "x86_64")]
struct Bound {
    name: &'static str,
    kind: ipsec_mb_sys::PortBound,
    blocks: u64,
}

#[cfg(target_arch = "x86_64")]
impl Contender for Bound {
    fn name(&self) -> &'static str {
        self.name
    }

    fn round(&mut self, _: &mut Pool) -> Result<f64, ContenderError> {
        let cycles: Vec<f64> = (0..BUFFERS / BATCH)
            .map(|_| {
                let start = mem_sys::cycles();
                black_box(ipsec_mb_sys::port_bound(self.kind, self.blocks * BATCH as u64));
                per_packet(start)
            })
            .collect();
        Ok(median(&cycles))
    }
}

fn per_packet(start: u64) -> f64 {
    (mem_sys::cycles() - start) as f64 / BATCH as f64
}

pub(crate) const NOW: Moment = Moment(1);

fn config() -> Result<OutboundConfig, ContenderError> {
    Ok(OutboundConfig {
        spi: Spi::new(0x1234_5678).ok_or(ContenderError::Setup("a reserved SPI"))?,
        peer: PeerId(0),
        epoch: Epoch(0),
        path: Path {
            local: IpAddr::from([192, 0, 2, 1]),
            remote: endpoint(2),
            carrier: Carrier::Udp(NAT_PORT),
            mtu: 1500,
            hop_limit: 64,
            dscp: DscpMode::Copy,
            ecn: EcnMode::Normal,
        },
        framing: Framing::Ip,
        selectors: Selectors::everything(),
        sequence: Sequence::Extended,
        limits: Limits { hard_packets: u64::MAX, ..Limits::default() },
        padding: TfcPadding::None,
    })
}

fn endpoint(host: u8) -> Endpoint {
    Endpoint { address: IpAddr::from([192, 0, 2, host]), port: NAT_PORT }
}

fn key() -> Result<SaKey, ContenderError> {
    SaKey::fill(|material| {
        material.fill(0x6b);
        Ok(())
    })
}

pub(crate) fn sender<A: Aead>() -> Result<(Gateway<A>, PolicyId), ContenderError> {
    let mut gateway = Gateway::new(CoreId(0), NAT_PORT, 16);
    gateway.add_peer(endpoint(2), Roaming::Follow).map_err(|_| ContenderError::Setup("peers"))?;
    let policy = gateway
        .outbound
        .add_policy(Selectors::everything())
        .map_err(|_| ContenderError::Setup("policies"))?;
    let sa = OutboundSa::new(key()?, config()?, NOW)?;
    gateway.outbound.install(policy, sa).map_err(|_| ContenderError::Setup("policies"))?;
    Ok((gateway, policy))
}

pub(crate) fn receiver<A: Aead>() -> Result<Gateway<A>, ContenderError> {
    let mut gateway = Gateway::new(CoreId(0), NAT_PORT, 16);
    gateway.add_peer(endpoint(1), Roaming::Follow).map_err(|_| ContenderError::Setup("peers"))?;
    let config = config()?;
    let inbound = InboundConfig {
        spi: config.spi,
        peer: config.peer,
        epoch: config.epoch,
        framing: config.framing,
        selectors: config.selectors,
        sequence: config.sequence,
    };
    let sa = InboundSa::new(key()?, inbound)?;
    gateway.inbound.install(sa).map_err(|_| ContenderError::Setup("SAs"))?;
    Ok(gateway)
}
