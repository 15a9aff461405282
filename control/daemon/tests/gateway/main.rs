//! Two gateways, each a daemon with its data plane, between network namespaces: hosts talk through them while keys change
//! and programs are killed, and nothing but ESP and ARP is on the wire between them.
//!
//! It takes root, `ip`, `ethtool`, `nsenter` and `tshark`, and `wirewarden-dataplane` beside the test's own programs (`cargo
//! build -p runner`).

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod load;
mod network;
mod sites;
mod wire;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use api::control::{Rotation, TunnelState};

use load::{Load, Stream};
use network::Keys;
use sites::Sites;
use wire::Capture;

const REKEYS: u64 = 20;
const HANDSHAKES: u64 = 3;
/// How long so many keys take at most, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);
/// How long packets may be lost when a data plane is killed.
const BACK: Duration = Duration::from_secs(3);

#[test]
fn hosts_talk_in_esp_alone_while_keys_change_and_programs_are_killed() {
    let Some(mut sites) = Sites::start(Keys::Beside) else { return };
    let Some(capture) = Capture::start(&sites.network, sites.folder.path()) else { return };
    eprintln!("up after {:?}", sites.until_up());
    // The first packet to a neighbour may be lost while its address is asked for.
    first_words(&sites);

    keys_change(&sites);
    a_daemon_is_killed(&mut sites);
    a_data_plane_is_killed(&sites, 0);
    a_data_plane_is_killed(&sites, 1);
    a_classical_peer_is_refused(&sites);
    the_wire_becomes_narrower(&sites);

    let frames = capture.end();
    eprintln!("on the wire: {frames:?}");
    assert!(frames.esp > 10_000, "{frames:?}");
    assert!(frames.others.is_empty() && frames.exchange == 0, "frames in the clear: {frames:?}");
}

#[test]
fn keys_come_through_ports_that_dpdk_owns_by_the_exception_port() {
    let Some(mut sites) = Sites::start(Keys::Through) else { return };
    let Some(capture) = Capture::start(&sites.network, sites.folder.path()) else { return };
    eprintln!("up after {:?}", sites.until_up());
    first_words(&sites);
    let load = Load::start(&sites.network);
    for by in [Rotation::Handshake, Rotation::Resumption, Rotation::Handshake] {
        sites.rotate(by);
    }
    let tallies = load.end();
    eprintln!("keys changed: {tallies:?}");
    tallies.iter().for_each(|tally| tally.assert_whole("while keys changed"));

    a_daemon_is_killed(&mut sites);
    a_data_plane_is_killed(&sites, 0);
    // Somebody takes the interface away: it is made again.
    sites.network.ip("gate1", "link del dev ww0");
    sites.rotate(Rotation::Handshake);

    let frames = capture.end();
    eprintln!("on the wire: {frames:?}");
    assert!(frames.esp > 1000 && frames.exchange > 20, "{frames:?}");
    assert!(frames.others.is_empty(), "{frames:?}");
    strangers_reach_what_they_may(&sites);
}

/// Ping, and nothing else: not the exchange, which they may not call, nor another service of the host.
fn strangers_reach_what_they_may(sites: &Sites) {
    sites.network.ip("wire", "addr add 192.0.2.9/24 dev bridge");
    let ping =
        sites.network.inside("wire", "ping").args(["-c", "3", "-w", "10", "192.0.2.1"]).output().unwrap();
    assert!(ping.status.success(), "{}", String::from_utf8_lossy(&ping.stdout));
    let services =
        sites.network.thread("gate0", || TcpListener::bind("192.0.2.1:2222").unwrap()).join().unwrap();
    for port in [4510, 2222] {
        let at = SocketAddr::from(([192, 0, 2, 1], port));
        let call = move || TcpStream::connect_timeout(&at, Duration::from_secs(2));
        let called = sites.network.thread("wire", call).join().unwrap();
        assert_eq!(called.map(drop).unwrap_err().kind(), ErrorKind::TimedOut, "{at}");
    }
    drop(services);
    let rules = sites.network.ip("gate0", "rule").stdout;
    let rules = String::from_utf8_lossy(&rules);
    for rule in ["from 192.0.2.1 lookup 4510", "from all to 192.0.2.2 lookup 4510"] {
        assert!(rules.contains(rule), "{rules}");
    }
}

fn first_words(sites: &Sites) {
    let load = Load::start(&sites.network);
    thread::sleep(Duration::from_millis(300));
    load.end();
}

