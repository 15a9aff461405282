//! Policy: what becomes of the packets of a flow, by rules over what is known of it.

use std::sync::Arc;

use crate::filter::{Expr, Field, Filter, FilterError, FlowView, Primitive, Truth};
use crate::flow::slot::SlotIndex;
use crate::{CryptoClass, Names, Verdict};

/// Number of the rule that decided, for who acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleNumber(pub u16);

impl RuleNumber {
    /// No rule yet: what the rules ask is not known.
    pub const UNCLASSIFIED: Self = Self(u16::MAX);
    /// No rule speaks of it.
    pub const OTHERWISE: Self = Self(u16::MAX - 1);
    /// Rules that there can be.
    pub const MOST: usize = 1024;
}

/// What becomes of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It goes on as it is.
    Forward,
    /// It goes no further.
    Drop,
    /// It goes on sealed.
    Seal,
}

/// Rules in order, the first that holds decides. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<(Filter, Treatment)>,
    unclassified: Treatment,
    otherwise: Treatment,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("rule {rule}: {why}")]
pub struct PolicyError {
    /// Its place, from 0.
    pub rule: usize,
    /// Why it cannot be used.
    pub why: PolicyProblem,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyProblem {
    /// Its filter is not understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Its filter asks for what is only known when the flow has ended.
    #[error("`{statement}` is only known when a flow has ended, and a rule decides before")]
    KnownTooLate {
        /// The statement.
        statement: String,
    },
    /// There are more than [`RuleNumber::MOST`].
    #[error("there are more rules than {}", RuleNumber::MOST)]
    TooMany,
}

impl Policy {
    /// The policy of these rules, whose filters use the names of a plan.
    ///
    /// # Errors
    /// The first rule that cannot be used.
    pub fn new<'a>(
        rules: impl IntoIterator<Item = (&'a str, Treatment)>,
        unclassified: Treatment,
        otherwise: Treatment,
        names: &Names,
    ) -> Result<Self, PolicyError> {
        let mut kept = Vec::new();
        for (rule, (text, treatment)) in rules.into_iter().enumerate() {
            let problem = |why| PolicyError { rule, why };
            if rule >= RuleNumber::MOST {
                return Err(problem(PolicyProblem::TooMany));
            }
            let filter = Filter::parse(text, names).map_err(|why| problem(why.into()))?;
            if let Some(statement) = too_late(filter.expr()) {
                return Err(problem(PolicyProblem::KnownTooLate { statement: statement.to_string() }));
            }
            kept.push((filter, treatment));
        }
        Ok(Self { rules: kept, unclassified, otherwise })
    }

    /// What becomes of a flow as far as it is known, and whether that is final.
    fn judge(&self, view: &FlowView<'_>) -> (RuleNumber, bool) {
        for (number, (filter, _)) in (0_u16..).zip(&self.rules) {
            match filter.judge(view) {
                Truth::Yes => return (RuleNumber(number), true),
                Truth::Maybe => return (RuleNumber::UNCLASSIFIED, false),
                Truth::No => {}
            }
        }
        (RuleNumber::OTHERWISE, true)
    }

    fn verdict(&self, rule: RuleNumber) -> Verdict {
        let treatment = match rule {
            RuleNumber::UNCLASSIFIED => self.unclassified,
            RuleNumber::OTHERWISE => self.otherwise,
            RuleNumber(number) => {
                self.rules.get(usize::from(number)).map_or(Treatment::Drop, |(_, treatment)| *treatment)
            }
        };
        match treatment {
            Treatment::Forward => Verdict::Forward,
            Treatment::Drop => Verdict::Drop,
            Treatment::Seal => Verdict::Seal(rule),
        }
    }

    /// What becomes of a packet of which no flow is known.
    #[must_use]
    pub fn unclassified(&self) -> Verdict {
        self.verdict(RuleNumber::UNCLASSIFIED)
    }
}

/// A statement of the tree about what is only known at the end.
// The tree is as deep as `filter::MAX_FILTER_DEPTH` lets it be.
fn too_late(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Not(inner) => too_late(inner),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(too_late),
        Expr::Is(primitive) => is_late(primitive).then_some(expr),
    }
}

const fn is_late(primitive: &Primitive) -> bool {
    match primitive {
        Primitive::State(_) | Primitive::Reason(_) | Primitive::Gaps => true,
        Primitive::Compare { field, .. } => matches!(
            field,
            Field::Bytes
                | Field::BytesToServer
                | Field::BytesToClient
                | Field::Packets
                | Field::PacketsToServer
                | Field::PacketsToClient
                | Field::Duration
        ),
        _ => false,
    }
}

