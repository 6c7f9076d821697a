//! What a rule does, in words: the data behind `sekisho explain RULE`.
//!
//! In: a compiled ruleset and a name. Out: plain sentences and lists, in the order in which a person asks for them.
//! How they are laid out on a terminal or a web page is for the caller.

use crate::ruleset::{Flags, Kind, Pattern, Rule, RuleId, Ruleset, ScoreSet, Shortcircuit, Stage, UriKey};
use crate::spamassassin::lint;
use crate::spamassassin::plugins;
pub use patterns::Language;
use serde::{Deserialize, Serialize};

/// Everything known of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub rule: String,
    /// What it does, as a sentence.
    pub summary: String,
    pub description: Option<String>,
    /// `file:line` of the definition, and of the one it replaced.
    pub location: String,
    pub replaced: Option<String>,
    /// Conditions around the definition.
    pub conditions: Vec<String>,
    /// For each score set: its name, the score.
    pub scores: Vec<(String, f64)>,
    /// Where the score does not come from a `score` line: why it is what it is.
    pub score_note: Option<String>,
    /// Whether it runs now, and if not, why.
    pub active: bool,
    pub inactive_because: Option<String>,
    pub priority: i32,
    /// tflags words and what they mean.
    pub flags: Vec<(String, String)>,
    /// What happens beside the score: short-circuit, Subject prefix, tags.
    pub effects: Vec<String>,
    /// The definition: pattern, expression or call as written.
    pub definition: String,
    pub patterns: Vec<PatternExplanation>,
    pub depends_on: Vec<Dependency>,
    pub needed_by: Vec<String>,
}

/// A pattern, piece by piece.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternExplanation {
    /// What it is matched against.
    pub view: String,
    pub written: String,
    /// Where `replace_rules` made it longer: how long it is now.
    pub expanded_bytes: Option<usize>,
    /// Depth in groups, the piece as written, its meaning.
    pub pieces: Vec<(u32, String, String)>,
}

/// A rule that a meta names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    pub rule: String,
    /// No rule bears the name: counts as 0.
    pub missing: bool,
    pub active: bool,
    pub summary: String,
}

/// Patterns longer than this are not told piece by piece: nobody reads a thousand lines.
const LONGEST_TOLD: usize = 4000;

/// Explains a rule; `None` where there is none of the name. `set` is the score set that runs.
pub fn explain(ruleset: &Ruleset, name: &str, set: ScoreSet, language: Language) -> Option<Explanation> {
    let say = Say(language);
    let id = ruleset.find(name)?;
    let rule = ruleset.rule(id);
    let place = |location: &crate::Location| match ruleset.files.get(location.file as usize) {
        Some((file, _)) => format!("{file}:{}", location.line),
        None => format!("line {}", location.line),
    };
    let names = language.pick(
        ["local", "network", "local and Bayes", "network and Bayes"],
        ["ローカル", "ネットワーク", "ローカルとベイズ", "ネットワークとベイズ"],
    );
    Some(Explanation {
        rule: rule.name.clone(),
        summary: say.summary(&rule.kind),
        description: rule.description.clone(),
        location: place(&rule.location),
        replaced: rule.replaced.as_ref().map(place),
        conditions: rule.conditions.clone(),
        scores: names.iter().map(|name| (*name).to_owned()).zip(rule.scores).collect(),
        score_note: say.score_note(rule),
        active: rule.active,
        inactive_because: (!rule.active).then(|| say.inactive_because(rule, set)),
        priority: rule.priority,
        flags: say.flags(rule),
        effects: say.effects(rule),
        definition: definition(&rule.kind),
        patterns: lint::patterns(&rule.kind).into_iter().map(|pattern| say.told(rule, pattern)).collect(),
        depends_on: say.dependencies(ruleset, rule),
        needed_by: needed_by(ruleset, id),
    })
}

/// Rules whose names are most like a misspelt one.
pub fn similar<'r>(ruleset: &'r Ruleset, name: &str) -> Vec<&'r str> {
    let wanted = name.to_uppercase();
    let mut found: Vec<&str> = ruleset
        .rules
        .iter()
        .map(|rule| rule.name.as_str())
        .filter(|known| known.to_uppercase().contains(&wanted))
        .collect();
    found.sort_by_key(|known| known.len());
    found.truncate(8);
    found
}

