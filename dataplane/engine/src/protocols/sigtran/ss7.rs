//! Message transfer part, level 3 (ITU-T Q.704): who sends to whom, and for which user.

use super::{names, sccp};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Writes a label that is spelt out, and what follows (RFC 4666, 3.3.1).
pub(super) fn write_spelt(value: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(value);
    let (Some(opc), Some(dpc), Some(rest)) = (cursor.u32(), cursor.u32(), cursor.array::<4>()) else {
        return;
    };
    let [user, network, _priority, _link] = *rest;
    write(Label { opc, dpc, user, network }, cursor.rest(), event);
}

/// Writes a signal unit: service octet, then the label of ITU-T (Q.704, 2.2).
pub(super) fn write_unit(unit: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(unit);
    let (Some(service), Some(label)) = (cursor.u8(), cursor.u32_le()) else { return };
    let label =
        Label { opc: label >> 14 & 0x3fff, dpc: label & 0x3fff, user: service & 0xf, network: service >> 6 };
    write(label, cursor.rest(), event);
}

#[derive(Clone, Copy, Debug)]
struct Label {
    opc: u32,
    dpc: u32,
    user: u8,
    network: u8,
}

fn write(label: Label, content: &[u8], event: &mut EventWriter<'_>) {
    event.number("opc", label.opc).number("dpc", label.dpc).number("network", label.network);
    event.label("user_part", names::user_part(label.user));
    match (label.user, content) {
        (3, content) => sccp::write(content, event),
        // Calls: circuit, then the kind of message (ITU-T Q.763, 1).
        (5 | 13, [c0, c1, kind, ..]) => {
            event.object("isup").number("circuit", u16::from_le_bytes([*c0, *c1]) & 0xfff);
            event.label("message", names::isup(*kind)).close();
        }
        _ => {}
    }
}
