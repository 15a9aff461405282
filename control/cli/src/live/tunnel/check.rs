//! `wirewarden tunnel check`: everything that keys need, each with what mends it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use api::Config;
use api::config::{Choice, DeviceKind, TunnelConfig, TunnelPeer};
use api::control::{Command, Health, Reply};
use exchange::credentials::{Complaint, Files, Loaded};
use exchange::profile::{Preset, Profile};
use exchange::reach::{Caller, NotReached, Reached, reach};
use exchange::refusal::Refusal;
use exchange::tls::{PeerTrust, SpkiHash};
use serde::Serialize;

use super::super::table::{Side, Table};
use super::super::{Output, Reach, Talk, Told, odd, print};
use crate::exit::Exit;
use crate::look::Look;
use crate::tell;

/// Whom a check connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    Peers,
    None,
}

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    state: State,
    what: String,
    seen: String,
    /// The command or setting that mends it.
    mend: Option<String>,
}

impl Finding {
    fn ok(what: &str, seen: impl Into<String>) -> Self {
        Self { state: State::Ok, what: what.to_owned(), seen: seen.into(), mend: None }
    }

    fn bad(state: State, what: &str, seen: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { state, what: what.to_owned(), seen: seen.into(), mend: Some(mend.into()) }
    }
}

#[derive(Serialize)]
struct Report {
    good: bool,
    findings: Vec<Finding>,
}

pub(super) fn run(
    where_: &Reach,
    file: Option<&Path>,
    contact: Contact,
    no_color: bool,
) -> Result<Exit, Told> {
    let (config, mut findings) = match file {
        Some(file) => (read(file)?, Vec::new()),
        None => running(where_, no_color)?,
    };
    findings.extend(way(&config));
    findings.extend(look(&config.live.tunnel, contact));
    let good = findings.iter().all(|finding| finding.state != State::Fail);
    let report = Report { good, findings };
    match where_.output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&report).unwrap_or_default()))?,
        Output::Csv => print(&table(&report).to_csv())?,
        Output::Table => {
            let look = Look::of(&std::io::stdout(), no_color);
            print(&table(&report).to_text(&look))?;
        }
    }
    Ok(if good { Exit::Success } else { Exit::Findings })
}

