//! The program `dunlin`.
fn main() {}
