//! Links in QR codes are links: rules see them, of the type "qr", in all three formats; what is no address stays unread.

use engine::{Engine, EngineOptions, Scratch};
use mail::{Envelope, Limits, Message, Transaction};
use rules::{LoadOptions, NoReader, Source, SourceKind};

const PNG: &str = "\
iVBORw0KGgoAAAANSUhEUgAAAG8AAABvAQAAAADKvqPNAAABXElEQVR42tVUMU4DMRCcjSM5DbkPXHTXUdNdpEiXDr7BD5Iu\
DTHX0RDgBbyDzpGQnI4XIJ10QbTna3Aky0sLlV3CdpbG45mdXRPjR/EIv+pvHsE9sNZeuRwoQuwusWcl1hkUJzy0LzN9zBzs\
JEnVcCjtvE20cLb2z7pMAtctaVxPkLk4mGk8vM0ag4Zi4DEyhr0CL108brDV7bTuevhtFeszmFnsarYOxHFwL70y+aqG0hwF\
W8fWddYVNoE5VC1pDuiC5ATN3LiWnFc6PkgDZveTxc3kc5QwoqES7ITllhxHmSHfKcsfD0It43HTi+gvjsBieojHPcj5x9c5\
b0AmrpmdsJpD3VkTb12QgOx2EpBxg+S4x6zTRX8qk7bbdAH5quKk7d4snoy4lXGDVudb+GkNMgmhAIM8DnuhNmXKdpPGtmqz\
uwQZ7JUrHgxSDDKN7eUrTkWjY8z0Dz/zb6W0wFYohp14AAAAAElFTkSuQmCC\
";

const GIF: &str = "\
R0lGODdhbwBvAIEAAAAAAP///wAAAAAAACwAAAAAbwBvAEAI/wADCBxIsKDBgwgTKlzIsKHDhxAjSpxIseJAABgfYgRwcWPG\
iB5DduQocKPGjxZNlgypMkDLkTARvizIMqZLlihnTsTJs+ZKkjeBthyas6jQnkiBWlzoM6jNk0p/JvWYUGdFokeRjrQqk+dT\
miKXGuTqVKrRnl+DNsXKNqzYg1jHukVrNmvatlTfElw71StYu3W39s2rt+5gwGX3opSr9adgxGLxxjW8mPJhwnQVR915GbNb\
xnf9wq2cuLDp06hTq17N2vJUm03TMpY8OPLZuaQZkq1q9PHklLm7bgbNtLZjh7uR387Kd/hxzZlDMw8OMfpf3ojxzv78N3nr\
wNddk//WSdY6cOdqjZcGvz5xZu9Qt08n/Fg++fH40X/H3rw5bOqH2Tbfb77lR6B4nulHEW3Z9dZdfv9B9hx8+1Vo4YUYZqjh\
hhx26OGHII7WmYPpbeZdf50JWKCEDVGoWYT+LcVghDAaSGKNCapomXSyPScfjgdyNmKDRNI44ZAK7ocikbGFqN2OPoYHnWg8\
sncVlVIS595y9gHI3XlaYqflfSZ+2WN7VzIpWpMKveclfXqVxyWC0sVY4oqFzagcTmEKZ56L8fmpHplB6onmgjYOmGiXZTba\
J2t/ztnim2NSJyCDr0n5ZIkBnoZkkVk+yOeROcZpqaZfklkpemzmuVyhWN7/GSWna54qJJ6k1glhrrMGKZGLJ6a6K63znfkr\
kvUJpyucL4Ya4rPQRivttNRWa+212Gar7bbcdutta5/i+OiPCJp3bJLiglQri2LKaGu61a1rrLPn4npom++iqii76u5r5JbM\
2gnkjYj6yyvAhBKMMG7oFmdwe77OmuzCpYK5p262dnrvuP0Gim+SGgOb78cj/vvbya+qx+GSAzfMLcukturhpm6ymiibqlqp\
mp2A9pqisuAyPK+IjJorcb8y34tysaLKyWyaHDcrdc5T2my1jlK3O/WwE0fd88ctb4rxqEqbuSHOKQfMddMjo4b2vlSfaXS8\
V7OXKcTy2h0r1FBOvEr20HcPXW/fY79deKxfj83foIv6/HDiHTtuKM/Dzu0qi0vSrLChWE8cqdp/Ox6124hLqjjQW7t8qbBM\
+631v6QnWLK+niMbbc2U80ts0hbiLvTBRZtN9+wAe50UvJATfbHOeDt6tKypidx6lakvrnrkxC6bMOaMX+9635yX273h7j6e\
dvCX2Su4w/YuTW71wMd/6/Ikr02x5t6/zr7DccfMcMRCIl7SYBW6rD3vWwhMoAIXyMAGOvCBqwkIADs=\
";

