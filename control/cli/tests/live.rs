//! Every command that asks a running appliance, against a real one.
//!
//! The daemon and the data plane are those beside the test's own program: `cargo build -p daemon -p runner` makes them.

#![expect(clippy::unwrap_used, reason = "tests")]

mod appliance;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use appliance::{Appliance, text};

#[test]
fn a_running_appliance_is_asked_changed_and_stopped() {
    let Some(appliance) = Appliance::start("live") else { return };
    looking(&appliance);
    without_tunnels(&appliance);
    changing(&appliance);
    tokens(&appliance);
    assert_eq!(appliance.says(&["restart"]), "done\n");
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    while appliance.run(&["status"]).status.code() != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", appliance.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(appliance.says(&["stop"]), "done\n");
    let stopped = || appliance.run(&["stats"]).status.code() == Some(3);
    while !stopped() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", appliance.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // The daemon may be told of the end a moment after the data plane stopped answering.
    while appliance.run(&["status"]).status.code() != Some(1) {
        assert!(began.elapsed() < Duration::from_secs(60), "stopped is not well: {}", appliance.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn looking(appliance: &Appliance) {
    let status = appliance.says(&["status"]);
    assert!(
        status.contains("data plane") && status.contains("worker 0") && status.contains("revision 1"),
        "{status}"
    );
    assert!(appliance.says(&["status", "-o", "json"]).contains("\"signatures_version\""));
    let stats = appliance.says(&["stats"]);
    assert!(
        stats.contains("per second") && stats.contains("port load") && stats.contains("50 open"),
        "{stats}"
    );
    assert!(appliance.says(&["stats", "-o", "csv"]).starts_with("worker,core,received,"));
    let drops = appliance.says(&["drops"]);
    assert!(drops.contains("none dropped"), "{drops}");
    let drops = appliance.says(&["drops", "--all", "-o", "csv"]);
    assert!(drops.contains("flow_table_full,0,") && drops.contains("port.rx_missed,0,"), "{drops}");
    assert!(drops.lines().skip(1).all(|line| !line.ends_with(',')), "each has a command to type: {drops}");
    let flows = appliance.says(&["flows", "-n", "3", "--order", "oldest", "-f", "udp"]);
    assert!(flows.contains("3 shown of 50 that match, 50 open"), "{flows}");
    assert!(appliance.says(&["flows", "-o", "json"]).contains("\"matched\": 50"));
    let refused = appliance.run(&["flows", "-f", "udp and prot 7"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("prot"), "the word is named");
    assert!(appliance.says(&["traffic"]).contains("in the clear"));
    let events = appliance.says(&["observe", "--types", "stats", "-n", "2", "-o", "json"]);
    assert_eq!(events.lines().filter(|line| line.contains("\"event_type\":\"stats\"")).count(), 2);
    let alone = appliance.folder().join("run/dataplane.sock").display().to_string();
    assert!(
        appliance.says(&["status", "--socket", &alone]).contains("data plane"),
        "without the daemon, too"
    );
}

fn without_tunnels(appliance: &Appliance) {
    assert!(appliance.says(&["tunnel", "show"]).starts_with("no tunnels"));
    assert!(appliance.says(&["tunnel", "show", "-o", "json"]).contains("\"peers\": []"));
    assert!(appliance.says(&["tunnel", "peers", "-o", "csv"]).starts_with("peer,address,"));
    assert!(appliance.says(&["tunnel", "check"]).contains("docs/gateway.md"));
    assert_eq!(appliance.run(&["tunnel", "rotate"]).status.code(), Some(1));
    assert_eq!(appliance.run(&["tunnel", "rotate", "nobody"]).status.code(), Some(1));
}

fn changing(appliance: &Appliance) {
    let longer = appliance.file("longer.toml", "[live.defrag]\ntimeout = \"9s\"\n");
    let check = appliance.says(&["config", "check", &longer]);
    assert!(check.contains("live.defrag.timeout") && check.contains("no mistakes"), "{check}");
    assert!(appliance.says(&["config", "diff", &longer]).contains("\"9s\""));
    let bad = appliance.file("bad.toml", "[live.defrag]\ntimeout = \"9\"\nfragments = 1\n");
    let refused = appliance.run(&["config", "apply", &bad]);
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        told.contains("bad.toml:13:") && told.contains("bad.toml:14:"),
        "each mistake with its line: {told}"
    );
    let applied = appliance.says(&["config", "apply", &longer, "--confirm", "10m", "-m", "a test"]);
    assert!(
        applied.contains("revision 2 runs") && applied.contains("wirewarden config confirm"),
        "{applied}"
    );
    assert!(appliance.says(&["status"]).contains("not confirmed"));
    assert_eq!(appliance.run(&["config", "apply", &longer]).status.code(), Some(1), "one at a time");
    assert!(appliance.says(&["config", "confirm"]).contains("revision 2"));
    assert!(appliance.says(&["config", "show"]).contains("timeout = \"9s\""));
    assert!(appliance.says(&["config", "show", "1", "--full"]).contains("timeout = \"30s\""));
    assert!(appliance.says(&["config", "diff", "1", "2"]).contains("live.defrag.timeout"));
    assert!(appliance.says(&["config", "rollback", "1"]).contains("revision 3 runs"));
    let history = appliance.says(&["config", "history"]);
    assert!(history.contains("rolled back to 1") && history.contains("a test"), "{history}");
    let boot = appliance.folder().join("boot.toml");
    fs::write(&boot, text(appliance.folder(), "").replace("16MiB", "32MiB")).unwrap();
    let refused = appliance.run(&["config", "apply", &boot.display().to_string()]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        told.contains("restart needed: boot.flow_memory changed") && told.contains("--restart"),
        "{told}"
    );
}

fn tokens(appliance: &Appliance) {
    let made = appliance.says(&["token", "create", "robot", "--role", "operator", "--expires-days", "7"]);
    assert!(made.contains("wwt_"), "{made}");
    let list = appliance.says(&["token", "list"]);
    assert!(list.contains("robot") && list.contains("operator") && !list.contains("wwt_"), "{list}");
    assert_eq!(appliance.says(&["token", "revoke", "robot"]), "done\n");
    assert_eq!(appliance.run(&["token", "revoke", "robot"]).status.code(), Some(1));
}

#[test]
fn without_an_appliance_each_command_says_what_is_missing() {
    for arguments in [
        &["status"][..],
        &["stats"],
        &["drops"],
        &["flows"],
        &["traffic"],
        &["observe"],
        &["config", "history"],
        &["token", "list"],
        &["tunnel", "show"],
        &["tunnel", "peers"],
        &["tunnel", "rotate"],
        &["tunnel", "check"],
        &["restart"],
        &["stop"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_wirewarden"))
            .args(arguments)
            .args(["--socket", "no-such-folder/no.sock"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("no.sock") && told.contains("wirewardend"), "{told}");
    }
}

#[test]
fn each_command_has_an_example_in_its_help() {
    for command in
        ["status", "stats", "drops", "flows", "traffic", "observe", "config", "token", "restart", "stop"]
    {
        let output =
            Command::new(env!("CARGO_BIN_EXE_wirewarden")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(help.contains("Example") && help.contains(&format!("wirewarden {command}")), "{help}");
    }
}
