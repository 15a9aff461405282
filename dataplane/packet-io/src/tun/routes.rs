//! What has the kernel send packets to a [`Tun`]: addresses of the interface, and rules that send what goes from them, or
//! to named hosts, by a table of routes that has nothing but the interface. The main table stays as it is.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Tun;
use crate::netlink;

/// Number of the table, and priority of the rules that lead there.
pub const TABLE: u32 = 4510;

/// One thing that the kernel has because of us. In the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    /// An address of the interface.
    Address(IpAddr),
    /// All of this IP goes by the interface, from the address, in the table.
    Route(IpAddr),
    /// What goes from an address is looked up in the table.
    From(IpAddr),
    /// What goes to a host is looked up in the table.
    To(IpAddr),
}

/// The addresses, routes and rules of an interface; rules go when it is dropped, the others with the interface.
#[derive(Debug)]
pub struct Routes {
    index: u32,
    present: BTreeSet<Entry>,
    /// Calls since all of it was made.
    calls: u32,
}

impl Routes {
    /// Of an interface that is new; rules that were left by a program that was killed are removed.
    #[must_use]
    pub fn new(tun: &Tun) -> Self {
        remove_rules();
        Self { index: tun.index(), present: BTreeSet::new(), calls: 0 }
    }

    /// Gives the interface these addresses, at most one of each IP, and has what goes to `hosts` go by it, where there is
    /// an address of their IP. What was there before and is not among them is removed. Every tenth call makes all of it
    /// again, as far as it is not there: others remove what they do not know (systemd-networkd when it starts).
    ///
    /// # Errors
    /// The first thing that the kernel refuses, after the others were tried; they are tried again with the next call.
    pub fn follow(&mut self, addresses: &[IpAddr], hosts: &[IpAddr]) -> io::Result<()> {
        let wanted = wanted(addresses, hosts);
        let mut result = Ok(());
        let gone: Vec<Entry> = self.present.difference(&wanted).copied().collect();
        for entry in gone.into_iter().rev() {
            // What is not there any more, because its address went, is removed too.
            let _ = self.tell(entry, Change::Remove);
            self.present.remove(&entry);
        }
        self.calls = (self.calls + 1) % CALLS;
        for entry in &wanted {
            if self.present.contains(entry) && self.calls != 0 {
                continue;
            }
            match self.tell(*entry, Change::Add) {
                Ok(()) => _ = self.present.insert(*entry),
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => _ = self.present.insert(*entry),
                Err(error) => result = result.and(Err(told(*entry, &error))),
            }
        }
        result
    }

    fn tell(&self, entry: Entry, change: Change) -> io::Result<()> {
        let (add, remove, message) = match entry {
            Entry::Address(address) => (libc::RTM_NEWADDR, libc::RTM_DELADDR, self.address(address)),
            Entry::Route(address) => (libc::RTM_NEWROUTE, libc::RTM_DELROUTE, self.route(address)),
            Entry::From(address) => (libc::RTM_NEWRULE, libc::RTM_DELRULE, rule(address, Rule::From)),
            Entry::To(address) => (libc::RTM_NEWRULE, libc::RTM_DELRULE, rule(address, Rule::To)),
        };
        match change {
            Change::Add => netlink::order(add, NLM_F_CREATE | NLM_F_EXCL, &message),
            Change::Remove => netlink::order(remove, 0, &message),
        }
    }

    /// `struct ifaddrmsg` and its attributes.
    fn address(&self, address: IpAddr) -> Vec<u8> {
        let mut message = vec![family(address), bits(address), 0, 0];
        message.extend(self.index.to_ne_bytes());
        let octets = octets(address);
        netlink::put(&mut message, libc::IFA_LOCAL, &octets);
        netlink::put(&mut message, libc::IFA_ADDRESS, &octets);
        if address.is_ipv6() {
            // Nobody else is there who could have it.
            netlink::put(&mut message, libc::IFA_FLAGS, &libc::IFA_F_NODAD.to_ne_bytes());
        }
        message
    }

