//! `wirewarden token`: who may use the HTTP interface.

use api::control::{Command, Reply, Role, Tokens};
use clap::{Args, Subcommand};

use super::config::when;
use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd, print};
use crate::exit::Exit;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden token create prometheus --role viewer --expires-days 365
  wirewarden token list
  wirewarden token revoke prometheus")]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    reach: Reach,

    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; it is shown once
    #[command(after_help = "Example:\n  wirewarden token create prometheus --role viewer --expires-days 365")]
    Create {
        /// What it is called
        name: String,
        /// What its bearer may do: viewer, operator or administrator
        #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = role)]
        role: Role,
        /// Days until it is no longer good; for ever without
        #[arg(long, value_name = "DAYS")]
        expires_days: Option<u32>,
    },
    /// Those that there are
    #[command(after_help = "Example:\n  wirewarden token list -o json")]
    List,
    /// One is no longer good
    #[command(after_help = "Example:\n  wirewarden token revoke prometheus")]
    Revoke {
        /// What it is called
        name: String,
    },
}

fn role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| "viewer, operator or administrator".to_owned())
}

pub(crate) fn token(args: &TokenArgs, no_color: bool) -> Exit {
    exit(run(args, no_color))
}

fn run(args: &TokenArgs, no_color: bool) -> Result<Exit, Told> {
    let mut talk = Talk::open(&args.reach, no_color)?;
    let what = match &args.command {
        TokenCommand::Create { name, role, expires_days } => Tokens::Create {
            name: name.clone(),
            role: *role,
            expires_in_s: expires_days.map(|days| u64::from(days) * 86_400),
        },
        TokenCommand::List => Tokens::List,
        TokenCommand::Revoke { name } => Tokens::Revoke { name: name.clone() },
    };
    match talk.ask(Command::Tokens(what))? {
        Reply::TokenCreated(created) => {
            let mut table = Table::new(&[("name", Side::Left), ("token", Side::Left)]);
            table.row(vec![created.name.clone(), created.token.clone()]);
            talk.show(&created, |_| table)?;
        }
        Reply::Tokens { tokens } => {
            let mut table = Table::new(&[
                ("name", Side::Left),
                ("role", Side::Left),
                ("made", Side::Left),
                ("good until", Side::Left),
                ("by", Side::Left),
            ]);
            for token in &tokens {
                let until = token.expires_ms.map_or_else(|| "for ever".to_owned(), when);
                let (role, made) = (token.role.name().to_owned(), when(token.created_ms));
                table.row(vec![token.name.clone(), role, made, until, token.who.clone()]);
            }
            talk.show(&tokens, |_| table)?;
        }
        Reply::Done => print("done\n")?,
        _ => return odd(),
    }
    Ok(Exit::Success)
}
