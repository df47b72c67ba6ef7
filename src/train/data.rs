//! Pictures to learn from.
