//! Handlers of settings that are more than one value: lists, headers, networks, DNS, plugins.
//!
//! Each gets the value as written and notes what it says in the [`Loader`]; a [`Fault`] means that the line, or the
//! part of it named, is not in force.

use super::loader::{Loader, Said};
use super::{first_word, plugins, text, words};
use crate::diagnostic::{self, Fault};
use crate::settings::{BrandFault, RblTimeout, UriZone};
use std::net::IpAddr;

type Handled = Result<(), Fault>;

/// The value's words, or a complaint that there are none.
fn some_words<'v>(said: &'v Said<'_>) -> Result<impl Iterator<Item = String> + 'v, Fault> {
    said.some_value()?;
    Ok(words(said.value).map(|word| text(word).into_owned()))
}

/// `(NAME) rest`, blanks after the parenthesis.
fn named_list(value: &[u8]) -> Option<(String, &[u8])> {
    let inner = value.strip_prefix(b"(")?;
    // The shortest name of at least one byte after whose parenthesis a blank follows.
    let close = (1..inner.len().saturating_sub(1)).find(|at| inner[*at] == b')' && super::is_blank(inner[at + 1]))?;
    let rest = super::trim_start(&inner[close + 1..]);
    (!rest.is_empty()).then(|| (text(&inner[..close]).into_owned(), rest))
}

pub fn nothing(_loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    Err(diagnostic::OBSOLETE_DIRECTIVE.found(format!("`{}` does nothing any more", said.name)))
}

// Address and host lists

pub fn enlist_addrlist(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, rest) = named_list(said.value).ok_or_else(|| said.missing("(LIST) address ..."))?;
    loader.enlist(&name, rest)
}

pub fn unwelcomelist_from_rcvd(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    for address in some_words(said)? {
        for list in ["welcomelist_from_rcvd", "def_welcomelist_from_rcvd"] {
            if let Some(list) = loader.settings.relayed_lists.get_mut(list) {
                list.remove(&address);
            }
        }
    }
    Ok(())
}

fn address_and_signer(said: &Said<'_>) -> Result<(String, String), Fault> {
    let found: Vec<String> = some_words(said)?.collect();
    match &found[..] {
        [address] => Ok((address.clone(), String::new())),
        [address, signer] => Ok((address.clone(), signer.clone())),
        _ => Err(said.invalid("an address and at most one signing domain")),
    }
}

fn enlist_signed(loader: &mut Loader<'_>, said: &Said<'_>, list: &str) -> Handled {
    let (address, signer) = address_and_signer(said)?;
    loader.settings.relayed_lists.entry(list.to_owned()).or_default().insert(&address, &signer);
    Ok(())
}

pub fn welcomelist_from_dkim(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    enlist_signed(loader, said, "welcomelist_from_dkim")
}

pub fn def_welcomelist_from_dkim(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    enlist_signed(loader, said, "def_welcomelist_from_dkim")
}

pub fn unwelcomelist_from_dkim(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (address, signer) = address_and_signer(said)?;
    for list in ["welcomelist_from_dkim", "def_welcomelist_from_dkim"] {
        if let Some(list) = loader.settings.relayed_lists.get_mut(list) {
            list.remove_relay(&address, &signer);
        }
    }
    Ok(())
}

/// The whole value is one glob: subjects have blanks.
pub fn subject_list(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let glob = text(said.value).into_owned();
    loader.settings.address_lists.entry(said.canonical.to_owned()).or_default().insert(&glob);
    Ok(())
}

fn enlist_hosts(loader: &mut Loader<'_>, list: &str, hosts: &[u8]) {
    let list = loader.settings.uri_host_lists.entry(list.to_owned()).or_default();
    for host in words(hosts) {
        let host = text(host).to_lowercase();
        match host.strip_prefix('!') {
            Some(excepted) => list.insert(excepted.to_owned(), false),
            None => list.insert(host, true),
        };
    }
}

pub fn enlist_uri_host(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, hosts) = named_list(said.value).ok_or_else(|| said.missing("(LIST) host ..."))?;
    enlist_hosts(loader, &name, hosts);
    Ok(())
}

