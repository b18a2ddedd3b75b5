//! Which paths name a znode, and how they decompose.
//!
//! The rules are those of ZooKeeper's `PathUtils.validatePath`, which looks at UTF-16 code units:
//! characters beyond the basic plane are surrogates to it, and therefore refused.

use thiserror::Error;

/// The root of the tree. Snapshots and digests write it as the empty string.
pub const ROOT: &str = "/";
/// The built-in parent of everything the service keeps for itself.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Where quotas are kept.
pub const QUOTA: &str = "/zookeeper/quota";
/// The ensemble's configuration.
pub const CONFIG: &str = "/zookeeper/config";

/// Why a path does not name a znode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PathError {
    /// The empty string.
    #[error("a path has at least one character")]
    Empty,
    /// It does not start at the root.
    #[error("a path starts with '/', this one with {0:?}")]
    Relative(char),
    /// A slash at the end, of anything but the root.
    #[error("a path does not end in '/'")]
    TrailingSlash,
    /// Two slashes in a row; the byte offset of the second.
    #[error("a path has no empty component, this one at byte {0}")]
    EmptyComponent(usize),
    /// A component `.` or `..`; its byte offset.
    #[error("a path has no component \".\" or \"..\", this one at byte {0}")]
    RelativeComponent(usize),
    /// A character that is not allowed, and its byte offset.
    #[error(
        "a path has no control, private-use, special or supplementary character, \
         this one has {character:?} at byte {at}"
    )]
    Character {
        /// The character found.
        character: char,
        /// Its byte offset.
        at: usize,
    },
}

/// The ancestor of a path whose own path has `length` bytes, if there is one.
pub(crate) fn ancestor(path: &str, length: usize) -> Option<&str> {
    let end = if length == ROOT.len() { 0 } else { length };
    let ends_there = length > 0 && length < path.len() && path.as_bytes()[end] == b'/';
    if ends_there { path.get(..length) } else { None }
}

/// Whether `path` may name a znode: absolute, no trailing slash but for the root, no component that
/// is empty, `.` or `..`, and no refused character (U+0000 to U+001F, U+007F to U+009F, U+E000 to
/// U+F8FF, U+FFF0 and above).
///
/// # Errors
/// The first rule that is broken.
pub fn check(path: &str) -> Result<(), PathError> {
    match path.chars().next() {
        None => return Err(PathError::Empty),
        Some('/') => {}
        Some(other) => return Err(PathError::Relative(other)),
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(PathError::TrailingSlash);
    }
    let bytes = path.as_bytes();
    let mut start = 1;
    for end in 1..=bytes.len() {
        let Some(&byte) = bytes.get(end) else {
            check_component(&path[start..], start)?;
            break;
        };
        if byte == b'/' {
            check_component(&path[start..end], start)?;
            start = end + 1;
        }
    }
    if bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Ok(());
    }
    match path.char_indices().find(|(_, character)| is_refused(*character)) {
        Some((at, character)) => Err(PathError::Character { character, at }),
        None => Ok(()),
    }
}

/// The path of the parent: `/` for a child of the root; `None` for the root, and for what has no
/// slash.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
        Some(0) if path.len() > 1 => Some(ROOT),
        Some(0) | None => None,
        Some(at) => Some(&path[..at]),
    }
}

/// What stands behind the last slash.
pub fn name(path: &str) -> &str {
    path.rfind('/').map_or(path, |at| &path[at + 1..])
}

/// Whether the path is one of the nodes that no client may delete.
pub fn is_special(path: &str) -> bool {
    matches!(path, ROOT | ZOOKEEPER | QUOTA | CONFIG)
}

/// Whether the path is one of those where quotas are kept.
pub fn is_below_quota(path: &str) -> bool {
    path.strip_prefix(QUOTA).is_some_and(|rest| rest.starts_with('/'))
}

/// The root under its one name: the empty string is an alias of `/`.
pub fn canonical(path: &str) -> &str {
    if path.is_empty() { ROOT } else { path }
}

/// The path of a sequential node: ten digits of the parent's count of creations, signed, so that it
/// grows a minus once the counter has wrapped (`String.format("%010d")`).
pub fn sequential(path: &str, parent_cversion: i32) -> String {
    format!("{path}{parent_cversion:010}")
}

fn check_component(component: &str, at: usize) -> Result<(), PathError> {
    match component {
        "" => Err(PathError::EmptyComponent(at)),
        "." | ".." => Err(PathError::RelativeComponent(at)),
        _ => Ok(()),
    }
}

fn is_refused(character: char) -> bool {
    matches!(
        u32::from(character),
        0x00..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=u32::MAX
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ancestor_is_found_by_its_length() {
        for path in ["/", "/a", "/a/b", "/äöü/b/c", "/ab/c/defg/h", "relative/a", ""] {
            let mut ancestors = Vec::new();
            let mut next = parent(path);
            while let Some(path) = next {
                ancestors.push(path);
                next = parent(path);
            }
            ancestors.reverse();
            let found: Vec<_> = (0..=path.len()).filter_map(|n| ancestor(path, n)).collect();
            if path.starts_with('/') {
                assert_eq!(found, ancestors, "{path}");
            }
        }
    }

    #[test]
    fn what_names_a_znode() {
        for path in ["/", "/a", "/a/b", "/...", "/.a", "/a..", "/ä", "/a b", "/\u{a0}", "/\u{ffef}"]
        {
            assert_eq!(check(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn what_does_not_and_why() {
        let character = |character, at| PathError::Character { character, at };
        for (path, why) in [
            ("", PathError::Empty),
            ("a", PathError::Relative('a')),
            ("ä/b", PathError::Relative('ä')),
            ("/a/", PathError::TrailingSlash),
            ("//", PathError::TrailingSlash),
            ("//a", PathError::EmptyComponent(1)),
            ("/a//b", PathError::EmptyComponent(3)),
            ("/.", PathError::RelativeComponent(1)),
            ("/a/../b", PathError::RelativeComponent(3)),
            ("/a/..", PathError::RelativeComponent(3)),
            ("/a\0", character('\0', 2)),
            ("/\u{1f}", character('\u{1f}', 1)),
            ("/\u{7f}", character('\u{7f}', 1)),
            ("/a\u{9f}", character('\u{9f}', 2)),
            ("/\u{e000}", character('\u{e000}', 1)),
            ("/\u{f8ff}", character('\u{f8ff}', 1)),
            ("/\u{fff0}", character('\u{fff0}', 1)),
            ("/\u{ffff}", character('\u{ffff}', 1)),
            ("/\u{1f600}", character('\u{1f600}', 1)),
        ] {
            assert_eq!(check(path), Err(why), "{path:?}");
        }
    }

    #[test]
    fn parent_and_name() {
        for (path, expected, last) in [
            ("/", None, ""),
            ("/a", Some("/"), "a"),
            ("/a/b", Some("/a"), "b"),
            ("/a/", Some("/a"), ""),
            ("a", None, "a"),
        ] {
            assert_eq!((parent(path), name(path)), (expected, last), "{path}");
        }
    }

    #[test]
    fn the_sequence_counter_is_signed_and_ten_digits_wide() {
        for (counter, suffix) in [
            (0, "0000000000"),
            (7, "0000000007"),
            (i32::MAX, "2147483647"),
            (i32::MIN, "-2147483648"),
            (-1, "-000000001"),
        ] {
            assert_eq!(sequential("/q/n-", counter), format!("/q/n-{suffix}"));
        }
    }
}
