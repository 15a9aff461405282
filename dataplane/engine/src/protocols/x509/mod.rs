//! X.509 certificates, read in place and only as far as somebody asks: who, by whom, how long, which key.
//!
//! Nothing is verified. Source: RFC 5280.

mod algorithm;
mod der;
mod name;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use der::{BIT_STRING, Elements, GENERALIZED_TIME, INTEGER, OBJECT_ID, OCTET_STRING, SEQUENCE, UTC_TIME};

pub use name::{MAX_NAME_TEXT, Name};

/// A certificate, lent from its encoding.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// Digits of the serial number, most significant first.
    pub serial: &'a [u8],
    /// How the issuer signed it.
    pub signature: Signature<'a>,
    /// Who signed it.
    pub issuer: Name<'a>,
    /// Whom it names.
    pub subject: Name<'a>,
    /// First moment of its validity.
    pub not_before: Option<Moment>,
    /// Last moment of its validity.
    pub not_after: Option<Moment>,
    /// The key it vouches for.
    pub key: PublicKey<'a>,
    extensions: &'a [u8],
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Its name, where it is known.
    pub name: Option<&'static str>,
    /// Content of its object identifier.
    pub oid: &'a [u8],
    /// Its hash is SHA-1, MD5 or older.
    pub is_weak: bool,
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey<'a> {
    /// Name of its algorithm, where it is known.
    pub algorithm: Option<&'static str>,
    /// Content of the algorithm's object identifier.
    pub oid: &'a [u8],
    /// Size: modulus of RSA, prime of DSA and DH, field of a curve. None for other algorithms.
    pub bits: Option<u32>,
    /// Named curve.
    pub curve: Option<&'static str>,
}

/// A moment as text, "2024-05-14T17:10:06", in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment([u8; 19]);

/// A name that a certificate is valid for beside its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlternativeName<'a> {
    /// Host name, mail address or URI.
    Text(&'a [u8]),
    /// Address of a host.
    Address(IpAddr),
}

impl<'a> Certificate<'a> {
    /// Reads a certificate. None if it is not one.
    #[must_use]
    pub fn parse(encoding: &'a [u8]) -> Option<Self> {
        let mut signed = Elements::new(encoding).sequence()?;
        let mut fields = signed.sequence()?;
        // Version 1 leaves its number out.
        fields.with_tag(CONTEXT_0);
        let serial = fields.with_tag(INTEGER)?;
        let signature = Signature::read(fields.sequence()?)?;
        let issuer = Name(fields.with_tag(SEQUENCE)?);
        let mut validity = fields.sequence()?;
        let [not_before, not_after] = [validity.next(), validity.next()]
            .map(|time| time.and_then(|time| Moment::read(time.tag, time.content)));
        let subject = Name(fields.with_tag(SEQUENCE)?);
        let key = PublicKey::read(fields.sequence()?)?;
        let extensions = fields.find(|field| field.tag == CONTEXT_3).map(|field| field.content);
        let extensions =
            extensions.and_then(|content| Elements::new(content).with_tag(SEQUENCE)).unwrap_or_default();
        Some(Self { serial, signature, issuer, subject, not_before, not_after, key, extensions })
    }

    /// Whether subject and issuer are the same: a root, or signed by its own key.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Names of the `subjectAltName` extension (RFC 5280 4.2.1.6), in order.
    pub fn alternative_names(&self) -> impl Iterator<Item = AlternativeName<'a>> + use<'a> {
        let names =
            self.extension(&SUBJECT_ALT_NAME).and_then(|content| Elements::new(content).with_tag(SEQUENCE));
        Elements::new(names.unwrap_or_default()).filter_map(|name| match name.tag {
            0x81 | 0x82 | 0x86 => Some(AlternativeName::Text(name.content)),
            0x87 => address(name.content).map(AlternativeName::Address),
            _ => None,
        })
    }

    fn extension(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        Elements::new(self.extensions).find_map(|extension| {
            let mut fields = Elements::new(extension.content);
            let oid = fields.with_tag(OBJECT_ID)?;
            if oid != wanted {
                return None;
            }
            fields.find(|field| field.tag == OCTET_STRING).map(|field| field.content)
        })
    }
}

impl<'a> Signature<'a> {
    fn read(mut algorithm: Elements<'a>) -> Option<Self> {
        let oid = algorithm.with_tag(OBJECT_ID)?;
        let (name, is_weak) =
            algorithm::signature(oid).map_or((None, false), |(name, weak)| (Some(name), weak));
        // RFC 8017 A.2.3: without a hash in its parameters, PSS means SHA-1.
        let is_weak = is_weak || (oid == RSASSA_PSS && !names_hash_of_pss(algorithm));
        Some(Self { name, oid, is_weak })
    }

