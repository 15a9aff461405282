//! AES-256-GCM by each engine: published vectors, and another implementation.

use aes_gcm::aead::{AeadInPlace, KeyInit};
use proptest::prelude::*;
use tunnel::{
    Aad, Aead, Aes256Gcm, AwsLc, Carrier, CoreId, Forged, Gateway, InboundSa, Nonce, OpenRefusal, SaKey,
    Sequence, Spi, TooShort, Version,
};

use crate::support::{NOW, inbound, open, outbound, path, udp};

struct Vector {
    key: &'static str,
    nonce: &'static str,
    aad: &'static str,
    plain: &'static str,
    sealed: &'static str,
}

/// Test cases 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega). ESP authenticates 8 or 12 bytes besides
/// the text, so engines have no other lengths: these are for the implementation that they are compared with.
const VECTORS: [Vector; 5] = [
    Vector {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plain: "",
        sealed: "530f8afbc74536b9a963b4f1c4cb738b",
    },
    Vector {
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        nonce: "000000000000000000000000",
        aad: "",
        plain: "00000000000000000000000000000000",
        sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    },
    Vector {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "",
        plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
        sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad\
                 b094dac5d93471bdec1a502270e3cc6c",
    },
    Vector {
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                 8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
                 76fc6ece0f4e1768cddf8853bb2d551b",
    },
    ESP_VECTOR,
];

