use super::*;
use crate::clock::by_hand::HandClock;

const FIRST: &str = "version = 1\n";

fn text(seconds: u64) -> String {
    format!("version = 1\n[live.defrag]\ntimeout = \"{seconds}s\"\n")
}

fn apply(seconds: u64, confirm: Option<u64>) -> Apply {
    Apply { text: text(seconds), confirm_within_s: confirm, ..Apply::default() }
}

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(HandClock::new()) }
    }

    /// As after a restart of the daemon.
    fn open(&self) -> Store {
        let clock: Arc<dyn Clock> = Arc::<HandClock>::clone(&self.clock);
        Store::open(self.folder.path(), clock, (FIRST, "first.toml")).unwrap()
    }

    fn starts_with(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("running.toml")).unwrap()
    }
}

fn timeout(store: &Store) -> String {
    store.running().config.live.defrag.timeout.to_string()
}

#[test]
fn changes_are_numbered_and_say_who_and_when() {
    let bench = Bench::new();
    let mut store = bench.open();
    for seconds in 2..5 {
        let begun = store.begin(&apply(seconds, None), "uid 7").unwrap();
        store.commit(&begun).unwrap();
    }
    let begun = store.begin_rollback(Some(2), "ann").unwrap();
    store.commit(&begun).unwrap();
    let again = bench.open();
    assert_eq!((again.revision(), timeout(&again).as_str()), (5, "2s"));
    let history = again.history(10);
    let numbers: Vec<u64> = history.iter().map(|revision| revision.number).collect();
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    assert_eq!((history[0].who.as_str(), &history[0].kind), ("ann", &RevisionKind::RolledBack { to: 2 }));
    assert!(history[0].running && history[0].at_ms > 0 && history[4].kind == RevisionKind::Imported);
    assert_eq!(again.diff(3, None).unwrap().changes[0].after.as_deref(), Some("\"2s\""));
    assert!(matches!(again.show(Some(99)), Err(Reason::NotFound { .. })));
}

#[test]
fn what_is_not_confirmed_comes_back_at_its_time_whoever_sets_the_clock() {
    for jump in [-3_600_000_i64, 0, 3_600_000] {
        let bench = Bench::new();
        let mut store = bench.open();
        let begun = store.begin(&apply(9, Some(600)), "ann").unwrap();
        store.commit(&begun).unwrap();
        assert!(matches!(store.begin(&apply(8, None), "bob"), Err(Reason::Conflict { .. })));
        bench.clock.pass(599);
        bench.clock.set_wall(bench.clock.wall_ms().wrapping_add_signed(jump));
        // The daemon was killed and started again.
        let mut store = bench.open();
        assert!(store.expire().unwrap().is_none());
        assert_eq!(store.pending().unwrap().left_ms, 1000);
        bench.clock.pass(1);
        let begun = store.expire().unwrap().unwrap();
        assert_eq!(
            (begun.revision, timeout(&store).as_str(), bench.starts_with().as_str()),
            (3, "30s", FIRST)
        );
        let kind = &store.history(1)[0].kind;
        assert_eq!(kind, &RevisionKind::Expired { of: 2, to: 1 });
        assert!(store.expire().unwrap().is_none() && store.pending().is_none());
    }
}

#[test]
fn what_is_confirmed_stays() {
    let bench = Bench::new();
    let mut store = bench.open();
    assert!(store.confirm().is_err());
    let begun = store.begin(&apply(9, Some(600)), "ann").unwrap();
    store.commit(&begun).unwrap();
    store.confirm().unwrap();
    bench.clock.pass(10_000);
    let mut store = bench.open();
    assert!(store.expire().unwrap().is_none());
    assert_eq!(timeout(&store), "9s");
}

#[test]
fn after_a_start_of_the_machine_an_unconfirmed_change_is_taken_back_at_once() {
    let bench = Bench::new();
    let mut store = bench.open();
    let begun = store.begin(&apply(9, Some(86_400)), "ann").unwrap();
    store.commit(&begun).unwrap();
    bench.clock.reboot();
    let mut store = bench.open();
    assert!(store.expire().unwrap().is_some());
    assert_eq!(timeout(&store), "30s");
}