const JPEG: &str = "\
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACAWGBwYFCAcGhwkIiAmMFA0MCwsMGJGSjpQdGZ6eHJmcG6AkLicgIiuim5woNqi\
rr7EztDOfJri8uDI8LjKzsb/2wBDASIkJDAqMF40NF7GhHCExsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbG\
xsbGxsbGxsbGxsbGxsb/wAARCABvAG8DASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA\
AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6\
Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG\
x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA\
AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5\
OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPE\
xcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDoKKKoanqJsGhVYDM0pIADYORj2OetAF+i\
sf8Ati8/6BM/6/8AxNNk1u5iQvJpcqKOrMSAP/HaANqis6fVRAtkzRgLdAEkvgIOPbnr+lMn1aZJmW3sZLmIfdljJKt9MA/S\
gDUoqG7me3tnljhaZlxhF6nmkF1GkMT3DpA0ig7ZGAIOORz6UAT0VRutSSOMG0Vbt84KRPkgevGf8moYtY8zS5r3yMeW+3Zv\
69O+PegDUorGXWrp1DLpUzKRkEE4I/75pf7YvP8AoEz/AK//ABNAGxRVPTL7+0LdpfL8vDlcbs9gf61coAKx9a/5COl/9df6\
rWxWLrzrFe6dI5wqSFifQArQBV1bVL221KWKGbai4wNoPYH0pxuprvw3dSXD72EgUHAHGV9KLs6Ld3LzyXkoZ8ZCqccDH92m\
XE+nQ6PPa2lw8jOwYBlOc5HsPSgC5J9ia10yK8heRpEVY9pwASF68j2q5aT20Vy2nQRuhhXdzyMHB65z/FUcc1uNMtLaeQob\
mFY1wDk5UD+tUtQtke0TS7ItLNA+9lbggHPOeB/EKAH2+sNeaxBHAXW3ZTuRlGScE/4VPrUljH5P26GSXO7ZsPTpnuParS6j\
aPavcrLmFDtZtp4PHbHuKzLiQ6dNHLp4Erag27950znjHTH3u9AEkMum2FomoQ28irKTGMHJ6nsTj+GoZbKSw8O3UUrIzFw3\
yk4xlf8ACq95LqWpSGxkt4xJGRIVU4I49ScfxUlt/wAivd/9dR/NaALF/fXFnp2nfZ5Nm+L5vlBzgL6/WnaFqN3d3rx3Eu9R\
GWA2gc5HoKjkm0q7s7SO5uZEaGMLhFPXAz2PpT7CXR7CYyxXcjMV2/MpxjI/2fagCfwx/wAg6T/rqf5Ctisfwx/yDpP+up/k\
K2KACqV+w862RrEXKu2CxXIjGRz0P+RV2srWbm6hmtIrWURtMxU5AIzkY6j3oAiu3S3uXij0RZlXGHWPg8f7tMu7uyiuVhtt\
Ot7ssucxhTzzxwD6VL9ovdN/falMs0LfIFiUZDdc9B2BqaTSIoUMmnosVyPuOzEgevXPbPagDOmc6rDI6obNrBSQo5OcdO2M\
bas2Vo97pMMqTtDcMSWnAy7AEjBOc+n5VMRbWPlwzxs0198krIeGboT145Y9KbI7aO5Zz/oH3I4k5ZWPOTn6N370AQCwkhiO\
lAO8c58w3IQ4Q+mP+A+veoteieCPTooyzPGCqlRgkjaBirX2i9j/ANAkmU30vzxyBRsC+h49j271DrSz+Zpa71+0Zxv7b/l5\
6evtQBQtLm6025a6ubeZy67MyZXJ47ke1bV1d6fbWMnlLayrkHyVZcMcjt/npTb0xw6ZF/a6m4bfyY+OecenasOw0me/hMsT\
xqobb8xOc4Ht70AbiyaY9qJVgs2lKbhCNu4tj7vTr2pr+WthHcDRkaR2wYRGMqOefu+3p3pn2PT9PkslmgZriQgB0Ykbxjnr\
6n0qxdw6s9y7WtzEkJxtVhyOOf4T3oAfo9zHdWrPFbpbqHI2rjBOBz0FX6oaO9o9qxsonjj3nIY85wPc+1X6ACq17NbhRbTy\
FDcgxrgHJzx/WrNVr+ESWsrCMNKiMYztyytjjHv0oAhfSYHsI7MvJ5cbbgQRnPPt71VvItN1KM30lxII4wIyyjAHPoRn+KlR\
JpNFgFxeSWku8lnkJDHk8HJH+RWc8Eml38dsN95Gy7zCAQGPI6c5xjP4UAV7K3JvzNBl7a2lDs5PIQHOcfQVNrUlhcObi2nd\
53YblIIAGMdx7CrTasLRSraOIVkGCD8oYf8AfPPX9ajPkalEFNrHp8edwnIGGI425wP59qALl5q04jNxYJHLaoAHdgQQ2emM\
g9x270z7Vqdxb5uLeJbSRMu6nkIRyRz6e1VdAgSYjzLpdu8g2rch+OuM/wBO1PutQM+pwWcaGKKKbymVW+V13AYI9OOnvQBR\
v4tNSEGyuJJJN3IYcYwfYe1bmoiNdQjkgYtqCp+6iP3WHOc/hu79qWL7HJqk1l9ggHlpu37Rz07Y96q30L3+sQtaTME8vaZ4\
vmCn5jjI/wAe9AFz+0bS4j+yXEu2eQeU6Kp4Y8EA4x1rEkkOi6rMtsA4Chf3nPBAPbFQCOaDUZJAkk/2aXc7AHnB6k84zir2\
rXVteabFcIkSXDyfMoILgAEc9+woA19HvZL+1aWVUVg5X5QcYwP8av0yKGOFdsUaRqTnCqAM0+gAqtdJdtNAbaVEjVv3oYcs\
Mjpx9as1U1G5tYYTFdSmNZlZRgEnGOeg96AKXif/AJB0f/XUfyNULO7e9kAJJ1LJEUxACquMkED/AIF271YsJdHsJjLFdyMx\
Xb8ynGMj/Z9qrfZ9C/5/Z/yP/wATQA6+t7w3tlHqMscyvJtATjjIz2HtS65PbRQLp0EboYXDc8jBBPXOf4qg1LTYYPsn2NpJ\
PtP3d5HPTHYetWNAgkttXmimXa6xHIznupoAv6To62f7ycI1wrHa6scAYx/jVC80i7iuJ75JIgEdphycjBz6UyaXUjrMDvbx\
i6CHYgPBHze/171dktZraNpFT5boFrwkj92O+3829egoAsaMizW6X8g3XMoKu/qAcdOnYVDpX/EtlXTp/mmlJkVk5UDHfP8A\
ums/TbiysdVmZZmNv5e1XZSSTwfT60zTrCzm0+S6u5ZI1R9pK9Mcex9aANFUWwvZ47ob11CQqgTsMnr0x94dKrwadaPr1xbN\
FmFIwyruPB+Xvn3NU9Wsbe0jtpLZ5HWYFsv6cY7D1plm93psYvo4kMcgMYZjkHn0Bz/DQB2NFVrB7t4Sb2JI5N3AU8YwPc+9\
WaACsbXFD3+mqwDKZSCCOCMrWzWPrX/IR0v/AK6/1WgCvf31nZ3klv8A2ZA+zHzYAzkA+nvTZ3trvQri4js4oGRwo2gZ6r3w\
PWpNT0S5u7+SeN4gr4wGJzwAPSklspLDw7dRSsjMXDfKTjGV/wAKAFvoEk0qylN0sDwwbkB6udoPHPt+tV9O1Z0UKli1zcAH\
dKDl2Ge/BPoKuyac1/a6Ycp5caL5gYkEghemPoaYYI9EvZLwr/ozjy0RDlgeDzn6HvQBK5j0m3aS4lS7ulOUMhAfaeMDOTjr\
+tVdO1MOuoS3MgZSNyQyScEfN8oz+ApLq2fXpBdWhVEQeWRLwcjntn1p9rp9jdQzwRwEXUC7GdmO0vgjI56ZHpQAWCafLMb2\
V7WNZFx9mbbhCCBn9PTvVLTNR8i3a0+xfavMcttznPA7YPpUn9mJJ/oEaqL6L55JCx2FfQfmO3aoo7yxt9VhuLaGRIEU7lPJ\
JwR3PuKAC/vRqE1tA0ItFjbYcnhQSB0wMYxWvpyIVFg8C3FvECy3BXKOc9u3cjr2rPkitLeRrq/iaVLsmSEITlR155HqPWrU\
F4LKFbldw05/kiiABdW7k59w3fvQBsxTRzLuikSRQcZVgRmn1Q0eyksLVopWRmLlvlJxjA/wq/QAVT1DTYdQ8vzmkXy842ED\
rj29quUUAY//AAjdn/z0n/76H+FH/CN2f/PSf/vof4VsUUAULrSYLqGCKR5AsC7V2kZIwOvHtVm0tktLZIIyxVM4LdeTmpqK\
AKz2Ub38d4WfzI12gAjGOf8AGi1so7WaeWNnLTtubcRgHJ6fnVmigDNu9Etru5eeR5Qz4yFIxwMelWbCyjsITFEzspbd8xGc\
4H+FWaKAK11ZR3U0EsjOGgbcu0jBOR1/Ki/so7+ERSs6qG3fKRnOD/jVmigAooooA//Z\
";

