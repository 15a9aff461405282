//! DPDK ports, by the virtual devices that every machine has.
#![cfg(feature = "dpdk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests, with threads and clocks of their own"
)]

mod capture;
mod contract;
#[path = "../packet_io_contract/mod.rs"]
mod packet_io_contract;
mod process;

use std::collections::BTreeMap;

use capture::{Captured, Folder};
use packet_io::dpdk::{
    CoreId, Distribution, DpdkError, DpdkQueue, Duplex, Eal, EalConfig, Mbuf, Memory, Port, PortConfig,
};
use packet_io::{
    BURST, Burst, FlowTuple, IoStats, Link, PacketBuf, PacketIo, ShuntAction, ShuntRefusal, Shunts,
};
use process::{alone, eal, port};

#[test]
fn packets_of_net_null_are_received_and_sent() {
    alone("packets_of_net_null_are_received_and_sent", |memory| {
        let (_eal, port, mut queues) = port(memory, "net_null0,size=200", |config| config);
        let queue = &mut queues[0];
        let mut burst = Burst::new();
        queue.set_clock(1_700_000_000_123_456_789);
        queue.receive(&mut burst);
        assert_eq!((burst.len(), burst.room()), (BURST, 0));
        assert!(burst.bufs().iter().all(|packet| packet.bytes().len() == 200));
        let meta = burst.metas()[0];
        assert_eq!((meta.timestamp_ns, meta.wire_len, meta.interface), (1_700_000_000_123_456_789, 200, 0));
        assert_eq!(meta.link, Link::ETHERNET);
        queue.receive(&mut burst);
        assert_eq!(burst.len(), BURST, "a full burst takes no more");
        queue.transmit(&mut burst);
        assert!(burst.is_empty());
        let packets = IoStats { rx_packets: 64, tx_packets: 64, ..IoStats::default() };
        assert_eq!(queue.stats(), IoStats { rx_bytes: 12_800, tx_bytes: 12_800, ..packets });
        assert_eq!(port.stats().unwrap(), packets, "net_null counts no bytes");
        let named = port.extended_stats().unwrap();
        assert!(named.contains(&("rx_good_packets".to_owned(), 64)), "{named:?}");
    });
}

