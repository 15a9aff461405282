//! What a configuration means for the tunnels of a worker: immutable, replaced as a whole.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::exception::ExceptionPlan;
use api::Config;
use api::config::{
    Framing, Keyless, LinkFrames, MacAddress, Prefix, Roaming, Treatment, TunnelConfig, TunnelPeer,
};
use api::tunnel::{Objection, PeerName};
use engine::{Names, Policy, PolicyError, RuleNumber, Verdict};
use tunnel::{Carrier, DscpMode, EcnMode, Endpoint, Path, Selector, Selectors};

/// A side of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Side {
    /// Where the traffic is that is sealed.
    Inside = 0,
    /// Where sealed packets are.
    Outside = 1,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Inside, Self::Outside];
}

/// Tunnels between two ports.
#[derive(Debug)]
pub(crate) struct TunnelPlan {
    /// Interface of each side.
    interfaces: [u16; 2],
    /// Our addresses outside.
    pub(crate) local: Vec<IpAddr>,
    /// Our addresses inside, with the prefix of their link.
    pub(crate) inside: Vec<Prefix>,
    /// Our address on the link of either side (RFC 4291, 2.5.6).
    pub(crate) link_local: Ipv6Addr,
    /// Our link-layer address.
    pub(crate) mac: [u8; 6],
    /// UDP port of encapsulated ESP.
    pub(crate) udp_port: u16,
    /// Link-layer address of whatever sealed packets go to.
    pub(crate) next_hop_mac: Option<[u8; 6]>,
    next_hop: Vec<IpAddr>,
    inside_next_hop: Vec<IpAddr>,
    pub(crate) link_frames: LinkFrames,
    /// Whether frames without IP are for the rules to decide: some are to be sealed.
    pub(crate) has_layer2: bool,
    /// What becomes of packets of which nothing is known.
    pub(crate) unclassified: Verdict,
    /// What the kernel has to do with our addresses outside.
    pub(crate) exception: Option<ExceptionPlan>,
    rules: Vec<RulePlan>,
    /// By slot; a slot whose peer is gone has none.
    pub(crate) peers: Vec<Option<PeerPlan>>,
    /// What is behind peers, the longest prefix first.
    routes: Vec<Route>,
}

/// What a rule says beyond its filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RulePlan {
    /// Slot of the peer that it names.
    pub(crate) peer: Option<usize>,
    /// What becomes of its packets without a key.
    pub(crate) keyless: Keyless,
}

/// One peer.
#[derive(Clone, Debug)]
pub(crate) struct PeerPlan {
    pub(crate) name: PeerName,
    /// As it is configured: another one is another peer for its keys.
    pub(crate) config: TunnelPeer,
}

#[derive(Clone, Debug)]
struct Route {
    prefix: Prefix,
    ours: Vec<Prefix>,
    slot: usize,
}

/// Why there are no tunnels by this configuration.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// A rule cannot be used.
    #[error("live.tunnel.rules[{}]: {}", .0.rule, .0.why)]
    Rule(#[from] PolicyError),
    /// A name that peers of messages do not have.
    #[error("live.tunnel.peers: `{name}` is no name of a peer")]
    Name {
        /// The name.
        name: String,
    },
    /// More pairs of prefixes than an SA has selectors.
    #[error(
        "live.tunnel.peers: `{name}` has {pairs} pairs of `ours` and `prefixes`: at most {} are possible",
        tunnel::SELECTORS_MAX
    )]
    Selectors {
        /// The peer.
        name: String,
        /// Pairs of one IP.
        pairs: usize,
    },
    /// All slots were used since the start.
    #[error(
        "live.tunnel.peers: the data plane has had {} peers and needs a restart for others",
        tunnel::POLICIES_MAX
    )]
    TooManyPeers,
}

/// Places of peers, which they keep as long as the data plane runs: their keys and counters are there.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<PeerName>);

