//! Any text as a filter: it is parsed, or refused at a place within it; what was parsed prints as the same filter, unless
//! that is longer than a filter may be (`&&` is printed as ` and `).

#![no_main]

use std::sync::LazyLock;

use engine::filter::{Filter, MAX_FILTER_BYTES};
use engine::{Names, Plan};

static NAMES: LazyLock<Names> =
    LazyLock::new(|| Plan::builtin().map(|plan| plan.names().clone()).unwrap_or_default());

libfuzzer_sys::fuzz_target!(|input: &str| {
    match Filter::parse(input, &NAMES) {
        Ok(filter) => {
            let printed = filter.to_string();
            if printed.len() > MAX_FILTER_BYTES {
                return;
            }
            let again = Filter::parse(&printed, &NAMES).map(|again| again.to_string());
            assert_eq!(again.ok().as_deref(), Some(printed.as_str()));
        }
        Err(error) => assert!(!error.pointed(input).is_empty()),
    }
});
