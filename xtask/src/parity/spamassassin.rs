//! Runs the installed SpamAssassin over files, in several processes, and keeps its answers.
//!
//! The answers are cached under `target/parity`, one file a configuration, keyed by the message's digest: a parity run
//! is repeated many times while one difference is hunted, and Perl needs minutes for what we need seconds for.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

const DRIVER: &str = include_str!("spamassassin.pl");

/// Prints the name of every rule that has a test.
const NAMES: &str = r#"
use strict; use warnings; use Getopt::Long; use Mail::SpamAssassin;
my ($cf, $site, $rules) = ('', undef, undef);
GetOptions('cf=s' => \$cf, 'site=s' => \$site, 'rules=s' => \$rules) or die "bad options\n";
my $judge = Mail::SpamAssassin->new({
  local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null', post_config_text => "$cf\n",
  (defined $rules ? (rules_filename => $rules) : ()), (defined $site ? (site_rules_filename => $site) : ()),
});
$judge->init(0);
print "$_\n" for sort keys %{ $judge->{conf}{test_types} };
"#;

/// What SpamAssassin said of one message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    pub file: String,
    pub score: f64,
    /// Every rule that hit, `__` rules too, with its count or value.
    pub hits: BTreeMap<String, f64>,
    /// The scored rules that hit.
    pub scores: BTreeMap<String, f64>,
    /// Processor time of parsing and checking, seconds.
    pub cpu: f64,
}

#[derive(Serialize, Deserialize)]
struct Cached {
    key: String,
    answer: Answer,
}

/// How SpamAssassin is to be run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Configuration text added last.
    pub cf: String,
    /// Directory of rules instead of /usr/share/spamassassin.
    pub rules: Option<PathBuf>,
    /// Directory instead of /etc/spamassassin.
    pub site: Option<PathBuf>,
    pub jobs: usize,
    pub use_cache: bool,
    /// All messages in one process, as `spamd` has them: for timing. Else one process each.
    pub together: bool,
}

/// Answers in the order of `files`.
pub fn ask(files: &[PathBuf], setup: &Setup) -> Result<Vec<Answer>> {
    let cache_path = cache_path(setup)?;
    let mut known: HashMap<String, Answer> = HashMap::new();
    if setup.use_cache
        && let Ok(file) = std::fs::File::open(&cache_path)
    {
        for line in BufReader::new(file).lines() {
            if let Ok(cached) = serde_json::from_str::<Cached>(&line?) {
                known.insert(cached.key, cached.answer);
            }
        }
    }
    let keys = files.iter().map(|f| digest_of(f)).collect::<Result<Vec<_>>>()?;
    let open: Vec<usize> = (0..files.len()).filter(|&i| !known.contains_key(&keys[i])).collect();
    if !open.is_empty() {
        eprintln!("asking SpamAssassin about {} messages ({} known)", open.len(), files.len() - open.len());
        let jobs = setup.jobs.clamp(1, open.len());
        let cache = if setup.use_cache {
            Some(std::fs::OpenOptions::new().create(true).append(true).open(&cache_path)?)
        } else {
            None
        };
        let name_to_key: HashMap<String, &String> =
            open.iter().map(|&i| (files[i].to_string_lossy().into_owned(), &keys[i])).collect();
        // Each answer is kept as it comes: a run that is stopped goes on where it was.
        let taken = Mutex::new((cache, HashMap::new()));
        let take = |answer: Answer| -> Result<()> {
            let Some(key) = name_to_key.get(&answer.file) else { bail!("an answer for {}", answer.file) };
            let (cache, answers) = &mut *taken.lock().expect("no panic while an answer is kept");
            if let Some(cache) = cache {
                let mut line = serde_json::to_vec(&Cached { key: (*key).clone(), answer: answer.clone() })?;
                line.push(b'\n');
                cache.write_all(&line)?;
            }
            answers.insert((*key).clone(), answer);
            Ok(())
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..jobs)
                .map(|j| {
                    let (open, take) = (&open, &take);
                    let chunk = open.iter().skip(j).step_by(jobs).map(|&i| files[i].as_path());
                    scope.spawn(move || run_driver(chunk, setup, take))
                })
                .collect();
            running.into_iter().try_for_each(|t| t.join().expect("driver thread does not panic"))
        })?;
        known.extend(taken.into_inner().expect("no panic while an answer is kept").1);
    }
    keys.iter()
        .zip(files)
        .map(|(key, file)| {
            let name = file.to_string_lossy().into_owned();
            match known.get(key) {
                Some(answer) => Ok(Answer { file: name, ..answer.clone() }),
                None => bail!("SpamAssassin gave no answer for {name}"),
            }
        })
        .collect()
}

