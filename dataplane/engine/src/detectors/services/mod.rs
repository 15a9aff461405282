//! Named services: who is behind a host name, by data.
//!
//! The TOML files in `signatures/services/` say which domains, ALPN ids and signatures belong to which service.
//! [`ServiceSet`] is what they are compiled to, immutable and shared by all workers. Names are taken from what parsers
//! wrote into their events (server names, Host fields, questions, realms, certificates), so that no parser knows of
//! services. `docs/services.md` is the guide for those who write the files.

mod domains;
mod evidence;
mod hash;

use std::collections::BTreeMap;

use super::signatures::files::below;
use super::signatures::problem::Problems;
use super::signatures::reader::{Lines, Located, Section};
use super::signatures::{Problem, SignatureError, SignatureErrors, SignatureFile};
use domains::{Domain, Domains};
pub(crate) use evidence::of_events;
use toml::de::DeTable;

/// Number of a service in its set, from 1; 0 is none.
type Owner = u16;

/// Where the files are.
pub(crate) const FOLDER: &str = "services/";
const FILE_KEYS: &[&str] = &["category", "service"];
const SERVICE_KEYS: &[&str] = &["name", "domains", "alpn", "signatures"];
/// Services that a set may have.
const MOST_SERVICES: usize = 16_384;
/// Characters of a name.
const LONGEST_NAME: usize = 48;

/// Named services, compiled.
#[derive(Debug, Default)]
pub struct ServiceSet {
    services: Vec<Service>,
    domains: Domains,
    /// ALPN ids, ascending.
    alpn: Vec<(Box<[u8]>, Owner)>,
    /// Ids of signature files whose payloads nobody else sends.
    signatures: BTreeMap<String, Claim>,
}

/// Whose the payloads of a signature file are, and where that is written.
#[derive(Debug)]
struct Claim {
    owner: Owner,
    file: String,
    line: u32,
}

/// A named service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name in `app_service`.
    pub name: String,
    /// What it is for: the file's `category`.
    pub category: String,
    /// Domains as the file writes them.
    pub domains: Vec<String>,
    /// ALPN ids (RFC 7301) that only this service uses.
    pub alpn: Vec<String>,
    /// Ids of the signature files that only this service's payloads match.
    pub signatures: Vec<String>,
}

impl ServiceSet {
    /// Compiles the service files among `files`. Errors: everything that is wrong, with file and line.
    pub fn from_files(files: &[SignatureFile]) -> Result<Self, SignatureErrors> {
        let mut errors = Vec::new();
        let mut set = Assembly::default();
        for file in below(files, FOLDER) {
            let mut problems = Problems::new(&file.path);
            set.read(file, &mut problems);
            let mut found = problems.into_errors();
            found.sort_by_key(|error| error.line);
            errors.extend(found);
        }
        if !errors.is_empty() {
            return Err(SignatureErrors(errors));
        }
        Ok(Self {
            domains: Domains::compile(&set.domains),
            alpn: set
                .alpn
                .into_iter()
                .map(|(id, owner)| (id.into_bytes().into_boxed_slice(), owner))
                .collect(),
            signatures: set.signatures,
            services: set.services,
        })
    }

    /// Whether there is a signature file of each id that a service claims. Errors: each that is missing, with file and
    /// line.
    pub(crate) fn check_signatures(&self, is_known: impl Fn(&str) -> bool) -> Result<(), SignatureErrors> {
        let missing = self.signatures.iter().filter(|(id, _)| !is_known(id));
        let errors: Vec<_> = missing
            .map(|(id, claim)| {
                let problem = Problem::NoSuchSignature { id: id.clone() };
                SignatureError { file: claim.file.clone(), line: claim.line, problem }
            })
            .collect();
        if errors.is_empty() { Ok(()) } else { Err(SignatureErrors(errors)) }
    }

    /// The services, in the order of their files.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service that a host name belongs to, as its place in [`ServiceSet::services`].
    #[must_use]
    pub fn of_host(&self, name: &[u8]) -> Option<usize> {
        place(self.domains.owner(name))
    }

    /// The service that an ALPN id belongs to.
    #[must_use]
    pub fn of_alpn(&self, id: &[u8]) -> Option<usize> {
        let at = self.alpn.binary_search_by(|(known, _)| known.as_ref().cmp(id)).ok()?;
        place(self.alpn.get(at)?.1)
    }

    /// The service whose payloads a signature file describes, by the file's id.
    #[must_use]
    pub fn of_signature(&self, id: &str) -> Option<usize> {
        place(self.signatures.get(id)?.owner)
    }
}

fn place(owner: Owner) -> Option<usize> {
    usize::from(owner).checked_sub(1)
}

