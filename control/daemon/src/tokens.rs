//! Tokens for the HTTP interface: 256 random bits each, shown once, kept as SHA-256. A slow hash would protect guessable
//! secrets; nobody guesses these.

use std::path::PathBuf;
use std::sync::Arc;

use api::control::{Reason, Role, TokenCreated, TokenRow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::files;

/// Tokens at most.
const MOST: usize = 256;
/// What every token starts with, so that scanners for leaked secrets know it.
const PREFIX: &str = "wwt_";

/// Every token that was given out.
pub(crate) struct TokenStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    name: String,
    role: Role,
    /// SHA-256 of the token, lower-case hexadecimal.
    sha256: String,
    created_ms: u64,
    #[serde(default)]
    expires_ms: Option<u64>,
    who: String,
}

/// Who bears a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl TokenStore {
    pub(crate) fn open(path: PathBuf, clock: Arc<dyn Clock>) -> Result<Self, Reason> {
        let tokens = match files::read(&path)? {
            None => Vec::new(),
            Some(text) => serde_json::from_str(&text).map_err(|error| Reason::Storage {
                path: path.display().to_string(),
                message: format!("not ours, or damaged: {error}"),
            })?,
        };
        Ok(Self { path, clock, tokens })
    }

    /// Who bears this token; none where it is not, or no longer, good.
    pub(crate) fn bearer(&self, token: &str) -> Option<Bearer> {
        // The hash is looked up, not compared byte by byte with secrets: how long it takes tells nothing of a token.
        let hash = sha256(token);
        let now_ms = self.clock.wall_ms();
        let found = self.tokens.iter().find(|known| known.sha256 == hash)?;
        let is_good = found.expires_ms.is_none_or(|until| now_ms < until);
        is_good.then(|| Bearer { name: found.name.clone(), role: found.role })
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        role: Role,
        expires_in_s: Option<u64>,
        who: &str,
    ) -> Result<TokenCreated, Reason> {
        let is_name = !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if !is_name {
            let message = "name: 1 to 64 letters, digits, `-`, `_` and `.`".to_owned();
            return Err(Reason::Invalid { message });
        }
        if self.tokens.iter().any(|token| token.name == name) {
            let message = format!("a token is already called `{name}`: revoke it, or take another name");
            return Err(Reason::Conflict { message });
        }
        if self.tokens.len() >= MOST {
            return Err(Reason::Busy { message: format!("{MOST} tokens are given out: revoke one") });
        }
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).map_err(|error| Reason::Unreachable {
            what: "randomness".to_owned(),
            message: error.to_string(),
        })?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let created_ms = self.clock.wall_ms();
        let mut tokens = self.tokens.clone();
        tokens.push(Token {
            name: name.to_owned(),
            role,
            sha256: sha256(&token),
            created_ms,
            expires_ms: expires_in_s.map(|seconds| created_ms.saturating_add(seconds.saturating_mul(1000))),
            who: who.to_owned(),
        });
        tokens.sort_by(|one, other| one.name.cmp(&other.name));
        self.save(tokens)?;
        Ok(TokenCreated { name: name.to_owned(), token })
    }

    pub(crate) fn revoke(&mut self, name: &str) -> Result<(), Reason> {
        let mut tokens = self.tokens.clone();
        tokens.retain(|token| token.name != name);
        if tokens.len() == self.tokens.len() {
            return Err(Reason::NotFound { what: format!("token `{name}`") });
        }
        self.save(tokens)
    }

    pub(crate) fn list(&self) -> Vec<TokenRow> {
        let row = |token: &Token| TokenRow {
            name: token.name.clone(),
            role: token.role,
            created_ms: token.created_ms,
            expires_ms: token.expires_ms,
            who: token.who.clone(),
        };
        self.tokens.iter().map(row).collect()
    }

    fn save(&mut self, tokens: Vec<Token>) -> Result<(), Reason> {
        files::replace(&self.path, &serde_json::to_vec_pretty(&tokens).unwrap_or_default())?;
        self.tokens = tokens;
        Ok(())
    }
}

fn sha256(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand::HandClock;

    #[test]
    fn a_token_is_good_until_it_expires_or_is_revoked_and_is_not_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let clock = Arc::new(HandClock::new());
        let open = || {
            let dynamic: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
            TokenStore::open(path.clone(), dynamic).unwrap()
        };
        let mut store = open();
        let created = store.create("prometheus", Role::Viewer, Some(60), "ann").unwrap();
        let other = store.create("robot", Role::Operator, None, "ann").unwrap();
        assert!(created.token.len() > 40 && created.token != other.token);
        assert!(store.create("robot", Role::Viewer, None, "ann").is_err());
        assert!(store.create("a b", Role::Viewer, None, "ann").is_err());
        let disk = std::fs::read_to_string(&path).unwrap();
        assert!(!disk.contains(&created.token[PREFIX.len()..]), "{disk}");
        assert!(!format!("{created:?}").contains(&created.token));
        let mut store = open();
        let bearer = Bearer { name: "prometheus".to_owned(), role: Role::Viewer };
        assert_eq!(store.bearer(&created.token), Some(bearer));
        assert_eq!(store.bearer("wwt_"), None);
        clock.pass(60);
        assert_eq!(store.bearer(&created.token), None, "expired");
        assert_eq!(store.bearer(&other.token).unwrap().role, Role::Operator);
        store.revoke("robot").unwrap();
        assert_eq!(store.bearer(&other.token), None);
        assert!(store.revoke("robot").is_err());
        assert_eq!(open().list().len(), 1);
    }
}
