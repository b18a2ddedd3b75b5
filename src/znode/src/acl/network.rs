//! Networks of addresses: the ids of scheme `ip`.

use std::net::{IpAddr, Ipv4Addr};

/// An address with the number of leading bits that count.
pub(super) struct Network {
    pub(super) family: Family,
    pub(super) bits: u32,
    /// The bits that count, at the low end.
    pub(super) prefix: u128,
}

/// Addresses of different families are never equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// The number of bits of an address.
    fn width(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl Network {
    /// An address, or `address/bits`; `None` if the text is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits)),
        };
        let (family, whole) = address_bits(parse(address)?);
        let width = family.width();
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|n| *n <= width))?;
        Some(Self { family, bits, prefix: prefix(family, whole, bits) })
    }
}

/// An address as ZooKeeper reads it: numbers of IPv4 are decimal, whatever zeros they begin with,
/// and IPv6 has no IPv4 in it. (`IPAuthenticationProvider.v4addr2Bytes`, `parseV6addr`.)
fn parse(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok().filter(|_| !text.contains('.'));
    }
    let byte = |part: &str| {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u8>().ok().filter(|_| is_number)
    };
    let bytes: Vec<u8> = text.split('.').map(byte).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(bytes).ok().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)))
}

/// The bits of an address, at the low end.
pub(super) fn address_bits(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(address) => (Family::V4, address.to_bits().into()),
        IpAddr::V6(address) => (Family::V6, address.to_bits()),
    }
}

/// The leading bits of an address, at the low end.
pub(super) fn prefix(family: Family, whole: u128, bits: u32) -> u128 {
    // No bit of 128 is left after a shift by 128.
    whole.checked_shr(family.width().saturating_sub(bits)).unwrap_or(0)
}
