#![expect(unsafe_code, reason = "calls into a C library")]

use core::arch::x86_64::{__m128i, _mm_set_epi64x};
use std::sync::OnceLock;

use zeroize::Zeroize;

/// Bytes of the authentication tag, which follows the text.
pub const TAG: usize = 16;

/// An expanded AES-256 key and its hash keys; wiped when dropped, never copied, never printed.
pub struct Gcm256 {
    key: Box<KeyData>,
    functions: &'static Functions,
}

/// Up to 16 bytes that are authenticated and not encrypted, as a number in little-endian order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad {
    /// The bytes; those behind the last one are ignored.
    pub bytes: u128,
    /// How many there are; more than 16 are 16.
    pub len: usize,
}

/// Whether a text was what its sender sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Opening {
    /// The tag is right; the text is plain now.
    Authentic,
    /// The tag is wrong; the text is zeros now.
    Forged,
}

impl Gcm256 {
    /// Expands a key; `None` where the processor has no AES instructions.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Option<Self> {
        let functions = functions()?;
        let mut data = Box::new(KeyData([0; KEY_BYTES]));
        // SAFETY: `expand` reads 32 bytes of key and writes `key_bytes` ≤ `KEY_BYTES` (checked in `functions`) to memory
        // that is aligned to 64 bytes as its header asks.
        unsafe { (functions.expand)(key.as_ptr(), &raw mut *data) };
        Some(Self { key: data, functions })
    }

    /// Encrypts all but the last 16 bytes of `text` in place and writes the tag into those. The nonce is the low 12 bytes
    /// of a number in little-endian order.
    ///
    /// Nothing is done, and false given, where `text` is shorter than a tag.
    #[inline]
    #[must_use]
    pub fn seal(&self, nonce: u128, aad: Aad, text: &mut [u8]) -> bool {
        let Some((text, tag)) = text.split_last_chunk_mut::<TAG>() else { return false };
        self.call(self.functions.encrypt, nonce, aad, text, tag);
        true
    }

    /// Decrypts all but the last 16 bytes of `text` in place, and compares the tag in those.
    #[inline]
    pub fn open(&self, nonce: u128, aad: Aad, text: &mut [u8]) -> Opening {
        let Some((text, tag)) = text.split_last_chunk_mut::<TAG>() else { return Opening::Forged };
        let mut computed = [0; TAG];
        self.call(self.functions.decrypt, nonce, aad, text, &mut computed);
        // One comparison of 128 bits: the time says nothing about where they differ.
        if u128::from_ne_bytes(computed) == u128::from_ne_bytes(*tag) {
            return Opening::Authentic;
        }
        // What a forger chose must not be seen by anybody.
        text.fill(0);
        Opening::Forged
    }

    #[inline]
    fn call(&self, function: Crypt, nonce: u128, aad: Aad, text: &mut [u8], tag: &mut [u8; TAG]) {
        let mut context = Context([0; CONTEXT_BYTES]);
        let place = text.as_mut_ptr();
        // The library loads 16 bytes of each under a mask. Such a load waits for all stores before it unless one single
        // store made what it reads: so these are vectors, not arrays of bytes. It is half of the time at 64 bytes.
        let (nonce, header) = (in_register(nonce), in_register(aad.bytes));
        // SAFETY: the key was expanded by `expand` of the same table; the context has the size the library asks for
        // (checked in `functions`); nonce, aad, text and tag are as long as said, and the library works in place.
        unsafe {
            function(
                &raw const *self.key,
                &raw mut context,
                place,
                place,
                text.len() as u64,
                (&raw const nonce).cast(),
                (&raw const header).cast(),
                aad.len.min(16) as u64,
                tag.as_mut_ptr(),
                TAG as u64,
            );
        };
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "each half is taken")]
fn in_register(number: u128) -> __m128i {
    // SAFETY: SSE2 is part of every x86-64.
    unsafe { _mm_set_epi64x(((number >> 64) as u64).cast_signed(), (number as u64).cast_signed()) }
}

impl Drop for Gcm256 {
    fn drop(&mut self) {
        self.key.0.zeroize();
    }
}

/// `struct gcm_key_data`: opaque to us.
#[repr(C, align(64))]
struct KeyData([u8; KEY_BYTES]);

/// `struct gcm_context_data`: opaque to us, and of use only to calls that go on where another stopped.
#[repr(C, align(16))]
struct Context([u8; CONTEXT_BYTES]);

