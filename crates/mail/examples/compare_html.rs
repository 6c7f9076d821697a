//! Compares the HTML renderer and what the body views make of it with SpamAssassin's, part by part, from a dump that
//! `dump_views.pl` wrote. usage: compare_html DUMP.jsonl [differences shown of each kind] [timing rounds]
#![allow(clippy::print_stdout)]

use mail::Limits;
use mail::views::html::{Coding, HtmlFacts, PartText, Rendered, render};
use mail::views::{UnitText, body, rawbody};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::time::{Duration, Instant};

fn bytes(v: &Value) -> Vec<u8> {
    v.as_str().unwrap_or("").chars().map(|c| c as u32 as u8).collect()
}

fn key(k: &str) -> Vec<u8> {
    k.chars().map(|c| c as u32 as u8).collect()
}

fn list(v: &Value) -> Vec<Vec<u8>> {
    v.as_array().into_iter().flatten().map(bytes).collect()
}

fn units(u: &UnitText) -> Vec<Vec<u8>> {
    u.iter().map(<[u8]>::to_vec).collect()
}

/// Numbers come as numbers or strings.
fn number(v: &Value) -> Option<f64> {
    v.as_str().map_or(v.as_f64(), |s| s.parse().ok())
}

fn sa_bytes(text: &PartText<'_>) -> Vec<u8> {
    let html = false;
    let copy = PartText { bytes: Cow::Borrowed(&text.bytes), coding: text.coding };
    Rendered::plain(copy, html).sa_text().into_owned()
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, (usize, usize)>,
    show: usize,
}

impl Tally {
    fn check(&mut self, file: &str, what: &str, ours: &[Vec<u8>], theirs: &[Vec<u8>]) {
        let count = self.counts.entry(what.to_string()).or_default();
        count.0 += 1;
        if ours == theirs {
            return;
        }
        count.1 += 1;
        if count.1 > self.show {
            return;
        }
        let (a, b) = (ours.join(&b"|"[..]), theirs.join(&b"|"[..]));
        let p = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let cut = |x: &[u8]| String::from_utf8_lossy(&x[p.saturating_sub(60)..(p + 60).min(x.len())]).into_owned();
        println!("{what} {file} at {p} of {} / {}\n   ours   {:?}\n   theirs {:?}", a.len(), b.len(), cut(&a), cut(&b));
    }

