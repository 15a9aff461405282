//! `wirewarden`: the program people type.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod bundle;
mod check;
mod compiled;
mod doctor;
mod exit;
mod explain;
mod figures;
mod inspect;
mod live;
mod look;
mod man;
mod pki;
mod progress;
mod protocols;
mod run;
mod selftest;
mod signatures;
mod stop;
mod summary;
mod tell;
mod top;
mod trace;
mod tune;
#[cfg(feature = "xdp")]
mod xdp;
mod xfrm;

use std::io;
use std::process::ExitCode;

use api::control::Command as Ask;
use clap::{CommandFactory, Parser};

use args::{Cli, Command, CompletionsArgs};
use exit::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Inspect(_) | Command::Run(_) | Command::Bench(_)) {
        runner::restart_with_huge_heap();
    }
    match &cli.command {
        Command::Inspect(args) => inspect::run(args, cli.no_color).into(),
        Command::Explain(args) => explain::run(args, cli.no_color).into(),
        Command::Trace(args) => trace::run(args, cli.no_color).into(),
        Command::Protocols(args) => protocols::run(args, cli.no_color).into(),
        Command::Signatures(args) => signatures::run(args, cli.no_color).into(),
        Command::Run(args) => run::run(args).into(),
        Command::Check(args) => check::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Tune(args) => tune::run(args).into(),
        Command::Bundle(args) => bundle::run(args, cli.no_color).into(),
        Command::Bench(args) => bench::run(args).into(),
        Command::Status(args) => live::status(args, cli.no_color).into(),
        Command::Top(args) => top::run(args, cli.no_color).into(),
        Command::Stats(args) => live::stats(args, cli.no_color).into(),
        Command::Drops(args) => live::drops(args, cli.no_color).into(),
        Command::Flows(args) => live::flows(args, cli.no_color).into(),
        Command::Traffic(args) => live::traffic(args, cli.no_color).into(),
        Command::Observe(args) => live::observe(args, cli.no_color).into(),
        Command::Config(args) => live::config(args, cli.no_color).into(),
        Command::Token(args) => live::token(args, cli.no_color).into(),
        Command::Restart(args) => live::say(args, Ask::Restart, cli.no_color).into(),
        Command::Stop(args) => live::say(args, Ask::Stop, cli.no_color).into(),
        #[cfg(feature = "xdp")]
        Command::Xdp(args) => xdp::run(args).into(),
        Command::Tunnel(args) => live::tunnel(args, cli.no_color).into(),
        Command::Pki(args) => pki::run(args).into(),
        Command::Selftest(args) => selftest::run(args).into(),
        Command::Completions(args) => completions(args).into(),
        Command::Man(args) => man::run(args).into(),
    }
}

fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wirewarden", &mut script);
    match io::Write::write_all(&mut io::stdout().lock(), &script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell::error(&format!("cannot write the completions: {error}"));
            Exit::Findings
        }
        _ => Exit::Success,
    }
}
