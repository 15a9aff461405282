//! Network namespaces and virtual Ethernet, so that every test has interfaces of its own.
//!
//! A test runs itself again in a new namespace; that takes root, and says so where it is missing.

use std::env;
use std::process::Command;

/// Says to the second process that it is where it should be.
const INSIDE: &str = "WIREWARDEN_TEST_NETNS";

/// Runs `body` in a network namespace of its own. `name` is the name of the test.
pub(crate) fn alone(name: &str, body: fn()) {
    if env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let possible = Command::new("unshare").args(["--net", "ip", "link", "set", "lo", "up"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {name}: needs root, to make network namespaces (unshare --net)");
        return;
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1", "--include-ignored"]).env(INSIDE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "{name} is not the name of a test\n{said}");
    eprint!("{complained}");
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A pair of interfaces, up and without addresses.
pub(crate) fn veth(one: &str, other: &str, mtu: u32) {
    ip(&format!("link add {one} type veth peer name {other}"));
    for name in [one, other] {
        let setting = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        std::fs::write(setting, "1").unwrap();
        ip(&format!("link set {name} mtu {mtu} up"));
    }
}
