//! The kernel's SAs and policies of one network namespace, over NETLINK_XFRM.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::net::netlink::{SocketAddrNetlink, XFRM};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zeroize::Zeroizing;

use super::netlink::{Answer, NewSa, Policy, Request, Sa, SaName, Traffic, Way, messages};

/// Why the kernel did not do something.
#[derive(Debug, thiserror::Error)]
pub(super) enum KernelError {
    #[error("NETLINK_XFRM: {0}")]
    Io(#[from] io::Error),
    /// It does not know the cipher, ESP, or XFRM at all.
    #[error("this kernel cannot {what}: it needs ESP and AES-GCM (modprobe esp4 esp6 gcm)")]
    Lacks { what: &'static str },
    #[error("the kernel refuses to {what}: {error}")]
    Refused { what: &'static str, error: io::Error },
    #[error("the network namespace {name}: {error}")]
    Namespace { name: String, error: io::Error },
    /// What it sends is no answer.
    #[error("the kernel's answer is cut short")]
    Odd,
}

/// What holds SAs and policies: the kernel, or a test in its place.
pub(super) trait Xfrm {
    fn add_sa(&mut self, sa: &NewSa<'_>) -> Result<(), KernelError>;
    /// An SA that is gone already is no error.
    fn delete_sa(&mut self, name: SaName) -> Result<(), KernelError>;
    fn sas(&mut self) -> Result<Vec<Sa>, KernelError>;
    fn set_policy(&mut self, policy: &Policy) -> Result<(), KernelError>;
    /// A policy that is gone already is no error.
    fn delete_policy(&mut self, traffic: &Traffic, way: Way) -> Result<(), KernelError>;
    fn policies(&mut self) -> Result<Vec<Policy>, KernelError>;
}

/// The kernel of a network namespace.
#[derive(Debug)]
pub(super) struct Kernel {
    socket: OwnedFd,
    number: u32,
    room: Zeroizing<Vec<u8>>,
}

impl Kernel {
    /// That of a namespace by its name or path; our own without.
    pub(super) fn open(namespace: Option<&str>) -> Result<Self, KernelError> {
        let socket = within(namespace, || netlink(0))??;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWERS)).map_err(io::Error::from)?;
        Ok(Self { socket, number: 0, room: Zeroizing::new(vec![0; ROOM]) })
    }

    fn next(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1).max(1);
        self.number
    }

    /// Asks, and gives what is answered until the end.
    fn ask(&mut self, request: &Request, mut take: impl FnMut(Answer)) -> Result<i32, KernelError> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, request.bytes(), SendFlags::empty(), &kernel).map_err(io::Error::from)?;
        loop {
            let (len, whole) =
                recv(&self.socket, self.room.as_mut_slice(), RecvFlags::TRUNC).map_err(io::Error::from)?;
            if whole > len {
                return Err(KernelError::Odd);
            }
            let datagram = self.room.get(..len).unwrap_or_default();
            for (of, answer) in messages(datagram).filter(|(of, _)| *of == self.number) {
                debug_assert_eq!(of, self.number);
                match answer {
                    Answer::Ended(code) => return Ok(code),
                    Answer::Done => return Ok(0),
                    other => take(other),
                }
            }
        }
    }

    fn order(&mut self, what: &'static str, request: &Request) -> Result<(), KernelError> {
        match self.ask(request, |_| {})? {
            0 => Ok(()),
            // EPROTONOSUPPORT, ENOENT and ENOSYS of what adds: no cipher, no ESP.
            2 | 38 | 93 => Err(KernelError::Lacks { what }),
            code => Err(KernelError::Refused { what, error: io::Error::from_raw_os_error(code) }),
        }
    }

    /// The same, where what is to go may be gone.
    fn remove(&mut self, what: &'static str, request: &Request) -> Result<(), KernelError> {
        match self.ask(request, |_| {})? {
            0 | 2 | 3 => Ok(()),
            code => Err(KernelError::Refused { what, error: io::Error::from_raw_os_error(code) }),
        }
    }
}

