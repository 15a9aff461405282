//! Any frame of any link layer is parsed, within its bounds, and the same way twice. The first byte chooses the link
//! layer, the second the options, the third what the snap length cut off; the rest is the frame.

#![no_main]

use wire::{Checksums, Headers, LinkType, ParseOptions};

/// One number of each link layer that is read.
const LINKS: [u16; 10] = [1, 0, 9, 50, 101, 105, 108, 113, 127, 276];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&[link, options, cut], frame)) = input.split_first_chunk::<3>() else { return };
    let Some(link) = LinkType::from_linktype(LINKS[usize::from(link) % LINKS.len()]) else { return };
    let options = ParseOptions {
        tunnel_depth: options & 7,
        key_vlan: options & 8 != 0,
        key_tunnel: options & 16 != 0,
        checksums: if options & 32 != 0 { Checksums::Enforce } else { Checksums::Ignore },
    };
    let captured = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let wire_len = captured.saturating_add(u32::from(cut));
    let mut headers = Headers::default();
    let result = headers.parse(frame, wire_len, link, &options);
    let mut again = Headers::default();
    assert_eq!((again.parse(frame, wire_len, link, &options), again), (result, headers));
    if result.is_err() {
        return;
    }
    assert!(headers.network_offset <= captured);
    assert!(headers.transport_offset <= captured);
    assert!(u64::from(headers.payload_offset) + u64::from(headers.payload_len) <= u64::from(captured));
    assert!(headers.payload_len <= headers.payload_wire_len);
    assert!(headers.tunnel.depth <= options.tunnel_depth);
    if let Some(fragment) = headers.fragment {
        assert!(u64::from(fragment.data_offset) + u64::from(fragment.data_len) <= u64::from(captured));
    }
});