impl Slots {
    /// The slot of a peer, a new one where it had none.
    fn of(&mut self, name: PeerName) -> Option<usize> {
        if let Some(slot) = self.find(name) {
            return Some(slot);
        }
        if self.0.len() >= tunnel::POLICIES_MAX {
            return None;
        }
        self.0.push(name);
        Some(self.0.len() - 1)
    }

    /// The slot of a peer that has one.
    pub(crate) fn find(&self, name: PeerName) -> Option<usize> {
        self.0.iter().position(|known| *known == name)
    }
}

/// The policy of a configuration; none where nothing is sealed.
pub(crate) fn policy(config: &TunnelConfig, names: &Names) -> Result<Option<Policy>, TunnelError> {
    if !config.is_on() {
        return Ok(None);
    }
    let rules = config.rules.iter().map(|rule| (rule.filter.as_str(), treatment(rule.verdict)));
    let (unclassified, otherwise) = (treatment(config.unclassified), treatment(config.otherwise));
    Ok(Some(Policy::new(rules, unclassified, otherwise, names)?))
}

const fn treatment(treatment: Treatment) -> engine::Treatment {
    match treatment {
        Treatment::Encrypt => engine::Treatment::Seal,
        Treatment::Drop => engine::Treatment::Drop,
        Treatment::Bypass => engine::Treatment::Forward,
    }
}

impl TunnelPlan {
    /// The tunnels of a configuration; none where nothing is sealed.
    pub(crate) fn new(config: &Config, slots: &mut Slots) -> Result<Option<Self>, TunnelError> {
        let tunnel = &config.live.tunnel;
        let Some(interfaces) = interfaces(config) else { return Ok(None) };
        let mut peers: Vec<Option<PeerPlan>> = Vec::new();
        let mut routes = Vec::new();
        for peer in &tunnel.peers {
            let name =
                PeerName::new(&peer.name).ok_or_else(|| TunnelError::Name { name: peer.name.clone() })?;
            let slot = slots.of(name).ok_or(TunnelError::TooManyPeers)?;
            let plan = PeerPlan { name, config: peer.clone() };
            plan.selectors()?;
            if peers.len() <= slot {
                peers.resize_with(slot + 1, || None);
            }
            if let Some(place) = peers.get_mut(slot) {
                *place = Some(plan);
            }
            if peer.framing == Framing::Ip {
                let route = |prefix: &Prefix| Route { prefix: *prefix, ours: peer.ours.clone(), slot };
                routes.extend(peer.prefixes.iter().map(route));
            }
        }
        routes.sort_by_key(|route| core::cmp::Reverse(route.prefix.bits));
        let find = |name: &String| PeerName::new(name).and_then(|name| slots.find(name));
        let rule = |rule: &api::config::TunnelRule| RulePlan {
            peer: rule.peer.as_ref().and_then(find),
            keyless: rule.otherwise,
        };
        let mac = tunnel.mac.unwrap_or_else(|| made_mac(&tunnel.local));
        Ok(Some(Self {
            interfaces,
            local: tunnel.local.clone(),
            inside: tunnel.inside.clone(),
            link_local: link_local(mac.0),
            mac: mac.0,
            udp_port: tunnel.udp_port,
            next_hop_mac: tunnel.next_hop_mac.map(|mac| mac.0),
            next_hop: tunnel.next_hop.clone(),
            inside_next_hop: tunnel.inside_next_hop.clone(),
            link_frames: tunnel.link_frames,
            has_layer2: tunnel.peers.iter().any(|peer| peer.framing != Framing::Ip),
            unclassified: match tunnel.unclassified {
                Treatment::Encrypt => Verdict::Seal(RuleNumber::UNCLASSIFIED),
                Treatment::Drop => Verdict::Drop,
                Treatment::Bypass => Verdict::Forward,
            },
            exception: ExceptionPlan::new(config),
            rules: tunnel.rules.iter().map(rule).collect(),
            peers,
            routes,
        }))
    }

    /// The interfaces inside and outside.
    pub(crate) const fn interfaces(&self) -> [u16; 2] {
        self.interfaces
    }

