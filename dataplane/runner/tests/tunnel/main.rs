//! Two data planes with hosts behind them, on virtual Ethernet: what goes between them is sealed, whatever happens. Keys
//! come from the test, over the key socket.

#![cfg(all(feature = "dpdk", feature = "xdp"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time"
)]

mod daemon;
mod plant;

use std::thread::sleep;
use std::time::Duration;

use daemon::{bring_up, is_heard};
use plant::{End, Plant};

#[test]
fn what_goes_between_two_gateways_is_sealed_whatever_happens() {
    let Some(plant) = Plant::new("sealed") else { return };
    let (mut east, west) = (plant.start(End::East), plant.start(End::West));
    let capture = plant.capture();
    assert!(!plant.ping("10.2.0.2", 2), "without keys nothing passes");

    let (mut keys_east, mut keys_west) = (east.keys(), west.keys());
    assert_eq!(keys_east.hello(), (1, vec![]));
    assert_eq!(keys_west.hello(), (1, vec![]));
    bring_up((&mut keys_east, &mut keys_west), 1);
    for address in ["10.2.0.2", "fd02::2"] {
        assert!(plant.ping(address, 5), "{address}");
        plant.transfer(address, 2_000_000);
        plant.datagrams(address, 200);
    }
    rekey_under_load(&plant, (&mut keys_east, &mut keys_west));
    reload(&plant, &east);
    forged_and_repeated(&plant, (&mut keys_east, &mut keys_west));

    // Nothing is sent on an epoch that has expired, and nothing goes in the clear instead.
    keys_east.expired(6);
    assert!(!plant.ping("10.2.0.2", 2), "expired");
    bring_up((&mut keys_east, &mut keys_west), 8);
    assert!(plant.ping("10.2.0.2", 3));

    // The daemon goes: keys stay. Another one learns of them.
    drop(keys_east);
    assert!(plant.ping("10.2.0.2", 3));
    let mut keys_east = east.keys();
    let (_, installed) = keys_east.hello();
    assert!(installed.contains(&(8, true)), "{installed:?}");

    // A gateway that is killed leaks nothing, and has no keys when it comes back.
    let load = plant.load("10.2.0.2");
    sleep(Duration::from_millis(300));
    east.kill();
    sleep(Duration::from_millis(500));
    assert!(!plant.ping("10.2.0.2", 2), "killed");
    let east = plant.start(End::East);
    let mut keys_east = east.keys();
    assert_eq!(keys_east.hello(), (1, vec![]));
    assert!(!plant.ping("10.2.0.2", 2), "no keys yet");
    bring_up((&mut keys_east, &mut keys_west), 10);
    assert!(plant.ping("10.2.0.2", 3));
    drop(load);

    assert!(keys_west.copies_in(west.pid()).0 > 0, "the search finds keys that are in use");
    keys_west.down();
    assert!(!plant.ping("10.2.0.2", 2), "wiped");
    keys_east.down();
    for (plane, keys) in [(&east, &keys_east), (&west, &keys_west)] {
        let (copies, given) = keys.copies_in(plane.pid());
        assert!(copies == 0 && given >= 2, "{copies} copies of {given} keys after they were wiped");
    }
    let seen = capture.stop();
    for (plane, reason) in [(east, "seal_no_sa"), (west, "open_unknown_spi")] {
        let summary = plane.stop();
        assert!(!summary.contains("DOES NOT ADD UP"), "{summary}");
        assert!(summary.contains(reason), "{summary}");
    }
    eprintln!("{seen:?}");
    assert!(seen.sealed > 1000, "{seen:?}");
    assert_eq!(seen.clear, Vec::<String>::new());
}

/// New keys again and again while packets pass: none is lost.
fn rekey_under_load(plant: &Plant, (east, west): (&mut daemon::Keys, &mut daemon::Keys)) {
    let load = plant.counted_load("10.2.0.2");
    for epoch in 2..=5 {
        bring_up((east, west), epoch);
        sleep(Duration::from_millis(500));
        for side in [&mut *east, &mut *west] {
            assert_eq!(side.wipe(epoch - 1), 1, "one inbound SA of the old epoch");
        }
    }
    let (sent, received) = load.finish();
    assert!(sent > 100, "{sent}");
    assert_eq!(sent, received, "datagrams were lost while keys changed");
}

/// Another configuration while packets pass.
fn reload(plant: &Plant, east: &plant::Plane) {
    let load = plant.load("10.2.0.2");
    for rule in ["udp", "tcp", "ip"] {
        east.configure(&plant.configuration(End::East, &format!("net 10.2.0.0/16 and {rule}")));
        sleep(Duration::from_millis(100));
    }
    east.configure(&plant.configuration(End::East, "net 10.2.0.0/16 or net fd02::/64"));
    drop(load);
    assert!(plant.ping("10.2.0.2", 3), "keys outlive a reload that leaves their peer alone");
}

/// Packets under a wrong key, and packets that were there before, are counted and go nowhere.
fn forged_and_repeated(plant: &Plant, (east, west): (&mut daemon::Keys, &mut daemon::Keys)) {
    let repeated = plant.repeat_sealed(|| assert!(plant.ping("10.2.0.2", 3)));
    assert!(repeated > 0);
    assert!(west.counters().replay_drops + east.counters().replay_drops >= repeated, "replays are counted");
    // Each side takes another key for the same SA.
    east.install(6, 0x70);
    west.install(6, 0x71);
    for side in [&mut *east, &mut *west] {
        side.probe(6);
    }
    sleep(Duration::from_millis(500));
    assert!(!is_heard(west, 6) && !is_heard(east, 6), "probes under another key are not heard");
    assert!(west.counters().auth_drops > 0 && east.counters().auth_drops > 0);
    for side in [&mut *east, &mut *west] {
        side.wipe(6);
    }
    bring_up((east, west), 6);
}
