//! Small configurations, and what they must come to.

use rules::{
    Catalog, CatalogEval, Diagnostic, Flags, Kind, LoadOptions, NoReader, Reader, RuleId, Ruleset, ScoreSet, Source,
    SourceKind, Stage, explain,
};

const EVALS: [CatalogEval; 3] = [
    CatalogEval { name: "check_header", stage: Some(Stage::Header), plugin: "HeaderEval" },
    CatalogEval { name: "check_body", stage: Some(Stage::Body), plugin: "BodyEval" },
    CatalogEval { name: "check_net", stage: None, plugin: "" },
];

fn load_as(text: &str, options: &LoadOptions, kind: SourceKind) -> (Ruleset, Vec<Diagnostic>) {
    let plugins = "loadplugin Mail::SpamAssassin::Plugin::HeaderEval\nloadplugin Mail::SpamAssassin::Plugin::BodyEval\n\
                   loadplugin Mail::SpamAssassin::Plugin::ReplaceTags\nloadplugin Mail::SpamAssassin::Plugin::MIMEHeader\n\
                   loadplugin Mail::SpamAssassin::Plugin::URIDetail\nloadplugin Mail::SpamAssassin::Plugin::FreeMail\n\
                   loadplugin Mail::SpamAssassin::Plugin::Shortcircuit\n";
    let sources = [Source::new("init.pre", plugins, SourceKind::Pre), Source::new("t.cf", text, kind)];
    rules::load(&sources, &Catalog { evals: EVALS.to_vec() }, options, &mut NoReader)
}

fn load(text: &str) -> (Ruleset, Vec<Diagnostic>) {
    load_as(text, &LoadOptions::default(), SourceKind::Site)
}

/// Loads without a finding.
fn clean(text: &str) -> Ruleset {
    let (ruleset, diagnostics) = load(text);
    assert!(diagnostics.is_empty(), "{}", diagnostics.iter().map(|d| format!("{d}\n")).collect::<String>());
    ruleset
}

#[track_caller]
fn kind(text: &str, name: &str, expected: &str) {
    let ruleset = clean(text);
    let found = format!("{:?}", ruleset.get(name).expect("the rule").kind);
    assert!(found.starts_with(expected), "{found}");
}

#[test]
fn every_rule_type() {
    kind("header A Subject =~ /x/i", "A", "Header(HeaderTest { header: \"Subject\"");
    kind("header A From:addr !~ /x/", "A", "Header(HeaderTest { header: \"From:addr\"");
    kind("header A From:addr:first =~ m{x}", "A", "Header(HeaderTest { header: \"From:addr:first\"");
    kind("header A Subject:text =~ /x/", "A", "Header(HeaderTest { header: \"Subject:text\"");
    kind("header A exists:X-Thing", "A", "HeaderExists { header: \"X-Thing\" }");
    kind("header A eval:check_header('a', 2)", "A", "Eval(Eval { stage: Header, function: \"check_header\"");
    kind("body A /x/", "A", "Body(");
    kind("body A eval:check_body()", "A", "Eval(Eval { stage: Body");
    kind("rawbody A eval:check_body()", "A", "Eval(Eval { stage: RawBody");
    kind("rawbody A /x/", "A", "RawBody(");
    kind("full A /x/", "A", "Full(");
    kind("uri A /x/", "A", "Uri(");
    kind("text A /x/", "A", "Text(");
    kind("meta A (B && C)\nbody B /b/\nbody C /c/", "A", "Meta(");
    kind(
        "mimeheader A Content-Type:raw =~ /x/",
        "A",
        "MimeHeader(MimeHeaderTest { header: \"Content-Type\", raw: true",
    );
    kind("uri_detail A text =~ /click/ domain !~ m,example.com,i", "A", "UriDetail([UriCondition { key: Text");
    kind("reuse A", "A", "Empty");
}

