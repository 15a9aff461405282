mod builtin;
mod errors;
mod scanning;

use super::*;
use crate::protocols::{Earlier, Probe};
use crate::record::Direction;

/// A file of one signature, with what a test is not about filled in.
fn file(signature: &str) -> SignatureFile {
    let text = format!(
        "id = \"probe\"\ntitle = \"Probe\"\nfamily = \"network\"\nexposure = \"cleartext\"\nsource = \"here\"\n\
         carriers = [\"tcp\", \"udp\"]\n[[signature]]\nconfidence = 90\n{signature}\n"
    );
    SignatureFile { path: "network/probe.toml".to_owned(), text: text.into(), overrides: false }
}

fn set_of(signature: &str) -> SignatureSet {
    SignatureSet::from_files(&[file(signature)]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn probe(payload: &[u8], carrier: Carrier, from: Direction) -> Probe<'_> {
    Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap(),
        from,
        carrier,
        source_port: 40000,
        destination_port: 9,
        destination: None,
        earlier: &[],
        midstream: false,
    }
}

fn to_server(payload: &[u8]) -> Probe<'_> {
    probe(payload, Carrier::Tcp, Direction::ToServer)
}

/// What one signature says of one probe.
fn scan(signature: &str, probe: &Probe<'_>) -> Option<SignatureMatch> {
    let set = set_of(signature);
    Scanner::new(&set).unwrap().scan(&set, probe)
}

const fn earlier(bytes: &[u8], from: Direction) -> Earlier<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "payloads of tests are short")]
    let len = bytes.len() as u32;
    Earlier { from, bytes, len }
}
