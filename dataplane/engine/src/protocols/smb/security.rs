//! Who logs on: the last message of NTLM ([MS-NLMP] 2.2.1.3), wherever it stands in a token.

use memchr::memmem;

use super::utf16;
use crate::record::EventWriter;

/// Writes domain, user and workstation of an authentication; its responses, which are secrets, are not looked at.
pub(super) fn write(token: &[u8], event: &mut EventWriter<'_>) {
    let Some(at) = memmem::find(token, b"NTLMSSP\0\x03\0\0\0") else { return };
    let Some(message) = token.get(at..) else { return };
    let flags = message.get(60..).and_then(<[u8]>::first_chunk).map_or(1, |bytes| u32::from_le_bytes(*bytes));
    event.object("ntlmssp");
    for (name, place) in [("domain", 28), ("user", 36), ("host", 44)] {
        if let Some(bytes) = field(message, place) {
            // NTLMSSP_NEGOTIATE_UNICODE.
            if flags & 1 == 1 {
                event.text(name, utf16(bytes).as_bytes());
            } else {
                event.text(name, bytes);
            }
        }
    }
    event.close();
}

/// The bytes that a length and an offset at a place speak of.
fn field(message: &[u8], place: usize) -> Option<&[u8]> {
    let &[a, b, _, _, c, d, e, f] = message.get(place..)?.first_chunk::<8>()?;
    let start = usize::try_from(u32::from_le_bytes([c, d, e, f])).ok()?;
    let len = usize::from(u16::from_le_bytes([a, b])).min(512);
    message.get(start..start.checked_add(len)?)
}
