//! Packets from one `net_null` port to another and back, with no engine between: what receiving and sending cost by
//! themselves, to compare with `dpdk-testpmd --forward-mode=io` on the same core.
//!
//! ```sh
//! cargo run --release --features dpdk --example io_forward -- [SECONDS [CORE [forward|drop [BURST]]]]
//! ```
//!
//! Prints one line of JSON; `mpps` is of both ports together, where testpmd prints each for itself. `mpps_of_cpu` is
//! by the time that the thread had the core for itself, for machines that are shared.
#![expect(clippy::print_stdout, reason = "the result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock and a thread of its own")]

use std::error::Error;
use std::time::{Duration, Instant};

use packet_io::dpdk::{CoreId, Device, DpdkQueue, Eal, EalConfig, Mbuf, Memory, Port, PortConfig};
use packet_io::{BURST, Burst, PacketIo};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let core = CoreId(arguments.next().map_or(Ok(1), |text| text.parse())?);
    let step = match arguments.next().as_deref() {
        None | Some("forward") => forward,
        Some("drop") => discard,
        Some(other) => return Err(format!("{other:?} is neither forward nor drop").into()),
    };
    let limit: usize = arguments.next().map_or(Ok(BURST), |text| text.parse())?;
    let devices: Vec<Device> = vec!["net_null0".parse()?, "net_null1".parse()?];
    let memory = Memory::detect(256);
    let eal = Eal::init(&EalConfig { memory, ..EalConfig::new(devices.clone()) })?;
    let mut ports = Vec::new();
    let mut queues = Vec::new();
    for device in devices {
        let (port, made) = Port::start(&eal, &PortConfig::new(device))?;
        ports.push(port);
        queues.extend(made);
    }
    let worker = std::thread::spawn({
        let eal = eal.clone();
        move || -> Result<Measured, packet_io::dpdk::DpdkError> {
            let _registered = eal.register_thread(core)?;
            Ok(measure(&mut queues, Duration::from_secs(seconds), step, Burst::with_limit(limit)))
        }
    });
    let Measured { packets, took, on_core } = worker.join().map_err(|_| "the worker panicked")??;
    let memory = match memory {
        Memory::Hugepages { .. } => "hugepages",
        Memory::NoHuge { .. } => "ordinary",
    };
    let mpps = packets as f64 / took.as_secs_f64() / 1e6;
    let mpps_of_cpu = packets as f64 / on_core.as_secs_f64() / 1e6;
    let seconds = took.as_secs_f64();
    println!(
        r#"{{"benchmark":"io_forward","mpps":{mpps:.2},"mpps_of_cpu":{mpps_of_cpu:.2},"packets":{packets},"seconds":{seconds:.3},"burst":{limit},"memory":"{memory}"}}"#
    );
    Ok(())
}

struct Measured {
    packets: u64,
    took: Duration,
    on_core: Duration,
}

/// Packets received on both ports, and the time that took.
fn measure(queues: &mut [DpdkQueue], time: Duration, step: Step, mut burst: Burst<Mbuf>) -> Measured {
    let [first, second] = queues else { return Measured { packets: 0, took: time, on_core: time } };
    let (start, core_start) = (Instant::now(), time_on_core());
    while start.elapsed() < time {
        for _ in 0..1000 {
            step(first, second, &mut burst);
            step(second, first, &mut burst);
        }
    }
    let packets = first.stats().rx_packets + second.stats().rx_packets;
    Measured { packets, took: start.elapsed(), on_core: time_on_core().saturating_sub(core_start) }
}

/// How long this thread had a core, by the scheduler's count (`proc_pid_schedstat`).
fn time_on_core() -> Duration {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = counts.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default();
    Duration::from_nanos(nanoseconds)
}

type Step = fn(&mut DpdkQueue, &mut DpdkQueue, &mut Burst<Mbuf>);

fn forward(from: &mut DpdkQueue, to: &mut DpdkQueue, burst: &mut Burst<Mbuf>) {
    from.receive(burst);
    to.transmit(burst);
    burst.clear();
}

fn discard(from: &mut DpdkQueue, _: &mut DpdkQueue, burst: &mut Burst<Mbuf>) {
    from.receive(burst);
    burst.clear();
}
