//! Which tunnel: addresses, keys, and how packets are carried.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tunnel::{
    Carrier, CoreId, DscpMode, EcnMode, Endpoint, Epoch, Framing, Gateway, InboundConfig, InboundSa,
    KEY_MATERIAL, Limits, Moment, NAT_PORT, OutboundConfig, OutboundSa, Path, PeerId, PolicyId, Roaming,
    SaKey, Selectors, Sequence, Spi, TfcPadding,
};

/// Nothing here is old enough to end: keys of tests live as long as their program.
pub(crate) const NOW: Moment = Moment(1);

/// Both ends of a tunnel, and one SA for each direction.
#[derive(Debug)]
pub(crate) struct Ends {
    local: IpAddr,
    remote: IpAddr,
    carrier: Carrier,
    sequence: Sequence,
    sends: (Spi, [u8; KEY_MATERIAL]),
    receives: (Spi, [u8; KEY_MATERIAL]),
    /// One packet in so many is also repeated, and the next one forged; 0 is none.
    pub(crate) every: u64,
}

/// A gateway that seals, and the policy it does it by.
pub(crate) struct Sealing {
    pub(crate) gateway: Gateway,
    pub(crate) policy: PolicyId,
}

const USAGE: &str = "usage: tun-gateway local=ADDRESS remote=ADDRESS carrier=ip|udp sequence=short|extended \
                     send=SPI:KEY receive=SPI:KEY [every=N]   (SPI and the 36 bytes of key and salt in hexadecimal)";

impl Ends {
    /// Reads `name=value` words.
    pub(crate) fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let words: BTreeMap<String, String> = arguments
            .map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect::<Option<_>>()
            .ok_or(USAGE)?;
        let word =
            |name: &str| words.get(name).map(String::as_str).ok_or(format!("{name} is missing\n{USAGE}"));
        let address =
            |name: &str| word(name)?.parse::<IpAddr>().map_err(|error| format!("{name}: {error}\n{USAGE}"));
        let carrier = match word("carrier")? {
            "ip" => Carrier::Ip,
            "udp" => Carrier::Udp(NAT_PORT),
            other => return Err(format!("carrier {other}\n{USAGE}")),
        };
        let sequence = match word("sequence")? {
            "short" => Sequence::Short,
            "extended" => Sequence::Extended,
            other => return Err(format!("sequence {other}\n{USAGE}")),
        };
        let every = match words.get("every") {
            None => 0,
            Some(text) => text.parse().map_err(|error| format!("every: {error}\n{USAGE}"))?,
        };
        Ok(Self {
            local: address("local")?,
            remote: address("remote")?,
            carrier,
            sequence,
            sends: sa(word("send")?)?,
            receives: sa(word("receive")?)?,
            every,
        })
    }

    /// The half that seals what the protected side sends.
    pub(crate) fn sealing(&self) -> Result<Sealing, String> {
        let mut gateway = self.gateway()?;
        let config = OutboundConfig {
            spi: self.sends.0,
            peer: PeerId(0),
            epoch: Epoch(0),
            path: Path {
                local: self.local,
                remote: self.endpoint(),
                carrier: self.carrier,
                mtu: 1500,
                hop_limit: 64,
                dscp: DscpMode::Copy,
                ecn: EcnMode::Normal,
            },
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: self.sequence,
            limits: Limits::default(),
            padding: TfcPadding::None,
        };
        let sa = OutboundSa::new(key(self.sends.1)?, config, NOW).map_err(|error| error.to_string())?;
        let policy =
            gateway.outbound.add_policy(Selectors::everything()).map_err(|error| error.to_string())?;
        gateway.outbound.install(policy, sa).map_err(|error| error.to_string())?;
        Ok(Sealing { gateway, policy })
    }

    /// The half that opens what the peer sends.
    pub(crate) fn opening(&self) -> Result<Gateway, String> {
        let mut gateway = self.gateway()?;
        let config = InboundConfig {
            spi: self.receives.0,
            peer: PeerId(0),
            epoch: Epoch(0),
            framing: Framing::Ip,
            selectors: Selectors::everything(),
            sequence: self.sequence,
        };
        let sa = InboundSa::new(key(self.receives.1)?, config).map_err(|error| error.to_string())?;
        gateway.inbound.install(sa).map_err(|error| error.to_string())?;
        Ok(gateway)
    }

    fn gateway(&self) -> Result<Gateway, String> {
        let mut gateway = Gateway::new(CoreId(0), NAT_PORT, 4);
        gateway.add_peer(self.endpoint(), Roaming::Follow).map_err(|error| error.to_string())?;
        Ok(gateway)
    }

    fn endpoint(&self) -> Endpoint {
        let port = if self.carrier == Carrier::Ip { 0 } else { NAT_PORT };
        Endpoint { address: self.remote, port }
    }
}

/// `SPI:KEY`, both hexadecimal.
fn sa(text: &str) -> Result<(Spi, [u8; KEY_MATERIAL]), String> {
    let wrong = || format!("an SA is SPI:KEY\n{USAGE}");
    let (spi, hex) = text.split_once(':').ok_or_else(wrong)?;
    let spi = u32::from_str_radix(spi, 16).ok().and_then(Spi::new).ok_or_else(wrong)?;
    let digits: Option<Vec<u8>> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * KEY_MATERIAL).ok_or_else(wrong)?;
    let mut key = [0; KEY_MATERIAL];
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = pair[0] << 4 | pair[1];
    }
    Ok((spi, key))
}

fn key(material: [u8; KEY_MATERIAL]) -> Result<SaKey, String> {
    SaKey::fill(|bytes| {
        *bytes = material;
        Ok::<(), String>(())
    })
}
