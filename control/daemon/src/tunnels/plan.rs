//! What the configuration wants of the key exchange.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use api::config::{Choice, ExchangeConfig, Framing, Prefix, Timeout, TunnelConfig, TunnelPeer};
use api::tunnel::{PeerName, SaLimits};
use exchange::credentials::Files;
use exchange::endpoint::PeerConfig;
use exchange::gate::{self, Limits};
use exchange::profile::{Auth, Preset, Profile, Settings};
use exchange::schedule::{Mode, PolicyHash};
use exchange::tls::{PeerTrust, SpkiHash};

/// A key exchange, as it is configured.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(super) listen: Option<SocketAddr>,
    pub(super) files: Files,
    pub(super) limits: Limits,
    pub(super) peers: Vec<WantedPeer>,
}

/// A peer, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedPeer {
    pub(super) name: PeerName,
    pub(super) framing: Framing,
    pub(super) limits: SaLimits,
    /// Bytes of the largest outer packet.
    pub(super) mtu: u16,
    /// Where its packets go, and what is behind it, for people.
    pub(super) address: Option<String>,
    pub(super) prefixes: Vec<String>,
    pub(super) exchange: PeerConfig,
}

/// What the configuration says, none where it has no tunnels.
///
/// # Errors
/// What is missing for keys, with the key of the configuration.
pub(crate) fn of_config(config: &TunnelConfig) -> Result<Option<Wanted>, String> {
    if !config.is_on() || config.peers.is_empty() {
        return Ok(None);
    }
    let exchange = &config.exchange;
    let Some(identity) = exchange.identity.clone() else {
        return Err(
            "live.tunnel.exchange.identity is missing: `wirewarden pki issue` makes such a file".to_owned()
        );
    };
    let settings = settings(exchange)?;
    let peers = config.peers.iter().map(|peer| of_peer(peer, settings)).collect::<Result<Vec<_>, _>>()?;
    let hashes = config.peers.iter().flat_map(|peer| peer.keys.iter().chain(&peer.classical_keys));
    let is_by_name = |peer: &TunnelPeer| peer.keys.is_empty();
    if let Some(peer) = config.peers.iter().find(|peer| is_by_name(peer)).filter(|_| exchange.ca.is_none()) {
        return Err(format!(
            "peer {}: neither live.tunnel.peers.keys nor live.tunnel.exchange.ca says whom to trust",
            peer.name
        ));
    }
    let limits = Limits {
        accepts: exchange.accepts,
        accepts_each: exchange.accepts_each,
        half_open: usize::from(exchange.half_open),
    };
    let files = Files {
        identity,
        authorities: exchange.ca.clone(),
        lists: exchange.crl.clone(),
        pins: hashes.filter_map(|text| SpkiHash::from_hex(text)).collect(),
        backend: exchange.backend.name().parse().map_err(|_| unknown("backend"))?,
    };
    Ok(Some(Wanted { listen: exchange.listen, files, limits, peers }))
}

fn settings(exchange: &ExchangeConfig) -> Result<Settings, String> {
    let preset: Preset = exchange.preset.name().parse().map_err(|_| unknown("preset"))?;
    let profile = match exchange.profile {
        Some(profile) => profile.name().parse::<Profile>().map_err(|_| unknown("profile"))?,
        None => preset.settings().profile,
    };
    let auth: Auth = exchange.auth.name().parse().map_err(|_| unknown("auth"))?;
    let base = Settings { profile, auth, ..preset.settings() };
    let rekey_every = exchange.rekey_every.map_or(base.rekey_every, Timeout::duration);
    let full = exchange.full_handshake_every.map_or(base.full_handshake_every, Timeout::duration);
    // Keys that are to last longer than usual must not end before they are replaced.
    let hard_age = match exchange.expire_after {
        Some(age) => age.duration().max(rekey_every * 2),
        None => base.hard_age.max(rekey_every + GRACE),
    };
    let (rekey_packets, hard_packets) = (exchange.rekey_packets, exchange.rekey_packets * HARD);
    let full_handshake_every = full.max(rekey_every);
    Ok(Settings { rekey_every, full_handshake_every, hard_age, rekey_packets, hard_packets, ..base })
}

fn unknown(key: &str) -> String {
    format!("live.tunnel.exchange.{key} has a value that this release does not know")
}

