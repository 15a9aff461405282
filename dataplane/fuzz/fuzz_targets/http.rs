//! The HTTP parser on any bytes, cut anywhere: it never panics and consumes only what it was shown.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::read(&engine::protocols::http::HTTP, input));
