//! Certificates put together element by element.

use proptest::prelude::*;

use super::*;

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &len, content].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn attribute(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    sequence(&[der(6, oid), der(tag, value)])
}

fn name(sets: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &sets.iter().flat_map(|set| der(0x31, set)).collect::<Vec<u8>>())
}

/// What differs between the certificates of these tests.
struct Parts {
    signature: Vec<u8>,
    subject: Vec<u8>,
    validity: [Vec<u8>; 2],
    key: Vec<u8>,
    extensions: Vec<u8>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            signature: sequence(&[der(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])]),
            subject: name(&[attribute(&[0x55, 4, 3], 0x0c, b"example.com")]),
            validity: [der(0x17, b"991231235959Z"), der(0x18, b"20500102030405Z")],
            key: sequence(&[sequence(&[der(6, &[0x2b, 0x65, 0x70])]), der(3, &[0; 33])]),
            extensions: Vec::new(),
        }
    }
}

impl Parts {
    fn encode(&self) -> Vec<u8> {
        let issuer = name(&[attribute(&[0x55, 4, 6], 0x13, b"US"), attribute(&[0x55, 4, 10], 0x0c, b"CA")]);
        let mut fields = vec![
            der(0xa0, &der(2, &[2])),
            der(2, &[0, 0xab, 0xcd]),
            self.signature.clone(),
            issuer,
            sequence(&self.validity),
            self.subject.clone(),
            self.key.clone(),
        ];
        if !self.extensions.is_empty() {
            fields.push(der(0xa3, &self.extensions));
        }
        sequence(&[sequence(&fields), self.signature.clone(), der(3, &[0; 65])])
    }
}

fn text(name: Name<'_>) -> String {
    let mut out = Vec::new();
    name.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_certificate_is_read_field_by_field() {
    let encoding = Parts::default().encode();
    let certificate = Certificate::parse(&encoding).unwrap();
    assert_eq!(certificate.serial, [0, 0xab, 0xcd]);
    assert_eq!(text(certificate.issuer), "C=US, O=CA");
    assert_eq!(text(certificate.subject), "CN=example.com");
    assert_eq!(certificate.not_before.unwrap().as_bytes(), b"1999-12-31T23:59:59");
    assert_eq!(certificate.not_after.unwrap().as_bytes(), b"2050-01-02T03:04:05");
    assert_eq!(certificate.signature.name, Some("ecdsa-with-SHA256"));
    assert_eq!((certificate.key.algorithm, certificate.key.bits), (Some("Ed25519"), Some(256)));
    assert!(!certificate.is_self_issued());
    assert_eq!(certificate.alternative_names().count(), 0);
}

#[test]
fn names_keep_their_order_join_pairs_and_spell_out_unknown_types() {
    let subject = name(&[
        attribute(&[0x55, 4, 6], 0x13, b"DE"),
        [attribute(&[0x55, 4, 3], 0x0c, b"a"), attribute(&[0x55, 4, 5], 0x13, b"17")].concat(),
        attribute(&[0x55, 4, 99], 0x0c, b"x"),
        attribute(&[0x55, 4, 11], 0x1e, &[0, b'M', 0x20, 0xac, 0xd8, 0x3d]),
    ]);
    let encoding = Parts { subject, ..Parts::default() }.encode();
    let certificate = Certificate::parse(&encoding).unwrap();
    assert_eq!(text(certificate.subject), "C=DE, CN=a + serialNumber=17, 2.5.4.99=x, OU=M\u{20ac}\u{fffd}");
}

#[test]
fn a_long_name_is_cut() {
    let long = vec![b'n'; 3000];
    let subject = name(&[attribute(&[0x55, 4, 3], 0x0c, &long), attribute(&[0x55, 4, 3], 0x0c, &long)]);
    let encoding = Parts { subject, ..Parts::default() }.encode();
    assert_eq!(text(Certificate::parse(&encoding).unwrap().subject).len(), MAX_NAME_TEXT);
}

#[test]
fn keys_are_told_by_algorithm_size_and_curve() {
    let key = |algorithm: Vec<u8>, bits: &[u8]| {
        let encoding = Parts { key: sequence(&[algorithm, der(3, bits)]), ..Parts::default() }.encode();
        let key = Certificate::parse(&encoding).unwrap().key;
        (key.algorithm, key.bits, key.curve, key.is_short())
    };
    let rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    let modulus = |len: usize| {
        let digits = [&[0][..], &vec![0x80; len]].concat();
        [&[0][..], &sequence(&[der(2, &digits), der(2, &[3])])].concat()
    };
    let algorithm = || sequence(&[der(6, &rsa), vec![5, 0]]);
    assert_eq!(key(algorithm(), &modulus(256)), (Some("RSA"), Some(2048), None, false));
    assert_eq!(key(algorithm(), &modulus(128)), (Some("RSA"), Some(1024), None, true));
    assert_eq!(key(algorithm(), &[]), (Some("RSA"), None, None, false));
    let ec = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    let curve = |oid: &[u8]| sequence(&[der(6, &ec), der(6, oid)]);
    assert_eq!(
        key(curve(&[0x2b, 0x81, 4, 0, 34]), &[0; 98]),
        (Some("EC"), Some(384), Some("secp384r1"), false)
    );
    assert_eq!(key(curve(&[1, 2, 3]), &[0; 98]), (Some("EC"), None, None, false));
    let ml_dsa = sequence(&[der(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18])]);
    assert_eq!(key(ml_dsa, &[0; 1953]), (Some("ML-DSA-65"), None, None, false));
}

