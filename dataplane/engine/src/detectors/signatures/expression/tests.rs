use proptest::prelude::*;

use super::*;

fn holds(check: &str, bytes: &[u8]) -> bool {
    let mut checks = Checks::default();
    checks.add(check).unwrap_or_else(|error| panic!("{check}: {error}"));
    checks.holds(View { bytes, len: u32::try_from(bytes.len()).unwrap() })
}

fn error(check: &str) -> ExpressionError {
    Checks::default().add(check).unwrap_err()
}

#[test]
fn fields_are_read_in_both_byte_orders() {
    let bytes = [1, 2, 3, 4];
    for check in [
        "u8(0) == 1",
        "u16be(0) == 0x0102",
        "u16le(0) == 0x0201",
        "u24be(1) == 0x020304",
        "u24le(1) == 0x040302",
        "u32be(0) == 0x01020304",
        "u32le(0) == 0x04030201",
        "len == 4",
        "u16be(len - 2) == 0x0304",
        "u8(u8(0)) == 2",
    ] {
        assert!(holds(check, &bytes), "{check}");
    }
}

#[test]
fn precedence_is_that_of_rust() {
    for check in [
        "u8(0) + 2 * 3 == 7",
        "(u8(0) + 2) * 3 == 9",
        "u8(0) | 6 & 2 == 3",
        "1 << u8(0) + 1 == 4",
        "u8(0) ^ 3 | 4 == 6",
        "10 - 3 - u8(0) == 6",
        "u8(0) == 2 && u8(0) == 1 || len == 1",
        "!(u8(0) == 2) && !(len == 2)",
        "-u8(0) == -1 && len - 3 < 0",
        "u8(0) & 0x0f in 1..=1 && u8(0) in 1..2 && u8(0) in {7, 1} && u8(0) in -1..=1",
    ] {
        assert!(holds(check, &[1]), "{check}");
    }
}

