//! Operational, financial, medical and mainframe protocols as conversations: what the specifications show, the same cut
//! anywhere, bytes of no good will, and captures as another dissector reads them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod ads;
mod bacnet;
mod captures;
mod conformance;
mod dicom;
mod dnp3;
mod drda;
mod enip;
mod fieldbus;
mod fins;
mod fix;
mod hart_ip;
mod hl7;
mod ibm_mq;
mod iec104;
mod iso8583;
mod knx;
mod mms;
mod modbus;
mod opcua;
mod s7comm;
mod swift;
mod synchrophasor;
mod talk;
mod telnet;
mod tshark;

#[path = "../support"]
mod support {
    //! Captures, shared with other tests.

    pub(crate) mod capture;
    #[expect(dead_code, reason = "other tests ask for the events of one type")]
    pub(crate) mod json;
    pub(crate) mod tcp;
}

use engine::protocols::{Carrier, Protocol};
use talk::Turn;

/// A conversation that shows much of a protocol.
pub(crate) struct Sample {
    pub(crate) protocol: &'static Protocol,
    pub(crate) carrier: Carrier,
    pub(crate) turns: Vec<Turn>,
}

/// Conversations of every protocol here, for the tests that hold for all of them.
fn samples() -> Vec<Sample> {
    let all = [
        ads::samples(),
        bacnet::samples(),
        dicom::samples(),
        dnp3::samples(),
        drda::samples(),
        enip::samples(),
        fieldbus::samples(),
        fins::samples(),
        fix::samples(),
        hart_ip::samples(),
        hl7::samples(),
        ibm_mq::samples(),
        iec104::samples(),
        iso8583::samples(),
        knx::samples(),
        mms::samples(),
        modbus::samples(),
        opcua::samples(),
        s7comm::samples(),
        swift::samples(),
        synchrophasor::samples(),
        telnet::samples(),
    ];
    all.into_iter().flatten().collect()
}

/// Bytes written as hexadecimal digits; blanks do not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits: {text}");
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
