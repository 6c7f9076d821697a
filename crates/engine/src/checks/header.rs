//! Checks on header fields: who claims to have sent the mail, by which way, when, and to whom.

use super::perl::{self, Lazy, contains, ends_with_word, is_space, is_word, regex};
use super::{charset, ip, values};
use crate::check::{Arg, Context, Finding, Outcome};
use std::rc::Rc;

/// All Received fields as one line.
struct ReceivedLine(Vec<u8>);

fn received_line(cx: &Context<'_>) -> Rc<ReceivedLine> {
    cx.memo.get_or_init(|| ReceivedLine(perl::collapse_space(&values::joined(cx, "Received"))))
}

/// Whether a pattern with one group matches so that the group is an address.
fn matches_with_address(pattern: &Lazy, text: &[u8]) -> bool {
    pattern.captures_iter(text).any(|found| ip::is_ip(&found[1]))
}

pub fn check_for_fake_aol_relay_in_rcvd(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static RELAY: Lazy = regex!(r"(?i) rly-[a-z][a-z]\d\d\.");
    static VIA_AOL: Lazy = regex!(r"/AOL-\d+\.\d+\.\d+\)|ESMTP id (?:RELAY|MAILRELAY|MAILIN)");
    let line = &received_line(cx).0;
    Ok((perl::find_ignoring_case(line, b"rly-").is_some() && RELAY.is_match(line) && !VIA_AOL.is_match(line)).into())
}

pub fn check_for_faraway_charset_in_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static WORD: Lazy = regex!(r"=\?(.+?)\?.\?.*?\?=");
    let locales = charset::ok_locales(cx);
    if charset::all_ok(&locales) {
        return Ok(Finding::NO);
    }
    let far = ["From:raw", "Subject:raw"].iter().any(|request| {
        let fields = values::all(cx, request);
        fields.iter().any(|field| WORD.captures_iter(field).any(|w| !charset::ok_for_locales(&w[1], &locales)))
    });
    Ok(far.into())
}

/// Kept for old rules; SpamAssassin no longer looks either.
pub fn never(_: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(Finding::NO)
}

pub fn check_illegal_chars(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [header, ratio, count, ..] = args else { return Ok(Finding::NO) };
    let request = if header.ends_with(":raw") { header.clone() } else { format!("{header}:raw") };
    let text = values::joined(cx, &request);
    let subject = request.eq_ignore_ascii_case("subject:raw");
    Ok(too_many_illegal(&text, subject, perl::number(ratio), perl::number(count)).into())
}

fn too_many_illegal(text: &[u8], subject: bool, ratio: f64, count: f64) -> bool {
    let (mut controls, mut high, mut blank) = (0usize, 0usize, true);
    for &byte in text {
        match byte {
            0..=8 | 11 | 12 | 14..=31 => controls += 1,
            0x80.. => high += 1,
            _ => {}
        }
        blank &= is_space(byte);
    }
    let delete = memchr::memchr_iter(0x7f, text).count();
    let mut illegal = controls + high + delete;
    if blank || illegal == 0 && ratio > 0.0 {
        return false;
    }
    if high > 0 && controls == 0 && std::str::from_utf8(text).is_ok() {
        return false;
    }
    // A single cent, pound or registered sign in a Subject is forgiven.
    if subject && illegal > 0 && text.iter().filter(|b| matches!(b, 0xa2 | 0xa3 | 0xae)).count() == 1 {
        illegal -= 1;
    }
    illegal as f64 / text.len() as f64 >= ratio && illegal as f64 >= count
}

struct GatedThroughRemover(bool);

fn gated_through_remover(cx: &Context<'_>) -> bool {
    static EZMLM: Lazy = regex!(r"(?m)^contact \S+@\S+; run by ezmlm$");
    static LIST: Lazy = regex!(r"(?m)^mailing list \S+@\S+");
    static QMAIL: Lazy = regex!(r"qmail \d+ invoked (?:from network|by .{3,20})\); \d+ ... \d+");
    static MSN_GROUPS: Lazy = regex!(r"from groups\.msn\.com \(\S+\.msn\.com ");
    cx.memo
        .get_or_init(|| {
            if !values::exists(cx, "Received") {
                return GatedThroughRemover(true);
            }
            let received = values::joined(cx, "Received");
            if EZMLM.is_match(&values::joined(cx, "Mailing-List"))
                && LIST.is_match(&values::joined(cx, "Delivered-To"))
                && QMAIL.is_match(&received)
            {
                return GatedThroughRemover(true);
            }
            GatedThroughRemover(MSN_GROUPS.is_match(&received))
        })
        .0
}

