//! The publishers that we know: what each gives, how it is had, how often it may be asked, and how often its files are
//! wrong about good mail.
//!
//! Ratings are those that `clamav-unofficial-sigs` 8.0.0 documents (its `master.conf`); a file that nobody rated counts as
//! medium. A line here promises nothing of the publisher: addresses change, and `sekisho feeds status` tells.

/// How often a file's signatures hit mail that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Hits nothing by itself: kinds of file, exceptions.
    None,
    Low,
    Medium,
    High,
}

impl Risk {
    pub fn name(self) -> &'static str {
        match self {
            Risk::None => "none",
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
        }
    }
}

/// A publisher.
#[derive(Debug)]
pub struct Source {
    pub name: &'static str,
    pub gives: &'static str,
    pub home: &'static str,
    pub fetch: Fetch,
    pub files: &'static [File],
    /// Seconds that must pass between two questions.
    pub every: u32,
    /// Among those that a small site should begin with.
    pub recommended: bool,
    /// Each customer has an address of his own.
    pub account: bool,
    /// Fingerprints of the OpenPGP keys that may sign.
    pub keys: &'static [&'static str],
    /// Where the publisher offers its key; good for nothing unless the fingerprint is one of those above.
    pub key_url: &'static str,
    /// Where distributions put the key.
    pub key_files: &'static [&'static str],
    /// Rules were scored over much good mail before they were published: one that hits good mail is no news.
    pub scored: bool,
    /// What an administrator should know before he turns it on; empty: nothing.
    pub note: &'static str,
}

/// One file of a publisher.
#[derive(Debug)]
pub struct File {
    pub name: &'static str,
    pub risk: Risk,
    /// Taken unless the configuration says otherwise.
    pub on: bool,
}

