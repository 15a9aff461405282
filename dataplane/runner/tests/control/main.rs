//! The control socket of `wirewarden-dataplane`: asked, swapped and abused while packets flow.

#![cfg(feature = "dpdk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time"
)]

mod files;
mod plane;
mod socket;

use std::fs;
use std::time::{Duration, Instant};

use api::control::{
    ClientError, Command, CounterSnapshot, DataplaneStatus, FlowOrder, FlowQuery, Message, Mode, Observe,
    Reason, Reply, WorkerState,
};

use plane::{LOAD, Plane, configuration};

#[test]
fn every_packet_is_accounted_for_whenever_one_looks() {
    let plane = Plane::start("");
    let mut client = plane.client();
    let mut last = 0;
    for _ in 0..20 {
        let counters = counters(&mut client);
        for worker in &counters.workers {
            assert!(worker.adds_up(), "{worker:?}");
            let queues: u64 = worker.queues.iter().map(|queue| queue.rx_packets).sum();
            assert_eq!(queues, worker.received, "what the queues gave is what the worker took");
        }
        assert!(counters.received() > last, "packets flow: {counters:?}");
        assert_eq!(counters.ports[0].port, "load");
        last = counters.received();
        std::thread::sleep(Duration::from_millis(50));
    }
    let status = heard(&mut client);
    assert_eq!((status.mode, status.backend.as_str(), status.generation), (Mode::Normal, "dpdk", 1));
    assert_eq!(status.workers[0].state, WorkerState::Running);
    assert!(status.signatures > 100 && status.protocols > 100 && status.services > 10, "{status:?}");
    assert!(plane.stop().contains("received"));
}

#[test]
fn settings_are_swapped_at_full_rate_and_no_packet_is_lost() {
    let plane = Plane::start("");
    let mut client = plane.client();
    let before = counters(&mut client);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    for swap in 0..100_u64 {
        let live = format!("[live.flow.timeouts]\nudp_new = \"{}s\"\n", 5 + swap % 20);
        let asked = Instant::now();
        let applied = client.ask(Command::Configure { text: plane.text(&live) }).unwrap();
        slowest = slowest.max(asked.elapsed());
        let Reply::Applied(applied) = applied else { panic!("applied") };
        assert_eq!(applied.generation, swap + 2);
    }
    let after = counters(&mut client);
    assert_adds_up(&after);
    assert!(after.received() > before.received());
    assert_eq!((after.ports[0].rx_missed, after.ports[0].rx_no_buffer), (0, 0));
    eprintln!("100 swaps in {:?}, the slowest in {slowest:?}", began.elapsed());
    assert!(plane.stop().contains("received"));
}

#[test]
fn signatures_are_swapped_at_full_rate_and_bad_ones_are_refused() {
    let plane = Plane::start("");
    let folder = plane.folder().join("signatures/operational");
    fs::create_dir_all(&folder).unwrap();
    let live =
        format!("[live.classify]\nsignatures_dir = \"{}\"\n", plane.folder().join("signatures").display());
    let mut client = plane.client();
    let mut versions = Vec::new();
    let mut slowest = 0;
    let swaps = std::env::var("WIREWARDEN_SWAPS").ok().and_then(|swaps| swaps.parse().ok()).unwrap_or(6_u32);
    for swap in 0..swaps {
        fs::write(folder.join("zz_made.toml"), plane::signature("zz_made", &format!("ZZMADE{swap:04}")))
            .unwrap();
        let Reply::Applied(applied) = client.ask(Command::Configure { text: plane.text(&live) }).unwrap()
        else {
            panic!("applied")
        };
        slowest = slowest.max(applied.took_ms);
        versions.push(applied.signatures_version);
        assert_adds_up(&counters(&mut client));
    }
    eprintln!("signatures swapped in {slowest} ms at most");
    versions.dedup();
    assert_eq!(versions.len(), swaps as usize, "each set has its version");

    fs::write(folder.join("zz_made.toml"), "id = \"zz_made\"\ncolour = \"red\"\n").unwrap();
    fs::write(folder.join("zz_worse.toml"), "what is this\n").unwrap();
    let refused = client.ask(Command::Configure { text: plane.text(&live) }).unwrap_err();
    let ClientError::Failed(failure) = refused else { panic!("{refused}") };
    let Reason::Config { mistakes } = failure.reason else { panic!("{failure}") };
    for file in ["operational/zz_made.toml", "operational/zz_worse.toml"] {
        assert!(mistakes.iter().any(|mistake| mistake.file == file && mistake.line > 0), "{mistakes:?}");
    }
    let Reply::Status(status) = client.ask(Command::Status).unwrap() else { panic!("status") };
    let status = status.dataplane.unwrap();
    assert_eq!(Some(&status.signatures_version), versions.last(), "the old set runs on");
    assert_eq!(status.generation, u64::from(swaps) + 1);
    assert!(plane.stop().contains("received"));
}