const TICKET: &str = "\
iVBORw0KGgoAAAANSUhEUgAAADkAAAA5AQAAAACkY74oAAAAl0lEQVR42p2ROw7CQAxEZz/SpiItBSh7DDoIN+EIoYckXCBX\
okydE+wV0i1SjGkoJxLClSXLM29sowAA9Bbf+qkRY/bXMZIRllar91E7tj4X4vq4qnxYNb2d+KjMeARQDKAaMsPwTiG+UZqr\
e8VNoLl01nQHFZQybKczwzCqVrVOF+blnmLHxDCctL7J9FBisRsK7vXPKz8aOzFneJwO6wAAAABJRU5ErkJggg==\
";

fn hits(kind: &str, picture: &str, beyond_spamassassin: bool) -> Vec<String> {
    let rules = "loadplugin Mail::SpamAssassin::Plugin::URIDetail\n\
                 uri QR_HOST /^https:\\/\\/login\\.example\\.top\\/verify\\?id=42$/\nscore QR_HOST 1\n\
                 uri_detail QR_TYPE type =~ /^qr$/ domain =~ /^example\\.top$/\nscore QR_TYPE 1\n\
                 uri_detail QR_DRAWN type =~ /^drawn$/\nscore QR_DRAWN 1\n\
                 uri ANY_URI /./\nscore ANY_URI 1\n";
    let sources = [Source::new("qr.pre", rules, SourceKind::Pre)];
    let options = LoadOptions { local_only: true, ..LoadOptions::default() };
    let (ruleset, diagnostics) = rules::load(&sources, &engine::catalog(), &options, &mut NoReader);
    assert!(!ruleset.rules.is_empty(), "{diagnostics:?}");
    let options = EngineOptions { local_only: true, beyond_spamassassin, ..EngineOptions::default() };
    let engine = Engine::new(ruleset, options);
    let coding = if kind.starts_with("image/") { "base64" } else { "8bit" };
    let raw = format!(
        "From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n\
         --b\nContent-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: {coding}\n\n{picture}\n--b--\n"
    );
    let message = Message::parse(raw.as_bytes(), &Limits::default());
    let transaction = Transaction { envelope: Envelope::default(), message, now: 1_795_000_000 };
    let verdict = engine::judge(&engine, &transaction, &mut Scratch::new());
    let mut hits: Vec<String> = verdict.hits.iter().map(|hit| hit.rule.clone()).collect();
    hits.sort();
    hits
}

