use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::super::netlink::Traffic;
use super::*;

const LOCAL: &str = "192.0.2.1";
const REMOTE: &str = "192.0.2.2";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn west() -> PeerName {
    PeerName::new("west").unwrap()
}

fn sa(direction: SaDirection, spi: u32, added: u64) -> Sa {
    let (source, target) = match direction {
        SaDirection::Outbound => (address(LOCAL), address(REMOTE)),
        SaDirection::Inbound => (address(REMOTE), address(LOCAL)),
    };
    Sa {
        name: SaName { target, spi },
        source,
        reqid: 1,
        key: Some(SaKeyMaterial::copied(&[7; 36])),
        is_extended: true,
        is_in_udp: false,
        hard_packets: u64::MAX,
        hard_seconds: 3600,
        packets: 0,
        bytes: 0,
        added,
        sent_number: 0,
        replayed: 0,
        forged: 0,
    }
}

fn pair(at: u32) -> Vec<Sa> {
    let added = u64::from(at);
    vec![sa(SaDirection::Inbound, 0x1000 + at, added), sa(SaDirection::Outbound, 0x2000 + at, added)]
}

fn policies() -> Vec<Policy> {
    let (source, target) = ("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    let traffic = Traffic { source, target, udp_port: None };
    vec![Policy { traffic, way: Way::Out, priority: 1, ends: (address(LOCAL), address(REMOTE)), reqid: 1 }]
}

fn mirror() -> Mirror {
    let pairs = vec![("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap())];
    let peer = XfrmPeer { name: west(), local: address(LOCAL), remote: address(REMOTE), pairs };
    let mut mirror = Mirror::new(vec![peer]);
    mirror.greet(1, &[], &mut Outcome::default());
    assert_eq!(shown(&mirror.look(Vec::new(), &policies())), "");
    mirror
}

/// Orders as one line.
fn shown(outcome: &Outcome) -> String {
    let one = |order: &Order| match order {
        Order::Install(install) => format!("install {} {:x}", install.epoch, install.spi),
        Order::Complete { epoch, .. } => format!("complete {epoch}"),
        Order::Up { epoch, .. } => format!("up {epoch}"),
        Order::Wipe { epoch, .. } => format!("wipe {epoch}"),
        Order::Expired { epoch, .. } => format!("expired {epoch}"),
        Order::Down { .. } => "down".to_owned(),
        other => format!("{other:?}"),
    };
    outcome.orders.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn installed(epoch: u64) -> Report {
    Report::Installed { peer: west(), epoch }
}

#[test]
fn a_pair_is_taken_once_and_let_go_with_the_kernels() {
    let mut mirror = mirror();
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "install 1 1001, install 1 2001, complete 1");
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "");
    assert_eq!(shown(&mirror.hear(&installed(1))), "up 1");
    // The IKE daemon rekeys: both inbound SAs first, then the other sender, then the old ones go.
    let mut sas = pair(1);
    sas.push(sa(SaDirection::Inbound, 0x1002, 2));
    assert_eq!(shown(&mirror.look(sas, &policies())), "install 2 1002", "opens packets before it sends any");
    assert_eq!(
        shown(&mirror.look([pair(1), pair(2)].concat_all(), &policies())),
        "install 2 2002, complete 2"
    );
    assert_eq!(shown(&mirror.hear(&installed(2))), "up 2");
    let mut sas = pair(2);
    sas.push(sa(SaDirection::Inbound, 0x1001, 1));
    assert_eq!(shown(&mirror.look(sas, &policies())), "expired 1", "the old inbound one lingers");
    assert_eq!(shown(&mirror.look(pair(2), &policies())), "wipe 1");
    assert_eq!(shown(&mirror.look(Vec::new(), &policies())), "expired 2, wipe 2");
}

#[test]
fn what_the_kernel_has_used_is_torn_down_for_good() {
    for at in 0..2 {
        let mut mirror = mirror();
        mirror.look(pair(1), &policies());
        mirror.hear(&installed(1));
        let used = || {
            let mut sas = pair(1);
            sas[at].packets = 1;
            sas
        };
        let outcome = mirror.look(used(), &policies());
        assert_eq!(shown(&outcome), "wipe 1");
        assert!(outcome.told[0].contains("torn down"), "{:?}", outcome.told);
        assert_eq!(shown(&mirror.look(used(), &policies())), "");
        // Neither of them ever comes back, whatever the counter says.
        assert_eq!(shown(&mirror.look(pair(1), &policies())), "");
        assert_eq!(shown(&mirror.look(pair(2), &policies())), "install 2 1002, install 2 2002, complete 2");
    }
}

#[test]
fn what_was_used_before_it_was_seen_is_not_taken() {
    let mut mirror = mirror();
    let mut sas = pair(1);
    sas[1].sent_number = 1;
    let outcome = mirror.look(sas, &policies());
    assert_eq!(shown(&outcome), "install 1 1001");
    assert!(outcome.told[0].contains("not taken"), "{:?}", outcome.told);
}

#[test]
fn what_was_there_before_may_have_sent_and_is_not_taken() {
    let pairs = mirror().peers.remove(0).peer;
    let mut mirror = Mirror::new(vec![pairs]);
    mirror.greet(1, &[], &mut Outcome::default());
    let outcome = mirror.look(pair(1), &policies());
    assert_eq!(shown(&outcome), "");
    assert!(
        outcome.told.iter().filter(|text| text.contains("was there before")).count() == 2,
        "{:?}",
        outcome.told
    );
    assert_eq!(
        shown(&mirror.look([pair(1), pair(2)].concat_all(), &policies())),
        "install 1 1002, install 1 2002, complete 1"
    );
}

#[test]
fn a_data_plane_that_was_started_anew_never_gets_the_same_keys() {
    let mut mirror = mirror();
    mirror.look(pair(1), &policies());
    mirror.hear(&installed(1));
    mirror.lost();
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "");
    let outcome = mirror.hear(&Report::Hello { queues: 1, installed: Vec::new() });
    assert!(outcome.told[0].contains("rekey"), "{:?}", outcome.told);
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "");
    // One that has them still goes on with them.
    let mut mirror = self::mirror();
    mirror.look(pair(1), &policies());
    mirror.hear(&installed(1));
    mirror.lost();
    let has = vec![InstalledEpoch { peer: west(), epoch: 1, is_up: true }];
    mirror.hear(&Report::Hello { queues: 1, installed: has });
    assert_eq!(shown(&mirror.look(Vec::new(), &policies())), "expired 1, wipe 1");
}

