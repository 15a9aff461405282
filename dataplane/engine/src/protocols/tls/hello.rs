//! ClientHello, ServerHello and ServerKeyExchange, read in place from the body of a handshake message.
//!
//! TLS, DTLS and QUIC carry the same bodies, so nothing here knows of records. Sources: RFC 5246 7.4.1 and 7.4.3,
//! RFC 8446 4.1 and 4.2, RFC 8422 5.4, RFC 6347 4.2.1 and 4.3.2 (DTLS), RFC 6101 (SSLv3), RFC 5246 E.2 (SSLv2).

use super::groups::is_grease;
use super::reader::Reader;
use super::suites::KeyExchange;

/// Extension numbers (IANA "TLS ExtensionType Values").
pub mod extension {
    #![expect(missing_docs, reason = "the names are those of the registry")]
    pub const SERVER_NAME: u16 = 0;
    pub const STATUS_REQUEST: u16 = 5;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const EC_POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const SESSION_TICKET: u16 = 35;
    /// `key_share` in drafts of TLS 1.3 before 23.
    pub const KEY_SHARE_DRAFT: u16 = 40;
    pub const PRE_SHARED_KEY: u16 = 41;
    pub const EARLY_DATA: u16 = 42;
    pub const SUPPORTED_VERSIONS: u16 = 43;
    pub const KEY_SHARE: u16 = 51;
    pub const QUIC_TRANSPORT_PARAMETERS: u16 = 57;
    pub const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    /// draft-ietf-tls-esni before ECH.
    pub const ENCRYPTED_SERVER_NAME: u16 = 0xffce;
}

/// What a hello came in: DTLS has a cookie in its ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// TLS, also inside QUIC.
    Stream,
    /// DTLS (RFC 6347 4.2.1).
    Datagram,
}

/// A list of 16-bit numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codes<'a>(&'a [u8]);

impl<'a> Codes<'a> {
    /// The numbers in order, GREASE included (RFC 8701).
    pub fn iter(self) -> impl Iterator<Item = u16> + 'a {
        self.0.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// The numbers in order without GREASE.
    pub fn meant(self) -> impl Iterator<Item = u16> + 'a {
        self.iter().filter(|code| !is_grease(*code))
    }
}

/// The extensions of a hello, in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// Number and content of each, up to the first that does not fit.
    pub fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || Some((reader.u16()?, reader.vector16()?)))
    }
}

/// What a client offers.
#[derive(Clone, Copy, Debug)]
pub struct ClientHello<'a> {
    /// `legacy_version`: the highest version before TLS 1.3.
    pub version: u16,
    /// Client random.
    pub random: &'a [u8; 32],
    /// Session to resume, or random bytes for middleboxes (RFC 8446 D.4).
    pub session_id: &'a [u8],
    /// Cipher suites in order of preference.
    pub cipher_suites: Codes<'a>,
    /// All extensions in order.
    pub extensions: Extensions<'a>,
    /// Contents of the extensions that matter, each its first occurrence.
    pub known: KnownExtensions<'a>,
    /// The message was cut before its end: the lists may be too short.
    pub is_cut: bool,
}

/// Contents of those extensions of a hello that are read.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of the registry")]
pub struct KnownExtensions<'a> {
    pub server_name: Option<&'a [u8]>,
    pub status_request: Option<&'a [u8]>,
    pub supported_groups: Option<&'a [u8]>,
    pub ec_point_formats: Option<&'a [u8]>,
    pub signature_algorithms: Option<&'a [u8]>,
    pub alpn: Option<&'a [u8]>,
    pub session_ticket: Option<&'a [u8]>,
    pub pre_shared_key: Option<&'a [u8]>,
    pub early_data: Option<&'a [u8]>,
    pub supported_versions: Option<&'a [u8]>,
    pub key_share: Option<&'a [u8]>,
    pub encrypted_client_hello: Option<&'a [u8]>,
    pub encrypted_server_name: Option<&'a [u8]>,
}

