//! Statements about a flow: what follows each keyword.

use core::net::IpAddr;

use super::lexer::{Kind, Token};
use super::parser::Parser;
use super::{
    End, Expr, FilterError, FilterErrorKind, Network, Primitive, Relation, address, literal, suggest, words,
};
use crate::{CryptoClass, Tier};

/// Reads the one value that a token is.
type ValueOf = fn(&Parser<'_>, Token<'_>, End) -> Result<Primitive, FilterError>;

impl<'a> Parser<'a> {
    /// One statement, the token in front being a word.
    pub(super) fn statement(&mut self) -> Result<Expr, FilterError> {
        let token = self.next();
        let word = token.text.to_ascii_lowercase();
        if let Some(number) = words::transport(&word) {
            return self.qualified(Primitive::IpProtocol(number));
        }
        if let Some(field) = words::field(&word) {
            return self.comparison(field);
        }
        match word.as_str() {
            "ip" => self.qualified(Primitive::Ip),
            "ip6" => self.qualified(Primitive::Ip6),
            "src" => self.end(End::Source),
            "dst" => self.end(End::Destination),
            "host" => self.valued(host, End::Any),
            "net" => self.valued(net, End::Any),
            "port" => self.valued(port, End::Any),
            "portrange" => self.valued(port_range, End::Any),
            "proto" => self.valued(ip_protocol, End::Any),
            "ethertype" => self.valued(ether_type, End::Any),
            "vlan" => self.maybe_valued(vlan, Primitive::Vlan(None)),
            "tunnel" => self.maybe_valued(tunnel, Primitive::Tunnel(None)),
            "app" => self.valued(app, End::Any),
            "service" => self.valued(service, End::Any),
            "crypto" => self.valued(crypto, End::Any),
            "state" => self.valued(state, End::Any),
            "reason" => self.valued(reason, End::Any),
            "tier" => self.tier(),
            "cleartext" => Ok(Expr::Is(Primitive::Cleartext)),
            "encrypted" => Ok(Expr::Is(Primitive::Encrypted)),
            "midstream" => Ok(Expr::Is(Primitive::Midstream)),
            "gaps" => Ok(Expr::Is(Primitive::Gaps)),
            _ => self.bare(token, word),
        }
    }

    /// A word that is no keyword: a protocol, or an address.
    fn bare(&self, token: Token<'a>, word: String) -> Result<Expr, FilterError> {
        if self.names.protocol_id(&word).is_some() {
            return Ok(Expr::Is(Primitive::App(word)));
        }
        if token.text.parse::<IpAddr>().is_ok()
            || token.text.contains('/')
            || address::mac(token.text).is_some()
        {
            return end_point(self, token, End::Any).map(Expr::Is);
        }
        let unknown = FilterErrorKind::UnknownWord(token.text.to_owned());
        if token.text.bytes().all(|b| b.is_ascii_digit()) {
            let suggestion = Some(format!("port {}", token.text));
            return Err(FilterError { suggestion, ..self.error(token, unknown) });
        }
        if let Some(service) = self.names.services().find(|name| name.eq_ignore_ascii_case(token.text)) {
            let suggestion = Some(Primitive::Service(service.to_owned()).to_string());
            return Err(FilterError { suggestion, ..self.error(token, unknown) });
        }
        let mut known: Vec<&str> = words::statement_starts().collect();
        for protocol in self.names.protocols() {
            known.push(&protocol.name);
        }
        Err(self.unknown(token, unknown, known))
    }

    /// `tcp`, or `tcp port 80` and the like, where `and` may be left out.
    fn qualified(&mut self, qualifier: Primitive) -> Result<Expr, FilterError> {
        let next = self.peek();
        let follows = next.kind == Kind::Word
            && ["host", "net", "port", "portrange", "src", "dst"]
                .iter()
                .any(|w| next.text.eq_ignore_ascii_case(w));
        if !follows {
            return Ok(Expr::Is(qualifier));
        }
        let rest = self.statement()?;
        Ok(Expr::And(vec![Expr::Is(qualifier), rest]))
    }

    /// What follows `src` or `dst`.
    fn end(&mut self, end: End) -> Result<Expr, FilterError> {
        let next = self.peek();
        let value: ValueOf = match next.text.to_ascii_lowercase().as_str() {
            "host" => host,
            "net" => net,
            "port" => port,
            "portrange" => port_range,
            _ => return self.valued(end_point, end),
        };
        self.next();
        self.valued(value, end)
    }

    /// `= VALUE`, `!= VALUE`, `in (VALUE, VALUE …)`, or the value alone.
    fn valued(&mut self, value: ValueOf, end: End) -> Result<Expr, FilterError> {
        match self.peek().kind {
            Kind::Equal => {
                self.next();
            }
            Kind::NotEqual => {
                self.next();
                let token = self.next();
                return Ok(Expr::Not(Box::new(Expr::Is(value(self, token, end)?))));
            }
            _ if self.accept_word("in") => return self.list(value, end),
            _ => {}
        }
        let token = self.next();
        value(self, token, end).map(Expr::Is)
    }

