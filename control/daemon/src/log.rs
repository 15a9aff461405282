//! The log: for people or as JSON, on standard error, at a level that can be changed while it runs.

use std::fmt::Debug;

use api::config::{Choice, LogLevel};
use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::guard::Guarded;

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Follows the level of the running configuration.
#[derive(Debug)]
pub(crate) struct Level {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What was set last; none where the command line decides.
    set: Option<Guarded<LogLevel>>,
}

impl Level {
    /// What the running configuration says.
    pub(crate) fn follow(&self, level: LogLevel) {
        let Some(set) = &self.set else { return };
        let mut set = set.lock();
        if *set == level {
            return;
        }
        if self.handle.reload(EnvFilter::new(level.name())).is_ok() {
            *set = level;
            tracing::info!(level = level.name(), "the log has another level");
        }
    }
}

/// Logs from now on; a `level` that is given here stays.
pub(crate) fn start(format: LogFormat, level: Option<&str>) -> Result<Level, String> {
    let usual = LogLevel::Info;
    let text = level.unwrap_or(usual.name());
    let filter = EnvFilter::builder().parse(text).map_err(|error| format!("--log-level {text}: {error}"))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Human => registry.with(lines.with_ansi(false)).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    Ok(Level { handle, set: level.is_none().then(|| Guarded::new(usual)) })
}
