//! What goes wrong with patterns: what they allow that nobody meant, what never matches in the view they look at, what is slow.

use super::Trial;
use crate::convert;
use patterns::ir::{ByteSet, Look, Node, Repeat, Tree};
use patterns::{Language, perl};

/// What the pattern is matched against, as far as advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    Header,
    Body,
    RawBody,
    Full,
    Uri,
    Text,
}

impl Looked {
    pub const ALL: [Looked; 6] =
        [Looked::Header, Looked::Body, Looked::RawBody, Looked::Full, Looked::Uri, Looked::Text];

    pub fn name(self) -> &'static str {
        match self {
            Looked::Header => "header",
            Looked::Body => "body",
            Looked::RawBody => "rawbody",
            Looked::Full => "full",
            Looked::Uri => "uri",
            Looked::Text => "text",
        }
    }
}

/// One thing that its author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// `.*`, `\s+` ...: as much as there is.
    Endless { part: String },
    /// A repeat within a repeat: time that grows with powers of the text's length.
    Slow { part: String },
    /// Begins with `.*`, which every search does anyway.
    LeadingEndless,
    /// Nothing says where the value must begin or end.
    Unanchored,
    /// `^` and `$` of a `full` rule are the ends of the message, not of lines.
    FullAnchors,
    /// `192.0.2`: the points match anything.
    LoosePoint { part: String },
    /// The message has CRLF, and the pattern says LF.
    CarriageReturn,
    /// Bytes of another encoding than the view has; what they mean, and the rule that says it for every encoding.
    Encoding { encoding: &'static str, text: String, rule: Option<String> },
    /// UTF-8 in a view that shows the message's own bytes.
    OnlyUtf8 { rule: Option<String> },
    /// A look-ahead for a boundary, without the `--` that a line of it begins with.
    Delimiter { part: String, better: String },
    /// Perl's rarer constructs: it cannot be shown how far it got.
    NotFollowed,
}

impl Advice {
    pub fn text(&self, language: Language) -> String {
        match self {
            Advice::Endless { part } => language.pick(
                format!("{part} takes as much as there is; say how much at most, such as {{0,40}}"),
                format!("{part} はあるだけ全部に一致します。{{0,40}} のように上限を書きましょう"),
            ),
            Advice::Slow { part } => language.pick(
                format!("{part} repeats what is repeated itself: on a long text this can take very long"),
                format!("{part} は繰り返しの中の繰り返しです。長いテキストで非常に遅くなることがあります"),
            ),
            Advice::LeadingEndless => language.pick(
                "it begins with what matches anything; leave that out, a pattern need not match from the start".into(),
                "何にでも一致する部分で始まっています。パターンは途中からでも一致するので、省けます".into(),
            ),
            Advice::Unanchored => language.pick(
                "neither ^ nor $: it also hits where this stands in the middle of something else".into(),
                "^ も $ もないので、別の文字列の途中にあっても一致します".into(),
            ),
            Advice::FullAnchors => language.pick(
                "in a full rule ^ is the start of the message and $ its end, not of lines: write \\n, or add the flag m".into(),
                "full ルールの ^ はメールの先頭、$ は終端で、行頭・行末ではありません。\\n を書くか、フラグ m を付けます".into(),
            ),
            Advice::LoosePoint { part } => language.pick(
                format!("the point in {part} matches any character; write \\."),
                format!("{part} の . は任意の 1 文字に一致します。\\. と書きましょう"),
            ),
            Advice::CarriageReturn => language.pick(
                "it would match if this message's lines ended in LF: they end in CRLF; write \\r?\\n for \\n".into(),
                "このメールの行末が LF なら一致します。実際は CRLF です。\\n の代わりに \\r?\\n と書きます".into(),
            ),
            Advice::Encoding { encoding, text, rule } => {
                let rule = rule.as_ref().map(|rule| format!(": {rule}")).unwrap_or_default();
                language.pick(
                    format!(
                        "its bytes are {encoding} and mean \"{text}\"; they match only mail in {encoding}, in rawbody or \
                         full. A text rule sees every encoding{rule}"
                    ),
                    format!(
                        "このバイト列は {encoding} の「{text}」です。rawbody か full で {encoding} のメールにしか一致しません。\
                         text ルールならどの文字コードでも一致します{rule}"
                    ),
                )
            }
            Advice::OnlyUtf8 { rule } => {
                let rule = rule.as_ref().map(|rule| format!(": {rule}")).unwrap_or_default();
                language.pick(
                    format!("this view has the message's own bytes: UTF-8 matches only mail in UTF-8. A text rule sees every encoding{rule}"),
                    format!("この対象はメールのバイト列そのものなので、UTF-8 のメールにしか一致しません。text ルールならどの文字コードでも一致します{rule}"),
                )
            }
            Advice::Delimiter { part, better } => language.pick(
                format!(
                    "{part} never stops at a delimiter: its line begins with -- before the boundary. With {better} it does; \
                     as it is, the pattern reads on into the next parts and hits ordinary multipart mail"
                ),
                format!(
                    "{part} は区切り行で止まりません。区切り行は境界文字列の前に -- が付くからです。{better} なら止まります。\
                     このままでは次のパートまで読み進み、普通の multipart メールにも一致します"
                ),
            ),
            Advice::NotFollowed => language.pick(
                "it uses constructs of Perl that are run but cannot be followed step by step".into(),
                "実行はできるが経過を追えない Perl の構文を使っています".into(),
            ),
        }
    }
}

