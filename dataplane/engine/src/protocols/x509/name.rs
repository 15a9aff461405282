//! Distinguished names as text (RFC 5280 4.1.2.4).

use super::der::{Elements, OBJECT_ID, SEQUENCE, write_oid};

/// A distinguished name: the content of its SEQUENCE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name<'a>(pub(super) &'a [u8]);

impl Name<'_> {
    /// Appends the name in the order it is encoded, as "C=US, O=Example, CN=example.com"; attributes of one
    /// relative name are joined by " + ". At most [`MAX_NAME_TEXT`] bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for set in Elements::new(self.0) {
            let mut separator: &[u8] = if out.len() == start { b"" } else { b", " };
            for attribute in Elements::new(set.content).filter(|attribute| attribute.tag == SEQUENCE) {
                out.extend_from_slice(separator);
                write_attribute(attribute.content, out);
                separator = b" + ";
            }
            if out.len() - start >= MAX_NAME_TEXT {
                break;
            }
        }
        out.truncate(start + MAX_NAME_TEXT);
    }
}

fn write_attribute(content: &[u8], out: &mut Vec<u8>) {
    let mut elements = Elements::new(content);
    let Some(oid) = elements.with_tag(OBJECT_ID) else { return };
    match attribute_name(oid) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => write_oid(oid, out),
    }
    out.push(b'=');
    let Some(value) = elements.next() else { return };
    let kept = value.content.get(..MAX_NAME_TEXT).unwrap_or(value.content);
    match value.tag {
        BMP_STRING => write_utf16(kept, out),
        _ => out.extend_from_slice(kept),
    }
}

fn write_utf16(content: &[u8], out: &mut Vec<u8>) {
    let units = content.as_chunks().0.iter().map(|unit| u16::from_be_bytes(*unit));
    for unit in char::decode_utf16(units) {
        let character = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Short name of an attribute type (RFC 4519, RFC 2985, CA/Browser Forum guidelines).
fn attribute_name(oid: &[u8]) -> Option<&'static str> {
    Some(match oid {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 4] => "SN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "street",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 12] => "title",
        [0x55, 4, 13] => "description",
        [0x55, 4, 15] => "businessCategory",
        [0x55, 4, 17] => "postalCode",
        [0x55, 4, 41] => "name",
        [0x55, 4, 42] => "GN",
        [0x55, 4, 46] => "dnQualifier",
        [0x55, 4, 65] => "pseudonym",
        [0x55, 4, 97] => "organizationIdentifier",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2] => "unstructuredName",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 1] => "jurisdictionL",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 2] => "jurisdictionST",
        [0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3] => "jurisdictionC",
        _ => return None,
    })
}

/// BMPString: UTF-16, big endian.
const BMP_STRING: u8 = 0x1e;
/// Bytes of text that a name is cut to.
pub const MAX_NAME_TEXT: usize = 2048;
