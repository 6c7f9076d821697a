//! What each check is, for administrators: printed by `explain`, and the manual page.

macro_rules! doc {
    ($finds:literal, $why:literal, $example:literal, $errs:literal, $source:literal) => {
        concat!(
            "## What it finds\n\n",
            $finds,
            "\n\n## Why it matters\n\n",
            $why,
            "\n\n## Example\n\n",
            $example,
            "\n\n## When it errs\n\n",
            $errs,
            "\n\n## Source\n\n",
            $source,
            "\n"
        )
    };
}

pub const ASKDNS: &str = doc!(
    "A DNS record of a name that is put together from what the message says.",
    "One may ask any list, and look at any answer.",
    "`askdns NEW_DOMAIN _AUTHORDOMAIN_.new.example A /^127\\./`.",
    "A tag without a value asks nothing.",
    "SpamAssassin 4.0, plugin AskDNS."
);
pub const ASN: &str = doc!(
    "Relays of the given autonomous system.",
    "Some networks host little else than spam.",
    "`check_asn('AS64500')`.",
    "Networks change hands; the registry may lag. Without a network it never hits.",
    "SpamAssassin 4.0, plugin ASN."
);
pub const ANSWER_TO_US: &str = doc!(
    "Names a message of ours, by its Message-ID, that went to the domain this one comes from.",
    "Answers to one's own mail are wanted.",
    "`header ANSWER_TO_US eval:check_answer_to_us()`.",
    "A correspondent whose mailbox was broken into answers too. Without a store it never hits.",
    "sekisho; SpamAssassin has no like of it."
);
pub const AUTHRES: &str = doc!(
    "What an Authentication-Results field of a trusted server says.",
    "Saves asking again.",
    "`check_authres_result('dkim', 'pass')`.",
    "Whoever may write such a field may lie in it: name your servers in `authres_trusted_authserv`.",
    "SpamAssassin 4.0, plugin AuthRes."
);
pub const AWL: &str = doc!(
    "The average of what this sender sent before.",
    "Known senders keep their standing.",
    "`header AWL eval:check_from_in_auto_welcomelist()`.",
    "Whoever writes under another's name and from his network has his standing. Without a store it never hits.",
    "SpamAssassin 4.0, plugin AWL."
);
pub const BACKSCATTER: &str = doc!(
    "A bounce that gives back mail in the name of one of us that we never sent.",
    "Spam is sent under other people's names, and what cannot be delivered comes back to them.",
    "`header BACKSCATTER eval:check_backscatter()`.",
    "Mail that our people send past this filter. Bounces that quote no Message-ID are not judged; without a store, or in its first days, it never hits.",
    "sekisho; SpamAssassin's VBounce asks for names of relays instead."
);
pub const BAYES: &str = doc!(
    "The probability that the mail is spam, by its words, within bounds.",
    "Words tell one's own spam from one's own mail.",
    "`body BAYES_99 eval:check_bayes('0.99', '1.00')`.",
    "Mail unlike any that was learnt. Until enough was learnt (`bayes_min_ham_num`, `bayes_min_spam_num`) it never hits.",
    "SpamAssassin 4.0, plugin Bayes."
);
pub const CHECK_ABUNDANT_UNICODE_RATIO: &str = doc!(
    "HTML entities such as `&#x0416;` in unencoded plain text, at least this many per character.",
    "Nobody can read them there: the text was made for filters or by a broken tool.",
    "`check_abundant_unicode_ratio(0.02)`.",
    "Discussions among programmers.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_ACCESS_DATABASE: &str = doc!(
    "A sender that Sendmail's access database refuses. Not supported: the file is a Berkeley DB, which nothing here reads.",
    "One list for server and filter.",
    "`check_access_database('/etc/mail/access.db')`.",
    "Rules that call it do not run, and are reported when they are loaded.",
    "SpamAssassin 4.0, plugin AccessDB."
);
pub const CHECK_ALL_TRUSTED: &str = doc!(
    "Mail that passed only through hosts of `trusted_networks`.",
    "What never left the house is rarely spam.",
    "`header ALL_TRUSTED eval:check_all_trusted()`.",
    "A wrong `trusted_networks` makes all mail look trusted.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_BASE64_LENGTH: &str = doc!(
    "The longest line of base64, newline included, within bounds.",
    "The standard allows 76 characters; tools that do not follow it are home-made.",
    "`check_base64_length('79')`.",
    "Some gateways join lines.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_BLANK_LINE_RATIO: &str = doc!(
    "Blank lines in percent of all, above the first and up to the second number, if there are enough lines.",
    "Padding pushes something out of sight.",
    "`check_blank_line_ratio('80','90','4')`.",
    "Texts made of single words.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const CHECK_BODY_8BITS: &str = doc!(
    "Eight bytes in a row that are not ASCII, if `ok_languages` names no language that needs such.",
    "Mail in a script that nobody here reads.",
    "`ok_languages en` and a Russian text.",
    "Names and quotes in another script.",
    "SpamAssassin 4.0, plugin TextCat."
);
pub const CHECK_BODY_LENGTH: &str = doc!(
    "A body of at most this many bytes, as it came.",
    "For metas: one line and a link.",
    "`check_body_length('256')`.",
    "Short answers.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const CHECK_EQUAL_FROM_DOMAINS: &str = doc!(
    "From and envelope sender with different domains (last two labels).",
    "For metas: mail sent on somebody's behalf.",
    "`From: a@example.com`, `Return-Path: <b@example.net>`.",
    "Every mailing list and every sending service. Two labels are compared even under `co.jp`.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FORGED_IN_DEFAULT_WELCOMELIST: &str = doc!(
    "A sender of `def_welcomelist_from_rcvd` by another relay than named.",
    "Somebody uses a known name.",
    "See check_forged_in_welcomelist.",
    "Lists and forwarders.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_FORGED_IN_WELCOMELIST: &str = doc!(
    "A sender of `welcomelist_from_rcvd` by another relay than named.",
    "Somebody uses a welcome name.",
    "joe@example.com from a dial-up line.",
    "Lists and forwarders; name them by `welcomelist_allows_relays`.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_FOR_ASCII_TEXT_ILLEGAL: &str = doc!(
    "Plain text that calls itself ASCII and holds 8-bit bytes, NUL or a lone CR.",
    "Every common mail program labels what it sends.",
    "`Content-Type: text/plain` without charset and Latin-1 bytes below.",
    "Old gateways and scripts that never heard of MIME.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FOR_FAKE_AOL_RELAY_IN_RCVD: &str = doc!(
    "Received names of the form `rly-xx00.` that AOL's relays bore, without AOL's other marks.",
    "They were widely forged.",
    "`from unknown (HELO mta.example.com) by rly-xw01.mx.aol.com with QMQP`.",
    "Of historical use.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FARAWAY_CHARSET: &str = doc!(
    "A Content-Type charset outside `ok_locales`, with text that is mostly 8-bit.",
    "Mail in a script that nobody here reads.",
    "`ok_locales en` and a koi8-r mail.",
    "Never hits with `ok_locales all`, which is the default.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FOR_FARAWAY_CHARSET_IN_HEADERS: &str = doc!(
    "Encoded words in From or Subject in a charset outside `ok_locales`.",
    "Mail in a script that nobody here reads.",
    "`ok_locales en` and `Subject: =?koi8-r?B?...?=`.",
    "Never hits with `ok_locales all`.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_EUDORAMAIL_RECEIVED_HEADERS: &str = doc!(
    "An author at eudoramail.com without that service's marks.",
    "A name that forgers used.",
    "`From: x@eudoramail.com` without X-Sender-Ip.",
    "The service is gone, so every such mail hits.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_GMAIL_RECEIVED_HEADERS: &str = doc!(
    "An author at gmail.com without the fields that Google's servers add.",
    "Google signs and marks what it sends.",
    "`From: x@gmail.com` from a hosted machine, no X-Gm-Message-State.",
    "Mailing lists that drop X- fields.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_GW05_RECEIVED_HEADERS: &str = doc!(
    "A second Received field by a name without dots (`gw05`), in a fixed form.",
    "A forging tool of 2001 wrote it.",
    "`from mail3.example.com by gw05 with ESMTP; Thu, 21 Jun 2001 02:28:32 -0400`.",
    "Of historical use.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_HOTMAIL_RECEIVED_HEADERS: &str = doc!(
    "A relay that calls itself hotmail.com without the marks of Hotmail's path.",
    "The name was a favourite of forgers.",
    "`Received: from hotmail.com (unknown [192.0.2.1])`.",
    "Lists that strip Received fields are recognised in part only.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_JUNO_RECEIVED_HEADERS: &str = doc!(
    "An author at juno.com without that service's marks.",
    "A name that forgers used.",
    "`From: x@juno.com` without X-Originating-IP.",
    "Juno has changed since; expect hits on honest mail.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FORGED_RECEIVED_IP_HELO: &str = doc!(
    "A relay that greeted with a public IP address of quite another network than its own.",
    "Viruses greet with the address of their victim.",
    "`HELO 198.51.100.1` from 192.0.2.1.",
    "Hosts behind address translation.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_FORGED_RECEIVED_TRAIL: &str = doc!(
    "Two or more places where one Received field names a host and the next one was written by another.",
    "Invented fields do not fit together.",
    "`from a.example by b.example`, and below it `... by c.example`.",
    "Large sites with different names inside and outside.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_FORGED_YAHOO_RECEIVED_HEADERS: &str = doc!(
    "An author at yahoo.com and no relay of Yahoo on the way.",
    "Yahoo's users send by Yahoo, and Yahoo asks others to refuse the rest.",
    "`From: x@yahoo.com` by way of a hosting company.",
    "Old mailing lists, forwarders. Only yahoo.com itself is looked at, not yahoo.co.jp.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_FROM_DOMAIN_IN_RECEIVED_HEADERS: &str = doc!(
    "A From address at the given domain, and a hop of that domain to itself present (`true`) or absent (`false`).",
    "Mail of a large provider passes through its own servers.",
    "`check_for_from_domain_in_received_headers('example.com', 'false')`.",
    "Forwarding and lists.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_HTTP_REDIRECTOR: &str = doc!(
    "A link that carries another link to another domain inside.",
    "Open redirectors lend a good name to a bad target.",
    "`http://good.example/go?to=http://bad.example/`.",
    "Links of newsletters that count clicks.",
    "SpamAssassin 4.0, plugin URIEval."
);
pub const CHECK_FOR_ILLEGAL_IP: &str = doc!(
    "Nothing any more; kept so that old rules load.",
    "Addresses thought unassigned have been assigned since.",
    "`Received: from x ([1.2.3.4])`.",
    "Never.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_MATCHING_ENV_AND_HDR_FROM: &str = doc!(
    "An envelope sender equal to the From address, letter case aside.",
    "For metas: bulk mail differs in the two.",
    "`header __ENV_AND_HDR_FROM_MATCH eval:check_for_matching_env_and_hdr_from()`.",
    "Two missing addresses are equal.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_MIME: &str = doc!(
    "A fact about the MIME parts by name: `mime_base64_count`, `mime_base64_encoded_text`, `mime_qp_count`, `mime_qp_long_line`, `mime_attachment`, `mime_bad_iso_charset`, `mime_faraway_charset`...",
    "Building blocks: text hidden in base64 without need, lines too long for their encoding, charsets that do not exist.",
    "`rawbody MIME_BASE64_TEXT eval:check_for_mime('mime_base64_encoded_text')`.",
    "Phones and ticket systems encode plain English as base64. `mimepart_limit_exceeded` never hits under this check; ask check_msg_parse_flags.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FOR_MIME_HTML: &str = doc!(
    "A part of type text/html.",
    "For metas about HTML mail.",
    "`body __MIME_HTML eval:check_for_mime_html()`.",
    "Says nothing about good or bad.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FOR_MIME_HTML_ONLY: &str = doc!(
    "HTML without any plain text beside it.",
    "Bulk mailers save the trouble of a text version.",
    "A mail of one text/html part.",
    "Many shops and banks do so nowadays.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FOR_MISSING_TO_HEADER: &str = doc!(
    "Neither To nor Apparently-To, or both empty.",
    "Every mail program writes a To, if only `undisclosed-recipients:;`.",
    "A mail that starts From, Subject, Date.",
    "Programs that send notices by themselves.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_MSN_GROUPS_HEADERS: &str = doc!(
    "Mail of MSN Groups with all its marks.",
    "Exempts it from forgery tests.",
    "`To: <list@groups.msn.com>` by `p04.groups.msn.com`.",
    "The service is gone.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_NO_HOTMAIL_RECEIVED_HEADERS: &str = doc!(
    "An author at hotmail.com and no relay of Hotmail on the way.",
    "Hotmail's users send by Hotmail.",
    "`From: x@hotmail.com` by way of a dial-up line.",
    "Forwarders and form mailers.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_NO_RDNS_DOTCOM_HELO: &str = doc!(
    "A relay that greeted as yahoo.com, aol.com, hotmail.com or the like, and whose address has no name.",
    "Those companies' hosts all have names.",
    "`from aol.com ([192.0.2.1])` by a server that looks names up.",
    "A passing failure of DNS at the receiving server.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_NUMERIC_HELO: &str = doc!(
    "An untrusted relay that greeted with a public IP address.",
    "Servers have names.",
    "`HELO 192.0.2.1`.",
    "Devices and home connections.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_SENDER_NO_REVERSE: &str = doc!(
    "A first untrusted hop with a name and a public address (as SpamAssassin reads it).",
    "For metas.",
    "`header __X eval:check_for_sender_no_reverse()`.",
    "The name of the test promises the opposite of what it does.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_FOR_SHIFTED_DATE: &str = doc!(
    "The Date minus the nearest time in Received, in hours, from the first up to below the second number (`undef`: open).",
    "Wrong clocks and dates in the future put a mail on top of the list.",
    "`check_for_shifted_date('96', '2920')` and a Date of next week.",
    "Computers with a wrong clock or time zone; mail that waited in a queue.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_TO_IN_SUBJECT: &str = doc!(
    "The recipient's address (`address`) or the name before its @ (`user`) where a Subject greets.",
    "Mail merges greet people by the only name they know.",
    "`Subject: joe, you won` to joe@example.com.",
    "Friends do so too.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_UNIQUE_SUBJECT_ID: &str = doc!(
    "Nothing any more; kept so that old rules load.",
    "Subjects once ended in random letters.",
    "`Subject: offer          xkjwe`.",
    "Never.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_FOR_UPPERCASE: &str = doc!(
    "Capitals in percent of all letters and digits, above the first and up to the second number, in texts of 200 bytes and more.",
    "Whoever shouts wants something.",
    "`check_for_uppercase('50','75')`.",
    "Tables, telegram style, mail of authorities; charsets whose code is full of capitals are left out.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_FREEMAIL_BODY: &str = doc!(
    "A free mail address in the text; with a regular expression also matching that.",
    "See check_freemail_replyto.",
    "`check_freemail_body()`.",
    "Signatures. Mail with many addresses in it is left out.",
    "SpamAssassin 4.0, plugin FreeMail."
);
pub const CHECK_FREEMAIL_FROM: &str = doc!(
    "A sender at a service of `freemail_domains`; with a regular expression also matching that.",
    "Companies do not write from free mail.",
    "`header FREEMAIL_FROM eval:check_freemail_from()`.",
    "Most private mail comes from there. With several senders the first one is shown.",
    "SpamAssassin 4.0, plugin FreeMail."
);
pub const CHECK_FREEMAIL_HEADER: &str = doc!(
    "A free mail address in the given header; with a regular expression also matching that.",
    "Answers that are to go to a throw-away address.",
    r"`check_freemail_header('Reply-To', '\d@')`.",
    "See check_freemail_from.",
    "SpamAssassin 4.0, plugin FreeMail."
);
pub const CHECK_FREEMAIL_REPLYTO: &str = doc!(
    "A free mail Reply-To (or, with `reply`, From) that differs from the From or from a free mail address in the text.",
    "Swindlers collect answers in another box than the one they send from.",
    "From a@free.example, Reply-To b@other.example.",
    "People with two addresses. Mail with many addresses in it is left out.",
    "SpamAssassin 4.0, plugin FreeMail."
);
pub const CHECK_FROMNAME_CONTAINS_EMAIL: &str = doc!(
    "An address in the From name.",
    "For metas.",
    r#"`From: "joe@example.com" <joe@example.com>`."#,
    "Some programs repeat the address as a name.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_DIFFERENT: &str = doc!(
    "An address in the From name that differs from the real one.",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_DOMAIN_DIFFER: &str = doc!(
    "An address in the From name of another domain than the real one.",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_EQUALS_REPLYTO: &str = doc!(
    "The Reply-To address in the From name.",
    "For metas: forms and lists do so.",
    r#"`From: "joe@example.com" <form@web.example>`, `Reply-To: joe@example.com`."#,
    "By itself it speaks for the mail.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_EQUALS_TO: &str = doc!(
    "The recipient's address in the From name.",
    "Mail that seems to come from oneself.",
    r#"`From: "me@example.com" <x@evil.example>` to me@example.com."#,
    "Notices to oneself.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_OWNERS_DIFFER: &str = doc!(
    "An address in the From name of another owner (`fns_add_addrlist`, else first label of the domain).",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "See check_fromname_spoof.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROMNAME_SPOOF: &str = doc!(
    "An address in the From name that differs from the real one; level 1: of another owner too, 2: of another domain too.",
    "Phones show the name only.",
    r#"`From: "boss@example.com" <x@evil.example>`."#,
    "Assistants and services that write for others.",
    "SpamAssassin 4.0, plugin FromNameSpoof."
);
pub const CHECK_FROM_IN_BLOCKLIST: &str = doc!(
    "A sender of `blocklist_from`.",
    "The administrator does not want it.",
    "`blocklist_from *@spam.example`.",
    "An address can be forged; prefer lists that ask for the relay or a signature as well.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_FROM_IN_DEFAULT_WELCOMELIST: &str = doc!(
    "A sender of `def_welcomelist_from_rcvd` by the relay named there.",
    "Senders that the makers of the rules know.",
    "`def_welcomelist_from_rcvd *@amazon.example amazon.example`.",
    "The list grows old.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_FROM_IN_LIST: &str = doc!(
    "A sender of the named `enlist_addrlist`.",
    "Lists of one's own for metas.",
    "`enlist_addrlist (BANKS) *@bank.example`, `check_from_in_list('BANKS')`.",
    "An address can be forged; prefer lists that ask for the relay or a signature as well.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_FROM_IN_WELCOMELIST: &str = doc!(
    "A sender of `welcomelist_from`, or of `welcomelist_from_rcvd` by the relay named there.",
    "The administrator wants it.",
    "`welcomelist_from_rcvd joe@example.com example.com`.",
    "An address can be forged; prefer lists that ask for the relay or a signature as well.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_HEADER_COUNT_RANGE: &str = doc!(
    "So many different fields of one name, within bounds.",
    "A mail has one Subject.",
    "`check_header_count_range('Subject','2','999')`.",
    "Equal copies count once.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_HTTPS_HTTP_MISMATCH: &str = doc!(
    "A link to one domain whose text shows an https address of another, in mails with a number of links within bounds.",
    "The reader sees his bank and goes elsewhere.",
    r#"`<a href="http://evil.example/">https://bank.example/</a>`."#,
    "Links through a counter of clicks.",
    "SpamAssassin 4.0, plugin HTTPSMismatch."
);
pub const CHECK_HTTPS_IP_MISMATCH: &str = doc!(
    "A link to a bare IP address whose text shows an https address.",
    "The reader sees his bank and goes elsewhere.",
    r#"`<a href="http://192.0.2.1/">https://bank.example/</a>`."#,
    "None known.",
    "SpamAssassin 4.0, plugin URIEval."
);
pub const CHECK_IFRAME_SRC: &str = doc!(
    "An `<iframe>` with an address.",
    "Mail programs do not show them; attackers hope that some does.",
    r#"`<iframe src="http://example.com/">`."#,
    "Newsletters that were made as web pages.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const CHECK_ILLEGAL_CHARS: &str = doc!(
    "8-bit bytes and control characters in a raw header: at least this share and this number of them.",
    "Headers must be ASCII or valid UTF-8; anything else is a careless mailer's work.",
    "`header FROM_ILLEGAL_CHARS eval:check_illegal_chars('From','0.20','2')`.",
    "Valid UTF-8 without control characters is exempt, one pound or cent sign in a Subject too.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_LANGUAGE: &str = doc!(
    "A text in none of `ok_languages`.",
    "Mail in a language that nobody here reads.",
    "`ok_languages ja en` and a Polish text.",
    "Short and mixed texts; without SpamAssassin's `languages` file only scripts are told apart.",
    "SpamAssassin 4.0, plugin TextCat."
);
pub const CHECK_MAILFROM_MATCHES_RCVD: &str = doc!(
    "An envelope sender of the same domain as the relay that delivered.",
    "A little evidence that the sender is real.",
    "`Return-Path: <a@example.com>` by mx.example.com.",
    "Anybody can register a domain.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_LIMIT_REACHED: &str = doc!(
    "A limit that cut off a piece of the message: any, or the one named: `parts`, `parts of one multipart`, `depth`, \
     `headers`, `decoded`, `uris`, `html_tokens`, `html_depth`, `html_tags`.",
    "What lies beyond a limit was not looked at; nobody needs so much of anything, except to hide.",
    "`header LIMIT_REACHED eval:check_limit_reached()`.",
    "A digest of a thousand mails.",
    "sekisho's own, guarded by `if can(Sekisho::limits)`."
);
pub const CHECK_MA_NON_TEXT: &str = doc!(
    "A part of multipart/alternative that is neither text, nor RTF, nor multipart/related.",
    "The alternatives of a letter are letters; an attachment there hides from programs that show only the best alternative.",
    "multipart/alternative with a direct image/png.",
    "Mail programs that confuse alternative and mixed.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_MESSAGEID_NOT_USABLE: &str = doc!(
    "Signs that a list or server on the way rewrites Message-IDs.",
    "Keeps Message-ID rules from judging what the sender did not write.",
    "`List-Unsubscribe: <mailto:leave-x@example.com>`.",
    "Knows the software of 2003.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_MICROSOFT_EXECUTABLE: &str = doc!(
    "An attachment that is a Windows program by its name or its first bytes, base64 or uuencoded.",
    "Programs by mail are viruses.",
    "`Content-Type: application/octet-stream; name=photo.scr`.",
    "Programmers. Archives are not opened here.",
    "SpamAssassin 4.0, plugin AntiVirus."
);
pub const CHECK_MIME_MULTIPART_RATIO: &str = doc!(
    "The size of the plain text divided by that of the HTML in multipart/alternative, from the first number up to below the second.",
    "A text version of a few bytes beside a large HTML one is an alibi.",
    "`check_mime_multipart_ratio('0.00','0.01')`.",
    "Newsletters whose text part says only where to read them.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_MSG_PARSE_FLAGS: &str = doc!(
    "Something the parser met: `missing_head_body_separator`, `missing_mime_head_body_separator`, `missing_mime_headers`, `mime_epilogue_exists`, `truncated_header`, `mimepart_limit_exceeded`.",
    "Home-made mailers get the structure of mail wrong.",
    "`header MISSING_HB_SEP eval:check_msg_parse_flags('missing_head_body_separator')`.",
    "List software adds footers after the last boundary.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_NO_RELAYS: &str = doc!(
    "No relay at all, and no Received field that could not be read.",
    "Informs: tests of the path have nothing to see.",
    "A mail without Received.",
    "Mail handed to the filter before a Received field is added.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_OUTLOOK_MESSAGE_ID: &str = doc!(
    "A Message-ID in Outlook's form whose time agrees with neither Date nor Received.",
    "Spam tools copy the form and fill it with random digits.",
    "`Message-ID: <000a01c23c5f$12345678$0a0a0a0a@pc>` and a Date of another year.",
    "Computers with a wrong clock.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_QP_RATIO: &str = doc!(
    "Needless quoted-printable escapes as a share of all bytes so encoded, at least this many.",
    "Writing `=41` for A serves only to hide words.",
    "`check_qp_ratio('0.2')`.",
    "Careful encoders escape more than they must.",
    "SpamAssassin 4.0, plugin MIMEEval."
);
pub const CHECK_RATWARE_ENVELOPE_FROM: &str = doc!(
    "An envelope sender made of the recipient's domain and name: `...example.com?joe@...`.",
    "Bulk mailers code the recipient into the sender to count bounces.",
    "`Return-Path: <example.com=joe@bulk.example>` to joe@example.com.",
    "Lists with VERP; sender rewriting (SRS) is left out.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_RATWARE_NAME_ID: &str = doc!(
    "A Message-ID of 28 capitals, a dot and the From address.",
    "One spam tool writes it.",
    r#"`Message-ID: <ABCDEFGHIJKLMNOPQRSTUVWXYZAB.joe@example.com>`, `From: "Joe" <joe@example.com>`."#,
    "None known.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_RELAYS_UNPARSEABLE: &str = doc!(
    "A Received field that could not be read.",
    "The path may be incomplete.",
    "A format of a rare server.",
    "Says nothing about the sender.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const CHECK_REPLYTO_IN_LIST: &str = doc!(
    "A Reply-To of the named `enlist_addrlist`.",
    "Lists of one's own for metas.",
    "`check_replyto_in_list('SUSP_NTLD')`.",
    "Only the first Reply-To address is looked at.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_SHORTCIRCUIT: &str = doc!(
    "Nothing by itself: the engine makes the rule hit when another rule short-circuits.",
    "Shows in the report why judging ended early.",
    "`body SHORTCIRCUIT eval:check_shortcircuit()`.",
    "Never.",
    "SpamAssassin 4.0, plugin Shortcircuit."
);
pub const CHECK_STOCK_INFO: &str = doc!(
    "At least this many labels of a stock tip (`Symbol:`, `Current price:`, `Target:`) in the first plain text.",
    "Pump-and-dump mails follow one form.",
    "`check_stock_info('2')`.",
    "Brokers' reports.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const CHECK_SUBJECT_IN_BLOCKLIST: &str = doc!(
    "A Subject that contains an entry of `blocklist_subject`.",
    "The administrator does not want it.",
    "`blocklist_subject free money`.",
    "Answers quote Subjects.",
    "SpamAssassin 4.0, plugin WelcomeListSubject."
);
pub const CHECK_SUBJECT_IN_WELCOMELIST: &str = doc!(
    "A Subject that contains an entry of `welcomelist_subject`.",
    "The administrator wants it.",
    "`welcomelist_subject [our-project]`.",
    "Anybody can write a Subject.",
    "SpamAssassin 4.0, plugin WelcomeListSubject."
);
pub const CHECK_SUSPECT_NAME: &str = doc!(
    "An attachment whose file name and type contradict each other.",
    "The reader sees the one, the program opens the other.",
    "`Content-Type: audio/x-wav; name=run.exe`.",
    "Modern types (`application/vnd.openxmlformats...`) were not known to the makers.",
    "SpamAssassin 4.0, plugin AntiVirus."
);
pub const CHECK_TEXT_FACT: &str = doc!(
    "A count that making the text view gave, at least as high as the second argument (1 if there is none): \
     `ignorables_in_words`, `decorated_letters`, `lookalike_letters`, `charset_mismatches`, `hidden_characters`, `hidden_share` (percent of all text, where 400 bytes \
     or more are hidden), `simplified_among_kana` (Chinese forms that Japanese does not write), `soft_hyphens_in_words` (no \
     more than three letters apart).",
    "Zero-width characters, mathematical letters, Cyrillic letters in Latin words and false charset labels keep words \
     from filters and not from readers.",
    "`header INVISIBLE_IN_WORDS eval:check_text_fact('ignorables_in_words', '2')`.",
    "Latin-1 text labelled us-ascii is not counted as a mismatch, since many old mailers write it so.",
    "sekisho's own, guarded by `if can(Sekisho::text_facts)`."
);
pub const CHECK_ALTERNATIVES_DIFFER: &str = doc!(
    "The text and the HTML form of one message have fewer pairs of letters in common than the first argument says, in \
     percent of the shorter form's.",
    "Who writes for filters writes the text form, who writes for readers the other.",
    "`header ALTERNATIVES_DIFFER eval:check_alternatives_differ('20')`: of the shorter form, less than a fifth is in the other.",
    "Newsletters whose text form says only that a better mail program is needed: short forms (under 40 letters) are passed over.",
    "sekisho's own, guarded by `if can(Sekisho::brands)`."
);
pub const CHECK_BRAND: &str = doc!(
    "A well-known name of the `brand` table. `name`: in the sender's display name, the address being in no domain of it. \
     `subject`: the same, near the beginning of the subject or in brackets. `own`: the address is in a domain of the table. \
     `no_link_home`: a name is shown, there are links, none leads to its domains. `own_leads_away`: the address is a name's \
     own, no link is. `host`: a link's host holds a name, letters exchanged (amaz0n) or not, and is nobody's in the table. \
     `link_text`: a link reads as an address in one name's domain and leads elsewhere, redirectors followed.",
    "Phishing borrows a name; what it can hardly borrow is the domain.",
    "`header __BRAND_IN_NAME eval:check_brand('name')`; `brand mybank mybank.example \"My Bank\"`.",
    "Firms that write through somebody else's domain, which the table does not know: one line adds it.",
    "sekisho's own, guarded by `if can(Sekisho::brands)`."
);
pub const CHECK_HOST_LETTERS: &str = doc!(
    "Letters in a link's host. `decorated`: circled, mathematical or full-width ones, which a browser turns into plain ones. \
     `mixed`: Latin with Cyrillic or Greek in one label, or a label of nothing but look-alikes, `xn--` read.",
    "Nobody registers such names but to deceive readers or filters.",
    "`uri` with host `\u{24d0}mazon.example`; `header HOST_MIXED eval:check_host_letters('mixed')`.",
    "Greek and Cyrillic names with a Latin word in the same label; registries refuse nearly all of them.",
    "sekisho's own, guarded by `if can(Sekisho::brands)`."
);
pub const CHECK_OFFICER: &str = doc!(
    "The name of one of one's own officers, set by `officer`, beside an address that is not theirs. `name`: the whole name in \
     the display name. `title`: the surname with a title. `text`: the name at the end of a short text. `reply`: From is \
     ours, the answer would go elsewhere. `lookalike`: the address's domain is like one of ours. `address_in_name`: the \
     display name is an address of ours.",
    "False presidents write from free mailboxes under a real officer's name.",
    "`officer \"Hanako Yamada\" example.co.jp hanako@private.example`.",
    "Officers who write from a new private mailbox (add it), strangers of the same name.",
    "sekisho's own, guarded by `if can(Sekisho::brands)`."
);
pub const CHECK_TO_IN_ALL_SPAM: &str = doc!(
    "A recipient of `all_spam_to`.",
    "This recipient wants everything.",
    "`all_spam_to postmaster@example.com`.",
    "As check_to_in_welcomelist.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_TO_IN_BLOCKLIST: &str = doc!(
    "A recipient of `blocklist_to`.",
    "Mail to a trap is spam.",
    "`blocklist_to trap@example.com`.",
    "Recipients are read from headers; Bcc is not there.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_TO_IN_LIST: &str = doc!(
    "A recipient of the named `enlist_addrlist`.",
    "Lists of one's own for metas.",
    "`check_to_in_list('STAFF')`.",
    "As check_to_in_welcomelist.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_TO_IN_MORE_SPAM: &str = doc!(
    "A recipient of `more_spam_to`.",
    "This recipient wants a laxer judgement.",
    "`more_spam_to sales@example.com`.",
    "As check_to_in_welcomelist.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_TO_IN_WELCOMELIST: &str = doc!(
    "A recipient of `welcomelist_to`.",
    "This recipient wants all mail.",
    "`welcomelist_to abuse@example.com`.",
    "Recipients are read from headers; anybody can write one there.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_UNRESOLVED_TEMPLATE: &str = doc!(
    "`%WORD` in a header where nobody writes such.",
    "A bulk mailer did not fill in its form.",
    "`X-Mailer: %MAILER`.",
    "Fields with encoded data are left out as far as known.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const CHECK_URI_DETAIL: &str = doc!(
    "Nothing by itself: `uri_detail` rules are matched by the engine.",
    "SpamAssassin makes one such eval of each `uri_detail` rule.",
    "`uri_detail X domain =~ /example/`.",
    "Never.",
    "SpamAssassin 4.0, plugin URIDetail."
);
pub const CHECK_URI_HOST_IN_BLOCKLIST: &str = doc!(
    "A link to a host of `blocklist_uri_host`.",
    "The administrator does not want it.",
    "`blocklist_uri_host spam.example`.",
    "As check_uri_host_listed.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_URI_HOST_IN_WELCOMELIST: &str = doc!(
    "A link to a host of `welcomelist_uri_host`.",
    "The administrator trusts it.",
    "`welcomelist_uri_host example.com`.",
    "Spam links to good hosts as well.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_URI_HOST_LISTED: &str = doc!(
    "A link to a host of the named `enlist_uri_host`; the most specific entry decides, `!host` exempts.",
    "Lists of one's own for metas.",
    "`enlist_uri_host (BAD) pro`, `check_uri_host_listed('BAD')`.",
    "mailto links are left out.",
    "SpamAssassin 4.0, plugin WLBLEval."
);
pub const CHECK_URI_TRUNCATED: &str = doc!(
    "A link longer than 8192 bytes.",
    "No honest link is that long.",
    "Kilobytes of `%20` in a link.",
    "Maps and reports that keep their state in the link.",
    "SpamAssassin 4.0, plugin URIEval."
);
pub const CHECK_WELCOMELIST_BOUNCE_RELAYS: &str = doc!(
    "A Received field inside the body that names a relay of `welcomelist_bounce_relays`.",
    "A bounce of mail that really was sent from here.",
    "`welcomelist_bounce_relays mx.example.com` and a bounce that quotes it.",
    "Bounces that do not quote headers.",
    "SpamAssassin 4.0, plugin VBounce."
);
pub const DCC: &str = doc!(
    "Mail that many servers counted.",
    "Bulk is not spam, but spam is bulk.",
    "`full DCC_CHECK eval:check_dcc()`.",
    "Answered by DCC's own daemon, where `[digests] dcc` names its socket (docs/digests.md).",
    "SpamAssassin 4.0, plugin DCC."
);
pub const DKIM: &str = doc!(
    "Signatures by DKIM or ARC, and whether they hold.",
    "A signature that holds says who answers for the mail.",
    "`full DKIM_VALID eval:check_dkim_valid()`.",
    "Lists and gateways change mail and break signatures. A signature by rsa-sha1 or with a key below 1024 bits does not count (RFC 8301). Without a network it never hits.",
    "SpamAssassin 4.0, plugin DKIM."
);
pub const DMARC: &str = doc!(
    "What the author's domain says is to be done with mail that is not signed and not sent by its relays.",
    "Forged authors.",
    "`header DMARC_REJECT eval:check_dmarc_reject()`.",
    "Mailing lists and forwarders break both proofs. Without a network it never hits.",
    "SpamAssassin 4.0, plugin DMARC."
);
pub const DNSBL: &str = doc!(
    "Relays and senders in block and welcome lists of the DNS.",
    "Others have seen them before.",
    "`header RCVD_IN_SBL eval:check_rbl_sub('zen', '127.0.0.2')`.",
    "Lists err and list whole networks. Without a network, or where the list refuses to answer, it never hits.",
    "SpamAssassin 4.0, plugin DNSEval."
);
pub const GATED_THROUGH_RECEIVED_HDR_REMOVER: &str = doc!(
    "No Received field, or lists known to strip them.",
    "Keeps forgery tests quiet where the path is lost.",
    "A mail handed over locally.",
    "Also true for mail read from files without headers.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const HASHBL: &str = doc!(
    "Hashes of addresses, links or files in block lists of the DNS.",
    "Drop boxes of swindlers.",
    "`header X eval:check_hashbl_emails('ebl.example')`.",
    "Hashes of what only looks alike differ. Without a network it never hits.",
    "SpamAssassin 4.0, plugin HashBL."
);
pub const HAVE_ANY_BOUNCE_RELAYS: &str = doc!(
    "Whether `welcomelist_bounce_relays` names anything.",
    "Bounce rules make sense only then.",
    "`welcomelist_bounce_relays mx.example.com`.",
    "Never.",
    "SpamAssassin 4.0, plugin VBounce."
);
pub const HELO_IP_MISMATCH: &str = doc!(
    "A relay that greeted with a public IPv4 address outside its own /24.",
    "It lies about itself.",
    "`HELO 198.51.100.1` from 192.0.2.1.",
    "Hosts with several lines.",
    "SpamAssassin 4.0, plugin RelayEval."
);
pub const HTML_CHARSET_FARAWAY: &str = doc!(
    "`<meta>` charsets of which at least half belong to none of `ok_locales`.",
    "Mail in a script that nobody here reads is rarely meant for anybody here.",
    r#"`ok_locales en` and `<meta http-equiv=content-type content="text/html; charset=koi8-r">`."#,
    "UTF-8 tells nothing. SpamAssassin 4.0 collects these names but forgets to hand them to the test, so there it never hits.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_EVAL: &str = doc!(
    "A fact about the HTML, compared with a number: `('length', '< 512')`.",
    "Lengths and counts serve metas.",
    "`html_eval('length', '< 384')`.",
    "Short answers of phones are short as well.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_IMAGE_ONLY: &str = doc!(
    "HTML with an image and a source length above the first and up to the second number of bytes.",
    "A picture of text with hardly any text evades word rules.",
    "`html_image_only('0400','0800')` and a mail of one linked image.",
    "Signatures, tickets and newsletters that are short and show a logo.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_IMAGE_RATIO: &str = doc!(
    "Visible characters divided by the pixels that images claim, above the first and up to the second number.",
    "Much picture and little text is the shape of image spam.",
    "`html_image_ratio('0.000','0.002')`.",
    "Photo mails and advertisements that were asked for.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_RANGE: &str = doc!(
    "A fact about the HTML above the first and up to the second number (`inf`: no limit).",
    "Ratios of obfuscation, unknown tags and surplus closing tags grow where filters are being dodged.",
    "`html_range('obfuscation_ratio','.1','.2')`.",
    "Word processors write odd tags in honest mail.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TAG_BALANCE: &str = doc!(
    "A tag that is opened and closed a different number of times: the number still open at the end is compared, `('body', '!= 0')`.",
    "Machines that paste templates into one another lose track of their own tags.",
    "`body HTML_TAG_BALANCE_BODY eval:html_tag_balance('body', '!= 0')` and a mail with two `</body>`.",
    "Mail programs that quote HTML replies leave tags open too.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TAG_EXISTS: &str = doc!(
    "Any use of a tag, open or closed.",
    "A building block for metas: few honest mails carry a `<bgsound>` or `<script>`.",
    "`html_tag_exists('script')`.",
    "By itself it says only that the tag is there.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TEST: &str = doc!(
    "A fact about the HTML that is set: `html`, `embeds`, `font_low_contrast`, `font_face_bad`, `font_invalid_color`, `form_action_mailto`...",
    "Each names one trick: text in the colour of its ground, fonts that do not exist, forms that mail what is typed.",
    "`body HTML_FONT_LOW_CONTRAST eval:html_test('font_low_contrast')`.",
    "Newsletters set grey on white; colours from style sheets are seen only in part.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TEXT_MATCH: &str = doc!(
    "A string of the HTML (`comment`, `script`, `title` or `anchor`) that matches a regular expression.",
    "Comments and titles show which tool made the mail.",
    r"`html_text_match('comment', '<!-- saved from url=\(\d{4}\)')`.",
    "People do send saved web pages.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TEXT_NOT_MATCH: &str = doc!(
    "A string of the HTML (`comment`, `script`, `title` or `anchor`) that does not match a regular expression.",
    "The counterpart of html_text_match, for rules that know what should stand there.",
    "`html_text_not_match('title', '^Invoice')`.",
    "Hits as soon as one of several strings differs.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const HTML_TITLE_SUBJECT_RATIO: &str = doc!(
    "A `<title>` longer than the Subject by more than the given factor.",
    "Generated mail often carries the title of another page.",
    "`html_title_subject_ratio('3.5')`, title of 80 characters, subject `Hi`.",
    "Forwarded web pages.",
    "SpamAssassin 4.0, plugin HTMLEval."
);
pub const IMAGE_COUNT: &str = doc!(
    "The number of base64 images of a format (`all`, `gif`, `png`, `jpeg`), within bounds.",
    "Image spam is one picture.",
    "`image_count('gif','1','1')`.",
    "Photos of friends.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const IMAGE_NAMED: &str = doc!(
    "An image of exactly this file name.",
    "A campaign reuses its name.",
    "`image_named('sale.gif')`.",
    "Common names.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const IMAGE_NAME_REGEX: &str = doc!(
    "An image whose file name matches.",
    "A campaign names its pictures by a scheme.",
    r"`image_name_regex('/^\w{2,9}\.\.gif$/i')`.",
    "Cameras name by a scheme as well.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const IMAGE_SIZE_EXACT: &str = doc!(
    "An image of exactly this height and width.",
    "A campaign reuses its picture.",
    "`image_size_exact('gif','300','400')`.",
    "Common sizes.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const IMAGE_SIZE_RANGE: &str = doc!(
    "An image of at least this height and width, and at most those.",
    "A campaign varies its picture a little.",
    "`image_size_range('png','100','100','300','300')`.",
    "Common sizes.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const IMAGE_TO_TEXT_RATIO: &str = doc!(
    "Bytes of text divided by pixels of images of a format, from the first up to below the second number.",
    "Much picture, little text.",
    "`image_to_text_ratio('all','0.000','0.008')`.",
    "Photos of friends.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const MULTIPART_ALTERNATIVE_DIFFERENCE: &str = doc!(
    "How many percent of the words in the HTML do not stand in the plain text beside it, above the first and up to the second number.",
    "A text part that says something else is there for the filter, not for the reader.",
    "`multipart_alternative_difference('99', '100')`.",
    "Newsletters whose text part only says where to read them; meeting requests are left out.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const MULTIPART_ALTERNATIVE_DIFFERENCE_COUNT: &str = doc!(
    "More different words in the plain text than the given factor times those in the HTML, which must have more than the second number.",
    "Word salad in the text part feeds statistical filters.",
    "`multipart_alternative_difference_count('3','1')`.",
    "Text parts that quote a whole thread.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const OLE: &str = doc!(
    "Macros and objects in Office files.",
    "Macros that fetch programs are how viruses travel.",
    "`body OLEMACRO eval:check_olemacro()`.",
    "Not supported: rules that call it do not run, and are reported when they are loaded.",
    "SpamAssassin 4.0, plugin OLEVBMacro."
);
pub const PDF_COUNT: &str = doc!(
    "The number of PDF attachments, within bounds.",
    "For metas.",
    "`pdf_count('1','1')`.",
    "Says nothing by itself.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IMAGE_COUNT: &str = doc!(
    "The number of images found in PDF attachments, within bounds.",
    "A PDF with one picture of a text.",
    "`pdf_image_count('1','1')`.",
    "Compressed PDFs hide their images from this look.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IMAGE_SIZE_EXACT: &str = doc!(
    "An image in a PDF of exactly this height and width.",
    "A campaign reuses its picture.",
    "`pdf_image_size_exact('300','400')`.",
    "Common sizes.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IMAGE_SIZE_RANGE: &str = doc!(
    "An image in a PDF of at least this height and width, and at most those.",
    "A campaign varies its picture a little.",
    "`pdf_image_size_range('100','450','240','800')`.",
    "Common sizes.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IMAGE_TO_TEXT_RATIO: &str = doc!(
    "Bytes of text divided by pixels of images in PDFs, from the first up to below the second number.",
    "An empty mail with a picture in a PDF.",
    "`pdf_image_to_text_ratio('0.000','0.005')`.",
    "Scanners that send mail.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IS_EMPTY_BODY: &str = doc!(
    "A PDF attachment and a text of at most this many bytes (0 by default).",
    "Nobody sends an invoice without a word.",
    "`pdf_is_empty_body()`.",
    "Scanners that send mail.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_IS_ENCRYPTED: &str = doc!(
    "A PDF with an /Encrypt entry at the start of a line.",
    "Encrypted content cannot be looked at.",
    "`pdf_is_encrypted()`.",
    "Banks and payroll offices encrypt.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_MATCH_DETAILS: &str = doc!(
    "A PDF whose `author`, `creator`, `producer`, `title`, `created` or `modified` matches.",
    "Campaigns leave the name of their tool.",
    "`pdf_match_details('producer','/^BCL easyPDF/')`.",
    "Tools are used by honest people too.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_MATCH_FUZZY_MD5: &str = doc!(
    "A PDF whose structure has this MD5 checksum (text before the first stream, or the sequence of its tags).",
    "The same tool made it.",
    "`pdf_match_fuzzy_md5('653C8A...')`.",
    "Tools are used by honest people too.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_MATCH_MD5: &str = doc!(
    "A PDF with this MD5 checksum.",
    "The very same file was spam before.",
    "`pdf_match_md5('C9F3A0...')`.",
    "Never, but the smallest change escapes.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_NAMED: &str = doc!(
    "A PDF attachment of exactly this name.",
    "A campaign reuses its name.",
    "`pdf_named('invoice.pdf')`.",
    "Common names.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_NAME_REGEX: &str = doc!(
    "A PDF attachment whose name matches.",
    "A campaign names its files by a scheme.",
    r"`pdf_name_regex('/^invoice\d+/i')`.",
    "Shops do as well.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PDF_PIXEL_COVERAGE: &str = doc!(
    "Pixels of all images in PDF attachments, within bounds.",
    "A picture that holds a text has a certain size.",
    "`pdf_pixel_coverage('180000','475000')`.",
    "Scans.",
    "SpamAssassin 4.0, plugin PDFInfo."
);
pub const PHISHING: &str = doc!(
    "Links in lists of phishing sites that were fetched before.",
    "Others have seen them.",
    "`check_phishing()`.",
    "Answered by the network; until a module here asks, it never hits.",
    "SpamAssassin 4.0, plugin Phishing."
);
pub const PIXEL_COVERAGE: &str = doc!(
    "The pixels of all images of a format together, within bounds.",
    "A picture that holds a text has a certain size.",
    "`pixel_coverage('gif','180000','475000')`.",
    "Screenshots.",
    "SpamAssassin 4.0, plugin ImageInfo."
);
pub const PLAINTEXT_BODY_LENGTH: &str = doc!(
    "Bytes before the signature in the first plain text, within bounds.",
    "For metas.",
    "`plaintext_body_length('0','100')`.",
    "Only the first text part is looked at.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const PLAINTEXT_BODY_SIG_RATIO: &str = doc!(
    "Bytes before divided by bytes after the last `-- ` line, within bounds.",
    "A signature longer than its letter is the letter.",
    "`plaintext_body_sig_ratio('0','0.5')`.",
    "One-line answers with a disclaimer.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const PLAINTEXT_SIG_LENGTH: &str = doc!(
    "Bytes after the last `-- ` line of the first plain text, within bounds.",
    "Advertising likes to stand in the signature.",
    "`plaintext_sig_length('2000')`.",
    "Companies with long disclaimers.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const PYZOR: &str = doc!(
    "Mail whose digest others reported to Pyzor.",
    "The same mail went to many.",
    "`full PYZOR_CHECK eval:check_pyzor()`.",
    "Short messages share digests. Asked where `[digests] pyzor` names servers (docs/digests.md).",
    "SpamAssassin 4.0, plugin Pyzor."
);
pub const RAZOR: &str = doc!(
    "Mail whose signatures others reported to Razor.",
    "The same mail went to many.",
    "`full RAZOR2_CHECK eval:check_razor2()`.",
    "Answered by Razor's servers, where `[digests] razor` names them (docs/digests.md).",
    "SpamAssassin 4.0, plugin Razor2."
);
pub const RECEIVED_WITHIN_MONTHS: &str = doc!(
    "The age of the mail, guessed from its dates, in months, within bounds.",
    "For rules that should spare old mail in a corpus.",
    "`received_within_months('0','6')`.",
    "Depends on the time of judging.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const SHORT_URL: &str = doc!(
    "A link of a shortening service named by `url_shortener`.",
    "The target cannot be seen.",
    "`https://bit.ly/abc`.",
    "People shorten links too.",
    "SpamAssassin 4.0, plugin DecodeShortURLs."
);
pub const SHORT_URL_TARGET: &str = doc!(
    "What a shortening service answers for a link.",
    "Chains of redirections hide a target.",
    "`short_url_chained()`.",
    "Answered by the network; until a module here asks, it never hits.",
    "SpamAssassin 4.0, plugin DecodeShortURLs."
);
pub const SHORT_URL_TESTS: &str = doc!(
    "Nothing any more; kept so that old rules load.",
    "The rules were rewritten for SpamAssassin 4.",
    "`short_url_tests()`.",
    "Never.",
    "SpamAssassin 4.0, plugin DecodeShortURLs."
);
pub const SIMILAR_RECIPIENTS: &str = doc!(
    "How alike five or more recipients are (same first letters, different hosts), within bounds.",
    "Lists that are guessed or harvested run along the alphabet.",
    "`similar_recipients('0.65','undef')`.",
    "Families and companies whose addresses follow a scheme.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const SORTED_RECIPIENTS: &str = doc!(
    "Seven or more recipients in strict alphabetical order.",
    "People do not sort; address lists do.",
    "`To: a@example.com, b@example.com, ... g@example.com`.",
    "Small groups sent to from an address book.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const SPF: &str = doc!(
    "Whether the sender's domain allows the relay that delivered.",
    "Forged envelope senders.",
    "`header SPF_FAIL eval:check_for_spf_fail()`.",
    "Forwarders send for domains that do not know them; networks of our own that `internal_networks` does not name look like forgers. Without a network it never hits.",
    "SpamAssassin 4.0, plugin SPF."
);
pub const SUBJECT_IS_ALL_CAPS: &str = doc!(
    "A Subject of several words, ten bytes or more, without a small letter.",
    "Whoever shouts wants something.",
    "`Subject: URGENT BUSINESS PROPOSAL`.",
    "Notices of machines. Charsets full of capitals are left out.",
    "SpamAssassin 4.0, plugin HeaderEval."
);
pub const TVD_VERTICAL_WORDS: &str = doc!(
    "The largest share of spaces against other characters in a paragraph, in percent, from the first up to below the second number.",
    "Words written vertically or s p a c e d out escape word rules.",
    "`tvd_vertical_words('0','10')`.",
    "Tables.",
    "SpamAssassin 4.0, plugin BodyEval."
);
pub const FIRST_CONTACT: &str = doc!(
    "None of the recipients has had mail from this author's address before; with `'site'`, nobody here; with `'domain'`, nobody here from the author's domain.",
    "Fraud in a superior's name comes from an address that the victim never saw.",
    "`header __FIRST_CONTACT eval:check_first_contact()`.",
    "Everybody writes for the first time once: use it in metas. Without a store, or in its first days, it never hits.",
    "sekisho; SpamAssassin has no like of it."
);
pub const FIRST_SEEN: &str = doc!(
    "A mail address (of the sender, in `Reply-To`, in the text) or the domain of a link that no mail from outside has mentioned here before; with a number, or for less than so many days.",
    "Domains of spam are bought for the day; what people write about is mostly known.",
    "`header __URI_NEW_HERE eval:check_uri_first_seen('7')`.",
    "Everything is new once: use it in metas. Without a store, or in its first days, it never hits.",
    "sekisho; SpamAssassin has no like of it."
);
pub const SEEN_IN_SPAM: &str = doc!(
    "A mail address or the domain of a link that spam here mentioned three times at least (or as often as the rule says), and nine times as often as other mail.",
    "The same sites are advertised again, by other senders.",
    "`header URI_SEEN_IN_SPAM eval:check_uri_seen_in_spam('3')`.",
    "Spam names innocent sites too; what it judged wrongly it judges wrongly again: keep the score low. Without a store it never hits.",
    "sekisho; SpamAssassin has no like of it."
);
pub const PEN_PAL: &str = doc!(
    "One of the recipients wrote to this author's address before.",
    "People want answers from those they write to.",
    "`header PEN_PAL eval:check_pen_pal()`.",
    "The author's address can be forged: use it together with DMARC. Without a store it never hits.",
    "sekisho; amavis calls it pen pals."
);
pub const TXREP: &str = doc!(
    "The reputation of sender, domain, address and greeting.",
    "Known senders keep their standing.",
    "`header TXREP eval:check_senders_reputation()`.",
    "Whoever writes under another's name and from his network has his standing. Without a store and `use_txrep 1` it never hits.",
    "SpamAssassin 4.0, plugin TxRep."
);
pub const URIDNSBL: &str = doc!(
    "Links to domains, or hosts of domains, in block lists of the DNS.",
    "What spam advertises changes more slowly than who sends it.",
    "`body URIBL_BLACK eval:check_uridnsbl('URIBL_BLACK')`.",
    "Spam names innocent sites too: `uridnsbl_skip_domain`. Without a network it never hits.",
    "SpamAssassin 4.0, plugin URIDNSBL."
);
pub const URI_LOCAL: &str = doc!(
    "Links to hosts in listed networks, countries or providers.",
    "The administrator does not want them.",
    "`check_uri_local_bl()`.",
    "Answered by the network; until a module here asks, it never hits.",
    "SpamAssassin 4.0, plugin URILocalBL."
);