pub fn blocklist_uri_host(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    enlist_hosts(loader, "BLOCK", said.value);
    Ok(())
}

pub fn welcomelist_uri_host(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    enlist_hosts(loader, "WELCOME", said.value);
    Ok(())
}

pub fn delist_uri_host(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    let (only, hosts) = match named_list(said.value) {
        Some((name, hosts)) => (Some(name), hosts),
        None => (None, said.value),
    };
    for (name, list) in &mut loader.settings.uri_host_lists {
        if only.as_ref().is_none_or(|only| only == name) {
            for host in words(hosts) {
                let host = text(host).to_lowercase();
                list.remove(host.strip_prefix('!').unwrap_or(&host));
            }
        }
    }
    Ok(())
}

pub fn fns_add_addrlist(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, rest) = named_list(said.value).ok_or_else(|| said.missing("(LIST) address ..."))?;
    loader.enlist(&format!("FNS_{}", name.to_lowercase()), rest)
}

pub fn fns_remove_addrlist(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (name, rest) = named_list(said.value).ok_or_else(|| said.missing("(LIST) address ..."))?;
    if let Some(list) = loader.settings.address_lists.get_mut(&format!("FNS_{}", name.to_lowercase())) {
        for address in words(rest) {
            list.remove(&text(address));
        }
    }
    Ok(())
}

pub fn fns_ignore_dkim(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.from_name.ignore_dkim.extend(some_words(said)?.map(|word| word.to_lowercase()));
    Ok(())
}

pub fn fns_ignore_headers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.from_name.ignore_headers.extend(some_words(said)?);
    Ok(())
}

pub fn fns_check(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.from_name.check = f64::from(said.digit(b'2')?);
    Ok(())
}

/// sekisho's own: `brand ID domain ... alias ...`.
pub fn brand(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.brands.add(&text(said.value)).map_err(|fault| match fault {
        BrandFault::Incomplete => said.missing("a name, domains and aliases"),
        BrandFault::TooShort => said.invalid("aliases of two letters or more, or with = in front"),
        BrandFault::TooMany => said.invalid("no more than 65,536 names"),
    })
}

/// sekisho's own: `officer "NAME" ... address-or-domain ...`.
pub fn officer(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    if loader.settings.officers.add(&text(said.value)) {
        Ok(())
    } else {
        Err(said.missing("a name in quotes and an address or domain of its own"))
    }
}

pub fn freemail_domains(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'*' | b'?' | b'-');
    for word in words(said.value) {
        let domain = text(word).to_lowercase();
        if !word.iter().all(|byte| allowed(*byte)) {
            loader.report(said, diagnostic::BAD_LIST_ENTRY.found(format!("`{domain}` is no domain")));
        } else if domain.contains(['*', '?']) {
            loader.settings.freemail.wildcards.insert(domain);
        } else {
            loader.settings.freemail.domains.insert(domain);
        }
    }
    Ok(())
}

pub fn freemail_welcomelist(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    for word in words(said.value) {
        let entry = text(word).to_lowercase();
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if word.windows(3).any(|w| is_word(w[0]) && matches!(w[1], b'.' | b'@') && is_word(w[2])) {
            loader.settings.freemail.welcomelist.insert(entry);
        } else {
            loader.report(said, diagnostic::BAD_LIST_ENTRY.found(format!("`{entry}` is no address or domain")));
        }
    }
    Ok(())
}

pub fn adsp_override(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let found: Vec<String> = some_words(said)?.collect();
    let (domain, policy) = match &found[..] {
        [domain] => (domain, "discardable".to_owned()),
        [domain, policy] => (domain, policy.to_lowercase()),
        _ => return Err(said.invalid("a domain and at most one policy")),
    };
    let domain = domain.strip_prefix('@').unwrap_or(domain).to_lowercase();
    if domain.is_empty() || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'.' | b'_' | b'-'))
    {
        return Err(said.invalid("a domain"));
    }
    let policy = match policy.as_str() {
        "nxdomain" => "N",
        "unknown" => "U",
        "all" => "A",
        "discardable" => "D",
        "custom_low" => "1",
        "custom_med" => "2",
        "custom_high" => "3",
        _ => return Err(said.invalid("nxdomain, unknown, all, discardable, custom_low, custom_med or custom_high")),
    };
    loader.settings.adsp_override.insert(domain, policy.to_owned());
    Ok(())
}