/// The case of AES-256 of draft-mcgrew-gcm-test-01 (RFC 4106).
const ESP_VECTOR: Vector = Vector {
    key: "abbccddef00112233445566778899aababbccddef00112233445566778899aab",
    nonce: "112233440102030405060708",
    aad: "4a2cbfe300000002",
    plain: "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee000000000\
            7002400020bf0000020405b40101040201020201",
    sealed: "ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763\
             748a637985771d347f0545659f14e99def842d8e\
             b335f4eecfdbf831824b4c4915956c96",
};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn published<A: Aead>() {
    let engine = A::expand(&bytes(ESP_VECTOR.key).try_into().unwrap()).unwrap();
    let nonce = Nonce::new([0x11, 0x22, 0x33, 0x44], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(nonce.to_bytes().to_vec(), bytes(ESP_VECTOR.nonce));
    let aad = Aad::short(0x4a2c_bfe3, 2);
    assert_eq!((&aad.to_bytes().0[..8], aad.to_bytes().1), (&bytes(ESP_VECTOR.aad)[..], 8));
    let (plain, sealed) = (bytes(ESP_VECTOR.plain), bytes(ESP_VECTOR.sealed));
    let mut text = plain.clone();
    text.extend([0xee; 16]);
    engine.seal(nonce, aad, &mut text).unwrap();
    assert_eq!(text, sealed);
    engine.open(nonce, aad, &mut text).unwrap();
    assert_eq!(text[..plain.len()], plain);
}

#[test]
fn published_vectors_come_out_of_what_engines_are_compared_with() {
    for vector in &VECTORS {
        let (mut text, sealed) = (bytes(vector.plain), bytes(vector.sealed));
        let nonce: [u8; 12] = bytes(vector.nonce).try_into().unwrap();
        let cipher = aes_gcm::Aes256Gcm::new_from_slice(&bytes(vector.key)).unwrap();
        let tag = cipher.encrypt_in_place_detached(&nonce.into(), &bytes(vector.aad), &mut text).unwrap();
        text.extend(tag);
        assert_eq!(text, sealed);
    }
}

#[test]
fn published_vectors_come_out_of_every_engine() {
    published::<Aes256Gcm>();
    published::<AwsLc>();
    #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
    if tunnel::IpsecMb::expand(&[0; 32]).is_some() {
        published::<tunnel::IpsecMb>();
    }
}

#[test]
fn a_published_esp_packet_is_authentic() {
    let key = SaKey::fill(|material| {
        let (key, salt) = material.split_at_mut(32);
        key.copy_from_slice(&bytes(ESP_VECTOR.key));
        salt.copy_from_slice(&[0x11, 0x22, 0x33, 0x44]);
        Ok::<(), ()>(())
    });
    let mut config = inbound(&outbound(path(Version::V4, Carrier::Ip)));
    config.spi = Spi::new(0x4a2c_bfe3).unwrap();
    config.sequence = Sequence::Short;
    let mut gateway: Gateway<Aes256Gcm> = Gateway::new(CoreId(0), tunnel::NAT_PORT, 4);
    gateway.inbound.install(InboundSa::new(key.unwrap(), config).unwrap()).unwrap();
    let esp: Vec<u8> =
        ["4a2cbfe3000000020102030405060708", ESP_VECTOR.sealed].iter().flat_map(|hex| bytes(hex)).collect();
    let mut packet = udp(Version::V4, esp.len() - 8);
    packet[9] = 50;
    packet[20..].copy_from_slice(&esp);
    // Its next header is 1, which no SA here carries: said only of what is authentic.
    assert_eq!(open(&mut gateway, &packet, NOW), Err(OpenRefusal::WrongFraming));
    packet[60] ^= 1;
    packet[27] = 3;
    assert_eq!(open(&mut gateway, &packet, NOW), Err(OpenRefusal::NotAuthentic));
}

#[test]
fn texts_shorter_than_a_tag_are_refused() {
    fn refused<A: Aead>() {
        let engine = A::expand(&[1; 32]).unwrap();
        for len in 0..16 {
            assert_eq!(
                engine.seal(Nonce::new([0; 4], [0; 8]), Aad::short(1, 1), &mut vec![0; len]),
                Err(TooShort)
            );
            assert_eq!(
                engine.open(Nonce::new([0; 4], [0; 8]), Aad::short(1, 1), &mut vec![0; len]),
                Err(Forged)
            );
        }
    }
    refused::<Aes256Gcm>();
    refused::<AwsLc>();
}

fn agrees<A: Aead>(key: [u8; 32], nonce: Nonce, aad: Aad, plain: &[u8]) -> Vec<u8> {
    let engine = A::expand(&key).unwrap();
    let mut text = [plain, &[0; 16]].concat();
    engine.seal(nonce, aad, &mut text).unwrap();
    let mut other = plain.to_vec();
    let (header, len) = aad.to_bytes();
    let cipher = aes_gcm::Aes256Gcm::new(&key.into());
    let tag = cipher.encrypt_in_place_detached(&nonce.to_bytes().into(), &header[..len], &mut other).unwrap();
    other.extend(tag);
    assert_eq!(text, other);
    engine.open(nonce, aad, &mut text).unwrap();
    assert_eq!(&text[..plain.len()], plain);
    other
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_engine_agrees_with_another_implementation(
        key: [u8; 32], salt: [u8; 4], iv: [u8; 8], spi: u32, number: u64,
        plain in prop::collection::vec(any::<u8>(), 0..1600)
    ) {
        let nonce = Nonce::new(salt, iv);
        for aad in [Aad::extended(spi, number), Aad::short(spi, number as u32)] {
            agrees::<Aes256Gcm>(key, nonce, aad, &plain);
            agrees::<AwsLc>(key, nonce, aad, &plain);
        }
    }

    #[test]
    fn what_is_authenticated_is_the_header_as_it_is_sent(spi: u32, number: u64) {
        let whole = [&spi.to_be_bytes()[..], &number.to_be_bytes()].concat();
        let (bytes, len) = Aad::extended(spi, number).to_bytes();
        prop_assert_eq!(&bytes[..len], &whole[..]);
        let (bytes, len) = Aad::short(spi, number as u32).to_bytes();
        prop_assert_eq!(&bytes[..len], &[&whole[..4], &whole[8..]].concat()[..]);
    }

    #[test]
    fn a_forged_text_leaves_nothing_to_see(
        key: [u8; 32], iv: [u8; 8], plain in prop::collection::vec(1..=u8::MAX, 16..600), at: prop::sample::Index
    ) {
        let (nonce, aad) = (Nonce::new([9; 4], iv), Aad::extended(3, 3));
        let sealed = agrees::<AwsLc>(key, nonce, aad, &plain);
        for engine in [true, false] {
            let mut text = sealed.clone();
            let at = at.index(text.len());
            text[at] ^= 1;
            let result = if engine {
                Aes256Gcm::expand(&key).unwrap().open(nonce, aad, &mut text)
            } else {
                AwsLc::expand(&key).unwrap().open(nonce, aad, &mut text)
            };
            prop_assert_eq!(result, Err(Forged));
            prop_assert!(text[..plain.len()].iter().all(|byte| *byte == 0));
        }
    }
}
