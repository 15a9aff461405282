//! Who we are and whom we trust, from files that are looked at again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::classical::Classical;
use crate::endpoint::Credentials;
use crate::pki::{
    CertificateFacts, ListFacts, PkiError, facts_of, facts_of_list, is_due, load_identity, read_certificates,
    read_lists,
};
use crate::primitive::{Backend, DsaSet};
use crate::tls::{SpkiHash, Trust, TrustError, signature_of};

/// A revocation list is to be made anew so long before it ends.
const LIST_DUE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Our private keys, each followed by its certificate.
    pub identity: PathBuf,
    /// Certificates of authorities.
    pub authorities: Option<PathBuf>,
    /// Their revocation lists.
    pub lists: Option<PathBuf>,
    /// Keys that are pinned for peers.
    pub pins: Vec<SpkiHash>,
    /// The library that computes.
    pub backend: Backend,
}

/// Credentials as they were read.
#[derive(Debug)]
pub struct Loaded {
    /// What they are.
    pub credentials: Credentials,
    /// What they were read from.
    pub files: Files,
    /// What is written in our certificate.
    pub identity: CertificateFacts,
    /// Parameter set of our key.
    pub signature: DsaSet,
    /// What is written in the authorities' certificates.
    pub authorities: Vec<CertificateFacts>,
    /// What is written in their revocation lists.
    pub lists: Vec<ListFacts>,
    stamps: Vec<Stamp>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read, or holds something else.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// What a file says cannot be trusted in.
    #[error("{}: {error}", path.display())]
    Trust {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: TrustError,
    },
    /// Our key is no key of ML-DSA.
    #[error("{}: the first key is not one of ML-DSA", path.display())]
    NotMlDsa {
        /// The file.
        path: PathBuf,
    },
}

/// What is not as it should be with credentials, now or soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// Peers refuse us, or we them.
    Broken(String),
    /// Somebody has to do something in time.
    Soon(String),
}

/// What tells that a file is another one.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Files {
    fn stamps(&self) -> Vec<Stamp> {
        let paths = [Some(&self.identity), self.authorities.as_ref(), self.lists.as_ref()];
        paths.into_iter().flatten().map(|path| stamp(path)).collect()
    }

    /// Reads them.
    ///
    /// # Errors
    ///
    /// [`CredentialError`], with the file.
    pub fn load(&self) -> Result<Loaded, CredentialError> {
        // Before they are read: a change meanwhile is seen the next time.
        let stamps = self.stamps();
        let (identity, classical) = load_identity(&self.identity, self.backend)?;
        let authorities = self.authorities.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
        let lists = self.lists.as_deref().map(read_lists).transpose()?.unwrap_or_default();
        let trust = Trust::new(self.pins.clone(), &authorities, &lists).map_err(|error| {
            let path = match error {
                TrustError::List => self.lists.clone(),
                _ => self.authorities.clone(),
            };
            CredentialError::Trust { path: path.unwrap_or_default(), error }
        })?;
        let trust = Arc::new(trust);
        let classical = classical
            .map(|(key, certificate)| Classical::new(Arc::new(key), certificate, Arc::clone(&trust)))
            .transpose()?;
        let path = || self.identity.clone();
        let certificate = identity.chain().first();
        let certificate =
            certificate.ok_or_else(|| PkiError::Content { path: path(), what: "holds no certificate" })?;
        let signature =
            signature_of(certificate).ok_or_else(|| CredentialError::NotMlDsa { path: path() })?;
        Ok(Loaded {
            identity: facts_of(certificate)?,
            signature,
            authorities: authorities.iter().map(facts_of).collect::<Result<_, _>>()?,
            lists: lists.iter().map(facts_of_list).collect::<Result<_, _>>()?,
            credentials: Credentials { identity, classical, trust },
            files: self.clone(),
            stamps,
        })
    }
}

impl Loaded {
    /// Whether a file is another one than was read.
    pub fn is_stale(&self) -> bool {
        self.files.stamps() != self.stamps
    }

    /// Whether our certificate is to be renewed.
    pub fn is_due(&self, now: SystemTime) -> bool {
        is_due(&self.identity, now)
    }

    /// Our name, as `wirewarden pki` takes it.
    pub fn name(&self) -> &str {
        self.identity.subject.trim_start_matches("CN=")
    }

