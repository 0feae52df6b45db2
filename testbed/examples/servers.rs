//! Starts the servers that tests share, prints how they are named, and keeps them until standard
//! input ends.

fn main() -> Result<(), squall_testbed::Error> {
    let all = squall_testbed::shared::All::start()?;
    for (name, value) in all.variables() {
        println!("export {name}='{value}'");
    }
    // Nothing is read: the end is waited for.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(())
}
