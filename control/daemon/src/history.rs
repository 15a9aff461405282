//! The history of the configuration on disk, and which of it runs.
//!
//! `history/NNNNNN.toml` is a revision as it was written and `NNNNNN.json` who wrote it and when; `running.toml` is what
//! the data plane starts with; `state.json` says which revision runs, which is on its way, and which is taken back unless
//! it is confirmed. Each file is replaced as a whole and synced before the next is touched, so that whoever stops this
//! program at any point finds the old state or the new one: a change is noted as on its way before the data plane
//! learns of it, and [`Store::recover`] decides what became of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::Config;
use api::control::{Apply, ConfigText, Diff, Mistake, PendingChange, Reason, Revision, RevisionKind, digest};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, millis};
use crate::files;

/// Revisions that are kept.
const KEPT: u64 = 200;

/// The configurations, and who owns them.
pub(crate) struct Store {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    state: State,
    running: Running,
}

/// What `state.json` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    version: u32,
    /// Number of the last revision that was begun.
    last: u64,
    running: u64,
    #[serde(default)]
    on_its_way: Option<OnItsWay>,
    #[serde(default)]
    pending: Option<Pending>,
}

/// A revision that the data plane may have and that is not running yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OnItsWay {
    revision: u64,
    digest: String,
    #[serde(default)]
    pending: Option<Pending>,
}

/// A revision that is taken back at its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    revision: u64,
    back_to: u64,
    /// On the clock since boot, milliseconds.
    deadline_ms: u64,
    /// Of which start of the machine: after another one the change is taken back at once.
    boot_id: String,
}

/// The running configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) text: String,
    pub(crate) digest: String,
}

/// A change between [`Store::begin`] and [`Store::commit`].
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) revision: u64,
    pub(crate) text: String,
    pub(crate) config: Config,
    digest: String,
}

impl Store {
    /// Opens the folder; where it has no configuration yet, `first` (text and name) becomes revision 1.
    pub(crate) fn open(folder: &Path, clock: Arc<dyn Clock>, first: (&str, &str)) -> Result<Self, Reason> {
        let history = folder.join("history");
        std::fs::create_dir_all(&history).map_err(|error| files::storage(&history, &error))?;
        let state: Option<State> = match files::read(&folder.join(STATE))? {
            None => None,
            Some(text) => Some(serde_json::from_str(&text).map_err(|error| Reason::Storage {
                path: folder.join(STATE).display().to_string(),
                message: format!("not ours, or damaged: {error}"),
            })?),
        };
        let mut store =
            Self { folder: folder.to_owned(), clock, state: State::default(), running: Running::default() };
        match state {
            Some(state) => {
                store.state = state;
                store.running = store.load(store.state.running)?;
            }
            None => store.import(first)?,
        }
        Ok(store)
    }

    fn import(&mut self, (text, source): (&str, &str)) -> Result<(), Reason> {
        let config = parse(text, source)?;
        let running = Running { digest: digest(&config), config, text: text.to_owned() };
        self.write_revision(1, text, &running.digest, ("wirewardend", &RevisionKind::Imported, source))?;
        files::replace(&self.running_file(), text.as_bytes())?;
        self.save(State { version: 1, last: 1, running: 1, ..State::default() })?;
        self.running = running;
        Ok(())
    }

    /// What the data plane starts with.
    pub(crate) fn running_file(&self) -> PathBuf {
        self.folder.join("running.toml")
    }

    pub(crate) const fn running(&self) -> &Running {
        &self.running
    }

    pub(crate) const fn revision(&self) -> u64 {
        self.state.running
    }

    /// What is wrong with a configuration, else what would change with it.
    pub(crate) fn check(&self, text: &str, source: &str) -> Result<Diff, Reason> {
        Ok(self.running.config.diff(&parse(text, source)?))
    }

    pub(crate) fn diff(&self, from: u64, to: Option<u64>) -> Result<Diff, Reason> {
        let to = to.unwrap_or(self.state.running);
        Ok(self.load(from)?.config.diff(&self.load(to)?.config))
    }

    /// The change that awaits its confirmation.
    pub(crate) fn pending(&self) -> Option<PendingChange> {
        let pending = self.state.pending.as_ref()?;
        let left_ms = millis(self.left(pending));
        Some(PendingChange { revision: pending.revision, back_to: pending.back_to, left_ms })
    }

