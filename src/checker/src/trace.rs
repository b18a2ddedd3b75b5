//! A run as a file: what `vivarium replay` reads.

use super::{Bounds, Story};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Value of [`TraceFile::format`].
pub const TRACE_FORMAT: &str = "vivarium-trace";

/// Version written. A reader accepts this version only.
pub const TRACE_VERSION: u32 = 1;

/// A recorded run of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceFile {
    /// Always [`TRACE_FORMAT`].
    pub format: String,
    /// Always [`TRACE_VERSION`].
    pub version: u32,
    /// The model to run it in.
    pub model: String,
    /// Its bounds.
    pub bounds: Bounds,
    /// The property that the run violates; absent if it is expected to violate none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The commit that wrote the file; only information.
    #[serde(default)]
    pub commit: String,
    /// The actions, as the model writes them.
    pub actions: Vec<serde_json::Value>,
    /// The run told for people; a replay does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
}

impl TraceFile {
    /// A trace in the present format.
    pub fn new(model: impl Into<String>, bounds: Bounds, actions: Vec<serde_json::Value>) -> Self {
        Self {
            format: TRACE_FORMAT.to_owned(),
            version: TRACE_VERSION,
            model: model.into(),
            bounds,
            property: None,
            commit: "unknown".to_owned(),
            actions,
            story: None,
        }
    }

    /// Reads a trace from its text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        /// Enough to give a clear answer to a file of another kind or version.
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
            version: Option<u32>,
        }
        let head: Head =
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
        if head.format.as_deref() != Some(TRACE_FORMAT) {
            let found = head.format.map_or("none".to_owned(), |format| format!("`{format}`"));
            return Err(format!("`format` must be `{TRACE_FORMAT}`, found {found}"));
        }
        if head.version != Some(TRACE_VERSION) {
            let found = head.version.map_or("none".to_owned(), |version| version.to_string());
            return Err(format!("`version` must be {TRACE_VERSION}, found {found}"));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Writes the trace, indented.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_and_versions_are_refused_by_name() {
        let trace = TraceFile::new("Q1", Bounds::new([("servers", 3)]), vec![1.into()]);
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(TraceFile::parse(&text).unwrap(), trace);
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(TraceFile::parse(&newer).unwrap_err(), "`version` must be 1, found 2");
        assert_eq!(
            TraceFile::parse("{}").unwrap_err(),
            "`format` must be `vivarium-trace`, found none"
        );
        assert!(TraceFile::parse("PING").unwrap_err().starts_with("not a JSON object"));
    }
}
