//! Congestion marks across a tunnel (RFC 6040) and the class of the outer packet (RFC 2983).

/// What the ECN field of an outer header is made of (RFC 6040, 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EcnMode {
    /// The inner field: routers on the way may mark.
    #[default]
    Normal,
    /// Zero, for a far end that loses marks when it opens.
    Compatibility,
}

/// What the DSCP of an outer header is made of (RFC 2983).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DscpMode {
    /// The inner one: the network treats the packet as it would have, and can see its class.
    #[default]
    Copy,
    /// Always this one, 0 to 63: says nothing about what is inside.
    Fixed(u8),
}

/// The outer traffic class for an inner one.
#[inline]
pub(crate) const fn outer_class(inner: u8, dscp: DscpMode, ecn: EcnMode) -> u8 {
    let high = match dscp {
        DscpMode::Copy => inner & !ECN,
        DscpMode::Fixed(value) => value << 2,
    };
    match ecn {
        EcnMode::Normal => high | inner & ECN,
        EcnMode::Compatibility => high,
    }
}

/// The ECN field of a packet that leaves the tunnel (RFC 6040, figure 4); `None`: drop it, since its sender does not
/// know marks and this was one.
#[inline]
pub(crate) const fn leaving(inner: u8, outer: u8) -> Option<u8> {
    match (inner & ECN, outer & ECN) {
        (NOT_ECT, CE) => None,
        (ECT_0 | ECT_1, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}

pub(crate) const ECN: u8 = 0b11;
const NOT_ECT: u8 = 0b00;
const ECT_1: u8 = 0b01;
const ECT_0: u8 = 0b10;
const CE: u8 = 0b11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_and_nothing_else_changes_but_ect_1() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE; columns: outer Not-ECT, ECT(0), ECT(1), CE (RFC 6040, figure 4).
        let order = [NOT_ECT, ECT_0, ECT_1, CE];
        let figure = [
            [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None],
            [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)],
            [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)],
            [Some(CE), Some(CE), Some(CE), Some(CE)],
        ];
        for (inner, row) in order.into_iter().zip(figure) {
            for (outer, left) in order.into_iter().zip(row) {
                assert_eq!(leaving(inner, outer), left, "inner {inner:02b}, outer {outer:02b}");
            }
        }
    }

    #[test]
    fn the_outer_class_is_copied_or_fixed() {
        assert_eq!(outer_class(0xba, DscpMode::Copy, EcnMode::Normal), 0xba);
        assert_eq!(outer_class(0xba, DscpMode::Copy, EcnMode::Compatibility), 0xb8);
        assert_eq!(outer_class(0xba, DscpMode::Fixed(8), EcnMode::Normal), 0x22);
    }
}