    /// How long the change that awaits its confirmation may still wait.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        self.state.pending.as_ref().map(|pending| self.left(pending))
    }

    fn left(&self, pending: &Pending) -> Duration {
        if pending.boot_id != self.clock.boot_id() {
            return Duration::ZERO;
        }
        Duration::from_millis(pending.deadline_ms).saturating_sub(self.clock.since_boot())
    }

    /// Notes a change as on its way, durably. What the caller does next is undone by [`Store::abort`] or finished by
    /// [`Store::commit`], and by [`Store::recover`] where this program was stopped in between.
    pub(crate) fn begin(&mut self, apply: &Apply, who: &str) -> Result<Begun, Reason> {
        if let Some(pending) = &self.state.pending {
            let message = format!(
                "revision {} awaits its confirmation: `wirewarden config confirm` or `wirewarden config rollback`",
                pending.revision
            );
            return Err(Reason::Conflict { message });
        }
        if apply.comment.len() > Apply::LONGEST_COMMENT {
            let message = format!("comment: at most {} bytes", Apply::LONGEST_COMMENT);
            return Err(Reason::Invalid { message });
        }
        let source = if apply.source.is_empty() { "configuration" } else { apply.source.as_str() };
        let config = parse(&apply.text, source)?;
        let pending = apply.confirm_within_s.map(|seconds| {
            let deadline = self.clock.since_boot() + Duration::from_secs(seconds);
            (seconds, millis(deadline))
        });
        if pending.is_some_and(|(seconds, _)| !(1..=Apply::LONGEST_CONFIRM_S).contains(&seconds)) {
            let message = format!("confirm: 1 second to {} days", Apply::LONGEST_CONFIRM_S / 86_400);
            return Err(Reason::Invalid { message });
        }
        let deadline_ms = pending.map(|(_, deadline_ms)| deadline_ms);
        self.start((&apply.text, config), (who, &RevisionKind::Applied, &apply.comment), deadline_ms)
    }

    /// The same for a revision of the history, or for the one before the change that awaits its confirmation.
    pub(crate) fn begin_rollback(&mut self, revision: Option<u64>, who: &str) -> Result<Begun, Reason> {
        let to = match (revision, &self.state.pending) {
            (Some(revision), _) => revision,
            (None, Some(pending)) => pending.back_to,
            (None, None) => {
                let message =
                    "nothing awaits its confirmation: name a revision, see `wirewarden config history`";
                return Err(Reason::Conflict { message: message.to_owned() });
            }
        };
        let old = self.load(to)?;
        self.start((&old.text, old.config), (who, &RevisionKind::RolledBack { to }, ""), None)
    }

    /// Takes the change back whose time is up: from here on the earlier configuration runs, whatever the data plane
    /// says. None where no time is up.
    pub(crate) fn expire(&mut self) -> Result<Option<Begun>, Reason> {
        let Some(pending) = self.state.pending.clone() else { return Ok(None) };
        if !self.left(&pending).is_zero() {
            return Ok(None);
        }
        let old = self.load(pending.back_to)?;
        let kind = RevisionKind::Expired { of: pending.revision, to: pending.back_to };
        let about = ("wirewardend", &kind, "not confirmed in time");
        let taken_back = self.start((&old.text, old.config.clone()), about, None).and_then(|begun| {
            self.commit(&begun)?;
            Ok(begun)
        });
        if taken_back.is_err() {
            // What cannot be noted holds all the same, and is noted when the disk has room: it stays due.
            self.running = old;
        }
        taken_back.map(Some)
    }

    fn start(
        &mut self,
        (text, config): (&str, Config),
        about: (&str, &RevisionKind, &str),
        deadline_ms: Option<u64>,
    ) -> Result<Begun, Reason> {
        let revision = self.state.last + 1;
        let digest = digest(&config);
        self.write_revision(revision, text, &digest, about)?;
        let pending = deadline_ms.map(|deadline_ms| Pending {
            revision,
            back_to: self.state.running,
            deadline_ms,
            boot_id: self.clock.boot_id(),
        });
        let on_its_way = Some(OnItsWay { revision, digest: digest.clone(), pending });
        self.save(State { last: revision, on_its_way, ..self.state.clone() })?;
        Ok(Begun { revision, text: text.to_owned(), config, digest })
    }

    /// The change runs.
    pub(crate) fn commit(&mut self, begun: &Begun) -> Result<(), Reason> {
        files::replace(&self.running_file(), begun.text.as_bytes())?;
        let on_its_way = self.state.on_its_way.clone().filter(|way| way.revision == begun.revision);
        let pending = on_its_way.and_then(|way| way.pending);
        let state = State { running: begun.revision, on_its_way: None, pending, ..self.state.clone() };
        self.save(state)?;
        self.running =
            Running { config: begun.config.clone(), text: begun.text.clone(), digest: begun.digest.clone() };
        self.forget_old();
        Ok(())
    }

    /// The change does not run.
    pub(crate) fn abort(&mut self, begun: &Begun) -> Result<(), Reason> {
        self.save(State { on_its_way: None, ..self.state.clone() })?;
        self.remove_revision(begun.revision);
        Ok(())
    }

    /// Keeps the change that awaits its confirmation.
    pub(crate) fn confirm(&mut self) -> Result<(), Reason> {
        if self.state.pending.is_none() {
            return Err(Reason::Conflict { message: "nothing awaits its confirmation".to_owned() });
        }
        self.save(State { pending: None, ..self.state.clone() })
    }

    /// Decides what became of a change that was on its way when this program was stopped: it runs where the data plane
    /// has it (`in_use` is what that says), and where nobody knows, as `running.toml` says.
    pub(crate) fn recover(&mut self, in_use: Option<&str>) -> Result<Option<Recovered>, Reason> {
        let Some(way) = self.state.on_its_way.clone() else { return Ok(None) };
        let starts_with =
            || Some(digest(&parse(&files::read(&self.running_file()).ok()??, "running.toml").ok()?));
        let runs = in_use.map(str::to_owned).or_else(starts_with);
        let loaded = self.load(way.revision);
        let begun = |running: Running| Begun {
            revision: way.revision,
            text: running.text,
            config: running.config,
            digest: running.digest,
        };
        match loaded {
            Ok(running) if runs.as_deref() == Some(way.digest.as_str()) => {
                self.commit(&begun(running))?;
                Ok(Some(Recovered::Committed(way.revision)))
            }
            _ => {
                // What the data plane starts with is what runs.
                files::replace(&self.running_file(), self.running.text.as_bytes())?;
                self.save(State { on_its_way: None, ..self.state.clone() })?;
                self.remove_revision(way.revision);
                Ok(Some(Recovered::Aborted(way.revision)))
            }
        }
    }

    /// A revision as it was written; the running one where there is no number.
    pub(crate) fn show(&self, revision: Option<u64>) -> Result<ConfigText, Reason> {
        let number = revision.unwrap_or(self.state.running);
        let loaded = self.load(number)?;
        let revision = self.about(number)?;
        Ok(ConfigText { revision, canonical: loaded.config.to_toml(), text: loaded.text })
    }

    /// The latest revisions, newest first.
    pub(crate) fn history(&self, limit: u32) -> Vec<Revision> {
        let numbers = (1..=self.state.last).rev();
        numbers.filter_map(|number| self.about(number).ok()).take(limit.min(1000) as usize).collect()
    }

    fn about(&self, number: u64) -> Result<Revision, Reason> {
        let missing = || Reason::NotFound { what: format!("revision {number}") };
        let text = files::read(&self.path(number, "json"))?.ok_or_else(missing)?;
        let mut revision: Revision = serde_json::from_str(&text).map_err(|_| missing())?;
        revision.running = number == self.state.running;
        revision.pending = self.state.pending.as_ref().is_some_and(|pending| pending.revision == number);
        Ok(revision)
    }

    fn load(&self, number: u64) -> Result<Running, Reason> {
        let missing = || Reason::NotFound { what: format!("revision {number}") };
        let text = files::read(&self.path(number, "toml"))?.ok_or_else(missing)?;
        let config = parse(&text, &format!("revision {number}"))?;
        Ok(Running { digest: digest(&config), config, text })
    }

    fn write_revision(
        &self,
        number: u64,
        text: &str,
        digest: &str,
        (who, kind, comment): (&str, &RevisionKind, &str),
    ) -> Result<(), Reason> {
        let about = Revision {
            number,
            at_ms: self.clock.wall_ms(),
            who: who.to_owned(),
            kind: kind.clone(),
            comment: comment.to_owned(),
            digest: digest.to_owned(),
            running: false,
            pending: false,
        };
        let json = serde_json::to_vec_pretty(&about).unwrap_or_default();
        let written = files::replace(&self.path(number, "toml"), text.as_bytes())
            .and_then(|()| files::replace(&self.path(number, "json"), &json));
        written.inspect_err(|_| self.remove_revision(number))
    }

    fn remove_revision(&self, number: u64) {
        for ending in ["json", "toml"] {
            let _ = std::fs::remove_file(self.path(number, ending));
        }
    }

    /// Keeps the newest, the one that runs and the one that may come back.
    fn forget_old(&self) {
        let keep = [Some(self.state.running), self.state.pending.as_ref().map(|pending| pending.back_to)];
        let number = self.state.last.saturating_sub(KEPT);
        if number > 0 && !keep.contains(&Some(number)) {
            self.remove_revision(number);
        }
    }

    fn path(&self, number: u64, ending: &str) -> PathBuf {
        self.folder.join(format!("history/{number:06}.{ending}"))
    }

    fn save(&mut self, state: State) -> Result<(), Reason> {
        let json = serde_json::to_vec_pretty(&state).unwrap_or_default();
        files::replace(&self.folder.join(STATE), &json)?;
        self.state = state;
        Ok(())
    }
}

/// What became of a change that was on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// It runs.
    Committed(u64),
    /// It does not.
    Aborted(u64),
}

pub(crate) fn parse(text: &str, source: &str) -> Result<Config, Reason> {
    Config::from_toml(text, source).map_err(|errors| Reason::Config { mistakes: Mistake::all(&errors) })
}

const STATE: &str = "state.json";

#[cfg(test)]
mod tests;
