use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::error::AfXdpError;
use super::frames::Memory;
use super::queue::{AfXdpQueue, Meter};
use super::socket::{Binding, CopyChoice, RingSizes, Socket, Target};
use crate::linux;
use crate::xdp::{self, Mode, ModeChoice, XdpConfig, XdpError, XdpProgram};
use crate::{BURST, IoStats};

/// How a port is opened.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// The interface, and its XDP program.
    pub xdp: XdpConfig,
    /// Receive queues that are served, from queue 0 on, one by each worker.
    pub queues: u16,
    /// Packets that wait to be received, for each queue; a power of two.
    pub rx_descriptors: u16,
    /// Packets that wait to be sent, for each queue; a power of two.
    pub tx_descriptors: u16,
    /// Whether the driver may copy.
    pub copy: CopyChoice,
    /// Bytes of the memory that each packet has.
    pub frame_size: FrameSize,
    /// Whether the memory comes from hugepages, where there are some.
    pub hugepages: bool,
    /// Whether frames that are addressed to others are received.
    pub promiscuous: bool,
    /// Whether the worker does the driver's work.
    pub busy_poll: Option<BusyPoll>,
}

impl PortConfig {
    /// One queue, 2,048 descriptors, frames as large as the MTU needs, everything else as the kernel can.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            xdp: XdpConfig::new(interface),
            queues: 1,
            rx_descriptors: 2048,
            tx_descriptors: 2048,
            copy: CopyChoice::Auto,
            frame_size: FrameSize::Auto,
            hugepages: false,
            promiscuous: true,
            busy_poll: None,
        }
    }
}

/// Bytes of memory that each packet has; 256 of them are the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameSize {
    /// As the MTU needs.
    #[default]
    Auto,
    /// 2 KiB.
    TwoKib,
    /// 4 KiB.
    FourKib,
}

/// Busy polling (kernel 5.11): the driver works when the worker asks, not by interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPoll {
    /// How long a call may wait for packets, microseconds.
    pub micros: u32,
    /// Packets that a call may handle.
    pub budget: u32,
}

/// An open port, for the thread that controls it; its queues are [`AfXdpQueue`]s.
///
/// The XDP program is detached when this is dropped.
#[derive(Debug)]
pub struct Port {
    program: XdpProgram,
    // Held for what it does while it is open.
    _promiscuous: Option<OwnedFd>,
    meters: Vec<Meter>,
    unserved: u32,
    is_zero_copy: bool,
}

impl Port {
    /// Counters of all queues together.
    #[must_use]
    pub fn stats(&self) -> IoStats {
        self.meters.iter().map(Meter::read).fold(IoStats::default(), |sum, queue| IoStats {
            rx_packets: sum.rx_packets + queue.rx_packets,
            rx_bytes: sum.rx_bytes + queue.rx_bytes,
            tx_packets: sum.tx_packets + queue.tx_packets,
            tx_bytes: sum.tx_bytes + queue.tx_bytes,
            rx_missed: sum.rx_missed + queue.rx_missed,
            rx_errors: sum.rx_errors + queue.rx_errors,
            rx_no_buffer: sum.rx_no_buffer + queue.rx_no_buffer,
            tx_errors: sum.tx_errors + queue.tx_errors,
        })
    }

    /// The XDP program of the port.
    #[must_use]
    pub fn program(&self) -> &XdpProgram {
        &self.program
    }

    /// The same, to tell it more.
    pub fn program_mut(&mut self) -> &mut XdpProgram {
        &mut self.program
    }

    /// Receive queues of the interface that no worker serves: their packets go to the host unseen. `ethtool -L`
    /// changes how many there are.
    #[must_use]
    pub fn unserved_queues(&self) -> u32 {
        self.unserved
    }

    /// Whether the driver writes packets where workers read them.
    #[must_use]
    pub fn is_zero_copy(&self) -> bool {
        self.is_zero_copy
    }
}

/// Queues of each worker, in the order of the ports.
pub type Workers = Vec<Vec<AfXdpQueue>>;

/// Attaches the XDP program of every port, and gives each worker its queues: worker `n` has queue `n` of each port that
/// has so many.
///
/// # Errors
/// [`AfXdpError`]; what was attached until then is detached.
pub fn open(configs: &[PortConfig], workers: u16) -> Result<(Vec<Port>, Workers), AfXdpError> {
    let mut plans = Vec::new();
    for config in configs {
        plans.push(Plan::new(config)?);
    }
    let shift = plans.iter().map(|plan| plan.shift).max().unwrap_or(FOUR_KIB);
    let mut all = Workers::new();
    for worker in 0..workers.max(1) {
        all.push(queues_of(worker, &mut plans, shift)?);
    }
    let ports = plans.into_iter().map(Plan::finish).collect();
    Ok((ports, all))
}

