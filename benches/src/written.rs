//! Japanese ham, written for measuring: templates of `benches/written/ja` become messages as mail programs and shops
//! send them.
//!
//! In: the templates (one mail's words each, with alternatives, optional lines and slots) and a number of copies. Out:
//! messages in all the encodings that Japanese mail comes in, always the same ones for the same templates. `group` names
//! the template: whoever splits for training must split by it, since two copies of one template share their sentences.
//!
//! In a template `{a|b}` is a choice, `{name}` a slot of `slots.txt` (the same all through one mail; `name2` is another
//! one), `{#a|b}` a choice that falls alike all through one mail, `{d3}` three digits, and a line that begins with `~ ` is left out in one mail of three. No message is meant to be
//! recognised by its address, its relay or its mail program: those are drawn apart from the words.

mod notices;
pub mod office;

use encoding_rs::{EUC_JP, Encoding, GBK, ISO_2022_JP, SHIFT_JIS};
use std::collections::HashMap;

const TEMPLATES: [&str; 4] = [
    include_str!("../written/ja/business.txt"),
    include_str!("../written/ja/orders.txt"),
    include_str!("../written/ja/newsletters.txt"),
    include_str!("../written/ja/personal.txt"),
];
const SLOTS: &str = include_str!("../written/ja/slots.txt");

/// One message and the template it came from.
#[derive(Debug, Clone)]
pub struct Written {
    pub group: usize,
    pub name: &'static str,
    pub raw: Vec<u8>,
}

/// `copies` messages of every template, in turn.
pub fn japanese_ham(copies: usize) -> Vec<Written> {
    let slots = slots();
    let templates: Vec<Template> = TEMPLATES.iter().flat_map(|text| templates(text)).collect();
    let mut all = Vec::new();
    for copy in 0..copies {
        for (group, template) in templates.iter().enumerate() {
            let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (((group as u64) << 32) | (copy as u64 + 1)));
            (0..8).for_each(|_| {
                dice.next();
            });
            let filler = Filler { slots: &slots, chosen: HashMap::new() };
            let raw = compose(template, filler, &mut dice, copy + group);
            all.push(Written { group, name: template.name, raw });
        }
    }
    all
}

struct Template {
    name: &'static str,
    from: &'static str,
    subject: &'static str,
    to: &'static str,
    style: &'static str,
    attach: &'static str,
    reply: &'static str,
    relay: &'static str,
    track: &'static str,
    rich: bool,
    body: &'static str,
}

fn templates(text: &'static str) -> Vec<Template> {
    let mut found = Vec::new();
    for block in text.split("\n= ").map(|block| block.trim_start_matches("= ")) {
        let (head, body) = block.split_once("\n\n").expect("a template has a head and a body");
        let mut lines = head.lines();
        let mut template = Template {
            name: lines.next().expect("a template has a name"),
            from: "",
            subject: "",
            to: "",
            style: "person",
            attach: "",
            reply: "",
            relay: "",
            track: "",
            rich: false,
            body: body.trim_end(),
        };
        for line in lines {
            let (key, value) = line.split_once(": ").expect("a head line is `Key: value`");
            match key {
                "From" => template.from = value,
                "Subject" => template.subject = value,
                "To" => template.to = value,
                "Style" => template.style = value,
                "Attach" => template.attach = value,
                "Reply" => template.reply = value,
                "Relay" => template.relay = value,
                "Track" => template.track = value,
                "Rich" => template.rich = true,
                other => panic!("a template has no {other}"),
            }
        }
        found.push(template);
    }
    found
}

fn slots() -> HashMap<&'static str, Vec<&'static str>> {
    let split = |value: &'static str| -> Vec<&'static str> {
        if value.contains('|') { value.split('|').collect() } else { value.split_whitespace().collect() }
    };
    SLOTS.lines().filter_map(|line| line.split_once(" = ")).map(|(name, value)| (name, split(value))).collect()
}

/// A small generator of numbers (xorshift): the messages must be the same everywhere, for ever.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|i| char::from(b'0' + self.below(if i == 0 { 9 } else { 10 }) as u8 + u8::from(i == 0)))
            .collect()
    }

    fn letters(&mut self, alphabet: &str, count: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..count).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const ALNUM: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

/// Fills a template in; what a slot became holds for the whole mail.
struct Filler<'a> {
    slots: &'a HashMap<&'static str, Vec<&'static str>>,
    chosen: HashMap<String, String>,
}