/// A set while its files are put together.
#[derive(Debug, Default)]
struct Assembly {
    services: Vec<Service>,
    by_name: BTreeMap<String, Owner>,
    domains: BTreeMap<Domain, Owner>,
    alpn: BTreeMap<String, Owner>,
    signatures: BTreeMap<String, Claim>,
}

impl Assembly {
    fn read(&mut self, file: &SignatureFile, problems: &mut Problems<'_>) {
        let table = match DeTable::parse(&file.text) {
            Ok(table) => table,
            Err(error) => {
                let line = Lines::of(&file.text).line(error.span().map_or(0, |span| span.start));
                return problems.add(line, Problem::Syntax(error.message().to_owned()));
            }
        };
        let lines = Lines::of(&file.text);
        let root = Section::new(&table, &lines, FILE_KEYS, problems);
        let category = root.required("category", "write what the services of this file are for", problems);
        let services = root.sections("service", SERVICE_KEYS, problems);
        if services.is_empty() {
            problems.add(1, Problem::MissingKey { key: "service", mend: "write a [[service]]" });
        }
        for section in &services {
            self.service(section, category.as_ref().map_or("", |text| text.value), file, problems);
        }
    }

    fn service(
        &mut self,
        section: &Section<'_>,
        category: &str,
        file: &SignatureFile,
        problems: &mut Problems<'_>,
    ) {
        let name = section.required("name", "write the name that `app_service` shows", problems);
        if !["domains", "alpn", "signatures"].iter().any(|key| section.has(key)) {
            let mend = "write what its host names end with, or `alpn` or `signatures`";
            problems.add(section.line, Problem::MissingKey { key: "domains", mend });
        }
        let domains = section.texts("domains", problems).unwrap_or_default();
        let alpn = section.texts("alpn", problems).unwrap_or_default();
        let signatures = section.texts("signatures", problems).unwrap_or_default();
        let Some(name) = name else { return };
        let Some(owner) = self.owner(&name, category, file, problems) else { return };
        for text in &domains {
            match Domain::parse(text.value) {
                Err(why) => problems.add(text.line, Problem::Domain { value: text.value.to_owned(), why }),
                Ok(domain) => {
                    let before = self.domains.insert(domain, owner);
                    self.check_taken("domain", text, before.filter(|_| !file.overrides), problems);
                }
            }
        }
        for text in &alpn {
            let before = self.alpn.insert(text.value.to_owned(), owner);
            self.check_taken("ALPN id", text, before.filter(|_| !file.overrides), problems);
        }
        for text in &signatures {
            let claim = Claim { owner, file: file.path.clone(), line: text.line };
            let before = self.signatures.insert(text.value.to_owned(), claim).map(|claim| claim.owner);
            self.check_taken("signature", text, before.filter(|_| !file.overrides), problems);
        }
        if let Some(service) = place(owner).and_then(|place| self.services.get_mut(place)) {
            service.domains.extend(domains.iter().map(|text| text.value.to_owned()));
            service.alpn.extend(alpn.iter().map(|text| text.value.to_owned()));
            service.signatures.extend(signatures.iter().map(|text| text.value.to_owned()));
        }
    }

    /// The number of a service; a file of one's own may add to one that the program carries.
    fn owner(
        &mut self,
        name: &Located<&str>,
        category: &str,
        file: &SignatureFile,
        problems: &mut Problems<'_>,
    ) -> Option<Owner> {
        let is_name = name.value.len() <= LONGEST_NAME
            && name.value.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && name.value.trim() == name.value;
        if !is_name {
            let known = "1 to 48 printable characters of ASCII, no blank at the ends".to_owned();
            let value = name.value.to_owned();
            problems.add(name.line, Problem::UnknownName { key: "name".to_owned(), value, known });
            return None;
        }
        let key = name.value.to_ascii_lowercase();
        if let Some(owner) = self.by_name.get(&key).copied() {
            self.check_taken("service", name, Some(owner).filter(|_| !file.overrides), problems);
            return Some(owner);
        }
        if self.services.len() == MOST_SERVICES {
            problems.add(name.line, Problem::TooMany { what: "services", most: MOST_SERVICES });
            return None;
        }
        let owner = Owner::try_from(self.services.len() + 1).ok()?;
        self.by_name.insert(key, owner);
        self.services.push(Service {
            name: name.value.to_owned(),
            category: category.to_owned(),
            domains: Vec::new(),
            alpn: Vec::new(),
            signatures: Vec::new(),
        });
        Some(owner)
    }

    fn check_taken(
        &self,
        what: &'static str,
        text: &Located<&str>,
        before: Option<Owner>,
        problems: &mut Problems<'_>,
    ) {
        if let Some(first) = before.and_then(place).and_then(|place| self.services.get(place)) {
            let (value, first) = (text.value.to_owned(), first.name.clone());
            problems.add(text.line, Problem::Taken { what, value, first });
        }
    }
}

#[cfg(test)]
mod tests;
