//! One run over packets, against the clock of the thread.

use export::ExportError;
use packet_io::memory::Memory;
use packet_io::{Burst, PacketIo};

use crate::shape::Rest;
use crate::stage::Stage;

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    /// Packets taken.
    pub(crate) packets: u64,
    /// CPU time of the thread, nanoseconds, all of it.
    pub(crate) ns: u64,
    /// The part of it after the packets, when flows were ended.
    pub(crate) ending_ns: u64,
}

/// Takes at least `packets` packets, and lets flows rest after each `round`.
pub(crate) fn run(
    memory: &mut Memory,
    packets: u64,
    rest: Rest,
    stage: &mut impl Stage,
) -> Result<Timing, ExportError> {
    let round = memory.len() as u64;
    let mut burst = Burst::new();
    let mut timing = Timing::default();
    let mut round_end = round;
    let start = mem_sys::thread_cpu_ns();
    while timing.packets < packets {
        burst.clear();
        memory.receive(&mut burst);
        stage.burst(&burst)?;
        timing.packets += burst.len() as u64;
        if timing.packets >= round_end {
            round_end += round;
            if rest == Rest::Ends {
                let before = mem_sys::thread_cpu_ns();
                stage.end_flows()?;
                timing.ending_ns += mem_sys::thread_cpu_ns() - before;
            }
        }
    }
    timing.ns = mem_sys::thread_cpu_ns() - start;
    Ok(timing)
}
