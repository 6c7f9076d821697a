//! `if`, `ifplugin`: what holds here.
//!
//! Rule files ask `if can(Mail::SpamAssassin::Conf::feature_x)` before they use what older versions lack. We answer as
//! SpamAssassin 4.0.1 does with the same plugins loaded, and besides own up to [`OWN_FEATURES`].

use super::expression::{self, Calls, Node, Operator, Problem};
use super::plugins;

/// The version that we behave as.
pub const VERSION: f64 = 4.000_001;
pub const VERSION_TEXT: &str = "4.000001";
/// `perl_version`: what regular expressions here are like.
const PERL_VERSION: f64 = 5.036_000;

/// `can()` names that only sekisho knows.
pub static OWN_FEATURES: &[&str] =
    &["Sekisho::acquaintance", "Sekisho::brands", "Sekisho::limits", "Sekisho::text_facts", "Sekisho::text_rules"];

/// Features of the core, `Mail::SpamAssassin::Conf::...`; sorted.
static CORE_FEATURES: &[&str] = &[
    "feature_bayes_auto_learn_on_error",
    "feature_bayes_stopwords",
    "feature_blocklist_welcomelist",
    "feature_bug6558_free",
    "feature_capture_rules",
    "feature_compile_regexp",
    "feature_dns_block_rule",
    "feature_dns_local_ports_permit_avoid",
    "feature_dns_query_restriction",
    "feature_edns",
    "feature_geodb",
    "feature_get_host",
    "feature_header_address_parser",
    "feature_header_first_last",
    "feature_header_match_many",
    "feature_local_tests_only",
    "feature_meta_rules_matching",
    "feature_originating_ip_headers",
    "feature_registryboundaries",
    "feature_subjprefix",
    "feature_uri_host_listed",
    "feature_welcomelist_blocklist",
    "feature_yesno_takes_args",
    "has_tflags_nolog",
    "has_tflags_nosubject",
    "perl_min_version_5010000",
];

/// What conditions may ask about.
pub struct Circumstances<'a> {
    pub plugin_loaded: &'a dyn Fn(&str) -> bool,
    /// `enable_compat NAME`.
    pub compat: &'a dyn Fn(&str) -> bool,
    pub local_tests_only: bool,
    /// In a file named `user_prefs`, where SpamAssassin answers every `can()` with no.
    pub in_user_prefs: bool,
}

/// The answer, or what is wrong with the question.
pub fn holds(text: &str, circumstances: &Circumstances<'_>) -> Result<bool, Problem> {
    let node = expression::parse(text, Calls::Allowed)?;
    Ok(value(&node, circumstances)? != 0.0)
}

fn value(node: &Node, about: &Circumstances<'_>) -> Result<f64, Problem> {
    let truth = |value: bool| if value { 1.0 } else { 0.0 };
    Ok(match node {
        Node::Number(number) => *number,
        Node::Nothing => 0.0,
        Node::Name(name) => match name.as_str() {
            "version" => VERSION,
            "perl_version" => PERL_VERSION,
            "local_tests_only" => truth(about.local_tests_only),
            "plugin" | "can" | "has" => return Err(whole(format!("{name} needs an argument in parentheses"))),
            // A bare class name is a text for Perl, and true.
            name if name.len() > 1 => 1.0,
            _ => return Err(whole(format!("`{name}` means nothing in a condition"))),
        },
        Node::Call(function, argument) => match function.as_str() {
            "plugin" => truth(is_loaded(argument, about)),
            "can" | "has" => truth(can(function == "can", argument, about)?),
            _ => return Err(whole(format!("there is no {function}(); conditions know plugin(), can() and has()"))),
        },
        Node::Not(inner) => truth(value(inner, about)? == 0.0),
        Node::Negate(inner) => -value(inner, about)?,
        Node::Choose(condition, yes, no) => value(if value(condition, about)? != 0.0 { yes } else { no }, about)?,
        Node::Series(first, links) => {
            let mut left = value(first, about)?;
            for (operator, right) in links {
                left = match operator {
                    Operator::And if left == 0.0 => left,
                    Operator::Or if left != 0.0 => left,
                    Operator::And | Operator::Or => value(right, about)?,
                    operator => compute(*operator, left, value(right, about)?),
                };
            }
            left
        }
        Node::Chain(first, links) => {
            let mut left = value(first, about)?;
            for (operator, right) in links {
                let right = value(right, about)?;
                if compute(*operator, left, right) == 0.0 {
                    return Ok(0.0);
                }
                left = right;
            }
            1.0
        }
    })
}