#[test]
fn links_in_pictures_are_links() {
    for (kind, picture) in [("image/png", PNG), ("image/gif", GIF), ("image/jpeg", JPEG)] {
        assert_eq!(hits(kind, picture, true), ["ANY_URI", "QR_HOST", "QR_TYPE"], "{kind}");
        assert!(hits(kind, picture, false).is_empty(), "{kind}: SpamAssassin reads no pictures");
    }
}

#[test]
fn what_is_no_address_of_the_web_is_left_alone() {
    assert!(hits("image/png", TICKET, true).is_empty());
}

const DRAWN: &str = include_str!("qr/drawn.txt");

#[test]
fn codes_drawn_with_characters_are_codes() {
    let all = ["ANY_URI", "QR_DRAWN", "QR_HOST", "QR_TYPE"];
    let text = format!("Please scan:\n\n{DRAWN}\nThank you.\n");
    assert_eq!(hits("text/plain", &text, true), all);
    assert!(hits("text/plain", &text, false).is_empty(), "SpamAssassin reads no drawings");
    // Dark on light, two characters a square, and in a page.
    let rows = squares();
    let wide = |dark: &str, light: &str| -> String {
        let row = |row: &Vec<bool>| row.iter().map(|d| if *d { dark } else { light }).collect::<String>() + "\n";
        rows.iter().map(row).collect()
    };
    assert_eq!(hits("text/plain", &wide("██", "  "), true), all);
    assert_eq!(hits("text/plain", &wide("##", "  "), true), all);
    assert_eq!(hits("text/plain", &wide("⬛", "⬜"), true), all);
    assert_eq!(hits("text/html", &format!("<pre>{}</pre>", wide("&#9608;&#x2588;", "&nbsp; ")), true), all);
    assert_eq!(hits("text/html", &format!("<p>{}", wide("██", "&nbsp;&nbsp;").replace('\n', "<br>\n")), true), all);
    // Not all of it.
    let half: String = wide("██", "  ").lines().take(17).map(|line| format!("{line}\n")).collect();
    assert!(hits("text/plain", &half, true).is_empty());
}

