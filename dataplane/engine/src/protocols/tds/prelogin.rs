//! PRELOGIN (MS-TDS 2.2.6.5): options, each with its place and length, then their values.

use crate::protocols::framed::Cursor;

/// What a side says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prelogin<'a> {
    /// Major, minor and build.
    pub(super) version: Option<(u8, u8, u16)>,
    pub(super) encryption: Option<u8>,
    pub(super) instance: &'a [u8],
    pub(super) multiple_results: bool,
    pub(super) federated: bool,
}

/// Options (2.2.6.5): VERSION to NONCEOPT.
const LAST_OPTION: u8 = 7;

impl<'a> Prelogin<'a> {
    /// Reads a packet's data: the options end with 0xff, the first of them is the version, and their values are there.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let mut prelogin = Self::default();
        let mut options = 0_u8;
        loop {
            let option = cursor.u8()?;
            if option == 0xff {
                break;
            }
            if option > LAST_OPTION || (options == 0) != (option == 0) || options > LAST_OPTION {
                return None;
            }
            options += 1;
            let (offset, len) = (usize::from(cursor.u16()?), usize::from(cursor.u16()?));
            let value = body.get(offset..offset.checked_add(len)?)?;
            match (option, value) {
                (0, [major, minor, high, low, ..]) => {
                    prelogin.version = Some((*major, *minor, u16::from_be_bytes([*high, *low])));
                }
                (0, _) => return None,
                (1, [encryption, ..]) => prelogin.encryption = Some(*encryption),
                (2, text) => prelogin.instance = text.split(|byte| *byte == 0).next().unwrap_or_default(),
                (4, [value]) => prelogin.multiple_results = *value != 0,
                (6, [value]) => prelogin.federated = *value != 0,
                _ => {}
            }
        }
        (options > 0).then_some(prelogin)
    }
}

/// Name of a wish for encryption.
pub(super) const fn encryption(code: u8) -> &'static str {
    match code & 0x3f {
        0 => "off",
        1 => "on",
        2 => "not_supported",
        3 => "required",
        _ => "unknown",
    }
}
