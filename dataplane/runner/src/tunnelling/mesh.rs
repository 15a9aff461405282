//! What workers hand each other: packets whose key is another's, and what they learn. Bounded; nobody waits.

use std::net::IpAddr;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use packet_io::PacketMeta;
use tunnel::Endpoint;

use super::plan::Side;

/// Packets that wait for a worker at most.
const PACKETS: usize = 1024;
/// Things learned that wait for a worker at most.
const NOTES: usize = 256;

/// What one worker tells the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note {
    /// A link-layer address on a side.
    Neighbour(Side, IpAddr, [u8; 6]),
    /// A peer, by its slot, sends from elsewhere.
    Moved(usize, Endpoint),
}

#[derive(Debug)]
struct Inbox<B> {
    packets: ArrayQueue<(B, PacketMeta)>,
    notes: ArrayQueue<Note>,
}

/// One worker's ends of the queues between all.
#[derive(Debug)]
pub(crate) struct Mesh<B> {
    own: usize,
    inboxes: Arc<[Inbox<B>]>,
}

impl<B> Mesh<B> {
    /// The ends of so many workers.
    pub(crate) fn of(workers: usize) -> Vec<Self> {
        // A worker alone hands nothing over.
        let (packets, notes) = if workers > 1 { (PACKETS, NOTES) } else { (1, 1) };
        let inbox = |_| Inbox { packets: ArrayQueue::new(packets), notes: ArrayQueue::new(notes) };
        let inboxes: Arc<[Inbox<B>]> = (0..workers).map(inbox).collect();
        (0..workers).map(|own| Self { own, inboxes: Arc::clone(&inboxes) }).collect()
    }

    pub(crate) const fn own(&self) -> usize {
        self.own
    }

    /// Hands a packet to a worker; gives it back where that takes no more.
    pub(crate) fn hand_over(&self, to: usize, packet: (B, PacketMeta)) -> Result<(), (B, PacketMeta)> {
        match self.inboxes.get(to) {
            Some(inbox) if to != self.own => inbox.packets.push(packet),
            _ => Err(packet),
        }
    }

    /// A packet that another worker handed over.
    #[inline]
    pub(crate) fn packet(&self) -> Option<(B, PacketMeta)> {
        let inbox = self.inboxes.get(self.own)?;
        if inbox.packets.is_empty() { None } else { inbox.packets.pop() }
    }

    /// Tells the other workers; one that is behind is not told and asks for itself.
    pub(crate) fn tell(&self, note: Note) {
        for (at, inbox) in self.inboxes.iter().enumerate() {
            if at != self.own {
                let _ = inbox.notes.push(note);
            }
        }
    }

    /// What another worker told.
    #[inline]
    pub(crate) fn note(&self) -> Option<Note> {
        let inbox = self.inboxes.get(self.own)?;
        if inbox.notes.is_empty() { None } else { inbox.notes.pop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_go_to_the_worker_that_they_are_for_until_it_is_full() {
        let ends = Mesh::<u32>::of(3);
        let [one, two, three] = ends.as_slice() else { panic!("three ends") };
        for number in 0..PACKETS {
            assert!(one.hand_over(1, (u32::try_from(number).unwrap(), PacketMeta::default())).is_ok());
        }
        assert!(three.hand_over(1, (9, PacketMeta::default())).is_err(), "full");
        assert!(one.hand_over(0, (9, PacketMeta::default())).is_err(), "to itself");
        assert!(one.hand_over(7, (9, PacketMeta::default())).is_err(), "to nobody");
        assert_eq!(two.packet().map(|(buf, _)| buf), Some(0));
        assert!(one.packet().is_none() && three.packet().is_none());
        one.tell(Note::Moved(4, Endpoint { address: IpAddr::from([192, 0, 2, 1]), port: 0 }));
        assert!(one.note().is_none() && two.note().is_some() && three.note().is_some());
    }
}
