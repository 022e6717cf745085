//! Runners for Shipway: commands on the host and in containers.
