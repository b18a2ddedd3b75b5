//! The directory of a local ensemble: `N/zoo.cfg`, `N/myid`, `N/server.log` and `N/version-2`.

use server::Config;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use zab::Sid;

/// What the command line asks for; `None`: whatever the directory says, or the default.
#[derive(Clone, Copy, Default)]
pub(in crate::cli) struct Wish {
    pub(in crate::cli) servers: Option<u8>,
    pub(in crate::cli) client_port: Option<u16>,
    pub(in crate::cli) tick_ms: Option<u32>,
}

/// The servers of an ensemble, in the order of their ids.
#[derive(Debug)]
pub(in crate::cli) struct Layout {
    /// Absolute.
    pub(in crate::cli) directory: PathBuf,
    pub(in crate::cli) servers: Vec<Server>,
}

/// One server of the ensemble.
#[derive(Debug)]
pub(in crate::cli) struct Server {
    pub(in crate::cli) sid: Sid,
    pub(in crate::cli) directory: PathBuf,
    pub(in crate::cli) client_port: u16,
}

/// What is wrong, and whether the command line is to blame.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::cli) enum LayoutError {
    /// Status 2.
    Usage(String),
    /// Status 1.
    Trouble(String),
}

use LayoutError::{Trouble, Usage};

const SERVERS: u8 = 3;
const CLIENT_PORT: u16 = 2181;
const TICK_MS: u32 = 2_000;
/// From a client port to the first port tried for the quorum, and for the election: 2888 and 3888
/// for 2181.
const QUORUM_OFFSET: u16 = 707;
const ELECTION_OFFSET: u16 = 1_707;
/// Ports above are given to outgoing connections (Linux), so one that is free now may not be at the
/// next start.
const PORT_MAX: u16 = 32_767;

impl Layout {
    /// The ensemble in `directory` as it is, or a new one as wished. Checks that its ports are free
    /// now.
    pub(in crate::cli) fn open(directory: &Path, wish: Wish) -> Result<Self, LayoutError> {
        Self::open_with(directory, wish, &can_listen)
    }

    fn open_with(directory: &Path, wish: Wish, probe: Probe) -> Result<Self, LayoutError> {
        let directory = std::path::absolute(directory)
            .map_err(|error| Usage(format!("--data {}: {error}", directory.display())))?;
        let text = directory.to_str().filter(|text| !text.contains(char::is_control));
        if text.is_none_or(|text| text.trim() != text) {
            let found = directory.display();
            let rule = "UTF-8 without control characters, and no blanks around it";
            return Err(Usage(format!("--data: found `{found}`, allowed: {rule}")));
        }
        // It is written last, so where it is, everything is.
        if !directory.join("1/zoo.cfg").exists() {
            Self::create(&directory, wish, probe)?;
        }
        Self::load(directory, wish, probe)
    }

    fn load(directory: PathBuf, wish: Wish, probe: Probe) -> Result<Self, LayoutError> {
        let first = config(&directory, 1)?;
        let count = if first.standalone { 1 } else { first.members.len() };
        let tick_ms = first.tick_time.as_millis();
        let mut servers = Vec::new();
        for number in 1..=count {
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            let config = config(&directory, number)?;
            let client = config.client.as_ref().ok_or_else(|| {
                Trouble(format!("{}/{number}/zoo.cfg: clientPort is not set", directory.display()))
            })?;
            servers.push(Server {
                sid: Sid(number),
                directory: directory.join(number.to_string()),
                client_port: client.port,
            });
            let ports = config.members.get(&Sid(number)).filter(|_| !config.standalone);
            let ports = ports.and_then(|own| own.addresses.first());
            let ports =
                ports.map(|own| [(own.quorum_port, "quorum"), (own.election_port, "election")]);
            for (port, what) in ports.into_iter().flatten().chain([(client.port, "client")]) {
                check_free(probe, number, port, what)?;
            }
        }
        let differs = |option: &str, wished: u64, is: u64| {
            let place = directory.display();
            Err(Usage(format!(
                "{option} {wished}: the ensemble in {place} has {is}; edit its zoo.cfg files, or name another --data"
            )))
        };
        if let Some(wished) = wish.servers.filter(|wished| usize::from(*wished) != count) {
            return differs("--servers", wished.into(), count as u64);
        }
        if let Some(wished) = wish.client_port.filter(|wished| *wished != servers[0].client_port) {
            return differs("--client-port", wished.into(), servers[0].client_port.into());
        }
        if let Some(wished) = wish.tick_ms.filter(|wished| u128::from(*wished) != tick_ms) {
            return differs(
                "--tick-time",
                wished.into(),
                u64::try_from(tick_ms).unwrap_or(u64::MAX),
            );
        }
        Ok(Self { directory, servers })
    }

