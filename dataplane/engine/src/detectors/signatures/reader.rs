//! Reads TOML tables key by key and keeps the line of everything.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};

/// A value and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::detectors) struct Located<T> {
    pub(in crate::detectors) value: T,
    pub(in crate::detectors) line: u32,
}

/// Where the lines of a text start.
#[derive(Debug)]
pub(in crate::detectors) struct Lines(Vec<usize>);

impl Lines {
    pub(in crate::detectors) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset).collect())
    }

    /// The line of a byte, counted from 1.
    pub(in crate::detectors) fn line(&self, offset: usize) -> u32 {
        let before = self.0.partition_point(|end| *end < offset);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// One table of a file, and where its problems go.
#[derive(Debug)]
pub(in crate::detectors) struct Section<'t> {
    table: &'t DeTable<'t>,
    lines: &'t Lines,
    /// The line the table starts on.
    pub(in crate::detectors) line: u32,
}

impl<'t> Section<'t> {
    /// Reports every key that is not in `known`.
    pub(in crate::detectors) fn new(
        table: &'t Spanned<DeTable<'t>>,
        lines: &'t Lines,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        let line = lines.line(table.span().start);
        Self::of(table.get_ref(), lines, line, known, problems)
    }

    fn of(
        table: &'t DeTable<'t>,
        lines: &'t Lines,
        line: u32,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Self {
        for key in table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let problem =
                Problem::UnknownKey { key: key.get_ref().clone().into_owned(), known: quoted_list(known) };
            problems.add(lines.line(key.span().start), problem);
        }
        Self { table, lines, line }
    }

    fn value(&self, key: &str) -> Option<(&'t DeValue<'t>, u32)> {
        let value = self.table.get(key)?;
        Some((value.get_ref(), self.lines.line(value.span().start)))
    }

    /// The line of a key, or of the table where the key is not there.
    pub(in crate::detectors) fn line_of(&self, key: &str) -> u32 {
        self.value(key).map_or(self.line, |(_, line)| line)
    }

    /// Whether the key is there.
    pub(in crate::detectors) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text.
    pub(in crate::detectors) fn text(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<&'t str>> {
        let (value, line) = self.value(key)?;
        match value.as_str() {
            Some("") => problems.add(line, Problem::Empty { key: key.to_owned() }),
            Some(value) => return Some(Located { value, line }),
            None => wrong_type(key, value, "a text", line, problems),
        }
        None
    }

    /// A text that may be empty.
    pub(in crate::detectors) fn any_text(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<&'t str>> {
        let (value, line) = self.value(key)?;
        let text = value.as_str();
        if text.is_none() {
            wrong_type(key, value, "a text", line, problems);
        }
        Some(Located { value: text?, line })
    }

    /// A text that must be there; `mend` says what to write.
    pub(in crate::detectors) fn required(
        &self,
        key: &'static str,
        mend: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Located<&'t str>> {
        if !self.has(key) {
            problems.add(self.line, Problem::MissingKey { key, mend });
        }
        self.text(key, problems)
    }

    /// A number from `low` to `high`.
    pub(in crate::detectors) fn number(
        &self,
        key: &str,
        (low, high): (u32, u32),
        problems: &mut Problems<'_>,
    ) -> Option<Located<u32>> {
        let (value, line) = self.value(key)?;
        let number = number_in(key, value, (low, high), line, problems)?;
        Some(Located { value: number, line })
    }

    /// A yes or no.
    pub(in crate::detectors) fn switch(&self, key: &str, problems: &mut Problems<'_>) -> Option<bool> {
        let (value, line) = self.value(key)?;
        let found = value.as_bool();
        if found.is_none() {
            wrong_type(key, value, "true or false", line, problems);
        }
        found
    }

    /// A list of texts, none of them empty.
    pub(in crate::detectors) fn texts(
        &self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Located<&'t str>>> {
        let mut texts = Vec::new();
        for item in self.list(key, "a list of texts", problems)? {
            let line = self.lines.line(item.span().start);
            match item.get_ref().as_str() {
                Some("") => problems.add(line, Problem::Empty { key: key.to_owned() }),
                Some(value) => texts.push(Located { value, line }),
                None => wrong_type(key, item.get_ref(), "a list of texts", line, problems),
            }
        }
        Some(texts)
    }

    /// A list of numbers from `low` to `high`.
    pub(in crate::detectors) fn numbers(
        &self,
        key: &str,
        range: (u32, u32),
        problems: &mut Problems<'_>,
    ) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        for item in self.list(key, "a list of numbers", problems)? {
            let line = self.lines.line(item.span().start);
            numbers.extend(number_in(key, item.get_ref(), range, line, problems));
        }
        Some(numbers)
    }

    /// A table within this one.
    pub(in crate::detectors) fn section(
        &self,
        key: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<Section<'t>> {
        let (value, line) = self.value(key)?;
        let table = value.as_table();
        if table.is_none() {
            wrong_type(key, value, "a table", line, problems);
        }
        Some(Self::of(table?, self.lines, line, known, problems))
    }

    /// The tables of an array of tables.
    pub(in crate::detectors) fn sections(
        &self,
        key: &str,
        known: &[&str],
        problems: &mut Problems<'_>,
    ) -> Vec<Section<'t>> {
        let mut sections = Vec::new();
        for item in self.list(key, "an array of tables", problems).into_iter().flatten() {
            let line = self.lines.line(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => sections.push(Self::of(table, self.lines, line, known, problems)),
                None => wrong_type(key, item.get_ref(), "an array of tables", line, problems),
            }
        }
        sections
    }

    fn list(
        &self,
        key: &str,
        wanted: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<impl Iterator<Item = &'t Spanned<DeValue<'t>>> + use<'t>> {
        let (value, line) = self.value(key)?;
        let array = value.as_array();
        match array {
            None => wrong_type(key, value, wanted, line, problems),
            Some(array) if array.is_empty() => problems.add(line, Problem::Empty { key: key.to_owned() }),
            Some(_) => {}
        }
        array.map(|array| array.iter())
    }
}

fn number_in(
    key: &str,
    value: &DeValue<'_>,
    (low, high): (u32, u32),
    line: u32,
    problems: &mut Problems<'_>,
) -> Option<u32> {
    let Some(integer) = value.as_integer() else {
        wrong_type(key, value, "a number", line, problems);
        return None;
    };
    let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
    let fits = number.filter(|number| (low..=high).contains(number));
    if fits.is_none() {
        let problem = Problem::OutOfRange {
            key: key.to_owned(),
            value: integer.to_string(),
            low: i64::from(low),
            high: i64::from(high),
        };
        problems.add(line, problem);
    }
    fits
}

fn wrong_type(key: &str, value: &DeValue<'_>, wanted: &'static str, line: u32, problems: &mut Problems<'_>) {
    problems.add(line, Problem::WrongType { key: key.to_owned(), found: value.type_str(), wanted });
}

/// `` `a`, `b`, `c` ``
pub(in crate::detectors) fn quoted_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
