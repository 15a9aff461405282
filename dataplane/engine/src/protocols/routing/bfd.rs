//! Bidirectional forwarding detection (RFC 5880, 4).

use super::Routing;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

#[derive(Debug, Default)]
pub(super) struct Bfd;

impl Routing for Bfd {
    const NAME: &'static str = "bfd";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        // Version 1, and the length of its own.
        let [first, _, _, len, ..] = *bytes else { return None };
        (first >> 5 == 1 && (24..=bytes.len()).contains(&usize::from(len))).then_some(())?;
        // The sequence number of an authenticated packet is always new.
        Some((0, bytes.get(..24)?))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let (first, second, multiplier, _) = (cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?);
        event.label(
            "state",
            match second >> 6 {
                0 => "admin_down",
                1 => "down",
                2 => "init",
                _ => "up",
            },
        );
        event.label(
            "diagnostic",
            match first & 0x1f {
                0 => "none",
                1 => "detection_time_expired",
                2 => "echo_failed",
                3 => "neighbour_signalled_down",
                4 => "forwarding_plane_reset",
                5 => "path_down",
                6 => "concatenated_path_down",
                7 => "administratively_down",
                8 => "reverse_path_down",
                _ => "unknown",
            },
        );
        event.number("multiplier", multiplier).number("my_discriminator", cursor.u32()?);
        event.number("your_discriminator", cursor.u32()?).number("transmit_interval_us", cursor.u32()?);
        event.number("receive_interval_us", cursor.u32()?).number("echo_interval_us", cursor.u32()?);
        let authentication = match (second & 4 != 0, cursor.u8()) {
            (false, _) => "none",
            (true, Some(1)) => "password",
            (true, Some(2 | 3)) => "md5",
            (true, Some(4 | 5)) => "sha1",
            (true, _) => "unknown",
        };
        event.label("authentication", authentication);
        Some(())
    }
}
