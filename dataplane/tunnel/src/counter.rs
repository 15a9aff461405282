/// Declares the counters with their names.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a gateway counts: every packet it was given is in exactly one of the counters of packets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl Counter {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

counters! {
    /// Packets sealed.
    Sealed = "sealed",
    /// Bytes of them before sealing.
    SealedBytes = "sealed_bytes",
    /// Dummy packets made.
    SealedDummy = "sealed_dummy",
    /// Not sealed: not a sound IP packet.
    SealMalformed = "seal_malformed",
    /// Not sealed: not traffic of the SA.
    SealNotSelected = "seal_not_selected",
    /// Not sealed: too big, its sender to be told.
    SealTooBig = "seal_too_big",
    /// Not sealed: to be fragmented first.
    SealNeedsFragments = "seal_needs_fragments",
    /// Not sealed: the path is too narrow for IPv6.
    SealPathBelowMinimum = "seal_path_below_minimum",
    /// Not sealed: no room in the buffer.
    SealNoRoom = "seal_no_room",
    /// Not sealed: the policy has no SA.
    SealNoSa = "seal_no_sa",
    /// Not sealed: hard limit of packets.
    SealPacketLimit = "seal_packet_limit",
    /// Not sealed: hard limit of time.
    SealTimeLimit = "seal_time_limit",
    /// Packets opened.
    Opened = "opened",
    /// Bytes of them after opening.
    OpenedBytes = "opened_bytes",
    /// Dummy packets received.
    OpenedDummy = "opened_dummy",
    /// NAT keep-alives received.
    KeepAlive = "keep_alive",
    /// IKE beside ESP.
    NonEsp = "non_esp",
    /// Not a packet of a tunnel.
    NotTunnelled = "not_tunnelled",
    /// An SA of another core.
    OtherCore = "other_core",
    /// Fragment of a sealed packet.
    OpenFragment = "open_fragment",
    /// Malformed outer headers.
    OpenMalformedOuter = "open_malformed_outer",
    /// Too short for ESP.
    OpenTruncated = "open_truncated",
    /// Unknown SPI.
    OpenUnknownSpi = "open_unknown_spi",
    /// Replayed.
    OpenReplayed = "open_replayed",
    /// Before the replay window.
    OpenTooOld = "open_too_old",
    /// Wrong tag.
    OpenNotAuthentic = "open_not_authentic",
    /// Wrong padding.
    OpenBadPadding = "open_bad_padding",
    /// An inner protocol that the SA does not carry.
    OpenWrongFraming = "open_wrong_framing",
    /// Malformed inner packet.
    OpenMalformedInner = "open_malformed_inner",
    /// Inner packet is not the SA's traffic.
    OpenNotSelected = "open_not_selected",
    /// Congestion marked on traffic that cannot say so.
    OpenCongestionLoss = "open_congestion_loss",
    /// Peers that moved; not of packets.
    PeerMoved = "peer_moved",
    /// Segments whose MSS was lowered; counted besides.
    MssClamped = "mss_clamped",
    /// Notices lost for the lack of room; not of packets.
    NoticesLost = "notices_lost",
}

/// Counters of one gateway, absolute since its start; one core writes them.
#[derive(Clone, Debug)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self([0; Counter::ALL.len()])
    }

    /// The value of one.
    #[must_use]
    pub fn value(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.iter().copied().zip(self.0.iter().copied())
    }

    #[inline]
    pub(crate) fn add(&mut self, counter: Counter, amount: u64) {
        if let Some(cell) = self.0.get_mut(counter as usize) {
            *cell = cell.wrapping_add(amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_name_and_a_cell_of_its_own() {
        let mut counters = Counters::new();
        for (at, &counter) in (1..).zip(Counter::ALL) {
            counters.add(counter, at);
        }
        for ((at, (counter, value)), expected) in (1..).zip(counters.iter()).zip(Counter::ALL) {
            assert_eq!((counter, value), (*expected, at));
            assert_eq!(Counter::ALL.iter().filter(|other| other.name() == counter.name()).count(), 1);
        }
    }
}
