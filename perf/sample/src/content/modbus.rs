//! Modbus/TCP (MODBUS Messaging on TCP/IP Implementation Guide 1.0b).

use super::with_length;

/// A request or response: MBAP header, then the function code and its data.
#[must_use]
pub fn message(transaction: u16, unit: u8, function: u8, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(8 + data.len());
    message.extend_from_slice(&transaction.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    with_length::<2>(&mut message, |out| {
        out.extend_from_slice(&[unit, function]);
        out.extend_from_slice(data);
    });
    message
}

/// Asks for holding registers (function 3).
#[must_use]
pub fn read_holding_registers(transaction: u16, unit: u8, first: u16, count: u16) -> Vec<u8> {
    let [a, b] = first.to_be_bytes();
    let [c, d] = count.to_be_bytes();
    message(transaction, unit, 3, &[a, b, c, d])
}

/// Answers with registers (function 3).
#[must_use]
pub fn registers(transaction: u16, unit: u8, values: &[u16]) -> Vec<u8> {
    let mut data = Vec::with_capacity(1 + 2 * values.len());
    with_length::<1>(&mut data, |out| out.extend(values.iter().flat_map(|value| value.to_be_bytes())));
    message(transaction, unit, 3, &data)
}

/// Writes one register (function 6); the answer is the same message.
#[must_use]
pub fn write_register(transaction: u16, unit: u8, register: u16, value: u16) -> Vec<u8> {
    let [a, b] = register.to_be_bytes();
    let [c, d] = value.to_be_bytes();
    message(transaction, unit, 6, &[a, b, c, d])
}

/// Answers with an exception, for example 2 "illegal data address".
#[must_use]
pub fn exception(transaction: u16, unit: u8, function: u8, code: u8) -> Vec<u8> {
    message(transaction, unit, function | 0x80, &[code])
}
