//! Step "act" where there are tunnels: what comes from inside is sealed and goes outside, what comes sealed is opened and
//! goes inside, and what may do neither ends here, counted.

pub(crate) mod act;
pub(crate) mod exception;
pub(crate) mod keys;
pub(crate) mod mesh;
pub(crate) mod neighbours;
pub(crate) mod plan;

mod causes;
mod opening;
mod sealing;
#[cfg(test)]
mod tests;

pub(crate) use act::Tunnelling;
pub(crate) use exception::Exchanged;
#[cfg(feature = "xdp")]
pub(crate) use exception::Wanted;
pub(crate) use keys::{KeyAnswer, KeyOrder};
pub(crate) use mesh::Mesh;
pub use plan::TunnelError;
pub(crate) use plan::{Slots, TunnelPlan, policy};
