//! How mail looks that a marketing service sends: links that lead over the service, pictures, a hidden line before the
//! text, small grey print, and the headers of its way.
//!
//! In: the words of a template, the service (`Track:`) and the sender. Out: a page, the text with its links changed, header
//! fields. The forms are those of the real services; all keys in them are drawn.

use super::office::{public_ip, received};
use super::{ALNUM, BASE64, Dice, line, word};

const HEX: &str = "0123456789abcdef";

/// A link as this service writes it.
fn tracked(url: &str, track: &str, domain: &str, dice: &mut Dice) -> String {
    let escaped: String = url
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() || b == b'.' { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let key = |dice: &mut Dice, n| dice.letters(ALNUM, n);
    match track {
        "sendgrid" => format!(
            "https://u{}.ct.sendgrid.net/ls/click?upn=u001.{}",
            dice.digits(8),
            dice.letters(BASE64, 120).replace(['+', '/'], "-2B")
        ),
        "ses" => format!(
            "https://{}.r.ap-northeast-1.awstrack.me/L0/{escaped}/1/0106{}-{}-000000/{}=450",
            key(dice, 8),
            dice.letters(HEX, 12),
            dice.letters(HEX, 8),
            dice.letters(BASE64, 27).replace('/', "_")
        ),
        "mailchimp" => format!(
            "https://{}.us{}.list-manage.com/track/click?u={}&id={}&e={}",
            domain.split('.').next().unwrap_or("shop"),
            1 + dice.below(20),
            dice.letters(HEX, 25),
            dice.letters(HEX, 10),
            dice.letters(HEX, 10)
        ),
        "sfmc" => format!("https://click.{domain}/?qs={}", dice.letters(HEX, 112)),
        "cuenote" => format!("https://fc{}.cuenote.jp/c/{}", dice.digits(4), key(dice, 16)),
        "blast" => {
            format!("https://bme.jp/{}/{}/{}/{}", dice.digits(2), dice.digits(4), dice.digits(3), dice.digits(5))
        }
        "hubspot" => {
            format!(
                "https://{}.na1.hubspotlinks.com/Ctc/{}*{}",
                key(dice, 6),
                key(dice, 12).to_uppercase(),
                key(dice, 60)
            )
        }
        "marketo" => format!("https://go.{domain}/{}", dice.letters(BASE64, 64).replace(['+', '/'], "0")),
        "own" => {
            format!("https://{}.{domain}/c?i={}&u={escaped}", dice.pick(&["r", "clk", "trk", "mail"]), key(dice, 12))
        }
        "a8" => match dice.below(3) {
            0 => format!("https://px.a8.net/svt/ejp?a8mat={}+{}+{}", key(dice, 6), key(dice, 6), key(dice, 4)),
            1 => format!(
                "https://ck.jp.ap.valuecommerce.com/servlet/referral?sid={}&pid={}&vc_url={escaped}",
                dice.digits(7),
                dice.digits(9)
            ),
            _ => format!("https://a.mag2.jp/{}", key(dice, 4)),
        },
        "short" => match dice.below(4) {
            0 => format!("https://bit.ly/{}", key(dice, 7)),
            1 => format!("https://x.gd/{}", key(dice, 5)),
            _ => url.to_owned(),
        },
        "none" | "china" => match dice.below(6) {
            0 => format!(
                "https://jpn01.safelinks.protection.outlook.com/?url={escaped}&data=05%7C02%7C{}",
                key(dice, 30)
            ),
            1 => format!("https://urldefense.com/v3/__{url}__;!!{}$", key(dice, 40)),
            2 => format!("https://www.google.com/url?q={escaped}&sa=D&source=calendar&usg={}", key(dice, 20)),
            _ => url.to_owned(),
        },
        other => panic!("no marketing service is called {other}"),
    }
}

fn domain(from: &str) -> String {
    from.rsplit_once('@').map_or("localhost", |(_, rest)| rest.trim_end_matches('>')).to_owned()
}

/// The address in a line, and what stands before and after it.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let at = line.find("https://")?;
    let end = line[at..].find([' ', '　']).map_or(line.len(), |n| at + n);
    Some((&line[..at], &line[at..end], &line[end..]))
}

