//! The table of checks, sorted by name; one file per family.
//!
//! A check is named as SpamAssassin names it, since rules call it by that name. Old spellings (`whitelist`,
//! `blacklist`) are entries of their own with the same function behind them.

pub mod acquaintance;
mod antivirus;
mod argument_pattern;
mod askdns;
pub mod authentication;
mod authres;
mod bayes;
mod body;
mod brand;
mod charset;
pub mod digests;
pub(crate) mod dns;
pub mod dnsbl;
mod docs;
mod elsewhere;
mod email;
mod expression;
mod freemail;
mod fromname;
mod hashbl;
mod header;
mod html;
pub mod image;
mod ip;
pub(crate) mod language;
pub mod mentions;
mod mime;
pub mod pdf;
mod perl;
mod relay;
pub mod reputation;
mod text;
mod uri;
pub(crate) mod uridnsbl;
mod values;
mod welcomelist;

use crate::check::Availability::{Digests, Dns, Learner, Missing, Network, Now};
use crate::check::Kinds::{Any, Body, Full, Header};
use crate::check::{Arg, Availability, CheckEntry, Context, Kinds, Outcome};
pub use bayes::ignores as learner_ignores;

type Run = fn(&Context<'_>, &[Arg]) -> Outcome;

const fn now(name: &'static str, kinds: Kinds, plugin: &'static str, doc: &'static str, run: Run) -> CheckEntry {
    CheckEntry { name, kinds, plugin, doc, availability: Now, run }
}

/// A check whose answer comes from outside this program's present reach: known, and never hitting.
const fn later(
    name: &'static str,
    kinds: Kinds,
    plugin: &'static str,
    doc: &'static str,
    availability: Availability,
) -> CheckEntry {
    CheckEntry { name, kinds, plugin, doc, availability, run: elsewhere::no_answer }
}

/// A check that asks whom we have met.
const fn acquainted(name: &'static str, doc: &'static str, run: Run) -> CheckEntry {
    CheckEntry { name, kinds: Header, plugin: "Sekisho", doc, availability: Learner, run }
}

/// A check that asks DNS.
const fn dns_check(name: &'static str, kinds: Kinds, plugin: &'static str, doc: &'static str, run: Run) -> CheckEntry {
    CheckEntry { name, kinds, plugin, doc, availability: Dns, run }
}

/// A check that asks a network of digests.
const fn digest_check(name: &'static str, plugin: &'static str, doc: &'static str, run: Run) -> CheckEntry {
    CheckEntry { name, kinds: Full, plugin, doc, availability: Digests, run }
}

/// What an `askdns` rule does; it is no eval, so it stands in no table.
pub(crate) static ASKDNS: CheckEntry = dns_check("askdns", Header, "AskDNS", docs::ASKDNS, askdns::askdns);
/// What `asn_lookup` asks.
pub(crate) static ASN_LOOKUP: CheckEntry = dns_check("asn_lookup", Header, "ASN", docs::ASN, askdns::asn_lookup);

/// What sets the tags of authentication.
pub(crate) static AUTHENTICATION: CheckEntry =
    dns_check("authentication", Header, "DKIM", docs::DKIM, authentication::authentication);

/// The entry of that name.
pub fn find(name: &str) -> Option<&'static CheckEntry> {
    CHECKS.binary_search_by(|entry| entry.name.cmp(name)).ok().map(|at| &CHECKS[at])
}

