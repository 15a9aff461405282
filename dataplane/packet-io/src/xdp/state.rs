use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use ebpf_maps::{Address, Count, FlowKey, Reason, SHUNT_DROP, Settings, Shunt, flags, maps};

use super::error::XdpError;
use super::lists::{Action, List, ListEntry, Prefix};
use super::plain::Plain;
use super::shunts::KernelShunts;

/// What the program was told, and what it counted: its maps.
pub struct State {
    settings: Array<MapData, Plain<Settings>>,
    heartbeat: Array<MapData, u64>,
    counters: PerCpuArray<MapData, Plain<Count>>,
    own_addresses: HashMap<MapData, Plain<Address>, u32>,
    services: HashMap<MapData, Plain<ebpf_maps::Service>, u32>,
    v4: [Trie<4>; 2],
    v6: [Trie<16>; 2],
    shunts: HashMap<MapData, Plain<FlowKey>, Plain<Shunt>>,
    /// The map of `shunts` again, for workers; none where no descriptor was left.
    for_workers: Option<KernelShunts>,
    shunt_room: u32,
    prefix_room: u32,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("shunt_room", &self.shunt_room).finish_non_exhaustive()
    }
}

/// A list of prefixes of addresses of `N` bytes.
type Trie<const N: usize> = LpmTrie<MapData, [u8; N], u32>;

/// How fast one source may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Packets per second, at least 1.
    pub packets_per_second: u32,
    /// Packets that may come at once.
    pub burst: u32,
}

/// Packets and bytes by reason, all cores together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(Vec<Count>);

impl Counters {
    /// Packets of a reason.
    #[must_use]
    pub fn packets(&self, reason: Reason) -> u64 {
        self.count(reason).packets
    }

    /// Packets and bytes of a reason.
    #[must_use]
    pub fn count(&self, reason: Reason) -> Count {
        self.0.get(reason.index() as usize).copied().unwrap_or_default()
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, Count)> + '_ {
        Reason::ALL.iter().map(|reason| (*reason, self.count(*reason)))
    }

    /// Packets of all reasons: each that the program saw is in it once.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|count| count.packets).sum()
    }
}

impl State {
    /// Takes the maps by name.
    pub(super) fn of(mut take: impl FnMut(&'static str) -> Option<Map>) -> Result<Self, XdpError> {
        let mut map = |name: &'static str| {
            take(name).ok_or_else(|| XdpError::map(name)(MapError::InvalidName { name: name.to_owned() }))
        };
        let shunts = map(maps::SHUNTS)?;
        let room = |map: &Map| match map {
            Map::HashMap(data) | Map::LpmTrie(data) => data.info().map_or(0, |info| info.max_entries()),
            _ => 0,
        };
        let v4_source = map(maps::V4_SOURCE)?;
        let prefix_room = room(&v4_source);
        let for_workers = match &shunts {
            Map::HashMap(data) => KernelShunts::new(data.fd().as_fd()).ok(),
            _ => None,
        };
        Ok(Self {
            for_workers,
            settings: Array::try_from(map(maps::SETTINGS)?).map_err(XdpError::map(maps::SETTINGS))?,
            heartbeat: Array::try_from(map(maps::HEARTBEAT)?).map_err(XdpError::map(maps::HEARTBEAT))?,
            counters: PerCpuArray::try_from(map(maps::COUNTERS)?).map_err(XdpError::map(maps::COUNTERS))?,
            own_addresses: HashMap::try_from(map(maps::OWN_ADDRESSES)?)
                .map_err(XdpError::map(maps::OWN_ADDRESSES))?,
            services: HashMap::try_from(map(maps::SERVICES)?).map_err(XdpError::map(maps::SERVICES))?,
            v4: [
                LpmTrie::try_from(v4_source).map_err(XdpError::map(maps::V4_SOURCE))?,
                LpmTrie::try_from(map(maps::V4_DESTINATION)?).map_err(XdpError::map(maps::V4_DESTINATION))?,
            ],
            v6: [
                LpmTrie::try_from(map(maps::V6_SOURCE)?).map_err(XdpError::map(maps::V6_SOURCE))?,
                LpmTrie::try_from(map(maps::V6_DESTINATION)?).map_err(XdpError::map(maps::V6_DESTINATION))?,
            ],
            prefix_room,
            shunt_room: room(&shunts),
            shunts: HashMap::try_from(shunts).map_err(XdpError::map(maps::SHUNTS))?,
        })
    }

