//! Ctrl-C and its like: the first ends the work in order, the second at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A request to stop, set by a signal or by whoever finds that nobody reads on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A stop that the signals of interruption request.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        // Not SIGHUP: `nohup` asks for it to be ignored, and without that it ends the program as it should.
        for signal in [SIGINT, SIGTERM] {
            // In this order: it asks whether a stop was requested before, then requests one.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.0))?;
            flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    pub(crate) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }
}