    /// Which side an interface is.
    #[inline]
    pub(crate) fn side_of(&self, interface: u16) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| self.interfaces.get(*side as usize) == Some(&interface))
    }

    /// What a rule says beyond its filter.
    #[inline]
    pub(crate) fn rule(&self, rule: RuleNumber) -> RulePlan {
        const NO_RULE: RulePlan = RulePlan { peer: None, keyless: Keyless::Drop };
        self.rules.get(usize::from(rule.0)).copied().unwrap_or(NO_RULE)
    }

    /// A peer by its slot.
    #[inline]
    pub(crate) fn peer(&self, slot: usize) -> Option<&PeerPlan> {
        self.peers.get(slot)?.as_ref()
    }

    /// The slot of the peer that a packet of these addresses is sealed to.
    #[inline]
    pub(crate) fn route(&self, from: IpAddr, to: IpAddr) -> Option<usize> {
        let is_it = |route: &&Route| {
            contains(&route.prefix, to)
                && (route.ours.is_empty() || route.ours.iter().any(|ours| contains(ours, from)))
        };
        self.routes.iter().find(is_it).map(|route| route.slot)
    }

    /// Whether an address is ours on a side.
    #[inline]
    pub(crate) fn is_ours(&self, side: Side, address: IpAddr) -> bool {
        address == IpAddr::V6(self.link_local)
            || match side {
                Side::Outside => self.local.contains(&address),
                Side::Inside => self.inside.iter().any(|ours| ours.address == address),
            }
    }

    /// Our address on a side, to ask about one of its IP with.
    pub(crate) fn own(&self, side: Side, about: IpAddr) -> Option<IpAddr> {
        let is_alike = |address: &IpAddr| address.is_ipv4() == about.is_ipv4();
        match side {
            Side::Outside => self.local.iter().copied().find(is_alike),
            Side::Inside => {
                let on_link = self.inside.iter().find(|ours| contains(ours, about));
                on_link
                    .map(|ours| ours.address)
                    .or_else(|| self.inside.iter().map(|ours| ours.address).find(is_alike))
            }
        }
    }

    /// Whose link-layer address a packet gets that goes to this address on a side.
    #[inline]
    pub(crate) fn next_hop(&self, side: Side, to: IpAddr) -> Option<IpAddr> {
        let routers = match side {
            Side::Outside => &self.next_hop,
            Side::Inside => &self.inside_next_hop,
        };
        let router = routers.iter().copied().find(|router| router.is_ipv4() == to.is_ipv4());
        if side == Side::Inside {
            let mut links = self.inside.iter().filter(|ours| ours.address.is_ipv4() == to.is_ipv4());
            let mut has_links = false;
            let is_on_link = links.any(|ours| {
                has_links = true;
                contains(ours, to)
            });
            if is_on_link {
                return Some(to);
            }
            // Without a link of our own everything is on it.
            return router.or((!has_links).then_some(to));
        }
        Some(router.unwrap_or(to))
    }
}

impl PeerPlan {
    /// What its outbound SAs carry.
    pub(crate) fn selectors(&self) -> Result<Selectors, TunnelError> {
        let config = &self.config;
        let too_many = |pairs| TunnelError::Selectors { name: config.name.clone(), pairs };
        let everything = |like: &Prefix| Prefix {
            address: if like.address.is_ipv4() {
                Ipv4Addr::UNSPECIFIED.into()
            } else {
                Ipv6Addr::UNSPECIFIED.into()
            },
            bits: 0,
        };
        let mut pairs = Vec::new();
        for theirs in &config.prefixes {
            if config.ours.is_empty() {
                pairs.push((everything(theirs), *theirs));
            }
            let alike = |ours: &&Prefix| ours.address.is_ipv4() == theirs.address.is_ipv4();
            pairs.extend(config.ours.iter().filter(alike).map(|ours| (*ours, *theirs)));
        }
        let count = pairs.len();
        let selectors = pairs
            .into_iter()
            .filter_map(|(ours, theirs)| Selector::between(prefix_of(&ours)?, prefix_of(&theirs)?));
        Selectors::new(selectors).map_err(|_| too_many(count))
    }

