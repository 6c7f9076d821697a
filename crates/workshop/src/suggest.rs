//! Rules for look-alike spams: "compare several similar ones", as the second talk says, done by counting.
//!
//! In: [`Sample`]s of spam, then the look-alikes again and each ham message once. [`clusters`] puts look-alikes together
//! (shingles of what a reader sees, of links and headers, compared by minhash). [`Candidates`] are strict patterns that
//! several members of a cluster share: headers that the sender made, the shape of links, sentences. They are tried on whole
//! messages, as rules will be; samples, which are cut, only say what is worth trying. Ham decides: a pattern that hits any
//! is not used alone, and two of them only if no ham message has both. Out: [`Suggestion`]s with their counts.
//!
//! Headers that the receiving side writes are never looked at: they tell whose mailbox it was, not what the mail is.

use crate::bits::Bits;
use crate::convert;
use mail::views::Views;
use mail::{HeaderRequest, UnitText};
pub use patterns::Scratch;
use patterns::{Builder, Database, Flags, Found, GroupId, PatternId, PatternSpec, Text};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Headers that whoever sends writes, as rules ask for them.
const HEADERS: [&str; 15] = [
    "Subject:text",
    "From:name:text",
    "From:addr",
    "Reply-To:addr",
    "Message-ID",
    "X-Mailer",
    "User-Agent",
    "Content-Type",
    "Content-Transfer-Encoding",
    "X-Priority",
    "X-MSMail-Priority",
    "X-MimeOLE",
    "List-Unsubscribe",
    "Feedback-ID",
    "Organization",
];

const LONGEST_VALUE: usize = 300;
const MOST_URIS: usize = 40;
const MOST_UNITS: usize = 200;
const LONGEST_UNIT: usize = 4_000;
const HASHES: usize = 96;
/// Hashes of a band: equal in all of them, two messages are compared.
const ROWS: usize = 3;
/// From this share of equal hashes on, two messages look alike.
const ALIKE: f64 = 0.35;
/// Patterns of one cluster that are tried on ham.
const MOST_CANDIDATES: usize = 150;
/// Rules and pairs that one cluster's meta consists of.
const MOST_PARTS: usize = 8;

/// What of a message can become rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// By name as in `HEADERS`.
    pub headers: BTreeMap<&'static str, String>,
    pub uris: Vec<String>,
    /// Paragraphs of the text view, the subject left out.
    pub units: Vec<String>,
}

impl Sample {
    pub fn of(views: &Views<'_>) -> Sample {
        let mut sample = Sample::default();
        for name in HEADERS {
            if let Some(value) = views.header(&HeaderRequest::parse(name)) {
                let value = String::from_utf8_lossy(&value.joined).trim_end().to_owned();
                if !value.is_empty() && value.len() <= LONGEST_VALUE {
                    sample.headers.insert(name, value);
                }
            }
        }
        let units = |text: &UnitText, most: usize, skip: usize| -> Vec<String> {
            let cut = |unit: &[u8]| String::from_utf8_lossy(&unit[..unit.len().min(LONGEST_UNIT)]).trim().to_owned();
            text.iter().skip(skip).take(most).map(cut).filter(|unit| !unit.is_empty()).collect()
        };
        sample.uris = units(&views.uris().text, MOST_URIS, 0);
        sample.units = units(&views.text().body, MOST_UNITS, 1);
        sample
    }

    /// What two look-alikes share, as hashes: pieces of the text without its numbers, shapes of links and headers.
    fn shingles(&self) -> BTreeSet<u64> {
        let mut all = BTreeSet::new();
        let text: Vec<char> =
            self.units.iter().flat_map(|unit| unit.chars()).filter(|c| c.is_alphabetic()).take(6_000).collect();
        all.extend(text.windows(5).map(|window| hash(1, window.iter().collect::<String>().as_bytes())));
        for uri in &self.uris {
            if let Some(link) = Link::of(uri) {
                all.insert(hash(2, shape(link.path, Detail::All).as_bytes()));
                all.insert(hash(3, link.host.as_bytes()));
            }
        }
        for (name, value) in &self.headers {
            all.insert(hash(4, format!("{name}={}", shape(value, Detail::All)).as_bytes()));
        }
        all
    }
}

