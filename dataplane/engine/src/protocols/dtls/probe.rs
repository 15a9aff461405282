//! Whether a datagram is made of DTLS records.

use super::messages::Fragment;
use super::record::{Plain, Record, content, records};
use crate::protocols::{Found, Probe};

/// DTLS: records that fill the datagram, the first a handshake message, or protected and with plausible numbers.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let missing = usize::try_from(probe.wire_len).unwrap_or(usize::MAX).saturating_sub(probe.payload.len());
    let mut walk = records(probe.payload, missing);
    let Some(Record::Plain(first)) = walk.next() else { return Found::No };
    let is_first_sound = judge(&first);
    if is_first_sound == Found::No {
        return Found::No;
    }
    while walk.next().is_some() {}
    if walk.rest.is_empty() { is_first_sound } else { Found::No }
}

fn judge(record: &Plain<'_>) -> Found {
    let len = record.fragment.len() + record.missing;
    if record.sequence >= MOST_PLAUSIBLE {
        return Found::No;
    }
    if record.epoch > 0 {
        // Explicit nonce and tag, or IV, padding and MAC.
        let is_plausible = record.epoch <= 16 && len >= 16;
        return if is_plausible { Found::Likely(90) } else { Found::No };
    }
    match (record.content, record.fragment) {
        (content::HANDSHAKE, fragment) => match Fragment::parse(fragment, record.missing) {
            Some(_) => Found::Yes,
            None => Found::No,
        },
        // OpenSSL's early version has a number behind the one byte.
        (content::CHANGE_CIPHER_SPEC, [1] | [1, _, _]) => Found::Likely(85),
        (content::ALERT, [1 | 2, 0..=121]) => Found::Likely(85),
        _ => Found::No,
    }
}

/// More records than one epoch of any real session has had.
const MOST_PLAUSIBLE: u64 = 1 << 40;
