//! What the process uses: processor time and memory.

use std::fs;
use std::time::Duration;

use cpu_time::ProcessTime;

/// Runs a program; gives its result, the time by the clock, and processor time.
pub fn timed<T>(program: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (clock, cpu) = (std::time::Instant::now(), ProcessTime::now());
    let result = program();
    (result, clock.elapsed(), cpu.elapsed())
}

/// Lets [`peak_mib`] begin anew; only Linux can.
pub fn reset_peak() {
    // Where it is not allowed the peak is that of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that was resident since [`reset_peak`], in MiB; none where the system
/// does not say.
pub fn peak_mib() -> Option<u64> {
    status_mib("VmHWM:")
}

/// The memory that is resident, in MiB.
pub fn resident_mib() -> Option<u64> {
    status_mib("VmRSS:")
}

fn status_mib(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// The bytes that the process has given to the disk so far, as Linux counts them.
pub fn written_bytes() -> Option<u64> {
    let counted = fs::read_to_string("/proc/self/io").ok()?;
    let line = counted
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes:"))?;
    line.trim().parse().ok()
}