fn of_peer(peer: &TunnelPeer, settings: Settings) -> Result<WantedPeer, String> {
    let bad = |what: &str| format!("peer {}: {what}", peer.name);
    let name = PeerName::new(&peer.name).ok_or_else(|| bad("its name has more than 32 letters"))?;
    let trust = trust_of(peer, &peer.keys)?;
    let is_hybrid = settings.auth == Auth::MlDsaAndClassical;
    let classical = is_hybrid.then(|| trust_of(peer, &peer.classical_keys)).transpose()?;
    let mode = if peer.framing == Framing::Ip { Mode::Tunnel } else { Mode::Layer2 };
    let limits = SaLimits {
        soft_packets: settings.rekey_packets,
        hard_packets: settings.hard_packets,
        // Renewal by time is the exchange's own; this is for one that missed it.
        soft_after: (settings.rekey_every + LATE).min(settings.hard_age),
        hard_after: settings.hard_age,
    };
    Ok(WantedPeer {
        name,
        framing: peer.framing,
        limits,
        mtu: peer.mtu,
        address: peer.address.map(|address| address.to_string()),
        prefixes: peer.prefixes.iter().map(ToString::to_string).collect(),
        exchange: PeerConfig {
            name: peer.name.clone(),
            trust,
            classical,
            address: peer.endpoint,
            prefixes: callers(peer),
            mode,
            policy: PolicyHash::of([policy(peer).as_str()]),
            settings,
        },
    })
}

/// Trust in pinned keys, or in whoever an authority gave the peer's name to.
fn trust_of(peer: &TunnelPeer, keys: &[String]) -> Result<PeerTrust, String> {
    if !keys.is_empty() {
        return Ok(PeerTrust::Pinned(keys.iter().filter_map(|text| SpkiHash::from_hex(text)).collect()));
    }
    PeerTrust::named(&peer.name).ok_or_else(|| {
        format!(
            "peer {}: not a DNS name, so no certificate can have it: rename it, or pin its key with `keys`",
            peer.name
        )
    })
}

fn callers(peer: &TunnelPeer) -> Vec<gate::Prefix> {
    let of = |prefix: &Prefix| gate::Prefix::new(prefix.address, prefix.bits);
    peer.callers().iter().filter_map(of).collect()
}

/// What both sides must mean by a tunnel, written alike on both (`docs/key-schedule.md`): what its packets are, and what is
/// behind either end.
fn policy(peer: &TunnelPeer) -> String {
    let everything = |other: &[Prefix]| -> Vec<String> {
        let of = |v4: bool, text: &str| {
            other.iter().any(|prefix| prefix.address.is_ipv4() == v4).then(|| text.to_owned())
        };
        [of(true, "0.0.0.0/0"), of(false, "::/0")].into_iter().flatten().collect()
    };
    let ours = if peer.ours.is_empty() { everything(&peer.prefixes) } else { written(&peer.ours) };
    let (ours, theirs) = (ours.join(","), written(&peer.prefixes).join(","));
    let (one, other) = if ours <= theirs { (ours, theirs) } else { (theirs, ours) };
    let carrier = if peer.udp_encapsulation { "udp" } else { "ip" };
    format!("{} in {carrier} between {one} and {other}", peer.framing.name())
}

