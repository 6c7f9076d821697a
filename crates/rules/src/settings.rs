//! Everything that is not a rule: scores of the whole, lists, networks, templates.
//!
//! What this program uses has a field of its own type; what it only knows of (settings of plugins for the network and
//! for storage) is kept in [`Settings::other`] as written, so that nothing is lost. Lists of addresses all live in one
//! map, since rules name them at will (`eval:check_from_in_list('MY_LIST')`).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

mod address_list;
mod brands;
mod language_models;
pub mod names;
mod officers;

pub(crate) use address_list::glob_matches;
pub use address_list::{AddressList, RelayedList};
pub use brands::{BrandFault, BrandId, Brands};
pub use language_models::LanguageModels;
pub use officers::{Officers, Shown};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    // Scoring and running
    /// `required_score`.
    pub required_score: f64,
    /// `time_limit`, seconds; 0: none.
    pub time_limit: f64,
    pub allow_user_rules: bool,
    pub ignore_always_matching_regexps: bool,
    /// `shortcircuit_spam_score`, `shortcircuit_ham_score`.
    pub shortcircuit_spam_score: f64,
    pub shortcircuit_ham_score: f64,
    pub shortcircuit_min_ham_score: Option<f64>,
    pub shortcircuit_max_spam_score: Option<f64>,

    // What views contain
    pub normalize_charset: bool,
    /// Bytes.
    pub body_part_scan_size: usize,
    pub rawbody_part_scan_size: usize,
    pub parse_dkim_uris: bool,
    /// Regular expressions with delimiters, as written; the first group is the target of the redirection.
    pub redirector_patterns: Vec<Vec<u8>>,
    pub originating_ip_headers: Vec<String>,
    pub always_trust_envelope_sender: bool,
    pub envelope_sender_header: Option<String>,
    pub trusted_networks: Networks,
    pub internal_networks: Networks,
    pub msa_networks: Networks,
    pub top_level_domains: TopLevelDomains,

    // Languages
    /// `ok_languages`, words as written; `all` by default.
    pub ok_languages: String,
    pub inactive_languages: String,
    /// `ok_locales`.
    pub ok_locales: String,
    pub textcat_max_languages: f64,
    pub textcat_optimal_ngrams: f64,
    pub textcat_max_ngrams: f64,
    pub textcat_acceptable_score: f64,
    /// The `languages` file beside the rules, where there is one and TextCat is loaded; set by whoever reads files.
    #[serde(skip)]
    pub language_models: Option<std::sync::Arc<LanguageModels>>,

    // Lists
    /// `welcomelist_from`, `blocklist_to`, `enlist_addrlist (NAME)`...: by the name a rule may use.
    pub address_lists: BTreeMap<String, AddressList>,
    /// `welcomelist_from_rcvd`, `welcomelist_from_dkim` and their `def_` kin: address -> relays or signers.
    pub relayed_lists: BTreeMap<String, RelayedList>,
    /// `enlist_uri_host (NAME) host !host`: list -> host -> listed (false where written with `!`).
    pub uri_host_lists: BTreeMap<String, BTreeMap<String, bool>>,
    pub freemail: Freemail,
    /// `brand`: well-known names and their domains.
    pub brands: Brands,
    /// `officer`: in whose name others might write.
    pub officers: Officers,
    /// `adsp_override domain [policy]`.
    pub adsp_override: BTreeMap<String, String>,
    /// `fns_ignore_headers`, `fns_ignore_dkim`, `fns_extrachars`, `fns_check`.
    pub from_name: FromName,

    // Bayes
    pub use_bayes: bool,
    pub use_bayes_rules: bool,
    pub use_learner: bool,
    pub bayes_auto_learn: bool,
    pub bayes_auto_learn_threshold_spam: f64,
    pub bayes_auto_learn_threshold_nonspam: f64,
    pub bayes_auto_learn_on_error: bool,
    pub bayes_min_ham_num: f64,
    pub bayes_min_spam_num: f64,
    pub bayes_use_hapaxes: bool,
    pub bayes_max_token_length: f64,
    /// `header visible invisible uri mimepart` -> on.
    pub bayes_token_sources: BTreeMap<String, bool>,
    /// Lower case.
    pub bayes_ignore_headers: BTreeSet<String>,
    /// `bayes_stopword_XX`: language -> regular expression.
    pub bayes_stopwords: BTreeMap<String, String>,
    pub bayes_stopword_languages: Vec<String>,

    // Headers and reports
    /// `add_header spam|all`: name without `X-Spam-`, template; in order.
    pub headers_spam: Vec<(String, String)>,
    /// `add_header ham|all`.
    pub headers_ham: Vec<(String, String)>,
    /// `Subject`, `From`, `To` -> template.
    pub rewrite_header: BTreeMap<String, String>,
    /// 0, 1 or 2.
    pub report_safe: u8,
    pub report_safe_copy_headers: Vec<String>,
    pub report_wrap_width: f64,
    pub fold_headers: bool,
    /// Template, each line ended by a newline.
    pub report_template: String,
    pub unsafe_report_template: String,
    pub report_contact: String,
    pub report_hostname: String,
    pub report_charset: String,
    /// `version_tag`: what follows the version.
    pub version_tags: Vec<String>,
    /// `# UPDATE version N` lines: file -> number.
    pub update_versions: BTreeMap<String, String>,

    // Network: kept for the modules that ask
    pub skip_rbl_checks: bool,
    pub dns_available: String,
    /// `[address]:port`.
    pub dns_servers: Vec<String>,
    pub dns_options: BTreeMap<String, u32>,
    /// Domain -> denied.
    pub dns_query_restriction: BTreeMap<String, bool>,
    /// Rule -> domains.
    pub dns_block_rules: BTreeMap<String, BTreeSet<String>>,
    pub rbl_timeout: RblTimeout,
    pub rbl_timeout_by_zone: BTreeMap<String, RblTimeout>,
    /// Rule -> zone and how its answer is read (`uridnsbl`, `urirhssub`...).
    pub uri_zones: BTreeMap<String, UriZone>,
    pub uridnsbl_skip_domains: BTreeSet<String>,
    /// `url_shortener` and `url_shortener_get`: host -> fetched by GET.
    pub url_shorteners: BTreeMap<String, bool>,

    /// Regression tests from `test NAME ok|fail text` lines.
    pub rule_tests: Vec<RuleTest>,

    /// All other directives known to SpamAssassin 4.0 whose plugin is loaded: canonical name -> values as written.
    pub other: BTreeMap<String, Vec<String>>,
}

