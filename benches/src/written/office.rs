//! Mail of offices and shops, written before the rules that are measured with it: president fraud (`fraud.txt`), a firm's
//! own mail (`internal.txt`), and honest mail that names brands (`bulk.txt`); written after them, and judged by rules that
//! did not know them: `fraud-later.txt`, `notices.txt`.
//!
//! In: the templates and a number of copies. Out: messages, each with its template's name and which half of the split it is
//! in. The half is drawn from the name alone (`sealed`), so that nobody chose which template went where: rules are written
//! and mended with the open half; the sealed half is judged once, and what it said first is what is reported.
//!
//! The firms, their domains and officers stand in `cast.txt`; `officers` gives the lines of configuration that a firm
//! would write. How mail travels depends on who sends it: from within a firm, from a provider of free mailboxes, from a
//! rented machine, from a brand's own servers.

use super::{ALNUM, Dice, Filler, Template, line, templates, when, word};
use std::collections::HashMap;

const FRAUD: &str = include_str!("../../written/ja/fraud.txt");
const INTERNAL: &str = include_str!("../../written/ja/internal.txt");
const BULK: &str = include_str!("../../written/ja/bulk.txt");
const NOTICES: &str = include_str!("../../written/ja/notices.txt");
const FRAUD_LATER: &str = include_str!("../../written/ja/fraud-later.txt");
const CAST: &str = include_str!("../../written/ja/cast.txt");

/// One message of the office corpora.
#[derive(Debug, Clone)]
pub struct Office {
    pub name: &'static str,
    pub sealed: bool,
    pub raw: Vec<u8>,
}

/// What false presidents write.
pub fn president_fraud(copies: usize) -> Vec<Office> {
    all(FRAUD, copies, 1)
}

/// What real ones write, and everybody else in a firm.
pub fn internal_mail(copies: usize) -> Vec<Office> {
    all(INTERNAL, copies, 2)
}

/// What banks, carriers, shops and authorities write, and what is written about them.
pub fn bulk_mail(copies: usize) -> Vec<Office> {
    all(BULK, copies, 3)
}

/// Notices, newsletters and errands of every day, written when the rules were there already and before they were seen by
/// who wrote these: marketing services' links and pictures, warnings of real banks, groups of parents.
pub fn notices(copies: usize) -> Vec<Office> {
    all(NOTICES, copies, 4)
}

/// False presidents of another kind than those the rules were written with.
pub fn later_fraud(copies: usize) -> Vec<Office> {
    all(FRAUD_LATER, copies, 5)
}

/// Whether a template is in the sealed half: one bit of a digest (FNV-1a) of its name.
pub fn sealed(name: &str) -> bool {
    let digest = format!("sealed half: {name}")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (digest ^ digest >> 32) & 1 == 1
}

/// One invented firm.
#[derive(Debug, Clone, Copy)]
pub struct Firm {
    pub name: &'static str,
    pub domain: &'static str,
    pub lookalike: &'static str,
    pub officers: [Officer; 2],
}

#[derive(Debug, Clone, Copy)]
pub struct Officer {
    pub surname: &'static str,
    pub given: &'static str,
    pub given_roman: &'static str,
    pub surname_roman: &'static str,
}

pub fn firms() -> Vec<Firm> {
    let lines = CAST.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|text| {
            let fields: Vec<&str> = text.split('|').map(str::trim).collect();
            let [name, domain, lookalike, first, second] = fields[..] else { panic!("five fields: {text}") };
            Firm { name, domain, lookalike, officers: [officer(first), officer(second)] }
        })
        .collect()
}

fn officer(text: &'static str) -> Officer {
    let parts: Vec<&str> = text.split(' ').collect();
    let [surname, given, given_roman, surname_roman] = parts[..] else { panic!("four words: {text}") };
    Officer { surname, given, given_roman, surname_roman }
}

fn all(text: &'static str, copies: usize, kind: u64) -> Vec<Office> {
    let slots = super::slots();
    let firms = firms();
    let templates = templates(text);
    let mut out = Vec::new();
    for copy in 0..copies {
        for (group, template) in templates.iter().enumerate() {
            let mut dice = Dice(0x6a09_e667_f3bc_c908 ^ (kind << 56 | (group as u64) << 32 | (copy as u64 + 1)));
            (0..8).for_each(|_| {
                dice.next();
            });
            let firm = dice.pick(&firms);
            let chosen = cast(&firm, &mut dice);
            let filler = Filler { slots: &slots, chosen };
            let raw = super::compose(template, filler, &mut dice, copy * 3 + group);
            out.push(Office { name: template.name, sealed: sealed(template.name), raw });
        }
    }
    out
}

