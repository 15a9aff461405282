use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;

use super::certificate::{self, Issuer, Role, Wanted, certify, check_peer_name, facts_of};
use super::files::{self, Block, Present, Readers};
use super::{CertificateFacts, Key, KeyKind, PkiError};
use crate::primitive::Backend;
use crate::tls::{Identity, TlsError};

/// A new authority.
#[derive(Clone, Debug)]
pub struct Init<'a> {
    /// Its common name.
    pub name: &'a str,
    /// Kind of its key: ML-DSA or SLH-DSA.
    pub key: KeyKind,
    /// Kind of the second, classical authority's key, for `mldsa+classical`.
    pub classical: Option<KeyKind>,
    /// How long its certificate is valid.
    pub lifetime: Duration,
}

/// How long a peer's certificate is valid, and which keys it gets.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    /// Kind of the peer's key, ML-DSA.
    pub key: KeyKind,
    /// How long the certificate is valid.
    pub lifetime: Duration,
}

/// A small authority in a folder.
///
/// `ca.pem` holds its private keys with their certificates (mode 0600), `ca.crt` the certificates and `ca.crl` the
/// revocation lists that peers get; `NAME.pem` a peer's keys with their certificates (0600), `NAME.crt` the certificates.
/// Key and certificate are in one file so that no crash parts them.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    backend: Backend,
    chains: Vec<Signer>,
}

#[derive(Debug)]
struct Signer {
    key: Key,
    certificate: CertificateDer<'static>,
}

/// What was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Where keys and certificates are.
    pub file: PathBuf,
    /// The certificates' contents: the post-quantum one, then the classical one.
    pub certificates: Vec<CertificateFacts>,
}

impl Authority {
    /// Makes an authority in `folder`, which is made as well.
    ///
    /// # Errors
    ///
    /// [`PkiError::Exists`] where there is one, [`PkiError::Name`], [`PkiError::Key`] for a kind that is not for it,
    /// [`PkiError::Write`].
    pub fn init(folder: &Path, init: &Init<'_>, backend: Backend, now: SystemTime) -> Result<Self, PkiError> {
        if init.key.is_classical() || init.classical.is_some_and(|kind| !kind.is_classical()) {
            return Err(PkiError::Key);
        }
        let file = folder.join(PRIVATE);
        if file.exists() {
            return Err(PkiError::Exists { path: file });
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| PkiError::Write { path: folder.to_owned(), error })?;
        let mut chains = Vec::new();
        for kind in std::iter::once(init.key).chain(init.classical) {
            let key = Key::generate(kind, backend)?;
            let spki = key.spki();
            let wanted = Wanted {
                name: init.name,
                spki: &spki,
                role: Role::Authority,
                from: before(now),
                until: now + init.lifetime,
            };
            let issuer = Issuer { name: certificate::name(init.name)?, key: &key };
            let certificate = certify(&issuer, &wanted)?;
            chains.push(Signer { key, certificate });
        }
        let authority = Self { folder: folder.to_owned(), backend, chains };
        let keys: Vec<_> = authority.chains.iter().flat_map(Signer::blocks).collect();
        let certificates: Vec<_> =
            authority.chains.iter().map(|chain| Block::Certificate(chain.certificate.clone())).collect();
        files::write(&file, &files::text(&keys)?, Readers::Owner, Present::Refuse)?;
        files::write(
            &folder.join(PUBLIC),
            &files::text(&certificates)?,
            Readers::Everybody,
            Present::Replace,
        )?;
        authority.write_lists(&[], now)?;
        Ok(authority)
    }

    /// Opens the authority in `folder`.
    ///
    /// # Errors
    ///
    /// [`PkiError::Read`], [`PkiError::Readable`], [`PkiError::Content`].
    pub fn open(folder: &Path, backend: Backend) -> Result<Self, PkiError> {
        let chains = pairs(&folder.join(PRIVATE), backend)?
            .into_iter()
            .map(|(key, certificate)| Signer { key, certificate })
            .collect();
        Ok(Self { folder: folder.to_owned(), backend, chains })
    }

    /// Issues the first certificate of a peer.
    ///
    /// # Errors
    ///
    /// [`PkiError::Exists`] where it has one, [`PkiError::Name`], [`PkiError::Key`] for a key that is not of ML-DSA.
    pub fn issue(&self, name: &str, validity: Validity, now: SystemTime) -> Result<Issued, PkiError> {
        self.write_peer(name, validity, now, Present::Refuse)
    }

