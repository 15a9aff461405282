//! The filter language: one grammar for choosing flows, wherever flows are chosen.
//!
//! `modbus and not src 10.0.0.0/8` is parsed once, against the names of the running plan, into a [`Filter`]; that
//! judges a [`FlowView`], which may know the whole flow, or only its identity. What is not known yet makes the answer
//! [`Truth::Maybe`] rather than a wrong yes or no (Kleene's three-valued logic). The grammar is in `docs/filter.md`.

mod address;
mod ast;
mod error;
mod evaluate;
mod lexer;
mod literal;
mod parser;
mod primitive;
mod suggest;
mod words;

#[cfg(test)]
mod tests;

use core::fmt;

use crate::Names;

pub use address::Network;
pub use ast::{End, Expr, Field, Primitive, Relation};
pub use error::{FilterError, FilterErrorKind};
pub use evaluate::{FlowView, Truth};

use evaluate::Plan;

/// Bytes that the text of a filter may have.
pub const MAX_FILTER_BYTES: usize = 4096;
/// How deep parentheses and negations may nest.
pub const MAX_FILTER_DEPTH: usize = 32;

/// A filter, parsed and with its names looked up.
#[derive(Clone, Debug)]
pub struct Filter {
    expr: Expr,
    plan: Plan,
}

impl Filter {
    /// Parses `text`; protocols and services are those of `names`, and the filter is valid for records of that plan.
    ///
    /// # Errors
    /// The first problem, with its column, its reason and the nearest word that would be valid there.
    pub fn parse(text: &str, names: &Names) -> Result<Self, FilterError> {
        let expr = parser::parse(text, names)?;
        let plan = Plan::new(&expr, names);
        Ok(Self { expr, plan })
    }

    /// Whether the filter holds for a flow, as far as the flow is known.
    #[must_use]
    pub fn judge(&self, flow: &FlowView<'_>) -> Truth {
        self.plan.judge(flow)
    }

    /// The filter as a tree.
    #[must_use]
    pub const fn expr(&self) -> &Expr {
        &self.expr
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}
