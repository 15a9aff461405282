//! The interface of an exception port.

use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use packet_io::tun::{Routes, Tun};

use super::network::ip;

/// What `ip` says.
fn said(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Rules of both IPs that are neither the kernel's own nor others'.
fn rules() -> Vec<String> {
    let both = said("-4 rule") + &said("-6 rule");
    let ours = both.lines().filter(|rule| rule.starts_with("4510:"));
    let mut rules: Vec<String> = ours.map(|rule| rule.trim_end().to_owned()).collect();
    rules.sort();
    rules
}

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The next packet that is not the kernel's own greeting of a new interface.
fn next(tun: &Tun) -> Vec<u8> {
    let mut place = [0; 1500];
    for _ in 0..100 {
        match tun.receive(&mut place).unwrap() {
            Some(length) if place.get(9) == Some(&17) || place.get(6) == Some(&17) => {
                return place.get(..length).unwrap().to_vec();
            }
            Some(_) => {}
            None => tun.wait(Duration::from_millis(100)),
        }
    }
    panic!("no packet in ten seconds");
}

/// What goes to a host that is named, or from our address, comes out, and answers go in.
pub(crate) fn packets() {
    let tun = Tun::open("ww0", 1400).unwrap();
    let mut routes = Routes::new(&tun);
    routes.follow(&[at("192.0.2.1"), at("2001:db8::1")], &[at("198.51.100.7"), at("2001:db8:7::7")]).unwrap();
    assert!(said("link show dev ww0").contains("mtu 1400"));
    for (ours, host, elsewhere) in
        [("192.0.2.1", "198.51.100.7", "203.0.113.9"), ("2001:db8::1", "2001:db8:7::7", "2001:db8:9::9")]
    {
        // To a host that is named, from whatever address the kernel takes: it takes ours.
        let any = if at(ours).is_ipv4() { "0.0.0.0" } else { "::" };
        let socket = UdpSocket::bind((at(any), 0)).unwrap();
        socket.connect((at(host), 4510)).unwrap();
        assert_eq!(socket.local_addr().unwrap().ip(), at(ours));
        socket.send(b"question").unwrap();
        let mut packet = next(&tun);
        assert!(packet.ends_with(b"question"));
        // From our address, to anybody.
        let other = UdpSocket::bind((at(ours), 0)).unwrap();
        other.send_to(b"to another", (at(elsewhere), 9)).unwrap();
        assert!(next(&tun).ends_with(b"to another"));
        // An answer: addresses and ports change sides, which no checksum notices.
        let (addresses, size, ports) = if at(ours).is_ipv4() { (12, 4, 20) } else { (8, 16, 40) };
        for at in 0..size {
            packet.swap(addresses + at, addresses + size + at);
        }
        packet.swap(ports, ports + 2);
        packet.swap(ports + 1, ports + 3);
        tun.send(&packet).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut place = [0; 64];
        let length = socket.recv(&mut place).unwrap();
        assert_eq!(place.get(..length), Some(b"question".as_slice()));
    }
    let mut place = [0; 64];
    let unrouted = UdpSocket::bind("0.0.0.0:0").unwrap().connect("203.0.113.9:9");
    assert!(unrouted.is_err(), "the main table is as it was");
    assert_eq!(tun.receive(&mut place).unwrap(), None);
}

/// Addresses and rules follow, and rules of a killed program are removed.
pub(crate) fn routes() {
    ip("rule add from 192.0.2.77 lookup 4510 priority 4510");
    ip("-6 rule add from 2001:db8::77 lookup 4510 priority 4510");
    ip("rule add from 192.0.2.78 lookup 4511 priority 4511");
    let tun = Tun::open("ww0", 1500).unwrap();
    let mut routes = Routes::new(&tun);
    assert!(rules().is_empty());
    routes.follow(&[at("192.0.2.1")], &[at("198.51.100.7"), at("2001:db8::7"), at("192.0.2.1")]).unwrap();
    let expected = ["4510:\tfrom 192.0.2.1 lookup 4510", "4510:\tfrom all to 198.51.100.7 lookup 4510"];
    assert_eq!(rules(), expected);
    routes.follow(&[at("192.0.2.2"), at("2001:db8::2")], &[]).unwrap();
    assert_eq!(rules(), ["4510:\tfrom 192.0.2.2 lookup 4510", "4510:\tfrom 2001:db8::2 lookup 4510"]);
    let addresses = said("-br addr show dev ww0");
    assert!(addresses.contains("192.0.2.2") && addresses.contains("2001:db8::2"), "{addresses}");
    assert!(!addresses.contains("192.0.2.1"), "{addresses}");
    let again = Tun::open("ww0", 1500).unwrap_err();
    assert!(again.to_string().contains("another program is its other end"), "{again}");
    // Others take away what they do not know.
    said("rule del from 192.0.2.2 lookup 4510");
    said("addr flush dev ww0 scope global");
    for _ in 0..10 {
        routes.follow(&[at("192.0.2.2"), at("2001:db8::2")], &[]).unwrap();
    }
    assert_eq!(rules(), ["4510:\tfrom 192.0.2.2 lookup 4510", "4510:\tfrom 2001:db8::2 lookup 4510"]);
    assert!(said("-br addr show dev ww0").contains("192.0.2.2"));
    routes.follow(&[], &[]).unwrap();
    assert!(rules().is_empty());
    routes.follow(&[at("192.0.2.1")], &[]).unwrap();
    drop(routes);
    assert!(rules().is_empty());
    drop(tun);
    assert!(!said("-br link").contains("ww0"), "it goes with its owner");
    assert!(said("rule").contains("192.0.2.78"), "another's is left alone");
}

/// A name that is another interface's is refused.
pub(crate) fn names() {
    let error = Tun::open("lo", 1500).unwrap_err().to_string();
    assert!(error.contains("of another kind"), "{error}");
    assert!(Tun::open("a name that is too long", 1500).is_err());
}
