//! Domains and whose they are: the longest suffix on a border of labels wins, in one walk from the right, without
//! allocation.

use super::{Owner, hash};

/// A domain as the files write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Domain {
    /// What a host name ends with; without the country where `abroad`.
    suffix: String,
    /// `example.*`: below the name of any country.
    abroad: bool,
    /// `media-*.example.net`: how the label before the suffix starts.
    start: String,
}

impl Domain {
    /// Reads a domain. The error says what to write.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (text, abroad) = text.strip_suffix(".*").map_or((text, false), |rest| (rest, true));
        let (start, suffix) = match text.split_once("*.") {
            Some((start, suffix)) if start.is_empty() || suffix.is_empty() => {
                return Err("subdomains belong to it anyway; leave `*.` out");
            }
            Some((start, suffix)) => (start, suffix),
            None => ("", text),
        };
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        };
        if suffix.len() > LONGEST
            || !suffix.split('.').all(is_label)
            || !(start.is_empty() || is_label(start))
        {
            return Err("write labels of a-z, 0-9, `-` and `_` with dots between them");
        }
        if suffix.split('.').count() > DEEPEST {
            return Err("write at most eight labels");
        }
        // A long start is a name of somebody's own (`awsdns-*.com`).
        if !abroad && start.len() < TELLING && is_public(suffix) {
            return Err("everybody's names end so; write one label more");
        }
        Ok(Self { suffix: suffix.to_owned(), abroad, start: start.to_owned() })
    }
}

/// Whether names of this ending are anybody's to register.
fn is_public(suffix: &str) -> bool {
    match suffix.split_once('.') {
        None => suffix.len() <= 3 || PUBLIC.contains(&suffix),
        Some((second, country)) => country.len() == 2 && SECOND_LEVEL.contains(&second),
    }
}

/// Generic top-level domains of more than three letters that are often met.
const PUBLIC: &[&str] =
    &["info", "cloud", "site", "online", "shop", "live", "tech", "store", "media", "name", "arpa"];
/// Labels under which countries give out names.
const SECOND_LEVEL: &[&str] = &["co", "com", "net", "org", "ne", "or", "edu", "gov", "ac"];
/// Bytes of a name (RFC 1035, 2.3.4).
const LONGEST: usize = 253;
/// Characters of a label's start that tell whose a name is, whatever comes behind it.
const TELLING: usize = 5;
/// Bits of the filter before the table for each place of it.
const PRESENT_BITS: usize = 8;
/// Labels of a domain in the table, so that a walk ends soon.
const DEEPEST: usize = 8;

/// Compiled domains.
#[derive(Debug, Default)]
pub(super) struct Domains {
    entries: Vec<Entry>,
    /// By hash. At most half full.
    table: Vec<Place>,
    /// A bit for some hashes each, set where one of them is in the table: small enough to stay near the processor.
    present: Vec<u64>,
    starts: Vec<Start>,
}

/// A place of the table: what is looked up mostly is not there, and that is told without a look at the entry.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Number of the entry, from 1; 0 is empty.
    number: u32,
    /// Of the hash, what does not say the place.
    tag: u32,
}

/// A suffix.
#[derive(Debug)]
struct Entry {
    suffix: Box<[u8]>,
    abroad: bool,
    /// Whose it is; none where only some labels before it are anybody's.
    owner: Owner,
    /// Which of `starts` are of labels before it.
    starts: core::ops::Range<usize>,
}

/// How the label before a suffix starts, and whose the name then is.
#[derive(Debug)]
struct Start {
    text: Box<[u8]>,
    owner: Owner,
}

/// The longest match so far.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    bytes: usize,
    owner: Owner,
}

