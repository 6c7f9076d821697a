//! Every limit holds and leaves a note; so does a label that the bytes contradict.

use mail::{CharsetMismatch, Limits, Message, Note, Place, ViewConfig, Views};

fn notes(mail: &str, limits: &Limits) -> Vec<Note> {
    let message = Message::parse(mail.as_bytes(), limits);
    let config = ViewConfig { limits: limits.clone(), ..ViewConfig::default() };
    Views::new(&message, &config).notes()
}

#[test]
fn each_limit_is_noted_where_it_is_reached_and_not_before() {
    let small = Limits {
        depth: 3,
        parts: 4,
        headers: 5,
        decoded: 40,
        uris: 2,
        html_tokens: 12,
        html_depth: 3,
        ..Limits::default()
    };
    let html = |text: &str| format!("Content-Type: text/html\n\n{text}");
    let parts = |n: usize| format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", "--b\n\nx\n".repeat(n));
    let part_headers =
        |n: usize| format!("Content-Type: multipart/mixed; boundary=b\n\n--b\n{}\nx\n--b--\n", "A: b\n".repeat(n));
    let uris = |n: usize| html(&(0..n).map(|i| format!("<a href=a:{i}>")).collect::<String>());
    for (what, limit, within, beyond) in [
        ("headers", 5, format!("{}\nx\n", "A: b\n".repeat(5)), format!("{}\nx\n", "A: b\n".repeat(6))),
        ("headers", 5, part_headers(5), part_headers(6)),
        ("parts", 4, parts(3), parts(4)),
        ("decoded", 40, format!("A: b\n\n{}", "x".repeat(40)), format!("A: b\n\n{}", "x".repeat(41))),
        (
            "depth",
            3,
            format!("{}\nx\n", "Content-Type: message/rfc822\n\n".repeat(3)),
            format!("{}\nx\n", "Content-Type: message/rfc822\n\n".repeat(4)),
        ),
        ("html_depth", 3, html("<b><b>x"), html("<b><b><b><b><b>x")),
        ("html_tokens", 12, html("<p>x"), html(&"<p>x".repeat(8))),
        ("uris", 2, uris(1), uris(6)),
    ] {
        let reached = |mail: &str| notes(mail, &small).contains(&Note::Limit { what, limit });
        assert!(!reached(&within), "{what}: {within}");
        assert!(reached(&beyond), "{what}: {beyond}");
        assert!(!notes(&beyond, &Limits::default()).iter().any(|note| matches!(note, Note::Limit { .. })), "{what}");
    }
}

#[test]
fn what_is_beyond_a_limit_is_not_kept() {
    let limits = Limits { headers: 2, decoded: 10, ..Limits::default() };
    let message = Message::parse(format!("A: 1\nB: 2\nC: 3\n\n{}", "x".repeat(99)).as_bytes(), &limits);
    assert_eq!(message.headers().fields.len(), 2);
    assert_eq!(message.root().decoded(), b"xxxxxxxxxx");
    let parts = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n12345678\n--b\n\n12345678\n--b--\n";
    let message = Message::parse(parts.as_bytes(), &limits);
    let bodies: Vec<&[u8]> = message.leaves().map(|(_, part)| part.decoded()).collect();
    assert_eq!(bodies, [&b"12345678"[..], b"12"]);
}

#[test]
fn a_label_that_the_bytes_contradict_is_noted() {
    let mismatch = |mail: &str| {
        let found = notes(mail, &Limits::default());
        found.into_iter().find_map(|note| if let Note::CharsetMismatch(found) = note { Some(found) } else { None })
    };
    let part = |charset: &str| {
        // Japanese in Shift_JIS.
        let text = "l4iPVILMie+LY4LJgsKCooLEgqiSbYLngrmCooK9grWC3IK3gUKCsoptlEaCrYK+grOCooFC";
        format!("Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n{text}\n")
    };
    let place = Place::Part(mail::PartId(0));
    let expected = |place, declared: &str, found| Some(CharsetMismatch { place, declared: declared.to_owned(), found });
    assert_eq!(mismatch(&part("iso-2022-jp")), expected(place, "iso-2022-jp", "shift_jis"));
    assert_eq!(mismatch(&part("shift_jis")), None);
    let subject =
        |charset: &str| format!("Subject: =?{charset}?B?l4iPVILMie+LY4LJgsKCooLEgqiSbYLngrmCooK9grWC3IK3?=\n\nx\n");
    assert_eq!(mismatch(&subject("utf-8")), expected(Place::Subject, "utf-8", "shift_jis"));
    assert_eq!(mismatch(&subject("Shift_JIS")), None);
}
