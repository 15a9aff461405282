//! Lists of prefixes: read from the configuration and its files, and kept up with the files while they change.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use api::config::{ListAction, ListOf, ListsConfig};
use packet_io::xdp::{Action, List, ListEntry, Prefix};

/// Bytes of a file of prefixes at most.
const LONGEST: u64 = 1 << 30;
/// Changes that are carried out at once: others wait until the next time, so that the program hears from its owner.
const AT_ONCE: usize = 10_000;

/// Why lists cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is no prefix.
    #[error("{}:{line}: {text:?} is no prefix: write an address, or an address, a slash and a number of its bits", path.display())]
    Line {
        /// File.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The start of it.
        text: String,
    },
}

/// Every prefix of a configuration, in order, each once; where one is on two lists the later one counts.
pub(super) fn read(config: &ListsConfig) -> Result<Vec<ListEntry>, ListError> {
    let mut entries = Vec::new();
    for list in &config.prefixes {
        let of = match list.of {
            ListOf::Source => List::Source,
            ListOf::Destination => List::Destination,
        };
        let action = action_of(list.action);
        for prefix in &list.prefixes {
            entries.extend(entry(of, action, *prefix));
        }
        if let Some(path) = &list.file {
            read_file(path, of, action, &mut entries)?;
        }
    }
    // Stable: of equal ones the last is the last in the configuration.
    entries.sort_by_key(key);
    entries.dedup_by(|later, earlier| {
        let is_same = key(later) == key(earlier);
        if is_same {
            *earlier = *later;
        }
        is_same
    });
    Ok(entries)
}

pub(super) const fn action_of(action: ListAction) -> Action {
    match action {
        ListAction::Allow => Action::Allow,
        ListAction::Deny => Action::Deny,
    }
}

fn entry(list: List, action: Action, prefix: api::config::Prefix) -> Option<ListEntry> {
    let prefix = Prefix::new(prefix.address, prefix.bits).ok()?;
    Some(ListEntry { list, prefix, action })
}

fn key(entry: &ListEntry) -> (bool, Prefix) {
    (entry.list == List::Destination, entry.prefix)
}

fn read_file(path: &Path, list: List, action: Action, entries: &mut Vec<ListEntry>) -> Result<(), ListError> {
    let failed = |source| ListError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > LONGEST {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let prefix: api::config::Prefix = line.parse().map_err(|_| ListError::Line {
            path: path.to_owned(),
            line: number,
            text: line.chars().take(60).collect(),
        })?;
        entries.extend(entry(list, action, prefix));
    }
    Ok(())
}

/// A map of the program that has more prefixes than room; none where all have room.
pub(super) fn overfull(entries: &[ListEntry], room: u32) -> Option<String> {
    for (list, name) in [(List::Source, "source"), (List::Destination, "destination")] {
        for (is_v4, version) in [(true, "IPv4"), (false, "IPv6")] {
            let is_there =
                |entry: &&ListEntry| entry.list == list && entry.prefix.address().is_ipv4() == is_v4;
            let count = entries.iter().filter(is_there).count();
            if count > usize::try_from(room).unwrap_or(usize::MAX) {
                return Some(format!(
                    "{count} {version} prefixes of {name}s, and room for {room}: raise `boot.xdp.prefixes`"
                ));
            }
        }
    }
    None
}

/// Something to do to the lists of every port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put(ListEntry),
    Remove(List, Prefix),
}

/// The lists in force, and what is left to do until they are what the files say.
#[derive(Debug)]
pub(super) struct Lists {
    config: ListsConfig,
    in_force: Vec<ListEntry>,
    changed: Vec<Option<SystemTime>>,
    waiting: VecDeque<Change>,
}

impl Lists {
    pub(super) fn new(config: ListsConfig, in_force: Vec<ListEntry>) -> Self {
        let changed = changed(&config);
        Self { config, in_force, changed, waiting: VecDeque::new() }
    }

    /// Goes on with another configuration, whose prefixes are `wanted`.
    pub(super) fn follow(&mut self, config: ListsConfig, wanted: Vec<ListEntry>) {
        self.changed = changed(&config);
        self.config = config;
        // What waits is carried out before what is added.
        self.waiting.extend(differences(&self.in_force, &wanted));
        self.in_force = wanted;
    }

    /// Looks whether files have changed; what is wrong with them leaves the lists as they are.
    pub(super) fn look(&mut self) -> Result<(), ListError> {
        let now = changed(&self.config);
        if now == self.changed || !self.waiting.is_empty() {
            return Ok(());
        }
        self.changed = now;
        let wanted = read(&self.config)?;
        self.waiting = differences(&self.in_force, &wanted);
        self.in_force = wanted;
        Ok(())
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> impl Iterator<Item = Change> + '_ {
        self.waiting.drain(..AT_ONCE.min(self.waiting.len()))
    }
}

