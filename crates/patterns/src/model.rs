//! How often does a piece of text turn up in mail? A guess is enough: it only chooses between fragments.
//!
//! Three-byte statistics over words that everybody knows to be common in mail (English function words, header
//! names, markup, addresses), each weighted by a rough rank. Not learned from anybody's mail.

use std::sync::LazyLock;

/// Common tokens, most common first within each line; the number is the line's weight (uses per 1,000 words).
const TOKENS: &[(f32, &str)] = &[
    (40.0, "the and to of a in is you that for it on your with this are be "),
    (20.0, "we as at have from or by not our will can if all was an my me they has please email but more what no "),
    (
        8.0,
        "do so new information mail get one may about time out any free here click which there when up now use \
           message list their been would who just like only how us other see also make some than into know these ",
    ),
    (
        4.0,
        "his he her she them its people were said company business address number name account order contact \
           service home office phone money send first day work year most way over need best offer then after \
           should could want let these two may 20 10 2000 2002 2007 2024 2025 subject reply received date dear \
           thank thanks regards hello today product price online internet site web page data help group program ",
    ),
    (
        2.0,
        "through before because where system computer world government each good back even look made many much \
           must between under never again still while great same life those such own down without within every \
           always report state special security software user users customer support please unsubscribe remove \
           removed mailing lists receive receiving sent within days week month years million dollars percent \
           united states university news read write file open source linux free download view image images \
           form text line lines part start end set call point problem question answer possible following really \
           something anything nothing someone against during public important available service services ",
    ),
    (8.0, "http:// https:// www. .com/ .com .net .org .html .gif .jpg ://www. index.html "),
    (
        6.0,
        "<br> <a href=\"http:// </a> <td> </td> <tr> </tr> <p> </p> <font size=\"2\" face=\"arial\" </font> \
           <table border=\"0\" width=\"100%\" cellspacing=\"0\" cellpadding=\"0\"> <div style=\" class=\" \
           &nbsp; align=\"center\" valign=\"top\" height=\" color=\"#000000\" <img src=\" <span </span> <b> </b> \
           font-family: font-size: 12px color: background-color: text-align: margin: padding: 0px; ",
    ),
    (
        5.0,
        "received: from by with esmtp smtp id for message-id: from: to: subject: date: mime-version: 1.0 \
           content-type: text/plain; charset=\"us-ascii\" text/html; charset=iso-8859-1 utf-8 \
           content-transfer-encoding: 7bit 8bit quoted-printable base64 multipart/alternative boundary=\" \
           x-mailer: reply-to: return-path: sender: errors-to: precedence: bulk list-unsubscribe: <mailto: \
           localhost 127.0.0.1 helo= rdns= ip= by= ident= envfrom= intl=0 id= auth= msa=0 ] [ +0000 -0700 gmt \
           mon, tue, wed, thu, fri, sat, sun, jan feb mar apr jun jul aug sep oct nov dec ",
    ),
    (3.0, "---- ==== ____ **** .... \t\t     \n\n > > | -- - :: ... , . ! ? ' s 's n't 00 000 -0400 (gmt) "),
];

/// What stands between and around words: ends of sentences and of hosts, markup, encodings, numbers. Only signatures are
/// weighed by it as well.
const MARKS: &[(f32, &str)] = &[
    (
        6.0,
        "=3d\" =3d\"http =3d\"# =20 =09 ><br> ></td> ></tr> ></font> ></a> ><td ><tr ><b> ><font ></p> ><p> ><img />",
    ),
    (
        8.0,
        "8.11.6 8.12.1 8.9.3 127.0.0.1 192.168.0.1 10.0.0.1 64.12.1.9 209.85.220.41 2002 12:34:56 01:23:45 00:00:00 \
           -0400 -0700 +0100 1.0 3.1 2.4.19 100 11. 27. ",
    ),
    (
        6.0,
        "user@example.com> <name@lists.example.net> <x@y.org> mail.example.com www.example.com .com> .net> .org> .com, \
           t.com s.com e.com l.com r.com n.com y.com o.com st.net e.net er.net s.org e.org t.org .com/ .net/ ",
    ),
    (
        4.0,
        "it. in. on. er. es. ed. ng. nt. st. et. al. ly. ts. se. te. ce. me. us. or. an. re. ns. he. so. ge. rs. le. \
           it, in, on, er, es, ed, ng, nt, st, ly, ts, se, te, rs, as, is, ",
    ),
];

const SYMBOLS: usize = 64;

struct Model {
    symbol: [u8; 256],
    /// Probability of each symbol, of a pair given its first, of a triple given its first two.
    one: Vec<f32>,
    two: Vec<f32>,
    three: Vec<f32>,
}

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::new(&[TOKENS]));