pub fn authres_networks(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    if !["internal", "trusted", "all"].iter().any(|known| said.value.eq_ignore_ascii_case(known.as_bytes())) {
        return Err(said.invalid("internal, trusted or all"));
    }
    loader.keep("authres_networks", said.value);
    Ok(())
}

// Views

pub fn originating_ip_headers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let headers = &mut loader.settings.originating_ip_headers;
    for header in some_words(said)? {
        if !headers.iter().any(|known| known.eq_ignore_ascii_case(&header)) {
            headers.push(header);
        }
    }
    Ok(())
}

pub fn clear_originating_ip_headers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    loader.settings.originating_ip_headers.clear();
    Ok(())
}

pub fn redirector_pattern(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    loader.check_regex(said.value, 0)?;
    loader.settings.redirector_patterns.push(said.value.to_vec());
    Ok(())
}

fn registry(said: &Said<'_>, labels: usize, list: &mut std::collections::BTreeSet<String>) -> Handled {
    said.some_value()?;
    for word in words(said.value) {
        if word.split(|byte| *byte == b'.').count() != labels || word.split(|byte| *byte == b'.').any(<[u8]>::is_empty)
        {
            return Err(said.invalid(&format!("names of {labels} label(s)")));
        }
    }
    for word in words(said.value) {
        list.insert(text(&mail::tld::idn_to_ascii(word)).to_lowercase());
    }
    Ok(())
}

pub fn util_rb_tld(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    registry(said, 1, &mut loader.settings.top_level_domains.one)
}

pub fn util_rb_2tld(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    registry(said, 2, &mut loader.settings.top_level_domains.two)
}

pub fn util_rb_3tld(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    registry(said, 3, &mut loader.settings.top_level_domains.three)
}

pub fn clear_util_rb(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    loader.settings.top_level_domains = Default::default();
    Ok(())
}

// Headers and reports

pub fn rewrite_header(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (header, template) = first_word(said.value);
    let header = match text(header).to_lowercase().as_str() {
        "" => return Err(said.missing("Subject, From or To")),
        "subject" => "Subject",
        "from" => "From",
        "to" => "To",
        _ => return Err(said.invalid("Subject, From or To")),
    };
    if template.is_empty() {
        loader.settings.rewrite_header.remove(header);
        return Ok(());
    }
    let mut template = text(template).into_owned();
    if header != "Subject" {
        template = template.replace('(', "[").replace(')', "]");
    }
    loader.settings.rewrite_header.insert(header.to_owned(), template);
    Ok(())
}

/// `ham|spam|all NAME rest`.
fn which_header<'v>(said: &'v Said<'_>) -> Result<(bool, bool, String, &'v [u8]), Fault> {
    let (kind, rest) = first_word(said.value);
    let (name, rest) = first_word(rest);
    let (ham, spam) = match kind {
        b"ham" => (true, false),
        b"spam" => (false, true),
        b"all" => (true, true),
        _ => return Err(said.invalid("ham, spam or all, and a header's name without X-Spam-")),
    };
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) {
        return Err(said.invalid("a header's name without X-Spam-"));
    }
    Ok((ham, spam, text(name).into_owned(), rest))
}

pub fn add_header(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (ham, spam, name, template) = which_header(said)?;
    if template.is_empty() {
        return Err(said.invalid("a template"));
    }
    let template = text(template);
    let template = template.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(&template);
    let template = unescape_template(template);
    for (wanted, headers) in [(ham, &mut loader.settings.headers_ham), (spam, &mut loader.settings.headers_spam)] {
        if wanted {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            headers.push((name.clone(), template.clone()));
        }
    }
    Ok(())
}

