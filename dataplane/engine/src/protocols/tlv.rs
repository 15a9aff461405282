//! Elements of the basic encoding rules (ITU-T X.690) as OSI's upper layers and substations use them: tag numbers above
//! 30, and elements of which the end was not kept.

/// An element: its tag's bytes as a number (0xa2, or 0xbf48 for number 72), and its content as far as it is there.
pub(super) type Element<'a> = (u16, &'a [u8]);

/// Elements that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    is_cut: bool,
}

impl<'a> Elements<'a> {
    pub(in crate::protocols) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, is_cut: false }
    }

    /// Whether an element ended beyond the bytes, or was none.
    pub(in crate::protocols) const fn is_cut(&self) -> bool {
        self.is_cut || !self.rest.is_empty()
    }

    /// Content of the first of the elements from here on that has this tag.
    pub(in crate::protocols) fn of(mut self, tag: u16) -> Option<&'a [u8]> {
        self.find_map(|(other, content)| (other == tag).then_some(content))
    }

    fn read(&mut self) -> Option<Element<'a>> {
        let (&first, mut rest) = self.rest.split_first()?;
        let mut tag = u16::from(first);
        if first & 0x1f == 0x1f {
            let (&number, after) = rest.split_first()?;
            if number & 0x80 != 0 {
                return None;
            }
            tag = tag << 8 | u16::from(number);
            rest = after;
        }
        let (&length, mut rest) = rest.split_first()?;
        let length = match length {
            0..=0x7f => usize::from(length),
            0x81..=0x83 => {
                let (digits, after) = rest.split_at_checked(usize::from(length & 0x7f))?;
                rest = after;
                digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
            }
            _ => return None,
        };
        self.is_cut |= length > rest.len();
        let (content, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.rest = rest;
        Some((tag, content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = self.read();
        if element.is_none() && !self.rest.is_empty() {
            self.is_cut = true;
            self.rest = &[];
        }
        element
    }
}

/// Value of an INTEGER that is not negative and below 2^32.
pub(super) fn unsigned(content: &[u8]) -> Option<u32> {
    let digits = content.strip_prefix(&[0]).unwrap_or(content);
    let is_small = !content.is_empty() && digits.len() <= 4 && content.first()? & 0x80 == 0;
    is_small.then(|| digits.iter().fold(0, |value, digit| value << 8 | u32::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_lengths_of_several_bytes_are_read() {
        let mut elements = Elements::new(&[0xbf, 0x48, 3, 1, 2, 3, 0x9f, 0x49, 0x81, 1, 7, 0xa0, 0]);
        assert_eq!(elements.next(), Some((0xbf48, &[1, 2, 3][..])));
        assert_eq!(elements.next(), Some((0x9f49, &[7][..])));
        assert!(elements.is_cut());
        assert_eq!(elements.next(), Some((0xa0, &[][..])));
        assert!(!elements.is_cut() && elements.next().is_none());
    }

    #[test]
    fn what_ends_too_early_is_given_as_far_as_it_is_there() {
        let mut elements = Elements::new(&[0xa0, 5, 1, 2]);
        assert_eq!(elements.next(), Some((0xa0, &[1, 2][..])));
        assert!(elements.is_cut());
        for wrong in [&[0x30, 0x80][..], &[0x30], &[0xbf, 0x81, 0], &[0x30, 0x82, 1], &[0x1f]] {
            let mut elements = Elements::new(wrong);
            assert!(elements.next().is_none() && elements.is_cut(), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_are_below_two_to_the_thirty_second() {
        assert_eq!(unsigned(&[0, 0xff, 0, 0, 1]), Some(0xff00_0001));
        assert_eq!((unsigned(&[]), unsigned(&[0x80]), unsigned(&[1, 0, 0, 0, 0])), (None, None, None));
    }
}
