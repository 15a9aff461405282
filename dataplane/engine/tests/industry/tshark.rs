//! A second opinion: what another dissector reads of the same capture.

use std::path::Path;
use std::process::Command;

/// Values of `fields` in the frames of a capture that `filter` picks, a row a frame, where the dissector is installed.
/// Values that occur several times in a frame are joined with commas.
pub(crate) fn tshark(capture: &Path, filter: &str, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", filter, "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let Ok(output) = command.output() else {
        eprintln!("SKIPPED: no tshark here, no second opinion on {}", capture.display());
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// All values of a column, each occurrence for itself.
pub(crate) fn column(rows: &[Vec<String>], at: usize) -> Vec<String> {
    let values = rows.iter().filter_map(|row| row.get(at)).flat_map(|cell| cell.split(','));
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}
