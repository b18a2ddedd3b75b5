//! Session ids and passwords (`SessionTrackerImpl`, `ZooKeeperServer.generatePasswd`).

/// ZooKeeper's constant that makes a password out of a session id (`superSecret`).
const SECRET: i64 = 0xb341_5c00;

/// The password of a session: the first 16 bytes of a `java.util.Random` seeded with the id.
///
/// Every server can compute it, so that a session can move between servers; it is a checksum
/// rather than a secret.
pub fn password(session_id: i64) -> [u8; 16] {
    const MULTIPLIER: u64 = 0x5_deec_e66d;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = ((session_id ^ SECRET) as u64 ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for chunk in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xb) & MASK;
        // The upper 32 of the 48 bits, least significant byte first.
        chunk.copy_from_slice(&state.to_le_bytes()[2..6]);
    }
    password
}

#[cfg(test)]
mod tests {
    use super::password;

    #[test]
    fn passwords_are_those_of_zookeeper() {
        let cases = [
            (0x0100_0000_0000_0001, 0x054c_c74a_3732_7db2_15e7_02e2_0c73_f005_u128),
            (0x0100_0009_b1a4_0000, 0x1ed0_ed7f_53c2_79cd_2c1b_f3a7_5462_1eb7),
        ];
        for (session_id, expected) in cases {
            assert_eq!(password(session_id), expected.to_be_bytes(), "{session_id:#x}");
        }
    }
}
