//! What an engine looks for: protocols and signatures, and the tables that find the few worth asking.

use core::ops::ControlFlow;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::detectors::guesses::{self, GuessTable, PortGuess};
use crate::detectors::services::{self, ServiceSet};
use crate::detectors::signatures::{
    self, DatabaseCache, Merged, SignatureErrors, SignatureFile, SignatureProtocol, SignatureSet,
};
use crate::protocols::opening::{FirstByte, Fixed, Opening, Start};
use crate::protocols::{self, Carrier, Found, Probe, Protocol};
use crate::record::RecordBatch;
use crate::{Names, ProtocolId, ProtocolName, ServiceBasis, ServiceId};

/// Everything an engine needs that can change while it runs. Immutable; replaced as a whole.
#[derive(Debug)]
pub struct Plan {
    names: Names,
    signatures: SignatureSet,
    /// Number of each protocol of the signatures.
    of_signatures: Vec<ProtocolId>,
    /// Number of each signature among the names.
    of_labels: Vec<u16>,
    services: Arc<ServiceSet>,
    /// Number of each service of the set.
    of_services: Vec<ServiceId>,
    /// Service of each signature, by its number among the names.
    of_claims: Vec<ServiceId>,
    guesses: Arc<GuessTable>,
    /// What the files of services and guesses say: the plan that follows reads them again where it is another.
    others: Others,
    tcp: Dispatch,
    udp: Dispatch,
    sctp: Dispatch,
    by_ip_protocol: Box<[ProtocolId; 256]>,
    by_ethertype: Vec<(u16, ProtocolId)>,
    /// Payload protocol identifiers of SCTP, ascending.
    by_payload_identifier: Vec<(u32, ProtocolId)>,
    /// Names in alphabetical order, for refinements.
    by_name: Vec<(Cow<'static, str>, ProtocolId)>,
}

/// Fingerprints of the files that are not signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Others {
    services: u64,
    guesses: u64,
}

impl Others {
    fn of(files: &[SignatureFile]) -> Self {
        let below = |folder| signatures::fingerprint_below(files, folder);
        Self { services: below(services::FOLDER), guesses: below(guesses::FOLDER) }
    }
}

/// A probe, and what is known of it before it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Whose it is.
    pub(crate) id: ProtocolId,
    /// Least bytes of payload.
    pub(crate) min_len: u16,
    /// It is asked on its ports only.
    is_on_ports: bool,
    /// What is fixed of the first bytes.
    fixed: Fixed,
    /// The probe.
    pub(crate) ask: fn(&Probe<'_>) -> Found,
}

/// Which probes are worth asking about a payload.
#[derive(Debug)]
struct Dispatch {
    by_first_byte: Box<[Vec<Candidate>; 256]>,
    /// Ports with the protocols that name them, ascending.
    by_port: Vec<(u16, ProtocolId)>,
    /// One bit a port: whether any probe names it.
    has_port: Box<[u64; 1024]>,
}

impl Plan {
    /// The plan of everything the program carries.
    ///
    /// # Errors
    /// What Hyperscan refuses on this machine.
    pub fn builtin() -> Result<Self, SignatureErrors> {
        Self::from_files(&signatures::builtin_files())
    }

    /// The plan of everything the program carries and of a folder's files, which go before those of the same id, domain
    /// or port.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with file and line.
    pub fn builtin_and(folder: &Path) -> Result<Self, SignatureErrors> {
        Self::from_files(&signatures::builtin_files_and(folder)?)
    }

    /// The plan of the protocols that have code and of these files.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with file and line.
    pub fn from_files(files: &[SignatureFile]) -> Result<Self, SignatureErrors> {
        Self::first(files, SignatureSet::from_files(files))
    }

    /// The same, with what is left of compiling before, by this program or the one before it.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with file and line.
    pub fn from_files_and(files: &[SignatureFile], cache: &DatabaseCache) -> Result<Self, SignatureErrors> {
        Self::first(files, SignatureSet::from_files_and(files, cache))
    }

    fn first(
        files: &[SignatureFile],
        signatures: Result<SignatureSet, SignatureErrors>,
    ) -> Result<Self, SignatureErrors> {
        let (signatures, services) = both(signatures, ServiceSet::from_files(files).map(Arc::new))?;
        let mut plan = Self::new(signatures, services, Names::default());
        plan.guesses = Arc::new(GuessTable::from_files(files, &plan.names)?);
        plan.others = Others::of(files);
        Ok(plan)
    }

