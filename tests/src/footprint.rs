//! What a process holds in memory, and a directory on disk. Linux only, as the benches that ask are.

use std::path::Path;

/// One figure of a process, by its number or `self`: `VmRSS` is what is in RAM now, `VmHWM` the most that ever was.
pub fn memory_bytes(process: &str, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux, and the process runs");
    let line = status.lines().find(|line| line.starts_with(figure)).expect("a process has a size");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib * 1024
}

/// Everything below a directory, without what links lead to.
pub fn disk_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let entries = entries.flatten().filter(|entry| !entry.path().is_symlink());
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
