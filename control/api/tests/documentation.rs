//! The documentation says what the schema is, and its examples are right.

use std::fs;
use std::path::{Path, PathBuf};

use api::Config;
use api::config::SCHEMA;

#[test]
fn every_key_is_documented_with_type_default_and_meaning() {
    let text = fs::read_to_string(docs().join("configuration.md")).expect("docs/configuration.md");
    for key in SCHEMA {
        let row =
            format!("| `{}` | {} | {} | {} |", key.path, key.kind, default_cell(key.default), key.meaning);
        assert!(text.contains(&row), "docs/configuration.md needs this row:\n{row}");
    }
}

#[test]
fn no_key_is_documented_that_does_not_exist() {
    let text = fs::read_to_string(docs().join("configuration.md")).expect("docs/configuration.md");
    for row in text.lines().filter_map(|line| line.strip_prefix("| `")) {
        let path = row.split('`').next().unwrap_or(row);
        assert!(SCHEMA.iter().any(|key| key.path == path), "docs/configuration.md documents `{path}`");
    }
}

#[test]
fn every_example_is_a_configuration_without_mistakes() {
    let mut examples = 0;
    for entry in fs::read_dir(docs().join("examples")).expect("docs/examples") {
        let path = entry.expect("an entry of docs/examples").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).expect("an example");
            let name = path.display().to_string();
            let errors = Config::from_toml(&text, &name).err().map(|errors| errors.to_string());
            assert_eq!(errors, None);
            examples += 1;
        }
    }
    assert!(examples >= 3, "{examples} examples");
}

/// What may be written is code, what may not is text.
fn default_cell(default: &str) -> String {
    if default.starts_with('(') { default.to_owned() } else { format!("`{default}`") }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}