    /// The plan of these files that takes this one's place: what has a number here has the same number there, so that
    /// flows begun under this plan keep their names. What is the same in both is neither read nor compiled again. None
    /// where the files are those of this plan.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with file and line.
    pub fn following(&self, files: &[SignatureFile]) -> Result<Option<Self>, SignatureErrors> {
        self.following_with(files, &Merged::default())
    }

    /// The same, with what was compiled beside this plan.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with file and line.
    pub fn following_with(
        &self,
        files: &[SignatureFile],
        merged: &Merged,
    ) -> Result<Option<Self>, SignatureErrors> {
        if signatures::fingerprint_of(files) == self.signatures.fingerprint() {
            return Ok(None);
        }
        let others = Others::of(files);
        let services = match others.services == self.others.services {
            true => Ok(Arc::clone(&self.services)),
            false => ServiceSet::from_files(files).map(Arc::new),
        };
        let (signatures, services) = both(self.signatures.following(files, merged), services)?;
        let mut plan = Self::new(signatures, services, self.names.clone());
        // Numbers are never given anew, so that those in the table stay right.
        plan.guesses = match others.guesses == self.others.guesses {
            true => Arc::clone(&self.guesses),
            false => Arc::new(GuessTable::from_files(files, &plan.names)?),
        };
        plan.others = others;
        Ok(Some(plan))
    }

    fn new(signatures: SignatureSet, services: Arc<ServiceSet>, mut names: Names) -> Self {
        let mut plan_tables = Tables::default();
        // Names that are not empty are those of the plan that this one follows: they start with the same.
        let is_first = names.protocols().len() == 1;
        for (number, protocol) in protocols::ALL.iter().enumerate() {
            let Some(id) = nth_or_new(&mut names, number, protocol) else { break };
            plan_tables.add(protocol, id);
        }
        for (number, protocol) in protocols::numbered::NUMBERED.iter().enumerate() {
            let Some(id) = nth_or_new(&mut names, protocols::ALL.len() + number, protocol) else { break };
            plan_tables.add_carriers(protocol, id);
        }
        let of_signatures = numbers_of_protocols(&mut names, &signatures);
        let of_labels = numbers_of_signatures(&mut names, &signatures);
        for service in protocols::SERVICES.iter().copied().flatten().filter(|_| is_first) {
            names.add_service(*service);
        }
        let of_services = numbers_of_services(&mut names, &services);
        let mut of_claims = vec![ServiceId::default(); names.signatures().count()];
        for (index, number) in (0..=u16::MAX).zip(&of_labels) {
            let place = signatures.label(index).and_then(|label| services.of_signature(&label.id));
            let service = place.and_then(|place| of_services.get(place));
            if let (Some(claim), Some(service)) = (of_claims.get_mut(usize::from(*number)), service) {
                *claim = *service;
            }
        }
        let mut by_name: Vec<_> = names
            .protocols()
            .enumerate()
            .filter_map(|(at, protocol)| Some((protocol.name.clone(), ProtocolId(u16::try_from(at).ok()?))))
            .collect();
        by_name.sort();
        let Tables { tcp, udp, sctp, by_ip_protocol, by_ethertype } = plan_tables;
        let by_payload_identifier = protocols::sctp::PAYLOAD_PROTOCOLS
            .iter()
            .filter_map(|(identifier, name)| Some((*identifier, names.protocol_id(name)?)))
            .collect();
        Self {
            names,
            signatures,
            of_signatures,
            of_labels,
            services,
            of_services,
            of_claims,
            guesses: Arc::default(),
            others: Others::of(&[]),
            tcp,
            udp,
            sctp,
            by_ip_protocol,
            by_ethertype,
            by_payload_identifier,
            by_name,
        }
    }

    /// The names of everything the plan knows.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// The signatures.
    #[must_use]
    pub const fn signatures(&self) -> &SignatureSet {
        &self.signatures
    }

    /// The named services.
    #[must_use]
    pub fn services(&self) -> &ServiceSet {
        &self.services
    }

