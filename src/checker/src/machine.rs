//! The machine a run took place on, and the memory it takes.

use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const GIB: f64 = (1u64 << 30) as f64;

/// Size of a machine, so that the speed of a recorded run can be judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// Main memory, to a tenth; `None` where the system does not tell.
    pub memory_gib: Option<f64>,
}

impl Machine {
    /// The machine this runs on.
    pub fn here() -> Self {
        let memory = field_kib("/proc/meminfo", "MemTotal:");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory.map(|bytes| (bytes as f64 / GIB * 10.0).round() / 10.0),
        }
    }
}

/// Resident memory of this process in bytes; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    field_kib("/proc/self/status", "VmRSS:")
}

/// A field that Linux writes as `name   123 kB`, in bytes.
fn field_kib(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let value: u64 = line.split_whitespace().next()?.parse().ok()?;
    value.checked_mul(KIB)
}
