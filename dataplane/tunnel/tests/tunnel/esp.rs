//! Packets through a tunnel: every combination of what is inside and what carries it, with every engine.

use crate::support::{self, HEAD, NOW, Pair, class, outbound, path, set_class, udp};
use tunnel::{
    Aead, Aes256Gcm, AwsLc, Carrier, Counter, DscpMode, EcnMode, Framing, HEADROOM, NAT_PORT, OpenRefusal,
    Opened, Packet, Prefix, SealRefusal, Selector, Selectors, Sequence, TAILROOM, TfcPadding, Version,
};
use wire::checksum::{self, Pseudo, ZeroChecksum};

const VERSIONS: [Version; 2] = [Version::V4, Version::V6];
const CARRIERS: [Carrier; 2] = [Carrier::Ip, Carrier::Udp(NAT_PORT)];

/// Outer headers are what their RFCs say.
fn check_outer(sealed: &[u8], version: Version, carrier: Carrier) {
    let protocol = if carrier == Carrier::Ip { 50 } else { 17 };
    let ip = match version {
        Version::V4 => {
            assert!(checksum::is_intact(&sealed[..20]));
            assert_eq!(usize::from(u16::from_be_bytes([sealed[2], sealed[3]])), sealed.len());
            assert_eq!((sealed[6], sealed[9]), (0x40, protocol), "DF is set");
            20
        }
        Version::V6 => {
            assert_eq!(usize::from(u16::from_be_bytes([sealed[4], sealed[5]])) + 40, sealed.len());
            assert_eq!(sealed[6], protocol);
            40
        }
    };
    let mut esp = ip;
    if carrier != Carrier::Ip {
        assert_eq!(usize::from(u16::from_be_bytes([sealed[ip + 4], sealed[ip + 5]])) + ip, sealed.len());
        if version == Version::V6 {
            let pseudo = Pseudo::Ipv6(sealed[8..24].try_into().unwrap(), sealed[24..40].try_into().unwrap());
            assert!(checksum::udp_is_intact(&sealed[ip..], pseudo, ZeroChecksum::Wrong));
        }
        esp += 8;
    }
    assert_eq!(sealed[esp..esp + 4], support::SPI.to_be_bytes());
    assert_eq!((sealed.len() - esp) % 4, 0);
}

fn round_trips<A: Aead>() {
    for outer in VERSIONS {
        for inner in VERSIONS {
            for carrier in CARRIERS {
                let mut pair = Pair::<A>::new(outbound(path(outer, carrier)));
                for payload in (0..70).chain([255, 256, 1000, 1300]) {
                    let packet = udp(inner, payload);
                    let sealed = pair.seal(&packet).unwrap();
                    check_outer(&sealed, outer, carrier);
                    assert!(
                        payload < 16
                            || !sealed.windows(16).any(|piece| piece == &packet[packet.len() - 16..])
                    );
                    assert_eq!(pair.open(&sealed), Ok((Opened::Ip(inner), packet)));
                    assert_eq!(pair.open(&sealed), Err(OpenRefusal::Replayed));
                }
                let counters = pair.receiver.counters();
                assert_eq!(counters.value(Counter::Opened), counters.value(Counter::OpenReplayed));
                assert_eq!(pair.sender.counters().value(Counter::Sealed), counters.value(Counter::Opened));
            }
        }
    }
}

#[test]
fn what_goes_in_comes_out_four_ways_with_and_without_udp() {
    round_trips::<Aes256Gcm>();
    round_trips::<AwsLc>();
}

#[test]
fn the_largest_packet_fills_the_path_and_one_byte_more_is_too_big() {
    for outer in VERSIONS {
        for carrier in CARRIERS {
            for mtu in 1400..1420 {
                let mut way = path(outer, carrier);
                way.mtu = mtu;
                let mut pair = Pair::<Aes256Gcm>::new(outbound(way));
                let most = pair.sender.outbound.sa(pair.policy).unwrap().mtu();
                let payload = usize::from(most) - 28;
                let sealed = pair.seal(&udp(Version::V4, payload)).unwrap();
                assert!(sealed.len() <= usize::from(mtu) && sealed.len() + 4 > usize::from(mtu));
                let larger = udp(Version::V4, payload + 1);
                assert_eq!(pair.seal(&larger), Err(SealRefusal::NeedsFragments { mtu: most }));
                let mut unfragmented = larger;
                unfragmented[6] = 0x40;
                support::fix(&mut unfragmented);
                assert_eq!(pair.seal(&unfragmented), Err(SealRefusal::TooBig { mtu: most }));
                assert_eq!(
                    pair.seal(&udp(Version::V6, usize::from(most) - 47)),
                    Err(SealRefusal::TooBig { mtu: most })
                );
            }
        }
    }
}

