use core::fmt;

use crate::aead::Aes256Gcm;
use crate::open::InboundSa;
use crate::sa::{CoreId, Moment, Spi};

/// Inbound SAs by their index: this core's, and where the others are.
///
/// Its capacity is taken at the start; looking up neither allocates nor walks more than a few slots.
pub struct InboundTable<A = Aes256Gcm> {
    /// Open addressing: an index into `entries` plus one, 0 for none. At most half of them are used.
    slots: Box<[u32]>,
    entries: Vec<Entry<A>>,
    capacity: usize,
}

struct Entry<A> {
    spi: u32,
    owner: Owner<A>,
    /// When the SA ends, once it has a successor.
    until: Option<Moment>,
}

enum Owner<A> {
    Here(Box<InboundSa<A>>),
    Core(CoreId),
}

/// Who opens packets of an SPI.
#[derive(Debug)]
pub(crate) enum Found<'a, A> {
    Here(usize, &'a mut InboundSa<A>),
    Core(CoreId),
}

/// An SA was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The table is full.
    #[error("the table is full: it holds {capacity} SAs")]
    Full {
        /// How many it holds.
        capacity: usize,
    },
    /// The index is taken: indices are this gateway's to choose, so one is chosen twice.
    #[error("{spi:?} is in use")]
    InUse {
        /// The index.
        spi: Spi,
    },
}

