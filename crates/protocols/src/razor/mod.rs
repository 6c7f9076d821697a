//! Razor2: how sure others are that a message like this one is spam.
//!
//! `mail` takes a message apart and `signature` makes what the network compares, both as `razor-agents` 2.85 does; `sis` is
//! what servers are asked and what they answer. Who owns the socket says hello, asks and closes.

pub mod mail;
pub mod signature;
pub mod sis;

fn find_any_case(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

#[cfg(test)]
mod tests {
    use super::mail::parts;
    use super::signature::{Seed, ephemeral, whiplash};

    fn signatures(mail: &str) -> Vec<String> {
        let mut found = Vec::new();
        for part in parts(mail.as_bytes()) {
            found.push(format!("4:{}", ephemeral(&part.stripped, Seed::default())));
            found.extend(whiplash(&part.decoded).into_iter().map(|signature| format!("8:{signature}")));
        }
        found
    }

    #[test]
    fn signatures_are_the_agents() {
        let lines: String = (0..20)
            .map(|n| {
                let link = format!("<a href=\"http://www.shop{}.example.co.jp/x{n}\">a link</a>", n % 3);
                format!("This is line number {n} of a letter with <b>words</b> &amp; {link}\n")
            })
            .collect();
        let mail = format!(
            "From: a@example.com\nSubject: x\nContent-Type: multipart/mixed; boundary=\"b c\"\n\npreamble\n--b c\nContent-Type: \
             text/html\n\n<html>{lines}</html>\n--b c\nContent-Type: text/plain\nContent-Transfer-Encoding: \
             base64\n\nSGVsbG8gaHR0cDovL2EuZXhhbXBsZS5jb20vIHdvcmxk\n--b c--\n"
        );
        let expected =
            ["4:eTRKxrRQRX4mtGFSsmWeU4US600A", "8:QcrctA9Cp-AA", "4:cNWez5PWUNr9LDWZeRF8Pbg8IegA", "8:A1X0JdhQ1qEA"];
        assert_eq!(signatures(&mail), expected);
    }

    #[test]
    fn hostile_mail_ends() {
        let nested: String =
            (0..200).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
        signatures(&nested);
        for piece in ["<", "&", "%4", "&#9", "href=\"http://", "\n--x\n", "http://a\n", "http://a.b ", " www.", "=\n"] {
            signatures(&format!("Subject: x\nContent-Type: multipart/x; boundary=x\n\n{}", piece.repeat(20_000)));
            signatures(&format!("Subject: x\n\n{}", piece.repeat(20_000)));
        }
    }
}
