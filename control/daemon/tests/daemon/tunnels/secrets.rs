//! What a daemon has in its memory when it has done with secrets.

use std::fs;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::primitive::Backend;
use exchange::profile::Profile;
use exchange::tls::{ALPN, Group, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, NamedGroup, ProtocolVersion,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sample::memory::{Needle, copies};

use super::{QUEUES, SIDES, Sites};

/// Copies in a daemon; none, said so, where its memory may not be read.
fn copies_in(sites: &Sites, at: usize, needles: &[Needle]) -> Option<usize> {
    let found = copies(sites.daemons[at].as_ref().unwrap().id(), needles);
    if found.is_err() {
        eprintln!("SKIPPED: the memory of another process may not be read (root may)");
    }
    found.ok()
}

#[test]
fn a_daemon_holds_no_key_that_it_gave_away_and_no_seed_of_its_own() {
    let sites = Sites::start();
    sites.until_up();
    sites.until("settled", |sites| sites.row(0).epoch == sites.row(1).epoch);
    thread::sleep(Duration::from_millis(500));
    let needles: Vec<Needle> = {
        let plane = sites.planes[0].lock().unwrap();
        // The key of the cipher, without its salt.
        plane.epochs.values().flatten().flatten().map(|(_, key)| Needle::of(&key[..32])).collect()
    };
    assert!(needles.len() >= usize::from(2 * QUEUES));
    for (at, side) in SIDES.iter().enumerate() {
        let Some(found) = copies_in(&sites, at, &needles) else { return };
        assert_eq!(found, 0, "copies of SA keys in the daemon of {side}");
        let found = copies_in(&sites, at, &[seed(&sites, at)]).unwrap();
        assert_eq!(found, 0, "copies of the private seed of {side}");
    }
    // The search does find: the keys are here.
    assert!(copies(std::process::id(), &needles).is_ok_and(|found| found >= needles.len()));
}

#[test]
fn a_daemon_holds_no_shared_secret_of_a_session_that_is_over() {
    let sites = Sites::start();
    sites.until_up();
    let mut connection = ClientConnection::new(anonymous(), ServerName::try_from("east").unwrap()).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", sites.ports[1])).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The daemon wants to know who we are, when the secret is shared already.
    while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
    drop(connection);
    sites.until("refused", |sites| !sites.table(1).refusals.is_empty());
    thread::sleep(Duration::from_millis(200));
    let shared = SHARED.lock().unwrap().clone();
    assert_eq!(shared.len(), 1, "one key exchange");
    let Some(found) = copies_in(&sites, 1, &shared) else { return };
    assert_eq!(found, 0, "copies of the shared secret");
}

/// The seed of a side's private key: PKCS#8 ends with it.
fn seed(sites: &Sites, at: usize) -> Needle {
    let pem = fs::read_to_string(sites.pki().join(format!("{}.pem", SIDES[at]))).unwrap();
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").unwrap();
    let (text, _) = rest.split_once("-----END").unwrap();
    let der = STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap();
    assert_eq!(der.len(), 54);
    Needle::of(&der[22..])
}

/// A client that takes any server for its peer, proves nothing of itself, and notes ML-KEM's half of the shared secret.
fn anonymous() -> Arc<ClientConfig> {
    let of_profile = provider(exchange::selftest::prove().unwrap(), Backend::Liboqs, &[Profile::Balanced]);
    let provider = CryptoProvider { kx_groups: vec![&Noting], ..of_profile };
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

static SHARED: Mutex<Vec<Needle>> = Mutex::new(Vec::new());

/// X25519MLKEM768 that notes what it shared.
#[derive(Debug)]
struct Noting;

impl Noting {
    fn inner() -> &'static dyn SupportedKxGroup {
        Group::X25519MlKem768.kx(Backend::Liboqs)
    }
}

impl SupportedKxGroup for Noting {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Started(Self::inner().start()?)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        Self::inner().name()
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        Self::inner().usable_for_version(version)
    }
}

struct Started(Box<dyn ActiveKeyExchange>);

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let secret = self.0.complete(share)?;
        SHARED.lock().unwrap().push(Needle::of(&secret.secret_bytes()[..32]));
        Ok(secret)
    }

    fn pub_key(&self) -> &[u8] {
        self.0.pub_key()
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        self.0.group()
    }
}

#[derive(Debug)]
struct Anybody(Vec<SignatureScheme>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