#[test]
fn every_buffer_comes_back() {
    alone("every_buffer_comes_back", |memory| {
        let (_eal, port, mut queues) = port(memory, "net_null0", |config| config);
        let mut burst = Burst::new();
        for _ in 0..500 {
            queues[0].receive(&mut burst);
            assert_eq!(port.pool().in_use(), 64);
            burst.clear();
        }
        assert_eq!(port.pool().in_use(), 0);
        queues[0].receive(&mut burst);
        drop(burst.drain(10));
        assert_eq!(port.pool().in_use(), 54);
        drop(burst);
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn a_packet_may_outlive_its_port() {
    alone("a_packet_may_outlive_its_port", |memory| {
        let (eal, port, mut queues) = port(memory, "net_null0,size=77", |config| config);
        let mut burst = Burst::new();
        queues[0].receive(&mut burst);
        drop((port, queues, eal));
        let (mut packet, _) = burst.drain(1).next().unwrap();
        packet.bytes_mut().fill(9);
        assert_eq!(packet.bytes(), [9; 77]);
    });
}

#[test]
fn net_ring_keeps_order_and_bytes() {
    alone("net_ring_keeps_order_and_bytes", |memory| {
        let (_eal, port, mut queues) = port(memory, "net_ring0", |config| config);
        let queue = &mut queues[0];
        let (mut sent, mut seen) = (0_u32, 0_u32);
        let mut out = Burst::new();
        while seen < 10_000 {
            while out.room() > 0 {
                let packet =
                    port.pool().packet(&capture::udp([(1, 1), (2, 2)], 60 + sent as usize % 1000, sent));
                assert!(out.push(packet.unwrap(), packet_io::PacketMeta::default()).is_ok());
                sent += 1;
            }
            queue.transmit(&mut out);
            let mut back = Burst::new();
            queue.receive(&mut back);
            for (packet, meta) in back.drain(BURST) {
                assert_eq!(packet.bytes(), capture::udp([(1, 1), (2, 2)], 60 + seen as usize % 1000, seen));
                assert_eq!(meta.wire_len as usize, packet.bytes().len());
                seen += 1;
            }
        }
        out.clear();
        receive_all(queue, |_, _| seen += 1);
        assert_eq!(u64::from(seen), queue.stats().tx_packets);
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn what_a_full_port_does_not_take_stays_in_the_burst() {
    alone("what_a_full_port_does_not_take_stays_in_the_burst", |memory| {
        let (_eal, port, mut queues) = port(memory, "net_ring0", |config| config);
        let (mut burst, mut made) = (Burst::new(), 0);
        while burst.is_empty() {
            while burst.room() > 0 {
                let packet = port.pool().packet(&capture::udp([(1, 1), (2, 2)], 60, made)).unwrap();
                assert!(
                    burst
                        .push(
                            packet,
                            packet_io::PacketMeta { timestamp_ns: made.into(), ..Default::default() }
                        )
                        .is_ok()
                );
                made += 1;
            }
            queues[0].transmit(&mut burst);
        }
        let stats = queues[0].stats();
        assert_eq!(stats.tx_packets + burst.len() as u64, u64::from(made));
        assert_eq!(stats.tx_bytes, 60 * stats.tx_packets);
        let left = made - u32::try_from(burst.len()).unwrap()..made;
        assert!(burst.bufs().iter().map(|packet| capture::number(packet.bytes())).eq(left.clone()));
        assert!(burst.metas().iter().map(|meta| meta.timestamp_ns).eq(left.map(u64::from)));
        burst.clear();
        receive_all(&mut queues[0], |_, _| {});
        assert_eq!(port.pool().in_use(), 0);
    });
}

/// Packets of all lengths, the longest of 9,014 bytes.
fn capture_of_all_lengths() -> Vec<Captured> {
    let lengths = [60, 64, 1514, 2047, 2048, 2049, 4000, 9014];
    (0..400_u32)
        .map(|number| Captured {
            micros: 1_600_000_000_000_000 + u64::from(number) * 1_234_567,
            bytes: capture::udp([(1, 1000), (2, 53)], lengths[number as usize % lengths.len()], number),
        })
        .collect()
}

/// Receives until nothing came 50 times.
fn receive_all(queue: &mut DpdkQueue, mut each: impl FnMut(Mbuf, packet_io::PacketMeta)) {
    let mut burst = Burst::new();
    while queue.idle_bursts() < 50 {
        queue.receive(&mut burst);
        for (packet, meta) in burst.drain(BURST) {
            each(packet, meta);
        }
    }
}

#[test]
fn a_capture_is_received_whole_and_in_order() {
    alone("a_capture_is_received_whole_and_in_order", |memory| {
        let folder = Folder::new("whole");
        let packets = capture_of_all_lengths();
        capture::write(&folder.file("in.pcap"), &packets);
        let device = format!("net_pcap0,rx_pcap={}", folder.file("in.pcap").display());
        let (_eal, port, mut queues) = port(memory, &device, |config| PortConfig { mtu: 9000, ..config });
        let mut seen = Vec::new();
        queues[0].set_clock(7);
        receive_all(&mut queues[0], |packet, meta| {
            assert_eq!(meta.wire_len as usize, packet.bytes().len());
            assert_eq!(meta.timestamp_ns % 1000, 0);
            seen.push(Captured { micros: meta.timestamp_ns / 1000, bytes: packet.bytes().to_vec() });
        });
        assert!(seen == packets, "{} of {} packets, or not the same", seen.len(), packets.len());
        let stats = port.stats().unwrap();
        assert_eq!((stats.rx_packets, stats.rx_errors, stats.rx_missed), (400, 0, 0));
        assert_eq!(stats.rx_bytes, packets.iter().map(|packet| packet.bytes.len() as u64).sum::<u64>());
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn a_packet_longer_than_the_buffers_is_an_error_that_counts() {
    alone("a_packet_longer_than_the_buffers_is_an_error_that_counts", |memory| {
        let folder = Folder::new("long");
        let packets = capture_of_all_lengths();
        capture::write(&folder.file("in.pcap"), &packets);
        let device = format!("net_pcap0,rx_pcap={}", folder.file("in.pcap").display());
        let (_eal, port, mut queues) = port(memory, &device, |config| config);
        let mut received = 0;
        receive_all(&mut queues[0], |packet, _| {
            assert!(packet.bytes().len() <= 2048);
            received += 1;
        });
        let stats = queues[0].stats();
        assert_eq!((received, stats.rx_packets, stats.rx_errors), (250, 250, 150));
        let stats = port.stats().unwrap();
        assert_eq!((stats.rx_packets, stats.rx_errors), (250, 150));
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn what_is_sent_to_a_capture_is_there() {
    alone("what_is_sent_to_a_capture_is_there", |memory| {
        let folder = Folder::new("sent");
        let packets = capture_of_all_lengths();
        capture::write(&folder.file("in.pcap"), &packets);
        let paths = (folder.file("in.pcap"), folder.file("out.pcap"));
        let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", paths.0.display(), paths.1.display());
        let (_eal, port, mut queues) = port(memory, &device, |config| PortConfig { mtu: 9000, ..config });
        let mut burst = Burst::new();
        while queues[0].idle_bursts() < 50 {
            queues[0].receive(&mut burst);
            queues[0].transmit(&mut burst);
        }
        assert_eq!(port.stats().unwrap().tx_packets, 400);
        drop((port, queues));
        let expected: Vec<_> = packets.into_iter().map(|packet| packet.bytes).collect();
        assert!(capture::read(&paths.1) == expected);
    });
}

/// 40 flows of 25 packets, every other one in the other direction.
fn conversations() -> Vec<Captured> {
    (0..1000_u32)
        .map(|number| {
            let flow = number % 40;
            let (client, server) = ((u8::try_from(flow).unwrap(), 30_000), (200, 443));
            let ends = if number / 40 % 2 == 0 { [client, server] } else { [server, client] };
            Captured { micros: u64::from(number), bytes: capture::udp(ends, 90, number) }
        })
        .collect()
}

#[test]
fn workers_without_rss_share_a_queue_by_flow() {
    alone("workers_without_rss_share_a_queue_by_flow", |memory| {
        let folder = Folder::new("shared");
        capture::write(&folder.file("in.pcap"), &conversations());
        let paths = (folder.file("in.pcap"), folder.file("out.pcap"));
        let device = format!("net_pcap0,rx_pcap={},tx_pcap={}", paths.0.display(), paths.1.display());
        let (eal, port, queues) = port(memory, &device, |config| PortConfig { workers: 3, ..config });
        assert_eq!(port.distribution(), Distribution::Software);
        let seen: Vec<Vec<u32>> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                queues.into_iter().map(|queue| scope.spawn(|| forward_all(&eal, queue))).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        assert!(
            seen.iter().all(|numbers| numbers.len() > 100),
            "{:?}",
            seen.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert_eq!(seen.iter().map(Vec::len).sum::<usize>(), 1000);
        let mut worker_of_flow = BTreeMap::new();
        for (worker, numbers) in seen.iter().enumerate() {
            assert!(numbers.is_sorted(), "worker {worker} got packets out of order");
            for number in numbers {
                assert_eq!(*worker_of_flow.entry(number % 40).or_insert(worker), worker);
            }
        }
        let stats = port.stats().unwrap();
        assert_eq!((stats.rx_packets, stats.rx_missed, stats.tx_packets), (1000, 0, 1000));
        assert_eq!(port.pool().in_use(), 0);
        drop(port);
        let mut sent: Vec<u32> = capture::read(&paths.1).iter().map(|frame| capture::number(frame)).collect();
        sent.sort_unstable();
        assert!(sent.into_iter().eq(0..1000));
    });
}

/// One worker: sends every packet back, until nothing came for a while; the numbers of the packets.
fn forward_all(eal: &Eal, mut queue: DpdkQueue) -> Vec<u32> {
    let registered = eal.register_thread(CoreId(0)).unwrap();
    let mut numbers = Vec::new();
    let mut burst = Burst::new();
    let mut quiet_since = std::time::Instant::now();
    while quiet_since.elapsed().as_millis() < 300 {
        queue.receive(&mut burst);
        numbers.extend(burst.bufs().iter().map(|packet| capture::number(packet.bytes())));
        if !burst.is_empty() {
            quiet_since = std::time::Instant::now();
        }
        queue.transmit(&mut burst);
        std::thread::yield_now();
    }
    assert!(burst.is_empty());
    drop(queue);
    drop(registered);
    numbers
}

#[test]
fn a_full_ring_loses_packets_and_says_so() {
    alone("a_full_ring_loses_packets_and_says_so", |memory| {
        let folder = Folder::new("full");
        capture::write(&folder.file("in.pcap"), &conversations());
        let device = format!("net_pcap0,rx_pcap={}", folder.file("in.pcap").display());
        let config = |config| PortConfig { workers: 2, handover_ring: 63, ..config };
        let (_eal, port, mut queues) = port(memory, &device, config);
        let (mut first, mut second) = (0, 0);
        receive_all(&mut queues[0], |_, _| first += 1);
        assert_eq!(port.pool().in_use(), 63);
        receive_all(&mut queues[1], |_, _| second += 1);
        assert_eq!(second, 63);
        let missed = queues[1].stats().rx_missed;
        assert_eq!(first + second + missed, 1000);
        let stats = port.stats().unwrap();
        assert_eq!((stats.rx_packets, stats.rx_missed), (first + second, missed));
        assert_eq!(stats.rx_bytes, 90 * (first + second));
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn several_queues_of_a_device_can_feed_one_worker() {
    alone("several_queues_of_a_device_can_feed_one_worker", |memory| {
        let folder = Folder::new("several");
        let packets = conversations();
        capture::write(&folder.file("a.pcap"), &packets[..500]);
        capture::write(&folder.file("b.pcap"), &packets[500..]);
        let paths = (folder.file("a.pcap"), folder.file("b.pcap"));
        let device = format!("net_pcap0,rx_pcap={},rx_pcap={}", paths.0.display(), paths.1.display());
        let (_eal, _port, mut queues) =
            port(memory, &device, |config| PortConfig { device_queues: 2, ..config });
        let mut numbers = Vec::new();
        receive_all(&mut queues[0], |packet, _| numbers.push(capture::number(packet.bytes())));
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
    });
}

#[test]
fn a_port_tells_what_it_is() {
    alone("a_port_tells_what_it_is", |memory| {
        let eal = eal(memory, &["net_null0", "net_ring0"]).unwrap();
        let ports = eal.ports().unwrap();
        assert_eq!(ports.len(), 2);
        let null = ports.iter().find(|port| port.name == "net_null0").unwrap();
        assert_eq!((null.driver.as_str(), null.has_rss), ("net_null", false));
        assert_ne!(null.mac, [0; 6]);
        let ring = ports.iter().find(|port| port.name == "net_ring0").unwrap();
        assert_eq!((ring.driver.as_str(), ring.has_rss), ("net_ring", false));
        let config = PortConfig { mtu: 3000, ..PortConfig::new("net_ring0".parse().unwrap()) };
        let (port, _queues) = Port::start(&eal, &config).unwrap();
        let link = port.link().unwrap();
        assert_eq!((link.is_up, link.speed_mbps, link.duplex), (true, Some(10_000), Duplex::Full));
        assert_eq!(port.info().unwrap().mtu, 3000);
    });
}

#[test]
fn dpdk_starts_once() {
    alone("dpdk_starts_once", |memory| {
        let first = eal(memory, &["net_null0"]).unwrap();
        assert!(matches!(eal(memory, &["net_null1"]), Err(DpdkError::AlreadyStarted)));
        drop(first);
        assert!(matches!(eal(memory, &["net_null0"]), Err(DpdkError::AlreadyStarted)));
    });
}

#[test]
fn a_device_that_dpdk_cannot_make_is_named() {
    alone("a_device_that_dpdk_cannot_make_is_named", |memory| {
        let Err(error) = eal(memory, &["net_null0", "net_nonsense0,a=b"]) else { panic!("started") };
        let DpdkError::DeviceRefused { device, .. } = &error else { panic!("{error}") };
        assert_eq!(device.name(), "net_nonsense0");
        assert!(error.to_string().starts_with("net_nonsense0,a=b: "), "{error}");
    });
}

#[test]
fn arguments_that_the_driver_refuses_are_an_error() {
    alone("arguments_that_the_driver_refuses_are_an_error", |memory| {
        let Err(error) = eal(memory, &["net_pcap0,rx_pcap=/nonexistent/in.pcap"]) else { panic!("started") };
        assert!(
            matches!(&error, DpdkError::DeviceRefused { device, .. } if device.name() == "net_pcap0"),
            "{error}"
        );
    });
}

#[test]
fn a_port_is_started_once_and_within_its_bounds() {
    alone("a_port_is_started_once_and_within_its_bounds", |memory| {
        let eal = eal(memory, &["net_null0"]).unwrap();
        let config = PortConfig::new("net_null0".parse().unwrap());
        let tiny = PortConfig { mtu: 10, ..config.clone() };
        assert!(matches!(Port::start(&eal, &tiny), Err(DpdkError::Mtu { asked: 10, .. })));
        let nobody = PortConfig { workers: 0, ..config.clone() };
        assert!(matches!(Port::start(&eal, &nobody), Err(DpdkError::NoWorkers { .. })));
        let (_port, queues) = Port::start(&eal, &config).unwrap();
        assert!(
            matches!(Port::start(&eal, &config), Err(DpdkError::PortInUse { name }) if name == "net_null0")
        );
        drop(queues);
        let other = PortConfig::new("net_null1".parse().unwrap());
        assert!(matches!(Port::start(&eal, &other), Err(DpdkError::DeviceNotFound { .. })));
    });
}

#[test]
fn a_pool_that_cannot_be_had_is_an_error() {
    alone("a_pool_that_cannot_be_had_is_an_error", |memory| {
        let eal = eal(memory, &["net_null0"]).unwrap();
        let config = PortConfig { mbufs: Some(1 << 30), ..PortConfig::new("net_null0".parse().unwrap()) };
        assert!(matches!(Port::start(&eal, &config), Err(DpdkError::Pool { mbufs, .. }) if mbufs == 1 << 30));
    });
}

#[test]
fn hugepages_that_are_not_there_are_an_error_that_names_the_script() {
    alone("hugepages_that_are_not_there_are_an_error_that_names_the_script", |memory| {
        let Memory::NoHuge { .. } = memory else { return };
        if packet_io::dpdk::free_hugepages_mib() > 0 {
            return;
        }
        let Err(error) = eal(Memory::Hugepages { mib: None }, &["net_null0"]) else { panic!("started") };
        assert!(error.to_string().contains("scripts/hugepages.sh reserve"), "{error}");
        assert!(eal(memory, &["net_null0"]).is_ok(), "the refusal was not DPDK's");
    });
}

#[test]
fn a_registered_thread_runs_on_its_core() {
    alone("a_registered_thread_runs_on_its_core", |memory| {
        let (eal, port, mut queues) = port(memory, "net_null0", |config| config);
        let mut burst = Burst::new();
        queues[0].receive(&mut burst);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let registered = eal.register_thread(CoreId(0)).unwrap();
                let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
                assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
                burst.clear();
                drop(registered);
                let again = eal.register_thread(CoreId(0)).unwrap();
                assert!(std::ptr::eq(again.eal(), again.eal()));
            });
        });
        assert_eq!(port.pool().in_use(), 0, "buffers freed by another thread are back");
        let nowhere = CoreId(1000);
        assert!(
            matches!(eal.register_thread(nowhere), Err(DpdkError::Affinity { core, .. }) if core == nowhere)
        );
        let beyond = CoreId(u16::MAX);
        assert!(matches!(eal.register_thread(beyond), Err(DpdkError::Affinity { .. })));
    });
}

#[test]
fn a_packet_grows_and_shrinks_within_its_buffer() {
    alone("a_packet_grows_and_shrinks_within_its_buffer", |memory| {
        let (_eal, port, _queues) = port(memory, "net_null0", |config| config);
        let mut packet = port.pool().packet(b"payload").unwrap();
        packet.prepend(4).unwrap().copy_from_slice(b"head");
        packet.append(4).unwrap().copy_from_slice(b"tail");
        assert_eq!(packet.bytes(), b"headpayloadtail");
        packet.trim_front(4).unwrap();
        packet.truncate(7);
        assert_eq!(packet.bytes(), b"payload");
        assert!(
            packet.prepend(1000).is_none() && packet.append(3000).is_none() && packet.trim_front(8).is_none()
        );
        assert_eq!(packet.bytes(), b"payload");
        assert!(packet.append(u16::MAX).is_none() && packet.prepend(u16::MAX).is_none());
        assert_eq!(packet.bytes(), b"payload");
        assert!(port.pool().packet(&[0; 2048]).is_some());
        assert!(port.pool().packet(&[0; 2049]).is_none());
        assert!(port.pool().packet(&[0; 70_000]).is_none());
        drop(packet);
        assert_eq!(port.pool().in_use(), 0);
    });
}

#[test]
fn a_queue_keeps_the_promises_of_every_backend() {
    alone("a_queue_keeps_the_promises_of_every_backend", contract::check);
}

#[test]
fn without_a_device_dpdk_does_not_start() {
    assert!(matches!(Eal::init(&EalConfig::new(Vec::new())), Err(DpdkError::NoPorts)));
}

#[test]
fn a_port_without_rules_that_count_says_so_and_goes_on_receiving() {
    alone("a_port_without_rules_that_count_says_so_and_goes_on_receiving", |memory| {
        // A tap has rules, by the kernel's traffic control, which do not count; the null device has none.
        let device =
            if std::path::Path::new("/dev/net/tun").exists() && memory == (Memory::NoHuge { mib: 192 }) {
                "net_tap0,iface=wwrules0"
            } else {
                "net_null0"
            };
        let (_eal, port, mut queues) = port(memory, device, |config| config);
        let mut rules = port.flow_rules();
        for (upper, protocol, vlans) in [("192.0.2.1:443", 6, [0, 0]), ("192.0.2.1:443", 17, [7, 9])] {
            let flow = FlowTuple {
                lower: "10.0.0.1:40000".parse().unwrap(),
                upper: upper.parse().unwrap(),
                protocol,
                vlans,
            };
            for action in [ShuntAction::Drop, ShuntAction::Pass, ShuntAction::Forward] {
                assert_eq!(rules.begin(&flow, action), Err(ShuntRefusal::Unsupported), "{device}");
            }
            assert_eq!((rules.counted(&flow), rules.end(&flow)), (None, None));
        }
        let mut burst = Burst::new();
        queues[0].receive(&mut burst);
        if device == "net_null0" {
            assert_eq!(burst.len(), BURST);
        } else {
            // The kernel greets a new interface by IPv6.
            assert!(burst.bufs().iter().all(|packet| packet.bytes()[12..14] == [0x86, 0xdd]));
        }
    });
}
