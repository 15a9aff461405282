//! Identification strings (RFC 4253, 4.2): `SSH-protoversion-softwareversion SP comments CR LF`.

use memchr::memchr;

/// Longest line read; the specification has 255.
pub(super) const LINE_MAX: usize = 1024;

/// The parts of an identification string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Banner<'a> {
    /// "2.0", "1.99", "1.5".
    pub(super) protocol: &'a [u8],
    /// Software and its version.
    pub(super) software: &'a [u8],
    /// What follows the first blank.
    pub(super) comments: &'a [u8],
}

impl<'a> Banner<'a> {
    /// Reads a line without its line end.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let rest = line.strip_prefix(b"SSH-")?;
        let (protocol, software) = rest.split_at_checked(memchr(b'-', rest)?)?;
        if !is_version(protocol) || line.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        let software = software.get(1..).unwrap_or_default();
        let end = memchr(b' ', software).unwrap_or(software.len());
        let (software, comments) = software.split_at_checked(end)?;
        Some(Self { protocol, software, comments: comments.trim_ascii() })
    }
}

/// Digits, a dot, digits.
fn is_version(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut number = || {
        parts.next().is_some_and(|part| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit))
    };
    number() && number() && parts.next().is_none()
}

/// Whether the start of a line can become an identification string.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SSH-") || b"SSH-".starts_with(bytes)
}

/// Whether a protocol version is of SSH 1 only ("1.99" speaks both, RFC 4253, 5.1).
pub(super) fn is_version_1(protocol: &[u8]) -> bool {
    protocol.starts_with(b"1.") && protocol != b"1.99"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_told_apart() {
        let banner = Banner::read(b"SSH-2.0-billsSSH_3.6.3q3 built by me\r").unwrap();
        assert_eq!(banner.protocol, b"2.0");
        assert_eq!(banner.software, b"billsSSH_3.6.3q3");
        assert_eq!(banner.comments, b"built by me");
        assert_eq!(Banner::read(b"SSH-1.5-a-b_c").unwrap().software, b"a-b_c");
    }

    #[test]
    fn what_has_no_version_is_no_banner() {
        for line in
            ["SSH-", "SSH-2.0", "SSH-2-x", "SSH-2.0.1-x", "SSH-a.b-x", "ssh-2.0-x", "SSH-2.0-x\ty", ""]
        {
            assert_eq!(Banner::read(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn version_1_99_is_not_version_1() {
        assert!(is_version_1(b"1.5") && !is_version_1(b"1.99") && !is_version_1(b"2.0"));
    }
}