/// How files are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// From one of these mirrors, each file with a detached OpenPGP signature beside it.
    Mirror { rsync: &'static [&'static str], http: &'static [&'static str], signature: &'static str },
    /// Each file by itself from below this address; `{account}` stands for the customer's own part. `checksum`: the ending
    /// of a file beside it, empty where there is none.
    Files { base: &'static str, checksum: &'static str },
    /// A compressed tar file that has the files in it.
    Archive { url: &'static str },
    /// ClamAV's containers: versions in a DNS TXT record, differences between versions.
    Cvd { zone: &'static str, base: &'static str },
    /// A channel of `sa-update`: version and mirrors in DNS TXT records.
    Channel { zone: &'static str },
    /// No more.
    Gone { reason: &'static str },
}

impl Fetch {
    pub fn name(self) -> &'static str {
        match self {
            Fetch::Mirror { .. } => "rsync or HTTP mirror, OpenPGP",
            Fetch::Files { checksum: "", .. } => "HTTPS",
            Fetch::Files { .. } => "HTTPS, checksum",
            Fetch::Archive { .. } => "HTTPS archive",
            Fetch::Cvd { .. } => "DNS, HTTPS, CVD signature",
            Fetch::Channel { .. } => "DNS, HTTP mirror, OpenPGP",
            Fetch::Gone { .. } => "-",
        }
    }
}

pub fn find(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

const HOUR: u32 = 3600;

macro_rules! files {
    ($($name:literal $risk:ident $(($off:ident))?),* $(,)?) => {
        &[$(File { name: $name, risk: Risk::$risk, on: files!(@on $($off)?) }),*]
    };
    (@on off) => { false };
    (@on) => { true };
}

/// What a source leaves out.
pub(crate) const NOTHING: Source = Source {
    name: "",
    gives: "",
    home: "",
    fetch: Fetch::Gone { reason: "" },
    files: &[],
    every: HOUR,
    recommended: false,
    account: false,
    keys: &[],
    key_url: "",
    key_files: &[],
    scored: false,
    note: "",
};

/// By name.
pub static SOURCES: &[Source] = &[
    Source {
        name: "clamav",
        gives: "ClamAV's official signatures: malware first, some phishing",
        home: "https://www.clamav.net/",
        fetch: Fetch::Cvd { zone: "current.cvd.clamav.net", base: "https://database.clamav.net/" },
        files: files!["daily.cvd" Low, "main.cvd" Low],
        every: 2 * HOUR,
        note: "some hundred megabytes at first, differences afterwards; whoever asks too often is shut out for a day",
        ..NOTHING
    },
    Source {
        name: "lmd",
        gives: "Linux Malware Detect: malware of web servers, also as attachments",
        home: "https://www.rfxn.com/projects/linux-malware-detect/",
        fetch: Fetch::Archive { url: "https://cdn.rfxn.com/downloads/maldet-sigpack.tgz" },
        files: files!["rfxn.hdb" Low, "rfxn.ndb" Low, "rfxn.yara" Low],
        every: 24 * HOUR,
        note: "neither signed nor, at this address, with a checksum: HTTPS alone says from whom it is",
        ..NOTHING
    },
    Source {
        name: "msrbl",
        gives: "signatures of image spam and spam (MSRBL-Images.hdb, MSRBL-SPAM.ndb)",
        fetch: Fetch::Gone { reason: "the service has ended; its files are no longer published anywhere" },
        ..NOTHING
    },
    Source {
        name: "sanesecurity",
        gives: "phishing, scam, spam and malware in mail; Sanesecurity's own files and those of its partners",
        home: "https://sanesecurity.com/",
        fetch: Fetch::Mirror {
            rsync: &["rsync://rsync.sanesecurity.net/sanesecurity/"],
            http: &["http://mirror.seichter.de/sanesecurity/"],
            signature: ".sig",
        },
        files: files![
            "sanesecurity.ftm" None,
            "sigwhitelist.ign2" None,
            "badmacro.ndb" Medium,
            "blurl.ndb" Low,
            "bofhland_cracked_URL.ndb" Low,
            "bofhland_malware_URL.ndb" Low,
            "bofhland_malware_attach.hdb" Low,
            "bofhland_phishing_URL.ndb" Low,
            "foxhole_all.cdb" High (off),
            "foxhole_all.ndb" High (off),
            "foxhole_filename.cdb" Low,
            "foxhole_generic.cdb" Low,
            "foxhole_js.cdb" Medium,
            "foxhole_js.ndb" Medium,
            "foxhole_links.ldb" High (off),
            "foxhole_mail.cdb" High (off),
            "hackingteam.hsb" Low,
            "junk.ndb" Low,
            "jurlbl.ndb" Low,
            "jurlbla.ndb" Medium,
            "lott.ndb" Medium,
            "malwarehash.hsb" Low,
            "phish.ndb" Low,
            "phishtank.ndb" Low,
            "porcupine.hsb" Low,
            "porcupine.ndb" Low,
            "rogue.hdb" Low,
            "scam.ndb" Low,
            "shelter.ldb" Medium,
            "spam.ldb" Medium,
            "spamattach.hdb" Low,
            "spamimg.hdb" Low,
            "spear.ndb" Medium,
            "spearl.ndb" Medium,
            "winnow.attachments.hdb" Low,
            "winnow.complex.patterns.ldb" Medium,
            "winnow_bad_cw.hdb" Low,
            "winnow_extended_malware.hdb" Low,
            "winnow_extended_malware_links.ndb" Medium,
            "winnow_malware.hdb" Low,
            "winnow_malware_links.ndb" Low,
            "winnow_phish_complete.ndb" High (off),
            "winnow_phish_complete_url.ndb" Low,
            "winnow_spam_complete.ndb" Medium,
        ],
        every: 2 * HOUR,
        recommended: true,
        keys: &["4E025A1CBA90A0653F38D2D8D691DED931EA4D9E"],
        key_url: "https://www.sanesecurity.com/publickey.gpg",
        key_files: &["/usr/share/clamav-unofficial-sigs/publickey.gpg"],
        ..NOTHING
    },
    Source {
        name: "securiteinfo",
        gives: "malware, spam and phishing in French and English mail",
        home: "https://www.securiteinfo.com/",
        fetch: Fetch::Files { base: "https://www.securiteinfo.com/get/signatures/{account}/", checksum: "" },
        files: files![
            "javascript.ndb" Low,
            "securiteinfo.hdb" Low,
            "securiteinfo.ign2" None,
            "securiteinfoandroid.hdb" Low,
            "securiteinfoascii.hdb" Low,
            "securiteinfohtml.hdb" Low,
            "securiteinfoold.hdb" Low,
            "securiteinfopdf.hdb" Low,
            "spam_marketing.ndb" High (off),
            "securiteinfo.pdb" Low (off),
            "securiteinfo.wdb" None (off),
            "securiteinfo.yara" Low (off),
            "securiteinfo0hour.hdb" Low (off),
        ],
        every: 4 * HOUR,
        account: true,
        note: "free accounts have been getting a placeholder since 2026; the last five files are for paying customers",
        ..NOTHING
    },
    Source {
        name: "spamassassin",
        gives: "SpamAssassin's rules as its project publishes them, in place of those that the system brought",
        home: "https://spamassassin.apache.org/",
        fetch: Fetch::Channel { zone: "updates.spamassassin.org" },
        every: 24 * HOUR,
        keys: &["5E541DC959CB8BAC7C78DFDC4056A61A5244EC45"],
        key_url: "https://spamassassin.apache.org/updates/GPG.KEY",
        key_files: &[
            "/usr/share/spamassassin/sa-update-pubkey.txt",
            "/usr/local/share/spamassassin/sa-update-pubkey.txt",
        ],
        scored: true,
        note: "not together with sa-update from cron: one of the two is enough",
        ..NOTHING
    },
    Source {
        name: "urlhaus",
        gives: "addresses from which malware is being spread at this hour",
        home: "https://urlhaus.abuse.ch/",
        fetch: Fetch::Files { base: "https://urlhaus.abuse.ch/downloads/", checksum: "" },
        files: files!["urlhaus.ndb" Low],
        every: 600,
        recommended: true,
        ..NOTHING
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_keeps_its_promises() {
        assert!(SOURCES.windows(2).all(|pair| pair[0].name < pair[1].name), "sorted, no name twice");
        for source in SOURCES {
            assert!(crate::is_plain_name(source.name) && !source.gives.is_empty(), "{}", source.name);
            assert!(source.every >= 600, "{}: nobody is asked more often", source.name);
            let gone = matches!(source.fetch, Fetch::Gone { .. });
            assert!(gone || source.home.starts_with("https://"), "{}", source.name);
            assert!(!(gone && source.recommended), "{}", source.name);
            let signed = matches!(source.fetch, Fetch::Mirror { .. } | Fetch::Channel { .. });
            assert_eq!(signed, !source.keys.is_empty(), "{}: who may sign is pinned", source.name);
            for key in source.keys {
                assert!(key.len() == 40 && key.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte)), "{key}");
            }
            if let Fetch::Files { base, .. } = source.fetch {
                assert_eq!(base.contains("{account}"), source.account, "{}", source.name);
                assert!(base.starts_with("https://") && base.ends_with('/'), "what has no signature comes over TLS");
            }
            let mut names: Vec<_> = source.files.iter().map(|file| file.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}", source.name);
            for file in source.files {
                assert!(crate::is_plain_name(file.name), "{}", file.name);
                assert!(!(file.on && file.risk == Risk::High), "{}: on, and often wrong", file.name);
            }
        }
    }

    #[test]
    fn the_talks_dead_service_is_told_as_dead() {
        assert!(matches!(find("msrbl").unwrap().fetch, Fetch::Gone { .. }));
    }
}
