//! What the engine does to memory: nothing in steady state, little for a million flows, and no more under a flood.

#![expect(unsafe_code, reason = "a global allocator that counts can be had in no other way")]
#![expect(clippy::disallowed_types, reason = "tests of a process's memory wait for each other")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrayvec::ArrayVec;
use engine::record::Body;
use engine::{Counter, Counters, Engine, EngineConfig, Frame, MAX_BURST, Plan, RecordBatch, Verdict};
use sample::content::tls::Group;
use sample::content::{dns, http, tls};
use sample::conversation::{Connection, Parties};
use sample::packet::{self, ACK, SYN, TcpHeader, Way};
use sample::random::Random;
use sample::{START_NS, load};
use wire::LinkType;

/// Counts what its thread asks for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has no cell any more, and nothing to tell.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's layout, as the contract of this function has it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System` with this layout, since every allocation here does.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`, and the caller vouches for the size.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An engine and its records, of which flows are kept only where a test asks.
struct Bench {
    engine: Engine,
    batch: RecordBatch,
    records: u64,
    /// Packets (to server, to client) of the flows that ended and whose server's port a test watches.
    ended: Vec<[u64; 2]>,
    watched_port: Option<u16>,
}

impl Bench {
    fn new(config: EngineConfig) -> Self {
        let engine = Engine::new(config, plan(), Arc::new(Counters::default())).unwrap();
        let batch = RecordBatch::with_capacity();
        Self { engine, batch, records: 0, ended: Vec::new(), watched_port: None }
    }

    /// Takes packets in bursts, without an allocation of its own.
    fn take(&mut self, packets: &[(u64, Vec<u8>)]) {
        for burst in packets.chunks(MAX_BURST) {
            let frames: ArrayVec<Frame<'_>, MAX_BURST> =
                burst.iter().map(|(time_ns, bytes)| frame(*time_ns, bytes)).collect();
            let mut verdicts = [Verdict::Forward; MAX_BURST];
            self.engine.process(&frames, &mut verdicts, &mut self.batch);
            self.hand_on();
        }
    }

    fn one(&mut self, time_ns: u64, bytes: &[u8]) {
        self.engine.process(&[frame(time_ns, bytes)], &mut [Verdict::Forward], &mut self.batch);
        if self.batch.is_full() {
            self.hand_on();
        }
    }

    /// As an exporter that gives the batch back.
    fn hand_on(&mut self) {
        self.records += self.batch.records().len() as u64;
        if let Some(port) = self.watched_port {
            for record in self.batch.records() {
                let flow = record.flow;
                if let Body::Flow(summary) = record.body
                    && flow.key.port(flow.client.opposite()) == port
                {
                    self.ended.push(summary.packets);
                }
            }
        }
        self.batch.clear();
    }

    fn shut_down(&mut self) {
        while !self.engine.shut_down(&mut self.batch) {
            self.hand_on();
        }
        self.hand_on();
    }

    fn counter(&self, counter: Counter) -> u64 {
        self.engine.counters().value(counter)
    }
}

fn frame(timestamp_ns: u64, bytes: &[u8]) -> Frame<'_> {
    let (wire_len, link) = (bytes.len() as u32, Some(LinkType::Ethernet));
    Frame { bytes, wire_len, timestamp_ns, link, interface: 0, checksums_good: false }
}

fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| Arc::new(Plan::builtin().unwrap())))
}

/// Keeps tests apart: they look at the memory of the whole process.
fn alone() -> impl Drop {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resident memory of the process, counted page by page.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

fn ends(host: u8, port: u16, server_port: u16) -> (SocketAddr, SocketAddr) {
    let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 2, 0, host)), port);
    (client, SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80)), server_port))
}

/// Conversations that go on and on, and what they say in one turn each.
struct Traffic {
    random: Random,
    web: Vec<Connection>,
    secure: Vec<Connection>,
    names: Vec<Parties>,
    unknown: Vec<Parties>,
    time_ns: u64,
}

const CONVERSATIONS: u8 = 20;

