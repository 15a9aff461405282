use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, ServerName};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::{Certificate, TbsCertificate, Version};
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::der::asn1::{BitString, GeneralizedTime, Ia5String, OctetString, Uint, UtcTime};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::{Key, PkiError};
use crate::primitive::{Backend, PrimitiveError};
use crate::tls::SpkiHash;

/// What is to be certified.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) spki: &'a [u8],
    pub(super) role: Role,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Authority,
    Peer,
}

/// Who certifies.
pub(super) struct Issuer<'a> {
    pub(super) name: Name,
    pub(super) key: &'a Key,
}

/// Makes a certificate.
pub(super) fn certify(issuer: &Issuer<'_>, wanted: &Wanted<'_>) -> Result<CertificateDer<'static>, PkiError> {
    let algorithm = algorithm(issuer.key)?;
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: fresh_serial()?,
        signature: algorithm.clone(),
        issuer: issuer.name.clone(),
        validity: Validity { not_before: time(wanted.from)?, not_after: time(wanted.until)? },
        subject: name(wanted.name)?,
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(wanted.spki)?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions(issuer, wanted)?),
    };
    let signature = BitString::from_bytes(&issuer.key.sign(&tbs_certificate.to_der()?)?)?;
    let certificate = Certificate { tbs_certificate, signature_algorithm: algorithm, signature };
    Ok(certificate.to_der()?.into())
}

/// Makes a revocation list.
pub(super) fn list(
    issuer: &Issuer<'_>,
    revoked: Vec<RevokedCert>,
    number: u64,
    validity: (SystemTime, SystemTime),
) -> Result<CertificateRevocationListDer<'static>, PkiError> {
    let algorithm = algorithm(issuer.key)?;
    let number = CrlNumber(Uint::new(&number.to_be_bytes())?);
    let tbs_cert_list = TbsCertList {
        version: Version::V2,
        signature: algorithm.clone(),
        issuer: issuer.name.clone(),
        this_update: time(validity.0)?,
        next_update: Some(time(validity.1)?),
        revoked_certificates: (!revoked.is_empty()).then_some(revoked),
        crl_extensions: Some(vec![
            extension(Importance::Informative, &number)?,
            extension(Importance::Informative, &authority_key(issuer.key)?)?,
        ]),
    };
    let signature = BitString::from_bytes(&issuer.key.sign(&tbs_cert_list.to_der()?)?)?;
    let list = CertificateList { tbs_cert_list, signature_algorithm: algorithm, signature };
    Ok(list.to_der()?.into())
}

/// What a revocation list holds: the revoked certificates, and its number.
pub(super) fn read_list(der: &[u8]) -> Result<(Vec<RevokedCert>, u64), PkiError> {
    let list = CertificateList::from_der(der)?.tbs_cert_list;
    let number = list
        .crl_extensions
        .iter()
        .flatten()
        .find(|extension| extension.extn_id == CrlNumber::OID)
        .map(|extension| CrlNumber::from_der(extension.extn_value.as_bytes()))
        .transpose()?
        .map_or(0, |number| number.0.as_bytes().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    Ok((list.revoked_certificates.unwrap_or_default(), number))
}

/// An entry of a revocation list.
pub(super) fn revoked(serial: &SerialNumber, now: SystemTime) -> Result<RevokedCert, PkiError> {
    Ok(RevokedCert { serial_number: serial.clone(), revocation_date: time(now)?, crl_entry_extensions: None })
}

/// What is written in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Subject, as RFC 4514 writes it.
    pub subject: String,
    /// Issuer, as RFC 4514 writes it.
    pub issuer: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Valid from then.
    pub from: SystemTime,
    /// Valid until then.
    pub until: SystemTime,
    /// The hash of the public key, to be pinned.
    pub spki: SpkiHash,
}

/// What is written in a certificate. Nothing is verified.
///
/// # Errors
///
/// [`PkiError::Der`] where it is none.
pub fn facts_of(der: &CertificateDer<'_>) -> Result<CertificateFacts, PkiError> {
    let certificate = Certificate::from_der(der)?.tbs_certificate;
    Ok(CertificateFacts {
        subject: certificate.subject.to_string(),
        issuer: certificate.issuer.to_string(),
        serial: certificate.serial_number.to_string().replace(':', "").to_lowercase(),
        from: certificate.validity.not_before.to_system_time(),
        until: certificate.validity.not_after.to_system_time(),
        spki: SpkiHash::of(&certificate.subject_public_key_info.to_der()?),
    })
}

/// What is written in a revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// The authority, as RFC 4514 writes it.
    pub issuer: String,
    /// Made then.
    pub from: SystemTime,
    /// To be replaced by a newer one until then.
    pub until: Option<SystemTime>,
    /// Certificates that are revoked.
    pub revoked: usize,
}

