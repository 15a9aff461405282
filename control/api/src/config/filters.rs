//! Filters of rules that were refused by whoever knows their language, told like every other mistake of the file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{BadValue, ConfigErrors, Problem, Problems, errors};

/// A filter of `live.tunnel.rules` that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFilter {
    /// Place of its rule, from 0.
    pub rule: usize,
    /// The characters of the filter that are wrong, from 0; all of it where there are none.
    pub characters: Range<usize>,
    /// What is wrong with them.
    pub why: String,
    /// What could stand there.
    pub nearest: Option<String>,
}

impl ConfigErrors {
    /// What was refused, each where it stands in the text that a configuration was read from; none where nothing was.
    #[must_use]
    pub fn of_filters(
        text: &str,
        source_name: &str,
        refused: impl IntoIterator<Item = RefusedFilter>,
    ) -> Option<Self> {
        let problems = Problems::new(text);
        let (document, _) = DeTable::parse_recoverable(text);
        for RefusedFilter { rule, characters, why, nearest } in refused {
            let span = filter_of(document.get_ref(), rule)
                .map_or(0..0, |filter| within(text, filter.span(), filter.get_ref(), &characters));
            let key = format!("live.tunnel.rules[{rule}].filter");
            problems.push(span, key, Problem::Value(BadValue::Filter { why, nearest }));
        }
        let errors = errors::collect(&problems, source_name);
        (!errors.is_empty()).then(|| Self::new(errors))
    }
}

fn filter_of<'a, 'i>(root: &'a DeTable<'i>, rule: usize) -> Option<&'a Spanned<DeValue<'i>>> {
    let DeValue::Table(live) = root.get("live")?.get_ref() else { return None };
    let DeValue::Table(tunnel) = live.get("tunnel")?.get_ref() else { return None };
    let DeValue::Array(rules) = tunnel.get("rules")?.get_ref() else { return None };
    let DeValue::Table(rule) = rules.get(rule)?.get_ref() else { return None };
    rule.get("filter")
}

/// The bytes of some characters of a string, or all of it where it is written with escapes or over several lines.
fn within(text: &str, value: Range<usize>, read: &DeValue<'_>, characters: &Range<usize>) -> Range<usize> {
    let (Some(written), DeValue::String(read)) = (text.get(value.clone()), read) else { return value };
    let inner = written.get(1..written.len().saturating_sub(1));
    if inner != Some(&**read) || characters.is_empty() {
        return value;
    }
    let byte = |character: usize| read.char_indices().nth(character).map_or(read.len(), |(at, _)| at);
    let (from, to) = (byte(characters.start), byte(characters.end));
    if from == to {
        return value;
    }
    value.start + 1 + from..value.start + 1 + to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, characters: Range<usize>) -> (u32, u32, String) {
        let refused = RefusedFilter {
            rule: 1,
            characters,
            why: "is nonsense".to_owned(),
            nearest: Some("port".to_owned()),
        };
        let errors = ConfigErrors::of_filters(text, "tap.toml", [refused]).unwrap();
        let error = errors.iter().next().unwrap();
        assert_eq!(error.to_string().split(": ").nth(1), Some("live.tunnel.rules[1].filter"));
        assert_eq!((error.mend().as_str(), error.nearest()), ("did you mean `port`?", Some("port")));
        (error.line, error.column, text[error.span.clone()].to_owned())
    }

    #[test]
    fn what_is_wrong_within_a_filter_is_pointed_at() {
        let rules = "version = 1\n[[live.tunnel.rules]]\nfilter = \"tcp\"\n[[live.tunnel.rules]]\n";
        let plain = format!("{rules}filter = \"udp prot 53\"\n");
        assert_eq!(said(&plain, 4..8), (5, 15, "prot".to_owned()));
        assert_eq!(said(&plain, 11..12), (5, 10, "\"udp prot 53\"".to_owned()), "behind its end: all of it");
        let literal = format!("{rules}filter = 'größe prot'\n");
        assert_eq!(said(&literal, 6..10), (5, 17, "prot".to_owned()));
        let escaped = format!("{rules}filter = \"\\u0075dp prot\"\n");
        assert_eq!(said(&escaped, 4..8), (5, 10, "\"\\u0075dp prot\"".to_owned()));
        assert_eq!(ConfigErrors::of_filters(&plain, "tap.toml", []), None);
        assert_eq!(said("version = 1\n", 0..1).0, 1);
    }
}
