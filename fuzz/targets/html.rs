//! The HTML renderer.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mail::Limits;
use mail::views::html::{self, Coding, PartText, Rendered};

fuzz_target!(|data: &[u8]| {
    check(data, Coding::Octets);
    if std::str::from_utf8(data).is_ok() {
        check(data, Coding::Wide);
    }
    if data.is_ascii() {
        check(data, Coding::Narrow);
    }
});

fn check(data: &[u8], coding: Coding) {
    let limits = Limits::default();
    let render = |limits: &Limits| html::render(PartText { bytes: data.into(), coding }, data.len(), limits);
    let rendered = render(&limits);
    sound(&rendered, coding);
    if let Some(facts) = &rendered.facts {
        assert!(facts.uris.len() <= limits.uris);
        let anchors = facts.uris.iter().flat_map(|uri| &uri.anchors);
        assert!(anchors.into_iter().all(|anchor| (*anchor as usize) < facts.anchors.len()));
        assert!(facts.non_space_len <= facts.html_length);
    }
    // Nobody meets the limits in 16 KiB, so they are tried small.
    let small = Limits { html_tokens: 7, html_depth: 3, uris: 2, ..limits };
    let cut = render(&small);
    sound(&cut, coding);
    assert!(cut.facts.as_ref().is_none_or(|facts| facts.uris.len() <= small.uris));
}

fn sound(rendered: &Rendered, given: Coding) {
    assert_eq!(rendered.segments.last().map_or(0, |last| last.end as usize), rendered.text.len());
    assert!(rendered.segments.is_sorted_by_key(|segment| segment.end));
    let anchors = rendered.facts.as_ref().map_or(0, |facts| facts.anchors.len());
    let pieces: usize = rendered
        .pieces()
        .map(|(segment, piece)| {
            assert!(segment.link.is_none_or(|link| (link as usize) < anchors));
            piece.len()
        })
        .sum();
    assert_eq!(pieces, rendered.text.len());
    let (visible, invisible) = (rendered.sa_visible(), rendered.sa_invisible());
    assert_eq!(visible.bytes.len() + invisible.bytes.len(), rendered.text.len());
    assert_eq!(rendered.coding == Coding::Octets, given == Coding::Octets);
    if given != Coding::Octets {
        for text in [&rendered.text[..], &visible.bytes, &invisible.bytes] {
            assert!(std::str::from_utf8(text).is_ok(), "characters in, characters out");
        }
    }
    assert!(rendered.sa_text().len() <= rendered.text.len());
}
