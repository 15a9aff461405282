//! Messages put together from their fields.

/// An element of BER.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag];
    if content.len() < 128 {
        bytes.push(content.len() as u8);
    } else {
        bytes.push(0x82);
        bytes.extend((content.len() as u16).to_be_bytes());
    }
    bytes.extend(content);
    bytes
}

/// An INTEGER in a tag of its own.
pub(crate) fn number(tag: u8, value: u8) -> Vec<u8> {
    element(tag, &[&[2, 1, value]])
}

/// Words of 32 bits, big-endian.
pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Bytes behind their length, padded to words (RFC 4506, 4.10).
pub(crate) fn opaque(text: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[text.len() as u32]);
    bytes.extend(text);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A message of SIP.
pub(crate) fn sip(start: &str, cseq: &str, body: &str) -> Vec<u8> {
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nFrom: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: a84b4c76e66710\r\nCSeq: {cseq}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
