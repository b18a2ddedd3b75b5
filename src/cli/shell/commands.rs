//! The commands of the shell, with the names and options that ZooKeeper's has.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A line of the shell, as words.
#[derive(Parser, Debug)]
#[command(no_binary_name = true, disable_help_flag = true, infer_subcommands = false)]
#[command(help_template = "{subcommands}", override_usage = "COMMAND [OPTIONS] [ARGUMENTS]")]
pub(super) struct Line {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What can be asked for.
#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// List the children of a node
    Ls {
        /// Its Stat, too
        #[arg(short)]
        stat: bool,
        /// Watch the list
        #[arg(short)]
        watch: bool,
        /// All nodes below it
        #[arg(short = 'R')]
        recursive: bool,
        path: String,
    },
    /// Show the data of a node
    Get {
        /// Its Stat, too
        #[arg(short)]
        stat: bool,
        /// Watch the data
        #[arg(short)]
        watch: bool,
        /// As base64
        #[arg(short, conflicts_with = "hex")]
        base64: bool,
        /// As a table of hexadecimal numbers
        #[arg(short = 'x')]
        hex: bool,
        path: String,
    },
    /// Create a node
    Create {
        /// A number is appended to its name
        #[arg(short)]
        sequential: bool,
        /// It ends with the session
        #[arg(short, conflicts_with_all = ["container", "ttl"])]
        ephemeral: bool,
        /// It ends when its last child does
        #[arg(short, conflicts_with_all = ["sequential", "ttl"])]
        container: bool,
        /// It ends when it was not changed for so many milliseconds, and has no children
        #[arg(short, value_name = "MILLISECONDS", value_parser = clap::value_parser!(i64).range(1..))]
        ttl: Option<i64>,
        path: String,
        #[arg(default_value = "", allow_hyphen_values = true)]
        data: String,
        /// scheme:id:permissions, joined by commas; permissions are of cdrwa
        #[arg(default_value = "world:anyone:cdrwa")]
        acl: String,
    },
    /// Set the data of a node
    Set {
        /// Its new Stat, too
        #[arg(short)]
        stat: bool,
        /// The data is given as base64
        #[arg(short)]
        base64: bool,
        /// Only if this is its version
        #[arg(short, default_value_t = ANY, allow_negative_numbers = true)]
        version: i32,
        path: String,
        #[arg(allow_hyphen_values = true)]
        data: String,
    },
    /// Delete a node
    Delete {
        /// Only if this is its version
        #[arg(short, default_value_t = ANY, allow_negative_numbers = true)]
        version: i32,
        path: String,
    },
    /// Delete a node and all below it
    Deleteall {
        path: String,
        /// So many at once
        #[arg(short, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..))]
        batch: u16,
    },
    /// Show the Stat of a node
    Stat {
        /// Watch the node
        #[arg(short)]
        watch: bool,
        path: String,
    },
    /// Show the ACL of a node
    #[command(name = "getAcl")]
    GetAcl {
        /// Its Stat, too
        #[arg(short)]
        stat: bool,
        path: String,
    },
    /// Set the ACL of a node
    #[command(name = "setAcl")]
    SetAcl {
        /// Its new Stat, too
        #[arg(short)]
        stat: bool,
        /// Only if this is the version of its ACL
        #[arg(short, default_value_t = ANY, allow_negative_numbers = true)]
        version: i32,
        /// Of all nodes below it, too
        #[arg(short = 'R')]
        recursive: bool,
        path: String,
        acl: String,
    },
    /// Wait until the server has everything that was committed before
    Sync { path: String },
    /// Say who you are
    Addauth {
        scheme: String,
        #[arg(default_value = "", allow_hyphen_values = true)]
        auth: String,
    },
    /// Watch a node until the watch is removed
    #[command(name = "addWatch")]
    AddWatch {
        #[arg(short, value_enum, default_value = "PERSISTENT_RECURSIVE")]
        mode: WatchMode,
        path: String,
    },
    /// Remove watches
    Removewatches {
        path: String,
        #[command(flatten)]
        kind: WatchKind,
    },
    /// List the ephemeral nodes of this session
    #[command(name = "getEphemerals")]
    GetEphemerals {
        /// Only those whose paths begin so
        #[arg(default_value = "/")]
        path: String,
    },
    /// Count all nodes below a node
    #[command(name = "getAllChildrenNumber")]
    GetAllChildrenNumber { path: String },
    /// Show who you are
    Whoami,
    /// Show the version of this shell
    Version,
    /// Show the members of the ensemble
    Config {
        /// Where clients connect, alone
        #[arg(short)]
        client: bool,
        /// Watch it
        #[arg(short)]
        watch: bool,
        /// Its Stat, too
        #[arg(short)]
        stat: bool,
    },
    /// Limit what is below a node
    Setquota {
        #[command(flatten)]
        limits: Limits,
        path: String,
    },
    /// Show the limits of what is below a node
    Listquota { path: String },
    /// Remove limits; without options, all
    Delquota {
        #[arg(short = 'n')]
        count: bool,
        #[arg(short = 'b')]
        bytes: bool,
        #[arg(short = 'N')]
        hard_count: bool,
        #[arg(short = 'B')]
        hard_bytes: bool,
        path: String,
    },
    /// Show the lines of this shell
    History,
    /// Do a line of the history again
    Redo { number: usize },
    /// Whether events of watches are shown
    Printwatches {
        #[arg(value_parser = ["on", "off"])]
        on_off: Option<String>,
    },
    /// Begin another session, with other servers
    Connect { servers: Option<String> },
    /// End the session
    Close,
    /// Leave the shell
    #[command(alias = "exit")]
    Quit,
}

/// Of a version: any.
pub(super) const ANY: i32 = -1;

#[derive(ValueEnum, Clone, Copy, Debug)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum WatchMode {
    Persistent,
    PersistentRecursive,
}

#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct WatchKind {
    /// Of the list of children
    #[arg(short = 'c')]
    pub(super) children: bool,
    /// Of the data
    #[arg(short = 'd')]
    pub(super) data: bool,
    /// All (the default)
    #[arg(short = 'a')]
    pub(super) any: bool,
    /// Persistent ones
    #[arg(short = 'p')]
    pub(super) persistent: bool,
    /// Persistent recursive ones
    #[arg(short = 'r')]
    pub(super) recursive: bool,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub(super) struct Limits {
    /// So many nodes: more are logged
    #[arg(short = 'n', allow_negative_numbers = true)]
    pub(super) count: Option<i64>,
    /// So many bytes of data: more are logged
    #[arg(short = 'b', allow_negative_numbers = true)]
    pub(super) bytes: Option<i64>,
    /// So many nodes: more are refused
    #[arg(short = 'N', allow_negative_numbers = true)]
    pub(super) hard_count: Option<i64>,
    /// So many bytes of data: more are refused
    #[arg(short = 'B', allow_negative_numbers = true)]
    pub(super) hard_bytes: Option<i64>,
}
