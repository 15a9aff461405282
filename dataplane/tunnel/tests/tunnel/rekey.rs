//! Successors, limits, other cores, and peers that move.

use std::net::IpAddr;
use std::time::Duration;

use tunnel::{
    Aes256Gcm, Carrier, CoreId, Counter, Endpoint, Epoch, InboundSa, Limits, Moment, NAT_PORT, Notice,
    OpenRefusal, Opened, OutboundConfig, OutboundSa, PeerId, SaError, SealRefusal, Spi, Version,
};

use crate::support::{NOW, Pair, fix, inbound, key, open, outbound, path, seal, udp};

fn udp_path() -> tunnel::Path {
    path(Version::V4, Carrier::Udp(NAT_PORT))
}

fn limited(limits: Limits) -> Pair<Aes256Gcm> {
    let mut config = outbound(udp_path());
    config.limits = limits;
    Pair::new(config)
}

#[test]
fn a_successor_takes_over_without_loss_and_the_old_one_ends_at_its_deadline() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    let packet = udp(Version::V4, 100);
    let late = pair.seal(&packet).unwrap();
    let later = pair.seal(&packet).unwrap();
    let successor =
        OutboundConfig { spi: Spi::new(0x9999).unwrap(), epoch: Epoch(2), ..outbound(udp_path()) };
    // The receiver first, then the sender: whatever arrives finds its SA.
    pair.receiver.inbound.install(InboundSa::new(key(2), inbound(&successor)).unwrap()).unwrap();
    pair.sender.outbound.install(pair.policy, OutboundSa::new(key(2), successor, NOW).unwrap()).unwrap();
    let deadline = NOW.after(Duration::from_secs(30));
    assert!(pair.receiver.inbound.retire(Spi::new(crate::support::SPI).unwrap(), deadline));
    let new = pair.seal(&packet).unwrap();
    assert_eq!(pair.open(&new), Ok((Opened::Ip(Version::V4), packet.clone())));
    assert_eq!(pair.open(&late), Ok((Opened::Ip(Version::V4), packet.clone())));
    assert_eq!(open(&mut pair.receiver, &later, deadline), Err(OpenRefusal::UnknownSpi));
    assert_eq!(pair.receiver.inbound.expire(deadline), 1);
    assert_eq!(pair.receiver.inbound.iter().map(|sa| sa.config().epoch).collect::<Vec<_>>(), [Epoch(2)]);
    let new = seal(&mut pair.sender, pair.policy, &packet, deadline).unwrap();
    assert!(open(&mut pair.receiver, &new, deadline).is_ok());
}

#[test]
fn a_thousand_rekeys_lose_and_double_nothing() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    let packet = udp(Version::V4, 60);
    let mut now = NOW;
    let mut on_the_way = Vec::new();
    for epoch in 0..1000_u32 {
        let spi = Spi::new(0x10_0000 + epoch).unwrap();
        let config = OutboundConfig { spi, epoch: Epoch(epoch), ..outbound(udp_path()) };
        let seed = u8::try_from(epoch % 251).unwrap();
        pair.receiver.inbound.install(InboundSa::new(key(seed), inbound(&config)).unwrap()).unwrap();
        pair.sender.outbound.install(pair.policy, OutboundSa::new(key(seed), config, now).unwrap()).unwrap();
        for _ in 0..5 {
            on_the_way.push(seal(&mut pair.sender, pair.policy, &packet, now).unwrap());
        }
        // Packets of the SA before arrive after those of its successor.
        on_the_way.reverse();
        for sealed in on_the_way.drain(..on_the_way.len() - 3) {
            assert!(open(&mut pair.receiver, &sealed, now).is_ok());
        }
        assert!(pair.receiver.inbound.retire(spi, now.after(Duration::from_secs(3))));
        now = now.after(Duration::from_secs(1));
        pair.receiver.inbound.expire(now);
        assert!(pair.receiver.inbound.len() <= 4);
    }
    let counters = pair.receiver.counters();
    assert_eq!(counters.value(Counter::Opened) + on_the_way.len() as u64, 5000);
    assert_eq!(counters.value(Counter::OpenReplayed), 0);
}

