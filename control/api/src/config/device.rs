//! What a port is made of.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Address of a PCI device: domain, bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// Domain (segment).
    pub domain: u16,
    /// Bus.
    pub bus: u8,
    /// Device on the bus, 0 to 31.
    pub device: u8,
    /// Function of the device, 0 to 7.
    pub function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

/// Where a port's packets come from and go to. The form of the text says which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// A PCI device that DPDK drives: `"0000:03:00.0"`, or `"03:00.0"` in domain 0.
    Pci(PciAddress),
    /// A virtual device of DPDK with its arguments: `"net_af_xdp0,iface=eth1"`.
    Vdev(String),
    /// A network interface of the kernel: `"eth1"`.
    Interface(String),
    /// A capture file: `"office.pcap"`, or anything with a slash in it.
    File(PathBuf),
}

/// The four kinds of [`Device`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// PCI device.
    Pci,
    /// Virtual device of DPDK.
    Vdev,
    /// Kernel interface.
    Interface,
    /// Capture file.
    File,
}

impl Device {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> DeviceKind {
        match self {
            Self::Pci(_) => DeviceKind::Pci,
            Self::Vdev(_) => DeviceKind::Vdev,
            Self::Interface(_) => DeviceKind::Interface,
            Self::File(_) => DeviceKind::File,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pci => "a PCI device",
            Self::Vdev => "a virtual device of DPDK",
            Self::Interface => "a kernel interface",
            Self::File => "a capture file",
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => address.fmt(f),
            Self::Vdev(text) | Self::Interface(text) => f.write_str(text),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Text that names no device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADevice {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A colon but no PCI address.
    #[error("a PCI address is domain:bus:device.function in hexadecimal")]
    BadPci,
    /// White space or a control character.
    #[error("it holds white space or a control character")]
    BadCharacter,
    /// Longer than the kernel's names are (IFNAMSIZ).
    #[error("an interface name has at most 15 characters")]
    LongInterface,
}

impl FromStr for Device {
    type Err = NotADevice;

    fn from_str(text: &str) -> Result<Self, NotADevice> {
        if text.is_empty() {
            return Err(NotADevice::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(NotADevice::BadCharacter);
        }
        if VDEV_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Ok(Self::Vdev(text.to_owned()));
        }
        if text.contains('/') || FILE_SUFFIXES.iter().any(|suffix| text.ends_with(suffix)) {
            return Ok(Self::File(PathBuf::from(text)));
        }
        if text.contains(':') {
            return pci(text).map(Self::Pci).ok_or(NotADevice::BadPci);
        }
        if text.contains(char::is_whitespace) {
            return Err(NotADevice::BadCharacter);
        }
        if text.len() > MAX_INTERFACE {
            return Err(NotADevice::LongInterface);
        }
        Ok(Self::Interface(text.to_owned()))
    }
}

fn pci(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    Some(PciAddress {
        domain: hexadecimal(domain, 4, 0xffff)?,
        bus: u8::try_from(hexadecimal(bus, 2, 0xff)?).ok()?,
        device: u8::try_from(hexadecimal(device, 2, 31)?).ok()?,
        function: u8::try_from(hexadecimal(function, 1, 7)?).ok()?,
    })
}

fn hexadecimal(text: &str, digits: usize, max: u16) -> Option<u16> {
    let plain = !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !plain {
        return None;
    }
    u16::from_str_radix(text, 16).ok().filter(|value| *value <= max)
}

const MAX_INTERFACE: usize = 15;
const VDEV_PREFIXES: &[&str] = &["net_", "eth_"];
const FILE_SUFFIXES: &[&str] =
    &[".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".pcap.zst", ".pcapng.zst"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_form_of_the_text_says_what_the_device_is() {
        let pci = PciAddress { domain: 0, bus: 3, device: 0x1f, function: 1 };
        assert_eq!("0000:03:1f.1".parse(), Ok(Device::Pci(pci)));
        assert_eq!("03:1F.1".parse(), Ok(Device::Pci(pci)));
        assert_eq!("net_ring0".parse(), Ok(Device::Vdev("net_ring0".into())));
        assert_eq!("enp3s0f0".parse(), Ok(Device::Interface("enp3s0f0".into())));
        assert_eq!("office.pcapng".parse(), Ok(Device::File("office.pcapng".into())));
        assert_eq!("./a capture".parse(), Ok(Device::File("./a capture".into())));
    }

    #[test]
    fn what_is_no_device_says_why() {
        for (text, why) in [
            ("", NotADevice::Empty),
            ("0000:03:20.0", NotADevice::BadPci),
            ("0000:03:00.8", NotADevice::BadPci),
            ("0000:03:00", NotADevice::BadPci),
            ("0000:0g:00.0", NotADevice::BadPci),
            ("00000:03:00.0", NotADevice::BadPci),
            ("0000:+3:00.0", NotADevice::BadPci),
            ("eth 1", NotADevice::BadCharacter),
            ("eth1\n", NotADevice::BadCharacter),
            ("an-interface-name", NotADevice::LongInterface),
        ] {
            assert_eq!(text.parse::<Device>(), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(text: String) {
            if let Ok(device) = text.parse::<Device>() {
                prop_assert_eq!(device.to_string().parse(), Ok(device));
            }
        }
    }
}
