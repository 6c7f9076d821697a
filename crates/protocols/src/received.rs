//! The Received field that the asking mail server puts on top, built from what it told: mail servers hide their own
//! from filters, and without it rules about relays look at the wrong hop.
//!
//! It is for judging only and is never sent anywhere.

use crate::facts::Peer;

/// The field with its line ends, in the form of the server's kind; `recipient` where there is exactly one. `date` is as
/// mail servers write it: `Sat, 21 Nov 2026 12:00:00 +0900 (JST)`.
pub fn received(peer: &Peer, queue_id: Option<&str>, recipient: Option<&[u8]>, utf8: bool, date: &str) -> Vec<u8> {
    let by = word(peer.server.name.as_deref().unwrap_or("localhost"));
    let software = peer.server.software.as_deref().unwrap_or("Postfix");
    let kind = match software.split_whitespace().next() {
        Some(first) if first.starts_with(|c: char| c.is_ascii_alphabetic()) => word(first),
        // Sendmail's macro `v` is a bare number; it writes that of program and configuration.
        Some(number) => format!("{0}/{0}", word(number)),
        None => "Postfix".to_owned(),
    };
    let id = queue_id.map(|id| format!(" id {}", word(id))).unwrap_or_default();
    let mut text = String::from("Received: ");
    if peer.local && peer.address.is_none_or(|a| a.is_loopback()) {
        let id = queue_id.map(|id| format!("\r\n\tid {}", word(id))).unwrap_or_default();
        text.push_str(&format!("by {by} ({kind}){id}; {date}\r\n"));
        return text.into_bytes();
    }
    let name = peer.name.as_deref().map_or("unknown".to_owned(), word);
    let address = match peer.address {
        Some(std::net::IpAddr::V6(a)) => format!("IPv6:{a}"),
        Some(a) => a.to_string(),
        None => "unknown".to_owned(),
    };
    let helo = match &peer.helo {
        Some(helo) if !helo.is_empty() => word(&String::from_utf8_lossy(helo)),
        _ => name.clone(),
    };
    text.push_str(&format!("from {helo} ({name} [{address}])\r\n\tby {by} ({kind}) with {}{id}", with(peer, utf8)));
    match recipient {
        Some(recipient) => {
            text.push_str(&format!("\r\n\tfor <{}>; {date}\r\n", word(&String::from_utf8_lossy(recipient))))
        }
        None => text.push_str(&format!(";\r\n\t{date}\r\n")),
    }
    text.into_bytes()
}

/// The protocol's name as RFC 3848 and RFC 6531 have it.
fn with(peer: &Peer, utf8: bool) -> String {
    let told = peer.protocol.as_deref().map(word).unwrap_or_else(|| "ESMTP".to_owned());
    if !matches!(told.as_str(), "SMTP" | "ESMTP" | "LMTP") {
        return told; // Sendmail's macro `r` is complete
    }
    let extended = peer.tls.is_some() || peer.authenticated.is_some() || utf8;
    let mut with = match told.as_str() {
        "LMTP" if utf8 => "UTF8LMTP".to_owned(),
        "SMTP" | "ESMTP" if utf8 => "UTF8SMTP".to_owned(),
        "SMTP" if extended => "ESMTP".to_owned(),
        _ => told,
    };
    if peer.tls.is_some() {
        with.push('S');
    }
    if peer.authenticated.is_some() {
        with.push('A');
    }
    with
}

/// One word that can neither end the line nor open a comment's end.
fn word(text: &str) -> String {
    let clean: String =
        text.chars().take(512).filter(|c| !c.is_control()).map(|c| if c.is_whitespace() { '?' } else { c }).collect();
    if clean.is_empty() { "unknown".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Authenticated, Server, Tls};

    #[test]
    fn fields() {
        let server =
            Server { name: Some("mx.example.jp".into()), software: Some("Postfix 3.7.11".into()), ..Server::default() };
        let peer = Peer {
            address: "192.0.2.7".parse().ok(),
            helo: Some(b"mail.example.com".to_vec()),
            server: server.clone(),
            ..Peer::default()
        };
        let line = |peer: &Peer, to: Option<&[u8]>, utf8| {
            String::from_utf8(received(peer, Some("4ABC"), to, utf8, "DATE")).unwrap()
        };
        assert_eq!(
            line(&peer, Some(b"u@example.jp"), false),
            "Received: from mail.example.com (unknown [192.0.2.7])\r\n\tby mx.example.jp (Postfix) with ESMTP id 4ABC\r\n\tfor <u@example.jp>; DATE\r\n"
        );
        let known = Peer {
            name: Some("a.example.com".into()),
            address: "2001:db8::1".parse().ok(),
            helo: None,
            tls: Some(Tls::default()),
            authenticated: Some(Authenticated::default()),
            ..peer.clone()
        };
        assert_eq!(
            line(&known, None, true),
            "Received: from a.example.com (a.example.com [IPv6:2001:db8::1])\r\n\tby mx.example.jp (Postfix) with UTF8SMTPSA id 4ABC;\r\n\tDATE\r\n"
        );
        let local = Peer { local: true, address: "127.0.0.1".parse().ok(), server, ..Peer::default() };
        assert_eq!(line(&local, None, false), "Received: by mx.example.jp (Postfix)\r\n\tid 4ABC; DATE\r\n");
        let hostile = Peer { helo: Some(b"x\r\nSubject: y\0)".to_vec()), ..peer };
        assert_eq!(line(&hostile, None, false).lines().count(), 3);
    }
}