#[test]
fn a_soft_limit_is_told_once_and_a_hard_limit_stops_sending() {
    let mut pair = limited(Limits { soft_packets: 3, hard_packets: 5, ..Limits::default() });
    let packet = udp(Version::V4, 100);
    for sent in 1..=5 {
        assert!(pair.seal(&packet).is_ok());
        let expected: &[Notice] = if sent == 3 { &[Notice::RekeyDue(pair.policy)] } else { &[] };
        assert_eq!(&pair.sender.notices(NOW)[..], expected);
    }
    assert_eq!(pair.seal(&packet), Err(SealRefusal::PacketLimit));
    assert_eq!(pair.seal(&packet), Err(SealRefusal::PacketLimit));
    assert_eq!(pair.sender.counters().value(Counter::SealPacketLimit), 2);
    let successor = OutboundConfig { spi: Spi::new(0x9999).unwrap(), ..outbound(udp_path()) };
    pair.sender.outbound.install(pair.policy, OutboundSa::new(key(2), successor, NOW).unwrap()).unwrap();
    assert!(pair.seal(&packet).is_ok());
}

#[test]
fn time_has_its_limits_too() {
    let mut pair = limited(Limits {
        soft_after: Duration::from_secs(10),
        hard_after: Duration::from_secs(20),
        ..Limits::default()
    });
    let packet = udp(Version::V4, 100);
    let at = |seconds| NOW.after(Duration::from_secs(seconds));
    assert!(pair.sender.notices(at(9)).is_empty());
    assert_eq!(&pair.sender.notices(at(10))[..], [Notice::RekeyDue(pair.policy)]);
    assert!(seal(&mut pair.sender, pair.policy, &packet, at(19)).is_ok());
    assert_eq!(seal(&mut pair.sender, pair.policy, &packet, at(20)), Err(SealRefusal::TimeLimit));
}

#[test]
fn a_policy_without_an_sa_sends_nothing() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    assert!(pair.sender.outbound.remove(pair.policy));
    assert!(!pair.sender.outbound.remove(pair.policy));
    assert_eq!(pair.seal(&udp(Version::V4, 100)), Err(SealRefusal::NoSa));
    assert_eq!(pair.sender.counters().value(Counter::SealNoSa), 1);
}

#[test]
fn a_packet_of_another_core_is_handed_on_as_it_came() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    let spi = Spi::new(0x7777).unwrap();
    pair.receiver.inbound.point(spi, CoreId(5)).unwrap();
    let mut sealed = pair.seal(&udp(Version::V4, 100)).unwrap();
    sealed[28..32].copy_from_slice(&0x7777_u32.to_be_bytes());
    let mut storage = sealed.clone();
    let len = storage.len();
    let mut packets = [tunnel::Packet::new(&mut storage, 0..len).unwrap()];
    let mut results = [Ok(Opened::Dummy)];
    pair.receiver.open(&mut packets, &mut results, NOW);
    assert_eq!(results, [Err(OpenRefusal::OtherCore(CoreId(5)))]);
    assert_eq!(packets[0].bytes(), sealed);
}

/// The same packet from another address and port.
fn from_elsewhere(sealed: &[u8]) -> (Vec<u8>, Endpoint) {
    let mut moved = sealed.to_vec();
    moved[12..16].copy_from_slice(&[198, 51, 100, 7]);
    moved[20..22].copy_from_slice(&1024_u16.to_be_bytes());
    fix(&mut moved);
    (moved, Endpoint { address: IpAddr::from([198, 51, 100, 7]), port: 1024 })
}

