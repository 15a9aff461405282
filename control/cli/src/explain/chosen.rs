//! Which flow is meant.

use std::net::{IpAddr, SocketAddr};

use engine::Names;
use engine::filter::{Filter, FlowView, Truth};
use engine::record::{Body, FlowIdentity, FlowSummary, Record};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Wanted(Filter);

/// A flow that it holds for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) identity: FlowIdentity,
    pub(crate) summary: FlowSummary,
}

impl Wanted {
    /// Reads a flow id, two ends, or a filter. An error is a sentence for the user.
    pub(crate) fn parse(text: &str, names: &Names) -> Result<Self, String> {
        let text = text.trim();
        let filter = match text.parse::<u64>() {
            Ok(id) => format!("flow_id = {id}"),
            Err(_) => ends(text).unwrap_or_else(|| text.to_owned()),
        };
        Filter::parse(&filter, names).map(Self).map_err(|error| {
            let pointed = error.pointed(&filter);
            format!("the flow is not understood: {error}\n{pointed}")
        })
    }

    /// The flow of a record, where it ended and is wanted.
    pub(crate) fn chosen(&self, record: &Record) -> Option<Chosen> {
        let Body::Flow(summary) = record.body else { return None };
        let holds = self.0.judge(&FlowView::of_record(record, None)) == Truth::Yes;
        holds.then_some(Chosen { identity: record.flow, summary })
    }
}

/// `tcp 192.0.2.1:40000 198.51.100.7:443`, in any order and with `>`, `->` or `-` between the ends, as a filter.
fn ends(text: &str) -> Option<String> {
    let mut words =
        text.split_whitespace().filter(|word| !matches!(*word, ">" | "->" | "-" | "<->")).peekable();
    let transport =
        words.next_if(|word| word.parse::<SocketAddr>().is_err() && word.parse::<IpAddr>().is_err());
    let (one, other) = (end(words.next()?)?, end(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let way = |client: &End, server: &End| format!("({} and {})", client.filter("src"), server.filter("dst"));
    let transport =
        transport.map_or_else(String::new, |name| format!("proto {} and ", name.to_ascii_lowercase()));
    Some(format!("{transport}({} or {})", way(&one, &other), way(&other, &one)))
}

/// An address, perhaps with a port.
#[derive(Debug)]
struct End {
    address: IpAddr,
    port: Option<u16>,
}

impl End {
    fn filter(&self, side: &str) -> String {
        let port = self.port.map_or_else(String::new, |port| format!(" and {side} port {port}"));
        format!("{side} host {}{port}", self.address)
    }
}

fn end(word: &str) -> Option<End> {
    if let Ok(both) = word.parse::<SocketAddr>() {
        return Some(End { address: both.ip(), port: Some(both.port()) });
    }
    word.parse().ok().map(|address| End { address, port: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_are_a_flow_either_way_round() {
        let wanted = "proto tcp and ((src host 192.0.2.1 and src port 40000 and dst host 198.51.100.7 and dst port \
                      443) or (src host 198.51.100.7 and src port 443 and dst host 192.0.2.1 and dst port 40000))";
        for text in ["tcp 192.0.2.1:40000 198.51.100.7:443", "TCP 192.0.2.1:40000 -> 198.51.100.7:443"] {
            assert_eq!(ends(text).as_deref(), Some(wanted), "{text}");
        }
        assert!(Filter::parse(wanted, &Names::default()).is_ok());
        let wanted = ends("[2001:db8::1]:1 2001:db8::2").unwrap();
        assert!(Filter::parse(&wanted, &Names::default()).is_ok(), "{wanted}");
    }

    #[test]
    fn ids_and_filters_are_taken_too() {
        assert!(Wanted::parse("1234", &Names::default()).is_ok());
        assert!(Wanted::parse("udp port 53", &Names::default()).is_ok());
        let error = Wanted::parse("udp prot 53", &Names::default()).unwrap_err();
        assert!(error.contains("column 5"), "{error}");
    }
}
