//! `myid`: which member of the ensemble a data directory belongs to.

use std::path::Path;

use crate::disk::Os;
use crate::error::{Error, Result};
use crate::layout::Layout;

/// Reads `dataDir/myid`: one line, the decimal id and nothing else (`QuorumPeerConfig.setupMyId`); `None` if there is no
/// such file.
///
/// # Errors
/// If the first line is not a number from 0 to 255, or the file cannot be read.
pub fn read_myid(data_dir: &Path) -> Result<Option<u8>> {
    let path = data_dir.join("myid");
    let Some(text) = Layout::new(Os, data_dir, data_dir).read_small(&path)? else {
        return Ok(None);
    };
    let line = text.lines().next().unwrap_or("");
    let digits = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    match line.parse() {
        Ok(id) if digits => Ok(Some(id)),
        Ok(_) | Err(_) => Err(Error::Content {
            path,
            rule: "the first line is the server's id, a decimal number from 0 to 255 and nothing else",
            found: line.chars().take(40).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_first_line_is_the_id() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(read_myid(dir.path()).expect("no file is no error").is_none());
        for (text, id) in [
            ("1\n", Some(1)),
            ("255", Some(255)),
            ("7\nx", Some(7)),
            ("1 \n", None),
            ("+1", None),
            ("256", None),
            ("", None),
        ] {
            std::fs::write(dir.path().join("myid"), text).expect("written");
            assert_eq!(read_myid(dir.path()).ok().flatten(), id, "{text:?}");
        }
    }
}
