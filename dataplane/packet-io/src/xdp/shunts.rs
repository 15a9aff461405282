use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use ebpf_maps::{Address, FlowKey, SHUNT_DROP, SHUNT_FORWARD, SHUNT_PASS, SHUNT_UPPER_FLAGS, Shunt, kind};

use super::state::monotonic_ns;
use crate::linux;
use crate::shunt::{FlowTuple, ShuntAction, ShuntCount, ShuntRefusal, Shunts};

/// The settled flows of one port's XDP program, for a worker: a call of the kernel each, and none that waits.
#[derive(Debug)]
pub struct KernelShunts {
    map: OwnedFd,
}

impl KernelShunts {
    pub(super) fn new(map: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { map: map.try_clone_to_owned()? })
    }

    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Self::new(self.map.as_fd())
    }

    fn read(&self, command: libc::c_long, flow: &FlowTuple) -> Option<ShuntCount> {
        let (key, mut value) = (key_of(flow), MaybeUninit::<Shunt>::zeroed());
        element(command, self.map.as_fd(), &key, value.as_mut_ptr()).ok()?;
        // SAFETY: zeroed, and numbers only: the kernel fills it.
        Some(count_of(&unsafe { value.assume_init() }))
    }
}

impl Shunts for KernelShunts {
    fn begin(&mut self, flow: &FlowTuple, action: ShuntAction) -> Result<(), ShuntRefusal> {
        let action = match action {
            ShuntAction::Drop => SHUNT_DROP,
            ShuntAction::Pass => SHUNT_PASS,
            ShuntAction::Forward => SHUNT_FORWARD,
        };
        let mut entry = Shunt { action, last_ns: monotonic_ns(), ..Shunt::default() };
        let put = element(BPF_MAP_UPDATE_ELEM, self.map.as_fd(), &key_of(flow), &raw mut entry);
        put.map_err(|error| match error.raw_os_error() {
            Some(libc::E2BIG | libc::ENOSPC | libc::ENOMEM | libc::EAGAIN) => ShuntRefusal::Full,
            _ => ShuntRefusal::Unsupported,
        })
    }

    fn counted(&mut self, flow: &FlowTuple) -> Option<ShuntCount> {
        self.read(BPF_MAP_LOOKUP_ELEM, flow)
    }

    fn end(&mut self, flow: &FlowTuple) -> Option<ShuntCount> {
        // One step: nothing is counted between the reading and the removal.
        self.read(BPF_MAP_LOOKUP_AND_DELETE_ELEM, flow)
    }
}

fn key_of(flow: &FlowTuple) -> FlowKey {
    let [outer_vlan, inner_vlan] = flow.vlans;
    FlowKey {
        lower: Address::from(flow.lower.ip()),
        upper: Address::from(flow.upper.ip()),
        lower_port: flow.lower.port(),
        upper_port: flow.upper.port(),
        protocol: flow.protocol,
        kind: if flow.lower.is_ipv4() { kind::IPV4 } else { kind::IPV6 },
        outer_vlan,
        inner_vlan,
        zero: [0; 3],
    }
}

fn count_of(shunt: &Shunt) -> ShuntCount {
    let [lower, upper, _, _] = shunt.tcp_flags.to_le_bytes();
    ShuntCount {
        packets: shunt.packets,
        bytes: shunt.bytes,
        tcp_flags: [lower, upper],
        silent_ns: (shunt.packets != [0; 2]).then(|| monotonic_ns().saturating_sub(shunt.last_ns)),
    }
}

const _: () = assert!(SHUNT_UPPER_FLAGS == 8, "the flags of the upper end are the second byte");

// Commands of bpf(2) on one element of a map.
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_LOOKUP_AND_DELETE_ELEM: libc::c_long = 21;

/// Attributes of these commands (`union bpf_attr`).
#[repr(C)]
struct Attributes {
    map: u32,
    zero: u32,
    key: u64,
    value: u64,
    flags: u64,
}

fn element(command: libc::c_long, map: BorrowedFd<'_>, key: &FlowKey, value: *mut Shunt) -> io::Result<()> {
    let attributes = Attributes {
        map: u32::try_from(map.as_raw_fd()).unwrap_or(u32::MAX),
        zero: 0,
        key: ptr::from_ref(key).addr() as u64,
        value: value.addr() as u64,
        flags: 0,
    };
    // The kernel is told addresses as numbers.
    let _key = ptr::from_ref(key).expose_provenance();
    let _value = value.expose_provenance();
    let from = ptr::from_ref(&attributes);
    // SAFETY: key and value are of the sizes that the map was made with, and live until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, from, size_of::<Attributes>()) };
    linux::check(i32::try_from(result).unwrap_or(-1)).map(drop)
}
