use core::time::Duration;

use mem_sys::OutOfMemory;
use wire::{FlowKey, Headers, KeyKind, TcpFlags};

use super::slot::{Marks, NONE, Phase, Slot, SlotIndex};
use super::table::FlowTable;
use super::tcp;
use super::tunnels::Tunnels;
use super::wheel::{ENTRIES, Wheel, tick_of};
use crate::config::{EngineConfig, Eviction, Timeouts};
use crate::record::{FlowIdentity, TunnelIdentity};

/// IANA protocol numbers that flows are treated differently for.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const UDP_LITE: u8 = 136;

/// Packets after which a flow heard from one side only counts as established: the other side is not on this tap.
const ONE_SIDED_PACKETS: u64 = 6;
/// Flows looked at to find one that may give way.
const EVICTION_TRIES: usize = 8;

/// What a packet found in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Its flow.
    Known(SlotIndex),
    /// A finished connection whose addresses it takes up again: to be ended first.
    Finished(SlotIndex),
    /// Nothing.
    Absent,
}

/// All flows of one engine, and their clocks.
#[derive(Debug)]
pub(crate) struct Flows {
    table: FlowTable,
    tunnels: Tunnels,
    /// Flows heard from one side, and all others: so that the first can give way.
    wheels: [Wheel; 2],
    /// The next tick each wheel has to look at.
    ticks: [u64; 2],
    timeouts: TimeoutsNs,
    eviction: Eviction,
    /// Where the walk over live flows stands.
    walked_to: SlotIndex,
}

#[derive(Clone, Copy, Debug)]
struct TimeoutsNs {
    tcp: [u64; 3],
    udp: [u64; 3],
    icmp: u64,
    other: u64,
}

impl Flows {
    pub(crate) fn new(config: &EngineConfig) -> Result<Self, OutOfMemory> {
        Ok(Self {
            table: FlowTable::new(config.flow_capacity, config.hash_seed, config.pages)?,
            tunnels: Tunnels::new(),
            wheels: [Wheel::new(), Wheel::new()],
            ticks: [0; 2],
            timeouts: TimeoutsNs::from(&config.timeouts),
            eviction: config.eviction,
            walked_to: 0,
        })
    }

    #[inline]
    pub(crate) const fn table(&self) -> &FlowTable {
        &self.table
    }

    #[inline]
    pub(crate) fn slot(&self, index: SlotIndex) -> Option<&Slot> {
        self.table.slot(index)
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, index: SlotIndex) -> Option<&mut Slot> {
        self.table.slot_mut(index)
    }

    /// Looks a packet's flow up.
    #[inline]
    pub(crate) fn look_up(&self, headers: &Headers, hash: u64, candidate: SlotIndex) -> Touch {
        let Some(index) = self.table.find(&headers.key, hash, candidate) else { return Touch::Absent };
        match self.table.slot(index) {
            Some(slot) if headers.protocol == TCP && tcp::reopens(slot, headers.tcp.flags) => {
                Touch::Finished(index)
            }
            _ => Touch::Known(index),
        }
    }

    /// The flow that has to end before one of `hash` can begin; none where there is room.
    pub(crate) fn in_the_way(&mut self, hash: u64, now_ns: u64) -> Option<SlotIndex> {
        if self.table.len() < self.table.capacity() {
            return self.table.is_crowded(hash).then(|| self.table.neighbour(hash)).flatten();
        }
        self.oldest(0, now_ns).or_else(|| self.oldest(1, now_ns))
    }

    /// Changes the rules flows end by. A flow whose time would be up earlier now ends when it is next looked at: when its
    /// old time is up, at the latest.
    pub(crate) fn set_rules(&mut self, timeouts: &Timeouts, eviction: Eviction) {
        self.timeouts = TimeoutsNs::from(timeouts);
        self.eviction = eviction;
    }

    /// Whether a full table refuses new flows.
    pub(crate) fn refuses(&self) -> bool {
        self.eviction == Eviction::RefuseNew && self.table.len() >= self.table.capacity()
    }

