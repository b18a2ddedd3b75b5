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

/// The session id with which a server begins after it started; each further one is one more.
///
/// From the top: one byte of the server's id, five of `clock_ms` (milliseconds of some clock), two
/// of zeros. The one value that marks container nodes is stepped over. Two starts at the same time
/// of the clock begin with the same id, so whoever gives ids out has to pass over those that are
/// known.
pub fn first_id(server_id: u8, clock_ms: u64) -> i64 {
    let id = i64::from_be_bytes((clock_ms << 24 >> 8 | u64::from(server_id) << 56).to_be_bytes());
    if id == i64::MIN { id + 1 } else { id }
}

#[cfg(test)]
mod tests {
    use super::{first_id, password};

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

    #[test]
    fn session_ids_begin_with_the_server_and_the_time() {
        assert_eq!(first_id(3, 0x12_3456_789a), 0x0312_3456_789a_0000);
        assert_eq!(first_id(1, 0xff00_0000_0000_0001), 0x0100_0000_0001_0000, "five bytes of time");
        assert_eq!(first_id(0x80, 0), i64::MIN + 1);
    }
}
