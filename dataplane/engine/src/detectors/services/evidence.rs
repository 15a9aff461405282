//! Which values of events name who a flow is with.

use super::ServiceSet;
use crate::ServiceBasis;
use crate::record::{Body, Datum, Item, Record, RecordBatch};

/// What a text of an event tells, by the outermost object or list around it (empty for none) and its own name.
type Places = fn(&str, &str) -> Option<ServiceBasis>;

/// Where the events of a type name somebody. Every event passes here: comparing with what is written out is a comparison
/// of numbers, comparing with a table a call for each name.
fn places_of(kind: &str) -> Option<Places> {
    match kind {
        "tls" | "quic" => Some(handshake),
        "http" => Some(|within, field| match (within, field) {
            ("", "hostname") => Some(ServiceBasis::Host),
            _ => None,
        }),
        "dns" => Some(|within, field| match (within, field) {
            ("" | "queries", "rrname") => Some(ServiceBasis::Query),
            _ => None,
        }),
        "xmpp" => Some(|within, field| match (within, field) {
            ("", "to") => Some(ServiceBasis::Host),
            _ => None,
        }),
        "stun" => Some(|within, field| match (within, field) {
            ("", "realm" | "origin") => Some(ServiceBasis::Realm),
            _ => None,
        }),
        _ => None,
    }
}

fn handshake(within: &str, field: &str) -> Option<ServiceBasis> {
    match (within, field) {
        ("", "sni") => Some(ServiceBasis::ServerName),
        ("client_alpns" | "server_alpns", "") => Some(ServiceBasis::Alpn),
        ("", "subject") | ("subjectaltname", "") => Some(ServiceBasis::Certificate),
        _ => None,
    }
}

/// Objects and lists that are followed into each other.
const DEEPEST: usize = 8;

/// The service that the events from number `first` on tell of, as its place in the set, and what told it.
///
/// Of several values the most direct counts: a name that the client asked for, then an ALPN id, then the names in the
/// server's certificate where they agree.
pub(crate) fn of_events(
    set: &ServiceSet,
    batch: &RecordBatch,
    first: usize,
) -> Option<(usize, ServiceBasis)> {
    batch.records().get(first..)?.iter().find_map(|record| of_event(set, batch, record))
}

fn of_event(set: &ServiceSet, batch: &RecordBatch, record: &Record) -> Option<(usize, ServiceBasis)> {
    let Body::Event(kind) = record.body else { return None };
    let places = places_of(kind)?;
    let items = batch.items(record);
    let mut path = Path::default();
    let mut indirect = Indirect::default();
    for item in items {
        match item.value {
            Datum::Object | Datum::List => path.enter(item),
            Datum::Close => path.leave(),
            Datum::Text(..) => {
                let Some(basis) = path.basis(places, item.name) else { continue };
                let text = batch.text(item.value);
                match basis {
                    ServiceBasis::Alpn => indirect.alpn = indirect.alpn.or_else(|| set.of_alpn(text)),
                    ServiceBasis::Certificate if item.name == "subject" => {
                        common_names(text).for_each(|name| indirect.certified(set.of_host(name)));
                    }
                    ServiceBasis::Certificate => indirect.certified(set.of_host(text)),
                    direct => {
                        if let Some(service) = set.of_host(text) {
                            return Some((service, direct));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let by_alpn = indirect.alpn.map(|service| (service, ServiceBasis::Alpn));
    by_alpn.or_else(|| Some((indirect.certificate.agreed()?, ServiceBasis::Certificate)))
}

/// Where a walk over the items of an event is.
#[derive(Debug, Default)]
struct Path {
    names: arrayvec::ArrayVec<&'static str, DEEPEST>,
    /// Objects and lists beyond those.
    beyond: usize,
}

impl Path {
    fn enter(&mut self, item: &Item) {
        if self.names.try_push(item.name).is_err() {
            self.beyond += 1;
        }
    }

    fn leave(&mut self) {
        match self.beyond.checked_sub(1) {
            Some(beyond) => self.beyond = beyond,
            None => drop(self.names.pop()),
        }
    }

    /// What a text here tells.
    fn basis(&self, places: Places, field: &str) -> Option<ServiceBasis> {
        if self.beyond > 0 {
            return None;
        }
        places(self.names.first().copied().unwrap_or_default(), field)
    }
}

/// What counts where no name was asked for.
#[derive(Debug, Default)]
struct Indirect {
    alpn: Option<usize>,
    certificate: Names,
}

/// What the names of a certificate agree on: those of a shared front belong to many.
#[derive(Debug, Default)]
enum Names {
    #[default]
    None,
    One(usize),
    Several,
}

impl Names {
    const fn agreed(&self) -> Option<usize> {
        match self {
            Self::One(service) => Some(*service),
            Self::None | Self::Several => None,
        }
    }
}

impl Indirect {
    const fn certified(&mut self, found: Option<usize>) {
        let Some(found) = found else { return };
        match self.certificate {
            Names::None => self.certificate = Names::One(found),
            Names::One(other) if other != found => self.certificate = Names::Several,
            Names::One(_) | Names::Several => {}
        }
    }
}

/// The common names of a distinguished name (RFC 4514), without what stands for any label.
fn common_names(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|byte| *byte == b',').filter_map(|part| part.trim_ascii().strip_prefix(b"CN="))
}