impl<'a> KnownExtensions<'a> {
    fn of(extensions: Extensions<'a>) -> Self {
        let mut known = Self::default();
        for (kind, content) in extensions.iter() {
            let Some(place) = known.place(kind) else { continue };
            if place.is_none() {
                *place = Some(content);
            }
        }
        known
    }

    fn place(&mut self, kind: u16) -> Option<&mut Option<&'a [u8]>> {
        Some(match kind {
            extension::SERVER_NAME => &mut self.server_name,
            extension::STATUS_REQUEST => &mut self.status_request,
            extension::SUPPORTED_GROUPS => &mut self.supported_groups,
            extension::EC_POINT_FORMATS => &mut self.ec_point_formats,
            extension::SIGNATURE_ALGORITHMS => &mut self.signature_algorithms,
            extension::ALPN => &mut self.alpn,
            extension::SESSION_TICKET => &mut self.session_ticket,
            extension::PRE_SHARED_KEY => &mut self.pre_shared_key,
            extension::EARLY_DATA => &mut self.early_data,
            extension::SUPPORTED_VERSIONS => &mut self.supported_versions,
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => &mut self.key_share,
            extension::ENCRYPTED_CLIENT_HELLO => &mut self.encrypted_client_hello,
            extension::ENCRYPTED_SERVER_NAME => &mut self.encrypted_server_name,
            _ => return None,
        })
    }

    /// Groups of `supported_groups` in order of preference.
    #[must_use]
    pub fn groups(&self) -> Codes<'a> {
        codes16(self.supported_groups)
    }

    /// Schemes of `signature_algorithms` in order of preference.
    #[must_use]
    pub fn signature_schemes(&self) -> Codes<'a> {
        codes16(self.signature_algorithms)
    }

    /// Formats of `ec_point_formats` (RFC 8422 5.1.2).
    #[must_use]
    pub fn point_formats(&self) -> &'a [u8] {
        self.ec_point_formats.and_then(|content| Reader::new(content).vector8()).unwrap_or_default()
    }

    /// Names of `application_layer_protocol_negotiation` (RFC 7301), in order.
    pub fn protocols(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let list = self.alpn.and_then(|content| Reader::new(content).vector16()).unwrap_or_default();
        let mut reader = Reader::new(list);
        core::iter::from_fn(move || reader.vector8())
    }
}

fn codes16(content: Option<&[u8]>) -> Codes<'_> {
    Codes(content.and_then(|content| Reader::new(content).vector16()).unwrap_or_default())
}

impl<'a> ClientHello<'a> {
    /// Reads a ClientHello body. One that is cut within its extensions is read as far as it goes.
    #[must_use]
    pub fn parse(body: &'a [u8], carriage: Carriage) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let random = reader.array()?;
        let session_id = reader.vector8().filter(|id| id.len() <= 32)?;
        if carriage == Carriage::Datagram {
            reader.vector8()?;
        }
        let cipher_suites = Codes(reader.vector16().filter(|list| list.len() >= 2)?);
        reader.vector8()?;
        // No extensions at all: SSLv3, and TLS before RFC 3546.
        let (extensions, is_cut) = reader.vector16_cut().unwrap_or_default();
        let extensions = Extensions(extensions);
        let known = KnownExtensions::of(extensions);
        Some(Self { version, random, session_id, cipher_suites, extensions, known, is_cut })
    }

    /// Host name of `server_name` (RFC 6066 section 3).
    #[must_use]
    pub fn server_name(&self) -> Option<&'a [u8]> {
        let mut list = Reader::new(self.known.server_name?);
        let mut names = Reader::new(list.vector16_cut()?.0);
        while let (Some(kind), Some(name)) = (names.u8(), names.vector16()) {
            if kind == 0 {
                return Some(name).filter(|name| !name.is_empty());
            }
        }
        None
    }

    /// Versions of `supported_versions` (RFC 8446 4.2.1).
    #[must_use]
    pub fn supported_versions(&self) -> Codes<'a> {
        let list = self.known.supported_versions.and_then(|content| Reader::new(content).vector8());
        Codes(list.unwrap_or_default())
    }

    /// The highest version on offer, as a wire number; numbers of drafts stand for 1.3.
    #[must_use]
    pub fn highest_version(&self) -> u16 {
        let best = self.supported_versions().meant().max_by_key(|version| rank(*version));
        best.unwrap_or(self.version)
    }

    /// Group and key of each share (RFC 8446 4.2.8), GREASE left out.
    pub fn key_shares(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let list = self.known.key_share.and_then(|content| Reader::new(content).vector16());
        let mut reader = Reader::new(list.unwrap_or_default());
        core::iter::from_fn(move || Some((reader.u16()?, reader.vector16()?)))
            .filter(|(group, _)| !is_grease(*group))
    }
}