/// What is to be said of a pattern, whatever it is tried on. `name`: the rule's, for the rule that is proposed.
pub fn advise(trial: &Trial, looked: Looked, name: &str) -> Vec<Advice> {
    let Ok((tree, pieces)) = perl::parse_pieces(&trial.source, trial.flags) else { return Vec::new() };
    let source = |range: &std::ops::Range<usize>| {
        String::from_utf8_lossy(trial.source.get(range.clone()).unwrap_or_default()).into_owned()
    };
    let mut all = Vec::new();
    if !trial.can_be_followed() {
        all.push(Advice::NotFollowed);
    }
    if let Some((part, better)) = delimiter_fault(trial) {
        all.push(Advice::Delimiter {
            part: String::from_utf8_lossy(&trial.source[part]).into_owned(),
            better: String::from_utf8_lossy(&better).into_owned(),
        });
    }
    let first_matters = pieces.iter().find(|piece| !matches!(piece.node, Node::Empty));
    if let Some(piece) = first_matters
        && let Node::Repeat(repeat) = &piece.node
        && repeat.min == 0
        && repeat.max.is_none()
        && tree.byte_set(&repeat.node).is_some_and(|set| set.len() >= 255)
    {
        all.push(Advice::LeadingEndless);
    }
    let mut endless = 0;
    for piece in &pieces {
        let Node::Repeat(repeat) = &piece.node else { continue };
        if repeat.max.is_none() && repeat.node.any(&mut |node| is_ambiguous(&tree, repeat, node)) {
            all.push(Advice::Slow { part: source(&piece.source) });
        } else if repeat.max.is_none() && tree.byte_set(&repeat.node).is_some_and(|set| set.len() > 100) && endless < 3
        {
            endless += 1;
            all.push(Advice::Endless { part: source(&piece.source) });
        }
    }
    let anchored = tree.root.any(&mut |node| {
        matches!(
            node,
            Node::Look(
                Look::Start
                    | Look::LineStart
                    | Look::End
                    | Look::EndOrLastLineFeed
                    | Look::LineEnd
                    | Look::WordBoundary
            )
        )
    });
    if looked == Looked::Header && !anchored {
        all.push(Advice::Unanchored);
    }
    let line_ends = !trial.flags.multi_line
        && tree.root.any(&mut |node| matches!(node, Node::Look(Look::Start | Look::EndOrLastLineFeed)));
    if looked == Looked::Full && line_ends {
        all.push(Advice::FullAnchors);
    }
    if let Some(part) = loose_point(&trial.source) {
        all.push(Advice::LoosePoint { part });
    }
    if matches!(looked, Looked::Body | Looked::RawBody | Looked::Full | Looked::Text | Looked::Header) {
        encoding(trial, looked, name, &mut all);
    }
    all
}