pub static CHECKS: &[CheckEntry] = &[
    now(
        "check_abundant_unicode_ratio",
        Body,
        "MIMEEval",
        docs::CHECK_ABUNDANT_UNICODE_RATIO,
        mime::check_abundant_unicode_ratio,
    ),
    later("check_access_database", Header, "AccessDB", docs::CHECK_ACCESS_DATABASE, Missing),
    now("check_all_trusted", Any, "RelayEval", docs::CHECK_ALL_TRUSTED, relay::check_all_trusted),
    now(
        "check_alternatives_differ",
        Header,
        "Sekisho",
        docs::CHECK_ALTERNATIVES_DIFFER,
        text::check_alternatives_differ,
    ),
    acquainted("check_answer_to_us", docs::ANSWER_TO_US, acquaintance::check_answer_to_us),
    dns_check("check_arc_signed", Full, "DKIM", docs::DKIM, authentication::check_arc_signed),
    dns_check("check_arc_valid", Full, "DKIM", docs::DKIM, authentication::check_arc_valid),
    dns_check("check_asn", Header, "ASN", docs::ASN, askdns::check_asn),
    now("check_authres_result", Header, "AuthRes", docs::AUTHRES, authres::check_authres_result),
    acquainted("check_backscatter", docs::BACKSCATTER, acquaintance::check_backscatter),
    now("check_base64_length", Body, "MIMEEval", docs::CHECK_BASE64_LENGTH, mime::check_base64_length),
    CheckEntry { availability: Learner, ..now("check_bayes", Body, "Bayes", docs::BAYES, bayes::check_bayes) },
    now("check_blank_line_ratio", Body, "BodyEval", docs::CHECK_BLANK_LINE_RATIO, body::check_blank_line_ratio),
    now("check_body_8bits", Body, "TextCat", docs::CHECK_BODY_8BITS, language::check_body_8bits),
    now("check_body_length", Body, "BodyEval", docs::CHECK_BODY_LENGTH, body::check_body_length),
    now("check_brand", Header, "Sekisho", docs::CHECK_BRAND, brand::check_brand),
    digest_check("check_dcc", "DCC", docs::DCC, digests::check_dcc),
    digest_check("check_dcc_reputation_range", "DCC", docs::DCC, digests::check_dcc_reputation_range),
    dns_check("check_dkim_adsp", Header, "DKIM", docs::DKIM, authentication::check_dkim_adsp),
    dns_check("check_dkim_dependable", Full, "DKIM", docs::DKIM, authentication::check_dkim_dependable),
    dns_check("check_dkim_signall", Any, "DKIM", docs::DKIM, authentication::check_dkim_signall),
    dns_check("check_dkim_signed", Full, "DKIM", docs::DKIM, authentication::check_dkim_signed),
    dns_check("check_dkim_signsome", Any, "DKIM", docs::DKIM, authentication::check_dkim_signsome),
    dns_check("check_dkim_testing", Header, "DKIM", docs::DKIM, authentication::check_dkim_testing),
    dns_check("check_dkim_valid", Full, "DKIM", docs::DKIM, authentication::check_dkim_valid),
    dns_check("check_dkim_valid_author_sig", Full, "DKIM", docs::DKIM, authentication::check_dkim_valid_author_sig),
    dns_check("check_dkim_valid_envelopefrom", Full, "DKIM", docs::DKIM, authentication::check_dkim_valid_envelopefrom),
    dns_check("check_dkim_verified", Any, "DKIM", docs::DKIM, authentication::check_dkim_valid),
    dns_check("check_dmarc_missing", Header, "DMARC", docs::DMARC, authentication::check_dmarc_missing),
    dns_check("check_dmarc_none", Header, "DMARC", docs::DMARC, authentication::check_dmarc_none),
    dns_check("check_dmarc_pass", Header, "DMARC", docs::DMARC, authentication::check_dmarc_pass),
    dns_check("check_dmarc_quarantine", Header, "DMARC", docs::DMARC, authentication::check_dmarc_quarantine),
    dns_check("check_dmarc_reject", Header, "DMARC", docs::DMARC, authentication::check_dmarc_reject),
    dns_check("check_dns_sender", Header, "DNSEval", docs::DNSBL, dnsbl::check_dns_sender),
    acquainted("check_email_first_seen", docs::FIRST_SEEN, mentions::check_email_first_seen),
    acquainted("check_email_seen_in_spam", docs::SEEN_IN_SPAM, mentions::check_email_seen_in_spam),
    now(
        "check_equal_from_domains",
        Header,
        "HeaderEval",
        docs::CHECK_EQUAL_FROM_DOMAINS,
        header::check_equal_from_domains,
    ),
    acquainted("check_first_contact", docs::FIRST_CONTACT, acquaintance::check_first_contact),
    now(
        "check_for_ascii_text_illegal",
        Body,
        "MIMEEval",
        docs::CHECK_FOR_ASCII_TEXT_ILLEGAL,
        mime::check_for_ascii_text_illegal,
    ),
    dns_check(
        "check_for_def_dkim_welcomelist_from",
        Header,
        "DKIM",
        docs::DKIM,
        authentication::check_for_def_dkim_welcomelist_from,
    ),
    dns_check(
        "check_for_def_dkim_whitelist_from",
        Header,
        "DKIM",
        docs::DKIM,
        authentication::check_for_def_dkim_welcomelist_from,
    ),
    dns_check(
        "check_for_def_spf_welcomelist_from",
        Header,
        "SPF",
        docs::SPF,
        authentication::check_for_def_spf_welcomelist_from,
    ),
    dns_check(
        "check_for_def_spf_whitelist_from",
        Header,
        "SPF",
        docs::SPF,
        authentication::check_for_def_spf_welcomelist_from,
    ),
    dns_check(
        "check_for_dkim_welcomelist_from",
        Header,
        "DKIM",
        docs::DKIM,
        authentication::check_for_dkim_welcomelist_from,
    ),
    dns_check(
        "check_for_dkim_whitelist_from",
        Header,
        "DKIM",
        docs::DKIM,
        authentication::check_for_dkim_welcomelist_from,
    ),
    now(
        "check_for_fake_aol_relay_in_rcvd",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FAKE_AOL_RELAY_IN_RCVD,
        header::check_for_fake_aol_relay_in_rcvd,
    ),
    now(
        "check_for_faraway_charset",
        Body,
        "MIMEEval",
        docs::CHECK_FOR_FARAWAY_CHARSET,
        mime::check_for_faraway_charset,
    ),
    now(
        "check_for_faraway_charset_in_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FARAWAY_CHARSET_IN_HEADERS,
        header::check_for_faraway_charset_in_headers,
    ),
    now(
        "check_for_forged_eudoramail_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_EUDORAMAIL_RECEIVED_HEADERS,
        header::check_for_forged_eudoramail_received_headers,
    ),
    now(
        "check_for_forged_gmail_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_GMAIL_RECEIVED_HEADERS,
        header::check_for_forged_gmail_received_headers,
    ),
    now(
        "check_for_forged_gw05_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_GW05_RECEIVED_HEADERS,
        header::check_for_forged_gw05_received_headers,
    ),
    now(
        "check_for_forged_hotmail_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_HOTMAIL_RECEIVED_HEADERS,
        header::check_for_forged_hotmail_received_headers,
    ),
    now(
        "check_for_forged_juno_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_JUNO_RECEIVED_HEADERS,
        header::check_for_forged_juno_received_headers,
    ),
    now(
        "check_for_forged_received_ip_helo",
        Any,
        "RelayEval",
        docs::CHECK_FOR_FORGED_RECEIVED_IP_HELO,
        relay::check_for_forged_received_ip_helo,
    ),
    now(
        "check_for_forged_received_trail",
        Any,
        "RelayEval",
        docs::CHECK_FOR_FORGED_RECEIVED_TRAIL,
        relay::check_for_forged_received_trail,
    ),
    now(
        "check_for_forged_yahoo_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_FORGED_YAHOO_RECEIVED_HEADERS,
        header::check_for_forged_yahoo_received_headers,
    ),
    now(
        "check_for_from_domain_in_received_headers",
        Header,
        "RelayEval",
        docs::CHECK_FOR_FROM_DOMAIN_IN_RECEIVED_HEADERS,
        relay::check_for_from_domain_in_received_headers,
    ),
    now("check_for_http_redirector", Any, "URIEval", docs::CHECK_FOR_HTTP_REDIRECTOR, uri::check_for_http_redirector),
    now("check_for_illegal_ip", Any, "RelayEval", docs::CHECK_FOR_ILLEGAL_IP, header::never),
    now(
        "check_for_matching_env_and_hdr_from",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_MATCHING_ENV_AND_HDR_FROM,
        header::check_for_matching_env_and_hdr_from,
    ),
    now("check_for_mime", Body, "MIMEEval", docs::CHECK_FOR_MIME, mime::check_for_mime),
    now("check_for_mime_html", Body, "MIMEEval", docs::CHECK_FOR_MIME_HTML, mime::check_for_mime_html),
    now("check_for_mime_html_only", Body, "MIMEEval", docs::CHECK_FOR_MIME_HTML_ONLY, mime::check_for_mime_html_only),
    now(
        "check_for_missing_to_header",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_MISSING_TO_HEADER,
        header::check_for_missing_to_header,
    ),
    now(
        "check_for_msn_groups_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_MSN_GROUPS_HEADERS,
        header::check_for_msn_groups_headers,
    ),
    now(
        "check_for_no_hotmail_received_headers",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_NO_HOTMAIL_RECEIVED_HEADERS,
        header::check_for_no_hotmail_received_headers,
    ),
    now(
        "check_for_no_rdns_dotcom_helo",
        Any,
        "RelayEval",
        docs::CHECK_FOR_NO_RDNS_DOTCOM_HELO,
        relay::check_for_no_rdns_dotcom_helo,
    ),
    now("check_for_numeric_helo", Any, "RelayEval", docs::CHECK_FOR_NUMERIC_HELO, relay::check_for_numeric_helo),
    now(
        "check_for_sender_no_reverse",
        Any,
        "RelayEval",
        docs::CHECK_FOR_SENDER_NO_REVERSE,
        relay::check_for_sender_no_reverse,
    ),
    now("check_for_shifted_date", Header, "HeaderEval", docs::CHECK_FOR_SHIFTED_DATE, header::check_for_shifted_date),
    dns_check("check_for_spf_fail", Header, "SPF", docs::SPF, authentication::check_for_spf_fail),
    dns_check("check_for_spf_helo_fail", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_fail),
    dns_check("check_for_spf_helo_neutral", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_neutral),
    dns_check("check_for_spf_helo_none", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_none),
    dns_check("check_for_spf_helo_pass", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_pass),
    dns_check("check_for_spf_helo_permerror", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_permerror),
    dns_check("check_for_spf_helo_softfail", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_softfail),
    dns_check("check_for_spf_helo_temperror", Header, "SPF", docs::SPF, authentication::check_for_spf_helo_temperror),
    dns_check("check_for_spf_neutral", Header, "SPF", docs::SPF, authentication::check_for_spf_neutral),
    dns_check("check_for_spf_none", Header, "SPF", docs::SPF, authentication::check_for_spf_none),
    dns_check("check_for_spf_pass", Header, "SPF", docs::SPF, authentication::check_for_spf_pass),
    dns_check("check_for_spf_permerror", Header, "SPF", docs::SPF, authentication::check_for_spf_permerror),
    dns_check("check_for_spf_softfail", Header, "SPF", docs::SPF, authentication::check_for_spf_softfail),
    dns_check("check_for_spf_temperror", Header, "SPF", docs::SPF, authentication::check_for_spf_temperror),
    dns_check(
        "check_for_spf_welcomelist_from",
        Header,
        "SPF",
        docs::SPF,
        authentication::check_for_spf_welcomelist_from,
    ),
    dns_check("check_for_spf_whitelist_from", Header, "SPF", docs::SPF, authentication::check_for_spf_welcomelist_from),
    now(
        "check_for_to_in_subject",
        Header,
        "HeaderEval",
        docs::CHECK_FOR_TO_IN_SUBJECT,
        header::check_for_to_in_subject,
    ),
    now("check_for_unique_subject_id", Header, "HeaderEval", docs::CHECK_FOR_UNIQUE_SUBJECT_ID, header::never),
    now("check_for_uppercase", Body, "MIMEEval", docs::CHECK_FOR_UPPERCASE, mime::check_for_uppercase),
    now(
        "check_forged_in_default_welcomelist",
        Header,
        "WLBLEval",
        docs::CHECK_FORGED_IN_DEFAULT_WELCOMELIST,
        welcomelist::check_forged_in_default_welcomelist,
    ),
    now(
        "check_forged_in_default_whitelist",
        Header,
        "WLBLEval",
        docs::CHECK_FORGED_IN_DEFAULT_WELCOMELIST,
        welcomelist::check_forged_in_default_welcomelist,
    ),
    now(
        "check_forged_in_welcomelist",
        Header,
        "WLBLEval",
        docs::CHECK_FORGED_IN_WELCOMELIST,
        welcomelist::check_forged_in_welcomelist,
    ),
    now(
        "check_forged_in_whitelist",
        Header,
        "WLBLEval",
        docs::CHECK_FORGED_IN_WELCOMELIST,
        welcomelist::check_forged_in_welcomelist,
    ),
    now("check_freemail_body", Header, "FreeMail", docs::CHECK_FREEMAIL_BODY, freemail::check_freemail_body),
    now("check_freemail_from", Header, "FreeMail", docs::CHECK_FREEMAIL_FROM, freemail::check_freemail_from),
    now("check_freemail_header", Header, "FreeMail", docs::CHECK_FREEMAIL_HEADER, freemail::check_freemail_header),
    now("check_freemail_replyto", Header, "FreeMail", docs::CHECK_FREEMAIL_REPLYTO, freemail::check_freemail_replyto),
    CheckEntry {
        availability: Learner,
        ..now("check_from_in_auto_welcomelist", Header, "AWL", docs::AWL, reputation::check_from_in_auto_welcomelist)
    },
    CheckEntry {
        availability: Learner,
        ..now("check_from_in_auto_whitelist", Header, "AWL", docs::AWL, reputation::check_from_in_auto_welcomelist)
    },
    now(
        "check_from_in_blacklist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_BLOCKLIST,
        welcomelist::check_from_in_blocklist,
    ),
    now(
        "check_from_in_blocklist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_BLOCKLIST,
        welcomelist::check_from_in_blocklist,
    ),
    now(
        "check_from_in_default_welcomelist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_DEFAULT_WELCOMELIST,
        welcomelist::check_from_in_default_welcomelist,
    ),
    now(
        "check_from_in_default_whitelist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_DEFAULT_WELCOMELIST,
        welcomelist::check_from_in_default_welcomelist,
    ),
    now("check_from_in_list", Header, "WLBLEval", docs::CHECK_FROM_IN_LIST, welcomelist::check_from_in_list),
    now(
        "check_from_in_welcomelist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_WELCOMELIST,
        welcomelist::check_from_in_welcomelist,
    ),
    now(
        "check_from_in_whitelist",
        Header,
        "WLBLEval",
        docs::CHECK_FROM_IN_WELCOMELIST,
        welcomelist::check_from_in_welcomelist,
    ),
    now(
        "check_fromname_contains_email",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_CONTAINS_EMAIL,
        fromname::check_fromname_contains_email,
    ),
    now(
        "check_fromname_different",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_DIFFERENT,
        fromname::check_fromname_different,
    ),
    now(
        "check_fromname_domain_differ",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_DOMAIN_DIFFER,
        fromname::check_fromname_domain_differ,
    ),
    now(
        "check_fromname_equals_replyto",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_EQUALS_REPLYTO,
        fromname::check_fromname_equals_replyto,
    ),
    now(
        "check_fromname_equals_to",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_EQUALS_TO,
        fromname::check_fromname_equals_to,
    ),
    now(
        "check_fromname_owners_differ",
        Header,
        "FromNameSpoof",
        docs::CHECK_FROMNAME_OWNERS_DIFFER,
        fromname::check_fromname_owners_differ,
    ),
    now("check_fromname_spoof", Header, "FromNameSpoof", docs::CHECK_FROMNAME_SPOOF, fromname::check_fromname_spoof),
    dns_check("check_hashbl_attachments", Body, "HashBL", docs::HASHBL, hashbl::check_hashbl_attachments),
    dns_check("check_hashbl_bodyre", Body, "HashBL", docs::HASHBL, hashbl::check_hashbl_bodyre),
    dns_check("check_hashbl_emails", Header, "HashBL", docs::HASHBL, hashbl::check_hashbl_emails),
    dns_check("check_hashbl_tag", Header, "HashBL", docs::HASHBL, hashbl::check_hashbl_tag),
    dns_check("check_hashbl_uris", Header, "HashBL", docs::HASHBL, hashbl::check_hashbl_uris),
    now(
        "check_header_count_range",
        Header,
        "HeaderEval",
        docs::CHECK_HEADER_COUNT_RANGE,
        header::check_header_count_range,
    ),
    now("check_host_letters", Header, "Sekisho", docs::CHECK_HOST_LETTERS, brand::check_host_letters),
    now(
        "check_https_http_mismatch",
        Body,
        "HTTPSMismatch",
        docs::CHECK_HTTPS_HTTP_MISMATCH,
        uri::check_https_http_mismatch,
    ),
    now("check_https_ip_mismatch", Any, "URIEval", docs::CHECK_HTTPS_IP_MISMATCH, uri::check_https_ip_mismatch),
    now("check_iframe_src", Body, "HTMLEval", docs::CHECK_IFRAME_SRC, html::check_iframe_src),
    now("check_illegal_chars", Header, "HeaderEval", docs::CHECK_ILLEGAL_CHARS, header::check_illegal_chars),
    now("check_language", Any, "TextCat", docs::CHECK_LANGUAGE, language::check_language),
    now("check_limit_reached", Header, "Sekisho", docs::CHECK_LIMIT_REACHED, text::check_limit_reached),
    now("check_ma_non_text", Body, "MIMEEval", docs::CHECK_MA_NON_TEXT, mime::check_ma_non_text),
    now(
        "check_mailfrom_matches_rcvd",
        Header,
        "WLBLEval",
        docs::CHECK_MAILFROM_MATCHES_RCVD,
        welcomelist::check_mailfrom_matches_rcvd,
    ),
    now(
        "check_messageid_not_usable",
        Header,
        "HeaderEval",
        docs::CHECK_MESSAGEID_NOT_USABLE,
        header::check_messageid_not_usable,
    ),
    now(
        "check_microsoft_executable",
        Body,
        "AntiVirus",
        docs::CHECK_MICROSOFT_EXECUTABLE,
        antivirus::check_microsoft_executable,
    ),
    now(
        "check_mime_multipart_ratio",
        Body,
        "MIMEEval",
        docs::CHECK_MIME_MULTIPART_RATIO,
        mime::check_mime_multipart_ratio,
    ),
    now("check_msg_parse_flags", Any, "MIMEEval", docs::CHECK_MSG_PARSE_FLAGS, mime::check_msg_parse_flags),
    now("check_no_relays", Any, "RelayEval", docs::CHECK_NO_RELAYS, relay::check_no_relays),
    now("check_officer", Header, "Sekisho", docs::CHECK_OFFICER, brand::check_officer),
    later("check_olemacro", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_csv", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_download_exe", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_encrypted", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_malice", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_mhtml_uri", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_redirect_uri", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_renamed", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olemacro_zip_password", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_oleobject", Body, "OLEVBMacro", docs::OLE, Missing),
    later("check_olertfobject", Body, "OLEVBMacro", docs::OLE, Missing),
    now(
        "check_outlook_message_id",
        Header,
        "HeaderEval",
        docs::CHECK_OUTLOOK_MESSAGE_ID,
        header::check_outlook_message_id,
    ),
    acquainted("check_pen_pal", docs::PEN_PAL, acquaintance::check_pen_pal),
    later("check_phishing", Body, "Phishing", docs::PHISHING, Network),
    digest_check("check_pyzor", "Pyzor", docs::PYZOR, digests::check_pyzor),
    now("check_qp_ratio", Body, "MIMEEval", docs::CHECK_QP_RATIO, mime::check_qp_ratio),
    now(
        "check_ratware_envelope_from",
        Header,
        "HeaderEval",
        docs::CHECK_RATWARE_ENVELOPE_FROM,
        header::check_ratware_envelope_from,
    ),
    now("check_ratware_name_id", Header, "HeaderEval", docs::CHECK_RATWARE_NAME_ID, header::check_ratware_name_id),
    digest_check("check_razor2", "Razor2", docs::RAZOR, digests::check_razor2),
    digest_check("check_razor2_range", "Razor2", docs::RAZOR, digests::check_razor2_range),
    dns_check("check_rbl", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl),
    dns_check("check_rbl_accreditor", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_accreditor),
    dns_check("check_rbl_envfrom", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_envfrom),
    dns_check("check_rbl_from_domain", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_from_domain),
    dns_check("check_rbl_from_host", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_from_host),
    dns_check("check_rbl_headers", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_headers),
    dns_check("check_rbl_ns_from", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_ns_from),
    dns_check("check_rbl_rcvd", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_rcvd),
    dns_check("check_rbl_sub", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_sub),
    dns_check("check_rbl_txt", Header, "DNSEval", docs::DNSBL, dnsbl::check_rbl_txt),
    now("check_relays_unparseable", Any, "RelayEval", docs::CHECK_RELAYS_UNPARSEABLE, relay::check_relays_unparseable),
    now("check_replyto_in_list", Header, "WLBLEval", docs::CHECK_REPLYTO_IN_LIST, welcomelist::check_replyto_in_list),
    CheckEntry {
        availability: Learner,
        ..now("check_senders_reputation", Header, "TxRep", docs::TXREP, reputation::check_senders_reputation)
    },
    later("check_shortcircuit", Any, "Shortcircuit", docs::CHECK_SHORTCIRCUIT, Now),
    dns_check("check_spf_skipped_noenvfrom", Header, "SPF", docs::SPF, authentication::check_spf_skipped_noenvfrom),
    now("check_stock_info", Body, "BodyEval", docs::CHECK_STOCK_INFO, body::check_stock_info),
    now(
        "check_subject_in_blacklist",
        Header,
        "WelcomeListSubject",
        docs::CHECK_SUBJECT_IN_BLOCKLIST,
        welcomelist::check_subject_in_blocklist,
    ),
    now(
        "check_subject_in_blocklist",
        Header,
        "WelcomeListSubject",
        docs::CHECK_SUBJECT_IN_BLOCKLIST,
        welcomelist::check_subject_in_blocklist,
    ),
    now(
        "check_subject_in_welcomelist",
        Header,
        "WelcomeListSubject",
        docs::CHECK_SUBJECT_IN_WELCOMELIST,
        welcomelist::check_subject_in_welcomelist,
    ),
    now(
        "check_subject_in_whitelist",
        Header,
        "WelcomeListSubject",
        docs::CHECK_SUBJECT_IN_WELCOMELIST,
        welcomelist::check_subject_in_welcomelist,
    ),
    now("check_suspect_name", Body, "AntiVirus", docs::CHECK_SUSPECT_NAME, antivirus::check_suspect_name),
    now("check_text_fact", Header, "Sekisho", docs::CHECK_TEXT_FACT, text::check_text_fact),
    now("check_to_in_all_spam", Header, "WLBLEval", docs::CHECK_TO_IN_ALL_SPAM, welcomelist::check_to_in_all_spam),
    now("check_to_in_blacklist", Header, "WLBLEval", docs::CHECK_TO_IN_BLOCKLIST, welcomelist::check_to_in_blocklist),
    now("check_to_in_blocklist", Header, "WLBLEval", docs::CHECK_TO_IN_BLOCKLIST, welcomelist::check_to_in_blocklist),
    now("check_to_in_list", Header, "WLBLEval", docs::CHECK_TO_IN_LIST, welcomelist::check_to_in_list),
    now("check_to_in_more_spam", Header, "WLBLEval", docs::CHECK_TO_IN_MORE_SPAM, welcomelist::check_to_in_more_spam),
    now(
        "check_to_in_welcomelist",
        Header,
        "WLBLEval",
        docs::CHECK_TO_IN_WELCOMELIST,
        welcomelist::check_to_in_welcomelist,
    ),
    now(
        "check_to_in_whitelist",
        Header,
        "WLBLEval",
        docs::CHECK_TO_IN_WELCOMELIST,
        welcomelist::check_to_in_welcomelist,
    ),
    now(
        "check_unresolved_template",
        Header,
        "HeaderEval",
        docs::CHECK_UNRESOLVED_TEMPLATE,
        header::check_unresolved_template,
    ),
    later("check_uri_detail", Any, "URIDetail", docs::CHECK_URI_DETAIL, Now),
    acquainted("check_uri_first_seen", docs::FIRST_SEEN, mentions::check_uri_first_seen),
    now(
        "check_uri_host_in_blacklist",
        Any,
        "WLBLEval",
        docs::CHECK_URI_HOST_IN_BLOCKLIST,
        welcomelist::check_uri_host_in_blocklist,
    ),
    now(
        "check_uri_host_in_blocklist",
        Any,
        "WLBLEval",
        docs::CHECK_URI_HOST_IN_BLOCKLIST,
        welcomelist::check_uri_host_in_blocklist,
    ),
    now(
        "check_uri_host_in_welcomelist",
        Any,
        "WLBLEval",
        docs::CHECK_URI_HOST_IN_WELCOMELIST,
        welcomelist::check_uri_host_in_welcomelist,
    ),
    now(
        "check_uri_host_in_whitelist",
        Any,
        "WLBLEval",
        docs::CHECK_URI_HOST_IN_WELCOMELIST,
        welcomelist::check_uri_host_in_welcomelist,
    ),
    now("check_uri_host_listed", Header, "WLBLEval", docs::CHECK_URI_HOST_LISTED, welcomelist::check_uri_host_listed),
    later("check_uri_local_bl", Any, "URILocalBL", docs::URI_LOCAL, Network),
    acquainted("check_uri_seen_in_spam", docs::SEEN_IN_SPAM, mentions::check_uri_seen_in_spam),
    now("check_uri_truncated", Any, "URIEval", docs::CHECK_URI_TRUNCATED, uri::check_uri_truncated),
    dns_check("check_uridnsbl", Any, "URIDNSBL", docs::URIDNSBL, uridnsbl::check_uridnsbl),
    now(
        "check_welcomelist_bounce_relays",
        Any,
        "VBounce",
        docs::CHECK_WELCOMELIST_BOUNCE_RELAYS,
        welcomelist::check_welcomelist_bounce_relays,
    ),
    now(
        "check_whitelist_bounce_relays",
        Any,
        "VBounce",
        docs::CHECK_WELCOMELIST_BOUNCE_RELAYS,
        welcomelist::check_welcomelist_bounce_relays,
    ),
    now(
        "gated_through_received_hdr_remover",
        Header,
        "HeaderEval",
        docs::GATED_THROUGH_RECEIVED_HDR_REMOVER,
        header::gated_through_received_hdr_remover,
    ),
    now("have_any_bounce_relays", Any, "VBounce", docs::HAVE_ANY_BOUNCE_RELAYS, welcomelist::have_any_bounce_relays),
    now("helo_ip_mismatch", Any, "RelayEval", docs::HELO_IP_MISMATCH, relay::helo_ip_mismatch),
    now("html_charset_faraway", Body, "HTMLEval", docs::HTML_CHARSET_FARAWAY, html::html_charset_faraway),
    now("html_eval", Body, "HTMLEval", docs::HTML_EVAL, html::html_eval),
    now("html_image_only", Body, "HTMLEval", docs::HTML_IMAGE_ONLY, html::html_image_only),
    now("html_image_ratio", Body, "HTMLEval", docs::HTML_IMAGE_RATIO, html::html_image_ratio),
    now("html_range", Body, "HTMLEval", docs::HTML_RANGE, html::html_range),
    now("html_tag_balance", Body, "HTMLEval", docs::HTML_TAG_BALANCE, html::html_tag_balance),
    now("html_tag_exists", Body, "HTMLEval", docs::HTML_TAG_EXISTS, html::html_tag_exists),
    now("html_test", Body, "HTMLEval", docs::HTML_TEST, html::html_test),
    now("html_text_match", Body, "HTMLEval", docs::HTML_TEXT_MATCH, html::html_text_match),
    now("html_text_not_match", Body, "HTMLEval", docs::HTML_TEXT_NOT_MATCH, html::html_text_not_match),
    now("html_title_subject_ratio", Body, "HTMLEval", docs::HTML_TITLE_SUBJECT_RATIO, html::html_title_subject_ratio),
    now("image_count", Body, "ImageInfo", docs::IMAGE_COUNT, image::image_count),
    now("image_name_regex", Body, "ImageInfo", docs::IMAGE_NAME_REGEX, image::image_name_regex),
    now("image_named", Body, "ImageInfo", docs::IMAGE_NAMED, image::image_named),
    now("image_size_exact", Body, "ImageInfo", docs::IMAGE_SIZE_EXACT, image::image_size_exact),
    now("image_size_range", Body, "ImageInfo", docs::IMAGE_SIZE_RANGE, image::image_size_range),
    now("image_to_text_ratio", Body, "ImageInfo", docs::IMAGE_TO_TEXT_RATIO, image::image_to_text_ratio),
    now(
        "multipart_alternative_difference",
        Body,
        "BodyEval",
        docs::MULTIPART_ALTERNATIVE_DIFFERENCE,
        body::multipart_alternative_difference,
    ),
    now(
        "multipart_alternative_difference_count",
        Body,
        "BodyEval",
        docs::MULTIPART_ALTERNATIVE_DIFFERENCE_COUNT,
        body::multipart_alternative_difference_count,
    ),
    now("pdf_count", Body, "PDFInfo", docs::PDF_COUNT, pdf::pdf_count),
    now("pdf_image_count", Body, "PDFInfo", docs::PDF_IMAGE_COUNT, pdf::pdf_image_count),
    now("pdf_image_size_exact", Body, "PDFInfo", docs::PDF_IMAGE_SIZE_EXACT, pdf::pdf_image_size_exact),
    now("pdf_image_size_range", Body, "PDFInfo", docs::PDF_IMAGE_SIZE_RANGE, pdf::pdf_image_size_range),
    now("pdf_image_to_text_ratio", Body, "PDFInfo", docs::PDF_IMAGE_TO_TEXT_RATIO, pdf::pdf_image_to_text_ratio),
    now("pdf_is_empty_body", Body, "PDFInfo", docs::PDF_IS_EMPTY_BODY, pdf::pdf_is_empty_body),
    now("pdf_is_encrypted", Body, "PDFInfo", docs::PDF_IS_ENCRYPTED, pdf::pdf_is_encrypted),
    now("pdf_match_details", Body, "PDFInfo", docs::PDF_MATCH_DETAILS, pdf::pdf_match_details),
    now("pdf_match_fuzzy_md5", Body, "PDFInfo", docs::PDF_MATCH_FUZZY_MD5, pdf::pdf_match_fuzzy_md5),
    now("pdf_match_md5", Body, "PDFInfo", docs::PDF_MATCH_MD5, pdf::pdf_match_md5),
    now("pdf_name_regex", Body, "PDFInfo", docs::PDF_NAME_REGEX, pdf::pdf_name_regex),
    now("pdf_named", Body, "PDFInfo", docs::PDF_NAMED, pdf::pdf_named),
    now("pdf_pixel_coverage", Body, "PDFInfo", docs::PDF_PIXEL_COVERAGE, pdf::pdf_pixel_coverage),
    now("pixel_coverage", Body, "ImageInfo", docs::PIXEL_COVERAGE, image::pixel_coverage),
    now("plaintext_body_length", Body, "BodyEval", docs::PLAINTEXT_BODY_LENGTH, body::plaintext_body_length),
    now("plaintext_body_sig_ratio", Body, "BodyEval", docs::PLAINTEXT_BODY_SIG_RATIO, body::plaintext_body_sig_ratio),
    now("plaintext_sig_length", Body, "BodyEval", docs::PLAINTEXT_SIG_LENGTH, body::plaintext_sig_length),
    now("received_within_months", Header, "HeaderEval", docs::RECEIVED_WITHIN_MONTHS, header::received_within_months),
    now("short_url", Body, "DecodeShortURLs", docs::SHORT_URL, uri::short_url),
    later("short_url_200", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_404", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_chained", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_code", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_loop", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_maxchain", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_redir", Body, "DecodeShortURLs", docs::SHORT_URL_TARGET, Network),
    later("short_url_tests", Any, "DecodeShortURLs", docs::SHORT_URL_TESTS, Now),
    now("similar_recipients", Header, "HeaderEval", docs::SIMILAR_RECIPIENTS, header::similar_recipients),
    now("sorted_recipients", Header, "HeaderEval", docs::SORTED_RECIPIENTS, header::sorted_recipients),
    now("subject_is_all_caps", Header, "HeaderEval", docs::SUBJECT_IS_ALL_CAPS, header::subject_is_all_caps),
    now("tvd_vertical_words", Body, "BodyEval", docs::TVD_VERTICAL_WORDS, body::tvd_vertical_words),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_check_is_documented() {
        assert!(CHECKS.is_sorted_by(|a, b| a.name < b.name));
        for entry in CHECKS {
            for heading in ["What it finds", "Why it matters", "Example", "When it errs", "Source"] {
                let text = entry.doc.split_once(&format!("## {heading}\n\n")).map_or("", |(_, after)| after);
                assert!(text.lines().next().is_some_and(|line| line.len() > 5), "{}: {heading}", entry.name);
            }
        }
    }

    #[test]
    fn entries_are_found_by_name() {
        assert_eq!(find("check_all_trusted").map(|entry| entry.plugin), Some("RelayEval"));
        assert!(find("no_such_check").is_none());
    }
}
