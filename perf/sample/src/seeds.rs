//! Inputs to start fuzzing from, made here: the repository holds no captured data.

use std::io;

use crate::Sink;
use crate::content::tls::Group;
use crate::content::{dns, http, modbus, ssh, tls};
use crate::mixed;
use crate::pcap::PcapWriter;
use crate::random::Random;

/// One input.
#[derive(Clone, Debug)]
pub struct Seed {
    /// What it is an input for; the folder it belongs into.
    pub folder: &'static str,
    /// File name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// Every seed: `frames` are Ethernet frames, `captures` are whole files, and each other folder has what one side of
/// one application protocol says.
///
/// # Errors
/// None in practice: writing into memory does not fail.
pub fn all() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    let mut frames: Vec<(u64, Vec<u8>)> = Vec::new();
    mixed::write(&mut frames)?;
    let mut capture = PcapWriter::new(Vec::new())?;
    for (time_ns, frame) in frames.iter().take(40) {
        capture.packet(*time_ns, frame)?;
    }
    seeds.push(Seed { folder: "captures", name: "mixed.pcap".to_owned(), bytes: capture.finish()? });
    for (index, (_, bytes)) in frames.into_iter().enumerate() {
        seeds.push(Seed { folder: "frames", name: format!("{index:03}"), bytes });
    }
    for (folder, name, bytes) in messages() {
        seeds.push(Seed { folder, name: name.to_owned(), bytes });
    }
    Ok(seeds)
}

fn messages() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let random = &mut Random::new(4);
    let mut shell = ssh::banner("OpenSSH_10.0");
    shell.extend_from_slice(&ssh::kexinit(random));
    shell.extend_from_slice(&ssh::server_share(random));
    vec![
        ("tls", "hybrid-hello", tls::client_hello(random, "a.example", &["h2"], Group::X25519MlKem768)),
        ("tls", "classical-hello", tls::client_hello(random, "b.example", &["http/1.1"], Group::X25519)),
        ("tls", "server-flight", tls::server_flight(random, Group::X25519)),
        ("http", "get", http::get("a.example", "/?q=1")),
        ("http", "post", http::post("a.example", "/form", "a=b")),
        ("http", "response", http::response("200 OK", "text/html", "<p>hello</p>")),
        ("http", "chunked", http::chunked("text/plain", &["one", "two"])),
        ("dns", "query", dns::query(1, "a.example", dns::A)),
        ("dns", "no-such-name", dns::no_such_name(1, "b.example", dns::AAAA)),
        ("ssh", "kexinit", shell),
        ("modbus", "read", modbus::read_holding_registers(1, 1, 0, 8)),
        ("modbus", "registers", modbus::registers(1, 1, &[1, 2, 3])),
        ("modbus", "exception", modbus::exception(1, 1, 3, 2)),
    ]
}
