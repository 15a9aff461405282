//! What the program says on standard error.

use std::io::{self, Write};

/// Tells an error; where nobody listens, it is not told.
pub(crate) fn error(text: &str) {
    // Names of files and interfaces come from outside: they must not steer the terminal.
    let safe: String = text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect();
    let _ = writeln!(io::stderr().lock(), "wirewarden: {safe}");
}
