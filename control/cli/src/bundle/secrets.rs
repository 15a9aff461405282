//! Takes secrets out of text: by what they look like, by what they are called, and by what they are known to be.

use std::collections::BTreeSet;

use regex::{Captures, Regex};

/// What stands where a secret was.
const REMOVED: &str = "[removed]";
/// Shorter values are words that stand in any text.
const LEAST: usize = 6;
/// Words in the names of values that are nobody else's business.
const NAMES: &str = "passw(?:or)?d|passwd|passphrase|pass_?phrase|secret|token|api[_-]?key|private[_-]?key|priv[_-]?key|\
    access[_-]?key|encryption[_-]?key|psk|pre[_-]?shared|shared[_-]?key|credential|cookie|session[_-]?id|authorization";

/// Finds secrets and takes them out.
#[derive(Debug)]
pub(super) struct Secrets {
    known: Vec<String>,
    forms: Vec<(Regex, &'static str)>,
    name: Option<Regex>,
}

impl Secrets {
    /// Looks for what secrets look like, and for `known` ones, wherever they stand.
    pub(super) fn new(known: impl IntoIterator<Item = String>) -> Self {
        // The longest first: one may be a part of another.
        let known: BTreeSet<String> = known.into_iter().filter(|value| value.len() >= LEAST).collect();
        let mut known: Vec<String> = known.into_iter().collect();
        known.sort_by_key(|value| core::cmp::Reverse(value.len()));
        let named = format!(
            r#"(?i)(["']?[a-z0-9_.-]*(?:{NAMES})[a-z0-9_.-]*["']?[ \t]*(?:[:=]|=>)[ \t]*)("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,;}}\]]+)"#
        );
        let forms = [
            // Keys in PEM, whole or cut off; certificates are for everybody.
            (
                r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|SECRET|PGP MESSAGE)[A-Z0-9 ]*-----(?s:.*?)(?:-----END [A-Z0-9 ]+-----|\z)",
                REMOVED,
            ),
            (r"\bwwt_[A-Za-z0-9_-]+", REMOVED),
            (r"(?i)\b(bearer|basic|digest|negotiate)[ \t]+[A-Za-z0-9+/=_.~-]{8,}", "$1 [removed]"),
            // Name and password in an address.
            (r"\b([a-z][a-z0-9+.-]*://)[^/\s@]+@", "$1[removed]@"),
            // JSON web tokens, and keys of well-known clouds.
            (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", REMOVED),
            (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", REMOVED),
            (r"\bgh[pousr]_[A-Za-z0-9]{20,}\b", REMOVED),
            // Options of a command line.
            (
                r"(?i)(--?[a-z-]*(?:password|passphrase|secret|token|psk)[a-z-]*[ =])[^\s-]\S*",
                "${1}[removed]",
            ),
            // A key that is long enough to be one.
            (r#"(?i)\b(key["']?[ \t]*[:=][ \t]*["']?)[A-Za-z0-9+/=_-]{32,}"#, "${1}[removed]"),
            (r"\$(?:1|2[aby]|5|6|7|y|argon2(?:id|i|d))\$[^\s:\x22']{8,}", REMOVED),
        ];
        // A pattern that does not compile would be found by the tests below.
        let forms = forms.iter().filter_map(|(form, with)| Some((Regex::new(form).ok()?, *with))).collect();
        Self { known, forms, name: Regex::new(&named).ok() }
    }

    /// The text without secrets, and how many were taken out.
    pub(super) fn take_out(&self, text: &str) -> (String, usize) {
        let mut count = 0;
        let mut text = text.to_owned();
        for known in &self.known {
            let found = text.matches(known.as_str()).count();
            if found > 0 {
                count += found;
                text = text.replace(known.as_str(), REMOVED);
            }
        }
        for (form, with) in &self.forms {
            count += form.find_iter(&text).count();
            text = form.replace_all(&text, *with).into_owned();
        }
        if let Some(name) = &self.name {
            let mut of_names = 0;
            text = name
                .replace_all(&text, |found: &Captures<'_>| {
                    let part = |at| found.get(at).map_or("", |part| part.as_str());
                    let (before, value) = (part(1), part(2));
                    if is_harmless(value) {
                        return format!("{before}{value}");
                    }
                    of_names += 1;
                    format!("{before}\"{REMOVED}\"")
                })
                .into_owned();
            count += of_names;
        }
        (text, count)
    }
}

/// Numbers, yes and no, nothing, and what was taken out before.
fn is_harmless(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\'']);
    let is_word = matches!(bare, "" | "true" | "false" | "null" | "none" | "[" | "{" | "[]" | "{}");
    is_word || bare.contains(REMOVED) || (bare.len() < 5 && bare.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a variable of this name may be shown with its value.
pub(super) fn is_harmless_variable(name: &str) -> bool {
    HARMLESS_VARIABLES.contains(&name) || name.starts_with("LC_")
}

const HARMLESS_VARIABLES: &[&str] = &[
    "LANG",
    "TERM",
    "PATH",
    "SHELL",
    "TZ",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "RUST_BACKTRACE",
    "WIREWARDEN_SOCKET",
];

/// Values of variables whose names say that they are secret.
pub(super) fn in_environment(all: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let words = ["PASS", "SECRET", "TOKEN", "KEY", "CRED", "AUTH", "COOKIE", "PSK", "SESSION"];
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        words.iter().any(|word| name.contains(word))
    };
    all.filter(|(name, _)| is_secret(name) && !is_harmless_variable(name)).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &str) -> String {
        Secrets::new(["hunter2-known".to_owned()]).take_out(text).0
    }

