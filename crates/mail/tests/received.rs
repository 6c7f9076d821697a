//! Received lines against `data/received.txt`: a line as an MTA writes it, below it, indented, what SpamAssassin 4.0.1
//! makes of it. `S` is skipped on purpose, `U` not understood; three digits stand for: private address, looked up and
//! without a name, an envelope sender is named.

use mail::received::{NetworkSet, Relays, TrustNetworks, trace};

fn read(lines: &[&str], originating: &[&str], networks: &TrustNetworks, beyond_spamassassin: bool) -> Relays {
    trace(lines.iter().map(|l| l.as_bytes()), originating.iter().map(|l| l.as_bytes()), networks, beyond_spamassassin)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn formats() {
    let mut lines = include_str!("data/received.txt").lines();
    let mut count = 0;
    while let (Some(line), Some(expected)) = (lines.next(), lines.next()) {
        let relays = read(&[line], &[], &TrustNetworks::default(), false);
        let all = if relays.trusted.is_empty() { &relays.untrusted_text } else { &relays.trusted_text };
        let found = match relays.trusted.first().or(relays.untrusted.first()) {
            None if relays.unparseable > 0 => "U".to_owned(),
            None => "S".to_owned(),
            Some(relay) => {
                let flags =
                    [relay.ip_private, relay.no_reverse_dns, relay.envfrom.is_some()].map(|f| u8::from(f).to_string());
                // The file knows nothing of trust.
                format!("{} {}", text(all).replace(" intl=1 ", " intl=0 "), flags.concat())
            }
        };
        assert_eq!(found, expected.trim(), "{line}");
        count += 1;
    }
    assert!(count > 150, "{count} lines");
}

/// The first founding talk of this project showed these lines and what became of them; the second relay comes from a
/// header that the talk left out.
#[test]
fn the_talks_example() {
    let received = [
        "from pop.mail.yahoo.co.jp [202.93.87.247] by vawr.pblnet.local\n\twith POP3 (fetchmail-6.3.9-rc2)\n\tfor <yoh@localhost> (single-drop); Mon, 17 Aug 2009 08:10:07 +0900 (JST)\n",
        "from 180.94.8.6  (HELO mx1.mail.yahoo.co.jp) (180.94.8.6)\n  by mta155.mail.kcd.yahoo.co.jp with SMTP; Mon, 17 Aug 2009 08:09:42 +0900\n",
    ];
    let relays = read(&received, &["180.94.8.6"], &TrustNetworks::default(), true);
    let expected = "[ ip=180.94.8.6 rdns=180.94.8.6 helo=mx1.mail.yahoo.co.jp by=mta155.mail.kcd.yahoo.co.jp ident= \
                    envfrom= intl=0 id= auth= msa=0 ] [ ip=180.94.8.6 rdns= helo= by= ident= envfrom= intl=0 id= auth= \
                    msa=0 ]";
    assert_eq!(text(&relays.trusted_text), "");
    assert_eq!(text(&relays.untrusted_text), expected);
    assert_eq!(text(&relays.internal_text), "");
    assert_eq!(text(&relays.external_text), expected);
    assert_eq!((relays.last_trusted_header, relays.unparseable), (Some(0), 0));
}

#[test]
fn nifty_is_read_unless_parity_is_wanted() {
    let line = "from mail.example.jp([198.51.100.9]) by ifmta0007.nifty.com with ESMTP id <a1@ifmta0007.nifty.com>; \
                Tue, 12 Aug 2025 10:20:30 +0900";
    let relays = read(&[line], &[], &TrustNetworks::default(), true);
    assert_eq!(
        text(&relays.untrusted_text),
        "[ ip=198.51.100.9 rdns= helo=mail.example.jp by=ifmta0007.nifty.com ident= envfrom= intl=0 \
         id=a1@ifmta0007.nifty.com auth= msa=0 ]"
    );
    assert_eq!(relays.untrusted[0].format, "nifty.com");
    assert!(read(&[line], &[], &TrustNetworks::default(), false).untrusted.is_empty());
}

const PATH: [&str; 4] = [
    "from gate.example.jp (gate.example.jp [192.0.2.1]) by store.example.jp (Postfix) with ESMTP id A1111; x",
    "from mx.example.jp (mx.example.jp [192.0.2.2]) by gate.example.jp (Postfix) with ESMTP id A2222; x",
    "from relay.example.org (relay.example.org [198.51.100.1]) by mx.example.jp (Postfix) with ESMTP id A3333; x",
    "from pc (dial.example.org [198.51.100.2]) by relay.example.org (Postfix) with ESMTPA id A4444; x",
];

fn networks(trusted: &[&str], internal: &[&str], msa: &[&str]) -> TrustNetworks {
    let add = |mut set: NetworkSet, entries: &[&str]| {
        entries.iter().for_each(|entry| set.add(entry).unwrap());
        set
    };
    let unset = TrustNetworks::default();
    TrustNetworks {
        trusted: add(unset.trusted, trusted),
        internal: add(unset.internal, internal),
        msa: add(unset.msa, msa),
    }
}

/// `T` trusted, `I` trusted and internal, `M` the same and a submission host, `-` untrusted: a letter a hop.
fn areas(relays: &Relays) -> String {
    let hop = |relay: &mail::Relay| match (relay.msa, relay.intl) {
        (true, _) => 'M',
        (false, true) => 'I',
        (false, false) => 'T',
    };
    relays.trusted.iter().map(hop).chain(relays.untrusted.iter().map(|_| '-')).collect()
}

#[test]
fn trust_path() {
    let table: &[(&[&str], &[&str], &[&str], &str)] = &[
        (&[], &[], &[], "----"),             // inferred: 192.0.2.1 is not private
        (&["192.0.2/24"], &[], &[], "II--"), // one list stands for both
        (&[], &["192.0.2/24"], &[], "II--"),
        (&["192.0.2/24", "198.51.100.1"], &["192.0.2.0/24"], &[], "IITT"), // the last hop authenticated
        (&["192.0.2/24", "198.51.100.1"], &["192.0.2.1"], &[], "ITTT"),
        (&["192.0.2/24"], &[], &["192.0.2.2"], "IMII"), // everything before a submission host is ours
        (&["!192.0.2.2", "192.0.2/24"], &[], &[], "I---"),
        (&["198.51.100/24"], &[], &[], "----"), // no hop skips the chain
    ];
    for (trusted, internal, msa, expected) in table {
        let relays = read(&PATH, &[], &networks(trusted, internal, msa), false);
        assert_eq!(areas(&relays), *expected, "{trusted:?} {internal:?} {msa:?}");
        let last_trusted = expected.find('-').unwrap_or(expected.len()).checked_sub(1);
        assert_eq!(relays.last_trusted_header, last_trusted, "{trusted:?}");
    }
}

#[test]
fn inference_trusts_private_addresses_and_users() {
    let lines = [
        "from a (a [10.0.0.1]) by b.example.jp (Postfix) with ESMTP id A1111; x",
        "from b (b [198.51.100.2]) by a.example.jp (Postfix) with ESMTPSA id A2222; x",
        "from c (c [198.51.100.3]) by d.example.jp (Postfix) with ESMTP id A3333; x",
        "from d (d [10.0.0.2]) by c.example.jp (Postfix) with ESMTP id A4444; x",
    ];
    assert_eq!(areas(&read(&lines, &[], &TrustNetworks::default(), false)), "II--");
}

#[test]
fn hostile_lines_end_soon() {
    let long = "a(".repeat(4_000);
    let lines = [
        format!("from {long}"),
        format!("from {} by {}", "x [1.2.3.4] (".repeat(600), "y by ".repeat(600)),
        format!("from x ([1.2.3.4]{}", ") by ".repeat(1_500)),
        format!("from {}", "(HELO ".repeat(1_300)),
        format!("from {}", "[::1".repeat(2_000)),
        format!("from x ([1.2.3.4]) by y (z){}", ") with S".repeat(1_000)),
        format!("from {}", "authenticated (] ".repeat(500)),
    ];
    let started = std::time::Instant::now();
    for line in &lines {
        let _ = read(&[line], &[], &TrustNetworks::default(), true);
    }
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
}
