//! What a tunnel adds to a packet's time: one packet alone, not a burst, from buffers that go round.

use serde::Serialize;
use tunnel::{Aead, Opened, Packet, SealRefusal, Version};

use crate::contender::{ContenderError, NOW, receiver, sender};
use crate::pool::{BUFFER, Pool, packet};

/// Packets of which the times are taken.
const PACKETS: usize = 200_000;

const NO_PLACE: ContenderError = ContenderError::Setup("a packet outside its buffer");

/// Nanoseconds of one packet.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) name: String,
    /// Half of the packets take no longer.
    pub(crate) p50_ns: f64,
    /// 99 of 100 take no longer.
    pub(crate) p99_ns: f64,
}

/// Sealing by one gateway and opening by the other, each by itself.
pub(crate) fn of<A: Aead>(engine: &str, size: usize, hz: f64) -> Result<[Latency; 2], ContenderError> {
    let ((mut from, policy), mut to) = (sender::<A>()?, receiver::<A>()?);
    let (mut pool, plain) = (Pool::new(), packet(size));
    let (mut sealing, mut opening) = (Vec::with_capacity(PACKETS), Vec::with_capacity(PACKETS));
    let mut taken = 0;
    while taken < PACKETS {
        pool.fill(&plain);
        for (bytes, places) in pool.batches() {
            for (buffer, place) in bytes.chunks_exact_mut(BUFFER).zip(places) {
                let start = mem_sys::cycles();
                let mut one = [Packet::new(buffer, place.clone()).ok_or(NO_PLACE)?];
                let mut result = [Err(SealRefusal::NoSa)];
                from.seal(policy, &mut one, &mut result, NOW);
                sealing.push((mem_sys::cycles() - start) as f64);
                let [sealed] = one.map(|packet| packet.range());
                let start = mem_sys::cycles();
                let mut one = [Packet::new(buffer, sealed).ok_or(NO_PLACE)?];
                let mut opened = [Ok(Opened::Dummy)];
                to.open(&mut one, &mut opened, NOW);
                opening.push((mem_sys::cycles() - start) as f64);
                if result[0].is_err() || opened[0] != Ok(Opened::Ip(Version::V4)) {
                    return Err(ContenderError::Refused("a gateway"));
                }
                taken += 1;
            }
        }
    }
    let latency = |what: &str, mut cycles: Vec<f64>| {
        cycles.sort_by(f64::total_cmp);
        let at = |part: usize| cycles.get(cycles.len() * part / 100).copied().unwrap_or(0.0) / hz * 1e9;
        Latency { name: format!("{what} {engine}"), p50_ns: at(50), p99_ns: at(99) }
    };
    Ok([latency("seal", sealing), latency("open", opening)])
}
