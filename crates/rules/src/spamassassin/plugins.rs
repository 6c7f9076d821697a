//! SpamAssassin's bundled plugins: what `loadplugin` may name, and what each brings (features that `has()` and `can()`
//! ask for, evals). A class that is not here is a Perl module of someone else, which cannot run here.

use crate::ruleset::Stage;

#[derive(Debug)]
pub struct Plugin {
    /// Without `Mail::SpamAssassin::Plugin::`.
    pub name: &'static str,
    /// Sorted.
    pub features: &'static [&'static str],
    /// Function and the stage it must be declared for; sorted.
    pub evals: &'static [(&'static str, Option<Stage>)],
}

impl Plugin {
    /// What `has(Class::name)` answers when the plugin is loaded.
    pub fn has(&self, name: &str) -> bool {
        self.features.binary_search(&name).is_ok() || self.eval(name).is_some()
    }

    pub fn eval(&self, name: &str) -> Option<Option<Stage>> {
        let at = self.evals.binary_search_by(|(eval, _)| (*eval).cmp(name)).ok()?;
        Some(self.evals[at].1)
    }
}

/// The class name as the table has it, with renamed classes under their present name; `None` for foreign classes.
pub fn short_name(class: &str) -> Option<&str> {
    match class.strip_prefix("Mail::SpamAssassin::Plugin::")? {
        "Dmarc" => Some("DMARC"),
        "WhiteListSubject" => Some("WelcomeListSubject"),
        name => Some(name),
    }
}

pub fn find(name: &str) -> Option<&'static Plugin> {
    PLUGINS.binary_search_by(|plugin| plugin.name.cmp(name)).ok().map(|at| &PLUGINS[at])
}

/// The plugin that offers an eval, loaded or not.
pub fn offering(eval: &str) -> Option<&'static Plugin> {
    PLUGINS.iter().find(|plugin| plugin.eval(eval).is_some())
}

