use std::io;

use crate::xdp::XdpError;

/// Why an AF_XDP port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AfXdpError {
    /// The XDP program could not be loaded or attached.
    #[error(transparent)]
    Xdp(#[from] XdpError),
    /// There is no memory for the frames of a worker.
    #[error("no memory for {frames} frames of {frame_size} bytes: {source}")]
    Memory {
        /// Frames asked for.
        frames: u32,
        /// Bytes of each.
        frame_size: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refuses a socket, or one of its rings.
    #[error("{interface}, queue {queue}: {step}: {source}{}", mend(source))]
    Socket {
        /// Interface.
        interface: String,
        /// Queue.
        queue: u32,
        /// What was done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Frames are longer than the memory takes, and the kernel cannot cut them.
    #[error(
        "{interface} has frames of {needed} bytes, and this kernel takes {room} (frames in several pieces need 6.6)"
    )]
    FramesTooLong {
        /// Interface.
        interface: String,
        /// Longest frame, bytes.
        needed: u32,
        /// Longest that is taken.
        room: u32,
    },
}

/// What to do about an error of a socket, where that is known.
fn mend(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            "; needs CAP_NET_RAW: run as root or `setcap cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon=ep`"
        }
        Some(libc::ENOBUFS) => "; raise the limit of locked memory (`ulimit -l`) or add cap_ipc_lock",
        Some(libc::EBUSY) => "; another AF_XDP socket is bound to this queue",
        Some(libc::EOPNOTSUPP) => "; the driver cannot do this: choose copy mode",
        Some(libc::EINVAL) => "; the interface may have no such queue (`ethtool -l`)",
        Some(libc::EAFNOSUPPORT) => "; this kernel was built without AF_XDP (CONFIG_XDP_SOCKETS)",
        _ => "",
    }
}
