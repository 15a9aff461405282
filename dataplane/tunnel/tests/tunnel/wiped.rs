//! Keys that are gone are gone: the memory of this very process is searched for them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use tunnel::{Aead, Aes256Gcm, AwsLc, Carrier, InboundSa, OutboundSa, SaKey, Version};

use crate::support::{NOW, inbound, outbound, path};

/// Byte `at` of the key of a seed. It is computed wherever it is needed: a copy to compare with would be found.
fn byte(seed: u64, at: usize) -> u8 {
    let mixed = (seed + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 29) as u8
}

fn key(seed: u64) -> SaKey {
    SaKey::fill(|material| {
        for (at, place) in material.iter_mut().enumerate() {
            *place = byte(seed, at);
        }
        Ok::<(), ()>(())
    })
    .unwrap()
}

/// How often 16 bytes of either half of a key lie in writable memory; `None` where it cannot be read.
fn copies(seed: u64) -> Option<usize> {
    let mut memory = File::open("/proc/self/mem").ok()?;
    let mut chunk = vec![0; 1 << 16];
    let mut found = 0;
    for line in BufReader::new(File::open("/proc/self/maps").ok()?).lines() {
        let line = line.ok()?;
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        if !rights.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let (mut at, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
        while at < end {
            let len = chunk.len().min(usize::try_from(end - at).ok()?);
            memory.seek(SeekFrom::Start(at)).ok()?;
            if memory.read_exact(&mut chunk[..len]).is_err() {
                break;
            }
            let own = chunk.as_ptr() as u64;
            for half in [0, 16] {
                found += chunk[..len]
                    .windows(16)
                    .enumerate()
                    // The chunk itself is memory, too.
                    .filter(|(place, _)| !(own..own + (1 << 16)).contains(&(at + *place as u64)))
                    .filter(|(_, window)| (0..16).all(|at| window[at] == byte(seed, half + at)))
                    .count();
            }
            chunk.fill(0);
            // Chunks overlap by what one of them alone would cut.
            at += if len < chunk.len() { len as u64 } else { (len - 15) as u64 };
        }
    }
    Some(found)
}

fn is_wiped<A: Aead>(seed: u64) {
    let config = outbound(path(Version::V4, Carrier::Ip));
    let receiver = InboundSa::<A>::new(key(seed), inbound(&config)).unwrap();
    let sender = OutboundSa::<A>::new(key(seed), config, NOW).unwrap();
    let Some(alive) = copies(seed) else {
        println!("skipped: /proc/self/mem cannot be read");
        return;
    };
    assert!(alive >= 2, "{alive}: the search finds what is there");
    drop((receiver, sender));
    assert_eq!(copies(seed), Some(0));
}

#[test]
fn no_copy_of_a_key_is_left_when_its_sas_are_gone() {
    is_wiped::<Aes256Gcm>(0x1111_2222);
    is_wiped::<AwsLc>(0x3333_4444);
}
