//! Why a peer was refused, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection or a channel was refused. From outside most of them look alike; here each has its own counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Its address is not within the peers' prefixes.
    #[error("address not allowed")]
    AddressNotAllowed,
    /// More connections than the accept rate.
    #[error("accept rate exceeded")]
    AcceptRate,
    /// As many handshakes under way as there may be.
    #[error("too many half-open connections")]
    HalfOpenFull,
    /// No keys within the deadline.
    #[error("deadline passed")]
    Deadline,
    /// Not TLS, or TLS that is broken.
    #[error("malformed TLS")]
    Malformed,
    /// It has none of our post-quantum groups.
    #[error("only classical groups")]
    ClassicalOnly,
    /// It has a post-quantum group, but not the profile's, or no common signature.
    #[error("no common group or signature")]
    NothingInCommon,
    /// It speaks TLS, but not our protocol over it.
    #[error("another application protocol")]
    Protocol,
    /// It showed no certificate.
    #[error("no certificate")]
    NoCertificate,
    /// Its certificate is of no authority of ours, and its key is not pinned.
    #[error("not trusted")]
    Untrusted,
    /// Its certificate is not yet or no longer valid.
    #[error("certificate expired")]
    Expired,
    /// Its certificate was revoked.
    #[error("certificate revoked")]
    Revoked,
    /// No revocation list of its authority is valid now.
    #[error("no valid revocation list")]
    NoRevocationList,
    /// Its certificate is good, but that of another peer.
    #[error("another peer")]
    WrongPeer,
    /// Its signature of the handshake is bad.
    #[error("bad signature")]
    BadSignature,
    /// The second, classical signature is missing, bad or by another key.
    #[error("bad classical signature")]
    ClassicalSignature,
    /// It resumed a session whose full handshake is too long ago.
    #[error("session too old to resume")]
    SessionTooOld,
    /// A message of the channel is malformed or out of turn.
    #[error("malformed channel message")]
    BadMessage,
    /// It speaks another version of the channel.
    #[error("another version")]
    Version,
    /// Suite, mode or authentication differ.
    #[error("another suite or authentication")]
    Parameters,
    /// The policies of both sides differ.
    #[error("another policy")]
    Policy,
    /// Its epoch is not above the last.
    #[error("stale epoch")]
    StaleEpoch,
    /// It ended the channel before there were keys.
    #[error("closed early")]
    ClosedEarly,
    /// It refused us.
    #[error("refused by the peer")]
    RefusedByPeer,
    /// There is no data plane here to install keys in.
    #[error("no data plane")]
    NoDataPlane,
}

impl Refusal {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 25] = [
        Self::AddressNotAllowed,
        Self::AcceptRate,
        Self::HalfOpenFull,
        Self::Deadline,
        Self::Malformed,
        Self::ClassicalOnly,
        Self::NothingInCommon,
        Self::Protocol,
        Self::NoCertificate,
        Self::Untrusted,
        Self::Expired,
        Self::Revoked,
        Self::NoRevocationList,
        Self::WrongPeer,
        Self::BadSignature,
        Self::ClassicalSignature,
        Self::SessionTooOld,
        Self::BadMessage,
        Self::Version,
        Self::Parameters,
        Self::Policy,
        Self::StaleEpoch,
        Self::ClosedEarly,
        Self::RefusedByPeer,
        Self::NoDataPlane,
    ];

    /// The name of its counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressNotAllowed => "address_not_allowed",
            Self::AcceptRate => "accept_rate",
            Self::HalfOpenFull => "half_open_full",
            Self::Deadline => "deadline",
            Self::Malformed => "malformed",
            Self::ClassicalOnly => "classical_only",
            Self::NothingInCommon => "nothing_in_common",
            Self::Protocol => "protocol",
            Self::NoCertificate => "no_certificate",
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NoRevocationList => "no_revocation_list",
            Self::WrongPeer => "wrong_peer",
            Self::BadSignature => "bad_signature",
            Self::ClassicalSignature => "classical_signature",
            Self::SessionTooOld => "session_too_old",
            Self::BadMessage => "bad_message",
            Self::Version => "version",
            Self::Parameters => "parameters",
            Self::Policy => "policy",
            Self::StaleEpoch => "stale_epoch",
            Self::ClosedEarly => "closed_early",
            Self::RefusedByPeer => "refused_by_peer",
            Self::NoDataPlane => "no_data_plane",
        }
    }
}

/// One counter for each [`Refusal`].
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one more.
    pub fn count(&self, refusal: Refusal) {
        if let Some(cell) = self.cell(refusal) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were.
    pub fn of(&self, refusal: Refusal) -> u64 {
        self.cell(refusal).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Every reason with how many there were.
    pub fn all(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().map(|refusal| (refusal, self.of(refusal)))
    }

    fn cell(&self, refusal: Refusal) -> Option<&AtomicU64> {
        Refusal::ALL.iter().position(|one| *one == refusal).and_then(|at| self.0.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_and_a_name_of_its_own() {
        let refusals = Refusals::default();
        for (at, refusal) in Refusal::ALL.into_iter().enumerate() {
            for _ in 0..=at {
                refusals.count(refusal);
            }
        }
        let counts: Vec<u64> = refusals.all().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=25).collect::<Vec<u64>>());
        let names: std::collections::BTreeSet<_> =
            Refusal::ALL.iter().map(|refusal| refusal.name()).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
