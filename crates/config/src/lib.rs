//! Readers of foreign formats: a file in, a [`Pipeline`](shipway_core::Pipeline) out, without IO.
//!
//! What a reader does not do yet is said with its line: an error where a run would come out otherwise
//! than the file says, a [`Notice`] where it would not.

pub mod init;
mod notice;
mod path;
mod skaffold;

pub use self::{
    notice::Notice,
    skaffold::{
        ContextConfig, Dockerfiles, Explained, Fixed, GlobalConfig, GlobalKey, GlobalScope, Loaded, Options,
        Origin, Skaffold, SyncRemoteCache, Trust, Version, fix_skaffold, skaffold_schema,
    },
};