impl Traffic {
    fn begin(out: &mut Vec<(u64, Vec<u8>)>) -> Self {
        let mut random = Random::new(11);
        let parties = |host: u8, port: u16, server_port: u16| {
            let (client, server) = ends(host, port, server_port);
            Parties::new(client, server, START_NS)
        };
        let connections = |port: u16, server_port: u16, out: &mut Vec<(u64, Vec<u8>)>| -> Vec<Connection> {
            let open = |host| {
                Connection::open(parties(host, port, server_port), u32::from(host) * 977, out).unwrap()
            };
            (0..CONVERSATIONS).map(open).collect()
        };
        let web = connections(50_000, 80, out);
        let mut secure = connections(51_000, 443, out);
        for connection in &mut secure {
            let group = Group::X25519MlKem768;
            let hello = tls::client_hello(&mut random, "www.example.com", &["h2"], group);
            connection.send(Way::ToServer, &hello, out).unwrap();
            connection.send(Way::ToClient, &tls::server_flight(&mut random, group), out).unwrap();
            connection.send(Way::ToServer, &tls::client_finished(&mut random), out).unwrap();
        }
        let names = (0..CONVERSATIONS).map(|host| parties(host, 52_000, 53)).collect();
        let unknown = (0..CONVERSATIONS).map(|host| parties(host, 53_000, 40_404)).collect();
        Self { random, web, secure, names, unknown, time_ns: START_NS + 1_000_000_000 }
    }

    /// One turn of everybody.
    fn turn(&mut self, id: u16, out: &mut Vec<(u64, Vec<u8>)>) {
        self.time_ns += 1_000_000_000;
        for connection in &mut self.web {
            connection.parties.time_ns = self.time_ns;
            let body = "the same page as ever ".repeat(100);
            connection.send(Way::ToServer, &http::get("www.example.com", "/page?n=1"), out).unwrap();
            connection.send(Way::ToClient, &http::response("200 OK", "text/plain", &body), out).unwrap();
        }
        for connection in &mut self.secure {
            connection.parties.time_ns = self.time_ns;
            let (up, down) = (
                tls::application_data(&mut self.random, 300),
                tls::application_data(&mut self.random, 16_384),
            );
            connection.send(Way::ToServer, &up, out).unwrap();
            connection.send(Way::ToClient, &down, out).unwrap();
        }
        let address: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7))];
        for parties in &mut self.names {
            parties.time_ns = self.time_ns;
            parties.datagram(Way::ToServer, &dns::query(id, "www.example.com", dns::A), out).unwrap();
            let answer = dns::response(id, "www.example.com", dns::A, &address);
            parties.datagram(Way::ToClient, &answer, out).unwrap();
        }
        for parties in &mut self.unknown {
            parties.time_ns = self.time_ns;
            parties.datagram(Way::ToServer, &self.random.bytes(60), out).unwrap();
            parties.datagram(Way::ToClient, &self.random.bytes(900), out).unwrap();
        }
    }
}

#[test]
fn established_flows_and_their_records_allocate_nothing() {
    let _alone = alone();
    let mut bench = Bench::new(EngineConfig { flow_capacity: 4096, ..EngineConfig::default() });
    let (mut warm_up, mut steady) = (Vec::new(), Vec::new());
    let mut traffic = Traffic::begin(&mut warm_up);
    (0..50).for_each(|id| traffic.turn(id, &mut warm_up));
    (50..250).for_each(|id| traffic.turn(id, &mut steady));
    bench.take(&warm_up);
    let (before, records) = (allocations(), bench.records);
    bench.take(&steady);
    let (allocated, records) = (allocations() - before, bench.records - records);
    eprintln!("{} packets, {records} records, {allocated} allocations", steady.len());
    // Each turn has an HTTP transaction and a DNS exchange of each conversation.
    assert!(records >= 200 * 2 * u64::from(CONVERSATIONS), "{records}");
    assert_eq!(bench.counter(Counter::FlowsActive), 4 * u64::from(CONVERSATIONS));
    assert_eq!(allocated, 0);
}

#[test]
fn sessions_that_come_and_go_use_the_memory_of_those_before() {
    let _alone = alone();
    let mut bench = Bench::new(EngineConfig { flow_capacity: 4096, ..EngineConfig::default() });
    let mut packets: Vec<(u64, Vec<u8>)> = Vec::new();
    load::bulk_tls(100, 20, &mut packets).unwrap();
    let later = |packets: &mut Vec<(u64, Vec<u8>)>| {
        packets.iter_mut().for_each(|(time_ns, _)| *time_ns += 60_000_000_000);
    };
    for _ in 0..5 {
        bench.take(&packets);
        later(&mut packets);
    }
    let (before, created) = (allocations(), bench.counter(Counter::FlowsCreated));
    bench.take(&packets);
    let allocated = allocations() - before;
    eprintln!("100 TLS sessions, {allocated} allocations");
    assert_eq!(bench.counter(Counter::FlowsCreated) - created, 100);
    assert_eq!(allocated, 0);
}

