//! SQL statements without the data in them: literals become `?`, comments go, blanks are joined. What is left says
//! what is done to which table, and holds neither passwords nor people.

use memchr::memmem;

/// How literals, names and comments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// ISO/IEC 9075 and PostgreSQL: `"name"`, `E'\n'`, `$tag$text$tag$`. CQL is read in the same way.
    Standard,
    /// MySQL: `` `name` ``, backslashes escape, `"text"`, `# comment`.
    MySql,
    /// SQL Server: `[name]`; what is in double quotes may be either and counts as text.
    Transact,
}

/// Bytes of a statement that are written.
pub(super) const STATEMENT_MAX: usize = 1024;

/// Appends `statement` without its data. A statement that was cut may end within a literal.
pub(super) fn digest(statement: &[u8], dialect: Dialect, into: &mut Vec<u8>) {
    let end = into.len().saturating_add(STATEMENT_MAX);
    let mut left = statement;
    while let Some((&byte, rest)) = left.split_first() {
        if into.len() >= end {
            return;
        }
        let in_word = into.last().is_some_and(|last| is_word(*last));
        left = match byte {
            b'\'' => {
                let escapes = dialect == Dialect::MySql || ends_with_escape_prefix(into);
                put(into, b"?", after_quote(rest, byte, escapes))
            }
            b'"' if dialect != Dialect::Standard => {
                put(into, b"?", after_quote(rest, byte, dialect == Dialect::MySql))
            }
            b'"' => name(left, after_quote(rest, byte, false), into),
            b'`' if dialect == Dialect::MySql => name(left, after_quote(rest, byte, false), into),
            b'[' if dialect == Dialect::Transact => name(left, after_quote(rest, b']', false), into),
            b'-' if is_line_comment(rest, dialect) => blank(into, after(rest, b"\n")),
            b'#' if dialect == Dialect::MySql => blank(into, after(rest, b"\n")),
            b'/' if rest.first() == Some(&b'*') => blank(into, after_comment(rest.get(1..), dialect)),
            b'$' if dialect == Dialect::Standard && !in_word => match dollar_tag(left) {
                Some(tag) => put(into, b"?", after(left.get(tag.len()..).unwrap_or_default(), tag)),
                None => put(into, b"$", rest),
            },
            b'0'..=b'9' if !in_word => put(into, b"?", after_number(rest)),
            _ if byte.is_ascii_whitespace() || byte == 0 => blank(into, rest),
            _ => put(into, &[byte], rest),
        };
    }
    if into.last() == Some(&b' ') {
        into.pop();
    }
}

fn put<'a>(into: &mut Vec<u8>, text: &[u8], rest: &'a [u8]) -> &'a [u8] {
    into.extend_from_slice(text);
    rest
}

fn blank<'a>(into: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    if !matches!(into.last(), None | Some(b' ')) {
        into.push(b' ');
    }
    rest
}

/// Copies a name in quotes.
fn name<'a>(quoted: &[u8], rest: &'a [u8], into: &mut Vec<u8>) -> &'a [u8] {
    let len = quoted.len() - rest.len().min(quoted.len());
    into.extend_from_slice(quoted.get(..len).unwrap_or(quoted));
    rest
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | b'#' | 0x80..)
}

/// Whether the word before a quote is an `E` for itself.
fn ends_with_escape_prefix(text: &[u8]) -> bool {
    match text {
        [.., before, b'e' | b'E'] => !is_word(*before),
        [b'e' | b'E'] => true,
        _ => false,
    }
}

/// What follows the closing quote; a quote twice is one within.
fn after_quote(mut text: &[u8], quote: u8, escapes: bool) -> &[u8] {
    while let Some((&byte, rest)) = text.split_first() {
        text = rest;
        if byte == b'\\' && escapes {
            text = rest.get(1..).unwrap_or_default();
        } else if byte == quote {
            match rest.split_first() {
                Some((next, rest)) if *next == quote => text = rest,
                _ => return rest,
            }
        }
    }
    text
}

