//! Two gateways over packets in memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Config;
use engine::{Counter, Counters, RuleNumber, Verdict};
use packet_io::memory::{Memory, MemoryBuf, MemoryOptions, Room};
use packet_io::{BURST, Burst, Link, PacketIo, PacketMeta};
use tunnel::{
    CoreId, InboundConfig, InboundSa, Limits, OutboundConfig, OutboundSa, SaKey, Sequence, Spi, TfcPadding,
};

use super::act::{Ends, peer_id};
use super::keys::{Looked, short};
use super::plan::Side;
use super::{Exchanged, KeyAnswer, KeyOrder, Mesh, Slots, TunnelPlan, Tunnelling};

const START_NS: u64 = 1_700_000_000_000_000_000;
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 9, 9];

/// One worker of a gateway.
struct Gate {
    tunnelling: Tunnelling<MemoryBuf>,
    counters: Arc<Counters>,
    now_ns: u64,
}

/// What left a gateway on each side.
#[derive(Debug, Default, PartialEq)]
struct Left {
    inside: Vec<Vec<u8>>,
    outside: Vec<Vec<u8>>,
}

fn configuration(own: u8, far: u8, more: &str) -> TunnelPlan {
    let text = format!(
        r#"
version = 1
[[boot.ports]]
name = "lan"
device = "eth0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "eth1"
mode = "inline"
peer = "lan"
[live.tunnel]
outside = "wan"
local = ["192.0.2.{own}"]
inside = ["10.{own}.0.1/16", "fd0{own}::1/64"]
[[live.tunnel.rules]]
filter = "ip"
verdict = "encrypt"
[[live.tunnel.rules]]
filter = "ip6"
verdict = "encrypt"
else = "pass"
[[live.tunnel.peers]]
name = "far"
address = "192.0.2.{far}"
prefixes = ["10.{far}.0.0/16", "fd0{far}::/64"]
ours = ["10.{own}.0.0/16", "fd0{own}::/64"]
{more}
"#
    );
    let config = Config::from_toml(&text, "test").unwrap();
    TunnelPlan::new(&config, &mut Slots::default()).unwrap().unwrap()
}

fn workers(own: u8, far: u8, count: usize, more: &str) -> Vec<Gate> {
    workers_and(None, configuration(own, far, more), count)
}

fn workers_and(exception: Option<&Arc<Exchanged>>, plan: TunnelPlan, count: usize) -> Vec<Gate> {
    let plan = Arc::new(plan);
    let gate = |mesh| {
        let counters = Arc::new(Counters::default());
        let mut tunnelling = Tunnelling::new(mesh, Arc::clone(&counters), exception.cloned());
        tunnelling.set_plan(Some(Arc::clone(&plan)));
        Gate { tunnelling, counters, now_ns: START_NS }
    };
    Mesh::of(count).into_iter().map(gate).collect()
}

fn gate(own: u8, far: u8) -> Gate {
    workers(own, far, 1, "").pop().unwrap()
}

fn memory(frames: &[Vec<u8>]) -> Memory {
    let options = MemoryOptions { room: Room { before: 128, behind: 64 }, ..MemoryOptions::default() };
    let meta = PacketMeta { link: Link::ETHERNET, ..PacketMeta::default() };
    Memory::new(frames.iter().map(|frame| (frame, meta)), options).collecting()
}

impl Gate {
    /// Gives it frames on a side, with the same verdict on all of them.
    fn run(&mut self, side: Side, frames: &[Vec<u8>], verdict: Verdict) -> Left {
        let none: &[Vec<u8>] = &[];
        let [mut inside, mut outside] = match side {
            Side::Inside => [frames, none],
            Side::Outside => [none, frames],
        }
        .map(memory);
        let mut burst = Burst::new();
        for _ in 0..=frames.len().div_ceil(BURST) {
            let mut ends: Ends<'_, Memory> = [&mut inside, &mut outside];
            super::act::end_of(&mut ends, side).receive(&mut burst);
            let opened_from = self.tunnelling.before_engine(side, &mut burst, &mut ends, self.now_ns);
            // What the engine counts.
            self.counters.add(Counter::Received, burst.len() as u64);
            self.counters.add(Counter::Processed, burst.len() as u64);
            self.tunnelling.after_engine(
                side,
                &mut burst,
                (&[verdict; BURST], opened_from),
                &mut ends,
                self.now_ns,
            );
            let other = if side == Side::Inside { Side::Outside } else { Side::Inside };
            super::act::end_of(&mut ends, other).transmit(&mut burst);
            if let Some(through) = self.tunnelling.through() {
                super::act::end_of(&mut ends, other).transmit(through);
            }
        }
        self.assert_conserved();
        let bytes = |memory: &mut Memory| memory.take_sent().into_iter().map(|sent| sent.bytes).collect();
        Left { inside: bytes(&mut inside), outside: bytes(&mut outside) }
    }