/// Prefixes without what is behind their bits, each once, in order.
fn written(prefixes: &[Prefix]) -> Vec<String> {
    let mut all: Vec<String> =
        prefixes.iter().map(|prefix| format!("{}/{}", masked(prefix), prefix.bits)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn masked(prefix: &Prefix) -> IpAddr {
    match prefix.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.bits.min(32))).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.bits.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// How much longer than their interval keys may last.
const GRACE: Duration = Duration::from_secs(30 * 60);
/// Times as many packets as lead to new keys end an SA.
const HARD: u64 = 4;
/// After so long without new keys that are due, the data plane asks for them.
const LATE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use api::Config;

    use super::*;

    const PORTS: &str = r#"
version = 1
[[boot.ports]]
name = "lan"
device = "eth0"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "eth1"
mode = "inline"
peer = "lan"
"#;

    fn config(peer: &str, exchange: &str) -> TunnelConfig {
        let text = format!(
            "{PORTS}[live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\"]\n[[live.tunnel.peers]]\n{peer}\n[live.tunnel.exchange]\n{exchange}\n"
        );
        Config::from_toml(&text, "t").unwrap().live.tunnel
    }

    fn wanted(peer: &str, exchange: &str) -> Wanted {
        of_config(&config(peer, exchange)).unwrap().unwrap()
    }

    const CA: &str = "identity = \"w.pem\"\nca = \"ca.crt\"";

    #[test]
    fn both_sides_of_a_tunnel_have_one_policy() {
        let hash = |peer: &str| wanted(&format!("name = \"a\"\n{peer}"), CA).peers[0].exchange.policy;
        let west = hash("prefixes = [\"10.2.0.7/16\", \"10.3.0.0/16\"]\nours = [\"10.1.0.0/16\"]");
        assert_eq!(west, hash("prefixes = [\"10.1.2.3/16\"]\nours = [\"10.3.0.0/16\", \"10.2.0.0/16\"]"));
        for other in [
            "prefixes = [\"10.1.0.0/16\"]\nours = [\"10.2.0.0/16\"]",
            "prefixes = [\"10.1.0.0/16\"]",
            "prefixes = [\"10.1.0.0/16\"]\nours = [\"10.3.0.0/16\", \"10.2.0.0/16\"]\nudp_encapsulation = true",
            "prefixes = [\"10.1.0.0/16\"]\nours = [\"10.3.0.0/16\", \"10.2.0.0/16\"]\nframing = \"gre\"",
        ] {
            assert_ne!(west, hash(other), "{other}");
        }
        // Everything of ours is what the other side calls everything.
        assert_eq!(
            hash("prefixes = [\"10.2.0.0/16\"]"),
            hash("prefixes = [\"0.0.0.0/0\"]\nours = [\"10.2.0.0/16\"]")
        );
        assert_eq!(hash("prefixes = [\"fd00::/8\"]"), hash("prefixes = [\"::/0\"]\nours = [\"fd00:1::/8\"]"));
    }

    #[test]
    fn settings_are_those_of_the_preset_with_what_is_said_besides() {
        let settings = |exchange: &str| {
            wanted("name = \"a\"\nprefixes = [\"10.2.0.0/16\"]", &format!("{CA}\n{exchange}")).peers[0]
                .exchange
                .settings
        };
        assert_eq!(settings(""), Preset::Enterprise.settings());
        let plant = settings("preset = \"industrial\"\nrekey_every = \"5s\"\nauth = \"mldsa+classical\"");
        assert_eq!((plant.profile, plant.rekey_every), (Profile::Balanced, Duration::from_secs(5)));
        assert_eq!(plant.auth, Auth::MlDsaAndClassical);
        let slow = settings("rekey_every = \"1d\"");
        assert!(slow.rekey_every < slow.hard_age && slow.rekey_every <= slow.full_handshake_every);
        let short = settings("rekey_packets = 5000\nexpire_after = \"1m\"\nrekey_every = \"20s\"");
        assert_eq!((short.rekey_packets, short.hard_packets), (5000, 20_000));
        assert_eq!(short.hard_age, Duration::from_secs(60));
        let both = settings("expire_after = \"10s\"\nrekey_every = \"20s\"");
        assert_eq!(both.hard_age, Duration::from_secs(40), "a rekey that fails may be tried again");
    }

    #[test]
    fn what_is_missing_for_keys_is_named() {
        let said = |peer: &str, exchange: &str| of_config(&config(peer, exchange)).unwrap_err();
        let peer = "name = \"a\"\nprefixes = [\"10.2.0.0/16\"]";
        assert!(said(peer, "").contains("exchange.identity"));
        assert!(said(peer, "identity = \"w.pem\"").contains("exchange.ca"));
        assert!(said("name = \"a..b\"\nprefixes = [\"10.2.0.0/16\"]", CA).contains("DNS name"));
        let pinned = format!("{peer}\nkeys = [\"{}\"]", "ab".repeat(48));
        let wanted = wanted(&pinned, "identity = \"w.pem\"");
        assert!(
            matches!(&wanted.peers[0].exchange.trust, PeerTrust::Pinned(pins) if pins == &wanted.files.pins)
        );
    }

    #[test]
    fn a_peer_may_call_from_where_it_is_known_to_be() {
        let allowed = |peer: &str| {
            wanted(&format!("name = \"a\"\nprefixes = [\"10.2.0.0/16\"]\n{peer}"), CA).peers[0]
                .exchange
                .prefixes
                .clone()
        };
        assert_eq!(allowed(""), []);
        let both = allowed("address = \"192.0.2.2\"\nendpoint = \"[2001:db8::1]:4510\"");
        assert_eq!(both.len(), 2);
        assert!(both[0].contains([192, 0, 2, 2].into()));
        let named = allowed("address = \"192.0.2.2\"\nallow = [\"198.51.100.0/24\"]");
        assert!(named.len() == 1 && named[0].contains([198, 51, 100, 9].into()));
    }
}