pub fn gated_through_received_hdr_remover(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(gated_through_remover(cx).into())
}

#[derive(Clone, Copy, PartialEq)]
enum Hotmail {
    Plausible,
    /// A relay called itself hotmail.com and is not.
    ForgedRelay,
    /// The author claims hotmail.com, no relay of hotmail.com is to be seen.
    NoRelay,
}

fn hotmail(cx: &Context<'_>) -> Hotmail {
    *cx.memo.get_or_init(|| {
        let line = &received_line(cx).0;
        let from = values::first(cx, "From:addr");
        let claims = ends_with_word(&from, b"hotmail.com");
        let named = contains(line, b"hotmail.com");
        if !claims && !named || hotmail_path_is_plausible(cx, line) {
            return Hotmail::Plausible;
        }
        static HELO: Lazy = regex!(r"(?:from |HELO |helo=)\S*hotmail\.com\b");
        if named && HELO.is_match(line) {
            Hotmail::ForgedRelay
        } else if claims {
            Hotmail::NoRelay
        } else {
            Hotmail::Plausible
        }
    })
}

fn hotmail_path_is_plausible(cx: &Context<'_>, line: &[u8]) -> bool {
    static FROM_HOTMAIL: Lazy = regex!(r"from (?:\S*\.)?hotmail.com \(\S+\.hotmail(?:\.msn)?\.com[ )]");
    static FROM_OUTBOUND: Lazy =
        regex!(r"from \S*\.outbound\.protection\.outlook\.com \(\S+\.outbound\.protection\.outlook\.com[ )]");
    static FROM_OUTLOOK: Lazy = regex!(r"from \S*\.(?:eur|nam)prd\d+\.prod\.outlook\.com \(([^\s()]+)\)");
    static FROM_ADDRESS: Lazy = regex!(r"from \S*\.hotmail.com \(\[([^\s\[\]]+)\][ ):]");
    static BY_HTTP: Lazy = regex!(r"from \S+ by \S+\.hotmail(?:\.msn)?\.com with HTTP;");
    static BY_YAHOO: Lazy = regex!(r"from \[66\.218.\S+\] by \S+\.yahoo\.com");
    static ORIGINATOR: Lazy = regex!(r"hotmail\.com|msonline-outlook");
    if contains(line, b"from mail pickup service by hotmail.com with Microsoft SMTPSVC;") || from_msn_groups(cx) {
        return true;
    }
    if gated_through_remover(cx) {
        return true;
    }
    let origin = ip::contains_ip(&values::joined(cx, "X-Originating-Ip"));
    let organisation = ORIGINATOR.is_match(&values::joined(cx, "X-OriginatorOrg"));
    organisation && (FROM_OUTBOUND.is_match(line) || matches_with_address(&FROM_OUTLOOK, line))
        || origin
            && (FROM_HOTMAIL.is_match(line)
                || matches_with_address(&FROM_ADDRESS, line)
                || BY_HTTP.is_match(line)
                || BY_YAHOO.is_match(line))
}

pub fn check_for_forged_hotmail_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((hotmail(cx) == Hotmail::ForgedRelay).into())
}

pub fn check_for_no_hotmail_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((hotmail(cx) == Hotmail::NoRelay).into())
}

fn from_msn_groups(cx: &Context<'_>) -> bool {
    static LIST: Lazy = regex!(r"(?i)<(\S+)@groups\.msn\.com>");
    static SERVER: Lazy = regex!(r"from mail pickup service by (p\d\d\.groups\.msn\.com)\b");
    let to = values::joined(cx, "To");
    let Some(list) = LIST.captures(&to).map(|c| c[1].to_vec()) else { return false };
    let received = values::joined(cx, "Received");
    let Some(server) = SERVER.captures(&received).map(|c| c[1].to_vec()) else { return false };
    let id = values::joined(cx, "Message-Id");
    let id_matches = |before: &[u8], after: &[u8]| {
        id.strip_prefix(b"<").and_then(|rest| rest.strip_prefix(before)).is_some_and(|rest| {
            let end = rest.iter().position(|b| is_space(*b)).unwrap_or(rest.len());
            memchr::memmem::find(&rest[..end], after).is_some_and(|at| at > 0)
        })
    };
    if list == b"notifications" {
        return id_matches(b"", &[b"@", &server[..], b">"].concat());
    }
    id_matches(&[&list[..], b"-"].concat(), b"@groups.msn.com>")
        && contains(&values::first(cx, "EnvelopeFrom:addr"), &[&list[..], b"-bounce@groups.msn.com"].concat())
}