/// A frame whose source address can be set: checksums are not looked at.
struct Template(Vec<u8>);

impl Template {
    fn udp(payload: &[u8]) -> Self {
        let (client, server) = ends(1, 40_000, 5_555);
        Self(packet::ethernet(client.ip(), server.ip(), &[], &packet::udp(client, server, payload)))
    }

    fn tcp(server_port: u16, flags: u8) -> Self {
        let (client, server) = ends(1, 40_000, server_port);
        let header = TcpHeader { seq: 1, ack: 0, flags, window: 1024, options: &[] };
        Self(packet::ethernet(client.ip(), server.ip(), &[], &packet::tcp(client, server, &header, &[])))
    }

    /// The same from the server to the client.
    fn reply(server_port: u16, flags: u8) -> Self {
        let (client, server) = ends(1, 40_000, server_port);
        let header = TcpHeader { seq: 1, ack: 2, flags, window: 1024, options: &[] };
        Self(packet::ethernet(server.ip(), client.ip(), &[], &packet::tcp(server, client, &header, &[])))
    }

    fn source(&mut self, address: u32) -> &[u8] {
        self.0[26..30].copy_from_slice(&address.to_be_bytes());
        &self.0
    }

    fn destination(&mut self, address: u32) -> &[u8] {
        self.0[30..34].copy_from_slice(&address.to_be_bytes());
        &self.0
    }
}

const MEBI: u64 = 1 << 20;

#[test]
fn a_million_concurrent_flows_fit_in_256_mebibytes() {
    let _alone = alone();
    let _plan = plan();
    let before = resident_bytes();
    let mut bench = Bench::new(EngineConfig::default());
    let (mut datagram, mut syn) = (Template::udp(b"small payload, nobody's"), Template::tcp(80, SYN));
    for number in 0..500_000 {
        let time_ns = START_NS + u64::from(number) * 1_000;
        bench.one(time_ns, datagram.source(0x0b00_0000 + number));
        bench.one(time_ns, syn.source(0x0c00_0000 + number));
    }
    let grown = resident_bytes() - before;
    assert_eq!(bench.counter(Counter::FlowsActive), 1_000_000);
    eprintln!("a million flows: {:.1} MiB", grown as f64 / MEBI as f64);
    assert!(grown <= 256 * MEBI, "{} MiB", grown / MEBI);
}

const CAPACITY: u32 = 100_000;
const ESTABLISHED: u32 = 20_000;

#[test]
fn a_flood_of_half_open_connections_leaves_established_ones_and_memory_alone() {
    let _alone = alone();
    let config = EngineConfig { flow_capacity: CAPACITY as usize, ..EngineConfig::default() };
    let mut bench = Bench::new(config);
    bench.watched_port = Some(22);
    let mut time_ns = START_NS;
    let (mut syn, mut reply, mut ack) =
        (Template::tcp(22, SYN), Template::reply(22, SYN | ACK), Template::tcp(22, ACK));
    for number in 0..ESTABLISHED {
        let client = 0x0b00_0000 + number;
        bench.one(time_ns, syn.source(client));
        bench.one(time_ns, reply.destination(client));
        bench.one(time_ns, ack.source(client));
    }
    let mut flood = Template::tcp(80, SYN);
    let mut full = None;
    for number in 0..10 * CAPACITY {
        time_ns += 1_000;
        bench.one(time_ns, flood.source(0x2000_0000 + number));
        // Each established connection says something ten times.
        if number % 5 == 0 {
            bench.one(time_ns, ack.source(0x0b00_0000 + number / 5 % ESTABLISHED));
        }
        if number == 2 * CAPACITY {
            full = Some(resident_bytes());
        }
    }
    let grown = resident_bytes().saturating_sub(full.unwrap());
    bench.shut_down();
    let survivors = bench.ended.iter().filter(|packets| **packets == [12, 1]).count();
    eprintln!("{survivors} of {ESTABLISHED} survived, {} KiB more", grown / 1024);
    // A connection that gave way and then went on would have been begun twice.
    let twice = bench.counter(Counter::FlowsCreated) - u64::from(ESTABLISHED + 10 * CAPACITY);
    assert!(twice <= u64::from(ESTABLISHED) / 100, "{twice}");
    assert!(survivors >= ESTABLISHED as usize * 99 / 100, "{survivors} of {ESTABLISHED}");
    assert!(grown < MEBI, "{} KiB", grown / 1024);
}