    fn maybe_valued(&mut self, value: ValueOf, alone: Primitive) -> Result<Expr, FilterError> {
        match self.peek().kind {
            Kind::End | Kind::And | Kind::Or | Kind::Close => Ok(Expr::Is(alone)),
            _ => self.valued(value, End::Any),
        }
    }

    fn list(&mut self, value: ValueOf, end: End) -> Result<Expr, FilterError> {
        let open = self.next();
        if open.kind != Kind::Open {
            return Err(self.expected("`(`", open));
        }
        let mut parts = Vec::new();
        loop {
            let token = self.next();
            parts.push(Expr::Is(value(self, token, end)?));
            if !self.accept(Kind::Comma) {
                break;
            }
        }
        self.close(open)?;
        match parts.len() {
            1 => parts.pop().ok_or_else(|| self.error(open, FilterErrorKind::Empty)),
            _ => Ok(Expr::Or(parts)),
        }
    }

    fn comparison(&mut self, field: super::Field) -> Result<Expr, FilterError> {
        let relation = self.relation()?;
        let token = self.next();
        if token.kind != Kind::Word {
            return Err(self.expected("a number", token));
        }
        let value = literal::value(field, token.text).map_err(|kind| self.error(token, kind))?;
        Ok(Expr::Is(Primitive::Compare { field, relation, value }))
    }

    fn tier(&mut self) -> Result<Expr, FilterError> {
        let relation = self.relation()?;
        let token = self.next();
        let tier: Tier = one_of(self, token, "tier", words::TIERS, |tier| tier.name())?;
        Ok(Expr::Is(Primitive::Tier { relation, tier }))
    }

    fn relation(&mut self) -> Result<Relation, FilterError> {
        let token = self.next();
        Ok(match token.kind {
            Kind::Less => Relation::Less,
            Kind::LessOrEqual => Relation::LessOrEqual,
            Kind::Equal => Relation::Equal,
            Kind::NotEqual => Relation::NotEqual,
            Kind::GreaterOrEqual => Relation::GreaterOrEqual,
            Kind::Greater => Relation::Greater,
            _ => return Err(self.expected("`<`, `<=`, `=`, `!=`, `>=` or `>`", token)),
        })
    }
}

/// An address or a network.
fn end_point(parser: &Parser<'_>, token: Token<'_>, end: End) -> Result<Primitive, FilterError> {
    if token.kind != Kind::Word {
        return Err(parser.expected("an address, a network, `host`, `net`, `port` or `portrange`", token));
    }
    if token.text.contains('/') { net(parser, token, end) } else { host(parser, token, end) }
}

fn host(parser: &Parser<'_>, token: Token<'_>, end: End) -> Result<Primitive, FilterError> {
    if token.kind != Kind::Word {
        return Err(parser.expected("an address", token));
    }
    if let Ok(address) = token.text.parse() {
        return Ok(Primitive::Host { end, address });
    }
    if let Some(address) = address::mac(token.text) {
        return Ok(Primitive::Mac { end, address });
    }
    let suggestion = block(token.text).map(|_| format!("net {}", token.text));
    Err(FilterError { suggestion, ..parser.error(token, FilterErrorKind::BadAddress(token.text.to_owned())) })
}

fn net(parser: &Parser<'_>, token: Token<'_>, end: End) -> Result<Primitive, FilterError> {
    if token.kind != Kind::Word {
        return Err(parser.expected("a network, such as 10.0.0.0/8", token));
    }
    let Some((base, network)) = block(token.text) else {
        let suggestion = token.text.parse::<IpAddr>().ok().map(|address| format!("host {address}"));
        let kind = FilterErrorKind::BadNetwork(token.text.to_owned());
        return Err(FilterError { suggestion, ..parser.error(token, kind) });
    };
    if base != network.base() {
        let kind = FilterErrorKind::HostBits { text: token.text.to_owned() };
        return Err(FilterError { suggestion: Some(network.to_string()), ..parser.error(token, kind) });
    }
    Ok(Primitive::Net { end, network })
}

/// The address before the slash, and the block that it is in.
fn block(text: &str) -> Option<(IpAddr, Network)> {
    let (base, prefix) = text.split_once('/')?;
    let base = base.parse().ok()?;
    let prefix = prefix.parse().ok().filter(|_| prefix.bytes().all(|b| b.is_ascii_digit()))?;
    Some((base, Network::containing(base, prefix)?))
}

