//! Changes sealed packets in as many random ways as wanted (10,000,000 unless said), of which none may be opened:
//! `cargo run --release -p tunnel --example forgery -- COUNT SEED`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod forger;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map_while(|argument| argument.parse::<u64>().ok());
    let count = numbers.next().unwrap_or(10_000_000);
    match forger::run(numbers.next().unwrap_or(1), count) {
        Ok(tally) => {
            println!("{tally}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