#[test]
fn ipv6_of_1280_bytes_on_a_path_that_is_too_narrow_is_refused_without_an_answer() {
    let mut way = path(Version::V6, Carrier::Ip);
    way.mtu = 1280;
    let mut pair = Pair::<Aes256Gcm>::new(outbound(way));
    assert_eq!(pair.seal(&udp(Version::V6, 1232)), Err(SealRefusal::PathBelowMinimum));
}

#[test]
fn link_padding_behind_a_packet_is_not_sealed() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(path(Version::V4, Carrier::Ip)));
    let packet = udp(Version::V4, 5);
    let mut padded = packet.clone();
    padded.resize(46, 0xee);
    let sealed = pair.seal(&padded).unwrap();
    assert_eq!(sealed.len(), pair.seal(&packet).unwrap().len());
    let mut on_the_wire = sealed;
    on_the_wire.extend([0; 7]);
    assert_eq!(pair.open(&on_the_wire), Ok((Opened::Ip(Version::V4), packet)));
}

#[test]
fn head_and_tail_room_suffice_and_less_is_refused_without_a_number() {
    let config = outbound(path(Version::V6, Carrier::Udp(NAT_PORT)));
    let mut pair = Pair::<Aes256Gcm>::new(config);
    let mut sa_seal = |head: usize, tail: usize| {
        let bytes = udp(Version::V4, 101);
        let mut storage = vec![0; head];
        storage.extend(&bytes);
        storage.resize(storage.len() + tail, 0);
        let mut packets = [Packet::new(&mut storage, head..head + bytes.len()).unwrap()];
        let mut results = [Ok(())];
        pair.sender.seal(pair.policy, &mut packets, &mut results, NOW);
        (
            results[0],
            packets[0].bytes().len() == bytes.len(),
            pair.sender.outbound.sa(pair.policy).unwrap().sealed(),
        )
    };
    assert_eq!(sa_seal(63, TAILROOM), (Err(SealRefusal::NoRoom), true, 0));
    assert_eq!(sa_seal(HEADROOM, 16), (Err(SealRefusal::NoRoom), true, 0));
    assert_eq!(sa_seal(HEADROOM, TAILROOM), (Ok(()), false, 1));
}

#[test]
fn frames_cross_in_etherip_and_in_gre() {
    // GOOSE (IEC 61850-8-1) has no IP; the tunnel does not care.
    let mut frame = vec![1, 0x0c, 0xcd, 1, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0xb8];
    frame.extend([7; 100]);
    for (framing, overhead) in [(Framing::EtherIp, 2), (Framing::Gre, 4)] {
        for outer in VERSIONS {
            for carrier in CARRIERS {
                let mut config = outbound(path(outer, carrier));
                config.framing = framing;
                let mut pair = Pair::<Aes256Gcm>::new(config);
                let sealed = pair.seal(&frame).unwrap();
                check_outer(&sealed, outer, carrier);
                assert_eq!(pair.open(&sealed), Ok((Opened::Ethernet, frame.clone())));
                assert_eq!(pair.seal(&frame[..13]), Err(SealRefusal::Malformed));
                let most = pair.sender.outbound.sa(pair.policy).unwrap().mtu();
                assert_eq!(
                    pair.seal(&vec![1; usize::from(most) + 1]),
                    Err(SealRefusal::TooBig { mtu: most })
                );
                let largest = pair.seal(&vec![1; usize::from(most)]).unwrap();
                assert!(largest.len() <= 1500 && largest.len() + 4 > 1500, "{overhead}");
            }
        }
    }
}