#[test]
fn hashes_that_are_broken_make_a_signature_weak() {
    let signature = |algorithm: Vec<u8>| {
        let encoding = Parts { signature: algorithm, ..Parts::default() }.encode();
        let signature = Certificate::parse(&encoding).unwrap().signature;
        (signature.name, signature.is_weak)
    };
    let rsa = |last| der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last]);
    assert_eq!(signature(sequence(&[rsa(5)])), (Some("sha1WithRSAEncryption"), true));
    assert_eq!(signature(sequence(&[rsa(4)])), (Some("md5WithRSAEncryption"), true));
    assert_eq!(signature(sequence(&[rsa(11)])), (Some("sha256WithRSAEncryption"), false));
    let pss = |hash: &[u8]| sequence(&[rsa(10), sequence(&[der(0xa0, &sequence(&[der(6, hash)]))])]);
    assert_eq!(signature(pss(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1])), (Some("RSASSA-PSS"), false));
    assert_eq!(signature(pss(&SHA1)), (Some("RSASSA-PSS"), true));
    assert_eq!(signature(sequence(&[rsa(10), sequence(&[])])), (Some("RSASSA-PSS"), true));
    let ml_dsa = der(6, &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 19]);
    assert_eq!(signature(sequence(&[ml_dsa])), (Some("ML-DSA-87"), false));
    assert_eq!(signature(sequence(&[der(6, &[0x2a, 3])])), (None, false));
}

#[test]
fn alternative_names_are_hosts_addresses_mail_and_uris() {
    let names = sequence(&[
        der(0x82, b"*.example.com"),
        der(0x87, &[192, 0, 2, 7]),
        der(0x87, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        der(0x87, &[1, 2, 3]),
        der(0x81, b"a@example.com"),
        der(0xa0, b"other"),
    ]);
    let usage = sequence(&[der(6, &[0x55, 0x1d, 0x0f]), der(1, &[255]), der(4, &[3, 2, 5, 0xa0])]);
    let san = sequence(&[der(6, &[0x55, 0x1d, 0x11]), der(1, &[0]), der(4, &names)]);
    let encoding = Parts { extensions: sequence(&[usage, san]), ..Parts::default() }.encode();
    let found: Vec<_> = Certificate::parse(&encoding).unwrap().alternative_names().collect();
    let address = |text: &str| AlternativeName::Address(text.parse().unwrap());
    assert_eq!(
        found,
        [
            AlternativeName::Text(b"*.example.com"),
            address("192.0.2.7"),
            address("2001:db8::1"),
            AlternativeName::Text(b"a@example.com"),
        ]
    );
}

#[test]
fn times_that_are_no_times_are_left_out() {
    let read = |tag, text: &[u8]| {
        Moment::read(tag, text).map(|moment| String::from_utf8(moment.0.to_vec()).unwrap())
    };
    assert_eq!(read(UTC_TIME, b"490102030405Z").as_deref(), Some("2049-01-02T03:04:05"));
    assert_eq!(read(UTC_TIME, b"4901020304Z").as_deref(), Some("2049-01-02T03:04:00"));
    for bad in [&b""[..], b"Z", b"49010203040", b"4901020304x5Z", b"490102030405+0100", b"49010203040Z"] {
        assert_eq!(read(UTC_TIME, bad), None, "{bad:?}");
    }
    assert_eq!(read(GENERALIZED_TIME, b"2Z"), None);
    assert_eq!(read(SEQUENCE, b"490102030405Z"), None);
}

fn walk(encoding: &[u8]) {
    if let Some(certificate) = Certificate::parse(encoding) {
        let mut out = Vec::new();
        certificate.subject.write(&mut out);
        certificate.issuer.write(&mut out);
        certificate.key.write_oid(&mut out);
        certificate.signature.write_oid(&mut out);
        certificate.alternative_names().count();
    }
}

#[test]
fn a_certificate_cut_anywhere_is_none() {
    let encoding = Parts::default().encode();
    for end in 0..encoding.len() {
        assert!(Certificate::parse(&encoding[..end]).is_none());
    }
}

proptest! {
    #[test]
    fn mutated_certificates_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let names = sequence(&[der(0x82, b"example.com"), der(0x87, &[192, 0, 2, 7])]);
        let san = sequence(&[der(6, &[0x55, 0x1d, 0x11]), der(4, &names)]);
        let mut encoding = Parts { extensions: sequence(&[san]), ..Parts::default() }.encode();
        for (at, value) in changes {
            let at = at.index(encoding.len());
            encoding[at] = value;
        }
        walk(&encoding);
    }

    #[test]
    fn random_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        walk(&bytes);
    }
}