pub fn check_for_msn_groups_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(from_msn_groups(cx).into())
}

pub fn check_for_forged_eudoramail_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static BY_WHOWHERE: Lazy = regex!(r"by \S*whowhere.com;");
    if !ends_with_word(&values::first(cx, "From:addr"), b"eudoramail.com") || gated_through_remover(cx) {
        return Ok(Finding::NO);
    }
    let real = BY_WHOWHERE.is_match(&received_line(cx).0) && ip::contains_ip(&values::joined(cx, "X-Sender-Ip"));
    Ok((!real).into())
}

pub fn check_for_forged_yahoo_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static BY_YAHOO: Lazy = regex!(concat!(
        r"by web\S+\.mail\S*\.yahoo\.com via HTTP|by sonic\S+\.consmr\.mail\S*\.yahoo\.com with HTTP|",
        r"by smtp\S+\.yahoo\.com with SMTP|",
        r"by \w+\.\w+\.yahoo\.com \(\d+\.\d+\.\d+/\d+\.\d+\.\d+\)(?: with ESMTP)? id \w+"
    ));
    static BY_GROUPS: Lazy = regex!(r"from \[([^\s\[\]]+)\] by \S+\.(?:groups|scd|dcn)\.yahoo\.com with NNFMP");
    static BULK: Lazy = regex!(r"\bmailer\d+\.bulk\.scd\.yahoo\.com\b");
    static TRUSTED: Lazy = regex!(r" rdns=\S+\.yahoo\.com ");
    static UNTRUSTED: Lazy = regex!(r"^[^\]]+ rdns=\S+\.yahoo\.com ");
    let from = values::first(cx, "From:addr");
    if !ends_with_word(&from, b"yahoo.com") || gated_through_remover(cx) {
        return Ok(Finding::NO);
    }
    let mut received = values::joined(cx, "Received");
    if !values::joined(cx, "Resent-From").is_empty() && !values::joined(cx, "Resent-To").is_empty() {
        let forwarded = values::joined(cx, "X-Received");
        if !forwarded.is_empty() {
            received = forwarded;
        }
    }
    let line = perl::collapse_space(&received);
    let real = TRUSTED.is_match(&values::joined(cx, "X-Spam-Relays-Trusted"))
        || UNTRUSTED.is_match(&values::joined(cx, "X-Spam-Relays-Untrusted"))
        || BY_YAHOO.is_match(&line)
        || matches_with_address(&BY_GROUPS, &line)
        || BULK.is_match(&line) && perl::lower(&from).ends_with(b"@reply.yahoo.com");
    Ok((!real).into())
}

pub fn check_for_forged_juno_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static FROM_JUNO: Lazy = regex!(r"from.*\b(?:juno|untd)\.com");
    static COOKIE: Lazy = regex!(r" cookie\.(?:juno|untd)\.com ");
    if !ends_with_word(&values::first(cx, "From:addr"), b"juno.com") || gated_through_remover(cx) {
        return Ok(Finding::NO);
    }
    // Without this field SpamAssassin looks further, but no way leads to "genuine".
    if values::joined(cx, "X-Originating-IP").is_empty() {
        return Ok(Finding::hit());
    }
    let received = values::joined(cx, "Received");
    let real = contains(&values::joined(cx, "X-Mailer"), b"Juno ")
        && (COOKIE.is_match(&received)
            || perl::lines(&received).any(|line| {
                bracketed_addresses(line)
                    .any(|(start, end)| FROM_JUNO.is_match(&line[..start]) && contains(&line[end..], b"by"))
            }));
    Ok((!real).into())
}

/// Where addresses stand in brackets of either kind, brackets included.
fn bracketed_addresses(line: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    memchr::memchr2_iter(b'[', b'(', line).filter_map(|start| {
        let inside = &line[start + 1..];
        let length = memchr::memchr2(b']', b')', inside)?;
        ip::is_ip(&inside[..length]).then_some((start, start + length + 2))
    })
}

pub fn check_for_forged_gmail_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static BY_GOOGLE: Lazy = regex!(r"by 10\.\S+ with SMTP id \S+|by 2002:a\d\d:\w+:\S+ with SMTP id \S+");
    static RELAYED: Lazy = regex!(r"by smtp\.googlemail\.com with ESMTPSA id \S+");
    if !ends_with_word(&values::first(cx, "From:addr"), b"gmail.com") {
        return Ok(Finding::NO);
    }
    let real = BY_GOOGLE.is_match(&values::joined(cx, "X-Received"))
        || RELAYED.is_match(&values::joined(cx, "Received"))
        || values::joined(cx, "X-Gm-Message-State").len() >= 60
            && values::joined(cx, "X-Google-Smtp-Source").len() >= 60;
    Ok((!real).into())
}

