use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use rustls::time_provider::DefaultTimeProvider;

use super::*;
use crate::gate::Prefix;
use crate::pki::{Authority, Init, KeyKind, Pair, Validity, load_identity, read_certificates};
use crate::profile::{Auth, Profile, Settings};
use crate::schedule::{Mode, PolicyHash};
use crate::selftest::prove;
use crate::tls::PeerTrust;

static PROVEN: LazyLock<Proven> = LazyLock::new(|| prove().unwrap());

const WEST: [u8; 4] = [10, 0, 0, 1];
const EAST: [u8; 4] = [10, 0, 0, 2];

/// Two sites with an authority.
struct Sites(tempfile::TempDir);

impl Sites {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lifetime = Duration::from_secs(86_400);
        let key = KeyKind::MlDsa(Profile::Balanced.signature());
        let init = Init { name: "Test", key, classical: Some(KeyKind::EcdsaP384), lifetime };
        let authority = Authority::init(folder.path(), &init, Backend::Liboqs, SystemTime::now()).unwrap();
        for name in ["west", "east"] {
            authority.issue(name, Validity { key, lifetime }, SystemTime::now()).unwrap();
        }
        Self(folder)
    }

    fn endpoint(&self, name: &'static str, settings: Settings, calls: bool, now: Instant) -> Endpoint {
        let (identity, classical) =
            load_identity(&self.0.path().join(format!("{name}.pem")), Backend::Liboqs).unwrap();
        let authorities = read_certificates(&self.0.path().join("ca.crt")).unwrap();
        let trust = Arc::new(Trust::new(vec![], &authorities, &[]).unwrap());
        let (other, address) = if name == "west" { ("east", EAST) } else { ("west", WEST) };
        let named = PeerTrust::Named(other.try_into().unwrap());
        let hybrid = settings.auth == Auth::MlDsaAndClassical;
        let peer = PeerConfig {
            name: other.to_owned(),
            trust: named.clone(),
            classical: hybrid.then_some(named),
            address: calls.then(|| (address, 7899).into()),
            prefixes: vec![Prefix::new(address.into(), 32).unwrap()],
            mode: Mode::Tunnel,
            policy: PolicyHash::of(["10.1.0.0/16 10.2.0.0/16"]),
            settings,
        };
        let sign = |(key, certificate): Pair| {
            Classical::new(Arc::new(key), certificate, Arc::clone(&trust)).unwrap()
        };
        let setup = Setup {
            proven: *PROVEN,
            backend: Backend::Liboqs,
            credentials: Credentials {
                identity,
                classical: classical.filter(|_| hybrid).map(sign),
                trust: Arc::clone(&trust),
            },
            limits: Limits::default(),
            clock: Arc::new(DefaultTimeProvider),
        };
        let mut endpoint = Endpoint::new(setup, now).unwrap();
        endpoint.add(peer, now).unwrap();
        endpoint.set_queues(2, now);
        endpoint
    }
}

fn settings() -> Settings {
    Settings { profile: Profile::Balanced, ..Settings::default() }
}

/// Two endpoints, a network between them, and data planes that do what they are told.
struct World {
    now: Instant,
    ends: [Endpoint; 2],
    /// Session of west, session of east.
    wires: Vec<[u64; 2]>,
    told: [Vec<Event>; 2],
}

