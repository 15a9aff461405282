//! Distinguished encoding rules (ITU-T X.690), as far as certificates need them.

/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(super) const OBJECT_ID: u8 = 0x06;
/// UTCTime.
pub(super) const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub(super) const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;

/// One element: its tag and its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// The elements that stand one behind the other in a content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next element if it has this tag; else nothing is taken.
    pub(super) fn with_tag(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest.first() != Some(&tag) {
            return None;
        }
        self.next().map(|element| element.content)
    }

    /// The elements of the next one, which is a SEQUENCE.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.with_tag(SEQUENCE).map(Self::new)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    /// Tags of one byte and definite lengths of up to four bytes; anything else ends the walk.
    fn next(&mut self) -> Option<Element<'a>> {
        let ([tag, first], rest) = self.rest.split_first_chunk()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (len, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (digits.iter().fold(0, |len, digit| (len << 8) | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Element { tag: *tag, content })
    }
}

/// Number of significant bits of an INTEGER or of the digits of a key.
pub(super) fn significant_bits(digits: &[u8]) -> u32 {
    let start = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    let digits = digits.get(start..).unwrap_or_default();
    let leading = digits.first().map_or(0, |digit| digit.leading_zeros());
    u32::try_from(digits.len()).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(leading)
}

/// Appends an object identifier in dotted form (X.690 8.19). Arcs of more than 64 bits end it.
pub(super) fn write_oid(oid: &[u8], out: &mut Vec<u8>) {
    let mut arc: u64 = 0;
    let mut is_first = true;
    for byte in oid.iter().take(MAX_OID) {
        if arc >> 57 != 0 {
            return;
        }
        arc = (arc << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if is_first {
            let root = (arc / 40).min(2);
            write_number(root, out);
            arc -= root * 40;
            is_first = false;
        }
        out.push(b'.');
        write_number(arc, out);
        arc = 0;
    }
}

fn write_number(mut value: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(value % 10).unwrap_or_default());
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Bytes of an object identifier that are printed.
const MAX_OID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_come_in_short_and_long_form_and_must_fit() {
        let tags = |bytes| {
            Elements::new(bytes).map(|element| (element.tag, element.content.len())).collect::<Vec<_>>()
        };
        assert_eq!(tags(&[2, 1, 5, 4, 0]), [(2, 1), (4, 0)]);
        assert_eq!(tags(&[4, 0x81, 2, 0, 0]), [(4, 2)]);
        assert_eq!(tags(&[4, 0x82, 0, 1, 9]), [(4, 1)]);
        for bad in [
            &[4, 2, 0][..],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 0],
            &[0x1f, 1, 0],
            &[4, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(tags(bad), [], "{bad:?}");
        }
    }

    #[test]
    fn object_identifiers_are_printed_with_dots() {
        let dotted = |oid: &[u8]| {
            let mut out = Vec::new();
            write_oid(oid, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]), "1.2.840.113549.1.1.11");
        assert_eq!(dotted(&[0x88, 0x37, 3]), "2.999.3");
        assert_eq!(dotted(&[0x55, 4, 3]), "2.5.4.3");
        assert_eq!(dotted(&[0x2a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), "1.2");
    }

    #[test]
    fn bits_do_not_count_leading_zeros() {
        assert_eq!(significant_bits(&[0, 0x80, 0]), 16);
        assert_eq!(significant_bits(&[0, 1]), 1);
        assert_eq!(significant_bits(&[]), 0);
    }
}