    /// `struct rtmsg` and its attributes.
    fn route(&self, from: IpAddr) -> Vec<u8> {
        let scope = if from.is_ipv4() { libc::RT_SCOPE_LINK } else { libc::RT_SCOPE_UNIVERSE };
        let head = [family(from), 0, 0, 0, 0, libc::RTPROT_STATIC, scope, libc::RTN_UNICAST, 0, 0, 0, 0];
        let mut message = head.to_vec();
        netlink::put(&mut message, libc::RTA_TABLE, &TABLE.to_ne_bytes());
        netlink::put(&mut message, libc::RTA_OIF, &self.index.to_ne_bytes());
        netlink::put(&mut message, libc::RTA_PREFSRC, &octets(from));
        message
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        remove_rules();
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Add,
    Remove,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    From,
    To,
}

/// What there is to be.
fn wanted(addresses: &[IpAddr], hosts: &[IpAddr]) -> BTreeSet<Entry> {
    let of_address =
        |address: &IpAddr| [Entry::Address(*address), Entry::Route(*address), Entry::From(*address)];
    let mut wanted: BTreeSet<Entry> = addresses.iter().flat_map(of_address).collect();
    let has_way = |host: &&IpAddr| addresses.iter().any(|address| address.is_ipv4() == host.is_ipv4());
    // What goes to our own addresses stays here.
    let is_other = |host: &&IpAddr| !addresses.contains(host);
    wanted.extend(hosts.iter().filter(has_way).filter(is_other).map(|host| Entry::To(*host)));
    wanted
}

fn told(entry: Entry, error: &io::Error) -> io::Error {
    let what = match entry {
        Entry::Address(address) => format!("address {address}"),
        Entry::Route(address) => format!("route for {address} in table {TABLE}"),
        Entry::From(address) => format!("rule `from {address} lookup {TABLE}`"),
        Entry::To(host) => format!("rule `to {host} lookup {TABLE}`"),
    };
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Removes every rule that leads to our table.
fn remove_rules() {
    for like in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        // The kernel removes one at a time; others may make more meanwhile, but not without end.
        for _ in 0..RULES_AT_MOST {
            let mut message = rule_head(like, 0, 0);
            netlink::put(&mut message, FRA_TABLE, &TABLE.to_ne_bytes());
            if netlink::order(libc::RTM_DELRULE, 0, &message).is_err() {
                break;
            }
        }
    }
}

/// `struct fib_rule_hdr` and its attributes.
fn rule(address: IpAddr, which: Rule) -> Vec<u8> {
    let bits = bits(address);
    let (mut message, attribute) = match which {
        Rule::From => (rule_head(address, 0, bits), FRA_SRC),
        Rule::To => (rule_head(address, bits, 0), FRA_DST),
    };
    netlink::put(&mut message, attribute, &octets(address));
    netlink::put(&mut message, FRA_PRIORITY, &TABLE.to_ne_bytes());
    netlink::put(&mut message, FRA_TABLE, &TABLE.to_ne_bytes());
    message
}

fn rule_head(like: IpAddr, to_bits: u8, from_bits: u8) -> Vec<u8> {
    vec![family(like), to_bits, from_bits, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]
}

fn family(address: IpAddr) -> u8 {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    u8::try_from(family).unwrap_or_default()
}

const fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
// linux/fib_rules.h
const FR_ACT_TO_TBL: u8 = 1;
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
/// Calls after which what should be there is made again.
const CALLS: u32 = 10;
/// Rules of ours that are looked for at most.
const RULES_AT_MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_have_a_rule_where_there_is_an_address_of_their_ip() {
        let wanted = wanted(&[ip("192.0.2.1")], &[ip("198.51.100.7"), ip("2001:db8::7"), ip("192.0.2.1")]);
        let [own, host] = ["192.0.2.1", "198.51.100.7"].map(ip);
        let expected = [Entry::Address(own), Entry::Route(own), Entry::From(own), Entry::To(host)];
        assert_eq!(wanted, BTreeSet::from(expected));
        assert!(Vec::from_iter(wanted) == expected, "an address is there before what needs it");
    }

    #[test]
    fn messages_are_as_the_kernel_reads_them() {
        let rule = rule(ip("192.0.2.1"), Rule::From);
        assert_eq!(rule[..12], [2, 0, 32, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(rule[12..20], [8, 0, 2, 0, 192, 0, 2, 1]);
        assert_eq!(rule.len(), 12 + 8 + 8 + 8);
        let routes = Routes { index: 7, present: BTreeSet::new(), calls: 0 };
        let address = routes.address(ip("2001:db8::1"));
        assert_eq!(address[..8], [10, 128, 0, 0, 7, 0, 0, 0]);
        assert_eq!(address.len(), 8 + 20 + 20 + 8);
        // Dropped, it would remove the rules of another program.
        let _kept = std::mem::ManuallyDrop::new(routes);
    }
}
