//! Lists the rule files that we ship, so that the program carries them.

#![allow(clippy::disallowed_methods)] // cargo tells by the environment

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../../rules");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut names: Vec<_> = fs::read_dir(&folder)
        .map(|entries| {
            entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
        })
        .unwrap_or_default();
    names.retain(|name| name.ends_with(".cf") || name.ends_with(".pre"));
    names.sort_by_key(|name| (!name.ends_with(".pre"), name.clone()));
    let mut code =
        String::from("/// The rule files that we ship: name, text.\npub static SHIPPED: &[(&str, &str)] = &[\n");
    for name in names {
        let path = fs::canonicalize(folder.join(&name)).expect("listed just now");
        writeln!(code, "    ({name:?}, include_str!({path:?})),").expect("a string takes everything");
    }
    code.push_str("];\n");
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("shipped.rs");
    fs::write(out, code).expect("cargo's own folder can be written");
}
