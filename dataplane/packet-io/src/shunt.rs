//! Settled flows, counted where their packets come in: by an XDP program, or by the card.

use core::fmt::Debug;
use core::net::SocketAddr;

/// A place where packets of chosen flows are counted, and not received any more.
///
/// Packets that begin or end a TCP connection are received all the same, and so is everything that follows its end.
pub trait Shunts: Debug + Send {
    /// Counts the packets of a flow from now on; counting starts at zero.
    ///
    /// # Errors
    /// [`ShuntRefusal`]; the packets are received as before.
    fn begin(&mut self, flow: &FlowTuple, action: ShuntAction) -> Result<(), ShuntRefusal>;

    /// What was counted of a flow so far; none where it is not shunted.
    fn counted(&mut self, flow: &FlowTuple) -> Option<ShuntCount>;

    /// Has the packets of a flow received again; what was counted, none where it was not shunted.
    fn end(&mut self, flow: &FlowTuple) -> Option<ShuntCount>;
}

/// A flow by its addresses, ports, protocol and VLAN ids: the same for both directions. The lower (address, port) comes
/// first, addresses compared as 128-bit numbers, IPv4 as IPv4-mapped (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowTuple {
    /// Lower end.
    pub lower: SocketAddr,
    /// Upper end.
    pub upper: SocketAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Outer and inner VLAN id, 0 where there is none or it does not count.
    pub vlans: [u16; 2],
}

/// What becomes of the packets of a shunted flow once they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShuntAction {
    /// They go no further.
    Drop,
    /// They are the host's.
    Pass,
    /// They are sent out of the port's peer.
    Forward,
}

/// Why a flow is not shunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShuntRefusal {
    /// There is no room for another.
    #[error("no room for another flow")]
    Full,
    /// The port cannot do it.
    #[error("the port cannot do it")]
    Unsupported,
}

/// What was counted of a shunted flow. Pairs are of the lower and the upper end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShuntCount {
    /// Packets of each end.
    pub packets: [u64; 2],
    /// Bytes of them.
    pub bytes: [u64; 2],
    /// TCP control bits of each end.
    pub tcp_flags: [u8; 2],
    /// Nanoseconds since the last packet, none where there was none.
    pub silent_ns: Option<u64>,
}
