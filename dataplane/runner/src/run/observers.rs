//! Those who watch the records as they are made: each with a filter and a queue that drops the oldest line, and counts
//! it, when its reader is slow. The exporter thread never waits for them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use crossbeam_queue::ArrayQueue;
use engine::filter::Filter;
use engine::{Names, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{Exporter, Selection, Sink};

/// Observers at once.
pub(crate) const MOST: usize = 16;
/// Bytes of lines that wait for one observer.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of events that a filter may hold until their flow's end decides.
const HELD: usize = 8 * 1024 * 1024;

/// Lines that wait for a reader.
#[derive(Debug)]
pub(crate) struct Waiting {
    lines: ArrayQueue<Box<str>>,
    bytes: AtomicUsize,
    dropped: AtomicU64,
    /// The reader has gone, or nothing comes any more.
    over: AtomicBool,
    wake: Sender<()>,
}

impl Waiting {
    /// A queue of so many lines, and what its reader waits for.
    pub(crate) fn new(lines: usize) -> (Arc<Self>, Receiver<()>) {
        let (wake, woken) = bounded(1);
        let waiting = Self {
            lines: ArrayQueue::new(lines.max(1)),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            over: AtomicBool::new(false),
            wake,
        };
        (Arc::new(waiting), woken)
    }

    fn push(&self, line: &str) {
        self.bytes.fetch_add(line.len(), Ordering::Relaxed);
        if let Some(oldest) = self.lines.force_push(line.into()) {
            self.forget(&oldest);
        }
        while self.bytes.load(Ordering::Relaxed) > MOST_BYTES {
            let Some(oldest) = self.lines.pop() else { break };
            self.forget(&oldest);
        }
        if let Err(TrySendError::Disconnected(())) = self.wake.try_send(()) {
            self.end();
        }
    }

    fn forget(&self, line: &str) {
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines that wait at most.
    pub(crate) fn room(&self) -> usize {
        self.lines.capacity()
    }

    /// The next line.
    pub(crate) fn pop(&self) -> Option<Box<str>> {
        let line = self.lines.pop()?;
        self.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        Some(line)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Nothing more is read, or comes.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Whole lines into a queue.
#[derive(Debug)]
struct Lines(Arc<Waiting>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A sink writes whole lines: its buffer is drained between two of them, and all is taken at once.
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.0.push(&String::from_utf8_lossy(line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One who watches.
pub(crate) struct Observer {
    exporter: EveExporter,
    selection: Option<Selection>,
    waiting: Arc<Waiting>,
}

impl Observer {
    /// An observer of these types (all where there are none) of the flows that a filter chooses.
    pub(crate) fn new(filter: Option<Filter>, types: Vec<String>, waiting: Arc<Waiting>) -> Self {
        let sink = Sink::writer(Lines(Arc::clone(&waiting)), "an observer".to_owned());
        let options = EveOptions { types, ..EveOptions::default() };
        Self {
            exporter: EveExporter::new(sink, &options),
            selection: filter.map(|filter| Selection::new(filter, HELD)),
            waiting,
        }
    }
}

/// All who watch.
#[derive(Default)]
pub(crate) struct Observers {
    all: Vec<Observer>,
    /// Lines lost by those who have gone.
    dropped: u64,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: Observer) {
        self.all.push(observer);
    }

    pub(crate) fn see(&mut self, batch: &RecordBatch, names: &Names) {
        for observer in &mut self.all {
            let chosen = match &mut observer.selection {
                Some(selection) => selection.choose(batch),
                None => batch,
            };
            // The queue takes everything.
            let _ = observer.exporter.export(chosen, names);
        }
    }

    pub(crate) fn stats(&mut self, now_ns: u64, counters: &[(&str, u64)]) {
        for observer in self.all.iter_mut().filter(|observer| observer.selection.is_none()) {
            let _ = observer.exporter.stats(now_ns, counters);
        }
    }

    /// Lets the readers have what there is, and forgets those who have gone.
    pub(crate) fn flush(&mut self) {
        for observer in &mut self.all {
            let _ = observer.exporter.flush();
        }
        let gone = self.all.extract_if(.., |observer| observer.waiting.is_over());
        self.dropped += gone.map(|observer| observer.waiting.dropped()).sum::<u64>();
    }

    pub(crate) fn end(&mut self) {
        self.flush();
        for observer in &self.all {
            observer.waiting.end();
        }
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped + self.all.iter().map(|observer| observer.waiting.dropped()).sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_loses_the_oldest_lines_and_is_told_how_many() {
        let (waiting, woken) = Waiting::new(3);
        let mut lines = Lines(Arc::clone(&waiting));
        lines.write_all(b"1\n2\n3\n4\n5\n").unwrap();
        assert!(woken.try_recv().is_ok());
        assert_eq!(waiting.dropped(), 2);
        let rest: Vec<Box<str>> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(rest.concat(), "345");
        assert_eq!(waiting.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn long_lines_do_not_fill_the_memory() {
        let (waiting, _woken) = Waiting::new(65_536);
        let line = "x".repeat(MOST_BYTES / 4);
        (0..10).for_each(|_| waiting.push(&line));
        assert_eq!((waiting.lines.len(), waiting.dropped()), (4, 6));
    }

    #[test]
    fn a_reader_that_has_gone_ends_its_queue() {
        let (waiting, woken) = Waiting::new(4);
        drop(woken);
        waiting.push("a");
        assert!(waiting.is_over());
    }
}
