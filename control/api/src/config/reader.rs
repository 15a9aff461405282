//! Typed reading of TOML tables that goes on after a mistake.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::errors::{Lines, MAX_ERRORS};
use crate::config::{BadValue, BrokenRule, ByteSize, Choice, Problem, Timeout, nearest, schema};

/// Mistakes found so far in a text, each with the bytes and the key that it is about.
pub(super) struct Problems<'i> {
    pub(super) text: &'i str,
    pub(super) lines: Lines,
    found: RefCell<Vec<(Range<usize>, String, Problem)>>,
}

impl<'i> Problems<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        Self { text, lines: Lines::new(text), found: RefCell::default() }
    }

    pub(super) fn push(&self, span: Range<usize>, key: String, problem: Problem) {
        let mut found = self.found.borrow_mut();
        if found.len() < MAX_ERRORS {
            found.push((span, key, problem));
        }
    }

    /// Whether no more are kept, so that a hostile file costs no more work either.
    fn is_full(&self) -> bool {
        self.found.borrow().len() >= MAX_ERRORS
    }

    pub(super) fn take(&self) -> Vec<(Range<usize>, String, Problem)> {
        self.found.take()
    }
}

/// A value of a list, with where it stands.
pub(super) struct Entry<'a, 'i> {
    pub(super) key: String,
    pub(super) value: &'a Spanned<DeValue<'i>>,
}

/// One table of the file, or its absence, in which case every key has its default.
pub(super) struct Section<'a, 'i> {
    /// Path with the indices of lists, as errors name it.
    path: String,
    /// Path without them, as the schema names it.
    schema_path: String,
    table: Option<&'a DeTable<'i>>,
    span: Range<usize>,
    problems: &'a Problems<'i>,
}

impl<'a, 'i> Section<'a, 'i> {
    /// The whole document.
    pub(super) fn root(table: &'a DeTable<'i>, problems: &'a Problems<'i>) -> Self {
        Self::new(String::new(), String::new(), Some(table), 0..0, problems)
    }

    fn new(
        path: String,
        schema_path: String,
        table: Option<&'a DeTable<'i>>,
        span: Range<usize>,
        problems: &'a Problems<'i>,
    ) -> Self {
        let section = Self { path, schema_path, table, span, problems };
        section.report_unknown_keys();
        section
    }