    /// Appends the object identifier in dotted form, for an algorithm without a name.
    pub fn write_oid(&self, out: &mut Vec<u8>) {
        der::write_oid(self.oid, out);
    }
}

/// Whether the parameters of PSS name a hash other than SHA-1.
fn names_hash_of_pss(mut algorithm: Elements<'_>) -> bool {
    let mut hash = || {
        let hash = algorithm.sequence()?.with_tag(CONTEXT_0)?;
        Elements::new(hash).sequence()?.with_tag(OBJECT_ID)
    };
    hash().is_some_and(|oid| oid != SHA1)
}

impl<'a> PublicKey<'a> {
    fn read(mut info: Elements<'a>) -> Option<Self> {
        let mut algorithm = info.sequence()?;
        let oid = algorithm.with_tag(OBJECT_ID)?;
        let key = info.with_tag(BIT_STRING).and_then(|bits| bits.split_first()).map(|(_, key)| key);
        let mut read = Self { algorithm: algorithm::post_quantum_key(oid), oid, bits: None, curve: None };
        let Some((name, bits)) = algorithm::key_algorithm(oid) else { return Some(read) };
        read.algorithm = Some(name);
        read.bits = Some(u32::from(bits)).filter(|bits| *bits > 0);
        match name {
            "RSA" | "RSA-PSS" | "RSA-OAEP" => {
                let mut fields = Elements::new(key.unwrap_or_default()).sequence();
                read.bits =
                    fields.as_mut().and_then(|fields| fields.with_tag(INTEGER)).map(der::significant_bits);
            }
            "DSA" | "DH" => {
                let mut fields = algorithm.sequence();
                read.bits =
                    fields.as_mut().and_then(|fields| fields.with_tag(INTEGER)).map(der::significant_bits);
            }
            "EC" => {
                let curve = algorithm.with_tag(OBJECT_ID).and_then(algorithm::curve);
                read.curve = curve.map(|(name, _)| name);
                read.bits = curve.map(|(_, bits)| u32::from(bits));
            }
            _ => {}
        }
        Some(read)
    }

    /// Appends the algorithm's object identifier in dotted form, for an algorithm without a name.
    pub fn write_oid(&self, out: &mut Vec<u8>) {
        der::write_oid(self.oid, out);
    }

    /// Whether a key of RSA, DSA or DH is below 2,048 bits (NIST SP 800-57).
    #[must_use]
    pub fn is_short(&self) -> bool {
        let is_factored = matches!(self.algorithm, Some("RSA" | "RSA-PSS" | "RSA-OAEP" | "DSA" | "DH"));
        let least = if is_factored { 2048 } else { 224 };
        self.bits.is_some_and(|bits| bits < least)
    }
}

impl Moment {
    /// The moment as text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 19] {
        &self.0
    }

    /// Reads a UTCTime or GeneralizedTime (RFC 5280 4.1.2.5).
    fn read(tag: u8, content: &[u8]) -> Option<Self> {
        let (century, digits): (&[u8], _) = match tag {
            // Two digits of the year: 50 to 99 are of the twentieth century.
            UTC_TIME => (if *content.first()? >= b'5' { b"19" } else { b"20" }, content),
            GENERALIZED_TIME => content.split_at_checked(2)?,
            _ => return None,
        };
        // UTCTime without seconds is not DER, yet it occurs.
        let (digits, seconds): (_, &[u8]) = match digits {
            [digits @ .., b'Z'] if digits.len() == 10 => (digits, b"00"),
            [digits @ .., b'Z'] => digits.split_at_checked(10)?,
            _ => return None,
        };
        let seconds = seconds.get(..2)?;
        let all = century.iter().chain(digits).chain(seconds);
        let mut text = *b"YYYY-MM-DDThh:mm:ss";
        let places = text.iter_mut().filter(|place| place.is_ascii_alphabetic() && **place != b'T');
        for (place, digit) in places.zip(all) {
            if !digit.is_ascii_digit() {
                return None;
            }
            *place = *digit;
        }
        Some(Self(text))
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    <[u8; 16]>::try_from(octets).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}

/// `[0]`, constructed.
const CONTEXT_0: u8 = 0xa0;
/// `[3]`, constructed.
const CONTEXT_3: u8 = 0xa3;
/// 2.5.29.17
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
/// 1.2.840.113549.1.1.10
const RSASSA_PSS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// 1.3.14.3.2.26
const SHA1: [u8; 5] = [0x2b, 0x0e, 3, 2, 26];

#[cfg(test)]
mod tests;
