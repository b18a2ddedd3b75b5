//! The replicated state machine, pure: tree, sessions, watches; request to transaction to effect.