    #[test]
    fn every_form_is_a_pattern() {
        let secrets = Secrets::new([]);
        assert_eq!(secrets.forms.len(), 10);
        assert!(secrets.name.is_some());
    }

    #[test]
    fn secrets_are_taken_out_in_every_form() {
        for (text, secret) in [
            ("password = \"swordfish\"", "swordfish"),
            ("{\"api_key\": \"abc def\\\"ghi\", \"n\": 1}", "abc def"),
            ("kafka.sasl_passwd: swordfish", "swordfish"),
            ("TOKEN='a b c'", "a b c"),
            ("log: logging in with --token swordfish done", "swordfish"),
            ("http://user:swordfish@collector.example:80/x", "swordfish"),
            ("Authorization: Bearer abcdefghijk.lmno", "abcdefghijk"),
            ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
            ("a token wwt_Q0FGRQ-_xyz in a line", "Q0FGRQ"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJzdWIi"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
            ("psk = 0123456789abcdef", "0123456789abcdef"),
            ("key = \"00112233445566778899aabbccddeeff0011\"", "00112233445566778899aabbccddeeff"),
            ("root:$6$salt$hashhashhash:1:", "hashhashhash"),
            ("anything hunter2-known anywhere", "hunter2-known"),
            ("-----BEGIN EC PRIVATE KEY-----\nMHcC\nAQEE\n-----END EC PRIVATE KEY-----", "AQEE"),
            ("-----BEGIN PRIVATE KEY-----\nMHcCAQEE and the file ends", "MHcCAQEE"),
        ] {
            let cleaned = clean(text);
            assert!(!cleaned.contains(secret) && cleaned.contains(REMOVED), "{text} became {cleaned}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "key_vlan = true\ncommunity_id_seed = 7\n",
            "\"digest\": \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "\"tokens\": []",
            "dropped 12: tcp_truncated; see http://docs.example/drops",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn a_secret_is_counted() {
        assert_eq!(Secrets::new([]).take_out("password = \"a-long-one\"\nfine = 1\n").1, 1);
        assert_eq!(Secrets::new([]).take_out("fine = 1\n").1, 0);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,400}", known in "\\PC{0,20}") {
            let (cleaned, _) = Secrets::new([known.clone()]).take_out(&text);
            prop_assert!(known.len() < LEAST || REMOVED.contains(&known) || !cleaned.contains(&known) );
        }
    }
}
