//! What four-letter words say of the machine.

use std::sync::Arc;

use node::DirSizes;
use rustix::process::{Resource, getrlimit};

use crate::config::Config;

/// This machine, and a server's directories on it.
pub(crate) struct Machine {
    config: Arc<Config>,
}

impl Machine {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config }
    }
}

impl node::Machine for Machine {
    fn conf(&self) -> String {
        self.config.conf_text(self.config.dir_sizes())
    }

    fn dir_sizes(&self) -> DirSizes {
        self.config.dir_sizes()
    }

    /// ZooKeeper's keys. What only a Java machine has is absent in the way in which it says so.
    fn environment(&self) -> Vec<(&'static str, String)> {
        const ABSENT: &str = "<NA>";
        let kernel = |name: &str| {
            let path = format!("/proc/sys/kernel/{name}");
            std::fs::read_to_string(path)
                .map_or_else(|_| ABSENT.to_owned(), |text| text.trim().to_owned())
        };
        let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| ABSENT.to_owned());
        let directory = std::env::current_dir();
        let directory =
            directory.map_or_else(|_| ABSENT.to_owned(), |path| path.display().to_string());
        let absent = |name: &'static str| (name, ABSENT.to_owned());
        vec![
            ("host.name", kernel("hostname")),
            absent("java.version"),
            absent("java.vendor"),
            absent("java.home"),
            absent("java.class.path"),
            absent("java.library.path"),
            ("java.io.tmpdir", std::env::temp_dir().display().to_string()),
            absent("java.compiler"),
            ("os.name", kernel("ostype")),
            ("os.arch", std::env::consts::ARCH.to_owned()),
            ("os.version", kernel("osrelease")),
            ("user.name", variable("USER")),
            ("user.home", variable("HOME")),
            ("user.dir", directory),
            absent("jvm.memory.free"),
            absent("jvm.memory.max"),
            absent("jvm.memory.total"),
        ]
    }

    fn descriptors(&self) -> (Option<usize>, Option<u64>) {
        // Listing them opens one more.
        let open = std::fs::read_dir("/proc/self/fd").ok();
        (open.map(|open| open.count().saturating_sub(1)), getrlimit(Resource::Nofile).current)
    }
}