/// Is a message written with kana, kanji or hangul?
pub fn is_written_eastern(views: &Views<'_>) -> bool {
    let units = views.text().body.iter().skip(1);
    let mut letters = 0;
    units.map(String::from_utf8_lossy).any(|unit| {
        letters += unit.chars().filter(|c| is_eastern(*c)).take(20).count();
        letters >= 20
    })
}

/// FNV-1a, stirred.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in bytes {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    stir(sum)
}

fn stir(mut sum: u64) -> u64 {
    sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    sum = (sum ^ (sum >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    sum ^ (sum >> 31)
}

/// Samples that look alike, as indices; the largest clusters first, those of fewer than `least` left out.
pub fn clusters(samples: &[Sample], least: usize) -> Vec<Vec<usize>> {
    let signatures: Vec<Vec<u64>> = samples
        .iter()
        .map(|sample| {
            let shingles = sample.shingles();
            (0..HASHES as u64)
                .map(|seed| shingles.iter().map(|one| stir(one ^ stir(seed + 1))).min().unwrap_or(u64::MAX))
                .collect()
        })
        .collect();
    let mut parent: Vec<usize> = (0..samples.len()).collect();
    for band in 0..HASHES / ROWS {
        let mut buckets: HashMap<&[u64], Vec<usize>> = HashMap::new();
        for (at, signature) in signatures.iter().enumerate() {
            if signature[0] != u64::MAX {
                buckets.entry(&signature[band * ROWS..(band + 1) * ROWS]).or_default().push(at);
            }
        }
        for bucket in buckets.into_values() {
            // Each with the first and the one before: a bucket of thousands is one cluster anyway.
            for (at, one) in bucket.iter().enumerate().skip(1) {
                for other in [bucket[0], bucket[at - 1]] {
                    let equal = signatures[*one].iter().zip(&signatures[other]).filter(|(a, b)| a == b).count();
                    if equal as f64 >= ALIKE * HASHES as f64 {
                        let (a, b) = (root(&mut parent, *one), root(&mut parent, other));
                        parent[a.max(b)] = a.min(b);
                    }
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..samples.len() {
        groups.entry(root(&mut parent, at)).or_default().push(at);
    }
    let mut found: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() >= least.max(2)).collect();
    found.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
    found
}

fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}

/// What a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Header(&'static str),
    Uri,
    Text,
}

impl Place {
    fn group(self) -> GroupId {
        match self {
            Place::Uri => GroupId(0),
            Place::Text => GroupId(1),
            Place::Header(name) => {
                GroupId(2 + HEADERS.iter().position(|header| *header == name).unwrap_or_default() as u32)
            }
        }
    }

    /// The rule's beginning: `header NAME Subject:text =~`.
    fn directive(self, name: &str) -> String {
        match self {
            Place::Header(header) => format!("header {name} {header} =~"),
            Place::Uri => format!("uri {name}"),
            Place::Text => format!("text {name}"),
        }
    }
}

/// A pattern that members of a cluster share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Feature {
    place: Place,
    pattern: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Numbers become `\d{n}`.
    Numbers,
    /// Words too become classes.
    All,
}

/// A pattern for a text: what is likely to differ from one message to the next becomes a class of the same length.
fn shape(text: &str, detail: Detail) -> String {
    let mut out = Vec::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut Vec<u8>| {
        if run.is_empty() {
            return;
        }
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let upper = run.bytes().any(|byte| byte.is_ascii_uppercase());
        let lower = run.bytes().any(|byte| byte.is_ascii_lowercase());
        let class = match () {
            () if digits == run.len() => Some("\\d".to_owned()),
            () if digits == 0 && (detail == Detail::Numbers || run.len() < 3) => None,
            () if digits > 0 && detail == Detail::Numbers && digits * 3 < run.len() => None,
            () => {
                let parts = [(upper, "A-Z"), (lower, "a-z"), (digits > 0, "0-9")];
                Some(format!("[{}]", parts.iter().filter(|part| part.0).map(|part| part.1).collect::<String>()))
            }
        };
        match class {
            Some(class) if run.len() == 1 => out.extend_from_slice(class.as_bytes()),
            Some(class) => out.extend_from_slice(format!("{class}{{{}}}", run.len()).as_bytes()),
            None => convert::escape(run, out),
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            run.push(c);
        } else {
            flush(&mut run, &mut out);
            convert::escape(c.encode_utf8(&mut [0; 4]), &mut out);
        }
    }
    flush(&mut run, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn exact(text: &str) -> String {
    let mut out = Vec::new();
    convert::escape(text, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

struct Link<'a> {
    host: &'a str,
    /// From the slash on, with the question.
    path: &'a str,
}

impl Link<'_> {
    fn of(uri: &str) -> Option<Link<'_>> {
        let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        Some(Link { host: &rest[..end], path: &rest[end..] })
    }
}

/// Everything of a sample that could be a rule.
fn features(sample: &Sample) -> BTreeSet<Feature> {
    let mut all = BTreeSet::new();
    let mut add = |place: Place, pattern: String| {
        if pattern.len() <= 400 {
            all.insert(Feature { place, pattern });
        }
    };
    for (name, value) in &sample.headers {
        let place = Place::Header(name);
        match *name {
            "From:addr" | "Reply-To:addr" => {
                if let Some((user, host)) = value.rsplit_once('@') {
                    add(place, format!("^{}\\@", exact(user)));
                    add(place, format!("\\@{}$", exact(host)));
                    add(place, format!("^{}\\@{}$", shape(user, Detail::All), shape(host, Detail::All)));
                }
            }
            "Message-ID" => {
                add(place, format!("^{}$", shape(value, Detail::All)));
                add(place, format!("^{}$", shape(value, Detail::Numbers)));
                if let Some((local, host)) = value.rsplit_once('@') {
                    add(place, format!("\\@{}$", exact(host)));
                    add(place, format!("^{}\\@", shape(local, Detail::All)));
                }
            }
            _ => {
                add(place, format!("^{}$", exact(value)));
                add(place, format!("^{}$", shape(value, Detail::Numbers)));
                add(place, format!("^{}$", shape(value, Detail::All)));
                for piece in pieces(value, 6) {
                    add(place, shape(&piece, Detail::Numbers));
                }
            }
        }
    }
    for uri in &sample.uris {
        let Some(link) = Link::of(uri) else { continue };
        let top = link.host.rsplit('.').next().unwrap_or_default();
        let path = &link.path[..link.path.floor_char_boundary(200)];
        add(Place::Uri, format!("^https?:\\/\\/{}(?:[\\/?\\#]|$)", exact(link.host)));
        if let Some((_, domain)) = link.host.split_once('.').filter(|(_, domain)| domain.contains('.')) {
            add(Place::Uri, format!("^https?:\\/\\/[^\\/?\\#]{{1,80}}\\.{}(?:[\\/?\\#]|$)", exact(domain)));
        }
        add(Place::Uri, format!("^https?:\\/\\/{}(?:[\\/?\\#]|$)", shape(link.host, Detail::All)));
        if path.len() >= 3 {
            let any = "^https?:\\/\\/[^\\/?\\#]{1,80}";
            add(Place::Uri, format!("{any}{}$", shape(path, Detail::All)));
            add(Place::Uri, format!("{any}{}$", shape(path, Detail::Numbers)));
            add(Place::Uri, format!("{any}\\.{}{}$", exact(top), shape(path, Detail::All)));
            if let Some(first) = path[1..].split(['/', '?', '#']).next().filter(|first| first.len() >= 4) {
                add(Place::Uri, format!("{any}\\/{}(?:[\\/?\\#]|$)", exact(first)));
            }
        }
    }
    for unit in &sample.units {
        for piece in pieces(unit, 8) {
            add(Place::Text, shape(&piece, Detail::Numbers));
        }
    }
    all
}

/// Sentences and halves of long ones; at least `least` letters each, at most 60 characters.
fn pieces(text: &str, least: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut add = |piece: &[char]| {
        let piece: String = piece.iter().collect();
        let piece = piece.trim();
        let letters = piece.chars().filter(|c| c.is_alphabetic()).count();
        // A Latin letter says less than a kanji.
        let weight: usize = piece.chars().filter(|c| c.is_alphabetic()).map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
        if letters >= least && weight >= 2 * least {
            all.push(piece.to_owned());
        }
    };
    let chars: Vec<char> = text.chars().collect();
    let mut from = 0;
    for (at, c) in chars.iter().enumerate() {
        let ends =
            matches!(c, '。' | '！' | '？' | '!' | '?' | '\n' | '【' | '】' | '「' | '」' | '、' | ':' | '|' | '・')
                || *c == '.' && chars.get(at + 1) == Some(&' ');
        if ends || at - from >= 60 {
            add(&chars[from..at]);
            from = at + usize::from(ends);
        }
    }
    add(&chars[from..]);
    all
}

/// The patterns that clusters share, ready to be tried.
pub struct Candidates {
    database: Database,
    features: Vec<Feature>,
    clusters: Vec<Cluster>,
}

struct Cluster {
    members: Vec<usize>,
    /// Feature, and which of the members it hits.
    candidates: Vec<(usize, Bits)>,
}

/// Of ham: which candidates hit each message.
#[derive(Debug, Clone, Default)]
pub struct Ham {
    pub messages: usize,
    /// Those with kana, kanji or hangul.
    pub eastern: usize,
    /// Only messages that anything hit.
    hits: Vec<Vec<u32>>,
}

impl Ham {
    pub fn add(&mut self, hits: Vec<u32>, eastern: bool) {
        self.messages += 1;
        self.eastern += usize::from(eastern);
        if !hits.is_empty() {
            self.hits.push(hits);
        }
    }
}

impl Candidates {
    pub fn new(samples: &[Sample], clusters: &[Vec<usize>]) -> Candidates {
        let mut builder = Builder::new();
        let mut known: HashMap<Feature, usize> = HashMap::new();
        let mut all: Vec<Feature> = Vec::new();
        let mut made = Vec::new();
        for members in clusters {
            let mut counts: BTreeMap<Feature, usize> = BTreeMap::new();
            for member in members {
                for feature in features(&samples[*member]) {
                    *counts.entry(feature).or_default() += 1;
                }
            }
            // What half of the cluster has and no more is worth a rule as well; what one has is not.
            let least = members.len().div_ceil(5).max(2);
            let mut shared: Vec<(Feature, usize)> = counts.into_iter().filter(|(_, count)| *count >= least).collect();
            shared.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.pattern.len().cmp(&a.0.pattern.len())).then(a.0.cmp(&b.0)));
            let mut of_place: BTreeMap<Place, usize> = BTreeMap::new();
            let mut candidates = Vec::new();
            for (feature, _) in shared {
                let taken = of_place.entry(feature.place).or_default();
                if *taken >= 40 || candidates.len() >= MOST_CANDIDATES {
                    continue;
                }
                let id = match known.get(&feature) {
                    Some(id) => *id,
                    None => {
                        let spec =
                            PatternSpec::regex(feature.place.group(), feature.pattern.as_bytes(), Flags::default());
                        if builder.add(spec).is_err() {
                            continue;
                        }
                        known.insert(feature.clone(), all.len());
                        all.push(feature);
                        all.len() - 1
                    }
                };
                *taken += 1;
                candidates.push((id, Bits::new(members.len())));
            }
            made.push(Cluster { members: members.clone(), candidates });
        }
        Candidates { database: builder.build(), features: all, clusters: made }
    }

    /// Counts a member of a cluster with what [`Candidates::hits`] tells of it: a pattern may hit others than those that it
    /// was made of, and miss one of those where a message is more than its sample.
    pub fn count(&mut self, member: usize, hits: &[u32]) {
        for cluster in &mut self.clusters {
            let Ok(at) = cluster.members.binary_search(&member) else { continue };
            for (feature, members) in &mut cluster.candidates {
                if hits.binary_search(&(*feature as u32)).is_ok() {
                    members.set(at);
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Which of the candidates hit a message, sorted.
    pub fn hits(&self, views: &Views<'_>, scratch: &mut Scratch) -> Vec<u32> {
        if self.database.is_empty() {
            return Vec::new();
        }
        let mut found = Found::new();
        let mut scan = |place: Place, bytes: &[u8], ends: &[u32]| {
            self.database.scan(place.group(), Text { bytes, ends }, scratch, &mut found);
        };
        for (place, text) in [(Place::Uri, &views.uris().text), (Place::Text, &views.text().body)] {
            scan(place, &text.bytes, &text.ends);
        }
        for name in HEADERS {
            if let Some(value) = views.header(&HeaderRequest::parse(name)) {
                let end = u32::try_from(value.joined.len()).unwrap_or(u32::MAX);
                scan(Place::Header(name), &value.joined, &[end]);
            }
        }
        let mut hits: Vec<u32> = found.hits().iter().map(|hit| hit.pattern).map(|PatternId(id)| id).collect();
        hits.sort_unstable();
        hits.dedup();
        hits
    }

    /// The rules, one meta a cluster; clusters for which nothing can be had without hitting ham are without parts.
    pub fn suggest(&self, ham: &Ham) -> Vec<Suggestion> {
        let mut in_ham: Vec<Vec<u32>> = vec![Vec::new(); self.features.len()];
        for (message, hits) in ham.hits.iter().enumerate() {
            hits.iter().for_each(|hit| in_ham[*hit as usize].push(message as u32));
        }
        self.clusters.iter().map(|cluster| self.suggest_for(cluster, &in_ham, ham)).collect()
    }

    fn suggest_for(&self, cluster: &Cluster, in_ham: &[Vec<u32>], ham: &Ham) -> Suggestion {
        let size = cluster.members.len();
        // Alone, or two together that no ham message has both of.
        let mut options: Vec<(Vec<usize>, Bits)> = Vec::new();
        let mut weak = Vec::new();
        for (feature, members) in &cluster.candidates {
            match in_ham[*feature].is_empty() && self.is_strict(*feature, ham) {
                true => options.push((vec![*feature], members.clone())),
                false => {
                    let mut messages = Bits::new(ham.hits.len());
                    in_ham[*feature].iter().for_each(|message| messages.set(*message as usize));
                    weak.push((*feature, members, messages));
                }
            }
        }
        for (at, (one, one_members, one_ham)) in weak.iter().enumerate() {
            for (other, other_members, other_ham) in &weak[at + 1..] {
                let places = (self.features[*one].place, self.features[*other].place);
                if places.0 == places.1 {
                    continue;
                }
                let said = [*one, *other].map(|feature| weight(&self.features[feature].pattern));
                if said[0] + said[1] < PAIR.0 || said[0].min(said[1]) < PAIR.1 || one_ham.shares(other_ham) {
                    continue;
                }
                let both = one_members.both(other_members);
                if both.count() >= 2 {
                    options.push((vec![*one, *other], both));
                }
            }
        }
        // Each member twice where that can be: what one rule misses in mail to come another may see.
        let (mut unseen, mut open) = (Bits::all(size), Bits::all(size));
        let mut parts: Vec<Part> = Vec::new();
        while parts.len() < MOST_PARTS {
            let gain = |members: &Bits| members.shared(&unseen) + members.shared(&open);
            let place = |features: &[usize]| self.features[features[0]].place;
            let best = options
                .iter()
                .filter(|(features, _)| !parts.iter().any(|part| part.features == *features))
                .max_by_key(|(features, members)| {
                    let fresh = !parts.iter().any(|part| place(&part.features) == place(features));
                    let strict: usize =
                        features.iter().map(|feature| self.features[*feature].pattern.len().min(80)).sum();
                    (gain(members), fresh, members.count(), features.len() == 1, strict)
                });
            let Some((features, members)) = best.filter(|(_, members)| gain(members) > 0) else { break };
            parts.push(Part { features: features.clone(), hits: members.count() });
            open.remove(&members.without(&unseen));
            unseen.remove(members);
        }
        let covered = size - unseen.count();
        let mut name = 0;
        for part in &parts {
            for feature in &part.features {
                name ^= hash(7, self.features[*feature].pattern.as_bytes());
            }
        }
        let parts_of = parts
            .into_iter()
            .map(|part| SuggestedPart {
                tests: part
                    .features
                    .iter()
                    .map(|feature| {
                        let Feature { place, pattern } = &self.features[*feature];
                        (*place, pattern.clone())
                    })
                    .collect(),
                features: part.features.iter().map(|feature| *feature as u32).collect(),
                hits: part.hits,
            })
            .collect();
        Suggestion {
            name: format!("LOOKALIKE_{:06X}", name & 0xff_ffff),
            members: cluster.members.clone(),
            covered,
            ham: ham.messages,
            parts: parts_of,
        }
    }

    /// May a pattern stand alone that hits no ham? It must say enough; and words of a language in which hardly any ham was
    /// tried prove nothing by hitting none.
    fn is_strict(&self, feature: usize, ham: &Ham) -> bool {
        let Feature { place, pattern } = &self.features[feature];
        let unproven = ham.eastern < ENOUGH_HAM && pattern.chars().any(is_eastern);
        let least = match place {
            Place::Text => 30,
            Place::Uri => 17,
            Place::Header("Message-ID" | "From:addr" | "Reply-To:addr") => 9,
            Place::Header(_) => 14,
        };
        !unproven && weight(pattern) >= least
    }
}

/// Ham messages with kana or kanji, from which on a phrase that hits none of them says something.
const ENOUGH_HAM: usize = 200;
/// What two patterns of a pair must say together, and each of them.
const PAIR: (usize, usize) = (20, 5);

fn is_eastern(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// About how much a pattern says: letters and digits, characters of many strokes three times, of a class half its length.
fn weight(pattern: &str) -> usize {
    let mut said = 0;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => said += usize::from(chars.next() == Some('d')),
            '[' => {
                chars.by_ref().take_while(|c| *c != ']').for_each(drop);
            }
            '{' => {
                let times: String = chars.by_ref().take_while(|c| *c != '}').collect();
                said += times.parse::<usize>().map_or(0, |times| times.min(16) / 2);
            }
            c if c.is_ascii_alphanumeric() => said += 1,
            c if c.is_alphanumeric() => said += 3,
            _ => {}
        }
    }
    said
}

struct Part {
    features: Vec<usize>,
    hits: usize,
}

/// One pattern, or two that must both hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuggestedPart {
    pub tests: Vec<(Place, String)>,
    features: Vec<u32>,
    /// Members of the cluster.
    pub hits: usize,
}

/// The rules for one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    pub name: String,
    /// The samples it was made of.
    pub members: Vec<usize>,
    /// How many of them the rules hit.
    pub covered: usize,
    /// Ham messages that were tried; none is hit.
    pub ham: usize,
    pub parts: Vec<SuggestedPart>,
}

impl Suggestion {
    /// Would the meta hit a message with these hits, as [`Candidates::hits`] tells them?
    pub fn hits(&self, hits: &[u32]) -> bool {
        self.parts.iter().any(|part| part.features.iter().all(|feature| hits.binary_search(feature).is_ok()))
    }

    /// The rule lines; `about`: what a reader recognises the cluster by. Empty where there is nothing to suggest.
    pub fn rules(&self, about: &str, score: f64) -> String {
        if self.parts.is_empty() {
            return String::new();
        }
        let name = &self.name;
        let about = crate::chart::cut(about, 60);
        let mut out =
            format!("# {about}\n# {} of {} look-alikes, 0 of {} ham\n", self.covered, self.members.len(), self.ham);
        let mut terms = Vec::new();
        for (number, part) in self.parts.iter().enumerate() {
            let mut names = Vec::new();
            for (at, (place, pattern)) in part.tests.iter().enumerate() {
                let letter = if part.tests.len() > 1 { ["A", "B"][at.min(1)] } else { "" };
                let sub = format!("__{name}_{}{letter}", number + 1);
                out.push_str(&format!("{} /{pattern}/\n", place.directive(&sub)));
                names.push(sub);
            }
            out.push_str(&format!("# {} {}\n", names.join(" and "), part.hits));
            terms.push(if names.len() > 1 { format!("({})", names.join(" && ")) } else { names.remove(0) });
        }
        out.push_str(&format!("meta {name} {}\n", terms.join(" || ")));
        out.push_str(&format!("describe {name} Looks like {} spams seen before\n", self.members.len()));
        out.push_str(&format!("score {name} {score}\n"));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spam(number: usize) -> String {
        format!(
            "Subject: 【重要】お支払い方法のご確認 {number}\nMessage-ID: <{number:014}@vm-{number:02}-centos.localdomain>\n\
             X-Mailer: Foxmail 6, 13, 102, 15 [cn]\nContent-Type: text/plain; charset=utf-8\n\n\
             お客様のアカウントに異常なログインが検知されました\n\n\
             お問い合わせ番号は {number:08} です。二十四時間以内に下記のリンクから確認してください。\n\n\
             https://host{number}.example-{number}.icu/amazon/signin?id={number:06}\n"
        )
    }

    fn ham(number: usize) -> String {
        format!(
            "Subject: 会議の件 {number}\nX-Mailer: Foxmail 6, 13, 102, 15 [cn]\nContent-Type: text/plain; charset=utf-8\n\n\
             次の会議は {number} 日です。よろしくお願いいたします。\n\nhttps://www.example.jp/{number}\n"
        )
    }

    fn of<T>(raw: &str, work: impl Fn(&Views<'_>) -> T) -> T {
        let message = mail::Message::parse(raw.as_bytes(), &mail::Limits::default());
        work(&Views::new(&message, &mail::ViewConfig::default()))
    }

    fn hits(candidates: &Candidates, raw: &str) -> Vec<u32> {
        of(raw, |views| candidates.hits(views, &mut Scratch::new()))
    }

    /// The candidates of ten spams, counted.
    fn candidates() -> Candidates {
        let raw: Vec<String> = (0..10).map(spam).chain((0..5).map(ham)).collect();
        let samples: Vec<Sample> = raw.iter().map(|raw| of(raw, Sample::of)).collect();
        let clusters = clusters(&samples, 4);
        assert_eq!(clusters[0], (0..10).collect::<Vec<_>>());
        let mut candidates = Candidates::new(&samples, &clusters[..1]);
        for (member, raw) in raw.iter().enumerate() {
            let hits = hits(&candidates, raw);
            candidates.count(member, &hits);
        }
        candidates
    }

    #[test]
    fn look_alikes_get_rules_that_hit_those_to_come_and_no_ham() {
        let candidates = candidates();
        let mut known = Ham::default();
        (0..300).map(ham).for_each(|raw| known.add(hits(&candidates, &raw), of(&raw, is_written_eastern)));
        let suggestions = candidates.suggest(&known);
        let [suggestion] = suggestions.as_slice() else { panic!("{suggestions:?}") };
        assert_eq!((suggestion.covered, suggestion.ham, known.eastern), (10, 300, 300));
        let rules = suggestion.rules("お支払い", 2.0);
        assert!(rules.contains("meta LOOKALIKE_") && !rules.contains("=~ /^Foxmail"), "{rules}");
        assert!((20..40).all(|number| suggestion.hits(&hits(&candidates, &spam(number)))), "{rules}");
        assert!((400..440).all(|number| !suggestion.hits(&hits(&candidates, &ham(number)))), "{rules}");
    }

    /// A newsletter says at its very end, behind more paragraphs and links than a sample has, all that the spams say.
    #[test]
    fn ham_is_tried_whole() {
        let candidates = candidates();
        let long: String = (0..300).map(|n| format!("段落 {n}\n\nhttps://www.example.jp/{n}\n\n")).collect();
        let (head, body) = spam(3).split_once("\n\n").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a message");
        let newsletter = format!("{head}\n\n{long}{body}");
        let found = hits(&candidates, &newsletter);
        let places: BTreeSet<Place> = found.iter().map(|hit| candidates.features[*hit as usize].place).collect();
        assert!(places.contains(&Place::Uri) && places.contains(&Place::Text), "{places:?}");
        // The subject is a paragraph of the text, too.
        let subject = "Subject: お客様のアカウントに異常なログインが検知されました\n\nx\n";
        let found = hits(&candidates, subject);
        assert!(found.iter().any(|hit| candidates.features[*hit as usize].place == Place::Text), "{found:?}");
    }

    #[test]
    fn a_link_is_cut_between_characters() {
        let sample = Sample { uris: vec![format!("https://a.example/{}", "あ".repeat(100))], ..Sample::default() };
        assert!(features(&sample).iter().any(|feature| feature.pattern.contains("あ")));
    }

    #[test]
    fn shapes_keep_what_does_not_change() {
        assert_eq!(shape("/a1b2c3/index.php?id=12", Detail::Numbers), r"\/[a-z0-9]{6}\/index\.php\?id=\d{2}");
        assert_eq!(shape("ab-Cde", Detail::All), "ab-[A-Za-z]{3}");
        assert_eq!(exact("a/b.c"), r"a\/b\.c");
        assert_eq!(exact("a\\/b"), r"a\\\/b");
        // A field that has several values has line ends.
        assert_eq!((exact("a\nb"), shape("abc\n\tde", Detail::All)), (r"a\nb".into(), r"[a-z]{3}\n\tde".into()));
        assert!(patterns::Regex::new(exact("a\n\0#").as_bytes(), Flags::default()).unwrap().is_match(b"a\n\0#"));
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(clusters(&[], 2).is_empty());
        let candidates = Candidates::new(&[], &[]);
        assert!(candidates.is_empty());
        assert_eq!(hits(&candidates, "Subject: x\n\nx\n"), Vec::<u32>::new());
        assert_eq!(candidates.suggest(&Ham::default()), []);
    }
}
