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

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use api::control::{Rotation, TunnelState};

use load::{Load, Stream};
use sites::Sites;
use wire::Capture;

const REKEYS: u64 = 20;
const HANDSHAKES: u64 = 3;
/// How long packets may be lost when a data plane is killed.
const BACK: Duration = Duration::from_secs(3);

#[test]
fn hosts_talk_in_esp_alone_while_keys_change_and_programs_are_killed() {
    let Some(mut sites) = Sites::start() else { return };
    let Some(capture) = Capture::start(&sites.network, sites.folder.path()) else { return };
    eprintln!("up after {:?}", sites.until_up());
    // The first packet to a neighbour may be lost while its address is asked for.
    first_words(&sites);

    keys_change(&sites);
    a_daemon_is_killed(&mut sites);
    a_data_plane_is_killed(&sites, 0);
    a_data_plane_is_killed(&sites, 1);
    a_classical_peer_is_refused(&sites);

    let frames = capture.end();
    eprintln!("on the wire: {frames:?}");
    assert!(frames.esp > 10_000, "{frames:?}");
    assert_eq!(frames.others, 0, "frames in the clear: {frames:?}");
}

fn first_words(sites: &Sites) {
    let load = Load::start(&sites.network);
    thread::sleep(Duration::from_millis(300));
    load.end();
}

fn keys_change(sites: &Sites) {
    let (before, began) = (sites.row(0), Instant::now());
    let (load, stream) = (Load::start(&sites.network), Stream::start(&sites.network));
    for number in 0..REKEYS + HANDSHAKES {
        let is_full = number % (REKEYS / HANDSHAKES + 1) == REKEYS / HANDSHAKES;
        sites.rotate(if is_full { Rotation::Handshake } else { Rotation::Resumption });
    }
    let bytes = stream.end();
    let tallies = load.end();
    let after = sites.row(0);
    let (rekeys, handshakes) = (after.rekeys - before.rekeys, after.handshakes - before.handshakes);
    eprintln!(
        "{rekeys} rekeys and {handshakes} handshakes in {:?}, {bytes} bytes by TCP, {tallies:?}",
        began.elapsed()
    );
    assert!(rekeys >= REKEYS && handshakes >= HANDSHAKES, "{after:?}");
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
    let load = Load::start(&sites.network);
    thread::sleep(Duration::from_millis(500));
    let (pid, killed) = (sites.kill_plane(at), Instant::now());
    sites.until("a data plane", |sites| sites.status(at).dataplane.is_some_and(|plane| plane.pid != pid));
    let plane = killed.elapsed();
    sites.until("keys", |sites| {
        (0..2).all(|side| sites.row(side).state == TunnelState::Up)
            && sites.row(0).epoch == sites.row(1).epoch
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