impl Filler<'_> {
    fn fill(&mut self, text: &str, dice: &mut Dice) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            out.push_str(&rest[..open]);
            let inner = &rest[open + 1..];
            let mut depth = 1;
            let mut bars = vec![];
            let close = inner
                .char_indices()
                .find_map(|(at, c)| {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        '|' if depth == 1 => bars.push(at),
                        _ => {}
                    }
                    (depth == 0).then_some(at)
                })
                .expect("braces match");
            if bars.is_empty() {
                out.push_str(&self.slot(&inner[..close], dice));
            } else {
                let alike = inner.starts_with('#');
                let which = if alike { self.alike(dice) % (bars.len() + 1) } else { dice.below(bars.len() + 1) };
                let from = if which == 0 { 0 } else { bars[which - 1] + 1 };
                let to = bars.get(which).copied().unwrap_or(close);
                let chosen = inner[from..to].trim_start_matches('#').to_owned();
                out.push_str(&self.fill(&chosen, dice));
            }
            rest = &inner[close + 1..];
        }
        out.push_str(rest);
        out
    }

    /// The number by which choices that fall alike are made.
    fn alike(&mut self, dice: &mut Dice) -> usize {
        let number = self.chosen.entry("#".to_owned()).or_insert_with(|| dice.below(60_060).to_string());
        number.parse().expect("it was written as a number")
    }

    fn slot(&mut self, name: &str, dice: &mut Dice) -> String {
        if let Some(count) = name.strip_prefix('d').and_then(|n| n.parse().ok()) {
            return dice.digits(count);
        }
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return name.to_owned(); // `{1}`: a choice of one
        }
        if let Some(known) = self.chosen.get(name) {
            return known.clone();
        }
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let made = match kind {
            "yen" => format!("{},{}", 1 + dice.below(480), dice.digits(3)),
            "price" => format!("{},{}00", 1 + dice.below(24), 1 + dice.below(9)),
            "phone" => format!("0{}-{}-{}", 1 + dice.below(98), dice.digits(3), dice.digits(4)),
            "number" => format!("{}-{}", dice.digits(3 + name.len() % 3), dice.digits(6)),
            "year" => (2019 + dice.below(8)).to_string(),
            "local" => {
                let given = dice.pick(&self.slots["given-roman"]).to_lowercase();
                let surname = dice.pick(&self.slots["surname-roman"]).to_lowercase();
                match dice.below(5) {
                    0 => format!("{surname}-{}", &given[..1]),
                    1 => format!("{given}.{surname}"),
                    2 => format!("{}{surname}", &given[..1]),
                    3 => format!("{surname}{}", dice.digits(2)),
                    _ => surname,
                }
            }
            "personal" => {
                let local = self.slot("local", dice);
                let (extra, digits) = (dice.letters(ALNUM, 3), dice.digits(2));
                let local = dice
                    .pick(
                        &[local.clone(), format!("{local}{digits}"), format!("{local}_{extra}")]
                            .each_ref()
                            .map(|s| s.as_str()),
                    )
                    .to_owned();
                let host = dice.pick(&[
                    "gmail.com",
                    "yahoo.co.jp",
                    "docomo.ne.jp",
                    "nifty.com",
                    "ezweb.ne.jp",
                    "i.softbank.jp",
                    "outlook.jp",
                    "icloud.com",
                    "hotmail.co.jp",
                    "ybb.ne.jp",
                    "biglobe.ne.jp",
                    "jcom.home.ne.jp",
                    "so-net.ne.jp",
                ]);
                format!("{local}@{host}")
            }
            "company-domain" => format!("{}{}", word(dice), dice.pick(&[".co.jp", ".co.jp", ".jp", ".com", ".ne.jp"])),
            "shop-domain" => format!("{}{}", word(dice), dice.pick(&[".jp", ".com", ".co.jp", ".net", "-shop.jp"])),
            "bank-domain" => {
                format!("{}{}", word(dice), dice.pick(&["card.co.jp", "bank.co.jp", "-sec.co.jp", "mail.jp", ".co.jp"]))
            }
            "npo-domain" => format!("{}{}", word(dice), dice.pick(&[".or.jp", ".org", ".jp"])),
            "school-domain" => format!("{}{}", word(dice), dice.pick(&["-u.ac.jp", ".ac.jp", ".ed.jp", "-es.ed.jp"])),
            "signature" => {
                let lines = [
                    "{company}　{dept}\n{surname}　{given}\nTEL {phone}　E-mail {local}@{company-domain}",
                    "━━━━━━━━━━━━━━━\n{company}\n{dept}　{surname} {given}\n〒{d3}-{d4} {pref}{city}{d1}-{d2}-{d1}\nTel:{phone}\n━━━━━━━━━━━━━━━",
                    "--\n{surname} {given} ({given-roman} {surname-roman})\n{company} {dept}\nhttps://www.{company-domain}/",
                    "************************\n {company}\n {dept}　{surname}\n {local}@{company-domain}\n************************",
                    "{company} {surname}",
                ];
                let chosen = dice.pick(&lines);
                self.fill(chosen, dice)
            }
            _ => {
                let values = self.slots.get(kind).unwrap_or_else(|| panic!("there is no slot {kind}"));
                let taken: Vec<&String> =
                    self.chosen.iter().filter(|(k, _)| k.starts_with(kind)).map(|(_, v)| v).collect();
                let mut made = dice.pick(values);
                for _ in 0..8 {
                    if !taken.iter().any(|t| *t == made) {
                        break;
                    }
                    made = dice.pick(values);
                }
                made.to_owned()
            }
        };
        self.chosen.insert(name.to_owned(), made.clone());
        made
    }
}

