use core::ffi::c_void;
use core::net::{IpAddr, SocketAddr};
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::port::Started;
use crate::shunt::{FlowTuple, ShuntAction, ShuntCount, ShuntRefusal, Shunts};

/// Settled flows of one worker that the card counts by a rule for each direction (`rte_flow`).
///
/// A rule counts and drops; it does not say which TCP flags it saw, nor when the last packet came: that is known to
/// within the time between two looks.
#[derive(Debug)]
pub struct FlowRules {
    started: Arc<Started>,
    flows: BTreeMap<FlowTuple, Rules>,
    /// The port has said that it cannot do it.
    is_unsupported: bool,
}

/// The rules of one flow, by the end that sends.
#[derive(Debug)]
struct Rules {
    rules: [Rule; 2],
    /// Packets at the last look that found more than the one before, and when that was.
    packets: u64,
    heard: Option<Instant>,
}

/// A rule of the card.
#[derive(Debug)]
struct Rule(NonNull<c_void>);

// SAFETY: DPDK keeps the rules of a port under a lock of the port where its driver has none (`rte_flow.h`), and the
// pointer is used by the owner of `FlowRules` alone.
unsafe impl Send for Rule {}

impl FlowRules {
    pub(super) fn new(started: Arc<Started>) -> Self {
        Self { started, flows: BTreeMap::new(), is_unsupported: false }
    }

    fn create(&self, flow: &FlowTuple, from: SocketAddr, to: SocketAddr) -> Result<Rule, i32> {
        let mut error = 0;
        let one_way = one_way(flow, from, to);
        let port = self.started.port();
        // SAFETY: the shim reads one structure of its own, and writes one number.
        let rule =
            unsafe { dpdk_sys::dpdk_shim_flow_count_and_drop(port, &raw const one_way, &raw mut error) };
        NonNull::new(rule).map(Rule).ok_or(error)
    }

    fn counted_by(&self, rule: &Rule) -> (u64, u64) {
        let (mut packets, mut bytes) = (0, 0);
        let port = self.started.port();
        // SAFETY: the rule is one of this port, not yet removed; two numbers are written.
        let result = unsafe {
            dpdk_sys::dpdk_shim_flow_counted(port, rule.0.as_ptr(), &raw mut packets, &raw mut bytes)
        };
        if result == 0 { (packets, bytes) } else { (0, 0) }
    }

    fn remove(&self, rule: &Rule) {
        // SAFETY: the rule is one of this port; its owner is given up.
        unsafe { dpdk_sys::dpdk_shim_flow_remove(self.started.port(), rule.0.as_ptr()) };
    }

    #[expect(clippy::disallowed_methods, reason = "the card does not say when the last packet came")]
    fn count(&self, rules: &mut Rules) -> ShuntCount {
        let [lower, upper] = rules.rules.each_ref().map(|rule| self.counted_by(rule));
        let packets = lower.0.saturating_add(upper.0);
        if packets > rules.packets {
            (rules.packets, rules.heard) = (packets, Some(Instant::now()));
        }
        ShuntCount {
            packets: [lower.0, upper.0],
            bytes: [lower.1, upper.1],
            tcp_flags: [0; 2],
            silent_ns: rules.heard.map(|heard| u64::try_from(heard.elapsed().as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

impl Shunts for FlowRules {
    fn begin(&mut self, flow: &FlowTuple, action: ShuntAction) -> Result<(), ShuntRefusal> {
        if self.is_unsupported || action != ShuntAction::Drop || !matches!(flow.protocol, TCP | UDP) {
            return Err(ShuntRefusal::Unsupported);
        }
        if self.flows.contains_key(flow) {
            return Err(ShuntRefusal::Full);
        }
        let refusal = |error: i32| match -error {
            libc::ENOSPC | libc::ENOMEM | libc::EBUSY | libc::E2BIG | libc::EEXIST => ShuntRefusal::Full,
            _ => ShuntRefusal::Unsupported,
        };
        let made = self.create(flow, flow.lower, flow.upper).and_then(|lower| {
            let upper = self.create(flow, flow.upper, flow.lower);
            upper.map_or_else(
                |error| {
                    self.remove(&lower);
                    Err(error)
                },
                |upper| Ok([Rule(lower.0), upper]),
            )
        });
        match made.map_err(refusal) {
            Ok(rules) => {
                self.flows.insert(*flow, Rules { rules, packets: 0, heard: None });
                Ok(())
            }
            Err(refusal) => {
                // A driver without rules is not asked for each flow anew.
                self.is_unsupported = refusal == ShuntRefusal::Unsupported && self.flows.is_empty();
                Err(refusal)
            }
        }
    }

    fn counted(&mut self, flow: &FlowTuple) -> Option<ShuntCount> {
        let mut rules = self.flows.remove(flow)?;
        let counted = self.count(&mut rules);
        self.flows.insert(*flow, rules);
        Some(counted)
    }

    fn end(&mut self, flow: &FlowTuple) -> Option<ShuntCount> {
        let mut rules = self.flows.remove(flow)?;
        let counted = self.count(&mut rules);
        rules.rules.iter().for_each(|rule| self.remove(rule));
        Some(counted)
    }
}

impl Drop for FlowRules {
    fn drop(&mut self) {
        for rules in core::mem::take(&mut self.flows).into_values() {
            rules.rules.iter().for_each(|rule| self.remove(rule));
        }
    }
}

fn one_way(flow: &FlowTuple, from: SocketAddr, to: SocketAddr) -> dpdk_sys::dpdk_shim_flow {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(v6) => v6.octets(),
    };
    dpdk_sys::dpdk_shim_flow {
        source: octets(from.ip()),
        destination: octets(to.ip()),
        source_port: from.port().to_be(),
        destination_port: to.port().to_be(),
        vlans: flow.vlans.map(u16::to_be),
        is_v6: u8::from(from.is_ipv6()),
        is_tcp: u8::from(flow.protocol == TCP),
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