#[test]
fn a_peer_is_followed_by_an_authentic_and_newest_packet_only() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    let packet = udp(Version::V4, 100);
    let [held_back, first, second, third, fourth] = [(); 5].map(|()| pair.seal(&packet).unwrap());
    let home = pair.receiver.endpoint(PeerId(0));
    pair.open(&first).unwrap();
    // Replayed, forged and late packets from elsewhere move nobody.
    assert!(pair.open(&from_elsewhere(&first).0).is_err());
    let mut forged = from_elsewhere(&second).0;
    forged[70] ^= 1;
    assert_eq!(pair.open(&forged), Err(OpenRefusal::NotAuthentic));
    assert!(pair.open(&from_elsewhere(&held_back).0).is_ok());
    // Nor does one whose outer header was damaged on the way.
    let mut damaged = from_elsewhere(&third).0;
    damaged[12] ^= 1;
    assert!(pair.open(&damaged).is_ok());
    assert_eq!(pair.receiver.endpoint(PeerId(0)), home);
    assert!(pair.receiver.notices(NOW).is_empty());
    let (moved, elsewhere) = from_elsewhere(&fourth);
    assert!(pair.open(&moved).is_ok());
    assert_eq!(pair.receiver.endpoint(PeerId(0)), Some(elsewhere));
    assert_eq!(&pair.receiver.notices(NOW)[..], [Notice::PeerMoved(PeerId(0), elsewhere)]);
    assert_eq!(pair.receiver.counters().value(Counter::PeerMoved), 1);
}

#[test]
fn a_peer_on_ipv6_is_followed_if_the_checksum_of_its_udp_is_right() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(path(Version::V6, Carrier::Udp(NAT_PORT))));
    let packet = udp(Version::V4, 100);
    let [damaged, moved] = [(); 2].map(|()| {
        let mut sealed = pair.seal(&packet).unwrap();
        sealed[23] = 0x77;
        sealed
    });
    let home = pair.receiver.endpoint(PeerId(0));
    assert!(pair.open(&damaged).is_ok());
    assert_eq!(pair.receiver.endpoint(PeerId(0)), home);
    let mut moved = moved;
    let sum = u16::from_be_bytes([moved[46], moved[47]]);
    let sum = wire::checksum::update16(sum, u16::from_be_bytes([0, 1]), u16::from_be_bytes([0, 0x77]));
    moved[46..48].copy_from_slice(&sum.to_be_bytes());
    assert!(pair.open(&moved).is_ok());
    assert_eq!(pair.receiver.notices(NOW).len(), 1);
}

#[test]
fn what_is_sent_to_a_peer_follows_it() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(udp_path()));
    let packet = udp(Version::V4, 100);
    let elsewhere = Endpoint { address: IpAddr::from([198, 51, 100, 9]), port: 7777 };
    pair.sender.move_peer(PeerId(0), elsewhere);
    let sealed = pair.seal(&packet).unwrap();
    assert_eq!((&sealed[16..20], &sealed[22..24]), (&[198, 51, 100, 9][..], &7777_u16.to_be_bytes()[..]));
    assert!(wire::checksum::is_intact(&sealed[..20]));
    // As its translator passes it on.
    let mut translated = sealed;
    translated[22..24].copy_from_slice(&NAT_PORT.to_be_bytes());
    assert!(pair.open(&translated).is_ok());
    // To the other IP it cannot go by this path: sending goes on as it was.
    pair.sender.move_peer(PeerId(0), Endpoint { address: "::1".parse().unwrap(), port: 1 });
    assert_eq!(pair.seal(&packet).unwrap()[16..20], [198, 51, 100, 9]);
}

#[test]
fn paths_that_cannot_be_are_refused() {
    let mut mixed = outbound(udp_path());
    mixed.path.local = "::1".parse().unwrap();
    assert_eq!(OutboundSa::<Aes256Gcm>::new(key(1), mixed, NOW).err(), Some(SaError::MixedVersions));
    let mut narrow = outbound(udp_path());
    narrow.path.mtu = 600;
    let error = OutboundSa::<Aes256Gcm>::new(key(1), narrow, NOW).err();
    assert_eq!(error, Some(SaError::PathTooSmall { mtu: 600, inner: 538 }));
}

#[test]
fn a_path_may_become_narrower_and_wider() {
    let mut sa = OutboundSa::<Aes256Gcm>::new(key(1), outbound(udp_path()), Moment(0)).unwrap();
    let mtu = sa.mtu();
    sa.set_path_mtu(1300).unwrap();
    assert_eq!(sa.mtu(), mtu - 200);
    assert!(sa.set_path_mtu(100).is_err());
    assert_eq!(sa.mtu(), mtu - 200);
}