impl World {
    fn new(west: Endpoint, east: Endpoint, now: Instant) -> Self {
        Self { now, ends: [west, east], wires: Vec::new(), told: [Vec::new(), Vec::new()] }
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(100);
            for _ in 0..12 {
                self.step();
            }
        }
    }

    fn step(&mut self) {
        for at in 0..2 {
            self.ends[at].tick(self.now);
            while let Some(dial) = self.ends[at].dial() {
                let from = IpAddr::from(if at == 0 { WEST } else { EAST });
                match self.ends[1 - at].accepted(from, self.now) {
                    Ok(accepted) => {
                        let wire = [dial.session, accepted];
                        self.wires.push(if at == 0 { wire } else { [accepted, dial.session] });
                    }
                    Err(_) => self.ends[at].lost(dial.session, self.now),
                }
            }
        }
        self.carry();
        for at in 0..2 {
            self.obey(at);
        }
    }

    fn carry(&mut self) {
        for wire in std::mem::take(&mut self.wires) {
            let mut open = true;
            for at in 0..2 {
                let mut bytes = Vec::new();
                open &= self.ends[at].transmit(wire[at], &mut bytes) == After::Keep;
                for piece in bytes.chunks(1400) {
                    self.ends[1 - at].received(wire[1 - at], piece, self.now);
                }
            }
            if open {
                self.wires.push(wire);
            } else {
                (0..2).for_each(|at| self.ends[at].lost(wire[at], self.now));
            }
        }
    }

    fn obey(&mut self, at: usize) {
        while let Some(event) = self.ends[at].event() {
            match &event {
                Event::Keys { peer, keys } => self.ends[at].installed(*peer, keys.epoch, self.now),
                Event::Probe { peer, epoch } => self.ends[1 - at].heard(*peer, *epoch, self.now),
                _ => {}
            }
            self.told[at].push(event);
        }
    }

    fn keys(&self, at: usize) -> Vec<&Keys> {
        self.told[at]
            .iter()
            .filter_map(|event| if let Event::Keys { keys, .. } = event { Some(&**keys) } else { None })
            .collect()
    }

    fn ups(&self, at: usize) -> Vec<(u64, bool)> {
        let up = |event: &Event| {
            if let Event::Up { epoch, facts, .. } = event { Some((*epoch, facts.resumed)) } else { None }
        };
        self.told[at].iter().filter_map(up).collect()
    }

    fn wipes(&self, at: usize) -> Vec<u64> {
        let wipe = |event: &Event| if let Event::Wipe { epoch, .. } = event { Some(*epoch) } else { None };
        self.told[at].iter().filter_map(wipe).collect()
    }

    fn refusals(&self, at: usize) -> Vec<Refusal> {
        let refusal =
            |event: &Event| if let Event::Refused { refusal, .. } = event { Some(*refusal) } else { None };
        self.told[at].iter().filter_map(refusal).collect()
    }
}

fn world(settings: Settings, calls: [bool; 2]) -> (Sites, World) {
    let (sites, now) = (Sites::new(), Instant::now());
    let (west, east) =
        (sites.endpoint("west", settings, calls[0], now), sites.endpoint("east", settings, calls[1], now));
    (sites, World::new(west, east, now))
}

#[test]
fn both_come_up_with_the_same_keys() {
    for auth in [Auth::MlDsa, Auth::MlDsaAndClassical] {
        let (_sites, mut world) = world(Settings { auth, ..settings() }, [true, false]);
        world.run(Duration::from_secs(1));
        let ups = world.ups(0);
        assert!(matches!(ups[..], [(1 | 2, false)]) && ups == world.ups(1), "{:?}", world.told);
        let (west, east) = (world.keys(0)[0], world.keys(1)[0]);
        assert_eq!(west.outbound[1].key, east.inbound[1].key);
        assert_eq!(west.inbound[0].key, east.outbound[0].key);
        assert_ne!(west.inbound[0].key, west.outbound[0].key);
    }
}

#[test]
fn keys_are_renewed_by_resumption_and_every_hour_by_a_full_handshake() {
    let (_sites, mut world) = world(settings(), [true, true]);
    world.run(Duration::from_secs(2 * 3600));
    let ups = world.ups(0);
    assert_eq!(ups, world.ups(1));
    assert!(ups.is_sorted_by(|one, next| one.0 < next.0), "{ups:?}");
    let full: Vec<_> = ups.iter().filter(|(_, resumed)| !resumed).collect();
    // 540 to 600 s each, and one more where both called at once.
    assert!((12..=15).contains(&ups.len()) && (2..=3).contains(&full.len()), "{ups:?}");
    assert_eq!((world.refusals(0), world.refusals(1)), (vec![], vec![]));
    for at in 0..2 {
        let installed: BTreeSet<u64> = world.keys(at).iter().map(|keys| keys.epoch).collect();
        let wiped = world.wipes(at);
        let left: Vec<u64> = installed.difference(&wiped.iter().copied().collect()).copied().collect();
        assert!(wiped.iter().all(|epoch| installed.contains(epoch)), "{wiped:?} of {installed:?}");
        assert_eq!(wiped.iter().collect::<BTreeSet<_>>().len(), wiped.len(), "{wiped:?}");
        // Old keys are kept for a moment.
        let newest: Vec<u64> = ups.iter().rev().take(2).rev().map(|(epoch, _)| *epoch).collect();
        assert!(newest.ends_with(&left) && !left.is_empty(), "{left:?} of {ups:?}");
    }
    let status = &world.ends[0].status()[0];
    assert_eq!(status.full_handshakes + status.rekeys, u64::try_from(ups.len()).unwrap());
}