    /// What ports and addresses are taken for where nothing else is known.
    #[must_use]
    pub fn guesses(&self) -> &GuessTable {
        &self.guesses
    }

    /// The service that the events of a batch from number `first` on tell of.
    pub(crate) fn service_of_events(
        &self,
        batch: &RecordBatch,
        first: usize,
    ) -> Option<(ServiceId, ServiceBasis)> {
        let (place, basis) = services::of_events(&self.services, batch, first)?;
        Some((*self.of_services.get(place)?, basis))
    }

    /// The service whose payloads alone a signature matches.
    pub(crate) fn service_of_signature(&self, number: u16) -> Option<ServiceId> {
        self.of_claims.get(usize::from(number)).copied().filter(|service| *service != ServiceId::default())
    }

    /// What a server's port is usually used for, where a payload was seen (`has_spoken`) only if nothing here knows
    /// the protocol by its payload: else that would have told.
    pub(crate) fn guess(&self, carrier: Carrier, port: u16, has_spoken: bool) -> Option<PortGuess> {
        let guess = self.guesses.of_port(carrier, port)?;
        (!has_spoken || !self.knows_payloads_of(guess.protocol, carrier)).then_some(guess)
    }

    /// Whether a probe or a signature knows payloads of the protocol on this carrier.
    fn knows_payloads_of(&self, protocol: ProtocolId, carrier: Carrier) -> bool {
        let by_probe = static_number(protocol)
            .and_then(|number| protocols::ALL.get(number))
            .is_some_and(|protocol| protocol.probe.is_some() && protocol.carriers.contains(&carrier));
        let by_signature = || {
            let all = self.of_signatures.iter().zip(self.signatures.protocols());
            all.clone().any(|(id, known)| *id == protocol && known.carriers.contains(&carrier))
        };
        by_probe || by_signature()
    }

