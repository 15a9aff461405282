//! Any bytes as a capture file: every packet that is given lies within the limit, errors say where, and it ends.

#![no_main]

use packet_io::replay::CaptureReader;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut reader = CaptureReader::new(input);
    // Every packet and every error takes input, so that there are never more of them than bytes. What is packed may
    // hold more: it is read for a while.
    for _ in 0..input.len().max(4096) * 4 {
        match reader.next() {
            Ok(Some(packet)) => {
                assert!(packet.bytes.len() <= 1 << 20);
                assert!(packet.meta.wire_len as usize >= packet.bytes.len());
            }
            Ok(None) => return,
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
