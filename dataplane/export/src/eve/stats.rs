//! Counters as the nested object of Suricata's `stats` event.

use super::json;

/// Appends the object: `a.b` and `a.c` become members of `a`. The first of two counters of one name counts; a
/// counter whose name is also a group becomes the group's member `value`.
pub(super) fn write(out: &mut Vec<u8>, counters: &[(&str, u64)]) {
    let mut sorted: Vec<(Vec<&str>, u64)> =
        counters.iter().map(|(name, value)| (name.split('.').collect(), *value)).collect();
    // By parts, so that a group's members stand together whatever characters the names have. Stable: the first wins.
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    sorted.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let mut open: Vec<&str> = Vec::new();
    out.push(b'{');
    for (at, (path, value)) in sorted.iter().enumerate() {
        let is_group = sorted.get(at + 1).is_some_and(|(next, _)| next.starts_with(path));
        let (groups, leaf) = match path.split_last() {
            _ if is_group => (path.as_slice(), "value"),
            Some((leaf, groups)) => (groups, *leaf),
            None => continue,
        };
        let shared = open.iter().zip(groups).take_while(|(a, b)| a == b).count();
        for _ in shared..open.len() {
            out.push(b'}');
        }
        open.truncate(shared);
        for group in groups.iter().skip(shared) {
            json::text_key(out, group);
            out.push(b'{');
            open.push(group);
        }
        json::text_key(out, leaf);
        json::unsigned(out, *value);
    }
    out.extend(core::iter::repeat_n(b'}', open.len() + 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(counters: &[(&str, u64)]) -> String {
        let mut out = Vec::new();
        write(&mut out, counters);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_make_groups_whatever_the_order() {
        let counters = [
            ("uptime", 9),
            ("capture.packets", 1),
            ("drop.wire.link_truncated", 2),
            ("capture.bytes", 3),
            ("drop.full", 4),
        ];
        assert_eq!(
            written(&counters),
            r#"{"capture":{"bytes":3,"packets":1},"drop":{"full":4,"wire":{"link_truncated":2}},"uptime":9}"#
        );
        assert_eq!(written(&[]), "{}");
    }

    #[test]
    fn a_name_that_is_also_a_group_keeps_both() {
        assert_eq!(written(&[("a.b", 1), ("a", 2), ("a-b", 3)]), r#"{"a":{"value":2,"b":1},"a-b":3}"#);
        assert_eq!(written(&[("a", 1), ("a", 2)]), r#"{"a":1}"#);
    }

    #[test]
    fn odd_names_still_make_valid_json() {
        for name in ["", ".", "..a", "a..b", "\"\\\n"] {
            let value: serde_json::Value = serde_json::from_str(&written(&[(name, 1), ("z", 2)])).unwrap();
            assert_eq!(value["z"], 2, "{name:?}");
        }
    }
}
