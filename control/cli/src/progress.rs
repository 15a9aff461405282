use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use packet_io::replay::Progress;

/// A bar on standard error, where people look and the reading takes long enough to see it.
#[derive(Debug)]
pub(crate) struct Bar {
    since: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// `wanted` where the user did not ask for quiet; there is none unless standard error is a terminal.
    pub(crate) fn new(wanted: bool) -> Self {
        Self { since: Instant::now(), wanted: wanted && io::stderr().is_terminal(), bar: None }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        if !self.wanted {
            return;
        }
        if self.bar.is_none() && self.since.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| start(progress, self.since.elapsed()));
        bar.set_position(progress.bytes_read);
    }

    /// Takes the bar off the screen.
    pub(crate) fn clear(&mut self) {
        self.wanted = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn start(progress: Progress, elapsed: Duration) -> ProgressBar {
    let total = progress.bytes_total;
    let template = match total {
        Some(_) => {
            "{bar:30} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
        }
        None => "{spinner} {decimal_bytes}, {decimal_bytes_per_sec}",
    };
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10));
    // The templates above are well-formed; if one were not, the bar would have its usual form.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("##-")).with_position(progress.bytes_read).with_elapsed(elapsed)
}

/// What takes less time needs no bar.
const PATIENCE: Duration = Duration::from_millis(400);