    /// The number of a protocol of the signatures.
    pub(crate) fn of_signature_protocol(&self, index: u16) -> ProtocolId {
        self.of_signatures.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// The number of a signature of the set among the names.
    pub(crate) fn number_of_signature(&self, index: u16) -> u16 {
        self.of_labels.get(usize::from(index)).copied().unwrap_or(u16::MAX)
    }

    /// The protocol of a name.
    #[must_use]
    pub fn protocol_id(&self, name: &str) -> Option<ProtocolId> {
        let at = self.by_name.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()?;
        self.by_name.get(at).map(|(_, id)| *id)
    }

    /// The service of a name.
    #[must_use]
    pub fn service_id(&self, name: &str) -> Option<ServiceId> {
        self.names.service_id(name)
    }

    /// The protocol that an IP protocol number says.
    #[must_use]
    pub fn by_ip_protocol(&self, number: u8) -> ProtocolId {
        self.by_ip_protocol.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The protocol that an EtherType says.
    #[must_use]
    pub fn by_ethertype(&self, ethertype: u16) -> ProtocolId {
        self.by_ethertype
            .iter()
            .find(|(other, _)| *other == ethertype)
            .map_or(ProtocolId::UNKNOWN, |(_, id)| *id)
    }

    /// Whether there is a parser for a protocol.
    pub(crate) fn has_parser(&self, id: ProtocolId) -> bool {
        let protocol = static_number(id).and_then(|number| protocols::ALL.get(number));
        protocol.is_some_and(|protocol| protocol.parser.is_some())
    }

    /// The protocol that a payload protocol identifier of SCTP says. It is read in either byte order: SCTP leaves that
    /// to the upper layer (RFC 9260, 3.3.1), and not all of those agree.
    pub(crate) fn by_payload_identifier(&self, identifier: u32) -> Option<ProtocolId> {
        let identifier = if identifier & 0x00ff_ffff == 0 { identifier.swap_bytes() } else { identifier };
        let at = self.by_payload_identifier.binary_search_by_key(&identifier, |(other, _)| *other).ok()?;
        self.by_payload_identifier.get(at).map(|(_, id)| *id)
    }

    /// Asks each probe that wants to see a payload, those that name one of the ports first, each once, until `ask` breaks.
    pub(crate) fn each_candidate(
        &self,
        carrier: Carrier,
        payload: &[u8],
        ports: [u16; 2],
        mut ask: impl FnMut(&Candidate) -> ControlFlow<()>,
    ) {
        let dispatch = match carrier {
            Carrier::Tcp => &self.tcp,
            Carrier::Udp => &self.udp,
            _ => &self.sctp,
        };
        let Some(first) = payload.first() else { return };
        let wanted = dispatch.by_first_byte.get(usize::from(*first)).map_or(&[][..], Vec::as_slice);
        let start = Start::of(payload);
        let wanted = wanted.iter().filter(|candidate| candidate.fixed.admits(start));
        let anywhere = wanted.clone().filter(|candidate| !candidate.is_on_ports);
        let named = ports.map(|port| dispatch.naming(port));
        if named.iter().all(|named| named.is_empty()) {
            let _ = { anywhere }.try_for_each(ask);
            return;
        }
        let is_named = |id| named.iter().copied().flatten().any(|&(_, other)| other == id);
        let [hinted, also] = named.map(|named| {
            named.iter().filter_map(|&(_, id)| wanted.clone().find(|candidate| candidate.id == id))
        });
        // A protocol that names both ports is asked once.
        let [first, _] = named;
        let also = also.filter(|candidate| first.iter().all(|&(_, other)| other != candidate.id));
        let rest = anywhere.filter(|candidate| !is_named(candidate.id));
        let _ = hinted.chain(also).chain(rest).try_for_each(&mut ask);
    }
}

/// The number of the protocol at place `number` of the static lists.
fn nth_or_new(names: &mut Names, number: usize, protocol: &'static Protocol) -> Option<ProtocolId> {
    let id = u16::try_from(number + 1).ok().map(ProtocolId)?;
    if names.protocol(id).is_some() {
        return Some(id);
    }
    names.add_protocol(protocol.into())
}

/// Signatures, and services that claim none but them; or the errors of both.
fn both(
    signatures: Result<SignatureSet, SignatureErrors>,
    services: Result<Arc<ServiceSet>, SignatureErrors>,
) -> Result<(SignatureSet, Arc<ServiceSet>), SignatureErrors> {
    match (signatures, services) {
        (Ok(signatures), Ok(services)) => {
            services.check_signatures(|id| signatures.has_file(id))?;
            Ok((signatures, services))
        }
        (Err(errors), Ok(_)) | (Ok(_), Err(errors)) => Err(errors),
        (Err(mut errors), Err(more)) => {
            errors.0.extend(more.0);
            Err(errors)
        }
    }
}

/// The number of each protocol that signatures recognise; a new one where no code of that name exists.
fn numbers_of_protocols(names: &mut Names, signatures: &SignatureSet) -> Vec<ProtocolId> {
    let mut known: BTreeMap<String, ProtocolId> = BTreeMap::new();
    for (number, protocol) in (0..=u16::MAX).zip(names.protocols()) {
        known.entry(protocol.name.to_string()).or_insert(ProtocolId(number));
    }
    let mut number_of = |protocol: &SignatureProtocol| {
        let name = || ProtocolName {
            name: Cow::Owned(protocol.name.clone()),
            title: Cow::Owned(protocol.title.clone()),
            family: protocol.family,
            exposure: protocol.exposure,
        };
        let Some(id) = known.get(&protocol.name).copied() else {
            return names.add_protocol(name()).unwrap_or_default();
        };
        // What has code is called as its code says; the rest as the newest signatures say.
        if usize::from(id.0) > protocols::ALL.len() + protocols::numbered::NUMBERED.len() {
            names.change_protocol(id, name());
        }
        id
    };
    signatures.protocols().iter().map(&mut number_of).collect()
}

/// The number of each service of a set, letter case aside; a new one where no parser knows that name.
fn numbers_of_services(names: &mut Names, services: &ServiceSet) -> Vec<ServiceId> {
    let mut known: BTreeMap<String, u16> = BTreeMap::new();
    for (number, name) in (1..=u16::MAX).zip(names.services()) {
        known.entry(name.to_ascii_lowercase()).or_insert(number);
    }
    let mut number_of = |name: &str| match known.get(&name.to_ascii_lowercase()) {
        Some(number) => ServiceId(*number),
        None => names.add_service(name.to_owned()).unwrap_or_default(),
    };
    services.services().iter().map(|service| number_of(&service.name)).collect()
}

/// The number of each signature: the one that its label has, or a new one.
fn numbers_of_signatures(names: &mut Names, signatures: &SignatureSet) -> Vec<u16> {
    let known: BTreeMap<String, u16> =
        names.signatures().map(|(number, label)| (label.to_owned(), number)).collect();
    let mut number_of = |index: usize| {
        let label = u16::try_from(index).ok().and_then(|index| signatures.label(index));
        let label = label.map_or_else(String::new, ToString::to_string);
        match known.get(&label) {
            Some(number) => *number,
            None => names.add_signature(label).unwrap_or(u16::MAX),
        }
    };
    (0..signatures.len()).map(&mut number_of).collect()
}

/// Number of a protocol in the static list, where it is one of those.
pub(crate) fn static_number(id: ProtocolId) -> Option<usize> {
    usize::from(id.0).checked_sub(1).filter(|&number| number < protocols::ALL.len())
}

#[derive(Debug)]
struct Tables {
    tcp: Dispatch,
    udp: Dispatch,
    sctp: Dispatch,
    by_ip_protocol: Box<[ProtocolId; 256]>,
    by_ethertype: Vec<(u16, ProtocolId)>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            tcp: Dispatch::default(),
            udp: Dispatch::default(),
            sctp: Dispatch::default(),
            by_ip_protocol: Box::new([ProtocolId::UNKNOWN; 256]),
            by_ethertype: Vec::new(),
        }
    }
}