/// A name that a firm could have.
fn word(dice: &mut Dice) -> String {
    const SYLLABLES: &[&str] = &[
        "a", "ka", "sa", "ta", "na", "ha", "ma", "ya", "ra", "ki", "shi", "chi", "ni", "mi", "ri", "ku", "su", "tsu",
        "mu", "yu", "ru", "ko", "so", "to", "no", "mo", "yo", "ro", "ken", "san", "den", "shin",
    ];
    let count = 2 + dice.below(3);
    let mut name: String = (0..count).map(|_| dice.pick(SYLLABLES)).collect();
    if dice.below(4) == 0 {
        name.push_str(dice.pick(&["-tech", "soft", "-net", "web", "group", "-online", "labo", "24"]));
    }
    name
}

#[derive(Clone, Copy, PartialEq)]
enum Charset {
    Jis,
    Sjis,
    Euc,
    Utf8,
    Chinese,
}

impl Charset {
    fn label(self) -> &'static str {
        match self {
            Charset::Jis => "ISO-2022-JP",
            Charset::Sjis => "Shift_JIS",
            Charset::Euc => "EUC-JP",
            Charset::Utf8 => "UTF-8",
            Charset::Chinese => "gb2312",
        }
    }

    fn encode(self, text: &str) -> Vec<u8> {
        let table: &'static Encoding = match self {
            Charset::Jis => ISO_2022_JP,
            Charset::Sjis => SHIFT_JIS,
            Charset::Euc => EUC_JP,
            Charset::Chinese => GBK,
            Charset::Utf8 => return text.as_bytes().to_vec(),
        };
        if self == Charset::Chinese {
            return table.encode(text).0.into_owned();
        }
        // Wave dash and minus have two code points each; the tables know one.
        table.encode(&text.replace('〜', "～").replace('−', "－")).0.into_owned()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Transfer {
    Plain,
    Base64,
    Quoted,
}

