use rustls::crypto::aws_lc_rs::kx_group;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

use crate::primitive::{Backend, KemSet};
use crate::secret::Secret;

/// A hybrid group of TLS 1.3 (draft-ietf-tls-ecdhe-mlkem): secret unless both halves are broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// X25519MLKEM768, 0x11EC: ML-KEM comes first in shares and secret.
    X25519MlKem768,
    /// SecP384r1MLKEM1024, 0x11ED: ECDH comes first in shares and secret.
    Secp384r1MlKem1024,
}

impl Group {
    /// Every group, the smaller first.
    pub const ALL: [Self; 2] = [Self::X25519MlKem768, Self::Secp384r1MlKem1024];

    /// Its number in the registry of TLS supported groups.
    pub const fn number(self) -> u16 {
        match self {
            Self::X25519MlKem768 => 0x11EC,
            Self::Secp384r1MlKem1024 => 0x11ED,
        }
    }

    /// Its name in that registry.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::Secp384r1MlKem1024 => "SecP384r1MLKEM1024",
        }
    }

    /// The group computed by a library; the ECDH half is always AWS-LC's.
    pub fn kx(self, backend: Backend) -> &'static dyn SupportedKxGroup {
        match (self, backend) {
            (Self::X25519MlKem768, Backend::Liboqs) => &X25519MLKEM768_LIBOQS,
            (Self::X25519MlKem768, Backend::AwsLc) => &X25519MLKEM768_AWS_LC,
            (Self::Secp384r1MlKem1024, Backend::Liboqs) => &SECP384R1MLKEM1024_LIBOQS,
            (Self::Secp384r1MlKem1024, Backend::AwsLc) => &SECP384R1MLKEM1024_AWS_LC,
        }
    }

    /// The group of this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    const fn kem(self) -> KemSet {
        match self {
            Self::X25519MlKem768 => KemSet::MlKem768,
            Self::Secp384r1MlKem1024 => KemSet::MlKem1024,
        }
    }

    fn classical(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::X25519MlKem768 => kx_group::X25519,
            Self::Secp384r1MlKem1024 => kx_group::SECP384R1,
        }
    }

    /// Length of a share of X25519 or an uncompressed point of P-384, in bytes.
    const fn classical_len(self) -> usize {
        match self {
            Self::X25519MlKem768 => 32,
            Self::Secp384r1MlKem1024 => 97,
        }
    }

    /// Splits a share into (ML-KEM, ECDH); its length must be exact.
    fn split(self, share: &[u8], kem_len: usize) -> Result<(&[u8], &[u8]), Error> {
        if share.len() != kem_len + self.classical_len() {
            return Err(INVALID);
        }
        let halves = match self {
            Self::X25519MlKem768 => share.split_at_checked(kem_len),
            Self::Secp384r1MlKem1024 => {
                share.split_at_checked(self.classical_len()).map(|(ecdh, kem)| (kem, ecdh))
            }
        };
        halves.ok_or(INVALID)
    }

    /// The halves in the group's order, allocated once so that nothing of a secret stays behind.
    fn join(self, kem: &[u8], classical: &[u8]) -> Secret {
        match self {
            Self::X25519MlKem768 => Secret::joined(&[kem, classical]),
            Self::Secp384r1MlKem1024 => Secret::joined(&[classical, kem]),
        }
    }
}

#[derive(Debug)]
struct Hybrid {
    group: Group,
    backend: Backend,
}

impl Hybrid {
    fn begin(&self) -> Result<Started, Error> {
        let classical = self.group.classical().start()?;
        let keys = self.backend.kem().keypair(self.group.kem()).map_err(|_| FAILED())?;
        let share = self.group.join(&keys.public, classical.pub_key()).into_vec();
        Ok(Started { group: self.group, backend: self.backend, classical, secret: keys.secret, share })
    }
}

impl SupportedKxGroup for Hybrid {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(self.begin()?))
    }

    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let group = self.group;
        let (public, ecdh) = group.split(client_share, group.kem().public_len())?;
        // The cheap half first: a share that is no point costs no encapsulation.
        let classical = group.classical().start_and_complete(ecdh)?;
        let sent = self.backend.kem().encapsulate(group.kem(), public).map_err(|_| INVALID)?;
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: group.join(&sent.ciphertext, &classical.pub_key).into_vec(),
            secret: group.join(sent.shared.expose(), classical.secret.secret_bytes()).into_vec().into(),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::from(self.group.number())
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

struct Started {
    group: Group,
    backend: Backend,
    classical: Box<dyn ActiveKeyExchange>,
    secret: Secret,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let group = self.group;
        let (ciphertext, ecdh) = group.split(server_share, group.kem().ciphertext_len())?;
        let classical = self.classical.complete(ecdh)?;
        let shared =
            self.backend.kem().decapsulate(group.kem(), &self.secret, ciphertext).map_err(|_| INVALID)?;
        Ok(group.join(shared.expose(), classical.secret_bytes()).into_vec().into())
    }

    // `hybrid_component` stays `None`: the classical half is never offered alone.

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::from(self.group.number())
    }
}