#[test]
fn a_side_that_restarts_is_back_within_three_seconds_with_new_keys() {
    let (sites, mut world) = world(settings(), [true, true]);
    world.run(Duration::from_secs(400));
    let before = world.ups(0).len();
    // East is killed: its connections are reset.
    world.ends[1] = sites.endpoint("east", settings(), true, world.now);
    for wire in std::mem::take(&mut world.wires) {
        world.ends[0].lost(wire[0], world.now);
    }
    let killed = world.now;
    while world.ups(0).len() == before {
        world.run(Duration::from_millis(100));
        assert!(world.now < killed + Duration::from_secs(3), "{:?}", world.refusals(0));
    }
    let ups = world.ups(0);
    assert!(!ups[before].1 && ups[before].0 > ups[before - 1].0, "{ups:?}");
}

#[test]
fn a_reset_leaves_the_keys_and_another_connection_is_made() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(60));
    for wire in std::mem::take(&mut world.wires) {
        (0..2).for_each(|at| world.ends[at].lost(wire[at], world.now));
    }
    assert!(world.ends.iter().all(|end| end.status()[0].epoch.is_some()));
    world.run(Duration::from_secs(2));
    assert!(matches!(world.ups(0)[..], [(_, false), (_, true)]));
    assert!(!world.told[0].iter().any(|event| matches!(event, Event::Down { .. })));
}

#[test]
fn rotation_is_a_full_handshake_and_many_packets_are_a_resumption() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.ends[0].rekey(PeerId(0), now);
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.ends[0].rotate(PeerId(0), now);
    world.run(Duration::from_secs(1));
    assert!(matches!(world.ups(1)[..], [(_, false), (_, true), (_, false)]));
}

#[test]
fn a_peer_that_stops_is_down_at_once() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    world.ends[1].stop();
    world.run(Duration::from_millis(200));
    assert!(world.told[0].iter().any(|event| matches!(event, Event::Down { .. })));
    assert!(world.ends[0].status()[0].epoch.is_none());
}

#[test]
fn a_farewell_that_comes_late_leaves_the_keys_that_are_on_their_way() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    let (old, now) = (world.wires[0], world.now);
    let first = world.keys(1)[0].epoch;
    // West's data plane lost its keys; what it says of that is held up on the way.
    world.ends[0].lost_keys(PeerId(0), now);
    let mut late = Vec::new();
    world.ends[0].transmit(old[0], &mut late);
    world.wires.clear();
    for _ in 0..200 {
        if world.keys(1).len() < 2 {
            world.step();
        }
    }
    let next = world.keys(1)[1].epoch;
    assert_eq!(world.ups(1).len(), 1, "not yet");
    world.ends[1].received(old[1], &late, now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.ups(1).last().map(|up| up.0), Some(next));
    assert!(world.wipes(1).contains(&first) && !world.wipes(1).contains(&next), "{:?}", world.wipes(1));
    let spared = |event: &Event| matches!(event, Event::Down { has_next: true, .. });
    assert!(downs(&world, 1) == 1 && world.told[1].iter().any(spared), "{:?}", world.told[1]);
    assert_eq!(world.ends[1].status()[0].epoch, Some(next));
}

#[test]
fn junk_and_silence_are_refused_and_counted_while_the_peer_comes_in() {
    let (_sites, mut world) = world(settings(), [true, false]);
    let east = &mut world.ends[1];
    let junk = east.accepted(WEST.into(), world.now).unwrap();
    east.received(junk, b"GET / HTTP/1.1\r\n\r\n", world.now);
    let silent = east.accepted(WEST.into(), world.now).unwrap();
    assert_eq!(east.accepted([192, 0, 2, 1].into(), world.now), Err(Refusal::AddressNotAllowed));
    world.run(Duration::from_secs(6));
    assert_eq!(world.ups(1).len(), 1);
    let refusals = Arc::clone(world.ends[1].refusals());
    assert_eq!((refusals.of(Refusal::Malformed), refusals.of(Refusal::Deadline)), (1, 1));
    assert_eq!(refusals.of(Refusal::AddressNotAllowed), 1);
    let mut out = Vec::new();
    assert_eq!(world.ends[1].transmit(silent, &mut out), After::Close);
}

