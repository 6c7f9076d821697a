//! Attachments that are not taken because of their names, in whatever they are wrapped.
//!
//! Names are compared as a reader would see them, without what strangers put in to hide the ending: characters that are
//! not shown or turn the direction, full-width letters, dots and blanks at the end.

use crate::config::{Banned, Glob};
use mail::mime::evidence::decode_parameter;
use mail::{Message, Part};

/// The first banned attachment: its path, from the outermost name to its own.
pub fn find(message: &Message, banned: &Banned) -> Option<String> {
    message.parts.iter().find_map(|part| {
        let mut names: Vec<Option<String>> = names(part).into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None); // its type may still be banned
        }
        names.into_iter().find_map(|name| {
            let path = path(message, part, name.as_deref());
            let named = |patterns: &[Glob]| {
                let own = |pattern: &Glob| name.as_deref().is_some_and(|name| pattern.matches(name));
                patterns.iter().any(|pattern| own(pattern) || pattern.matches(&path))
            };
            let typed = banned.types.iter().any(|pattern| pattern.matches(&part.media_type));
            let found = (typed || named(&banned.names)) && !named(&banned.allowed);
            found.then(|| if name.is_some() { path.clone() } else { format!("{path} ({})", part.media_type) })
        })
    })
}

/// Names from the message down to this part, with `/` between.
fn path(message: &Message, part: &Part, own: Option<&str>) -> String {
    let mut path: Vec<String> = own.map(str::to_owned).into_iter().collect();
    let mut above = part.parent;
    while let Some(id) = above {
        let parent = message.part(id);
        path.extend(names(parent).into_iter().next());
        above = parent.parent;
    }
    path.reverse();
    path.join("/")
}

/// What one mail reader or another takes for the name: readers differ where a stranger gave several.
fn names(part: &Part) -> Vec<String> {
    let mut names: Vec<String> = part.name.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    for (field, parameter) in [("content-disposition", "filename"), ("content-type", "name")] {
        let values = part.headers.all(field).filter_map(|field| decode_parameter(&field.raw, parameter, &[]));
        names.extend(values.map(|decoded| decoded.text));
    }
    let mut plain: Vec<String> = Vec::new();
    for name in names.iter().map(|name| as_shown(name)) {
        if !name.is_empty() && !plain.contains(&name) {
            plain.push(name);
        }
    }
    plain
}

fn as_shown(name: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '\u{2024}' | '\u{3002}' => '.',
        '/' => '_', // parts the names of a path, and no name has it
        other => other,
    };
    let text: String = name.chars().filter(|c| !hidden(*c)).map(plain).collect();
    text.trim_end_matches(['.', ' ', '\u{3000}']).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(disposition: &str) -> Message {
        let text = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b\n\
             Content-Type: application/octet-stream\nContent-Disposition: attachment; {disposition}\n\nMZ\n--b--\n"
        );
        Message::parse(text.as_bytes(), &mail::Limits::default())
    }

    #[test]
    fn names_however_they_are_dressed() {
        let banned = Banned::default();
        for (disposition, found) in [
            ("filename=\"a.exe\"", Some("a.exe")),
            ("filename=\"A.EXE\"", Some("A.EXE")),
            ("filename=\"invoice.pdf.exe. \"", Some("invoice.pdf.exe")),
            ("filename*=utf-8''%e8%ab%8b%e6%b1%82%ef%bc%8e%ef%bd%85%ef%bd%98%ef%bd%85", Some("請求.exe")),
            // A right-to-left override shows it as "annfdp.exe" reversed: the name itself ends in .exe.
            ("filename*=utf-8''ann%e2%80%aefdp.exe", Some("annfdp.exe")),
            ("filename=\"a.pdf\"; filename*=us-ascii''a.exe", Some("a.exe")),
            ("filename=\"a.exe.txt\"", None),
            ("filename=\"a.pdf\"", None),
        ] {
            assert_eq!(find(&attached(disposition), &banned).as_deref(), found, "{disposition}");
        }
        let allowed = Banned { allowed: vec![Glob::from("setup.exe")], ..Banned::default() };
        assert_eq!(find(&attached("filename=\"setup.exe\""), &allowed), None);
        let typed = Banned { types: vec![Glob::from("application/octet*")], ..Banned::default() };
        assert_eq!(find(&attached("filename=\"a.pdf\""), &typed).as_deref(), Some("a.pdf"));
    }

    #[test]
    fn names_within_a_forwarded_message() {
        let text = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822; name=\"fwd.eml\"\n\n\
                    Content-Type: application/x; name=\"a.pif\"\n\nx\n--o--\n";
        let message = Message::parse(text.as_bytes(), &mail::Limits::default());
        assert_eq!(find(&message, &Banned::default()).as_deref(), Some("fwd.eml/a.pif"));
        let pair = Banned { names: vec![Glob::from("*.eml/*.pif")], ..Banned::default() };
        assert_eq!(find(&message, &pair).as_deref(), Some("fwd.eml/a.pif"));
    }
}
