//! What a TCP segment does to the state of its flow (RFC 9293, 3.3.2, as an onlooker can know it).

use wire::{Side, TcpFlags};

use super::slot::{Marks, Phase, Slot};

/// Who the client is, and whether the opening was seen, judged by the first packet of a flow.
pub(crate) fn open(slot: &mut Slot, sender: Side, flags: TcpFlags) {
    if flags.contains(TcpFlags::SYN) {
        let client = if flags.contains(TcpFlags::ACK) { sender.opposite() } else { sender };
        slot.set_client(client);
        if flags.contains(TcpFlags::ACK) {
            slot.marks.set(Marks::MIDSTREAM);
        }
        return;
    }
    slot.marks.set(Marks::MIDSTREAM);
    slot.set_client(likely_client(slot, sender));
}

/// Without an opening, a well-known port (RFC 6335, 6) is the server's; otherwise who was heard first is the client.
pub(crate) fn likely_client(slot: &Slot, sender: Side) -> Side {
    let (own, other) = (slot.key.port(sender), slot.key.port(sender.opposite()));
    if own < 1024 && other >= 1024 { sender.opposite() } else { sender }
}

/// Whether a segment opens a new connection on the addresses of a finished one.
#[inline]
pub(crate) const fn reopens(slot: &Slot, flags: TcpFlags) -> bool {
    matches!(slot.phase, Phase::Closed) && flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK)
}

/// The phase after a segment.
#[inline]
pub(crate) fn advance(slot: &mut Slot, sender: Side, flags: TcpFlags) -> Phase {
    slot.note_flags(sender, flags);
    let mut phase = slot.phase;
    if flags.intersects(TcpFlags(TcpFlags::FIN.0 | TcpFlags::RST.0)) {
        if flags.contains(TcpFlags::FIN) {
            slot.marks.set(match sender {
                Side::Lower => Marks::FIN_LOWER,
                Side::Upper => Marks::FIN_UPPER,
            });
        }
        let both = slot.marks.has(Marks::FIN_LOWER) && slot.marks.has(Marks::FIN_UPPER);
        if both || flags.contains(TcpFlags::RST) {
            return Phase::Closed;
        }
    }
    if phase == Phase::New && slot.packets(Side::Lower) > 0 && slot.packets(Side::Upper) > 0 {
        phase = Phase::Established;
    }
    phase
}
