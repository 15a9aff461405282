//! A capture of many protocols, small enough to look at.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::content::tls::Group;
use crate::content::{dns, http, modbus, ssh, tls};
use crate::conversation::{Connection, Parties};
use crate::packet::{Path, Tunnel, TunnelKind, Way, echo};
use crate::random::Random;
use crate::{START_NS, Sink};

/// Writes the capture: DNS, HTTP, TLS with and without a post-quantum key exchange, SSH, Modbus, ping, HTTP in a
/// VXLAN tunnel, DNS in a GRE tunnel, a VLAN, IPv6, a refused connection, and two protocols that nobody knows.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Sink) -> io::Result<()> {
    let mut scene = Scene { random: Random::new(2026), flows: 0, out };
    scene.name_lookups()?;
    scene.web()?;
    scene.secure_web()?;
    scene.shell()?;
    scene.plant()?;
    scene.tunnels()?;
    scene.pings()?;
    scene.unknown()
}

struct Scene<'a> {
    random: Random,
    flows: u16,
    out: &'a mut dyn Sink,
}

impl Scene<'_> {
    /// The next pair of parties: each flow has its own port and starts 20 ms after the one before.
    fn parties(&mut self, client: &str, server: &str, port: u16) -> io::Result<Parties> {
        self.flows += 1;
        let client = SocketAddr::new(address(client)?, 49_152 + self.flows * 17);
        let server = SocketAddr::new(address(server)?, port);
        Ok(Parties::new(client, server, START_NS + u64::from(self.flows) * 20_000_000))
    }

    fn name_lookups(&mut self) -> io::Result<()> {
        let answers: [(&str, u16, &[&str]); 3] = [
            ("www.example.com", dns::A, &["203.0.113.10", "203.0.113.11"]),
            ("www.example.com", dns::AAAA, &["2001:db8:113::10"]),
            ("no-such-host.example.org", dns::A, &[]),
        ];
        for (id, (name, kind, addresses)) in (0x4a01_u16..).zip(answers) {
            let mut parties = self.parties("192.0.2.20", "192.0.2.1", 53)?;
            parties.datagram(Way::ToServer, &dns::query(id, name, kind), self.out)?;
            let addresses: Vec<IpAddr> =
                addresses.iter().map(|text| address(text)).collect::<io::Result<_>>()?;
            let answer = if addresses.is_empty() {
                dns::no_such_name(id, name, kind)
            } else {
                dns::response(id, name, kind, &addresses)
            };
            parties.datagram(Way::ToClient, &answer, self.out)?;
        }
        Ok(())
    }

    fn web(&mut self) -> io::Result<()> {
        let parties = self.parties("192.0.2.20", "203.0.113.10", 80)?;
        self.browse(parties)?;
        let mut parties = self.parties("192.0.2.21", "203.0.113.10", 80)?;
        parties.path.vlans = vec![100];
        let mut connection = Connection::open(parties, 2, self.out)?;
        let form = "name=sample&city=Utrecht";
        connection.send(Way::ToServer, &http::post("www.example.com", "/form", form), self.out)?;
        connection.send(Way::ToClient, &http::chunked("text/plain", &["thank ", "you\n"]), self.out)?;
        connection.close(self.out)
    }

    /// Two requests over one connection.
    fn browse(&mut self, parties: Parties) -> io::Result<()> {
        let mut connection = Connection::open(parties, 1, self.out)?;
        let page = format!("<html><body>{}</body></html>\n", "<p>A sample page.</p>".repeat(120));
        connection.send(Way::ToServer, &http::get("www.example.com", "/index.html"), self.out)?;
        connection.send(Way::ToClient, &http::response("200 OK", "text/html", &page), self.out)?;
        connection.send(Way::ToServer, &http::get("www.example.com", "/missing"), self.out)?;
        connection.send(Way::ToClient, &http::response("404 Not Found", "text/html", "gone\n"), self.out)?;
        connection.close(self.out)
    }

    fn secure_web(&mut self) -> io::Result<()> {
        let sessions = [
            ("192.0.2.20", "203.0.113.10", Group::X25519MlKem768, "www.example.com"),
            ("192.0.2.22", "203.0.113.12", Group::X25519, "old.example.net"),
            ("2001:db8:2::20", "2001:db8:113::10", Group::X25519MlKem768, "www.example.com"),
        ];
        for (seed, (client, server, group, name)) in (3_u32..).zip(sessions) {
            let parties = self.parties(client, server, 443)?;
            let mut connection = Connection::open(parties, seed, self.out)?;
            let hello = tls::client_hello(&mut self.random, name, &["h2", "http/1.1"], group);
            connection.send(Way::ToServer, &hello, self.out)?;
            connection.send(Way::ToClient, &tls::server_flight(&mut self.random, group), self.out)?;
            connection.send(Way::ToServer, &tls::client_finished(&mut self.random), self.out)?;
            connection.send(Way::ToServer, &tls::application_data(&mut self.random, 180), self.out)?;
            connection.send(Way::ToClient, &tls::application_data(&mut self.random, 5000), self.out)?;
            connection.close(self.out)?;
        }
        Ok(())
    }

    fn shell(&mut self) -> io::Result<()> {
        let parties = self.parties("192.0.2.20", "198.51.100.5", 22)?;
        let mut connection = Connection::open(parties, 6, self.out)?;
        connection.send(Way::ToClient, &ssh::banner("OpenSSH_10.0"), self.out)?;
        connection.send(Way::ToServer, &ssh::banner("OpenSSH_9.9"), self.out)?;
        for way in [Way::ToServer, Way::ToClient] {
            let kexinit = ssh::kexinit(&mut self.random);
            connection.send(way, &kexinit, self.out)?;
        }
        connection.send(Way::ToServer, &ssh::client_share(&mut self.random), self.out)?;
        connection.send(Way::ToClient, &ssh::server_share(&mut self.random), self.out)?;
        connection.send(Way::ToServer, &ssh::new_keys(&mut self.random), self.out)?;
        for (way, len) in
            [(Way::ToServer, 44), (Way::ToClient, 44), (Way::ToServer, 460), (Way::ToClient, 108)]
        {
            let bytes = ssh::encrypted(&mut self.random, len);
            connection.send(way, &bytes, self.out)?;
        }
        connection.close(self.out)
    }

    fn plant(&mut self) -> io::Result<()> {
        let parties = self.parties("192.0.2.60", "192.0.2.61", 502)?;
        let mut connection = Connection::open(parties, 7, self.out)?;
        let exchanges = [
            (modbus::read_holding_registers(1, 17, 0x6b, 3), modbus::registers(1, 17, &[0x022b, 0, 0x0064])),
            (modbus::write_register(2, 17, 1, 3), modbus::write_register(2, 17, 1, 3)),
            (modbus::read_holding_registers(3, 17, 0xfff0, 8), modbus::exception(3, 17, 3, 2)),
        ];
        for (request, answer) in exchanges {
            connection.send(Way::ToServer, &request, self.out)?;
            connection.send(Way::ToClient, &answer, self.out)?;
        }
        connection.close(self.out)
    }

    fn tunnels(&mut self) -> io::Result<()> {
        let (near, far) = (address("198.51.100.71")?, address("198.51.100.72")?);
        let mut parties = self.parties("10.20.0.5", "10.20.0.80", 80)?;
        let vxlan = Tunnel { kind: TunnelKind::Vxlan(5001), near, far };
        parties.path = Path { vlans: Vec::new(), tunnel: Some(vxlan) };
        self.browse(parties)?;
        let mut parties = self.parties("10.30.0.5", "10.30.0.53", 53)?;
        parties.path.tunnel = Some(Tunnel { kind: TunnelKind::Gre(77), near, far });
        parties.datagram(Way::ToServer, &dns::query(9, "gre.example.net", dns::A), self.out)?;
        let answer = dns::response(9, "gre.example.net", dns::A, &[address("10.30.0.9")?]);
        parties.datagram(Way::ToClient, &answer, self.out)
    }

    fn pings(&mut self) -> io::Result<()> {
        for (client, server) in [("192.0.2.20", "203.0.113.10"), ("2001:db8:2::20", "2001:db8:113::10")] {
            let mut parties = self.parties(client, server, 0)?;
            let (from, to) = (parties.client.ip(), parties.server.ip());
            for sequence in 1..=2 {
                parties.send(Way::ToServer, &echo(from, to, sequence, Way::ToServer), self.out)?;
                parties.send(Way::ToClient, &echo(to, from, sequence, Way::ToClient), self.out)?;
            }
        }
        Ok(())
    }

    /// A protocol of nobody over TCP, random bytes over UDP, and a connection that is refused.
    fn unknown(&mut self) -> io::Result<()> {
        let parties = self.parties("192.0.2.20", "198.51.100.9", 31_337)?;
        let mut connection = Connection::open(parties, 8, self.out)?;
        for round in 1..=4_u8 {
            let mut message = vec![0xe7, round, 0x5a, 0xc3];
            message.extend_from_slice(&self.random.bytes(40));
            connection.send(Way::ToServer, &message, self.out)?;
            message.reverse();
            connection.send(Way::ToClient, &message, self.out)?;
        }
        connection.reset(self.out)?;
        let mut parties = self.parties("192.0.2.20", "198.51.100.9", 40_001)?;
        for _ in 0..4 {
            let bytes = self.random.bytes(90);
            parties.datagram(Way::ToServer, &bytes, self.out)?;
        }
        Ok(())
    }
}

fn address(text: &str) -> io::Result<IpAddr> {
    text.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}
