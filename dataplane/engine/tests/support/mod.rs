//! TCP streams out of capture files, and what a parser makes of them.
//!
//! The reassembly is naive on purpose: segments in order of sequence number, a gap where one never came. It is a
//! second opinion to the engine's own.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

pub(crate) mod capture;
pub(crate) mod drive;
pub(crate) mod json;
pub(crate) mod tcp;

use std::path::PathBuf;

/// Folder of the labelled captures; none, and a line that says so, where it is absent.
pub(crate) fn ground_truth() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if folder.join("labels.jsonl").is_file() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
    None
}