/// Says things in one language.
#[derive(Clone, Copy)]
struct Say(Language);

impl Say {
    fn one(self, english: &str, japanese: &str) -> String {
        self.0.pick(english, japanese).to_owned()
    }

    /// `the address in X`
    fn of(self, english: &str, whole: &str, japanese: &str) -> String {
        self.0.pick(format!("{english} in {whole}"), format!("{}の{japanese}", whole.trim_end()))
    }

    fn summary(self, kind: &Kind) -> String {
        match kind {
            Kind::Header(test) if test.negated => {
                let header = self.header(&test.header);
                self.0.pick(
                    format!("hits when {header} does not match a pattern"),
                    format!("{header}がパターンに一致しないと該当する"),
                )
            }
            Kind::Header(test) => {
                let header = self.header(&test.header);
                self.0.pick(
                    format!("hits when {header} matches a pattern"),
                    format!("{header}がパターンに一致すると該当する"),
                )
            }
            Kind::HeaderExists { header } => self.0.pick(
                format!("hits when the message has a header {header}"),
                format!("ヘッダ {header} があると該当する"),
            ),
            Kind::Body(_) => self.one(
                "hits when the text of the message, or its Subject, matches a pattern",
                "本文か件名がパターンに一致すると該当する",
            ),
            Kind::RawBody(_) => self.one(
                "hits when the decoded body, HTML included, matches a pattern",
                "デコード後の本文（HTML を含む）がパターンに一致すると該当する",
            ),
            Kind::Full(_) => self.one(
                "hits when the message as it came, headers and encodings included, matches a pattern",
                "届いたままのメール全体（ヘッダも符号化も含む）がパターンに一致すると該当する",
            ),
            Kind::Uri(_) => self.one(
                "hits when a link of the message matches a pattern",
                "メール中のリンクがパターンに一致すると該当する",
            ),
            Kind::Text(_) => self.one(
                "hits when the text that a reader sees matches a pattern",
                "読む人に見える文章がパターンに一致すると該当する",
            ),
            Kind::UriDetail(conditions) => {
                let wanted = conditions.iter().map(|condition| {
                    let key = self.uri_key(condition.key);
                    match condition.negated {
                        true => self.0.pick(
                            format!("its {key} does not match a pattern"),
                            format!("{key}がパターンに一致しない"),
                        ),
                        false => {
                            self.0.pick(format!("its {key} matches a pattern"), format!("{key}がパターンに一致する"))
                        }
                    }
                });
                let wanted: Vec<String> = wanted.collect();
                self.0.pick(
                    format!("hits when there is a link of which {}", wanted.join(" and ")),
                    format!("{}リンクがあると該当する", wanted.join("、かつ")),
                )
            }
            Kind::MimeHeader(test) => {
                let header = &test.header;
                match test.negated {
                    true => self.0.pick(
                        format!("hits when no part has a header {header} that matches a pattern"),
                        format!("ヘッダ {header} がパターンに一致するパートがないと該当する"),
                    ),
                    false => self.0.pick(
                        format!("hits when some part of the message has a header {header} that matches a pattern"),
                        format!("ヘッダ {header} がパターンに一致するパートがあると該当する"),
                    ),
                }
            }
            Kind::Meta(meta) if meta.external => {
                self.one("is declared only, and hit from outside", "宣言だけのルール。外から与えられたとき該当する")
            }
            Kind::Meta(_) => self.one(
                "hits when an expression over other rules is true",
                "ほかのルールを組み合わせた式が真になると該当する",
            ),
            Kind::Eval(eval) => match plugins::offering(&eval.function) {
                Some(plugin) => self.0.pick(
                    format!("hits when the check {}() of {} says so", eval.function, plugin.name),
                    format!("{} の検査 {}() が当てはまると該当する", plugin.name, eval.function),
                ),
                None => self.0.pick(
                    format!("hits when the check {}() says so", eval.function),
                    format!("検査 {}() が当てはまると該当する", eval.function),
                ),
            },
            Kind::AskDns(ask) => self.0.pick(
                format!("hits when DNS has a {} record for {}", ask.record_type, ask.query),
                format!("DNS に {} の {} レコードがあると該当する", ask.query, ask.record_type),
            ),
            Kind::Empty => self.one("is a name without a test; others may hit it", "検査のない名前だけのルール"),
        }
    }

