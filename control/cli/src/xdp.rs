//! `wirewarden xdp`: the XDP programs of this machine, seen from outside of the data plane.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use packet_io::xdp::{self, Action, Attached, Attachment, List, Prefix, Rate, XdpError};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct XdpArgs {
    /// Print as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: XdpCommand,
}

#[derive(Debug, Subcommand)]
enum XdpCommand {
    /// Every XDP program on an interface, ours or not, and who holds it
    #[command(after_help = "Example:\n  wirewarden xdp show --json")]
    Show,
    /// What our program did with packets, by verdict and reason
    #[command(after_help = "Example:\n  wirewarden xdp counters eth1")]
    Counters {
        /// The interface
        interface: String,
    },
    /// The lists of prefixes, and changes to them while the program runs
    #[command(
        after_help = "Example:\n  wirewarden xdp lists eth1 --deny-source 192.0.2.0/24 --allow-source 192.0.2.7"
    )]
    Lists(ListsArgs),
    /// How fast one source may send, and the share of flows that is taken
    #[command(after_help = "Example:\n  wirewarden xdp limits eth1 --rate 10000")]
    Limits(LimitsArgs),
    /// Settled flows that the kernel counts
    #[command(after_help = "Example:\n  wirewarden xdp shunts eth1 --json")]
    Shunts {
        /// The interface
        interface: String,
        /// Flows at most
        #[arg(long, value_name = "N", default_value_t = 100)]
        most: usize,
    },
    /// Take our program off an interface: all its packets go to the host
    #[command(after_help = "Example:\n  wirewarden xdp detach eth1")]
    Detach {
        /// The interface
        interface: String,
    },
}

#[derive(Debug, Args)]
struct ListsArgs {
    /// The interface
    interface: String,
    /// Drop packets from these prefixes
    #[arg(long, value_name = "PREFIX")]
    deny_source: Vec<Prefix>,
    /// Drop packets to these prefixes
    #[arg(long, value_name = "PREFIX")]
    deny_destination: Vec<Prefix>,
    /// Do not drop packets from these prefixes
    #[arg(long, value_name = "PREFIX")]
    allow_source: Vec<Prefix>,
    /// Do not drop packets to these prefixes
    #[arg(long, value_name = "PREFIX")]
    allow_destination: Vec<Prefix>,
    /// Forget these prefixes of sources
    #[arg(long, value_name = "PREFIX")]
    remove_source: Vec<Prefix>,
    /// Forget these prefixes of destinations
    #[arg(long, value_name = "PREFIX")]
    remove_destination: Vec<Prefix>,
    /// What becomes of packets from sources on no list
    #[arg(long, value_name = "ACTION", value_parser = ["allow", "deny"])]
    other_sources: Option<String>,
    /// What becomes of packets to destinations on no list
    #[arg(long, value_name = "ACTION", value_parser = ["allow", "deny"])]
    other_destinations: Option<String>,
    /// Prefixes shown at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: usize,
}

#[derive(Debug, Args)]
struct LimitsArgs {
    /// The interface
    interface: String,
    /// Packets per second of one source (an IPv4 address, an IPv6 /64); 0 lifts the limit
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Packets of one source that may come at once
    #[arg(long, value_name = "N", default_value_t = 64, requires = "rate")]
    burst: u32,
    /// Flows that are taken of 1,000,000; the others are dropped and counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    sample: Option<u32>,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden xdp show
  wirewarden xdp counters eth1
  wirewarden xdp lists eth1 --deny-source 192.0.2.0/24 --allow-source 192.0.2.7
  wirewarden xdp limits eth1 --rate 10000
  wirewarden xdp shunts eth1 --json
  wirewarden xdp detach eth1";

/// Carries out one command.
pub(crate) fn run(args: &XdpArgs) -> Exit {
    let shown = match &args.command {
        XdpCommand::Show => show(),
        XdpCommand::Counters { interface } => counters(interface),
        XdpCommand::Lists(lists) => change_lists(lists).and_then(|()| show_lists(lists)),
        XdpCommand::Limits(limits) => change_limits(limits),
        XdpCommand::Shunts { interface, most } => shunts(interface, *most),
        XdpCommand::Detach { interface } => xdp::detach(interface).map(|gone| Shown {
            text: format!("{interface}: {gone}: detached\n"),
            json: json!({ "detached": attachment_json(&gone) }),
        }),
    };
    match shown {
        Ok(shown) => print(&shown, args.json),
        Err(error) => {
            tell::error(&error.to_string());
            match error {
                XdpError::NotOurs { .. } | XdpError::NoInterface { .. } => Exit::Findings,
                _ => Exit::Unreachable,
            }
        }
    }
}

/// An answer, for people and for programs.
struct Shown {
    text: String,
    json: Value,
}

fn print(shown: &Shown, as_json: bool) -> Exit {
    let text = if as_json { format!("{:#}\n", shown.json) } else { shown.text.clone() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell::error(&format!("cannot write: {error}"));
            Exit::Findings
        }
        _ => Exit::Success,
    }
}

fn show() -> Result<Shown, XdpError> {
    let all = xdp::attachments()?;
    let mut text: String = all
        .iter()
        .map(|one| {
            let whose = match (one.is_known, one.is_ours()) {
                (false, _) => "unknown",
                (true, true) => "ours",
                (true, false) => "another's",
            };
            format!("{:<15} {whose}: {one}\n", one.interface)
        })
        .collect();
    if text.is_empty() {
        text = "no interface has an XDP program\n".to_owned();
    }
    Ok(Shown { text, json: all.iter().map(attachment_json).collect() })
}