    /// Begins the flow of a packet whose flow is not there; none when there is no room.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        headers: &Headers,
        hash: u64,
        now_ns: u64,
        interface: u16,
    ) -> Option<SlotIndex> {
        if self.table.len() == 0 {
            // Nothing hangs on the wheels: they start here.
            self.ticks = [tick_of(now_ns); 2];
        }
        let index = self.table.insert(headers.key, hash, now_ns).ok()?;
        let slot = self.table.slot_mut(index)?;
        slot.interface = interface;
        match headers.protocol {
            TCP => tcp::open(slot, headers.sender, headers.tcp.flags),
            ICMP | ICMPV6 => {
                slot.set_client(headers.sender);
                slot.tcp_flags = [headers.icmp.kind, headers.icmp.code];
            }
            _ => slot.set_client(headers.sender),
        }
        let due = tick_of(now_ns.saturating_add(self.timeouts.of(&headers.key, Phase::New)));
        self.link(index, 0, due);
        Some(index)
    }

    /// Remembers the tunnel of a new flow's first packet.
    pub(crate) fn note_tunnel(&mut self, index: SlotIndex, headers: &Headers, frame: &[u8]) {
        let tunnel = self.tunnels.index_of(headers, frame);
        if let Some(slot) = self.table.slot_mut(index) {
            slot.tunnel = tunnel;
        }
    }

    /// Counts a packet of a flow and moves its state on.
    #[inline]
    pub(crate) fn count(&mut self, index: SlotIndex, headers: &Headers, wire_len: u32, now_ns: u64) {
        let Some(slot) = self.table.slot_mut(index) else { return };
        let sender = headers.sender;
        slot.count(sender, wire_len, now_ns);
        let was = slot.phase;
        let mut phase = if headers.protocol == TCP {
            if headers.tcp.flags.contains(TcpFlags::SYN) {
                slot.note_start(sender, headers.tcp.seq.wrapping_add(1));
            }
            tcp::advance(slot, sender, headers.tcp.flags)
        } else if was == Phase::New && slot.packets(sender.opposite()) > 0 {
            Phase::Established
        } else {
            was
        };
        // A SYN that is sent again and again is no connection; other packets may be the one side of it that is seen.
        let is_syn = headers.protocol == TCP && headers.tcp.flags.contains(TcpFlags::SYN);
        if phase == Phase::New && slot.packets(sender) >= ONE_SIDED_PACKETS && !is_syn {
            phase = Phase::Established;
        }
        if phase != was {
            self.change_phase(index, phase);
        }
    }

    /// A flow whose time is up at `now_ns`; the caller ends it and asks again.
    /// At most `looks` more flows are looked at, which counts down.
    pub(crate) fn next_due(&mut self, now_ns: u64, looks: &mut usize) -> Option<SlotIndex> {
        self.next_due_of(0, now_ns, looks).or_else(|| self.next_due_of(1, now_ns, looks))
    }

    /// A flow was heard elsewhere.
    pub(crate) fn heard(&mut self, index: SlotIndex, at_ns: u64) {
        if let Some(slot) = self.table.slot_mut(index) {
            slot.last_ns = slot.last_ns.max(at_ns);
        }
    }

    /// Whether a flow's time is up.
    pub(crate) fn is_due(&self, index: SlotIndex, now_ns: u64) -> bool {
        self.due(index) <= now_ns
    }

    /// Forgets a flow.
    pub(crate) fn remove(&mut self, index: SlotIndex) {
        let Some(slot) = self.table.slot(index) else { return };
        let wheel = wheel_of(slot.phase);
        if let Some(wheel) = self.wheels.get_mut(wheel) {
            wheel.unlink(self.table.slots_mut(), index);
        }
        self.table.remove(index);
    }

    /// Who a record about this flow is about.
    pub(crate) fn identity(&self, slot: &Slot) -> FlowIdentity {
        identity(slot, self.tunnels.identity(slot.tunnel))
    }

    /// A live flow, if there is one. The search begins where it last ended: to end all flows is one walk over the table,
    /// in however many batches.
    pub(crate) fn next_live(&mut self) -> Option<SlotIndex> {
        if self.table.len() == 0 {
            return None;
        }
        let mut places = (self.walked_to..self.table.indices().end).chain(0..self.walked_to);
        let is_live =
            |index: SlotIndex| self.table.slot(index).is_some_and(|slot| slot.marks.has(Marks::LIVE));
        let found = places.find(|&index| is_live(index))?;
        self.walked_to = found;
        Some(found)
    }

    #[inline(never)]
    fn change_phase(&mut self, index: SlotIndex, phase: Phase) {
        let Some(slot) = self.table.slot_mut(index) else { return };
        let was = wheel_of(slot.phase);
        slot.phase = phase;
        let due = tick_of(slot.last_ns.saturating_add(self.timeouts.of(&slot.key, phase)));
        if let Some(wheel) = self.wheels.get_mut(was) {
            wheel.unlink(self.table.slots_mut(), index);
        }
        self.link(index, wheel_of(phase), due);
    }

    #[inline]
    fn link(&mut self, index: SlotIndex, wheel: usize, due: u64) {
        let (Some(tick), Some(wheel)) = (self.ticks.get(wheel), self.wheels.get_mut(wheel)) else { return };
        // A flow due later than one turn is looked at on the way.
        let due = due.clamp(*tick, *tick + (ENTRIES as u64 - 1));
        wheel.link(self.table.slots_mut(), index, due);
    }

    fn next_due_of(&mut self, which: usize, now_ns: u64, looks: &mut usize) -> Option<SlotIndex> {
        let now = tick_of(now_ns);
        loop {
            *looks = looks.checked_sub(1)?;
            let wheel = self.wheels.get(which)?;
            let tick = self.ticks.get_mut(which)?;
            if *tick >= now {
                return None;
            }
            // However far time jumped, one turn passes every flow.
            *tick = (*tick).max(now.saturating_sub(ENTRIES as u64));
            let Some(entry) = wheel.first_from(*tick) else {
                *tick = now;
                return None;
            };
            let ahead = (u64::from(entry) + ENTRIES as u64 - *tick % ENTRIES as u64) % ENTRIES as u64;
            if *tick + ahead >= now {
                *tick = now;
                return None;
            }
            *tick += ahead;
            let tick = *tick;
            let index = wheel.head(entry);
            let due = self.due(index);
            if due <= now_ns {
                return Some(index);
            }
            // Heard since it was hung up: it hangs further on. At least one tick, or this would not end.
            let later = tick_of(due).max(tick + 1);
            self.wheels.get_mut(which)?.unlink(self.table.slots_mut(), index);
            self.link(index, which, later);
        }
    }

    /// The two flows that are due after one that is. Asks for what ending them will touch: the bucket of the second of
    /// them, and the slot of the third, since those before were asked for when flows before `index` ended.
    #[inline]
    pub(crate) fn prefetch_after(&self, index: SlotIndex) -> Option<(&Slot, &Slot)> {
        let slot = self.table.slot(index)?;
        let which = wheel_of(slot.phase);
        let first = self.table.slot(self.index_after(which, slot))?;
        let second = self.table.slot(self.index_after(which, first))?;
        self.table.prefetch_bucket(self.table.hash(&second.key));
        self.table.prefetch_slot(self.index_after(which, second));
        Some((first, second))
    }

    /// The flow that hangs behind one, or else first on the next entry that is not empty.
    #[inline]
    fn index_after(&self, which: usize, slot: &Slot) -> SlotIndex {
        if slot.next != NONE {
            return slot.next;
        }
        let next = || {
            let wheel = self.wheels.get(which)?;
            Some(wheel.head(wheel.first_from(u64::from(slot.wheel_entry) + 1)?))
        };
        next().unwrap_or(NONE)
    }

    /// The flow of a wheel that is nearest to its timeout, nearly.
    fn oldest(&mut self, which: usize, now_ns: u64) -> Option<SlotIndex> {
        let mut found = None;
        for _ in 0..EVICTION_TRIES {
            let tick = *self.ticks.get(which)?;
            let entry = self.wheels.get(which)?.first_from(tick)?;
            let index = self.wheels.get(which)?.head(entry);
            found = Some(index);
            let ahead = (u64::from(entry) + ENTRIES as u64 - tick % ENTRIES as u64) % ENTRIES as u64;
            let due = tick_of(self.due(index));
            if due <= tick + ahead || due <= tick_of(now_ns) {
                self.prefetch_after(index);
                return found;
            }
            self.wheels.get_mut(which)?.unlink(self.table.slots_mut(), index);
            self.link(index, which, due);
        }
        found
    }

    fn due(&self, index: SlotIndex) -> u64 {
        self.table
            .slot(index)
            .map_or(0, |slot| slot.last_ns.saturating_add(self.timeouts.of(&slot.key, slot.phase)))
    }
}

