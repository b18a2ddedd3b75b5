//! The keys of administration.

use super::{Group, Key, done, ignored, refused};

pub(super) const DONE: Group = done(&[
    Key("admin.enableServer", "", "admin.enableServer=true"),
    Key("admin.serverAddress", "", "admin.serverAddress=::1\nadmin.enableServer=true"),
    Key("admin.serverPort", "", "admin.serverPort=8081\nadmin.enableServer=true"),
    Key("admin.commandURL", "", "admin.commandURL=/c\nadmin.enableServer=true"),
    Key("admin.idleTimeout", "", "admin.idleTimeout=9\nadmin.enableServer=true"),
    Key(
        "admin.rateLimiterIntervalInMS",
        "",
        "admin.rateLimiterIntervalInMS=9\nadmin.enableServer=true",
    ),
    Key("admin.snapshot.enabled", "", "admin.snapshot.enabled=false\nadmin.enableServer=true"),
    Key("audit.enable", "", "audit.enable=true"),
    Key(
        "audit.impl.class",
        "",
        "audit.impl.class=org.apache.zookeeper.audit.Log4jAuditLogger\naudit.enable=true",
    ),
    Key(
        "metricsProvider.className",
        "",
        "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    ),
    Key(
        "metricsProvider.httpHost",
        "",
        "metricsProvider.httpHost=::1\n\
         metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    ),
    Key(
        "metricsProvider.httpPort",
        "",
        "metricsProvider.httpPort=7001\n\
         metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    ),
    Key("vivarium.auditFile", "", "vivarium.auditFile=/audit\naudit.enable=true"),
]);

pub(super) const WITHOUT_TLS: Group = refused(
    "the admin server and the metrics are served without TLS, and what they say would be in clear",
    &[
        Key("admin.forceHttps", "false", "admin.forceHttps=true"),
        Key("admin.portUnification", "false", "admin.portUnification=true"),
        Key("admin.needClientAuth", "false", "admin.needClientAuth=true"),
        Key("metricsProvider.httpsPort", "", "metricsProvider.httpsPort=7443"),
        Key("metricsProvider.ssl.*", "", "metricsProvider.ssl.keyStore.location=/x"),
    ],
);

pub(super) const NOT_RESTORED: Group = ignored(
    "a server that runs is not restored: its tree is what a quorum has agreed on",
    &[Key("admin.restore.enabled", "false", "admin.restore.enabled=true")],
);

pub(super) const WITHOUT_JVM: Group = ignored(
    "there is no Java machine, and no metrics with names that begin with jvm_",
    &[Key("metricsProvider.exportJvmInfo", "false", "metricsProvider.exportJvmInfo=true")],
);

pub(super) const REST: Group = ignored(
    "the admin server, the metrics and the audit log have no such part",
    &[
        Key("admin.*", "", "admin.httpVersion=11"),
        Key("audit.*", "", "audit.other=x"),
        Key("metricsProvider.*", "", "metricsProvider.numWorkerThreads=9"),
    ],
);