#[test]
fn sides_whose_policies_or_authentication_differ_get_no_keys() {
    let (sites, now) = (Sites::new(), Instant::now());
    let strict = Settings { auth: Auth::MlDsaAndClassical, ..settings() };
    let (west, east) =
        (sites.endpoint("west", settings(), true, now), sites.endpoint("east", strict, false, now));
    let mut world = World::new(west, east, now);
    world.run(Duration::from_secs(3));
    assert!(world.keys(0).is_empty() && world.keys(1).is_empty());
    assert!(world.refusals(1).contains(&Refusal::Parameters), "{:?}", world.refusals(1));
    assert!(world.ends[0].status()[0].failures > 1);
}

#[test]
fn at_the_hard_age_sending_stops() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    // West can no longer reach east.
    world.ends[0].local.peers.get_mut(&PeerId(0)).unwrap().config.address = None;
    world.run(Duration::from_secs(91 * 60));
    for at in 0..2 {
        let expired = world.told[at].iter().filter(|event| matches!(event, Event::Expired { .. })).count();
        assert_eq!(expired, 1);
    }
}

/// A second peer that is never there.
fn absent(settings: Settings) -> PeerConfig {
    PeerConfig {
        name: "north".to_owned(),
        trust: PeerTrust::Named("north".try_into().unwrap()),
        classical: None,
        address: None,
        prefixes: vec![],
        mode: Mode::Tunnel,
        policy: PolicyHash::of([]),
        settings,
    }
}

fn downs(world: &World, at: usize) -> usize {
    world.told[at].iter().filter(|event| matches!(event, Event::Down { .. })).count()
}

#[test]
fn peers_come_and_go_without_touching_the_others() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    let now = world.now;
    let strong = Settings { profile: Profile::Cnsa2, ..settings() };
    let north = world.ends[1].add(absent(strong), now).unwrap();
    assert_ne!(north, PeerId(0));
    // A server with two profiles still takes the one that each peer has, and resumes what it gave out before.
    world.ends[0].rekey(PeerId(0), now);
    world.run(Duration::from_secs(1));
    assert!(matches!(world.ups(1)[..], [(_, false), (_, true)]), "{:?}", world.ups(1));
    let now = world.now;
    world.ends[1].remove(north, now).unwrap();
    world.ends[0].rotate(PeerId(0), now);
    world.run(Duration::from_secs(1));
    assert_eq!((world.ups(1).len(), downs(&world, 1)), (3, 1), "one is down: north");
    assert_eq!((world.refusals(0), world.refusals(1)), (vec![], vec![]));
}

#[test]
fn a_peer_must_use_its_own_profile_where_others_may_use_a_weaker_one() {
    let (sites, now) = (Sites::new(), Instant::now());
    // West is to use the strongest, and has a key of the middle one.
    let strong = Settings { profile: Profile::Cnsa2, ..settings() };
    let (west, mut east) =
        (sites.endpoint("west", settings(), true, now), sites.endpoint("east", strong, false, now));
    east.add(absent(settings()), now).unwrap();
    let mut world = World::new(west, east, now);
    world.run(Duration::from_secs(2));
    assert!(world.keys(1).is_empty());
    assert!(world.refusals(1).contains(&Refusal::NothingInCommon), "{:?}", world.refusals(1));
}

#[test]
fn a_peer_that_is_removed_is_told_and_its_keys_go() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.ends[0].remove(PeerId(0), now).unwrap();
    world.run(Duration::from_millis(500));
    assert_eq!((downs(&world, 0), downs(&world, 1)), (1, 1));
    assert!(world.ends[0].status().is_empty());
}