fn table(report: &Report) -> Table {
    let mut table = Table::new(&[
        ("state", Side::Left),
        ("what", Side::Left),
        ("seen", Side::Left),
        ("mend", Side::Left),
    ]);
    for finding in &report.findings {
        table.row(vec![
            finding.state.name().to_owned(),
            finding.what.clone(),
            finding.seen.clone(),
            finding.mend.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// The configuration of a file, else the running one.
pub(super) fn configuration(where_: &Reach, file: Option<&Path>, no_color: bool) -> Result<Config, Told> {
    match file {
        Some(file) => read(file),
        None => Ok(running(where_, no_color)?.0),
    }
}

fn read(file: &Path) -> Result<Config, Told> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        tell::error(&format!("{name}: {error}"));
        Told(Exit::Unreachable)
    })?;
    parsed(&text, &name)
}

fn parsed(text: &str, name: &str) -> Result<Config, Told> {
    Config::from_toml(text, name).map_err(|errors| {
        tell::error(&errors.to_string());
        Told(Exit::Usage)
    })
}

/// The running configuration, and what the daemon says of its key exchange.
fn running(where_: &Reach, no_color: bool) -> Result<(Config, Vec<Finding>), Told> {
    let mut talk = Talk::open(where_, no_color)?;
    let Reply::Config(shown) = talk.ask(Command::ConfigShow { revision: None })? else { return odd() };
    let Reply::Tunnels(tunnels) = talk.ask(Command::Tunnels)? else { return odd() };
    let config = parsed(&shown.text, "the running configuration")?;
    let reason = tunnels.reason.clone().unwrap_or_default();
    let mend = "wirewarden tunnel show --events";
    let mut findings = vec![match tunnels.health {
        Health::Good => Finding::ok("daemon", format!("{} peers", tunnels.peers.len())),
        Health::Degraded => Finding::bad(State::Warn, "daemon", reason, mend),
        Health::Failed => Finding::bad(State::Fail, "daemon", reason, mend),
    }];
    if tunnels.queues == 0 && !tunnels.peers.is_empty() {
        let seen = "the data plane takes no keys: its key socket is not connected";
        findings.push(Finding::bad(State::Fail, "data plane", seen, "wirewarden status; wirewarden restart"));
    }
    Ok((config, findings))
}

/// Whether the exchange gets through the port outside, where it goes that way.
fn way(config: &Config) -> Option<Finding> {
    let (boot, tunnel) = (&config.boot, &config.live.tunnel);
    let outside = tunnel.outside.as_deref()?;
    let what = "exception port";
    if let Some(name) = &boot.exception_port {
        return Some(if Path::new("/sys/class/net").join(name).exists() {
            Finding::ok(what, format!("{name} is there"))
        } else {
            let seen = format!("{name} is not there: the data plane of this configuration does not run here");
            Finding::bad(State::Warn, what, seen, "wirewarden status; wirewarden doctor")
        });
    }
    let port = boot.ports.iter().find(|port| port.name == outside)?;
    // On AF_XDP the kernel may have a port of TCP left.
    let listen = tunnel.exchange.listen.filter(|listen| tunnel.local.contains(&listen.ip()));
    let is_left = |at: SocketAddr| boot.xdp.protect_tcp.contains(&at.port());
    let has_kernel = port.device.kind() == DeviceKind::Interface && listen.is_some_and(is_left);
    let calls = tunnel.peers.iter().any(|peer| peer.endpoint.is_some_and(|at| Some(at.ip()) == peer.address));
    (!has_kernel && (listen.is_some() || calls)).then(|| {
        let seen =
            format!("keys go by port {outside}, which is the data plane's: the kernel has no part in it");
        let mend = "boot.exception_port = \"ww0\", or keys over another interface; wirewarden restart";
        Finding::bad(State::Fail, what, seen, mend)
    })
}

/// Looks at everything.
fn look(config: &TunnelConfig, contact: Contact) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !config.is_on() || config.peers.is_empty() {
        let seen = "there are no tunnels";
        findings.push(Finding::bad(
            State::Warn,
            "configuration",
            seen,
            "docs/gateway.md shows `live.tunnel`",
        ));
        return findings;
    }
    let Some(identity) = config.exchange.identity.clone() else {
        let mend = "wirewarden pki issue NAME; live.tunnel.exchange.identity = \"NAME.pem\"";
        findings.push(Finding::bad(
            State::Fail,
            "identity",
            "live.tunnel.exchange.identity is missing",
            mend,
        ));
        return findings;
    };
    let hashes = config.peers.iter().flat_map(|peer| peer.keys.iter().chain(&peer.classical_keys));
    let files = Files {
        identity,
        authorities: config.exchange.ca.clone(),
        lists: config.exchange.crl.clone(),
        pins: hashes.filter_map(|text| SpkiHash::from_hex(text)).collect(),
        backend: config.exchange.backend.name().parse().unwrap_or_default(),
    };
    let loaded = match files.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            let mend = "run this as root; `wirewarden pki issue NAME` makes what is missing, `chmod 600` what others may read";
            findings.push(Finding::bad(State::Fail, "files", error.to_string(), mend));
            return findings;
        }
    };
    let profile = profile(config);
    findings.extend(credentials(&loaded, config, profile, SystemTime::now()));
    let caller = match (contact, exchange::selftest::prove()) {
        (Contact::None, _) => None,
        (_, Ok(proven)) => Some(Caller {
            proven,
            backend: loaded.files.backend,
            profile,
            credentials: loaded.credentials.clone(),
        }),
        (_, Err(error)) => {
            let mend = "wirewarden selftest crypto";
            findings.push(Finding::bad(State::Fail, "self-test", error.to_string(), mend));
            None
        }
    };
    for peer in &config.peers {
        findings.extend(of_peer(peer, config, caller.as_ref()));
    }
    findings
}

