//! VRRP, versions 2 and 3 (RFC 3768, 5; RFC 9568, 5).

use super::{Routing, address};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Addresses that are written.
const ADDRESSES_MAX: u8 = 16;
/// Bytes of a message of CARP.
const CARP_LEN: usize = 36;

#[derive(Debug, Default)]
pub(super) struct Vrrp;

impl Routing for Vrrp {
    const NAME: &'static str = "vrrp";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        // Several routers may be in one flow: each is one of its own.
        let [0x21 | 0x31, router, ..] = *bytes else { return None };
        Some((router, bytes.get(..8)?))
    }

    /// CARP has the number of VRRP (OpenBSD, ip_carp.h): where VRRP counts addresses it has how many words of a counter
    /// and a digest follow, always seven. Seven addresses are longer.
    fn another(bytes: &[u8]) -> Option<&'static str> {
        matches!(bytes, [0x21, _, _, 7, ..] if bytes.len() == CARP_LEN).then_some("carp")
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let (first, router, priority, count) = (cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?);
        event.number("version", first >> 4).number("router", router).number("priority", priority);
        if first >> 4 == 2 {
            let authentication = match cursor.u8()? {
                0 => "none",
                1 => "password",
                2 => "header",
                _ => "unknown",
            };
            event.number("interval_s", cursor.u8()?).label("authentication", authentication);
        } else {
            event.number("interval_cs", cursor.u16()? & 0xfff);
        }
        cursor.u16()?;
        let has_v6 = first >> 4 == 3 && cursor.len() >= usize::from(count) * 16 && count > 0;
        event.list("addresses");
        for _ in 0..count.min(ADDRESSES_MAX) {
            if has_v6 {
                let bytes = *cursor.array::<16>()?;
                event.datum("", crate::record::Datum::Ip(core::net::Ipv6Addr::from(bytes).into()));
            } else {
                address("", *cursor.array()?, event);
            }
        }
        event.close();
        Some(())
    }
}