/// Log2 of 2 KiB and 4 KiB.
const TWO_KIB: u32 = 11;
const FOUR_KIB: u32 = 12;
/// Bytes ahead of each packet that are the kernel's (`XDP_PACKET_HEADROOM`).
const HEADROOM: u32 = 256;
/// Ethernet header and two VLAN tags, bytes.
const LINK_HEADER: u32 = 14 + 2 * 4;

/// A port on its way to be opened.
struct Plan<'c> {
    config: &'c PortConfig,
    program: XdpProgram,
    promiscuous: Option<OwnedFd>,
    shift: u32,
    /// Longest frame, bytes.
    needed: u32,
    may_come_in_pieces: bool,
    is_zero_copy: bool,
    meters: Vec<Meter>,
}

impl<'c> Plan<'c> {
    fn new(config: &'c PortConfig) -> Result<Self, AfXdpError> {
        let interface = &config.xdp.interface;
        let mtu =
            linux::mtu(interface).map_err(|_| XdpError::NoInterface { interface: interface.clone() })?;
        let needed = mtu + LINK_HEADER;
        let shift = match config.frame_size {
            FrameSize::TwoKib => TWO_KIB,
            FrameSize::FourKib => FOUR_KIB,
            FrameSize::Auto if needed <= room(TWO_KIB) => TWO_KIB,
            FrameSize::Auto => FOUR_KIB,
        };
        let is_long = needed > room(shift);
        let (program, mode) = match attached_in_pieces(&config.xdp, needed, is_long)? {
            Some(program) => (program, Mode::Native),
            None => {
                let mut program = XdpProgram::load(&XdpConfig { in_pieces: is_long, ..config.xdp.clone() })?;
                let mode = program.attach()?;
                (program, mode)
            }
        };
        let promiscuous = if config.promiscuous {
            let socket = linux::promiscuous(program.index());
            Some(socket.map_err(|source| XdpError::System { step: "promiscuous mode", source })?)
        } else {
            None
        };
        // The generic mode also sees packets that the kernel has put together, whatever the MTU.
        let may_come_in_pieces = is_long || mode == Mode::Generic || program.is_in_pieces();
        Ok(Self {
            config,
            program,
            promiscuous,
            shift,
            needed,
            may_come_in_pieces,
            is_zero_copy: false,
            meters: Vec::new(),
        })
    }

    fn finish(self) -> Port {
        let queues = linux::receive_queues(self.program.interface());
        Port {
            unserved: queues.saturating_sub(u32::from(self.config.queues)),
            program: self.program,
            _promiscuous: self.promiscuous,
            meters: self.meters,
            is_zero_copy: self.is_zero_copy,
        }
    }

    fn sizes(&self) -> RingSizes {
        let (rx, tx) = (u32::from(self.config.rx_descriptors), u32::from(self.config.tx_descriptors));
        RingSizes { rx, tx, fill: rx, completion: tx }
    }

    /// Frames for a queue that is never short of them: as many as all its rings hold, and the bursts that workers hold.
    fn frames(&self) -> u32 {
        let RingSizes { rx, tx, fill, completion } = self.sizes();
        let held = u32::try_from(4 * BURST).unwrap_or(0);
        rx + fill + tx.max(completion) + held
    }
}

