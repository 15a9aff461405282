use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ebpf_maps::{LIST_ALLOW, LIST_DENY};

use super::error::XdpError;

/// Which address of a packet a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum List {
    /// Where packets come from.
    Source,
    /// Where packets go to.
    Destination,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
        })
    }
}

/// What a list says of a prefix; the longest prefix that matches decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its packets are dropped.
    Deny,
    /// Its packets go on: an exception to a shorter prefix, or to a list that denies what is not on it.
    Allow,
}

impl Action {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Deny => LIST_DENY,
            Self::Allow => LIST_ALLOW,
        }
    }

    pub(super) const fn of(number: u32) -> Self {
        if number == LIST_DENY { Self::Deny } else { Self::Allow }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        })
    }
}

/// A prefix on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// Which list.
    pub list: List,
    /// The prefix.
    pub prefix: Prefix,
    /// What is done about it.
    pub action: Action,
}

/// An address and how many of its bits count (RFC 4632, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The prefix of an address; its other bits are taken for zero.
    ///
    /// # Errors
    /// [`XdpError::PrefixTooLong`].
    pub fn new(address: IpAddr, len: u8) -> Result<Self, XdpError> {
        let bits = bits(address);
        if len > bits {
            return Err(XdpError::PrefixTooLong { address, len, bits });
        }
        let address = match address {
            IpAddr::V4(v4) => {
                IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)).into())
            }
            IpAddr::V6(v6) => {
                IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0)).into())
            }
        };
        Ok(Self { address, len })
    }

    /// The address, with zeros behind the prefix.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Bits that count.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.len
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no prefix: write an address, or an address, a slash and a number of bits, as in 192.0.2.0/24"
)]
pub struct NotAPrefix {
    text: String,
}

impl FromStr for Prefix {
    type Err = NotAPrefix;

    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let no = || NotAPrefix { text: text.chars().take(80).collect() };
        let (address, len) = text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
        let address: IpAddr = address.parse().map_err(|_| no())?;
        let len = len.map_or(Ok(bits(address)), |len| len.parse().map_err(|_| no()))?;
        Self::new(address, len).map_err(|_| no())
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_behind_a_prefix_are_zero() {
        for (text, written) in [
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("192.0.2.77", "192.0.2.77/32"),
            ("10.1.2.3/0", "0.0.0.0/0"),
            ("2001:db8:1234::1/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("ffff::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "/", "1.2.3.4/33", "1.2.3/8", "::/129", "::/-1", "1.2.3.4/", "1.2.3.4/8/8"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
