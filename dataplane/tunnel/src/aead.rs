//! AES-256-GCM with a 16-byte tag, by whichever library is fastest here.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

/// Bytes of the tag (RFC 4106, 6: the 16-byte ICV).
pub const TAG: usize = 16;

/// Bytes of a nonce: 4 of salt, 8 of IV (RFC 4106, 4).
pub const NONCE: usize = 12;

/// A nonce of AES-GCM. It is a number, not an array, so that it stays in registers until the engine stores it as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(u128);

impl Nonce {
    /// Salt and IV as a packet carries it (RFC 4106, 4).
    #[inline]
    #[must_use]
    pub fn new(salt: [u8; 4], iv: [u8; 8]) -> Self {
        Self(u128::from(u64::from_le_bytes(iv)) << 32 | u128::from(u32::from_le_bytes(salt)))
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; NONCE] {
        self.0.to_le_bytes().first_chunk().copied().unwrap_or_default()
    }
}

/// What ESP authenticates besides its text: the SPI and the number of the packet (RFC 4106, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad {
    bytes: u128,
    len: usize,
}

impl Aad {
    /// The SPI and both halves of an extended number.
    #[inline]
    #[must_use]
    pub fn extended(spi: u32, number: u64) -> Self {
        Self { bytes: u128::from(number.swap_bytes()) << 32 | u128::from(spi.swap_bytes()), len: 12 }
    }

    /// The SPI and a number of 32 bits.
    #[inline]
    #[must_use]
    pub fn short(spi: u32, number: u32) -> Self {
        Self { bytes: u128::from(number.swap_bytes()) << 32 | u128::from(spi.swap_bytes()), len: 8 }
    }

    /// Its bytes, and how many there are.
    #[must_use]
    pub fn to_bytes(self) -> ([u8; 16], usize) {
        (self.bytes.to_le_bytes(), self.len)
    }
}

/// An engine of AES-256-GCM that holds one expanded key, which it wipes when dropped.
pub trait Aead: Sized {
    /// Expands a key; `None` where this machine cannot run the engine.
    fn expand(key: &[u8; 32]) -> Option<Self>;

    /// Encrypts all but the last 16 bytes of `text` in place and writes the tag there.
    ///
    /// # Errors
    /// [`TooShort`] where `text` cannot hold a tag; nothing was done.
    fn seal(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), TooShort>;

    /// Decrypts all but the last 16 bytes of `text` in place if the tag in those is right.
    ///
    /// # Errors
    /// [`Forged`]; nothing of the plain text is left in `text`.
    fn open(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), Forged>;
}

/// Room for a tag is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for a tag")]
pub struct TooShort;

/// A tag is wrong: other key, other nonce, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tag is wrong")]
pub struct Forged;

/// AES-256-GCM of AWS-LC, on every processor.
pub struct AwsLc(LessSafeKey);

impl Aead for AwsLc {
    fn expand(key: &[u8; 32]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    #[inline]
    fn seal(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), TooShort> {
        let (text, tag) = text.split_last_chunk_mut::<TAG>().ok_or(TooShort)?;
        let made =
            self.0.seal_in_place_separate_tag(lc_nonce(nonce), lc_aad(aad), text).map_err(|_| TooShort)?;
        *tag = made.as_ref().first_chunk().copied().ok_or(TooShort)?;
        Ok(())
    }

    #[inline]
    fn open(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), Forged> {
        if self.0.open_in_place(lc_nonce(nonce), lc_aad(aad), text).is_ok() {
            return Ok(());
        }
        text.fill(0);
        Err(Forged)
    }
}

#[inline]
fn lc_nonce(nonce: Nonce) -> aws_lc_rs::aead::Nonce {
    aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce.to_bytes())
}

/// Bytes of an [`Aad`] that can be lent out.
struct LcAad([u8; 16], usize);

impl AsRef<[u8]> for LcAad {
    fn as_ref(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

#[inline]
fn lc_aad(aad: Aad) -> aws_lc_rs::aead::Aad<LcAad> {
    let (bytes, len) = aad.to_bytes();
    aws_lc_rs::aead::Aad::from(LcAad(bytes, len))
}

/// AES-256-GCM of libIPSec_MB, on x86-64 with AES instructions.
#[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
pub struct IpsecMb(ipsec_mb_sys::Gcm256);

#[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
impl Aead for IpsecMb {
    fn expand(key: &[u8; 32]) -> Option<Self> {
        ipsec_mb_sys::Gcm256::new(key).map(Self)
    }

    #[inline]
    fn seal(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), TooShort> {
        if self.0.seal(nonce.0, aad.into(), text) { Ok(()) } else { Err(TooShort) }
    }

    #[inline]
    fn open(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), Forged> {
        match self.0.open(nonce.0, aad.into(), text) {
            ipsec_mb_sys::Opening::Authentic => Ok(()),
            ipsec_mb_sys::Opening::Forged => Err(Forged),
        }
    }
}

#[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
impl From<Aad> for ipsec_mb_sys::Aad {
    #[inline]
    fn from(aad: Aad) -> Self {
        Self { bytes: aad.bytes, len: aad.len }
    }
}

/// The faster of the engines that this build has and this processor runs.
pub enum Aes256Gcm {
    /// libIPSec_MB.
    #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
    IpsecMb(IpsecMb),
    /// AWS-LC.
    AwsLc(AwsLc),
}

impl Aes256Gcm {
    /// Name of the engine, as `tunnel show` and benchmarks print it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
            Self::IpsecMb(_) => "ipsec-mb",
            Self::AwsLc(_) => "aws-lc-rs",
        }
    }
}

impl Aead for Aes256Gcm {
    fn expand(key: &[u8; 32]) -> Option<Self> {
        #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
        if let Some(engine) = IpsecMb::expand(key) {
            return Some(Self::IpsecMb(engine));
        }
        AwsLc::expand(key).map(Self::AwsLc)
    }

    #[inline]
    fn seal(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), TooShort> {
        match self {
            #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
            Self::IpsecMb(engine) => engine.seal(nonce, aad, text),
            Self::AwsLc(engine) => engine.seal(nonce, aad, text),
        }
    }

    #[inline]
    fn open(&self, nonce: Nonce, aad: Aad, text: &mut [u8]) -> Result<(), Forged> {
        match self {
            #[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
            Self::IpsecMb(engine) => engine.open(nonce, aad, text),
            Self::AwsLc(engine) => engine.open(nonce, aad, text),
        }
    }
}
