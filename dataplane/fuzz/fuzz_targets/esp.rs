//! Packets for a tunnel, hostile in three places. The first byte chooses: bytes from the wire, bytes inside an
//! authentic packet (by somebody who has the key), or bytes to be sealed, answered, clamped and fragmented. The second
//! one chooses what the SA carries and over what.

#![no_main]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tunnel::{
    Aad, Aead, Aes256Gcm, Carrier, CoreId, DscpMode, EcnMode, Endpoint, Epoch, Fragments, Framing, Gateway,
    InboundConfig, InboundSa, Limits, Moment, NAT_PORT, Nonce, OpenRefusal, Opened, OutboundConfig,
    OutboundSa, Packet, Path, PeerId, PolicyId, Roaming, SaKey, SealRefusal, Selectors, Sequence, Spi,
    TfcPadding, Version, answer_too_big, clamp_mss,
};

const HEAD: usize = 128;
const SPI: u32 = 0x4343_4343;
const KEY: u8 = 0x6b;
const NOW: Moment = Moment(1);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&[kind, shape], bytes)) = input.split_first_chunk::<2>() else { return };
    if bytes.len() > 9000 {
        return;
    }
    match kind % 3 {
        0 => {
            let _ = open(&mut gateway(shape), bytes);
        }
        1 => inside(shape, bytes),
        _ => outside(shape, bytes),
    }
});

/// An authentic packet whose text is `text`.
fn inside(shape: u8, text: &[u8]) {
    let engine = Aes256Gcm::expand(&[KEY; 32]).expect("an engine");
    let mut sealed = text.to_vec();
    sealed.extend([0; 16]);
    let iv = [0, 0, 0, 0, 0, 0, 0, 1];
    engine.seal(Nonce::new([KEY; 4], iv), Aad::extended(SPI, 1), &mut sealed).expect("room");
    let mut packet = vec![0x45, shape & 3, 0, 0, 0, 0, 0, 0, 64, 50, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    packet.extend([&SPI.to_be_bytes()[..], &[0, 0, 0, 1], &iv, &sealed].concat());
    let len = u16::try_from(packet.len()).expect("a short packet").to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    let mut gateway = gateway(shape);
    match open(&mut gateway, &packet) {
        Ok((Opened::Ip(version), inner)) => {
            assert_eq!(inner[0] >> 4, if version == Version::V4 { 4 } else { 6 });
            assert!(inner.len() + 2 <= text.len());
        }
        Ok((Opened::Ethernet, inner)) => assert!(inner.len() >= 14 && inner.len() + 4 <= text.len()),
        Ok((Opened::Dummy, _)) => assert_eq!(text.last(), Some(&59)),
        Ok(other) => panic!("{other:?}"),
        Err(OpenRefusal::Truncated) => assert!(text.len() < 2),
        Err(refusal) => assert!(
            matches!(
                refusal,
                OpenRefusal::BadPadding
                    | OpenRefusal::WrongFraming
                    | OpenRefusal::MalformedInner
                    | OpenRefusal::CongestionLoss
            ),
            "{refusal:?}"
        ),
    }
    // It was authentic whatever was inside.
    let again = open(&mut gateway, &packet).map(|(opened, _)| opened);
    assert!(matches!(again, Err(OpenRefusal::Replayed | OpenRefusal::Truncated)), "{again:?}");
}

/// Bytes that are to be sealed, and what is done where they do not fit.
fn outside(shape: u8, bytes: &[u8]) {
    let mut clamped = bytes.to_vec();
    clamp_mss(&mut clamped, 1400);
    assert_eq!(clamped.len(), bytes.len());
    let ours = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let mut answer = [0; 1400];
    if answer_too_big(bytes, 1300, &ours, &mut Packet::new(&mut answer, HEAD..HEAD).expect("room")) {
        assert_ne!(answer[HEAD], 0);
    }
    if let Some(mut fragments) = Fragments::new(bytes, 600) {
        let mut storage = [0; 1024];
        let mut place = Packet::new(&mut storage, HEAD..HEAD).expect("room");
        let mut count = 0;
        while let Some(fitted) = fragments.next_into(&mut place) {
            assert!(fitted && place.len() <= 600);
            count += 1;
            assert!(count < 9000 / 500);
        }
    }
    let mut gateway = gateway(shape);
    let mut storage = buffer(bytes);
    let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).expect("room")];
    let mut results = [Err(SealRefusal::NoSa)];
    gateway.seal(PolicyId(0), &mut packets, &mut results, NOW);
    if results[0].is_err() {
        assert_eq!(packets[0].bytes(), bytes, "refused as it was");
        return;
    }
    assert!(packets[0].len() <= 2000);
    let sealed = packets[0].bytes().to_vec();
    let (_, inner) = open(&mut gateway, &sealed).expect("what we seal");
    assert!(bytes.starts_with(&inner) && !inner.is_empty());
}

fn open(gateway: &mut Gateway, bytes: &[u8]) -> Result<(Opened, Vec<u8>), OpenRefusal> {
    let mut storage = buffer(bytes);
    let mut packets = [Packet::new(&mut storage, HEAD..HEAD + bytes.len()).expect("room")];
    let mut results = [Ok(Opened::NonEsp)];
    gateway.open(&mut packets, &mut results, NOW);
    results[0].map(|opened| (opened, packets[0].bytes().to_vec()))
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    let mut storage = vec![0xa5; HEAD];
    storage.extend(bytes);
    storage.extend([0x5a; 300]);
    storage
}

/// A gateway that talks to itself.
fn gateway(shape: u8) -> Gateway {
    let carrier = if shape & 4 == 0 { Carrier::Ip } else { Carrier::Udp(NAT_PORT) };
    let port = if carrier == Carrier::Ip { 0 } else { NAT_PORT };
    let address = |host: u8| -> IpAddr {
        if shape & 8 == 0 {
            [192, 0, 2, host].into()
        } else {
            [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)].into()
        }
    };
    let framing = [Framing::Ip, Framing::EtherIp, Framing::Gre][usize::from(shape >> 4) % 3];
    let key = || {
        SaKey::fill(|material| {
            material.fill(KEY);
            Ok::<(), ()>(())
        })
        .expect("a key")
    };
    let spi = Spi::new(SPI).expect("an index");
    let mut gateway = Gateway::new(CoreId(0), NAT_PORT, 4);
    gateway.add_peer(Endpoint { address: address(1), port }, Roaming::Follow).expect("a peer");
    let inbound = InboundConfig {
        spi,
        peer: PeerId(0),
        epoch: Epoch(0),
        framing,
        selectors: Selectors::everything(),
        sequence: Sequence::Extended,
    };
    gateway.inbound.install(InboundSa::new(key(), inbound).expect("an SA")).expect("room");
    let outbound = OutboundConfig {
        spi,
        peer: PeerId(0),
        epoch: Epoch(0),
        path: Path {
            local: address(1),
            remote: Endpoint { address: address(2), port },
            carrier,
            mtu: 2000,
            hop_limit: 64,
            dscp: DscpMode::Copy,
            ecn: EcnMode::Normal,
        },
        framing,
        selectors: Selectors::everything(),
        sequence: Sequence::Extended,
        limits: Limits::default(),
        padding: if shape & 0x80 == 0 {
            TfcPadding::None
        } else {
            TfcPadding::Multiple(u16::from(shape & 0x70))
        },
    };
    let policy = gateway.outbound.add_policy(Selectors::everything()).expect("a policy");
    gateway
        .outbound
        .install(policy, OutboundSa::new(key(), outbound, NOW).expect("an SA"))
        .expect("the policy");
    gateway
}