    /// Has it do what is done every millisecond; what went out.
    fn tend(&mut self) -> Vec<Vec<u8>> {
        let [mut inside, mut outside] = [memory(&[]), memory(&[])];
        self.now_ns += 1_000_000;
        self.tunnelling.tend(&mut [&mut inside, &mut outside], self.now_ns);
        outside.take_sent().into_iter().map(|sent| sent.bytes).collect()
    }

    fn order(&mut self, order: KeyOrder) -> Left {
        let [mut inside, mut outside] = [memory(&[]), memory(&[])];
        let answer = self.tunnelling.obey(order, &mut [&mut inside, &mut outside], self.now_ns);
        assert!(matches!(answer, KeyAnswer::Done));
        let bytes = |memory: &mut Memory| memory.take_sent().into_iter().map(|sent| sent.bytes).collect();
        Left { inside: bytes(&mut inside), outside: bytes(&mut outside) }
    }

    fn look(&mut self) -> Looked {
        let [mut inside, mut outside] = [memory(&[]), memory(&[])];
        match self.tunnelling.obey(KeyOrder::Look, &mut [&mut inside, &mut outside], self.now_ns) {
            KeyAnswer::Looked(looked) => *looked,
            _ => panic!("not looked"),
        }
    }

    fn value(&self, counter: Counter) -> u64 {
        self.counters.value(counter)
    }

    fn assert_conserved(&self) {
        let ended = self.value(Counter::Processed) + self.value(Counter::Consumed) + self.counters.dropped();
        assert_eq!(self.value(Counter::Received) + self.value(Counter::DroppedLater), ended);
    }

    /// Where the far gateway and the hosts inside are.
    fn knows_neighbours(&mut self, own: u8, far: u8) {
        let addresses: [(Side, IpAddr); 3] = [
            (Side::Outside, [192, 0, 2, far].into()),
            (Side::Inside, [10, own, 0, 2].into()),
            (Side::Inside, format!("fd0{own}::2").parse().unwrap()),
        ];
        for (side, address) in addresses {
            let mac = if side == Side::Inside { HOST_MAC } else { FAR_MAC };
            self.tunnelling.neighbours_of(side).learn(address, mac, self.now_ns);
        }
    }

    fn takes_keys(&mut self, own: u8, far: u8, seed: u8) {
        let plan = configuration(own, far, "");
        let peer = plan.peer(0).unwrap();
        let spi = |sender: u8| Spi::new(0x1000 + u32::from(sender)).unwrap();
        let key = |sender: u8| {
            let fill = |bytes: &mut [u8; 36]| {
                bytes.fill(sender ^ seed);
                Ok::<(), ()>(())
            };
            SaKey::fill(fill).unwrap()
        };
        let inbound = InboundConfig {
            spi: spi(far),
            peer: peer_id(0),
            epoch: short(1),
            framing: peer.framing(),
            selectors: peer.selectors().unwrap().reversed(),
            sequence: Sequence::Extended,
        };
        self.order(KeyOrder::Inbound(Box::new(InboundSa::new(key(far), inbound).unwrap())));
        let outbound = OutboundConfig {
            spi: spi(own),
            peer: peer_id(0),
            epoch: short(1),
            path: peer.path(&plan, None).unwrap(),
            framing: peer.framing(),
            selectors: peer.selectors().unwrap(),
            sequence: Sequence::Extended,
            limits: Limits { hard_after: Duration::from_secs(60), ..Limits::default() },
            padding: TfcPadding::None,
        };
        let sa = OutboundSa::new(key(own), outbound, tunnel::Moment(self.now_ns)).unwrap();
        self.order(KeyOrder::Outbound { slot: 0, epoch: 1, sa: Box::new(sa) });
    }
}

