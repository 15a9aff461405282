//! A data connection of FTP (RFC 959, 3.2), which its control connection announced: what it is for, not what it says.

use super::{Carrier, Expected, Exposure, Family, Input, Opening, Output, Parser, Progress, Protocol};

/// A data connection of FTP.
pub static FTP_DATA: Protocol = Protocol {
    name: "ftp_data",
    title: "FTP (data)",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp],
    ports: &[20],
    exposure: Exposure::Cleartext,
    opening: Opening::any(1),
    probe: None,
    parser: Some(|| Box::new(FtpData::default())),
    events: &["ftp_data"],
    source: "RFC 959, RFC 2428",
};

/// A data connection.
#[derive(Debug, Default)]
struct FtpData {
    expected: Option<(Expected, u64)>,
}

impl Parser for FtpData {
    fn reset(&mut self) {
        self.expected = None;
    }

    fn expected(&mut self, expected: &Expected, parent: u64) {
        self.expected = Some((expected.clone(), parent));
    }

    fn read(&mut self, _: Input<'_>, out: &mut Output<'_>) -> Progress {
        if let Some((expected, parent)) = self.expected.take() {
            let mut event = out.event("ftp_data");
            let subject = &expected.subject;
            if !subject.command().is_empty() {
                event.label("command", subject.command());
            }
            if !subject.name().is_empty() {
                event.text("filename", subject.name());
            }
            event.number("control_flow_id", parent);
        }
        Progress::done()
    }
}