/// What a mail within a firm calls its people.
fn cast(firm: &Firm, dice: &mut Dice) -> HashMap<String, String> {
    let [boss, other] = firm.officers;
    let mut chosen = HashMap::new();
    let mut put = |name: &str, value: String| {
        chosen.insert(name.to_owned(), value);
    };
    put("own", firm.name.to_owned());
    put("own-domain", firm.domain.to_owned());
    put("own-lookalike", firm.lookalike.to_owned());
    for (role, officer) in [("boss", boss), ("officer", other)] {
        put(role, officer.surname.to_owned());
        put(&format!("{role}-given"), officer.given.to_owned());
        put(&format!("{role}-roman-given"), officer.given_roman.to_owned());
        put(&format!("{role}-roman-sur"), officer.surname_roman.to_owned());
        put(&format!("{role}-shown"), shown(firm, officer, dice));
        let (given, surname) = (officer.given_roman.to_lowercase(), officer.surname_roman.to_lowercase());
        let local = match dice.below(3) {
            0 => surname.clone(),
            1 => format!("{}.{surname}", &given[..1]),
            _ => format!("{surname}-{}", &given[..1]),
        };
        put(&format!("{role}-local"), local);
        let host =
            dice.pick(&["gmail.com", "docomo.ne.jp", "icloud.com", "yahoo.co.jp", "i.softbank.jp", "ezweb.ne.jp"]);
        put(&format!("{role}-personal"), format!("{surname}{}{}@{host}", &given[..3], dice.digits(2)));
    }
    put("boss-cn", chinese(boss, dice));
    put("free-address", free_address(boss, dice));
    chosen
}

/// The ways in which a name is written before an address.
fn shown(firm: &Firm, officer: Officer, dice: &mut Dice) -> String {
    let Officer { surname, given, given_roman, surname_roman } = officer;
    match dice.below(11) {
        0 | 1 => format!("{surname} {given}"),
        2 => format!("{surname}{given}"),
        3 => format!("{surname}　{given}"),
        4 => format!("代表取締役 {surname} {given}"),
        5 => format!("{surname} {given}（代表取締役社長）"),
        6 => format!("{given_roman} {surname_roman}"),
        7 => format!("{} {given_roman}", surname_roman.to_uppercase()),
        8 => format!("{} {surname} {given}", firm.name),
        9 => format!("{surname}社長"),
        _ => format!("{surname} {given} / {given_roman} {surname_roman}"),
    }
}

/// The same name as a Chinese keyboard writes it.
fn chinese(officer: Officer, dice: &mut Dice) -> String {
    const SIMPLE: &[(char, char)] =
        &[('勝', '胜'), ('恵', '惠'), ('滝', '泷'), ('広', '广'), ('亮', '亮'), ('岡', '冈'), ('隆', '隆')];
    let simple = |text: &str| -> String {
        text.chars().map(|c| SIMPLE.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to)).collect()
    };
    let ending = dice.pick(&["", "总", "（董事长）", " 社长"]);
    format!("{}{}{ending}", simple(officer.surname), simple(officer.given))
}

