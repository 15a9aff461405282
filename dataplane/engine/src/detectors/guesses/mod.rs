//! The last resort: what a port is usually used for, and whose an address is, by data.
//!
//! `signatures/guesses/*.toml` says it. A guess names a flow that nothing else did, only where both sides spoke and
//! what they said does not contradict, and is always marked: [`crate::Tier::Guess`] for a protocol,
//! [`crate::ServiceBasis::Address`] or [`crate::ServiceBasis::Port`] for a service. `docs/services.md` is the guide for
//! those who write the files.

mod networks;

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::signatures::files::below;
use super::signatures::problem::Problems;
use super::signatures::reader::{Lines, Located, Section};
use super::signatures::{Problem, SignatureErrors, SignatureFile};
use crate::protocols::Carrier;
use crate::{Names, ProtocolId, ServiceId};
use networks::{Network, Networks};

/// Where the files are.
pub(crate) const FOLDER: &str = "guesses/";
const FILE_KEYS: &[&str] = &["port", "network"];
const PORT_KEYS: &[&str] = &["protocol", "service", "tcp", "udp", "sctp", "confidence"];
const NETWORK_KEYS: &[&str] = &["service", "addresses", "tcp", "udp", "sctp", "udp_range"];
/// A port alone is weak: more than this is for those who looked.
const MOST_CONFIDENCE: u32 = 40;
const USUAL_CONFIDENCE: u32 = 20;

/// What a port is usually used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortGuess {
    /// The protocol.
    pub protocol: ProtocolId,
    /// Per cent, 1 to 40.
    pub confidence: u8,
}

/// Ports and addresses, compiled.
#[derive(Debug, Default)]
pub struct GuessTable {
    /// Ascending by carrier and port.
    ports: Vec<((u8, u16), PortGuess)>,
    /// Ports that a company has to itself, ascending by carrier and port.
    port_services: Vec<((u8, u16), ServiceId)>,
    networks: Networks,
    /// Networks whose owner says what a port of theirs is for, ascending by carrier and port.
    port_networks: Vec<((u8, u16), Networks)>,
    /// The same for ranges of UDP ports, ascending.
    range_networks: Vec<((u16, u16), Networks)>,
}

impl GuessTable {
    /// Compiles the guess files among `files`, whose protocols and services must be in `names`.
    ///
    /// # Errors
    /// Everything that is wrong, with file and line.
    pub fn from_files(files: &[SignatureFile], names: &Names) -> Result<Self, SignatureErrors> {
        let mut errors = Vec::new();
        let mut table = Assembly {
            names,
            ports: BTreeMap::new(),
            port_services: BTreeMap::new(),
            networks: BTreeMap::new(),
            port_networks: BTreeMap::new(),
            range_networks: BTreeMap::new(),
        };
        for file in below(files, FOLDER) {
            let mut problems = Problems::new(&file.path);
            table.read(file, &mut problems);
            let mut found = problems.into_errors();
            found.sort_by_key(|error| error.line);
            errors.extend(found);
        }
        if !errors.is_empty() {
            return Err(SignatureErrors(errors));
        }
        let of_ports = table.port_networks.iter();
        let of_ranges = table.range_networks.iter();
        Ok(Self {
            ports: table.ports.into_iter().collect(),
            port_services: table.port_services.into_iter().collect(),
            networks: Networks::compile(&table.networks),
            port_networks: of_ports.map(|(port, networks)| (*port, Networks::compile(networks))).collect(),
            range_networks: of_ranges
                .map(|(range, networks)| (*range, Networks::compile(networks)))
                .collect(),
        })
    }

    /// What a server's port is usually used for.
    #[must_use]
    pub fn of_port(&self, carrier: Carrier, port: u16) -> Option<PortGuess> {
        let key = (number(carrier)?, port);
        let at = self.ports.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.ports.get(at).map(|(_, guess)| *guess)
    }