    /// Where it is by the configuration.
    pub(crate) fn endpoint(&self, udp_port: u16) -> Endpoint {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let port = if self.config.udp_encapsulation { udp_port } else { 0 };
        Endpoint { address: self.config.address.unwrap_or(nowhere), port }
    }

    pub(crate) const fn roaming(&self) -> tunnel::Roaming {
        match self.config.roaming {
            Roaming::Fixed => tunnel::Roaming::Fixed,
            Roaming::Follow => tunnel::Roaming::Follow,
        }
    }

    pub(crate) const fn framing(&self) -> tunnel::Framing {
        match self.config.framing {
            Framing::Ip => tunnel::Framing::Ip,
            Framing::EtherIp => tunnel::Framing::EtherIp,
            Framing::Gre => tunnel::Framing::Gre,
        }
    }

    /// The way its packets go, to `remote` where that is known better than here.
    pub(crate) fn path(&self, plan: &TunnelPlan, remote: Option<Endpoint>) -> Result<Path, Objection> {
        let remote = remote.unwrap_or_else(|| self.endpoint(plan.udp_port));
        if remote.address.is_unspecified() {
            return Err(Objection::Path);
        }
        let alike = |local: &&IpAddr| local.is_ipv4() == remote.address.is_ipv4();
        let local = plan.local.iter().find(alike).copied().ok_or(Objection::Path)?;
        Ok(Path {
            local,
            remote,
            carrier: if remote.port == 0 { Carrier::Ip } else { Carrier::Udp(plan.udp_port) },
            mtu: self.config.mtu,
            hop_limit: HOP_LIMIT,
            dscp: DscpMode::Copy,
            ecn: EcnMode::Normal,
        })
    }
}

/// Interfaces inside and outside.
fn interfaces(config: &Config) -> Option<[u16; 2]> {
    let outside = config.live.tunnel.outside.as_deref()?;
    let inside = config.live.tunnel.inside_port(&config.boot)?;
    let find = |name: &str| {
        let at = config.boot.ports.iter().position(|port| port.name == name)?;
        u16::try_from(at).ok()
    };
    Some([find(inside)?, find(outside)?])
}

fn prefix_of(prefix: &Prefix) -> Option<tunnel::Prefix> {
    tunnel::Prefix::new(prefix.address, prefix.bits)
}

