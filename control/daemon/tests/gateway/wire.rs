//! What is on the wire between the gateways, as tshark sees it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use crate::network::Network;

/// A capture on its way.
pub(crate) struct Capture {
    file: PathBuf,
    tshark: Child,
}

/// Frames of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) esp: usize,
    pub(crate) arp: usize,
    /// TCP of the key exchange.
    pub(crate) exchange: usize,
    /// What tshark says of the others.
    pub(crate) others: Vec<String>,
}

impl Capture {
    /// None, said so, without tshark.
    pub(crate) fn start(network: &Network, folder: &Path) -> Option<Self> {
        let file = folder.join("wire.pcapng");
        let mut tshark = network.inside("wire", "tshark");
        tshark.args(["-q", "-i", "side0", "-w"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(tshark) = tshark.spawn() else {
            eprintln!("SKIPPED: no tshark");
            return None;
        };
        Some(Self { file, tshark })
    }

    /// Ends it; what was seen.
    pub(crate) fn end(mut self) -> Frames {
        // It writes what it has when it is told to end.
        let told = Process::new("kill").arg("-INT").arg(self.tshark.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()));
        self.tshark.wait().unwrap();
        let mut read = Process::new("tshark");
        read.arg("-r").arg(&self.file).args([
            "-T",
            "fields",
            "-e",
            "eth.type",
            "-e",
            "ip.proto",
            "-e",
            "tcp.port",
            "-e",
            "_ws.col.Info",
        ]);
        let output = read.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut frames = Frames::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<&str> = line.splitn(4, '\t').collect();
            match words.as_slice() {
                ["0x0800", "50", ..] => frames.esp += 1,
                ["0x0806", ..] => frames.arp += 1,
                ["0x0800", "6", ports, ..] if ports.split(',').any(|port| port == "4510") => {
                    frames.exchange += 1
                }
                _ => frames.others.push(line.to_owned()),
            }
        }
        frames
    }
}
