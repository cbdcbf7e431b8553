//! The `mediagen` program.

fn main() {}