impl Domains {
    /// Compiles domains, each with its owner.
    pub(super) fn compile(domains: &std::collections::BTreeMap<Domain, Owner>) -> Self {
        let mut built = Self::default();
        // In order: what has one suffix comes together, the suffix itself (without a start) first.
        for (domain, owner) in domains {
            let suffix = domain.suffix.as_bytes();
            let is_next = |last: &Entry| *last.suffix != *suffix || last.abroad != domain.abroad;
            if built.entries.last().is_none_or(is_next) {
                let at = built.starts.len();
                built.entries.push(Entry {
                    suffix: suffix.into(),
                    abroad: domain.abroad,
                    owner: 0,
                    starts: at..at,
                });
            }
            let Some(entry) = built.entries.last_mut() else { continue };
            if domain.start.is_empty() {
                entry.owner = *owner;
            } else {
                built.starts.push(Start { text: domain.start.as_bytes().into(), owner: *owner });
                entry.starts.end = built.starts.len();
            }
        }
        built.table = vec![Place::default(); (built.entries.len() * 2).next_power_of_two()];
        built.present = vec![0; (built.table.len() / 64 * PRESENT_BITS).max(1)];
        for (number, entry) in (1_u32..).zip(&built.entries) {
            let at = hash::of(entry.suffix.iter().rev(), hash::start(entry.abroad));
            let (word, bit) = built.presence(at);
            if let Some(word) = built.present.get_mut(word) {
                *word |= bit;
            }
            let mask = built.table.len() - 1;
            let mut place = hash::place(at, mask);
            while built.table.get(place).is_some_and(|taken| taken.number != 0) {
                place = (place + 1) & mask;
            }
            if let Some(free) = built.table.get_mut(place) {
                *free = Place { number, tag: hash::tag(at) };
            }
        }
        built
    }

    /// Whose a host name is; 0 where it is nobody's.
    pub(super) fn owner(&self, name: &[u8]) -> Owner {
        let name = without_port(name);
        let name = name.strip_suffix(b".").unwrap_or(name);
        if self.table.is_empty() || name.len() > LONGEST {
            return 0;
        }
        let mut longest = Longest::default();
        self.walk(name, false, &mut longest);
        if let Some(rest) = without_country(name) {
            self.walk(rest, true, &mut longest);
        }
        longest.owner
    }

    /// Looks up every suffix of `name` that starts at a label.
    fn walk(&self, name: &[u8], abroad: bool, longest: &mut Longest) {
        let mut state = hash::start(abroad);
        let mut labels = 0;
        for (at, &byte) in name.iter().enumerate().rev() {
            if byte == b'.' {
                self.look_up(name.split_at(at + 1), (state, abroad), longest);
                labels += 1;
                if labels == DEEPEST {
                    return;
                }
            }
            state = hash::step(state, byte);
        }
        self.look_up((&[], name), (state, abroad), longest);
    }

    /// Where `present` says whether a hash may be in the table. The number of its words is a power of two.
    fn presence(&self, state: u64) -> (usize, u64) {
        let at = hash::place(state, self.present.len() * 64 - 1);
        (at / 64, 1 << (at % 64))
    }

    fn look_up(&self, (before, suffix): (&[u8], &[u8]), (state, abroad): (u64, bool), longest: &mut Longest) {
        let (word, bit) = self.presence(state);
        if self.present.get(word).is_none_or(|word| word & bit == 0) {
            return;
        }
        let mask = self.table.len() - 1;
        let (mut place, wanted) = (hash::place(state, mask), hash::tag(state));
        while let Some(Place { number, tag }) =
            self.table.get(place).copied().filter(|place| place.number != 0)
        {
            place = (place + 1) & mask;
            if tag != wanted {
                continue;
            }
            let Some(entry) = self.entries.get(number as usize - 1) else { return };
            if entry.abroad != abroad || !entry.suffix.eq_ignore_ascii_case(suffix) {
                continue;
            }
            if entry.owner != 0 {
                longest.take(suffix.len(), entry.owner);
            }
            let label = before.strip_suffix(b".").unwrap_or_default().rsplit(|b| *b == b'.').next();
            for start in self.starts.get(entry.starts.clone()).unwrap_or_default() {
                let head = label.and_then(|label| label.get(..start.text.len()));
                if head.is_some_and(|head| head.eq_ignore_ascii_case(&start.text)) {
                    longest.take(suffix.len() + start.text.len(), start.owner);
                }
            }
            return;
        }
    }
}

impl Longest {
    const fn take(&mut self, bytes: usize, owner: Owner) {
        if bytes >= self.bytes {
            *self = Self { bytes, owner };
        }
    }
}

/// `host:8443` without the port. An IPv6 address stays as it is: it is nobody's.
fn without_port(name: &[u8]) -> &[u8] {
    // A port has five digits at most.
    let last = name.len().saturating_sub(6);
    let tail = name.get(last..).unwrap_or_default();
    match tail.iter().rposition(|byte| *byte == b':') {
        Some(colon) => name.get(..last + colon).unwrap_or(name),
        None => name,
    }
}

