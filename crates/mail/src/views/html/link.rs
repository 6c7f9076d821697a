//! URIs in attributes: trimmed, and relative ones resolved as SpamAssassin does (an old draft of RFC 3986).

use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// The five parts of RFC 3986, appendix B.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: &'a [u8],
    query: Option<&'a [u8]>,
    fragment: Option<&'a [u8]>,
}

fn parts(uri: &[u8]) -> Parts<'_> {
    let mut rest = uri;
    let mut scheme = None;
    if let Some(p) = rest.iter().position(|b| matches!(b, b':' | b'/' | b'?' | b'#'))
        && p > 0
        && rest[p] == b':'
    {
        scheme = Some(&rest[..p]);
        rest = &rest[p + 1..];
    }
    let mut authority = None;
    if let Some(after) = rest.strip_prefix(b"//") {
        let end = after.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(after.len());
        authority = Some(&after[..end]);
        rest = &after[end..];
    }
    let end = memchr2(b'?', b'#', rest).unwrap_or(rest.len());
    let path = &rest[..end];
    rest = &rest[end..];
    let mut query = None;
    if let Some(after) = rest.strip_prefix(b"?") {
        let end = memchr(b'#', after).unwrap_or(after.len());
        query = Some(&after[..end]);
        rest = &after[end..];
    }
    let fragment = rest.strip_prefix(b"#").map(|f| &f[..memchr(b'\n', f).unwrap_or(f.len())]);
    Parts { scheme, authority, path, query, fragment }
}

/// `./` and `../` taken out.
fn without_dots(path: &[u8]) -> Cow<'_, [u8]> {
    let dotted = path.first() == Some(&b'.') || path == b"0" || path.windows(2).any(|w| w == b"/.");
    if !dotted {
        return Cow::Borrowed(path);
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix(b"..").filter(|r| r.first() == Some(&b'/')).unwrap_or(path);
    rest = rest.strip_prefix(b".").filter(|r| r.first() == Some(&b'/')).unwrap_or(rest);
    while !rest.is_empty() && rest != b"0" {
        if rest == b"/." {
            rest = b"/";
        } else if rest.starts_with(b"/./") {
            rest = &rest[2..];
        } else if rest == b"/.." || rest.starts_with(b"/../") {
            rest = if rest.len() == 3 { b"/" } else { &rest[3..] };
            out.truncate(out.iter().rposition(|&b| b == b'/').unwrap_or(0));
        } else {
            let end = memchr(b'/', &rest[1..]).map_or(rest.len(), |p| p + 1);
            out.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
    }
    Cow::Owned(out)
}

/// A relative path against the base's.
fn merge(base: &Parts<'_>, path: &[u8]) -> Vec<u8> {
    let folder: &[u8] = if base.authority.is_some() && matches!(base.path, b"" | b"0") {
        b"/"
    } else {
        base.path.iter().rposition(|&b| b == b'/').map_or(b"", |p| &base.path[..=p])
    };
    [folder, path].concat()
}

/// Where `uri` leads on a page with that `base` (empty: none).
pub(super) fn target<'a>(base: &[u8], uri: &'a [u8]) -> Cow<'a, [u8]> {
    let mut r = parts(uri);
    // The common case, an absolute address, stays as it is.
    if r.scheme.is_some_and(|s| s != b"0")
        && r.authority.is_some()
        && matches!(without_dots(r.path), Cow::Borrowed(_))
        && memchr(b'\n', uri).is_none()
    {
        return Cow::Borrowed(uri);
    }
    let base = parts(base);
    if r.scheme.is_some() && r.scheme == base.scheme {
        r.scheme = None;
    }
    let scheme;
    let authority;
    let path;
    let mut query = r.query;
    if r.scheme.is_some() {
        scheme = r.scheme;
        authority = r.authority;
        path = without_dots(r.path);
    } else {
        scheme = base.scheme;
        if r.authority.is_some() {
            path = without_dots(r.path);
        } else if r.path.is_empty() {
            path = Cow::Borrowed(base.path);
            query = r.query.or(base.query);
        } else if r.path.starts_with(b"/") {
            path = without_dots(r.path);
        } else {
            path = Cow::Owned(without_dots(&merge(&base, r.path)).into_owned());
        }
        authority = if r.authority.is_some() { r.authority } else { base.authority };
    }
    let mut out = Vec::with_capacity(uri.len() + 8);
    if let Some(s) = scheme.filter(|s| !matches!(*s, b"" | b"0")) {
        out.extend_from_slice(s);
        out.push(b':');
    } else if let Some(a) = authority {
        if names_service(a, b"www") {
            out.extend_from_slice(b"http:");
        } else if names_service(a, b"ftp") {
            out.extend_from_slice(b"ftp:");
        }
    }
    if let Some(a) = authority {
        out.extend_from_slice(b"//");
        out.extend_from_slice(a);
    }
    out.extend_from_slice(&path);
    for (mark, part) in [(b'?', query), (b'#', r.fragment)] {
        if let Some(part) = part {
            out.push(mark);
            out.extend_from_slice(part);
        }
    }
    Cow::Owned(out)
}

