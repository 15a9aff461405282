//! The Huffman code of header fields (RFC 7541, appendix B). It is canonical: lengths of the codes say all.

/// Bits of the code of each byte; that of the end of a string has 30.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];
/// Bits of the longest code, which is also that of the end.
const LONGEST: usize = 30;

/// Codes of one length: the first of them, how many there are, and where their bytes begin.
#[derive(Clone, Copy)]
struct Group {
    first: u32,
    count: u32,
    start: usize,
}

struct Code {
    groups: [Group; LONGEST + 1],
    /// Bytes by length of code, then by value.
    bytes: [u8; 256],
}

static CODE: Code = code();

#[expect(clippy::indexing_slicing, reason = "lengths are at most the longest, and bytes are 256")]
#[expect(clippy::cast_possible_truncation, reason = "a byte's number is below 256")]
const fn code() -> Code {
    let mut code = Code { groups: [Group { first: 0, count: 0, start: 0 }; LONGEST + 1], bytes: [0; 256] };
    let (mut next, mut at, mut len) = (0_u32, 0, 1);
    while len <= LONGEST {
        next <<= 1;
        code.groups[len] = Group { first: next, count: 0, start: at };
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == len {
                code.bytes[at] = byte as u8;
                at += 1;
                next += 1;
                code.groups[len].count += 1;
            }
            byte += 1;
        }
        len += 1;
    }
    code
}

/// Appends the text of a code; false where it is none, or where there would be more than `most` bytes.
pub(super) fn decode(coded: &[u8], most: usize, into: &mut Vec<u8>) -> bool {
    let (mut bits, mut len) = (0_u32, 0_usize);
    for byte in coded {
        for shift in (0..8).rev() {
            bits = bits << 1 | u32::from(byte >> shift & 1);
            len += 1;
            let Some(group) = CODE.groups.get(len) else { return false };
            let place = bits.wrapping_sub(group.first);
            if bits >= group.first && place < group.count {
                let at = usize::try_from(place).map(|place| group.start + place);
                let Some(symbol) = at.ok().and_then(|at| CODE.bytes.get(at)) else { return false };
                if into.len() >= most {
                    return false;
                }
                into.push(*symbol);
                (bits, len) = (0, 0);
            }
        }
    }
    // What is left is the beginning of the end's code: ones, less than a byte of them (5.2).
    len < 8 && bits == (1 << len) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_complete() {
        let share = |len: u8| 1_u64 << (LONGEST - usize::from(len));
        let sum: u64 = LENGTHS.iter().map(|len| share(*len)).sum::<u64>() + 1;
        assert_eq!(sum, 1 << LONGEST);
    }

    #[test]
    fn the_examples_of_the_specification_are_read() {
        // RFC 7541, C.4.1 and C.6.1.
        for (coded, text) in [
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("9d29ad171863c78f0b97c8e9ae82ae43d3", "https://www.example.com"),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ] {
            let digits: Vec<u8> = (0..coded.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&coded[at..at + 2], 16).unwrap())
                .collect();
            let mut out = Vec::new();
            assert!(decode(&digits, 1000, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn wrong_padding_and_too_much_text_are_refused() {
        let mut out = Vec::new();
        // `0` is five zeros: three more are no beginning of the end.
        assert!(!decode(&[0b0000_0000], 10, &mut out));
        assert!(!decode(&[0xff, 0xff, 0xff, 0xff], 10, &mut out));
        out.clear();
        assert!(!decode(&[0xf1, 0xe3, 0xc2], 2, &mut out));
    }
}
