//! File descriptors: clients must not take those that the disk and the peers need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info};

use crate::config::Config;
use crate::greetings::GREETINGS_MAX;

/// For logs, snapshots and listeners, and what the runtime needs.
const OWN: u64 = 64;

/// For a member: its connections at both ports, those that wait to become its link, and an attempt
/// to dial at each port.
const PER_MEMBER: u64 = 8 + host::CLAIMS_MAX as u64;

/// However few descriptors there are.
const CLIENTS_MIN: u64 = 16;

/// Raises the limit of this process as far as it may, and bounds the number of clients by what is
/// left of it.
pub(crate) fn share_out(config: &mut Config) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || (limit.current.is_some() && limit.maximum.is_none()) {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            debug!("the limit of file descriptors stays at {:?}: {error}", limit.current);
        }
    }
    let Some(all) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let ports = u64::from(config.admin.is_some()) + u64::from(config.prometheus.is_some());
    let all_but = all.saturating_sub(ports * GREETINGS_MAX as u64);
    let most = clients_max(all_but, config.members.len() as u64);
    if config.client_connections_max.is_none_or(|configured| configured > most) {
        info!("{all} file descriptors leave room for {most} clients");
        config.client_connections_max = Some(most);
    }
}

fn clients_max(descriptors: u64, members: u64) -> u32 {
    let reserved = OWN + PER_MEMBER * members + 2 * GREETINGS_MAX as u64;
    let most = descriptors.saturating_sub(reserved).max(CLIENTS_MIN);
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_server_does_not_need_itself() {
        for (descriptors, members, clients) in [
            (1024, 3, 712),
            (256, 3, 16),
            (64, 3, 16),
            (0, 0, 16),
            (1 << 20, 5, 1_048_184),
            (u64::MAX, 3, u32::MAX),
        ] {
            assert_eq!(clients_max(descriptors, members), clients, "{descriptors}");
        }
    }
}
