//! Any text is a configuration, which is written and read back to itself, or a list of mistakes with places.

#![no_main]

use api::Config;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Config::from_toml(text, "fuzz.toml") {
        Ok(config) => assert_eq!(Config::from_toml(&config.to_toml(), "again.toml"), Ok(config)),
        Err(errors) => {
            assert!(errors.count() > 0);
            for error in &errors {
                assert!(error.line >= 1 && error.column >= 1);
                assert!(!error.to_string().is_empty() && !error.mend().is_empty());
            }
        }
    }
});