#[test]
fn an_sa_of_ip_takes_no_frames_and_the_other_way_round() {
    for (sent, taken) in
        [(Framing::EtherIp, Framing::Ip), (Framing::Ip, Framing::Gre), (Framing::Gre, Framing::EtherIp)]
    {
        let mut config = outbound(path(Version::V4, Carrier::Ip));
        config.framing = sent;
        let mut pair = Pair::<Aes256Gcm>::new(config);
        let mut expects = outbound(path(Version::V4, Carrier::Ip));
        expects.framing = taken;
        let mut other = Pair::<Aes256Gcm>::new(expects);
        let sealed = pair.seal(&udp(Version::V4, 50)).unwrap();
        assert_eq!(other.open(&sealed), Err(OpenRefusal::WrongFraming));
        assert_eq!(other.receiver.counters().value(Counter::OpenWrongFraming), 1);
    }
}

#[test]
fn congestion_marks_and_classes_cross_as_rfc_6040_says() {
    const CE: u8 = 3;
    for outer in VERSIONS {
        for inner in VERSIONS {
            let mut pair = Pair::<Aes256Gcm>::new(outbound(path(outer, Carrier::Ip)));
            for ecn in 0..4 {
                let mut packet = udp(inner, 20);
                set_class(&mut packet, 0xb8 | ecn);
                let mut sealed = pair.seal(&packet).unwrap();
                assert_eq!(class(&sealed), 0xb8 | ecn);
                set_class(&mut sealed, 0x50 | CE);
                let opened = pair.open(&sealed);
                if ecn == 0 {
                    assert_eq!(opened, Err(OpenRefusal::CongestionLoss));
                    continue;
                }
                set_class(&mut packet, 0xb8 | CE);
                assert_eq!(opened, Ok((Opened::Ip(inner), packet)), "DSCP stays the inner one");
            }
        }
    }
}

#[test]
fn a_fixed_class_and_compatibility_mode_show_nothing_of_the_inner_packet() {
    let mut way = path(Version::V4, Carrier::Ip);
    way.dscp = DscpMode::Fixed(10);
    way.ecn = EcnMode::Compatibility;
    let mut pair = Pair::<Aes256Gcm>::new(outbound(way));
    let mut packet = udp(Version::V6, 20);
    set_class(&mut packet, 0xff);
    assert_eq!(class(&pair.seal(&packet).unwrap()), 10 << 2);
}

#[test]
fn only_selected_traffic_goes_in_or_comes_out() {
    let prefix = |text: &str| Prefix::new(text.parse().unwrap(), 16).unwrap();
    let narrow = Selectors::new(Selector::between(prefix("10.1.0.0"), prefix("10.2.0.0"))).unwrap();
    let mut config = outbound(path(Version::V4, Carrier::Ip));
    config.selectors = narrow;
    let mut narrow = Pair::<Aes256Gcm>::new(config);
    let mut wide = Pair::<Aes256Gcm>::new(outbound(path(Version::V4, Carrier::Ip)));
    let mut stranger = udp(Version::V4, 30);
    stranger[15] = 9;
    stranger[13] = 9;
    support::fix(&mut stranger);
    assert_eq!(narrow.seal(&stranger), Err(SealRefusal::NotSelected));
    let sealed = wide.seal(&stranger).unwrap();
    // The same key: what the wide sender seals is authentic to the narrow receiver.
    assert_eq!(narrow.open(&sealed), Err(OpenRefusal::NotSelected));
    let sealed = wide.seal(&udp(Version::V4, 30)).unwrap();
    assert!(narrow.open(&sealed).is_ok());
    assert_eq!(narrow.sender.outbound.policy_for(&stranger), None);
    assert_eq!(narrow.sender.outbound.policy_for(&udp(Version::V4, 3)), Some(narrow.policy));
}

