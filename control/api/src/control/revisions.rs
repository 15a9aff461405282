use core::fmt;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::config::{ConfigError, ConfigErrors};

/// A configuration to take into use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// TOML.
    pub text: String,
    /// What mistakes call the file.
    #[serde(default)]
    pub source: String,
    /// Seconds within which it is confirmed, or it is taken back; for good at once where there is none.
    #[serde(default)]
    pub confirm_within_s: Option<u64>,
    /// Whether the data plane may be started anew for settings that need it.
    #[serde(default)]
    pub restart: bool,
    /// Why, for the history.
    #[serde(default)]
    pub comment: String,
}

impl Apply {
    /// Longest time to confirm within, seconds: a week.
    pub const LONGEST_CONFIRM_S: u64 = 7 * 86_400;
    /// Longest comment, bytes.
    pub const LONGEST_COMMENT: usize = 512;
}

/// What came of taking a configuration into use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Number of the running configuration; 0 from the data plane, which keeps no history.
    pub revision: u64,
    /// How often the data plane took settings into use.
    pub generation: u64,
    /// Version of its signature set.
    pub signatures_version: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Whether the data plane was started anew.
    pub restarted: bool,
    /// What awaits its confirmation.
    #[serde(default)]
    pub pending: Option<PendingChange>,
}

/// A change that is taken back unless it is confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingChange {
    /// Its number.
    pub revision: u64,
    /// Number of the one that comes back.
    pub back_to: u64,
    /// Until then, milliseconds from now.
    pub left_ms: u64,
}

/// The text of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigText {
    /// Where it comes from.
    pub revision: Revision,
    /// As it was written.
    pub text: String,
    /// With every default.
    pub canonical: String,
}

/// One entry of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// When, milliseconds since the UNIX epoch.
    pub at_ms: u64,
    /// Who.
    pub who: String,
    /// How it came about.
    pub kind: RevisionKind,
    /// Why, as its author wrote.
    #[serde(default)]
    pub comment: String,
    /// [`super::digest`] of it.
    pub digest: String,
    /// Whether it is running.
    #[serde(default)]
    pub running: bool,
    /// Whether it awaits its confirmation.
    #[serde(default)]
    pub pending: bool,
}

/// How a revision came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum RevisionKind {
    /// From the file, at the first start.
    #[default]
    Imported,
    /// It was applied.
    Applied,
    /// Somebody took an earlier one into use again.
    RolledBack {
        /// Its number.
        to: u64,
    },
    /// A change was not confirmed in time.
    Expired {
        /// Its number.
        of: u64,
        /// Number of the one that came back.
        to: u64,
    },
}

/// What is different between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// Each key with another value, in the order of the keys.
    pub changes: Vec<Change>,
    /// Those of them that need a restart, without indices of lists.
    pub restart_needed: Vec<String>,
}

/// A key with another value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Path of the key; `boot.ports[lan].mtu` for the port of that name.
    pub key: String,
    /// What it was; none where it was not there.
    #[serde(default)]
    pub before: Option<String>,
    /// What it is.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether it needs a restart.
    pub restart: bool,
}

/// One thing wrong with a configuration or its signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1; 0 where only the line is known.
    pub column: u32,
    /// The key, where there is one.
    #[serde(default)]
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    #[serde(default)]
    pub remedy: String,
}

impl From<&ConfigError> for Mistake {
    fn from(error: &ConfigError) -> Self {
        Self {
            file: error.file.clone(),
            line: error.line,
            column: error.column,
            key: error.key.clone(),
            problem: error.problem.to_string(),
            remedy: error.mend(),
        }
    }
}

impl Mistake {
    /// All of them.
    #[must_use]
    pub fn all(errors: &ConfigErrors) -> Vec<Self> {
        errors.iter().map(Self::from).collect()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.file, self.line)?;
        if self.column > 0 {
            write!(f, "{}:", self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// A new token, shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// What it is called.
    pub name: String,
    /// What goes behind `Authorization: Bearer`.
    pub token: String,
}

impl fmt::Debug for TokenCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCreated").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A token without what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// What it is called.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// When it was made, milliseconds since the UNIX epoch.
    pub created_ms: u64,
    /// Until when it is good, the same.
    #[serde(default)]
    pub expires_ms: Option<u64>,
    /// Who made it.
    pub who: String,
}