fn attachment_json(one: &Attachment) -> Value {
    let owners: Vec<Value> =
        one.owners.iter().map(|(pid, command)| json!({ "pid": pid, "command": command })).collect();
    json!({
        "interface": one.interface,
        "mode": one.mode.to_string(),
        "program": one.program,
        "name": one.name,
        "dispatcher": one.dispatcher,
        // None where it cannot be seen.
        "ours": one.is_known.then(|| one.is_ours()),
        "owners": owners,
    })
}

fn counters(interface: &str) -> Result<Shown, XdpError> {
    let attached = Attached::open(interface)?;
    let counters = attached.state().counters()?;
    let mut text = format!("{:<9} {:<22} {:>16} {:>20}\n", "verdict", "reason", "packets", "bytes");
    let mut all = Vec::new();
    for (reason, count) in counters.iter() {
        let (verdict, name) = (reason.verdict().name(), reason.name());
        if count.packets > 0 {
            text.push_str(&format!("{verdict:<9} {name:<22} {:>16} {:>20}\n", count.packets, count.bytes));
        }
        all.push(
            json!({ "verdict": verdict, "reason": name, "packets": count.packets, "bytes": count.bytes }),
        );
    }
    text.push_str(&format!("{:<32} {:>16}\n", "total", counters.total()));
    Ok(Shown { text, json: json!({ "interface": interface, "counters": all, "packets": counters.total() }) })
}

fn change_lists(args: &ListsArgs) -> Result<(), XdpError> {
    let mut attached = Attached::open(&args.interface)?;
    let state = attached.state_mut();
    for (list, action, prefixes) in [
        (List::Source, Action::Deny, &args.deny_source),
        (List::Destination, Action::Deny, &args.deny_destination),
        (List::Source, Action::Allow, &args.allow_source),
        (List::Destination, Action::Allow, &args.allow_destination),
    ] {
        for prefix in prefixes {
            state.list(list, *prefix, action)?;
        }
    }
    for (list, prefixes) in
        [(List::Source, &args.remove_source), (List::Destination, &args.remove_destination)]
    {
        for prefix in prefixes {
            if !state.unlist(list, *prefix)? {
                tell::error(&format!("{prefix} is not on the list of {list}s"));
            }
        }
    }
    for (list, others) in [(List::Source, &args.other_sources), (List::Destination, &args.other_destinations)]
    {
        if let Some(others) = others {
            state.set_others(list, if others == "deny" { Action::Deny } else { Action::Allow })?;
        }
    }
    Ok(())
}

fn show_lists(args: &ListsArgs) -> Result<Shown, XdpError> {
    let attached = Attached::open(&args.interface)?;
    let (mut text, mut all) = (String::new(), Vec::new());
    for list in [List::Source, List::Destination] {
        let others = attached.state().others(list)?;
        text.push_str(&format!("{list}s on no list: {others}\n"));
        for (prefix, action) in attached.state().entries(list, args.most)? {
            text.push_str(&format!("{action:<6} {list:<12} {prefix}\n"));
            all.push(json!({ "list": list.to_string(), "action": action.to_string(), "prefix": prefix.to_string() }));
        }
    }
    Ok(Shown { text, json: json!({ "interface": args.interface, "prefixes": all }) })
}

fn change_limits(args: &LimitsArgs) -> Result<Shown, XdpError> {
    let mut attached = Attached::open(&args.interface)?;
    let state = attached.state_mut();
    if let Some(rate) = args.rate {
        let rate = (rate > 0).then_some(Rate { packets_per_second: rate, burst: args.burst });
        state.set_rate(rate)?;
    }
    if let Some(sample) = args.sample {
        state.set_sample(sample)?;
    }
    let (rate, sample) = (state.rate()?, state.sample()?);
    let text = match rate {
        None => format!("no limit per source; {sample} of 1,000,000 flows are taken\n"),
        Some(rate) => format!(
            "{} packets per second and source, {} at once; {sample} of 1,000,000 flows are taken\n",
            rate.packets_per_second, rate.burst
        ),
    };
    let rate = rate.map(|rate| json!({ "packets_per_second": rate.packets_per_second, "burst": rate.burst }));
    Ok(Shown { text, json: json!({ "interface": args.interface, "rate": rate, "sample": sample }) })
}

fn shunts(interface: &str, most: usize) -> Result<Shown, XdpError> {
    let attached = Attached::open(interface)?;
    let (mut text, mut all) = (String::new(), Vec::new());
    for (key, shunt) in attached.state().shunts(most) {
        let (lower, upper) = (key.lower.ip(key.kind), key.upper.ip(key.kind));
        let [from_lower, from_upper] = shunt.packets;
        let [bytes_lower, bytes_upper] = shunt.bytes;
        text.push_str(&format!(
            "{lower} {} {upper} {} protocol {}: {from_lower} + {from_upper} packets, {bytes_lower} + {bytes_upper} bytes\n",
            key.lower_port, key.upper_port, key.protocol
        ));
        all.push(json!({
            "addresses": [lower.to_string(), upper.to_string()],
            "ports": [key.lower_port, key.upper_port],
            "protocol": key.protocol,
            "packets": shunt.packets,
            "bytes": shunt.bytes,
        }));
    }
    if text.is_empty() {
        text = "no flow is shunted\n".to_owned();
    }
    Ok(Shown { text, json: json!({ "interface": interface, "shunts": all }) })
}
