use super::{FilterError, FilterErrorKind, MAX_FILTER_BYTES};

/// A word or sign, and where it is: byte offsets into the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// Text in quotation marks; `text` is what is between them, escapes still in it.
    Quoted,
    Open,
    Close,
    Comma,
    Not,
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    End,
}

/// Cuts the whole text into tokens; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        let kind = FilterErrorKind::TooLong { bytes: text.len() };
        return Err(FilterError { column: 1, length: 1, kind, suggestion: None });
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(first) = rest.chars().next()
    {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, len) = if is_word(first) {
            (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
        } else if first == '"' {
            let Some(len) = quoted_len(rest) else {
                return Err(error_at(text, at, 1, FilterErrorKind::OpenQuote));
            };
            (Kind::Quoted, len)
        } else {
            sign(rest).ok_or_else(|| error_at(text, at, 1, FilterErrorKind::UnknownCharacter(first)))?
        };
        let inner = if kind == Kind::Quoted { at + 1..at + len - 1 } else { at..at + len };
        let inner = text.get(inner).unwrap_or_default();
        let kind = if kind == Kind::Word { joint(inner) } else { kind };
        tokens.push(Token { kind, text: inner, start: at });
        at += len;
    }
    tokens.push(Token { kind: Kind::End, text: "", start: text.trim_end().len() });
    Ok(tokens)
}

/// An error over `length` characters from byte `start` on.
pub(super) fn error_at(text: &str, start: usize, length: usize, kind: FilterErrorKind) -> FilterError {
    let column = text.get(..start).unwrap_or(text).chars().count() + 1;
    FilterError { column, length: length.max(1), kind, suggestion: None }
}

// Addresses, networks, ranges, numbers with units and names are all words.
const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-' | '%' | '+')
}

/// The words that join statements are signs too.
fn joint(word: &str) -> Kind {
    let joints = [("and", Kind::And), ("or", Kind::Or), ("not", Kind::Not)];
    joints.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map_or(Kind::Word, |(_, kind)| *kind)
}

/// Length with both marks; a mark behind a backslash does not close.
fn quoted_len(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn sign(rest: &str) -> Option<(Kind, usize)> {
    let two = match rest.as_bytes() {
        [b'&', b'&', ..] => Kind::And,
        [b'|', b'|', ..] => Kind::Or,
        [b'=', b'=', ..] => Kind::Equal,
        [b'!', b'=', ..] => Kind::NotEqual,
        [b'<', b'=', ..] => Kind::LessOrEqual,
        [b'>', b'=', ..] => Kind::GreaterOrEqual,
        _ => Kind::End,
    };
    if two != Kind::End {
        return Some((two, 2));
    }
    let one = match rest.as_bytes().first()? {
        b'(' => Kind::Open,
        b')' => Kind::Close,
        b',' => Kind::Comma,
        b'!' => Kind::Not,
        b'=' => Kind::Equal,
        b'<' => Kind::Less,
        b'>' => Kind::Greater,
        _ => return None,
    };
    Some((one, 1))
}