/// The names of all rules that SpamAssassin reads.
pub fn rule_names(setup: &Setup) -> Result<BTreeSet<String>> {
    let output = command(NAMES, setup).output().context("perl could not be started")?;
    if !output.status.success() {
        bail!("SpamAssassin did not read its rules: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Is Mail::SpamAssassin there, with what the driver needs?
pub fn is_installed() -> bool {
    Command::new("perl")
        .args(["-MMail::SpamAssassin", "-MJSON::XS", "-e", "1"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn command(script: &str, setup: &Setup) -> Command {
    let mut command = Command::new("perl");
    command.arg("-e").arg(script).arg("--").arg("--cf").arg(&setup.cf);
    if let Some(rules) = &setup.rules {
        command.arg("--rules").arg(rules);
    }
    if let Some(site) = &setup.site {
        command.arg("--site").arg(site);
    }
    // Some of SpamAssassin's answers depend on the order of a hash: let it be the same order each time.
    command.env("LC_ALL", "C").env("PERL_HASH_SEED", "0").env("PERL_PERTURB_KEYS", "0");
    command
}

fn run_driver<'a>(
    files: impl Iterator<Item = &'a Path>,
    setup: &Setup,
    take: &(impl Fn(Answer) -> Result<()> + Sync),
) -> Result<()> {
    let mut command = command(DRIVER, setup);
    if setup.together {
        command.arg("--together");
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("perl could not be started")?;
    let list: String = files.map(|f| format!("{}\n", f.display())).collect();
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()));
    for line in BufReader::new(child.stdout.take().expect("stdout was asked for")).lines() {
        let line = line?;
        if let Ok(answer) = serde_json::from_str::<Answer>(&line) {
            take(answer)?;
        }
    }
    writer.join().expect("writer does not panic").ok();
    if !child.wait()?.success() {
        bail!("the SpamAssassin driver failed");
    }
    Ok(())
}

fn digest_of(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(hex(&Sha256::digest(&bytes)[..16]))
}

/// One cache a configuration: the texts of all rule files, the added text, and the driver itself.
fn cache_path(setup: &Setup) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(DRIVER);
    hash.update(&setup.cf);
    hash.update([u8::from(setup.together)]);
    let defaults = ["/usr/share/spamassassin", "/etc/spamassassin"].map(PathBuf::from);
    let places = [setup.rules.as_ref().unwrap_or(&defaults[0]), setup.site.as_ref().unwrap_or(&defaults[1])];
    for place in places {
        let mut files: Vec<PathBuf> = if place.is_dir() {
            std::fs::read_dir(place)?.filter_map(|e| Some(e.ok()?.path())).collect()
        } else {
            vec![place.clone()]
        };
        files.sort();
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "cf" || e == "pre")) {
            hash.update(file.to_string_lossy().as_bytes());
            hash.update(std::fs::read(file)?);
        }
    }
    let dir = target_dir().join("parity");
    std::fs::create_dir_all(&dir)?;
    Ok(dir.join(format!("spamassassin-{}.jsonl", hex(&hash.finalize()[..8]))))
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