/// A policy, and what it has decided of each flow of a table.
#[derive(Debug)]
pub(crate) struct Deciding {
    policy: Arc<Policy>,
    /// Rises with every policy: what another one decided is decided anew.
    generation: u32,
    /// By slot: generation, crypto class and rule ([`Decided`]).
    decided: Box<[u64]>,
}

/// What is kept of a flow.
#[derive(Clone, Copy, Debug, Default)]
struct Decided {
    /// Of the policy that decided; 0 for none.
    generation: u32,
    rule: u16,
    crypto: Option<CryptoClass>,
}

impl Decided {
    #[inline]
    fn unpack(word: u64) -> Self {
        let [g0, g1, g2, g3, r0, r1, crypto, _] = word.to_be_bytes();
        Self {
            generation: u32::from_be_bytes([g0, g1, g2, g3]),
            rule: u16::from_be_bytes([r0, r1]),
            crypto: usize::from(crypto).checked_sub(1).and_then(|at| CryptoClass::ALL.get(at).copied()),
        }
    }

    #[inline]
    const fn pack(self) -> u64 {
        let [g0, g1, g2, g3] = self.generation.to_be_bytes();
        let [r0, r1] = self.rule.to_be_bytes();
        let crypto = match self.crypto {
            None => 0,
            Some(class) => class as u8 + 1,
        };
        u64::from_be_bytes([g0, g1, g2, g3, r0, r1, crypto, 0])
    }
}

impl Deciding {
    /// For a table of so many flows.
    pub(crate) fn new(policy: Arc<Policy>, capacity: usize) -> Self {
        Self { policy, generation: 1, decided: vec![0; capacity].into_boxed_slice() }
    }

    /// Decides by another policy from now on; what it had is in `other` then.
    pub(crate) fn swap_policy(&mut self, other: &mut Self) {
        core::mem::swap(&mut self.policy, &mut other.policy);
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Forgets the flow that a slot had.
    #[inline]
    pub(crate) fn forget(&mut self, index: SlotIndex) {
        if let Some(word) = self.decided.get_mut(index as usize) {
            *word = 0;
        }
    }

    /// What was decided of a flow, where that was final.
    #[inline]
    pub(crate) fn known(&self, index: SlotIndex) -> Option<Verdict> {
        let decided = Decided::unpack(*self.decided.get(index as usize)?);
        (decided.generation == self.generation).then(|| self.policy.verdict(RuleNumber(decided.rule)))
    }

    /// What its session said of its cryptography.
    pub(crate) fn crypto(&self, index: SlotIndex) -> Option<CryptoClass> {
        Decided::unpack(*self.decided.get(index as usize)?).crypto
    }

    /// Notes what its session said of its cryptography.
    pub(crate) fn note_crypto(&mut self, index: SlotIndex, crypto: CryptoClass) {
        if let Some(word) = self.decided.get_mut(index as usize) {
            *word = Decided { crypto: Some(crypto), ..Decided::unpack(*word) }.pack();
        }
    }

    /// Decides about a flow as far as it is known.
    pub(crate) fn decide(&mut self, index: SlotIndex, view: &FlowView<'_>) -> Verdict {
        let (rule, is_final) = self.policy.judge(view);
        if let (true, Some(word)) = (is_final, self.decided.get_mut(index as usize)) {
            let crypto = Decided::unpack(*word).crypto;
            *word = Decided { generation: self.generation, rule: rule.0, crypto }.pack();
        }
        self.policy.verdict(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_is_packed_and_unpacked() {
        for crypto in CryptoClass::ALL.into_iter().map(Some).chain([None]) {
            let decided = Decided { generation: u32::MAX, rule: 1023, crypto };
            let again = Decided::unpack(decided.pack());
            assert_eq!((again.generation, again.rule, again.crypto), (u32::MAX, 1023, crypto));
        }
        assert_eq!(Decided::unpack(0).generation, 0);
    }

    #[test]
    fn a_rule_about_the_end_of_flows_is_refused() {
        let names = Names::default();
        let policy = |text| {
            Policy::new(
                [("tcp", Treatment::Seal), (text, Treatment::Drop)],
                Treatment::Drop,
                Treatment::Drop,
                &names,
            )
        };
        for late in ["bytes > 1M", "not (udp or duration < 1s)", "state closed", "reason timeout", "gaps"] {
            let error = policy(late).unwrap_err();
            assert_eq!(error.rule, 1);
            assert!(matches!(error.why, PolicyProblem::KnownTooLate { .. }), "{late}: {error}");
        }
        assert!(matches!(policy("tpc").unwrap_err().why, PolicyProblem::Filter(_)));
        assert!(policy("crypto in (cleartext, weak) and net 10.0.0.0/8").is_ok());
    }
}
