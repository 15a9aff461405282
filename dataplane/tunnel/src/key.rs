use zeroize::Zeroizing;

/// Bytes of an SA's key material: a key of AES-256 and the salt of its nonces (RFC 4106, 8.1).
pub const KEY_MATERIAL: usize = 36;

/// The secret of one security association: 32 bytes of key, 4 bytes of salt.
///
/// It stays in one place of memory, is wiped when dropped, and is used up by the SA it becomes: there is no way to
/// copy, compare or print it, so no key can drive two senders.
///
/// ```compile_fail
/// let key = tunnel::SaKey::fill(|_| Ok::<(), ()>(())).unwrap();
/// let copy = key.clone();
/// ```
/// ```compile_fail
/// let key = tunnel::SaKey::fill(|_| Ok::<(), ()>(())).unwrap();
/// println!("{key:?}");
/// ```
pub struct SaKey(Box<Zeroizing<[u8; KEY_MATERIAL]>>);

impl SaKey {
    /// Key material that `source` writes in place, key first, then salt: the exporter of a TLS session, or a reader.
    ///
    /// # Errors
    /// What `source` fails with; what it wrote is wiped.
    pub fn fill<E>(source: impl FnOnce(&mut [u8; KEY_MATERIAL]) -> Result<(), E>) -> Result<Self, E> {
        let mut material = Box::new(Zeroizing::new([0; KEY_MATERIAL]));
        source(&mut material)?;
        Ok(Self(material))
    }

    /// The key of AES-256.
    pub(crate) fn cipher_key(&self) -> &[u8; 32] {
        self.0.first_chunk().unwrap_or(&[0; 32])
    }

    /// The first four bytes of every nonce.
    pub(crate) fn salt(&self) -> Zeroizing<[u8; 4]> {
        Zeroizing::new(self.0.last_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_salt_are_the_two_ends_of_the_material() {
        let key = SaKey::fill(|bytes| {
            for (at, byte) in (0..).zip(bytes) {
                *byte = at;
            }
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(key.cipher_key()[31], 31);
        assert_eq!(*key.salt(), [32, 33, 34, 35]);
    }

    #[test]
    fn a_source_that_fails_leaves_no_key() {
        assert!(matches!(SaKey::fill(|_| Err("closed")), Err("closed")));
    }
}