/// `\t` and `\n` mean tab and newline, `\\` a backslash; other escapes vanish with what they escape.
fn unescape_template(template: &str) -> String {
    let mut result = String::with_capacity(template.len());
    let mut letters = template.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            result.push(letter);
            continue;
        }
        match letters.next() {
            Some('\\') => result.push('\\'),
            Some('t') => result.push('\t'),
            Some('n') => result.push('\n'),
            // At the end a lone backslash stays.
            None => result.push('\\'),
            Some(_) => {}
        }
    }
    result
}

pub fn remove_header(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (ham, spam, name, rest) = which_header(said)?;
    if !rest.is_empty() {
        return Err(said.invalid("nothing after the header's name"));
    }
    if name == "Checker-Version" {
        return Ok(());
    }
    for (wanted, headers) in [(ham, &mut loader.settings.headers_ham), (spam, &mut loader.settings.headers_spam)] {
        if wanted {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        }
    }
    Ok(())
}

pub fn clear_headers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    let settings = &mut loader.settings;
    settings.headers_ham.retain(|(name, _)| name.eq_ignore_ascii_case("Checker-Version"));
    settings.headers_ham.truncate(1);
    settings.headers_spam.clone_from(&settings.headers_ham);
    Ok(())
}

pub fn report_safe(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let settings = &mut loader.settings;
    settings.report_safe = said.digit(b'2')?;
    if settings.report_safe == 0 && !settings.headers_spam.iter().any(|(name, _)| name.eq_ignore_ascii_case("Report")) {
        settings.headers_spam.push(("Report".to_owned(), "_REPORT_".to_owned()));
    }
    Ok(())
}

pub fn report_safe_copy_headers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.report_safe_copy_headers.extend(some_words(said)?);
    Ok(())
}

pub fn version_tag(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    let tag: String = text(said.value)
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' { c } else { '_' })
        .collect();
    if !loader.settings.version_tags.contains(&tag) {
        loader.settings.version_tags.push(tag);
    }
    Ok(())
}

pub fn allow_user_rules(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.allow_user_rules = said.digit(b'1')? == 1;
    Ok(())
}

// Bayes

pub fn bayes_token_sources(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    const SOURCES: [&str; 5] = ["header", "visible", "invisible", "uri", "mimepart"];
    for word in some_words(said)? {
        let word = word.to_lowercase();
        let sources = &mut loader.settings.bayes_token_sources;
        let plain = word.strip_prefix("no").filter(|rest| SOURCES.contains(rest));
        match word.as_str() {
            "none" | "noall" => sources.clear(),
            "all" => *sources = SOURCES.into_iter().map(|name| (name.to_owned(), true)).collect(),
            _ if plain.is_some() => {
                sources.insert(plain.unwrap_or_default().to_owned(), false);
            }
            name if SOURCES.contains(&name) => {
                sources.insert(word, true);
            }
            _ => return Err(said.invalid("header, visible, invisible, uri, mimepart, all or none")),
        }
    }
    Ok(())
}

pub fn bayes_ignore_header(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.bayes_ignore_headers.extend(some_words(said)?.map(|word| word.to_lowercase()));
    Ok(())
}

