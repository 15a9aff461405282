//! What clients and servers say: bytes of application protocols.

pub mod dns;
pub mod http;
pub mod modbus;
pub mod ssh;
pub mod tls;

/// Appends what `body` writes, after its length in `N` bytes (1 to 4), big-endian.
fn with_length<const N: usize>(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; N]);
    body(out);
    // Everything made here is shorter than 16 KiB.
    let length = u32::try_from(out.len() - start - N).unwrap_or(u32::MAX).to_be_bytes();
    if let (Some(place), Some(bytes)) = (out.get_mut(start..start + N), length.get(4 - N..)) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_what_follows_it() {
        let mut out = vec![9];
        with_length::<3>(&mut out, |out| with_length::<1>(out, |out| out.extend_from_slice(b"ab")));
        assert_eq!(out, [9, 0, 0, 3, 2, b'a', b'b']);
    }
}