/// `www.`, `www3.` and the like.
fn names_service(authority: &[u8], service: &[u8]) -> bool {
    let Some((head, rest)) = authority.split_at_checked(service.len()) else { return false };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    head.eq_ignore_ascii_case(service) && rest.get(digits) == Some(&b'.')
}

/// What `<base href>` means for relative links: `None` if browsers would ignore it.
pub(super) fn base(uri: &[u8]) -> Option<Vec<u8>> {
    let colon = memchr(b':', uri)?;
    let scheme = &uri[..colon];
    if ![b"http".as_slice(), b"https", b"ftp"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let mut out = without_file_name(uri, colon).to_vec();
    if out.last() != Some(&b'/') {
        out.push(b'/');
    }
    Some(out)
}

/// Takes off `index.html` and what looks like it: a dot, two to four more bytes, none of them "/" or ".".
fn without_file_name(uri: &[u8], colon: usize) -> &[u8] {
    let line_end = memchr(b'\n', uri).unwrap_or(uri.len());
    let Some(dot) = uri.iter().rposition(|&b| b == b'.') else { return uri };
    if !(2..=4).contains(&(uri.len() - dot - 1)) || uri[dot + 1..].contains(&b'/') {
        return uri;
    }
    let slashes = uri[colon + 1..].iter().take(2).take_while(|&&b| b == b'/').count();
    let host = colon + 1 + slashes;
    if uri.get(host) == Some(&b'/') {
        return uri;
    }
    // A host of at least one byte, a slash, whatever, then the name up to the dot.
    let Some(slash) = uri.get(host + 1..).and_then(|h| memchr(b'/', h)).map(|p| host + 1 + p) else { return uri };
    let name = uri[..dot].iter().rposition(|b| matches!(b, b'/' | b'.')).map_or(0, |p| p + 1).max(slash + 1);
    if name >= dot || slash > dot || name > line_end {
        return uri;
    }
    &uri[..name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let cases = [
            ("", "http://example.com/a?b#c", "http://example.com/a?b#c"),
            ("", "//www.example.com/x", "http://www.example.com/x"),
            ("", "//ftp2.example.com", "ftp://ftp2.example.com"),
            ("", "//example.com", "//example.com"),
            ("", "http://a/b/../c/./d", "http://a/c/d"),
            ("", "../../x", "/x"),
            ("http://example.com/dir/", "page.html", "http://example.com/dir/page.html"),
            ("http://example.com/dir/", "../page.html", "http://example.com/page.html"),
            ("http://example.com/dir/", "/top?q", "http://example.com/top?q"),
            ("http://example.com/dir/", "?q", "http://example.com/dir/?q"),
            ("http://example.com", "page", "http://example.com/page"),
            ("http://example.com/dir/", "http:page", "http://example.com/dir/page"),
            ("", "mailto", "mailto"),
            ("", "#top", "#top"),
        ];
        for (base, uri, expected) in cases {
            let got = target(base.as_bytes(), uri.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), expected, "{uri} on {base}");
        }
    }

    #[test]
    fn bases() {
        let cases = [
            ("http://example.com/index.html", Some("http://example.com/")),
            ("http://example.com/a/b.html", Some("http://example.com/a/")),
            ("http://example.com", Some("http://example.com/")),
            ("http:example.com/a.b.html", Some("http:example.com/a./")),
            ("http:///x.html", Some("http:///x.html/")),
            ("gopher://example.com/", None),
            ("index.html", None),
        ];
        for (uri, expected) in cases {
            let got = base(uri.as_bytes()).map(|b| String::from_utf8(b).unwrap());
            assert_eq!(got.as_deref(), expected, "{uri}");
        }
    }
}