/// A template filled in, encoded, and sent. What the filler knows already holds.
fn compose(template: &Template, mut filler: Filler<'_>, dice: &mut Dice, turn: usize) -> Vec<u8> {
    let body: Vec<&str> = template
        .body
        .lines()
        .filter_map(|line| match line.strip_prefix("~ ") {
            Some(optional) => (dice.below(3) > 0).then_some(optional),
            None => Some(line),
        })
        .collect();
    let from = filler.fill(template.from, dice);
    let subject = filler.fill(template.subject, dice);
    let body = filler.fill(&body.join("\n"), dice);
    let to = match template.to {
        "list" if dice.below(2) == 0 => format!("{}@{}", dice.pick(&["all", "members", "ml", "kaiin", "info"]), {
            let name = word(dice);
            name + ".jp"
        }),
        "person" | "list" => filler.fill("{local9}@{company-domain9}", dice),
        "" if filler.chosen.contains_key("own-domain") => filler.fill("{local9}@{own-domain}", dice),
        _ => filler.fill("{personal9}", dice),
    };

    const CODINGS: [(Charset, Transfer); 10] = [
        (Charset::Jis, Transfer::Plain),
        (Charset::Utf8, Transfer::Base64),
        (Charset::Utf8, Transfer::Quoted),
        (Charset::Sjis, Transfer::Plain),
        (Charset::Utf8, Transfer::Plain),
        (Charset::Jis, Transfer::Plain),
        (Charset::Euc, Transfer::Plain),
        (Charset::Utf8, Transfer::Base64),
        (Charset::Sjis, Transfer::Base64),
        (Charset::Jis, Transfer::Quoted),
    ];
    let (mut charset, transfer) = CODINGS[turn * 7 % CODINGS.len()];
    if filler.chosen.contains_key("own-domain") {
        let whole = format!("{from}{subject}{body}");
        let fits = |charset: Charset| !String::from_utf8_lossy(&charset.encode(&whole)).contains("&#");
        if !fits(charset) {
            charset = if dice.below(2) == 0 && fits(Charset::Chinese) { Charset::Chinese } else { Charset::Utf8 };
        }
    }
    let rich = match template.style {
        _ if template.rich => true,
        "brand" => dice.below(2) == 0,
        "brand-bulk" => dice.below(3) > 0,
        "system" => dice.below(2) == 0,
        "bulk" => dice.below(3) > 0,
        _ => dice.below(4) == 0,
    };
    let person = matches!(template.style, "person" | "internal" | "mobile" | "fraud" | "fraud-forged" | "brand-list");
    let html_alone = rich && !person && dice.below(4) == 0;

    let mut out = Vec::new();
    let mut date = 1_546_300_800 + dice.below(230_000_000) as i64;
    date -= date % 86_400;
    date += (7 * 3600 + dice.below(54_000)) as i64 - 9 * 3600;
    let reply = filler.fill(template.reply, dice);
    let relay = filler.fill(template.relay, dice);
    let routes = (relay.as_str(), reply.as_str());
    head(&mut out, template, routes, &from, &to, &subject, charset, date, dice);

    let boundary = match dice.below(5) {
        0 => format!("----=_NextPart_{}_{}.{}", dice.digits(3), dice.digits(4), dice.letters("0123456789ABCDEF", 8)),
        1 => format!("--------------{}", dice.letters(BASE64, 24).replace(['+', '/'], "x")),
        2 => format!("000000000000{}", dice.letters("0123456789abcdef", 16)),
        3 => format!("Apple-Mail-{}", dice.letters("0123456789ABCDEF", 12)),
        _ => format!("_{}_", dice.letters(ALNUM, 28)),
    };
    let mut body = body;
    let page = rich.then(|| match template.track {
        "" => html(&body, charset, if person { "person" } else { template.style }, dice),
        _ => notices::page(&body, charset.label(), template.track, &from, dice),
    });
    if !template.track.is_empty() && dice.below(2) == 0 {
        body = notices::tracked_text(&body, template.track, &from, dice);
    }
    let attach = !template.attach.is_empty() && dice.below(4) > 0;
    let mut text = Vec::new();
    match page {
        Some(page) if html_alone => leaf(&mut text, "text/html", &page, charset, transfer),
        Some(page) => {
            line(&mut text, &format!("Content-Type: multipart/alternative; boundary=\"{boundary}A\""));
            line(&mut text, "");
            for (kind, content) in [("text/plain", &body), ("text/html", &page)] {
                line(&mut text, &format!("--{boundary}A"));
                let transfer = if charset == Charset::Jis { Transfer::Plain } else { transfer };
                leaf(&mut text, kind, content, charset, transfer);
            }
            line(&mut text, &format!("--{boundary}A--"));
        }
        None => leaf(&mut text, "text/plain", &body, charset, transfer),
    }
    if attach {
        line(&mut out, &format!("Content-Type: multipart/mixed;\n boundary=\"{boundary}\""));
        line(&mut out, "");
        line(&mut out, &format!("--{boundary}"));
        out.extend_from_slice(&text);
        line(&mut out, &format!("--{boundary}"));
        let (kind, ending) = match template.attach {
            "pdf" => ("application/pdf", "pdf"),
            "jpg" => ("image/jpeg", "jpg"),
            _ => ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        };
        let name = filler.fill(dice.pick(&["{code}", "{year}{month}", "資料{d2}", "{product}_{d3}", "IMG_{d4}"]), dice);
        let name = words(&format!("{name}.{ending}"), charset, dice);
        line(&mut out, &format!("Content-Type: {kind};\n name=\"{name}\""));
        line(&mut out, "Content-Transfer-Encoding: base64");
        line(&mut out, &format!("Content-Disposition: attachment;\n filename=\"{name}\""));
        line(&mut out, "");
        line(
            &mut out,
            match ending {
                "pdf" => "JVBERi0xLjcKJeLjz9MKMSAwIG9iago8PCAvVHlwZSAvQ2F0YWxvZyAvUGFnZXMgMiAwIFIgPj4K",
                "jpg" => "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0a",
                _ => "UEsDBBQABgAIAAAAIQDfpNJsWgEAACAFAAATAAgCW0NvbnRlbnRfVHlwZXNdLnhtbCCiBAIooAAC",
            },
        );
        for _ in 0..4 + dice.below(20) {
            line(&mut out, &dice.letters(BASE64, 76));
        }
        line(&mut out, &format!("--{boundary}--"));
    } else {
        out.extend_from_slice(&text);
    }
    out
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// Fields of a text part, a blank line, and its content.
fn leaf(out: &mut Vec<u8>, kind: &str, text: &str, charset: Charset, transfer: Transfer) {
    let bytes = charset.encode(text);
    line(
        out,
        &format!(
            "Content-Type: {kind}; charset={}",
            match charset {
                Charset::Utf8 => "\"utf-8\"",
                other => other.label(),
            }
        ),
    );
    let name = match (transfer, charset) {
        (Transfer::Base64, _) => "base64",
        (Transfer::Quoted, _) => "quoted-printable",
        (Transfer::Plain, Charset::Jis) => "7bit",
        (Transfer::Plain, _) => "8bit",
    };
    line(out, &format!("Content-Transfer-Encoding: {name}"));
    line(out, "");
    match transfer {
        Transfer::Plain => out.extend_from_slice(&bytes),
        Transfer::Base64 => {
            let text = base64(&bytes);
            for row in text.as_bytes().chunks(76) {
                out.extend_from_slice(row);
                out.push(b'\n');
            }
        }
        Transfer::Quoted => quoted(out, &bytes),
    }
    if out.last() != Some(&b'\n') {
        out.push(b'\n');
    }
}

fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut column = 0;
    for &byte in bytes {
        if byte == b'\n' {
            out.push(byte);
            column = 0;
            continue;
        }
        if column > 70 {
            out.extend_from_slice(b"=\n");
            column = 0;
        }
        if (b' '..=b'~').contains(&byte) && byte != b'=' {
            out.push(byte);
            column += 1;
        } else {
            out.extend_from_slice(format!("={byte:02X}").as_bytes());
            column += 3;
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    let table = BASE64.as_bytes();
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let six = (number >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= three.len() { char::from(table[six]) } else { '=' });
        }
    }
    out
}