/// The text part of such a mail, whose links lead over the service too.
pub(super) fn tracked_text(body: &str, track: &str, from: &str, dice: &mut Dice) -> String {
    let domain = domain(from);
    let lines = body.lines().map(|l| match split(l) {
        Some((before, url, after)) => format!("{before}{}{after}", tracked(url, track, &domain, dice)),
        None => l.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The page.
pub(super) fn page(body: &str, charset: &str, track: &str, from: &str, dice: &mut Dice) -> String {
    let domain = domain(from);
    let pictures = match dice.below(3) {
        0 => format!("https://img.{domain}/mail"),
        1 => format!("https://{}.cloudfront.net/img", dice.letters(ALNUM, 14)),
        _ => format!("https://image.{}.com/lib/fe{}/m/1", word(dice), dice.letters(HEX, 20)),
    };
    let font = match track {
        "china" => dice.pick(&["微软雅黑,'Microsoft YaHei',Arial", "'Microsoft YaHei UI',Tahoma", "SimSun,宋体"]),
        _ => dice.pick(&[
            "'Hiragino Kaku Gothic ProN',Meiryo,sans-serif",
            "'メイリオ',Meiryo,'ＭＳ Ｐゴシック'",
            "Arial,Helvetica,sans-serif",
        ]),
    };
    let mut rows = String::new();
    let mut label = None;
    for text in body.lines() {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if text.starts_with('▼') {
            label = Some(text.trim_start_matches('▼').to_owned());
            continue;
        }
        match split(text) {
            Some((before, url, after)) => {
                let link = tracked(url, track, &domain, dice).replace('&', "&amp;");
                let shown = label.take().unwrap_or_else(|| dice.pick(&[url, "こちら", url]).to_owned());
                rows.push_str(&match dice.below(3) {
                    0 => format!("<tr><td align=\"center\" style=\"padding:16px\"><table border=\"0\" cellpadding=\"0\" cellspacing=\"0\"><tr><td bgcolor=\"#e60012\" style=\"border-radius:4px\"><a href=\"{link}\" target=\"_blank\" style=\"display:inline-block;padding:12px 32px;color:#ffffff;text-decoration:none;font-weight:bold\">{shown}</a></td></tr></table></td></tr>\n"),
                    1 => format!("<tr><td>{before}<a href=\"{link}\" style=\"color:#0066cc\"><img src=\"{pictures}/btn_{}.png\" alt=\"{shown}\" width=\"320\" border=\"0\"></a>{after}</td></tr>\n", dice.digits(3)),
                    _ => format!("<tr><td style=\"font-size:14px;line-height:1.8\">{before}<a href=\"{link}\">{shown}</a>{after}</td></tr>\n"),
                });
            }
            None => rows.push_str(&format!(
                "<tr><td style=\"font-size:14px;line-height:1.8;color:#333333\">{escaped}&nbsp;</td></tr>\n"
            )),
        }
    }
    let first = body.lines().find(|l| l.chars().count() > 8).unwrap_or_default();
    let before: String = match dice.below(4) {
        0 => String::new(),
        1 => format!(
            "<div style=\"display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0;opacity:0;overflow:hidden\">{first}{}</div>\n",
            "&zwnj;&nbsp;".repeat(30 + dice.below(60))
        ),
        2 => format!(
            "<span style=\"display:none !important;visibility:hidden;mso-hide:all;font-size:0;\">{first}{}</span>\n",
            "&#847; &#8203; ".repeat(20 + dice.below(40))
        ),
        _ => format!("<div style=\"display:none\">{first}</div>\n"),
    };
    let open = match track {
        "sendgrid" => format!("https://u{}.ct.sendgrid.net/wf/open?upn={}", dice.digits(8), dice.letters(ALNUM, 60)),
        _ => tracked(&format!("https://{domain}/o.gif"), track, &domain, dice).replace('&', "&amp;"),
    };
    let stop = tracked(&format!("https://{domain}/unsubscribe"), track, &domain, dice).replace('&', "&amp;");
    let outlook = match dice.below(2) {
        0 => {
            "<!--[if mso]><v:roundrect xmlns:v=\"urn:schemas-microsoft-com:vml\" style=\"height:40px;v-text-anchor:middle;width:200px;\"><w:anchorlock/></v:roundrect><![endif]-->"
        }
        _ => "",
    };
    format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset={charset}\" /><meta name=\"viewport\" content=\"width=device-width\" />\n<style type=\"text/css\">body{{margin:0;font-family:{font}}} @media only screen and (max-width:480px){{.sp{{display:block!important}} .pc{{display:none!important}}}}</style></head>\n<body bgcolor=\"#f2f2f2\">{before}{outlook}<table width=\"100%\" bgcolor=\"#f2f2f2\"><tr><td align=\"center\"><table width=\"600\" bgcolor=\"#ffffff\" style=\"font-family:{font}\">\n<tr><td><img src=\"{pictures}/header_{}.jpg\" width=\"600\" alt=\"\"></td></tr>\n{rows}<tr><td style=\"font-size:10px;color:#999999;background:#fafafa\">このメールは{domain}の会員の方にお送りしています。<a href=\"{stop}\" style=\"color:#999999\">配信停止</a>　Copyright &copy; {domain} All Rights Reserved.</td></tr>\n</table></td></tr></table><img src=\"{open}\" width=\"1\" height=\"1\" border=\"0\" style=\"height:1px!important;width:1px!important\" alt=\"\"></body></html>\n",
        dice.digits(6)
    )
}

/// The way of such a mail: the service's machines, its signature beside the sender's own.
pub(super) fn travel(out: &mut Vec<u8>, track: &str, sender: &str, to: &str, date: i64, dice: &mut Dice) {
    let from = domain(sender);
    let (_, here) = to.rsplit_once('@').expect("an address");
    let (relay, service) = match track {
        "sendgrid" => (format!("o{}.ptr{}.sendgrid.net", 1 + dice.below(9), dice.digits(4)), "sendgrid.net".to_owned()),
        "ses" => {
            (format!("e234-{}.smtp-out.ap-northeast-1.amazonses.com", 1 + dice.below(60)), "amazonses.com".to_owned())
        }
        "mailchimp" => (format!("mail{}.sea{}.mcsv.net", dice.digits(3), dice.digits(2)), "mcsv.net".to_owned()),
        "sfmc" => (format!("mta{}.mail.{from}", dice.below(90)), from.clone()),
        "cuenote" => (format!("mta{}.fc{}.cuenote.jp", dice.digits(2), dice.digits(4)), "cuenote.jp".to_owned()),
        "blast" => (format!("mout{}.bme.jp", dice.digits(2)), "bme.jp".to_owned()),
        "hubspot" => (format!("bid{}.hubspotemail.net", dice.digits(3)), "hubspotemail.net".to_owned()),
        "marketo" => (format!("em-sj-{}.mktomail.com", dice.digits(2)), from.clone()),
        "china" => (format!("out{}-{}.mail.aliyun.com", dice.digits(2), dice.digits(2)), from.clone()),
        _ => (format!("mail{}.{from}", dice.below(9)), from.clone()),
    };
    let bounce = format!("bounces+{}-{}-{}@{service}", dice.digits(7), dice.letters(HEX, 4), to.replace('@', "="));
    line(out, &format!("Return-Path: <{bounce}>"));
    received(out, &relay, &relay, &public_ip(dice), here, to, date, dice);
    if dice.below(3) > 0 {
        line(
            out,
            &format!(
                "Authentication-Results: mx.{here};\n\tspf=pass smtp.mailfrom={bounce};\n\tdkim=pass header.d={from} header.s=s1;\n\tdkim=pass header.d={service};\n\tdmarc=pass header.from={from}"
            ),
        );
    }
    let mut signers = vec![from.as_str()];
    if service != from {
        signers.push(&service);
    }
    for signer in signers {
        line(
            out,
            &format!(
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d={signer};\n\th=content-type:from:mime-version:subject:list-unsubscribe:to:cc;\n\ts={}; bh={}=;\n\tb={}==",
                dice.pick(&["s1", "mte1", "k2", "200608", "hs1"]),
                dice.letters(BASE64, 43),
                dice.letters(BASE64, 86)
            ),
        );
    }
    if dice.below(4) > 0 {
        line(
            out,
            &format!(
                "List-Unsubscribe: <mailto:unsubscribe-{}@{service}>,\n <https://{from}/u/{}>",
                dice.letters(ALNUM, 12),
                dice.letters(ALNUM, 24)
            ),
        );
        line(out, "List-Unsubscribe-Post: List-Unsubscribe=One-Click");
    }
    match track {
        "sendgrid" => line(out, &format!("X-SG-EID:\n =?us-ascii?Q?u001=2E{}?=", dice.letters(ALNUM, 40))),
        "ses" => line(out, &format!("Feedback-ID: 1.ap-northeast-1.{}=:AmazonSES", dice.letters(BASE64, 43))),
        "mailchimp" => line(out, &format!("X-MC-User: {}", dice.letters(HEX, 25))),
        "hubspot" | "marketo" => line(out, &format!("X-Mailer-Info: {}.{}", dice.digits(6), dice.letters(BASE64, 20))),
        _ => {}
    }
}