    fn create(directory: &Path, wish: Wish, probe: Probe) -> Result<(), LayoutError> {
        let count = wish.servers.unwrap_or(SERVERS);
        let first = wish.client_port.unwrap_or(CLIENT_PORT);
        let tick_ms = wish.tick_ms.unwrap_or(TICK_MS);
        let Some(last) = first.checked_add(u16::from(count) - 1) else {
            let allowed = u16::MAX - u16::from(count) + 1;
            return Err(Usage(format!(
                "--client-port {first}: {count} servers use as many ports from it on, so at most {allowed}"
            )));
        };
        for (number, port) in (1..=count).zip(first..=last) {
            check_free(probe, number, port, "client")?;
        }
        let mut taken: BTreeSet<u16> = (first..=last).collect();
        let mut lines = String::new();
        for number in (1..=count).filter(|_| count > 1) {
            let quorum = free_port(probe, first, QUORUM_OFFSET, &mut taken)?;
            let election = free_port(probe, first, ELECTION_OFFSET, &mut taken)?;
            lines += &format!("server.{number}=127.0.0.1:{quorum}:{election}\n");
        }
        for number in (1..=count).rev() {
            let home = directory.join(number.to_string());
            let client_port = first + u16::from(number) - 1;
            let data = server::property_value(&home.display().to_string());
            let text = format!(
                "# Written by `vivarium ensemble` at its first start, and only read since then.\n\
                 tickTime={tick_ms}\ninitLimit=10\nsyncLimit=5\ndataDir={data}\n\
                 clientPort={client_port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
                 4lw.commands.whitelist=*\n{lines}"
            );
            let write = |name: &str, text: &str| std::fs::write(home.join(name), text);
            std::fs::create_dir_all(&home)
                .and_then(|()| write("myid", &format!("{number}\n")))
                .and_then(|()| write("zoo.cfg", &text))
                .map_err(|error| Trouble(format!("{}: {error}", home.display())))?;
        }
        Ok(())
    }

    /// What a client is given.
    pub(in crate::cli) fn connect_string(&self) -> String {
        let servers: Vec<String> =
            self.servers.iter().map(|server| format!("127.0.0.1:{}", server.client_port)).collect();
        servers.join(",")
    }
}

fn config(directory: &Path, number: u8) -> Result<Config, LayoutError> {
    let home = directory.join(number.to_string());
    let file = home.join("zoo.cfg");
    let config = Config::from_file(&file)
        .map_err(|error| Trouble(format!("{}: {error}", file.display())))?;
    // A copy of the directory must not write into the original.
    if config.data_dir != home {
        let (found, home) = (config.data_dir.display(), home.display());
        return Err(Trouble(format!(
            "{home}/zoo.cfg: dataDir: found `{found}`, allowed: {home} (was the directory moved or copied? Then correct it \
             in every zoo.cfg)"
        )));
    }
    if !config.standalone && config.me != Sid(number) {
        let (home, found) = (home.display(), config.me.0);
        return Err(Trouble(format!("{home}/myid: found `{found}`, allowed: {number}")));
    }
    Ok(config)
}

/// Says why a port cannot be listened to.
type Probe<'a> = &'a dyn Fn(u16) -> std::io::Result<()>;

fn can_listen(port: u16) -> std::io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
}

fn check_free(probe: Probe, number: u8, port: u16, what: &str) -> Result<(), LayoutError> {
    probe(port).map_err(|error| {
        Trouble(format!(
            "server {number} cannot have {what} port {port}: {error} (is an ensemble running already, or another \
             ZooKeeper? --client-port and --data name other ones)"
        ))
    })
}