#[test]
fn a_change_that_was_on_its_way_is_what_the_data_plane_says() {
    // (what the data plane says, whether running.toml was written, what runs afterwards)
    let (old, new) = (digest(&parse(FIRST, "").unwrap()), digest(&parse(&text(9), "").unwrap()));
    for (in_use, is_written, wanted) in [
        (Some(&old), false, "30s"),
        (Some(&new), false, "9s"),
        (Some(&new), true, "9s"),
        (None, false, "30s"),
        (None, true, "9s"),
    ] {
        let bench = Bench::new();
        let mut store = bench.open();
        let begun = store.begin(&apply(9, Some(60)), "ann").unwrap();
        if is_written {
            files::replace(&store.running_file(), begun.text.as_bytes()).unwrap();
        }
        drop(store);
        let mut store = bench.open();
        let recovered = store.recover(in_use.map(String::as_str)).unwrap().unwrap();
        assert_eq!(timeout(&store), wanted, "{recovered:?}");
        assert_eq!(store.pending().is_some(), wanted == "9s", "its deadline was kept, or there is none");
        assert_eq!(digest(&parse(&bench.starts_with(), "").unwrap()), store.running().digest);
        assert!(store.recover(None).unwrap().is_none(), "decided once");
        drop(store);
        assert_eq!(timeout(&bench.open()), wanted);
    }
}

#[test]
fn a_refused_change_leaves_no_trace_but_a_number() {
    let bench = Bench::new();
    let mut store = bench.open();
    let begun = store.begin(&apply(9, Some(60)), "ann").unwrap();
    store.abort(&begun).unwrap();
    assert_eq!((store.history(10).len(), timeout(&store).as_str()), (1, "30s"));
    assert!(store.recover(None).unwrap().is_none());
    let begun = store.begin(&apply(8, None), "ann").unwrap();
    assert_eq!(begun.revision, 3);
    let many = Apply { text: "version = 1\n[live]\na = 1\nb = 2\n".to_owned(), ..Apply::default() };
    store.abort(&begun).unwrap();
    let Err(Reason::Config { mistakes }) = store.begin(&many, "ann") else { panic!("two mistakes") };
    assert_eq!(mistakes.len(), 2);
    let late = Apply { confirm_within_s: Some(0), ..apply(8, None) };
    assert!(matches!(store.begin(&late, "ann"), Err(Reason::Invalid { .. })));
}

#[test]
fn a_full_disk_refuses_the_change_and_the_old_one_runs_on() {
    let bench = Bench::new();
    let mut store = bench.open();
    // A folder in the place of the file that is written first fails as a full disk does.
    let way = bench.folder.path().join("history/000002.toml.new");
    std::fs::create_dir(&way).unwrap();
    assert!(matches!(store.begin(&apply(9, None), "ann"), Err(Reason::Storage { .. })));
    std::fs::remove_dir(&way).unwrap();
    let state = bench.folder.path().join("state.json.new");
    std::fs::create_dir(&state).unwrap();
    assert!(matches!(store.begin(&apply(9, None), "ann"), Err(Reason::Storage { .. })));
    std::fs::remove_dir(&state).unwrap();
    assert_eq!(timeout(&bench.open()), "30s");
    let begun = store.begin(&apply(9, None), "ann").unwrap();
    store.commit(&begun).unwrap();
    assert_eq!(timeout(&bench.open()), "9s");
}

#[test]
fn the_history_keeps_what_runs_and_does_not_grow_for_ever() {
    let bench = Bench::new();
    let mut store = bench.open();
    for at in 0..KEPT + 20 {
        let begun = store.begin(&apply(1 + at % 100, None), "ann").unwrap();
        store.commit(&begun).unwrap();
    }
    let left = std::fs::read_dir(bench.folder.path().join("history")).unwrap().count();
    assert_eq!(left as u64, 2 * KEPT);
    assert!(store.show(None).is_ok());
}
