//! Mistakes as text with the source line and a caret, and as JSON.

use std::fmt::Write;

use api::config::{ConfigError, ConfigErrors};
use serde_json::{Value, json};

/// Most characters of a source line that are shown.
const WIDTH: usize = 100;

/// The mistakes of `text`, each under its line; one line where there are none.
pub(super) fn text(name: &str, text: &str, errors: Option<&ConfigErrors>) -> String {
    let mut out = String::new();
    let Some(errors) = errors else {
        return format!("{name}: no mistakes\n");
    };
    for error in errors {
        // Writing to a String cannot fail.
        let _ = mistake(&mut out, text, error);
    }
    let count = errors.count();
    let _ = writeln!(out, "{name}: {count} mistake{}", if count == 1 { "" } else { "s" });
    out
}

fn mistake(out: &mut String, text: &str, error: &ConfigError) -> std::fmt::Result {
    let ConfigError { file, line, column, key, problem, .. } = error;
    let key = if key.is_empty() { String::new() } else { format!("{}: ", printable(key)) };
    writeln!(out, "{file}:{line}:{column}: {key}{}", printable(&problem.to_string()))?;
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    if let Some((source, before, length)) = excerpt(text, error) {
        writeln!(out, "  {number} | {source}")?;
        writeln!(out, "  {gutter} | {}{}", " ".repeat(before), "^".repeat(length))?;
    }
    writeln!(out, "  {gutter} = {}\n", printable(&error.mend()))
}

/// The part of the line around a mistake, how many characters come before it, and how many it has.
fn excerpt(text: &str, error: &ConfigError) -> Option<(String, usize, usize)> {
    let line = usize::try_from(error.line).ok()?;
    let column = usize::try_from(error.column).ok()?;
    let source = text.lines().nth(line.checked_sub(1)?)?;
    let characters = text
        .get(error.span.clone())
        .map_or(1, |span| span.lines().next().map_or(1, |first| first.chars().count()));
    let before = column.saturating_sub(1);
    // A long line is shown from a little before the mistake.
    let skipped = if before > WIDTH / 2 { before - WIDTH / 4 } else { 0 };
    let shown: String = source.chars().skip(skipped).take(WIDTH).map(visible).collect();
    let before = before - skipped;
    let length = characters.clamp(1, WIDTH.saturating_sub(before).max(1));
    Some((shown, before, length))
}

/// The mistakes as one JSON object.
pub(super) fn json(name: &str, errors: Option<&ConfigErrors>) -> String {
    let mistakes: Vec<Value> = errors.into_iter().flatten().map(one).collect();
    format!("{:#}\n", json!({ "file": name, "valid": mistakes.is_empty(), "mistakes": mistakes }))
}

fn one(error: &ConfigError) -> Value {
    json!({
        "line": error.line,
        "column": error.column,
        "key": error.key,
        "reason": error.problem.to_string(),
        "mend": error.mend(),
        "nearest": error.nearest(),
    })
}

/// Text of a file must not command the terminal.
fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use api::Config;

    use super::*;

    fn errors(toml: &str) -> ConfigErrors {
        Config::from_toml(toml, "tap.toml").unwrap_err()
    }

    #[test]
    fn a_mistake_is_shown_under_its_line_with_what_mends_it() {
        let toml = "version = 1\n[boot]\nbackand = \"dpdk\"\n";
        assert_eq!(
            text("tap.toml", toml, Some(&errors(toml))),
            "tap.toml:3:1: boot.backand: no such key\n  \
             3 | backand = \"dpdk\"\n    \
             | ^^^^^^^\n    \
             = did you mean `boot.backend`?\n\n\
             tap.toml: 1 mistake\n"
        );
        assert_eq!(text("tap.toml", "version = 1", None), "tap.toml: no mistakes\n");
    }

    #[test]
    fn the_caret_stands_under_the_value_in_a_long_line() {
        let toml = format!(
            "version = 1\nboot = {{ flow_capacity = {}1, cores = \"x\" }}\n",
            "0x".to_owned() + &"0".repeat(300)
        );
        let shown = text("tap.toml", &toml, Some(&errors(&toml)));
        let line = |start: &str| shown.lines().rfind(|line| line.starts_with(start)).unwrap_or("").to_owned();
        let (source, caret) = (line("  2 |"), line("    |"));
        assert_eq!(caret.find('^'), source.find("\"x\""), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 130), "{shown}");
    }

    #[test]
    fn a_file_cannot_send_commands_to_the_terminal() {
        let toml = "version = 1\n[boot]\nbackend = \"\\u001b[2J\"\n\"\\u001b\" = 1\n";
        let shown = text("tap.toml", toml, Some(&errors(toml)));
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn json_says_the_same_as_text() {
        let toml = "version = 1\n[boot]\nbackend = \"dpkd\"\ncores = [1, 1]\n";
        let value: Value = serde_json::from_str(&json("tap.toml", Some(&errors(toml)))).unwrap();
        assert_eq!(value["valid"], false);
        assert_eq!(value["mistakes"][0]["line"], 3);
        assert_eq!(value["mistakes"][0]["key"], "boot.backend");
        assert_eq!(value["mistakes"][0]["nearest"], "dpdk");
        assert_eq!(value["mistakes"][1]["key"], "boot.cores[1]");
        assert_eq!(json("tap.toml", None).matches("\"valid\": true").count(), 1);
    }
}
