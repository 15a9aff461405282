//! A capture through an engine, packet by packet.

use std::path::Path;
use std::sync::Arc;

use engine::trace::Trace;
use engine::{Counters, Engine, Frame, Plan, RecordBatch, Verdict};
use packet_io::replay::{Replay, ReplayOptions};
use packet_io::{Burst, PacketBuf, PacketIo};
use runner::InspectOptions;
use wire::LinkType;

/// An engine with a capture in front of it.
#[derive(Debug)]
pub(super) struct Player {
    replay: Replay,
    engine: Engine,
}

impl Player {
    /// Opens a capture. An error is a sentence for the user.
    pub(super) fn open(file: &Path, plan: &Arc<Plan>) -> Result<Self, String> {
        if file == Path::new("-") {
            return Err("the capture is read twice, which standard input cannot be: give a file".to_owned());
        }
        let files = vec![file.to_owned()];
        let replay =
            Replay::open(files.clone(), ReplayOptions::default()).map_err(|error| error.to_string())?;
        let config = InspectOptions::new(files).engine;
        let engine = Engine::new(config, Arc::clone(plan), Arc::new(Counters::default()));
        Ok(Self { replay, engine: engine.map_err(|error| error.to_string())? })
    }

    /// Has every step told to `trace`.
    pub(super) fn listen(&mut self, trace: Box<dyn Trace>) {
        self.engine.set_trace(Some(trace));
    }

    /// Plays the capture to its end. `each` is called after each packet with its number, from 1, and what was written
    /// because of it; and at the end, without a number, with what is written then.
    pub(super) fn play(&mut self, each: &mut dyn FnMut(Option<u64>, &RecordBatch)) {
        let mut batch = RecordBatch::with_capacity();
        let mut burst = Burst::new();
        let mut number = 0;
        while !self.replay.is_exhausted() {
            burst.clear();
            self.replay.receive(&mut burst);
            for (buf, meta) in burst.bufs().iter().zip(burst.metas()) {
                number += 1;
                let frame = Frame {
                    bytes: buf.bytes(),
                    wire_len: meta.wire_len,
                    timestamp_ns: meta.timestamp_ns,
                    link: LinkType::from_linktype(meta.link_type),
                    interface: meta.interface,
                    checksums_good: false,
                };
                self.engine.process(&[frame], &mut [Verdict::Forward], &mut batch);
                each(Some(number), &batch);
                batch.clear();
            }
        }
        loop {
            let done = self.engine.shut_down(&mut batch);
            each(None, &batch);
            batch.clear();
            if done {
                return;
            }
        }
    }

    /// What went wrong with the file; empty where nothing did.
    pub(super) fn errors(&mut self) -> String {
        self.replay.take_errors().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}
