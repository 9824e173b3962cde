//! The PAD server.

fn main() {}