impl Model {
    fn new(tokens: &[&[(f32, &str)]]) -> Model {
        const OWN: &[u8] = b"abcdefghijklmnopqrstuvwxyz .,-/:;=<>\"'&!?@_()[]#%+*|$\n\t";
        let mut symbol = [SYMBOLS as u8 - 1; 256];
        for (index, byte) in OWN.iter().enumerate() {
            symbol[usize::from(*byte)] = index as u8;
        }
        let next = OWN.len() as u8;
        (b'0'..=b'9').for_each(|b| symbol[usize::from(b)] = next);
        (0x80..=0xBF).for_each(|b| symbol[b as usize] = next + 1);
        (0xC0..=0xFF).for_each(|b| symbol[b as usize] = next + 2);
        (b'A'..=b'Z').for_each(|b| symbol[usize::from(b)] = symbol[usize::from(b + 32)]);
        symbol[usize::from(b'\r')] = symbol[usize::from(b'\n')];
        let mut one = vec![3.0f32; SYMBOLS];
        let mut two = vec![0.0f32; SYMBOLS * SYMBOLS];
        let mut three = vec![0.0f32; SYMBOLS * SYMBOLS * SYMBOLS];
        for (weight, words) in tokens.iter().copied().flatten() {
            for word in words.split_ascii_whitespace() {
                let text = format!(" {word} ");
                let s: Vec<usize> = text.bytes().map(|b| usize::from(symbol[usize::from(b)])).collect();
                s[1..].iter().for_each(|a| one[*a] += weight);
                s.windows(2).for_each(|w| two[w[0] * SYMBOLS + w[1]] += weight);
                s.windows(3).for_each(|w| three[(w[0] * SYMBOLS + w[1]) * SYMBOLS + w[2]] += weight);
            }
        }
        let total: f32 = one.iter().sum();
        one.iter_mut().for_each(|p| *p /= total);
        // Each level leans on the one below it, so that nothing is impossible.
        for a in 0..SYMBOLS {
            let row = &mut two[a * SYMBOLS..][..SYMBOLS];
            let sum: f32 = row.iter().sum::<f32>() + 60.0;
            row.iter_mut().zip(&one).for_each(|(p, base)| *p = (*p + 60.0 * base) / sum);
        }
        for pair in 0..SYMBOLS * SYMBOLS {
            let base = &two[pair % SYMBOLS * SYMBOLS..][..SYMBOLS];
            let row = &mut three[pair * SYMBOLS..][..SYMBOLS];
            let sum: f32 = row.iter().sum::<f32>() + 30.0;
            row.iter_mut().zip(base).for_each(|(p, base)| *p = (*p + 30.0 * base) / sum);
        }
        Model { symbol, one, two, three }
    }
}

/// Chance that this text begins at a given byte of mail.
pub fn text_chance(text: &[u8]) -> f32 {
    let model = &*MODEL;
    let symbol = |i: usize| usize::from(model.symbol[usize::from(text[i])]);
    // A digit, a continuation byte stands for many: share the chance out among them.
    let share = |i: usize| match text[i] {
        b'0'..=b'9' => 0.15f32,
        0x80..=0xFF => 0.05,
        _ => 1.0,
    };
    let mut chance = 1.0;
    for i in 0..text.len() {
        let c = symbol(i);
        chance *= share(i)
            * match i {
                0 => model.one[c],
                1 => model.two[symbol(0) * SYMBOLS + c],
                _ => model.three[(symbol(i - 2) * SYMBOLS + symbol(i - 1)) * SYMBOLS + c],
            };
    }
    chance
}

/// Logarithms (base 2) of the chance of each byte in mail: by itself, after the byte before it, after the two before it.
pub fn log_chances(text: &[u8], out: &mut Vec<[f32; 3]>) {
    static LOGARITHMS: LazyLock<Model> = LazyLock::new(|| {
        let logarithms = |of: &[f32]| of.iter().map(|chance| chance.log2()).collect();
        let Model { symbol, one, two, three } = Model::new(&[TOKENS, MARKS]);
        Model { symbol, one: logarithms(&one), two: logarithms(&two), three: logarithms(&three) }
    });
    let model = &*LOGARITHMS;
    out.clear();
    let (mut before, mut last) = (0, 0);
    for byte in text {
        let symbol = usize::from(model.symbol[usize::from(*byte)]);
        // As in `text_chance`.
        let share = match byte {
            b'0'..=b'9' => -2.737f32,
            0x80..=0xFF => -4.322,
            _ => 0.0,
        };
        out.push([
            share + model.one[symbol],
            share + model.two[last * SYMBOLS + symbol],
            share + model.three[(before * SYMBOLS + last) * SYMBOLS + symbol],
        ]);
        (before, last) = (last, symbol);
    }
}

/// Chance that a byte of mail is in the set.
pub fn set_chance(set: &crate::ir::ByteSet) -> f32 {
    let model = &*MODEL;
    let byte_chance = |b: u8| {
        let base = model.one[usize::from(model.symbol[usize::from(b)])];
        base * match b {
            b'0'..=b'9' => 0.1,
            b'A'..=b'Z' => 0.12,
            0x80..=0xFF => 1.0 / 64.0,
            0..=0x1f if b != b'\n' && b != b'\t' => 0.001,
            _ => 0.9,
        }
    };
    // Blanks are under-counted in a list of words.
    set.iter().map(byte_chance).sum::<f32>().min(1.0)
}
