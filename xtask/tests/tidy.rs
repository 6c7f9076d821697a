//! Promises about the repository itself: arrows between crates, unsafe code, file heads, the two READMEs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the repository").to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The table "Crates and arrows" of ARCHITECTURE.md: crate -> crates it may use.
fn arrows_allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let mut table = BTreeMap::new();
    for line in text.lines().skip_while(|l| !l.starts_with("| crate | may use")).skip(2) {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(name), Some(uses)) = (cells.next(), cells.next()) else { break };
        let name = name.trim_matches('`').to_owned();
        let uses = uses.split(',').map(str::trim).filter(|u| *u != "-").map(str::to_owned).collect();
        table.insert(name, uses);
    }
    assert!(table.len() >= 12, "ARCHITECTURE.md has lost its table of crates");
    table
}

/// Crate folder -> crates of ours that its Cargo.toml names as ordinary dependencies.
fn arrows_drawn() -> BTreeMap<String, BTreeSet<String>> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root().join("crates")).expect("crates/").map(|e| e.expect("entry").path()).collect();
    folders.push(root().join("xtask"));
    let names: BTreeSet<String> =
        folders.iter().map(|f| f.file_name().expect("named").to_string_lossy().into_owned()).collect();
    let mut drawn = BTreeMap::new();
    for folder in folders {
        let name = folder.file_name().expect("named").to_string_lossy().into_owned();
        let manifest: toml::Table = read(&folder.join("Cargo.toml")).parse().expect("a manifest is TOML");
        let mut uses = BTreeSet::new();
        for section in ["dependencies", "build-dependencies"] {
            if let Some(table) = manifest.get(section).and_then(|d| d.as_table()) {
                uses.extend(table.keys().filter(|k| names.contains(*k)).cloned());
            }
        }
        drawn.insert(name, uses);
    }
    drawn
}

#[test]
fn arrows_run_one_way() {
    let allowed = arrows_allowed();
    for (name, uses) in arrows_drawn() {
        let may = allowed.get(&name).unwrap_or_else(|| panic!("{name} is not in ARCHITECTURE.md's table"));
        for used in uses {
            assert!(may.contains(&used), "{name} uses {used}, which ARCHITECTURE.md does not allow");
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open =
        vec![root().join("crates"), root().join("xtask"), root().join("benches"), root().join("fuzz/targets")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("entry").path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 30, "the sources were not found");
    found
}

#[test]
fn unsafe_stands_in_patterns_alone() {
    for path in sources() {
        let text = read(&path);
        let in_patterns = path.components().any(|c| c.as_os_str() == "patterns");
        let crate_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        if crate_root && !in_patterns {
            assert!(text.contains("#![forbid(unsafe_code)]"), "{} does not forbid unsafe code", path.display());
        }
        if in_patterns {
            let mut lines: Vec<&str> = Vec::new();
            for line in text.lines() {
                let code = line.trim_start();
                if !code.starts_with("//") && (code.contains("unsafe {") || code.contains("unsafe impl")) {
                    let said = lines.iter().rev().take(8).any(|l| l.trim_start().starts_with("// SAFETY:"));
                    assert!(said, "{}: unsafe without // SAFETY:\n{line}", path.display());
                }
                lines.push(line);
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for path in sources() {
        let text = read(&path);
        let head = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
        assert!(head.starts_with("//!"), "{} does not open with //!", path.display());
    }
}

/// Both READMEs have the same sections, code blocks and pictures, so that neither falls behind.
#[test]
fn readmes_are_equal() {
    let shape = |name: &str| -> Vec<String> {
        let mut in_code = false;
        let mut found = Vec::new();
        for line in read(&root().join(name)).lines() {
            if line.starts_with("```") {
                in_code = !in_code;
                found.push(line.to_owned());
            } else if in_code {
                found.push(line.split('#').next().unwrap_or_default().trim_end().to_owned());
            } else if line.starts_with('#') {
                found.push(line.chars().take_while(|c| *c == '#').collect());
            } else if line.starts_with("![") {
                found.push("picture".into());
            }
        }
        found
    };
    assert_eq!(shape("README.md"), shape("README.ja.md"));
}

#[test]
fn links_in_documents_lead_somewhere() {
    for name in ["README.md", "README.ja.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = read(&root().join(name));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with('#') {
                continue;
            }
            let target = link.split('#').next().unwrap_or_default();
            assert!(root().join(target).exists(), "{name} links to {link}, which is not there");
        }
    }
}

/// The core is handed bytes, times and answers; only `app` and the store's backends open files and sockets.
#[test]
fn files_and_sockets_stand_in_app_and_backends() {
    let mut judged = 0;
    for path in sources() {
        let inside = path.strip_prefix(root().join("crates")).ok().filter(|inside| {
            let allowed = inside.starts_with("app") || inside.starts_with("store/src/backends");
            !allowed && inside.components().nth(1).is_some_and(|folder| folder.as_os_str() == "src")
        });
        let Some(inside) = inside else { continue };
        judged += 1;
        let text = read(&path);
        for word in ["std::fs", "File::open", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"] {
            assert!(!text.contains(word), "{} uses {word}", inside.display());
        }
    }
    assert!(judged > 30, "the sources were not found");
}