    /// The settings in force.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn settings(&self) -> Result<Settings, XdpError> {
        self.settings.get(&0, 0).map(|settings| settings.0).map_err(XdpError::map(maps::SETTINGS))
    }

    pub(super) fn set_settings(&mut self, settings: Settings) -> Result<(), XdpError> {
        self.settings.set(0, Plain(settings), 0).map_err(XdpError::map(maps::SETTINGS))
    }

    fn set_flag(&mut self, flag: u32, is_set: bool) -> Result<(), XdpError> {
        let mut settings = self.settings()?;
        settings.flags = if is_set { settings.flags | flag } else { settings.flags & !flag };
        self.set_settings(settings)
    }

    /// Tells the program that its owner is alive.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn beat(&mut self) -> Result<(), XdpError> {
        self.heartbeat.set(0, monotonic_ns(), 0).map_err(XdpError::map(maps::HEARTBEAT))
    }

    /// Packets and bytes by reason.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn counters(&self) -> Result<Counters, XdpError> {
        let mut totals = Vec::with_capacity(Reason::ALL.len());
        for reason in Reason::ALL {
            let cores = self.counters.get(&reason.index(), 0).map_err(XdpError::map(maps::COUNTERS))?;
            let sum = cores.iter().fold(Count::default(), |sum, core| Count {
                packets: sum.packets.wrapping_add(core.0.packets),
                bytes: sum.bytes.wrapping_add(core.0.bytes),
            });
            totals.push(sum);
        }
        Ok(Counters(totals))
    }

    /// Takes an address for one of this host.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn add_own_address(&mut self, address: IpAddr) -> Result<(), XdpError> {
        let key = Plain(Address::from(address));
        self.own_addresses.insert(key, 1, 0).map_err(XdpError::map(maps::OWN_ADDRESSES))
    }

    pub(super) fn add_service(&mut self, protocol: u8, port: u16, side: u32) -> Result<(), XdpError> {
        let key = Plain(ebpf_maps::Service { protocol, zero: 0, port });
        let before = self.services.get(&key, 0).unwrap_or(0);
        self.services.insert(key, before | side, 0).map_err(XdpError::map(maps::SERVICES))
    }

    /// Puts a prefix on a list, or changes what is done about it.
    ///
    /// # Errors
    /// [`XdpError::Full`] or [`XdpError::Map`].
    pub fn list(&mut self, list: List, prefix: Prefix, action: Action) -> Result<(), XdpError> {
        self.put(list, prefix, action)?;
        self.set_flag(list_flag(list), true)
    }

    /// Puts many prefixes on their lists.
    ///
    /// # Errors
    /// [`XdpError::Full`] or [`XdpError::Map`]; those before are on it.
    pub fn list_all(&mut self, entries: impl IntoIterator<Item = ListEntry>) -> Result<(), XdpError> {
        let mut are_there = [false; 2];
        for ListEntry { list, prefix, action } in entries {
            self.put(list, prefix, action)?;
            let [sources, destinations] = &mut are_there;
            *(if list == List::Source { sources } else { destinations }) = true;
        }
        for (list, is_there) in [List::Source, List::Destination].into_iter().zip(are_there) {
            if is_there {
                self.set_flag(list_flag(list), true)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, list: List, prefix: Prefix, action: Action) -> Result<(), XdpError> {
        let len = u32::from(prefix.bits());
        let name = map_of(list, prefix.address());
        let result = match prefix.address() {
            IpAddr::V4(v4) => self.v4_of(list).insert(&Key::new(len, v4.octets()), action.number(), 0),
            IpAddr::V6(v6) => self.v6_of(list).insert(&Key::new(len, v6.octets()), action.number(), 0),
        };
        let room = self.prefix_room;
        result.map_err(|error| full_or(name, room, error))
    }

    /// Takes a prefix off a list; false where it was not on it.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn unlist(&mut self, list: List, prefix: Prefix) -> Result<bool, XdpError> {
        let len = u32::from(prefix.bits());
        let result = match prefix.address() {
            IpAddr::V4(v4) => self.v4_of(list).remove(&Key::new(len, v4.octets())),
            IpAddr::V6(v6) => self.v6_of(list).remove(&Key::new(len, v6.octets())),
        };
        match result {
            Ok(()) => {}
            Err(error) if super::error::os_error(&error) == Some(libc::ENOENT) => return Ok(false),
            Err(error) => return Err(XdpError::map(map_of(list, prefix.address()))(error)),
        }
        if self.entries(list, 1)?.is_empty() {
            self.set_flag(list_flag(list), false)?;
        }
        Ok(true)
    }

    /// The first `most` prefixes of a list.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn entries(&self, list: List, most: usize) -> Result<Vec<(Prefix, Action)>, XdpError> {
        let [v4_source, v4_destination] = &self.v4;
        let [v6_source, v6_destination] = &self.v6;
        let (v4, v6) = match list {
            List::Source => (v4_source, v6_source),
            List::Destination => (v4_destination, v6_destination),
        };
        let mut entries = Vec::new();
        let mut add = |address: IpAddr, len: u32, action: u32| {
            if let Ok(prefix) = Prefix::new(address, u8::try_from(len).unwrap_or(u8::MAX)) {
                entries.push((prefix, Action::of(action)));
            }
        };
        for entry in v4.iter().take(most) {
            let (key, action) = entry.map_err(XdpError::map(maps::V4_SOURCE))?;
            add(IpAddr::from(key.data()), key.prefix_len(), action);
        }
        for entry in v6.iter().take(most) {
            let (key, action) = entry.map_err(XdpError::map(maps::V6_SOURCE))?;
            add(IpAddr::from(key.data()), key.prefix_len(), action);
        }
        entries.truncate(most);
        Ok(entries)
    }

    /// Whether addresses that are on no list of a direction are denied.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn set_others(&mut self, list: List, others: Action) -> Result<(), XdpError> {
        self.set_flag(others_flag(list), others == Action::Deny)
    }

    /// What becomes of addresses that are on no list of a direction.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn others(&self, list: List) -> Result<Action, XdpError> {
        let is_denied = self.settings()?.flags & others_flag(list) != 0;
        Ok(if is_denied { Action::Deny } else { Action::Allow })
    }

    /// The rate that every source is limited to, none where it is not.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn rate(&self) -> Result<Option<Rate>, XdpError> {
        let Settings { rate_interval_ns, rate_burst_ns, .. } = self.settings()?;
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(1_000_000_000_u64.checked_div(rate_interval_ns).map(|rate| Rate {
            packets_per_second: narrow(rate),
            burst: narrow((rate_burst_ns / rate_interval_ns).saturating_add(1)),
        }))
    }

    /// How many of 1,000,000 flows are taken.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn sample(&self) -> Result<u32, XdpError> {
        let share = u64::from(self.settings()?.sample) * 1_000_000;
        Ok(u32::try_from(share.div_ceil(u64::from(u32::MAX))).unwrap_or(1_000_000))
    }

    /// Limits every source to a rate, or lifts the limit.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn set_rate(&mut self, rate: Option<Rate>) -> Result<(), XdpError> {
        let mut settings = self.settings()?;
        (settings.rate_interval_ns, settings.rate_burst_ns) = rate.map_or((0, 0), |rate| {
            let interval = (1_000_000_000 / u64::from(rate.packets_per_second.max(1))).max(1);
            (interval, interval.saturating_mul(u64::from(rate.burst.saturating_sub(1))))
        });
        self.set_settings(settings)
    }

    /// Takes only so many of 1,000,000 flows, chosen by their addresses; the others are dropped and counted.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn set_sample(&mut self, of_a_million: u32) -> Result<(), XdpError> {
        let mut settings = self.settings()?;
        let share = u64::from(of_a_million.min(1_000_000)) * u64::from(u32::MAX) / 1_000_000;
        settings.sample = u32::try_from(share).unwrap_or(u32::MAX);
        self.set_settings(settings)
    }

    /// Lets the kernel count a flow's packets and do with them what `action` says ([`ebpf_maps::SHUNT_DROP`] and its
    /// siblings). Counting starts at zero.
    ///
    /// # Errors
    /// [`XdpError::Full`] or [`XdpError::Map`].
    pub fn shunt(&mut self, key: FlowKey, action: u32) -> Result<(), XdpError> {
        let entry = Shunt { action, last_ns: monotonic_ns(), ..Shunt::default() };
        let room = self.shunt_room;
        self.shunts
            .insert(Plain(key), Plain(entry), 0)
            .map_err(|error| full_or(maps::SHUNTS, room, error))?;
        if self.settings()?.flags & flags::SHUNT == 0 {
            self.set_flag(flags::SHUNT, true)?;
        }
        Ok(())
    }

    /// Whether packets of settled flows are looked for. Where they no longer are, those flows' packets come to user space
    /// again, and what was counted of them stays.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn set_shunting(&mut self, is_on: bool) -> Result<(), XdpError> {
        self.set_flag(flags::SHUNT, is_on)
    }

    /// The settled flows, for a worker that shunts its own where [`State::set_shunting`] says so.
    ///
    /// # Errors
    /// [`XdpError::System`] where no descriptor is left.
    pub fn shunts_of_worker(&self) -> Result<KernelShunts, XdpError> {
        let failed = |source| XdpError::System { step: "a descriptor of the settled flows", source };
        let own = self.for_workers.as_ref().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        own.try_clone().map_err(failed)
    }

    /// What was counted of a flow so far, none where it is not shunted.
    #[must_use]
    pub fn shunted(&self, key: FlowKey) -> Option<Shunt> {
        self.shunts.get(&Plain(key), 0).ok().map(|shunt| shunt.0)
    }

    /// Ends the shunting of a flow; what was counted of it, none where it was not shunted.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn unshunt(&mut self, key: FlowKey) -> Result<Option<Shunt>, XdpError> {
        // Packets go to user space from the removal on, so that what is counted between the two calls is lost to the
        // record: first the entry is read to its end.
        let Some(counted) = self.shunted(key) else { return Ok(None) };
        self.shunts.remove(&Plain(key)).map_err(XdpError::map(maps::SHUNTS))?;
        Ok(Some(counted))
    }

    /// The first `most` settled flows.
    #[must_use]
    pub fn shunts(&self, most: usize) -> Vec<(FlowKey, Shunt)> {
        // An entry that goes while the list is read ends it early: the next reading has the rest.
        self.shunts.iter().take(most).map_while(Result::ok).map(|(key, shunt)| (key.0, shunt.0)).collect()
    }

    fn v4_of(&mut self, list: List) -> &mut Trie<4> {
        let [source, destination] = &mut self.v4;
        match list {
            List::Source => source,
            List::Destination => destination,
        }
    }

    fn v6_of(&mut self, list: List) -> &mut Trie<16> {
        let [source, destination] = &mut self.v6;
        match list {
            List::Source => source,
            List::Destination => destination,
        }
    }
}

