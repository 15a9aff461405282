//! `wirewarden pki`: a small authority for tunnels: keys, certificates, revocation lists.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueHint};
use exchange::pki::{
    Authority, CertificateFacts, Init, KeyKind, PkiError, Renewal, Validity, facts_of, is_due,
    read_certificates,
};
use exchange::primitive::Backend;
use exchange::profile::Profile;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PkiArgs {
    /// Folder of the authority
    #[arg(long, global = true, value_name = "DIR", default_value = "/etc/wirewarden/pki", value_hint = ValueHint::DirPath)]
    dir: PathBuf,

    /// Print as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(Debug, Subcommand)]
enum PkiCommand {
    /// Make an authority: its keys, its certificate and an empty revocation list
    #[command(after_help = "Example:\n  wirewarden pki init 'Plant CA' --classical ed25519")]
    Init(InitArgs),
    /// Make a peer's keys and the first certificate for them
    #[command(after_help = "Example:\n  wirewarden pki issue west.plant.example")]
    Issue(IssueArgs),
    /// Make new keys and a new certificate for a peer, from two thirds of the old one's life on
    #[command(after_help = "Example:\n  wirewarden pki renew west.plant.example")]
    Renew(RenewArgs),
    /// Revoke the certificate that a peer has now; without a name only make the revocation list anew
    #[command(after_help = "Example:\n  wirewarden pki revoke west.plant.example")]
    Revoke {
        /// The peer
        name: Option<String>,
    },
    /// Tell what is in certificates, and the hash by which their keys are pinned
    #[command(
        after_help = "Example:\n  wirewarden pki show /etc/wirewarden/pki/west.plant.example.crt --json"
    )]
    Show {
        /// Certificates (PEM)
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct InitArgs {
    /// Name of the authority
    name: String,
    /// Profile whose signature is used where --key says nothing: cnsa2, balanced or constrained
    #[arg(long, default_value = "cnsa2")]
    profile: Profile,
    /// Kind of its key: ml-dsa-44, -65, -87, or by hashes alone slh-dsa-sha2-128s, -192s, -256s
    #[arg(long, value_name = "KIND")]
    key: Option<KeyKind>,
    /// Also a classical authority, for `mldsa+classical`: ed25519 or ecdsa-p384
    #[arg(long, value_name = "KIND")]
    classical: Option<KeyKind>,
    /// Years until its certificate expires
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=30))]
    years: u16,
}

#[derive(Debug, Args)]
struct IssueArgs {
    /// The peer: a DNS name, under which the others know it
    name: String,
    /// Profile whose signature is used: cnsa2, balanced or constrained
    #[arg(long, default_value = "cnsa2")]
    profile: Profile,
    /// Days until the certificate expires
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=825))]
    days: u16,
}

#[derive(Debug, Args)]
struct RenewArgs {
    /// The peer
    name: String,
    /// Now, whether it is due or not
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden pki init 'Plant CA' --classical ed25519
  wirewarden pki issue west.plant.example
  wirewarden pki renew west.plant.example
  wirewarden pki revoke west.plant.example
  wirewarden pki show /etc/wirewarden/pki/west.plant.example.crt --json";

/// Carries out one command.
pub(crate) fn run(args: &PkiArgs) -> Exit {
    match carry_out(args) {
        Ok(printed) => {
            // A reader that went away has seen enough.
            let _ = io::stdout().lock().write_all(printed.as_bytes());
            Exit::Success
        }
        Err(error) => {
            tell::error(&error.to_string());
            exit_of(&error)
        }
    }
}

fn carry_out(args: &PkiArgs) -> Result<String, PkiError> {
    let (folder, now) = (args.dir.as_path(), SystemTime::now());
    let open = || Authority::open(folder, Backend::default());
    match &args.command {
        PkiCommand::Init(init) => {
            let made = Authority::init(folder, &wanted(init), Backend::default(), now)?;
            let facts = made.certificates().map(facts_of).collect::<Result<Vec<_>, _>>()?;
            Ok(shown(args, &folder.join("ca.crt"), &facts, now))
        }
        PkiCommand::Issue(issue) => {
            let lifetime = DAY * u32::from(issue.days);
            let validity = Validity { key: KeyKind::MlDsa(issue.profile.signature()), lifetime };
            let issued = open()?.issue(&issue.name, validity, now)?;
            Ok(shown(args, &issued.file, &issued.certificates, now))
        }
        PkiCommand::Renew(renew) => {
            let renewal = if renew.force { Renewal::Now } else { Renewal::WhenDue };
            let issued = open()?.renew(&renew.name, renewal, now)?;
            Ok(shown(args, &issued.file, &issued.certificates, now))
        }
        PkiCommand::Revoke { name } => {
            let authority = open()?;
            match name {
                Some(name) => authority.revoke(name, now)?,
                None => authority.refresh(now)?,
            }
            let lists = folder.join("ca.crl");
            Ok(if args.json {
                format!("{}\n", json!({ "file": lists, "revoked": name }))
            } else {
                format!("{}: give it to every peer\n", lists.display())
            })
        }
        PkiCommand::Show { files } => {
            let mut printed = String::new();
            for file in files {
                let facts = read_certificates(file)?.iter().map(facts_of).collect::<Result<Vec<_>, _>>()?;
                printed.push_str(&shown(args, file, &facts, now));
            }
            Ok(printed)
        }
    }
}

fn wanted(init: &InitArgs) -> Init<'_> {
    Init {
        name: &init.name,
        key: init.key.unwrap_or(KeyKind::MlDsa(init.profile.signature())),
        classical: init.classical,
        lifetime: DAY * 365 * u32::from(init.years),
    }
}

fn shown(args: &PkiArgs, file: &Path, certificates: &[CertificateFacts], now: SystemTime) -> String {
    if args.json {
        let certificates: Vec<Value> = certificates.iter().map(|facts| as_json(facts, now)).collect();
        return format!("{}\n", json!({ "file": file, "certificates": certificates }));
    }
    let mut text = format!("{}\n", file.display());
    for facts in certificates {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "  {}, issued by {}\n    serial  {}\n    valid   {} to {}\n    pin     {}\n",
            facts.subject,
            facts.issuer,
            facts.serial,
            date(facts.from),
            date(facts.until),
            facts.spki,
        );
    }
    text
}

fn as_json(facts: &CertificateFacts, now: SystemTime) -> Value {
    json!({
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "from": date(facts.from),
        "until": date(facts.until),
        "pin": facts.spki.to_string(),
        "due": is_due(facts, now),
    })
}

fn date(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}

fn exit_of(error: &PkiError) -> Exit {
    match error {
        PkiError::NotDue { .. } => Exit::Findings,
        PkiError::Name { .. } | PkiError::Key | PkiError::Exists { .. } => Exit::Usage,
        _ => Exit::Unreachable,
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
