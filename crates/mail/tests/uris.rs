//! URIs of texts and their forms; the expectations are what SpamAssassin 4.0.1 gives, sorted.

use mail::tld::Registry;
use mail::views::NoRedirectors;
use mail::views::html::TagTypes;
use mail::views::uri::{Collector, UriList, canonical};
use mail::views::{Redirectors, UriTypes};

fn registry() -> Registry {
    Registry::new(["com", "jp", "net", "org", "info"], ["co.jp"], [])
}

fn of_text(text: &str) -> UriList {
    let registry = registry();
    let mut collector = Collector::new(&registry, &NoRedirectors, 100);
    collector.text(text.as_bytes());
    collector.finish()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn found_in_text() {
    let table: &[(&str, &[&str])] = &[
        ("See http://www.example.com/a?b=c.", &["http://www.example.com/a?b=c parsed"]),
        ("(see http://www.example.com/a) now", &["http://www.example.com/a parsed"]),
        ("http://www.example.com/a_(b) now", &["http://www.example.com/a_(b parsed"]),
        (
            "www.example.com, WWW2.example.jp!",
            &["http://www.example.com parsed schemeless", "http://WWW2.example.jp parsed schemeless"],
        ),
        ("ftp.example.org", &["ftp://ftp.example.org parsed schemeless"]),
        ("Buy at example.com/buy today", &["http://example.com/buy parsed unlinked schemeless"]),
        ("example.com:8080/x", &["http://example.com:8080/x parsed unlinked schemeless"]),
        ("It ends.com is no word", &["http://ends.com parsed unlinked schemeless"]),
        ("example.nosuchtld and file.txt", &[]),
        ("mail info@mail.example.co.jp now", &["mailto:info@mail.example.co.jp parsed schemeless"]),
        ("E-Mail:info@example.com", &["mailto:info@example.com parsed schemeless"]),
        ("mailto:info@example.com?subject=x", &["mailto:info@example.com?subject=x parsed"]),
        ("v@gra and a@b", &[]),
        ("[cid:image001@example.com]", &[]),
        ("http:// alone", &[]),
        ("日本語http://example.jp/続き", &["http://example.jp/続き parsed"]),
        ("連絡先：info@example.jp。", &["mailto:info@example.jp parsed schemeless"]),
        ("\u{1b}$B@8\u{1b}(Bhttp://example.jp/", &["http://example.jp/ parsed"]),
        ("twice example.com example.com", &["http://example.com parsed unlinked schemeless"]),
        ("http://192.0.2.1/x", &["http://192.0.2.1/x parsed"]),
        ("http://example.com&#46;/", &["http://example.com&#46;/ parsed"]),
    ];
    for (written, expected) in table {
        let list = of_text(written);
        let found: Vec<String> = list
            .uris
            .iter()
            .map(|uri| {
                [&[text(&uri.raw)][..], &uri.type_names().map(str::to_owned).collect::<Vec<_>>()].concat().join(" ")
            })
            .collect();
        assert_eq!(found, *expected, "{written}");
    }
}

#[test]
fn canonical_forms() {
    let table: &[(&str, &[&str])] = &[
        ("http://www.example.com/", &["http://www.example.com/"]),
        ("http:\\\\www.example.com\\a", &["http://www.example.com/a", "http:\\\\www.example.com\\a"]),
        ("http:www.example.com?a", &["http://www.example.com/?a", "http:www.example.com?a"]),
        ("HTTP://ex%61mple%2ecom/%20", &["HTTP://ex%61mple%2ecom/%20", "HTTP://example.com/%20"]),
        (
            "http://www.example.com/&#x2f;&#50;",
            &["http://www.example.com/&#x2f;&#50;", "http://www.example.com/&#x2f;2"],
        ),
        ("http://www.example.com:80/a", &["http://www.example.com/a", "http://www.example.com:80/a"]),
        ("http://www.example.com:8080/a", &["http://www.example.com:8080/a"]),
        ("https://u:p@www.example.com/", &["https://u:p@www.example.com/"]),
        ("http://2130706433/", &["http://127.0.0.1/", "http://2130706433/"]),
        ("http://0x7f000001/", &["http://0x7f000001/", "http://127.0.0.1/"]),
        ("http://0300.0250.1.07/", &["http://0300.0250.1.07/", "http://192.168.1.7/"]),
        ("http://127.0.0.1/", &["http://127...1/", "http://127.0.0.1/"]),
        ("http://example/a", &["http://example/a", "http://www.example.com/a"]),
        ("http://localhost/", &["http://localhost/"]),
        ("http://www.example.com!!!", &["http://www.example.com", "http://www.example.com!!!"]),
        ("http://日本語.jp/", &["http://xn--wgv71a119e.jp/", "http://日本語.jp/"]),
        (
            "http://r.example.com/?to=http://www.example.org/x&y",
            &["http://r.example.com/?to=http://www.example.org/x&y", "http://www.example.org/x"],
        ),
        ("//www.example.com/a", &["//www.example.com/a", "http:////www.example.com/a"]),
        ("/image.gif", &["/image.gif"]),
        ("#top", &["#top"]),
        ("www.example.com", &["http://www.example.com", "www.example.com"]),
        ("mailto:a@example.com?subject=b&c", &["mailto:a@example.com", "mailto:a@example.com?subject=b&c"]),
        ("mailto:%20a@example.com%20", &["mailto:%20a@example.com%20", "mailto:a@example.com"]),
        ("mailto:\"A%20B\"%20<a.b@example.com>", &["mailto:\"A%20B\"%20<a.b@example.com>", "mailto:a.b@example.com"]),
    ];
    for (uri, expected) in table {
        let mut forms: Vec<String> =
            canonical::forms(uri.as_bytes(), &registry(), &NoRedirectors).iter().map(|f| text(f)).collect();
        forms.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(forms, expected, "{uri}");
    }
}

struct Target;

impl Redirectors for Target {
    fn targets(&self, uri: &[u8]) -> Vec<Vec<u8>> {
        let target = uri.split(|&b| b == b'=').nth(1);
        target.map(<[u8]>::to_vec).into_iter().collect()
    }
}

#[test]
fn redirectors_are_followed_but_not_for_ever() {
    let forms = canonical::forms(b"http://r.example.com/?u=www.example.org", &registry(), &Target);
    assert!(forms.contains(&b"http://www.example.org".to_vec()), "{forms:?}");

    struct Ever;
    impl Redirectors for Ever {
        fn targets(&self, uri: &[u8]) -> Vec<Vec<u8>> {
            vec![[uri, b"x.com"].concat()]
        }
    }
    assert!(canonical::forms(b"http://r.example.com/", &registry(), &Ever).len() < 500);
}

#[test]
fn hosts_domains_and_signatures() {
    let registry = registry();
    let mut collector = Collector::new(&registry, &NoRedirectors, 100);
    collector.dkim(b" v=1; a=rsa-sha256; d = mail.example.co.jp; s=k; h=from:d; bh=d");
    let list = collector.finish();
    let uri = &list.uris[0];
    assert_eq!(text(&uri.raw), "domainkeys:mail.example.co.jp");
    assert_eq!(uri.types, UriTypes::DOMAINKEYS | UriTypes::NOCANON | UriTypes::NOCLEAN);
    assert_eq!(uri.hosts, [(b"mail.example.co.jp".to_vec(), b"example.co.jp".to_vec())]);
    assert!(uri.cleaned.is_empty() && list.text.is_empty() && list.uris.len() == 1);
}

/// One address named by very many links, each with a text of its own: hours if texts were compared in pairs.
#[test]
fn anchor_texts_are_told_apart_at_once() {
    let texts: Vec<String> = (0..1_000_000).map(|n| n.to_string()).collect();
    let registry = registry();
    let mut collector = Collector::new(&registry, &NoRedirectors, 100);
    collector.link(b"http://example.com/", TagTypes::default(), texts.iter().chain(&texts).map(String::as_bytes));
    assert_eq!(collector.finish().uris[0].anchor_text.len(), texts.len());
}

#[test]
fn limits_hold() {
    let many: String = (0..200).map(|n| format!("http://h{n}.example.com/ ")).collect();
    let list = of_text(&many);
    assert!(list.uris.len() == 100 && list.truncated);

    let started = std::time::Instant::now();
    for hostile in ["a@".repeat(50_000), "a.".repeat(50_000), "http://".repeat(10_000), "a.com,".repeat(10_000)] {
        of_text(&hostile);
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}
