//! The formats of Received lines, in the order in which they are tried; the first that fits wins.
//!
//! One entry a format, with who writes it. The order matters where shapes overlap and is SpamAssassin's, so that the
//! relays come out the same. Its entries that could never be reached, because one above takes all their lines, are
//! left out.

use super::address;
use super::line::{Fields, Outcome};
use super::shape::*;

/// One way of writing the line after `from `.
pub struct Format {
    /// Who writes it, for the reader of this table.
    pub writer: &'static str,
    /// Text that must be somewhere in the line; spares trying the shape.
    pub mark: &'static str,
    pub shape: &'static [Piece],
    /// What the fields need after the shape has matched; false takes the match back.
    pub adjust: fn(&mut Fields<'_>) -> bool,
    pub outcome: Outcome,
}

impl Format {
    const fn mark(self, mark: &'static str) -> Format {
        Format { mark, ..self }
    }

    const fn then(self, adjust: fn(&mut Fields<'_>) -> bool) -> Format {
        Format { adjust, ..self }
    }
}

/// A hand-over whose MTA does not look names up, or hides whether it does.
const fn relay(writer: &'static str, shape: &'static [Piece]) -> Format {
    Format { writer, mark: "", shape, adjust: |_| true, outcome: Outcome::Relay }
}

/// A hand-over whose MTA always looks names up: no name means that there is none.
const fn resolved(writer: &'static str, shape: &'static [Piece]) -> Format {
    Format { adjust: looked_up, ..relay(writer, shape) }
}

/// Not a hand-over between hosts, or nothing in it to use.
const fn skip(writer: &'static str, shape: &'static [Piece]) -> Format {
    Format { outcome: Outcome::Skip, ..relay(writer, shape) }
}

/// Formats of one program that are tried only if its mark is in the line, and then no other family's.
pub struct Family {
    pub applies: fn(&[u8]) -> bool,
    pub formats: &'static [Format],
}

pub static FAMILIES: &[Family] = &[
    Family {
        applies: |line| contains(line, " SMTPSVC"),
        formats: &[
            relay(
                "Microsoft SMTPSVC (IIS, Exchange 2000/2003); after the address `RDNS failed` or `unverified`",
                &[
                    HELO_OR_NOTHING,
                    L(" (["),
                    IP,
                    L("]"),
                    Run(Field::Nothing, inside_parentheses, 0, 40),
                    L(") by "),
                    BY,
                    L(" with Microsoft SMTPSVC"),
                ],
            ),
            skip(
                "Microsoft SMTPSVC, from its pickup folder",
                &[L("mail pickup service by "), W, L(" with Microsoft SMTPSVC"), End],
            ),
        ],
    },
    Family {
        applies: microsoft_server,
        formats: &[relay(
            "Microsoft Exchange, by mapi or SMTP with the version where others have the id",
            &[
                HELO,
                L(" ("),
                BR,
                IP,
                Maybe(&[L("%"), Run(Field::Nothing, zone, 0, usize::MAX)]),
                KET,
                L(") by "),
                BY,
                L(" "),
            ],
        )
        .then(|f| {
            f.id = b"";
            true
        })],
    },
    Family {
        applies: |line| contains(line, "[XMail "),
        formats: &[relay(
            "XMail",
            &[
                HELO,
                L(" ("),
                BR,
                IP,
                KET,
                L(":"),
                Digits(1),
                L(") by "),
                BY,
                Maybe(&[L(" ("), W, L(")")]),
                L(" with [XMail"),
            ],
        )
        .then(xmail)],
    },
    Family {
        applies: |line| contains_word(line, "(ecelerity"),
        formats: &[
            relay(
                "Momentum (ecelerity)",
                &[L("(["), IP, L(":"), Digits(1), L("] helo="), HELO, L(") by "), BY, L(" ")],
            ),
            relay("Momentum (ecelerity), without HELO", &[W, L(" (["), IP, L(":"), Digits(1), L("]) by "), BY, L(" ")]),
        ],
    },
    Family {
        applies: |line| contains(line, "Exim"),
        formats: &[
            skip("Exim, local submission", &[GAP, L("with local"), Maybe(&[L("-"), W]), L(" ")]),
            relay("Exim, no reverse DNS", &[L("["), IP, L("] ("), Gap(Field::Inside), L(") by "), BY, L(" ")])
                .then(inside),
            relay("Exim", &[RDNS, L(" (["), IP, L("]"), Gap(Field::Inside), L(") by "), BY, L(" ")]).then(|f| {
                f.helo = f.rdns;
                inside(f)
            }),
            relay(
                "Exim 3, no parentheses",
                &[RDNS, L(" ["), IP, L("]"), Maybe(&[L(":"), Digits(1)]), L(" by "), BY, L(" ")],
            )
            .then(same_helo),
            relay("Exim with a received_header_text of the site's own", &[]).then(exim_scripted),
        ],
    },
    Family {
        applies: |line| contains(line, " (Postfix) with"),
        formats: &[
            resolved("Postfix", &[HELO, L(" ("), RDNS, L(" ["), IP, L("]) by "), BY, L(" ")]).then(unknown_is_none),
            resolved("Postfix at pobox.com", &[HELO, L(" ("), RDNS, L("["), IP, L("]) by "), BY, L(" ")])
                .then(unknown_is_none),
        ],
    },
    Family {
        applies: |line| contains(line, "(Scalix SMTP Relay"),
        formats: &[relay("Scalix", &[HELO, L(" ("), Maybe(&[L(" ")]), IP, L(") by "), BY])],
    },
    Family {
        applies: |line| contains(line, " (Lotus Domino "),
        formats: &[relay("Lotus Domino", &[HELO, L(" (["), IP, L("]) by "), BY, L(" (Lotus")])],
    },
];

/// sendmail 8. Not tried on qmail-ldap's lines, which look alike.
pub static SENDMAIL: Format = resolved(
    "sendmail, and all who imitate it",
    &[HELO, L(" ("), RDNS, L(" ["), IP, L("]"), WideGap, L(") by "), BY, L(" (")],
)
.then(|f| {
    // `IDENT:user@host`: what the identd of the client said.
    for prefix in [&b"IDENT:"[..], b""] {
        if let Some(rest) = f.rdns.strip_prefix(prefix)
            && let Some(at) = memchr::memchr(b'@', rest)
        {
            (f.ident, f.rdns) = (&rest[..at], &rest[at + 1..]);
        }
    }
    looked_up(f)
});

pub static WEB: Format = relay("IMP webmail", &[IP, L(" (["), SOME_IP, L("]) by "), BY]);

pub static GENERAL: &[Format] = &[
    resolved("Exchange 5.5", &[HELO, L(" ("), RDNS, L(" ["), IP, L("]) by "), BY, L(" with "), W, L(" (")]),
    relay("Exim without its name", &[RDNS, L(" (["), IP, L("] helo="), HELO, L(") by "), BY, L(" with ")]),
    relay(
        "AT&T Worldnet, no name",
        &[HELO, L(" (<unknown"), WordOrNothing(Field::Nothing), L(">["), IP, L("]) by "), BY, L(" ")],
    ),
    resolved("AT&T Worldnet", &[HELO, L(" ("), Dotted(Field::Rdns), L("["), IP, L("]) by "), BY, L(" ")]),
    resolved(
        "sendmail, identd but no name",
        &[HELO, L(" ("), WordOrNothing(Field::Ident), L("@["), IP, L("]"), WideGap, L(") by "), BY, L(" (")],
    ),
    relay("old Hotmail", &[]).mark(".hotmail.msn.com ").then(hotmail),
    relay(
        "qpsmtpd",
        &[
            RDNS,
            L(" ("),
            HELO_OR_EHLO,
            HELO_OR_NOTHING,
            L(") ("),
            IP,
            L(") by "),
            BY,
            L(" (qpsmtpd/"),
            W,
            L(") with "),
            Either("ESMTP", "SMTP"),
        ],
    ),
    relay("Zimbra", &[RDNS, L(" (LHLO "), HELO_OR_NOTHING, L(") ("), IP, L(") by "), BY, L(" with LMTP")]),
    relay(
        "GMX",
        &[
            RDNS,
            L(" ("),
            HELO_OR_EHLO,
            HELO_OR_NOTHING,
            L(") ["),
            IP,
            L("] by "),
            BY,
            L(" ("),
            COMMENT,
            L(") with "),
            Either("ESMTP", "SMTP"),
        ],
    ),
    relay("qmail and netqmail, Yahoo", QMAIL).then(qmail),
    relay("Yahoo webmail", &[L("["), IP, L("] by "), BY, L(" via HTTP"), End]),
    relay("webmail with the user's name", &[W, L(" ( ["), IP, L("])"), GAP, L(" by "), BY, L(" ")]),
    relay("unearthed.com", &[L("("), HELO, L(" ["), IP, L("]) by "), BY, L(" ")]),
    relay("address only: MessageWall, CommuniGate, Post.Office", &[L("["), IP, L("] by "), BY, L(" ")]),
    relay("address only, in parentheses: McAfee, CipherTrust", &[L("("), BR, IP, KET, L(") by "), BY, L(" ")]),
    resolved("MDaemon", &[HELO, L(" ["), IP, L("] by "), BY, L(" ["), SOME_IP, L("] with ")]),
    relay("MDaemon 19", &[HELO, L(" [("), IP, L(")] by "), BY, L(" ("), SOME_IP, L(") ")]),
    resolved("sendmail, no reverse DNS", &[HELO, L(" (["), IP, L("]) by "), BY, L(" (")]),
    resolved(
        "sendmail, Courier, Haraka, OpenSMTPD and most others",
        &[HELO, L(" ("), RDNS, L(" ["), IP, L("])"), GAP, L(" by "), BY, WordEnd],
    )
    .then(|f| {
        // couriertcpd: its look-up failed for the moment.
        f.looked_up = f.rdns != b"softdnserr";
        if !f.looked_up {
            f.rdns = b"";
        }
        true
    }),
    resolved(
        "no reverse DNS; a port may follow the address",
        &[HELO, L(" (["), IP, Maybe(&[Either(".", ":"), Digits(1)]), L("])"), GAP, L(" by "), BY, L(" ")],
    ),
    Format { outcome: Outcome::FetchMarker, ..relay("fetchmail, getmail", &[GAP, L("with "), Either("POP3", "IMAP")]) },
    resolved(
        "qmail with more after its address",
        &[
            RDNS,
            L(" ("),
            HELO_OR_EHLO,
            Run(Field::Helo, inside_parentheses, 0, usize::MAX),
            L(") ("),
            Maybe(&[WordOrNothing(Field::Ident), L("@")]),
            BR,
            IP,
            KET,
            L(")"),
            WideGap,
            L(" by "),
            BY,
            L(" "),
        ],
    ),
    resolved(
        "qmail when HELO is the host's name; `host (address)` of IronPort and Exchange",
        &[
            RDNS,
            L(" ("),
            Maybe(&[WordOrNothing(Field::Ident), L("@")]),
            BR,
            IP,
            KET,
            L(")"),
            WideGap,
            L(" by "),
            BY,
            L(" "),
        ],
    )
    .then(|f| {
        f.helo = f.rdns;
        looked_up(f)
    }),
    resolved("smap", &[RDNS, L("("), IP, L(") by "), BY, L(" via smap ")]),
    resolved(
        "smap with HELO",
        &[RDNS, L("("), IP, L(", "), HELO_OR_EHLO, HELO_OR_NOTHING, L(") by "), BY, L(" via smap ")],
    ),
    relay("InterScan VirusWall, SMTPL", &[IP, L(" by "), BY, L(" ("), Either("SMTPL", "InterScan"), WordEnd]),
    skip("BSMTP", &[W, L(" by "), W, L(" with BSMTP")]),
    resolved(
        "Yahoo with login",
        &[
            RDNS,
            L(" ("),
            HELO_OR_EHLO,
            HELO_OR_NOTHING,
            L(") ("),
            Maybe(&[Word(Field::Ident), L("@")]),
            IP,
            GAP,
            L(") by "),
            BY,
            L(" with "),
        ],
    ),
    relay(
        "CommuniGate Pro",
        &[
            L("["),
            IP,
            L("] ("),
            Maybe(&[L("account "), W, L(" ")]),
            HELO_OR_EHLO,
            HELO_OR_NOTHING,
            L(") by "),
            BY,
            L(" ("),
        ],
    ),
    resolved("CommuniGate Pro, verified", &[RDNS, L(" (["), IP, L("] verified) by "), BY, L(" (")])
        .mark(" (CommuniGate Pro")
        .then(|f| {
            f.helo = f.rdns;
            looked_up(f)
        }),
    skip("Content Technologies SMTPRS", &[W, L(" ("), W, L(") by "), W, L(" (Content Technologies ")]),
    relay("BellSouth, address twice", &[HELO, L(" (["), IP, L("] ["), W, L("]) by "), BY, L(" with ")]),
    relay("Tumbleweed", &[IP, L(" by "), BY, L(" with ")]),
    resolved("AT&T Worldnet, short name", &[HELO, L(" ("), RDNS, L("["), IP, L("]) by "), BY, L(" ")]),
    relay("F-Secure", &[L("["), IP, L("]"), W, L(" ("), HELO_OR_EHLO, HELO_OR_NOTHING, L(") by "), BY, L(" ")]),
    relay("AltaVista", &[IP, L(" ("), HELO_OR_EHLO, HELO_OR_NOTHING, L(") by "), BY, L(" ")]),
    relay("IMail (SMTPD32)", &[HELO, L(" ["), IP, L("] by "), BY, L(" ")]),
    relay("csmap", &[RDNS, L("("), IP, L(") by "), BY, L(" ")]),
    relay("webmail behind a proxy", &[IP, L(" ("), Letter, COMMENT, L(") by "), BY, L(" with ")]),
    relay(
        "CommuniGate Pro, Nemesis (1&1)",
        &[L("["), IP, L("] ("), Run(Field::Inside, inside_parentheses, 1, usize::MAX), L(") by "), BY, L(" ")],
    )
    .then(inside),
    relay(
        "Obtuse smtpd",
        &[
            RDNS,
            L("("),
            IP,
            L(")"),
            Maybe(&[L(", claiming to be \""), HELO, L("\"")]),
            L(" via "),
            W,
            L(" by "),
            BY,
            L(","),
        ],
    )
    .then(|f| {
        f.looked_up = f.rdns != b"UNKNOWN";
        if !contains(f.line, ", claiming to be \"") {
            f.helo = b"";
        }
        true
    }),
    relay("Yahoo, authenticated", &[]).mark(" with login) by ").then(yahoo_login),
    relay("a synthetic line", &[L("X-Originating-IP: "), IP, End]).then(|f| {
        f.by = b"";
        true
    }),
];

/// Where SpamAssassin gives up and we do not. Tried just before [`IGNORED`].
pub static BEYOND: &[Format] = &[relay("nifty.com", &[HELO, L("(["), IP, L("]) by "), BY, L(" with ")])];

pub static IGNORED: &[Format] = &[
    skip("sendmail, a user of the host itself", &[W, L(" ("), USER, L("@"), Localhost, L(") by "), W, L(" (")]),
    skip("Exim, local SMTP", &[W, L(" "), W, L(" by "), W, L(" with local-"), Either("smtp ", "esmtp ")]),
    skip("AVG", &[L("127.0.0.1 (AVG SMTP "), W, L(" ["), W, L("])")]),
    skip("AOL and qmail-scanner, a user instead of a host", &[W, L("@"), W, L(" by "), W, L(" ")]),
    skip("Lycos", &[L("Unknown/Local (")]),
    skip("from localhost to localhost", &[Localhost, L(" ("), Maybe(&[W, L("@")]), Localhost, Either(")", "[")]),
    skip("EzMTS", &[W, L(" ("), Maybe(&[W, L("@")]), Localhost, L(") ")]),
    skip("broken sendmail", &[W, L(" ("), W, L("@"), W, L(" ["), Localhost, L("]) ")]),
    skip("Courier, authenticated, no address", &[L("(AUTH: "), W, L(") by "), W, L(" with ")]),
    skip("sendmail by its own socket", &[L("localhost (localhost [[UNIX: localhost]]) by ")]),
    skip("Amazon inside", &[W, L(".amazon.com by "), W, L(".amazon.com with ESMTP (peer crosscheck: ")]),
    skip("GroupWise", &[Run(Field::Nothing, |b| b != b'.', 1, usize::MAX), L(" by "), W, L(" with Novell_GroupWise")]),
    Format {
        outcome: Outcome::SkipKeepingSender,
        ..relay(
            "qmail-scanner: the line below describes the same hand-over, but lacks the sender",
            &[W, L(" by "), W, L(" ("), Run(Field::Nothing, |_| true, 0, 100), L(") with qmail-scanner")],
        )
    },
    skip(
        "Cyrus by socket",
        &[
            W,
            L(" ([unix socket]) by "),
            W,
            L(" (Cyrus v"),
            Digits(0),
            L("."),
            Digits(0),
            L("."),
            Digits(0),
            L(") with LMTPA"),
        ],
    ),
    skip("nobody tells an address: PMDF, Raptor, many gateways", &[W, L(" by "), W, L(" "), Either("with", "via")]),
    skip("nobody tells an address: PMDF, Raptor, many gateways", &[W, L(" by "), W, L(" "), Either("for", "(")]),
    skip("LMTP", &[W, L(" "), Either("with ", "via "), W, L(" by"), WordEnd]),
    skip("LMTP", &[W, L(" for "), W, L(" by"), WordEnd]),
    skip("Clearswift", &[W, L(" (unverified) by"), WordEnd]),
    skip("SendGrid", &[W, L(" (unknown) by "), W, L(" (SG) with "), WordEnd]),
    skip("OpenSMTPD, local", &[W, L(" ("), W, L(" [local]) by "), W, L(" (OpenSMTPD) with "), WordEnd]),
    skip("LSMTP", &[GAP, L("(LSMTP for")]),
    skip("MailEnable", &[L("(["), Localhost, L("]) with MailEnable ")]),
    skip("Facebook", &[L("facebook.com ("), COMMENT, L(") by facebook.com with Thrift id "), W, End]),
    skip("Gmail API", &[W, L(" named "), W, L(" by gmailapi.google.com with HTTPREST"), End]),
    skip("an id and nothing else", &[W, L(" id "), W, End]),
    skip("Jetsend", &[L("[<"), GAP, L(" (Jetsend")]),
];

/// Lines that begin with `FROM `.
pub static CAPITALS: &[Format] = &[resolved(
    "simta, Rockliffe",
    &[
        HELO,
        L(" ("),
        RDNS,
        L(" ["),
        IP,
        L("]) BY "),
        BY,
        L(" "),
        Maybe(&[L("("), COMMENT, L(") WITH SMTP ")]),
        L("ID "),
        Maybe(&[L("<")]),
        ShortWord(Field::Id),
        Maybe(&[L(">")]),
        Maybe(&[L(" FOR <"), Run(Field::Nothing, |b| b != b'>', 1, usize::MAX), L(">")]),
        End,
    ],
)
.then(|f| {
    if f.rdns == b"unverified" {
        f.rdns = b"";
    }
    looked_up(f)
})];

/// Lines that begin with `(from `.
pub static PARENTHESES: &[Format] = &[
    relay(
        "Norton AntiVirus Gateway",
        &[HELO_OR_NOTHING, L(" ["), IP, L("]) by "), BY, L(" (NAVGW "), GAP, L(") with ")],
    ),
    skip("sendmail from the command line", &[W, L("@localhost) by "), W, L(" ")]),
    skip("Juno", &[USER, L("@"), COMMENT, L(") by "), W, L("(jqueuemail) id "), W]),
];

/// What every qmail line has in common; [`qmail`] then reads the fields.
const QMAIL: &[Piece] = &[
    W,
    Maybe(&[L(" ("), HELO_OR_EHLO, WordOrNothing(Field::Nothing), L(")")]),
    L(" ("),
    Maybe(&[W, L("@")]),
    BR,
    SOME_IP,
    KET,
    L(")"),
    Maybe(&[L(" (envelope-sender <"), W, L(">)")]),
    L(" by "),
    W,
    QmailProtocol,
];

/// With and without HELO (left out where it is the host's name), with and without identd's answer.
const QMAIL_FIELDS: [&[Piece]; 4] = [
    &[RDNS, L(" ("), HELO_OR_EHLO, QMAIL_HELO, L(") ("), IDENT, L("@"), BR, IP, KET, L(")"), SENDER, L(" by "), BY],
    &[RDNS, L(" ("), HELO_OR_EHLO, QMAIL_HELO, L(") ("), BR, IP, KET, L(")"), SENDER, L(" by "), BY],
    &[RDNS, L(" ("), IDENT, L("@"), BR, IP, KET, L(")"), SENDER, L(" by "), BY],
    &[RDNS, L(" ("), BR, IP, KET, L(")"), SENDER, L(" by "), BY],
];

const QMAIL_HELO: Piece = Run(Field::Helo, |b| !matches!(b, b' ' | b'(' | b')'), 0, usize::MAX);
const IDENT: Piece = WordOrNothing(Field::Ident);
const BR: Piece = Maybe(&[L("[")]);
const KET: Piece = Maybe(&[L("]")]);
const SENDER: Piece = Maybe(&[L(" (envelope-sender <"), W, L(">)")]);
const COMMENT: Piece = Run(Field::Nothing, inside_parentheses, 1, usize::MAX);
const USER: Piece = Run(Field::Nothing, |b| !matches!(b, b' ' | b'@'), 1, usize::MAX);

/// qmail knows the name only if tcpserver told it; "unknown" says that nobody asked or nothing was found.
fn qmail(f: &mut Fields<'_>) -> bool {
    for (n, shape) in QMAIL_FIELDS.iter().enumerate() {
        if f.match_line(shape) {
            if n >= 2 {
                f.helo = f.rdns;
            }
            break;
        }
    }
    f.looked_up = f.rdns != b"unknown";
    if !f.looked_up {
        f.rdns = b"";
    }
    true
}

fn hotmail(f: &mut Fields<'_>) -> bool {
    let line = f.line;
    let by = places(line, "by ").find_map(|at| {
        let word = line[at + 3..].split(|&b| b == b' ').next()?;
        (word.len() > 16 && word.ends_with(b".hotmail.msn.com") && at + 3 + word.len() < line.len()).then_some(word)
    });
    let Some(by) = by else { return false };
    f.by = by;
    if let Some(end) = address::literal_at(line, 0)
        && line.get(end) == Some(&b' ')
    {
        f.ip = &line[..end];
    }
    true
}

fn yahoo_login(f: &mut Fields<'_>) -> bool {
    const LOGIN: &[Piece] = &[HELO, L(" ("), W, L("@"), IP, L(" with login) by "), BY, L(" with SMTP")];
    let before = f.clone();
    let fits = f.match_line(LOGIN) && f.by.len() > 10 && f.by.ends_with(b".yahoo.com");
    if !fits {
        *f = before;
    }
    fits
}

/// Sites may script Exim's line: take an address in brackets and a name after `by` wherever they stand.
fn exim_scripted(f: &mut Fields<'_>) -> bool {
    let line = f.line;
    if let Some(blank) = memchr::memchr(b' ', line).filter(|&n| n > 0) {
        f.rdns = &line[..blank];
    }
    f.search(" (", &[L(" ("), HELO, L(") ")]);
    f.search(" [", &[L(" ["), IP, Maybe(&[L("."), Digits(1)]), L("] ")]);
    f.search("by ", &[L("by "), BY, L(" ")]) && !f.ip.is_empty()
}

fn xmail(f: &mut Fields<'_>) -> bool {
    f.search(" id <", &[L(" id <"), Word(Field::Id), L(">")]);
    if let Some(sender) = f.find(" from <", &[L(" from <"), Word(Field::Inside), L(">")], Field::Inside) {
        f.envfrom = Some(sender);
    }
    true
}

fn same_helo(f: &mut Fields<'_>) -> bool {
    f.helo = f.rdns;
    true
}

fn looked_up(f: &mut Fields<'_>) -> bool {
    f.looked_up = true;
    true
}

fn unknown_is_none(f: &mut Fields<'_>) -> bool {
    if f.rdns == b"unknown" {
        f.rdns = b"";
    }
    looked_up(f)
}

/// Exim's `helo=x ident=y`.
fn inside(f: &mut Fields<'_>) -> bool {
    let (mut before, mut after) = (f.inside, &b""[..]);
    if let Some((at, helo)) = value(f.inside, "helo=", 1) {
        f.helo = helo;
        (before, after) = (&f.inside[..at], &f.inside[at + 5 + helo.len()..]);
    }
    if let Some((_, ident)) = value(before, "ident=", 0).or_else(|| value(after, "ident=", 0)) {
        f.ident = ident;
    }
    true
}

/// Where `name` stands and what follows up to the next blank.
fn value<'t>(text: &'t [u8], name: &'static str, least: usize) -> Option<(usize, &'t [u8])> {
    places(text, name).find_map(|at| {
        let value = text[at + name.len()..].split(|&b| b == b' ').next()?;
        (value.len() >= least).then_some((at, value))
    })
}

/// ` with Microsoft SMTP Server 8.1.2.3`, ` with mapi id 15.20.1.2`: not where `id` stands before the version of SMTP.
fn microsoft_server(line: &[u8]) -> bool {
    const VERSION: &[Piece] =
        &[Maybe(&[L("("), COMMENT, L(") ")]), Digits(1), L("."), Digits(1), L("."), Digits(1), L("."), Digits(1)];
    [" with Microsoft SMTP Server ", " with mapi id "].iter().any(|mark| {
        places(line, mark).any(|at| {
            let version = &line[at + mark.len()..];
            let mut steps = 1_000;
            let end = |last: &[Piece]| [VERSION, last].concat();
            match_start(&end(&[End]), version, &mut steps).is_some()
                || match_start(&end(&[L(" ")]), version, &mut steps).is_some()
        })
    })
}

fn inside_parentheses(b: u8) -> bool {
    b != b')'
}

fn zone(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit() || b"._~-".contains(&b)
}

/// Followed by something that is no letter or digit.
pub fn contains_word(line: &[u8], what: &str) -> bool {
    places(line, what).any(|at| !line.get(at + what.len()).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_'))
}
