//! Testers for Shipway: the structure of an image.