    /// Whose port it is, where a company has it to itself.
    #[must_use]
    pub fn service_of_port(&self, carrier: Carrier, port: u16) -> Option<ServiceId> {
        let key = (number(carrier)?, port);
        let at = self.port_services.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.port_services.get(at).map(|(_, service)| *service)
    }

    /// Whose a server is: what its port is for at its address, else whose the address is.
    #[must_use]
    pub fn of_server(&self, carrier: Carrier, address: core::net::IpAddr, port: u16) -> Option<ServiceId> {
        let of_port = || {
            let key = (number(carrier)?, port);
            let at = self.port_networks.binary_search_by_key(&key, |(key, _)| *key).ok()?;
            self.port_networks.get(at)?.1.owner(address)
        };
        let of_range = || {
            let ranges = self.range_networks.iter().filter(|_| carrier == Carrier::Udp);
            let mut around = ranges.filter(|((first, last), _)| (*first..=*last).contains(&port));
            around.find_map(|(_, networks)| networks.owner(address))
        };
        of_port().or_else(of_range).or_else(|| self.networks.owner(address))
    }

    /// All ports of a protocol, with their carriers.
    pub fn ports_of(&self, protocol: ProtocolId) -> impl Iterator<Item = (Carrier, u16)> + '_ {
        self.ports
            .iter()
            .filter(move |(_, guess)| guess.protocol == protocol)
            .filter_map(|((number, port), _)| Some((CARRIERS.get(usize::from(*number))?.1, *port)))
    }
}

const CARRIERS: &[(&str, Carrier)] = &[("tcp", Carrier::Tcp), ("udp", Carrier::Udp), ("sctp", Carrier::Sctp)];

fn number(carrier: Carrier) -> Option<u8> {
    u8::try_from(CARRIERS.iter().position(|(_, known)| *known == carrier)?).ok()
}

/// A table while its files are put together.
#[derive(Debug)]
struct Assembly<'n> {
    names: &'n Names,
    ports: BTreeMap<(u8, u16), PortGuess>,
    port_services: BTreeMap<(u8, u16), ServiceId>,
    networks: BTreeMap<Network, ServiceId>,
    port_networks: BTreeMap<(u8, u16), BTreeMap<Network, ServiceId>>,
    range_networks: BTreeMap<(u16, u16), BTreeMap<Network, ServiceId>>,
}

