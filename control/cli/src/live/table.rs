//! Rows and columns, for people and as CSV.

use crate::look::{Ink, Look};

/// Which side of its column a cell is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table, and lines below it for people.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Side)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// A line below the table, not in CSV.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(super) fn to_text(&self, look: &Look) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(|cell| look.safe(cell)).collect()).collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, _))| {
                let longest =
                    cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
                longest.unwrap_or(0).max(name.len())
            })
            .collect();
        let mut text = String::new();
        let heads: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        if !cells.is_empty() {
            text.push_str(&look.paint(Ink::Heading, self.line(&heads, &widths).trim_end()));
            text.push('\n');
        }
        for row in &cells {
            text.push_str(self.line(row, &widths).trim_end());
            text.push('\n');
        }
        for note in &self.notes {
            text.push_str(&note.lines().map(|line| look.safe(line)).collect::<Vec<_>>().join("\n"));
            text.push('\n');
        }
        text
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.iter().zip(widths).zip(&self.columns) {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            if !line.is_empty() {
                line.push_str("  ");
            }
            match side {
                Side::Left => line.extend([cell.as_str(), &space]),
                Side::Right => line.extend([space.as_str(), cell]),
            }
        }
        line
    }

    /// As RFC 4180 says.
    pub(super) fn to_csv(&self) -> String {
        let quoted = |cell: &str| {
            // A spreadsheet would take these for the start of a formula.
            let cell = if cell.starts_with(['=', '+', '@']) { format!("'{cell}") } else { cell.to_owned() };
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        };
        let mut text = self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
        text.push_str("\r\n");
        for row in &self.rows {
            text.push_str(&row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(","));
            text.push_str("\r\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::{Characters, Colours};

    const PLAIN: Look = Look { width: 80, colours: Colours::None, characters: Characters::Ascii };

    fn table() -> Table {
        let mut table = Table::new(&[("name", Side::Left), ("n", Side::Right)]);
        table.row(vec!["a".to_owned(), "1,000".to_owned()]);
        table.row(vec!["long\u{1b}er".to_owned(), "2".to_owned()]);
        table.note("a note");
        table
    }

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        assert_eq!(table().to_text(&PLAIN), "name         n\na        1,000\nlong?er      2\na note\n");
    }

    #[test]
    fn cells_of_csv_are_quoted_where_they_must_be() {
        let mut table = table();
        table.row(vec!["=1+1".to_owned(), "a\"b".to_owned()]);
        assert_eq!(table.to_csv(), "name,n\r\na,\"1,000\"\r\nlong\u{1b}er,2\r\n'=1+1,\"a\"\"b\"\r\n");
    }
}