    /// Issues a new certificate with a new key to a peer that has one. The old one stays valid until it expires.
    ///
    /// # Errors
    ///
    /// [`PkiError::NotDue`] where it has more than a third of its life and `renewal` is not [`Renewal::Now`].
    pub fn renew(&self, name: &str, renewal: Renewal, now: SystemTime) -> Result<Issued, PkiError> {
        check_peer_name(name)?;
        let pairs = pairs(&self.peer_file(name), self.backend)?;
        let Some((key, certificate)) = pairs.first() else {
            return Err(PkiError::Content { path: self.peer_file(name), what: "holds no certificate" });
        };
        let facts = facts_of(certificate)?;
        if renewal == Renewal::WhenDue && !is_due(&facts, now) {
            let due = due_at(&facts).duration_since(SystemTime::UNIX_EPOCH).map_err(|_| PkiError::Clock)?;
            return Err(PkiError::NotDue { name: name.to_owned(), due: due.as_secs() });
        }
        let lifetime = facts.until.duration_since(facts.from).map_err(|_| PkiError::Clock)? - SKEW;
        self.write_peer(name, Validity { key: key.kind(), lifetime }, now, Present::Replace)
    }

    /// Revokes the certificate that a peer has now, and writes new revocation lists.
    ///
    /// # Errors
    ///
    /// [`PkiError::Read`] where it has none.
    pub fn revoke(&self, name: &str, now: SystemTime) -> Result<(), PkiError> {
        check_peer_name(name)?;
        let certificates = files::read_certificates(&self.folder.join(format!("{name}.crt")))?;
        self.write_lists(&certificates, now)
    }

    /// Writes the revocation lists anew, before they expire.
    ///
    /// # Errors
    ///
    /// [`PkiError::Write`].
    pub fn refresh(&self, now: SystemTime) -> Result<(), PkiError> {
        self.write_lists(&[], now)
    }

    /// Its certificates: the post-quantum one, then the classical one.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.chains.iter().map(|chain| &chain.certificate)
    }

    fn write_peer(
        &self,
        name: &str,
        validity: Validity,
        now: SystemTime,
        present: Present,
    ) -> Result<Issued, PkiError> {
        check_peer_name(name)?;
        let KeyKind::MlDsa(_) = validity.key else { return Err(PkiError::Key) };
        let (mut blocks, mut public, mut certificates) = (Vec::new(), Vec::new(), Vec::new());
        for chain in &self.chains {
            let kind = if chain.key.kind().is_classical() { chain.key.kind() } else { validity.key };
            let key = Key::generate(kind, self.backend)?;
            let spki = key.spki();
            let until = now + validity.lifetime;
            let wanted = Wanted { name, spki: &spki, role: Role::Peer, from: before(now), until };
            let certificate = certify(&chain.issuer()?, &wanted)?;
            certificates.push(facts_of(&certificate)?);
            public.push(Block::Certificate(certificate.clone()));
            blocks.extend(Signer { key, certificate }.blocks());
        }
        let file = self.peer_file(name);
        files::write(&file, &files::text(&blocks)?, Readers::Owner, present)?;
        let public_file = self.folder.join(format!("{name}.crt"));
        files::write(&public_file, &files::text(&public)?, Readers::Everybody, Present::Replace)?;
        Ok(Issued { file, certificates })
    }

    /// Lists of all that was revoked, and of `certificates`, each in its issuer's.
    fn write_lists(&self, certificates: &[CertificateDer<'static>], now: SystemTime) -> Result<(), PkiError> {
        let path = self.folder.join(LISTS);
        let old = if path.exists() { files::read_lists(&path)? } else { Vec::new() };
        let mut lists = Vec::new();
        for (at, chain) in self.chains.iter().enumerate() {
            let (mut revoked, number) =
                old.get(at).map(|list| certificate::read_list(list)).transpose()?.unwrap_or_default();
            if let Some(certificate) = certificates.get(at) {
                let entry = certificate::revoked(&certificate::serial(certificate)?, now)?;
                if revoked.iter().all(|one| one.serial_number != entry.serial_number) {
                    revoked.push(entry);
                }
            }
            let validity = (before(now), now + LIST_LIFETIME);
            lists.push(Block::List(certificate::list(&chain.issuer()?, revoked, number + 1, validity)?));
        }
        files::write(&path, &files::text(&lists)?, Readers::Everybody, Present::Replace)
    }

    fn peer_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pem"))
    }
}

