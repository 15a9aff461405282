//! Looking for secrets in the memory of a process: what was wiped is nowhere in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes to look for. They are kept masked, so that looking through one's own memory does not find them here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle(Vec<u8>);

impl Needle {
    /// The needle for these bytes, at least 16: fewer are anywhere by chance.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        assert!(bytes.len() >= 16, "{} bytes are anywhere by chance", bytes.len());
        Self(bytes.iter().map(|byte| byte ^ MASK).collect())
    }

    fn is_at(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len() && self.0.iter().zip(bytes).all(|(masked, byte)| masked ^ MASK == *byte)
    }
}

/// Places in the memory of a process where one of the needles is: in everything that it may write to.
///
/// # Errors
/// Where its memory may not be read (root may), or it is gone.
pub fn copies(pid: u32, needles: &[Needle]) -> io::Result<usize> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut begins = [false; 256];
    for needle in needles {
        if let Some(place) = needle.0.first().and_then(|first| begins.get_mut(usize::from(first ^ MASK))) {
            *place = true;
        }
    }
    let longest = needles.iter().map(|needle| needle.0.len()).max().unwrap_or(0);
    let mut bytes = vec![0; CHUNK + longest];
    let mut found = 0;
    for (from, to) in maps.lines().filter_map(writable) {
        let mut at = from;
        while at < to {
            // A needle may lie across two chunks: as many bytes of the next one are read as it may have.
            let wanted = usize::try_from(to - at).map_or(bytes.len(), |left| left.min(bytes.len()));
            // Some mappings, those of devices, cannot be read.
            let count = bytes.get_mut(..wanted).map_or(0, |room| memory.read_at(room, at).unwrap_or(0));
            let read = bytes.get(..count).unwrap_or_default();
            let heads = read.iter().take(CHUNK).enumerate();
            let candidates = heads.filter(|(_, byte)| begins.get(usize::from(**byte)) == Some(&true));
            for (place, _) in candidates {
                let rest = read.get(place..).unwrap_or_default();
                found += needles.iter().filter(|needle| needle.is_at(rest)).count();
            }
            at += CHUNK as u64;
        }
    }
    Ok(found)
}

/// The addresses of a line of `/proc/PID/maps`, where the process may write there.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    rest.starts_with("rw").then_some((address(from)?, address(to)?))
}

const MASK: u8 = 0xA5;
const CHUNK: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn made(seed: u8) -> Vec<u8> {
        (0..32_u8).map(|at| seed.wrapping_mul(31) ^ at.wrapping_mul(41)).collect()
    }

    #[test]
    fn what_is_in_memory_is_found_and_what_was_overwritten_is_not() {
        let (kept, mut wiped) = (std::hint::black_box(made(7)), std::hint::black_box(made(9)));
        let needles = [Needle::of(&kept), Needle::of(&wiped)];
        let own = std::process::id();
        assert!(copies(own, &needles[..1]).unwrap() > 0);
        wiped.fill(0);
        std::hint::black_box(&wiped);
        // What `made` left where it computed goes with the next that is computed there.
        std::hint::black_box(made(11));
        assert_eq!(copies(own, &needles[1..]).unwrap(), 0);
        drop(kept);
    }

    #[test]
    #[should_panic(expected = "anywhere by chance")]
    fn a_needle_of_a_few_bytes_is_refused() {
        let _ = Needle::of(&[1, 2, 3]);
    }
}
