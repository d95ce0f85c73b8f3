//! Where a guest was when it failed, short enough for a log line.
//!
//! Only the printed form of a backtrace has the names as their language writes them, so that is
//! what is read. The machinery between a panic and its trap says nothing, and neither do a hundred
//! rounds of the same recursion.

use wasmtime::WasmBacktrace;

use crate::limits::FAULT_FRAMES_MAX;

/// What the frames between a failure and its trap begin with, in Rust.
const MACHINERY: [&str; 8] = ["std::", "core::", "alloc::", "__rustc", "_R", "abort", "exit", "_Exit"];

/// The innermost functions, innermost first.
pub(super) fn summary(backtrace: &WasmBacktrace) -> String {
    summarize(&backtrace.to_string())
}

fn summarize(printed: &str) -> String {
    let names: Vec<String> = printed.lines().filter_map(name).collect();
    let telling = names.iter().filter(|name| !MACHINERY.iter().any(|prefix| name.starts_with(prefix)));
    let mut frames: Vec<(&str, usize)> = Vec::new();
    for name in telling {
        let full = frames.len() == FAULT_FRAMES_MAX;
        match frames.last_mut() {
            Some((last, times)) if last == name => *times += 1,
            _ if full => break,
            _ => frames.push((name, 1)),
        }
    }
    let shown = frames.iter().map(|(name, times)| match times {
        1 => (*name).to_owned(),
        times => format!("{name} ({times} times)"),
    });
    shown.collect::<Vec<_>>().join(" < ")
}

/// A line's function: what stands behind the offset, without the module and without hashes.
fn name(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(" - ")?;
    let name = rest.split_once('!').map_or(rest, |(_module, name)| name);
    let name = match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => path,
        _ => name,
    };
    Some(without_crate_hashes(name))
}

/// `std[d123b7a1]::process::abort` is `std::process::abort`.
fn without_crate_hashes(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('[') {
        kept.push_str(before);
        match behind.split_once(']') {
            Some((hash, after)) if hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => rest = after,
            _ => {
                kept.push('[');
                rest = behind;
            }
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machinery_of_a_panic_is_left_out() {
        let printed = "error while executing at wasm backtrace:
    0:   0x1c5e - guest.wasm!abort
    1:   0x2a10 - guest.wasm!std[d123b7a1a2ed1472]::process::abort
    2:   0x2b00 - guest.wasm!__rustc[b7974e8690430dd9]::rust_panic
    3:   0x2c00 - guest.wasm!guest::rules::check::h94a9ba986ca653fb
    4:   0x2d00 - guest.wasm!provost:plugin/before-write@0.1.0#review";

        assert_eq!(summarize(printed), "guest::rules::check < provost:plugin/before-write@0.1.0#review");
    }

    #[test]
    fn a_recursion_is_told_once() {
        let printed = "  0: 0x1 - g!down\n  1: 0x1 - g!down\n  2: 0x1 - g!down\n  3: 0x2 - g!start";

        assert_eq!(summarize(printed), "down (3 times) < start");
    }

    #[test]
    fn names_without_a_module_and_with_brackets_of_their_own_stay() {
        assert_eq!(summarize("  0: 0x1 - <[u8]>::len\n      at src/lib.rs:3"), "<[u8]>::len");
    }

    #[test]
    fn no_more_frames_than_allowed() {
        let printed: String = (0..100).map(|n| format!("  {n}: 0x1 - g!f{n}\n")).collect();

        assert_eq!(summarize(&printed).split(" < ").count(), FAULT_FRAMES_MAX);
    }
}
