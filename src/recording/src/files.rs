//! Names of recordings.

use std::io;
use std::path::Path;

use zab::Sid;

/// `s<sid>-<number>.vtrace`; numbers have six digits at least, so that names sort as they were
/// written.
pub fn file_name(sid: Sid, number: u64) -> String {
    format!("s{}-{number:06}.vtrace", sid.0)
}

/// The server and the number in the name of a recording; `None` if it is none.
pub fn parse_file_name(name: &str) -> Option<(Sid, u64)> {
    let (sid, number) = name.strip_prefix('s')?.strip_suffix(".vtrace")?.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(sid) || !digits(number) {
        return None;
    }
    Some((Sid(sid.parse().ok()?), number.parse().ok()?))
}

/// The number of this server's next recording in `directory`: one more than the largest there.
///
/// # Errors
/// The directory cannot be read, or the numbers are used up.
pub fn next_number(directory: &Path, sid: Sid) -> io::Result<u64> {
    let mut last = 0;
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some((owner, number)) = name.to_str().and_then(parse_file_name)
            && owner == sid
        {
            last = number.max(last);
        }
    }
    last.checked_add(1).ok_or_else(|| io::Error::other("the numbers of recordings are used up"))
}
