//! Security associations on offer: RFC 7296 3.3, RFC 2408 3.4 to 3.6 and RFC 2409 appendix A.

/// Transform types of version 2 (IANA "Transform Type Values"); version 1's attributes are given the same.
pub(super) mod kind {
    pub(in super::super) const ENCRYPTION: u8 = 1;
    pub(in super::super) const PRF: u8 = 2;
    pub(in super::super) const INTEGRITY: u8 = 3;
    pub(in super::super) const KEY_EXCHANGE: u8 = 4;
    pub(in super::super) const SEQUENCE_NUMBERS: u8 = 5;
    /// The first of seven additional key exchanges (RFC 9370 2.2.1), 6 to 12.
    pub(in super::super) const ADDITIONAL: core::ops::RangeInclusive<u8> = 6..=12;
    /// Not a transform of version 2: how version 1 authenticates.
    pub(in super::super) const AUTHENTICATION: u8 = 0xf0;
}

/// One algorithm of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transform {
    pub(super) kind: u8,
    pub(super) id: u16,
    /// Key length in bits, where the algorithm leaves it open.
    pub(super) bits: Option<u16>,
    /// Number of the proposal, or of version 1's transform, from 0.
    pub(super) proposal: u8,
}

/// The algorithms of a security association payload of version 2 whose proposals are for IKE itself.
pub(super) fn version_two(payload: &[u8]) -> impl Iterator<Item = Transform> + '_ {
    let mut proposals = Substructures { rest: payload };
    let mut number = 0_u8;
    core::iter::from_fn(move || {
        let body = proposals.next()?;
        let index = number;
        number = number.saturating_add(1);
        let ([_, protocol, spi_len, _], rest) = body.split_first_chunk::<4>()?;
        let transforms = if *protocol == PROTOCOL_IKE { rest.get(usize::from(*spi_len)..) } else { None };
        Some((index, transforms.unwrap_or_default()))
    })
    .take(MOST_PROPOSALS)
    .flat_map(|(proposal, transforms)| {
        Substructures { rest: transforms }.take(MOST_TRANSFORMS).filter_map(move |body| {
            let ([kind, _, i1, i2], attributes) = body.split_first_chunk::<4>()?;
            let bits =
                attributes_of(attributes).find(|(kind, _)| *kind == KEY_LENGTH).map(|(_, value)| value);
            Some(Transform { kind: *kind, id: u16::from_be_bytes([*i1, *i2]), bits, proposal })
        })
    })
}

/// The algorithms of a security association payload of version 1; each of its transforms is a set of them.
pub(super) fn version_one(payload: &[u8]) -> impl Iterator<Item = Transform> + '_ {
    // Domain of interpretation and situation come first (RFC 2407 4.6.1).
    let proposals = Substructures { rest: payload.get(8..).unwrap_or_default() };
    let mut number = 0_u8;
    proposals
        .take(MOST_PROPOSALS)
        .flat_map(|body| {
            let split = body.split_first_chunk::<4>();
            let transforms = split.and_then(|([_, _, spi_len, _], rest)| rest.get(usize::from(*spi_len)..));
            Substructures { rest: transforms.unwrap_or_default() }.take(MOST_TRANSFORMS)
        })
        .flat_map(move |body| {
            let proposal = number;
            number = number.saturating_add(1);
            let attributes = || attributes_of(body.get(4..).unwrap_or_default());
            let bits = attributes().find(|(kind, _)| *kind == KEY_LENGTH).map(|(_, value)| value);
            attributes().filter_map(move |(attribute, id)| {
                let kind = match attribute {
                    1 => kind::ENCRYPTION,
                    2 => kind::PRF,
                    3 => kind::AUTHENTICATION,
                    4 => kind::KEY_EXCHANGE,
                    _ => return None,
                };
                let bits = bits.filter(|_| kind == kind::ENCRYPTION);
                Some(Transform { kind, id, bits, proposal })
            })
        })
}

/// Proposals and transforms: a mark whether more follow, a length that includes the head, a body.
#[derive(Clone, Copy, Debug)]
struct Substructures<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Substructures<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let ([_, _, l1, l2], _) = self.rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let (whole, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        whole.get(4..)
    }
}

/// Attributes with a value of two bytes; those with a length of their own are passed over (RFC 7296 3.3.5).
fn attributes_of(bytes: &[u8]) -> impl Iterator<Item = (u16, u16)> + '_ {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        loop {
            let ([k1, k2, v1, v2], after) = rest.split_first_chunk::<4>()?;
            let (kind, value) = (u16::from_be_bytes([*k1, *k2]), u16::from_be_bytes([*v1, *v2]));
            if kind & 0x8000 != 0 {
                rest = after;
                return Some((kind & 0x7fff, value));
            }
            rest = after.get(usize::from(value)..)?;
        }
    })
    .take(MOST_ATTRIBUTES)
}

/// Key length, in both versions.
const KEY_LENGTH: u16 = 14;
const PROTOCOL_IKE: u8 = 1;
const MOST_PROPOSALS: usize = 32;
const MOST_TRANSFORMS: usize = 128;
const MOST_ATTRIBUTES: usize = 16;
