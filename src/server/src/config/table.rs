//! Every key that ZooKeeper reads from a configuration file, and what becomes of it here.
//!
//! *The rule.* A key is refused if the server would be less protected without it than its file
//! says: somebody would not have to prove who he is, something would go over the network in clear,
//! a limit or a safeguard would be missing, or other sets of servers would be quorums. Any other
//! key that this server does not act upon is ignored with one warning. A value that asks for
//! nothing more than what happens anyway is neither refused nor worth a warning.

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handling {
    /// [`read`](super::read) takes it.
    Done,
    /// It makes no difference to what is safe: one warning.
    Ignored,
    /// The server would be less protected than its file says: an error.
    Refused,
}

/// Keys that are handled alike, for one reason.
pub(super) struct Group {
    pub(super) handling: Handling,
    /// What is so here, as the message says it.
    pub(super) why: &'static str,
    keys: &'static [Key],
}

/// Name, values that ask for nothing more than what happens anyway (`|` between them), and a line
/// that asks for more. A name that ends in `*` stands for every key with that beginning.
struct Key(
    &'static str,
    &'static str,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests try it"))] &'static str,
);

/// What is known of `key`; an exact name goes before a beginning.
pub(super) fn known(key: &str) -> Option<Known> {
    let all = || GROUPS.iter().flat_map(|group| group.keys.iter().map(move |entry| (group, entry)));
    let exact = all().find(|(_, Key(name, ..))| *name == key);
    let begins = |name: &str| name.strip_suffix('*').is_some_and(|begin| key.starts_with(begin));
    let (group, Key(_, same, _)) =
        exact.or_else(|| all().find(|(_, Key(name, ..))| begins(name)))?;
    Some(Known { handling: group.handling, why: group.why, same })
}

/// Whether a key is one of those of TLS that are done: a line that has it wrong would leave a port
/// open.
pub(super) fn is_of_tls(key: &str) -> bool {
    tls::KEYS.iter().any(|Key(name, ..)| *name == key)
}

/// See [`known`].
pub(super) struct Known {
    pub(super) handling: Handling,
    pub(super) why: &'static str,
    same: &'static str,
}

impl Known {
    pub(super) const fn refused(why: &'static str) -> Self {
        Self { handling: Handling::Refused, why, same: "" }
    }

    /// True if the value asks for nothing more than what happens anyway.
    pub(super) fn asks_for_nothing(&self, value: &str) -> bool {
        self.same.split('|').any(|same| !same.is_empty() && same.eq_ignore_ascii_case(value))
    }
}

/// The names of the keys that are taken or known, without the beginnings of many.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let keys = GROUPS.iter().flat_map(|group| group.keys.iter().map(|Key(name, ..)| *name));
    keys.filter(|name| !name.ends_with('*'))
}

const fn done(keys: &'static [Key]) -> Group {
    Group { handling: Handling::Done, why: "", keys }
}

const fn ignored(why: &'static str, keys: &'static [Key]) -> Group {
    Group { handling: Handling::Ignored, why, keys }
}

const fn refused(why: &'static str, keys: &'static [Key]) -> Group {
    Group { handling: Handling::Refused, why, keys }
}