/// `trusted_networks` and kin: entries as written (`!` in front: excluded), loopback not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    pub entries: Vec<String>,
    /// Some line named a network; without one SpamAssassin guesses.
    pub configured: bool,
}

/// `util_rb_tld`, `util_rb_2tld`, `util_rb_3tld`: lower case, IDNs in their ASCII form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopLevelDomains {
    pub one: BTreeSet<String>,
    pub two: BTreeSet<String>,
    pub three: BTreeSet<String>,
}

/// `freemail_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Freemail {
    /// Lower case, without wildcards.
    pub domains: BTreeSet<String>,
    /// With `*` or `?`.
    pub wildcards: BTreeSet<String>,
    /// Addresses and domains.
    pub welcomelist: BTreeSet<String>,
    pub max_body_emails: f64,
    pub max_body_freemails: f64,
    pub skip_when_over_max: bool,
    pub skip_bulk_envfrom: bool,
    pub add_describe_email: bool,
    pub import_welcomelist_auth: bool,
    pub import_def_welcomelist_auth: bool,
}

/// `fns_*`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FromName {
    pub extra_chars: f64,
    pub ignore_dkim: BTreeSet<String>,
    pub ignore_headers: BTreeSet<String>,
    pub check: f64,
}

/// `rbl_timeout`, seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RblTimeout {
    pub timeout: f64,
    pub minimum: Option<f64>,
}

/// `uridnsbl RULE zone TYPE`, `urirhssub RULE zone TYPE mask`...
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UriZone {
    /// The directive's name.
    pub directive: String,
    pub zone: String,
    pub record_type: String,
    pub subtest: Option<String>,
}

/// A line `test NAME ok|fail text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTest {
    pub rule: String,
    pub matches: bool,
    pub text: Vec<u8>,
}

impl Settings {
    /// An address list by the name that rules use; empty where none was written.
    pub fn address_list(&self, name: &str) -> &AddressList {
        static EMPTY: AddressList = AddressList::EMPTY;
        self.address_lists.get(name).unwrap_or(&EMPTY)
    }

    pub fn relayed_list(&self, name: &str) -> &RelayedList {
        static EMPTY: RelayedList = RelayedList::EMPTY;
        self.relayed_lists.get(name).unwrap_or(&EMPTY)
    }

    /// Last value of a directive without a field of its own.
    pub fn other(&self, name: &str) -> Option<&str> {
        self.others(name).last()
    }

    /// All values of a directive without a field of its own, in order.
    pub fn others<'s>(&'s self, name: &str) -> impl DoubleEndedIterator<Item = &'s str> + use<'s> {
        self.other.get(name).into_iter().flatten().map(String::as_str)
    }
}

