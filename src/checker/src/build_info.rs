//! Which build is speaking.

/// Identity of a build, collected by the build script of the binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildInfo {
    /// Commit hash, with `-dirty` appended if a source file differed from it, or `unknown` outside
    /// a git checkout.
    pub commit: String,
    /// `rustc --version`.
    pub rustc: String,
    /// Version of the package `vivarium`.
    pub version: String,
}
