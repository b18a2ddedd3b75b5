//! The keys of administration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use server::{Admin, Audit, ClientAddress, Config, ConfigError};

const PROVIDER: &str =
    "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

fn read(lines: &str) -> Result<Config, ConfigError> {
    Config::from_bytes(format!("dataDir=data\n{lines}\n").as_bytes(), |_| Ok(Vec::new()))
}

fn config(lines: &str) -> Config {
    read(lines).unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn address(host: &str, port: u16) -> ClientAddress {
    ClientAddress { host: host.to_owned(), port }
}

#[test]
fn nothing_is_there_unless_it_is_asked_for() {
    let config = config("");
    assert_eq!((config.admin, config.prometheus, config.audit), (None, None, None));
}

#[test]
fn the_admin_server_has_the_defaults_of_zookeeper_and_this_machine_reaches_it() {
    let own = Admin {
        address: address("127.0.0.1", 8080),
        command_url: "/commands".to_owned(),
        idle_timeout: Duration::from_secs(30),
        snapshot_enabled: true,
        snapshot_interval: Duration::from_secs(300),
    };
    assert_eq!(config("admin.enableServer=true").admin, Some(own));
    let all = "admin.enableServer=true\nadmin.serverAddress=[::1]\nadmin.serverPort=9\n\
               admin.commandURL=/a/b\nadmin.idleTimeout=5\nadmin.snapshot.enabled=false\n\
               admin.rateLimiterIntervalInMS=0";
    let own = Admin {
        address: address("::1", 9),
        command_url: "/a/b".to_owned(),
        idle_timeout: Duration::from_millis(5),
        snapshot_enabled: false,
        snapshot_interval: Duration::ZERO,
    };
    assert_eq!(config(all).admin, Some(own));
    let idle = config("admin.serverPort=9\nadmin.enableServer=false");
    assert_eq!(idle.admin, None);
    let [warning] = &idle.warnings[..] else { panic!("one warning: {:?}", idle.warnings) };
    assert!(warning.contains("admin.serverPort=9 is ignored: nothing here asks"), "{warning}");
}

#[test]
fn prometheus_and_the_audit_log_are_where_the_file_says() {
    assert_eq!(config(PROVIDER).prometheus, Some(address(ClientAddress::ANY, 7000)));
    let lines = format!("{PROVIDER}\nmetricsProvider.httpHost=::1\nmetricsProvider.httpPort=7");
    assert_eq!(config(&lines).prometheus, Some(address("::1", 7)));
    for other in ["impl.DefaultMetricsProvider", "impl.NullMetricsProvider"] {
        let line = format!("metricsProvider.className=org.apache.zookeeper.metrics.{other}");
        let config = config(&line);
        assert_eq!((config.prometheus, config.warnings), (None, Vec::new()));
    }
    assert_eq!(config("audit.enable=true").audit, Some(Audit { file: None }));
    let lines = "audit.enable=true\nvivarium.auditFile=/audit";
    let file = Some(PathBuf::from(Path::new("/audit")));
    assert_eq!(config(lines).audit, Some(Audit { file }));
}

#[test]
fn a_wrong_value_is_refused_by_key_value_and_what_is_allowed() {
    let enabled = "admin.enableServer=true\n";
    for (before, key, value, allowed) in [
        ("", "admin.enableServer", "maybe", "false or true"),
        (enabled, "admin.serverPort", "0", "a port from 1 to 65535"),
        (enabled, "admin.serverPort", "70000", "a port from 1 to 65535"),
        (enabled, "admin.commandURL", "commands", "a path as /commands"),
        (enabled, "admin.commandURL", "/", "a path as /commands"),
        (enabled, "admin.commandURL", "/ready", "other than /ensemble, /ready and /live"),
        (enabled, "admin.commandURL", "/a b", "a path as /commands"),
        (enabled, "admin.idleTimeout", "0", "a whole number from 1"),
        (enabled, "admin.snapshot.enabled", "1", "false or true"),
        ("", "metricsProvider.className", "org.example.X", "PrometheusMetricsProvider"),
        ("", "audit.enable", "yes", "false or true"),
        ("audit.enable=true\n", "audit.impl.class", "org.example.X", "Slf4jAuditLogger"),
        ("audit.enable=true\n", "vivarium.auditFile", "", "a file"),
        ("", "vivarium.auditFile", "/audit", "only together with audit.enable=true"),
    ] {
        let error = read(&format!("{before}{key}={value}")).expect_err(key).to_string();
        let says = format!("{key}: found `{value}`, allowed: ");
        assert!(error.contains(&says) && error.contains(allowed), "{key}={value}: {error}");
    }
}

#[test]
fn what_would_be_in_clear_is_refused_whether_the_port_is_there_or_not() {
    for line in [
        "admin.forceHttps=true",
        "admin.portUnification=true",
        "admin.needClientAuth=true",
        "metricsProvider.httpsPort=7443",
        "metricsProvider.ssl.keyStore.location=/x",
    ] {
        let error = read(line).expect_err(line).to_string();
        assert!(error.contains(line) && error.contains("without TLS"), "{error}");
    }
    let same = "admin.forceHttps=false\nadmin.portUnification=false\nadmin.restore.enabled=false";
    assert_eq!(config(same).warnings, Vec::<String>::new());
}

#[test]
fn the_file_is_kept_as_it_was_read_without_its_secrets() {
    let lines = "tickTime : 900\n# a comment\nDigestAuthenticationProvider.superDigest=super:x";
    assert_eq!(
        config(lines).initial,
        "dataDir=data\ntickTime=900\nDigestAuthenticationProvider.superDigest=(not shown)\n"
    );
}
