//! Configuration files as images, operators, playbooks and tutorials write them: each starts, or is
//! refused for the reason that holds. Every file in `wild` says which.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use server::Config;

/// A file, and what its comment says is expected of it.
struct Found {
    name: String,
    text: String,
    /// What the refusal has to say; `None`: the server starts.
    refusal: Option<String>,
}

fn all() -> Vec<Found> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wild");
    let files = fs::read_dir(directory).expect("it is there");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("it is read").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| found(&path)).collect()
}

fn found(path: &Path) -> Found {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let text = fs::read_to_string(path).expect("text");
    let expected = text.lines().find_map(|line| line.strip_prefix("# expected: "));
    let refusal = match expected.unwrap_or_else(|| panic!("{name}: nothing is expected")) {
        "starts" => None,
        other => Some(other.strip_prefix("refused: ").expect("starts, or refused").to_owned()),
    };
    Found { name, text: filled(&text), refusal }
}

/// The text with places and ports instead of the names for them.
fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, value) in [
        ("{data}", "/data"),
        ("{client}", "2181"),
        ("{secure}", "2281"),
        ("{admin}", "8080"),
        ("{metrics}", "7000"),
        ("{stores}", "/stores"),
        ("{dynamic}", "/conf/zoo.cfg.dynamic"),
        ("{member.1}", "zoo1:2888:3888"),
        ("{member.2}", "zoo2:2888:3888"),
        ("{member.3}", "zoo3:2888:3888"),
    ] {
        text = text.replace(name, value);
    }
    assert!(!text.contains('{'), "{text}");
    text
}

fn read(found: &Found) -> Result<Config, String> {
    let config = Config::from_bytes(found.text.as_bytes(), |path| match path.to_str() {
        Some("/data/myid") => Ok(b"1\n".to_vec()),
        Some("/conf/zoo.cfg.dynamic") => {
            let line = |sid| format!("server.{sid}=zoo{sid}:2888:3888:participant;2181\n");
            Ok((1..=3).map(line).collect::<String>().into_bytes())
        }
        Some(_) | None => Err(io::ErrorKind::NotFound.into()),
    });
    config.map_err(|error| error.to_string())
}

#[test]
fn each_is_read_or_refused_for_the_reason_that_holds() {
    for found in all() {
        match (read(&found), &found.refusal) {
            (Ok(_), None) => {}
            (Ok(_), Some(why)) => panic!("{}: expected {why}", found.name),
            (Err(error), None) => panic!("{}: {error}", found.name),
            (Err(error), Some(why)) => assert!(error.contains(why), "{}: {error}", found.name),
        }
    }
}

#[test]
fn what_is_ignored_is_said_once_by_key_with_a_reason() {
    for found in all() {
        let Ok(config) = read(&found) else { continue };
        let mut keys = BTreeSet::new();
        for warning in &config.warnings {
            assert!(!warning.contains("unknown key"), "{}: {warning}", found.name);
            let Some((_, ignored)) = warning.split_once(": ") else { continue };
            if let Some((key, _)) = ignored.split_once('=') {
                assert!(keys.insert(key), "{}: {key} twice", found.name);
                assert!(found.text.contains(&format!("{key}=")), "{}: {warning}", found.name);
            }
        }
    }
}

#[test]
fn at_least_nine_in_ten_start() {
    let all = all();
    let refused = all.iter().filter(|found| found.refusal.is_some()).count();
    assert!(refused * 10 <= all.len(), "{refused} of {} are refused", all.len());
}

#[test]
fn members_and_ports_are_what_the_files_say() {
    let config = |name: &str| {
        let found = all().into_iter().find(|found| found.name == name);
        read(&found.expect("it is there")).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for name in ["column-store", "operator", "image-of-three", "operator-secure"] {
        let config = config(name);
        assert_eq!(config.client.as_ref().map(|client| client.port), Some(2181), "{name}");
        assert_eq!(config.quorum().voters().len(), 3, "{name}");
        assert!(!config.standalone, "{name}");
    }
    assert!(config("image-alone").standalone);
    assert_eq!(config("old-tutorial").pre_alloc_bytes, 64 << 20, "the default");
    assert!(
        config("hierarchy")
            .config_text()
            .ends_with("\ngroup.1=1:2:3\nweight.1=1\nweight.2=1\nweight.3=1\nversion=0")
    );
}