/// Two gateways with keys and neighbours; the first one's are up.
fn pair() -> (Gate, Gate) {
    let (mut east, mut west) = (gate(1, 2), gate(2, 1));
    for (gate, own, far) in [(&mut east, 1, 2), (&mut west, 2, 1)] {
        gate.knows_neighbours(own, far);
        gate.takes_keys(own, far, 0x40);
        gate.order(KeyOrder::Up { slot: 0, epoch: 1 });
    }
    (east, west)
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    [&[2, 0x57, 192, 0, 2, 1][..], &HOST_MAC, &kind, packet].concat()
}

/// A datagram of the host of 10.1/16 to that of 10.2/16.
fn datagram(payload: usize, dont_fragment: u8) -> Vec<u8> {
    let (from, to) = ("10.1.0.2:4000".parse().unwrap(), "10.2.0.2:5000".parse().unwrap());
    let mut packet = sample::packet::udp(from, to, &vec![7; payload]);
    packet[6] = dont_fragment;
    packet[10..12].fill(0);
    let sum = wire::checksum::internet(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn datagram_v6(payload: usize) -> Vec<u8> {
    let (from, to) = ("[fd01::2]:4000".parse().unwrap(), "[fd02::2]:5000".parse().unwrap());
    sample::packet::udp(from, to, &vec![7; payload])
}

const SEAL: Verdict = Verdict::Seal(RuleNumber(0));
const SEAL_OR_PASS: Verdict = Verdict::Seal(RuleNumber(1));

#[test]
fn what_goes_in_at_one_end_comes_out_at_the_other() {
    let (mut east, mut west) = pair();
    let packets = [datagram(10, 0), datagram_v6(700), datagram(1400, 0x40)];
    let frames: Vec<Vec<u8>> = packets.iter().map(|packet| ethernet(packet)).collect();
    let sealed = east.run(Side::Inside, &frames, SEAL).outside;
    assert_eq!(sealed.len(), 3);
    for (sealed, packet) in sealed.iter().zip(&packets) {
        assert_eq!(sealed[..14], [&FAR_MAC[..], &[2, 0x57, 192, 0, 2, 1], &[8, 0]].concat());
        assert_eq!(sealed[23], 50);
        assert!(!sealed.windows(20).any(|window| packet.starts_with(window)));
    }
    let opened = west.run(Side::Outside, &sealed, SEAL).inside;
    let inner: Vec<&[u8]> = opened.iter().map(|frame| &frame[14..]).collect();
    assert_eq!(inner, packets);
    assert!(opened.iter().all(|frame| frame[..12] == [&HOST_MAC[..], &[2, 0x57, 192, 0, 2, 2]].concat()));
    assert_eq!((east.value(Counter::Sealed), west.value(Counter::Opened)), (3, 3));
    assert_eq!((east.look().counters[0].tx_packets, west.look().counters[0].rx_packets), (3, 3));
}

#[test]
fn without_a_key_nothing_leaves_unless_the_rule_says_so() {
    let mut east = gate(1, 2);
    east.knows_neighbours(1, 2);
    let frames = [ethernet(&datagram(10, 0))];
    assert_eq!(east.run(Side::Inside, &frames, SEAL), Left::default());
    assert_eq!(east.value(Counter::DropSealNoSa), 1);
    // Keys that are installed are not used before they are up.
    east.takes_keys(1, 2, 0x40);
    assert_eq!(east.run(Side::Inside, &frames, SEAL), Left::default());
    assert_eq!(east.run(Side::Inside, &frames, SEAL_OR_PASS).outside, frames);
    assert_eq!(east.value(Counter::PassedKeyless), 1);
    // Traffic that no peer has behind it.
    let mut elsewhere = datagram(10, 0);
    elsewhere[17] = 9;
    assert_eq!(east.run(Side::Inside, &[ethernet(&elsewhere)], SEAL), Left::default());
    assert_eq!(east.value(Counter::DropSealNoPeer), 1);
    east.order(KeyOrder::Up { slot: 0, epoch: 1 });
    assert_eq!(east.run(Side::Inside, &frames, SEAL).outside.len(), 1);
    east.order(KeyOrder::Expired { slot: 0, epoch: 1 });
    assert_eq!(east.run(Side::Inside, &frames, SEAL), Left::default());
}

#[test]
fn at_the_hard_limit_sending_stops() {
    let (mut east, _) = pair();
    east.now_ns += 61_000_000_000;
    let frames = [ethernet(&datagram(10, 0))];
    assert_eq!(
        east.run(Side::Inside, &frames, SEAL).outside.iter().filter(|frame| frame[23] == 50).count(),
        0
    );
    assert_eq!(east.value(Counter::DropSealLimit), 1);
    assert_eq!(east.look().counters[0].keyless_drops, 1);
}

#[test]
fn repeated_forged_and_clear_packets_end_at_the_gateway() {
    let (mut east, mut west) = pair();
    let sealed = east.run(Side::Inside, &[ethernet(&datagram(10, 0))], SEAL).outside;
    assert_eq!(west.run(Side::Outside, &sealed, SEAL).inside.len(), 1);
    assert_eq!(west.run(Side::Outside, &sealed, SEAL), Left::default());
    assert_eq!(west.value(Counter::DropOpenReplayed), 1);
    let mut forged = east.run(Side::Inside, &[ethernet(&datagram(10, 0))], SEAL).outside;
    *forged[0].last_mut().unwrap() ^= 1;
    assert_eq!(west.run(Side::Outside, &forged, SEAL), Left::default());
    assert_eq!(west.value(Counter::DropOpenNotAuthentic), 1);
    let counters = west.look().counters[0];
    assert_eq!((counters.replay_drops, counters.auth_drops), (1, 1));
    let clear = [ethernet(&datagram(10, 0))];
    assert_eq!(west.run(Side::Outside, &clear, SEAL), Left::default());
    assert_eq!(west.value(Counter::DropClear), 1);
    assert_eq!(west.run(Side::Outside, &clear, Verdict::Forward).inside.len(), 1, "bypassed");
    west.order(KeyOrder::Wipe { slot: 0, epoch: 1, spis: Arc::from([0x1001]) });
    let late = east.run(Side::Inside, &[ethernet(&datagram(10, 0))], SEAL).outside;
    assert_eq!(west.run(Side::Outside, &late, SEAL), Left::default());
    assert_eq!(west.value(Counter::DropOpenUnknownSpi), 1);
}

#[test]
fn what_is_too_big_is_told_or_goes_in_pieces() {
    let (mut east, mut west) = pair();
    let told = east.run(Side::Inside, &[ethernet(&datagram(1472, 0x40))], SEAL);
    assert!(told.outside.is_empty());
    assert_eq!(told.inside[0][..6], HOST_MAC);
    assert_eq!(told.inside[0][34..36], [3, 4], "fragmentation needed");
    let told = east.run(Side::Inside, &[ethernet(&datagram_v6(1450))], SEAL);
    assert_eq!(told.inside[0][54..56], [2, 0], "packet too big");
    assert_eq!(east.value(Counter::TooBigAnswers), 2);
    let pieces = east.run(Side::Inside, &[ethernet(&datagram(1472, 0))], SEAL).outside;
    assert_eq!(pieces.len(), 2);
    let opened = west.run(Side::Outside, &pieces, SEAL).inside;
    assert_eq!(opened.iter().map(|frame| frame.len() - 34).sum::<usize>(), 1480);
}

#[test]
fn a_packet_of_another_workers_key_is_handed_to_it() {
    let (mut east, _) = pair();
    let mut west = workers(2, 1, 2, "");
    let [first, second] = west.as_mut_slice() else { panic!("two workers") };
    second.knows_neighbours(2, 1);
    second.takes_keys(2, 1, 0x40);
    first.order(KeyOrder::Point(Spi::new(0x1001).unwrap(), CoreId(1)));
    let sealed = east.run(Side::Inside, &[ethernet(&datagram(10, 0))], SEAL).outside;
    assert_eq!(first.run(Side::Outside, &sealed, SEAL), Left::default());
    assert_eq!((first.value(Counter::HandedOver), first.tunnelling.take_exchanged()), (1, -1));
    assert_eq!(second.run(Side::Outside, &[], SEAL).inside.len(), 1);
    assert_eq!(second.tunnelling.take_exchanged(), 1);
}

#[test]
fn our_addresses_are_answered_for_and_others_are_not() {
    let mut east = gate(1, 2);
    let plan = configuration(2, 1, "");
    let question = |side, target: &str| {
        super::neighbours::question(&plan, side, target.parse::<IpAddr>().unwrap()).to_vec()
    };
    let answered = east.run(Side::Outside, &[question(Side::Outside, "192.0.2.1")], SEAL);
    assert_eq!(answered.outside.len(), 1);
    assert_eq!(answered.outside[0][..6], plan.mac);
    let left = east.run(Side::Outside, &[question(Side::Outside, "192.0.2.7")], SEAL);
    assert_eq!(left, Left::default());
    assert_eq!((east.value(Counter::Consumed), east.value(Counter::DropLinkFrame)), (1, 1));
    // A host that asks for its router is known from then on.
    let answered = east.run(Side::Inside, &[question(Side::Inside, "fd01::1")], SEAL);
    assert_eq!(answered.inside.len(), 1);
}

#[test]
fn probes_are_heard_before_keys_are_used() {
    let (mut east, mut west) = (gate(1, 2), gate(2, 1));
    for (gate, own, far) in [(&mut east, 1, 2), (&mut west, 2, 1)] {
        gate.knows_neighbours(own, far);
        gate.takes_keys(own, far, 0x40);
    }
    let probes = east.order(KeyOrder::Probe { slot: 0, epoch: 1 }).outside;
    assert_eq!(probes.len(), 1);
    assert_eq!(west.run(Side::Outside, &probes, SEAL), Left::default());
    assert_eq!((west.value(Counter::DummiesReceived), west.look().heard), (1, vec![0x1001]));
}

#[test]
fn whole_frames_go_through_a_layer_2_tunnel() {
    let more = "[[live.tunnel.peers]]\nname = \"shop\"\naddress = \"192.0.2.9\"\nframing = \"etherip\"\n[[live.tunnel.rules]]\nfilter = \"ethertype 0x88b8\"\nverdict = \"encrypt\"\npeer = \"shop\"\n";
    let mut east = workers(1, 2, 1, more).pop().unwrap();
    let goose = [&[1, 0xc, 0xcd, 1, 0, 1][..], &HOST_MAC, &[0x88, 0xb8], &[9; 60]].concat();
    // Without a key it is dropped as IP is; it is not taken for a frame that nobody carries.
    assert_eq!(east.run(Side::Inside, &[goose], Verdict::Seal(RuleNumber(2))), Left::default());
    assert_eq!((east.value(Counter::DropSealNoSa), east.value(Counter::DropLinkFrame)), (1, 0));
}

#[test]
fn any_frame_is_answered_without_a_panic() {
    let (mut east, mut west) = pair();
    let mut frames = east.run(Side::Inside, &[ethernet(&datagram(200, 0))], SEAL).outside;
    frames.push(ethernet(&datagram_v6(60)));
    frames.push(
        super::neighbours::question(&configuration(2, 1, ""), Side::Outside, [192, 0, 2, 1].into()).to_vec(),
    );
    for frame in &frames {
        for cut in 1..frame.len() {
            let cut = [frame[..cut].to_vec()];
            for side in Side::BOTH {
                west.run(side, &cut, SEAL);
            }
        }
        for at in 0..frame.len().min(60) {
            let mut spoiled = frame.clone();
            spoiled[at] ^= 0xff;
            for side in Side::BOTH {
                west.run(side, core::slice::from_ref(&spoiled), SEAL);
            }
        }
    }
    assert!(west.value(Counter::Opened) <= 60, "what was changed was opened");
}

const EXCEPTION: &str =
    "[boot]\nexception_port = \"ww0\"\n[live.tunnel.exchange]\nlisten = \"192.0.2.1:4510\"\n";

/// A segment between the gateways' daemons.
fn segment(from: [u8; 4], to: [u8; 4], ports: [u16; 2]) -> Vec<u8> {
    let [source, destination] = ports.map(u16::to_be_bytes);
    let head = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    [&head[..], &from, &to, &source, &destination, &[0; 16]].concat()
}

#[test]
fn the_kernel_gets_its_exchange_from_any_worker_and_nothing_else() {
    let exchanged = Exchanged::new(1500);
    let mut gates = workers_and(Some(&exchanged), configuration(1, 2, EXCEPTION), 2);
    let called = segment([192, 0, 2, 2], [192, 0, 2, 1], [50_000, 4510]);
    let others = [
        segment([192, 0, 2, 3], [192, 0, 2, 1], [50_000, 4510]),
        segment([192, 0, 2, 2], [192, 0, 2, 1], [50_000, 22]),
    ];
    for gate in &mut gates {
        let frames = [ethernet(&called), ethernet(&others[0]), ethernet(&others[1])];
        assert_eq!(gate.run(Side::Outside, &frames, SEAL), Left::default());
        assert_eq!(exchanged.for_kernel().unwrap().bytes(), called);
        assert!(exchanged.for_kernel().is_none());
        assert_eq!(
            [Counter::ExceptionIn, Counter::Consumed, Counter::DropClear].map(|one| gate.value(one)),
            [1, 1, 2]
        );
        // From inside it is traffic as any other.
        gate.run(Side::Inside, &[ethernet(&called)], Verdict::Drop);
        assert!(exchanged.for_kernel().is_none());
    }
}

#[test]
fn a_flood_for_the_kernel_is_dropped_and_counted() {
    let exchanged = Exchanged::new(1500);
    let mut gate = workers_and(Some(&exchanged), configuration(1, 2, EXCEPTION), 1).pop().unwrap();
    let mut ping = segment([203, 0, 113, 9], [192, 0, 2, 1], [0x0800, 0]);
    ping[9] = 1;
    gate.run(Side::Outside, &vec![ethernet(&ping); 500], SEAL);
    let at_once = u64::from(super::plan::ANSWERS_AT_ONCE);
    assert_eq!(gate.value(Counter::ExceptionIn), at_once, "a hundred a second");
    assert_eq!(gate.value(Counter::DropExceptionFull), 500 - at_once);
    let called = segment([192, 0, 2, 2], [192, 0, 2, 1], [50_000, 4510]);
    gate.run(Side::Outside, &vec![ethernet(&called); 1000], SEAL);
    assert!(gate.value(Counter::ExceptionIn) < 1000 && gate.value(Counter::DropExceptionFull) > 500);
}

#[test]
fn what_the_kernel_sends_waits_for_its_neighbour_and_not_for_ever() {
    let exchanged = Exchanged::new(1500);
    let mut gate = workers_and(Some(&exchanged), configuration(1, 2, EXCEPTION), 1).pop().unwrap();
    let send = |packet: &[u8]| {
        let mut place = exchanged.free().unwrap();
        let put = |bytes: &mut [u8]| {
            bytes[..packet.len()].copy_from_slice(packet);
            Ok::<_, ()>(Some(packet.len()))
        };
        assert_eq!(place.put(put), Ok(true));
        exchanged.take_out(place);
    };
    let answer = segment([192, 0, 2, 1], [192, 0, 2, 2], [4510, 50_000]);
    send(&answer);
    send(&segment([192, 0, 2, 1], [192, 0, 2, 2], [22, 50_000]));
    let asked = gate.tend();
    assert!(asked.iter().all(|frame| frame[12..14] == [8, 6]) && !asked.is_empty(), "who has it?");
    assert_eq!(gate.value(Counter::ExceptionRefused), 1, "another service of the host's");
    gate.knows_neighbours(1, 2);
    let sent = gate.tend();
    assert_eq!(
        sent,
        [[&FAR_MAC[..], &[2, 0x57, 192, 0, 2, 1], &[8, 0], &answer, &[0; 6]].concat()],
        "padded"
    );
    assert_eq!(gate.value(Counter::ExceptionOut), 1);
    // Nobody answers for the next one.
    let mut gate = workers_and(Some(&exchanged), configuration(1, 2, EXCEPTION), 1).pop().unwrap();
    send(&answer);
    for _ in 0..1002 {
        gate.tend();
    }
    assert_eq!([Counter::ExceptionOut, Counter::ExceptionRefused].map(|one| gate.value(one)), [0, 1]);
    let mut buffers = 0;
    while exchanged.free().is_some() {
        buffers += 1;
    }
    assert_eq!(buffers, 512, "none is lost");
}