pub fn check_for_matching_env_and_hdr_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let (envelope, header) = (values::first(cx, "EnvelopeFrom:addr"), values::first(cx, "From:addr"));
    Ok(envelope.eq_ignore_ascii_case(&header).into())
}

struct Recipients {
    sorted: bool,
    similar: f64,
}

fn recipients(cx: &Context<'_>) -> Rc<Recipients> {
    cx.memo.get_or_init(|| {
        let mut addresses = values::all(cx, "ToCc:addr");
        if addresses.len() < 5 {
            addresses.extend(values::all(cx, "Bcc:addr"));
        }
        judge_recipients(addresses)
    })
}

fn judge_recipients(inputs: Vec<Vec<u8>>) -> Recipients {
    let mut addresses: Vec<Vec<u8>> = Vec::new();
    for address in inputs {
        // An empty address ends SpamAssassin's loop.
        if address.is_empty() || address == b"0" {
            break;
        }
        if !addresses.last().is_some_and(|previous| previous.eq_ignore_ascii_case(&address)) {
            addresses.push(address);
        }
        if addresses.len() == 256 {
            break;
        }
    }
    let sorted = addresses.len() >= 7 && addresses.is_sorted();
    let mut similar = 0.0;
    if addresses.len() >= 5 {
        let first_two = |text: &[u8]| [text.first().copied(), text.get(1).copied()];
        let users: Vec<_> = addresses.iter().map(|a| first_two(a)).collect();
        // Addresses without @ drop out here and the hosts after them move up, as in SpamAssassin.
        let mut hosts: Vec<&[u8]> = addresses
            .iter()
            .filter_map(|a| memchr::memchr(b'@', a).map(|at| a[at + 1..].split(|b| *b == b'\n').next().unwrap_or(b"")))
            .collect();
        hosts.resize(addresses.len(), b"");
        let (mut hits, mut pairs) = (0u32, 0u32);
        for i in 0..addresses.len() {
            for j in i + 1..addresses.len() {
                hits += u32::from(users[i] == users[j]);
                hits += u32::from(first_two(hosts[i]) == first_two(hosts[j]) && hosts[i] != hosts[j]);
                pairs += 1;
            }
        }
        similar = f64::from(hits) / f64::from(pairs);
    }
    Recipients { sorted, similar }
}

pub fn sorted_recipients(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok(recipients(cx).sorted.into())
}

pub fn similar_recipients(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(in_range(recipients(cx).similar, args, 1.0).into())
}

/// `value >= min * unit && value < max * unit`, where "undef" leaves an end open.
fn in_range(value: f64, args: &[Arg], unit: f64) -> bool {
    let bound = |i: usize| args.get(i).filter(|a| *a != "undef").map(|a| perl::number(a) * unit);
    bound(0).is_none_or(|min| value >= min) && bound(1).is_none_or(|max| value < max)
}

pub fn check_for_missing_to_header(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    Ok((values::joined(cx, "To").is_empty() && values::joined(cx, "Apparently-To").is_empty()).into())
}

pub fn check_for_forged_gw05_received_headers(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static GW05: Lazy = regex!(
        r"(?s)\nfrom\s\S+\sby\s(\S+)\swith\sESMTP;\s+\S\S\S,\s+\d+\s+\S\S\S\s+\d{4}\s+\d\d:\d\d:\d\d\s+[-+]*\d{4}\n\n?$"
    );
    let received = values::joined(cx, "Received");
    Ok(GW05.captures(&received).is_some_and(|c| !c[1].contains(&b'.')).into())
}

/// What the fields say about the time of sending and of arrival.
struct Dates {
    header: Option<i64>,
    received: Vec<i64>,
    fetchmail: Option<i64>,
    /// Date minus the Received time nearest to it.
    difference: i64,
}

fn dates(cx: &Context<'_>) -> Rc<Dates> {
    cx.memo.get_or_init(|| {
        let header = header_time(cx);
        let (received, fetchmail) = received_times(&values::joined(cx, "Received"), cx.transaction.now);
        let difference = header.map_or(0, |header| nearest_difference(header, &received));
        Dates { header, received, fetchmail, difference }
    })
}

fn header_time(cx: &Context<'_>) -> Option<i64> {
    let headers = cx.views.message.headers();
    ["Resent-Date", "Date"].iter().find_map(|name| {
        headers.all(name).filter(|field| !field.decoded.is_empty()).find_map(|field| values::time(&field.decoded))
    })
}