impl Assembly<'_> {
    fn read(&mut self, file: &SignatureFile, problems: &mut Problems<'_>) {
        let lines = Lines::of(&file.text);
        let table = match DeTable::parse(&file.text) {
            Ok(table) => table,
            Err(error) => {
                let line = lines.line(error.span().map_or(0, |span| span.start));
                return problems.add(line, Problem::Syntax(error.message().to_owned()));
            }
        };
        let root = Section::new(&table, &lines, FILE_KEYS, problems);
        for section in root.sections("port", PORT_KEYS, problems) {
            self.port(&section, file, problems);
        }
        for section in root.sections("network", NETWORK_KEYS, problems) {
            self.network(&section, file, problems);
        }
    }

    fn port(&mut self, section: &Section<'_>, file: &SignatureFile, problems: &mut Problems<'_>) {
        if !CARRIERS.iter().any(|(carrier, _)| section.has(carrier)) {
            let mend = "write the ports, or `udp` or `sctp`";
            problems.add(section.line, Problem::MissingKey { key: "tcp", mend });
        }
        if !section.has("service") {
            return self.port_of_protocol(section, file, problems);
        }
        for key in ["protocol", "confidence"].into_iter().filter(|key| section.has(key)) {
            problems.add(section.line_of(key), Problem::Both { first: "service", second: key });
        }
        let name = section.required("service", "write its name in `app_service`", problems);
        let Some(service) = name.and_then(|name| self.service(&name, problems)) else { return };
        for (number, port) in ports_of(section, problems) {
            let before = self.port_services.insert((number, port), service).filter(|_| !file.overrides);
            let first = before.and_then(|before| self.names.service(before));
            check_free(section, (number, port), first, problems);
        }
    }

    fn port_of_protocol(&mut self, section: &Section<'_>, file: &SignatureFile, problems: &mut Problems<'_>) {
        let name = section.required("protocol", "write its name in `app_proto`, or `service`", problems);
        let confidence = section.number("confidence", (1, MOST_CONFIDENCE), problems);
        let confidence = confidence.map_or(USUAL_CONFIDENCE, |confidence| confidence.value);
        let Some(name) = name else { return };
        let Some(protocol) = self.names.protocol_id(name.value) else {
            let known = "the protocols that have code or a signature".to_owned();
            let value = name.value.to_owned();
            problems.add(name.line, Problem::UnknownName { key: "protocol".to_owned(), value, known });
            return;
        };
        let guess = PortGuess { protocol, confidence: u8::try_from(confidence).unwrap_or(1) };
        for (number, port) in ports_of(section, problems) {
            let before = self.ports.insert((number, port), guess).filter(|_| !file.overrides);
            let first = before.and_then(|before| self.names.protocol(before.protocol));
            check_free(section, (number, port), first.map(|first| first.name.as_ref()), problems);
        }
    }

    /// The number of a service by its name.
    fn service(&self, name: &Located<&str>, problems: &mut Problems<'_>) -> Option<ServiceId> {
        let service = self.names.service_id(name.value);
        if service.is_none() {
            let known = "the services of `signatures/services/`".to_owned();
            let value = name.value.to_owned();
            problems.add(name.line, Problem::UnknownName { key: "service".to_owned(), value, known });
        }
        service
    }

    fn network(&mut self, section: &Section<'_>, file: &SignatureFile, problems: &mut Problems<'_>) {
        let name = section.required("service", "write its name in `app_service`", problems);
        if !section.has("addresses") {
            let mend = "write its networks, `[\"192.0.2.0/24\"]`";
            problems.add(section.line, Problem::MissingKey { key: "addresses", mend });
        }
        let addresses = section.texts("addresses", problems).unwrap_or_default();
        let Some(name) = name else { return };
        let Some(service) = self.service(&name, problems) else { return };
        let networks: Vec<(u32, &str, Network)> = addresses
            .into_iter()
            .filter_map(|text| match Network::parse(text.value) {
                Some(network) => Some((text.line, text.value, network)),
                None => {
                    problems.add(text.line, Problem::Network { value: text.value.to_owned() });
                    None
                }
            })
            .collect();
        for place in places_of(section, problems) {
            let table = match place {
                Place::Port(port) => self.port_networks.entry(port).or_default(),
                Place::UdpRange(range) => self.range_networks.entry(range).or_default(),
                Place::Anywhere => &mut self.networks,
            };
            for (line, value, network) in &networks {
                let before = table.insert(*network, service).filter(|_| !file.overrides);
                if let Some(first) = before.and_then(|before| self.names.service(before)) {
                    let (value, first) = ((*value).to_owned(), first.to_owned());
                    problems.add(*line, Problem::Taken { what: "network", value, first });
                }
            }
        }
    }
}

/// Says so where a port is somebody's already.
fn check_free(
    section: &Section<'_>,
    (number, port): (u8, u16),
    first: Option<&str>,
    problems: &mut Problems<'_>,
) {
    let (Some(first), Some((carrier, _))) = (first, CARRIERS.get(usize::from(number))) else { return };
    let (value, first) = (format!("{carrier} {port}"), first.to_owned());
    problems.add(section.line_of(carrier), Problem::Taken { what: "port", value, first });
}

/// Where networks count.
enum Place {
    Port((u8, u16)),
    UdpRange((u16, u16)),
    Anywhere,
}

/// The ports and the range that a section names; anywhere if none.
fn places_of(section: &Section<'_>, problems: &mut Problems<'_>) -> Vec<Place> {
    let mut places: Vec<Place> = ports_of(section, problems).into_iter().map(Place::Port).collect();
    if let Some(numbers) = section.numbers("udp_range", (1, 65_535), problems) {
        let ports: Vec<u16> = numbers.iter().filter_map(|port| u16::try_from(*port).ok()).collect();
        match *ports {
            [first, last] if first < last => places.push(Place::UdpRange((first, last))),
            _ => {
                let (key, wanted) = ("udp_range".to_owned(), "the first port and the last, `[10001, 20000]`");
                problems
                    .add(section.line_of("udp_range"), Problem::WrongType { key, found: "array", wanted });
            }
        }
    }
    if places.is_empty() {
        places.push(Place::Anywhere);
    }
    places
}