impl Default for Freemail {
    fn default() -> Freemail {
        Freemail {
            domains: BTreeSet::new(),
            wildcards: BTreeSet::new(),
            welcomelist: BTreeSet::new(),
            max_body_emails: 5.0,
            max_body_freemails: 3.0,
            skip_when_over_max: true,
            skip_bulk_envfrom: true,
            add_describe_email: true,
            import_welcomelist_auth: false,
            import_def_welcomelist_auth: false,
        }
    }
}

impl Default for FromName {
    fn default() -> FromName {
        FromName { extra_chars: 50.0, ignore_dkim: BTreeSet::new(), ignore_headers: BTreeSet::new(), check: 1.0 }
    }
}

impl Default for Settings {
    /// SpamAssassin 4.0.1's defaults.
    fn default() -> Settings {
        let checker =
            || vec![("Checker-Version".to_owned(), "SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_".to_owned())];
        Settings {
            required_score: 5.0,
            time_limit: 300.0,
            allow_user_rules: false,
            ignore_always_matching_regexps: false,
            shortcircuit_spam_score: 100.0,
            shortcircuit_ham_score: -100.0,
            shortcircuit_min_ham_score: None,
            shortcircuit_max_spam_score: None,
            normalize_charset: true,
            body_part_scan_size: 50_000,
            rawbody_part_scan_size: 500_000,
            parse_dkim_uris: true,
            redirector_patterns: Vec::new(),
            originating_ip_headers: Vec::new(),
            always_trust_envelope_sender: false,
            envelope_sender_header: None,
            trusted_networks: Networks::default(),
            internal_networks: Networks::default(),
            msa_networks: Networks::default(),
            top_level_domains: TopLevelDomains::default(),
            ok_languages: "all".to_owned(),
            inactive_languages: "bs cy eo et eu fy ga gd is la lt lv rm sa sco sl yi".to_owned(),
            ok_locales: "all".to_owned(),
            textcat_max_languages: 3.0,
            textcat_optimal_ngrams: 0.0,
            textcat_max_ngrams: 400.0,
            textcat_acceptable_score: 1.02,
            language_models: None,
            address_lists: BTreeMap::new(),
            relayed_lists: BTreeMap::new(),
            uri_host_lists: BTreeMap::new(),
            freemail: Freemail::default(),
            brands: Brands::default(),
            officers: Officers::default(),
            adsp_override: BTreeMap::new(),
            from_name: FromName::default(),
            use_bayes: true,
            use_bayes_rules: true,
            use_learner: true,
            bayes_auto_learn: true,
            bayes_auto_learn_threshold_spam: 12.0,
            bayes_auto_learn_threshold_nonspam: 0.1,
            bayes_auto_learn_on_error: false,
            bayes_min_ham_num: 200.0,
            bayes_min_spam_num: 200.0,
            bayes_use_hapaxes: true,
            bayes_max_token_length: 15.0,
            bayes_token_sources: ["header", "visible", "invisible", "uri"]
                .into_iter()
                .map(|name| (name.to_owned(), true))
                .collect(),
            bayes_ignore_headers: BTreeSet::new(),
            bayes_stopwords: BTreeMap::new(),
            bayes_stopword_languages: vec!["en".to_owned()],
            headers_spam: checker(),
            headers_ham: checker(),
            rewrite_header: BTreeMap::new(),
            report_safe: 1,
            report_safe_copy_headers: Vec::new(),
            report_wrap_width: 75.0,
            fold_headers: true,
            report_template: String::new(),
            unsafe_report_template: String::new(),
            report_contact: "the administrator of that system".to_owned(),
            report_hostname: String::new(),
            report_charset: "UTF-8".to_owned(),
            version_tags: Vec::new(),
            update_versions: BTreeMap::new(),
            skip_rbl_checks: false,
            dns_available: "yes".to_owned(),
            dns_servers: Vec::new(),
            dns_options: [("v4", 1), ("v6", 1), ("rotate", 0), ("dns0x20", 0), ("edns", 4096)]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            dns_query_restriction: BTreeMap::new(),
            dns_block_rules: BTreeMap::new(),
            rbl_timeout: RblTimeout { timeout: 15.0, minimum: None },
            rbl_timeout_by_zone: BTreeMap::new(),
            uri_zones: BTreeMap::new(),
            uridnsbl_skip_domains: BTreeSet::new(),
            url_shorteners: BTreeMap::new(),
            rule_tests: Vec::new(),
            other: BTreeMap::new(),
        }
    }
}
