//! The XDP program on a kernel interface: loaded, attached, told what to do, and asked what it did.
//!
//! [`XdpProgram`] is the owner's side: it detaches when it is dropped, and when its process ends in whatever way, since
//! the kernel holds the attachment by a link (`bpf_link`) that nobody else has. [`Attached`] is another process's side.
//! Where libxdp's dispatcher is on the interface, the program takes a place among those that it calls.

#![expect(unsafe_code, reason = "numbers in maps, and system calls on links")]

mod attached;
mod dispatcher;
mod error;
mod lists;
mod netlink;
mod pins;
mod plain;
mod program;
mod shunts;
mod state;
mod trial;

pub use attached::{Attached, Attachment, attachments, detach};
pub use dispatcher::{is_dispatched, root as dispatchers};
pub use ebpf_maps::{
    Address, Count, FlowKey, Parsed, Probe, Reason, SHUNT_DROP, SHUNT_FORWARD, SHUNT_PASS, Shunt, Verdict,
    kind,
};
pub use error::{Need, XdpError};
pub use lists::{Action, List, ListEntry, Prefix};
pub(crate) use program::sockets_take_pieces;
pub use program::{Mode, ModeChoice, Protect, Service, XdpConfig, XdpProgram};
pub use shunts::KernelShunts;
pub use state::{Counters, Rate, State};
pub use trial::ParseTrial;