    fn report_unknown_keys(&self) {
        let valid = schema::keys_of(&self.schema_path);
        for key in self.table.into_iter().flat_map(|table| table.keys()) {
            let name: &str = key.get_ref();
            if valid.contains(&name) {
                continue;
            }
            if self.problems.is_full() {
                return;
            }
            let nearest = schema::nearest_key(&self.schema_path, name);
            let problem = Problem::UnknownKey { nearest, valid: valid.clone() };
            self.problems.push(key.span(), join(&self.path, &shortened(name)), problem);
        }
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        debug_assert!(schema::keys_of(&self.schema_path).contains(&key), "{key} is not in the schema");
        self.table.and_then(|table| table.get(key))
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The bytes of the value of `key`, of the table's header where the key is absent.
    pub(super) fn span(&self, key: &str) -> Range<usize> {
        self.value(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// The line that `span` of `key` is on.
    pub(super) fn line(&self, key: &str) -> u32 {
        self.problems.lines.position(self.problems.text, self.span(key).start).0
    }

    pub(super) fn rule(&self, key: &str, rule: BrokenRule) {
        self.problems.push(self.span(key), join(&self.path, key), rule.into());
    }

    pub(super) fn rule_at(&self, span: Range<usize>, key: String, rule: BrokenRule) {
        self.problems.push(span, key, rule.into());
    }

    pub(super) fn value_problem(&self, key: &str, bad: BadValue) {
        self.problems.push(self.span(key), join(&self.path, key), bad.into());
    }

    pub(super) fn entry_problem(&self, entry: &Entry<'_, '_>, bad: BadValue) {
        self.problems.push(entry.value.span(), entry.key.clone(), bad.into());
    }

    pub(super) fn missing(&self, key: &str, what: &'static str, example: &'static str) {
        self.problems.push(self.span.clone(), join(&self.path, key), Problem::Missing { what, example });
    }

    /// A number in `range`.
    pub(super) fn integer<T>(&self, key: &str, default: T, range: RangeInclusive<u64>) -> T
    where
        T: TryFrom<u64>,
    {
        self.optional_integer(key, range).unwrap_or(default)
    }

    /// A number in `range`, none where the key is absent.
    pub(super) fn optional_integer<T: TryFrom<u64>>(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match integer_of(value.get_ref(), range) {
            Ok(number) => Some(number),
            Err(bad) => {
                self.value_problem(key, bad);
                None
            }
        }
    }

    /// A power of two in `range`.
    pub(super) fn power_of_two(&self, key: &str, default: u16, range: RangeInclusive<u64>) -> u16 {
        let value = self.integer(key, default, range);
        if value.is_power_of_two() {
            return value;
        }
        let value = u64::from(value);
        self.value_problem(key, BadValue::NotPowerOfTwo { value, next: value.next_power_of_two() });
        default
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        match self.value(key).map(Spanned::get_ref) {
            None => default,
            Some(DeValue::Boolean(flag)) => *flag,
            Some(other) => {
                self.value_problem(key, wrong_type("true or false", other, default.to_string()));
                default
            }
        }
    }

    /// Text that is not empty, none where the key is absent.
    pub(super) fn text(&self, key: &str, example: &str) -> Option<&'a str> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) if text.is_empty() => self.value_problem(key, BadValue::Empty),
            DeValue::String(text) => return Some(text),
            other => self.value_problem(key, wrong_type("text", other, format!("\"{example}\""))),
        }
        None
    }

    /// A name: a letter, then letters, digits, `_`, `-` and `.`, at most 32.
    pub(super) fn name(&self, key: &str, example: &str) -> Option<&'a str> {
        let text = self.text(key, example)?;
        if is_name(text) {
            return Some(text);
        }
        self.value_problem(key, BadValue::Name { value: shortened(text) });
        None
    }

    /// A path of a file or directory.
    pub(super) fn path(&self, key: &str, example: &str) -> Option<PathBuf> {
        self.text(key, example).map(PathBuf::from)
    }

    /// One of a list of words.
    pub(super) fn choice<T: Choice>(&self, key: &str, default: T) -> T {
        let Some(text) = self.text(key, default.name()) else { return default };
        if let Some((_, value)) = T::ALL.iter().find(|(name, _)| *name == text) {
            return *value;
        }
        let allowed: Vec<&'static str> = T::ALL.iter().map(|(name, _)| *name).collect();
        let nearest = nearest(text, allowed.iter().copied());
        self.value_problem(key, BadValue::NotOneOf { value: shortened(text), allowed, nearest });
        default
    }

    /// A size in `range`.
    pub(super) fn size(&self, key: &str, default: ByteSize, range: RangeInclusive<ByteSize>) -> ByteSize {
        self.optional_size(key, range).unwrap_or(default)
    }

    /// A size in `range`, none where the key is absent.
    pub(super) fn optional_size(&self, key: &str, range: RangeInclusive<ByteSize>) -> Option<ByteSize> {
        let text = self.text(key, "256MiB")?;
        match ByteSize::from_str(text) {
            Ok(size) if range.contains(&size) => return Some(size),
            Ok(value) => {
                self.value_problem(
                    key,
                    BadValue::SizeRange { value, min: *range.start(), max: *range.end() },
                );
            }
            Err(why) => self.value_problem(key, BadValue::Size { value: shortened(text), why }),
        }
        None
    }

    /// A length of time in `range`.
    pub(super) fn timeout(&self, key: &str, default: Timeout, range: RangeInclusive<Timeout>) -> Timeout {
        self.optional_timeout(key, range).unwrap_or(default)
    }

    /// A length of time in `range`, none where the key is absent.
    pub(super) fn optional_timeout(&self, key: &str, range: RangeInclusive<Timeout>) -> Option<Timeout> {
        let text = self.text(key, "30s")?;
        match Timeout::from_str(text) {
            Ok(timeout) if range.contains(&timeout) => return Some(timeout),
            Ok(value) => {
                let (min, max) = (*range.start(), *range.end());
                self.value_problem(key, BadValue::TimeoutRange { value, min, max });
            }
            Err(why) => self.value_problem(key, BadValue::Timeout { value: shortened(text), why }),
        }
        None
    }