/// Encoded-words where a text is not ASCII; long texts are cut into several, folded.
fn words(text: &str, charset: Charset, dice: &mut Dice) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let label = match charset {
        Charset::Utf8 if dice.below(2) == 0 => "utf-8",
        other => other.label(),
    };
    let chars: Vec<char> = text.chars().collect();
    let length = if charset == Charset::Utf8 { 12 } else { 15 };
    let quoted = charset == Charset::Utf8 && dice.below(5) == 0;
    let made: Vec<String> = chars
        .chunks(length)
        .map(|piece| {
            let bytes = charset.encode(&piece.iter().collect::<String>());
            if quoted {
                format!("=?{label}?Q?{}?=", bytes.iter().map(|b| format!("={b:02X}")).collect::<String>())
            } else {
                format!("=?{label}?B?{}?=", base64(&bytes))
            }
        })
        .collect();
    made.join("\n ")
}

/// `Name <address>` with the name encoded as this sender's program does.
fn address(text: &str, charset: Charset, dice: &mut Dice) -> String {
    let Some((name, rest)) = text.rsplit_once('<') else { return text.to_owned() };
    let name = name.trim().trim_matches('"');
    let encoded = words(name, charset, dice);
    match dice.below(3) {
        0 if name.is_ascii() => format!("\"{name}\" <{rest}"),
        1 if !name.is_ascii() && !encoded.contains('\n') => format!("\"{encoded}\" <{rest}"),
        _ => format!("{encoded} <{rest}"),
    }
}

