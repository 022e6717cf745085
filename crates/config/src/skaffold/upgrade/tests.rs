//! What each step makes of a file.
