//! What the fuzz targets assert, held against their seeds: on every run, and without a fuzzer.

#[path = "../fuzz/src/lib.rs"]
mod provost_fuzz;

use std::path::Path;

/// The seeds of one target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = std::fs::read_dir(directory).unwrap();
    let seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

fn texts(target: &str) -> Vec<String> {
    seeds(target).into_iter().filter_map(|seed| String::from_utf8(seed).ok()).collect()
}

#[test]
fn filters_hold() {
    texts("filter").iter().for_each(|text| provost_fuzz::filter(text));
}

#[test]
fn paths_hold() {
    texts("path").iter().for_each(|text| provost_fuzz::path(text));
}

#[test]
fn patch_bodies_hold() {
    seeds("patch_body").iter().for_each(|bytes| provost_fuzz::patch_body(bytes));
}

#[test]
fn bulk_bodies_hold() {
    seeds("bulk_body").iter().for_each(|bytes| provost_fuzz::bulk_body(bytes));
}
