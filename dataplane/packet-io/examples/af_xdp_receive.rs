//! Receives from an interface by AF_XDP on one core and counts, without looking at packets: what `perf/xdp.py` holds
//! against the least loop that does the same. `af_xdp_receive INTERFACE SECONDS CORE`; it also ends
//! when a second brings no packet after the first.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program of its own, which measures time"
)]

use std::time::{Duration, Instant};

use packet_io::af_xdp::{self, PortConfig};
use packet_io::{Burst, PacketIo};

/// Time without a packet, after the first, that ends it.
const SILENCE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(interface), Some(seconds), Some(core)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: af_xdp_receive INTERFACE SECONDS CORE".into());
    };
    let limit = Duration::from_secs(seconds.parse()?);
    let mut config = PortConfig { rx_descriptors: 8192, promiscuous: false, ..PortConfig::new(interface) };
    // Nobody gives signs of life here.
    config.xdp.watchdog = None;
    let (ports, mut workers) = af_xdp::open(&[config], 1)?;
    let Some(mut queue) = workers.pop().and_then(|mut queues| queues.pop()) else {
        return Err("no queue".into());
    };
    af_xdp::pin_thread(core.parse()?)?;
    eprintln!("af_xdp_receive: ready");
    let (mut burst, start) = (Burst::new(), Instant::now());
    let (mut packets, mut polls, mut first, mut last) = (0_u64, 0_u32, None, start);
    loop {
        polls = polls.wrapping_add(1);
        let is_silent = || first.is_some() && last.elapsed() > SILENCE;
        if polls.is_multiple_of(1024) && (start.elapsed() > limit || is_silent()) {
            break;
        }
        queue.receive(&mut burst);
        if burst.is_empty() {
            continue;
        }
        packets += burst.len() as u64;
        burst.clear();
        last = Instant::now();
        first.get_or_insert(last);
    }
    let seconds = last.duration_since(first.unwrap_or(last)).as_secs_f64();
    println!("{{\"packets\": {packets}, \"bytes\": {}, \"seconds\": {seconds:.6}}}", queue.stats().rx_bytes);
    drop((queue, ports));
    Ok(())
}