fn whole(message: String) -> Problem {
    Problem { message, start: 0, end: 0 }
}

fn compute(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |value: bool| if value { 1.0 } else { 0.0 };
    match operator {
        Operator::Or => truth(left != 0.0 || right != 0.0),
        Operator::And => truth(left != 0.0 && right != 0.0),
        Operator::Xor => ((left as i64) ^ (right as i64)) as f64,
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => 0.0,
        Operator::Divide => left / right,
    }
}

fn is_loaded(class: &str, about: &Circumstances<'_>) -> bool {
    // Gone in 4.1, and always said to be there since, so that its rules stay out.
    class == "Mail::SpamAssassin::Plugin::RaciallyCharged"
        || plugins::short_name(class).is_some_and(|name| (about.plugin_loaded)(name))
}

fn can(must_be_true: bool, method: &str, about: &Circumstances<'_>) -> Result<bool, Problem> {
    if OWN_FEATURES.contains(&method) {
        return Ok(true);
    }
    let Some((class, name)) = method.rsplit_once("::") else {
        return Err(whole(format!("`{method}` is not of the form Class::name")));
    };
    if must_be_true && about.in_user_prefs {
        return Ok(false);
    }
    if class == "Mail::SpamAssassin::Conf" {
        let compat = name.strip_prefix("compat_").is_some_and(|flag| (about.compat)(flag));
        return Ok(compat || CORE_FEATURES.binary_search(&name).is_ok());
    }
    Ok(plugins::short_name(class)
        .and_then(plugins::find)
        .is_some_and(|plugin| (about.plugin_loaded)(plugin.name) && plugin.has(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_features_are_sorted() {
        assert!(CORE_FEATURES.is_sorted());
    }

    #[test]
    fn conditions_hold_as_in_spamassassin() {
        let about = Circumstances {
            plugin_loaded: &|name| matches!(name, "FreeMail" | "MIMEHeader"),
            compat: &|name| name == "welcomelist_blocklist",
            local_tests_only: true,
            in_user_prefs: false,
        };
        let cases = [
            ("version >= 3.004", true),
            ("(version >= 4.000001)", true),
            ("version < 4", false),
            ("plugin (Mail::SpamAssassin::Plugin::FreeMail)", true),
            ("!plugin(Mail::SpamAssassin::Plugin::SPF)", true),
            ("plugin(Mail::SpamAssassin::Plugin::FreeMail) && version >= 3", true),
            ("can(Mail::SpamAssassin::Conf::feature_bug6558_free)", true),
            ("can(Mail::SpamAssassin::Conf::feature_nonsense)", false),
            ("can(Mail::SpamAssassin::Conf::compat_welcomelist_blocklist)", true),
            ("!can(Mail::SpamAssassin::Conf::compat_other)", true),
            ("has(Mail::SpamAssassin::Plugin::MIMEHeader::has_tflags_range)", true),
            ("has(Mail::SpamAssassin::Plugin::ASN::has_check_asn)", false),
            ("local_tests_only", true),
            ("perl_version >= 5.010000", true),
            ("can(Sekisho::text_rules)", true),
            ("1 + 2 * 3 == 7", true),
            ("3 > 2 > 1", true),
            ("1 ? 0 : 1", false),
            ("plugin(Mail::SpamAssassin::Plugin::RaciallyCharged)", true),
        ];
        for (text, expected) in cases {
            assert_eq!(holds(text, &about), Ok(expected), "{text}");
        }
        for broken in ["", "can(feature)", "(version", "version >=", "nonsense(X::y)", "plugin"] {
            assert!(holds(broken, &about).is_err(), "{broken}");
        }
    }
}