    fn header(self, request: &str) -> String {
        let mut pieces = request.split(':');
        let name = pieces.next().unwrap_or_default();
        let what = match name {
            "ALL" => self.one("the whole header block", "ヘッダ全体"),
            "ToCc" => self.one("To and Cc together", "To と Cc"),
            "EnvelopeFrom" => self.one("the envelope sender", "エンベロープの差出人"),
            "MESSAGEID" => self.one("any Message-Id header", "いずれかの Message-Id ヘッダ"),
            "X-Spam-Relays-Untrusted" => {
                self.one("the list of relays that are not trusted, newest first", "信頼しない中継の一覧（新しい順）")
            }
            "X-Spam-Relays-Trusted" => self.one("the list of trusted relays", "信頼する中継の一覧"),
            "X-Spam-Relays-External" => {
                self.one("the list of relays outside, newest first", "外部の中継の一覧（新しい順）")
            }
            "X-Spam-Relays-Internal" => self.one("the list of our own relays", "内部の中継の一覧"),
            name => self.0.pick(format!("the header {name}"), format!("ヘッダ {name} ")),
        };
        pieces.fold(what, |what, modifier| match modifier {
            "addr" => self.of("the address", &what, "アドレス"),
            "name" => self.of("the display name", &what, "表示名"),
            "raw" => self.0.pick(format!("{what}, undecoded"), format!("デコード前の{what}")),
            "host" => self.of("the host name", &what, "ホスト名"),
            "domain" => self.of("the domain", &what, "ドメイン"),
            "ip" => self.of("the IP address", &what, "IP アドレス"),
            "revip" => self.of("the reversed IP address", &what, "逆順の IP アドレス"),
            "first" => self.0.pick(format!("the first of {what}"), format!("最初の{what}")),
            "last" => self.0.pick(format!("the last of {what}"), format!("最後の{what}")),
            "text" => self.0.pick(format!("{what} as a reader sees it"), format!("読む人に見えるとおりの{what}")),
            _ => what,
        })
    }

