//! `wirewarden tunnel export-xfrm`: takes the place of the data plane on a Linux host. The daemon gives its keys to the same
//! sockets; the kernel gets them, and is the only one that sends with them.

mod control;
mod listener;
mod sas;

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use api::Config;
use api::control::{DATAPLANE_SOCKET, RUN_DIRECTORY};
use api::tunnel::{Arrival, Incoming, KeyChannelError, Order, Report, SaDirection, send, socket_beside};
use clap::{Args, ValueHint};

use self::control::{Control, is_ours, listen};
use self::listener::Listener;
use self::sas::{DISCARD, ProbeDue, Sas};
use super::kernel::{Kernel, KernelError};
use super::{NotForXfrm, XfrmPeer, peers_of};
use crate::exit::Exit;
use crate::stop::Stop;
use crate::tell;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The configuration to begin with; after that the daemon says which
    #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "clear")]
    config: Option<PathBuf>,

    /// Where the daemon looks for a data plane
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath)]
    control: Option<PathBuf>,

    /// Remove the policies that an earlier run left, so that their traffic goes in the clear, and end
    #[arg(long)]
    clear: bool,
}

/// Why it cannot be done.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Peer(#[from] NotForXfrm),
    #[error("there is no peer in `live.tunnel.peers`")]
    NoPeers,
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    /// Secrets could be swapped out or dumped.
    #[error("{0}")]
    Harden(String),
}

pub(crate) fn export(args: &ExportArgs) -> Exit {
    let done = if args.clear {
        clear()
    } else {
        match read(args) {
            Ok(config) => run(args, config),
            Err(exit) => return exit,
        }
    };
    match done {
        Ok(()) => Exit::Success,
        Err(error) => {
            tell::error(&error.to_string());
            match error {
                ExportError::Peer(_) | ExportError::NoPeers => Exit::Usage,
                _ => Exit::Unreachable,
            }
        }
    }
}

fn read(args: &ExportArgs) -> Result<Config, Exit> {
    let file = args.config.clone().unwrap_or_default();
    let name = file.display().to_string();
    let text = fs::read_to_string(&file).map_err(|error| {
        tell::error(&format!("{name}: {error}"));
        Exit::Usage
    })?;
    Config::from_toml(&text, &name).map_err(|errors| {
        tell::error(&errors.to_string());
        Exit::Usage
    })
}

fn clear() -> Result<(), ExportError> {
    let removed = Sas::new(Kernel::open(None)?)?.remove_policies()?;
    tell::error(&format!("{removed} policies are removed: their traffic goes in the clear now"));
    Ok(())
}

fn run(args: &ExportArgs, config: Config) -> Result<(), ExportError> {
    let peers = peers_of(&config.live.tunnel)?;
    if peers.is_empty() {
        return Err(ExportError::NoPeers);
    }
    exchange::process::harden().map_err(|error| ExportError::Harden(error.to_string()))?;
    let io = |what: &str| {
        let what = what.to_owned();
        move |error| ExportError::Io { what, error }
    };
    let stop = Stop::on_signals().map_err(io("signals"))?;
    let control = Control::new(config, stop.clone());
    let path = args.control.clone().unwrap_or_else(|| PathBuf::from(RUN_DIRECTORY).join(DATAPLANE_SOCKET));
    let name = path.display().to_string();
    let lock = listen(&control, &path).map_err(io(&name))?;
    let mut sas = Sas::new(Kernel::open(None)?)?;
    sas.configure(peers.clone(), &mut Vec::new())?;
    let keys = control::bind(&socket_beside(&path)).map_err(io(&name))?;
    keys.set_nonblocking(true).map_err(io(&name))?;
    let mut export = Export { sas, peers, control, listener: Listener::new(), generation: 0 };
    tell::error("policies are in place: what they are about is dropped until there are keys");
    export.serve_daemons(&keys, &stop);
    let Export { sas, .. } = &mut export;
    sas.remove_sas()?;
    drop(lock);
    tell::error(
        "SAs are removed and policies stay, so that nothing goes in the clear: `wirewarden tunnel export-xfrm --clear` removes them",
    );
    Ok(())
}

