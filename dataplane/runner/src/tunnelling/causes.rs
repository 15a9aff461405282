//! Which counter a refusal of the tunnel is.

use engine::Counter;
use tunnel::{OpenRefusal, SealRefusal};

/// Why a packet was not sealed.
pub(super) const fn of_sealing(refusal: SealRefusal) -> Counter {
    match refusal {
        SealRefusal::Malformed => Counter::DropSealMalformed,
        SealRefusal::NotSelected => Counter::DropSealNotSelected,
        SealRefusal::TooBig { .. } | SealRefusal::NeedsFragments { .. } | SealRefusal::PathBelowMinimum => {
            Counter::DropSealTooBig
        }
        SealRefusal::NoRoom => Counter::DropSealNoRoom,
        SealRefusal::NoSa => Counter::DropSealNoSa,
        SealRefusal::PacketLimit | SealRefusal::TimeLimit => Counter::DropSealLimit,
    }
}

/// Why a packet was not opened.
pub(super) const fn of_opening(refusal: OpenRefusal) -> Counter {
    match refusal {
        OpenRefusal::Fragment => Counter::DropOpenFragment,
        // The first is never asked: what is not sealed goes another way.
        OpenRefusal::NotTunnelled | OpenRefusal::MalformedOuter | OpenRefusal::Truncated => {
            Counter::DropOpenMalformed
        }
        OpenRefusal::OtherCore(_) => Counter::DropHandoverFull,
        OpenRefusal::UnknownSpi => Counter::DropOpenUnknownSpi,
        OpenRefusal::Replayed => Counter::DropOpenReplayed,
        OpenRefusal::TooOld => Counter::DropOpenTooOld,
        OpenRefusal::NotAuthentic => Counter::DropOpenNotAuthentic,
        OpenRefusal::BadPadding => Counter::DropOpenBadPadding,
        OpenRefusal::WrongFraming => Counter::DropOpenWrongFraming,
        OpenRefusal::MalformedInner => Counter::DropOpenMalformedInner,
        OpenRefusal::NotSelected => Counter::DropOpenNotSelected,
        OpenRefusal::CongestionLoss => Counter::DropOpenCongestion,
    }
}