#[test]
fn strings_are_compared_byte_by_byte() {
    let bytes = b"\x00AB\"\\\xff";
    assert!(holds(r#"bytes(0, 6) == "\0A\x42\"\\\xff""#, bytes));
    assert!(holds(r#"bytes(1, 2) != "AC" && bytes(u8(0) + 1, 2) == "AB""#, bytes));
    assert!(!holds(r#"bytes(5, 2) == "\xff\xff""#, bytes), "cut short");
    assert!(!holds(r#"bytes(5, 2) != "\xff\xff" || bytes(0, 1) == "x""#, bytes));
}

#[test]
fn what_cannot_be_computed_makes_the_whole_check_false() {
    for check in [
        "u8(4) == 0",
        "!(u8(4) == 0)",
        "u8(4) != 0 || len == 4",
        "u32be(1) >= 0",
        "u8(0 - 1) == 0",
        "u8(0) / (len - 4) == 0",
        "u8(0) % (len - 4) == 0",
        "len * 0x7fffffffffffffff * 2 != 0",
        "len << 63 != 1",
        "len << 70 != 1",
        "len >> -1 != 1",
        "0 - 0x7fffffffffffffff - len < 0",
        "u8(0x7fffffffffffffff) == 0",
        "printable(0, 5) || len == 4",
        "zero(0x7fffffffffffffff, 1) || len == 4",
        "varint(4) >= 0",
        "ber_end(3) >= 0",
    ] {
        assert!(!holds(check, &[0, 0, 0, 0]), "{check}");
    }
    assert!(holds("len == 4 || u8(9) == 1", &[0; 4]), "what decides first protects what follows");
    assert!(!holds("len == 5 && u8(9) == 1", &[0; 4]));
}

#[test]
fn ber_values_are_walked() {
    let bytes = [0x30, 0x82, 0x00, 0x06, 0x02, 0x01, 0x05, 0x04, 0x81, 0x00];
    assert!(holds("ber_value(0) == 4 && ber_end(0) == len", &bytes));
    assert!(holds("ber_end(ber_value(0)) == 7 && ber_value(7) == 10 && ber_end(7) == 10", &bytes));
    assert!(!holds("ber_end(0) >= 0", &[0x30, 0x80, 0, 0]), "indefinite length");
    assert!(!holds("ber_end(0) >= 0", &[0x30, 0x85, 0, 0, 0, 0, 1]), "five bytes of length");
    assert!(holds("ber_end(0) == 0x100000005", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]));
}

#[test]
fn base_128_numbers_are_read() {
    assert!(holds("varint(0) == 300 && varint_end(0) == 2", &[0xac, 0x02]));
    assert!(holds("varint(1) == 0 && varint_end(1) == 2", &[9, 0]));
    assert!(!holds("varint(0) >= 0", &[0xff; 6]), "it never ends");
}

#[test]
fn spans_are_looked_at() {
    assert!(holds("printable(0, len) && !zero(0, 1)", b"a line\r\n"));
    assert!(!holds("printable(0, len)", b"a\x01"));
    assert!(holds("zero(1, 3)", &[1, 0, 0, 0]));
    assert!(!holds("zero(0, 3000) || len == 3000", &[0; 3000]), "more than a span may have");
}

#[test]
fn mistakes_have_a_column_and_a_mend() {
    for (check, column, text) in [
        ("", 1, "a value must stand here, not the end"),
        ("len ==", 5, "a value must stand here"),
        ("len == 4 4", 10, "the end, `&&` or `||` must stand here, not `4`"),
        ("len == (4", 9, "`)` must stand here"),
        ("u8 == 4", 4, "`(` must stand here"),
        ("u8() == 4", 4, "a value must stand here"),
        ("foo(1) == 4", 1, "`foo` is not known"),
        ("bytes(0, len) == \"a\"", 1, "a plain number of bytes"),
        ("bytes(0, 2) == \"a\"", 16, "the string has 1 bytes, and `bytes` reads 2"),
        ("bytes(0, 1) < \"a\"", 15, "compared with `==` or `!=`"),
        ("bytes(0, 1) == 4", 16, "this is a number, and must be a string"),
        ("\"a\" == \"a\"", 1, "this is a string, and must be a number"),
        ("len + (len == 4) == 4", 7, "this is a condition, and must be a number"),
        ("len && len == 4", 1, "this is a number, and must be a condition"),
        ("len in 4", 8, "`..=` or `..` must stand here"),
        ("len in 9..=4", 8, "nothing is in this range"),
        ("len in 4..4", 8, "nothing is in this range"),
        ("len in {}", 9, "a number must stand here"),
        ("len == \"abc", 8, "has no end"),
        ("len == \"\\q\"", 8, "has no end, or an escape"),
        ("len == 0xzz", 8, "is not a number"),
        ("len == 99999999999999999999", 8, "is not a number"),
        ("len == 4; drop", 9, "`;` means nothing here"),
        ("7 == 7", 1, "always true or always false"),
    ] {
        let found = error(check);
        assert!(found.problem.to_string().contains(text), "{check}: {found}");
        assert_eq!(found.column, column, "{check}: {found}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = format!("{}len{} == 4", "(".repeat(25), ")".repeat(25));
    assert!(matches!(error(&nested).problem, ExpressionProblem::TooDeep { .. }));
    let signs = format!("{}len == 4", "-".repeat(500));
    assert!(matches!(error(&signs).problem, ExpressionProblem::TooDeep { .. }));
    let long = format!("len{} == 4", "+1".repeat(300));
    assert!(matches!(error(&long).problem, ExpressionProblem::TooMany { .. }));
    let wide = format!("len == 4{}", " ".repeat(2000));
    assert!(matches!(error(&wide).problem, ExpressionProblem::TooLong { .. }));
    let deep_stack = format!("{}len{} == 4", "1+(".repeat(20), ")".repeat(20));
    assert!(
        matches!(error(&deep_stack).problem, ExpressionProblem::TooMany { .. }),
        "more numbers at once than the stack has"
    );
}

/// Numbers of the language, as text.
fn numbers() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("len".to_owned()),
        (0_i64..300).prop_map(|number| number.to_string()),
        Just("0x7fffffffffffffff".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let name = proptest::sample::select(vec![
            "u8",
            "u16be",
            "u16le",
            "u24be",
            "u24le",
            "u32be",
            "u32le",
            "ber_value",
            "ber_end",
            "varint",
            "varint_end",
        ]);
        let operator = proptest::sample::select(vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
        prop_oneof![
            (name, inner.clone()).prop_map(|(name, at)| format!("{name}({at})")),
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, op, right)| format!("({left} {op} {right})")),
            inner.prop_map(|value| format!("-({value})")),
        ]
    })
}

/// Conditions of the language, as text.
fn conditions() -> impl Strategy<Value = String> {
    let comparison = proptest::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (numbers(), comparison, numbers()).prop_map(|(left, op, right)| format!("{left} {op} {right}")),
        (numbers(), 0_i64..9, 9_i64..300).prop_map(|(value, low, high)| format!("{value} in {low}..={high}")),
        (numbers(), numbers()).prop_map(|(value, high)| format!("{value} in 0..{high} + len")),
        numbers().prop_map(|value| format!("{value} in {{1, 2, 77}}")),
        numbers().prop_map(|at| format!("bytes({at}, 2) == \"a\\xff\"")),
        (numbers(), numbers()).prop_map(|(at, count)| format!("printable({at}, {count})")),
        (numbers(), numbers()).prop_map(|(at, count)| format!("zero({at}, {count})")),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) && ({right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) || ({right})")),
            inner.prop_map(|value| format!("!({value})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_compiled_or_refused(text in "[ -~]{0,60}") {
        let _ = Checks::default().add(&text);
    }

    #[test]
    fn any_words_are_compiled_or_refused(words in proptest::collection::vec(proptest::sample::select(vec![
        "len", "u8", "u16be", "bytes", "(", ")", ",", "\"ab\"", "1", "300", "==", "in", "..=", "..", "{", "}", "&&", "||", "!", "-", "+", "%",
    ]), 0..24)) {
        let mut checks = Checks::default();
        if checks.add(&words.join(" ")).is_ok() {
            let _ = checks.holds(View { bytes: &[0; 16], len: 16 });
        }
    }

    #[test]
    fn a_conjunction_is_its_parts_and_a_negation_never_holds_with_it(
        left in conditions(),
        right in conditions(),
        payload in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let view = View { bytes: &payload, len: u32::try_from(payload.len()).unwrap() };
        let value = |text: &str| {
            let mut checks = Checks::default();
            checks.add(text).is_ok().then(|| checks.holds(view))
        };
        if let (Some(left_holds), Some(right_holds)) = (value(&left), value(&right)) {
            if let Some(both) = value(&format!("({left}) && ({right})")) {
                prop_assert_eq!(both, left_holds && right_holds);
            }
            if let Some(negated) = value(&format!("!({left})")) {
                prop_assert!(!(negated && left_holds));
            }
            if let Some(double) = value(&format!("!(!({left}))")) {
                prop_assert_eq!(double, left_holds, "the quick and the general form of {}", left);
            }
        }
    }

    #[test]
    fn first_bytes_and_lengths_never_rule_out_a_payload_that_passes(
        check in conditions(),
        payload in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        passes_what_it_rules_out(&check, &payload)?;
    }

    #[test]
    fn what_often_passes_is_never_ruled_out(
        check in likely_conditions(),
        payload in proptest::collection::vec(proptest::sample::select(vec![0_u8, 1, 2, 3, 0x80]), 0..10),
    ) {
        passes_what_it_rules_out(&check, &payload)?;
    }
}

/// Fails where a payload passes a check whose first bytes or lengths rule it out.
fn passes_what_it_rules_out(check: &str, payload: &[u8]) -> Result<(), TestCaseError> {
    let mut checks = Checks::default();
    let len = u32::try_from(payload.len()).unwrap();
    if checks.add(check).is_err() || !checks.holds(View { bytes: payload, len }) {
        return Ok(());
    }
    let mut heads = Heads::ANY;
    checks.narrow(&mut heads);
    for (set, byte) in heads.sets().zip(payload) {
        prop_assert!(set.contains(*byte), "{}", check);
    }
    let Lengths { least, most } = checks.lengths();
    prop_assert!((least..=most).contains(&i64::from(len)), "{} has {} to {} bytes", check, least, most);
    Ok(())
}

/// Conditions on the first bytes that short payloads of small bytes often pass.
fn likely_conditions() -> impl Strategy<Value = String> {
    let field = (
        proptest::sample::select(vec!["u8", "u16be", "u16le", "u24be", "u24le", "u32be", "u32le"]),
        0..5,
        proptest::sample::select(vec!["", " & 3", " & 0xff", " & 0xff00", " & 0x8001"]),
    );
    let field = field.prop_map(|(name, at, mask)| format!("{name}({at}){mask}")).boxed();
    let number = proptest::sample::select(vec!["0", "1", "2", "3", "0x102", "0x100", "0x200", "0x8000"]);
    let relation = proptest::sample::select(vec!["==", "<=", ">=", "<", ">", "!="]);
    let leaf = prop_oneof![
        (field.clone(), relation.clone(), number)
            .prop_map(|(field, is, number)| format!("{field} {is} {number}")),
        field.clone().prop_map(|field| format!("{field} in {{0, 1, 3, 0x101, 0x300}}")),
        field.clone().prop_map(|field| format!("{field} in 1..=0x203")),
        (field, 0..9).prop_map(|(field, more)| format!("({field}) + {more} == len")),
        (relation, 0..10).prop_map(|(is, length)| format!("len {is} {length}")),
        Just("bytes(1, 2) == \"\\x01\\x02\"".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) && ({right})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) || ({right})")),
            inner.prop_map(|value| format!("!({value})")),
        ]
    })
}

#[test]
fn alternatives_rule_out_what_none_of_them_allows() {
    let mut checks = Checks::default();
    checks.add("(u32le(0) == 1 && len == 148) || (u32le(0) == 2 && len == 92)").unwrap();
    let mut heads = Heads::ANY;
    checks.narrow(&mut heads);
    let sets: Vec<_> = heads.sets().collect();
    for (byte, allowed) in [(0, false), (1, true), (2, true), (3, false)] {
        assert_eq!(sets[0].contains(byte), allowed, "{byte}");
    }
    assert_eq!((sets[1].count(), sets[3].count(), sets[4].count()), (1, 1, 256));
    assert_eq!(checks.lengths(), Lengths { least: 92, most: 148 });
}