#[test]
fn scores_follow_spamassassin() {
    let cases = [
        ("body A /x/", [1.0; 4]),
        ("body A /x/\nscore A 2", [2.0; 4]),
        ("score A 1 2 3 4\nbody A /x/", [1.0, 2.0, 3.0, 4.0]),
        ("body A /x/\nscore A 2\nscore A (0.5)", [2.5; 4]),
        ("body A /x/\nscore A 1 2 3 4\nscore A (1) (0) (-1) (1)", [2.0, 2.0, 2.0, 5.0]),
        ("body A /x/\ntflags A nice", [-1.0; 4]),
    ];
    for (text, expected) in cases {
        assert_eq!(clean(text).get("A").expect("the rule").scores, expected, "{text}");
    }
    assert_eq!(clean("body T_A /x/").get("T_A").expect("the rule").scores, [0.01; 4]);
}

#[test]
fn blocks_hold_or_do_not() {
    let cases = [
        ("if version >= 4\nbody A /x/\nelse\nbody B /x/\nendif", "A"),
        ("if version < 4\nbody B /x/\nelse\nbody A /x/\nendif", "A"),
        ("ifplugin Mail::SpamAssassin::Plugin::FreeMail\nbody A /x/\nendif", "A"),
        ("ifplugin Mail::SpamAssassin::Plugin::SPF\nbody B /x/\nendif\nbody A /x/", "A"),
        ("if 0\nif 1\nbody B /x/\nelse\nbody B /x/\nendif\nelse\nbody A /x/\nendif", "A"),
        ("if can(Sekisho::text_rules)\ntext A /x/\nendif", "A"),
        ("if !local_tests_only\nbody A /x/\nendif", "A"),
        ("require_version 4.000001\nbody A /x/", "A"),
    ];
    for (text, expected) in cases {
        let names: Vec<String> = clean(text).rules.iter().map(|rule| rule.name.clone()).collect();
        assert_eq!(names, [expected], "{text}");
    }
}

