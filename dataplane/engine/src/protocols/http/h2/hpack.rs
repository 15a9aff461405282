//! Field blocks (RFC 7541, 6).

use super::huffman;
use super::table::Table;

/// Bytes of one unpacked text.
const TEXT_MAX: usize = 64 * 1024;
/// Fields of one block; what packs more of them is an attack.
const FIELDS_MAX: usize = 1024;
/// Unpacked bytes of one block.
const BLOCK_MAX: usize = 256 * 1024;

/// Unpacks the blocks of one direction.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub(super) table: Table,
    /// A block was lost or malformed: what follows refers to fields that are not known.
    pub(super) is_lost: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// A block that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Decoder {
    /// Reads a whole block and shows its fields.
    pub(super) fn block(
        &mut self,
        block: &[u8],
        mut show: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Malformed> {
        if self.is_lost {
            return Ok(());
        }
        let mut rest = block;
        let (mut fields, mut size) = (0_usize, 0_usize);
        while let Some((&first, _)) = rest.split_first() {
            let shown = self.field(first, rest);
            let Some((after, has_field)) = shown else {
                self.is_lost = true;
                return Err(Malformed);
            };
            rest = after;
            if has_field {
                fields += 1;
                size = size.saturating_add(self.name.len() + self.value.len());
                if fields > FIELDS_MAX || size > BLOCK_MAX {
                    self.is_lost = true;
                    return Err(Malformed);
                }
                show(&self.name, &self.value);
            }
        }
        Ok(())
    }

    /// Reads one representation into `name` and `value`; gives what follows and whether it was a field.
    fn field<'a>(&mut self, first: u8, bytes: &'a [u8]) -> Option<(&'a [u8], bool)> {
        if first & 0x80 != 0 {
            let (index, rest) = integer(bytes, 7)?;
            self.look_up(index, Looked::Both)?;
            return Some((rest, true));
        }
        if first & 0xe0 == 0x20 {
            let (most, rest) = integer(bytes, 5)?;
            return self.table.resize(most).then_some((rest, false));
        }
        let is_kept = first & 0x40 != 0;
        let (index, rest) = integer(bytes, if is_kept { 6 } else { 4 })?;
        let rest = if index == 0 {
            text(rest, &mut self.name)?
        } else {
            self.look_up(index, Looked::Name)?;
            rest
        };
        let rest = text(rest, &mut self.value)?;
        if is_kept {
            self.table.insert(&self.name, &self.value);
        }
        Some((rest, true))
    }

    fn look_up(&mut self, index: usize, looked: Looked) -> Option<()> {
        let (name, value) = self.table.get(index)?;
        self.name.clear();
        self.name.extend_from_slice(name);
        if looked == Looked::Both {
            self.value.clear();
            self.value.extend_from_slice(value);
        }
        Some(())
    }

    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.is_lost = false;
        self.name.clear();
        self.value.clear();
        self.name.shrink_to(4096);
        self.value.shrink_to(4096);
    }
}

/// What of a field of the table is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    Both,
    Name,
}

/// A number with a prefix of `bits` bits (5.1).
fn integer(bytes: &[u8], bits: u32) -> Option<(usize, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value = value.checked_add(usize::from(byte & 0x7f) << shift)?;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Text as it is or packed (5.2).
fn text<'a>(bytes: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let is_packed = bytes.first()? & 0x80 != 0;
    let (len, rest) = integer(bytes, 7)?;
    let (text, rest) = rest.split_at_checked(len)?;
    into.clear();
    if is_packed {
        huffman::decode(text, TEXT_MAX, into).then_some(rest)
    } else {
        into.extend_from_slice(text);
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        decoder.block(block, |name, value| fields.push((text(name), text(value)))).unwrap();
        fields
    }

    #[test]
    fn the_requests_of_the_specification_are_read_with_what_came_before() {
        // RFC 7541, C.4.
        let mut decoder = Decoder::default();
        let first =
            fields(&mut decoder, b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff");
        assert_eq!(first[3], (":authority".into(), "www.example.com".into()));
        let second = fields(&mut decoder, b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf");
        assert_eq!(
            second[3..],
            [(":authority".into(), "www.example.com".into()), ("cache-control".into(), "no-cache".into())]
        );
        let third = fields(
            &mut decoder,
            b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
        );
        assert_eq!(
            third[3..],
            [(":authority".into(), "www.example.com".into()), ("custom-key".into(), "custom-value".into())]
        );
    }

    #[test]
    fn old_fields_are_forgotten() {
        let mut decoder = Decoder::default();
        // A table of 64 bytes holds one field of four letters.
        fields(&mut decoder, b"\x3f\x21\x40\x02ab\x02cd");
        fields(&mut decoder, b"\x40\x02ef\x02gh");
        assert_eq!(fields(&mut decoder, b"\xbe"), [("ef".into(), "gh".into())]);
        assert!(decoder.block(b"\xbf", |_, _| {}).is_err() && decoder.is_lost);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)) {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = decoder.block(&block, |_, _| {});
            }
        }
    }
}