#[test]
fn keys_of_before_are_wiped_behind_the_first_new_ones() {
    let mut mirror = Mirror::new(vec![mirror().peers.remove(0).peer]);
    mirror.look(Vec::new(), &policies());
    let has = vec![InstalledEpoch { peer: west(), epoch: 41, is_up: true }];
    assert_eq!(shown(&mirror.hear(&Report::Hello { queues: 1, installed: has })), "");
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "install 42 1001, install 42 2001, complete 42");
    assert_eq!(shown(&mirror.hear(&installed(42))), "up 42, wipe 41");
}

type Change = fn(&mut Sa);

#[test]
fn what_cannot_be_an_end_of_ours_is_not_taken_and_said_once() {
    let changes: [(&str, Change); 4] = [
        ("aes256gcm16-esn", |sa| sa.is_extended = false),
        ("AES-256-GCM", |sa| sa.key = None),
        ("UDP", |sa| sa.is_in_udp = true),
        ("reserved", |sa| sa.name.spi = 255),
    ];
    for (word, change) in changes {
        let mut mirror = mirror();
        let bad = || {
            let mut sas = vec![sa(SaDirection::Outbound, 0x2001, 1)];
            change(&mut sas[0]);
            sas
        };
        let outcome = mirror.look(bad(), &policies());
        assert!(outcome.orders.is_empty() && outcome.told[0].contains(word), "{word}: {:?}", outcome.told);
        assert!(mirror.look(bad(), &policies()).told.is_empty());
    }
}

#[test]
fn nothing_is_taken_without_the_policies_of_the_configuration() {
    let mut mirror = mirror();
    mirror.look(pair(1), &policies());
    mirror.hear(&installed(1));
    let outcome = mirror.look(pair(1), &[]);
    assert_eq!(shown(&outcome), "down");
    assert!(outcome.told[0].contains("10.1.0.0/16"), "{:?}", outcome.told);
    assert_eq!(shown(&mirror.look(pair(2), &[])), "");
}

#[test]
fn one_sender_on_several_cores_is_refused() {
    let mut mirror = mirror();
    let outcome = mirror.hear(&Report::Hello { queues: 2, installed: Vec::new() });
    assert!(outcome.told[0].contains("queues = 1"), "{:?}", outcome.told);
    assert_eq!(shown(&mirror.look(pair(1), &policies())), "");
}

