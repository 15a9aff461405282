use std::collections::BTreeMap;

use api::tunnel::{SaKeyMaterial, Suite};

use super::*;

/// A kernel that a test can look into.
#[derive(Default)]
struct Fake {
    sas: BTreeMap<SaName, Held>,
    policies: Vec<Policy>,
    lacks: bool,
}

#[derive(Clone)]
struct Held {
    source: IpAddr,
    reqid: u32,
    hard: (u64, u64),
    packets: u64,
}

impl Xfrm for Fake {
    fn add_sa(&mut self, sa: &NewSa<'_>) -> Result<(), KernelError> {
        if self.lacks {
            return Err(KernelError::Lacks { what: "take an SA" });
        }
        if self.sas.contains_key(&sa.name) {
            let error = std::io::ErrorKind::AlreadyExists.into();
            return Err(KernelError::Refused { what: "take an SA", error });
        }
        let hard = (sa.hard_packets, sa.hard_seconds);
        self.sas.insert(sa.name, Held { source: sa.source, reqid: sa.reqid, hard, packets: 0 });
        Ok(())
    }

    fn delete_sa(&mut self, name: SaName) -> Result<(), KernelError> {
        self.sas.remove(&name);
        Ok(())
    }

    fn sas(&mut self) -> Result<Vec<Sa>, KernelError> {
        let sa = |(name, held): (&SaName, &Held)| Sa {
            name: *name,
            source: held.source,
            reqid: held.reqid,
            key: None,
            is_extended: true,
            is_in_udp: false,
            hard_packets: held.hard.0,
            hard_seconds: held.hard.1,
            packets: held.packets,
            bytes: held.packets * 100,
            added: 0,
            sent_number: 0,
            replayed: 0,
            forged: 0,
        };
        Ok(self.sas.iter().map(sa).collect())
    }

    fn set_policy(&mut self, policy: &Policy) -> Result<(), KernelError> {
        self.policies.retain(|there| (there.traffic, there.way) != (policy.traffic, policy.way));
        self.policies.push(*policy);
        Ok(())
    }

    fn delete_policy(&mut self, traffic: &Traffic, way: Way) -> Result<(), KernelError> {
        self.policies.retain(|there| (there.traffic, there.way) != (*traffic, way));
        Ok(())
    }

