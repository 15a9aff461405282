//! Filters of rules, in the language and with the names of the engine.

use api::Config;
use api::config::{ConfigErrors, RefusedFilter};
use engine::{Names, Policy, PolicyProblem, Treatment};

use crate::compiled;

/// What is wrong with the filters of a configuration; none where they are good.
pub(super) fn refused(config: &Config, text: &str, name: &str) -> Option<ConfigErrors> {
    let rules = &config.live.tunnel.rules;
    if rules.is_empty() {
        return None;
    }
    // What is wrong with signatures is told by `signatures test`; their protocols are unknown here then.
    let plan = compiled::plan(config.live.classify.signatures_dir.as_deref());
    let names = plan.map(|plan| plan.names().clone()).unwrap_or_default();
    let filters = rules.iter().map(|rule| rule.filter.as_str()).enumerate();
    let refused = filters.filter_map(|(rule, filter)| refusal(rule, filter, &names));
    ConfigErrors::of_filters(text, name, refused)
}

fn refusal(rule: usize, filter: &str, names: &Names) -> Option<RefusedFilter> {
    let alone = [(filter, Treatment::Seal)];
    let error = Policy::new(alone, Treatment::Seal, Treatment::Drop, names).err()?;
    let why = error.why.to_string();
    Some(match error.why {
        PolicyProblem::Filter(error) => {
            let from = error.column.saturating_sub(1);
            let characters = from..from + error.length;
            RefusedFilter { rule, characters, why: error.kind.to_string(), nearest: error.suggestion }
        }
        PolicyProblem::KnownTooLate { statement } => {
            // As it was understood, which may be written otherwise than in the file.
            let before = filter.split_once(&statement).map(|(before, _)| before.chars().count());
            let characters = before.map_or(0..0, |from| from..from + statement.chars().count());
            RefusedFilter { rule, characters, why, nearest: None }
        }
        PolicyProblem::TooMany => RefusedFilter { rule, characters: 0..0, why, nearest: None },
    })
}
