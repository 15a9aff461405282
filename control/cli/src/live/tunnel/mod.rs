//! `wirewarden tunnel`: keys and counters of tunnels.

mod check;

use std::path::PathBuf;
use std::time::Duration;

use api::control::{Command, Health, Reply, Rotation, TunnelRow, TunnelState, TunnelTable};
use clap::{Args, Subcommand, ValueHint};

use super::config::when;
use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd};
use crate::exit::Exit;
use crate::figures;
use crate::xfrm::{self, ExportArgs, ImportArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden tunnel show
  wirewarden tunnel peers -o csv
  wirewarden tunnel rotate west.plant.example
  wirewarden tunnel check")]
pub(crate) struct TunnelArgs {
    #[command(flatten)]
    reach: Reach,

    #[command(subcommand)]
    command: TunnelCommand,
}

#[derive(Debug, Subcommand)]
enum TunnelCommand {
    /// Each peer: its keys, what was sealed and opened, what was dropped; exits with 1 where one has no keys
    #[command(after_help = SHOW)]
    Show {
        /// Also what happened last, and connections that were refused
        #[arg(long, short = 'e')]
        events: bool,
    },
    /// Each peer: where it is, what is behind it, how it is trusted
    #[command(after_help = PEERS)]
    Peers,
    /// Negotiate new keys by a full handshake, now; traffic goes on meanwhile
    #[command(after_help = ROTATE)]
    Rotate {
        /// With this peer; with all of them without
        peer: Option<String>,
        /// By resumption with a fresh key exchange, as when keys are due, without certificates
        #[arg(long)]
        resume: bool,
    },
    /// Look at everything that keys need: identity, authority, revocation list, clock, profile, each peer; and say what mends it
    #[command(after_help = CHECK)]
    Check {
        /// A configuration file; the running configuration without
        #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// Do not connect to peers
        #[arg(long)]
        offline: bool,
    },
    /// Take the place of the data plane on a Linux host: give the keys that the daemon agrees on to the host's own kernel
    #[command(after_help = EXPORT)]
    ExportXfrm(ExportArgs),
    /// Give the data plane the keys that an IKE daemon agrees on, out of the kernel of that daemon's network namespace
    #[command(after_help = IMPORT)]
    ImportXfrm(ImportArgs),
}

const SHOW: &str = "\
Examples:
  wirewarden tunnel show
  wirewarden tunnel show --events
  wirewarden tunnel show -o json | jq '.peers[] | {peer, state, key_age_ms}'";

const PEERS: &str = "\
Examples:
  wirewarden tunnel peers
  wirewarden tunnel peers -o csv";

const ROTATE: &str = "\
Examples:
  wirewarden tunnel rotate
  wirewarden tunnel rotate west.plant.example
  wirewarden tunnel rotate --resume";

const CHECK: &str = "\
Examples:
  sudo wirewarden tunnel check
  sudo wirewarden tunnel check -c gateway.toml --offline
  sudo wirewarden tunnel check -o json | jq '.findings[] | select(.state != \"ok\")'

A peer is connected to as if for keys, and left before there are any: it counts that as `closed_early`. Exits with 1 where
something is wrong.";

const EXPORT: &str = "\
Examples:
  sudo wirewarden tunnel export-xfrm -c host.toml
  sudo wirewarden tunnel export-xfrm --clear

Runs beside `wirewardend --external -c host.toml`. Policies are in place before there are keys, and stay when this ends: what
they are about is dropped then, until `--clear`. The kernel is the only sender of its SAs. Peers have `framing = \"ip\"`, an
`address`, and no `udp_encapsulation`.";

const IMPORT: &str = "\
Examples:
  sudo wirewarden tunnel import-xfrm --netns ike
  sudo wirewarden tunnel import-xfrm --netns ike -c gateway.toml --control /run/wirewarden/dataplane.sock

Takes SAs of aes256gcm16-esn in tunnel mode that are made while it looks, each once, and tears them down where the kernel
has ever used one: a key has one sender. The namespace of the IKE daemon must not forward packets. When it ends, the data
plane wipes these keys.";

pub(crate) fn tunnel(args: &TunnelArgs, no_color: bool) -> Exit {
    exit(run(args, no_color))
}

fn run(args: &TunnelArgs, no_color: bool) -> Result<Exit, Told> {
    if let TunnelCommand::Check { config, offline } = &args.command {
        let contact = if *offline { check::Contact::None } else { check::Contact::Peers };
        return check::run(&args.reach, config.as_deref(), contact, no_color);
    }
    match &args.command {
        TunnelCommand::ExportXfrm(args) => return Ok(xfrm::export(args)),
        TunnelCommand::ImportXfrm(import) => {
            let config = check::configuration(&args.reach, import.config.as_deref(), no_color)?;
            return Ok(xfrm::import(import, &config.live.tunnel));
        }
        _ => {}
    }
    let mut talk = Talk::open(&args.reach, no_color)?;
    match &args.command {
        TunnelCommand::Rotate { peer, resume } => {
            let by = if *resume { Rotation::Resumption } else { Rotation::Handshake };
            let Reply::Rotating { peers } = talk.ask(Command::TunnelRotate { peer: peer.clone(), by })?
            else {
                return odd();
            };
            let mut table = Table::new(&[]);
            table.note(format!("new keys are negotiated with {}", peers.join(", ")));
            talk.show(&peers, |_| table)?;
            Ok(Exit::Success)
        }
        command => {
            let Reply::Tunnels(tunnels) = talk.ask(Command::Tunnels)? else { return odd() };
            talk.show(&tunnels, |_| match command {
                TunnelCommand::Show { events } => shown(&tunnels, *events),
                _ => peers(&tunnels),
            })?;
            Ok(if is_well(&tunnels) { Exit::Success } else { Exit::Findings })
        }
    }
}

fn is_well(tunnels: &TunnelTable) -> bool {
    let has_keys = |row: &TunnelRow| matches!(row.state, TunnelState::Up | TunnelState::Old);
    tunnels.health != Health::Failed && tunnels.peers.iter().all(has_keys)
}

fn shown(tunnels: &TunnelTable, with_events: bool) -> Table {
    let mut table = Table::new(&[
        ("peer", Side::Left),
        ("state", Side::Left),
        ("group", Side::Left),
        ("signature", Side::Left),
        ("cipher", Side::Left),
        ("handshake", Side::Right),
        ("keys", Side::Right),
        ("received", Side::Right),
        ("sent", Side::Right),
        ("replay", Side::Right),
        ("forged", Side::Right),
        ("dropped", Side::Right),
        ("rekeys", Side::Right),
    ]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for row in &tunnels.peers {
        let counters = &row.counters;
        table.row(vec![
            row.peer.clone(),
            row.state.name().to_owned(),
            or_dash(&row.group),
            or_dash(&row.signature),
            or_dash(&row.cipher),
            age(row.handshake_age_ms),
            age(row.key_age_ms),
            figures::bytes(counters.rx_bytes),
            figures::bytes(counters.tx_bytes),
            figures::count(counters.replay_drops),
            figures::count(counters.auth_drops),
            figures::count(counters.other_drops),
            figures::count(row.rekeys),
        ]);
    }
    notes(tunnels, &mut table);
    if with_events {
        for (reason, count) in &tunnels.refusals {
            table.note(format!("refused connections, {reason}: {count}"));
        }
        for event in &tunnels.events {
            let peer = event.peer.as_deref().unwrap_or("-");
            let detail = event.detail.as_deref().unwrap_or_default();
            table.note(format!("{}  {:<11} {peer}  {detail}", when(event.at_ms), event.what));
        }
    }
    table
}

fn notes(tunnels: &TunnelTable, table: &mut Table) {
    if tunnels.peers.is_empty() && tunnels.reason.is_none() {
        table.note("no tunnels: the configuration has no `live.tunnel` with peers (docs/gateway.md)");
        return;
    }
    if let Some(identity) = &tunnels.identity {
        let listen = tunnels.listen.as_ref().map_or_else(String::new, |at| format!(", listening at {at}"));
        let due = if identity.due { ", to be renewed" } else { "" };
        table.note(format!(
            "we are {} with {}, certificate until {}{due}{listen}",
            identity.subject,
            identity.signature,
            when(identity.until_ms)
        ));
    }
    if let Some(reason) = &tunnels.reason {
        table.note(format!("{}: {reason}", tunnels.health.name()));
    }
    for row in tunnels.peers.iter().filter(|row| row.state == TunnelState::Down) {
        let why = row.last_refusal.as_ref().map_or_else(
            || "nobody has refused anybody".to_owned(),
            |refusal| format!("the last session was refused: {refusal}"),
        );
        table.note(format!("{} has no keys; {why}: `wirewarden tunnel check` looks at it", row.peer));
    }
}

fn peers(tunnels: &TunnelTable) -> Table {
    let mut table = Table::new(&[
        ("peer", Side::Left),
        ("address", Side::Left),
        ("keys from", Side::Left),
        ("behind it", Side::Left),
        ("carries", Side::Left),
        ("mtu", Side::Right),
        ("profile", Side::Left),
        ("proof", Side::Left),
        ("pin", Side::Left),
        ("refused", Side::Right),
        ("last refusal", Side::Left),
    ]);
    for row in &tunnels.peers {
        let or = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
        table.row(vec![
            row.peer.clone(),
            or(&row.address, "where it sends from"),
            or(&row.exchange, "it calls"),
            row.prefixes.join(" "),
            row.framing.clone(),
            row.path_mtu.to_string(),
            row.profile.clone(),
            row.auth.clone(),
            // Enough to be told from others; JSON has all of it.
            row.pin.as_ref().and_then(|pin| pin.get(..16)).map_or_else(|| "-".to_owned(), str::to_owned),
            figures::count(row.refused),
            or(&row.last_refusal, "-"),
        ]);
    }
    notes(tunnels, &mut table);
    table
}

fn age(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| figures::duration(Duration::from_millis(ms)))
}

#[cfg(test)]
mod tests {
    use api::control::{TunnelCounters, TunnelEvent, TunnelIdentity};

    use super::*;
    use crate::look::{Characters, Colours, Look};

    const PLAIN: Look = Look { width: 120, colours: Colours::None, characters: Characters::Ascii };

    fn tunnels() -> TunnelTable {
        let up = TunnelRow {
            peer: "west".to_owned(),
            state: TunnelState::Up,
            group: Some("X25519MLKEM768".to_owned()),
            signature: Some("ML-DSA-65".to_owned()),
            cipher: Some("AES-256-GCM".to_owned()),
            pin: Some("ab".repeat(48)),
            key_age_ms: Some(61_000),
            handshake_age_ms: Some(3_600_000),
            rekeys: 5,
            counters: TunnelCounters { rx_bytes: 1_500_000, auth_drops: 3, ..TunnelCounters::default() },
            ..TunnelRow::default()
        };
        let down = TunnelRow {
            peer: "north".to_owned(),
            last_refusal: Some("policy".to_owned()),
            refused: 4,
            ..TunnelRow::default()
        };
        TunnelTable {
            health: Health::Degraded,
            reason: Some("no keys with north".to_owned()),
            identity: Some(TunnelIdentity {
                subject: "CN=east".to_owned(),
                due: true,
                ..TunnelIdentity::default()
            }),
            peers: vec![down, up],
            refusals: [("malformed".to_owned(), 7)].into(),
            events: vec![TunnelEvent {
                what: "up".to_owned(),
                peer: Some("west".to_owned()),
                ..TunnelEvent::default()
            }],
            ..TunnelTable::default()
        }
    }

    #[test]
    fn a_peer_is_a_line_and_one_without_keys_says_why() {
        let text = shown(&tunnels(), false).to_text(&PLAIN);
        let west = text.lines().find(|line| line.starts_with("west")).unwrap();
        for part in
            ["up", "X25519MLKEM768", "ML-DSA-65", "AES-256-GCM", "1 h 0 m", "1 m 1 s", "1.50 MB", "3", "5"]
        {
            assert!(west.contains(part), "{part}: {west}");
        }
        assert!(text.contains("north has no keys; the last session was refused: policy"), "{text}");
        assert!(
            text.contains("CN=east") && text.contains("to be renewed") && !text.contains("malformed"),
            "{text}"
        );
        let text = shown(&tunnels(), true).to_text(&PLAIN);
        assert!(text.contains("refused connections, malformed: 7") && text.contains("1970-01-01"), "{text}");
        assert!(!is_well(&tunnels()));
        assert!(peers(&tunnels()).to_text(&PLAIN).contains("abababababababab "));
    }

    #[test]
    fn without_tunnels_it_says_where_they_would_be() {
        let text = shown(&TunnelTable::default(), false).to_text(&PLAIN);
        assert!(text.starts_with("no tunnels") && is_well(&TunnelTable::default()), "{text}");
    }
}
