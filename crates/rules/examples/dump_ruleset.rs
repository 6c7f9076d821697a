//! Loads configuration files as SpamAssassin would and prints the rules and settings as JSON, for comparison with what
//! SpamAssassin itself made of them: `dump_ruleset FILE...` (`.pre` files first).

use rules::{Catalog, Kind, LoadOptions, Reader, Ruleset, Source, SourceKind};
use serde_json::{Value, json};
use std::time::Instant;

struct Files;

impl Reader for Files {
    fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        std::fs::read(path).map(|text| vec![(path.to_owned(), text)]).map_err(|error| error.to_string())
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

#[allow(clippy::print_stdout)]
fn main() {
    let thorough = std::env::var_os("THOROUGH").is_some();
    let sources: Vec<Source> = std::env::args()
        .skip(1)
        .map(|path| {
            let kind = if path.ends_with(".pre") { SourceKind::Pre } else { SourceKind::Default };
            Source::new(path.clone(), std::fs::read(&path).expect("readable file"), kind)
        })
        .collect();
    // Every eval that SpamAssassin has, so that only rules are compared.
    let evals = rules::spamassassin::plugins::PLUGINS
        .iter()
        .flat_map(|plugin| {
            plugin.evals.iter().map(|(name, stage)| rules::CatalogEval { name, stage: *stage, plugin: plugin.name })
        })
        .collect();
    let options = LoadOptions { local_only: true, thorough, ..LoadOptions::default() };
    let start = Instant::now();
    let (ruleset, diagnostics) = rules::load(&sources, &Catalog { evals }, &options, &mut Files);
    let took = start.elapsed();
    eprintln!("{} rules from source in {took:?}", ruleset.rules.len());
    let stored = postcard::to_stdvec(&ruleset).expect("a ruleset is plain data");
    let start = Instant::now();
    let again: Ruleset = postcard::from_bytes(&stored).expect("what was stored can be read");
    eprintln!("{} rules from {} stored bytes in {:?}", again.rules.len(), stored.len(), start.elapsed());
    for found in &diagnostics {
        eprintln!("{found}\n");
    }
    let rules: serde_json::Map<String, Value> = ruleset
        .rules
        .iter()
        .map(|rule| {
            let patterns: Vec<Value> = rules::spamassassin::lint::patterns(&rule.kind)
                .iter()
                .map(|pattern| json!({ "body": latin1(pattern.body()), "flags": format!("{:?}", pattern.flags), "templates": pattern.templates }))
                .collect();
            let mut value = json!({
                "scores": rule.scores,
                "desc": rule.description.as_deref(),
                "tflags": rule.tflags.text,
                "pri": rule.priority,
                "active": rule.active,
                "patterns": patterns,
                "kind": format!("{:?}", rule.kind).split(['(', ' ']).next(),
            });
            match &rule.kind {
                Kind::Header(test) => {
                    value["hdr"] = json!(test.header);
                    value["neg"] = json!(test.negated);
                    value["unset"] = json!(test.if_unset.as_deref().map(latin1));
                }
                Kind::HeaderExists { header } => value["hdr"] = json!(header),
                Kind::Eval(eval) => {
                    value["eval"] = json!([format!("{:?}", eval.stage), eval.function, eval.arguments]);
                }
                Kind::Meta(meta) => {
                    value["meta"] = json!(meta.text);
                    let deps: Vec<&str> = meta.dependencies.iter().map(|id| ruleset.rule(*id).name.as_str()).collect();
                    value["deps"] = json!(deps);
                    value["undefined"] = json!(meta.undefined);
                    value["undecidable"] = json!(meta.undecidable);
                }
                Kind::MimeHeader(test) => {
                    value["hdr"] = json!(format!("{}{}", test.header, if test.raw { ":raw" } else { "" }));
                    value["neg"] = json!(test.negated);
                }
                _ => {}
            }
            (rule.name.clone(), value)
        })
        .collect();
    let lists: serde_json::Map<String, Value> = ruleset
        .settings
        .address_lists
        .iter()
        .map(|(name, list)| (name.clone(), json!(list.entries().collect::<Vec<_>>())))
        .collect();
    let mut settings = serde_json::to_value(&ruleset.settings).expect("settings are plain data");
    settings["address_lists"] = Value::Null;
    println!(
        "{}",
        json!({
            "rules": rules,
            "plugins": ruleset.plugins,
            "lists": lists,
            "settings": settings,
            "statistics": ruleset.statistics,
            "groups": ruleset.groups.len(),
        })
    );
}