    /// The values of a list of at most `max`; empty where the key is absent.
    pub(super) fn list(&self, key: &str, example: &str, max: usize) -> Vec<Entry<'a, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            self.value_problem(key, wrong_type("a list", value.get_ref(), example.to_owned()));
            return Vec::new();
        };
        if array.len() > max {
            self.value_problem(key, BadValue::TooMany { count: array.len(), max });
        }
        let path = join(&self.path, key);
        let entry = |(index, value)| Entry { key: format!("{path}[{index}]"), value };
        array.iter().take(max).enumerate().map(entry).collect()
    }

    /// The number that an entry of a list is.
    pub(super) fn entry_integer<T: TryFrom<u64>>(
        &self,
        entry: &Entry<'_, '_>,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        integer_of(entry.value.get_ref(), range).map_err(|bad| self.entry_problem(entry, bad)).ok()
    }

    /// The name that an entry of a list is.
    pub(super) fn entry_name(&self, entry: &Entry<'a, 'i>, example: &str) -> Option<&'a str> {
        let bad = match entry.value.get_ref() {
            DeValue::String(text) if is_name(text) => return Some(text),
            DeValue::String(text) => BadValue::Name { value: shortened(text) },
            other => wrong_type("text", other, format!("\"{example}\"")),
        };
        self.entry_problem(entry, bad);
        None
    }

    /// An entry of a list is of the wrong type.
    pub(super) fn entry_type_problem(&self, entry: &Entry<'_, '_>, expected: &'static str, example: &str) {
        self.entry_problem(entry, wrong_type(expected, entry.value.get_ref(), example.to_owned()));
    }

    /// The table under `key`.
    pub(super) fn section(&self, key: &str) -> Self {
        let (path, schema_path) = (join(&self.path, key), join(&self.schema_path, key));
        let table = match self.value(key).map(Spanned::get_ref) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(other) => {
                self.value_problem(key, wrong_type("a table", other, format!("[{path}]")));
                None
            }
        };
        Self::new(path, schema_path, table, self.span(key), self.problems)
    }

    /// The tables of the list under `key`, at most `max`.
    pub(super) fn sections(&self, key: &str, max: usize) -> Vec<Self> {
        let schema_path = join(&self.schema_path, key);
        let example = format!("[[{}]]", join(&self.path, key));
        let mut sections = Vec::new();
        for entry in self.list(key, &example, max) {
            match entry.value.get_ref() {
                DeValue::Table(table) => {
                    let span = entry.value.span();
                    sections.push(Self::new(
                        entry.key,
                        schema_path.clone(),
                        Some(table),
                        span,
                        self.problems,
                    ));
                }
                other => self.entry_problem(&entry, wrong_type("a table", other, example.clone())),
            }
        }
        sections
    }
}

/// Text of the file as errors repeat it: a value may be as long as the file.
pub(super) fn shortened(text: &str) -> String {
    if text.chars().nth(MAX_SHOWN).is_none() {
        return text.to_owned();
    }
    text.chars().take(MAX_SHOWN).chain(['…']).collect()
}

/// Characters of a value that errors repeat.
const MAX_SHOWN: usize = 60;

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_name(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn integer_of<T: TryFrom<u64>>(value: &DeValue<'_>, range: RangeInclusive<u64>) -> Result<T, BadValue> {
    let DeValue::Integer(integer) = value else {
        return Err(wrong_type("a whole number", value, range.start().to_string()));
    };
    let number = u64::from_str_radix(integer.as_str().trim_start_matches('+'), integer.radix()).ok();
    let in_range = number.filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok());
    in_range.ok_or_else(|| BadValue::Range {
        value: shortened(&integer.to_string()),
        min: *range.start(),
        max: *range.end(),
    })
}

fn wrong_type(expected: &'static str, found: &DeValue<'_>, example: String) -> BadValue {
    let found = match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    BadValue::Type { expected, found, example }
}
