//! The configuration file: TOML, in two parts.
//!
//! [`BootConfig`] (cores, ports, memory, backend) is fixed for the life of a data plane; [`LiveConfig`] is what a
//! reload may change. The split is in the types, so a reload of boot settings cannot be written.
//!
//! ```
//! let errors = api::Config::from_toml("version = 1\n[boot]\nbackand = \"dpdk\"\n", "tap.toml").unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "tap.toml:3:1: boot.backand: no such key; did you mean `boot.backend`?"
//! );
//! ```

mod boot;
mod device;
mod diff;
mod errors;
mod exchange;
mod failover;
mod filters;
mod live;
mod nearest;
mod problem;
mod reader;
mod rules;
mod schema;
mod steering;
mod tunnel;
mod units;
mod write;
mod xdp;

pub use boot::{
    Backend, BootConfig, Failover, FlowTableSize, HugepageSize, MemoryConfig, PortConfig, PortMode,
    port_buffers_mib,
};
pub use device::{Device, DeviceKind, NotADevice, PciAddress};
pub use errors::{ConfigError, ConfigErrors};
pub use exchange::{ExchangeAuth, ExchangeBackend, ExchangeConfig, ExchangePreset, ExchangeProfile};
pub use filters::RefusedFilter;
pub use live::{
    Checksums, ClassifyConfig, Compress, DefragConfig, EveOutput, EveRotation, Eviction, FlowConfig,
    FlowTimeouts, LiveConfig, LogConfig, LogLevel, OutputConfig, Overlap, StreamConfig, WhenFull,
};
pub use nearest::nearest;
pub use problem::{BadValue, BrokenRule, Problem};
pub use schema::{Key, SCHEMA};
pub use steering::{
    ListAction, ListOf, ListsConfig, NotAPrefix, Prefix, PrefixList, ShuntConfig, ShuntPorts, ShuntTaps,
};
pub use tunnel::{
    Framing, Keyless, LinkFrames, MacAddress, NotAMac, Roaming, Treatment, TunnelConfig, TunnelPeer,
    TunnelRule,
};
pub use units::{ByteSize, NotASize, NotATimeout, Timeout};
pub use xdp::{Neighbours, XdpConfig, XdpCopy, XdpFrameSize, XdpMode};

use reader::{Problems, Section};
use toml::de::DeTable;

/// Version of the schema that this crate reads and writes.
pub const VERSION: u32 = 1;

/// Largest configuration text that is read, bytes.
pub const MAX_TEXT: usize = 1024 * 1024;

/// A setting with a fixed list of names.
pub trait Choice: Copy + PartialEq + 'static {
    /// Every value with its name in the file, the default first.
    const ALL: &'static [(&'static str, Self)];

    /// Name in the file.
    #[must_use]
    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(name, _)| name)
    }
}

/// A configuration without mistakes: every value in its range, every rule between values kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What a start fixes.
    pub boot: BootConfig,
    /// What a reload may change.
    pub live: LiveConfig,
}

impl Config {
    /// Reads a configuration; `source_name` is what errors call the file. Touches no device and no file.
    ///
    /// # Errors
    /// Every problem of the text, in the order of its lines.
    pub fn from_toml(text: &str, source_name: &str) -> Result<Self, ConfigErrors> {
        let problems = Problems::new(text);
        let config = read(&problems);
        let errors = errors::collect(&problems, source_name);
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(errors)),
        }
    }

    /// The whole configuration as TOML, defaults included, that [`Config::from_toml`] reads back to the same value.
    #[must_use]
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }

    /// What is different in `after`, key by key, and which of it needs a restart.
    ///
    /// ```
    /// let before = api::Config::from_toml("version = 1", "a").unwrap();
    /// let after = api::Config::from_toml("version = 1\n[boot]\ncores = [1]\n[live.defrag]\ntimeout = \"9s\"", "b").unwrap();
    /// let diff = before.diff(&after);
    /// assert_eq!(diff.restart_needed, ["boot.cores"]);
    /// assert_eq!(diff.changes[1].key, "live.defrag.timeout");
    /// assert_eq!(diff.changes[1].after.as_deref(), Some("\"9s\""));
    /// ```
    #[must_use]
    pub fn diff(&self, after: &Self) -> crate::control::Diff {
        diff::between(self, after)
    }
}

fn read(problems: &Problems<'_>) -> Option<Config> {
    let text = problems.text;
    if text.len() > MAX_TEXT {
        problems.push(0..0, String::new(), Problem::TooLarge { bytes: text.len(), limit: MAX_TEXT });
        return None;
    }
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in syntax {
        let message = error.message().to_owned();
        problems.push(error.span().unwrap_or(0..0), String::new(), Problem::Syntax { message });
    }
    let root = Section::root(document.get_ref(), problems);
    if !version_is_ours(&root) {
        return None;
    }
    let boot = boot::read(&root.section("boot"));
    let live = live::read(&root.section("live"), &boot);
    Some(Config { boot, live })
}

/// Whether the file is of our schema. Nothing else is reported of a file that is not: its keys mean something else.
fn version_is_ours(root: &Section<'_, '_>) -> bool {
    if !root.has("version") {
        root.missing("version", "the version of the schema", "version = 1");
        return true;
    }
    let found: u32 = root.integer("version", VERSION, 0..=u64::from(u32::MAX));
    if found != VERSION {
        root.value_problem("version", BadValue::Version { found, supported: VERSION });
    }
    found == VERSION
}

#[cfg(test)]
mod tests;
