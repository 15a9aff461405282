//! The exception port: an interface of the kernel's with the gateway's addresses outside, by which the key exchange gets
//! through a port that the kernel does not have. A thread of its own makes the system calls; workers only see queues.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use api::config::{BootConfig, LiveConfig, LogLevel};
use packet_io::tun::{Routes, Tun};

use super::RunError;
use crate::Log;
use crate::tunnelling::{Exchanged, Wanted};

/// The exception port of a run; the interface goes when this does.
pub(super) struct Exception {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and its owner share.
struct Shared {
    name: String,
    mtu: u16,
    exchanged: Arc<Exchanged>,
    stop: AtomicBool,
}

impl Exception {
    /// The exception port of a configuration, where it has one: there, but nothing is done with it yet.
    pub(super) fn open(boot: &BootConfig, live: &LiveConfig) -> Result<Option<(Self, Tun)>, RunError> {
        let Some(name) = &boot.exception_port else { return Ok(None) };
        let outside = live.tunnel.outside.as_deref();
        let port = boot.ports.iter().find(|port| Some(port.name.as_str()) == outside);
        // Tunnels may come later, on any of the ports.
        let largest = boot.ports.iter().map(|port| port.mtu).max();
        let mtu = port.map(|port| port.mtu).or(largest).unwrap_or(MTU);
        let tun = Tun::open(name, mtu)?;
        let (name, exchanged) = (name.clone(), Exchanged::new(mtu));
        let shared = Arc::new(Shared { name, mtu, exchanged, stop: AtomicBool::new(false) });
        Ok(Some((Self { shared, thread: None }, tun)))
    }

    /// Starts its thread, which has what is left of the capabilities.
    pub(super) fn start(mut self, tun: Tun, log: &Log) -> Result<Self, RunError> {
        let (own, log) = (Arc::clone(&self.shared), log.clone());
        let thread = thread::Builder::new().name("exception".into()).spawn(move || own.run(tun, &log));
        self.thread = Some(thread.map_err(RunError::Thread)?);
        Ok(self)
    }

    /// The queues to and from workers.
    pub(super) fn exchanged(&self) -> Arc<Exchanged> {
        Arc::clone(&self.shared.exchanged)
    }
}

impl Drop for Exception {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The interface, and what leads to it.
struct Open {
    // It goes first: rules that lead to an interface that is gone lead on to the next rule.
    routes: Routes,
    tun: Tun,
}

impl Open {
    fn new(tun: Tun) -> Self {
        Self { routes: Routes::new(&tun), tun }
    }
}

impl Shared {
    /// Until it is told to stop; whatever happens to the interface is told once and mended as soon as it can be.
    fn run(&self, tun: Tun, log: &Log) {
        let (name, mtu) = (self.name.as_str(), self.mtu);
        let mut open = Some(Open::new(tun));
        let mut wanted = Wanted::default();
        let mut told = String::new();
        while !self.stop.load(Ordering::Relaxed) {
            let done = match &mut open {
                Some(open) => self.work(open, &mut wanted).map_err(|error| error.to_string()),
                None => Tun::open(name, mtu)
                    .map_err(|error| error.to_string())
                    .map(|tun| open = Some(Open::new(tun))),
            };
            match done {
                Ok(()) => told.clear(),
                Err(text) => {
                    if text != told {
                        log.tell(LogLevel::Warn, &format!("exception port {name}: {text}"));
                        told = text;
                    }
                    // Somebody removed it, and may have made another, or it cannot be made.
                    let own = open.as_ref().map(|open| open.tun.index());
                    let is_gone = own.is_none() || packet_io::af_xdp::interface_index(name) != own;
                    if is_gone {
                        open = None;
                    }
                    thread::sleep(if is_gone { AGAIN } else { LATER });
                }
            }
        }
    }

    /// Moves packets for a while, once the interface has what it is to have.
    fn work(&self, open: &mut Open, wanted: &mut Wanted) -> io::Result<()> {
        if let Some(new) = self.exchanged.wanted() {
            *wanted = new;
        }
        let (addresses, hosts) = &*wanted;
        // What is there already costs nothing, and what was refused is tried again.
        let followed = open.routes.follow(addresses, hosts);
        let mut quiet = 0_u32;
        for _ in 0..LOOKS {
            quiet = if self.move_packets(&open.tun)? { 0 } else { quiet.saturating_add(1) };
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            open.tun.wait(if quiet < LIVELY { SOON } else { LATER });
        }
        followed
    }

    /// Moves what is there; whether anything was.
    fn move_packets(&self, tun: &Tun) -> io::Result<bool> {
        let mut moved = false;
        while let Some(packet) = self.exchanged.for_kernel() {
            // What the kernel does not take is lost as on any wire: TCP sends it again.
            let _ = tun.send(packet.bytes());
            self.exchanged.give_back(packet);
            moved = true;
        }
        while let Some(mut packet) = self.exchanged.free() {
            match packet.put(|place| tun.receive(place)) {
                Ok(true) => self.exchanged.take_out(packet),
                Ok(false) => {
                    self.exchanged.give_back(packet);
                    break;
                }
                Err(error) => {
                    self.exchanged.give_back(packet);
                    return Err(error);
                }
            }
            moved = true;
        }
        Ok(moved)
    }
}

/// How long it waits for the kernel, who may be woken by it, before it looks what workers have: while packets come, and
/// after so many looks without one.
const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_millis(5);
const LIVELY: u32 = 100;
/// Looks between two at what the interface is to have.
const LOOKS: u32 = 200;
/// After how long an interface is made again that somebody removed.
const AGAIN: Duration = Duration::from_millis(500);
/// MTU without a port.
const MTU: u16 = 1500;
