//! Handshakes with OpenSSL 3.5 or later: both groups, every signature, both roles, the same keying material.
//!
//! OpenSSL 3.5 through a Node that is linked to it (`npm install node@26`, then
//! `WIREWARDEN_NODE=node_modules/node/bin/node`), OpenSSL 4 through pyOpenSSL (`python3 -m venv peer && peer/bin/pip install
//! pyOpenSSL`, then `WIREWARDEN_PYTHON=peer/bin/python`); skipped loudly where there is none.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use exchange::pki::{Authority, Init, KeyKind, Validity, read_certificates, read_key};
use exchange::primitive::{Backend, DsaSet};
use exchange::profile::Profile;
use exchange::schedule::SA_LABEL;
use exchange::selftest::prove;
use exchange::tls::{ALPN, Group, provider};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use serde_json::Value;
use tempfile::TempDir;

/// A program that is linked to OpenSSL, and the script that it runs.
struct Peer {
    program: PathBuf,
    script: PathBuf,
}

impl Peer {
    /// What runs the script of this name, if its OpenSSL has ML-DSA and ML-KEM.
    fn find(variable: &str, usual: &str, script: &str, version: &[&str]) -> Option<Self> {
        let program = std::env::var_os(variable).map_or_else(|| usual.into(), PathBuf::from);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
        let place = script.display().to_string();
        let words = version.iter().map(|word| word.replace("SCRIPT", &place));
        let version = Command::new(&program).args(words).stderr(Stdio::null()).output().ok()?;
        let version = String::from_utf8(version.stdout).ok()?;
        let mut numbers = version.trim().split('.').map_while(|number| number.parse::<u32>().ok());
        let has_both = (numbers.next()?, numbers.next()?) >= (3, 5);
        has_both.then(|| {
            eprintln!("OpenSSL {} by {}", version.trim(), program.display());
            Self { program, script }
        })
    }
}

struct Case {
    folder: TempDir,
    provider: Arc<CryptoProvider>,
    group: Group,
    set: DsaSet,
}

impl Case {
    fn new(group: Group, set: DsaSet, backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, lifetime) = (KeyKind::MlDsa(set), Duration::from_secs(86_400));
        let init = Init { name: "Interop", key, classical: None, lifetime };
        let authority = Authority::init(folder.path(), &init, backend, SystemTime::now()).unwrap();
        for name in ["ours", "theirs"] {
            authority.issue(name, Validity { key, lifetime }, SystemTime::now()).unwrap();
        }
        // Every pair of group and signature, also those that no profile has.
        let base = provider(prove().unwrap(), backend, &[Profile::Constrained]);
        let provider = Arc::new(CryptoProvider { kx_groups: vec![group.kx(backend)], ..base });
        Self { folder, provider, group, set }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(read_certificates(&self.path("ca.crt")).unwrap());
        Arc::new(roots)
    }

    fn identity(&self) -> Arc<SingleCertAndKey> {
        let chain = read_certificates(&self.path("ours.pem")).unwrap();
        let key = read_key(&self.path("ours.pem"), Backend::Liboqs).unwrap().tls(Backend::Liboqs).unwrap();
        Arc::new(CertifiedKey::new(chain, Arc::new(key)).into())
    }

    fn client(&self) -> Connection {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_client_cert_resolver(self.identity());
        config.alpn_protocols = vec![ALPN.to_vec()];
        ClientConnection::new(Arc::new(config), ServerName::try_from("theirs").unwrap()).unwrap().into()
    }

    fn server(&self) -> Connection {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&self.provider))
            .build()
            .unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.identity());
        config.alpn_protocols = vec![ALPN.to_vec()];
        ServerConnection::new(Arc::new(config)).unwrap().into()
    }

    fn peer(&self, peer: &Peer, role: &str, port: Option<u16>) -> Child {
        let signature = match self.set {
            DsaSet::MlDsa44 => "mldsa44",
            DsaSet::MlDsa65 => "mldsa65",
            DsaSet::MlDsa87 => "mldsa87",
        };
        Command::new(&peer.program)
            .arg(&peer.script)
            .args([role, self.group.name(), signature])
            .args([self.path("theirs.pem"), self.path("ca.crt")])
            .args(port.map(|port| port.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Shakes hands over TCP and reads until the other has said all.
fn shake(mut connection: Connection, mut stream: TcpStream) -> Connection {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).unwrap();
    }
    connection.writer().write_all(b"hello").unwrap();
    let (mut said, mut piece): (Vec<u8>, _) = (Vec::new(), [0; 64]);
    loop {
        match connection.reader().read(&mut piece) {
            Ok(length @ 1..) => said.extend(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if connection.complete_io(&mut stream).is_err() {
                    break;
                }
            }
            Ok(_) | Err(_) => break,
        }
    }
    assert!(said.is_empty() || said == b"done");
    connection
}

fn check(case: &Case, ours: &Connection, told: &str) {
    let told: Value = serde_json::from_str(told).unwrap();
    let exported = ours.export_keying_material([0; 36], SA_LABEL, Some(b"a context")).unwrap();
    let exported: String = exported.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told["exported"], exported);
    assert_eq!((&told["protocol"], &told["authorized"]), (&"TLSv1.3".into(), &true.into()));
    assert_eq!(told["alpn"], "wirewarden-tunnel/1");
    assert_eq!(told["cipher"], "TLS_AES_256_GCM_SHA384");
    let group = ours.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(u16::from(group), case.group.number());
}

#[test]
fn openssl_3_agrees_on_the_same_keys_in_both_roles() {
    let version = ["-p", "process.versions.openssl"];
    match Peer::find("WIREWARDEN_NODE", "node", "peer.mjs", &version) {
        Some(node) => agrees(&node),
        None => eprintln!("SKIPPED: no Node with OpenSSL 3.5 or later (WIREWARDEN_NODE)"),
    }
}

#[test]
fn openssl_4_agrees_on_the_same_keys_in_both_roles() {
    match Peer::find("WIREWARDEN_PYTHON", "python3", "peer.py", &["SCRIPT", "version"]) {
        Some(python) => agrees(&python),
        None => eprintln!("SKIPPED: no Python with pyOpenSSL of OpenSSL 3.5 or later (WIREWARDEN_PYTHON)"),
    }
}

fn agrees(peer: &Peer) {
    let mut done = 0;
    for group in Group::ALL {
        for set in DsaSet::ALL {
            for backend in Backend::ALL {
                let case = Case::new(group, set, backend);
                let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
                let child = case.peer(peer, "client", Some(listener.local_addr().unwrap().port()));
                let ours = shake(case.server(), listener.accept().unwrap().0);
                check(&case, &ours, &String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap());

                let mut child = case.peer(peer, "server", None);
                let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
                let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
                let ours = shake(case.client(), TcpStream::connect(("127.0.0.1", port)).unwrap());
                let told = lines.next().unwrap().unwrap();
                drop(child.kill());
                child.wait().unwrap();
                check(&case, &ours, &told);
                done += 2;
            }
        }
    }
    eprintln!("{done} handshakes with OpenSSL: the same keying material on both sides");
}
