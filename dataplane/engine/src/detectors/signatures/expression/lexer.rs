use super::{ExpressionError, ExpressionProblem};

/// A word of the language and the column where it starts, counted from 1.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) column: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number(i64),
    Text(Vec<u8>),
    Word(String),
    Symbol(&'static str),
}

impl Kind {
    /// The token as an error names it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Number(number) => format!("`{number}`"),
            Self::Text(_) => "a string".to_owned(),
            Self::Word(word) => format!("`{word}`"),
            Self::Symbol(symbol) => format!("`{symbol}`"),
        }
    }
}

/// Longest first, so that `..=` is not read as `..`.
const SYMBOLS: &[&str] = &[
    "..=", "&&", "||", "==", "!=", "<=", ">=", "<<", ">>", "..", "<", ">", "+", "-", "*", "/", "%", "&", "|",
    "^", "!", "(", ")", ",", "{", "}",
];

/// Cuts `text` into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let column = text.len() - rest.len() + 1;
        let fail = |problem| Err(ExpressionError { column, problem });
        if first.is_ascii_whitespace() {
            rest = rest.trim_ascii_start();
            continue;
        }
        let (kind, after) = if first == '"' {
            let Some((bytes, after)) = quoted(rest) else { return fail(ExpressionProblem::Text) };
            (Kind::Text(bytes), after)
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if first.is_ascii_digit() {
                let Some(value) = number(word) else {
                    return fail(ExpressionProblem::Number(word.to_owned()));
                };
                (Kind::Number(value), after)
            } else {
                (Kind::Word(word.to_owned()), after)
            }
        } else {
            let Some(found) = SYMBOLS.iter().find_map(|s| Some((*s, rest.strip_prefix(s)?))) else {
                return fail(ExpressionProblem::Character(first));
            };
            (Kind::Symbol(found.0), found.1)
        };
        tokens.push(Token { column, kind });
        rest = after;
    }
    Ok(tokens)
}

fn number(word: &str) -> Option<i64> {
    let plain = word.replace('_', "");
    if let Some(hex) = plain.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    if let Some(binary) = plain.strip_prefix("0b") {
        return i64::from_str_radix(binary, 2).ok();
    }
    plain.parse().ok()
}

/// The bytes of the string that `text` starts with, and what follows it.
fn quoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let c = rest.chars().next()?;
        rest = rest.strip_prefix(c)?;
        match c {
            '"' => return Some((bytes, rest)),
            '\\' => {
                let (byte, after) = escape(rest)?;
                bytes.push(byte);
                rest = after;
            }
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn escape(rest: &str) -> Option<(u8, &str)> {
    let c = rest.chars().next()?;
    let after = rest.strip_prefix(c)?;
    Some(match c {
        'r' => (b'\r', after),
        'n' => (b'\n', after),
        't' => (b'\t', after),
        '0' => (0, after),
        '\\' | '"' => (u8::try_from(c).ok()?, after),
        'x' => {
            let (digits, after) = after.split_at_checked(2)?;
            (u8::from_str_radix(digits, 16).ok()?, after)
        }
        _ => return None,
    })
}
