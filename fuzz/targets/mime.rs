//! Whole messages: the MIME tree, transfer decodings, and every view.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::views::{UnitText, ViewConfig, Views};
use mail::{Limits, Message};
use std::sync::LazyLock;

static CONFIG: LazyLock<ViewConfig> = LazyLock::new(ViewConfig::default);
static UNDECODED: LazyLock<ViewConfig> = LazyLock::new(|| ViewConfig {
    normalize_charset: false,
    body_part_scan_size: 50,
    rawbody_part_scan_size: 50,
    limits: small(),
    ..ViewConfig::default()
});

fn small() -> Limits {
    Limits { depth: 2, parts: 5, headers: 6, header_name: 20, header_value: 60, uris: 3, ..Limits::default() }
}

fuzz_target!(|data: &[u8]| {
    for (limits, config) in [(&Limits::default(), &*CONFIG), (&small(), &*UNDECODED)] {
        let message = Message::parse(data, limits);
        tree(&message, limits, data.len());
        views(&message, config);
    }
});

fn tree(message: &Message, limits: &Limits, length: usize) {
    assert!(message.parts.len() <= limits.parts);
    assert!(message.headers().fields.len() <= limits.headers);
    let mut depths = Vec::with_capacity(message.parts.len());
    let mut leaves = 0;
    for (index, part) in message.parts.iter().enumerate() {
        assert_eq!(part.parent.is_none(), index == 0);
        // Document order: a parent comes before its children.
        depths.push(part.parent.map_or(0, |parent| depths[parent.0 as usize] + 1));
        for child in &part.children {
            assert_eq!(message.part(*child).parent.map(|parent| parent.0 as usize), Some(index));
        }
        assert!(!part.is_leaf() || part.children.is_empty());
        let (raw, decoded) = (part.raw_body().len(), part.decoded().len());
        assert!(decoded <= raw, "transfer decodings shorten: {decoded} of {raw}");
        leaves += raw;
        std::hint::black_box(part.effective_type());
    }
    assert!(depths.iter().all(|depth| *depth <= limits.depth));
    // A stranger's bytes are not multiplied, whatever the nesting.
    assert!(leaves <= 2 * length + 2 * message.parts.len() + 1, "{leaves} bytes of parts from {length}");
}

fn views(message: &Message, config: &ViewConfig) {
    let views = Views::new(message, config);
    for (id, _) in message.leaves() {
        if let Some(rendered) = views.rendered(id) {
            assert_eq!(rendered.segments.last().map_or(0, |last| last.end as usize), rendered.text.len());
        }
    }
    units(views.body(), 2_049.max(longest_subject(message)));
    units(views.rawbody(), 4_096);
    let uris = views.uris();
    units(&uris.text, usize::MAX);
    assert!(uris.uris.len() <= config.limits.uris || uris.truncated);
    let text = views.text();
    units(&text.body, usize::MAX);
    units(&text.hidden, usize::MAX);
    assert!(text.body.iter().chain(text.hidden.iter()).all(|unit| std::str::from_utf8(unit).is_ok()));
    let relays = views.relays();
    assert_eq!(relays.trusted.len() + relays.untrusted.len(), relays.internal.len() + relays.external.len());
    std::hint::black_box(views.html());
}

fn longest_subject(message: &Message) -> usize {
    message.headers().last("subject").map_or(0, |field| field.decoded.len())
}

fn units(text: &UnitText, longest: usize) {
    assert_eq!(text.ends.last().map_or(0, |end| *end as usize), text.bytes.len());
    assert!(text.ends.is_sorted());
    assert!(text.iter().all(|unit| unit.len() <= longest));
}
