#![expect(unsafe_code, reason = "instructions that not every processor has")]

use core::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_extract_epi64, _mm_set_epi64x, _mm_set1_epi8,
    _mm_xor_si128,
};
use core::arch::x86_64::{
    __m512i, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_castsi512_si128, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_xor_si512,
};

/// How fast this processor can do nothing but the rounds of AES-256: no counter, no hash, no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortBound {
    /// AESENC on one block.
    Block,
    /// VAESENC on four blocks.
    FourBlocks,
}

/// Runs the 14 rounds of AES-256 over `blocks` blocks (rounded up to 32) in registers, as many side by side as hide the
/// latency; gives something that depends on all of them, or `None` where the processor has no such instruction.
#[must_use]
pub fn port_bound(kind: PortBound, blocks: u64) -> Option<u64> {
    match kind {
        PortBound::Block if std::arch::is_x86_feature_detected!("aes") => {
            // SAFETY: the instructions were just seen to be there.
            Some(unsafe { one_at_a_time(blocks) })
        }
        PortBound::FourBlocks
            if std::arch::is_x86_feature_detected!("vaes")
                && std::arch::is_x86_feature_detected!("avx512f") =>
        {
            // SAFETY: the instructions were just seen to be there.
            Some(unsafe { four_at_a_time(blocks) })
        }
        PortBound::Block | PortBound::FourBlocks => None,
    }
}

const ROUNDS: usize = 13;
const LANES: usize = 8;

#[target_feature(enable = "aes,sse4.1")]
fn one_at_a_time(blocks: u64) -> u64 {
    let round = _mm_set1_epi8(0x5a);
    // Lanes that start alike would stay alike, and a compiler may see that.
    let mut lanes = [0, 1, 2, 3, 4, 5, 6, 7].map(|lane| _mm_set_epi64x(lane, 2));
    for _ in 0..blocks.div_ceil(LANES as u64) {
        for _ in 0..ROUNDS {
            for lane in &mut lanes {
                *lane = _mm_aesenc_si128(*lane, round);
            }
        }
        for lane in &mut lanes {
            *lane = _mm_aesenclast_si128(*lane, round);
        }
    }
    let all: __m128i = lanes.into_iter().fold(round, |all, lane| _mm_xor_si128(all, lane));
    _mm_extract_epi64::<0>(all).cast_unsigned()
}

#[target_feature(enable = "vaes,avx512f,sse4.1")]
fn four_at_a_time(blocks: u64) -> u64 {
    let round = _mm512_set1_epi8(0x5a);
    let mut lanes = [0, 1, 2, 3, 4, 5, 6, 7].map(|lane| _mm512_set1_epi32(lane));
    for _ in 0..blocks.div_ceil(LANES as u64 * 4) {
        for _ in 0..ROUNDS {
            for lane in &mut lanes {
                *lane = _mm512_aesenc_epi128(*lane, round);
            }
        }
        for lane in &mut lanes {
            *lane = _mm512_aesenclast_epi128(*lane, round);
        }
    }
    let all: __m512i = lanes.into_iter().fold(round, |all, lane| _mm512_xor_si512(all, lane));
    _mm_extract_epi64::<0>(_mm512_castsi512_si128(all)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_blocks_give_another_answer() {
        for kind in [PortBound::Block, PortBound::FourBlocks] {
            let Some(short) = port_bound(kind, 32) else { continue };
            assert_ne!(port_bound(kind, 64), Some(short));
        }
    }
}
