//! Compares the body, rawbody and rendered views of whole messages with SpamAssassin's, from a dump that
//! `dump_views.pl` wrote. usage: compare_views DUMP.jsonl [differences shown]
#![allow(clippy::print_stdout)]

use mail::views::{UnitText, ViewConfig, Views};
use mail::{Limits, Message};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;

fn bytes(v: &Value) -> Vec<u8> {
    v.as_str().unwrap_or("").chars().map(|c| c as u32 as u8).collect()
}

fn units(v: &Value) -> Vec<Vec<u8>> {
    v.as_array().map(|a| a.iter().map(bytes).collect()).unwrap_or_default()
}

#[derive(Default)]
struct Tally {
    counts: BTreeMap<&'static str, (usize, usize)>,
    show: usize,
}

impl Tally {
    fn check(&mut self, file: &str, what: &'static str, ours: &[Vec<u8>], theirs: &[Vec<u8>]) {
        let count = self.counts.entry(what).or_default();
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
}

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("the dump's path");
    let mut tally = Tally { show: args.next().and_then(|n| n.parse().ok()).unwrap_or(2), ..Tally::default() };
    let config = ViewConfig::default();
    let list = |u: &UnitText| u.iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    for line in std::io::BufReader::new(std::fs::File::open(path).expect("the dump")).lines() {
        let v: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        let file = v["file"].as_str().unwrap_or("");
        let Ok(raw) = std::fs::read(file) else { continue };
        let message = Message::parse(&raw, &Limits::default());
        let views = Views::new(&message, &config);
        tally.check(file, "body", &list(views.body()), &units(&v["body"]));
        tally.check(file, "rawbody", &list(views.rawbody()), &units(&v["rawbody"]));
        let theirs: Vec<_> = v["parts"].as_array().into_iter().flatten().filter(|p| p["leaf"] != 0).collect();
        let text = |p: &&Value| if p["rtype"].is_null() { b"none".to_vec() } else { bytes(&p["rendered"]) };
        let rendered: Vec<Vec<u8>> = message
            .leaves()
            .map(|(id, _)| views.rendered(id).map_or(b"none".to_vec(), |r| r.sa_text().into_owned()))
            .collect();
        tally.check(file, "rendered", &rendered, &theirs.iter().map(text).collect::<Vec<_>>());
    }
    for (what, (all, different)) in tally.counts {
        println!("{different:6} of {all} differ: {what}");
    }
}
