//! IP datagrams put together from their fragments (RFC 791, 3.2; RFC 8200, 4.5; RFC 5722).

use std::collections::VecDeque;

use wire::{FlowKey, Fragment, Headers, KeyKind, Side};

use crate::config::DefragLimits;
use crate::counters::{Counter, Counters};

/// Room before the payload for the longest IPv4 header.
const HEADROOM: usize = 60;
const IPV6_HEADER: usize = 40;
const NONE: u32 = u32::MAX;

/// Datagrams of which some fragments came.
#[derive(Debug)]
pub(crate) struct Defragmenter {
    limits: DefragLimits,
    timeout_ns: u64,
    datagrams: Vec<Datagram>,
    free: Vec<u32>,
    /// First datagram of each hash chain.
    heads: Box<[u32]>,
    /// Datagrams by the time of their first fragment, with their generation: an old entry is skipped.
    by_age: VecDeque<(u32, u32)>,
    held_bytes: usize,
}

#[derive(Debug, Default)]
struct Datagram {
    identity: Option<Identity>,
    generation: u32,
    next: u32,
    since_ns: u64,
    bytes: Vec<u8>,
    header_len: usize,
    total: Option<usize>,
    /// What was received, as ascending, disjoint ranges of payload offsets.
    received: Vec<(usize, usize)>,
    fragments: u32,
    wire_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    key: FlowKey,
    sender: Side,
    id: u32,
}

/// A datagram that is whole again.
#[derive(Debug)]
pub(crate) struct Whole {
    bytes: Vec<u8>,
    start: usize,
    /// Fragments it came in.
    pub(crate) fragments: u32,
    /// Bytes of their frames on the wire.
    pub(crate) wire_bytes: u64,
}

