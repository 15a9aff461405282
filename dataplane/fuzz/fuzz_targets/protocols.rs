//! Every parser and probe there is on any bytes, cut anywhere. The first two bytes choose the protocol.

#![no_main]

use engine::protocols::ALL;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first_chunk::<2>() else { return };
    if let Some(protocol) = ALL.get(usize::from(u16::from_be_bytes(choice)) % ALL.len()) {
        fuzz::read(protocol, bytes);
    }
});
