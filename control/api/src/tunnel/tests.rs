use std::io::Cursor as Bytes;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Framing;

fn peer() -> PeerName {
    PeerName::new("west.plant-1").unwrap()
}

fn install() -> Order {
    Order::Install(Box::new(Install {
        peer: peer(),
        epoch: 7,
        direction: SaDirection::Outbound,
        queue: 3,
        spi: 0x1234_5678,
        framing: Framing::EtherIp,
        suite: Suite::Aes256Gcm16,
        limits: SaLimits {
            soft_packets: 1 << 28,
            hard_packets: 1 << 30,
            soft_after: Duration::from_mins(10),
            hard_after: Duration::from_mins(90),
        },
        remote: Some(Remote { address: "2001:db8::7".parse().unwrap(), port: 4500 }),
        key: SaKeyMaterial::copied(&std::array::from_fn(|at| u8::try_from(at + 1).unwrap())),
    }))
}

fn bytes_of<M: Message>(message: &M) -> Vec<u8> {
    let mut bytes = Vec::new();
    send(message, &mut bytes).unwrap();
    bytes
}

fn orders() -> Vec<Order> {
    let (peer, epoch) = (peer(), 9);
    vec![
        install(),
        Order::Complete { peer, epoch },
        Order::Probe { peer, epoch },
        Order::Up { peer, epoch },
        Order::Wipe { peer, epoch },
        Order::Expired { peer, epoch },
        Order::Down { peer },
        Order::MtuProbe { peer, size: 1400 },
        Order::PathMtu { peer, mtu: 1380 },
    ]
}

fn reports() -> Vec<Report> {
    let (peer, epoch) = (peer(), 9);
    let remote = Remote { address: IpAddr::from([192, 0, 2, 7]), port: 0 };
    vec![
        Report::Hello { queues: 2, installed: vec![InstalledEpoch { peer, epoch, is_up: true }] },
        Report::Installed { peer, epoch },
        Report::Refused { peer, epoch, why: Objection::StaleEpoch },
        Report::Heard { peer, epoch },
        Report::Wiped { peer, epoch, spis: vec![256, u32::MAX] },
        Report::RekeyWanted { peer, epoch },
        Report::Roamed { peer, remote },
        Report::Counters {
            peer,
            counters: PeerCounters { rx_packets: 1, seal_drops: 9, ..PeerCounters::default() },
        },
        Report::MtuProbeArrived { peer, size: 1400 },
    ]
}

#[test]
fn messages_are_read_as_they_were_sent() {
    let bytes: Vec<u8> = reports().iter().flat_map(bytes_of).collect();
    let mut incoming = Incoming::new(Bytes::new(bytes));
    for expected in reports() {
        assert!(matches!(incoming.receive::<Report>().unwrap(), Arrival::Message(got) if got == expected));
    }
    assert!(matches!(incoming.receive::<Report>().unwrap(), Arrival::Closed));
    let bytes: Vec<u8> = orders().iter().flat_map(bytes_of).collect();
    let mut incoming = Incoming::new(Bytes::new(bytes.clone()));
    let mut again = Vec::new();
    while let Arrival::Message(order) = incoming.receive::<Order>().unwrap() {
        again.extend(bytes_of(&order));
    }
    assert_eq!(again, bytes);
}

#[test]
fn a_key_leaves_no_copy_in_the_buffer() {
    let bytes = bytes_of(&install());
    let mut incoming = Incoming::new(Bytes::new(bytes));
    let Arrival::Message(Order::Install(install)) = incoming.receive().unwrap() else { panic!("an install") };
    assert_eq!(install.key.expose()[35], 36);
    assert!(incoming.is_wiped());
    assert_eq!(format!("{:?}", install.key), "SaKeyMaterial(36 bytes)");
}

#[test]
fn what_is_cut_waits_and_what_is_wrong_ends_the_connection() {
    for bytes in orders().iter().map(bytes_of) {
        for cut in 0..bytes.len() {
            let mut incoming = Incoming::new(Bytes::new(bytes[..cut].to_vec()));
            assert!(matches!(incoming.receive::<Order>(), Ok(Arrival::Closed)), "{cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        let len = u32::try_from(longer.len() - 4).unwrap();
        longer[..4].copy_from_slice(&len.to_be_bytes());
        let wrong = Incoming::new(Bytes::new(longer)).receive::<Order>();
        assert!(matches!(wrong, Err(KeyChannelError::Malformed { .. })));
    }
    for length in [0, u32::MAX, u32::try_from(MAX_MESSAGE).unwrap()] {
        let mut incoming = Incoming::new(Bytes::new(length.to_be_bytes().to_vec()));
        assert!(matches!(incoming.receive::<Order>(), Err(KeyChannelError::Length { .. })), "{length}");
    }
    // A report is no order.
    let report = bytes_of(&Report::Installed { peer: peer(), epoch: 1 });
    assert!(Incoming::new(Bytes::new(report)).receive::<Order>().is_err());
}

#[test]
fn reserved_spis_queues_and_names_that_cannot_be_are_refused() {
    let spoil = |at: usize, with: &[u8]| {
        let mut bytes = bytes_of(&install());
        bytes[at..at + with.len()].copy_from_slice(with);
        Incoming::new(Bytes::new(bytes)).receive::<Order>().is_err()
    };
    let fields = 5;
    assert!(spoil(fields, &[33]) && spoil(fields, &[0]) && spoil(fields + 1, b" "));
    assert!(spoil(fields + 33 + 8, &[3]), "a third direction");
    assert!(spoil(fields + 33 + 8 + 1, &[1, 0]), "queue 256");
    assert!(spoil(fields + 33 + 8 + 3, &[0, 0, 0, 255]), "a reserved index");
    assert!(PeerName::new("").is_none() && PeerName::new(&"x".repeat(33)).is_none());
}

#[test]
fn the_key_socket_lies_beside_the_control_socket() {
    let path = socket_beside(Path::new("/run/wirewarden/dataplane.sock"));
    assert_eq!(path, Path::new("/run/wirewarden/dataplane.sock.keys"));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let mut incoming = Incoming::new(Bytes::new(bytes.clone()));
        while matches!(incoming.receive::<Order>(), Ok(Arrival::Message(_))) {}
        let mut incoming = Incoming::new(Bytes::new(bytes));
        while matches!(incoming.receive::<Report>(), Ok(Arrival::Message(_))) {}
    }
}