/// Inside an endless repeat: another one whose bytes can follow each other without a mark between.
fn is_ambiguous(tree: &Tree, outer: &Repeat, node: &Node) -> bool {
    let Node::Repeat(inner) = node else { return false };
    if inner.max.is_some() {
        return false;
    }
    let Some(set) = tree.byte_set(&inner.node) else { return true };
    // `(?:.+\n)+` goes line by line: what stands beside the inner one is not among its bytes.
    match strip(&outer.node) {
        Node::Concat(nodes) => {
            !nodes.iter().any(|other| tree.byte_set(other).is_some_and(|bytes| bytes.intersect(set).is_empty()))
        }
        Node::Alternate(branches) => !branches.iter().all(|branch| match branch {
            Node::Concat(nodes) => {
                nodes.iter().any(|other| tree.byte_set(other).is_some_and(|bytes| bytes.intersect(set).is_empty()))
            }
            other => tree.byte_set(other).is_some_and(|bytes: ByteSet| bytes.intersect(set).is_empty()),
        }),
        _ => true,
    }
}

fn strip(node: &Node) -> &Node {
    match node {
        Node::Capture(capture) => strip(&capture.node),
        Node::Atomic(inner) => strip(inner),
        other => other,
    }
}

/// `180.94.` with points that are not written `\.`.
fn loose_point(source: &[u8]) -> Option<String> {
    let mut at = 0;
    while at < source.len() {
        let from = at;
        while source.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
            at += 1;
        }
        let run = &source[from..at];
        let points = run.iter().filter(|byte| **byte == b'.').count();
        let digits = run.iter().filter(|byte| byte.is_ascii_digit()).count();
        if points >= 2 && digits >= 3 && run.first().is_some_and(u8::is_ascii_digit) {
            return Some(String::from_utf8_lossy(run).into_owned());
        }
        at = at.max(from + 1);
    }
    None
}

fn encoding(trial: &Trial, looked: Looked, name: &str, all: &mut Vec<Advice>) {
    let rule = |pattern: &[u8]| match looked {
        Looked::Header => None,
        _ => convert::text_rule(name, &trial.source, pattern, trial.flags).ok(),
    };
    match convert::pattern(&trial.source, trial.flags) {
        convert::Converted::To { pattern, encoding: "UTF-8", words } => {
            if matches!(looked, Looked::RawBody | Looked::Full) && !words.is_empty() {
                all.push(Advice::OnlyUtf8 { rule: rule(&pattern) });
            }
        }
        convert::Converted::To { pattern, encoding, words } => {
            all.push(Advice::Encoding { encoding, text: words.join(" … "), rule: rule(&pattern) });
        }
        convert::Converted::Not(_) | convert::Converted::Nothing => {}
    }
}

