//! Signatures of protocols that do not exist, of the kinds that real ones are: how a cost grows with their number.

/// Path and text of `count` signature files, with a signature each.
pub fn signatures(count: u32) -> impl Iterator<Item = (String, String)> {
    (0..count).map(file)
}

/// Path and text of a signature file by its number.
#[must_use]
pub fn file(number: u32) -> (String, String) {
    // Odd, so that no two numbers share a tag.
    let tag = number.wrapping_mul(0x9e37_79b1) ^ 0x5a5a_0000;
    let word: String = (0..8).map(|at| letter(tag.rotate_left(at * 5))).collect();
    let (carriers, rule, sample) = match number % 4 {
        // A tag, the length of the rest, a kind.
        0 => (
            "udp",
            format!("checks = ['u32be(0) == {tag} && u16be(4) + 6 == len && u8(6) in 1..=9']"),
            format!("hex = \"{tag:08x} 0004 01 000000\""),
        ),
        // A greeting.
        1 => (
            "tcp",
            format!("pattern = '^{word} [a-z]+/[0-9]\\.[0-9]'"),
            format!("text = \"{word} name/1.0\""),
        ),
        // Fixed bytes and a length.
        2 => (
            "tcp",
            format!("hex = \"{tag:08x}\"\nchecks = ['u32be(4) + 8 == len']"),
            format!("hex = \"{tag:08x} 00000002 0000\""),
        ),
        // A word somewhere near the start.
        _ => (
            "tcp",
            format!("pattern = '<{word}[ >]'\ndepth = 128"),
            format!("text = \"<?xml version='1.0'?><{word}>\""),
        ),
    };
    let text = format!(
        "id = \"invented_{number}\"\ntitle = \"Invented {number}\"\nfamily = \"network\"\nexposure = \"cleartext\"\n\
         source = \"invented for a benchmark\"\ncarriers = [\"{carriers}\"]\n\n[[signature]]\nname = \"message\"\n{rule}\n\
         confidence = 90\n\n[[sample]]\n{sample}\ndirection = \"to_server\"\nmatch = true\n\n[[sample]]\n\
         hex = \"00 01 02 03 04 05 06 07\"\ndirection = \"to_server\"\nmatch = false\n"
    );
    (format!("network/invented_{number}.toml"), text)
}

fn letter(number: u32) -> char {
    u8::try_from(number % 26).map_or('a', |at| char::from(b'a' + at))
}
