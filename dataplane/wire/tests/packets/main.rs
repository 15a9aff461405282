//! Whole frames through [`wire::Headers::parse`]: one sample of each link type and encapsulation, what is malformed,
//! and what must hold for any bytes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise, and cut packets they made themselves"
)]

mod builder;
mod checksums;
mod flows;
mod fragments;
mod malformed;
mod properties;
mod samples;
mod walk;

use wire::{Headers, LinkType, Malformed, ParseOptions};

/// What a frame says that was captured whole.
fn parse(link: LinkType, frame: &[u8]) -> Result<Headers, Malformed> {
    parse_with(link, frame, &ParseOptions::default())
}

fn parse_with(link: LinkType, frame: &[u8], options: &ParseOptions) -> Result<Headers, Malformed> {
    let mut headers = Headers::default();
    headers.parse(frame, u32::try_from(frame.len()).unwrap(), link, options)?;
    Ok(headers)
}

/// What an Ethernet frame says that was captured whole.
fn ethernet(frame: &[u8]) -> Headers {
    parse(LinkType::Ethernet, frame).unwrap()
}

fn payload<'a>(headers: &Headers, frame: &'a [u8]) -> &'a [u8] {
    let start = headers.payload_offset as usize;
    &frame[start..start + headers.payload_len as usize]
}

fn ports(headers: &Headers) -> [u16; 2] {
    [headers.key.port(headers.sender), headers.key.port(headers.sender.opposite())]
}