impl Xfrm for Kernel {
    fn add_sa(&mut self, sa: &NewSa<'_>) -> Result<(), KernelError> {
        let request = Request::add_sa(sa, self.next());
        self.order("take an SA", &request)
    }

    fn delete_sa(&mut self, name: SaName) -> Result<(), KernelError> {
        let request = Request::delete_sa(name, self.next());
        self.remove("remove an SA", &request)
    }

    fn sas(&mut self) -> Result<Vec<Sa>, KernelError> {
        let request = Request::list_sas(self.next());
        let mut all = Vec::new();
        let ended = self
            .ask(&request, |answer| all.extend(if let Answer::Sa(sa) = answer { Some(*sa) } else { None }))?;
        listed("list SAs", ended, all)
    }

    fn set_policy(&mut self, policy: &Policy) -> Result<(), KernelError> {
        let request = Request::set_policy(policy, self.next());
        self.order("take a policy", &request)
    }

    fn delete_policy(&mut self, traffic: &Traffic, way: Way) -> Result<(), KernelError> {
        let request = Request::delete_policy(traffic, way, self.next());
        self.remove("remove a policy", &request)
    }

    fn policies(&mut self) -> Result<Vec<Policy>, KernelError> {
        let request = Request::list_policies(self.next());
        let mut all = Vec::new();
        let take = |answer| all.extend(if let Answer::Policy(policy) = answer { Some(policy) } else { None });
        let ended = self.ask(&request, take)?;
        listed("list policies", ended, all)
    }
}

fn listed<T>(what: &'static str, ended: i32, all: Vec<T>) -> Result<Vec<T>, KernelError> {
    match ended {
        0 => Ok(all),
        code => Err(KernelError::Refused { what, error: io::Error::from_raw_os_error(code) }),
    }
}

/// Becomes readable when SAs or policies change in a namespace; what it says is not looked at.
#[derive(Debug)]
pub(super) struct Changes(OwnedFd);

impl Changes {
    pub(super) fn open(namespace: Option<&str>) -> Result<Self, KernelError> {
        Ok(Self(within(namespace, || netlink(GROUPS))??))
    }

    /// Takes what has come.
    pub(super) fn take(&self) {
        let mut room = Zeroizing::new([0; 8192]);
        // What did not fit was lost, and that is a change as well.
        while matches!(
            recv(&self.0, room.as_mut_slice(), RecvFlags::DONTWAIT),
            Ok(_) | Err(rustix::io::Errno::NOBUFS)
        ) {}
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Calls a function on a thread of its own that is in a namespace: what it opens stays there.
pub(super) fn within<T: Send>(
    namespace: Option<&str>,
    open: impl FnOnce() -> T + Send,
) -> Result<T, KernelError> {
    let Some(name) = namespace else { return Ok(open()) };
    let failed = |error| KernelError::Namespace { name: name.to_owned(), error };
    let path = if name.contains('/') { PathBuf::from(name) } else { PathBuf::from("/run/netns").join(name) };
    let file = File::open(path).map_err(failed)?;
    let entered = thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(open())
        });
        inside.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    });
    entered.map_err(failed)
}

/// A socket of NETLINK_XFRM that hears some groups.
fn netlink(groups: u32) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(XFRM))?;
    // As much as is allowed: a list of many SAs, or a burst of changes.
    let _ = set_socket_recv_buffer_size(&socket, 1 << 20);
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// How long the kernel may take to answer.
const ANSWERS: Duration = Duration::from_secs(5);
/// Bytes of a datagram at most: the kernel fills no more than 32 KiB at once.
const ROOM: usize = 64 * 1024;
/// `XFRMGRP_EXPIRE`, `_SA` and `_POLICY`.
const GROUPS: u32 = 2 | 4 | 8;
