//! Checks for attachments that are programs or pretend to be something else.

use super::perl::{self, Lazy, regex};
use crate::check::{Arg, Context, Outcome};
use mail::Part;
use std::rc::Rc;

#[derive(Default)]
struct Attachments {
    executable: bool,
    misnamed: bool,
}

fn attachments(cx: &Context<'_>) -> Rc<Attachments> {
    cx.memo.get_or_init(|| {
        let mut found = Attachments::default();
        for (_, part) in cx.views.message.leaves() {
            let name = declared_name(part);
            found.executable |= is_executable(part, &name);
            found.misnamed |= is_misnamed(&name, &part.media_type);
        }
        found
    })
}

/// `name=` of Content-Type, lower case.
fn declared_name(part: &Part) -> Vec<u8> {
    static NAME: Lazy = regex!(r#"(?i)\b(?:file)?name\s*=\s*["']?(.*?)["']?(?:;|\n?$)"#);
    let Some(field) = part.header("content-type") else { return Vec::new() };
    NAME.captures(&field.decoded).map_or_else(Vec::new, |found| found[1].to_ascii_lowercase())
}

const PROGRAMS: &[&str] = &[
    "ade", "adp", "asx", "bas", "bat", "chm", "cmd", "com", "cpl", "crt", "dll", "exe", "hlp", "hta", "inf", "ins",
    "isp", "js", "jse", "lnk", "mda", "mdb", "mde", "mdt", "mdw", "mdz", "msc", "msi", "msp", "mst", "nws", "ops",
    "pcd", "pif", "prf", "reg", "scf", "scr", "scr?", "sct", "shb", "shs", "shm", "swf", "url", "vb", "vbe", "vbs",
    "vbx", "vxd", "wsc", "wsf", "wsh",
];

fn extension(name: &[u8]) -> Option<&str> {
    let dot = memchr::memrchr(b'.', name)?;
    std::str::from_utf8(&name[dot + 1..]).ok()
}

fn is_executable(part: &Part, name: &[u8]) -> bool {
    static BASE64: Lazy = regex!(r"^TV[opqr].A..[AB].[AQgw][A-H].A");
    static UUENCODED: Lazy = regex!(r"^M35[GHIJK].`..`..\*````");
    if extension(name).is_some_and(|extension| PROGRAMS.contains(&extension)) {
        return true;
    }
    let body = part.raw_body();
    if perl::contains(&part.transfer_encoding(), b"base64")
        && perl::lines(body).next().is_some_and(|l| BASE64.is_match(l))
    {
        return true;
    }
    let text = part.media_type.strip_prefix("text").is_some_and(|rest| !rest.bytes().next().is_some_and(perl::is_word));
    text && perl::lines(body).any(|line| line.starts_with(b"M35") && UUENCODED.is_match(line))
}

fn is_misnamed(name: &[u8], media_type: &str) -> bool {
    if name.is_empty() || media_type == "application/octet-stream" {
        return false;
    }
    let extension = extension(name).unwrap_or_else(|| std::str::from_utf8(name).unwrap_or_default());
    let subtype = media_type.find('/').map_or("", |slash| &media_type[slash + 1..]);
    let media_type = match subtype.strip_prefix("x-").or_else(|| subtype.strip_prefix("vnd.")) {
        Some(plain) => format!("{}{plain}", &media_type[..media_type.len() - subtype.len()]),
        None => media_type.to_owned(),
    };
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| media_type.starts_with(prefix));
    match extension {
        "txt" | "html" | "htm" | "phtml" | "phtm" | "xhtml" | "xhtm" | "xml" => !starts(&[
            "text/plain",
            "text/htm",
            "text/phtm",
            "text/xhtm",
            "text/english",
            "text/sgml",
            "text/xml",
            "text/enriched",
            "text/richtext",
            "message/external-body",
        ]),
        "jpg" | "jpeg" | "tif" | "tiff" | "gif" | "png" => !starts(&["image/", "application/mac-binhex"]),
        "vcf" => media_type != "text/vcard",
        "bat" | "com" | "exe" | "pif" | "scr" | "swf" | "vbs" => !starts(&["application/"]),
        "doc" => !(starts(&["application/"]) && media_type.ends_with("word")),
        "ppt" => !(starts(&["application/"]) && (media_type.ends_with("powerpoint") || media_type.ends_with("ppt"))),
        "xls" => !(starts(&["application/"]) && media_type.ends_with("excel")),
        _ => false,
    }
}

pub fn check_microsoft_executable(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(attachments(cx).executable.into())
}

pub fn check_suspect_name(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(attachments(cx).misnamed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types() {
        for (name, media_type, expected) in [
            ("photo.jpg", "image/jpeg", false),
            ("photo.jpg", "application/x-zip", true),
            ("letter.doc", "application/msword", false),
            ("letter.doc", "application/vnd.ms-excel", true),
            ("card.vcf", "text/x-vcard", false),
            ("run.exe", "audio/x-wav", true),
            ("run.exe", "application/octet-stream", false),
            ("", "text/plain", false),
        ] {
            assert_eq!(is_misnamed(name.as_bytes(), media_type), expected, "{name} {media_type}");
        }
    }

    #[test]
    fn extensions() {
        assert_eq!(extension(b"a.tar.gz"), Some("gz"));
        assert_eq!(extension(b"none"), None);
    }
}
