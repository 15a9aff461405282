//! A Certificate message: the first certificate is kept, the rest is judged and counted.

use super::reader::Reader;
use crate::protocols::x509;

/// The certificates that one side sent.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// Encoding of the first, the one of the sender itself.
    pub(super) leaf: Vec<u8>,
    /// How many there are.
    pub(super) len: u16,
    /// A Certificate message came, maybe an empty one.
    pub(super) is_seen: bool,
    /// One that is not a root is signed over MD5 or SHA-1.
    pub(super) has_weak_signature: bool,
    /// One has a key below 2,048 bits of RSA or 224 of a curve.
    pub(super) has_short_key: bool,
}

impl Chain {
    /// Reads the body of a Certificate message of TLS 1.2 and before (RFC 5246 7.4.2).
    pub(super) fn read(&mut self, body: &[u8]) {
        self.is_seen = true;
        let Some(list) = Reader::new(body).vector24() else { return };
        let mut certificates = Reader::new(list);
        while let Some(encoding) = certificates.vector24() {
            if self.len == 0 {
                self.leaf.extend_from_slice(encoding);
            }
            if self.len < MAX_JUDGED {
                self.judge(encoding);
            }
            self.len = self.len.saturating_add(1);
        }
    }

    fn judge(&mut self, encoding: &[u8]) {
        let Some(certificate) = x509::Certificate::parse(encoding) else { return };
        self.has_short_key |= certificate.key.is_short();
        // Nobody checks a root's signature over itself.
        let is_root = self.len > 0 && certificate.is_self_issued();
        self.has_weak_signature |= certificate.signature.is_weak && !is_root;
    }

    pub(super) fn reset(&mut self) {
        let Self { leaf, .. } = self;
        let leaf = super::recycled(leaf);
        *self = Self { leaf, ..Self::default() };
    }
}

/// Certificates of a chain that are looked into.
const MAX_JUDGED: u16 = 16;