fn free_port(
    probe: Probe,
    first: u16,
    offset: u16,
    taken: &mut BTreeSet<u16>,
) -> Result<u16, LayoutError> {
    let begin = first.saturating_add(offset).min(PORT_MAX);
    let found = (begin..=PORT_MAX)
        .chain((1_024..begin).rev())
        .find(|port| !taken.contains(port) && probe(*port).is_ok());
    let port = found.ok_or_else(|| Trouble(format!("no port up to {PORT_MAX} is free")))?;
    taken.insert(port);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 20_000;

    /// A machine on which other programs hold these ports. (Real ones come and go beside a test.)
    fn held(ports: &'static [u16]) -> impl Fn(u16) -> std::io::Result<()> {
        |port| match ports.contains(&port) {
            true => Err(std::io::ErrorKind::AddrInUse.into()),
            false => Ok(()),
        }
    }

    fn open(directory: &Path, wish: Wish) -> Result<Layout, LayoutError> {
        Layout::open_with(directory, wish, &held(&[]))
    }

    fn wish(servers: u8, client_port: u16) -> Wish {
        Wish { servers: Some(servers), client_port: Some(client_port), tick_ms: Some(500) }
    }

    #[test]
    fn a_second_start_finds_what_the_first_wrote() {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("data");
        let first = open(&data, wish(3, PORT)).expect("ports are free");
        let texts = |layout: &Layout| -> Vec<String> {
            let file = |server: &Server| server.directory.join("zoo.cfg");
            layout
                .servers
                .iter()
                .map(|s| std::fs::read_to_string(file(s)).expect("exists"))
                .collect()
        };
        let written = texts(&first);
        let connect = format!("127.0.0.1:{PORT},127.0.0.1:{},127.0.0.1:{}", PORT + 1, PORT + 2);
        assert_eq!(first.connect_string(), connect);
        let again = open(&data, Wish::default()).expect("ports are still free");
        assert_eq!(again.connect_string(), connect);
        assert_eq!(texts(&again), written);
        for (wish, say) in [
            (Wish { servers: Some(5), ..Wish::default() }, "--servers 5: the ensemble in "),
            (Wish { client_port: Some(PORT + 9), ..Wish::default() }, "--client-port "),
            (Wish { tick_ms: Some(2_000), ..Wish::default() }, "--tick-time 2000: "),
        ] {
            let error = open(&data, wish).expect_err(say);
            assert!(matches!(&error, Usage(text) if text.starts_with(say)), "{error:?}");
        }
    }

    #[test]
    fn a_server_alone_has_no_server_lines() {
        let place = tempfile::tempdir().expect("a directory");
        let layout = open(place.path(), wish(1, PORT)).expect("the port is free");
        let config =
            Config::from_file(&layout.servers[0].directory.join("zoo.cfg")).expect("valid");
        assert!(config.standalone && config.members.is_empty() && config.warnings.is_empty());
    }

    #[test]
    fn a_port_in_use_is_named_and_nothing_is_written() {
        let place = tempfile::tempdir().expect("a directory");
        let probe = held(&[PORT + 1, PORT + 2]);
        let error = Layout::open_with(place.path(), wish(3, PORT), &probe)
            .expect_err("two ports are in use");
        let say = format!("server 2 cannot have client port {}: ", PORT + 1);
        assert!(matches!(&error, Trouble(text) if text.starts_with(&say)), "{error:?}");
        assert_eq!(std::fs::read_dir(place.path()).expect("is there").count(), 0);
    }

    #[test]
    fn ports_that_others_hold_are_passed_over() {
        let place = tempfile::tempdir().expect("a directory");
        let probe = held(&[PORT + QUORUM_OFFSET, PORT + QUORUM_OFFSET + 2]);
        let layout =
            Layout::open_with(place.path(), wish(3, PORT), &probe).expect("others are free");
        let config = config(&layout.directory, 1).expect("valid");
        let quorum: Vec<u16> =
            config.members.values().map(|it| it.addresses[0].quorum_port - QUORUM_OFFSET).collect();
        assert_eq!(quorum, [PORT + 1, PORT + 3, PORT + 4]);
    }

    #[test]
    fn a_listener_keeps_others_from_its_port() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = listener.local_addr().expect("bound").port();
        let error = can_listen(port).expect_err("is held");
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    }

    #[test]
    fn ports_beyond_the_last_are_a_usage_error() {
        let place = tempfile::tempdir().expect("a directory");
        let error = open(place.path(), wish(3, 65_534)).expect_err("65536 is no port");
        let say = "--client-port 65534: 3 servers use as many ports from it on, so at most 65533";
        assert_eq!(error, Usage(say.into()));
    }

    #[test]
    fn a_copy_does_not_write_into_the_original() {
        let place = tempfile::tempdir().expect("a directory");
        open(&place.path().join("a"), wish(1, PORT)).expect("the port is free");
        std::fs::rename(place.path().join("a"), place.path().join("b")).expect("moves");
        let error = open(&place.path().join("b"), Wish::default()).expect_err("moved");
        assert!(
            matches!(&error, Trouble(text) if text.contains("was the directory moved")),
            "{error:?}"
        );
    }
}
