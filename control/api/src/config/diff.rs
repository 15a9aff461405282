//! What is different between two configurations.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::config::Config;
use crate::control::{Change, Diff};

/// Every key whose value is another one. Ports are compared by name and outputs by path: moving one is no change.
pub(super) fn between(before: &Config, after: &Config) -> Diff {
    let (before, after) = (keys(before), keys(after));
    let mut changes = Vec::new();
    let all: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in all {
        let (before, after) = (before.get(key), after.get(key));
        if before != after {
            let restart = key.starts_with("boot.");
            changes.push(Change {
                key: key.clone(),
                before: before.cloned(),
                after: after.cloned(),
                restart,
            });
        }
    }
    let mut restart_needed: Vec<String> =
        changes.iter().filter(|change| change.restart).map(|change| without_index(&change.key)).collect();
    restart_needed.dedup();
    Diff { changes, restart_needed }
}

/// Every key with its value as it would be written.
fn keys(config: &Config) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    // What we wrote ourselves is TOML.
    let table: Table = config.to_toml().parse().unwrap_or_default();
    flatten("", &table, &mut keys);
    keys
}

fn flatten(path: &str, table: &Table, keys: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Table(inner) => flatten(&path, inner, keys),
            Value::Array(all) if all.iter().any(Value::is_table) => {
                for (at, one) in all.iter().enumerate() {
                    let Value::Table(inner) = one else { continue };
                    let called = ["name", "path"].iter().find_map(|key| inner.get(*key)?.as_str());
                    let called = called.map_or_else(|| at.to_string(), str::to_owned);
                    flatten(&format!("{path}[{called}]"), inner, keys);
                }
            }
            plain => {
                keys.insert(path, plain.to_string());
            }
        }
    }
}

/// `boot.ports[lan].mtu` is in `boot.ports`.
fn without_index(key: &str) -> String {
    key.split('[').next().unwrap_or(key).to_owned()
}