#[test]
fn padding_against_analysis_makes_lengths_alike_and_dummies_come_to_nothing() {
    let mut config = outbound(path(Version::V4, Carrier::Udp(NAT_PORT)));
    config.padding = TfcPadding::Multiple(256);
    let mut pair = Pair::<Aes256Gcm>::new(config);
    let lengths: Vec<usize> = [10, 50, 100, 200]
        .into_iter()
        .map(|payload| {
            let packet = udp(Version::V4, payload);
            let mut storage = vec![0xa5; 2048];
            storage[HEAD..HEAD + packet.len()].copy_from_slice(&packet);
            let mut packets = [Packet::new(&mut storage, HEAD..HEAD + packet.len()).unwrap()];
            let mut results = [Ok(())];
            pair.sender.seal(pair.policy, &mut packets, &mut results, NOW);
            results[0].unwrap();
            assert_eq!(pair.open(packets[0].bytes()), Ok((Opened::Ip(Version::V4), packet)));
            packets[0].len()
        })
        .collect();
    assert!(lengths.iter().all(|length| *length == lengths[0]), "{lengths:?}");
    let mut storage = [0; 1024];
    let mut dummy = Packet::new(&mut storage, HEAD..HEAD).unwrap();
    pair.sender.seal_dummy(pair.policy, &mut dummy, 254, NOW).unwrap();
    assert_eq!(dummy.len(), lengths[0]);
    assert_eq!(pair.open(dummy.bytes()).map(|(opened, _)| opened), Ok(Opened::Dummy));
    assert_eq!(pair.open(dummy.bytes()), Err(OpenRefusal::Replayed));
}

#[test]
fn numbers_of_32_bits_serve_peers_that_know_no_others() {
    let mut config = outbound(path(Version::V4, Carrier::Ip));
    config.sequence = Sequence::Short;
    let mut short = Pair::<Aes256Gcm>::new(config);
    let mut extended = Pair::<Aes256Gcm>::new(outbound(path(Version::V4, Carrier::Ip)));
    let packet = udp(Version::V4, 40);
    let sealed = short.seal(&packet).unwrap();
    assert_eq!(extended.open(&sealed), Err(OpenRefusal::NotAuthentic), "the high half is authenticated");
    assert_eq!(short.open(&sealed), Ok((Opened::Ip(Version::V4), packet)));
}

#[test]
fn what_is_not_esp_is_told_apart() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(path(Version::V4, Carrier::Udp(NAT_PORT))));
    let mut outer = |payload: &[u8], port: u16| {
        let mut packet = udp(Version::V4, payload.len());
        packet[22..24].copy_from_slice(&port.to_be_bytes());
        packet[28..].copy_from_slice(payload);
        pair.open(&packet).map(|(opened, _)| opened)
    };
    assert_eq!(outer(&[0xff], NAT_PORT), Ok(Opened::KeepAlive));
    assert_eq!(outer(&[0, 0, 0, 0, 1, 2, 3], NAT_PORT), Ok(Opened::NonEsp));
    assert_eq!(outer(&[0; 40], 4501), Err(OpenRefusal::NotTunnelled));
    assert_eq!(outer(&[0xff, 0xff], NAT_PORT), Err(OpenRefusal::Truncated));
    assert_eq!(outer(&[9; 40], NAT_PORT), Err(OpenRefusal::UnknownSpi));
    let mut short = support::SPI.to_be_bytes().to_vec();
    short.extend([0; 29]);
    assert_eq!(outer(&short, NAT_PORT), Err(OpenRefusal::Truncated));
    let mut fragment = udp(Version::V4, 40);
    fragment[6] = 0x20;
    assert_eq!(pair.open(&fragment), Err(OpenRefusal::Fragment));
    assert_eq!(pair.open(&[0x45; 7]), Err(OpenRefusal::MalformedOuter));
    assert_eq!(pair.open(&[]), Err(OpenRefusal::MalformedOuter));
}

#[test]
fn every_packet_is_in_one_counter() {
    let mut pair = Pair::<Aes256Gcm>::new(outbound(path(Version::V4, Carrier::Ip)));
    let sealed = pair.seal(&udp(Version::V4, 40)).unwrap();
    let mut forged = pair.seal(&udp(Version::V4, 40)).unwrap();
    forged[60] ^= 4;
    let given = [sealed.clone(), sealed, forged, vec![0; 3], udp(Version::V6, 9)];
    for packet in &given {
        let _ = pair.open(packet);
    }
    let of_packets = pair.receiver.counters().iter().filter(|(counter, _)| {
        !matches!(
            counter,
            Counter::OpenedBytes | Counter::PeerMoved | Counter::NoticesLost | Counter::MssClamped
        )
    });
    assert_eq!(of_packets.map(|(_, value)| value).sum::<u64>(), given.len() as u64);
}
