//! Records, their file, and what is found about them.

use super::*;
use feeds::registry::delegated::Delegations;

const TALK: &str = "header GLOBALSPEED_PH X-Spam-Relays-Untrusted =~ /^\\[ ip=180\\.94\\.(?:\\d|[12]\\d|3[01])\\.\\d{1,3} /\n\
                    describe GLOBALSPEED_PH [PH]GLOBALSPEED-PH\nscore GLOBALSPEED_PH 1.5\n";

fn delegations(text: &str) -> Delegations {
    let mut all = Delegations::default();
    all.add(text);
    all.sort();
    all
}

fn talk() -> Record {
    Record::new("GLOBALSPEED_PH", "180.94.0.0/19".parse().unwrap(), "PH", "GLOBALSPEED-PH", 1.5).unwrap()
}

#[test]
fn the_talks_three_lines() {
    let record = talk();
    assert_eq!(record.rules(), TALK);
    assert_eq!(record.size(), 8192);
    assert_eq!(name_for("GLOBALSPEED-PH", "PH", &HashSet::new()), "GLOBALSPEED_PH");
    assert_eq!(name_for("GLOBALSPEED-PH", "PH", &HashSet::from(["GLOBALSPEED_PH"])), "GLOBALSPEED_PH_2");
    assert_eq!(name_for("3com-net", "kr", &HashSet::new()), "N_3COM_NET_KR");
    assert_eq!(name_for("網", "", &HashSet::new()), "NETWORK");
    for name in ["", "a", "1A", "A-B", "_A", "Ä"] {
        assert!(!is_name(name), "{name}");
        assert_eq!(Record::new(name, "192.0.2.0/24".parse().unwrap(), "JP", "", 1.0), Err(Unfit::Name(name.into())));
    }
}

#[test]
fn a_user_prefs_is_read_and_given_back() {
    let prefs = format!(
        "required_score 15\n{TALK}# by hand\nheader SOMENET_KR X-Spam-Relays-Untrusted =~ /^\\[ ip=61\\.(?:6[4-9]|7[0-9])\\./\n\
         describe SOMENET_KR [KR]Some Net\nscore SOMENET_KR 2.0\nheader OTHER Subject =~ /x/\n\
         header ODD X-Spam-Relays-Untrusted =~ /^\\[ ip=10\\.(?!1)/\nheader lower X-Spam-Relays-Untrusted =~ /^\\[ ip=10\\.1\\./\n\
         score SOMENET_KR many\n"
    );
    let (book, problems) = Book::read(&prefs);
    assert_eq!(book.names(), HashSet::from(["GLOBALSPEED_PH", "SOMENET_KR"]));
    assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [10, 11, 12]);
    assert_eq!(book.records[0], talk());
    let hand = &book.records[1];
    assert_eq!((hand.country.as_str(), hand.title.as_str(), hand.score), ("KR", "Some Net", 2.0));
    assert_eq!(hand.ranges, ["61.64.0.0-61.79.255.255".parse().unwrap()]);
    // What somebody wrote stays as he wrote it.
    assert!(book.export().contains("/^\\[ ip=61\\.(?:6[4-9]|7[0-9])\\./"));
    let (again, problems) = Book::read(&book.export());
    assert_eq!((again, problems), (book.clone(), vec![]));
    let (again, problems) = Book::read(&book.write());
    assert_eq!((again, problems), (book, vec![]));
}

#[test]
fn a_suspended_record_scores_nothing_and_keeps_its_score() {
    let mut record = talk();
    record.suspend("the range has a new holder");
    assert!(record.rules().ends_with("score GLOBALSPEED_PH 0\n"));
    let book = Book { records: vec![record] };
    let (again, _) = Book::read(&book.write());
    assert_eq!((again.records[0].score, again.records[0].state), (1.5, State::Suspended));
    let (broken, problems) = Book::read(&book.write().replace("#isp {", "#isp {{"));
    assert_eq!((broken.records.len(), problems.len()), (1, 1));
}

#[test]
fn ranges_that_change_are_found() {
    let then = delegations("apnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A1\n");
    let mut record = talk();
    record.added = "2026-01-01".into();
    record.delegated = then.find("180.94.8.6".parse().unwrap()).cloned();
    let records = [record.clone()];
    let why = |today: &str| verify(&records, &delegations(today), &[], "").first().map(|found| found.why.clone());
    assert_eq!(why("apnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A1\n"), None);
    for (today, said) in [
        ("apnic|PH|ipv4|180.94.0.0|8192|20090709|allocated|A2\n", "another holder"),
        ("apnic|JP|ipv4|180.94.0.0|8192|20090709|allocated|A1\n", "was in PH and is in JP"),
        ("apnic|PH|ipv4|180.94.0.0|8192|20260101|allocated|A1\n", "given out anew"),
        ("apnic|PH|ipv4|180.94.0.0|4096|20090709|allocated|A1\n", "cut anew"),
        ("apnic||ipv4|180.94.0.0|8192||available\n", "is available"),
        ("ripencc|PH|ipv4|180.94.0.0|8192|20090709|allocated|A1\n", "from apnic to ripencc"),
        ("apnic|KR|ipv4|1.0.0.0|256|20090709|allocated|A1\n", "no registry's"),
    ] {
        assert!(why(today).is_some_and(|why| why.contains(said)), "{today}: {:?}", why(today));
    }
    let nothing = Delegations::default();
    let good = ["180.94.31.255".parse().unwrap()];
    assert_eq!(verify(&records, &nothing, &good, "")[0].why, "good mail came from 180.94.31.255");
    assert_eq!(verify(&records, &nothing, &[], "2026-02-01")[0].why, "nothing came from there since 2026-01-01");
    assert_eq!(verify(&records, &nothing, &[], "2026-01-01"), []);
    record.suspend("x");
    assert_eq!(verify(&[record], &nothing, &good, ""), []);
}

#[test]
fn overlaps_are_reported_once() {
    let record =
        |name: &str, range: &str, country: &str| Record::new(name, range.parse().unwrap(), country, "", 1.0).unwrap();
    let found = overlaps(&[
        record("BIG", "10.0.0.0/8", "KR"),
        record("SMALL", "10.1.0.0/16", "KR"),
        record("OTHER", "10.1.2.0/24", "JP"),
        record("APART", "11.0.0.0/8", "JP"),
    ]);
    let pairs: Vec<_> = found.iter().map(|found| (found.one.as_str(), found.other.as_str(), found.conflict)).collect();
    assert_eq!(pairs, [("BIG", "SMALL", false), ("BIG", "OTHER", true), ("SMALL", "OTHER", true)]);
    assert_eq!(found[1].range.to_string(), "10.1.2.0/24");
}
