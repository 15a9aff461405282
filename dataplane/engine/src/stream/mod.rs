//! Bytes in order: TCP reassembly and the buffers it borrows.

mod buffers;
mod reassembly;

pub(crate) use buffers::Buffers;
pub(crate) use reassembly::{Accepted, Stream};
