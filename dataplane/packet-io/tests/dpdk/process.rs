//! DPDK starts once in a process, so every test runs itself again in one of its own: without hugepages, and with them
//! where some are free.

use std::env;
use std::process::Command;

use packet_io::dpdk::{Device, Eal, EalConfig, Memory, Port, PortConfig, free_hugepages_mib};
use packet_io::dpdk::{DpdkError, DpdkQueue};

/// Says to the second process which memory to use.
const MEMORY: &str = "WIREWARDEN_TEST_DPDK_MEMORY";

/// MiB that a test needs.
const MIB: u32 = 192;

/// Runs `body` in a process of its own, with each kind of memory there is. `name` is the name of the test.
pub(crate) fn alone(name: &str, body: fn(Memory)) {
    match env::var(MEMORY).ok().as_deref() {
        Some("ordinary") => body(Memory::NoHuge { mib: MIB }),
        Some("hugepages") => body(Memory::Hugepages { mib: None }),
        Some(other) => panic!("{MEMORY}={other}"),
        None => {
            again(name, "ordinary");
            if free_hugepages_mib() >= u64::from(MIB) {
                again(name, "hugepages");
            }
        }
    }
}

fn again(name: &str, memory: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=2"]).env(MEMORY, memory);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} with {memory} memory: {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "{name} is not the name of a test\n{said}");
}

/// Starts DPDK with these devices.
pub(crate) fn eal(memory: Memory, devices: &[&str]) -> Result<Eal, DpdkError> {
    Eal::init(&EalConfig {
        memory,
        ..EalConfig::new(devices.iter().map(|device| device.parse().unwrap()).collect())
    })
}

/// Starts DPDK and its one port.
pub(crate) fn port(
    memory: Memory,
    device: &str,
    change: impl FnOnce(PortConfig) -> PortConfig,
) -> (Eal, Port, Vec<DpdkQueue>) {
    let eal = eal(memory, &[device]).unwrap();
    let device: Device = device.parse().unwrap();
    let (port, queues) = Port::start(&eal, &change(PortConfig::new(device))).unwrap();
    (eal, port, queues)
}