impl Signer {
    fn issuer(&self) -> Result<Issuer<'_>, PkiError> {
        Ok(Issuer { name: certificate::subject(&self.certificate)?, key: &self.key })
    }

    fn blocks(&self) -> [Block; 2] {
        let key = crate::secret::Secret::copied(self.key.pkcs8().expose());
        [Block::Key(key), Block::Certificate(self.certificate.clone())]
    }
}

/// An authority that is never written anywhere: for measurements.
#[cfg(feature = "measure")]
#[derive(Debug)]
pub(crate) struct InMemory {
    signer: Signer,
    backend: Backend,
}

#[cfg(feature = "measure")]
impl InMemory {
    /// An authority whose key is of this kind, as are those of its peers.
    pub(crate) fn new(kind: KeyKind, backend: Backend, now: SystemTime) -> Result<Self, PkiError> {
        let key = Key::generate(kind, backend)?;
        let (spki, name) = (key.spki(), "Measured");
        let (from, until) = (before(now), now + LIST_LIFETIME);
        let wanted = Wanted { name, spki: &spki, role: Role::Authority, from, until };
        let certificate = certify(&Issuer { name: certificate::name(name)?, key: &key }, &wanted)?;
        Ok(Self { signer: Signer { key, certificate }, backend })
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.signer.certificate
    }

    /// A peer with a fresh key.
    pub(crate) fn identity(&self, name: &str, now: SystemTime) -> Result<Identity, PkiError> {
        let key = Key::generate(self.signer.key.kind(), self.backend)?;
        let (spki, from, until) = (key.spki(), before(now), now + LIST_LIFETIME);
        let wanted = Wanted { name, spki: &spki, role: Role::Peer, from, until };
        let certificate = certify(&self.signer.issuer()?, &wanted)?;
        Ok(Identity::new(vec![certificate], key.tls(self.backend)?)?)
    }
}

/// When a certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// At two thirds of its life.
    WhenDue,
    /// Now.
    Now,
}

/// Whether a certificate has lived two thirds of its life.
pub fn is_due(facts: &CertificateFacts, now: SystemTime) -> bool {
    now >= due_at(facts)
}

fn due_at(facts: &CertificateFacts) -> SystemTime {
    let lifetime = facts.until.duration_since(facts.from).unwrap_or_default();
    facts.from + lifetime * 2 / 3
}

/// A private key with its certificate.
pub type Pair = (Key, CertificateDer<'static>);

/// Our identity in a file of keys with certificates, as [`Authority::issue`] writes it; the second pair, if any, is the
/// classical one.
///
/// # Errors
///
/// [`PkiError::Read`], [`PkiError::Readable`], [`PkiError::Content`], or [`PkiError::Tls`] where key and certificate do
/// not fit.
pub fn load_identity(file: &Path, backend: Backend) -> Result<(Identity, Option<Pair>), PkiError> {
    let mut pairs = pairs(file, backend)?.into_iter();
    let (key, certificate) =
        pairs.next().ok_or(PkiError::Content { path: file.to_owned(), what: "holds no private key" })?;
    let identity = Identity::new(vec![certificate], key.tls(backend)?)?;
    let classical = pairs.next();
    if let Some((key, certificate)) = &classical
        && crate::tls::spki_of(certificate).map_err(TlsError::from)? != key.spki()
    {
        return Err(TlsError::KeyMismatch.into());
    }
    Ok((identity, classical))
}

/// Pairs of a private key and the certificate that follows it.
fn pairs(path: &Path, backend: Backend) -> Result<Vec<Pair>, PkiError> {
    let content = |what| PkiError::Content { path: path.to_owned(), what };
    let mut pairs = Vec::new();
    let mut blocks = files::read(path)?.into_iter();
    while let Some(block) = blocks.next() {
        let (Block::Key(key), Some(Block::Certificate(certificate))) = (block, blocks.next()) else {
            return Err(content("is not a private key followed by its certificate"));
        };
        pairs.push((Key::from_pkcs8(key, backend)?, certificate));
    }
    let mode =
        fs::metadata(path).map_err(|error| PkiError::Read { path: path.to_owned(), error })?.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(pairs) } else { Err(PkiError::Readable { path: path.to_owned(), mode }) }
}

/// Clocks of peers differ.
fn before(now: SystemTime) -> SystemTime {
    now - SKEW
}

const SKEW: Duration = Duration::from_secs(300);
/// Until a revocation list must have been made anew, as long as a certificate.
const LIST_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
const PRIVATE: &str = "ca.pem";
const PUBLIC: &str = "ca.crt";
const LISTS: &str = "ca.crl";
