//! The packed ACVP vectors, see `vectors/README.md`.

use super::SelfTestError;
use crate::primitive::{DsaSet, KemSet};

/// One vector; the fields are lent from the file within the program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Vector {
    KemKeys { set: KemSet, seed: &'static [u8], digest: &'static [u8] },
    Decapsulation { set: KemSet, secret: &'static [u8], ciphertext: &'static [u8], shared: &'static [u8] },
    DsaKeys { set: DsaSet, seed: &'static [u8], digest: &'static [u8] },
    Verification(Verification),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Verification {
    pub(super) set: DsaSet,
    pub(super) public: &'static [u8],
    pub(super) message: &'static [u8],
    pub(super) context: &'static [u8],
    pub(super) signature: &'static [u8],
    pub(super) good: bool,
}

/// Every vector, in the order of the file.
pub(super) fn all() -> Result<Vec<Vector>, SelfTestError> {
    read(PACKED).ok_or(SelfTestError::Vectors)
}

fn read(packed: &'static [u8]) -> Option<Vec<Vector>> {
    let mut reader = Reader { rest: packed.strip_prefix(b"ACVP\x00\x00\x00\x01")?, decapsulation_key: &[] };
    let mut vectors = Vec::new();
    while !reader.rest.is_empty() {
        vectors.push(reader.vector()?);
    }
    Some(vectors)
}

struct Reader {
    rest: &'static [u8],
    decapsulation_key: &'static [u8],
}

impl Reader {
    fn vector(&mut self) -> Option<Vector> {
        let (&[kind, set, _, _, good, fields], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let set = usize::from(set).checked_sub(1)?;
        let (kem, dsa) = (*KemSet::ALL.get(set)?, *DsaSet::ALL.get(set)?);
        match (kind, fields) {
            (1, 2) => Some(Vector::KemKeys { set: kem, seed: self.field()?, digest: self.field()? }),
            (2, 3) => {
                let key = self.field()?;
                if !key.is_empty() {
                    self.decapsulation_key = key;
                }
                let (ciphertext, shared) = (self.field()?, self.field()?);
                Some(Vector::Decapsulation { set: kem, secret: self.decapsulation_key, ciphertext, shared })
            }
            (3, 2) => Some(Vector::DsaKeys { set: dsa, seed: self.field()?, digest: self.field()? }),
            (4, 4) => Some(Vector::Verification(Verification {
                set: dsa,
                public: self.field()?,
                message: self.field()?,
                context: self.field()?,
                signature: self.field()?,
                good: good == 1,
            })),
            _ => None,
        }
    }

    fn field(&mut self) -> Option<&'static [u8]> {
        let (length, rest) = self.rest.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        self.rest = rest;
        Some(field)
    }
}

static PACKED: &[u8] = include_bytes!("../../vectors/acvp.bin");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_anywhere_is_no_file() {
        let whole = all().unwrap().len();
        assert_eq!(whole, 75 + 30 + 75 + 45);
        for length in (0..PACKED.len()).step_by(997) {
            let read = read(&PACKED[..length]).map(|vectors| vectors.len());
            assert!(read.is_none_or(|count| count < whole));
        }
    }
}