/// Sorted by name.
pub static PLUGINS: &[Plugin] = &[
    Plugin {
        name: "ASN",
        features: &["has_asn_geodb", "has_asn_lookup_ipv6", "has_check_asn", "has_check_asn_tag"],
        evals: &[("check_asn", Some(Stage::Header))],
    },
    Plugin {
        name: "AWL",
        features: &[],
        evals: &[
            ("check_from_in_auto_welcomelist", Some(Stage::Header)),
            ("check_from_in_auto_whitelist", Some(Stage::Header)),
        ],
    },
    Plugin { name: "AccessDB", features: &[], evals: &[("check_access_database", Some(Stage::Header))] },
    Plugin {
        name: "AntiVirus",
        features: &[],
        evals: &[("check_microsoft_executable", Some(Stage::Body)), ("check_suspect_name", Some(Stage::Body))],
    },
    Plugin { name: "AskDNS", features: &["has_tag_header"], evals: &[] },
    Plugin { name: "AuthRes", features: &[], evals: &[("check_authres_result", Some(Stage::Header))] },
    Plugin { name: "AutoLearnThreshold", features: &[], evals: &[] },
    Plugin { name: "Bayes", features: &[], evals: &[("check_bayes", Some(Stage::Body))] },
    Plugin {
        name: "BodyEval",
        features: &["has_check_body_length", "has_plaintext_body_sig_ratio"],
        evals: &[
            ("check_blank_line_ratio", Some(Stage::Body)),
            ("check_body_length", Some(Stage::Body)),
            ("check_stock_info", Some(Stage::Body)),
            ("multipart_alternative_difference", Some(Stage::Body)),
            ("multipart_alternative_difference_count", Some(Stage::Body)),
            ("plaintext_body_length", Some(Stage::Body)),
            ("plaintext_body_sig_ratio", Some(Stage::Body)),
            ("plaintext_sig_length", Some(Stage::Body)),
            ("tvd_vertical_words", Some(Stage::Body)),
        ],
    },
    Plugin { name: "BodyRuleBaseExtractor", features: &[], evals: &[] },
    Plugin { name: "Check", features: &[], evals: &[] },
    Plugin {
        name: "DCC",
        features: &[],
        evals: &[("check_dcc", Some(Stage::Full)), ("check_dcc_reputation_range", Some(Stage::Full))],
    },
    Plugin {
        name: "DKIM",
        features: &["has_arc"],
        evals: &[
            ("check_arc_signed", Some(Stage::Full)),
            ("check_arc_valid", Some(Stage::Full)),
            ("check_dkim_adsp", Some(Stage::Header)),
            ("check_dkim_dependable", Some(Stage::Full)),
            ("check_dkim_signall", None),
            ("check_dkim_signed", Some(Stage::Full)),
            ("check_dkim_signsome", None),
            ("check_dkim_testing", Some(Stage::Header)),
            ("check_dkim_valid", Some(Stage::Full)),
            ("check_dkim_valid_author_sig", Some(Stage::Full)),
            ("check_dkim_valid_envelopefrom", Some(Stage::Full)),
            ("check_dkim_verified", None),
            ("check_for_def_dkim_welcomelist_from", Some(Stage::Header)),
            ("check_for_def_dkim_whitelist_from", Some(Stage::Header)),
            ("check_for_dkim_welcomelist_from", Some(Stage::Header)),
            ("check_for_dkim_whitelist_from", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "DMARC",
        features: &[],
        evals: &[
            ("check_dmarc_missing", Some(Stage::Header)),
            ("check_dmarc_none", Some(Stage::Header)),
            ("check_dmarc_pass", Some(Stage::Header)),
            ("check_dmarc_quarantine", Some(Stage::Header)),
            ("check_dmarc_reject", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "DNSEval",
        features: &["has_tflags_domains_only", "has_tflags_ips_only"],
        evals: &[
            ("check_dns_sender", Some(Stage::Rbl)),
            ("check_rbl", Some(Stage::Rbl)),
            ("check_rbl_accreditor", Some(Stage::Rbl)),
            ("check_rbl_envfrom", Some(Stage::Rbl)),
            ("check_rbl_from_domain", Some(Stage::Rbl)),
            ("check_rbl_from_host", Some(Stage::Rbl)),
            ("check_rbl_headers", Some(Stage::Rbl)),
            ("check_rbl_ns_from", Some(Stage::Rbl)),
            ("check_rbl_rcvd", Some(Stage::Rbl)),
            ("check_rbl_sub", Some(Stage::Rbl)),
            ("check_rbl_txt", Some(Stage::Rbl)),
        ],
    },
    Plugin {
        name: "DecodeShortURLs",
        features: &[
            "has_autoclean",
            "has_clear",
            "has_get",
            "has_max_redirections",
            "has_short_url",
            "has_short_url_code",
            "has_short_url_redir",
            "has_timeout",
            "has_user_agent",
        ],
        evals: &[
            ("short_url", Some(Stage::Body)),
            ("short_url_200", Some(Stage::Body)),
            ("short_url_404", Some(Stage::Body)),
            ("short_url_chained", Some(Stage::Body)),
            ("short_url_code", Some(Stage::Body)),
            ("short_url_loop", Some(Stage::Body)),
            ("short_url_maxchain", Some(Stage::Body)),
            ("short_url_redir", Some(Stage::Body)),
            ("short_url_tests", None),
        ],
    },
    Plugin { name: "ExtractText", features: &[], evals: &[] },
    Plugin {
        name: "FreeMail",
        features: &[],
        evals: &[
            ("check_freemail_body", Some(Stage::Header)),
            ("check_freemail_from", Some(Stage::Header)),
            ("check_freemail_header", Some(Stage::Header)),
            ("check_freemail_replyto", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "FromNameSpoof",
        features: &[],
        evals: &[
            ("check_fromname_contains_email", Some(Stage::Header)),
            ("check_fromname_different", Some(Stage::Header)),
            ("check_fromname_domain_differ", Some(Stage::Header)),
            ("check_fromname_equals_replyto", Some(Stage::Header)),
            ("check_fromname_equals_to", Some(Stage::Header)),
            ("check_fromname_owners_differ", Some(Stage::Header)),
            ("check_fromname_spoof", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "HTMLEval",
        features: &[],
        evals: &[
            ("check_iframe_src", Some(Stage::Body)),
            ("html_charset_faraway", Some(Stage::Body)),
            ("html_eval", Some(Stage::Body)),
            ("html_image_only", Some(Stage::Body)),
            ("html_image_ratio", Some(Stage::Body)),
            ("html_range", Some(Stage::Body)),
            ("html_tag_balance", Some(Stage::Body)),
            ("html_tag_exists", Some(Stage::Body)),
            ("html_test", Some(Stage::Body)),
            ("html_text_match", Some(Stage::Body)),
            ("html_text_not_match", Some(Stage::Body)),
            ("html_title_subject_ratio", Some(Stage::Body)),
        ],
    },
    Plugin { name: "HTTPSMismatch", features: &[], evals: &[("check_https_http_mismatch", Some(Stage::Body))] },
    Plugin {
        name: "HashBL",
        features: &[
            "has_hashbl_attachments",
            "has_hashbl_bodyre",
            "has_hashbl_bodyre_num",
            "has_hashbl_email_domain",
            "has_hashbl_email_domain_alias",
            "has_hashbl_email_regex",
            "has_hashbl_email_welcomelist",
            "has_hashbl_email_whitelist",
            "has_hashbl_emails",
            "has_hashbl_ignore",
            "has_hashbl_sha256",
            "has_hashbl_tag",
            "has_hashbl_uris",
        ],
        evals: &[
            ("check_hashbl_attachments", Some(Stage::Body)),
            ("check_hashbl_bodyre", Some(Stage::Body)),
            ("check_hashbl_emails", Some(Stage::Header)),
            ("check_hashbl_tag", Some(Stage::Header)),
            ("check_hashbl_uris", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "HeaderEval",
        features: &[],
        evals: &[
            ("check_equal_from_domains", Some(Stage::Header)),
            ("check_for_fake_aol_relay_in_rcvd", Some(Stage::Header)),
            ("check_for_faraway_charset_in_headers", Some(Stage::Header)),
            ("check_for_forged_eudoramail_received_headers", Some(Stage::Header)),
            ("check_for_forged_gmail_received_headers", Some(Stage::Header)),
            ("check_for_forged_gw05_received_headers", Some(Stage::Header)),
            ("check_for_forged_hotmail_received_headers", Some(Stage::Header)),
            ("check_for_forged_juno_received_headers", Some(Stage::Header)),
            ("check_for_forged_yahoo_received_headers", Some(Stage::Header)),
            ("check_for_matching_env_and_hdr_from", Some(Stage::Header)),
            ("check_for_missing_to_header", Some(Stage::Header)),
            ("check_for_msn_groups_headers", Some(Stage::Header)),
            ("check_for_no_hotmail_received_headers", Some(Stage::Header)),
            ("check_for_shifted_date", Some(Stage::Header)),
            ("check_for_to_in_subject", Some(Stage::Header)),
            ("check_for_unique_subject_id", Some(Stage::Header)),
            ("check_header_count_range", Some(Stage::Header)),
            ("check_illegal_chars", Some(Stage::Header)),
            ("check_messageid_not_usable", Some(Stage::Header)),
            ("check_outlook_message_id", Some(Stage::Header)),
            ("check_ratware_envelope_from", Some(Stage::Header)),
            ("check_ratware_name_id", Some(Stage::Header)),
            ("check_unresolved_template", Some(Stage::Header)),
            ("gated_through_received_hdr_remover", Some(Stage::Header)),
            ("received_within_months", Some(Stage::Header)),
            ("similar_recipients", Some(Stage::Header)),
            ("sorted_recipients", Some(Stage::Header)),
            ("subject_is_all_caps", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "ImageInfo",
        features: &[],
        evals: &[
            ("image_count", Some(Stage::Body)),
            ("image_name_regex", Some(Stage::Body)),
            ("image_named", Some(Stage::Body)),
            ("image_size_exact", Some(Stage::Body)),
            ("image_size_range", Some(Stage::Body)),
            ("image_to_text_ratio", Some(Stage::Body)),
            ("pixel_coverage", Some(Stage::Body)),
        ],
    },
    Plugin {
        name: "MIMEEval",
        features: &["has_check_abundant_unicode_ratio", "has_check_for_ascii_text_illegal", "has_check_qp_ratio"],
        evals: &[
            ("check_abundant_unicode_ratio", Some(Stage::Body)),
            ("check_base64_length", Some(Stage::Body)),
            ("check_for_ascii_text_illegal", Some(Stage::Body)),
            ("check_for_faraway_charset", Some(Stage::Body)),
            ("check_for_mime", Some(Stage::Body)),
            ("check_for_mime_html", Some(Stage::Body)),
            ("check_for_mime_html_only", Some(Stage::Body)),
            ("check_for_uppercase", Some(Stage::Body)),
            ("check_ma_non_text", Some(Stage::Body)),
            ("check_mime_multipart_ratio", Some(Stage::Body)),
            ("check_msg_parse_flags", None),
            ("check_qp_ratio", Some(Stage::Body)),
        ],
    },
    Plugin {
        name: "MIMEHeader",
        features: &[
            "has_all_header",
            "has_capture_rules",
            "has_tflags_concat",
            "has_tflags_multiple",
            "has_tflags_range",
        ],
        evals: &[],
    },
    Plugin {
        name: "OLEVBMacro",
        features: &["has_olemacro_mhtml_uri", "has_olemacro_redirect_uri", "has_olertfobject"],
        evals: &[
            ("check_olemacro", Some(Stage::Body)),
            ("check_olemacro_csv", Some(Stage::Body)),
            ("check_olemacro_download_exe", Some(Stage::Body)),
            ("check_olemacro_encrypted", Some(Stage::Body)),
            ("check_olemacro_malice", Some(Stage::Body)),
            ("check_olemacro_mhtml_uri", Some(Stage::Body)),
            ("check_olemacro_redirect_uri", Some(Stage::Body)),
            ("check_olemacro_renamed", Some(Stage::Body)),
            ("check_olemacro_zip_password", Some(Stage::Body)),
            ("check_oleobject", Some(Stage::Body)),
            ("check_olertfobject", Some(Stage::Body)),
        ],
    },
    Plugin { name: "OneLineBodyRuleType", features: &[], evals: &[] },
    Plugin { name: "P595Body", features: &[], evals: &[] },
    Plugin {
        name: "PDFInfo",
        features: &[],
        evals: &[
            ("pdf_count", Some(Stage::Body)),
            ("pdf_image_count", Some(Stage::Body)),
            ("pdf_image_size_exact", Some(Stage::Body)),
            ("pdf_image_size_range", Some(Stage::Body)),
            ("pdf_image_to_text_ratio", Some(Stage::Body)),
            ("pdf_is_empty_body", Some(Stage::Body)),
            ("pdf_is_encrypted", Some(Stage::Body)),
            ("pdf_match_details", Some(Stage::Body)),
            ("pdf_match_fuzzy_md5", Some(Stage::Body)),
            ("pdf_match_md5", Some(Stage::Body)),
            ("pdf_name_regex", Some(Stage::Body)),
            ("pdf_named", Some(Stage::Body)),
            ("pdf_pixel_coverage", Some(Stage::Body)),
        ],
    },
    Plugin { name: "PhishTag", features: &[], evals: &[] },
    Plugin { name: "Phishing", features: &[], evals: &[("check_phishing", Some(Stage::Body))] },
    Plugin { name: "Pyzor", features: &["has_fork", "has_perl"], evals: &[("check_pyzor", Some(Stage::Full))] },
    Plugin {
        name: "Razor2",
        features: &["has_fork"],
        evals: &[("check_razor2", Some(Stage::Full)), ("check_razor2_range", Some(Stage::Full))],
    },
    Plugin { name: "RelayCountry", features: &[], evals: &[] },
    Plugin {
        name: "RelayEval",
        features: &[],
        evals: &[
            ("check_all_trusted", None),
            ("check_for_forged_received_ip_helo", None),
            ("check_for_forged_received_trail", None),
            ("check_for_from_domain_in_received_headers", Some(Stage::Header)),
            ("check_for_illegal_ip", None),
            ("check_for_no_rdns_dotcom_helo", None),
            ("check_for_numeric_helo", None),
            ("check_for_sender_no_reverse", None),
            ("check_no_relays", None),
            ("check_relays_unparseable", None),
            ("helo_ip_mismatch", None),
        ],
    },
    Plugin { name: "ReplaceTags", features: &[], evals: &[] },
    Plugin { name: "ResourceLimits", features: &[], evals: &[] },
    Plugin { name: "Reuse", features: &[], evals: &[] },
    Plugin { name: "Rule2XSBody", features: &[], evals: &[] },
    Plugin {
        name: "SPF",
        features: &["has_check_for_spf_errors", "has_check_spf_skipped_noenvfrom"],
        evals: &[
            ("check_for_def_spf_welcomelist_from", Some(Stage::Header)),
            ("check_for_def_spf_whitelist_from", Some(Stage::Header)),
            ("check_for_spf_fail", Some(Stage::Header)),
            ("check_for_spf_helo_fail", Some(Stage::Header)),
            ("check_for_spf_helo_neutral", Some(Stage::Header)),
            ("check_for_spf_helo_none", Some(Stage::Header)),
            ("check_for_spf_helo_pass", Some(Stage::Header)),
            ("check_for_spf_helo_permerror", Some(Stage::Header)),
            ("check_for_spf_helo_softfail", Some(Stage::Header)),
            ("check_for_spf_helo_temperror", Some(Stage::Header)),
            ("check_for_spf_neutral", Some(Stage::Header)),
            ("check_for_spf_none", Some(Stage::Header)),
            ("check_for_spf_pass", Some(Stage::Header)),
            ("check_for_spf_permerror", Some(Stage::Header)),
            ("check_for_spf_softfail", Some(Stage::Header)),
            ("check_for_spf_temperror", Some(Stage::Header)),
            ("check_for_spf_welcomelist_from", Some(Stage::Header)),
            ("check_for_spf_whitelist_from", Some(Stage::Header)),
            ("check_spf_skipped_noenvfrom", Some(Stage::Header)),
        ],
    },
    Plugin { name: "Shortcircuit", features: &[], evals: &[("check_shortcircuit", None)] },
    Plugin { name: "SpamCop", features: &[], evals: &[] },
    Plugin { name: "Test", features: &[], evals: &[] },
    Plugin {
        name: "TextCat",
        features: &[],
        evals: &[("check_body_8bits", Some(Stage::Body)), ("check_language", None)],
    },
    Plugin { name: "TxRep", features: &[], evals: &[("check_senders_reputation", Some(Stage::Header))] },
    Plugin {
        name: "URIDNSBL",
        features: &[
            "has_subtest_for_ranges",
            "has_tflags_domains_only",
            "has_tflags_notrim",
            "has_uridnsbl_a_ns",
            "has_uridnsbl_for_a",
            "has_uridnsbl_skip_mailto",
        ],
        evals: &[("check_uridnsbl", None)],
    },
    Plugin { name: "URIDetail", features: &["has_host_key"], evals: &[("check_uri_detail", None)] },
    Plugin {
        name: "URIEval",
        features: &[],
        evals: &[("check_for_http_redirector", None), ("check_https_ip_mismatch", None), ("check_uri_truncated", None)],
    },
    Plugin { name: "URILocalBL", features: &[], evals: &[("check_uri_local_bl", None)] },
    Plugin {
        name: "VBounce",
        features: &[],
        evals: &[
            ("check_welcomelist_bounce_relays", None),
            ("check_whitelist_bounce_relays", None),
            ("have_any_bounce_relays", None),
        ],
    },
    Plugin {
        name: "WLBLEval",
        features: &[],
        evals: &[
            ("check_forged_in_default_welcomelist", Some(Stage::Header)),
            ("check_forged_in_default_whitelist", Some(Stage::Header)),
            ("check_forged_in_welcomelist", Some(Stage::Header)),
            ("check_forged_in_whitelist", Some(Stage::Header)),
            ("check_from_in_blacklist", Some(Stage::Header)),
            ("check_from_in_blocklist", Some(Stage::Header)),
            ("check_from_in_default_welcomelist", Some(Stage::Header)),
            ("check_from_in_default_whitelist", Some(Stage::Header)),
            ("check_from_in_list", Some(Stage::Header)),
            ("check_from_in_welcomelist", Some(Stage::Header)),
            ("check_from_in_whitelist", Some(Stage::Header)),
            ("check_mailfrom_matches_rcvd", Some(Stage::Header)),
            ("check_replyto_in_list", Some(Stage::Header)),
            ("check_to_in_all_spam", Some(Stage::Header)),
            ("check_to_in_blacklist", Some(Stage::Header)),
            ("check_to_in_blocklist", Some(Stage::Header)),
            ("check_to_in_list", Some(Stage::Header)),
            ("check_to_in_more_spam", Some(Stage::Header)),
            ("check_to_in_welcomelist", Some(Stage::Header)),
            ("check_to_in_whitelist", Some(Stage::Header)),
            ("check_uri_host_in_blacklist", None),
            ("check_uri_host_in_blocklist", None),
            ("check_uri_host_in_welcomelist", None),
            ("check_uri_host_in_whitelist", None),
            ("check_uri_host_listed", Some(Stage::Header)),
        ],
    },
    Plugin {
        name: "WelcomeListSubject",
        features: &[],
        evals: &[
            ("check_subject_in_blacklist", Some(Stage::Header)),
            ("check_subject_in_blocklist", Some(Stage::Header)),
            ("check_subject_in_welcomelist", Some(Stage::Header)),
            ("check_subject_in_whitelist", Some(Stage::Header)),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(PLUGINS.is_sorted_by_key(|plugin| plugin.name));
        for plugin in PLUGINS {
            assert!(plugin.features.is_sorted(), "{}", plugin.name);
            assert!(plugin.evals.is_sorted_by_key(|(name, _)| name), "{}", plugin.name);
        }
    }
}