#[test]
fn of_two_thousand_signatures_only_what_changed_is_compiled() {
    let plane = Plane::start("");
    let folder = plane.folder().join("signatures");
    for (path, text) in sample::invented::signatures(2000) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let live = format!("[live.classify]\nsignatures_dir = \"{}\"\n", folder.display());
    let mut client = plane.client();
    let mut configure = || match client.ask(Command::Configure { text: plane.text(&live) }).unwrap() {
        Reply::Applied(applied) => applied.took_ms,
        other => panic!("{other:?}"),
    };
    let all_new = configure();
    let (_, text) = sample::invented::file(3);
    let mut few = Vec::new();
    for turn in 0..5 {
        // A word somewhere near the start: what Hyperscan has to look for.
        let text = text.replace("pattern = '<", &format!("pattern = '<q{turn}"));
        fs::write(folder.join("network/invented_3.toml"), text).unwrap();
        few.push(configure());
    }
    eprintln!("2,000 signatures: {all_new} ms the first time, {few:?} ms where one changed");
    // What a release takes is measured by perf/reload.py; here others are at work, some turns more than others.
    assert!(few.iter().any(|took| 3 * took < all_new), "{all_new} {few:?}");
    assert!(plane.stop().contains("received"));
}

/// Holds a data plane to what it said: of a device without a card, only threads that DPDK started at first keep anything,
/// which is the means to lock memory; nothing else could be had back.
fn held_by_no_thread(pid: u32) {
    const IPC_LOCK: u64 = 1 << 14;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let folder = thread.unwrap().path();
        let name = fs::read_to_string(folder.join("comm")).unwrap();
        let about = fs::read_to_string(folder.join("status")).unwrap();
        let held = |set: &str| {
            let line = about.lines().find_map(|line| line.strip_prefix(set)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        let is_ours = ["worker", "exporter", "control", "wirewarden"].iter().any(|own| name.starts_with(own));
        let may = if is_ours { 0 } else { IPC_LOCK };
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            assert_eq!(held(set) & !may, 0, "{name} {set} {about}");
        }
        assert_eq!(held("CapBnd:") & !IPC_LOCK, 0, "{name} {about}");
    }
}

#[test]
fn it_gives_up_what_it_does_not_need_and_says_so() {
    let plane = Plane::start("");
    let mut client = plane.client();
    let Reply::Status(status) = client.ask(Command::Status).unwrap() else { panic!("status") };
    let status = status.dataplane.unwrap();
    if !status.confinement.starts_with("Landlock on, seccomp on") {
        eprintln!("SKIPPED: this kernel has not both: {}", status.confinement);
        return;
    }
    let about = fs::read_to_string(format!("/proc/{}/status", status.pid)).unwrap();
    assert!(about.contains("NoNewPrivs:\t1") && about.contains("Seccomp:\t2"), "{about}");
    assert!(status.confinement.contains("after the start capabilities none, workers none"), "{status:?}");
    held_by_no_thread(status.pid);
    let elsewhere = tempfile::tempdir().unwrap();
    let output = |folder: &std::path::Path| {
        plane.text(&format!("[[live.output.eve]]\npath = \"{}\"\n", folder.join("eve.json").display()))
    };
    let refused = client.ask(Command::Configure { text: output(elsewhere.path()) }).unwrap_err();
    assert!(refused.to_string().contains("--writable"), "{refused}");
    assert!(fs::read_dir(elsewhere.path()).unwrap().next().is_none(), "nothing was made there");
    client.ask(Command::Configure { text: output(plane.folder()) }).unwrap();
    assert!(plane.folder().join("eve.json").exists());
    assert!(plane.stop().contains("received"));
}

