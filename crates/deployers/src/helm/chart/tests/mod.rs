//! Charts against what helm's own packages say (`go_table/main.go`), hostile archives, and folders of every form.
#![expect(clippy::disallowed_methods, reason = "the tests prepare real files")]

mod dependencies;
mod folders;
mod hostile;
mod sources;
mod stage;
mod tables;