/// Identity of a flow for records.
fn identity(slot: &Slot, tunnel: TunnelIdentity) -> FlowIdentity {
    let [kind, code] = slot.tcp_flags;
    let icmp = matches!(slot.key.protocol(), ICMP | ICMPV6).then_some((kind, code));
    FlowIdentity {
        id: flow_id(slot),
        key: slot.key,
        client: slot.client(),
        interface: slot.interface,
        vlans: slot.key.scope().vlans(),
        icmp,
        tunnel,
    }
}

/// 53 bits of a hash of key and start (microseconds): the same in every run over the same packets.
fn flow_id(slot: &Slot) -> u64 {
    const SALT: u64 = 0x51_7c_c1_b7_27_22_0a_95;
    slot.key.hash(SALT ^ (slot.start_ns / 1000).wrapping_mul(0x9e37_79b9_7f4a_7c15)) >> 11
}

const fn wheel_of(phase: Phase) -> usize {
    match phase {
        Phase::New => 0,
        Phase::Established | Phase::Closed => 1,
    }
}

impl TimeoutsNs {
    #[inline]
    const fn of(&self, key: &FlowKey, phase: Phase) -> u64 {
        if matches!(key.kind(), KeyKind::Ethernet) {
            return self.other;
        }
        let states = match key.protocol() {
            TCP => self.tcp,
            UDP | UDP_LITE => self.udp,
            ICMP | ICMPV6 => return self.icmp,
            _ => return self.other,
        };
        let [new, established, closed] = states;
        match phase {
            Phase::New => new,
            Phase::Established => established,
            Phase::Closed => closed,
        }
    }
}

