//! The TLS handshake of both sides in one process: every profile and library, and who is refused and why.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use exchange::pki::{Authority, Init, KeyKind, Validity, load_identity, read_certificates, read_lists};
use exchange::primitive::{Backend, DsaSet};
use exchange::profile::Profile;
use exchange::refusal::Refusal;
use exchange::selftest::{Proven, prove};
use exchange::tls::{self, ALPN, Identity, PeerTrust, Side, Tickets, Trust, refusal_of, spki_hash};
use rustls::time_provider::DefaultTimeProvider;
use rustls::{
    ClientConfig, ClientConnection, Connection, Error, HandshakeKind, ProtocolVersion, ServerConfig,
    ServerConnection,
};
use rustls_pki_types::ServerName;
use tempfile::TempDir;

static PROVEN: LazyLock<Proven> = LazyLock::new(|| prove().unwrap());

struct Site {
    folder: TempDir,
    backend: Backend,
    profile: Profile,
}

impl Site {
    fn new(profile: Profile, backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyKind::MlDsa(profile.signature());
        let init =
            Init { name: "Test CA", key, classical: None, lifetime: Duration::from_secs(86_400 * 365) };
        let authority = Authority::init(folder.path(), &init, backend, SystemTime::now()).unwrap();
        let validity = Validity { key, lifetime: Duration::from_secs(86_400 * 90) };
        for name in ["west", "east"] {
            authority.issue(name, validity, SystemTime::now()).unwrap();
        }
        Self { folder, backend, profile }
    }

    fn identity(&self, name: &str) -> Identity {
        load_identity(&self.folder.path().join(format!("{name}.pem")), self.backend).unwrap().0
    }

    fn trust(&self) -> Trust {
        trust_in(self.folder.path())
    }

    fn side(&self, name: &str, trust: Trust) -> Side {
        Side {
            proven: *PROVEN,
            backend: self.backend,
            profiles: vec![self.profile],
            identity: self.identity(name),
            trust: Arc::new(trust),
            tickets: Arc::new(Tickets::default()),
            clock: Arc::new(DefaultTimeProvider),
        }
    }

    fn client(&self, name: &str, peer: &str) -> Arc<ClientConfig> {
        let peer = PeerTrust::Named(ServerName::try_from(peer.to_owned()).unwrap());
        Arc::new(tls::client(self.side(name, self.trust()), peer).unwrap())
    }

    fn server(&self, name: &str) -> Arc<ServerConfig> {
        Arc::new(tls::server(self.side(name, self.trust())).unwrap())
    }
}

fn trust_in(folder: &Path) -> Trust {
    let authorities = read_certificates(&folder.join("ca.crt")).unwrap();
    Trust::new(vec![], &authorities, &read_lists(&folder.join("ca.crl")).unwrap()).unwrap()
}

/// Carries bytes between both until neither has more to say, or one fails.
fn shake(client: &mut Connection, server: &mut Connection) -> Result<(), Error> {
    for _ in 0..20 {
        carry(client, server)?;
        carry(server, client)?;
        if !client.wants_write() && !server.wants_write() {
            return Ok(());
        }
    }
    panic!("no end");
}

