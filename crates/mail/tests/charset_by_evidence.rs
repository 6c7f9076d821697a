//! Charset by evidence: every shape that carries enough evidence must come out readable.
//!
//! `cargo test -p sekisho-mail --test charset_by_evidence -- --nocapture` prints the tables.

#![allow(clippy::print_stdout)] // the tables

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, ISO_2022_JP, SHIFT_JIS, UTF_8, WINDOWS_1252};
use mail::mime::evidence::{decode, decode_header_value, decode_parameter};

fn encode(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let (bytes, _, lossy) = encoding.encode(text);
    assert!(!lossy, "{text} does not exist in {}", encoding.name());
    bytes.into_owned()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .map(|chunk| {
            let n = chunk.iter().chain([0, 0].iter()).take(3).fold(0u32, |n, &b| n << 8 | u32::from(b));
            (0..4)
                .map(|i| if i <= chunk.len() { DIGITS[(n >> (18 - 6 * i)) as usize & 63] as char } else { '=' })
                .collect::<String>()
        })
        .collect()
}

fn word(charset: &str, bytes: &[u8]) -> String {
    format!("=?{charset}?B?{}?=", base64(bytes))
}

/// CP50221: what Windows mailers write under `iso-2022-jp`: NEC row 13 in JIS pairs, half-width kana by `ESC ( I`.
fn cp50221(pairs: &[u8], kana: &[u8]) -> Vec<u8> {
    [b"\x1b$B", pairs, b"\x1b(I", kana, b"\x1b(B"].concat()
}

const NOTICE: &str =
    "お客様各位\nいつも当店をご利用いただき誠にありがとうございます。来週の営業日についてお知らせいたします。\n";
const BILLING: &str = "髙島商事㈱ ①請求書 ②見積書\n先日ご依頼いただいた書類をお送りしますのでご確認ください。\n";
const CHINESE: &str = "尊敬的客户：\n我们公司为您提供优惠的发票服务，请联系财务部王先生。\n";
const TAIWAN: &str = "親愛的客戶您好：\n感謝您訂購本公司的商品，請點擊下面的連結確認您的訂單內容。\n";
const KOREAN: &str = "고객님 안녕하세요.\n이번 달 이용 요금 안내 메일을 보내 드리오니 확인하여 주시기 바랍니다.\n";