fn after<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    let at = memmem::find(text, end).map_or(text.len(), |at| at + end.len());
    text.get(at..).unwrap_or_default()
}

/// MySQL wants a blank after the dashes.
fn is_line_comment(rest: &[u8], dialect: Dialect) -> bool {
    match rest {
        [b'-', next, ..] if dialect == Dialect::MySql => next.is_ascii_whitespace(),
        [b'-', ..] => true,
        _ => false,
    }
}

/// Comments are nested but for MySQL.
fn after_comment(text: Option<&[u8]>, dialect: Dialect) -> &[u8] {
    let mut text = text.unwrap_or_default();
    let mut depth = 1_u32;
    while let Some((_, rest)) = text.split_first() {
        if text.starts_with(b"*/") {
            text = text.get(2..).unwrap_or_default();
            depth -= 1;
            if depth == 0 {
                return text;
            }
        } else if dialect != Dialect::MySql && text.starts_with(b"/*") {
            text = text.get(2..).unwrap_or_default();
            depth += 1;
        } else {
            text = rest;
        }
    }
    text
}

/// `$tag$` at the start of a text.
fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().skip(1).position(|byte| *byte == b'$')? + 1;
    let tag = text.get(1..end)?;
    let is_tag = tag.iter().all(|byte| is_word(*byte)) && !tag.first().is_some_and(u8::is_ascii_digit);
    (is_tag && tag.len() <= 63).then(|| text.get(..=end)).flatten()
}

fn after_number(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !(is_word(*byte) || *byte == b'.')).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(statement: &str, dialect: Dialect) -> String {
        let mut text = Vec::new();
        digest(statement.as_bytes(), dialect, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    #[test]
    fn literals_are_replaced_and_names_stay() {
        for (statement, expected) in [
            ("SELECT * FROM t1 WHERE a = 'it''s' AND b=12.5e3", "SELECT * FROM t1 WHERE a = ? AND b=?"),
            ("ALTER USER \"bob smith\" PASSWORD 'x'", "ALTER USER \"bob smith\" PASSWORD ?"),
            ("select $1, $2 -- note\n from t /* a /* b */ c */ x", "select $1, $2 from t x"),
            ("DO $body$ secret 'x' $body$ LANGUAGE sql", "DO ? LANGUAGE sql"),
            ("SELECT E'a\\'b', 'c\\', d", "SELECT E?, ?, d"),
            ("  SELECT\n\t 1 ; ", "SELECT ? ;"),
        ] {
            assert_eq!(of(statement, Dialect::Standard), expected);
        }
        assert_eq!(
            of("CREATE USER `a`@`b` IDENTIFIED BY \"s\\\"ecret\" # x", Dialect::MySql),
            "CREATE USER `a`@`b` IDENTIFIED BY ?"
        );
        assert_eq!(
            of("SELECT [a 1], N'x', 0xDEAD FROM #t", Dialect::Transact),
            "SELECT [a 1], N?, ? FROM #t"
        );
    }

    #[test]
    fn a_statement_that_was_cut_within_a_literal_shows_none_of_it() {
        assert_eq!(of("SELECT 'secr", Dialect::Standard), "SELECT ?");
        assert_eq!(of("SELECT $a$secr", Dialect::Standard), "SELECT ?");
    }

    proptest! {
        #[test]
        fn nothing_between_quotes_is_shown(before in "[a-z =(]{0,20}", secret in "[A-Z0-9 \"/*$-]{1,20}", after in "[a-z ,)]{0,20}") {
            for dialect in [Dialect::Standard, Dialect::MySql, Dialect::Transact] {
                let text = of(&format!("{before}'{secret}'{after}"), dialect);
                prop_assert!(!text.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_survived_and_the_size_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let mut text = Vec::new();
            digest(&bytes, Dialect::Standard, &mut text);
            prop_assert!(text.len() <= STATEMENT_MAX + bytes.len());
        }
    }
}