/// The fault of the talk's MPALTSJISQPONLY: `(?!\1)` at the start of lines, where everywhere else the group stands behind
/// `--`. Where it is, and what would be right.
pub fn delimiter_fault(trial: &Trial) -> Option<(std::ops::Range<usize>, Vec<u8>)> {
    let source = &trial.source;
    let (_, pieces) = perl::parse_pieces(source, trial.flags).ok()?;
    for (index, piece) in pieces.iter().enumerate() {
        let Node::Around(around) = &piece.node else { continue };
        if !(around.ahead && around.negative) {
            continue;
        }
        let first = match &around.node {
            Node::Concat(nodes) => nodes.first()?,
            other => other,
        };
        let Node::BackReference(reference) = first else { continue };
        // Elsewhere the same group must stand behind `--`, always.
        let mut others = 0;
        let mut behind = 0;
        for (at, other) in pieces.iter().enumerate() {
            let Node::BackReference(found) = &other.node else { continue };
            let inside = at > index && other.source.start < piece.source.end;
            if inside || found.groups != reference.groups {
                continue;
            }
            others += 1;
            behind += usize::from(source[..other.source.start].ends_with(b"--"));
        }
        if others > 0 && others == behind {
            let mut better = b"(?!--".to_vec();
            better.extend_from_slice(source.get(piece.source.start + 3..piece.source.end)?);
            return Some((piece.source.clone(), better));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of the second talk, as it was shown.
    const TALK: &str = r#"\nContent-Type: multipart\/alternative;\n\tboundary=\"(--=.+(?:[a-zA-Z0-9]|=_)|--[0-9]{14,})\"\n(?:.+\n){2,}\n--\1\nContent-Type: text\/plain;(?: charset=\"shift_jis\"){0,1}\nContent-Transfer-Encoding: quoted-printable\n\n(?:(?!\1).+\n|\n){2,}--\1--\n"#;

    fn said(pattern: &str, looked: Looked) -> Vec<Advice> {
        advise(&Trial::from_text(pattern.as_bytes()).expect(pattern), looked, "NAME")
    }

    #[test]
    fn the_talks_fault_is_found() {
        let trial = Trial::new(TALK.as_bytes(), patterns::Flags::default()).expect("valid");
        let (part, better) = delimiter_fault(&trial).expect("found");
        assert_eq!((&trial.source[part.clone()], better.as_slice()), (&br"(?!\1)"[..], &br"(?!--\1)"[..]));
        let mut right = trial.source[..part.start].to_vec();
        right.extend_from_slice(&better);
        right.extend_from_slice(&trial.source[part.end..]);
        let right = Trial::new(&right, patterns::Flags::default()).expect("valid");
        assert_eq!(delimiter_fault(&right), None);
        let head = "From: a\nContent-Type: multipart/alternative;\n\tboundary=\"--=x1\"\nX: 1\nY: 2\n\n--";
        let plain = "--=x1\nContent-Type: text/plain; charset=\"shift_jis\"\nContent-Transfer-Encoding: quoted-printable\n\none\ntwo\n";
        let spam = format!("{head}{plain}----=x1--\n");
        let ham = format!("{head}{plain}----=x1\nContent-Type: text/html\n\n<p>\n\n----=x1--\n");
        let hits = |trial: &Trial| (trial.find(spam.as_bytes()).is_some(), trial.find(ham.as_bytes()).is_some());
        assert_eq!((hits(&trial), hits(&right)), ((true, true), (true, false)));
    }

    #[test]
    fn what_is_doubtful_is_said() {
        assert!(said("/.*foo/", Looked::Body).contains(&Advice::LeadingEndless));
        assert!(said("/a.*b/", Looked::Body).contains(&Advice::Endless { part: ".*".into() }));
        assert!(said(r"/(?:\w+\s*)+x/", Looked::Body).iter().any(|advice| matches!(advice, Advice::Slow { .. })));
        assert!(!said(r"/(?:.+\n){2,}x/", Looked::Body).iter().any(|advice| matches!(advice, Advice::Slow { .. })));
        assert!(said("/^From: x/", Looked::Full).contains(&Advice::FullAnchors));
        assert!(!said("/^From: x/m", Looked::Full).contains(&Advice::FullAnchors));
        assert!(said("/ip=180.94.8/", Looked::Header).contains(&Advice::LoosePoint { part: "180.94.8".into() }));
        assert!(said("/x/", Looked::Header).contains(&Advice::Unanchored));
        assert_eq!(said(r"/\bfree \w{1,8}\b/", Looked::Body), []);
        for advice in said(r"/\x90\xbf\x8b\x81\x8f\x91/", Looked::Body) {
            let Advice::Encoding { encoding, text, rule } = advice else { panic!("{advice:?}") };
            assert_eq!((encoding, text.as_str(), rule.as_deref()), ("Shift_JIS", "請求書", Some("text NAME /請求書/")));
        }
        // What text has not, and slashes between other delimiters.
        let rules = |pattern: &str| -> Vec<Option<String>> {
            let rule = |advice| match advice {
                Advice::Encoding { rule, .. } | Advice::OnlyUtf8 { rule } => Some(rule),
                _ => None,
            };
            said(pattern, Looked::RawBody).into_iter().filter_map(rule).collect()
        };
        assert_eq!(rules(r"/<b>\x90\xbf\x8b\x81/"), [None]);
        assert_eq!(rules("/<b>請求書/"), [None]);
        assert_eq!(rules(r"m{/\x90\xbf\x8b\x81}"), [Some(r"text NAME /\/請求/".into())]);
        assert!(matches!(said("/請求書/", Looked::RawBody)[..], [Advice::OnlyUtf8 { .. }]));
        assert_eq!(said("/請求書/", Looked::Text), []);
    }
}
