use super::words;
use super::{Field, FilterErrorKind};

/// Reads a number with one of the field's units: `10`, `1.5M`, `250ms`. Without a unit a duration is in seconds.
pub(super) fn value(field: Field, text: &str) -> Result<u64, FilterErrorKind> {
    let bad = || FilterErrorKind::BadNumber { what: kind(field), found: text.to_owned() };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
    let size = match unit {
        "" if field == Field::Duration => 1_000_000_000,
        "" => 1,
        _ => words::units(field).iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1,
    };
    let value = scaled(number, size).ok_or_else(bad)?;
    let most = most(field);
    if value > most {
        return Err(FilterErrorKind::OutOfRange {
            what: kind(field),
            least: 0,
            most,
            found: text.to_owned(),
        });
    }
    Ok(value)
}

/// A whole number from `least` to `most`, decimal or with `0x`.
pub(super) fn number(what: &'static str, text: &str, least: u16, most: u16) -> Result<u16, FilterErrorKind> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse(),
        _ => return Err(FilterErrorKind::BadNumber { what, found: text.to_owned() }),
    };
    let outside = FilterErrorKind::OutOfRange {
        what,
        least: u64::from(least),
        most: u64::from(most),
        found: text.to_owned(),
    };
    match parsed.ok().and_then(|number| u16::try_from(number).ok()) {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        Some(_) => Err(outside),
        None if text.len() > 2 || text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
            Err(outside)
        }
        None => Err(FilterErrorKind::BadNumber { what, found: text.to_owned() }),
    }
}

/// `low-high`.
pub(super) fn port_range(text: &str) -> Result<(u16, u16), FilterErrorKind> {
    let Some((low, high)) = text.split_once('-') else {
        return Err(FilterErrorKind::BadNumber { what: "range of ports (low-high)", found: text.to_owned() });
    };
    let (low, high) = (number("port", low, 0, u16::MAX)?, number("port", high, 0, u16::MAX)?);
    if low > high {
        return Err(FilterErrorKind::BackwardRange);
    }
    Ok((low, high))
}

/// `number` times `size`, exact; none where that is no whole number or does not fit.
fn scaled(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let fraction_digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 12)?;
    let scale = 10_u128.pow(fraction_digits);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let whole = u128::from(whole.parse::<u64>().ok()?);
    let product = (whole * scale + fraction).checked_mul(u128::from(size))?;
    if !product.is_multiple_of(scale) {
        return None;
    }
    u64::try_from(product / scale).ok()
}

const fn kind(field: Field) -> &'static str {
    match field {
        Field::Bytes | Field::BytesToServer | Field::BytesToClient => "number of bytes (10, 64k, 1.5M, 2Gi)",
        Field::Packets | Field::PacketsToServer | Field::PacketsToClient => {
            "number of packets (10, 64k, 1.5M)"
        }
        Field::Duration => "duration (5s, 250ms, 2m, 1h)",
        Field::Confidence => "percentage",
        Field::TunnelDepth => "tunnel depth",
        Field::TunnelId => "tunnel id",
        Field::IcmpType => "ICMP type",
        Field::IcmpCode => "ICMP code",
        Field::Interface => "interface number",
        Field::FlowId => "flow id",
    }
}

const fn most(field: Field) -> u64 {
    match field {
        Field::Confidence => 100,
        Field::TunnelDepth | Field::IcmpType | Field::IcmpCode => u8::MAX as u64,
        Field::Interface => u16::MAX as u64,
        Field::TunnelId => u32::MAX as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_multiply_exactly() {
        for (text, bytes) in
            [("0", 0), ("12", 12), ("1k", 1_000), ("1.5M", 1_500_000), ("2Gi", 2 << 30), ("0.001k", 1)]
        {
            assert_eq!(value(Field::Bytes, text), Ok(bytes), "{text}");
        }
        for (text, ns) in
            [("5", 5_000_000_000), ("5s", 5_000_000_000), ("1.5ms", 1_500_000), ("2h", 7_200_000_000_000)]
        {
            assert_eq!(value(Field::Duration, text), Ok(ns), "{text}");
        }
        assert_eq!(value(Field::Confidence, "50%"), Ok(50));
    }

    #[test]
    fn what_is_no_number_of_the_field_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1.2.3",
            "1x",
            "1s",
            "M",
            "-1",
            "1.0001",
            "99999999999999999999",
            "20000000T",
        ] {
            assert!(value(Field::Bytes, text).is_err(), "{text}");
        }
        assert!(value(Field::Confidence, "101").is_err());
        assert!(value(Field::Confidence, "1k").is_err());
    }

    #[test]
    fn numbers_know_their_range() {
        assert_eq!(number("port", "0x50", 0, u16::MAX), Ok(80));
        assert_eq!(number("VLAN id", "4094", 1, 4094), Ok(4094));
        for text in ["0", "4095", "65536", "99999999999999999999999"] {
            let error = number("VLAN id", text, 1, 4094).unwrap_err();
            assert!(matches!(error, FilterErrorKind::OutOfRange { .. }), "{text}: {error:?}");
        }
        for text in ["", "0x", "ten", "+5", "-1"] {
            let error = number("port", text, 0, u16::MAX).unwrap_err();
            assert!(matches!(error, FilterErrorKind::BadNumber { .. }), "{text}: {error:?}");
        }
        assert_eq!(port_range("80-80"), Ok((80, 80)));
        assert_eq!(port_range("90-80"), Err(FilterErrorKind::BackwardRange));
        assert!(port_range("80").is_err());
    }
}
