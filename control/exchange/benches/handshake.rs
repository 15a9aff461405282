//! What a handshake costs each side, in CPU time: `cargo bench -p exchange`. Medians of one run, the kinds taking turns, so
//! that ratios hold on a machine that is shared. One JSON object per line.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exchange::pki::{Authority, Init, KeyKind, Validity, load_identity, read_certificates};
use exchange::primitive::Backend;
use exchange::profile::Profile;
use exchange::selftest::prove;
use exchange::tls::{self, PeerTrust, Side, Tickets, Trust};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustix::time::{ClockId, clock_gettime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;

/// One kind of handshake.
struct Kind {
    name: &'static str,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    tickets: Arc<Tickets>,
    resumes: bool,
    measured: Vec<Cost>,
}

#[derive(Clone, Copy)]
struct Cost {
    client: Duration,
    server: Duration,
    bytes: usize,
}

fn main() {
    // `cargo test --benches` only wants to know whether it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 401 } else { 3 };
    let mut kinds = vec![classical()];
    for backend in Backend::ALL {
        for profile in Profile::ALL {
            for resumes in [false, true] {
                kinds.push(hybrid(profile, backend, resumes));
            }
        }
    }
    for _ in 0..rounds {
        for kind in &mut kinds {
            if !kind.resumes {
                kind.tickets.forget();
            }
            let cost = kind.shake();
            kind.measured.push(cost);
        }
    }
    let base = kinds[0].median();
    for kind in &kinds {
        let cost = kind.median();
        let ratio = |side: fn(&Cost) -> Duration| side(&cost).as_secs_f64() / side(&base).as_secs_f64();
        println!(
            "{{\"handshake\":\"{}\",\"client_us\":{:.0},\"server_us\":{:.0},\"bytes\":{},\"client_ratio\":{:.2},\"server_ratio\":{:.2}}}",
            kind.name,
            cost.client.as_secs_f64() * 1e6,
            cost.server.as_secs_f64() * 1e6,
            cost.bytes,
            ratio(|cost| cost.client),
            ratio(|cost| cost.server),
        );
    }
}

impl Kind {
    fn shake(&self) -> Cost {
        let name = ServerName::try_from("east").unwrap();
        let mut cost = Cost { client: Duration::ZERO, server: Duration::ZERO, bytes: 0 };
        let mut client: Connection =
            timed(&mut cost.client, || ClientConnection::new(Arc::clone(&self.client), name).unwrap().into());
        let mut server: Connection =
            timed(&mut cost.server, || ServerConnection::new(Arc::clone(&self.server)).unwrap().into());
        while client.wants_write() || server.wants_write() {
            let wire = timed(&mut cost.client, || written(&mut client));
            timed(&mut cost.server, || read(&mut server, &wire));
            let back = timed(&mut cost.server, || written(&mut server));
            timed(&mut cost.client, || read(&mut client, &back));
            cost.bytes += wire.len() + back.len();
        }
        assert!(!client.is_handshaking() && !server.is_handshaking());
        cost
    }

    /// Median of each side; of resumptions without the first handshake, which was a full one.
    fn median(&self) -> Cost {
        let of = |side: fn(&Cost) -> Duration| {
            let mut all: Vec<Duration> =
                self.measured.iter().skip(usize::from(self.resumes)).map(side).collect();
            all.sort_unstable();
            all[all.len() / 2]
        };
        let bytes = self.measured.last().unwrap().bytes;
        Cost { client: of(|cost| cost.client), server: of(|cost| cost.server), bytes }
    }
}

fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let started = cpu();
    let result = work();
    *sum += cpu() - started;
    result
}

fn written(from: &mut Connection) -> Vec<u8> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    wire
}

fn read(into: &mut Connection, mut wire: &[u8]) {
    while !wire.is_empty() {
        into.read_tls(&mut wire).unwrap();
        into.process_new_packets().unwrap();
    }
}

/// Mutual X25519 with ECDSA P-256, as TLS 1.3 is used today.
fn classical() -> Kind {
    let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let identity = |name: &str| {
        let key = key();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        (vec![certificate.der().clone()], rustls_pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    };
    let base = rustls::crypto::aws_lc_rs::default_provider();
    let kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let cipher_suites = vec![rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
    let provider = Arc::new(rustls::crypto::CryptoProvider { kx_groups, cipher_suites, ..base });
    let (chain, private) = identity("west");
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain, private)
        .unwrap();
    client.resumption = rustls::client::Resumption::disabled();
    let (chain, private) = identity("east");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .unwrap();
    Kind {
        name: "X25519 + ECDSA P-256",
        client: Arc::new(client),
        server: Arc::new(server),
        tickets: Arc::default(),
        resumes: false,
        measured: Vec::new(),
    }
}

fn hybrid(profile: Profile, backend: Backend, resumes: bool) -> Kind {
    let folder = tempfile::tempdir().unwrap();
    let (key, lifetime) = (KeyKind::MlDsa(profile.signature()), Duration::from_secs(86_400));
    let init = Init { name: "Bench", key, classical: None, lifetime };
    let authority = Authority::init(folder.path(), &init, backend, SystemTime::now()).unwrap();
    let tickets = Arc::new(Tickets::default());
    let side = |name: &str, tickets: &Arc<Tickets>| {
        let issued = authority.issue(name, Validity { key, lifetime }, SystemTime::now()).unwrap();
        let authorities = read_certificates(&folder.path().join("ca.crt")).unwrap();
        Side {
            proven: prove().unwrap(),
            backend,
            profile,
            identity: load_identity(&issued.file, backend).unwrap().0,
            trust: Arc::new(Trust::new(vec![], &authorities, &[]).unwrap()),
            tickets: Arc::clone(tickets),
            clock: Arc::new(DefaultTimeProvider),
        }
    };
    let peer = PeerTrust::Named(ServerName::try_from("east").unwrap());
    let name = format!(
        "{} + {} ({backend}){}",
        profile.group().name(),
        profile.signature().name(),
        if resumes { ", resumed" } else { "" }
    );
    Kind {
        name: name.leak(),
        client: Arc::new(tls::client(side("west", &tickets), peer).unwrap()),
        server: Arc::new(tls::server(side("east", &Arc::default())).unwrap()),
        tickets,
        resumes,
        measured: Vec::new(),
    }
}