/// Whether an address begins as a prefix says.
#[inline]
pub(crate) fn contains(prefix: &Prefix, address: IpAddr) -> bool {
    let bits = u32::from(prefix.bits);
    match (prefix.address, address) {
        (IpAddr::V4(prefix), IpAddr::V4(address)) => {
            let free = 32_u32.saturating_sub(bits);
            (prefix.to_bits() ^ address.to_bits()).checked_shr(free).unwrap_or(0) == 0
        }
        (IpAddr::V6(prefix), IpAddr::V6(address)) => {
            let free = 128_u32.saturating_sub(bits);
            (prefix.to_bits() ^ address.to_bits()).checked_shr(free).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// A link-layer address that nobody else on the link has where nobody else has our address: locally administered, and
/// made of that.
fn made_mac(local: &[IpAddr]) -> MacAddress {
    let [a, b, c, d] = match local.first() {
        Some(IpAddr::V4(address)) => address.octets(),
        Some(IpAddr::V6(address)) => {
            let bits = address.to_bits();
            let folded = bits ^ bits >> 64;
            let [.., a, b, c, d] = (folded ^ folded >> 32).to_be_bytes();
            [a, b, c, d]
        }
        None => [0, 0, 0, 1],
    };
    MacAddress([0x02, 0x57, a, b, c, d])
}

/// The address that a link-layer address gives on its link (RFC 4291, appendix A).
fn link_local([a, b, c, d, e, f]: [u8; 6]) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

const HOP_LIMIT: u8 = 64;

/// Answers "packet too big" of one worker: so many at once, and then one every so often.
pub(crate) const ANSWERS_AT_ONCE: u32 = 50;
pub(crate) const ANSWER_EVERY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_contains_what_begins_like_it() {
        for (text, address, is_in) in [
            ("10.1.0.0/16", "10.1.255.1", true),
            ("10.1.0.0/16", "10.2.0.1", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("::/0", "1.2.3.4", false),
            ("fd01::/64", "fd01::1", true),
            ("fd01::/64", "fd01:0:0:1::1", false),
            ("fd01::7/128", "fd01::7", true),
        ] {
            assert_eq!(contains(&prefix(text), address.parse().unwrap()), is_in, "{text} {address}");
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_hosts_that_may_not_take_another() {
        let config = Config::from_toml(CONFIG, "test").unwrap();
        let plan = TunnelPlan::new(&config, &mut Slots::default()).unwrap().unwrap();
        let route = |from: &str, to: &str| plan.route(from.parse().unwrap(), to.parse().unwrap());
        assert_eq!(route("10.1.0.1", "10.2.0.1"), Some(0));
        assert_eq!(route("10.1.0.1", "10.2.3.1"), Some(1));
        assert_eq!(route("10.9.0.1", "10.2.3.1"), Some(0), "the second is for 10.1/16 alone");
        assert_eq!(route("10.1.0.1", "10.3.0.1"), None);
        assert_eq!((plan.side_of(0), plan.side_of(1)), (Some(Side::Inside), Some(Side::Outside)));
        let hop = |side, to: &str| plan.next_hop(side, to.parse().unwrap()).map(|hop| hop.to_string());
        assert_eq!(hop(Side::Inside, "10.1.0.9").as_deref(), Some("10.1.0.9"));
        assert_eq!(hop(Side::Inside, "10.9.0.9"), None, "on no link, and no router");
        assert_eq!(hop(Side::Outside, "198.51.100.1").as_deref(), Some("192.0.2.254"));
        assert_eq!(plan.mac, [2, 0x57, 192, 0, 2, 1]);
    }

    #[test]
    fn a_peer_keeps_its_slot() {
        let mut slots = Slots::default();
        let config = Config::from_toml(CONFIG, "test").unwrap();
        let _first = TunnelPlan::new(&config, &mut slots).unwrap();
        let second = Config::from_toml(&CONFIG.replace("\"west\"", "\"north\""), "test").unwrap();
        let plan = TunnelPlan::new(&second, &mut slots).unwrap().unwrap();
        assert!(plan.peer(0).is_none(), "west is gone");
        assert_eq!(plan.peer(1).unwrap().name.as_str(), "near");
        assert_eq!(plan.peer(2).unwrap().name.as_str(), "north");
    }

    #[test]
    fn more_pairs_of_prefixes_than_selectors_are_refused() {
        let five: Vec<String> = (0..5).map(|at| format!("\"10.{at}.0.0/16\"")).collect();
        let five = five.join(",");
        let text = CONFIG.replace("[\"10.2.0.0/16\"]", &format!("[{five}]\nours = [{five}]"));
        let config = Config::from_toml(&text, "test").unwrap();
        let error = TunnelPlan::new(&config, &mut Slots::default()).unwrap_err();
        assert!(matches!(error, TunnelError::Selectors { pairs: 25, .. }), "{error}");
    }

    const CONFIG: &str = r#"
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
[live.tunnel]
outside = "wan"
local = ["192.0.2.1"]
next_hop = ["192.0.2.254"]
inside = ["10.1.0.1/16"]
[[live.tunnel.peers]]
name = "west"
address = "198.51.100.1"
prefixes = ["10.2.0.0/16"]
[[live.tunnel.peers]]
name = "near"
address = "198.51.100.2"
prefixes = ["10.2.3.0/24"]
ours = ["10.1.0.0/16"]
"#;
}
