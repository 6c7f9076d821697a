//! Obfuscation hides no phrase: eight encodings, six ways to write a phrase so that filters miss it, twenty phrases, each
//! cell a message that goes through the whole engine. A rule is the phrase in plain UTF-8, nothing more.

use encoding_rs::{EUC_JP, Encoding, GB18030, ISO_2022_JP, SHIFT_JIS};
use engine::{Engine, EngineOptions, Scratch};
use mail::{Envelope, Limits, Message, Transaction};
use rules::{LoadOptions, NoReader, Source, SourceKind};

const PHRASES: [&str; 20] = [
    "アカウントが停止されました",
    "24時間以内にご確認ください",
    "第三者による不正利用",
    "お支払い方法の更新",
    "本人確認のお願い",
    "ご利用を一時的に制限",
    "カード情報をご登録ください",
    "自動退会処理",
    "ログインはこちら",
    "LINEグループを作成",
    "QRコードを返信してください",
    "他のメンバーは招待しないで",
    "至急お振込みください",
    "口座残高を教えてください",
    "口外しないでください",
    "お荷物のお届けにあがりました",
    "未納料金のお知らせ",
    "還付金の受け取り",
    "ポイントが失効します",
    "ビットコインを送金してください",
];

#[derive(Clone, Copy)]
enum Writing {
    Raw,
    Base64,
    Quoted,
}

/// Charset, the label it gets, how its bytes are written.
const ENCODINGS: [(&str, Option<&'static Encoding>, &str, Writing); 8] = [
    ("UTF-8", None, "utf-8", Writing::Raw),
    ("UTF-8 in base64", None, "utf-8", Writing::Base64),
    ("UTF-8 in quoted-printable", None, "utf-8", Writing::Quoted),
    ("ISO-2022-JP", Some(ISO_2022_JP), "iso-2022-jp", Writing::Raw),
    ("Shift_JIS", Some(SHIFT_JIS), "shift_jis", Writing::Raw),
    ("EUC-JP", Some(EUC_JP), "euc-jp", Writing::Base64),
    ("GB18030", Some(GB18030), "gb2312", Writing::Base64),
    ("Shift_JIS called ISO-2022-JP", Some(SHIFT_JIS), "iso-2022-jp", Writing::Raw),
];

/// A trick: its name, what it makes of a phrase, and whether that is HTML already.
type Trick = (&'static str, fn(&str) -> String, bool);

const TRICKS: [Trick; 6] = [
    ("zero-width characters", |p| between(p, "\u{200B}"), false),
    ("soft hyphens", |p| between(p, "\u{AD}"), false),
    ("lines broken inside words", broken, false),
    ("letters spread by blanks", |p| between(p, " "), false),
    ("widths and decorations", decorated, false),
    ("tags and hidden letters", |p| between(p, "<span style=\"display:none\">xq</span><b></b>"), true),
];

fn between(phrase: &str, what: &str) -> String {
    let letters: Vec<String> = phrase.chars().map(String::from).collect();
    letters.join(what)
}

fn broken(phrase: &str) -> String {
    let letters: Vec<char> = phrase.chars().collect();
    // Between two characters of Japanese; a Latin word that is broken has become two.
    let mut out = String::new();
    for (at, c) in letters.iter().enumerate() {
        if at > 0 && at % 3 == 0 && !c.is_ascii() && !letters[at - 1].is_ascii() {
            out.push('\n');
        }
        out.push(*c);
    }
    out
}

fn decorated(phrase: &str) -> String {
    const KATAKANA: &str = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲンァィゥェォャュョッー";
    const HALF: &str = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝｧｨｩｪｫｬｭｮｯｰ";
    let form = |c: char| match c {
        '0'..='9' => char::from_u32(c as u32 - 0x30 + 0xff10),
        'A'..='Z' => char::from_u32(c as u32 - 0x41 + 0x1d400),
        _ => KATAKANA.chars().position(|k| k == c).and_then(|at| HALF.chars().nth(at)),
    };
    phrase.chars().map(|c| form(c).unwrap_or(c)).collect()
}

fn message(text: &str, html: bool, encoding: Option<&'static Encoding>, label: &str, writing: Writing) -> Vec<u8> {
    // What a charset lacks is written as a character reference, so the part is HTML then.
    let lacking = encoding.is_some_and(|encoding| encoding.encode(text).2);
    let html = html || lacking;
    let text = if html {
        format!("<html><body><p>前文です。</p><p>{text}</p></body></html>")
    } else {
        format!("前文です。\n\n{text}\n")
    };
    let bytes = match encoding {
        Some(encoding) => encoding.encode(&text).0.into_owned(),
        None => text.into_bytes(),
    };
    let (name, body) = match writing {
        Writing::Raw => ("8bit", bytes),
        Writing::Base64 => ("base64", base64(&bytes)),
        Writing::Quoted => (
            "quoted-printable",
            bytes
                .iter()
                .flat_map(|b| match b {
                    b'\n' => vec![b'\n'],
                    _ => format!("={b:02X}=\n").into_bytes(),
                })
                .collect(),
        ),
    };
    let kind = if html { "text/html" } else { "text/plain" };
    let mut out = format!(
        "From: someone@example.com\nSubject: x\nMIME-Version: 1.0\nContent-Type: {kind}; charset={label}\nContent-Transfer-Encoding: {name}\n\n"
    )
    .into_bytes();
    out.extend_from_slice(&body);
    out
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for (n, three) in bytes.chunks(3).enumerate() {
        if n > 0 && n % 19 == 0 {
            out.push(b'\n');
        }
        let number = three.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        out.extend(
            (0..4).map(|i| if i <= three.len() { LETTERS[(number >> (18 - 6 * i)) as usize & 63] } else { b'=' }),
        );
    }
    out.push(b'\n');
    out
}

#[test]
fn no_cell_of_the_matrix_hides_its_phrase() {
    let rules: String =
        PHRASES.iter().enumerate().map(|(n, p)| format!("text PHRASE_{n} /{p}/\nscore PHRASE_{n} 1\n")).collect();
    let options = LoadOptions { local_only: true, ..LoadOptions::default() };
    let sources = [Source::new("phrases.cf", rules, SourceKind::Default)];
    let (ruleset, _) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    let engine = Engine::new(ruleset, EngineOptions { local_only: true, ..EngineOptions::default() });
    let mut scratch = Scratch::new();
    let mut judge = |raw: &[u8]| {
        let transaction = Transaction {
            envelope: Envelope::default(),
            message: Message::parse(raw, &Limits::default()),
            now: 1_795_000_000,
        };
        let verdict = engine::judge(&engine, &transaction, &mut scratch);
        verdict.hits.iter().map(|hit| hit.rule.clone()).collect::<Vec<_>>()
    };
    let (mut cells, mut missed) = (0, Vec::new());
    for (charset, encoding, label, writing) in ENCODINGS {
        for (trick, make, html) in TRICKS {
            for (n, phrase) in PHRASES.iter().enumerate() {
                cells += 1;
                let hits = judge(&message(&make(phrase), html, encoding, label, writing));
                if hits != [format!("PHRASE_{n}")] {
                    missed.push(format!("{charset}, {trick}: {phrase} {hits:?}"));
                }
            }
        }
    }
    assert_eq!(cells, 960);
    assert!(missed.len() * 100 <= cells, "{} of {cells} cells:\n{}", missed.len(), missed.join("\n"));
}