trait ConcatAll {
    fn concat_all(self) -> Vec<Sa>;
}

impl<const N: usize> ConcatAll for [Vec<Sa>; N] {
    fn concat_all(self) -> Vec<Sa> {
        self.into_iter().flatten().collect()
    }
}

/// What may happen between two looks.
#[derive(Clone, Debug)]
enum Step {
    Add(bool),
    Remove(usize),
    Use(usize),
    Answer,
    Restart,
    /// A list that leaves one out.
    Flicker(usize),
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Add),
        2 => (0_usize..8).prop_map(Step::Remove),
        1 => (0_usize..8).prop_map(Step::Use),
        4 => Just(Step::Answer),
        1 => Just(Step::Restart),
        1 => (0_usize..8).prop_map(Step::Flicker),
        1 => Just(Step::Disconnect),
    ]
}

fn listed(kernel: &[(SaDirection, u32, u64)]) -> Vec<Sa> {
    let of = |(direction, spi, packets): &(SaDirection, u32, u64)| Sa {
        packets: *packets,
        ..sa(*direction, *spi, u64::from(*spi))
    };
    kernel.iter().map(of).collect()
}

proptest! {
    /// Whatever happens: no key is given to a data plane twice, and none stays with it that the kernel has used or has no
    /// more.
    #[test]
    fn a_key_has_one_sender(steps in prop::collection::vec(step(), 1..60)) {
        let mut mirror = mirror();
        let mut kernel: Vec<(SaDirection, u32, u64)> = Vec::new();
        let mut given: BTreeMap<u32, u32> = BTreeMap::new();
        // What the data plane has: SPIs by epoch.
        let mut plane: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut complete: Vec<u64> = Vec::new();
        for (at, step) in (0_u32..).zip(steps) {
            let mut outcomes = Vec::new();
            match step {
                Step::Add(is_outbound) => {
                    let direction = if is_outbound { SaDirection::Outbound } else { SaDirection::Inbound };
                    kernel.push((direction, 0x1000 + at, 0));
                }
                Step::Remove(which) if which < kernel.len() => _ = kernel.remove(which),
                Step::Use(which) if which < kernel.len() => kernel[which].2 = 1,
                Step::Answer => outcomes.extend(complete.drain(..).map(|epoch| mirror.hear(&installed(epoch)))),
                Step::Restart => {
                    plane.clear();
                    complete.clear();
                    mirror.lost();
                    outcomes.push(mirror.hear(&Report::Hello { queues: 1, installed: Vec::new() }));
                }
                // What is ordered while nobody hears it is lost.
                Step::Disconnect => {
                    mirror.lost();
                    complete.clear();
                    if !kernel.is_empty() {
                        kernel[0].2 = 1;
                    }
                    let _ = mirror.look(listed(&kernel), &policies());
                    let there = |(epoch, _): (&u64, _)| InstalledEpoch { peer: west(), epoch: *epoch, is_up: true };
                    let installed = plane.iter().map(there).collect();
                    outcomes.push(mirror.hear(&Report::Hello { queues: 1, installed }));
                }
                Step::Flicker(which) if which < kernel.len() => {
                    let mut less = kernel.clone();
                    less.remove(which);
                    outcomes.push(mirror.look(listed(&less), &policies()));
                }
                _ => {}
            }
            outcomes.push(mirror.look(listed(&kernel), &policies()));
            for order in outcomes.into_iter().flat_map(|outcome| outcome.orders) {
                match order {
                    Order::Install(install) => {
                        *given.entry(install.spi).or_default() += 1;
                        plane.entry(install.epoch).or_default().push(install.spi);
                    }
                    Order::Complete { epoch, .. } => complete.push(epoch),
                    Order::Wipe { epoch, .. } => _ = plane.remove(&epoch),
                    _ => {}
                }
            }
            prop_assert!(given.values().all(|times| *times == 1), "{given:x?}");
            let held = |spi: &u32| plane.values().flatten().any(|has| has == spi);
            for (_, spi, packets) in &kernel {
                prop_assert!(*packets == 0 || !held(spi), "{spi:x} is used by the kernel");
            }
            for spis in plane.values() {
                let is_there = |spi: &u32| kernel.iter().any(|(_, known, _)| known == spi);
                prop_assert!(spis.iter().any(is_there), "{spis:x?} are all gone from the kernel");
            }
        }
    }
}
