//! How a summary may look on the stream it goes to: width, colours, characters.

use std::env;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// What a stream can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns of a line.
    pub(crate) width: usize,
    pub(crate) colours: Colours,
    pub(crate) characters: Characters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    None,
    Ansi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Characters {
    Ascii,
    Unicode,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Heading,
    Faint,
    Bar,
    Good,
    Warning,
    Bad,
}

impl Look {
    /// What `stream` can show; `no_color` is the option of that name.
    pub(crate) fn of(stream: &(impl IsTerminal + AsFd), no_color: bool) -> Self {
        let environment = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let is_terminal = stream.is_terminal();
        let dumb = environment("TERM").is_some_and(|term| term == OsStr::new("dumb"));
        let plain = no_color || environment("NO_COLOR").is_some() || dumb || !is_terminal;
        let columns = environment("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let of_terminal = || terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
        let width = columns.or_else(of_terminal).unwrap_or(USUAL_WIDTH);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(environment);
        Self {
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
            colours: if plain { Colours::None } else { Colours::Ansi },
            characters: if locale.is_some_and(|locale| is_utf8(&locale)) {
                Characters::Unicode
            } else {
                Characters::Ascii
            },
        }
    }

    /// `text` in the colour of `ink`.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            _ if self.colours == Colours::None => "",
            Ink::Plain => "",
            Ink::Heading => "1",
            Ink::Faint => "2",
            Ink::Bar => "36",
            Ink::Good => "32",
            Ink::Warning => "33",
            Ink::Bad => "31",
        };
        if code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// A bar of at most `columns`, as long as `part` of `whole`; something shows for anything above zero.
    pub(crate) fn bar(&self, part: u64, whole: u64, columns: usize) -> String {
        let steps = match self.characters {
            Characters::Unicode => 8,
            Characters::Ascii => 1,
        };
        let most = (columns * steps) as u128;
        let length = u128::from(part.min(whole)) * most / u128::from(whole.max(1));
        // Not above `most`, which was a `usize`.
        let length = usize::try_from(length).unwrap_or(0).max(usize::from(part > 0 && columns > 0));
        match self.characters {
            Characters::Ascii => "#".repeat(length),
            Characters::Unicode => {
                let mut bar = "█".repeat(length / 8);
                bar.extend(PARTS_OF_A_BLOCK.get(length % 8).filter(|part| **part != ' '));
                bar
            }
        }
    }

    /// The mark between things on one line.
    pub(crate) const fn dot(&self) -> &'static str {
        match self.characters {
            Characters::Unicode => "·",
            Characters::Ascii => "-",
        }
    }

    /// Text from the wire or the file system, safe to show: no control characters, and ASCII where only that shows.
    pub(crate) fn safe(&self, text: &str) -> String {
        let shows = |c: char| {
            let harmful = c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            !harmful && (c.is_ascii() || self.characters == Characters::Unicode)
        };
        text.chars().map(|c| if shows(c) { c } else { '?' }).collect()
    }
}

fn is_utf8(locale: &OsStr) -> bool {
    let locale = locale.to_string_lossy().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

const USUAL_WIDTH: usize = 80;
// Narrower, the columns of numbers would not fit.
const MIN_WIDTH: usize = 48;
// Numbers far to the right of their names are hard to read.
const MAX_WIDTH: usize = 120;
/// Eighths of a block.
const PARTS_OF_A_BLOCK: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

#[cfg(test)]
mod tests {
    use super::*;

    fn look(characters: Characters, colours: Colours) -> Look {
        Look { width: 80, colours, characters }
    }

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        let look = look(Characters::Unicode, Colours::None);
        assert_eq!(look.bar(1, 1, 4), "████");
        assert_eq!(look.bar(1, 2, 4), "██");
        assert_eq!(look.bar(3, 16, 4), "▊");
        assert_eq!(look.bar(1, u64::MAX, 4), "▏");
        assert_eq!(look.bar(0, 10, 4), "");
        assert_eq!(look.bar(0, 0, 4), "");
        assert_eq!(look.bar(5, 1, 4), "████");
        assert_eq!(look.bar(u64::MAX, u64::MAX, 0), "");
        let ascii = Look { characters: Characters::Ascii, ..look };
        assert_eq!((ascii.bar(1, 2, 4), ascii.bar(1, 100, 4)), ("##".to_owned(), "#".to_owned()));
    }

    #[test]
    fn colours_are_used_where_they_may_be() {
        assert_eq!(look(Characters::Ascii, Colours::None).paint(Ink::Bad, "x"), "x");
        assert_eq!(look(Characters::Ascii, Colours::Ansi).paint(Ink::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(look(Characters::Ascii, Colours::Ansi).paint(Ink::Plain, "x"), "x");
    }

    #[test]
    fn nothing_from_outside_can_steer_the_terminal() {
        let look = look(Characters::Unicode, Colours::Ansi);
        assert_eq!(look.safe("a\u{1b}[31m\n\u{202e}b\u{9b}é"), "a?[31m??b?é");
        assert_eq!(Look { characters: Characters::Ascii, ..look }.safe("é"), "?");
    }

    #[test]
    fn locales_tell_their_character_set() {
        for (locale, utf8) in
            [("en_US.UTF-8", true), ("C.utf8", true), ("C", false), ("de_DE.ISO-8859-1", false)]
        {
            assert_eq!(is_utf8(OsStr::new(locale)), utf8, "{locale}");
        }
    }
}