    fn uri_key(self, key: UriKey) -> &'static str {
        match key {
            UriKey::Raw => self.0.pick("address as written", "書かれたままのアドレス"),
            UriKey::Type => self.0.pick("kind", "種類"),
            UriKey::Cleaned => self.0.pick("cleaned address", "整形後のアドレス"),
            UriKey::Text => self.0.pick("text", "文字"),
            UriKey::Domain => self.0.pick("domain", "ドメイン"),
            UriKey::Host => self.0.pick("host", "ホスト"),
        }
    }

    fn view(self, kind: &Kind) -> String {
        match kind {
            Kind::Header(test) => self.header(&test.header).trim_end().to_owned(),
            Kind::Body(_) => self.one("each paragraph of the text, the Subject first", "本文の段落ごと（先頭は件名）"),
            Kind::RawBody(_) => {
                self.one("the decoded body in pieces of 2 to 4 kB", "デコード後の本文を 2〜4 kB に区切ったもの")
            }
            Kind::Full(_) => self.one("the whole message as it came", "届いたままのメール全体"),
            Kind::Uri(_) => self.one("each link", "リンクごと"),
            Kind::Text(_) => self.one("the text that a reader sees", "読む人に見える文章"),
            Kind::MimeHeader(test) => self
                .0
                .pick(format!("the header {} of each part", test.header), format!("各パートのヘッダ {}", test.header)),
            _ => self.one("each link", "リンクごと"),
        }
    }

    fn score_note(self, rule: &Rule) -> Option<String> {
        if rule.is_sub_rule() {
            Some(self.one(
                "names that start with __ have no score of their own; other rules use them",
                "__ で始まるルールに得点はなく、ほかのルールから使われる",
            ))
        } else if rule.scored {
            None
        } else if rule.name.starts_with("T_") {
            Some(
                self.one(
                    "no score is given; rules on trial (T_) have 0.01",
                    "得点の指定なし。試験中のルール（T_）は 0.01",
                ),
            )
        } else {
            Some(self.one(
                "no score is given; the default is 1, for nice rules -1",
                "得点の指定なし。既定は 1（nice のルールは -1）",
            ))
        }
    }

    fn inactive_because(self, rule: &Rule, set: ScoreSet) -> String {
        let needs_network = rule.tflags.has(Flags::NET);
        match &rule.kind {
            Kind::Empty => self.one("it has no test", "検査がない"),
            Kind::Eval(eval) if !eval.known => self.0.pick(
                format!("there is no check {}() here, or its plugin is not loaded", eval.function),
                format!("検査 {}() がないか、プラグインが読み込まれていない", eval.function),
            ),
            Kind::Meta(meta) if meta.undecidable => {
                self.one("it depends on a meta that never runs", "動作しない meta に依存している")
            }
            _ if rule.score(set) == 0.0 => self.one("its score is 0", "得点が 0"),
            Kind::Eval(eval) if !set.network && (needs_network || eval.stage == Stage::Rbl) => self.one(
                "it needs the network, and only local tests run",
                "ネットワークが必要だが、ローカルの検査だけを行っている",
            ),
            Kind::AskDns(_) if !set.network => self.one(
                "it needs the network, and only local tests run",
                "ネットワークが必要だが、ローカルの検査だけを行っている",
            ),
            _ if !set.bayes && rule.tflags.has(Flags::LEARN) => {
                self.one("it needs a trained Bayes", "学習済みのベイズが必要")
            }
            _ => self.one("its pattern cannot be compiled", "パターンをコンパイルできない"),
        }
    }

    fn flags(self, rule: &Rule) -> Vec<(String, String)> {
        rule.tflags
            .text
            .split_whitespace()
            .map(|word| {
                let (english, japanese) = match word {
                    "net" => ("needs the network", "ネットワークを使う"),
                    "nice" => ("lowers the score of good mail", "良いメールの得点を下げる"),
                    "userconf" => ("does nothing before a user sets it up", "利用者が設定するまで何もしない"),
                    "learn" => ("needs training", "学習が必要"),
                    "noautolearn" => ("does not count when deciding what to learn", "学習するかどうかの判断に数えない"),
                    "autolearn_force" => ("lets a message be learned with fewer points", "少ない得点でも学習を許す"),
                    "autolearn_header" => {
                        ("counts as a header rule when deciding what to learn", "学習の判断ではヘッダのルールに数える")
                    }
                    "autolearn_body" => {
                        ("counts as a body rule when deciding what to learn", "学習の判断では本文のルールに数える")
                    }
                    "noawl" => ("does not count in reputations", "評判に数えない"),
                    "multiple" => ("counts how often it hits", "一致した回数を数える"),
                    "nosubject" => ("does not look at the Subject", "件名は見ない"),
                    "ips_only" => ("asks about addresses only", "アドレスだけを問い合わせる"),
                    "domains_only" => ("asks about domains only", "ドメインだけを問い合わせる"),
                    "ns" => ("asks about the domains' name servers", "ドメインのネームサーバを問い合わせる"),
                    "a" => ("asks about the hosts' addresses", "ホストのアドレスを問い合わせる"),
                    "notrim" => ("asks about whole host names", "ホスト名全体を問い合わせる"),
                    "nolog" => ("shows no matched text in logs", "一致した文字列をログに残さない"),
                    "concat" => ("looks at all parts' headers as one text", "全パートのヘッダを一つの文章として見る"),
                    "publish" => ("always distributed by the rules project", "必ず配布される"),
                    "nopublish" => ("never distributed by the rules project", "配布されない"),
                    word if word.starts_with("maxhits=") => ("stops counting there", "そこで数えるのをやめる"),
                    word if word.starts_with("range=") => ("looks at these parts only", "そのパートだけを見る"),
                    _ => ("unknown", "不明"),
                };
                (word.to_owned(), self.one(english, japanese))
            })
            .collect()
    }

    fn effects(self, rule: &Rule) -> Vec<String> {
        let mut found = Vec::new();
        match rule.shortcircuit {
            Some(Shortcircuit::Ham) => {
                found.push(self.one("a hit ends the scan: the message is good", "検査を終え、通常メールとする"))
            }
            Some(Shortcircuit::Spam) => {
                found.push(self.one("a hit ends the scan: the message is spam", "検査を終え、迷惑メールとする"))
            }
            Some(Shortcircuit::On) => found
                .push(self.one("a hit ends the scan with the score so far", "検査を終え、それまでの得点で判定する")),
            None => {}
        }
        if let Some(prefix) = &rule.subject_prefix {
            found.push(
                self.0.pick(
                    format!("a hit puts `{prefix}` before the Subject"),
                    format!("件名の前に `{prefix}` を付ける"),
                ),
            );
        }
        for pattern in lint::patterns(&rule.kind) {
            for tag in &pattern.captures {
                found.push(self.0.pick(
                    format!("a match sets the tag {tag}, which other rules may use as %{{{tag}}}"),
                    format!("タグ {tag} を設定し、ほかのルールから %{{{tag}}} として使える"),
                ));
            }
            for tag in &pattern.templates {
                found.push(self.0.pick(
                    format!("%{{{tag}}} stands for what another rule has found; without it, the rule cannot hit"),
                    format!("%{{{tag}}} はほかのルールが見つけた値。なければこのルールは該当しない"),
                ));
            }
        }
        found
    }

    fn told(self, rule: &Rule, pattern: &Pattern) -> PatternExplanation {
        let pieces = if pattern.body().len() > LONGEST_TOLD {
            Vec::new()
        } else {
            patterns::describe(pattern.body(), pattern.flags, self.0).unwrap_or_default()
        };
        PatternExplanation {
            view: self.view(&rule.kind),
            written: crate::spamassassin::text(&pattern.written).into_owned(),
            expanded_bytes: pattern.expanded.as_ref().map(Vec::len),
            pieces: pieces.into_iter().map(|piece| (piece.depth, piece.source, piece.meaning)).collect(),
        }
    }

    fn dependencies(self, ruleset: &Ruleset, rule: &Rule) -> Vec<Dependency> {
        let Kind::Meta(meta) = &rule.kind else { return Vec::new() };
        let known = meta.dependencies.iter().map(|id| {
            let needed = ruleset.rule(*id);
            let summary = needed.description.clone().unwrap_or_else(|| self.summary(&needed.kind));
            Dependency { rule: needed.name.clone(), missing: false, active: needed.active, summary }
        });
        let missing = meta.undefined.iter().map(|name| Dependency {
            rule: name.clone(),
            missing: true,
            active: false,
            summary: self.one("no such rule: counts as 0", "存在しないルール（0 と数える）"),
        });
        known.chain(missing).collect()
    }
}

fn definition(kind: &Kind) -> String {
    match kind {
        Kind::Meta(meta) => meta.text.clone(),
        Kind::Eval(eval) => {
            let arguments: Vec<String> = eval.arguments.iter().map(|argument| format!("'{argument}'")).collect();
            format!("{}({})", eval.function, arguments.join(", "))
        }
        Kind::HeaderExists { header } => format!("exists:{header}"),
        Kind::AskDns(ask) => format!("{} {} {}", ask.query, ask.record_type, ask.subtest).trim_end().to_owned(),
        kind => {
            let written = lint::patterns(kind)
                .into_iter()
                .map(|pattern| crate::spamassassin::text(&pattern.written).into_owned());
            written.collect::<Vec<_>>().join(" ")
        }
    }
}

fn needed_by(ruleset: &Ruleset, id: RuleId) -> Vec<String> {
    let metas = ruleset.rules.iter().filter(|rule| match &rule.kind {
        Kind::Meta(meta) => meta.dependencies.contains(&id),
        _ => false,
    });
    metas.map(|rule| rule.name.clone()).collect()
}
