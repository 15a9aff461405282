//! Flows that one flow announces for another to come: data connections of FTP, media of SIP and RTSP, blocks of TFTP.

use core::net::IpAddr;

use arrayvec::ArrayVec;

use super::Carrier;

/// Bytes of a name that are kept.
const NAME_MAX: usize = 200;
/// Flows that a parser may announce in one call.
pub(super) const ANNOUNCED_MAX: usize = 8;

/// A flow that is announced: from or to one end that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// TCP or UDP.
    pub carrier: Carrier,
    /// Address of the end that is known.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Address of the other end, where it is known.
    pub peer: Option<IpAddr>,
    /// Name of the protocol that it will carry. Where that has a probe, the flow's bytes must not speak against it.
    pub protocol: &'static str,
    /// What it will be about.
    pub subject: Subject,
}

impl Expected {
    /// Whether another is about the same end, and the same peer.
    #[must_use]
    pub fn is_same_end(&self, other: &Self) -> bool {
        (self.carrier, self.address, self.port, self.peer)
            == (other.carrier, other.address, other.port, other.peer)
    }
}

/// What an announced flow is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    command: &'static str,
    name: ArrayVec<u8, NAME_MAX>,
}

impl Subject {
    /// A command, and the name of a file, cut to what is kept.
    #[must_use]
    pub fn new(command: &'static str, name: &[u8]) -> Self {
        Self { command, name: name.iter().copied().take(NAME_MAX).collect() }
    }

    /// The command that asked for the flow; empty where it is not known.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        self.command
    }

    /// Name of the file, or what else it is about; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }
}
