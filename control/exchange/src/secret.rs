//! Bytes that nobody sees again.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// Secret bytes: wiped when dropped, never printed, not cloneable, compared in constant time.
///
/// It takes the allocation over that a library returned, so no copy stays behind, and it never grows, so none is
/// made later. Where these bytes may be paged out or dumped is settled for the whole process by
/// [`process::harden`](crate::process::harden): libraries keep secrets on stacks and in heaps of their own, which
/// no wrapper reaches.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// `LENGTH` secret bytes that `fill` writes.
    ///
    /// # Errors
    ///
    /// That of `fill`; what it had written is wiped.
    pub fn filled<E>(length: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Zeroizing::new(vec![0; length]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// A copy of `bytes`, which stay where they are: the caller wipes them.
    pub fn copied(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The parts one after another, in an allocation made once.
    pub fn joined(parts: &[&[u8]]) -> Self {
        Self(Zeroizing::new(parts.concat()))
    }

    /// The bytes, to be used and not to be kept.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands the allocation to one who wipes it, such as rustls's `SharedSecret`.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// A secret of a length that is known: wiped when dropped, never printed, not cloneable.
pub struct SecretArray<const N: usize>(Box<[u8; N]>);

impl<const N: usize> SecretArray<N> {
    /// Zeros, to be written with [`expose_mut`](Self::expose_mut). Boxed at once, so that moves copy only a pointer.
    pub fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    /// The bytes, to be used and not to be kept.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The bytes, to be written.
    pub fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for SecretArray<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> PartialEq for SecretArray<N> {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }
}

impl<const N: usize> Eq for SecretArray<N> {}

impl<const N: usize> fmt::Debug for SecretArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretArray({N} bytes)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret::copied(b"correct horse");
        assert_eq!(format!("{secret:?}"), "Secret(13 bytes)");
        let mut array = SecretArray::<4>::zeroed();
        array.expose_mut().copy_from_slice(b"abcd");
        assert_eq!(format!("{array:?}"), "SecretArray(4 bytes)");
    }

    #[test]
    fn a_secret_takes_the_allocation_over() {
        let bytes = vec![7; 40];
        let at = bytes.as_ptr();
        assert_eq!(Secret::from(bytes).expose().as_ptr(), at);
    }
}