impl Tables {
    /// A protocol of the static list.
    fn add(&mut self, protocol: &'static Protocol, id: ProtocolId) {
        self.add_carriers(protocol, id);
        for carrier in protocol.carriers {
            match carrier {
                Carrier::Tcp => self.tcp.add(id, protocol, *carrier),
                Carrier::Udp => self.udp.add(id, protocol, *carrier),
                Carrier::Sctp => self.sctp.add(id, protocol, *carrier),
                Carrier::Ip(_) | Carrier::Ethernet(_) => {}
            }
        }
    }

    /// The numbers that name a protocol by themselves.
    fn add_carriers(&mut self, protocol: &'static Protocol, id: ProtocolId) {
        for carrier in protocol.carriers {
            match *carrier {
                Carrier::Tcp | Carrier::Udp | Carrier::Sctp => {}
                Carrier::Ip(ip) => {
                    if let Some(place) = self.by_ip_protocol.get_mut(usize::from(ip)) {
                        *place = id;
                    }
                }
                Carrier::Ethernet(ethertype) => self.by_ethertype.push((ethertype, id)),
            }
        }
    }
}

impl Default for Dispatch {
    fn default() -> Self {
        Self {
            by_first_byte: Box::new([const { Vec::new() }; 256]),
            by_port: Vec::new(),
            has_port: Box::new([0; 1024]),
        }
    }
}

impl Dispatch {
    fn add(&mut self, id: ProtocolId, protocol: &'static Protocol, carrier: Carrier) {
        let Some(ask) = protocol.probe else { return };
        let Opening { min_len, is_on_ports, .. } = protocol.opening;
        let candidate = Candidate { id, min_len, is_on_ports, fixed: protocol.opening.fixed(carrier), ask };
        for (byte, list) in (0..=u8::MAX).zip(self.by_first_byte.iter_mut()) {
            let wanted = match protocol.opening.first {
                FirstByte::Any => true,
                FirstByte::OneOf(bytes) => bytes.contains(&byte),
                FirstByte::Range(low, high) => (low..=high).contains(&byte),
            };
            if wanted {
                list.push(candidate);
            }
        }
        for &port in protocol.ports {
            self.by_port.push((port, id));
            if let Some(word) = self.has_port.get_mut(usize::from(port) / 64) {
                *word |= 1 << (port % 64);
            }
        }
        self.by_port.sort_unstable();
    }

    /// The entries of a port.
    fn naming(&self, port: u16) -> &[(u16, ProtocolId)] {
        if self.has_port.get(usize::from(port) / 64).is_none_or(|word| word >> (port % 64) & 1 == 0) {
            return &[];
        }
        let from = self.by_port.partition_point(|&(other, _)| other < port);
        let rest = self.by_port.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|&(other, _)| other == port)).unwrap_or_default()
    }
}
