//! Text in cells: nothing outside of its place, no control characters, no colour where none is wanted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::look::{Colours, Ink, Look};

/// Where lines are drawn, and how.
pub(super) struct Canvas<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) look: Look,
    /// What is shown is old.
    pub(super) is_stale: bool,
}

/// Which side of its column a text is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A column: its head, its side and its width; the first one takes what the others leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) side: Side,
    pub(super) width: u16,
}

impl Canvas<'_> {
    /// Writes text at a place, at most `width` columns of it and never past `area`; gives the column behind it.
    pub(super) fn text(&mut self, area: Rect, (x, y): (u16, u16), text: &str, ink: Ink) -> u16 {
        let area = area.intersection(self.buffer.area);
        let (left, top) = (area.x.saturating_add(x), area.y.saturating_add(y));
        if left >= area.right() || top >= area.bottom() {
            return x;
        }
        let room = usize::from(area.right() - left);
        let (end, _) = self.buffer.set_stringn(left, top, self.look.safe(text), room, self.style(ink));
        end.saturating_sub(area.x)
    }

    /// Writes several texts one behind the other.
    pub(super) fn line(&mut self, area: Rect, y: u16, parts: &[(&str, Ink)]) {
        let mut x = 0;
        for (text, ink) in parts {
            x = self.text(area, (x, y), text, *ink);
        }
    }

    /// Writes text that ends at the right border of `area`.
    pub(super) fn right(&mut self, area: Rect, y: u16, text: &str, ink: Ink) {
        let width = columns_of(text).min(area.width);
        self.text(area, (area.width - width, y), text, ink);
    }

    /// A head and rows below it, as many as there is room for; the first column is as wide as the others let it.
    pub(super) fn table(&mut self, area: Rect, columns: &[Column], rows: &[Vec<(String, Ink)>]) {
        let heads: Vec<_> = columns.iter().map(|column| (column.head.to_owned(), Ink::Heading)).collect();
        self.row(area, 0, columns, &heads);
        for (y, row) in (1..area.height).zip(rows) {
            self.row(area, y, columns, row);
        }
    }

    fn row(&mut self, area: Rect, y: u16, columns: &[Column], cells: &[(String, Ink)]) {
        let taken: u16 = columns.iter().skip(1).map(|column| column.width + GAP).sum();
        let first = area.width.saturating_sub(taken);
        let mut x = 0;
        for (at, (column, (text, ink))) in columns.iter().zip(cells).enumerate() {
            let width = if at == 0 { first } else { column.width };
            let cell = Rect { x: area.x.saturating_add(x), width, ..area }.intersection(area);
            let text = self.shortened(text, width);
            match column.side {
                Side::Left => _ = self.text(cell, (0, y), &text, *ink),
                Side::Right => self.right(cell, y, &text, *ink),
            }
            x = x.saturating_add(width).saturating_add(GAP);
        }
    }

    /// What does not fit ends with a mark that says so.
    fn shortened(&self, text: &str, width: u16) -> String {
        if columns_of(text) <= width {
            return text.to_owned();
        }
        let mark = if self.look.characters == crate::look::Characters::Unicode { "…" } else { "~" };
        let kept = usize::from(width.saturating_sub(1));
        text.chars().take(kept).chain(mark.chars()).collect()
    }

    pub(super) fn style(&self, ink: Ink) -> Style {
        let plain = Style::new();
        let colour = |colour: Color| match self.look.colours {
            Colours::Ansi if !self.is_stale => plain.fg(colour),
            Colours::Ansi | Colours::None => plain,
        };
        let style = match ink {
            Ink::Plain => plain,
            Ink::Heading => plain.add_modifier(Modifier::BOLD),
            Ink::Faint => plain.add_modifier(Modifier::DIM),
            Ink::Bar => colour(Color::Cyan),
            Ink::Good => colour(Color::Green),
            Ink::Warning => colour(Color::Yellow),
            Ink::Bad => colour(Color::Red).add_modifier(Modifier::BOLD),
        };
        if self.is_stale { style.add_modifier(Modifier::DIM) } else { style }
    }
}

/// Columns that a text takes: names come from tables and addresses, which have one for each character.
pub(super) fn columns_of(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

/// Columns between two columns.
const GAP: u16 = 1;