fn free_address(officer: Officer, dice: &mut Dice) -> String {
    let (given, surname) = (officer.given_roman.to_lowercase(), officer.surname_roman.to_lowercase());
    let local = match dice.below(9) {
        0 => format!("{surname}.{given}{}", dice.digits(3)),
        1 => format!("{given}{surname}"),
        2 => format!("ceo.office{}", dice.digits(4)),
        3 => format!("president{}", dice.digits(3)),
        4 => format!("{}{}", dice.letters("abcdefghijklmnopqrstuvwxyz", 7), dice.digits(4)),
        5 => format!("{}{}", dice.letters(ALNUM, 6), dice.letters("abcdefghijklmnopqrstuvwxyz", 5)),
        6 => format!("{given}.{}", dice.letters("abcdefghijklmnopqrstuvwxyz", 6)),
        7 => "info".to_owned(),
        _ => format!("work{}", dice.digits(5)),
    };
    let domain = match dice.below(16) {
        0..=3 => "outlook.com".to_owned(),
        4..=6 => "gmail.com".to_owned(),
        7 | 8 => "hotmail.com".to_owned(),
        9 => dice.pick(&["yahoo.co.jp", "outlook.jp", "icloud.com"]).to_owned(),
        10 => dice.pick(&["qq.com", "163.com"]).to_owned(),
        11 => dice.pick(&["proton.me", "yandex.com", "gmx.com", "mail.ru"]).to_owned(),
        12 => format!("{}.{}", word(dice), dice.pick(&["top", "xyz", "cn", "icu"])),
        13 => format!("{}.com.br", word(dice)),
        14 => format!("mail.{}-group.com", word(dice)),
        _ => format!("{}.net", word(dice)),
    };
    format!("{local}@{domain}")
}

pub(super) fn public_ip(dice: &mut Dice) -> String {
    let first = dice.pick(&[27, 45, 59, 61, 101, 106, 114, 118, 133, 150, 153, 160, 185, 203, 210, 211, 219]);
    format!("{first}.{}.{}.{}", dice.below(256), dice.below(256), 1 + dice.below(254))
}

/// Fields above the author's own: how a message of this style travelled. `None`: like any other mail.
pub(super) fn travel(
    out: &mut Vec<u8>,
    template: &Template,
    relay: &str,
    sender: &str,
    to: &str,
    date: i64,
    dice: &mut Dice,
) -> Option<()> {
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let (_, here) = to.rsplit_once('@').expect("an address");
    match template.style {
        "internal" | "internal-system" => inside(out, domain, to, date, dice),
        "mobile" => {
            let (helo, ip) = provider(domain, dice);
            received(out, &helo, &helo, &ip, here, to, date, dice);
            passed(out, here, sender, domain, date, dice);
        }
        "fraud" => match domain {
            "outlook.com" | "hotmail.com" | "gmail.com" | "yahoo.co.jp" | "outlook.jp" | "icloud.com" | "qq.com"
            | "163.com" | "proton.me" | "yandex.com" | "gmx.com" | "mail.ru" => {
                let (helo, ip) = provider(domain, dice);
                received(out, &helo, &helo, &ip, here, to, date, dice);
                passed(out, here, sender, domain, date, dice);
            }
            _ if dice.below(2) == 0 => {
                received(out, domain, "unknown", &public_ip(dice), here, to, date, dice);
            }
            _ => {
                let helo = format!("mail.{domain}");
                received(out, &helo, &helo, &public_ip(dice), here, to, date, dice);
                passed(out, here, sender, domain, date, dice);
            }
        },
        "fraud-forged" => {
            let helo = match dice.below(3) {
                0 => domain.to_owned(),
                1 => format!("vm{}.{}.com", dice.digits(4), word(dice)),
                _ => format!("{}.localdomain", dice.letters(ALNUM, 8)),
            };
            let rdns = if dice.below(3) == 0 { helo.clone() } else { "unknown".to_owned() };
            received(out, &helo, &rdns, &public_ip(dice), here, to, date, dice);
        }
        "brand" | "brand-bulk" => {
            received(out, relay, relay, &public_ip(dice), here, to, date, dice);
            passed(out, here, sender, domain, date, dice);
            if template.style == "brand-bulk" && dice.below(2) == 0 {
                line(out, &format!("List-Unsubscribe: <https://{domain}/u/{}>", dice.letters(ALNUM, 18)));
            }
        }
        "esp" => super::notices::travel(out, template.track, sender, to, date, dice),
        "brand-list" => {
            received(out, relay, relay, &public_ip(dice), here, to, date, dice);
            let (helo, ip) = provider(domain, dice);
            let list = relay.strip_prefix("lists.").unwrap_or(relay);
            received(out, &helo, &helo, &ip, relay, &format!("users-ja@{list}"), date - 3, dice);
            line(out, &format!("List-Id: <users-ja.{list}>"));
            line(out, "Precedence: list");
        }
        _ => return None,
    }
    Some(())
}

