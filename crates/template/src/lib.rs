//! Go's templates, with sprig's functions, and Go's time layouts: what people wrote for Skaffold and Helm
//! gives the same text here.
//!
//! A template sees the values that it is given and nothing else: not the environment, no files, no
//! network, no clock and no randomness.

mod sprig;
mod template;
mod time;

pub use self::{
    template::{Given, Template},
    time::{Zone, format_time, whole_seconds},
};