/// The cipher suites that an SSLv2-compatible ClientHello offers (RFC 5246 E.2).
#[derive(Clone, Copy, Debug)]
pub struct Sslv2ClientHello<'a> {
    /// Highest version that the client speaks.
    pub version: u16,
    /// Cipher kinds, three bytes each; those that start with zero are cipher suites of SSLv3 and TLS.
    pub cipher_kinds: &'a [u8],
}

impl<'a> Sslv2ClientHello<'a> {
    /// Reads the body of an SSLv2 record after its two bytes of length.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        let version = reader.u16()?;
        let [kinds, session_id, challenge] = [reader.u16()?, reader.u16()?, reader.u16()?].map(usize::from);
        let plausible = kind == 1
            && (version == SSL2 || (SSL3..=TLS12).contains(&version))
            && kinds >= 3
            && kinds.is_multiple_of(3)
            && matches!(session_id, 0 | 16 | 32)
            && (16..=32).contains(&challenge);
        if !plausible {
            return None;
        }
        let cipher_kinds = reader.take(kinds)?;
        reader.take(session_id + challenge)?;
        reader.is_empty().then_some(Self { version, cipher_kinds })
    }
}

/// What a server chose.
#[derive(Clone, Copy, Debug)]
pub struct ServerHello<'a> {
    /// `legacy_version`, or the number of an old draft of TLS 1.3.
    pub version: u16,
    /// Session that is resumed or may be later, or an echo (TLS 1.3).
    pub session_id: &'a [u8],
    /// Chosen cipher suite.
    pub cipher_suite: u16,
    /// This is a HelloRetryRequest (RFC 8446 4.1.4).
    pub is_retry: bool,
    /// All extensions in order.
    pub extensions: Extensions<'a>,
    /// Contents of the extensions that matter.
    pub known: KnownExtensions<'a>,
}

impl<'a> ServerHello<'a> {
    /// Reads a ServerHello body.
    #[must_use]
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        let random: &[u8; 32] = reader.array()?;
        // Drafts of TLS 1.3 before 22 had neither session id nor compression method.
        let is_old_draft = (0x7f00..0x7f16).contains(&version);
        let session_id = if is_old_draft { &[] } else { reader.vector8().filter(|id| id.len() <= 32)? };
        let cipher_suite = reader.u16()?;
        if !is_old_draft {
            reader.u8()?;
        }
        let (extensions, _) = reader.vector16_cut().unwrap_or_default();
        let extensions = Extensions(extensions);
        let known = KnownExtensions::of(extensions);
        let is_retry = *random == RETRY_RANDOM;
        Some(Self { version, session_id, cipher_suite, is_retry, extensions, known })
    }

    /// The version in use: `supported_versions`, else `legacy_version`.
    #[must_use]
    pub fn negotiated_version(&self) -> u16 {
        self.known.supported_versions.and_then(|content| Reader::new(content).u16()).unwrap_or(self.version)
    }

    /// Group of `key_share`, and the length of the key; a HelloRetryRequest has no key.
    #[must_use]
    pub fn key_share(&self) -> Option<(u16, usize)> {
        let mut reader = Reader::new(self.known.key_share?);
        let group = reader.u16()?;
        Some((group, reader.vector16().map_or(0, <[u8]>::len)))
    }
}

