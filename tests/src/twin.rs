//! The `provost` command as the tests run it: the same `main`, built with them, so that it is never an older one.
//!
//! It can do one thing that `provost` cannot: where `TWIN_CLOCK` says a time, its clock stands there. Each line on
//! stdin then moves the clock on by so many milliseconds, and is said again on stdout once that is done.

use std::process::ExitCode;

use provost::cli;
use provost::clock::Clock;
use provost_tests::binary::CLOCK_VARIABLE;

fn main() -> ExitCode {
    let Ok(time) = std::env::var(CLOCK_VARIABLE) else { return cli::main() };
    let clock = Clock::fixed(time.parse().expect("a test gives a time"));
    let moved = clock.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let line = line.expect("a test writes lines");
            moved.advance_ms(line.parse().expect("a test gives milliseconds"));
            println!("{line}");
        }
    });
    cli::main_at(clock)
}