fn nearest_difference(header: i64, received: &[i64]) -> i64 {
    let mut differences: Vec<i64> = received.iter().map(|time| header.saturating_sub(*time)).collect();
    if differences.len() > 1 && differences.last() == Some(&0) {
        differences.pop();
    }
    differences.into_iter().min_by_key(|d| d.unsigned_abs()).unwrap_or(0)
}

fn received_times(received: &[u8], now: i64) -> (Vec<i64>, Option<i64>) {
    static LOCAL: Lazy =
        regex!(r"\bfrom (?:localhost\s|(?:\S+ ){1,2}\S*\b127\.0\.0\.1\b)|qmail \d+ invoked by uid \d+");
    static FETCHMAIL: Lazy = regex!(r"\bby localhost with \w+ \(fetchmail-[\d.]+");
    let mut lines: Vec<&[u8]> =
        received.split(|b| *b == b'\n').filter(|line| line.iter().any(|b| !is_space(*b))).collect();
    let mut local = Vec::new();
    if lines.first().is_some_and(|line| LOCAL.is_match(line)) {
        local.push(lines.remove(0));
    }
    if lines.first().is_some_and(|line| FETCHMAIL.is_match(line)) {
        local.push(lines.remove(0));
    } else if let Some(line) = local.pop() {
        lines.insert(0, line);
    }
    let time = |line: &&[u8]| date_in(line).and_then(values::time);
    let fetchmail = local.iter().filter_map(time).filter(|time| *time <= now).max();
    (lines.iter().filter_map(time).collect(), fetchmail)
}