/// `example.co.uk` and `example.de` without the country.
fn without_country(name: &[u8]) -> Option<&[u8]> {
    let split = |name| -> Option<(&[u8], &[u8])> {
        let dot = <[u8]>::iter(name).rposition(|byte| *byte == b'.')?;
        Some((name.get(..dot)?, name.get(dot + 1..)?))
    };
    let (rest, country) = split(name)?;
    if country.len() != 2 || !country.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    match split(rest) {
        Some((own, second))
            if SECOND_LEVEL.iter().any(|known| second.eq_ignore_ascii_case(known.as_bytes())) =>
        {
            Some(own)
        }
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domains(list: &[(&str, Owner)]) -> Domains {
        Domains::compile(&list.iter().map(|(text, owner)| (Domain::parse(text).unwrap(), *owner)).collect())
    }

    #[test]
    fn suffixes_match_on_borders_of_labels() {
        let domains = domains(&[("example.net", 1)]);
        for (name, owner) in [
            ("example.net", 1),
            ("www.example.net", 1),
            ("WWW.Example.NET.", 1),
            ("www.example.net:8443", 1),
            ("notexample.net", 0),
            ("example.net.org", 0),
            ("example.ne", 0),
            (".example.net", 1),
            ("net", 0),
            ("", 0),
            (".", 0),
            (":", 0),
            ("2001:db8::1", 0),
        ] {
            assert_eq!(domains.owner(name.as_bytes()), owner, "{name}");
        }
    }

    #[test]
    fn the_longest_suffix_wins() {
        let domains = domains(&[("example.net", 1), ("mail.example.net", 2), ("a.b.example.net", 3)]);
        for (name, owner) in
            [("x.mail.example.net", 2), ("mail.example.net", 2), ("b.example.net", 1), ("a.b.example.net", 3)]
        {
            assert_eq!(domains.owner(name.as_bytes()), owner, "{name}");
        }
    }

    #[test]
    fn a_brand_is_found_in_every_country() {
        let domains = domains(&[("example.*", 1), ("mail.example.*", 2), ("example.cn", 3)]);
        for (name, owner) in [
            ("www.example.de", 1),
            ("www.example.co.uk", 1),
            ("example.com.br", 1),
            ("mail.example.com.br", 2),
            ("www.example.cn", 3),
            ("example.info", 0),
            ("example.com", 0),
            ("de", 0),
            ("co.uk", 0),
        ] {
            assert_eq!(domains.owner(name.as_bytes()), owner, "{name}");
        }
    }

    #[test]
    fn the_label_before_a_suffix_may_tell() {
        let domains = domains(&[("photos-*.example.net", 1), ("example.net", 2), ("v*.example.org", 3)]);
        for (name, owner) in [
            ("photos-a.example.net", 1),
            ("x.photos-a.example.net", 1),
            ("photos.example.net", 2),
            ("photos-a.example.org", 0),
            ("v1.example.org", 3),
            ("example.org", 0),
        ] {
            assert_eq!(domains.owner(name.as_bytes()), owner, "{name}");
        }
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "com",
            "co.uk",
            "arpa",
            "Example.net",
            "exa mple.net",
            "*.example.net",
            "a..b",
            "",
            ".*",
            "io",
            "x*.",
            "a.b.c.d.e.f.g.h.i",
        ] {
            assert!(Domain::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_suffix_agrees_with_a_plain_comparison(
            list in prop::collection::btree_set("[ab]{1,2}(\\.[ab]{1,2}){1,3}\\.(net|org)", 1..20),
            name in "([ab]{1,2}\\.){0,5}(net|org)"
        ) {
            let list: Vec<(&str, Owner)> = list.iter().map(String::as_str).zip(1..).collect();
            let wanted = list
                .iter()
                .filter(|(suffix, _)| name == *suffix || name.ends_with(&format!(".{suffix}")))
                .max_by_key(|(suffix, _)| suffix.len())
                .map_or(0, |(_, owner)| *owner);
            prop_assert_eq!(domains(&list).owner(name.as_bytes()), wanted);
        }

        #[test]
        fn no_bytes_do_harm(name in prop::collection::vec(any::<u8>(), 0..300)) {
            domains(&[("a.net", 1), ("a.*", 2), ("b*.a.net", 3)]).owner(&name);
        }
    }
}
