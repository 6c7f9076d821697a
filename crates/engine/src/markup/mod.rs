//! A verdict in SpamAssassin's clothes: report, `_TAGS_`, `X-Spam-*` headers, the rewritten message, and its undoing.
//!
//! In: the message, its [`mail::Verdict`], a [`Style`] from the configuration and a [`Stamp`] from the world. Out: bytes,
//! the same as SpamAssassin 4.0.1 would write. Scripts, mail clients and procmail recipes parse these bytes, so their
//! layout is an interface, with its oddities.

mod header;
mod report;
mod rewrite;
mod tags;
mod unmark;
mod wrap;

pub use report::{REPORT_HEADING, perl_number, points, report_lines, summary};
pub use rewrite::rewrite;
pub use tags::Tags;
pub use unmark::unmark;
pub use wrap::wrap;

/// What the configuration says about output. Templates are bytes: administrators write them in any charset.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// `report_safe`: 0 headers only, 1 wrap as message/rfc822, 2 wrap as text/plain.
    pub report_safe: u8,
    pub report_template: Vec<u8>,
    pub unsafe_report_template: Vec<u8>,
    /// `add_header spam|ham|all NAME TEMPLATE`, in order; names without the `X-Spam-` prefix.
    pub headers_spam: Vec<(String, Vec<u8>)>,
    pub headers_ham: Vec<(String, Vec<u8>)>,
    pub rewrite_subject: Option<Vec<u8>>,
    pub rewrite_from: Option<Vec<u8>>,
    pub rewrite_to: Option<Vec<u8>>,
    pub fold_headers: bool,
    /// Columns.
    pub report_wrap_width: usize,
    pub report_charset: String,
    pub report_contact: Vec<u8>,
    /// Overrides [`Stamp::host`] in `_HOSTNAME_`.
    pub report_hostname: Option<Vec<u8>>,
    pub report_safe_copy_headers: Vec<String>,
    /// `use_bayes` and `bayes_auto_learn` are both on.
    pub learns: bool,
    /// The Shortcircuit plugin is loaded, so its tags exist.
    pub knows_shortcircuit: bool,
    /// `# UPDATE version N` of the rule files, joined by commas.
    pub rules_version: String,
}

impl Style {
    /// What the settings say.
    pub fn new(ruleset: &rules::Ruleset) -> Style {
        let settings = &ruleset.settings;
        let templates = |headers: &[(String, String)]| {
            headers.iter().map(|(name, template)| (name.clone(), truthful(name, template).into_bytes())).collect()
        };
        let rewriting = |name: &str| settings.rewrite_header.get(name).map(|template| template.clone().into_bytes());
        Style {
            report_safe: settings.report_safe,
            report_template: settings.report_template.clone().into_bytes(),
            unsafe_report_template: settings.unsafe_report_template.clone().into_bytes(),
            headers_spam: templates(&settings.headers_spam),
            headers_ham: templates(&settings.headers_ham),
            rewrite_subject: rewriting("Subject"),
            rewrite_from: rewriting("From"),
            rewrite_to: rewriting("To"),
            fold_headers: settings.fold_headers,
            report_wrap_width: settings.report_wrap_width.max(0.0) as usize,
            report_charset: settings.report_charset.clone(),
            report_contact: settings.report_contact.clone().into_bytes(),
            report_hostname: Some(settings.report_hostname.clone().into_bytes()).filter(|host| !host.is_empty()),
            report_safe_copy_headers: settings.report_safe_copy_headers.clone(),
            learns: settings.use_bayes && settings.bayes_auto_learn,
            knows_shortcircuit: ruleset.has_plugin("Shortcircuit"),
            rules_version: settings.update_versions.values().cloned().collect::<Vec<_>>().join(","),
        }
    }
}

/// SpamAssassin's own template for `X-Spam-Checker-Version` names SpamAssassin; we say who really checked. A template
/// that the administrator wrote stays.
fn truthful(name: &str, template: &str) -> String {
    match (name, template) {
        ("Checker-Version", "SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_") => {
            "_SUBVERSION_ (SpamAssassin _VERSION_ rules) on _HOSTNAME_".to_owned()
        }
        _ => template.to_owned(),
    }
}

impl Default for Style {
    fn default() -> Style {
        Style {
            report_safe: 1,
            report_template: Vec::new(),
            unsafe_report_template: Vec::new(),
            headers_spam: Vec::new(),
            headers_ham: Vec::new(),
            rewrite_subject: None,
            rewrite_from: None,
            rewrite_to: None,
            fold_headers: true,
            report_wrap_width: 75,
            report_charset: "UTF-8".into(),
            report_contact: b"the administrator of that system".to_vec(),
            report_hostname: None,
            report_safe_copy_headers: Vec::new(),
            learns: true,
            knows_shortcircuit: false,
            rules_version: String::new(),
        }
    }
}

/// What only the world knows: host, time, chance. Handed in, so that output is repeatable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Fully qualified host name.
    pub host: String,
    /// Local time as in a `Date:` header, `Sat, 21 Nov 2026 18:43:04 +0000`.
    pub date: String,
    /// Unix time, for the MIME boundary.
    pub time: u32,
    /// Random, for the MIME boundary.
    pub random: u32,
    /// What `_VERSION_` prints.
    pub version: String,
    /// What `_SUBVERSION_` prints.
    pub subversion: String,
    /// Who did it, in `Received: ... with PRODUCT (version PRODUCT_VERSION)`.
    pub product: String,
    pub product_version: String,
}

/// White space of Perl's `\s` in a byte string.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&b| !is_space(b)).map_or(0, |i| i + 1);
    &bytes[..end]
}

pub(crate) fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&b| !is_space(b)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Lines with their line feeds, as Perl's `split /^/m`.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&b| b == b'\n')
}

/// Every `from` becomes `to`.
pub(crate) fn replace_byte(bytes: &[u8], from: u8, to: u8) -> Vec<u8> {
    bytes.iter().map(|&b| if b == from { to } else { b }).collect()
}
