//! Trees of broken multiparts, and input made to cost time.

use mail::{Limits, Message, Note};

/// The tree in one line: types, children in brackets, decoded bodies of leaves.
fn tree(message: &Message) -> String {
    fn write(message: &Message, id: mail::PartId, out: &mut String) {
        let part = message.part(id);
        out.push_str(&part.media_type);
        if part.is_leaf() {
            out.push_str(&format!("={:?}", String::from_utf8_lossy(part.decoded())));
            return;
        }
        out.push('[');
        for (index, child) in part.children.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            write(message, *child, out);
        }
        out.push(']');
    }
    let mut out = String::new();
    write(message, mail::PartId(0), &mut out);
    out
}

#[test]
fn trees() {
    let check = |mail: &str, expected: &str| {
        assert_eq!(tree(&Message::parse(mail.as_bytes(), &Limits::default())), expected, "{mail}");
    };
    check("", "text/plain=\"\"");
    check("Subject: x\n\nbody\n", "text/plain=\"body\\n\"");
    check("From x\nSubject: x\n\nbody\n", "text/plain=\"body\\n\"");
    check("Subject: x\r\n\r\nbody\r\n", "text/plain=\"body\\n\"");
    let multipart = "Content-Type: multipart/mixed; boundary=b\n\n";
    check(
        &format!("{multipart}pre\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\nepi\n"),
        "multipart/mixed[text/plain=\"one\" text/html=\"two\"]",
    );
    check(&format!("{multipart}--b\n\nno end\n"), "multipart/mixed[text/plain=\"no end\\n\"]");
    check(
        &format!("{multipart}no boundary at all\nmore\n"),
        "multipart/mixed[text/plain=\"no boundary at all\\nmore\\n\"]",
    );
    check("Content-Type: multipart/mixed\n\ntext\nmore\n", "text/plain=\"\\ntext\\nmore\\n\"");
    // The fields of a part that has no body are lost.
    check(&format!("{multipart}--b\nContent-Type: text/html\n--b--\n"), "multipart/mixed[text/plain=\"\"]");
    check(
        &format!("{multipart}--b\nContent-Type: message/rfc822\n\nSubject: y\n\ninner\n--b--\n"),
        "multipart/mixed[message/rfc822[text/plain=\"inner\"]]",
    );
    check(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: y\n\ninner\n--b--\n",
        "multipart/digest[message/rfc822[text/plain=\"inner\"]]",
    );
    check("Content-Type: message/partial\n\nSubject: y\n\nx\n", "message/partial=\"Subject: y\\n\\nx\\n\"");
    let same = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nx\n--b--\n--b--\n";
    check(same, "multipart/mixed[multipart/alternative[text/plain=\"x\"]]");
    // Four lines that are no field, and the body has begun.
    check("A: b\nx\ny\nz\nbody\nmore\n", "text/plain=\"body\\nmore\\n\"");
}

#[test]
fn header_sections() {
    let parse = |mail: &str| Message::parse(mail.as_bytes(), &Limits::default());
    assert!(parse("A: b\n").missing_head_body_separator);
    assert!(parse("A: b\n--b\n\nx\n").missing_head_body_separator);
    assert!(!parse("A: b\n\nx\n").missing_head_body_separator);
    assert!(parse(&format!("A: {}\n\nx\n", "b".repeat(9_000))).truncated_header);
    assert_eq!(parse("A : b\n\nx\n").headers().last("a").unwrap().decoded, b"b");
    assert_eq!(parse(&format!("A: b\n\nx\n{}y\n", "\n".repeat(50))).root().decoded().len(), 2 + 20 + 2);
}

#[test]
fn limits_leave_a_note() {
    let mail = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(2_000));
    let message = Message::parse(mail.as_bytes(), &Limits::default());
    assert_eq!(message.parts.len(), 1_001);
    assert!(message.mimepart_limit_exceeded);
    assert!(message.notes.iter().any(|note| matches!(note, Note::Limit { .. })));
}

#[test]
fn hostile_input_is_cut_at_the_limits() {
    let nested: String =
        (0..20_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let enclosed = "Content-Type: message/rfc822\n\n".repeat(20_000);
    let parts = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(200_000));
    let header = format!("Subject: {}\n\n", " =?utf-8?q?x".repeat(900_000));
    let fields = "A: b\n".repeat(300_000);
    let words =
        format!("Content-Type: multipart/mixed; boundary=b\n\n--b\nSubject: {}\n\n", "=?utf-8?q?x?= ".repeat(100_000));
    let same = "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(50_000);
    let addresses = format!("To: {}\n\n", "<a@b> <".repeat(1_100));
    let names = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; {}\n\nx\n--b--\n",
        "name f".repeat(400_000)
    );
    for mail in [nested, enclosed, parts, header, fields, words, same, addresses, names] {
        let message = Message::parse(mail.as_bytes(), &Limits::default());
        message.leaves().for_each(|(_, part)| drop(part.sa_text(true)));
        let to = message.headers().last("to").map(|field| mail::mime::address::parse(&field.raw));
        drop(to);
        assert!(message.parts.len() <= 1_001, "{}", &mail[..40]); // quadratic work would not come to an end here
    }
}