fn keys_change(sites: &Sites) {
    let (before, began) = (sites.row(0), Instant::now());
    let (load, stream) = (Load::start(&sites.network), Stream::start(&sites.network));
    // One with nothing to resume, as where the other side called last, is a handshake.
    while sites.row(0).rekeys - before.rekeys < REKEYS {
        sites.rotate(Rotation::Resumption);
        let done = sites.row(0);
        if done.handshakes - before.handshakes < HANDSHAKES && done.rekeys.is_multiple_of(REKEYS / HANDSHAKES)
        {
            sites.rotate(Rotation::Handshake);
        }
    }
    let bytes = stream.end();
    let tallies = load.end();
    let after = sites.row(0);
    let (rekeys, handshakes) = (after.rekeys - before.rekeys, after.handshakes - before.handshakes);
    eprintln!(
        "{rekeys} rekeys and {handshakes} handshakes in {:?}, {bytes} bytes by TCP, {tallies:?}",
        began.elapsed()
    );
    assert!(rekeys >= REKEYS && handshakes >= HANDSHAKES && began.elapsed() < LONG, "{after:?}");
    assert!(bytes > 1 << 20, "{bytes}");
    tallies.iter().for_each(|tally| tally.assert_whole("while keys changed"));
    assert_eq!((after.counters.replay_drops, after.counters.auth_drops), (0, 0), "{after:?}");
}

fn a_daemon_is_killed(sites: &mut Sites) {
    let (epoch, load) = (sites.row(0).epoch, Load::start(&sites.network));
    sites.kill_daemon(0);
    thread::sleep(Duration::from_secs(1));
    sites.start_daemon(0);
    let took = sites.until("new keys", |sites| sites.row(0).epoch > epoch);
    sites.until_up();
    let tallies = load.end();
    eprintln!("a daemon that was killed: keys {took:?} after its start, {tallies:?}");
    tallies.iter().for_each(|tally| tally.assert_whole("while there was no daemon"));
}

fn a_data_plane_is_killed(sites: &Sites, at: usize) {
    let (load, epoch) = (Load::start(&sites.network), sites.row(at).epoch);
    thread::sleep(Duration::from_millis(500));
    let (pid, killed) = (sites.kill_plane(at), Instant::now());
    sites.until("a data plane", |sites| sites.status(at).dataplane.is_some_and(|plane| plane.pid != pid));
    let plane = killed.elapsed();
    sites.until("keys", |sites| {
        let [west, east] = [0, 1].map(|side| sites.row(side));
        [&west, &east].iter().all(|row| row.state == TunnelState::Up && row.epoch > epoch)
            && west.epoch == east.epoch
    });
    let keys = killed.elapsed();
    thread::sleep(Duration::from_millis(500));
    let tallies = load.end();
    eprintln!("data plane {at} was killed: another after {plane:?}, keys after {keys:?}, {tallies:?}");
    for tally in &tallies {
        assert!(tally.gap < BACK && tally.twice == 0, "{tally:?}: {}", sites.logs());
        assert!(tally.arrived > 0 && tally.arrived < tally.sent, "{tally:?}");
    }
}

/// No router says so: the gateways find it out, and their hosts are told.
fn the_wire_becomes_narrower(sites: &Sites) {
    assert_eq!((sites.row(0).path_mtu, sites.row(1).path_mtu), (1500, 1500));
    sites.network.narrow_wire(1400);
    // What is in use is confirmed with new keys, else every half minute.
    sites.rotate(Rotation::Resumption);
    // ESP pads to four bytes: the longest packet within 1,403 bytes has 1,400.
    let took = sites
        .until("a narrower path", |sites| (0..2).all(|at| (1392..=1403).contains(&sites.row(at).path_mtu)));
    let stream = Stream::start(&sites.network);
    sites.until("bytes by TCP", |_| stream.arrived() > 1 << 18);
    let bytes = stream.end();
    eprintln!("a narrower wire: {} bytes found after {took:?}, {bytes} bytes by TCP", sites.row(0).path_mtu);
    assert!(bytes > 1 << 18, "{bytes}");
}

fn a_classical_peer_is_refused(sites: &Sites) {
    let mut openssl = sites.network.inside("gate0", "openssl");
    openssl.args(["s_client", "-connect", "10.99.0.2:4510", "-groups", "X25519", "-tls1_3"]);
    openssl.args(["-alpn", "wirewarden-tunnel/1"]).stdin(Stdio::null());
    let Ok(output) = openssl.output() else {
        eprintln!("SKIPPED: no openssl");
        return;
    };
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    sites.until("counted", |sites| sites.table(1).refusals.get("classical_only") == Some(&1));
    assert_eq!(sites.row(1).state, TunnelState::Up, "and the peer is where it was");
}