#[test]
fn findings_have_codes_and_places() {
    // A configuration; the code, line and column of the one finding in it.
    let cases = [
        ("requird_score 5", "SK0103", 1, 1),
        ("\n  report_safe 3", "SK0102", 2, 15),
        ("required_score", "SK0101", 1, 1),
        ("whitelist_from_spf a@b.example", "SK0104", 1, 1),
        ("loadplugin My::Own::Plugin /x.pm", "SK0105", 1, 12),
        ("include other.cf", "SK0107", 1, 9),
        ("require_version 3.0", "SK0109", 1, 17),
        ("endif", "SK0201", 1, 1),
        ("body A /x/\nif 1", "SK0202", 2, 1),
        ("if can(nonsense)\nendif", "SK0203", 1, 4),
        ("body 1A /x/", "SK0301", 1, 6),
        ("header A Subject", "SK0303", 1, 10),
        ("header A Subject:odd =~ /x/", "SK0303", 1, 17),
        ("body A /a(b/", "SK0304", 1, 10),
        ("header A Subject =~ /a{2,1}/", "SK0304", 1, 23),
        ("body A eval:no_such_thing()", "SK0401", 1, 6),
        ("header A eval:check_body()", "SK0404", 1, 8),
        ("body A eval:check_body('x)", "SK0405", 1, 13),
        ("meta A B &&\nbody B /x/", "SK0501", 1, 11),
        ("score A (1)", "SK0602", 1, 1),
        ("trusted_networks 10/8 nonsense", "SK0701", 1, 23),
        ("freemail_domains exa_mple", "SK0703", 1, 1),
    ];
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(text, code, line, column)| {
            let (_, diagnostics) = load(text);
            let found: Vec<(&str, u32, u32)> =
                diagnostics.iter().map(|d| (d.code.as_str(), d.line, d.column)).collect();
            (found != [(code, line, column)])
                .then(|| format!("{text:?}: {found:?}, expected {code} at {line}:{column}\n"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn a_finding_is_readable() {
    let (_, diagnostics) = load("body A /free (money/");
    let shown = diagnostics[0].to_string();
    assert!(shown.contains("error[SK0304] bad-regex"), "{shown}");
    assert!(shown.contains("--> t.cf:1:"), "{shown}");
    assert!(shown.contains("1 | body A /free (money/"), "{shown}");
    assert!(shown.contains('^'), "{shown}");
    assert!(serde_json::to_string(&diagnostics).expect("plain data").contains("\"severity\":\"error\""));
}

#[test]
fn users_are_restricted_where_asked() {
    let restricted = LoadOptions { restrict_user_files: true, ..LoadOptions::default() };
    let (ruleset, diagnostics) = load_as("body A /x/\nloadplugin X::Y\nscore B 2", &restricted, SourceKind::User);
    assert!(ruleset.rules.is_empty());
    assert_eq!(diagnostics.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SK0106", "SK0106"]);
    let (ruleset, diagnostics) = load_as("body A /x/", &LoadOptions::default(), SourceKind::User);
    assert!(ruleset.rules.len() == 1 && diagnostics.is_empty());
    assert!(ruleset.rules[0].from_user);
}

#[test]
fn a_failed_definition_leaves_the_old_one() {
    let (ruleset, diagnostics) = load("body A /x/\nbody A /(/");
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(ruleset.get("A").expect("the rule").location.line, 1);
    let ruleset = clean("body A /x/\nheader A Subject =~ /y/");
    let rule = ruleset.get("A").expect("the rule");
    assert_eq!((rule.location.line, rule.replaced.as_ref().map(|place| place.line)), (2, Some(1)));
}

fn names(ruleset: &Ruleset, ids: &[RuleId]) -> Vec<String> {
    ids.iter().map(|id| ruleset.rule(*id).name.clone()).collect()
}

#[test]
fn metas_are_ordered_and_circles_left_out() {
    let ruleset = clean("meta A B\nmeta B C && D\nbody C /c/\nmeta D C");
    assert_eq!(names(&ruleset, &ruleset.metas), ["D", "B", "A"]);
    let (ruleset, diagnostics) = load("meta A B\nmeta B A\nmeta C !UNKNOWN\nbody X /x/");
    assert_eq!(diagnostics.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["SK0503", "SK0503"]);
    assert_eq!(names(&ruleset, &ruleset.metas), ["C"]);
    // A meta whose score is 0 is not computed, and what needs it never hits.
    let ruleset = clean("meta A B\nmeta B C\nscore B 0\nbody C /c/");
    assert!(ruleset.metas.is_empty());
    let ruleset = clean("body A_1 /x/\nbody A_2 /y/\nmeta B rules_matching(A_*) > 1");
    let Kind::Meta(meta) = &ruleset.get("B").expect("the rule").kind else { panic!("a meta") };
    assert_eq!(names(&ruleset, &meta.dependencies), ["A_1", "A_2"]);
}

#[test]
fn network_rules_wait_for_the_network() {
    let text = "header N eval:check_net()\ntflags N net\nmeta M N\nbody B /x/\nscore B 0 1";
    let (ruleset, _) = load(text);
    assert!(!ruleset.get("N").expect("the rule").active);
    assert_eq!(ruleset.get("N").expect("the rule").priority, -100);
    assert!(ruleset.get("M").expect("the rule").tflags.has(Flags::NET));
    let online = LoadOptions { score_set: ScoreSet { network: true, bayes: false }, ..LoadOptions::default() };
    let (ruleset, _) = load_as(text, &online, SourceKind::Site);
    assert!(ruleset.get("N").expect("the rule").active);
    let (ruleset, _) = load_as(text, &LoadOptions { local_only: true, ..online }, SourceKind::Site);
    assert!(!ruleset.get("N").expect("the rule").active);
}

#[test]
fn patterns_are_shared_and_counted() {
    let ruleset = clean("body A /x/\nbody B /x/\nbody C /x/\ntflags C multiple maxhits=3\nbody D /x/i\nuri E /x/");
    let id = |name: &str| match &ruleset.get(name).expect("the rule").kind {
        Kind::Body(pattern) | Kind::Uri(pattern) => pattern.id.expect("compiled"),
        other => panic!("{other:?}"),
    };
    assert_eq!(id("A"), id("B"));
    assert_ne!(id("A"), id("C"));
    assert_ne!(id("A"), id("D"));
    assert_eq!(ruleset.statistics.patterns, 4);
    assert_eq!(ruleset.groups.len(), 2);
    assert_eq!(names(&ruleset, &ruleset.pattern_rules[id("A").0 as usize]), ["A", "B"]);
}

#[test]
fn replaced_tags_templates_and_captures() {
    let ruleset = clean("replace_tag V [vV]\nreplace_tag VV <V>{2}\nbody A /<VV>x/\nreplace_rules A");
    let Kind::Body(pattern) = &ruleset.get("A").expect("the rule").kind else { panic!("a body rule") };
    assert_eq!(pattern.body(), b"[vV]{2}x");
    let ruleset = clean("header A To =~ /(?<WHO>\\w+)@/\nuri B /%{WHO}=/i");
    assert_eq!(ruleset.get("A").expect("the rule").priority, -10_000);
    let Kind::Uri(pattern) = &ruleset.get("B").expect("the rule").kind else { panic!("a uri rule") };
    assert_eq!((pattern.templates.as_slice(), pattern.id), (&["WHO".to_owned()][..], None));
    let body = pattern.instantiate(|_| vec![b"a.b".to_vec(), b"c".to_vec()]).expect("has values");
    assert_eq!(body, b"(?:a\\.b|c)=");
    assert_eq!(pattern.instantiate(|_| Vec::new()), None);
}

#[test]
fn settings_of_every_shape() {
    let ruleset = clean(
        "required_hits 7.5\nwhitelist_from *@Good.example joe@ok.example\nwelcomelist_from_rcvd a@b.example c.example\n\
         unwhitelist_from joe@ok.example\nadd_header all Foo \"x\\ty\"\nremove_header spam foo\nrewrite_header subject [SPAM]\n\
         report_safe 0\nclear_report_template\nreport \"  a\"\nreport b\nenlist_uri_host (L) one.example !two.example\n\
         enlist_addrlist (PEOPLE) *@x.example\nfreemail_domains mail.example *.free.example\nnormalize-charset no\n\
         time_limit 5m\ntrusted_networks 192.0.2.0/24\nutil_rb_2tld co.example\nok_locales ja en\n\
         shortcircuit_spam_score 50\ndescribe A caf\u{e9}",
    );
    let settings = &ruleset.settings;
    assert_eq!(settings.required_score, 7.5);
    assert!(settings.address_list("welcomelist_from").contains("x@good.example"));
    assert!(!settings.address_list("welcomelist_from").contains("joe@ok.example"));
    assert!(settings.address_list("PEOPLE").contains("y@x.example"));
    assert_eq!(settings.relayed_list("welcomelist_from_rcvd").len(), 1);
    assert!(settings.headers_ham.contains(&("Foo".to_owned(), "x\ty".to_owned())));
    assert!(!settings.headers_spam.iter().any(|(name, _)| name == "Foo"));
    assert!(settings.headers_spam.contains(&("Report".to_owned(), "_REPORT_".to_owned())));
    assert_eq!(settings.rewrite_header["Subject"], "[SPAM]");
    assert_eq!(settings.report_template, "  a\nb\n");
    assert!(!settings.uri_host_lists["L"]["two.example"]);
    assert!(settings.freemail.wildcards.contains("*.free.example"));
    assert!(!settings.normalize_charset);
    assert_eq!(settings.time_limit, 300.0);
    assert!(settings.trusted_networks.configured);
    assert!(settings.top_level_domains.two.contains("co.example"));
}

#[test]
fn includes_are_read_in_place() {
    struct Files;
    impl Reader for Files {
        fn read(&mut self, path: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
            match path {
                "/etc/x/more.cf" => Ok(vec![(path.to_owned(), b"body B /b/\nif 1\nscore A 3".to_vec())]),
                "/etc/x/circle.cf" => Ok(vec![(path.to_owned(), b"include circle.cf".to_vec())]),
                _ => Err("no such file".to_owned()),
            }
        }
    }
    let text = "body A /a/\nif 1\ninclude more.cf\nendif\nscore B 2\ninclude circle.cf";
    let sources = [Source::new("/etc/x/local.cf", text, SourceKind::Site)];
    let (ruleset, diagnostics) = rules::load(&sources, &Catalog::default(), &LoadOptions::default(), &mut Files);
    assert_eq!(ruleset.get("A").expect("the rule").scores[0], 3.0);
    assert_eq!(ruleset.get("B").expect("the rule").scores[0], 2.0);
    let codes: Vec<&str> = diagnostics.iter().map(|d| d.code.as_str()).collect();
    assert_eq!(codes, ["SK0202", "SK0108"]);
}

#[test]
fn explanations_tell_the_whole_rule() {
    let ruleset =
        clean("header A Subject =~ /\\bfree\\b/i\ndescribe A Free things\nscore A 1.5\nmeta B A && !__C\nbody __C /c/");
    let told = explain::explain(&ruleset, "A", ScoreSet::default(), explain::Language::English).expect("the rule");
    assert_eq!(told.summary, "hits when the header Subject matches a pattern");
    assert_eq!((told.location.as_str(), told.needed_by.as_slice()), ("t.cf:1", &["B".to_owned()][..]));
    assert!(told.patterns[0].pieces.iter().any(|(_, source, _)| source == "free"), "{:?}", told.patterns[0].pieces);
    let told = explain::explain(&ruleset, "B", ScoreSet::default(), explain::Language::English).expect("the rule");
    assert_eq!(told.depends_on.len(), 2);
    assert!(explain::explain(&ruleset, "NO_SUCH", ScoreSet::default(), explain::Language::English).is_none());
}

#[test]
fn a_ruleset_survives_being_stored() {
    let ruleset = clean("body A /x(?!y)/\nmeta B A\nheader C Received =~ /^from/\ntrusted_networks 10/8");
    let stored = postcard::to_stdvec(&ruleset).expect("plain data");
    let again: Ruleset = postcard::from_bytes(&stored).expect("what was stored");
    assert_eq!(again.rules, ruleset.rules);
    assert_eq!(again.settings, ruleset.settings);
    assert_eq!(again.database.len(), 2);
}

#[test]
fn loading_never_panics() {
    let pieces = [
        "body",
        "header",
        "A",
        "eval:",
        "(",
        ")",
        "/",
        "=~",
        "m{",
        "}",
        "meta",
        "&&",
        "if",
        "endif",
        "score",
        "(1)",
        "\\",
        "#",
        "\\#",
        "lang",
        "de",
        "\u{e9}",
        "replace_tag",
        "<A>",
        "tflags",
        "range=",
        "-",
        "trusted_networks",
        "::",
        "[",
        "rules_matching(",
        "*",
        "%{A}",
        "include",
        "uri_detail",
        "text",
        "mimeheader",
        "[if-unset:",
        "]",
        "\"",
        "'",
    ];
    // A fixed sequence that reaches many combinations.
    let mut state = 12345u32;
    for _ in 0..2000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            if state & 0x300 != 0 {
                text.push([' ', '\n', ' ', ' '][(state >> 8 & 3) as usize]);
            }
        }
        load_as(&text, &LoadOptions { thorough: true, ..LoadOptions::default() }, SourceKind::User);
    }
}

/// Found by fuzzing: a name out of a file reached the terminal as it stood.
#[test]
fn diagnostics_hold_no_control_characters() {
    let text =
        "\u{1b}[31mred x\nscore A\u{1b} y\nmeta B \u{7}C (\nheader D eval:check\u{8}()\nifplugin \u{1b}]0;x\nendif\n";
    let (_, diagnostics) = load(text);
    assert!(diagnostics.len() >= 3, "{diagnostics:?}");
    for found in diagnostics {
        assert!(!found.to_string().chars().any(|c| c.is_control() && c != '\n'), "{found:?}");
    }
}
