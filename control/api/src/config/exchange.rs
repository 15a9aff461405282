//! How keys of tunnels are agreed on.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::reader::Section;
use crate::config::tunnel::parsed;
use crate::config::{Choice, Timeout};

/// How keys are agreed on with all peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Where the daemon listens; none where it only calls.
    pub listen: Option<SocketAddr>,
    /// Our private keys, each followed by its certificate (`NAME.pem`).
    pub identity: Option<PathBuf>,
    /// Certificates of authorities that peers' certificates may be of.
    pub ca: Option<PathBuf>,
    /// Their revocation lists; one that is needed and has expired refuses everybody.
    pub crl: Option<PathBuf>,
    /// The library that computes.
    pub backend: ExchangeBackend,
    /// Intervals, deadlines and profile of a kind of network.
    pub preset: ExchangePreset,
    /// Groups and signatures; those of the preset where there is none.
    pub profile: Option<ExchangeProfile>,
    /// How peers prove who they are.
    pub auth: ExchangeAuth,
    /// How often there are new keys; that of the preset where there is none.
    pub rekey_every: Option<Timeout>,
    /// How often there is a full handshake; that of the preset where there is none.
    pub full_handshake_every: Option<Timeout>,
    /// After how many packets on one SA there are new keys; nothing is sent on it after four times as many.
    pub rekey_packets: u64,
    /// How old keys may be that are sent with; that of the preset where there is none.
    pub expire_after: Option<Timeout>,
    /// Connections in a second from all addresses.
    pub accepts: u32,
    /// Connections in a second from one address.
    pub accepts_each: u32,
    /// Handshakes under way at once.
    pub half_open: u16,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            listen: None,
            identity: None,
            ca: None,
            crl: None,
            backend: ExchangeBackend::Liboqs,
            preset: ExchangePreset::Enterprise,
            profile: None,
            auth: ExchangeAuth::MlDsa,
            rekey_every: None,
            full_handshake_every: None,
            rekey_packets: 1 << 28,
            expire_after: None,
            accepts: 200,
            accepts_each: 10,
            half_open: 64,
        }
    }
}

/// The library that computes post-quantum primitives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeBackend {
    /// liboqs.
    Liboqs,
    /// AWS-LC.
    AwsLc,
}

impl Choice for ExchangeBackend {
    const ALL: &'static [(&'static str, Self)] = &[("liboqs", Self::Liboqs), ("aws-lc", Self::AwsLc)];
}

/// Intervals, deadlines and profile of a kind of network (`docs/gateway.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangePreset {
    /// Offices and data centres.
    Enterprise,
    /// Hospitals.
    Healthcare,
    /// Plants; layer 2.
    Industrial,
    /// Vehicles.
    Automotive,
    /// Aircraft.
    Aviation,
    /// Carriers.
    Telecom,
}

impl Choice for ExchangePreset {
    const ALL: &'static [(&'static str, Self)] = &[
        ("enterprise", Self::Enterprise),
        ("healthcare", Self::Healthcare),
        ("industrial", Self::Industrial),
        ("automotive", Self::Automotive),
        ("aviation", Self::Aviation),
        ("telecom", Self::Telecom),
    ];
}

/// Groups and signatures (`docs/gateway.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeProfile {
    /// SecP384r1MLKEM1024 and ML-DSA-87.
    Cnsa2,
    /// X25519MLKEM768 and ML-DSA-65.
    Balanced,
    /// X25519MLKEM768 and ML-DSA-44.
    Constrained,
}

impl Choice for ExchangeProfile {
    const ALL: &'static [(&'static str, Self)] =
        &[("cnsa2", Self::Cnsa2), ("balanced", Self::Balanced), ("constrained", Self::Constrained)];
}

/// How peers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeAuth {
    /// By ML-DSA.
    MlDsa,
    /// By ML-DSA and by Ed25519 or ECDSA.
    MlDsaAndClassical,
}

impl Choice for ExchangeAuth {
    const ALL: &'static [(&'static str, Self)] =
        &[("mldsa", Self::MlDsa), ("mldsa+classical", Self::MlDsaAndClassical)];
}

pub(super) fn read(section: &Section<'_, '_>) -> ExchangeConfig {
    let default = ExchangeConfig::default();
    let choice = |key: &str| section.has(key);
    ExchangeConfig {
        listen: parsed(section, "listen", "192.0.2.1:4510"),
        identity: section.path("identity", "pki/west.pem"),
        ca: section.path("ca", "pki/ca.crt"),
        crl: section.path("crl", "pki/ca.crl"),
        backend: section.choice("backend", default.backend),
        preset: section.choice("preset", default.preset),
        profile: choice("profile").then(|| section.choice("profile", ExchangeProfile::Cnsa2)),
        auth: section.choice("auth", default.auth),
        rekey_every: section.optional_timeout("rekey_every", REKEY),
        full_handshake_every: section.optional_timeout("full_handshake_every", REKEY),
        rekey_packets: section.integer("rekey_packets", default.rekey_packets, 1000..=1 << 28),
        expire_after: section.optional_timeout("expire_after", EXPIRE),
        accepts: section.integer("accepts", default.accepts, 1..=100_000),
        accepts_each: section.integer("accepts_each", default.accepts_each, 1..=100_000),
        half_open: section.integer("half_open", default.half_open, 1..=4096),
    }
}

const EXPIRE: RangeInclusive<Timeout> = Timeout::from_secs(10)..=Timeout::from_secs(7 * 86_400);
const REKEY: RangeInclusive<Timeout> = Timeout::from_secs(5)..=Timeout::from_secs(86_400);