pub fn bayes_stopword_languages(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let value = text(said.value).to_lowercase();
    if value == "disable" {
        loader.settings.bayes_stopword_languages.clear();
        return Ok(());
    }
    let languages: Vec<String> =
        value.split([',', ' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if languages.is_empty() {
        return Err(said.missing("languages of two letters, or disable"));
    }
    if !languages.iter().all(|word| word.len() == 2 && word.bytes().all(|b| b.is_ascii_lowercase())) {
        return Err(said.invalid("languages of two letters, or disable"));
    }
    loader.settings.bayes_stopword_languages = languages;
    Ok(())
}

/// `bayes_stopword_XX`, which the table cannot name.
pub fn bayes_stopword(loader: &mut Loader<'_>, said: &Said<'_>, language: &str) -> Handled {
    for word in some_words(said)? {
        loader.settings.bayes_stopwords.insert(language.to_owned(), word);
    }
    Ok(())
}

// Network settings, kept for those who ask

pub fn dns_available(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let value = text(said.value);
    loader.settings.dns_available = match value.as_ref() {
        "yes" | "1" => "yes".to_owned(),
        "no" | "0" => "no".to_owned(),
        "test" => value.into_owned(),
        other if other.starts_with("test:") => value.into_owned(),
        _ => return Err(said.invalid("yes, no or test")),
    };
    Ok(())
}

pub fn dns_server(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let value = text(said.value);
    let bare = value.trim_start_matches('[');
    let (address, port) = if let Some((address, port)) = value.strip_prefix('[').and_then(|v| v.split_once("]:")) {
        (address, port)
    } else if let Some(address) = bare.strip_suffix(']') {
        (address, "53")
    } else if value.matches(':').count() == 1 {
        value.split_once(':').unwrap_or((&value, "53"))
    } else {
        (value.as_ref(), "53")
    };
    let unscoped = address.split_once('%').map_or(address, |(address, _)| address);
    let port = port.parse::<u16>().ok().filter(|port| *port > 0);
    match (unscoped.parse::<IpAddr>(), port) {
        (Ok(_), Some(port)) => loader.settings.dns_servers.push(format!("[{address}]:{port}")),
        _ => return Err(said.invalid("an address, or [address]:port")),
    }
    Ok(())
}

pub fn clear_asn_lookups(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    for directive in ["asn_lookup", "asn_lookup_ipv6"] {
        loader.settings.other.remove(directive);
    }
    Ok(())
}

pub fn clear_dns_servers(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    loader.settings.dns_servers.clear();
    Ok(())
}

pub fn dns_options(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    for option in text(said.value).to_lowercase().split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let (name, value) = match option {
            "norotate" | "nodns0x20" | "nov4" | "nov6" => (&option[2..], 0),
            "rotate" | "dns0x20" | "v4" | "v6" => (option, 1),
            "noedns" | "noedns0" => ("edns", 0),
            "edns" | "edns0" => ("edns", 1220),
            _ => match option.split_once('=') {
                Some(("edns" | "edns0", size)) => match size.parse::<u32>() {
                    Ok(size) if size >= 512 => ("edns", size),
                    _ => return Err(said.invalid("edns=SIZE with at least 512")),
                },
                _ => return Err(said.invalid("rotate, dns0x20, edns, v4, v6, or one of them after `no`")),
            },
        };
        loader.settings.dns_options.insert(name.to_owned(), value);
    }
    Ok(())
}

pub fn dns_query_restriction(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (word, domains) = first_word(said.value);
    let denied = match text(word).to_lowercase().as_str() {
        "allow" => false,
        "deny" => true,
        _ => return Err(said.invalid("allow or deny, and domains")),
    };
    for domain in words(domains) {
        loader.settings.dns_query_restriction.insert(undotted(domain), denied);
    }
    Ok(())
}

/// Lower case, without a dot at either end.
fn undotted(domain: &[u8]) -> String {
    let domain = text(domain).to_lowercase();
    let domain = domain.strip_prefix('.').unwrap_or(&domain);
    domain.strip_suffix('.').unwrap_or(domain).to_owned()
}

pub fn clear_dns_query_restriction(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.no_value()?;
    loader.settings.dns_query_restriction.clear();
    Ok(())
}

pub fn dns_block_rule(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let (rule, domains) = first_word(said.value);
    if domains.is_empty() {
        return Err(said.invalid("a rule and domains"));
    }
    for domain in words(domains) {
        let domain = undotted(domain);
        if !domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-')) {
            return Err(said.invalid("domains"));
        }
        loader.settings.dns_block_rules.entry(text(rule).into_owned()).or_default().insert(domain);
    }
    Ok(())
}

pub fn rbl_timeout(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let found: Vec<String> = some_words(said)?.collect();
    let durations: Vec<f64> = found.iter().take(2).map_while(|word| super::loader::duration(word.as_bytes())).collect();
    let zone = &found[durations.len().min(found.len())..];
    let Some(timeout) = durations.first().copied() else { return Err(said.invalid("a duration")) };
    let minimum = durations.get(1).copied();
    match zone {
        [] => {
            loader.settings.rbl_timeout.timeout = timeout;
            if minimum.is_some() {
                loader.settings.rbl_timeout.minimum = minimum;
            }
        }
        [zone] if zone.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            let zone = undotted(zone.as_bytes());
            loader.settings.rbl_timeout_by_zone.insert(zone, RblTimeout { timeout, minimum });
        }
        _ => return Err(said.invalid("one or two durations and perhaps a zone")),
    }
    Ok(())
}