struct Export {
    sas: Sas<Kernel>,
    peers: Vec<XfrmPeer>,
    control: std::sync::Arc<Control>,
    listener: Listener,
    generation: u64,
}

impl Export {
    /// One daemon after another; what one installed stays when it goes.
    fn serve_daemons(&mut self, keys: &UnixListener, stop: &Stop) {
        while !stop.is_requested() {
            self.follow_configuration(&mut Vec::new());
            match keys.accept() {
                Ok((stream, _)) if is_ours(&stream) => {
                    if let Err(error) = self.serve(stream, stop) {
                        tell::error(&format!("the daemon has gone: {error}"));
                    }
                }
                Ok(_) => {}
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    fn serve(&mut self, stream: UnixStream, stop: &Stop) -> Result<(), KeyChannelError> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut out = stream.try_clone()?;
        let mut incoming = Incoming::new(stream);
        send(&Report::Hello { queues: 1, installed: self.sas.installed() }, &mut out)?;
        let mut last = (Instant::now(), Instant::now());
        while !stop.is_requested() {
            let mut reports = Vec::new();
            match incoming.receive::<Order>()? {
                Arrival::Closed => return Ok(()),
                Arrival::Message(order) => self.carry_out(&order, &mut reports),
                Arrival::Nothing => {}
            }
            self.follow_configuration(&mut reports);
            self.turn(&mut last, &mut reports);
            for report in &reports {
                if let Report::Refused { peer, epoch, why } = report {
                    tell::error(&format!("{peer}: epoch {epoch} is refused: {why}"));
                }
                send(report, &mut out)?;
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, order: &Order, reports: &mut Vec<Report>) {
        if let Order::Install(install) = order
            && install.direction == SaDirection::Inbound
            && let Some(peer) = self.peers.iter().find(|peer| peer.name == install.peer)
            && let Err(error) = self.listener.await_packet(install, peer.local)
        {
            tell::error(&format!("{}: its packets cannot be heard: {error}", peer.name));
        }
        self.sas.carry_out(order, Instant::now(), reports);
    }

    /// Hears, probes, and looks at what the kernel counted.
    fn turn(&mut self, (looked, counted): &mut (Instant, Instant), reports: &mut Vec<Report>) {
        let now = Instant::now();
        if self.sas.awaits_probes() {
            self.listener.heard().into_iter().for_each(|spi| self.sas.heard(spi, reports));
        } else {
            self.listener.rest();
        }
        self.sas.probes(now).into_iter().for_each(send_probe);
        if now.duration_since(*looked) < LOOK_AT_KERNEL {
            return;
        }
        *looked = now;
        let counts = now.duration_since(*counted) >= COUNT;
        if counts {
            *counted = now;
        }
        if let Err(error) = self.sas.look(now, counts, reports) {
            self.control.note(&error.to_string());
        }
    }

    fn follow_configuration(&mut self, reports: &mut Vec<Report>) {
        let (generation, config) = self.control.configuration();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let done = peers_of(&config.live.tunnel).map_err(ExportError::from).and_then(|peers| {
            self.peers.clone_from(&peers);
            Ok(self.sas.configure(peers, reports)?)
        });
        if let Err(error) = done {
            tell::error(&error.to_string());
            self.control.note(&error.to_string());
        }
    }
}

/// Sends a packet that the peer throws away; one that is lost is followed by another.
fn send_probe(due: ProbeDue) {
    if let Ok(socket) = UdpSocket::bind((due.local, 0)) {
        let _ = socket.set_nonblocking(true);
        let _ = socket.send_to(&[0; 16], (due.remote, DISCARD));
    }
}

const LOOK: Duration = Duration::from_millis(20);
const LOOK_AT_KERNEL: Duration = Duration::from_millis(200);
const COUNT: Duration = Duration::from_secs(1);
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