#[test]
fn what_a_reload_cannot_change_is_named() {
    let plane = Plane::start("");
    let mut client = plane.client();
    let text = plane.text("").replace("flow_memory = \"16MiB\"", "flow_memory = \"32MiB\"");
    let refused = client.ask(Command::Configure { text }).unwrap_err();
    assert_eq!(refused.to_string(), "restart needed: boot.flow_memory changed");
    let refused =
        client.ask(Command::Configure { text: "version = 1\n[live]\nflo = 1\n".into() }).unwrap_err();
    assert!(refused.to_string().contains("live.flow"), "{refused}");
    let elsewhere = client.ask(Command::ConfigConfirm).unwrap_err();
    assert!(elsewhere.to_string().contains("ask wirewardend"), "{elsewhere}");
}

#[test]
fn flows_are_shown_in_order_and_by_filter_while_they_change() {
    let plane = Plane::start("");
    let mut client = plane.client();
    std::thread::sleep(Duration::from_millis(500));
    let mut ask = |filter: Option<&str>, order, limit| {
        let query = FlowQuery { filter: filter.map(str::to_owned), limit, order };
        match client.ask(Command::Flows(query)) {
            Ok(Reply::Flows(page)) => Ok(page),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    let page = ask(None, FlowOrder::Bytes, 10).unwrap();
    assert_eq!(page.flows.len(), 10);
    assert_eq!((page.matched, page.open), (u64::from(LOAD), u64::from(LOAD)), "the load has so many flows");
    let sizes: Vec<u64> = page.flows.iter().map(|flow| flow.bytes.iter().sum()).collect();
    assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
    assert!(page.flows.iter().all(|flow| flow.transport == "UDP" && flow.port == "load"), "{page:?}");
    let one = &page.flows[0];
    let only = format!("src host {} and src port {}", one.src, one.src_port);
    let page = ask(Some(&only), FlowOrder::Recent, 10).unwrap();
    assert_eq!((page.matched, page.flows[0].id), (1, one.id));
    assert_eq!(ask(Some("tcp"), FlowOrder::Oldest, 10).unwrap().matched, 0);
    let error = ask(Some("udp and prot 5"), FlowOrder::Bytes, 10).unwrap_err();
    assert!(
        matches!(&error, ClientError::Failed(failure)
        if matches!(failure.reason, Reason::Filter { column: 9, .. })),
        "{error:?}"
    );
    assert!(ask(None, FlowOrder::Bytes, 1001).is_err());
    let Reply::Protocols(table) = client.ask(Command::Protocols).unwrap() else { panic!("protocols") };
    let open: u64 = table.protocols.iter().map(|row| row.open_flows).sum();
    assert_eq!(open, u64::from(LOAD), "{table:?}");
}

#[test]
fn an_observer_sees_what_it_asked_for_and_a_slow_one_is_told_what_it_missed() {
    let plane = Plane::start("[live.flow.timeouts]\nudp_new = \"1s\"\nudp_established = \"1s\"\n");
    let mut client = plane.client();
    let observe = Observe { types: vec!["stats".into()], ..Observe::default() };
    assert!(matches!(client.ask(Command::Observe(observe)).unwrap(), Reply::Observing { queue: 1024 }));
    let Message::Event { line, dropped, .. } = client.next_message().unwrap() else { panic!("an event") };
    assert!(line.contains("\"event_type\":\"stats\"") && dropped == 0, "{line}");

    let mut refused = plane.client();
    let observe = Observe { filter: Some("prot".into()), ..Observe::default() };
    assert!(matches!(refused.ask(Command::Observe(observe)), Err(ClientError::Failed(_))));
    let observe = Observe { queue: 0, ..Observe::default() };
    assert!(plane.client().ask(Command::Observe(observe)).is_err());
    drop(client);
    let mut asker = plane.client();
    let gone = Instant::now();
    while observers(&mut asker) > 0 {
        assert!(gone.elapsed() < Duration::from_secs(5), "an observer that has gone is forgotten");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn in_safe_mode_packets_are_counted_and_nothing_reads_them() {
    let plane = Plane::start_safe();
    let mut client = plane.client();
    std::thread::sleep(Duration::from_millis(300));
    let Reply::Status(status) = client.ask(Command::Status).unwrap() else { panic!("status") };
    let status = status.dataplane.unwrap();
    assert_eq!((status.mode, status.signatures), (Mode::Safe, 0));
    let snapshot = counters(&mut client);
    assert_adds_up(&snapshot);
    assert!(snapshot.received() > 0);
    assert_eq!(
        (snapshot.total("flow.created"), snapshot.total("packets.processed")),
        (0, snapshot.received())
    );
    // Settings are taken note of, for the time after.
    let live = "[live.defrag]\ntimeout = \"9s\"\n";
    assert!(client.ask(Command::Configure { text: plane.text(live) }).is_ok());
    let wanted = api::control::digest(&api::Config::from_toml(&plane.text(live), "").unwrap());
    let Reply::Status(status) = client.ask(Command::Status).unwrap() else { panic!("status") };
    assert_eq!(status.dataplane.unwrap().config, wanted);
}

#[test]
fn a_data_plane_that_is_told_to_stop_ends_in_order() {
    let mut plane = Plane::start("");
    assert_eq!(plane.client().ask(Command::Stop).unwrap(), Reply::Done);
    let summary = plane.wait();
    assert!(summary.contains("received") && !summary.contains("DOES NOT ADD UP"), "{summary}");
}

#[test]
fn two_data_planes_do_not_share_a_socket() {
    let plane = Plane::start("");
    let (code, told) = Plane::second(&plane);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("another data plane listens"), "{told}");
    assert!(plane.client().ask(Command::Status).is_ok(), "the first one is still heard");
    assert!(configuration(plane.folder(), "").contains("boot.ports"));
}

/// Counters that all workers have given: one that got no processor for a fifth of a second has not.
fn counters(client: &mut api::control::Client) -> CounterSnapshot {
    let began = Instant::now();
    loop {
        let Reply::Counters(counters) = client.ask(Command::Counters).unwrap() else { panic!("counters") };
        if counters.workers.iter().all(|worker| worker.exact) {
            return counters;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no worker answers: {counters:?}");
    }
}

/// The state of a data plane whose workers were heard a moment ago.
fn heard(client: &mut api::control::Client) -> DataplaneStatus {
    let began = Instant::now();
    loop {
        let Reply::Status(status) = client.ask(Command::Status).unwrap() else { panic!("status") };
        let status = status.dataplane.unwrap();
        if status.workers.iter().all(|worker| worker.silent_ms < 500) {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no worker is heard: {status:?}");
    }
}

fn observers(client: &mut api::control::Client) -> u32 {
    match client.ask(Command::Status).unwrap() {
        Reply::Status(status) => status.dataplane.unwrap().observers,
        other => panic!("{other:?}"),
    }
}

fn assert_adds_up(counters: &CounterSnapshot) {
    assert!(counters.workers.iter().all(|worker| worker.exact && worker.adds_up()), "{counters:?}");
}