pub fn uri_zone(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let found: Vec<String> = some_words(said)?.collect();
    let [rule, zone, record_type] = &found[..] else { return Err(said.invalid("a rule, a zone and a record type")) };
    loader.uri_zone(said, rule, zone, record_type, None);
    Ok(())
}

pub fn uri_zone_subtest(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let found: Vec<String> = some_words(said)?.collect();
    let [rule, zone, record_type, subtest @ ..] = &found[..] else {
        return Err(said.invalid("a rule, a zone, a record type and a subtest"));
    };
    if subtest.is_empty() {
        return Err(said.invalid("a subtest at the end"));
    }
    loader.uri_zone(said, rule, zone, record_type, Some(subtest.join(" ")));
    Ok(())
}

impl Loader<'_> {
    fn uri_zone(&mut self, said: &Said<'_>, rule: &str, zone: &str, record_type: &str, subtest: Option<String>) {
        let zone = UriZone {
            directive: said.canonical.to_owned(),
            zone: zone.strip_suffix('.').unwrap_or(zone).to_owned(),
            record_type: record_type.to_owned(),
            subtest,
        };
        self.settings.uri_zones.insert(rule.to_owned(), zone);
    }

    pub(super) fn enlist(&mut self, list: &str, addresses: &[u8]) -> Handled {
        let list = self.settings.address_lists.entry(list.to_owned()).or_default();
        for address in words(addresses) {
            list.insert(&text(address));
        }
        Ok(())
    }
}

pub fn uridnsbl_skip_domain(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.uridnsbl_skip_domains.extend(some_words(said)?.map(|word| word.to_lowercase()));
    Ok(())
}

pub fn clear_uridnsbl_skip_domain(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let domains = &mut loader.settings.uridnsbl_skip_domains;
    if said.value.is_empty() {
        domains.clear();
    }
    for domain in words(said.value) {
        domains.remove(&text(domain).to_lowercase());
    }
    Ok(())
}

pub fn url_shortener(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.url_shorteners.extend(some_words(said)?.map(|word| (word.to_lowercase(), false)));
    Ok(())
}

pub fn url_shortener_get(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    loader.settings.url_shorteners.extend(some_words(said)?.map(|word| (word.to_lowercase(), true)));
    Ok(())
}

pub fn clear_url_shortener(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    let hosts = &mut loader.settings.url_shorteners;
    if said.value.is_empty() {
        hosts.clear();
    }
    for host in words(said.value) {
        hosts.remove(&text(host).to_lowercase());
    }
    Ok(())
}

// Plugins

pub fn loadplugin(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    load_plugin(loader, said, true)
}

/// As `loadplugin`, but silent about what cannot be loaded.
pub fn tryplugin(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    load_plugin(loader, said, false)
}

fn load_plugin(loader: &mut Loader<'_>, said: &Said<'_>, complain: bool) -> Handled {
    said.some_value()?;
    let (class, _path) = first_word(said.value);
    let class = text(class);
    let pieces_good = class
        .split("::")
        .all(|piece| !piece.is_empty() && piece.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    if !pieces_good {
        return Err(said.invalid("a class such as Mail::SpamAssassin::Plugin::SPF"));
    }
    match plugins::short_name(&class).and_then(plugins::find) {
        Some(plugin) => {
            loader.plugins.insert(plugin.name.to_owned());
            Ok(())
        }
        None if complain => {
            Err(diagnostic::UNKNOWN_PLUGIN.found(format!("there is no plugin {class} here")).at(0, class.len()))
        }
        None => Ok(()),
    }
}

pub fn enable_compat(loader: &mut Loader<'_>, said: &Said<'_>) -> Handled {
    said.some_value()?;
    let flag = text(said.value);
    if flag.len() > 128 || !flag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(said.invalid("letters, digits and _"));
    }
    loader.compat.insert(flag.into_owned());
    Ok(())
}
