//! `wirewarden tunnel import-xfrm`: an IKE daemon agrees on keys in a network namespace of its own, and the data plane gets
//! them. The kernel of that namespace has the same SAs and must never use them.

mod mirror;

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::config::TunnelConfig;
use api::control::{DATAPLANE_SOCKET, RUN_DIRECTORY};
use api::tunnel::{Arrival, Incoming, KeyChannelError, Order, Report, send, socket_beside};
use clap::{Args, ValueHint};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;

use self::mirror::{Mirror, Outcome};
use super::kernel::{Changes, Kernel, KernelError, Xfrm, within};
use super::{NotForXfrm, peers_of};
use crate::exit::Exit;
use crate::stop::Stop;
use crate::tell;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Network namespace of the IKE daemon, a name of `ip netns` or a path; it must carry no other traffic
    #[arg(long, value_name = "NAME")]
    netns: String,

    /// The data plane's configuration; the running one without
    #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Control socket of the data plane; the key socket is beside it
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    control: Option<PathBuf>,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Peer(#[from] NotForXfrm),
    #[error("there is no peer in `live.tunnel.peers`")]
    NoPeers,
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    #[error("the namespace {name} forwards packets, so it may carry traffic: sysctl -w {key}=0 there")]
    Forwards { name: String, key: &'static str },
    #[error("somebody imports from the namespace {name} already: a key has one sender")]
    Twice { name: String },
    #[error("{0}")]
    Harden(String),
}

pub(crate) fn import(args: &ImportArgs, config: &TunnelConfig) -> Exit {
    match run(args, config) {
        Ok(()) => Exit::Success,
        Err(error) => {
            tell::error(&error.to_string());
            match error {
                ImportError::Peer(_) | ImportError::NoPeers => Exit::Usage,
                _ => Exit::Unreachable,
            }
        }
    }
}

fn run(args: &ImportArgs, config: &TunnelConfig) -> Result<(), ImportError> {
    let peers = peers_of(config)?;
    if peers.is_empty() {
        return Err(ImportError::NoPeers);
    }
    exchange::process::harden().map_err(|error| ImportError::Harden(error.to_string()))?;
    let stop = Stop::on_signals().map_err(|error| ImportError::Io { what: "signals".to_owned(), error })?;
    let name = args.netns.as_str();
    carries_nothing(name)?;
    // Names of this kind belong to a namespace, and are gone with the process.
    let alone = within(Some(name), || {
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(b"wirewarden-import-xfrm")?)
    })?;
    let _alone = match alone {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(ImportError::Twice { name: name.to_owned() });
        }
        other => other.map_err(|error| ImportError::Io { what: name.to_owned(), error })?,
    };
    let changes = Changes::open(Some(name))?;
    let kernel = Kernel::open(Some(name))?;
    let control = args.control.clone().unwrap_or_else(|| PathBuf::from(RUN_DIRECTORY).join(DATAPLANE_SOCKET));
    let mut import = Import {
        kernel,
        changes,
        mirror: Mirror::new(peers),
        path: socket_beside(&control),
        plane: None,
        next_attempt: Instant::now(),
        said: String::new(),
    };
    while !stop.is_requested() {
        import.turn()?;
    }
    for order in import.mirror.end() {
        import.order(&order);
    }
    tell::error("the data plane was told to wipe these keys: nobody looks at the kernel's counters any more");
    Ok(())
}

/// Whether no packets of others go through the namespace.
fn carries_nothing(name: &str) -> Result<(), ImportError> {
    for (key, file) in [
        ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("net.ipv6.conf.all.forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"),
    ] {
        // Without IPv6 there is no such file.
        let value = within(Some(name), || fs::read_to_string(file))?.unwrap_or_default();
        if !matches!(value.trim(), "" | "0") {
            return Err(ImportError::Forwards { name: name.to_owned(), key });
        }
    }
    Ok(())
}

struct Import {
    kernel: Kernel,
    changes: Changes,
    mirror: Mirror,
    path: PathBuf,
    plane: Option<Plane>,
    next_attempt: Instant,
    /// What was said of the data plane last.
    said: String,
}

/// A connection to the data plane's key socket.
struct Plane {
    out: UnixStream,
    reports: Incoming<UnixStream>,
}

impl Import {
    /// Waits for a change, and follows it.
    fn turn(&mut self) -> Result<(), ImportError> {
        self.connect();
        self.wait();
        while let Some(report) = self.report() {
            let outcome = self.mirror.hear(&report);
            self.carry_out(outcome);
        }
        self.changes.take();
        let (policies, sas) = (self.kernel.policies()?, self.kernel.sas()?);
        let outcome = self.mirror.look(sas, &policies);
        self.carry_out(outcome);
        Ok(())
    }

    fn wait(&self) {
        let mut descriptors = vec![PollFd::new(&self.changes, PollFlags::IN)];
        if let Some(plane) = &self.plane {
            descriptors.push(PollFd::from_borrowed_fd(plane.out.as_fd(), PollFlags::IN));
        }
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK_NS };
        // Whatever ends it, a look follows.
        let _ = poll(&mut descriptors, Some(&timeout));
    }

    fn connect(&mut self) {
        let now = Instant::now();
        if self.plane.is_some() || now < self.next_attempt {
            return;
        }
        self.next_attempt = now + AGAIN;
        match Plane::connect(&self.path) {
            Ok(plane) => {
                self.say(format!("{}: connected", self.path.display()));
                self.plane = Some(plane);
            }
            Err(error) => self.say(format!("{}: {error}", self.path.display())),
        }
    }

    fn report(&mut self) -> Option<Report> {
        match self.plane.as_mut()?.reports.receive() {
            Ok(Arrival::Message(report)) => Some(report),
            Ok(Arrival::Nothing) => None,
            Ok(Arrival::Closed) => {
                self.lost("the data plane has gone".to_owned());
                None
            }
            Err(error) => {
                self.lost(error.to_string());
                None
            }
        }
    }

    fn carry_out(&mut self, outcome: Outcome) {
        for text in outcome.told {
            tell::error(&text);
        }
        // Keys are wiped behind each order.
        for order in outcome.orders {
            self.order(&order);
        }
    }

    fn order(&mut self, order: &Order) {
        let Some(plane) = &mut self.plane else { return };
        if let Err(error) = send(order, &mut plane.out) {
            // What did not arrive is told by the next hello.
            self.lost(error.to_string());
        }
    }

    fn lost(&mut self, why: String) {
        self.plane = None;
        self.mirror.lost();
        self.say(why);
    }

    fn say(&mut self, text: String) {
        if self.said != text {
            tell::error(&text);
            self.said = text;
        }
    }
}

impl Plane {
    fn connect(path: &Path) -> Result<Self, KeyChannelError> {
        let out = UnixStream::connect(path)?;
        let uid = socket_peercred(&out).map_err(io::Error::from)?.uid;
        if !uid.is_root() && uid != rustix::process::geteuid() {
            return Err(io::Error::other("a program of another user listens there").into());
        }
        out.set_write_timeout(Some(Duration::from_secs(2)))?;
        out.set_read_timeout(Some(Duration::from_millis(1)))?;
        Ok(Self { reports: Incoming::new(out.try_clone()?), out })
    }
}

/// The longest between two looks at the kernel's counters.
const LOOK_NS: i64 = 100_000_000;
const AGAIN: Duration = Duration::from_millis(500);
