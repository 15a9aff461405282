use std::fs;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use api::control::{
    Apply, ClientError, Command, Failure, Health, Reason, Reply, RevisionKind, SupervisionState,
};
use sample::still::Still;

use crate::rig::Rig;

fn reason(refused: ClientError) -> Reason {
    match refused {
        ClientError::Failed(Failure { reason }) => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn a_change_is_applied_confirmed_and_rolled_back_and_the_history_says_who() {
    let Some(rig) = Rig::start(&[]) else { return };
    let before = rig.dataplane();
    let Reply::Diff(diff) =
        rig.ask(Command::ConfigCheck { text: rig.timeout(7), source: "x".into() }).unwrap()
    else {
        panic!("a diff")
    };
    assert_eq!((diff.changes.len(), diff.restart_needed.len()), (1, 0));
    let Reply::Applied(applied) = rig.apply(rig.timeout(7), Some(600)).unwrap() else { panic!("applied") };
    assert_eq!((applied.revision, applied.restarted), (2, false));
    assert!(applied.pending.is_some_and(|pending| pending.back_to == 1 && pending.left_ms > 590_000));
    assert!(matches!(reason(rig.apply(rig.timeout(8), None).unwrap_err()), Reason::Conflict { .. }));
    rig.ask(Command::ConfigConfirm).unwrap();
    rig.until("running it", |_| rig.runs(&rig.timeout(7)));
    rig.ask(Command::ConfigRollback { revision: Some(1) }).unwrap();
    rig.until("rolled back", |_| rig.runs(&rig.text("")));
    let Reply::History { revisions } = rig.ask(Command::ConfigHistory { limit: 10 }).unwrap() else {
        panic!("a history")
    };
    let kinds: Vec<&RevisionKind> = revisions.iter().map(|revision| &revision.kind).collect();
    assert_eq!(kinds, [&RevisionKind::RolledBack { to: 1 }, &RevisionKind::Applied, &RevisionKind::Imported]);
    assert_eq!(revisions[0].who, "root");
    assert_eq!(rig.dataplane().pid, before.pid, "the data plane ran on through all of it");
    let bad = rig.apply("version = 1\n[boot]\nmain_cor = 1\n[live]\nfoo = 1\n".into(), None).unwrap_err();
    let Reason::Config { mistakes } = reason(bad) else { panic!("mistakes") };
    assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [3, 5]);
}

#[test]
fn what_is_not_confirmed_comes_back_within_a_second_even_after_a_kill() {
    let Some(mut rig) = Rig::start(&[]) else { return };
    let before = Instant::now();
    rig.apply(rig.timeout(7), Some(4)).unwrap();
    let asked = Still::watch();
    std::thread::sleep(Duration::from_millis(500));
    rig.kill_daemon();
    std::thread::sleep(Duration::from_secs(1));
    rig.start_daemon();
    rig.until("taken back", |_| rig.runs(&rig.text("")));
    // The four seconds begin somewhere within the apply.
    let (least, most) = (before.elapsed(), asked.elapsed());
    assert!(least > Duration::from_secs(3), "{least:?}\n{}", rig.logs());
    assert!(most < Duration::from_secs(5), "{most:?}\n{}", rig.logs());
    assert_eq!(rig.daemon().supervision.restarts, 0, "the data plane was taken over, not started anew");
}

#[test]
fn whatever_is_killed_at_whatever_point_of_an_apply_one_of_the_two_runs_and_is_taken_back() {
    let Some(mut rig) = Rig::start(&[]) else { return };
    for point in 0..20_u64 {
        let (text, before) = (rig.timeout(10 + point), rig.text(""));
        let mut client = rig.client();
        let apply = Apply { text: text.clone(), confirm_within_s: Some(2), ..Apply::default() };
        let applying = std::thread::spawn(move || client.ask(Command::ConfigApply(apply)));
        // From before the first byte is written to after the last.
        std::thread::sleep(Duration::from_micros(point * 700));
        let both = point % 3 == 2;
        if point % 3 != 0 {
            // The one that was killed before may not be replaced yet.
            let mut pid = None;
            rig.until("a data plane", |status| {
                pid = status.dataplane.as_ref().map(|plane| plane.pid);
                pid.is_some()
            });
            // It may just have died of the one before.
            let _ = crate::rig::kill(pid.unwrap(), "-KILL");
        }
        if point % 3 == 0 || both {
            rig.kill_daemon();
            rig.start_daemon();
        }
        let _ = applying.join();
        rig.wait_for(SupervisionState::Running);
        rig.until("one of the two", |_| rig.runs(&text) || rig.runs(&before));
        rig.until("taken back", |_| rig.runs(&before));
        assert!(rig.daemon().pending.is_none());
        // Five crashes would be safe mode; these are ours.
        if point % 3 != 0 && point % 4 == 3 {
            rig.restart();
        }
    }
}

#[test]
fn boot_settings_need_a_restart_and_those_that_do_not_start_come_back() {
    let Some(rig) = Rig::start(&[]) else { return };
    let before = rig.dataplane().pid;
    let text = rig.text("").replace("flow_memory = \"16MiB\"", "flow_memory = \"32MiB\"");
    let refused = rig.apply(text.clone(), None).unwrap_err();
    assert_eq!(refused.to_string(), "restart needed: boot.flow_memory changed");
    let with_restart =
        |text: String| rig.ask(Command::ConfigApply(Apply { text, restart: true, ..Apply::default() }));
    let Reply::Applied(applied) = with_restart(text.clone()).unwrap() else { panic!("applied") };
    assert!(applied.restarted);
    rig.until("running it", |_| rig.runs(&text));
    assert_ne!(rig.dataplane().pid, before);
    let nowhere = text.replace("load.pcap", "nowhere.pcap");
    let refused = with_restart(nowhere).unwrap_err();
    assert!(refused.to_string().contains("does not start"), "{refused}");
    rig.until("running the old one", |_| rig.runs(&text));
}

#[test]
fn a_full_disk_refuses_changes_and_still_takes_back_what_is_not_confirmed() {
    let Some(mut rig) = Rig::prepared(&[]) else { return };
    let state = rig.path("state");
    fs::create_dir(&state).unwrap();
    let mounted = Process::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"])
        .arg(&state)
        .stderr(std::process::Stdio::null())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: cannot mount a tmpfs");
        return;
    }
    rig.start_daemon();
    rig.wait_for(SupervisionState::Running);
    rig.apply(rig.timeout(7), Some(4)).unwrap();
    let mut filler = Vec::new();
    while fs::write(state.join("filler"), &filler).is_ok() {
        filler.extend_from_slice(&[0; 1024]);
    }
    rig.until("taken back in the data plane", |_| rig.dataplane().config == digest(&rig.text("")));
    let storage = |health| {
        move |status: &api::control::Status| {
            let parts = &status.daemon.as_ref().unwrap().components;
            parts.iter().any(|part| part.name == "storage" && part.health == health)
        }
    };
    rig.until("told", storage(Health::Failed));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(rig.dataplane().config, digest(&rig.text("")), "and it stays");
    let (head, body) = rig.http("GET", "/readyz", "", "");
    assert!(head.contains("503") && body.contains("storage"), "{head} {body}");
    fs::remove_file(state.join("filler")).unwrap();
    rig.until("noted", |_| rig.runs(&rig.text("")) && rig.daemon().pending.is_none());
    rig.until("well again", storage(Health::Good));
    let _ = Process::new("umount").arg("-l").arg(&state).status();
}