fn head(
    out: &mut Vec<u8>,
    template: &Template,
    (relay, reply): (&str, &str),
    from: &str,
    to: &str,
    subject: &str,
    charset: Charset,
    date: i64,
    dice: &mut Dice,
) {
    let sender = from.rsplit_once('<').map_or(from, |(_, rest)| rest.trim_end_matches('>'));
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let (to_local, to_domain) = to.split_once('@').expect("an address");
    if office::travel(out, template, relay, sender, to, date, dice).is_none() {
        travel(out, sender, to, date, dice);
    }

    let subject = words(subject, charset, dice);
    let subject = if template.style == "person" && !subject.contains("Re:") && dice.below(6) == 0 {
        format!("Re: {subject}")
    } else {
        subject
    };
    let shown_to = match dice.below(4) {
        0 => format!("<{to}>"),
        1 => format!("{to_local} <{to}>"),
        2 => format!("\"{to}\" <{to}>"),
        _ => to.to_owned(),
    };
    let message_id = match dice.below(6) {
        0 => format!("<{}.{}@{domain}>", stamp(date), dice.letters("0123456789ABCDEF", 8)),
        1 => format!("<{}@mail.gmail.com>", dice.letters(BASE64, 50).replace(['/'], "_")),
        2 => format!(
            "<{}-{}-{}-{}@{domain}>",
            dice.letters("0123456789abcdef", 8),
            dice.letters("0123456789abcdef", 4),
            dice.letters("0123456789abcdef", 4),
            dice.letters("0123456789abcdef", 12)
        ),
        3 => format!(
            "<{}.{}.JavaMail.{}@web0{}>",
            dice.digits(9),
            dice.digits(4),
            dice.pick(&["app", "tomcat", "root"]),
            dice.below(9)
        ),
        4 => format!("<00{}$5{}$@{domain}>", dice.letters("0123456789abcdef", 12), dice.letters("0123456789abcdef", 7)),
        _ => format!("<{}@{domain}>", stamp(date)),
    };
    let mut fields = vec![
        format!("From: {}", address(from, charset, dice)),
        format!("To: {shown_to}"),
        format!("Subject: {subject}"),
        format!("Date: {}", when(date, 9)),
        format!("Message-{}: {message_id}", dice.pick(&["ID", "Id", "ID"])),
        format!("M{}-Version: 1.0", dice.pick(&["IME", "ime"])),
    ];
    if dice.below(3) > 0 {
        let mailer = match template.style {
            "mobile" => dice.pick(&["X-Mailer: iPhone Mail (21F90)", "X-Mailer: Apple Mail (2.3774.600.62)", "X-Priority: 3"]),
            "fraud" | "fraud-forged" => dice.pick(&[
                "X-Mailer: Microsoft Outlook 16.0",
                "X-Mailer: iPhone Mail (20B110)",
                "X-Mailer: Foxmail 7.2.25.343[cn]",
                "X-Priority: 3",
                "X-Priority: 1",
                "X-Mailer: Mailbird/2.9.98.0",
            ]),
            "person" | "internal" | "brand-list" => dice.pick(&[
                "X-Mailer: Becky! ver. 2.81.05 [ja]",
                "X-Mailer: Microsoft Outlook 16.0",
                "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:102.0) Gecko/20100101\n Thunderbird/102.4.0",
                "X-Mailer: Shuriken 2016",
                "X-Mailer: iPhone Mail (20B110)",
                "X-Mailer: Apple Mail (2.3654.120.0.1.13)",
                "X-Mailer: YahooMailWebService/0.8.111_74",
                "X-Mailer: Microsoft Outlook Express 6.00.2900.5931\nX-MimeOLE: Produced By Microsoft MimeOLE V6.00.2900.6157",
                "X-Mailer: EdMax Ver2.85.5F",
                "X-Mailer: Foxmail 7.2.7.26[cn]",
                "User-Agent: Mew 6.8 on Emacs 26.3 / Mule 6.0 (HANACHIRUSATO)",
            ]),
            _ => dice.pick(&[
                "X-Mailer: PHPMailer 6.5.0 (https://github.com/PHPMailer/PHPMailer)",
                "X-Mailer: Cuenote FC",
                "X-Mailer: WordPress/5.8",
                "Auto-Submitted: auto-generated",
                "Precedence: bulk",
                "X-Priority: 3",
                "X-Auto-Response-Suppress: All",
                "X-Mailer: Microsoft CDO for Windows 2000",
            ]),
        };
        fields.push(mailer.to_owned());
    }
    if template.style == "person" && dice.below(4) == 0 {
        fields.push(format!("In-Reply-To: <{}@{to_domain}>", dice.letters(ALNUM, 22)));
        fields.push(format!("References: <{}@{to_domain}>", dice.letters(ALNUM, 22)));
    }
    if !reply.is_empty() {
        fields.push(format!("Reply-To: {}", address(reply, charset, dice)));
    }
    if template.style == "bulk" && dice.below(2) == 0 {
        fields.push(format!("List-Unsubscribe: <https://{domain}/u/{}>", dice.letters(ALNUM, 16)));
    }
    if dice.below(5) == 0 {
        fields.push("Content-Language: ja".into());
    }
    let own_words =
        matches!(template.style, "person" | "internal" | "mobile" | "fraud" | "fraud-forged" | "brand-list");
    if !own_words && dice.below(5) == 0 {
        fields.push(format!("Reply-To: {sender}"));
    }
    // Programs differ in the order of their fields.
    for at in (1..fields.len()).rev() {
        if dice.below(3) == 0 {
            fields.swap(at, dice.below(at + 1));
        }
    }
    fields.iter().for_each(|field| line(out, field));
}