    fn facts(&mut self, file: &str, ours: &HtmlFacts, theirs: &Value) {
        let flag = |on: bool| on.then_some(1.0);
        let numbers: [(&str, Option<f64>); 18] = [
            ("length", Some(ours.length.into())),
            ("html_length", Some(ours.html_length.into())),
            ("non_space_len", Some(ours.non_space_len.into())),
            ("ratio", ours.ratio),
            ("image_area", Some(ours.image_area)),
            ("min_size", Some(ours.min_size as f64)),
            ("max_size", Some(ours.max_size as f64)),
            ("closed_extra_ratio", ours.closed_extra_ratio),
            ("bad_tag_ratio", ours.bad_tag_ratio),
            ("non_element_ratio", ours.non_element_ratio),
            ("obfuscation_ratio", ours.obfuscation_ratio),
            ("backhair_count", ours.backhair_count.map(f64::from)),
            ("font_low_contrast", flag(ours.font_low_contrast)),
            ("font_invalid_color", flag(ours.font_invalid_color)),
            ("font_face_bad", flag(ours.font_face_bad)),
            ("form_action_mailto", flag(ours.form_action_mailto)),
            ("embeds", flag(ours.embeds)),
            ("uri_truncated", flag(ours.uri_truncated)),
        ];
        let show = |n: Option<f64>| vec![n.map_or(b"-".to_vec(), |n| format!("{n:.10}").into_bytes())];
        for (name, n) in numbers {
            self.check(file, name, &show(n), &show(number(&theirs[name])));
        }
        let tag = |name: &[u8], n: f64| [name, format!("={n}").as_bytes()].concat();
        let tags: Vec<_> = ours.tags().map(|(name, n)| tag(name, n.into())).collect();
        let mut their_tags: Vec<_> = theirs["inside"].as_object().into_iter().flatten().collect();
        their_tags.sort_by_key(|(name, _)| key(name));
        let their_tags: Vec<_> = their_tags.iter().map(|(k, v)| tag(&key(k), number(v).unwrap_or(0.0))).collect();
        self.check(file, "inside", &tags, &their_tags);
        for (name, pieces) in [("comment", &ours.comments), ("script", &ours.scripts), ("title", &ours.titles)] {
            self.check(file, name, &units(pieces), &list(&theirs[name]));
        }
        let texts: Vec<_> = ours.anchors.iter().map(|a| a.text.clone()).collect();
        self.check(file, "anchor", &texts, &list(&theirs["anchor"]));
        let line = |uri: &[u8], mut types: Vec<&str>, texts: Vec<Vec<u8>>| {
            types.sort_unstable();
            [uri, format!(" {types:?} ").as_bytes(), &texts.join(&1)].concat()
        };
        let text_of = |i: &u32| ours.anchors[*i as usize].text.clone();
        let mut uris: Vec<_> = (ours.uris.iter())
            .map(|u| line(&u.uri, u.types.names().collect(), u.anchors.iter().map(text_of).collect()))
            .collect();
        let mut their_uris: Vec<_> = (theirs["uri_detail"].as_object().into_iter().flatten())
            .map(|(uri, v)| {
                let types = v["types"].as_object().into_iter().flatten().map(|(t, _)| t.as_str()).collect();
                line(&key(uri), types, list(&v["anchor_text"]))
            })
            .collect();
        uris.sort();
        their_uris.sort();
        self.check(file, "uri_detail", &uris, &their_uris);
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("the dump's path");
    let mut numbers = args.map(|n| n.parse().expect("a number"));
    let mut tally = Tally { show: numbers.next().unwrap_or(2), ..Tally::default() };
    let rounds = numbers.next().unwrap_or(1);
    let limits = Limits::default();
    let mut time = Duration::ZERO;
    let mut size = 0;
    for line in std::io::BufReader::new(std::fs::File::open(path).expect("the dump")).lines() {
        let v: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        let file = v["file"].as_str().unwrap_or("");
        let coding = |wide: &Value| if wide == 1 { Coding::Wide } else { Coding::Narrow };
        let mut parts: Vec<Option<Rendered>> = Vec::new();
        for p in v["parts"].as_array().into_iter().flatten() {
            if p["in"].is_null() {
                let text = PartText { bytes: bytes(&p["rendered"]).into(), coding: coding(&p["u"]) };
                parts.push((!p["rtype"].is_null()).then(|| Rendered::plain(text, p["rtype"] == "text/html")));
                continue;
            }
            let source = bytes(&p["in"]);
            let decoded = p["len"].as_u64().unwrap_or(0) as usize;
            let text = || PartText { bytes: Cow::Borrowed(&source), coding: coding(&p["inu"]) };
            let fastest = (0..rounds).map(|_| {
                let start = Instant::now();
                std::hint::black_box(render(text(), decoded, &limits));
                start.elapsed()
            });
            time += fastest.min().unwrap_or_default();
            size += source.len();
            let r = render(text(), decoded, &limits);
            tally.check(file, "rendered", &[r.sa_text().into_owned()], &[bytes(&p["rendered"])]);
            tally.check(file, "visible", &[sa_bytes(&r.sa_visible())], &[bytes(&p["vis"])]);
            tally.check(file, "invisible", &[sa_bytes(&r.sa_invisible())], &[bytes(&p["invis"])]);
            if let Some(facts) = &r.facts {
                tally.facts(file, facts, &p["html"]);
            }
            parts.push(Some(r));
        }
        let subject = bytes(&v["subject"]);
        let subject = Some(subject.strip_suffix(b"\n").unwrap_or(&subject));
        let all = |f: fn(&Rendered) -> PartText<'_>| parts.iter().map(|r| r.as_ref().map(f)).collect::<Vec<_>>();
        let folded = |subject, f| units(&body::body(subject, &all(f), 50_000));
        tally.check(file, "body", &folded(subject, Rendered::part_text), &list(&v["body"]));
        tally.check(file, "visible body", &folded(subject, Rendered::sa_visible), &list(&v["vbody"]));
        tally.check(file, "invisible body", &folded(None, Rendered::sa_invisible), &list(&v["ibody"]));
        let raw: Vec<_> = v["parts"].as_array().into_iter().flatten().map(|p| &p["dec"]).collect();
        let raw: Vec<_> = raw.into_iter().filter(|d| d.is_string()).map(bytes).collect();
        let raw = rawbody::rawbody(raw.iter().map(|r| &**r), 500_000);
        tally.check(file, "rawbody", &units(&raw), &list(&v["rawbody"]));
    }
    for (what, (all, different)) in tally.counts {
        println!("{different:6} of {all} differ: {what}");
    }
    println!("rendered {size} bytes in {time:?}");
}