#[test]
fn a_read_only_disk_refuses_changes_takes_back_and_keeps_no_daemon_from_starting() {
    let Some(mut rig) = Rig::prepared(&[]) else { return };
    let state = rig.path("state");
    fs::create_dir(&state).unwrap();
    let disk = |options: &str| {
        let mut mount = Process::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&state).stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    };
    if !disk("size=1m") {
        eprintln!("SKIPPED: cannot mount a tmpfs");
        return;
    }
    rig.start_daemon();
    rig.wait_for(SupervisionState::Running);
    rig.apply(rig.timeout(7), Some(3)).unwrap();
    assert!(disk("remount,ro,size=1m"));
    rig.until("taken back in the data plane", |_| rig.dataplane().config == digest(&rig.text("")));
    let pid = rig.dataplane().pid;
    assert!(rig.apply(rig.timeout(8), None).is_err(), "what cannot be kept is not taken into use");
    assert_eq!(rig.dataplane().config, digest(&rig.text("")));
    rig.kill_daemon();
    rig.start_daemon();
    rig.wait_for(SupervisionState::Running);
    rig.until("still taken back", |_| rig.dataplane().config == digest(&rig.text("")));
    assert_eq!(rig.dataplane().pid, pid, "and the data plane runs on");
    assert!(disk("remount,rw,size=1m"));
    rig.until("noted", |_| rig.runs(&rig.text("")) && rig.daemon().pending.is_none());
    // The one that was taken back may still be on its way.
    rig.until("applied", |_| rig.apply(rig.timeout(9), None).is_ok());
    rig.until("changed", |_| rig.runs(&rig.timeout(9)));
    let _ = Process::new("umount").arg("-l").arg(&state).status();
}

fn digest(text: &str) -> String {
    api::control::digest(&api::Config::from_toml(text, "").unwrap())
}

#[test]
fn the_level_of_both_logs_follows_the_running_configuration() {
    let Some(rig) = Rig::start(&[]) else { return };
    let applied = rig.apply(rig.text("[live.log]\nlevel = \"debug\"\n"), None);
    assert!(applied.is_ok(), "{applied:?}");
    let logs = |part: &str| rig.logs().contains(part);
    rig.until("told by the daemon", |_| logs("the log has another level"));
    let Ok(Reply::Protocols(_)) = rig.ask(Command::Protocols) else { panic!("protocols") };
    rig.until("told by the data plane", |_| logs("debug: protocols in"));
}