/// The first `\s.?\d+ \S\S\S \d+ \d+:\d+:\d+ \S+` of a line.
fn date_in(line: &[u8]) -> Option<&[u8]> {
    let digits_before = |end: usize| line[..end].iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let digits_after = |start: usize| line[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    for colon in memchr::memchr_iter(b':', line) {
        let hour = colon - digits_before(colon);
        let minutes = digits_after(colon + 1);
        let second_colon = colon + 1 + minutes;
        if hour == colon || minutes == 0 || line.get(second_colon) != Some(&b':') || hour < 1 || line[hour - 1] != b' '
        {
            continue;
        }
        let seconds = digits_after(second_colon + 1);
        let zone = second_colon + 1 + seconds;
        if seconds == 0 || line.get(zone) != Some(&b' ') {
            continue;
        }
        let zone_length = line[zone + 1..].iter().take_while(|b| !is_space(**b)).count();
        let year = hour - 1 - digits_before(hour - 1);
        // " Mon " stands before the year.
        if zone_length == 0 || year == hour - 1 || year < 5 || line[year - 1] != b' ' || line[year - 5] != b' ' {
            continue;
        }
        let day_end = year - 5;
        if line[day_end + 1..year - 1].iter().any(|b| is_space(*b)) {
            continue;
        }
        let day = day_end - digits_before(day_end);
        if day == day_end || day == 0 {
            continue;
        }
        let start = if day >= 2 && is_space(line[day - 2]) && line[day - 1] != b'\n' {
            day - 2
        } else if is_space(line[day - 1]) {
            day - 1
        } else {
            continue;
        };
        return Some(&line[start..zone + 1 + zone_length]);
    }
    None
}

pub fn check_for_shifted_date(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(in_range(dates(cx).difference as f64, args, 3600.0).into())
}

pub fn received_within_months(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    const MONTH: f64 = 365.2425 * 86_400.0 / 12.0;
    let dates = dates(cx);
    let mut possible: Vec<i64> = dates.header.into_iter().collect();
    possible.extend(dates.received.first());
    possible.extend(dates.fetchmail);
    if let (Some(header), false) = (dates.header, dates.received.is_empty()) {
        possible.push(header - dates.difference);
    }
    possible.sort_unstable_by(|a, b| b.cmp(a));
    let median = possible.len().checked_sub(1).map_or(0, |last| possible[last / 2]);
    Ok(in_range((cx.transaction.now - median) as f64, args, MONTH).into())
}

pub fn subject_is_all_caps(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let subject = values::joined(cx, "Subject");
    Ok((shouts(&subject) && !charset::encoded_word_in_capitals(&values::joined(cx, "Subject:raw"))).into())
}

fn shouts(subject: &[u8]) -> bool {
    const PREFIXES: [&[u8]; 10] = [b"re", b"fwd", b"fw", b"aw", b"antwort", b"wg", b"sv", b"vb", b"vs", b"vl"];
    let mut subject = perl::trim(subject);
    while let Some(prefix) =
        PREFIXES.iter().find(|p| perl::starts_with_ignoring_case(subject, p) && subject.get(p.len()) == Some(&b':'))
    {
        subject = &subject[prefix.len() + 1..];
        while subject.first().is_some_and(|b| is_space(*b)) {
            subject = &subject[1..];
        }
    }
    subject.len() >= 10
        && subject.iter().any(|b| is_space(*b))
        && !subject.iter().any(u8::is_ascii_lowercase)
        && subject.iter().any(u8::is_ascii_uppercase)
}

pub fn check_for_to_in_subject(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let to = values::first(cx, "To:addr");
    if to.is_empty() {
        return Ok(Finding::NO);
    }
    let subject = values::joined(cx, "Subject");
    Ok(match args.first().map(String::as_str) {
        Some("address") => word_in(&subject, &to),
        Some("user") => {
            let user = to.split(|b| *b == b'@').next().unwrap_or(b"");
            names_user(&subject, user)
        }
        _ => false,
    }
    .into())
}

/// `/\b\QWORD\E\b/i`
fn word_in(text: &[u8], word: &[u8]) -> bool {
    let boundary = |at: usize| {
        let before = at.checked_sub(1).is_some_and(|i| is_word(text[i]));
        before != text.get(at).is_some_and(|b| is_word(*b))
    };
    let word = perl::lower(word);
    let mut from = 0;
    while let Some(at) = perl::find_ignoring_case(&text[from..], &word) {
        if boundary(from + at) && boundary(from + at + word.len()) {
            return true;
        }
        from += at + 1;
    }
    false
}

fn names_user(subject: &[u8], user: &[u8]) -> bool {
    let text = perl::chomp(subject);
    let is_user = |t: &[u8]| t.eq_ignore_ascii_case(user);
    let skip_space = |t: &'_ [u8]| t.iter().take_while(|b| is_space(**b)).count();
    // "Re: joe", "Fw: urgent joe"
    for prefix in [&b"re:"[..], b"fw:"] {
        if perl::starts_with_ignoring_case(text, prefix) {
            let rest = &text[prefix.len()..];
            let rest = &rest[skip_space(rest)..];
            if is_user(rest) {
                return true;
            }
            let word = rest.iter().take_while(|b| is_word(**b)).count();
            let blanks = skip_space(&rest[word..]);
            if word > 0 && blanks > 0 && is_user(&rest[word + blanks..]) {
                return true;
            }
        }
    }
    // "joe, ..." in the very spelling of the address
    if let Some(rest) = text.strip_prefix(user) {
        let rest = &rest[skip_space(rest)..];
        if rest.first().is_some_and(|b| b",:;!?-".contains(b)) && rest.get(1).is_none_or(|b| is_space(*b)) {
            return true;
        }
    }
    if is_user(text) {
        return true;
    }
    // ", joe!"
    if let [b',', rest @ .., b',' | b':' | b';' | b'!' | b'?' | b'-'] = text {
        return is_user(&rest[skip_space(rest)..]);
    }
    false
}

pub fn check_outlook_message_id(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let id = values::joined(cx, "MESSAGEID");
    let Some(token) = outlook_time_token(&id) else { return Ok(Finding::NO) };
    let far = |time: i64| {
        let expected = (time as f64 * 0.002_328_306_436_538_7 + 27_111_902.832_984_9).trunc();
        (f64::from(token) - expected).abs() >= 250.0
    };
    let time = |text: &[u8]| values::time(text).unwrap_or(0);
    Ok((far(time(&values::joined(cx, "Date"))) && far(time(&values::joined(cx, "Received")))).into())
}

/// `<hhhhTTTTTTTT$hhhhhhhh$hhhhhhhh@`: the middle part counts time.
fn outlook_time_token(id: &[u8]) -> Option<u32> {
    let hex = |range: std::ops::Range<usize>| {
        id.get(range).is_some_and(|t| t.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)))
    };
    let shape = id.first() == Some(&b'<')
        && hex(1..13)
        && id.get(13) == Some(&b'$')
        && hex(14..22)
        && id.get(22) == Some(&b'$')
        && hex(23..31)
        && id.get(31) == Some(&b'@');
    if !shape {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(&id[5..13]).ok()?, 16).ok()
}

pub fn check_messageid_not_usable(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static LEAVE: Lazy = regex!(r"(?i)<mailto:(?:leave-\S+|\S+-unsubscribe)@\S+>\n?$");
    let received = values::joined(cx, "Received");
    Ok((LEAVE.is_match(&values::joined(cx, "List-Unsubscribe"))
        || gated_through_remover(cx)
        || contains(&received, b"/CWT/DCE)")
        || contains(&received, b"iPlanet Messaging Server"))
    .into())
}