fn port(parser: &Parser<'_>, token: Token<'_>, end: End) -> Result<Primitive, FilterError> {
    let low = plain_number(parser, token, "port", (0, u16::MAX)).map_err(|error| {
        match token.text.split_once('-') {
            Some(_) if literal::port_range(token.text).is_ok() => {
                FilterError { suggestion: Some(format!("portrange {}", token.text)), ..error }
            }
            _ => error,
        }
    })?;
    Ok(Primitive::Port { end, low, high: low })
}

fn port_range(parser: &Parser<'_>, token: Token<'_>, end: End) -> Result<Primitive, FilterError> {
    let (low, high) = literal::port_range(token.text).map_err(|kind| parser.error(token, kind))?;
    Ok(Primitive::Port { end, low, high })
}

fn ip_protocol(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    if let Some(number) = words::ip_protocol(&token.text.to_ascii_lowercase()) {
        return Ok(Primitive::IpProtocol(number));
    }
    if token.text.starts_with(|c: char| c.is_ascii_digit()) {
        let number = plain_number(parser, token, "IP protocol number", (0, 255))?;
        return Ok(Primitive::IpProtocol(u8::try_from(number).unwrap_or(u8::MAX)));
    }
    let kind = FilterErrorKind::UnknownValue { what: "IP protocol", found: token.text.to_owned() };
    Err(parser.unknown(token, kind, words::ip_protocol_names()))
}

fn ether_type(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    plain_number(parser, token, "EtherType", (0, u16::MAX)).map(Primitive::EtherType)
}

fn vlan(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    plain_number(parser, token, "VLAN id", (1, 4094)).map(|id| Primitive::Vlan(Some(id)))
}

fn tunnel(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    one_of(parser, token, "tunnel kind", words::TUNNELS, |kind| kind.name())
        .map(|kind| Primitive::Tunnel(Some(kind)))
}

fn state(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    one_of(parser, token, "flow state", words::STATES, |state| state.name()).map(Primitive::State)
}

fn reason(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    one_of(parser, token, "end reason", words::REASONS, |reason| reason.name()).map(Primitive::Reason)
}

fn crypto(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    match CryptoClass::from_name(token.text.to_ascii_lowercase().as_bytes()) {
        Some(class) => Ok(Primitive::Crypto(class)),
        None => one_of(parser, token, "crypto class", &CryptoClass::ALL, |class| class.name())
            .map(Primitive::Crypto),
    }
}

fn app(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    if token.kind != Kind::Word {
        return Err(parser.expected("the name of a protocol", token));
    }
    let name = token.text.to_ascii_lowercase();
    if parser.names.protocol_id(&name).is_some() {
        return Ok(Primitive::App(name));
    }
    let kind = FilterErrorKind::UnknownValue { what: "protocol", found: token.text.to_owned() };
    Err(parser.unknown(token, kind, parser.names.protocols().map(|protocol| protocol.name.as_ref())))
}

fn service(parser: &Parser<'_>, token: Token<'_>, _: End) -> Result<Primitive, FilterError> {
    let wanted = match token.kind {
        Kind::Word => token.text.to_owned(),
        Kind::Quoted => unescaped(token.text),
        _ => return Err(parser.expected("the name of a service", token)),
    };
    // The plan's own spelling is kept, so that printing is stable.
    if let Some(name) = parser.names.service_id(&wanted).and_then(|id| parser.names.service(id)) {
        return Ok(Primitive::Service(name.to_owned()));
    }
    let suggestion = suggest::nearest(&wanted, parser.names.services()).map(|near| format!("\"{near}\""));
    let kind = FilterErrorKind::UnknownValue { what: "service", found: wanted };
    Err(FilterError { suggestion, ..parser.error(token, kind) })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
        } else {
            plain.push(c);
            escaped = false;
        }
    }
    plain
}

fn plain_number(
    parser: &Parser<'_>,
    token: Token<'_>,
    what: &'static str,
    (least, most): (u16, u16),
) -> Result<u16, FilterError> {
    if token.kind != Kind::Word {
        return Err(parser.expected("a number", token));
    }
    literal::number(what, token.text, least, most).map_err(|kind| parser.error(token, kind))
}

/// The value whose name the token is.
fn one_of<T: Copy>(
    parser: &Parser<'_>,
    token: Token<'_>,
    what: &'static str,
    values: &[T],
    name: fn(&T) -> &'static str,
) -> Result<T, FilterError> {
    match token.kind {
        Kind::Word => {}
        Kind::Less | Kind::LessOrEqual | Kind::Greater | Kind::GreaterOrEqual => {
            return Err(parser.error(token, FilterErrorKind::NoOrder { what }));
        }
        _ => return Err(parser.expected("a name", token)),
    }
    if let Some(value) = values.iter().find(|value| name(value).eq_ignore_ascii_case(token.text)) {
        return Ok(*value);
    }
    let kind = FilterErrorKind::UnknownValue { what, found: token.text.to_owned() };
    Err(parser.unknown(token, kind, values.iter().map(name)))
}