fn profile(config: &TunnelConfig) -> Profile {
    let preset: Preset = config.exchange.preset.name().parse().unwrap_or_default();
    let of_preset = preset.settings().profile;
    config.exchange.profile.map_or(of_preset, |profile| profile.name().parse().unwrap_or(of_preset))
}

/// Identity, authority, revocation list, clock, profile.
fn credentials(loaded: &Loaded, config: &TunnelConfig, profile: Profile, now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (name, facts) = (loaded.name(), &loaded.identity);
    findings.push(Finding::ok(
        "identity",
        format!("{} with {}, pin {}", facts.subject, loaded.signature.name(), facts.spki),
    ));
    let complaints = loaded.complaints(now);
    for complaint in &complaints {
        let (state, text) = match complaint {
            Complaint::Broken(text) => (State::Fail, text),
            Complaint::Soon(text) => (State::Warn, text),
        };
        let mend = if text.contains("clock") {
            "timedatectl set-ntp true".to_owned()
        } else if text.contains("revocation") {
            "wirewarden pki revoke; then give ca.crl to every peer".to_owned()
        } else {
            format!("wirewarden pki renew {name}")
        };
        findings.push(Finding::bad(state, "validity", text.clone(), mend));
    }
    if complaints.is_empty() {
        findings.push(Finding::ok("validity", "certificates and lists are valid now, and none ends soon"));
    }
    findings.push(if profile.accepts(loaded.signature) {
        Finding::ok("profile", format!("{} takes {}", profile.name(), loaded.signature.name()))
    } else {
        let (has, wants) = (loaded.signature.name(), profile.signature().name());
        let seen = format!("peers with {} take {wants} and refuse our {has}", profile.name());
        let mend = format!("wirewarden pki --dir NEW issue {name} --profile {}", profile.name());
        Finding::bad(State::Fail, "profile", seen, mend)
    });
    if config.exchange.auth.name() == "mldsa+classical" && loaded.credentials.classical.is_none() {
        let seen = format!("{} holds no classical key", loaded.files.identity.display());
        let mend = "wirewarden pki init NAME --classical ed25519, then issue anew";
        findings.push(Finding::bad(State::Fail, "auth", seen, mend));
    }
    findings.push(authority(loaded, profile, now));
    findings.push(match (&config.exchange.crl, config.exchange.ca.is_some()) {
        (Some(file), _) => {
            let revoked: usize = loaded.lists.iter().map(|list| list.revoked).sum();
            Finding::ok("revocation", format!("{}: {revoked} certificates are revoked", file.display()))
        }
        (None, true) => {
            let seen = "no list: a peer whose certificate was revoked is still trusted";
            Finding::bad(State::Warn, "revocation", seen, "live.tunnel.exchange.crl = \"ca.crl\"")
        }
        (None, false) => {
            Finding::ok("revocation", "keys are pinned: take a key out of the configuration instead")
        }
    });
    findings
}

/// Whether peers that trust as we do trust us.
fn authority(loaded: &Loaded, profile: Profile, now: SystemTime) -> Finding {
    if loaded.authorities.is_empty() {
        return Finding::ok("authority", "none: every peer's key is pinned, and peers must pin ours");
    }
    let trust = &loaded.credentials.trust;
    match trust.would_trust(loaded.credentials.identity.chain(), profile, now) {
        Ok(()) => {
            let names: Vec<&str> = loaded.authorities.iter().map(|one| one.subject.as_str()).collect();
            Finding::ok("authority", format!("our certificate is of {}", names.join(", ")))
        }
        Err(refusal) => {
            let seen = format!("peers with the same authorities would refuse us: {refusal}");
            let mend = match refusal {
                Refusal::Revoked => format!("wirewarden pki --dir NEW issue {}", loaded.name()),
                Refusal::Expired => format!("wirewarden pki renew {}", loaded.name()),
                Refusal::NoRevocationList => "wirewarden pki revoke".to_owned(),
                _ => format!("wirewarden pki issue {} by one of these authorities", loaded.name()),
            };
            Finding::bad(State::Fail, "authority", seen, mend)
        }
    }
}

