use std::fmt;
use std::io;
use std::path::PathBuf;

use super::program::Mode;
use crate::xdp::Attachment;

/// Why the XDP program could not be loaded, attached or asked.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// There is no interface of this name, or not any more.
    #[error("there is no interface {interface} in this network namespace")]
    NoInterface {
        /// Its name.
        interface: String,
    },
    /// The process may not.
    #[error("{step} needs {needs}: run as root{}", needs.instead())]
    Capability {
        /// What was done.
        step: &'static str,
        /// What is missing.
        needs: Need,
    },
    /// The kernel has not what is needed.
    #[error("{what} needs kernel {since}, this is {kernel}")]
    KernelTooOld {
        /// What is missing.
        what: &'static str,
        /// First kernel that has it.
        since: &'static str,
        /// The one that runs.
        kernel: String,
    },
    /// The kernel gives no more locked memory.
    #[error(
        "no locked memory for {what}: raise `ulimit -l` (now {limit} KiB) or give the program cap_ipc_lock"
    )]
    Memlock {
        /// What it was for.
        what: &'static str,
        /// `RLIMIT_MEMLOCK`, KiB.
        limit: u64,
    },
    /// Another program is attached.
    #[error(
        "{interface} has an XDP program already: {attachment}; `wirewarden xdp show` says whose; end its owner, or `ip link set {interface} xdp off` where it has none"
    )]
    AlreadyAttached {
        /// Interface.
        interface: String,
        /// What is attached, and by whom.
        attachment: Attachment,
    },
    /// The interface has a dispatcher that this program cannot join or leave.
    #[error(
        "libxdp's dispatcher on {interface}: {reason}; `xdp-loader status {interface}` says what is in it"
    )]
    Dispatcher {
        /// Interface.
        interface: String,
        /// What stands in the way.
        reason: String,
    },
    /// The driver or the interface refuses this mode.
    #[error("{interface} takes no XDP program in {mode} mode: {source}")]
    Refused {
        /// Interface.
        interface: String,
        /// Mode.
        mode: Mode,
        /// What the kernel said.
        source: io::Error,
    },
    /// The verifier refused the program: a fault of the program on this kernel.
    #[error("kernel {kernel} refuses the XDP program ({source}); please report this: {log}")]
    Verifier {
        /// The kernel that runs.
        kernel: String,
        /// What it said.
        source: io::Error,
        /// The end of the verifier's log.
        log: String,
    },
    /// The object file cannot be read or its maps not be made.
    #[error("the XDP program cannot be loaded: {0}")]
    Object(#[source] Box<aya::EbpfError>),
    /// A map could not be read or written.
    #[error("map {map} of the XDP program: {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map is full.
    #[error("map {map} of the XDP program is full ({entries} entries)")]
    Full {
        /// Its name.
        map: &'static str,
        /// Entries it has room for.
        entries: u32,
    },
    /// No program of ours is attached.
    #[error("{interface} has no XDP program of ours")]
    NotOurs {
        /// Interface.
        interface: String,
    },
    /// A map could not be pinned.
    #[error(
        "{} cannot be pinned ({source}): the folder has to be in a BPF file system (`mount -t bpf bpf /sys/fs/bpf`), where this process may write",
        file.display()
    )]
    Pin {
        /// Where.
        file: PathBuf,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A prefix that is longer than its address.
    #[error("/{len} is longer than {address}, which has {bits} bits")]
    PrefixTooLong {
        /// Address.
        address: std::net::IpAddr,
        /// Length asked for.
        len: u8,
        /// Bits of the address.
        bits: u8,
    },
    /// A system call failed.
    #[error("{step}: {source}")]
    System {
        /// What was done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What a process needs to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// `CAP_BPF` (or `CAP_SYS_ADMIN`).
    Bpf,
    /// `CAP_NET_ADMIN`.
    NetAdmin,
    /// `CAP_NET_RAW`.
    NetRaw,
    /// `CAP_SYS_ADMIN`: the kernel shows programs, maps and links of other processes to nobody else.
    SysAdmin,
}

impl Need {
    /// What does as well as root.
    fn instead(self) -> &'static str {
        match self {
            Self::SysAdmin => "",
            Self::Bpf | Self::NetAdmin | Self::NetRaw => {
                ", or give the program `setcap cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon=ep`"
            }
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bpf => "CAP_BPF",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        })
    }
}

/// Release of the kernel that runs.
pub(crate) fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// `RLIMIT_MEMLOCK`, KiB.
pub(crate) fn memlock_kib() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one structure.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    limit.rlim_cur / 1024
}

impl XdpError {
    /// For a map, whichever way it failed.
    pub(super) fn map<E>(map: &'static str) -> impl Fn(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Map { map, source: Box::new(source) }
    }

    /// For an object that cannot be loaded: what to do about it, where that is known.
    pub(super) fn object(error: aya::EbpfError) -> Self {
        match os_error(&error) {
            Some(libc::EPERM | libc::EACCES) => {
                Self::Capability { step: "loading the XDP program", needs: Need::Bpf }
            }
            Some(libc::ENOMEM) => Self::Memlock { what: "maps of the XDP program", limit: memlock_kib() },
            _ => Self::Object(Box::new(error)),
        }
    }
}

/// The error number at the end of a chain of errors.
pub(super) fn os_error(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error))
}
