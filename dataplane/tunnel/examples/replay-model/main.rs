//! Runs the replay window against its model for as many random operations as wanted (100,000,000 unless said):
//! `cargo run --release -p tunnel --example replay-model -- OPERATIONS SEED`.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod model;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map_while(|argument| argument.parse::<u64>().ok());
    let operations = numbers.next().unwrap_or(100_000_000);
    let seed = numbers.next().unwrap_or(1);
    match model::run(seed, operations) {
        Ok(tally) => {
            println!("{tally}, 0 differences");
            ExitCode::SUCCESS
        }
        Err(difference) => {
            eprintln!("seed {seed}: {difference}");
            ExitCode::FAILURE
        }
    }
}