const fn list_flag(list: List) -> u32 {
    match list {
        List::Source => flags::LIST_SOURCES,
        List::Destination => flags::LIST_DESTINATIONS,
    }
}

const fn others_flag(list: List) -> u32 {
    match list {
        List::Source => flags::DENY_OTHER_SOURCES,
        List::Destination => flags::DENY_OTHER_DESTINATIONS,
    }
}

const fn map_of(list: List, address: IpAddr) -> &'static str {
    match (list, address) {
        (List::Source, IpAddr::V4(_)) => maps::V4_SOURCE,
        (List::Source, IpAddr::V6(_)) => maps::V6_SOURCE,
        (List::Destination, IpAddr::V4(_)) => maps::V4_DESTINATION,
        (List::Destination, IpAddr::V6(_)) => maps::V6_DESTINATION,
    }
}

/// A full hash table says `E2BIG`, a full trie `ENOSPC`.
fn full_or(map: &'static str, entries: u32, error: MapError) -> XdpError {
    match super::error::os_error(&error) {
        Some(libc::E2BIG | libc::ENOSPC) => XdpError::Full { map, entries },
        _ => XdpError::map(map)(error),
    }
}

/// `CLOCK_MONOTONIC_COARSE`, nanoseconds: the clock of the program.
pub(super) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    let since =
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

const _: () = assert!(SHUNT_DROP == 0, "an entry that is all zero drops");
