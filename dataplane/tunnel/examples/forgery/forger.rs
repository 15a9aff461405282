//! Packets that somebody on the way has changed.

use std::fmt;
use std::net::IpAddr;

use tunnel::{
    Aes256Gcm, Carrier, CoreId, Counter, DscpMode, EcnMode, Endpoint, Epoch, Framing, Gateway, InboundConfig,
    InboundSa, Limits, Moment, NAT_PORT, OpenRefusal, Opened, OutboundConfig, OutboundSa, Packet, Path,
    Roaming, SaKey, Selectors, Sequence, Spi, TfcPadding,
};

const HEAD: usize = 64;
const IP: usize = 20;
const NOW: Moment = Moment(1);

/// What became of the changed packets.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) tried: u64,
    pub(crate) accepted: u64,
    pub(crate) not_authentic: u64,
    other: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, accepted, not_authentic, other } = self;
        write!(
            f,
            "{tried} changed packets: {accepted} accepted, {not_authentic} with a wrong tag, {other} refused before"
        )
    }
}

/// Changes and offers `count` packets; an error where even unchanged ones are not opened, or the counters disagree.
pub(crate) fn run(seed: u64, count: u64) -> Result<Tally, String> {
    let mut random = Random(seed);
    let (mut sender, mut receiver) = gateways().map_err(|error| format!("no gateways: {error}"))?;
    let sealed = samples(&mut sender)?;
    let mut tally = Tally::default();
    let mut storage = vec![0; 4096];
    while tally.tried < count {
        let original = at(&sealed, &mut random);
        let mut changed = original.clone();
        change(&mut random, &mut changed, &sealed);
        // Pieces of one packet may have made another one whole.
        if sealed.iter().any(|packet| packet.get(IP..) == changed.get(IP..)) {
            continue;
        }
        tally.tried += 1;
        match offer(&mut receiver, &mut storage, &changed) {
            Err(OpenRefusal::NotAuthentic) => tally.not_authentic += 1,
            Err(_) => tally.other += 1,
            Ok(_) => tally.accepted += 1,
        }
    }
    let counted = receiver.counters().value(Counter::OpenNotAuthentic);
    if counted != tally.not_authentic {
        return Err(format!("{counted} counted as not authentic, not {}", tally.not_authentic));
    }
    // None of that has moved the window: what was really sent still comes through.
    for packet in &sealed {
        offer(&mut receiver, &mut storage, packet)
            .map_err(|refusal| format!("a packet as sent is refused: {refusal}"))?;
    }
    Ok(tally)
}

/// Changes what ESP protects: everything behind the outer IP header, and its length.
fn change(random: &mut Random, packet: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=random.below(3) {
        let len = packet.len() - IP;
        let place = IP + random.below(len.max(1));
        match random.below(8) {
            0..=2 => flip(packet, place, 1 << random.below(8)),
            3 => flip(packet, place, random.next()),
            // The headers, which decide before the tag does.
            4 => flip(packet, IP + random.below(16), random.next()),
            5 => packet.truncate(IP + random.below(len + 1)),
            6 => packet.extend((0..random.below(40)).map(|_| 0)),
            _ => {
                let other = at(others, random);
                for (byte, from) in packet.iter_mut().zip(other).skip(place).take(1 + random.below(64)) {
                    *byte = *from;
                }
            }
        }
    }
    let len = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = packet.get_mut(2..4) {
        field.copy_from_slice(&len);
    }
}

fn flip(packet: &mut [u8], at: usize, bits: usize) {
    if let Some(byte) = packet.get_mut(at) {
        let [low, ..] = bits.to_le_bytes();
        *byte ^= low;
    }
}

fn at<'a>(packets: &'a [Vec<u8>], random: &mut Random) -> &'a Vec<u8> {
    const NONE: &Vec<u8> = &Vec::new();
    packets.get(random.below(packets.len().max(1))).unwrap_or(NONE)
}

fn offer(gateway: &mut Gateway, storage: &mut [u8], bytes: &[u8]) -> Result<Opened, OpenRefusal> {
    if let Some(place) = storage.get_mut(HEAD..HEAD + bytes.len()) {
        place.copy_from_slice(bytes);
    }
    let mut results = [Err(OpenRefusal::MalformedOuter)];
    if let Some(packet) = Packet::new(storage, HEAD..HEAD + bytes.len()) {
        gateway.open(&mut [packet], &mut results, NOW);
    }
    let [result] = results;
    result
}

/// Sealed packets of several lengths, none of them opened yet.
fn samples(sender: &mut Gateway) -> Result<Vec<Vec<u8>>, String> {
    let mut sealed = Vec::new();
    for payload in (0..64).map(|at| at * 23) {
        let bytes = udp(payload);
        let mut storage = vec![0; bytes.len() + 2 * HEAD];
        if let Some(place) = storage.get_mut(HEAD..HEAD + bytes.len()) {
            place.copy_from_slice(&bytes);
        }
        let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).ok_or("no room")?];
        let mut results = [Ok(())];
        sender.seal(tunnel::PolicyId(0), &mut packets, &mut results, NOW);
        let ([result], [packet]) = (results, packets);
        result.map_err(|refusal| refusal.to_string())?;
        sealed.push(packet.bytes().to_vec());
    }
    Ok(sealed)
}

fn udp(payload: usize) -> Vec<u8> {
    let len = u16::try_from(28 + payload).unwrap_or(u16::MAX).to_be_bytes();
    let udp_len = u16::try_from(8 + payload).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2];
    packet.extend([0x0f, 0xa0, 0x13, 0x88, udp_len[0], udp_len[1], 0, 0]);
    packet.resize(28 + payload, 0x42);
    packet
}

fn gateways() -> Result<(Gateway, Gateway), Box<dyn std::error::Error>> {
    let endpoint = |host| Endpoint { address: IpAddr::from([192, 0, 2, host]), port: 0 };
    let config = OutboundConfig {
        spi: Spi::new(0x1234_5678).ok_or("a reserved SPI")?,
        peer: tunnel::PeerId(0),
        epoch: Epoch(0),
        path: Path {
            local: endpoint(1).address,
            remote: endpoint(2),
            carrier: Carrier::Ip,
            mtu: 2000,
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
    let key = || {
        SaKey::fill(|material| {
            material.fill(0x6b);
            Ok::<(), std::convert::Infallible>(())
        })
    };
    let (mut sender, mut receiver) =
        (Gateway::new(CoreId(0), NAT_PORT, 1), Gateway::new(CoreId(0), NAT_PORT, 1));
    sender.add_peer(endpoint(2), Roaming::Fixed)?;
    receiver.add_peer(endpoint(1), Roaming::Fixed)?;
    let inbound = InboundConfig {
        spi: config.spi,
        peer: config.peer,
        epoch: config.epoch,
        framing: config.framing,
        selectors: config.selectors.clone(),
        sequence: config.sequence,
    };
    receiver.inbound.install(InboundSa::<Aes256Gcm>::new(key()?, inbound)?)?;
    let policy = sender.outbound.add_policy(Selectors::everything())?;
    sender.outbound.install(policy, OutboundSa::new(key()?, config, NOW)?)?;
    Ok((sender, receiver))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) >> 1).unwrap_or(usize::MAX)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit
    }
}
