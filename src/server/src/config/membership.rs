//! Who the members are: from the configuration file itself, or from a file of its own that it
//! names (`dynamicConfigFile`).
//!
//! What is in which file is as in ZooKeeper (`QuorumPeerConfig.parse`): a file for members has
//! nothing else in it, the configuration file has none of them beside it, and the version of the
//! members is the end of the file's name, in hexadecimal: `zoo.cfg.dynamic.100000000`. Members do
//! not change while servers run, so no file is ever written.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use zab::{LearnerKind, Sid};

use super::hierarchy::Hierarchy;
use super::keys::{Keys, wrong};
use super::{ConfigError, Member, member, properties};

/// The members, and what their configuration is called.
pub(super) struct Membership {
    pub(super) members: BTreeMap<Sid, Member>,
    pub(super) hierarchy: Option<Hierarchy>,
    /// 0 unless a reconfiguration has made it; not negative.
    pub(super) version: i64,
}

/// Takes the members out of the keys of the configuration file `file`, or out of the file that it
/// names. `multi_address`: they may have several addresses each.
pub(super) fn take(
    keys: &mut Keys,
    multi_address: bool,
    file: Option<&Path>,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Membership, ConfigError> {
    let Some(entry) = keys.take("dynamicConfigFile") else {
        let version = version_in(keys)?.unwrap_or(0);
        return Membership::of(keys, multi_address, version);
    };
    if entry.value.is_empty() {
        return Err(wrong("dynamicConfigFile", &entry, "a file"));
    }
    let path = PathBuf::from(entry.value);
    let begins = ["server.", "group", "weight", "version"];
    if let Some((key, entry)) = begins.iter().find_map(|begin| keys.first_prefixed(begin)) {
        let allowed = format!("nothing: it belongs into {}", path.display());
        return Err(wrong(key, entry, allowed));
    }
    let text = read(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
    let within =
        |source: ConfigError| ConfigError::Within { path: path.clone(), source: Box::new(source) };
    let mut own = Keys::new(properties::parse(&text).map_err(within)?);
    if let Some((key, entry)) = own.first_prefixed("version") {
        let allowed = "nothing: the version is the end of the file's name, in hexadecimal";
        return Err(within(wrong(key, entry, allowed)));
    }
    let found = Membership::of(&mut own, multi_address, version_of(&path)).map_err(within)?;
    own.take_warnings(|text| format!("{}: {text}", path.display()), &mut keys.warnings);
    if let Some((key, entry)) = own.first_prefixed("") {
        let allowed = "server.N, group.N and weight.N, and no other key";
        return Err(within(wrong(key, entry, allowed)));
    }
    if let Some(file) = file {
        found.check_next(&next_to(file), keys, read)?;
    }
    Ok(found)
}

impl Membership {
    fn of(keys: &mut Keys, multi_address: bool, version: i64) -> Result<Self, ConfigError> {
        let mut members = BTreeMap::new();
        for (key, entry) in keys.take_prefixed("server.") {
            let sid = member::sid_in(&key, "server.", &entry)?;
            // `server.1` and `server.01` are two keys of one server.
            if members.insert(sid, Member::parse(&key, &entry, multi_address)?).is_some() {
                return Err(wrong(&key, &entry, format!("one line for server {}", sid.0)));
            }
        }
        let voters = members.iter().filter(|(_, member)| member.kind == LearnerKind::Follower);
        let voters: Vec<Sid> = voters.map(|(sid, _)| *sid).collect();
        let hierarchy = Hierarchy::take(keys, &voters)?;
        Ok(Self { members, hierarchy, version })
    }

    /// What ZooKeeper leaves of a reconfiguration that was proposed and of which it did not learn
    /// that it was committed. If it was, the members are others than those in this server's file,
    /// and a quorum of the latter must not decide any more; ZooKeeper asks both. Here it has to be
    /// settled first. A configuration that is older than the one in effect says nothing.
    fn check_next(
        &self,
        path: &Path,
        keys: &mut Keys,
        read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<(), ConfigError> {
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
        };
        let within = |source: ConfigError| ConfigError::Within {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let mut next = Keys::new(properties::parse(&text).map_err(within)?);
        let version = version_in(&mut next).map_err(within)?.unwrap_or(0);
        let next = Self::of(&mut next, true, version).map_err(within)?;
        let is_same = next.members == self.members && next.hierarchy == self.hierarchy;
        if next.version > self.version && !is_same {
            return Err(ConfigError::Conflict(format!(
                "{} has other members, of version {:x}, and those in effect are of version {:x}: a \
                 reconfiguration has begun of which this server does not know whether it was \
                 committed. Let ZooKeeper end it; or, if you know which members are in effect, \
                 name a file with them in dynamicConfigFile and move this one away",
                path.display(),
                next.version,
                self.version
            )));
        }
        keys.warnings.push(format!(
            "{} is ignored: it says nothing that is newer than the members in effect",
            path.display()
        ));
        Ok(())
    }
}

/// `zoo.cfg.dynamic.next` beside `zoo.cfg`. (`QuorumPeerConfig.nextDynamicConfigFileSuffix`.)
fn next_to(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".dynamic.next");
    path.into()
}

/// The version at the end of a file's name, 0 if there is none.
/// (`QuorumPeerConfig.getVersionFromFilename`.)
fn version_of(path: &Path) -> i64 {
    let end = path.extension().and_then(|end| end.to_str());
    end.and_then(|end| i64::from_str_radix(end, 16).ok()).filter(|it| *it > 0).unwrap_or(0)
}

/// What `version` says.
fn version_in(keys: &mut Keys) -> Result<Option<i64>, ConfigError> {
    let Some(entry) = keys.take("version") else { return Ok(None) };
    let version = i64::from_str_radix(&entry.value, 16).ok().filter(|version| *version >= 0);
    let allowed = "a hexadecimal number from 0 to 7fffffffffffffff";
    version.map(Some).ok_or_else(|| wrong("version", &entry, allowed))
}