impl Whole {
    /// The packet: IP header without a trace of fragmentation, then the whole payload.
    pub(crate) fn packet(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl Defragmenter {
    pub(crate) fn new(limits: DefragLimits) -> Self {
        let chains = limits.datagrams.max(1).next_power_of_two();
        Self {
            timeout_ns: u64::try_from(limits.timeout.as_nanos()).unwrap_or(u64::MAX),
            limits,
            datagrams: Vec::new(),
            free: Vec::new(),
            heads: vec![NONE; chains].into_boxed_slice(),
            by_age: VecDeque::new(),
            held_bytes: 0,
        }
    }

    /// Changes the limits, but for the number of datagrams, which the memory was made for.
    pub(crate) fn set_limits(&mut self, limits: DefragLimits) {
        self.timeout_ns = u64::try_from(limits.timeout.as_nanos()).unwrap_or(u64::MAX);
        self.limits = DefragLimits { datagrams: self.limits.datagrams, ..limits };
    }

    /// Takes a fragment; gives the datagram back when this was its last missing part.
    pub(crate) fn accept(
        &mut self,
        headers: &Headers,
        frame: &[u8],
        wire_len: u32,
        now_ns: u64,
        counters: &Counters,
    ) -> Option<Whole> {
        let fragment = headers.fragment?;
        let identity = Identity { key: headers.key, sender: headers.sender, id: fragment.id };
        let Some(index) = self.find(&identity).or_else(|| self.begin(identity, now_ns, counters)) else {
            counters.add(Counter::DropDefragLimit, 1);
            return None;
        };
        counters.add(Counter::DefragHeld, 1);
        let before = self.size(index);
        let datagram = self.datagrams.get_mut(index as usize)?;
        datagram.fragments += 1;
        datagram.wire_bytes += u64::from(wire_len);
        let added = datagram.add(headers, &fragment, frame, self.limits.fragments);
        self.held_bytes = self.held_bytes + self.size(index) - before;
        match added {
            Err(reason) => {
                self.drop_datagram(index, reason, counters);
                None
            }
            Ok(()) if self.held_bytes > self.limits.total_bytes => {
                self.drop_datagram(index, Counter::DropDefragLimit, counters);
                None
            }
            Ok(()) => self.finish(index, counters),
        }
    }

    /// Gives up datagrams that were not complete in time; at the end of the run (`u64::MAX`), all of them.
    pub(crate) fn expire(&mut self, now_ns: u64, counters: &Counters) {
        while let Some(&(index, generation)) = self.by_age.front() {
            let Some(datagram) = self.datagrams.get(index as usize) else { return };
            if datagram.generation == generation && datagram.identity.is_some() {
                if now_ns.saturating_sub(datagram.since_ns) < self.timeout_ns {
                    return;
                }
                self.drop_datagram(index, Counter::DropDefragIncomplete, counters);
            }
            self.by_age.pop_front();
        }
    }

    /// Takes the storage of a finished datagram back.
    pub(crate) fn recycle(&mut self, whole: Whole) {
        if let Some(datagram) = self.free.last().and_then(|&index| self.datagrams.get_mut(index as usize))
            && datagram.bytes.capacity() < whole.bytes.capacity()
        {
            datagram.bytes = whole.bytes;
            datagram.bytes.clear();
        }
    }

    fn chain(&self, identity: &Identity) -> usize {
        let hash = identity.key.hash(u64::from(identity.id) << 1 | identity.sender as u64);
        usize::try_from(hash).unwrap_or(0) & (self.heads.len() - 1)
    }

    fn find(&self, identity: &Identity) -> Option<u32> {
        let mut index = *self.heads.get(self.chain(identity))?;
        while let Some(datagram) = self.datagrams.get(index as usize) {
            if datagram.identity.as_ref() == Some(identity) {
                return Some(index);
            }
            index = datagram.next;
        }
        None
    }

    fn begin(&mut self, identity: Identity, now_ns: u64, counters: &Counters) -> Option<u32> {
        if self.free.is_empty() && self.datagrams.len() >= self.limits.datagrams {
            // The oldest gives way: a flood of first fragments must not shut everyone else out.
            while let Some((index, generation)) = self.by_age.pop_front() {
                let current = self.datagrams.get(index as usize);
                if current.is_some_and(|old| old.generation == generation && old.identity.is_some()) {
                    self.drop_datagram(index, Counter::DropDefragLimit, counters);
                    break;
                }
            }
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.datagrams.len() < self.limits.datagrams => {
                self.datagrams.push(Datagram::default());
                u32::try_from(self.datagrams.len() - 1).ok()?
            }
            None => return None,
        };
        let chain = self.chain(&identity);
        let head = self.heads.get_mut(chain)?;
        let datagram = self.datagrams.get_mut(index as usize)?;
        datagram.reset(identity, now_ns);
        datagram.next = core::mem::replace(head, index);
        self.by_age.push_back((index, datagram.generation));
        Some(index)
    }

    fn finish(&mut self, index: u32, counters: &Counters) -> Option<Whole> {
        let datagram = self.datagrams.get_mut(index as usize)?;
        let total = datagram.total?;
        if datagram.received.as_slice() != [(0, total)] || datagram.header_len == 0 {
            return None;
        }
        datagram.seal(total);
        let bytes = core::mem::take(&mut datagram.bytes);
        let whole = Whole {
            start: HEADROOM - datagram.header_len,
            fragments: datagram.fragments,
            wire_bytes: datagram.wire_bytes,
            bytes,
        };
        self.held_bytes = self.held_bytes.saturating_sub(whole.bytes.len());
        counters.lower(Counter::DefragHeld, u64::from(whole.fragments));
        counters.add(Counter::DefragCompleted, 1);
        self.unlink(index);
        Some(whole)
    }

    fn drop_datagram(&mut self, index: u32, reason: Counter, counters: &Counters) {
        let Some(datagram) = self.datagrams.get_mut(index as usize) else { return };
        counters.lower(Counter::DefragHeld, u64::from(datagram.fragments));
        counters.add(reason, u64::from(datagram.fragments));
        self.held_bytes = self.held_bytes.saturating_sub(datagram.bytes.len());
        self.unlink(index);
    }

    fn unlink(&mut self, index: u32) {
        let Some(identity) = self.datagrams.get(index as usize).and_then(|datagram| datagram.identity) else {
            return;
        };
        let chain = self.chain(&identity);
        let mut at = self.heads.get(chain).copied().unwrap_or(NONE);
        let next = self.datagrams.get(index as usize).map_or(NONE, |datagram| datagram.next);
        if at == index {
            if let Some(head) = self.heads.get_mut(chain) {
                *head = next;
            }
        } else {
            while let Some(datagram) = self.datagrams.get_mut(at as usize) {
                if datagram.next == index {
                    datagram.next = next;
                    break;
                }
                at = datagram.next;
            }
        }
        if let Some(datagram) = self.datagrams.get_mut(index as usize) {
            datagram.identity = None;
            datagram.generation = datagram.generation.wrapping_add(1);
            datagram.bytes.clear();
        }
        self.free.push(index);
    }

    fn size(&self, index: u32) -> usize {
        self.datagrams.get(index as usize).map_or(0, |datagram| datagram.bytes.len())
    }
}

impl Datagram {
    fn reset(&mut self, identity: Identity, now_ns: u64) {
        self.identity = Some(identity);
        self.since_ns = now_ns;
        self.bytes.clear();
        self.header_len = 0;
        self.total = None;
        self.received.clear();
        self.fragments = 0;
        self.wire_bytes = 0;
    }

    fn add(
        &mut self,
        headers: &Headers,
        fragment: &Fragment,
        frame: &[u8],
        most_fragments: usize,
    ) -> Result<(), Counter> {
        let start = usize::from(fragment.offset);
        let data = frame
            .get(fragment.data_offset as usize..)
            .and_then(|rest| rest.get(..fragment.data_len as usize))
            .ok_or(Counter::DropDefragInvalid)?;
        let end = start + data.len();
        // Every fragment but the last is a multiple of eight bytes long.
        if end > usize::from(u16::MAX) || data.is_empty() || (fragment.more && !data.len().is_multiple_of(8))
        {
            return Err(Counter::DropDefragInvalid);
        }
        if !fragment.more {
            if self.total.is_some_and(|total| total != end) {
                return Err(Counter::DropDefragInvalid);
            }
            self.total = Some(end);
        }
        if self
            .total
            .is_some_and(|total| end > total || self.received.last().is_some_and(|last| last.1 > total))
        {
            return Err(Counter::DropDefragInvalid);
        }
        if self.received.len() >= most_fragments {
            return Err(Counter::DropDefragLimit);
        }
        if self.bytes.len() < HEADROOM + end {
            self.bytes.resize(HEADROOM + end, 0);
        }
        self.merge(start, data, headers.key.kind())?;
        if start == 0 && self.header_len == 0 {
            self.keep_header(headers, frame)?;
        }
        Ok(())
    }

    /// Writes what is new of `data`; what came first stays. For IPv6 an overlap ends the datagram (RFC 5722, 3).
    fn merge(&mut self, start: usize, data: &[u8], kind: KeyKind) -> Result<(), Counter> {
        let end = start + data.len();
        if self.received.iter().any(|&(from, to)| from <= start && end <= to) {
            return Ok(());
        }
        let overlaps = self.received.iter().any(|&(from, to)| from < end && start < to);
        if overlaps && kind == KeyKind::Ipv6 {
            return Err(Counter::DropDefragInvalid);
        }
        let mut at = start;
        for &(from, to) in &self.received {
            if to <= at || from >= end {
                continue;
            }
            write(&mut self.bytes, start, data, at, from);
            at = at.max(to);
        }
        write(&mut self.bytes, start, data, at, end);
        self.received.push((start, end));
        self.received.sort_unstable();
        self.received.dedup_by(|next, merged| {
            let joined = next.0 <= merged.1;
            if joined {
                merged.1 = merged.1.max(next.1);
            }
            joined
        });
        Ok(())
    }

    /// Keeps the IP header of the first fragment.
    fn keep_header(&mut self, headers: &Headers, frame: &[u8]) -> Result<(), Counter> {
        let network = frame.get(headers.network_offset as usize..).ok_or(Counter::DropDefragInvalid)?;
        let is_ipv6 = headers.key.kind() == KeyKind::Ipv6;
        let len = if is_ipv6 {
            IPV6_HEADER
        } else {
            usize::from(network.first().map_or(0, |first| first & 0x0f)) * 4
        };
        let header = network.get(..len).filter(|_| len >= 20).ok_or(Counter::DropDefragInvalid)?;
        self.header_len = len;
        let place = self.bytes.get_mut(HEADROOM - len..HEADROOM).ok_or(Counter::DropDefragInvalid)?;
        place.copy_from_slice(header);
        if is_ipv6 {
            // Extension headers before the fragment header are left out.
            if let Some(next_header) = place.get_mut(6) {
                *next_header = headers.protocol;
            }
        } else if let Some(flags) = place.get_mut(6..8) {
            flags.fill(0);
        }
        Ok(())
    }

    /// Writes the length of the whole into its header; too long for IPv4 is 0, "to the end".
    fn seal(&mut self, total: usize) {
        let is_ipv6 = self.identity.is_some_and(|identity| identity.key.kind() == KeyKind::Ipv6);
        let start = HEADROOM - self.header_len;
        let (at, length) = if is_ipv6 { (start + 4, total) } else { (start + 2, self.header_len + total) };
        if let Some(field) = self.bytes.get_mut(at..at + 2) {
            field.copy_from_slice(&u16::try_from(length).unwrap_or(0).to_be_bytes());
        }
    }
}

fn write(bytes: &mut [u8], start: usize, data: &[u8], from: usize, to: usize) {
    if from >= to {
        return;
    }
    let (Some(source), Some(place)) =
        (data.get(from - start..to - start), bytes.get_mut(HEADROOM + from..HEADROOM + to))
    else {
        return;
    };
    place.copy_from_slice(source);
}