/// What a ServerKeyExchange of TLS 1.2 and before says (RFC 5246 7.4.3, RFC 8422 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerKeyExchange {
    /// Named curve.
    pub group: Option<u16>,
    /// Size of the prime of Diffie-Hellman or SRP, in bits.
    pub prime_bits: Option<u16>,
    /// The prime is one of RFC 7919, by its size and leading digits.
    pub is_ffdhe: bool,
    /// How it is signed; TLS 1.2 says so.
    pub scheme: Option<u16>,
}

impl ServerKeyExchange {
    /// Reads a ServerKeyExchange body of a suite with this key exchange and this version.
    #[must_use]
    pub fn parse(body: &[u8], key_exchange: KeyExchange, version: u16) -> Option<Self> {
        let mut reader = Reader::new(body);
        let mut said = Self::default();
        if matches!(key_exchange, KeyExchange::EcdhePsk | KeyExchange::DhePsk) {
            reader.vector16()?;
        }
        match key_exchange {
            KeyExchange::Ecdhe | KeyExchange::EcdhePsk | KeyExchange::EcdhAnon => said.curve(&mut reader)?,
            KeyExchange::Dhe | KeyExchange::DhePsk | KeyExchange::DhAnon => {
                said.prime(reader.vector16()?);
                reader.vector16()?;
                reader.vector16()?;
            }
            KeyExchange::Srp => {
                said.prime(reader.vector16()?);
                reader.vector16()?;
                reader.vector8()?;
                reader.vector16()?;
            }
            // Export RSA: a temporary key, short by design.
            KeyExchange::Rsa => {
                reader.vector16()?;
                reader.vector16()?;
            }
            _ => return None,
        }
        if rank(version) == TLS12 && reader.rest().len() > 4 {
            said.scheme = reader.u16();
        }
        Some(said)
    }

    fn curve(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        match reader.u8()? {
            3 => self.group = Some(reader.u16()?),
            1 => return self.explicit(0xff01),
            2 => return self.explicit(0xff02),
            _ => return None,
        }
        reader.vector8().map(|_| ())
    }

    /// Curves that are spelt out (RFC 4492, forbidden by RFC 8422): what follows is not read.
    fn explicit(&mut self, group: u16) -> Option<()> {
        self.group = Some(group);
        Some(())
    }

    fn prime(&mut self, prime: &[u8]) {
        let start = prime.iter().position(|byte| *byte != 0).unwrap_or(prime.len());
        let digits = prime.get(start..).unwrap_or_default();
        let leading = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = (digits.len() * 8).saturating_sub(leading);
        self.prime_bits = u16::try_from(bits).ok();
        self.is_ffdhe = digits.starts_with(&FFDHE_PREFIX) && matches!(bits, 2048 | 3072 | 4096 | 6144 | 8192);
    }
}

/// Order of versions by age: drafts of TLS 1.3 (0x7fxx, and 0xfbxx at Facebook) and DTLS, whose numbers fall, too.
#[must_use]
pub const fn rank(version: u16) -> u16 {
    match version {
        TLS13 => 0x0400,
        0x7f00..=0x7fff | 0xfb00..=0xfbff => 0x0304,
        DTLS10 => TLS11,
        DTLS12 => TLS12,
        DTLS13 => 0x0400,
        SSL2 | SSL3..=TLS12 => version,
        _ => 0,
    }
}

/// SSLv2.
pub const SSL2: u16 = 0x0002;
/// SSLv3 (RFC 6101).
pub const SSL3: u16 = 0x0300;
/// TLS 1.0 (RFC 2246).
pub const TLS10: u16 = 0x0301;
/// TLS 1.1 (RFC 4346).
pub const TLS11: u16 = 0x0302;
/// TLS 1.2 (RFC 5246).
pub const TLS12: u16 = 0x0303;
/// TLS 1.3 (RFC 8446).
pub const TLS13: u16 = 0x0304;
/// DTLS 1.0 (RFC 4347).
pub const DTLS10: u16 = 0xfeff;
/// DTLS 1.2 (RFC 6347).
pub const DTLS12: u16 = 0xfefd;
/// DTLS 1.3 (RFC 9147).
pub const DTLS13: u16 = 0xfefc;
/// TLCP 1.1 (GB/T 38636).
pub const TLCP: u16 = 0x0101;