const GROUPS: &[Group] = &[
    done(&[
        Key(
            "DigestAuthenticationProvider.digestAlg",
            "",
            "DigestAuthenticationProvider.digestAlg=SHA-256",
        ),
        Key(
            "DigestAuthenticationProvider.enabled",
            "",
            "DigestAuthenticationProvider.enabled=false",
        ),
        Key(
            "DigestAuthenticationProvider.superDigest",
            "",
            "DigestAuthenticationProvider.superDigest=super:x",
        ),
        Key(
            "SASLAuthenticationProvider.superPassword",
            "",
            "SASLAuthenticationProvider.superPassword=x",
        ),
        Key("allowSaslFailedClients", "", "allowSaslFailedClients=true"),
        Key(
            "authProvider*",
            "",
            "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        ),
        Key("enforce.auth.enabled", "", "enforce.auth.enabled=false"),
        Key("enforce.auth.schemes", "", "enforce.auth.schemes=digest"),
        Key("enforceQuota", "", "enforceQuota=true"),
        Key("java.security.auth.login.config", "", "java.security.auth.login.config=jaas.conf"),
        Key(
            "sasl.serverconfig",
            "",
            "sasl.serverconfig=Server\njava.security.auth.login.config=jaas.conf",
        ),
        Key("sessionRequireClientSASLAuth", "", "sessionRequireClientSASLAuth=false"),
        Key("skipACL", "", "skipACL=no"),
        Key("superUser*", "", "superUser.1=root"),
        Key("4lw.commands.whitelist", "", "4lw.commands.whitelist=ruok"),
        Key("autopurge.purgeInterval", "", "autopurge.purgeInterval=24"),
        Key("autopurge.snapRetainCount", "", "autopurge.snapRetainCount=5"),
        Key("clientPort", "", "clientPort=2182"),
        Key("clientPortAddress", "", "clientPortAddress=127.0.0.1"),
        Key("clientPortListenBacklog", "", "clientPortListenBacklog=9"),
        Key("cnxTimeout", "", "cnxTimeout=100"),
        Key("commitLogCount", "", "commitLogCount=1000"),
        Key("dataDir", "", "dataDir=/data"),
        Key("dataLogDir", "", "dataLogDir=/log"),
        Key("digest.enabled", "", "digest.enabled=false"),
        Key("dynamicConfigFile", "", "dynamicConfigFile=zoo.cfg.dynamic"),
        Key("electionAlg", "", "electionAlg=3"),
        Key("electionPortBindRetry", "", "electionPortBindRetry=0"),
        Key("extendedTypesEnabled", "", "extendedTypesEnabled=true"),
        Key("forceSync", "", "forceSync=yes"),
        Key("globalOutstandingLimit", "", "globalOutstandingLimit=9"),
        Key("group*", "", "group.1=1:2:3"),
        Key("initLimit", "", "initLimit=9"),
        Key("jute.maxbuffer", "", "jute.maxbuffer=4194304"),
        Key("maxClientCnxns", "", "maxClientCnxns=9"),
        Key("maxCnxns", "", "maxCnxns=9"),
        Key("maxSessionTimeout", "", "maxSessionTimeout=90000"),
        Key("minSessionTimeout", "", "minSessionTimeout=900"),
        Key("multiAddress.enabled", "", "multiAddress.enabled=true"),
        Key("peerType", "", "peerType=participant"),
        Key("preAllocSize", "", "preAllocSize=9"),
        Key("quorumListenOnAllIPs", "", "quorumListenOnAllIPs=true"),
        Key("readonlymode.enabled", "", "readonlymode.enabled=true"),
        Key("server.*", "", "server.3=zoo3:2888:3888"),
        Key("snapCount", "", "snapCount=9"),
        Key("snapshot.compression.method", "", "snapshot.compression.method=gz"),
        Key("standaloneEnabled", "", "standaloneEnabled=false"),
        Key("syncLimit", "", "syncLimit=9"),
        Key("tickTime", "", "tickTime=900"),
        Key("version", "", "version=100000000"),
        Key("vivarium.maxAnswerBytes", "", "vivarium.maxAnswerBytes=67108864"),
        Key("vivarium.maxTotalWatchBytes", "", "vivarium.maxTotalWatchBytes=1048576"),
        Key("vivarium.maxWatchBytes", "", "vivarium.maxWatchBytes=1048576"),
        Key("vivarium.peerAddressCheck", "", "vivarium.peerAddressCheck=false"),
        Key("vivarium.record", "", "vivarium.record=/record"),
        Key("weight*", "", "weight.1=1\ngroup.1=1:2:3"),
        Key("znode.container.checkIntervalMs", "", "znode.container.checkIntervalMs=9"),
        Key(
            "znode.container.maxNeverUsedIntervalMs",
            "",
            "znode.container.maxNeverUsedIntervalMs=9",
        ),
        Key("znode.container.maxPerMinute", "", "znode.container.maxPerMinute=9"),
    ]),
    done(tls::KEYS),
    admin::DONE,
    admin::WITHOUT_TLS,
    admin::NOT_RESTORED,
    admin::WITHOUT_JVM,
    admin::REST,
    refused(
        "majorities are the only quorums here, and other sets of servers would be quorums",
        &[Key("oraclePath", "", "oraclePath=/oracle")],
    ),
    refused(
        "no list of revoked certificates and no server of their state is asked, and who has one would be let in",
        &[
            Key("ssl.crl", "false", "ssl.crl=true"),
            Key("ssl.ocsp", "false", "ssl.ocsp=true"),
            Key("ssl.quorum.crl", "false", "ssl.quorum.crl=true"),
            Key("ssl.quorum.ocsp", "false", "ssl.quorum.ocsp=true"),
        ],
    ),
    refused(
        "clients are known by the subject of their certificates only, and others would be somebody",
        &[Key("ssl.x509.*", "subject", "ssl.x509.clientCertIdType=SAN")],
    ),
    refused(
        "this is no key of TLS that is known here, and something would not be protected as it says",
        &[
            Key("ssl.context.supplier.class", "", "ssl.context.supplier.class=org.example.X"),
            Key(
                "ssl.quorum.context.supplier.class",
                "",
                "ssl.quorum.context.supplier.class=org.example.X",
            ),
            Key("ssl.*", "", "ssl.unheardOf=true"),
        ],
    ),
    refused(
        "servers do not authenticate each other by SASL, and the ports between them would be open",
        &[Key("quorum.auth.*", "false", "quorum.auth.enableSasl=true")],
    ),
    refused(
        "clients cannot authenticate by this, and would not be asked to",
        &[
            Key("ensembleAuthName", "", "ensembleAuthName=production"),
            Key("kinit", "", "kinit=/usr/bin/kinit"),
            Key("requireKerberosConfig", "false", "requireKerberosConfig=true"),
        ],
    ),
    refused(
        "times to live as ZooKeeper 3.5.3 wrote them are not known, and such nodes would stay",
        &[Key("emulate353TTLNodes", "false", "emulate353TTLNodes=true")],
    ),
    refused(
        "clients are limited by maxClientCnxns, maxCnxns and globalOutstandingLimit only, and this limit would be missing",
        &[
            Key("connection_throttle_tokens", "0", "connection_throttle_tokens=9"),
            Key("connectionMaxTokens", "0", "connectionMaxTokens=9"),
            Key("largeRequestThreshold", "0|-1", "largeRequestThreshold=1000"),
            Key("request_throttle_max_requests", "0", "request_throttle_max_requests=9"),
            Key("requestThrottleLimit", "0", "requestThrottleLimit=9"),
        ],
    ),
    refused(
        "an empty data directory is taken for that of a new server, and would not be noticed",
        &[
            Key("datadir.autocreate", "true", "datadir.autocreate=false"),
            Key("db.autocreate", "true", "db.autocreate=false"),
        ],
    ),
    ignored(
        "names are verified in the same way in any mode, and the cryptography is that of the library ring",
        &[Key("fips-mode", "false", "fips-mode=true")],
    ),
    ignored(
        "TLS is that of the library rustls",
        &[
            Key("ssl.sslProvider", "JDK", "ssl.sslProvider=OPENSSL"),
            Key("ssl.quorum.sslProvider", "JDK", "ssl.quorum.sslProvider=OPENSSL"),
        ],
    ),
    ignored(
        "an address is never made a name by a look-up, which others may answer",
        &[
            Key("ssl.allowReverseDnsLookup", "false", "ssl.allowReverseDnsLookup=true"),
            Key(
                "ssl.quorum.allowReverseDnsLookup",
                "false",
                "ssl.quorum.allowReverseDnsLookup=true",
            ),
        ],
    ),
    ignored(
        "nobody is let in, or gets rights, by this",
        &[
            Key(
                "IPAuthenticationProvider.usexforwardedfor",
                "false",
                "IPAuthenticationProvider.usexforwardedfor=true",
            ),
            Key("letAnySaslUserDoX", "", "letAnySaslUserDoX=x"),
        ],
    ),
    ignored(
        "access control lists are checked whatever it says",
        &[Key("enableEagerACLCheck", "false", "enableEagerACLCheck=true")],
    ),
    ignored(
        "it concerns clients, or logins that have to be renewed",
        &[
            Key("jaasLoginRenew", "", "jaasLoginRenew=3600000"),
            Key("sasl.*", "false", "sasl.clientconfig=Client"),
        ],
    ),
    ignored(
        "it changes names of Kerberos, by which nobody is known here: a login module of Kerberos is refused",
        &[
            Key("kerberos.*", "false", "kerberos.removeHostFromPrincipal=true"),
            Key("security.auth_to_local", "", "security.auth_to_local=DEFAULT"),
        ],
    ),
    ignored(
        "ZooKeeper does not read it either: sessionRequireClientSASLAuth=true asks every client for SASL",
        &[Key("requireClientAuthScheme", "", "requireClientAuthScheme=sasl")],
    ),
    ignored(
        "there is no such record of what happens",
        &[
            Key("messageTracker.*", "false", "messageTracker.Enabled=true"),
            Key("pathStats.*", "false", "pathStats.enabled=true"),
            Key("jmx.*", "", "jmx.log4j.disable=true"),
            Key("jvm.pause.*", "false", "jvm.pause.monitor=true"),
            Key("leader.ackLoggingFrequency", "", "leader.ackLoggingFrequency=9"),
            Key("traceFile", "", "traceFile=/tmp/trace"),
        ],
    ),
    ignored(
        "the ensemble cannot be reconfigured while it runs",
        &[Key("reconfigEnabled", "false", "reconfigEnabled=true")],
    ),
    ignored(
        "all sessions are known to the whole ensemble",
        &[
            Key("localSessionsEnabled", "false", "localSessionsEnabled=true"),
            Key("localSessionsUpgradingEnabled", "false", "localSessionsUpgradingEnabled=true"),
        ],
    ),
    ignored(
        "observers follow the leader itself, and write to their disks",
        &[
            Key("observer.syncEnabled", "true", "observer.syncEnabled=false"),
            Key("observer.*", "", "observer.reconnectDelayMs=9"),
            Key("observerMaster.*", "", "observerMaster.sizeLimit=9"),
            Key("observerMasterPort", "0|-1", "observerMasterPort=2191"),
            Key("syncEnabled", "true", "syncEnabled=false"),
        ],
    ),
    ignored(
        "a log without a snapshot is refused whatever it says",
        &[Key("snapshot.trust.empty", "false", "snapshot.trust.empty=true")],
    ),
    ignored(
        "addresses are not tried before they are dialled: the next one is dialled when one fails, or after 250 ms",
        &[
            Key(
                "multiAddress.reachabilityCheckEnabled",
                "true",
                "multiAddress.reachabilityCheckEnabled=false",
            ),
            Key("multiAddress.*", "", "multiAddress.reachabilityCheckTimeoutMs=9"),
        ],
    ),
    ignored("a leader serves clients too", &[Key("leaderServes", "yes", "leaderServes=no")]),
    ignored(
        "this server does what its default does, or has no such part",
        &[
            Key(
                "serverCnxnFactory",
                "org.apache.zookeeper.server.NIOServerCnxnFactory|\
                 org.apache.zookeeper.server.NettyServerCnxnFactory",
                "serverCnxnFactory=org.example.Factory",
            ),
            Key("advancedFlowControlEnabled", "false", "advancedFlowControlEnabled=true"),
            Key("bitHashCacheSize", "", "bitHashCacheSize=9"),
            Key("client.*", "", "client.secure=true"),
            Key("clientTcpKeepAlive", "false", "clientTcpKeepAlive=true"),
            Key("closeSessionTxn.enabled", "true", "closeSessionTxn.enabled=false"),
            Key("commitProcessor.*", "", "commitProcessor.numWorkerThreads=9"),
            Key("connectToLearnerMasterLimit", "0", "connectToLearnerMasterLimit=9"),
            Key("connection_throttle_*", "", "connection_throttle_fill_time=9"),
            Key("connectionDecreaseRatio", "", "connectionDecreaseRatio=9"),
            Key("connectionDropDecrease", "", "connectionDropDecrease=9"),
            Key("connectionDropIncrease", "", "connectionDropIncrease=9"),
            Key("connectionFreezeTime", "", "connectionFreezeTime=9"),
            Key("connectionTokenFillCount", "", "connectionTokenFillCount=9"),
            Key("connectionTokenFillTime", "", "connectionTokenFillTime=9"),
            Key("fastleader.*", "", "fastleader.maxNotificationInterval=9"),
            Key("flushDelay", "0", "flushDelay=9"),
            Key("follower.*", "", "follower.nodelay=false"),
            Key("forceSnapshotSync", "false", "forceSnapshotSync=true"),
            Key(
                "forward_learner_requests_to_commit_processor_disabled",
                "false",
                "forward_learner_requests_to_commit_processor_disabled=true",
            ),
            Key("fsync.warningthresholdms", "1000", "fsync.warningthresholdms=9"),
            Key("intBufferStartingSizeBytes", "", "intBufferStartingSizeBytes=9"),
            Key("jute.maxbuffer.extrasize", "", "jute.maxbuffer.extrasize=9"),
            Key("largeRequestMaxBytes", "", "largeRequestMaxBytes=9"),
            Key("leader.*", "", "leader.maxConcurrentSnapSyncs=9"),
            Key("leaderConnectDelayDuringRetryMs", "", "leaderConnectDelayDuringRetryMs=9"),
            Key("learner.*", "", "learner.asyncSending=true"),
            Key("maxBatchSize", "1000", "maxBatchSize=9"),
            Key("maxConcurrentDiffSyncs", "", "maxConcurrentDiffSyncs=9"),
            Key("maxConcurrentSnapSyncs", "", "maxConcurrentSnapSyncs=9"),
            Key("maxGetChildrenResponseCacheSize", "", "maxGetChildrenResponseCacheSize=9"),
            Key("maxInProcessingDeadWatchers", "", "maxInProcessingDeadWatchers=9"),
            Key("maxResponseCacheSize", "", "maxResponseCacheSize=9"),
            Key("maxTimeToWaitForEpoch", "-1", "maxTimeToWaitForEpoch=9"),
            Key("maxWriteQueuePollTime", "", "maxWriteQueuePollTime=9"),
            Key("netty.*", "", "netty.advancedFlowControl.enabled=true"),
            Key("nio.*", "", "nio.numWorkerThreads=9"),
            Key("quorum.cnxn.threads.size", "", "quorum.cnxn.threads.size=9"),
            Key("quorumCnxnTimeoutMs", "-1", "quorumCnxnTimeoutMs=9"),
            Key("requestStaleConnectionCheck", "", "requestStaleConnectionCheck=false"),
            Key("requestStaleLatencyCheck", "", "requestStaleLatencyCheck=true"),
            Key("requestThrottleDropStale", "", "requestThrottleDropStale=false"),
            Key("requestThrottleStallTime", "", "requestThrottleStallTime=9"),
            Key("request_stale_connection_check", "", "request_stale_connection_check=false"),
            Key("request_stale_latency_check", "", "request_stale_latency_check=true"),
            Key("request_throttle_*", "", "request_throttle_stall_time=9"),
            Key("request_throttler.*", "", "request_throttler.shutdownTimeout=9"),
            Key(
                "serializeLastProcessedZxid.enabled",
                "true",
                "serializeLastProcessedZxid.enabled=false",
            ),
            Key("sessionlessCnxnTimeout", "", "sessionlessCnxnTimeout=9"),
            Key("shutdownTimeout", "", "shutdownTimeout=9"),
            Key("snapSizeLimitInKb", "4194304", "snapSizeLimitInKb=9"),
            Key("snapshotSizeFactor", "", "snapshotSizeFactor=9"),
            Key("tcpKeepAlive", "false", "tcpKeepAlive=true"),
            Key("throttledOpWaitTime", "0", "throttledOpWaitTime=9"),
            Key("throttled_op_wait_time", "0", "throttled_op_wait_time=9"),
            Key("txnLogSizeLimitInKb", "-1", "txnLogSizeLimitInKb=9"),
            Key("watchManagerName", "WatchManager", "watchManagerName=WatchManagerOptimized"),
            Key("watcherCleanIntervalInSeconds", "", "watcherCleanIntervalInSeconds=9"),
            Key("watcherCleanThreadsNum", "", "watcherCleanThreadsNum=9"),
            Key("watcherCleanThreshold", "", "watcherCleanThreshold=9"),
        ],
    ),
];

mod admin;
mod tls;

#[cfg(test)]
mod tests;
