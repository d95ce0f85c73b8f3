//! What was released stays: every type, every exported interface, and every function that a plugin may import. The
//! files in `wit/released` are never changed; a new version adds one.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_parser::{Interface, Resolve, Type, TypeDef, TypeDefKind, WorldKey};

/// One interface, in words that are the same for the same thing.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    types: BTreeMap<String, String>,
    functions: BTreeMap<String, String>,
}

/// All interfaces of a file, and which of them plugins export.
struct File {
    interfaces: BTreeMap<String, Told>,
    exported: Vec<String>,
}

fn file(path: &Path) -> File {
    let mut resolve = Resolve::default();
    resolve.push_file(path).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
    let named = |interface: &Interface| interface.name.clone().unwrap();
    let interfaces = resolve.interfaces.iter().map(|(_, it)| (named(it), told(&resolve, it))).collect();
    let exports = resolve.worlds.iter().flat_map(|(_, world)| world.exports.keys());
    let exported = exports.filter_map(|key| match key {
        WorldKey::Interface(id) => Some(named(&resolve.interfaces[*id])),
        WorldKey::Name(_) => None,
    });
    File { interfaces, exported: exported.collect() }
}

fn told(resolve: &Resolve, interface: &Interface) -> Told {
    let types = interface.types.iter();
    let types = types.map(|(name, id)| (name.clone(), definition(resolve, &resolve.types[*id]))).collect();
    let functions = interface.functions.iter().map(|(name, function)| {
        let params: Vec<String> =
            function.params.iter().map(|param| format!("{}: {}", param.name, named(resolve, &param.ty))).collect();
        let result = function.result.as_ref().map(|ty| named(resolve, ty)).unwrap_or_default();
        (name.clone(), format!("{:?} ({}) -> {result}", function.kind, params.join(", ")))
    });
    Told { types, functions: functions.collect() }
}

/// A type by its name, or by what it is made of if it has none.
fn named(resolve: &Resolve, ty: &Type) -> String {
    match ty {
        Type::Id(id) => match &resolve.types[*id] {
            TypeDef { name: Some(name), .. } => name.clone(),
            anonymous => definition(resolve, anonymous),
        },
        plain => format!("{plain:?}"),
    }
}

fn definition(resolve: &Resolve, of: &TypeDef) -> String {
    let of_option = |ty: &Option<Type>| ty.as_ref().map(|ty| named(resolve, ty)).unwrap_or_default();
    match &of.kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, named(resolve, &field.ty)));
            format!("record {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| format!("{}({})", case.name, of_option(&case.ty)));
            format!("variant {{ {} }}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Enum(of) => {
            format!("enum {{ {} }}", of.cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(|ty| named(resolve, ty)).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Option(ty) => format!("option<{}>", named(resolve, ty)),
        TypeDefKind::List(ty) => format!("list<{}>", named(resolve, ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", of_option(&result.ok), of_option(&result.err)),
        TypeDefKind::Type(ty) => named(resolve, ty),
        other => panic!("the interface has no {} yet; teach this test to tell it", other.as_str()),
    }
}

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

#[test]
fn what_was_released_stays_as_it_was() {
    let present = file(&wit().join("provost.wit"));
    let released = std::fs::read_dir(wit().join("released")).unwrap().map(|entry| entry.unwrap().path());
    let mut compared = 0;
    for path in released {
        let old = file(&path);
        for (name, before) in &old.interfaces {
            let version = path.display();
            let now = present.interfaces.get(name).unwrap_or_else(|| panic!("`{name}` of {version} is gone"));
            assert_eq!(before.types, now.types, "the types of `{name}` differ from those of {version}");
            for (function, before) in &before.functions {
                assert_eq!(Some(before), now.functions.get(function), "`{name}.{function}` differs from {version}");
            }
            if old.exported.contains(name) {
                assert_eq!(before, now, "`{name}` is exported by plugins, and differs from {version}");
            }
        }
        compared += 1;
    }
    assert!(compared > 0);
}