/// As many as version 1.3 has, and some more: the header is asked, below.
const KEY_BYTES: usize = 1280;
const CONTEXT_BYTES: usize = 96;

type Expand = unsafe extern "C" fn(*const u8, *mut KeyData);
type Crypt = unsafe extern "C" fn(
    *const KeyData,
    *mut Context,
    *mut u8,
    *const u8,
    u64,
    *const u8,
    *const u8,
    u64,
    *mut u8,
    u64,
);

/// `struct ipsec_mb_gcm256` of the shim.
#[repr(C)]
struct Answer {
    expand: Option<Expand>,
    encrypt: Option<Crypt>,
    decrypt: Option<Crypt>,
    key_bytes: u64,
    context_bytes: u64,
}

struct Functions {
    expand: Expand,
    encrypt: Crypt,
    decrypt: Crypt,
}

unsafe extern "C" {
    fn ipsec_mb_shim_gcm256(out: *mut Answer) -> i32;
}

/// The functions for this processor, looked up once.
fn functions() -> Option<&'static Functions> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    FUNCTIONS.get_or_init(look_up).as_ref()
}

fn look_up() -> Option<Functions> {
    let mut answer = Answer { expand: None, encrypt: None, decrypt: None, key_bytes: 0, context_bytes: 0 };
    // SAFETY: the shim writes one structure of this layout, or nothing.
    let usable = unsafe { ipsec_mb_shim_gcm256(&raw mut answer) };
    let fits = answer.key_bytes <= KEY_BYTES as u64 && answer.context_bytes <= CONTEXT_BYTES as u64;
    if usable == 0 || !fits {
        return None;
    }
    Some(Functions { expand: answer.expand?, encrypt: answer.encrypt?, decrypt: answer.decrypt? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_AAD: Aad = Aad { bytes: 0, len: 0 };

    /// Test case 14 of the GCM specification (McGrew, Viega): one block of zeros under the key of zeros.
    #[test]
    fn the_block_of_zeros_is_sealed_as_published() {
        let Some(key) = Gcm256::new(&[0; 32]) else { return };
        let mut text = [0; 32];
        assert!(key.seal(0, NO_AAD, &mut text));
        let published = 0xcea7_403d_4d60_6b6e_074e_c5d3_baf3_9d18_u128.to_be_bytes();
        let tag = 0xd0d1_c8a7_9999_6bf0_265b_98b5_d48a_b919_u128.to_be_bytes();
        assert_eq!((&text[..16], &text[16..]), (&published[..], &tag[..]));
        assert_eq!(key.open(0, NO_AAD, &mut text), Opening::Authentic);
        assert_eq!(text[..16], [0; 16]);
    }

    #[test]
    fn a_forged_text_is_wiped() {
        let Some(key) = Gcm256::new(&[7; 32]) else { return };
        let mut text = [3; 80];
        assert!(key.seal(1, Aad { bytes: 77, len: 12 }, &mut text));
        text[70] ^= 1;
        assert_eq!(key.open(1, Aad { bytes: 77, len: 12 }, &mut text), Opening::Forged);
        assert_eq!(text[..64], [0; 64]);
    }

    unsafe extern "C" {
        /// The last error of the process, where no manager is given.
        fn imb_get_errno(manager: *const core::ffi::c_void) -> i32;
    }

    fn last_error() -> i32 {
        // SAFETY: it reads a number.
        unsafe { imb_get_errno(core::ptr::null()) }
    }

    /// A variable that every call writes is a line of cache that all cores wait for (the build takes the store out).
    #[test]
    fn a_call_writes_nothing_that_other_cores_share() {
        use core::ptr::{null, null_mut};
        let Some(key) = Gcm256::new(&[7; 32]) else { return };
        let encrypt = key.functions.encrypt;
        // SAFETY: the library compares all pointers with null before it follows any.
        unsafe { encrypt(null(), null_mut(), null_mut(), null(), 1, null(), null(), 0, null_mut(), 16) };
        let refused = last_error();
        assert_ne!(refused, 0, "the library no longer looks at its arguments");
        let mut text = [3; 80];
        assert!(key.seal(1, NO_AAD, &mut text));
        assert_eq!(key.open(1, NO_AAD, &mut text), Opening::Authentic);
        assert_eq!(last_error(), refused);
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_neither_sealed_nor_opened() {
        let Some(key) = Gcm256::new(&[7; 32]) else { return };
        assert!(!key.seal(1, NO_AAD, &mut [0; 15]));
        assert_eq!(key.open(1, NO_AAD, &mut [0; 15]), Opening::Forged);
    }
}
