//! What a security association's key exchange is worth: against a quantum computer, and today.
//!
//! Weak is what RFC 8247 and RFC 9395 say must not be used any more.

use arrayvec::ArrayVec;

use super::message::Version;
use super::proposal::{Transform, kind};

/// The judgement of the algorithms that the responder chose.
#[derive(Clone, Debug, Default)]
pub(super) struct Posture {
    pub(super) class: &'static str,
    pub(super) weaknesses: ArrayVec<&'static str, 6>,
}

impl Posture {
    /// Judges what was selected; nothing selected is an exchange that did not come that far.
    pub(super) fn of(selected: &[Transform], version: Version, is_aggressive: bool) -> Self {
        let mut posture = Self { class: class_of(selected), weaknesses: ArrayVec::new() };
        if selected.is_empty() {
            return posture;
        }
        let mut note = |is_so: bool, weakness: &'static str| {
            if is_so {
                posture.weaknesses.push(weakness);
            }
        };
        let any = |kind: u8, weak: fn(u16) -> bool| {
            selected.iter().any(|transform| transform.kind == kind && weak(transform.id))
        };
        // RFC 9395: version 1 is historic.
        note(version == Version::One, "version");
        match version {
            Version::Two => {
                note(any(kind::ENCRYPTION, |id| matches!(id, 1..=9 | 11)), "cipher");
                note(
                    any(kind::PRF, |id| id == 1) || any(kind::INTEGRITY, |id| matches!(id, 1 | 3 | 4 | 6)),
                    "hash",
                );
            }
            Version::One => {
                note(any(kind::ENCRYPTION, |id| id <= 6), "cipher");
                note(any(kind::PRF, |id| matches!(id, 1 | 3)), "hash");
            }
        }
        note(any(kind::KEY_EXCHANGE, is_short), "key_exchange_size");
        // The hash of the key goes over the wire: it can be guessed offline.
        let is_shared_key = any(kind::AUTHENTICATION, |id| matches!(id, 1 | 65001 | 65002));
        note(is_aggressive && is_shared_key, "aggressive_mode");
        posture
    }

    /// `class`, or "weak" where something falls today.
    pub(super) fn name(&self) -> &'static str {
        if self.weaknesses.is_empty() { self.class } else { "weak" }
    }
}

/// What the key exchanges together rest on (RFC 9370 2: a secret goes into the keys from each).
fn class_of(selected: &[Transform]) -> &'static str {
    let mut is_quantum = false;
    let mut is_classical = false;
    for transform in selected {
        if transform.kind != kind::KEY_EXCHANGE && !kind::ADDITIONAL.contains(&transform.kind) {
            continue;
        }
        match transform.id {
            0 => {}
            35..=37 => is_quantum = true,
            _ => is_classical = true,
        }
    }
    match (is_quantum, is_classical) {
        (true, true) => "hybrid",
        (true, false) => "pq",
        (false, true) => "classical",
        (false, false) => "incomplete",
    }
}

/// Groups with less than 112 bits of security.
const fn is_short(id: u16) -> bool {
    matches!(id, 1..=6 | 22 | 25)
}
