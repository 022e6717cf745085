//! The Docker Engine over its API: images in a daemon, builds, and containers.
