//! Networks of addresses: the ids of scheme `ip`.

use std::net::IpAddr;

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
        let (family, whole) = address_bits(address.parse().ok()?);
        let width = family.width();
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok().filter(|n| *n <= width))?;
        Some(Self { family, bits, prefix: prefix(family, whole, bits) })
    }
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