    fn policies(&mut self) -> Result<Vec<Policy>, KernelError> {
        Ok(self.policies.clone())
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn west() -> PeerName {
    PeerName::new("west").unwrap()
}

fn peer(theirs: &str) -> XfrmPeer {
    let pairs = vec![("10.1.0.0/16".parse().unwrap(), theirs.parse().unwrap())];
    XfrmPeer { name: west(), local: address("192.0.2.1"), remote: address("192.0.2.2"), pairs }
}

fn install(epoch: u64, direction: SaDirection, queue: u16, spi: u32) -> Order {
    let limits = SaLimits {
        soft_packets: 100,
        hard_packets: 400,
        soft_after: Duration::from_secs(600),
        hard_after: Duration::from_secs(1800),
    };
    let key = SaKeyMaterial::copied(&[7; 36]);
    let (framing, suite, remote) = (Framing::Ip, Suite::Aes256Gcm16, None);
    Order::Install(Box::new(Install {
        peer: west(),
        epoch,
        direction,
        queue,
        spi,
        framing,
        suite,
        limits,
        remote,
        key,
    }))
}

/// A host whose peer is west, and the order of things until an epoch is installed.
struct Host {
    sas: Sas<Fake>,
    now: Instant,
}

impl Host {
    fn new() -> Self {
        let mut sas = Sas::new(Fake::default()).unwrap();
        sas.configure(vec![peer("10.2.0.0/16")], &mut Vec::new()).unwrap();
        Self { sas, now: Instant::now() }
    }

    fn order(&mut self, order: &Order) -> Vec<Report> {
        let mut reports = Vec::new();
        self.sas.carry_out(order, self.now, &mut reports);
        reports
    }

    fn give(&mut self, epoch: u64) -> Vec<Report> {
        let spi = u32::try_from(epoch * 0x1000).unwrap();
        let mut reports = self.order(&install(epoch, SaDirection::Inbound, 0, spi));
        reports.extend(self.order(&install(epoch, SaDirection::Inbound, 1, spi + 1)));
        reports.extend(self.order(&install(epoch, SaDirection::Outbound, 0, spi + 2)));
        reports.extend(self.order(&Order::Complete { peer: west(), epoch }));
        reports
    }

    fn out(&self) -> &Policy {
        let mut out = self.sas.kernel.policies.iter().filter(|policy| policy.way == Way::Out);
        out.find(|policy| policy.traffic.udp_port.is_none()).unwrap()
    }

    /// The SPI of the SA that a policy leads to.
    fn sends_by(&self) -> Option<u32> {
        let (source, target) = self.out().ends;
        let leads = |(name, held): &(&SaName, &Held)| {
            (held.source, name.target, held.reqid) == (source, target, self.out().reqid)
        };
        let all: Vec<u32> = self.sas.kernel.sas.iter().filter(leads).map(|(name, _)| name.spi).collect();
        assert!(all.len() <= 1, "two senders: {all:x?}");
        all.first().copied()
    }

    fn look(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        self.sas.look(self.now, true, &mut reports).unwrap();
        reports
    }
}

#[test]
fn policies_come_before_keys_and_lead_nowhere() {
    let host = Host::new();
    let ways: Vec<Way> = host.sas.kernel.policies.iter().map(|policy| policy.way).collect();
    assert_eq!(ways, [Way::Out, Way::In, Way::Forward]);
    assert_eq!(host.sends_by(), None);
}

#[test]
fn new_keys_are_used_from_up_on_and_the_old_sender_is_gone() {
    let mut host = Host::new();
    let (peer, epoch) = (west(), 1);
    assert_eq!(host.give(1), [Report::Installed { peer, epoch }]);
    assert_eq!(host.sends_by(), None, "not before it is up");
    host.order(&Order::Probe { peer, epoch });
    assert_eq!(host.sas.probes(host.now).len(), 1);
    assert_eq!(host.sas.probes(host.now), [], "the next is due in a while");
    let probe = host.sas.kernel.policies.iter().find(|policy| policy.traffic.udp_port.is_some()).copied();
    assert!(probe.is_some_and(|probe| probe.reqid == FIRST_REQID && probe.priority < PRIORITY));
    let mut reports = Vec::new();
    host.sas.heard(0x1000, &mut reports);
    assert_eq!(reports, [], "the other inbound SA was not heard");
    host.sas.heard(0x1001, &mut reports);
    host.sas.heard(0x1001, &mut reports);
    assert_eq!(reports, [Report::Heard { peer, epoch }], "said once");
    assert_eq!(host.order(&Order::Up { peer, epoch }), []);
    assert_eq!(host.sends_by(), Some(0x1002));
    assert!(
        host.sas.kernel.policies.iter().all(|policy| policy.traffic.udp_port.is_none()),
        "the probe's is gone"
    );
    host.give(2);
    assert_eq!(host.sends_by(), Some(0x1002), "until the new ones are up");
    host.order(&Order::Up { peer, epoch: 2 });
    assert_eq!(host.sends_by(), Some(0x2002));
    let spis: Vec<u32> = host.sas.kernel.sas.keys().map(|name| name.spi).collect();
    assert_eq!(
        spis,
        [0x1000, 0x1001, 0x2000, 0x2001, 0x2002],
        "the old inbound ones open what is on its way"
    );
    assert_eq!(
        host.order(&Order::Wipe { peer, epoch: 1 }),
        [Report::Wiped { peer, epoch: 1, spis: vec![0x1000, 0x1001] }]
    );
    assert_eq!(host.sas.kernel.sas.len(), 3);
    let installed = host.sas.installed();
    assert_eq!(installed, [InstalledEpoch { peer, epoch: 2, is_up: true }]);
}

#[test]
fn nothing_is_sent_after_keys_expire_or_the_peer_is_down() {
    let mut host = Host::new();
    let peer = west();
    host.give(1);
    host.order(&Order::Up { peer, epoch: 1 });
    host.order(&Order::Expired { peer, epoch: 1 });
    assert_eq!(host.sends_by(), None);
    assert_eq!(host.sas.kernel.sas.len(), 2, "what comes is opened still");
    host.order(&Order::Down { peer });
    assert!(host.sas.kernel.sas.is_empty() && host.sas.kernel.policies.len() == 3, "policies stay, and drop");
}

#[test]
fn the_kernel_ends_an_outbound_sa_by_itself_at_its_hard_limit() {
    let mut host = Host::new();
    host.give(1);
    let hard: Vec<(u64, u64)> = host.sas.kernel.sas.values().map(|held| held.hard).collect();
    assert_eq!(hard, [(u64::MAX, 0), (u64::MAX, 0), (400, 1800)]);
}

#[test]
fn what_a_kernel_cannot_take_is_refused_as_a_whole() {
    let mut host = Host::new();
    let (peer, epoch) = (west(), 1);
    host.sas.kernel.lacks = true;
    assert_eq!(host.give(1), [Report::Refused { peer, epoch, why: Objection::Cipher }], "said once");
    host.sas.kernel.lacks = false;
    assert_eq!(host.give(2), [Report::Installed { peer, epoch: 2 }]);
    // One queue: the kernel has one sender.
    let again = host.order(&install(3, SaDirection::Outbound, 1, 0x3002));
    assert_eq!(again, [Report::Refused { peer, epoch: 3, why: Objection::Queues }]);
    let taken = host.order(&install(4, SaDirection::Inbound, 0, 0x2000));
    assert_eq!(taken, [Report::Refused { peer, epoch: 4, why: Objection::SpiInUse }]);
    assert!(host.sas.kernel.sas.keys().any(|name| name.spi == 0x2000), "the one that had it before stays");
    let stranger = PeerName::new("east").unwrap();
    let unknown = host.order(&Order::Up { peer: stranger, epoch: 2 });
    assert!(matches!(unknown.as_slice(), [Report::Refused { why: Objection::UnknownEpoch, .. }]));
    let stale = host.order(&install(2, SaDirection::Inbound, 0, 0x9000));
    assert!(matches!(stale.as_slice(), [Report::Refused { why: Objection::StaleEpoch, .. }]));
}

#[test]
fn the_kernels_counters_are_reported_and_none_is_counted_twice() {
    let mut host = Host::new();
    let peer = west();
    host.give(1);
    host.order(&Order::Up { peer, epoch: 1 });
    host.sas.kernel.sas.values_mut().for_each(|held| held.packets = 5);
    let counted = |reports: Vec<Report>| {
        let mut all = reports.into_iter().filter_map(|report| match report {
            Report::Counters { counters, .. } => {
                Some((counters.rx_packets, counters.tx_packets, counters.tx_bytes))
            }
            _ => None,
        });
        all.next().unwrap()
    };
    assert_eq!(counted(host.look()), (10, 5, 500));
    host.give(2);
    host.order(&Order::Up { peer, epoch: 2 });
    assert_eq!(counted(host.look()), (10, 5, 500), "the old sender is gone, its counts are not");
    host.order(&Order::Wipe { peer, epoch: 1 });
    assert_eq!(counted(host.look()), (10, 5, 500));
}

#[test]
fn a_soft_limit_is_reported_once() {
    let mut host = Host::new();
    let peer = west();
    host.give(1);
    host.order(&Order::Up { peer, epoch: 1 });
    let due = |reports: Vec<Report>| {
        reports.iter().filter(|report| matches!(report, Report::RekeyWanted { .. })).count()
    };
    assert_eq!(due(host.look()), 0);
    host.sas.kernel.sas.values_mut().for_each(|held| held.packets = 100);
    assert_eq!((due(host.look()), due(host.look())), (1, 0));
}

#[test]
fn another_configuration_leaves_no_policy_behind_and_touches_nothing_of_others() {
    let mut host = Host::new();
    let others = Policy { reqid: 1, priority: 7, ..*host.out() };
    let others = Policy { traffic: Traffic { udp_port: Some(53), ..others.traffic }, ..others };
    host.sas.kernel.policies.push(others);
    host.give(1);
    host.order(&Order::Up { peer: west(), epoch: 1 });
    let mut reports = Vec::new();
    host.sas.configure(vec![peer("10.3.0.0/16")], &mut reports).unwrap();
    assert!(matches!(reports.as_slice(), [Report::Wiped { epoch: 1, .. }]), "{reports:?}");
    let of_ours = |policy: &&Policy| is_ours(policy.reqid);
    assert_eq!(host.sas.kernel.policies.iter().filter(of_ours).count(), 3);
    assert_eq!(host.out().traffic.target.to_string(), "10.3.0.0/16");
    assert_eq!(host.sas.remove_policies().unwrap(), 3);
    assert_eq!(host.sas.kernel.policies, [others]);
}

#[test]
fn what_an_earlier_run_left_is_removed_and_what_others_have_is_not() {
    let mut kernel = Fake::default();
    for (spi, reqid) in [(0x100, FIRST_REQID), (0x101, INBOUND_REQID), (0x102, 1)] {
        let name = SaName { target: address("192.0.2.2"), spi };
        let held = Held { source: address("192.0.2.1"), reqid, hard: (0, 0), packets: 3 };
        kernel.sas.insert(name, held);
    }
    let sas = Sas::new(kernel).unwrap();
    let spis: Vec<u32> = sas.kernel.sas.keys().map(|name| name.spi).collect();
    assert_eq!(spis, [0x102]);
}