#[test]
fn codes_drawn_as_tables_are_codes() {
    let all = ["ANY_URI", "QR_DRAWN", "QR_HOST", "QR_TYPE"];
    let table = |dark: &str, light: &str, head: &str| -> String {
        let row = |row: &Vec<bool>| {
            format!("<tr>{}</tr>\n", row.iter().map(|d| if *d { dark } else { light }).collect::<String>())
        };
        format!(
            "<html>{head}<body><table cellpadding=0>{}</table></body></html>",
            squares().iter().map(row).collect::<String>()
        )
    };
    for (dark, light, head) in [
        ("<td bgcolor=\"#000000\"></td>", "<td bgcolor=\"#ffffff\"></td>", ""),
        ("<td style=\"width:4px;height:4px;background:#111\"></td>", "<td></td>", ""),
        (
            "<TD class=b></TD>",
            "<TD class=w></TD>",
            "<style>.b{background-color:black}.w{background-color:white}</style>",
        ),
    ] {
        assert_eq!(hits("text/html", &table(dark, light, head), true), all, "{dark}");
    }
    // Neighbours as one cell.
    let mut page = String::from("<table>");
    for row in squares() {
        page.push_str("<tr>");
        for run in row.chunk_by(|a, b| a == b) {
            let colour = if run[0] { "black" } else { "white" };
            page.push_str(&format!("<td colspan={} bgcolor={colour}></td>", run.len()));
        }
        page.push_str("</tr>\n");
    }
    assert_eq!(hits("text/html", &(page + "</table>"), true), all);
    let calendar = "<tr><td bgcolor=#000000>1</td><td>2</td></tr>".repeat(120);
    assert!(hits("text/html", &format!("<table>{calendar}</table>"), true).is_empty());
}

/// The drawing of half blocks, light on dark.
fn squares() -> Vec<Vec<bool>> {
    let mut rows: Vec<Vec<bool>> = Vec::new();
    for line in DRAWN.lines() {
        for half in ['▀', '▄'] {
            rows.push(line.chars().map(|c| c != '█' && c != half).collect());
        }
    }
    rows.truncate(rows[0].len());
    rows
}
