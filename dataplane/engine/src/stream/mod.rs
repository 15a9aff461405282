//! Bytes in order: TCP reassembly, the user messages of SCTP, and the buffers both borrow.

mod buffers;
mod chunks;
mod reassembly;

pub(crate) use buffers::Buffers;
pub(crate) use chunks::{Association, Chunk, Chunks, MessageBytes};
pub(crate) use reassembly::{Accepted, Stream};
