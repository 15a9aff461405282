//! Any text is answered: with a configuration that can be written and read back, or with mistakes that have a place.

use api::Config;
use api::config::SCHEMA;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_is_answered(text: String) {
        answer(&text)?;
    }

    #[test]
    fn text_of_toml_characters_is_answered(text in "(version = 1\n)?[\\[\\]{}=.,\"'#a-c0-9\n \\\\-]{0,200}") {
        answer(&text)?;
    }

    #[test]
    fn known_keys_with_any_values_are_answered(lines in prop::collection::vec(line(), 0..20)) {
        answer(&format!("version = 1\n{}", lines.join("\n")))?;
    }

    #[test]
    fn an_example_cut_anywhere_and_changed_anywhere_is_answered(cut in 0..EXAMPLE.len(), at in 0..EXAMPLE.len(), byte in 0x20u8..0x7f) {
        answer(EXAMPLE.get(..cut).unwrap_or(""))?;
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        answer(&String::from_utf8_lossy(&bytes))?;
    }
}

fn answer(text: &str) -> Result<(), TestCaseError> {
    match Config::from_toml(text, "any.toml") {
        Ok(config) => prop_assert_eq!(Config::from_toml(&config.to_toml(), "again.toml"), Ok(config)),
        Err(errors) => {
            prop_assert!(errors.count() > 0);
            let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
            for error in &errors {
                prop_assert!(error.line >= 1 && error.line <= lines && error.column >= 1, "{}", error);
                prop_assert!(!error.mend().is_empty(), "{}", error);
            }
        }
    }
    Ok(())
}

fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(SCHEMA).prop_map(|key| key.path);
    let value = prop_oneof![
        Just("1".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "\"[0-9]{1,4}(ms|s|m|h|d|KiB|MiB|GiB)\"",
        "\"[a-z_0-9:.]{0,12}\"",
        "\\[[0-9]{1,3}, [0-9]{1,3}\\]",
        "\\{ [a-z]{1,8} = 1 \\}",
    ];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}"))
}

const EXAMPLE: &str = include_str!("../../../docs/examples/inline.toml");
