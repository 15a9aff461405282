//! Bencoding (BEP 3): numbers, text, lists and dictionaries, read without recursion.

/// A value; lists and dictionaries with what is between their ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Text(&'a [u8]),
    List,
    Dictionary(&'a [u8]),
}

/// How deep lists and dictionaries may be within each other.
const DEPTH_MAX: u32 = 16;
/// Entries of one dictionary that are looked at.
const ENTRIES_MAX: usize = 64;

/// One value and what follows it.
fn value(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first {
        b'i' => {
            let (number, rest) = number(rest.strip_prefix(b"-").unwrap_or(rest))?;
            Some((Value::Number(number), rest.strip_prefix(b"e")?))
        }
        b'0'..=b'9' => {
            let (len, rest) = number(bytes)?;
            let (text, rest) = rest.strip_prefix(b":")?.split_at_checked(usize::try_from(len).ok()?)?;
            Some((Value::Text(text), rest))
        }
        b'l' | b'd' => {
            let after = end(rest)?;
            let inside = rest.get(..rest.len().checked_sub(after.len() + 1)?)?;
            Some((if *first == b'd' { Value::Dictionary(inside) } else { Value::List }, after))
        }
        _ => None,
    }
}

/// What follows the end of the list or dictionary that `bytes` is in.
fn end(bytes: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut depth) = (bytes, 1_u32);
    while depth > 0 {
        let (first, after) = rest.split_first()?;
        rest = match first {
            b'e' => {
                depth -= 1;
                after
            }
            b'l' | b'd' if depth < DEPTH_MAX => {
                depth += 1;
                after
            }
            b'i' | b'0'..=b'9' => value(rest)?.1,
            _ => return None,
        };
    }
    Some(rest)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit())?;
    let digits = bytes.get(..end).filter(|digits| (1..=18).contains(&digits.len()))?;
    Some((digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')), bytes.get(end..)?))
}

/// What is in the dictionary that these bytes are, with nothing behind it.
pub(super) fn dictionary(bytes: &[u8]) -> Option<&[u8]> {
    match value(bytes)? {
        (Value::Dictionary(inside), []) => Some(inside),
        _ => None,
    }
}

/// The entries of what is in a dictionary.
pub(super) fn entries(mut inside: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    let next = move || {
        let (Value::Text(key), rest) = value(inside)? else { return None };
        let (value, rest) = value(rest)?;
        inside = rest;
        Some((key, value))
    };
    core::iter::from_fn(next).take(ENTRIES_MAX)
}

/// The value of a key.
pub(super) fn find<'a>(inside: &'a [u8], key: &[u8]) -> Option<Value<'a>> {
    entries(inside).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// The text of a key.
pub(super) fn text<'a>(inside: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    if let Value::Text(text) = find(inside, key)? { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dictionaries_are_walked() {
        let inside = dictionary(b"d1:ad2:id4:abcd1:lli1ei2eee1:ni-7e1:t2:xye").unwrap();
        let Some(Value::Dictionary(arguments)) = find(inside, b"a") else { panic!("a dictionary") };
        assert_eq!(text(arguments, b"id"), Some(&b"abcd"[..]));
        assert_eq!(find(arguments, b"l"), Some(Value::List));
        assert_eq!((find(inside, b"n"), text(inside, b"t")), (Some(Value::Number(7)), Some(&b"xy"[..])));
        for bad in [&b"d1:a"[..], b"d1:ae", b"d1:a2:be", b"di1e1:ae", b"d1:ai1ee "] {
            assert!(dictionary(bad).is_none_or(|inside| find(inside, b"a").is_none()), "{bad:?}");
        }
        let deep = [vec![b'l'; 100_000], vec![b'e'; 100_000]].concat();
        assert!(value(&deep).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(bytes in "[dlei0-9:a-z-]{0,200}") {
            if let Some(inside) = dictionary(bytes.as_bytes()) {
                entries(inside).count();
            }
        }
    }
}
