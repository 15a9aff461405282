//! Payloads that are nobody's.

use sample::random::Random;

/// A way to make payloads that say nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    pub name: &'static str,
    pub make: fn(&mut Random) -> Vec<u8>,
}

/// Bytes without any order, and such behind a header that many encrypted protocols have.
pub(crate) const SEALED: &[Noise] = &[
    Noise { name: "random", make: random },
    Noise { name: "short random", make: short },
    Noise { name: "length of two bytes", make: length16 },
    Noise { name: "length of two bytes, little endian", make: length16_little },
    Noise { name: "length of four bytes", make: length32 },
    Noise { name: "length of four bytes, little endian", make: length32_little },
    Noise { name: "kind and length", make: kind_and_length },
    Noise { name: "counter", make: counter },
    Noise { name: "counter, little endian", make: counter_little },
    Noise { name: "zeros, then random", make: zeros },
    Noise { name: "small words", make: small_words },
];

/// Text that means nothing to a machine.
pub(crate) const TEXT: &[Noise] = &[
    Noise { name: "characters", make: characters },
    Noise { name: "words", make: words },
    Noise { name: "lines", make: lines },
    Noise { name: "names and values", make: names_and_values },
    Noise { name: "JSON", make: json },
    Noise { name: "XML", make: xml },
    Noise { name: "base64", make: base64 },
    Noise { name: "hexadecimal", make: hexadecimal },
    Noise { name: "numbers", make: numbers },
    Noise { name: "question and answer", make: request_like },
];

fn len(dice: &mut Random) -> usize {
    let longest = if dice.below(2) == 0 { 128 } else { 1400 };
    dice.below(longest) as usize + 1
}

fn random(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    dice.bytes(len)
}

fn short(dice: &mut Random) -> Vec<u8> {
    let len = dice.below(24) as usize + 1;
    dice.bytes(len)
}

fn headed(header: &[u8], dice: &mut Random, len: usize) -> Vec<u8> {
    [header, &dice.bytes(len)].concat()
}

fn length16(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    // Some count themselves.
    let said = len as u16 + 2 * dice.below(2) as u16;
    headed(&said.to_be_bytes(), dice, len)
}

fn length16_little(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    let said = len as u16 + 2 * dice.below(2) as u16;
    headed(&said.to_le_bytes(), dice, len)
}

fn length32(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    let said = len as u32 + 4 * dice.below(2);
    headed(&said.to_be_bytes(), dice, len)
}

fn length32_little(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    let said = len as u32 + 4 * dice.below(2);
    headed(&said.to_le_bytes(), dice, len)
}

fn kind_and_length(dice: &mut Random) -> Vec<u8> {
    let (kind, len) = (dice.below(64) as u8, len(dice));
    let [high, low] = (len as u16).to_be_bytes();
    headed(&[kind, high, low], dice, len)
}

fn counter(dice: &mut Random) -> Vec<u8> {
    let (count, len) = (dice.below(4096), len(dice));
    headed(&count.to_be_bytes(), dice, len)
}

fn counter_little(dice: &mut Random) -> Vec<u8> {
    let (count, len) = (u64::from(dice.below(4096)), len(dice));
    headed(&count.to_le_bytes(), dice, len)
}

fn zeros(dice: &mut Random) -> Vec<u8> {
    let (zeros, len) = (dice.below(16) as usize + 1, len(dice));
    headed(&vec![0; zeros], dice, len)
}

/// Numbers below 16 in fields of one, two or four bytes: what headers of binary protocols look like.
fn small_words(dice: &mut Random) -> Vec<u8> {
    let mut payload = Vec::new();
    for _ in 0..dice.below(24) + 2 {
        let value = dice.below(16);
        match dice.below(4) {
            0 => payload.push(value as u8),
            1 => payload.extend_from_slice(&(value as u16).to_be_bytes()),
            2 => payload.extend_from_slice(&(value as u16).to_le_bytes()),
            _ => payload.extend_from_slice(&value.to_be_bytes()),
        }
    }
    payload
}

fn of(dice: &mut Random, letters: &[u8], len: usize) -> Vec<u8> {
    (0..len).map(|_| letters[dice.below(letters.len() as u32) as usize]).collect()
}

fn characters(dice: &mut Random) -> Vec<u8> {
    let len = len(dice);
    (0..len).map(|_| b' ' + dice.below(95) as u8).collect()
}

fn word(dice: &mut Random) -> Vec<u8> {
    let len = dice.below(9) as usize + 1;
    of(dice, b"etaoinshrdlucmfwypvbgkjqxz", len)
}

fn words(dice: &mut Random) -> Vec<u8> {
    let count = dice.below(60) + 1;
    let words: Vec<Vec<u8>> = (0..count).map(|_| word(dice)).collect();
    words.join(&b' ')
}

fn lines(dice: &mut Random) -> Vec<u8> {
    let end: &[u8] = if dice.below(2) == 0 { b"\r\n" } else { b"\n" };
    (0..dice.below(12) + 1).flat_map(|_| [&words(dice), end].concat()).collect()
}

fn names_and_values(dice: &mut Random) -> Vec<u8> {
    let between: &[u8] = [&b": "[..], b"=", b" = ", b"\t"][dice.below(4) as usize];
    (0..dice.below(12) + 1).flat_map(|_| [&word(dice), between, &word(dice), b"\n"].concat()).collect()
}

fn json(dice: &mut Random) -> Vec<u8> {
    let members: Vec<Vec<u8>> = (0..dice.below(12) + 1)
        .map(|_| match dice.below(2) {
            0 => [&b"\""[..], &word(dice), b"\": ", dice.below(100_000).to_string().as_bytes()].concat(),
            _ => [&b"\""[..], &word(dice), b"\":\"", &word(dice), b"\""].concat(),
        })
        .collect();
    [b"{", &members.join(&b", "[..])[..], b"}"].concat()
}

fn xml(dice: &mut Random) -> Vec<u8> {
    let root = word(dice);
    let members = (0..dice.below(8) + 1).flat_map(|_| {
        let name = word(dice);
        [b"<", &name[..], b">", &word(dice), b"</", &name, b">"].concat()
    });
    let members: Vec<u8> = members.collect();
    [b"<", &root[..], b">", &members, b"</", &root, b">"].concat()
}

fn base64(dice: &mut Random) -> Vec<u8> {
    let len = len(dice) / 4 * 4 + 4;
    of(dice, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", len)
}

fn hexadecimal(dice: &mut Random) -> Vec<u8> {
    let len = len(dice) / 2 * 2 + 2;
    of(dice, b"0123456789abcdef", len)
}

fn numbers(dice: &mut Random) -> Vec<u8> {
    let between: &[u8] = [&b","[..], b";", b" ", b"\n"][dice.below(4) as usize];
    let numbers: Vec<Vec<u8>> =
        (0..dice.below(40) + 1).map(|_| dice.below(1 << 20).to_string().into_bytes()).collect();
    numbers.join(between)
}

/// A verb, an object, a line end: like many text protocols, and none of them.
fn request_like(dice: &mut Random) -> Vec<u8> {
    let verb = word(dice).to_ascii_uppercase();
    let verb = if verb.len() < 3 { [&verb[..], b"QZX"].concat() } else { verb };
    [&verb[..], b" ", &word(dice), b"/", &word(dice), b"\r\n", &lines(dice)].concat()
}
