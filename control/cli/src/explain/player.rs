//! A capture through an engine, packet by packet.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use engine::trace::Trace;
use engine::{Counters, Engine, Frame, Plan, RecordBatch, Verdict, Walk};
use packet_io::replay::{Replay, ReplayOptions};
use packet_io::{Burst, PacketBuf, PacketIo, PacketMeta};
use runner::InspectOptions;
use wire::LinkType;

/// An engine with a capture in front of it.
#[derive(Debug)]
pub(crate) struct Player {
    replay: Replay,
    engine: Engine,
}

impl Player {
    /// Opens a capture. An error is a sentence for the user.
    pub(crate) fn open(file: &Path, plan: &Arc<Plan>) -> Result<Self, String> {
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
    pub(crate) fn listen(&mut self, trace: Box<dyn Trace>) {
        self.engine.set_trace(Some(trace));
    }

    /// Plays the capture to its end. `each` is called after each packet with its number, from 1, and what was written
    /// because of it; and at the end, without a number, with what is written then.
    pub(crate) fn play(&mut self, each: &mut dyn FnMut(Option<u64>, &RecordBatch)) {
        let mut batch = RecordBatch::with_capacity();
        let _ = self.frames(&mut |engine, number, frame| {
            engine.process(&[*frame], &mut [Verdict::Forward], &mut batch);
            each(Some(number), &batch);
            batch.clear();
            ControlFlow::Continue(())
        });
        loop {
            let done = self.engine.shut_down(&mut batch);
            each(None, &batch);
            batch.clear();
            if done {
                return;
            }
        }
    }

    /// Plays the capture with every step of each packet timed, until `each` has seen enough. It is called with the
    /// packet's number, from 1, the packet, what the steps found and took, and what was written because of it.
    pub(crate) fn walk(
        &mut self,
        each: &mut dyn FnMut(u64, &Frame<'_>, &Walk, &RecordBatch) -> ControlFlow<()>,
    ) {
        let mut batch = RecordBatch::with_capacity();
        let _ = self.frames(&mut |engine, number, frame| {
            let walk = engine.walk(frame, &mut batch);
            let goes_on = each(number, frame, &walk, &batch);
            batch.clear();
            goes_on
        });
    }

    /// Hands each packet of the capture with its number, from 1, to `each`, until that breaks.
    fn frames(
        &mut self,
        each: &mut dyn FnMut(&mut Engine, u64, &Frame<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut burst = Burst::new();
        let mut number = 0;
        while !self.replay.is_exhausted() {
            burst.clear();
            self.replay.receive(&mut burst);
            for (buf, meta) in burst.bufs().iter().zip(burst.metas()) {
                number += 1;
                each(&mut self.engine, number, &frame(buf.bytes(), meta))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// What went wrong with the file; empty where nothing did.
    pub(crate) fn errors(&mut self) -> String {
        self.replay.take_errors().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }
}

/// Lends a packet to the engine.
fn frame<'a>(bytes: &'a [u8], meta: &PacketMeta) -> Frame<'a> {
    Frame {
        bytes,
        wire_len: meta.wire_len,
        timestamp_ns: meta.timestamp_ns,
        link: LinkType::from_linktype(meta.link.linktype()),
        interface: meta.interface,
        checksums_good: false,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The made capture of many protocols.
    fn sample(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("wirewarden-player-{name}-{}.pcap", std::process::id()));
        let mut writer = sample::pcap::PcapWriter::new(fs::File::create(&path).unwrap()).unwrap();
        sample::mixed::write(&mut writer).unwrap();
        path
    }

    #[test]
    fn a_packet_alone_is_taken_as_in_a_burst() {
        let (path, plan) = (sample("alone"), Arc::new(Plan::builtin().unwrap()));
        let mut played = Player::open(&path, &plan).unwrap();
        let (mut events, mut walked_events) = (0, 0);
        played.play(&mut |packet, batch| events += if packet.is_some() { batch.records().len() } else { 0 });
        let mut walked = Player::open(&path, &plan).unwrap();
        let mut last = 0;
        walked.walk(&mut |number, _, walk, batch| {
            assert_eq!(number, last + 1);
            assert!(walk.cycles.parse > 0, "{walk:?}");
            (last, walked_events) = (number, walked_events + batch.records().len());
            ControlFlow::Continue(())
        });
        assert!(last > 100, "{last} packets");
        assert_eq!(walked_events, events);
        while !walked.engine.shut_down(&mut RecordBatch::with_capacity()) {}
        let counters = |player: &Player| -> Vec<(String, u64)> {
            player.engine.counters().all().map(|(name, value)| (name.to_string(), value)).collect()
        };
        assert_eq!(counters(&walked), counters(&played));
        fs::remove_file(path).unwrap();
    }
}