/// The program that takes packets in pieces, attached in native mode, where the driver wants that for an MTU whose frames
/// would fit into one piece of ours: drivers have limits of their own, and their packets carry other things besides.
fn attached_in_pieces(
    config: &XdpConfig,
    needed: u32,
    is_long: bool,
) -> Result<Option<XdpProgram>, XdpError> {
    if is_long || needed <= ORDINARY || config.mode == ModeChoice::Generic {
        return Ok(None);
    }
    let attach = |in_pieces| {
        let native = XdpConfig { in_pieces, mode: ModeChoice::Native, ..config.clone() };
        let mut program = XdpProgram::load(&native)?;
        program.attach().map(|_| program)
    };
    match attach(false) {
        Ok(program) => Ok(Some(program)),
        // Where both are refused, the first refusal is told, and the other mode is tried where it may be.
        Err(XdpError::Refused { .. }) if xdp::sockets_take_pieces() => Ok(attach(true).ok()),
        Err(XdpError::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Longest frame of an interface with Ethernet's MTU: every driver that has native XDP takes those in one piece.
const ORDINARY: u32 = 1500 + LINK_HEADER;

/// Longest frame that fits into `1 << shift` bytes.
const fn room(shift: u32) -> u32 {
    (1 << shift) - HEADROOM
}

/// The queues of one worker, which share their memory.
fn queues_of(worker: u16, plans: &mut [Plan<'_>], shift: u32) -> Result<Vec<AfXdpQueue>, AfXdpError> {
    let serving = |plan: &&mut Plan<'_>| worker < plan.config.queues;
    let served: Vec<&Plan<'_>> = plans.iter().filter(|plan| worker < plan.config.queues).collect();
    if served.is_empty() {
        return Ok(Vec::new());
    }
    let frames: u32 = served.iter().map(|plan| plan.frames()).sum();
    let hugepages = served.iter().any(|plan| plan.config.hugepages);
    let in_pieces = served.iter().any(|plan| plan.may_come_in_pieces);
    let too_long =
        served.iter().find(|plan| plan.needed > room(shift)).map(|plan| AfXdpError::FramesTooLong {
            interface: plan.config.xdp.interface.clone(),
            needed: plan.needed,
            room: room(shift),
        });
    let memory = Memory::new(frames, shift, hugepages).map_err(|source| AfXdpError::Memory {
        frames,
        frame_size: 1 << shift,
        source,
    })?;
    let mut opening = Opening { memory: Arc::new(memory), worker, in_pieces, too_long, sockets: Vec::new() };
    for plan in plans.iter_mut().filter(serving) {
        opening.open(plan)?;
    }
    let mut queues = Vec::new();
    let (memory, in_pieces) = (opening.memory, opening.in_pieces);
    let numbered = (0..=u16::MAX).zip(plans.iter_mut()).filter(|(_, plan)| worker < plan.config.queues);
    for ((number, plan), socket) in numbered.zip(opening.sockets) {
        let busy = plan.config.busy_poll.is_some();
        plan.program.set_socket(u32::from(worker), &socket.fd)?;
        let queue = AfXdpQueue::new(socket, Arc::clone(&memory), number, in_pieces, busy);
        let meter = queue.meter();
        plan.meters.push(meter.map_err(|source| XdpError::System { step: "a second descriptor", source })?);
        queues.push(queue);
    }
    Ok(queues)
}

/// The sockets of one worker, on their way.
struct Opening {
    memory: Arc<Memory>,
    worker: u16,
    in_pieces: bool,
    /// What is wrong where the kernel does not take frames in pieces.
    too_long: Option<AfXdpError>,
    sockets: Vec<Socket>,
}

impl Opening {
    fn open(&mut self, plan: &mut Plan<'_>) -> Result<(), AfXdpError> {
        let target = Target {
            interface: plan.config.xdp.interface.clone(),
            index: plan.program.index(),
            queue: u32::from(self.worker),
        };
        let open = |opening: &Self, in_pieces| {
            let binding = Binding { copy: plan.config.copy, in_pieces };
            Socket::open(&target, opening.memory.frames(), plan.sizes(), binding, opening.sockets.first())
        };
        let socket = match open(self, self.in_pieces) {
            Ok(socket) => socket,
            // Kernels before 6.6 do not know frames in pieces.
            Err(_) if self.in_pieces && self.sockets.is_empty() => {
                let socket = open(self, false)?;
                if let Some(too_long) = self.too_long.take() {
                    return Err(too_long);
                }
                self.in_pieces = false;
                socket
            }
            Err(error) => return Err(error),
        };
        if let Some(busy) = plan.config.busy_poll {
            socket.busy_poll(busy.micros, busy.budget).map_err(|source| AfXdpError::Socket {
                interface: target.interface.clone(),
                queue: target.queue,
                step: "busy polling is refused",
                source,
            })?;
        }
        plan.is_zero_copy = socket.is_zero_copy;
        self.sockets.push(socket);
        Ok(())
    }
}

/// Number that the kernel has for an interface of this network namespace: another one of the same name has another.
#[must_use]
pub fn interface_index(name: &str) -> Option<u32> {
    linux::interface_index(name)
}

/// Lets the calling thread run on one core only.
///
/// # Errors
/// [`XdpError::System`] where the core is not there or not allowed.
pub fn pin_thread(core: u16) -> Result<(), XdpError> {
    linux::pin(core).map_err(|source| XdpError::System { step: "pinning a thread to its core", source })
}