/// What is written in a revocation list. Nothing is verified.
///
/// # Errors
///
/// [`PkiError::Der`] where it is none.
pub fn facts_of_list(der: &CertificateRevocationListDer<'_>) -> Result<ListFacts, PkiError> {
    let list = CertificateList::from_der(der)?.tbs_cert_list;
    Ok(ListFacts {
        issuer: list.issuer.to_string(),
        from: list.this_update.to_system_time(),
        until: list.next_update.map(|time| time.to_system_time()),
        revoked: list.revoked_certificates.map_or(0, |revoked| revoked.len()),
    })
}

/// Subject of a certificate, which is the issuer of those that its key signs.
pub(super) fn subject(der: &CertificateDer<'_>) -> Result<Name, PkiError> {
    Ok(Certificate::from_der(der)?.tbs_certificate.subject)
}

/// Serial number of a certificate.
pub(super) fn serial(der: &CertificateDer<'_>) -> Result<SerialNumber, PkiError> {
    Ok(Certificate::from_der(der)?.tbs_certificate.serial_number)
}

/// A name of a peer, which is also a DNS name and part of file names.
pub(super) fn check_peer_name(name: &str) -> Result<(), PkiError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let is_dns = matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)));
    if plain && is_dns && name.len() <= 64 { Ok(()) } else { Err(PkiError::Name { name: name.to_owned() }) }
}

/// A common name of plain characters, so that nothing of it must be escaped.
pub(super) fn name(name: &str) -> Result<Name, PkiError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-. ".contains(&byte));
    if !plain || name.trim() != name || name.is_empty() || name.len() > 64 {
        return Err(PkiError::Name { name: name.to_owned() });
    }
    debug_assert!(AttributeTypeAndValue::from_str(&format!("CN={name}")).is_ok());
    Ok(Name::from_str(&format!("CN={name}"))?)
}

fn extensions(issuer: &Issuer<'_>, wanted: &Wanted<'_>) -> Result<Vec<Extension>, PkiError> {
    use Importance::{Critical, Informative};
    let ca = wanted.role == Role::Authority;
    let usage =
        if ca { KeyUsages::KeyCertSign | KeyUsages::CRLSign } else { KeyUsages::DigitalSignature.into() };
    let mut extensions = vec![
        extension(Critical, &BasicConstraints { ca, path_len_constraint: ca.then_some(0) })?,
        extension(Critical, &KeyUsage(usage))?,
        extension(Informative, &SubjectKeyIdentifier(key_id(wanted.spki)?))?,
    ];
    if !ca {
        let names = vec![GeneralName::DnsName(Ia5String::new(wanted.name)?)];
        extensions.push(extension(Informative, &authority_key(issuer.key)?)?);
        extensions.push(extension(Informative, &ExtendedKeyUsage(vec![SERVER_AUTH, CLIENT_AUTH]))?);
        extensions.push(extension(Informative, &SubjectAltName(names))?);
    }
    Ok(extensions)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Importance {
    Critical,
    Informative,
}

fn extension<E: AssociatedOid + Encode>(
    importance: Importance,
    extension: &E,
) -> Result<Extension, PkiError> {
    let extn_value = OctetString::new(extension.to_der()?)?;
    Ok(Extension { extn_id: E::OID, critical: importance == Importance::Critical, extn_value })
}

fn authority_key(key: &Key) -> Result<AuthorityKeyIdentifier, PkiError> {
    Ok(AuthorityKeyIdentifier { key_identifier: Some(key_id(&key.spki())?), ..Default::default() })
}

/// The first 160 bits of a hash of the key (RFC 7093, section 2).
fn key_id(spki: &[u8]) -> Result<OctetString, PkiError> {
    Ok(OctetString::new(SpkiHash::of(spki).0.get(..20).unwrap_or_default())?)
}

fn algorithm(key: &Key) -> Result<AlgorithmIdentifierOwned, PkiError> {
    let oid = ObjectIdentifier::from_der(&key.algorithm())?;
    Ok(AlgorithmIdentifierOwned { oid, parameters: None })
}

/// 127 random bits, which is positive and at most 20 bytes (RFC 5280, section 4.1.2.2).
fn fresh_serial() -> Result<SerialNumber, PkiError> {
    let mut bytes = [0; 16];
    let failed = PrimitiveError::Failed { backend: Backend::AwsLc, what: "random bytes" };
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| failed)?;
    let [first, ..] = &mut bytes;
    *first = *first & 0x3F | 0x40;
    Ok(SerialNumber::new(&bytes)?)
}

/// UTCTime until 2049, GeneralizedTime from then on (RFC 5280, section 4.1.2.5).
fn time(at: SystemTime) -> Result<Time, PkiError> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| PkiError::Clock)?;
    let since = Duration::from_secs(since.as_secs());
    Ok(match UtcTime::from_unix_duration(since) {
        Ok(time) => Time::UtcTime(time),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?),
    })
}

const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
