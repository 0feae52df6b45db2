//! The main job, measured.
fn main() {}
