use core::fmt;

use crate::aead::{Aead, Aes256Gcm};
use crate::inbound::TableError;
use crate::inner::Inner;
use crate::outer::Endpoint;
use crate::sa::{Moment, PeerId, SaError};
use crate::seal::OutboundSa;
use crate::selector::Selectors;

/// A policy that says "seal", by its place in the list: earlier ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyId(pub u16);

/// Outbound SAs of this core by policy: at most one to each, since a successor takes its place.
pub struct OutboundTable<A = Aes256Gcm> {
    policies: Vec<Policy<A>>,
}

struct Policy<A> {
    selectors: Selectors,
    sa: Option<Box<OutboundSa<A>>>,
    /// Whether somebody was told that a successor is due.
    told: bool,
}

/// Policies that a table can have.
pub const POLICIES_MAX: usize = 1024;

/// There is no such policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy {}", _0.0)]
pub struct UnknownPolicy(pub PolicyId);

impl<A: Aead> OutboundTable<A> {
    /// A table without policies.
    #[must_use]
    pub const fn new() -> Self {
        Self { policies: Vec::new() }
    }

    /// Adds a policy behind the others. Until an SA is installed its traffic is refused, not sent in the clear.
    ///
    /// # Errors
    /// [`TableError::Full`].
    pub fn add_policy(&mut self, selectors: Selectors) -> Result<PolicyId, TableError> {
        let full = TableError::Full { capacity: POLICIES_MAX };
        let id = u16::try_from(self.policies.len()).map_err(|_| full)?;
        if self.policies.len() >= POLICIES_MAX {
            return Err(full);
        }
        self.policies.push(Policy { selectors, sa: None, told: false });
        Ok(PolicyId(id))
    }

    /// Sends a policy's traffic by this SA from now on; the one before it is wiped.
    ///
    /// # Errors
    /// [`UnknownPolicy`]; the SA is wiped.
    pub fn install(&mut self, policy: PolicyId, sa: OutboundSa<A>) -> Result<(), UnknownPolicy> {
        let place = self.policies.get_mut(usize::from(policy.0)).ok_or(UnknownPolicy(policy))?;
        place.sa = Some(Box::new(sa));
        place.told = false;
        Ok(())
    }

    /// Wipes a policy's SA: its traffic is refused until there is another; whether there was one.
    pub fn remove(&mut self, policy: PolicyId) -> bool {
        self.policies.get_mut(usize::from(policy.0)).is_some_and(|place| place.sa.take().is_some())
    }

    /// The first policy whose selectors match an IP packet; `None` where none does, or it is no sound packet.
    #[inline]
    #[must_use]
    pub fn policy_for(&self, packet: &[u8]) -> Option<PolicyId> {
        let inner = Inner::parse(packet)?;
        let at = self.policies.iter().position(|policy| policy.selectors.match_any(&inner))?;
        u16::try_from(at).ok().map(PolicyId)
    }

    /// A policy's SA.
    #[inline]
    #[must_use]
    pub fn sa(&self, policy: PolicyId) -> Option<&OutboundSa<A>> {
        self.policies.get(usize::from(policy.0))?.sa.as_deref()
    }

    /// Follows a change of the MTU of a policy's path.
    ///
    /// # Errors
    /// [`SaError::PathTooSmall`]; the old one stays. Without an SA nothing changes.
    pub fn set_path_mtu(&mut self, policy: PolicyId, mtu: u16) -> Result<(), SaError> {
        self.sa_mut(policy).map_or(Ok(()), |sa| sa.set_path_mtu(mtu))
    }

    #[inline]
    pub(crate) fn sa_mut(&mut self, policy: PolicyId) -> Option<&mut OutboundSa<A>> {
        self.policies.get_mut(usize::from(policy.0))?.sa.as_deref_mut()
    }

    /// Policies whose SA has reached a soft limit, each told of once.
    pub(crate) fn due(&mut self, now: Moment) -> impl Iterator<Item = PolicyId> + '_ {
        (0..).map(PolicyId).zip(&mut self.policies).filter_map(move |(id, policy)| {
            let is_due = !policy.told && policy.sa.as_ref().is_some_and(|sa| sa.is_rekey_due(now));
            policy.told |= is_due;
            is_due.then_some(id)
        })
    }

    /// Follows a peer to another endpoint. An SA whose path cannot go there (the other IP) stays as it is.
    pub(crate) fn redirect(&mut self, peer: PeerId, remote: Endpoint) {
        let sas = self.policies.iter_mut().filter_map(|policy| policy.sa.as_mut());
        for sa in sas.filter(|sa| sa.config().peer == peer) {
            let _ = sa.redirect(remote);
        }
    }
}

impl<A: Aead> Default for OutboundTable<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> fmt::Debug for OutboundTable<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundTable").field("policies", &self.policies.len()).finish_non_exhaustive()
    }
}