    /// What is wrong with them, the worst first.
    pub fn complaints(&self, now: SystemTime) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let name = self.name();
        let file = self.files.identity.display();
        if now < self.identity.from {
            complaints.push(Complaint::Broken(format!(
                "{file}: the certificate begins in {}: is the clock right?",
                days(self.identity.from, now)
            )));
        } else if now >= self.identity.until {
            complaints.push(Complaint::Broken(format!(
                "{file}: the certificate has expired: `wirewarden pki renew {name}` where the authority is"
            )));
        } else if is_due(&self.identity, now) {
            complaints.push(Complaint::Soon(format!(
                "{file}: the certificate ends in {}: `wirewarden pki renew {name}` where the authority is",
                days(self.identity.until, now)
            )));
        }
        for authority in &self.authorities {
            if now >= authority.until {
                complaints
                    .push(Complaint::Broken(format!("the authority {} has expired", authority.subject)));
            }
        }
        for list in &self.lists {
            let Some(until) = list.until else { continue };
            let mend = "`wirewarden pki revoke` where the authority is makes a new one";
            if now >= until {
                complaints.push(Complaint::Broken(format!(
                    "the revocation list of {} has expired, so that nobody is trusted: {mend}",
                    list.issuer
                )));
            } else if until.duration_since(now).unwrap_or_default() < LIST_DUE {
                complaints.push(Complaint::Soon(format!(
                    "the revocation list of {} ends in {}: {mend}",
                    list.issuer,
                    days(until, now)
                )));
            }
        }
        complaints.sort_by_key(|complaint| matches!(complaint, Complaint::Soon(_)));
        complaints
    }
}

fn stamp(path: &Path) -> Stamp {
    let facts = fs::metadata(path).ok()?;
    Some((facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec()))
}

fn days(later: SystemTime, now: SystemTime) -> String {
    let hours = later.duration_since(now).unwrap_or_default().as_secs() / 3600;
    if hours < 48 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}

#[cfg(test)]
mod tests {
    use crate::pki::{Authority, Init, KeyKind, Validity};
    use crate::primitive::DsaSet;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn site(folder: &Path, now: SystemTime) -> (Authority, Files) {
        let key = KeyKind::MlDsa(DsaSet::MlDsa44);
        let init = Init { name: "Test", key, classical: Some(KeyKind::Ed25519), lifetime: DAY * 900 };
        let authority = Authority::init(folder, &init, Backend::Liboqs, now).unwrap();
        authority.issue("west", Validity { key, lifetime: DAY * 90 }, now).unwrap();
        let files = Files {
            identity: folder.join("west.pem"),
            authorities: Some(folder.join("ca.crt")),
            lists: Some(folder.join("ca.crl")),
            pins: Vec::new(),
            backend: Backend::Liboqs,
        };
        (authority, files)
    }

    #[test]
    fn a_certificate_is_complained_about_at_two_thirds_of_its_life_and_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (_, files) = site(folder.path(), now);
        let loaded = files.load().unwrap();
        let said = |days: u32| loaded.complaints(now + DAY * days);
        assert_eq!(said(1), []);
        assert_eq!((loaded.is_due(now), loaded.is_due(now + DAY * 61)), (false, true));
        let soon = said(61);
        assert!(
            matches!(&soon[..], [Complaint::Soon(text)] if text.contains("pki renew west") && text.contains("28 days")),
            "{soon:?}"
        );
        assert!(
            matches!(&said(85)[..], [Complaint::Soon(_), Complaint::Soon(list), ..] if list.contains("revocation"))
        );
        let late = said(91);
        assert!(
            matches!(&late[..], [Complaint::Broken(own), Complaint::Broken(list), ..] if own.contains("expired") && list.contains("pki revoke")),
            "{late:?}"
        );
        assert!(
            matches!(&loaded.complaints(now - DAY)[..], [Complaint::Broken(text)] if text.contains("clock"))
        );
    }

    #[test]
    fn a_file_that_is_written_anew_is_seen_and_one_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (authority, files) = site(folder.path(), now);
        let loaded = files.load().unwrap();
        assert!(!loaded.is_stale());
        authority.revoke("west", now).unwrap();
        assert!(loaded.is_stale());
        let missing = Files { identity: folder.path().join("east.pem"), ..files };
        assert!(missing.load().unwrap_err().to_string().contains("east.pem"));
    }
}
