//! What keys do: from what is chosen to what is chosen next.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::view::Sort;

/// What somebody chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    /// In use.
    pub(super) filter: String,
    /// Being typed.
    pub(super) typed: Option<String>,
}

/// What a key leads to, beside other choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// Another filter is in use.
    Filter,
    Quit,
}

/// Longest filter that can be typed, characters.
const LONGEST_FILTER: usize = 256;

impl Choices {
    pub(super) fn press(&mut self, key: KeyEvent) -> Then {
        if key.kind == KeyEventKind::Release {
            return Then::Nothing;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Then::Quit;
        }
        if self.typed.is_some() {
            return self.type_on(key.code, is_control);
        }
        if self.shows_help {
            self.shows_help = false;
            return if matches!(key.code, KeyCode::Char('q')) { Then::Quit } else { Then::Nothing };
        }
        match key.code {
            KeyCode::Char('q') => return Then::Quit,
            KeyCode::Char('p' | ' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('f' | '/') => self.typed = Some(self.filter.clone()),
            KeyCode::Char('h' | '?') => self.shows_help = true,
            // What was typed last is taken away first.
            KeyCode::Esc if self.filter.is_empty() => return Then::Quit,
            KeyCode::Esc => {
                self.filter.clear();
                return Then::Filter;
            }
            _ => {}
        }
        Then::Nothing
    }

    fn type_on(&mut self, code: KeyCode, is_control: bool) -> Then {
        let Some(typed) = &mut self.typed else { return Then::Nothing };
        match code {
            KeyCode::Enter => {
                self.filter = typed.trim().to_owned();
                self.typed = None;
                return Then::Filter;
            }
            KeyCode::Esc => self.typed = None,
            KeyCode::Backspace => _ = typed.pop(),
            KeyCode::Char('u') if is_control => typed.clear(),
            KeyCode::Char(character) if !is_control && typed.chars().count() < LONGEST_FILTER => {
                typed.push(character);
            }
            _ => {}
        }
        Then::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(choices: &mut Choices, keys: &str) -> Then {
        keys.chars().fold(Then::Nothing, |_, key| {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '\u{8}' => KeyCode::Backspace,
                other => KeyCode::Char(other),
            };
            choices.press(KeyEvent::new(code, KeyModifiers::NONE))
        })
    }

    #[test]
    fn keys_pause_sort_filter_help_and_quit() {
        let mut choices = Choices::default();
        press(&mut choices, "psr");
        assert_eq!((choices.is_paused, choices.sort, choices.is_reversed), (true, Sort::Bytes, true));
        press(&mut choices, "p");
        assert!(!choices.is_paused);
        assert_eq!(press(&mut choices, "?"), Then::Nothing);
        assert!(choices.shows_help);
        press(&mut choices, "p");
        assert!(!choices.shows_help && !choices.is_paused, "any key leaves the help, and does no more");
        assert_eq!(press(&mut choices, "q"), Then::Quit);
    }

    #[test]
    fn a_filter_is_typed_taken_and_taken_away() {
        let mut choices = Choices::default();
        press(&mut choices, "/tcp and q");
        assert_eq!(choices.typed.as_deref(), Some("tcp and q"), "letters are no orders meanwhile");
        assert_eq!(press(&mut choices, "\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\n"), Then::Filter);
        assert_eq!(choices.filter, "tcp");
        press(&mut choices, "fx\u{1b}");
        assert_eq!(choices.filter, "tcp", "what was not finished changes nothing");
        assert_eq!(press(&mut choices, "\u{1b}"), Then::Filter);
        assert!(choices.filter.is_empty());
        assert_eq!(press(&mut choices, "\u{1b}"), Then::Quit);
    }

    #[test]
    fn control_c_quits_whatever_is_typed() {
        let mut choices = Choices { typed: Some("x".into()), ..Choices::default() };
        assert_eq!(choices.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Then::Quit);
        press(&mut choices, &"x".repeat(10_000));
        assert!(choices.typed.unwrap().len() <= LONGEST_FILTER, "a paste does not fill the memory");
    }
}