pub fn check_header_count_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [name, min, max, ..] = args else { return Ok(Finding::NO) };
    let mut different: Vec<&[u8]> = cx.views.message.headers().all(name).map(|f| &f.decoded[..]).collect();
    different.sort_unstable();
    different.dedup();
    let count = different.len() as f64;
    Ok((count >= perl::number(min) && count <= perl::number(max)).into())
}

pub fn check_unresolved_template(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let fields = &cx.views.message.headers().fields;
    Ok(fields.iter().any(|f| has_template(&f.name) || has_template(&f.decoded) && !may_hold_percent(&f.name)).into())
}

/// `/%[A-Z][A-Z_-]/`
fn has_template(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| {
        matches!(text.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_uppercase()
            && (b.is_ascii_uppercase() || matches!(b, b'_' | b'-')))
    })
}

fn may_hold_percent(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 13] = [
        b"x-vms-to",
        b"x-uidl",
        b"x-face",
        b"to",
        b"cc",
        b"from",
        b"subject",
        b"references",
        b"in-reply-to",
        b"x-message-id",
        b"resent-message-id",
        b"x-original-message-id",
        b"message-id",
    ];
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
}

pub fn check_ratware_name_id(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    static ID: Lazy = regex!(r"<[A-Z]{28}\.([^>]+?)>");
    static NAMED: Lazy = regex!(r#""[^"]+"\s*<"#);
    let id = values::joined(cx, "MESSAGEID");
    let Some(found) = ID.captures(&id) else { return Ok(Finding::NO) };
    let tail = [&found[1], b">"].concat();
    let from = values::joined(cx, "From");
    let mut at = 0;
    while let Some(name) = NAMED.find_at(&from, at) {
        if from[name.end()..].starts_with(&tail) {
            return Ok(Finding::hit());
        }
        at = name.start() + 1;
    }
    Ok(Finding::NO)
}

pub fn check_ratware_envelope_from(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let to = values::first(cx, "To:addr");
    let from = values::first(cx, "EnvelopeFrom:addr");
    if to.is_empty() || from.is_empty() || sender_rewritten(&from) {
        return Ok(Finding::NO);
    }
    let Some(at) = memchr::memchr(b'@', &to).filter(|at| *at > 0 && at + 1 < to.len()) else {
        return Ok(Finding::NO);
    };
    let (user, host) = (&to[..at], &to[at + 1..]);
    let Some(domain) = values::registered_domain(cx, host) else { return Ok(Finding::NO) };
    // The recipient's address turned inside out: example.com?joe@...
    let (domain, user) = (perl::lower(domain.as_bytes()), perl::lower(user));
    let from = perl::lower(&from);
    let mut start = 0;
    while let Some(found) = memchr::memmem::find(&from[start..], &domain) {
        let found = start + found;
        let bounded = is_word(from[found]) != found.checked_sub(1).is_some_and(|i| is_word(from[i]));
        let rest = from.get(found + domain.len() + 1..).unwrap_or(b"");
        if bounded && rest.strip_prefix(&user[..]).is_some_and(|tail| tail.first() == Some(&b'@')) {
            return Ok(Finding::hit());
        }
        start = found + 1;
    }
    Ok(Finding::NO)
}

fn sender_rewritten(from: &[u8]) -> bool {
    matches!(from, [b's' | b'S', b'r' | b'R', b's' | b'S', b'0'..=b'9', b'=' | b'+' | b'-', ..])
}

pub fn check_equal_from_domains(cx: &Context<'_>, _: &[Arg]) -> Outcome {
    let (from, envelope) = (values::first(cx, "From:addr"), values::first(cx, "EnvelopeFrom:addr"));
    Ok(match (last_two_labels(&from), last_two_labels(&envelope)) {
        (Some(a), Some(b)) => !a.eq_ignore_ascii_case(b),
        _ => false,
    }
    .into())
}

/// `b.c` of `x@a.b.c`; the host itself where it has no three labels.
fn last_two_labels(address: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', address)?;
    let host = &address[at + 1..];
    if host.is_empty() {
        return None;
    }
    let Some(last) = memchr::memrchr(b'.', host) else { return Some(host) };
    match memchr::memrchr(b'.', &host[..last]) {
        Some(dot) if dot > 0 && last > dot + 1 && last + 1 < host.len() => Some(&host[dot + 1..]),
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_characters() {
        assert!(too_many_illegal(b"\xa4\xa2\xa4\xa4 sale\n", true, 0.0, 2.0));
        assert!(!too_many_illegal("あい sale\n".as_bytes(), true, 0.0, 2.0), "valid UTF-8 is no longer illegal");
        assert!(too_many_illegal("あ\u{1}\n".as_bytes(), true, 0.0, 2.0), "unless it hides controls");
        assert!(!too_many_illegal(b"\xa3 and \xff\n", true, 0.0, 2.0), "one pound sign is forgiven");
        assert!(too_many_illegal(b"\xa3 and \xff\n", false, 0.0, 2.0));
        assert!(!too_many_illegal(b" \n", false, 0.0, 0.0));
    }

    #[test]
    fn recipients_in_order() {
        let list = |t: &str| t.split_whitespace().map(|a| a.as_bytes().to_vec()).collect();
        let sorted = judge_recipients(list("a@x.org b@x.org c@x.org d@x.org e@x.org f@x.org g@x.org"));
        assert!(sorted.sorted);
        assert_eq!(sorted.similar, 0.0, "one letter and the rest differ, hosts are the same");
        let similar = judge_recipients(list("joe1@a.org joe2@a.net joe3@a.com joe4@a.jp joe5@a.de"));
        assert!(!similar.sorted);
        assert_eq!(similar.similar, 2.0);
    }

    #[test]
    fn dates_in_received_lines() {
        for (line, expected) in [
            ("from a by b; Mon, 5 Aug 2002 09:45:12 +0100", Some(" 5 Aug 2002 09:45:12 +0100")),
            ("from a by b; Mon,  5 Aug 2002 09:45:12 +0100 (BST)", Some("  5 Aug 2002 09:45:12 +0100")),
            ("from a by b; Mon, 05 Aug 2002 09:45:12 GMT\n", Some(" 05 Aug 2002 09:45:12 GMT")),
            ("from a by b id 1:2:3 x; 05 Aug 02 09:45:12 GMT", Some(" 05 Aug 02 09:45:12 GMT")),
            ("from a by b; Mon Aug 5 09:45:12 2002", None),
            ("5 Aug 2002 09:45:12 GMT", None),
            ("", None),
        ] {
            assert_eq!(date_in(line.as_bytes()), expected.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn the_nearest_received_date_counts() {
        assert_eq!(nearest_difference(1000, &[4600, 1010]), -10);
        assert_eq!(nearest_difference(1000, &[4600, 1000]), -3600, "a last field that agrees exactly proves nothing");
        assert_eq!(nearest_difference(1000, &[1000]), 0);
        assert_eq!(nearest_difference(1000, &[]), 0);
    }

    #[test]
    fn shouting_subjects() {
        for (subject, expected) in [
            ("BUY THIS NOW\n", true),
            ("Re: Fwd: BUY THIS NOW", true),
            ("BUY This NOW", false),
            ("BUYTHISNOW!", false),
            ("BUY NOW", false),
            ("12345 67890 -", false),
        ] {
            assert_eq!(shouts(subject.as_bytes()), expected, "{subject}");
        }
    }

    #[test]
    fn the_users_name_in_a_subject() {
        for (subject, expected) in [
            ("joe\n", true),
            ("JOE", true),
            ("joe, look", true),
            ("Joe, look", false),
            ("Re: joe", true),
            ("fw: urgent joe", true),
            (", joe!", true),
            ("for joe only", false),
        ] {
            assert_eq!(names_user(subject.as_bytes(), b"joe"), expected, "{subject}");
        }
        assert!(word_in(b"hi Joe@Example.org!", b"joe@example.org"));
        assert!(!word_in(b"hi xjoe@example.org", b"joe@example.org"));
    }

    #[test]
    fn labels_and_tokens() {
        assert_eq!(last_two_labels(b"a@b.c.d"), Some(&b"c.d"[..]));
        assert_eq!(last_two_labels(b"a@c.d"), Some(&b"c.d"[..]));
        assert_eq!(last_two_labels(b"a@d"), Some(&b"d"[..]));
        assert_eq!(last_two_labels(b"a@"), None);
        assert_eq!(last_two_labels(b"nobody"), None);
        assert_eq!(outlook_time_token(b"<000a01c23c5f$12345678$0a0a0a0a@pc>\n"), Some(0x01c2_3c5f));
        assert_eq!(outlook_time_token(b"<000A01c23c5f$12345678$0a0a0a0a@pc>\n"), None);
        assert!(has_template(b"hello %NAME%"));
        assert!(!has_template(b"100%OFF".get(..5).unwrap()));
    }
}