/// Random of a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// How the primes of RFC 7919 appendix A start: 64 ones, then the digits of e.
const FFDHE_PREFIX: [u8; 24] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xad, 0xf8, 0x54, 0x58, 0xa2, 0xbb, 0x4a, 0x9a, 0xaf,
    0xdc, 0x56, 0x20, 0x27, 0x3d, 0x3c, 0xf1,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello body with one suite and these extensions.
    fn client_hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        body
    }

    #[test]
    fn a_hello_without_extensions_is_whole() {
        let body = client_hello(&[]);
        for end in [body.len(), body.len() - 2] {
            let hello = ClientHello::parse(&body[..end], Carriage::Stream).unwrap();
            assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), [0x1301]);
            assert!(!hello.is_cut && hello.server_name().is_none());
        }
        assert!(ClientHello::parse(&body[..40], Carriage::Stream).is_none());
    }

    #[test]
    fn a_hello_cut_in_its_extensions_keeps_those_before_the_cut() {
        let body = client_hello(&[0, 0, 0, 6, 0, 4, 0, 0, 1, b'x', 0, 10, 0, 4, 0, 2, 0, 0x1d]);
        let hello = ClientHello::parse(&body[..body.len() - 1], Carriage::Stream).unwrap();
        assert!(hello.is_cut);
        assert_eq!(hello.server_name(), Some(&b"x"[..]));
        assert_eq!(hello.known.groups().iter().count(), 0);
    }

    #[test]
    fn the_hello_of_dtls_has_a_cookie() {
        let mut body = client_hello(&[]);
        body.splice(35..35, [3, 9, 9, 9]);
        let hello = ClientHello::parse(&body, Carriage::Datagram).unwrap();
        assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), [0x1301]);
    }

    #[test]
    fn the_highest_version_is_by_age_and_not_by_number() {
        let highest = |versions: &[u8]| {
            let len = u8::try_from(versions.len()).unwrap();
            let body = client_hello(&[&[0, 43, 0, len + 1, len][..], versions].concat());
            ClientHello::parse(&body, Carriage::Stream).unwrap().highest_version()
        };
        assert_eq!(highest(&[0x7f, 0x1c, 3, 4, 3, 3]), TLS13);
        assert_eq!(highest(&[3, 3, 0x7f, 0x1c]), 0x7f1c);
        assert_eq!(highest(&[0x0a, 0x0a, 3, 3]), TLS12);
    }

    #[test]
    fn the_hello_of_an_old_draft_has_neither_session_nor_compression() {
        let mut body = vec![0x7f, 18];
        body.extend([7; 32]);
        body.extend([0x13, 0x01, 0, 6, 0, 40, 0, 2, 0, 0x1d]);
        let hello = ServerHello::parse(&body).unwrap();
        assert_eq!((hello.cipher_suite, hello.key_share()), (0x1301, Some((0x1d, 0))));
    }

    #[test]
    fn primes_are_measured_without_leading_zeros_and_those_of_rfc_7919_are_known() {
        let read = |prime: &[u8]| {
            let len = u16::try_from(prime.len()).unwrap().to_be_bytes();
            let body = [&len[..], prime, &[0, 1, 2, 0, 1, 5]].concat();
            ServerKeyExchange::parse(&body, KeyExchange::DhAnon, TLS12).unwrap()
        };
        let mut prime = FFDHE_PREFIX.to_vec();
        prime.resize(256, 0xff);
        assert_eq!((read(&prime).prime_bits, read(&prime).is_ffdhe), (Some(2048), true));
        let odd = [&[0, 0, 0x7f][..], &[0xff; 127]].concat();
        assert_eq!((read(&odd).prime_bits, read(&odd).is_ffdhe), (Some(1023), false));
        assert_eq!(read(&[]).prime_bits, Some(0));
    }
}
