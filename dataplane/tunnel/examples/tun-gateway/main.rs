//! A gateway between two TUN devices: packets of the one come out of the other sealed, and back again opened.
//!
//! The devices are standard input (the protected side) and standard output (the side of the peer), opened for reading and
//! writing without packet information. It ends when they are gone, and tells on standard error what it counted, as JSON.
//! Every so many packets it also does what an attacker on the wire would: repeats one, and sends a forged copy of one.
//! `vagrant/qemu.py esp` puts the Linux kernel's ESP behind it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "a program for people")]

mod ends;
mod flow;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::thread;

use ends::Ends;

fn main() -> ExitCode {
    match run() {
        Ok(told) => {
            eprintln!("{told}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("tun-gateway: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs both directions until a device is gone.
fn run() -> Result<String, String> {
    let ends = Ends::from_arguments(std::env::args().skip(1))?;
    let device = |fd: io::Result<std::os::fd::OwnedFd>| fd.map(File::from).map_err(|error| error.to_string());
    let inner = device(io::stdin().as_fd().try_clone_to_owned())?;
    let outer = device(io::stdout().as_fd().try_clone_to_owned())?;
    let (mut sealing, mut opening) = (ends.sealing()?, ends.opening()?);
    let (sealed, opened) = thread::scope(|scope| {
        let sealing = scope.spawn(|| flow::seal(&mut sealing, &inner, &outer, ends.every));
        let opened = flow::open(&mut opening, &outer, &inner, ends.every);
        (sealing.join(), opened)
    });
    let sealed = sealed.map_err(|_| "the sealing side panicked".to_owned())?;
    Ok(format!("{{\"sealed\": {sealed}, \"opened\": {opened}}}"))
}
