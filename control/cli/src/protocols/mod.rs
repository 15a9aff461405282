//! `wirewarden protocols`: what is known, and how it is known.

mod known;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueHint};
use engine::Plan;
use engine::detectors::services::Service;
use serde_json::{Value, json};

use crate::compiled;
use crate::exit::Exit;
use crate::look::{Ink, Look};
use crate::tell;

use known::Known;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProtocolsArgs {
    /// One protocol, by its name in app_proto; or one service with --services
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// List named services instead: who is behind which host names
    #[arg(long)]
    services: bool,

    /// Signatures, services and guesses beside those built in
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    signatures: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden protocols
  wirewarden protocols modbus
  wirewarden protocols --json | jq -r '.[] | select(.exposure == \"cleartext\") | .name'
  wirewarden protocols --services youtube";

/// Prints what was asked for.
pub(crate) fn run(args: &ProtocolsArgs, no_color: bool) -> Exit {
    let folder = args.signatures.as_deref();
    let plan = compiled::plan(folder).map_err(|errors| match folder {
        Some(_) => (errors, Exit::Usage),
        None => (errors, Exit::Unreachable),
    });
    let plan = match plan {
        Ok(plan) => plan,
        Err((errors, exit)) => {
            tell::error(&errors.to_string());
            return exit;
        }
    };
    let look = Look::of(&io::stdout(), no_color);
    let page = if args.services { services(args, &plan, &look) } else { protocols(args, &plan, &look) };
    match page {
        Ok(page) => print(&page),
        Err(text) => {
            tell::error(&text);
            Exit::Usage
        }
    }
}

fn print(page: &str) -> Exit {
    match io::stdout().lock().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell::error(&format!("cannot write the list: {error}"));
            Exit::Findings
        }
        _ => Exit::Success,
    }
}

/// An error is a sentence for the user.
fn protocols(args: &ProtocolsArgs, plan: &Plan, look: &Look) -> Result<String, String> {
    let all = Known::of_plan(plan);
    let Some(name) = &args.name else {
        return Ok(if args.json {
            pretty(&Value::Array(all.iter().map(Known::json).collect()))
        } else {
            table(&all, look)
        });
    };
    let Some(one) = all.iter().find(|known| known.name.eq_ignore_ascii_case(name)) else {
        return Err(unknown("protocol", name, all.iter().map(|known| (known.name, known.title))));
    };
    Ok(if args.json { pretty(&one.json()) } else { one.text(look) })
}

fn services(args: &ProtocolsArgs, plan: &Plan, look: &Look) -> Result<String, String> {
    let mut all: Vec<&Service> = plan.services().services().iter().collect();
    all.sort_by_key(|service| service.name.to_ascii_lowercase());
    let object = |service: &Service| {
        let Service { name, category, domains, alpn, signatures } = service;
        json!({
            "name": name, "category": category, "domains": domains, "alpn": alpn, "signatures": signatures,
        })
    };
    let Some(name) = &args.name else {
        if args.json {
            return Ok(pretty(&all.iter().map(|service| object(service)).collect()));
        }
        let mut page = String::new();
        for service in &all {
            let category = look.paint(Ink::Faint, &service.category);
            let _ = writeln!(page, "{:<32} {category}", service.name);
        }
        let _ = writeln!(
            page,
            "\n{} services; `wirewarden protocols --services NAME` tells more of one",
            all.len()
        );
        return Ok(page);
    };
    let Some(one) = all.iter().find(|service| service.name.eq_ignore_ascii_case(name)) else {
        return Err(unknown("service", name, all.iter().map(|service| (service.name.as_str(), ""))));
    };
    if args.json {
        return Ok(pretty(&object(one)));
    }
    let mut page = format!("{}\n", look.paint(Ink::Heading, &one.name));
    let category = std::slice::from_ref(&one.category);
    let fields = [
        ("for", category),
        ("domains", &one.domains),
        ("ALPN ids", &one.alpn),
        ("signatures", &one.signatures),
    ];
    for (title, values) in fields {
        if !values.is_empty() {
            known::field(&mut page, look, title, &values.join(", "));
        }
    }
    Ok(page)
}

/// A sentence that names what comes near.
fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = (&'n str, &'n str)>) -> String {
    let wanted = name.to_ascii_lowercase();
    let holds = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains(&wanted) || (wanted.len() > 3 && text.len() > 2 && wanted.contains(&text))
    };
    let near: Vec<&str> = known
        .filter(|(name, title)| holds(name) || holds(title))
        .map(|(name, _)| name)
        .take(MOST_NEAR)
        .collect();
    if near.is_empty() {
        format!("no {what} is called `{name}`; `wirewarden protocols` lists all")
    } else {
        format!("no {what} is called `{name}`; there are {}", near.join(", "))
    }
}

const MOST_NEAR: usize = 12;

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn table(all: &[Known<'_>], look: &Look) -> String {
    let mut page = String::new();
    let head = format!("{:<22} {:<17} {:<10} {:<18} title", "name", "family", "known by", "usual ports");
    let _ = writeln!(page, "{}", look.paint(Ink::Heading, &head));
    for known in all {
        let _ = writeln!(
            page,
            "{:<22} {:<17} {:<10} {:<18} {}",
            known.name,
            known.family.name(),
            known.tier(),
            known.ports_text(),
            known.title
        );
    }
    let _ = writeln!(page, "\n{} protocols; `wirewarden protocols NAME` tells more of one", all.len());
    page
}
