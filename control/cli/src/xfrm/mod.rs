//! Tunnels and the kernel's own ESP: `wirewarden tunnel export-xfrm` gives the kernel of a Linux host the keys that a
//! daemon agrees on, and `wirewarden tunnel import-xfrm` gives a data plane those that an IKE daemon agrees on.

mod export;
mod import;
mod kernel;
mod netlink;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::config::{Framing, Prefix, TunnelConfig, TunnelPeer};
use api::tunnel::PeerName;

pub(crate) use export::{ExportArgs, export};
pub(crate) use import::{ImportArgs, import};

/// A peer as far as the kernel's ESP can be its other end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct XfrmPeer {
    name: PeerName,
    local: IpAddr,
    remote: IpAddr,
    /// What is behind us, and behind it.
    pairs: Vec<(Prefix, Prefix)>,
}

/// Why a peer of the configuration cannot be one of the kernel's ESP.
#[derive(Debug, thiserror::Error)]
#[error("peer {name}: {why}")]
struct NotForXfrm {
    name: String,
    why: &'static str,
}

/// The peers of a configuration.
fn peers_of(config: &TunnelConfig) -> Result<Vec<XfrmPeer>, NotForXfrm> {
    config.peers.iter().map(|peer| peer_of(peer, &config.local)).collect()
}

fn peer_of(peer: &TunnelPeer, local: &[IpAddr]) -> Result<XfrmPeer, NotForXfrm> {
    let not = |why| NotForXfrm { name: peer.name.clone(), why };
    let name = PeerName::new(&peer.name).ok_or_else(|| not("its name has more than 32 letters"))?;
    if peer.framing != Framing::Ip {
        return Err(not("the kernel's ESP carries IP packets: `framing = \"ip\"`"));
    }
    if peer.udp_encapsulation {
        return Err(not("ESP in UDP is not handed to or taken from a kernel: `udp_encapsulation = false`"));
    }
    let remote =
        peer.address.ok_or_else(|| not("`address` is missing: the kernel has to know where it is"))?;
    let is_alike = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
    let local = *local.iter().find(is_alike).ok_or_else(|| not("`local` has no address of its IP"))?;
    let mut pairs = Vec::new();
    for theirs in &peer.prefixes {
        let is_outside = |address: IpAddr| contains(theirs, address);
        if is_outside(remote) || peer.endpoint.is_some_and(|endpoint| is_outside(endpoint.ip())) {
            return Err(not(
                "`prefixes` hold its own address: its keys could not come in the clear any more",
            ));
        }
        if peer.ours.is_empty() {
            pairs.push((everything_like(theirs), masked(theirs)));
        }
        let alike = |ours: &&Prefix| ours.address.is_ipv4() == theirs.address.is_ipv4();
        pairs.extend(peer.ours.iter().filter(alike).map(|ours| (masked(ours), masked(theirs))));
    }
    Ok(XfrmPeer { name, local, remote, pairs })
}

fn everything_like(prefix: &Prefix) -> Prefix {
    let any: IpAddr =
        if prefix.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Prefix { address: any, bits: 0 }
}

/// A prefix without what is behind its bits.
fn masked(prefix: &Prefix) -> Prefix {
    let bits = u32::from(prefix.bits);
    let address = match prefix.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    };
    Prefix { address, bits: prefix.bits }
}

/// Whether an address is in a prefix.
fn contains(prefix: &Prefix, address: IpAddr) -> bool {
    let of = Prefix { address, bits: prefix.bits };
    prefix.address.is_ipv4() == address.is_ipv4() && masked(&of) == masked(prefix)
}

#[cfg(test)]
mod tests {
    use api::Config;

    use super::*;

    fn peers(peer: &str) -> Result<Vec<XfrmPeer>, NotForXfrm> {
        let text = format!(
            "version = 1\n[[boot.ports]]\nname = \"lan\"\ndevice = \"a\"\nmode = \"inline\"\npeer = \"wan\"\n\
             [[boot.ports]]\nname = \"wan\"\ndevice = \"b\"\nmode = \"inline\"\npeer = \"lan\"\n\
             [live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\"]\n[[live.tunnel.peers]]\nname = \"west\"\n{peer}\n"
        );
        peers_of(&Config::from_toml(&text, "test").unwrap().live.tunnel)
    }

    #[test]
    fn a_peer_has_a_policy_for_each_pair_of_prefixes_of_one_ip() {
        let found = peers(
            "address = \"192.0.2.2\"\nprefixes = [\"10.2.3.4/16\", \"fd02::/64\"]\nours = [\"10.1.0.0/16\", \"fd01::/64\"]",
        );
        let pairs: Vec<String> =
            found.unwrap()[0].pairs.iter().map(|(ours, theirs)| format!("{ours} {theirs}")).collect();
        assert_eq!(pairs, ["10.1.0.0/16 10.2.0.0/16", "fd01::/64 fd02::/64"]);
        let all = peers("address = \"192.0.2.2\"\nprefixes = [\"10.2.0.0/16\"]").unwrap();
        assert_eq!(all[0].pairs[0].0.to_string(), "0.0.0.0/0");
    }

    #[test]
    fn what_the_kernel_cannot_do_is_refused_with_its_key() {
        for (peer, word) in [
            ("prefixes = [\"10.2.0.0/16\"]", "`address`"),
            (
                "address = \"192.0.2.2\"\nprefixes = [\"10.2.0.0/16\"]\nudp_encapsulation = true",
                "udp_encapsulation",
            ),
            ("address = \"192.0.2.2\"\nframing = \"gre\"", "framing"),
            ("address = \"192.0.2.2\"\nprefixes = [\"0.0.0.0/0\"]", "`prefixes`"),
            (
                "address = \"192.0.2.2\"\nendpoint = \"10.2.0.9:4510\"\nprefixes = [\"10.2.0.0/16\"]",
                "`prefixes`",
            ),
        ] {
            let error = peers(peer).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("west"), "{peer}: {error}");
        }
    }
}
