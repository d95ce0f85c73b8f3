//! Guests by hand: a few lines of WebAssembly text, made a component against the real `wit/`.
//!
//! The functions follow the canonical ABI: `review` gets a pointer to its arguments and answers a
//! pointer to its result. Memory begins as zeroes, and a result of zeroes is `ok(proceed)`.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The interface, as plugin authors get it.
const WIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/provost.wit"));

/// Where a `review` may write its result: aligned, and zero.
pub(super) const RESULT: u32 = 1024;

/// A guest to be built.
pub(super) struct Guest {
    wit: String,
    imports: Vec<&'static str>,
    exports: Vec<&'static str>,
    version: &'static str,
    pages: u32,
    data: Vec<(u32, Vec<u8>)>,
    declarations: String,
    functions: String,
}

/// A guest that exports `lifecycle` and nothing else.
pub(super) fn guest() -> Guest {
    Guest {
        wit: WIT.to_owned(),
        imports: Vec::new(),
        exports: vec!["lifecycle"],
        version: "0.1.0",
        pages: 2,
        data: Vec::new(),
        declarations: String::new(),
        functions: String::new(),
    }
}

/// A guest whose `review` is this body. It has one parameter, and answers an i32.
pub(super) fn reviewer(body: &str) -> Guest {
    let name = "provost:plugin/before-write@0.1.0#review";
    guest()
        .exporting("before-write")
        .function(&format!(r#"(func (export "{name}") (param $told i32) (result i32) {body})"#))
}

impl Guest {
    pub(super) fn importing(mut self, interface: &'static str) -> Self {
        self.imports.push(interface);
        self
    }

    pub(super) fn exporting(mut self, interface: &'static str) -> Self {
        self.exports.push(interface);
        self
    }

    pub(super) fn without_lifecycle(mut self) -> Self {
        self.exports.retain(|interface| *interface != "lifecycle");
        self
    }

    /// Declares what the module imports, in WebAssembly text.
    pub(super) fn declare(mut self, text: &str) -> Self {
        self.declarations.push_str(text);
        self
    }

    pub(super) fn function(mut self, text: &str) -> Self {
        self.functions.push_str(text);
        self
    }

    pub(super) fn data(mut self, at: u32, bytes: &[u8]) -> Self {
        self.data.push((at, bytes.to_vec()));
        self
    }

    pub(super) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Builds against another interface than the real one.
    pub(super) fn against(mut self, change: impl FnOnce(&str) -> String, version: &'static str) -> Self {
        self.wit = change(&self.wit);
        self.version = version;
        self
    }

    pub(super) fn build(self) -> Vec<u8> {
        let version = self.version;
        let names = |word: &str, interfaces: &[&str]| -> String {
            interfaces.iter().map(|i| format!("{word} provost:plugin/{i}@{version};\n")).collect()
        };
        let world = format!(
            "package test:guest;\nworld guest {{\n{}{}}}",
            names("import", &self.imports),
            names("export", &self.exports)
        );
        let mut resolve = Resolve::default();
        resolve.push_str("provost.wit", &self.wit).unwrap();
        let package = resolve.push_str("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();

        let mut module = wat::parse_str(self.module()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    fn module(&self) -> String {
        let data: String = self.data.iter().map(|(at, bytes)| data(*at, bytes)).collect();
        let lifecycle = match self.exports.contains(&"lifecycle") {
            true => format!(
                r#"(func (export "provost:plugin/lifecycle@{0}#describe") (result i32) (i32.const 64))
                   (func (export "provost:plugin/lifecycle@{0}#check-config") (param i32 i32) (result i32) (i32.const 96))"#,
                self.version
            ),
            false => String::new(),
        };
        format!(
            r#"(module
                {declarations}
                (memory (export "memory") {pages})
                (global $heap (mut i32) (i32.const 32768))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                    (global.get $heap)
                    (global.set $heap (i32.add (global.get $heap) (local.get 3))))
                (data (i32.const 0) "handmade9.8.7a guest by hand")
                (data (i32.const 64) "\00\00\00\00\08\00\00\00\08\00\00\00\05\00\00\00\0d\00\00\00\0f\00\00\00")
                {data}
                {lifecycle}
                {functions})"#,
            declarations = self.declarations,
            pages = self.pages,
            functions = self.functions,
        )
    }
}

fn data(at: u32, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")\n")
}

/// A list or string in memory: its address and length.
pub(super) fn slice(at: u32, length: usize) -> Vec<u8> {
    [at.to_le_bytes(), u32::try_from(length).unwrap().to_le_bytes()].concat()
}

/// A reviewer that always answers the same: the bytes of a `result<verdict, failure>`.
pub(super) fn answering(result: &[u8], text: &str) -> Vec<u8> {
    reviewer(&format!("(i32.const {RESULT})")).data(RESULT, result).data(2048, text.as_bytes()).build()
}

/// `ok(patch(text))`
pub(super) fn patching(text: &str) -> Vec<u8> {
    answering(&[&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], slice(2048, text.len()).as_slice()].concat(), text)
}

/// `ok(replace(text))`
pub(super) fn replacing(text: &str) -> Vec<u8> {
    answering(&[&[0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], slice(2048, text.len()).as_slice()].concat(), text)
}