impl From<&Timeouts> for TimeoutsNs {
    fn from(timeouts: &Timeouts) -> Self {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2);
        Self {
            tcp: [ns(timeouts.tcp_new), ns(timeouts.tcp_established), ns(timeouts.tcp_closed)],
            udp: [ns(timeouts.udp_new), ns(timeouts.udp_established), ns(timeouts.udp_established)],
            icmp: ns(timeouts.icmp),
            other: ns(timeouts.other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Scope;

    fn packet(number: u32) -> Headers {
        let (source, destination) =
            (FlowKey::from_ipv4(number.to_be_bytes()), FlowKey::from_ipv4([10, 0, 0, 1]));
        let (key, sender) =
            FlowKey::new(KeyKind::Ipv4, UDP, (source, 1000), (destination, 53), Scope::default());
        Headers { key, sender, protocol: UDP, ..Headers::default() }
    }

    fn flows(capacity: usize) -> Flows {
        Flows::new(&EngineConfig { flow_capacity: capacity, ..EngineConfig::default() }).unwrap()
    }

    fn hear(flows: &mut Flows, number: u32, now_ns: u64) -> SlotIndex {
        let headers = packet(number);
        let hash = flows.table().hash(&headers.key);
        let index = match flows.look_up(&headers, hash, NONE) {
            Touch::Known(index) | Touch::Finished(index) => index,
            Touch::Absent => flows.begin(&headers, hash, now_ns, 0).unwrap(),
        };
        flows.count(index, &headers, 100, now_ns);
        index
    }

    #[test]
    fn a_leap_of_centuries_ends_the_silent_flows_in_one_turn_of_the_wheel() {
        let mut flows = flows(4000);
        let centuries = u64::MAX / 2;
        (0..2000).for_each(|number| _ = hear(&mut flows, number, 5));
        // Heard after the leap: turn for turn up to that time, this test would take minutes.
        (1000..3000).for_each(|number| _ = hear(&mut flows, number, centuries));
        let mut ended = 0;
        while let Some(index) = flows.next_due(centuries + 1, &mut 10_000) {
            flows.remove(index);
            ended += 1;
        }
        assert_eq!((ended, flows.table.len()), (1000, 2000));
    }

    #[test]
    fn flows_that_began_together_and_were_heard_since_are_looked_at_a_few_at_a_time() {
        const SECOND: u64 = 1_000_000_000;
        let mut flows = flows(4000);
        (0..3000).for_each(|number| _ = hear(&mut flows, number, SECOND));
        let timeout = flows.timeouts.udp[0];
        (0..2999).for_each(|number| _ = hear(&mut flows, number, timeout));
        // All of them hang on the same entry; the last one is due.
        let mut calls = 0;
        let due = loop {
            calls += 1;
            let mut looks = 100;
            match flows.next_due(timeout + 2 * SECOND, &mut looks) {
                Some(index) => break index,
                None => assert_eq!(looks, 0),
            }
        };
        assert_eq!((calls, due), (30, hear(&mut flows, 2999, SECOND)));
        flows.remove(due);
        assert_eq!(flows.next_due(timeout + 2 * SECOND, &mut 100), None);
        let mut ended = 0;
        while let Some(index) = flows.next_due(2 * timeout + SECOND, &mut 10_000) {
            flows.remove(index);
            ended += 1;
        }
        assert_eq!(ended, 2999);
    }

    #[test]
    fn a_full_table_gives_up_the_half_open_flow_that_was_silent_longest() {
        let mut flows = flows(100);
        let begun: Vec<SlotIndex> =
            (0..100).map(|number| hear(&mut flows, number, u64::from(number))).collect();
        let new = packet(100);
        let hash = flows.table().hash(&new.key);
        assert_eq!(flows.begin(&new, hash, 100, 0), None);
        for oldest in &begun[..10] {
            assert_eq!(flows.in_the_way(hash, 100), Some(*oldest));
            flows.remove(*oldest);
            // Its place is taken at once, so that the table is full again.
            hear(&mut flows, 1000 + *oldest, 101);
        }
    }
}