/// The 21 shapes of which the best filter measured decodes 14.
#[test]
fn shapes_seen_in_the_wild() {
    let jis = |text| encode(text, ISO_2022_JP);
    let sjis = |text| encode(text, SHIFT_JIS);
    let mut failed = Vec::new();
    let mut check = |name: &str, bytes: Vec<u8>, label: Option<&str>, expected: &str, mismatch: bool| {
        let found = decode(&bytes, label, &[]);
        let ok = found.text == expected && found.mismatch == mismatch;
        println!("{:4} {name}: {} {}", if ok { "ok" } else { "FAIL" }, found.charset, found.confidence);
        if !ok {
            failed.push(format!("{name}: {found:?}"));
        }
    };
    check("01 ISO-2022-JP declared", jis(NOTICE), Some("ISO-2022-JP"), NOTICE, false);
    check("02 ISO-2022-JP, no charset", jis(NOTICE), None, NOTICE, false);
    check("03 ISO-2022-JP declared us-ascii", jis(NOTICE), Some("us-ascii"), NOTICE, true);
    check("04 ISO-2022-JP declared utf-8", jis(NOTICE), Some("utf-8"), NOTICE, true);
    check("05 CP932 declared shift_jis", sjis(BILLING), Some("Shift_JIS"), BILLING, false);
    check("06 Shift_JIS, no charset", sjis(NOTICE), None, NOTICE, false);
    check("07 Shift_JIS declared iso-2022-jp", sjis(NOTICE), Some("iso-2022-jp"), NOTICE, true);
    check("08 UTF-8 declared iso-2022-jp", NOTICE.into(), Some("iso-2022-jp"), NOTICE, true);
    check("09 EUC-JP declared", encode(NOTICE, EUC_JP), Some("euc-jp"), NOTICE, false);
    check("10 EUC-JP, no charset", encode(NOTICE, EUC_JP), None, NOTICE, false);
    // ①㈱ in row 13, then ｱｶｳﾝﾄ
    check("11 CP50221", cp50221(b"-!-j3NG'", b"16\x33]D"), Some("iso-2022-jp"), "①㈱確認ｱｶｳﾝﾄ", false);
    check("12 UTF-8 declared", NOTICE.into(), Some("UTF-8"), NOTICE, false);
    check("13 GB declared gb2312", encode(CHINESE, GB18030), Some("gb2312"), CHINESE, false);
    check("14 Big5, no charset", encode(TAIWAN, BIG5), None, TAIWAN, false);
    check("15 EUC-KR declared", encode(KOREAN, EUC_KR), Some("ks_c_5601-1987"), KOREAN, false);

    let subject = "【重要】ご注文の確認について";
    let mut check = |name: &str, raw: Vec<u8>, expected: &str| {
        let found = decode_header_value(&raw, &[]);
        let ok = found.text == expected;
        println!("{:4} {name}: {} {}", if ok { "ok" } else { "FAIL" }, found.charset, found.confidence);
        if !ok {
            failed.push(format!("{name}: {found:?}"));
        }
    };
    check("20 Subject raw ISO-2022-JP", [b" ", &jis(subject)[..], b"\n"].concat(), subject);
    check("21 Subject raw Shift_JIS", [b" ", &sjis(subject)[..], b"\n"].concat(), subject);
    let (a, b) = subject.as_bytes().split_at(10);
    check("22 UTF-8 cut in mid-character", format!(" {}\n {}\n", word("UTF-8", a), word("UTF-8", b)).into(), subject);
    let encoded = jis(subject);
    let (a, b) = encoded.split_at(15);
    let cut = format!(" {}\n {}\n", word("ISO-2022-JP", a), word("ISO-2022-JP", b));
    check("23 ISO-2022-JP cut without escaping again", cut.into(), subject);
    check("24 Shift_JIS inside =?ISO-2022-JP?B?", word("ISO-2022-JP", &sjis(subject)).into(), subject);
    let two =
        format!(" {}\n {}\n", word("ISO-2022-JP", &jis("【重要】ご注文")), word("ISO-2022-JP", &jis("の確認について")));
    check("25 ISO-2022-JP, two words", two.into(), subject);
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Every charset under every label.
#[test]
fn every_charset_under_every_label() {
    let texts: &[(&str, &[&'static Encoding])] = &[
        (NOTICE, &[SHIFT_JIS, EUC_JP, ISO_2022_JP, UTF_8, GB18030]),
        (CHINESE, &[GB18030, UTF_8]),
        (TAIWAN, &[BIG5, UTF_8]),
        (KOREAN, &[EUC_KR, UTF_8]),
        // short ones: a subject's worth
        ("ご請求金額のお知らせ", &[SHIFT_JIS, EUC_JP, ISO_2022_JP, UTF_8]),
        ("会員情報の更新", &[SHIFT_JIS, EUC_JP, ISO_2022_JP, UTF_8]),
        ("代开发票优惠", &[GB18030, UTF_8]),
        ("訂購商品優惠", &[BIG5, UTF_8]),
        ("회원 가입 안내", &[EUC_KR, UTF_8]),
    ];
    let labels = [
        None,
        Some("us-ascii"),
        Some("iso-8859-1"),
        Some("utf-8"),
        Some("iso-2022-jp"),
        Some("shift_jis"),
        Some("euc-jp"),
        Some("gb2312"),
        Some("big5"),
        Some("euc-kr"),
    ];
    let mut failed = Vec::new();
    let (mut tried, mut read) = (0, 0);
    for (text, encodings) in texts {
        for encoding in *encodings {
            let mut row = String::new();
            for label in labels {
                let found = decode(&encode(text, encoding), label, &[]);
                tried += 1;
                if found.text == *text {
                    read += 1;
                    row.push_str(" ok");
                } else {
                    row.push_str(" --");
                    failed.push(format!("{} as {label:?}: {found:?}", encoding.name()));
                }
            }
            println!("{:12}{row}  {}", encoding.name(), text.lines().next().unwrap_or(""));
        }
    }
    println!("{read} of {tried} read");
    assert!(failed.is_empty(), "{failed:#?}");
}

/// European text is what its label says; labels of the same family are no mismatch.
#[test]
fn european_text_stays() {
    let check = |text: &str, encoding: &'static Encoding, label: Option<&str>, mismatch: bool| {
        let found = decode(&encode(text, encoding), label, &[]);
        assert_eq!((found.text.as_str(), found.mismatch), (text, mismatch), "{label:?} {found:?}");
    };
    use encoding_rs::{ISO_8859_2, KOI8_R, WINDOWS_874, WINDOWS_1250, WINDOWS_1251, WINDOWS_1253, WINDOWS_1254};
    for text in [
        "It’s “fine” – really",
        "Où est l’été à Genève ?",
        "Größe: über Ärger",
        "situação não é razão",
        "£100 ©2003",
        "é",
    ] {
        check(text, WINDOWS_1252, Some("windows-1252"), false);
        check(text, WINDOWS_1252, Some("iso-8859-1"), false);
        check(text, WINDOWS_1252, None, false);
        check(text, WINDOWS_1252, Some("us-ascii"), true);
    }
    check("Příliš žluťoučký kůň", ISO_8859_2, Some("iso-8859-2"), false);
    check("Zażółć gęślą jaźń", WINDOWS_1250, Some("windows-1250"), false);
    check("Şimdi güneş doğdu, çığlık", WINDOWS_1254, Some("iso-8859-9"), false);
    check("Здравствуйте, уважаемый клиент", WINDOWS_1251, None, false);
    check("Здравствуйте, уважаемый клиент", WINDOWS_1251, Some("koi8-r"), true);
    check("Здравствуйте, уважаемый клиент", KOI8_R, None, false);
    check("Здравствуйте, уважаемый клиент", KOI8_R, Some("windows-1251"), true);
    check("Καλημέρα σας, αγαπητέ πελάτη", WINDOWS_1253, None, false);
    check("สวัสดีครับ ขอบคุณที่ใช้บริการ", WINDOWS_874, None, false);
    check("naïve café", UTF_8, Some("iso-8859-1"), true);
    assert!(!decode(b"plain", Some("iso-2022-jp"), &[]).mismatch);
    assert!(!decode(b"costs $B and (B) or ~{x}", None, &[]).text.contains('\u{FFFD}'));
    assert_eq!(decode(b"price: $BIG(B or $BUY(B", None, &[]).charset, "us-ascii");
}

/// Escapes lost, quoted, unfinished.
#[test]
fn what_transport_does_to_escapes() {
    let check = |bytes: &[u8], label: Option<&str>, expected: &str| {
        let found = decode(bytes, label, &[]);
        assert_eq!(found.text, expected, "{found:?}");
    };
    check(b"$B$4CmJ8$N3NG'(B $B$H(B", Some("iso-2022-jp"), "ご注文の確認 と");
    check(b"Re: $B$4CmJ8$N3NG'(B", None, "Re: ご注文の確認");
    check(b"=1B$B$4CmJ8$N3NG'=1B(B abc", None, "ご注文の確認 abc");
    check(b"\x1b$B$4CmJ8\n$N3NG'\x1b(B\n", None, "ご注文\nの確認\n");
    check(b"\x1b$B$4CmJ8\nBest regards\n", None, "ご注文\nBest regards\n");
    check(b"\x1b$B$4CmJ8\x1b(J ok\n", Some("x-unknown"), "ご注文 ok\n");
    check(b"~{4z?*7\"F1~} hi", Some("hz-gb-2312"), &encode_hz("~{4z?*7\"F1~} hi"));
    check(b"Hi Mom -+Jjo--!", Some("utf-7"), "Hi Mom -\u{263A}-!");
    check(b"1 + 1 = 2", Some("utf-7"), "1 + 1 = 2");
    check(b"\xff\xfeH\0i\0", None, "Hi");
    check(b"H\0i\0!\0\n\0", Some("utf-16le"), "Hi!\n");
    check(b"\x1b$)C\x0e>H3g\x0f ok", Some("iso-2022-kr"), "안녕 ok");
}

fn encode_hz(text: &str) -> String {
    let inner = &text.as_bytes()[2..text.len() - 5];
    let high: Vec<u8> = inner.iter().map(|b| b | 0x80).collect();
    format!("{} hi", GB18030.decode_without_bom_handling(&high).0)
}

#[test]
fn headers_and_parameters() {
    let header = |raw: &str, expected: &str| {
        let found = decode_header_value(raw.as_bytes(), &[]);
        assert_eq!(found.text, expected, "{found:?}");
    };
    header(" plain text\n folded\n", "plain text folded");
    header(" =?iso-8859-1?Q?Andr=E9_Dupont?= <a@example.com>\n", "André Dupont <a@example.com>");
    header(" =?utf-8?Q?=E3=81=94?= and =?utf-8?Q?=E3=81=94?=\n", "ご and ご");
    header("=?utf-8?Q?a b c?=", "a b c");
    header("=?utf-8?B?44GU", "ご");
    header("=?utf-8?Q?50=25_off=5F!?=", "50% off_!");
    header("=?=?utf-8?Q?x?=", "=?x");
    header("=?utf-8?B?44GU5rO?=\n =?utf-8?B?o5paH?=", "ご注文");
    header("=?iso-2022-jp*ja?Q?=1B$B$4CmJ8=1B(B?=", "ご注文");
    let found = decode_header_value(b"=?us-ascii?Q?=E3=81=94=E6=B3=A8=E6=96=87?=", &[]);
    assert!(found.mismatch && found.text == "ご注文", "{found:?}");

    let parameter = |raw: &[u8], expected: &str| {
        let found = decode_parameter(raw, "filename", &[]).map(|d| d.text);
        assert_eq!(found.as_deref(), Some(expected));
    };
    parameter(b" attachment; filename=\"a b.txt\"\n", "a b.txt");
    parameter(b" attachment;\n filename*=utf-8''%E8%AB%8B%E6%B1%82.pdf", "請求.pdf");
    parameter(b" attachment; filename*1=\"b.pdf\"; filename*0*=iso-2022-jp'ja'%1B$B%40A%1B(B", "請b.pdf");
    parameter(b" attachment; filename=\"=?utf-8?B?6KuL5rGC?=.pdf\"", "請求.pdf");
    let raw = [b" attachment; filename=\"", &encode("請求書の表.xls", SHIFT_JIS)[..], b"\""].concat();
    parameter(&raw, "請求書の表.xls");
}

/// Work grows with the length and no faster: these would take hours if each byte made the rest be read again.
#[test]
fn long_runs_are_read_once() {
    let carriage_returns = [b"\x1b$B$\"\x1b(B\n".to_vec(), vec![b'\r'; 2_000_000]].concat();
    assert_eq!(decode(&carriage_returns, None, &[]).text.len(), "あ\n".len() + 2_000_000);
    // Each "$B" may be an escape that lost its ESC, and what follows is no Japanese.
    let text = "$B~~".repeat(400_000);
    assert_eq!(decode(text.as_bytes(), Some("iso-2022-jp"), &[]).text, text);
    // Here it is, and the text comes with its escape back.
    let text = "$B!!(B".repeat(400_000);
    assert_eq!(decode(text.as_bytes(), Some("iso-2022-jp"), &[]).text, "\u{3000}".repeat(400_000));
}

/// Any bytes are some text, in no time worth mentioning.
#[test]
fn garbage_is_read_too() {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pieces: &[&[u8]] = &[
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b(I",
        b"\x1b$)C",
        b"\x1b$)G",
        b"\x0e",
        b"\x0f",
        b"$B",
        b"(B",
        b"=1B$B",
        b"~{",
        b"~}",
        b"+",
        b"-",
        b"=?utf-8?B?",
        b"=?iso-2022-jp?Q?",
        b"?=",
        b" ",
        b"\n ",
        b"\xff\xfe",
        b"\0",
        b"filename*0*=",
        b"''",
        b"%E3",
        b";",
        b"\"",
        b"44GU",
    ];
    for round in 0..3_000 {
        let mut bytes = Vec::new();
        for _ in 0..random() % 40 {
            match random() % 3 {
                0 => bytes.extend_from_slice(pieces[random() as usize % pieces.len()]),
                1 => bytes.push(random() as u8),
                _ => bytes.extend([0x24, 0x22, 0x24, (random() % 0x5E) as u8 + 0x21]),
            }
        }
        let label = [None, Some("iso-2022-jp"), Some("utf-7"), Some("utf-16"), Some("hz-gb-2312"), Some("\u{FFFD}x")]
            [round % 6];
        decode(&bytes, label, &["iso-2022-jp"]);
        decode_header_value(&bytes, &[]);
        decode_parameter(&bytes, "filename", &[]);
        mail::views::text::header_text(&bytes, &[]);
        mail::views::text::display_name(&bytes, &[]);
    }
    for unit in pieces {
        let long = unit.repeat(200_000 / unit.len());
        decode(&long, None, &[]);
        decode_header_value(&long[..long.len().min(20_000)], &[]);
    }
}