/// The ports that a section names, with the numbers of their carriers.
fn ports_of(section: &Section<'_>, problems: &mut Problems<'_>) -> Vec<(u8, u16)> {
    let mut ports = Vec::new();
    for (number, (carrier, _)) in (0..).zip(CARRIERS) {
        let numbers = section.numbers(carrier, (1, 65_535), problems).unwrap_or_default();
        ports.extend(numbers.into_iter().filter_map(|port| Some((number, u16::try_from(port).ok()?))));
    }
    ports
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::ProtocolName;
    use crate::protocols::{Exposure, Family};

    fn names() -> Names {
        let mut names = Names::default();
        for name in ["smtp", "ntp"] {
            names
                .add_protocol(ProtocolName {
                    name: name.into(),
                    title: name.into(),
                    family: Family::Network,
                    exposure: Exposure::Unknown,
                })
                .unwrap();
        }
        names.add_service("One").unwrap();
        names.add_service("Two").unwrap();
        names
    }

    fn table(text: &str) -> Result<GuessTable, SignatureErrors> {
        let text = Cow::Owned(text.to_owned());
        let file = SignatureFile { path: "guesses/a.toml".to_owned(), text, overrides: false };
        GuessTable::from_files(&[file], &names())
    }

    #[test]
    fn ports_are_known_by_carrier() {
        let table = table(
            "[[port]]\nprotocol = \"smtp\"\ntcp = [25, 587]\nconfidence = 30\n[[port]]\nprotocol = \"ntp\"\nudp = [123]\n",
        )
        .unwrap();
        let smtp = PortGuess { protocol: ProtocolId(1), confidence: 30 };
        assert_eq!(table.of_port(Carrier::Tcp, 25), Some(smtp));
        assert_eq!(table.of_port(Carrier::Udp, 25), None);
        assert_eq!(table.of_port(Carrier::Udp, 123).map(|guess| guess.confidence), Some(20));
        assert_eq!(table.of_port(Carrier::Ip(1), 25), None);
        let ports: Vec<_> = table.ports_of(ProtocolId(1)).collect();
        assert_eq!(ports, [(Carrier::Tcp, 25), (Carrier::Tcp, 587)]);
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_line() {
        let errors = table(
            "[[port]]\nprotocol = \"smpt\"\ntcp = [25]\n[[port]]\nprotocol = \"smtp\"\ntcp = [25]\nconfidence = 90\n\
             [[port]]\nprotocol = \"ntp\"\ntcp = [25, 0]\n[[port]]\nprotocol = \"ntp\"\n\
             [[network]]\nservice = \"Three\"\naddresses = [\"192.0.2.0/24\"]\n\
             [[network]]\nservice = \"One\"\naddresses = [\"192.0.2.1/24\", \"198.51.100.0/24\"]\n\
             [[network]]\nservice = \"Two\"\naddresses = [\"198.51.100.0/24\"]\n[[network]]\nservice = \"Two\"\n",
        )
        .unwrap_err();
        let lines: Vec<u32> = errors.0.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 7, 10, 10, 11, 14, 18, 21, 22], "{errors}");
    }

    #[test]
    fn a_port_may_be_a_services_own() {
        let table = table("[[port]]\nservice = \"one\"\ntcp = [4244]\nudp = [7985]\n").unwrap();
        assert_eq!(table.service_of_port(Carrier::Tcp, 4244), Some(ServiceId(1)));
        assert_eq!(table.service_of_port(Carrier::Udp, 4244), None);
        assert_eq!(table.service_of_port(Carrier::Udp, 7985), Some(ServiceId(1)));
        assert_eq!(table.of_port(Carrier::Tcp, 4244), None);
    }

    #[test]
    fn what_is_wrong_with_the_port_of_a_service_is_told() {
        let errors = table(
            "[[port]]\nservice = \"Three\"\ntcp = [1]\n[[port]]\nservice = \"One\"\nprotocol = \"smtp\"\ntcp = [2]\n\
             [[port]]\nservice = \"One\"\ntcp = [3]\nconfidence = 20\n[[port]]\nservice = \"Two\"\ntcp = [3]\n\
             [[port]]\nservice = \"Two\"\n[[port]]\ntcp = [4]\n",
        )
        .unwrap_err();
        let lines: Vec<u32> = errors.0.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 6, 11, 14, 15, 17], "{errors}");
    }

    #[test]
    fn networks_are_known_by_the_longest_prefix() {
        let table = table(
            "[[network]]\nservice = \"One\"\naddresses = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n\
             [[network]]\nservice = \"Two\"\naddresses = [\"198.51.100.64/26\", \"203.0.113.7/32\"]\n",
        )
        .unwrap();
        for (address, owner) in [
            ("198.51.100.1", 1),
            ("198.51.100.64", 2),
            ("198.51.100.127", 2),
            ("198.51.100.128", 1),
            ("198.51.101.0", 0),
            ("198.51.99.255", 0),
            ("203.0.113.7", 2),
            ("203.0.113.8", 0),
            ("2001:db8:ffff::1", 1),
            ("2001:db9::1", 0),
            ("::", 0),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0),
        ] {
            let found = table.of_server(Carrier::Tcp, address.parse().unwrap(), 443);
            assert_eq!(found.map_or(0, |service| service.0), owner, "{address}");
        }
    }

    #[test]
    fn a_range_of_udp_ports_says_more_of_a_network_too() {
        let one = "[[network]]\nservice = \"One\"\naddresses = [\"198.51.100.0/24\"]\n";
        let two = "[[network]]\nservice = \"Two\"\naddresses = [\"198.51.0.0/16\"]\nudp_range = ";
        let table_of = |range: &str| table(&format!("{one}{two}{range}\n"));
        let ranged = table_of("[1000, 2000]").unwrap();
        for (carrier, address, port, owner) in [
            (Carrier::Udp, "198.51.100.1", 1000, 2),
            (Carrier::Udp, "198.51.7.1", 2000, 2),
            (Carrier::Udp, "198.51.100.1", 2001, 1),
            (Carrier::Tcp, "198.51.100.1", 1500, 1),
            (Carrier::Udp, "198.51.7.1", 999, 0),
            (Carrier::Udp, "203.0.113.1", 1500, 0),
        ] {
            let found = ranged.of_server(carrier, address.parse().unwrap(), port);
            assert_eq!(found.map_or(0, |service| service.0), owner, "{address} {port}");
        }
        for wrong in ["[2000, 1000]", "[1000]", "[1, 2, 3]"] {
            assert_eq!(table_of(wrong).unwrap_err().0.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_port_says_more_of_a_network_than_the_network_alone() {
        let table = table(
            "[[network]]\nservice = \"One\"\naddresses = [\"198.51.100.0/24\"]\n\
             [[network]]\nservice = \"Two\"\naddresses = [\"198.51.0.0/16\"]\ntcp = [5223]\nudp = [3478, 3479]\n",
        )
        .unwrap();
        for (carrier, address, port, owner) in [
            (Carrier::Tcp, "198.51.100.1", 5223, 2),
            (Carrier::Tcp, "198.51.100.1", 5222, 1),
            (Carrier::Udp, "198.51.100.1", 5223, 1),
            (Carrier::Udp, "198.51.7.1", 3479, 2),
            (Carrier::Tcp, "198.51.7.1", 443, 0),
            (Carrier::Tcp, "203.0.113.1", 5223, 0),
        ] {
            let found = table.of_server(carrier, address.parse().unwrap(), port);
            assert_eq!(found.map_or(0, |service| service.0), owner, "{address} {port}");
        }
    }
}
