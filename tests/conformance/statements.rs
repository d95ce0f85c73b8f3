//! The protocol's statements by number, and which test holds each: `docs/conformance.md`.
//!
//! `statements.txt` has the numbers, `untested.txt` says why some have no test. A test holds a
//! statement if its comment or its body names the number. The page is made from these and from the
//! sources; when it is not what it should be, this test fails, and `PROVOST_WRITE_DOCS=1` writes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where tests are.
const SOURCES: [&str; 8] = [
    "host/scim/src",
    "host/scim/tests",
    "host/src",
    "host/tests",
    "tests/front_door",
    "tests/conformance",
    "tests/crash",
    "guest-sdk",
];

/// One statement.
struct Statement<'a> {
    number: &'a str,
    level: &'a str,
    source: &'a str,
    says: &'a str,
}

/// A test: its file and its name.
type Test = (String, String);

#[test]
fn every_must_has_a_test_or_a_reason_and_the_page_says_so() {
    let statements = std::fs::read_to_string(root().join("tests/conformance/statements.txt")).unwrap();
    let untested = std::fs::read_to_string(root().join("tests/conformance/untested.txt")).unwrap();
    let statements: Vec<Statement> = statements.lines().map(statement).collect();
    let untested: BTreeMap<&str, &str> = untested.lines().filter_map(|l| l.split_once('|')).map(trimmed).collect();
    let tests = tests();

    let bare: Vec<&str> =
        statements.iter().map(|s| s.number).filter(|n| !tests.contains_key(*n) && !untested.contains_key(n)).collect();
    assert!(bare.is_empty(), "neither a test nor a reason: {bare:?}");
    let both: Vec<&&str> = untested.keys().filter(|number| tests.contains_key(**number)).collect();
    assert!(both.is_empty(), "these have a test, so `untested.txt` need not excuse them: {both:?}");
    let known: BTreeSet<&str> = statements.iter().map(|s| s.number).collect();
    let unknown: Vec<_> = tests.iter().filter(|(n, _)| !known.contains(n.as_str()) && n.starts_with("S-")).collect();
    assert!(unknown.is_empty(), "tests name statements that are not in `statements.txt`: {unknown:?}");

    let page = page(&statements, &untested, &tests);
    let file = root().join("docs/conformance.md");
    if std::env::var_os("PROVOST_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(root().join("docs")).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page, "docs/conformance.md is not what the tests say; PROVOST_WRITE_DOCS=1 writes it anew");
}

fn statement(line: &str) -> Statement<'_> {
    let parts: Vec<&str> = line.splitn(4, '|').map(str::trim).collect();
    let [number, level, source, says] = parts[..] else { panic!("`statements.txt`: {line}") };
    Statement { number, level, source, says }
}

fn trimmed<'a>((number, reason): (&'a str, &'a str)) -> (&'a str, &'a str) {
    (number.trim(), reason.trim())
}

fn page(statements: &[Statement], untested: &BTreeMap<&str, &str>, tests: &BTreeMap<String, BTreeSet<Test>>) -> String {
    let mut page = String::from(
        "# The protocol, statement by statement\n\n\
         Made from `tests/conformance/statements.txt` and from the tests themselves; `PROVOST_WRITE_DOCS=1 cargo test \
         -p provost-tests --test conformance` writes it anew. MUST* follows from a MUST; CHOICE is where the RFCs are \
         silent or contradict each other, and the statement is what Provost does.\n\n\
         | number | level | source | what it is about | held by |\n|---|---|---|---|---|\n",
    );
    for Statement { number, level, source, says } in statements {
        let held = match tests.get(*number) {
            Some(tests) => {
                let first: Vec<String> =
                    tests.iter().take(3).map(|(file, test)| format!("`{test}` ({file})")).collect();
                let more = tests.len().saturating_sub(3);
                first.join(", ") + &if more > 0 { format!(", and {more} more") } else { String::new() }
            }
            None => format!("*no test:* {}", untested.get(number).copied().unwrap_or_default()),
        };
        writeln!(page, "| {number} | {level} | {source} | {says} | {held} |").unwrap();
    }
    page
}

/// The tests of each number.
fn tests() -> BTreeMap<String, BTreeSet<Test>> {
    let mut found = BTreeMap::new();
    for source in SOURCES {
        for file in files(&root().join(source)) {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            read(&name, &std::fs::read_to_string(&file).unwrap(), &mut found);
        }
    }
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() && !path.ends_with("target") => all.extend(files(&path)),
            Some(extension) if extension == "rs" || extension == "toml" => all.push(path),
            _ => {}
        }
    }
    all.sort();
    all
}

/// Numbers in the comment above a test, and in its body, count for it. A sequence is a test too.
fn read(file: &str, text: &str, found: &mut BTreeMap<String, BTreeSet<Test>>) {
    let mut holds = |number: String, test: &str| {
        found.entry(number).or_default().insert((file.to_owned(), test.to_owned()));
    };
    if file.ends_with(".toml") {
        let name = Path::new(file).file_stem().unwrap().to_string_lossy();
        return text.lines().flat_map(numbers).for_each(|number| holds(number, &name));
    }
    let mut above: Vec<String> = Vec::new();
    let mut is_test = false;
    // The test that is being read, and the line it ends with.
    let mut test: Option<(String, String)> = None;
    for raw in text.lines() {
        let line = raw.trim();
        if let Some((name, end)) = &test {
            numbers(line).into_iter().for_each(|number| holds(number, name));
            if raw == end {
                test = None;
            }
            continue;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if line.starts_with("//") {
            above.extend(numbers(line));
        } else if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if let Some(rest) = function.filter(|_| is_test) {
            let name = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
            above.drain(..).chain(named(&name)).for_each(|number| holds(number, &name));
            test = Some((name, format!("{}}}", &raw[..raw.len() - raw.trim_start().len()])));
            is_test = false;
        } else {
            above.clear();
            is_test = false;
        }
    }
}

/// The numbers in a test's name: `…_s_1_2` is `S-1.2`, `…_l_p3` is `L-P3`, `golden_4_…` is `S-34.4`.
fn named(test: &str) -> Vec<String> {
    let words: Vec<&str> = test.split('_').collect();
    let is_number = |word: &&str| word.parse::<u16>().is_ok();
    let mut numbers = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let (next, second) = (words.get(at + 1), words.get(at + 2));
        match (*word, next, second) {
            ("s", Some(section), Some(number)) if is_number(section) && is_number(number) => {
                numbers.push(format!("S-{section}.{number}"));
            }
            ("golden", Some(number), _) if is_number(number) => numbers.push(format!("S-34.{number}")),
            ("l", Some(row), _) if row.get(1..).is_some_and(|number| is_number(&number)) => {
                numbers.push(format!("L-{}", row.to_uppercase()));
            }
            _ => {}
        }
    }
    numbers
}

/// `S-1.2` and `L-P3` in a line.
fn numbers(line: &str) -> Vec<String> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let words = line.split(ends).map(|word| word.trim_end_matches('.'));
    let is_number = |word: &&str| {
        let statement = word.strip_prefix("S-").and_then(|n| n.split_once('.'));
        let statement = statement.is_some_and(|(a, b)| [a, b].iter().all(|n| n.parse::<u16>().is_ok()));
        statement || word.strip_prefix("L-").is_some_and(|n| n.len() >= 2 && n[1..].parse::<u16>().is_ok())
    };
    words.filter(is_number).map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
