//! The `squall` command: lists, draws and runs the ready topologies.
#![forbid(unsafe_code)]

mod command;

/// Batches are made in one thread and freed in another, which it does well.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let status = command::main();
    // And not a return: user code that blocks for ever keeps its thread.
    std::process::exit(status);
}