fn of_peer(peer: &TunnelPeer, config: &TunnelConfig, caller: Option<&Caller>) -> Vec<Finding> {
    let what = format!("peer {}", peer.name);
    let mut findings = Vec::new();
    let pins: Vec<SpkiHash> = peer.keys.iter().filter_map(|text| SpkiHash::from_hex(text)).collect();
    let trust = if pins.is_empty() { PeerTrust::named(&peer.name) } else { Some(PeerTrust::Pinned(pins)) };
    let Some(trust) = trust else {
        let seen = "its name is not a DNS name, so no certificate can have it";
        return vec![Finding::bad(State::Fail, &what, seen, "rename it, or pin its key with `keys`")];
    };
    if peer.keys.is_empty() && config.exchange.ca.is_none() {
        let seen = "neither a pinned key nor an authority says whether it is the right one";
        let mend = "live.tunnel.peers.keys, or live.tunnel.exchange.ca";
        findings.push(Finding::bad(State::Fail, &what, seen, mend));
    }
    if peer.ours.is_empty() && !peer.prefixes.is_empty() {
        let seen =
            "`ours` is empty, which is everything: the peer's `prefixes` must be 0.0.0.0/0 or ::/0 too";
        findings.push(Finding::bad(State::Warn, &what, seen, "name the prefixes on our side in `ours`"));
    }
    let Some(caller) = caller else { return findings };
    findings.push(match peer.endpoint {
        None => Finding::ok(&what, "it calls us: nothing to connect to"),
        Some(at) => match reach(caller, trust, at, LIMIT) {
            Ok(reached) => Finding::ok(&what, seen(&reached)),
            Err(error) => {
                let mend = mend_of(&error, peer, config);
                Finding::bad(State::Fail, &what, format!("{at}: {error}"), mend)
            }
        },
    });
    findings
}

fn seen(reached: &Reached) -> String {
    let Reached { group, signature, pin, took } = reached;
    format!("{}, {}, pin {pin}, in {} ms", group.name(), signature.name(), took.as_millis())
}

fn mend_of(error: &NotReached, peer: &TunnelPeer, config: &TunnelConfig) -> String {
    let name = &peer.name;
    match error {
        NotReached::Connect(_) => format!(
            "on {name}: wirewarden tunnel show (is it listening?); here: ip route get {}",
            peer.endpoint.map_or_else(String::new, |at| at.ip().to_string())
        ),
        NotReached::Tls(_) => "wirewarden selftest crypto".to_owned(),
        NotReached::Refused { by_peer: true, .. } => {
            format!("on {name}: wirewarden tunnel show --events (it has the reason), and `allow` of its peer")
        }
        NotReached::Refused { refusal, .. } => match refusal {
            Refusal::Expired => format!("on {name}: wirewarden pki renew {name}"),
            Refusal::Revoked => format!("wirewarden pki --dir NEW issue {name}, for a new key"),
            Refusal::NoRevocationList => "wirewarden pki revoke; then give ca.crl to every peer".to_owned(),
            Refusal::Untrusted | Refusal::WrongPeer => {
                format!(
                    "on {name}: wirewarden pki show its certificate, and compare with `keys` or `ca` here"
                )
            }
            Refusal::NothingInCommon | Refusal::ClassicalOnly => format!(
                "the same live.tunnel.exchange.profile on both sides (here {})",
                profile(config).name()
            ),
            _ => format!("on {name}: wirewarden tunnel check"),
        },
    }
}

/// For one peer.
const LIMIT: Duration = Duration::from_secs(5);
