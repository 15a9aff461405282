//! Text that is in another character set, or that must not be kept.

use crate::record::EventWriter;

/// A name of which the first letter and whether there is more is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::protocols) struct Masked {
    first: Option<u8>,
    has_more: bool,
}

impl Masked {
    /// Takes the next byte of the name.
    pub(in crate::protocols) const fn push(&mut self, byte: u8) {
        if self.first.is_none() {
            self.first = Some(byte);
        } else {
            self.has_more = true;
        }
    }

    /// A name masked.
    pub(in crate::protocols) fn of(name: &[u8]) -> Self {
        Self { first: name.first().copied(), has_more: name.len() > 1 }
    }

    /// Writes "r***", where there is a name.
    pub(in crate::protocols) fn write(self, name: &'static str, event: &mut EventWriter<'_>) {
        if let Some(first) = self.first {
            let masked = [first, b'*', b'*', b'*'];
            event.text(name, if self.has_more { &masked } else { masked.get(..1).unwrap_or_default() });
        }
    }
}

/// The ASCII character of an EBCDIC one (code page 037), of those that differ least between countries; 0 for others.
pub(in crate::protocols) const fn from_ebcdic(byte: u8) -> u8 {
    match byte {
        0x40 => b' ',
        0x81..=0x89 => byte - 0x81 + b'a',
        0x91..=0x99 => byte - 0x91 + b'j',
        0xa2..=0xa9 => byte - 0xa2 + b's',
        0xc1..=0xc9 => byte - 0xc1 + b'A',
        0xd1..=0xd9 => byte - 0xd1 + b'J',
        0xe2..=0xe9 => byte - 0xe2 + b'S',
        0xf0..=0xf9 => byte - 0xf0 + b'0',
        0x4b => b'.',
        0x4c => b'<',
        0x4d => b'(',
        0x4e => b'+',
        0x50 => b'&',
        0x5a => b'!',
        0x5b => b'$',
        0x5c => b'*',
        0x5d => b')',
        0x5e => b';',
        0x60 => b'-',
        0x61 => b'/',
        0x6b => b',',
        0x6c => b'%',
        0x6d => b'_',
        0x6e => b'>',
        0x6f => b'?',
        0x7a => b':',
        0x7b => b'#',
        0x7c => b'@',
        0x7d => b'\'',
        0x7e => b'=',
        0x7f => b'"',
        _ => 0,
    }
}

/// Appends a number in decimal digits, as far as there is room.
pub(in crate::protocols) fn push_decimal<const N: usize>(
    mut number: u32,
    text: &mut arrayvec::ArrayVec<u8, N>,
) {
    let mut digits = arrayvec::ArrayVec::<u8, 10>::new();
    loop {
        let digit = u8::try_from(number % 10).unwrap_or_default();
        let _ = digits.try_push(b'0' + digit);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    for digit in digits.iter().rev() {
        let _ = text.try_push(*digit);
    }
}