#[test]
fn new_credentials_lead_to_a_full_handshake_and_the_keys_stay_until_then() {
    let (sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    let now = world.now;
    let folder = sites.0.path();
    let authority = Authority::open(folder, Backend::Liboqs).unwrap();
    authority.renew("west", crate::pki::Renewal::Now, SystemTime::now()).unwrap();
    let credentials = |lists: &[_]| {
        let (identity, _) = load_identity(&folder.join("west.pem"), Backend::Liboqs).unwrap();
        let authorities = read_certificates(&folder.join("ca.crt")).unwrap();
        Credentials {
            identity,
            classical: None,
            trust: Arc::new(Trust::new(vec![], &authorities, lists).unwrap()),
        }
    };
    world.ends[0].set_credentials(credentials(&[]), now).unwrap();
    assert!(world.ends[0].status()[0].epoch.is_some());
    world.run(Duration::from_secs(1));
    assert!(matches!(world.ups(1)[..], [(_, false), (_, false)]) && downs(&world, 0) == 0);
    // East is revoked: its keys go at once.
    authority.revoke("east", SystemTime::now()).unwrap();
    let lists = crate::pki::read_lists(&folder.join("ca.crl")).unwrap();
    let now = world.now;
    world.ends[0].set_credentials(credentials(&lists), now).unwrap();
    assert!(world.ends[0].status()[0].epoch.is_none());
    world.run(Duration::from_secs(1));
    assert_eq!((world.ups(1).len(), downs(&world, 1)), (2, 1));
    assert!(world.refusals(0).contains(&Refusal::Revoked), "{:?}", world.refusals(0));
}

#[test]
fn without_a_data_plane_nobody_is_called_or_let_in() {
    let (_sites, mut world) = world(settings(), [true, false]);
    let now = world.now;
    world.ends[1].set_queues(0, now);
    world.run(Duration::from_secs(1));
    assert!(world.keys(0).is_empty());
    assert!(world.ends[1].refusals().of(Refusal::NoDataPlane) > 0);
    world.ends[0].set_queues(0, now);
    let before = world.ends[1].refusals().of(Refusal::NoDataPlane);
    world.run(Duration::from_secs(60));
    assert_eq!(world.ends[1].refusals().of(Refusal::NoDataPlane), before);
    let now = world.now;
    (0..2).for_each(|at| world.ends[at].set_queues(3, now));
    world.run(Duration::from_secs(1));
    assert_eq!(world.keys(0)[0].outbound.len(), 3);
}

#[test]
fn a_data_plane_that_lost_its_keys_gets_new_ones_and_the_peer_stops_sending() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.run(Duration::from_secs(1));
    for at in [1, 0] {
        let now = world.now;
        let before = world.ups(0).len();
        world.ends[at].lost_keys(PeerId(0), now);
        assert!(world.ends[at].status()[0].epoch.is_none());
        world.run(Duration::from_secs(2));
        assert_eq!(world.ups(0).len(), before + 1, "{at}: {:?}", world.told[0]);
        assert!(!world.ups(0)[before].1, "a full handshake");
    }
    assert_eq!((downs(&world, 0), downs(&world, 1)), (2, 2));
}

#[test]
fn keys_from_before_a_start_are_wiped_once_newer_ones_are_in_use() {
    let (_sites, mut world) = world(settings(), [true, false]);
    world.ends[0].adopt(PeerId(0), &[41, 44]);
    world.run(Duration::from_secs(1));
    assert!(world.ups(0)[0].0 > 44, "{:?}", world.ups(0));
    assert_eq!(world.wipes(0), [0; 0]);
    world.run(Duration::from_secs(31));
    assert_eq!(world.wipes(0), [41, 44]);
}

#[test]
fn another_policy_of_a_peer_waits_for_the_other_side_and_keeps_the_keys() {
    let (_sites, mut world) = world(settings(), [true, true]);
    world.run(Duration::from_secs(1));
    for at in 0..2 {
        let now = world.now;
        let old = world.ends[at].local.peers[&PeerId(0)].config.clone();
        let new = PeerConfig { policy: PolicyHash::of(["other"]), ..old };
        world.ends[at].change(PeerId(0), new, now).unwrap();
        world.run(Duration::from_secs(3));
        assert!(world.ends.iter().all(|end| end.status()[0].epoch.is_some()));
    }
    world.run(Duration::from_secs(30));
    assert!(world.ups(0).len() >= 2, "{:?}", world.ups(0));
    assert!(world.refusals(0).contains(&Refusal::Policy), "{:?}", world.refusals(0));
    assert_eq!(downs(&world, 0), 0);
}
