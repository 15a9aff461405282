//! What the engine as a whole says: of payloads that are nobody's, and of captures, next to their labels, next to
//! another dissector, and next to itself on the same packets cut, ordered and wrapped otherwise.
//!
//! The runs are bounded; `WIREWARDEN_NEGATIVE=n` makes the random families `n` times as large,
//! `WIREWARDEN_INVARIANCE=full` and `WIREWARDEN_JUDGE=full` take all captures.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod early;
mod invariance;
mod judge;
mod labels;
mod near_misses;
mod noise;
mod payloads;
mod rewrite;
mod run;
mod talks;
mod wraps;

#[path = "../support"]
mod support {
    //! Captures and events, shared with other tests.

    pub(crate) mod capture;
    #[expect(dead_code, reason = "other tests ask for the events of one type")]
    pub(crate) mod json;
}

/// Folder of the labelled captures; none, and a line that says so, where it is absent.
pub(crate) fn ground_truth() -> Option<std::path::PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| beside.into(), std::path::PathBuf::from);
    if folder.join("labels.jsonl").is_file() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
    None
}