impl<A> InboundTable<A> {
    /// A table of at most `capacity` SAs, those of other cores included.
    #[must_use]
    pub fn with_capacity(capacity: u16) -> Self {
        let capacity = usize::from(capacity).max(1);
        Self {
            slots: vec![0; (capacity * 2).next_power_of_two()].into_boxed_slice(),
            entries: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// Takes an SA of this core in.
    ///
    /// # Errors
    /// [`TableError`]; the SA is wiped.
    pub fn install(&mut self, sa: InboundSa<A>) -> Result<(), TableError>
    where
        A: crate::Aead,
    {
        self.add(sa.config().spi, Owner::Here(Box::new(sa)))
    }

    /// Notes that packets of an index are for another core.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn point(&mut self, spi: Spi, core: CoreId) -> Result<(), TableError> {
        self.add(spi, Owner::Core(core))
    }

    /// Lets an SA, or the pointer to another core's, live on until `until` and no longer; whether there is one.
    pub fn retire(&mut self, spi: Spi, until: Moment) -> bool {
        let Some(entry) = self.find(spi.value()).and_then(|at| self.entries.get_mut(at)) else {
            return false;
        };
        // Retiring twice never makes a life longer.
        entry.until = Some(entry.until.map_or(until, |before| before.min(until)));
        true
    }

    /// Removes and wipes the SAs whose time is over; gives how many.
    pub fn expire(&mut self, now: Moment) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.until.is_none_or(|until| now < until));
        let gone = before - self.entries.len();
        if gone > 0 {
            self.index();
        }
        gone
    }

    /// SAs held, pointers to other cores included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// This core's SAs.
    pub fn iter(&self) -> impl Iterator<Item = &InboundSa<A>> {
        self.entries.iter().filter_map(|entry| match &entry.owner {
            Owner::Here(sa) => Some(&**sa),
            Owner::Core(_) => None,
        })
    }

    /// The SA at a place that [`look_up`](Self::look_up) gave, while the table has not changed.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Option<&InboundSa<A>> {
        match &self.entries.get(place)?.owner {
            Owner::Here(sa) => Some(sa),
            Owner::Core(_) => None,
        }
    }

    #[inline]
    pub(crate) fn look_up(&mut self, spi: u32, now: Moment) -> Option<Found<'_, A>> {
        let at = self.find(spi)?;
        let entry = self.entries.get_mut(at)?;
        // An SA whose time is over opens nothing, even before it is swept away.
        if entry.until.is_some_and(|until| now >= until) {
            return None;
        }
        Some(match &mut entry.owner {
            Owner::Here(sa) => Found::Here(at, sa),
            Owner::Core(core) => Found::Core(*core),
        })
    }

    fn add(&mut self, spi: Spi, owner: Owner<A>) -> Result<(), TableError> {
        if self.find(spi.value()).is_some() {
            return Err(TableError::InUse { spi });
        }
        if self.entries.len() == self.capacity {
            return Err(TableError::Full { capacity: self.capacity });
        }
        self.entries.push(Entry { spi: spi.value(), owner, until: None });
        self.index();
        Ok(())
    }

    #[inline]
    fn find(&self, spi: u32) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = start(spi, mask);
        // Ends: half of the slots are free.
        loop {
            let at = (*self.slots.get(slot)?).checked_sub(1)? as usize;
            if self.entries.get(at)?.spi == spi {
                return Some(at);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Fills the slots anew; SAs come and go rarely.
    fn index(&mut self) {
        let mask = self.slots.len() - 1;
        self.slots.fill(0);
        for (number, entry) in (1_u32..).zip(&self.entries) {
            let mut slot = start(entry.spi, mask);
            while self.slots.get(slot).is_some_and(|used| *used != 0) {
                slot = (slot + 1) & mask;
            }
            if let Some(free) = self.slots.get_mut(slot) {
                *free = number;
            }
        }
    }
}

/// Where to look for an index first: Fibonacci hashing, since a peer does not choose our indices.
#[inline]
fn start(spi: u32, mask: usize) -> usize {
    (spi.wrapping_mul(0x9e37_79b1) >> 7) as usize & mask
}

impl<A> fmt::Debug for InboundTable<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundTable")
            .field("len", &self.entries.len())
            .field("capacity", &self.capacity)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AwsLc, Epoch, Framing, InboundConfig, PeerId, SaKey, Selectors, Sequence};

    fn sa(spi: u32) -> InboundSa<AwsLc> {
        let config = InboundConfig {
            spi: Spi::new(spi).unwrap(),
            peer: PeerId(0),
            epoch: Epoch(0),
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: Sequence::Extended,
        };
        InboundSa::new(SaKey::fill(|_| Ok::<(), ()>(())).unwrap(), config).unwrap()
    }

    fn spi(value: u32) -> Spi {
        Spi::new(value).unwrap()
    }

    const NOW: Moment = Moment(0);

    #[test]
    fn each_index_finds_its_own_sa_and_none_finds_another() {
        let mut table = InboundTable::with_capacity(100);
        for value in 0..100 {
            table.install(sa(1000 + value * 0x0100_0000)).unwrap();
        }
        for value in 0..100 {
            let wanted = 1000 + value * 0x0100_0000;
            assert!(
                matches!(table.look_up(wanted, NOW), Some(Found::Here(_, sa)) if sa.config().spi == spi(wanted))
            );
            assert!(table.look_up(wanted + 1, NOW).is_none());
        }
        assert_eq!(table.install(sa(9999)), Err(TableError::Full { capacity: 100 }));
        assert_eq!(table.iter().count(), 100);
    }

    #[test]
    fn an_index_in_use_is_not_taken_again() {
        let mut table = InboundTable::with_capacity(4);
        table.install(sa(500)).unwrap();
        assert_eq!(table.install(sa(500)), Err(TableError::InUse { spi: spi(500) }));
        assert_eq!(table.point(spi(500), CoreId(1)), Err(TableError::InUse { spi: spi(500) }));
    }

    #[test]
    fn a_retired_sa_lives_until_its_deadline_and_not_longer() {
        let mut table = InboundTable::with_capacity(4);
        table.install(sa(500)).unwrap();
        table.point(spi(600), CoreId(3)).unwrap();
        assert!(table.retire(spi(500), Moment(10)));
        assert!(table.retire(spi(500), Moment(1000)));
        assert!(!table.retire(spi(501), Moment(10)));
        assert_eq!(table.expire(Moment(9)), 0);
        assert!(table.look_up(500, Moment(9)).is_some());
        assert!(table.look_up(500, Moment(10)).is_none(), "not even before it is swept");
        assert_eq!(table.expire(Moment(10)), 1);
        assert!(matches!(table.look_up(600, NOW), Some(Found::Core(CoreId(3)))));
        assert_eq!(table.len(), 1);
    }
}