/// Fields above the author's own: how a message came here, of the many ways there are.
fn travel(out: &mut Vec<u8>, sender: &str, to: &str, date: i64, dice: &mut Dice) {
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let (_, to_domain) = to.split_once('@').expect("an address");
    let ip = |dice: &mut Dice| {
        let first = dice.pick(&[
            27, 49, 59, 61, 101, 106, 111, 114, 118, 122, 126, 133, 150, 153, 160, 163, 180, 202, 203, 210, 211, 219,
        ]);
        format!("{first}.{}.{}.{}", dice.below(256), dice.below(256), 1 + dice.below(254))
    };
    let relay = match dice.below(7) {
        0 => format!("mail.{domain}"),
        1 => format!("mx{}.{domain}", 1 + dice.below(4)),
        2 => format!("mta-sp{}.ocn.ad.jp", dice.digits(3)),
        3 => format!("smtp{}.sakura.ne.jp", dice.digits(3)),
        4 => format!("mail-{}-f{}.google.com", dice.letters("abcdefgijkl", 2), dice.digits(3)),
        5 => format!("sv{}.xserver.jp", dice.digits(4)),
        _ => format!("o{}.em.{domain}", dice.below(30)),
    };
    let here = dice.pick(&["mx1", "mail", "in-2", "gw", "imss", "smtp-in"]);
    let id = dice.letters("0123456789ABCDEF", 10);
    let relay_ip = ip(dice);
    if dice.below(3) == 0 {
        line(out, &format!("Return-Path: <{sender}>"));
    }
    if dice.below(4) == 0 {
        line(out, &format!("Delivered-To: {to}"));
    }
    match dice.below(4) {
        0 => line(
            out,
            &format!(
                "Received: from {relay} ([{relay_ip}])\n by {here}.{to_domain} with esmtps\n (TLS1.2:ECDHE-RSA-AES256-GCM-SHA384:256) (Exim 4.95)\n id 1{}-{}-{}\n for {to}; {}",
                dice.letters(ALNUM, 5),
                dice.letters(ALNUM, 6),
                dice.letters(ALNUM, 2),
                when(date + 4, 0)
            ),
        ),
        1 => line(
            out,
            &format!(
                "Received: from {relay} (unknown [{relay_ip}])\n\tby {here}.{to_domain} (Postfix) with ESMTP id {id}\n\tfor <{to}>; {}",
                when(date + 2, 9)
            ),
        ),
        2 => line(out, &format!("Received: (qmail {} invoked from network); {}", dice.digits(5), when(date + 1, 9))),
        _ => line(
            out,
            &format!(
                "Received: from {relay} ({relay} [{relay_ip}])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\tby {here}.{to_domain} (Postfix) with ESMTPS id {id}\n\tfor <{to}>; {} (JST)",
                when(date + 2, 9)
            ),
        ),
    }
    if dice.below(3) == 0 {
        line(
            out,
            &format!(
                "Authentication-Results: {here}.{to_domain};\n\tspf={} smtp.mailfrom={sender}; dkim={}",
                dice.pick(&["pass", "pass", "none", "neutral"]),
                dice.pick(&["pass", "none", "none"])
            ),
        );
    }
    if dice.below(2) == 0 {
        let selector = dice.pick(&["s1", "default", "20230601", "selector1", "dkim", "mail"]);
        line(
            out,
            &format!(
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain};\n\ts={selector}; t={date}; bh={}=;\n\th=From:To:Subject:Date:Message-ID;\n\tb={}\n\t {}==",
                dice.letters(BASE64, 43),
                dice.letters(BASE64, 64),
                dice.letters(BASE64, 62)
            ),
        );
    }
    if dice.below(2) == 0 {
        let pc = dice.pick(&[
            "[192.168.1.12]",
            "PC-SOUMU03",
            "localhost",
            "DESKTOP-9KQ2",
            "[10.0.3.44]",
            "macbook.local",
            "web01",
        ]);
        line(
            out,
            &format!(
                "Received: from {pc} ({} [{}])\n by {relay} with {} id {};\n {}",
                dice.pick(&["unknown", "softbank126.bbtec.net", "ntt.ocn.ne.jp", "fp.tokyo.mesh.ad.jp", "localhost"]),
                ip(dice),
                dice.pick(&["ESMTPSA", "ESMTP", "ESMTPA", "SMTP"]),
                dice.letters(ALNUM, 14),
                when(date, 9)
            ),
        );
    }
}

