use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use super::*;
use crate::primitive::{Backend, DsaSet, SlhSet};
use crate::profile::Profile;
use crate::refusal::Refusal;
use crate::tls::{Check, PeerTrust, Trust, provider, spki_hash};

const DAY: Duration = Duration::from_secs(24 * 3600);
const PEER: Validity =
    Validity { key: KeyKind::MlDsa(DsaSet::MlDsa65), lifetime: Duration::from_secs(90 * 24 * 3600) };

fn init(folder: &Path, key: KeyKind, classical: Option<KeyKind>) -> Authority {
    let init = Init { name: "Plant CA", key, classical, lifetime: 3650 * DAY };
    Authority::init(folder, &init, Backend::Liboqs, now()).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn check(folder: &Path, certificate: &CertificateDer<'_>, at: SystemTime) -> Result<(), Refusal> {
    let authorities = read_certificates(&folder.join("ca.crt")).unwrap();
    let lists = read_lists(&folder.join("ca.crl")).unwrap();
    let trust = Trust::new(vec![], &authorities, &lists).unwrap();
    let provider = provider(crate::selftest::prove().unwrap(), Backend::AwsLc, &[Profile::Constrained]);
    let check =
        Check { algorithms: &provider.signature_verification_algorithms, usage: KeyUsage::client_auth() };
    let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    trust.check(certificate, &[], at, check)
}

#[test]
fn a_certificate_is_trusted_until_it_expires_or_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa87), None);
    let issued = authority.issue("west.plant.example", PEER, now()).unwrap();
    let certificate = read_certificates(&folder.path().join("west.plant.example.crt")).unwrap().remove(0);
    assert_eq!(issued.certificates[0].spki, spki_hash(&certificate).unwrap());
    assert_eq!(check(folder.path(), &certificate, now()), Ok(()));
    assert_eq!(check(folder.path(), &certificate, now() - DAY), Err(Refusal::Expired));
    assert_eq!(check(folder.path(), &certificate, now() + 91 * DAY), Err(Refusal::Expired));
    let named = |name: &str| PeerTrust::Named(name.to_owned().try_into().unwrap());
    assert!(named("west.plant.example").is(&certificate));
    assert!(!named("east.plant.example").is(&certificate));
    let (identity, classical) = load_identity(&issued.file, Backend::Liboqs).unwrap();
    assert_eq!(identity.spki(), issued.certificates[0].spki);
    assert!(classical.is_none());

    authority.revoke("west.plant.example", now()).unwrap();
    assert_eq!(check(folder.path(), &certificate, now()), Err(Refusal::Revoked));
    let renewed = authority.renew("west.plant.example", Renewal::Now, now()).unwrap();
    assert_ne!(renewed.certificates[0].spki, issued.certificates[0].spki);
    let certificate = read_certificates(&folder.path().join("west.plant.example.crt")).unwrap().remove(0);
    assert_eq!(check(folder.path(), &certificate, now()), Ok(()));
    authority.refresh(now()).unwrap();
    let revoked = read_lists(&folder.path().join("ca.crl")).unwrap();
    let (entries, number) = certificate::read_list(&revoked[0]).unwrap();
    assert_eq!((entries.len(), number), (1, 3));
}

#[test]
fn a_list_that_is_too_old_is_no_list() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa44), None);
    let long = Validity { lifetime: 200 * DAY, ..PEER };
    authority.issue("west", long, now()).unwrap();
    let certificate = read_certificates(&folder.path().join("west.crt")).unwrap().remove(0);
    assert_eq!(check(folder.path(), &certificate, now() + 89 * DAY), Ok(()));
    assert_eq!(check(folder.path(), &certificate, now() + 91 * DAY), Err(Refusal::NoRevocationList));
}

#[test]
fn certificates_are_renewed_at_two_thirds() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa65), None);
    authority.issue("west", PEER, now()).unwrap();
    assert!(matches!(
        authority.renew("west", Renewal::WhenDue, now() + 59 * DAY),
        Err(PkiError::NotDue { .. })
    ));
    let renewed = authority.renew("west", Renewal::WhenDue, now() + 61 * DAY).unwrap();
    let [facts] = renewed.certificates.as_slice() else { panic!("one certificate") };
    assert_eq!(facts.until, now() + 151 * DAY);
}

#[test]
fn an_authority_may_sign_by_hashes_alone_and_have_a_classical_twin() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::Slh(SlhSet::Sha2S128), Some(KeyKind::Ed25519));
    let issued = authority.issue("west", PEER, now()).unwrap();
    let certificates = read_certificates(&folder.path().join("west.crt")).unwrap();
    assert_eq!(certificates.len(), 2);
    assert_eq!(check(folder.path(), &certificates[0], now()), Ok(()));
    // The classical one alone is worth nothing.
    assert_eq!(check(folder.path(), &certificates[1], now()), Err(Refusal::Untrusted));
    let (_, classical) = load_identity(&issued.file, Backend::Liboqs).unwrap();
    assert_eq!(classical.unwrap().0.kind(), KeyKind::Ed25519);
    let again = Authority::open(folder.path(), Backend::Liboqs).unwrap();
    assert_eq!(again.certificates().count(), 2);
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    init(ours.path(), KeyKind::MlDsa(DsaSet::MlDsa65), None);
    init(theirs.path(), KeyKind::MlDsa(DsaSet::MlDsa65), None).issue("west", PEER, now()).unwrap();
    let certificate = read_certificates(&theirs.path().join("west.crt")).unwrap().remove(0);
    let refused = check(ours.path(), &certificate, now());
    assert!(matches!(refused, Err(Refusal::Untrusted | Refusal::NoRevocationList)), "{refused:?}");
}

#[test]
fn private_keys_are_the_owners_alone_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa65), None);
    let issued = authority.issue("west", PEER, now()).unwrap();
    for file in [&issued.file, &folder.path().join("ca.pem")] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(matches!(authority.issue("west", PEER, now()), Err(PkiError::Exists { .. })));
    let again =
        Init { name: "Plant CA", key: KeyKind::MlDsa(DsaSet::MlDsa65), classical: None, lifetime: DAY };
    assert!(matches!(
        Authority::init(folder.path(), &again, Backend::Liboqs, now()),
        Err(PkiError::Exists { .. })
    ));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing is left over");
    fs::set_permissions(&issued.file, fs::Permissions::from_mode(0o640)).unwrap();
    let error = load_identity(&issued.file, Backend::Liboqs).unwrap_err();
    assert!(matches!(error, PkiError::Readable { mode: 0o640, .. }), "{error}");
}

#[test]
fn names_that_would_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa44), None);
    for name in ["", "../west", "west/east", "west east", "CN=west", "west,O=x", "-", ".."] {
        assert!(matches!(authority.issue(name, PEER, now()), Err(PkiError::Name { .. })), "{name}");
    }
}

#[test]
fn files_that_are_cut_or_of_something_else_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = init(folder.path(), KeyKind::MlDsa(DsaSet::MlDsa44), None);
    let issued = authority.issue("west", PEER, now()).unwrap();
    let text = fs::read_to_string(&issued.file).unwrap();
    let path = folder.path().join("cut.pem");
    for length in (0..text.len()).step_by(61) {
        fs::write(&path, &text[..length]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = load_identity(&path, Backend::Liboqs).unwrap_err();
        assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
    }
}