/// When each file was changed last.
fn changed(config: &ListsConfig) -> Vec<Option<SystemTime>> {
    let files = config.prefixes.iter().filter_map(|list| list.file.as_ref());
    files.map(|file| fs::metadata(file).and_then(|about| about.modified()).ok()).collect()
}

/// What makes one of two sorted lists the other.
fn differences(before: &[ListEntry], wanted: &[ListEntry]) -> VecDeque<Change> {
    let mut changes = VecDeque::new();
    let (mut old, mut new) = (before.iter().peekable(), wanted.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return changes,
            (Some(gone), other) if other.is_none_or(|other| key(gone) < key(other)) => {
                changes.push_back(Change::Remove(gone.list, gone.prefix));
                old.next();
            }
            (Some(one), Some(other)) if key(one) == key(other) => {
                if one.action != other.action {
                    changes.push_back(Change::Put(**other));
                }
                old.next();
                new.next();
            }
            (_, Some(added)) => {
                changes.push_back(Change::Put(**added));
                new.next();
            }
            (Some(_), None) => return changes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ListsConfig {
        api::Config::from_toml(&format!("version = 1\n{text}"), "test").unwrap().live.lists
    }

    #[test]
    fn the_last_list_that_names_a_prefix_counts_and_lines_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deny.txt");
        fs::write(&file, "# partners\n192.0.2.0/24\n\n2001:db8::/32 # all of it\n").unwrap();
        let text = format!(
            "[[live.lists.list]]\nfile = {file:?}\nprefixes = [\"10.0.0.0/8\"]\n[[live.lists.list]]\naction = \"allow\"\nprefixes = [\"192.0.2.9/24\"]\n"
        );
        let entries = read(&config(&text)).unwrap();
        let told: Vec<_> = entries.iter().map(|entry| (entry.prefix.to_string(), entry.action)).collect();
        let expected =
            [("10.0.0.0/8", Action::Deny), ("192.0.2.0/24", Action::Allow), ("2001:db8::/32", Action::Deny)];
        assert_eq!(told, expected.map(|(text, action)| (text.to_owned(), action)));
        fs::write(&file, "192.0.2.0/24\nnobody\n").unwrap();
        let error = read(&config(&text)).unwrap_err().to_string();
        assert!(error.contains(":2: \"nobody\""), "{error}");
        fs::remove_file(&file).unwrap();
        assert!(matches!(read(&config(&text)), Err(ListError::Read { .. })));
    }

    #[test]
    fn another_configuration_is_followed_while_the_one_before_is_still_carried_out() {
        let lists = ["10.0.0.0/8\", \"192.0.2.1", "192.0.2.1\", \"2001:db8::/32", "10.0.0.0/8"]
            .map(|prefixes| config(&format!("[[live.lists.list]]\nprefixes = [\"{prefixes}\"]\n")));
        let mut in_kernel = read(&lists[0]).unwrap();
        let mut own = Lists::new(lists[0].clone(), in_kernel.clone());
        for next in &lists[1..] {
            own.follow(next.clone(), read(next).unwrap());
        }
        for change in own.next() {
            match change {
                Change::Put(entry) => in_kernel.push(entry),
                Change::Remove(of, prefix) => {
                    in_kernel.retain(|other| (other.list, other.prefix) != (of, prefix));
                }
            }
        }
        assert_eq!(in_kernel, read(&lists[2]).unwrap());
        assert_eq!(overfull(&in_kernel, 1), None);
        assert!(overfull(&in_kernel, 0).unwrap().contains("boot.xdp.prefixes"));
    }

    #[test]
    fn a_changed_file_is_what_its_differences_make_of_the_list() {
        let of = |text: &str| read(&config(text)).unwrap();
        let before = of("[[live.lists.list]]\nprefixes = [\"10.0.0.0/8\", \"10.1.0.0/16\", \"::1\"]\n");
        let wanted = of(
            "[[live.lists.list]]\nprefixes = [\"10.1.0.0/16\", \"192.0.2.1\"]\n[[live.lists.list]]\naction = \"allow\"\nprefixes = [\"::1\"]\n[[live.lists.list]]\nof = \"destination\"\nprefixes = [\"10.0.0.0/8\"]\n",
        );
        let mut list = before.clone();
        for change in differences(&before, &wanted) {
            match change {
                Change::Put(entry) => {
                    list.retain(|other| key(other) != key(&entry));
                    list.push(entry);
                }
                Change::Remove(of, prefix) => list.retain(|other| (other.list, other.prefix) != (of, prefix)),
            }
        }
        list.sort_by_key(key);
        assert_eq!(list, wanted);
        assert!(differences(&wanted, &wanted).is_empty());
        assert_eq!(differences(&wanted, &[]).len(), wanted.len());
    }
}