/// The text as a page, as mail programs and newsletter systems make them.
fn html(text: &str, charset: Charset, style: &str, dice: &mut Dice) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let linked: Vec<String> = escaped
        .lines()
        .map(|line| match line.find("https://") {
            Some(at) => {
                let end = line[at..].find([' ', '　']).map_or(line.len(), |n| at + n);
                let url = &line[at..end];
                format!(
                    "{}<a href=\"{url}\">{}</a>{}",
                    &line[..at],
                    dice.pick(&[url, "詳細はこちら", "こちら"]),
                    &line[end..]
                )
            }
            None => line.to_owned(),
        })
        .collect();
    let meta = format!("<meta http-equiv=\"Content-Type\" content=\"text/html; charset={}\">", charset.label());
    match (style, dice.below(3)) {
        ("person", 0) => format!(
            "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head>{meta}<style><!--\np.MsoNormal {{margin:0mm; font-size:10.5pt; font-family:\"游ゴシック\",sans-serif;}}\n--></style></head>\n<body lang=JA>{}</body></html>\n",
            linked.iter().map(|l| format!("<p class=MsoNormal><span lang=JA>{l}</span></p>\n")).collect::<String>()
        ),
        ("person", 1) => format!("<div dir=\"ltr\">{}</div>\n", linked.join("<br>\n")),
        ("person", _) => {
            format!("<html><head>{meta}</head><body><div>{}</div></body></html>\n", linked.join("</div>\n<div>"))
        }
        (_, 0) => format!(
            "<!DOCTYPE html>\n<html lang=\"ja\"><head>{meta}<title></title></head>\n<body style=\"margin:0;padding:0;background:#f4f4f4;\">\n<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td align=\"center\">\n<table width=\"600\" style=\"background:#ffffff;font-size:14px;line-height:1.7;color:#333333;\"><tr><td style=\"padding:20px;\">\n{}\n</td></tr></table></td></tr></table>\n<img src=\"https://www.{}.jp/open.gif?i={}\" width=\"1\" height=\"1\" alt=\"\">\n</body></html>\n",
            linked.join("<br>\n"),
            word(dice),
            dice.letters(ALNUM, 12)
        ),
        (_, 1) => format!(
            "<HTML><HEAD>{meta}</HEAD>\n<BODY bgcolor=\"#FFFFFF\"><FONT size=\"2\">\n{}\n</FONT></BODY></HTML>\n",
            linked.join("<BR>\n")
        ),
        _ => format!(
            "<html><head>{meta}\n<style type=\"text/css\">body{{font-family:'Hiragino Kaku Gothic Pro',Meiryo,sans-serif}} .b{{padding:8px 12px}} h2{{color:#336699}}</style></head><body>\n<div class=\"b\">{}</div>\n</body></html>\n",
            linked
                .iter()
                .map(|l| if l.is_empty() { "<br>\n".into() } else { format!("<p>{l}</p>\n") })
                .collect::<String>()
        ),
    }
}

fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn when(unix: i64, zone: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = unix + zone * 3600;
    let (days, seconds) = (local.div_euclid(86_400), local.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{}, {day} {} {year} {:02}:{:02}:{:02} +{zone:02}00",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn stamp(unix: i64) -> String {
    let (year, month, day) = civil(unix.div_euclid(86_400));
    let seconds = unix.rem_euclid(86_400);
    format!("{year}{month:02}{day:02}{:02}{:02}{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn three_hundred_different_messages_and_always_the_same() {
        let all = japanese_ham(6);
        assert!(all.len() >= 300);
        assert!(all.iter().map(|w| w.group).collect::<HashSet<_>>().len() >= 60);
        assert_eq!(all.iter().map(|w| &w.raw).collect::<HashSet<_>>().len(), all.len());
        assert!(all.iter().zip(japanese_ham(6)).all(|(a, b)| a.raw == b.raw));
    }

    #[test]
    fn every_encoding_occurs_and_can_be_read() {
        let all = japanese_ham(6);
        let mut labels: HashMap<&str, usize> = HashMap::new();
        for written in &all {
            let message = mail::Message::parse(&written.raw, &mail::Limits::default());
            let config = mail::ViewConfig::default();
            let views = mail::Views::new(&message, &config);
            let subject = &views.text().subject;
            let kana = |text: &str| text.chars().any(|c| ('ぁ'..='ヿ').contains(&c) || ('一'..='龠').contains(&c));
            assert!(kana(subject) || written.name == "login-code", "{}: {subject}", written.name);
            let body: String = views.text().body.iter().map(String::from_utf8_lossy).collect();
            assert!(kana(&body) && !body.contains(['\u{fffd}', '{', '}']), "{}: {body}", written.name);
            for label in ["ISO-2022-JP", "Shift_JIS", "EUC-JP", "utf-8"] {
                let wanted = format!("charset={label}");
                let quoted = format!("charset=\"{label}\"");
                let text = String::from_utf8_lossy(&written.raw);
                *labels.entry(label).or_default() += usize::from(text.contains(&wanted) || text.contains(&quoted));
            }
        }
        assert_eq!(labels.len(), 4);
        assert!(labels.values().all(|count| *count >= 20), "{labels:?}");
    }
}