/// The relay of a provider of mailboxes, and an address of it.
fn provider(domain: &str, dice: &mut Dice) -> (String, String) {
    let two = |dice: &mut Dice, a: &str| format!("{a}.{}.{}", dice.below(256), 1 + dice.below(254));
    match domain {
        "gmail.com" => {
            (format!("mail-{}-f{}.google.com", dice.letters("abcdefgijkl", 2), dice.digits(3)), two(dice, "209.85"))
        }
        "outlook.com" | "hotmail.com" | "outlook.jp" | "hotmail.co.jp" => (
            format!("mail-{}apc01olkn2{}.outbound.protection.outlook.com", dice.letters("st", 1), dice.digits(3)),
            two(dice, "40.92"),
        ),
        "yahoo.co.jp" | "ybb.ne.jp" => (format!("omggw{}.mail.djm.yahoo.co.jp", dice.digits(4)), two(dice, "106.10")),
        "icloud.com" => (format!("mr85p00im-ztdg{}.me.com", dice.digits(8)), two(dice, "17.58")),
        "docomo.ne.jp" => (format!("mail{}.docomo.ne.jp", dice.digits(3)), two(dice, "203.138")),
        "ezweb.ne.jp" => (format!("nx3obp{}.ezweb.ne.jp", dice.digits(2)), two(dice, "106.187")),
        "i.softbank.jp" => (format!("imtsf{}.i.softbank.jp", dice.digits(1)), two(dice, "101.110")),
        "qq.com" => (format!("out203-205-251-{}.mail.qq.com", dice.digits(2)), two(dice, "203.205")),
        "163.com" => (format!("m{}.mail.163.com", dice.digits(5)), two(dice, "220.181")),
        _ => (format!("mta{}.{domain}", dice.digits(2)), public_ip(dice)),
    }
}

/// What the receiving server wrote.
pub(super) fn received(
    out: &mut Vec<u8>,
    helo: &str,
    rdns: &str,
    ip: &str,
    here: &str,
    to: &str,
    date: i64,
    dice: &mut Dice,
) {
    let mx = dice.pick(&["mx1", "mail", "gw", "mx"]);
    let id = dice.letters("0123456789ABCDEF", 10);
    match dice.below(5) {
        0 if rdns != "unknown" => line(
            out,
            &format!(
                "Received: from {rdns} ([{ip}]:{} helo={helo})\n by {mx}.{here} with esmtps\n (TLS1.3:TLS_AES_256_GCM_SHA384:256) (Exim 4.97)\n id 1{}-{}-{}\n for {to}; {}",
                30000 + dice.below(30000),
                dice.letters(ALNUM, 5),
                dice.letters(ALNUM, 11),
                dice.letters(ALNUM, 4),
                when(date + 4, 9)
            ),
        ),
        1 => line(
            out,
            &format!(
                "Received: from {helo} ({rdns} [{ip}])\n\tby {mx}.{here} (Postfix) with ESMTP id {id}\n\tfor <{to}>; {}",
                when(date + 2, 9)
            ),
        ),
        _ => line(
            out,
            &format!(
                "Received: from {helo} ({rdns} [{ip}])\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\n\tby {mx}.{here} (Postfix) with ESMTPS id {id}\n\tfor <{to}>; {} (JST)",
                when(date + 2, 9)
            ),
        ),
    }
}

/// What the receiving server found out, and the sender's signature.
fn passed(out: &mut Vec<u8>, here: &str, sender: &str, domain: &str, date: i64, dice: &mut Dice) {
    if dice.below(2) == 0 {
        line(
            out,
            &format!(
                "Authentication-Results: mx.{here};\n\tspf=pass smtp.mailfrom={sender};\n\tdkim=pass header.d={domain};\n\tdmarc=pass header.from={domain}"
            ),
        );
    }
    if dice.below(4) > 0 {
        line(
            out,
            &format!(
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain};\n\ts={}; t={date}; bh={}=;\n\th=From:To:Subject:Date:Message-ID;\n\tb={}==",
                dice.pick(&["s1", "20230601", "selector1", "dkim"]),
                dice.letters(super::BASE64, 43),
                dice.letters(super::BASE64, 86)
            ),
        );
    }
}