static X25519MLKEM768_LIBOQS: Hybrid = Hybrid { group: Group::X25519MlKem768, backend: Backend::Liboqs };
static X25519MLKEM768_AWS_LC: Hybrid = Hybrid { group: Group::X25519MlKem768, backend: Backend::AwsLc };
static SECP384R1MLKEM1024_LIBOQS: Hybrid =
    Hybrid { group: Group::Secp384r1MlKem1024, backend: Backend::Liboqs };
static SECP384R1MLKEM1024_AWS_LC: Hybrid =
    Hybrid { group: Group::Secp384r1MlKem1024, backend: Backend::AwsLc };

const INVALID: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
const FAILED: fn() -> Error = || Error::General("no key pair of ML-KEM could be made".to_owned());

#[cfg(test)]
mod tests {
    use sample::memory::{Needle, copies};

    use super::*;

    #[test]
    fn shares_have_the_lengths_and_order_of_the_draft() {
        for backend in Backend::ALL {
            for (group, client, server) in [
                (Group::X25519MlKem768, 1184 + 32, 1088 + 32),
                (Group::Secp384r1MlKem1024, 97 + 1568, 97 + 1568),
            ] {
                let kx = group.kx(backend);
                let started = kx.start().unwrap();
                assert_eq!(started.pub_key().len(), client);
                let completed = kx.start_and_complete(started.pub_key()).unwrap();
                assert_eq!(completed.pub_key.len(), server);
                let at = if group == Group::X25519MlKem768 { None } else { Some(&0x04) };
                // An uncompressed point begins with 4; ML-KEM's first byte does so once in 256 times.
                if let Some(uncompressed) = at {
                    assert_eq!(started.pub_key().first(), Some(uncompressed));
                    assert_eq!(completed.pub_key.first(), Some(uncompressed));
                }
                let secret = started.complete(&completed.pub_key).unwrap();
                assert_eq!(secret.secret_bytes(), completed.secret.secret_bytes());
                assert_eq!(secret.secret_bytes().len(), if at.is_some() { 48 + 32 } else { 32 + 32 });
            }
        }
    }

    #[test]
    fn each_library_completes_the_others_and_rustls_own() {
        let ours = Group::X25519MlKem768.kx(Backend::Liboqs);
        let theirs = kx_group::X25519MLKEM768;
        for (one, other) in [(ours, theirs), (theirs, ours)] {
            let started = one.start().unwrap();
            let completed = other.start_and_complete(started.pub_key()).unwrap();
            let secret = started.complete(&completed.pub_key).unwrap();
            assert_eq!(secret.secret_bytes(), completed.secret.secret_bytes());
        }
    }

    #[test]
    fn shares_that_are_damaged_or_cut_are_refused() {
        for group in Group::ALL {
            let kx = group.kx(Backend::Liboqs);
            let share = kx.start().unwrap().pub_key().to_vec();
            for cut in [0, 1, 32, 97, share.len() - 1] {
                assert!(kx.start_and_complete(&share[..cut]).is_err());
                assert!(kx.start().unwrap().complete(&share[..cut]).is_err());
            }
            let (kem_at, ecdh_at) = if group == Group::X25519MlKem768 { (0, 1184) } else { (97, 0) };
            let mut unreduced = share.clone();
            unreduced[kem_at..kem_at + 2].fill(0xFF);
            assert!(kx.start_and_complete(&unreduced).is_err());
            let mut no_point = share;
            no_point[ecdh_at..ecdh_at + group.classical_len()].fill(0);
            assert!(kx.start_and_complete(&no_point).is_err());
        }
    }

    #[test]
    fn nothing_of_an_exchange_stays_in_memory() {
        for hybrid in [
            &X25519MLKEM768_LIBOQS,
            &X25519MLKEM768_AWS_LC,
            &SECP384R1MLKEM1024_LIBOQS,
            &SECP384R1MLKEM1024_AWS_LC,
        ] {
            let needles = exchanged(hybrid);
            // What lies on the stack is written over by the next that computes there.
            let _ = exchanged(hybrid);
            for (what, needle) in &needles {
                let found = copies(std::process::id(), std::slice::from_ref(needle)).unwrap();
                assert_eq!(found, 0, "{what} of {hybrid:?}");
            }
        }
    }

    /// Needles of the private key's two seeds and the shared secret of one exchange, all of which is over.
    fn exchanged(hybrid: &Hybrid) -> [(&'static str, Needle); 3] {
        let started = Box::new(hybrid.begin().unwrap());
        let dk = started.secret.expose();
        // The decapsulation key begins with the secret vector and ends with the seed z (FIPS 203, algorithm 16).
        let (vector, seed) = (Needle::of(&dk[..32]), Needle::of(&dk[dk.len() - 32..]));
        let completed = hybrid.start_and_complete(started.pub_key()).unwrap();
        let secret = started.complete(&completed.pub_key).unwrap();
        let bytes = secret.secret_bytes();
        let kem_half = if hybrid.group == Group::X25519MlKem768 { &bytes[..32] } else { &bytes[48..] };
        [("the private key", vector), ("the private seed", seed), ("the shared secret", Needle::of(kem_half))]
    }

    #[test]
    fn the_classical_half_is_not_offered_alone() {
        for group in Group::ALL {
            assert!(group.kx(Backend::Liboqs).start().unwrap().hybrid_component().is_none());
        }
    }
}