fn carry(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut wire = wire.as_slice();
    while !wire.is_empty() {
        to.read_tls(&mut wire).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn connect(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(Connection, Connection), Error> {
    let name = ServerName::try_from("east").unwrap();
    let mut client: Connection = ClientConnection::new(Arc::clone(client), name).unwrap().into();
    let mut server: Connection = ServerConnection::new(Arc::clone(server)).unwrap().into();
    shake(&mut client, &mut server)?;
    Ok((client, server))
}

#[test]
fn every_profile_shakes_hands_on_every_pair_of_libraries() {
    for profile in Profile::ALL {
        for (here, there) in [
            (Backend::Liboqs, Backend::Liboqs),
            (Backend::Liboqs, Backend::AwsLc),
            (Backend::AwsLc, Backend::Liboqs),
            (Backend::AwsLc, Backend::AwsLc),
        ] {
            let mut site = Site::new(profile, here);
            let client = site.client("west", "east");
            site.backend = there;
            let server = site.server("east");
            let (client, server) = connect(&client, &server).unwrap();
            for side in [&client, &server] {
                assert_eq!(side.protocol_version(), Some(ProtocolVersion::TLSv1_3));
                assert_eq!(side.alpn_protocol(), Some(ALPN));
                assert_eq!(side.handshake_kind(), Some(HandshakeKind::Full));
                let group = side.negotiated_key_exchange_group().unwrap().name();
                assert_eq!(u16::from(group), profile.group().number());
            }
            let shown = &server.peer_certificates().unwrap()[0];
            assert_eq!(spki_hash(shown).unwrap(), site.identity("west").spki());
            let secret =
                |side: &Connection| side.export_keying_material([0; 36], b"test", Some(b"context")).unwrap();
            assert_eq!(secret(&client), secret(&server));
        }
    }
}

#[test]
fn a_second_handshake_resumes_with_a_fresh_kem_and_other_keys() {
    let site = Site::new(Profile::Balanced, Backend::Liboqs);
    let client = site.client("west", "east");
    let server = site.server("east");
    let (first, _) = connect(&client, &server).unwrap();
    let (second, resumed) = connect(&client, &server).unwrap();
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
    assert_eq!(u16::from(second.negotiated_key_exchange_group().unwrap().name()), 0x11EC);
    // Who the peer is, is still known.
    assert_eq!(spki_hash(&resumed.peer_certificates().unwrap()[0]).unwrap(), site.identity("west").spki());
    assert_eq!(spki_hash(&second.peer_certificates().unwrap()[0]).unwrap(), site.identity("east").spki());
    let secret = |side: &Connection| side.export_keying_material([0; 36], b"test", None).unwrap();
    assert_ne!(secret(&first), secret(&second));
}

#[test]
fn a_classical_only_peer_is_refused() {
    let site = Site::new(Profile::Balanced, Backend::Liboqs);
    let server = site.server("east");
    let classical = rustls::crypto::aws_lc_rs::default_provider();
    let kx_groups =
        vec![rustls::crypto::aws_lc_rs::kx_group::X25519, rustls::crypto::aws_lc_rs::kx_group::SECP384R1];
    let provider = rustls::crypto::CryptoProvider { kx_groups, ..classical };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let error = connect(&Arc::new(config), &server).unwrap_err();
    assert!(matches!(error, Error::PeerIncompatible(_)), "{error}");
}

#[test]
fn a_peer_below_the_profile_is_refused() {
    let weak = Site::new(Profile::Constrained, Backend::Liboqs);
    let mut strong = Site::new(Profile::Balanced, Backend::Liboqs);
    strong.folder = weak.folder;
    let client = Site { profile: Profile::Constrained, ..strong }.client("west", "east");
    let weak = Site::new(Profile::Balanced, Backend::Liboqs);
    assert!(connect(&client, &weak.server("east")).is_err());
    assert!(!Profile::Balanced.accepts(DsaSet::MlDsa44));
}

#[test]
fn strangers_and_wrong_peers_are_refused_and_hear_the_same() {
    let site = Site::new(Profile::Balanced, Backend::Liboqs);
    let stranger = Site::new(Profile::Balanced, Backend::Liboqs);
    let expect = |name: &'static str| PeerTrust::Named(ServerName::try_from(name).unwrap());
    // A client of another authority, which trusts ours.
    let client = tls::client(stranger.side("west", site.trust()), expect("east")).unwrap();
    let unknown = connect(&Arc::new(client), &site.server("east")).unwrap_err();
    assert!(matches!(refusal_of(&unknown), Refusal::Untrusted | Refusal::NoRevocationList));
    // One whose certificate was revoked.
    let client = site.client("west", "east");
    Authority::open(site.folder.path(), site.backend).unwrap().revoke("west", SystemTime::now()).unwrap();
    let revoked = connect(&client, &site.server("east")).unwrap_err();
    assert_eq!(refusal_of(&revoked), Refusal::Revoked);
    // A client that expects another peer than it reaches.
    let wrong = connect(&site.client("west", "north"), &site.server("east")).unwrap_err();
    assert_eq!(refusal_of(&wrong), Refusal::WrongPeer);
    let alert = |error: &Error| match error {
        Error::InvalidCertificate(error) => rustls::AlertDescription::from(error.clone()),
        other => panic!("{other}"),
    };
    assert_eq!(alert(&unknown), alert(&wrong));
    assert_eq!(alert(&unknown), alert(&revoked));
}

#[test]
fn pinned_keys_need_no_authority_and_others_are_refused() {
    let site = Site::new(Profile::Cnsa2, Backend::Liboqs);
    let pinned = |pin| Trust::new(vec![pin], &[], &[]).unwrap();
    let (west, east) = (site.identity("west").spki(), site.identity("east").spki());
    let server = |pin| Arc::new(tls::server(site.side("east", pinned(pin))).unwrap());
    let client = || {
        let side = site.side("west", pinned(east));
        Arc::new(tls::client(side, PeerTrust::Pinned(vec![east])).unwrap())
    };
    assert!(connect(&client(), &server(west)).is_ok());
    assert_eq!(refusal_of(&connect(&client(), &server(east)).unwrap_err()), Refusal::Untrusted);
}

#[test]
fn a_client_without_certificate_is_refused() {
    let site = Site::new(Profile::Balanced, Backend::Liboqs);
    let server = site.server("east");
    let provider = tls::provider(*PROVEN, Backend::Liboqs, &[Profile::Balanced]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(read_certificates(&site.folder.path().join("ca.crt")).unwrap().remove(0)).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    assert_eq!(connect(&Arc::new(config), &server).unwrap_err(), Error::NoCertificatesPresented);
}