/// Mail that never left the firm, as Postfix, Exchange Online and Google's servers hand it on.
fn inside(out: &mut Vec<u8>, domain: &str, to: &str, date: i64, dice: &mut Dice) {
    let private = format!("192.168.{}.{}", dice.below(20), 2 + dice.below(250));
    let id = dice.letters("0123456789ABCDEF", 10);
    match dice.below(5) {
        0 | 1 => line(
            out,
            &format!(
                "Received: from {} (unknown [{private}])\n\tby mail.{domain} (Postfix) with {} id {id}\n\tfor <{to}>; {} (JST)",
                dice.pick(&["[192.168.1.20]", "PC-KEIRI02", "DESKTOP-3M1V", "note-14", "[10.0.0.8]"]),
                dice.pick(&["ESMTPSA", "ESMTPA", "ESMTP"]),
                when(date + 1, 9)
            ),
        ),
        2 => {
            line(
                out,
                &format!(
                    "Received: from mail.{domain} (mail.{domain} [{}])\n\tby gw.{domain} (Postfix) with ESMTP id {id}\n\tfor <{to}>; {}",
                    public_ip(dice),
                    when(date + 2, 9)
                ),
            );
            line(
                out,
                &format!(
                    "Received: from PC{} (softbank{}.bbtec.net [{}])\n\tby mail.{domain} (Postfix) with ESMTPSA id {};\n\t{}",
                    dice.digits(3),
                    dice.digits(12),
                    public_ip(dice),
                    dice.letters("0123456789ABCDEF", 10),
                    when(date, 9)
                ),
            );
        }
        3 => {
            let helo = format!("mail-tyc{}jpn01on2{}.outbound.protection.outlook.com", dice.below(9), dice.digits(3));
            line(
                out,
                &format!(
                    "Received: from {helo} ({helo} [40.107.{}.{}])\n\tby mx.{domain} (Postfix) with ESMTPS id {id}\n\tfor <{to}>; {} (JST)",
                    dice.below(256),
                    1 + dice.below(254),
                    when(date + 2, 9)
                ),
            );
        }
        _ => {
            let helo = format!("mail-{}-f{}.google.com", dice.letters("abcdefgijkl", 2), dice.digits(3));
            line(
                out,
                &format!(
                    "Received: from {helo} ({helo} [209.85.{}.{}])\n\tby mx.{domain} (Postfix) with ESMTPS id {id}\n\tfor <{to}>; {} (JST)",
                    dice.below(256),
                    1 + dice.below(254),
                    when(date + 2, 9)
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn names(of: &[Office], sealed: bool) -> usize {
        of.iter().filter(|o| o.sealed == sealed).map(|o| o.name).collect::<HashSet<_>>().len()
    }

    #[test]
    fn enough_of_each_and_always_the_same() {
        for (made, again, wanted, templates) in [
            (president_fraud(4), president_fraud(4), 200, 50),
            (internal_mail(5), internal_mail(5), 300, 60),
            (bulk_mail(5), bulk_mail(5), 200, 45),
            (notices(4), notices(4), 200, 55),
            (later_fraud(3), later_fraud(3), 40, 14),
        ] {
            assert!(made.len() >= wanted);
            let all: HashSet<_> = made.iter().map(|o| o.name).collect();
            assert!(all.len() >= templates && made.len().is_multiple_of(all.len()));
            assert!(names(&made, true) * 3 >= templates && names(&made, false) * 3 >= templates);
            assert_eq!(made.iter().map(|o| &o.raw).collect::<HashSet<_>>().len(), made.len());
            assert!(made.iter().zip(&again).all(|(a, b)| a.raw == b.raw));
        }
    }

    #[test]
    fn every_message_can_be_read() {
        let later = [notices(4), later_fraud(3)].concat();
        for office in president_fraud(4).iter().chain(&internal_mail(5)).chain(&bulk_mail(5)).chain(&later) {
            let message = mail::Message::parse(&office.raw, &mail::Limits::default());
            let config = mail::ViewConfig::default();
            let views = mail::Views::new(&message, &config);
            let body: String = views.text().body.iter().map(String::from_utf8_lossy).collect();
            let whole = format!("{}\n{body}", views.text().subject);
            assert!(!whole.contains(['\u{fffd}', '{', '}', '|']) && !whole.contains("&#"), "{}: {whole}", office.name);
        }
    }
}
