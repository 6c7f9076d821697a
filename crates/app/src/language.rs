//! What people read, in Japanese or English by locale. Rule names, codes and everything that programs read stay as is.

use crate::environment;
use std::io;
use std::sync::OnceLock;

/// A message of the catalogue in both languages.
pub struct Message {
    en: &'static str,
    ja: &'static str,
}

impl Message {
    pub const fn new(en: &'static str, ja: &'static str) -> Message {
        Message { en, ja }
    }

    pub fn text(&self) -> &'static str {
        if is_japanese() { self.ja } else { self.en }
    }
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.text())
    }
}

/// A line with facts in it, in the reader's language.
macro_rules! said {
    ($english:literal, $japanese:literal $(, $fact:expr)* $(,)?) => {
        if $crate::language::is_japanese() { format!($japanese $(, $fact)*) } else { format!($english $(, $fact)*) }
    };
}
pub(crate) use said;

/// What went wrong, from the outside in.
pub fn told(error: &anyhow::Error) -> String {
    let each = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(error) => reason(error),
        None => cause.to_string(),
    };
    error.chain().map(each).collect::<Vec<_>>().join(": ")
}

/// What the system says of a file or a connection, without its number.
pub fn reason(error: &io::Error) -> String {
    use io::ErrorKind::*;
    let said = error.to_string();
    let english = match (error.raw_os_error(), said.rsplit_once(" (os error ")) {
        (Some(_), Some((said, _))) => said.to_owned(),
        _ => said,
    };
    if !is_japanese() || (error.raw_os_error().is_none() && error.kind() != InvalidData) {
        return english;
    }
    let japanese = match error.kind() {
        NotFound => "ファイルもフォルダーもありません",
        PermissionDenied => "権限がありません",
        AlreadyExists => "すでにあります",
        IsADirectory => "ファイルではなくフォルダーです",
        NotADirectory => "フォルダーではありません",
        StorageFull => "ディスクがいっぱいです",
        ReadOnlyFilesystem => "読み出し専用です",
        ConnectionRefused => "接続を拒まれました",
        ConnectionReset | BrokenPipe => "接続が切れました",
        TimedOut => "時間内に応答がありません",
        AddrInUse => "アドレスはすでに使われています",
        AddrNotAvailable => "このマシンのアドレスではありません",
        InvalidData if english.contains("UTF-8") => "UTF-8 のテキストではありません",
        _ => return english,
    };
    japanese.to_owned()
}

pub fn is_japanese() -> bool {
    static JAPANESE: OnceLock<bool> = OnceLock::new();
    *JAPANESE.get_or_init(|| environment::locale().starts_with("ja"))
}

pub const SPAM: Message = Message::new("SPAM", "迷惑メール");
pub const VIRUS: Message = Message::new("VIRUS", "ウイルス");
pub const BANNED: Message = Message::new("BANNED", "禁止された添付");
pub const PHISHING: Message = Message::new("PHISHING", "フィッシング");
pub const HAM: Message = Message::new("ham", "通常メール");
pub const TROUBLE: Message = Message::new("trouble", "処理できません");
pub const POINTS: Message = Message::new("points", "点");
pub const REQUIRED: Message = Message::new("required", "しきい値");
pub const NO_HITS: Message = Message::new("no rule hit", "該当するルールなし");
pub const NOT_CHECKED: Message = Message::new("not checked", "判定できなかったもの");
pub const INCOMPLETE: Message = Message::new("not checked in full", "一部未検査");
pub const UNCOMPRESS: Message = Message::new("uncompress it first", "展開してから渡してください");
pub const FAILED: Message = Message::new(
    "the program failed on this message; please report it",
    "このメールの処理中にプログラムの不具合が起きました。ご報告ください",
);
/// As wide as the table that SpamAssassin's report has.
pub const REPORT_HEADING: Message = Message::new(
    engine::markup::REPORT_HEADING,
    "得点 ルール名               説明\n---- ---------------------- --------------------------------------------------\n",
);
/// The one or the other, for what only one command says.
pub fn pick<T>(english: T, japanese: T) -> T {
    if is_japanese() { japanese } else { english }
}

/// To a person who would else see nothing.
pub fn tell_nothing() {
    eprintln!("sekisho: {}", pick("nothing found", "該当するものはありません"));
}

/// The language in which rules are explained.
pub fn explanations() -> rules::explain::Language {
    match is_japanese() {
        true => rules::explain::Language::Japanese,
        false => rules::explain::Language::English,
    }
}

/// The last line of a run over many messages.
pub fn tally(total: usize, spam: u64, ham: u64, failed: u64) -> String {
    match is_japanese() {
        true => format!("{total} 通: {SPAM} {spam}、{HAM} {ham}、{NOT_CHECKED} {failed}"),
        false => format!("{total} {MESSAGES}: {spam} {SPAM}, {ham} {HAM}, {failed} {NOT_CHECKED}"),
    }
}

pub fn errors_in_rules(errors: usize, lint: &str) -> String {
    match is_japanese() {
        true => format!("ルールファイルに {errors} 件のエラーがあります（確認: {lint}）"),
        false => format!("{errors} errors in rule files; see: {lint}"),
    }
}

pub fn notes_hidden(notes: usize) -> String {
    match is_japanese() {
        true => format!("注 {notes} 件（表示: --notes）"),
        false => format!("{notes} notes: --notes shows them"),
    }
}

pub fn unsupported(rules: u32) -> String {
    match is_japanese() {
        true => format!("{UNSUPPORTED}: {rules} 個のルール（一覧: --notes）"),
        false => format!("{UNSUPPORTED}: {rules} rules (--notes lists what they need)"),
    }
}

pub fn errors_in_signatures(errors: usize) -> String {
    match is_japanese() {
        true => format!("シグネチャファイルに {errors} 件のエラーがあります（sekisho lint で確認できます）"),
        false => format!("{errors} errors in signature files; see: sekisho lint"),
    }
}

pub fn signatures_tested(ham: u64, spam: u64, hit: usize, wrong: usize) -> String {
    match is_japanese() {
        true => format!("{HAM} {ham} 通、{SPAM} {spam} 通: 一致したシグネチャ {hit} 件、うち {HAM} に一致 {wrong} 件"),
        false => format!("{ham} {HAM}, {spam} {SPAM}: {hit} signatures hit, {wrong} of them {HAM}"),
    }
}

pub const WITHOUT_CONFIGURATION: Message =
    Message::new("going on without the service's configuration", "サービスの設定なしで続けます");
pub const NO_SUCH_FILE: Message = Message::new("no such file or folder", "そのようなファイルもフォルダーもありません");
pub const NO_MODEL: Message = Message::new("nothing was learnt there", "学習結果がありません");
pub const NO_SCANNER: Message = Message::new(
    "no [[scanner]] is configured; docs/scanners.md tells how",
    "[[scanner]] が設定されていません（docs/scanners.md を参照）",
);
pub const NO_MESSAGES: Message = Message::new("there are no messages in it", "メールがありません");
pub const NOTHING_TO_ASK: Message = Message::new("nothing is to be asked", "問い合わせ先がありません");
pub const DNS_OFF: Message =
    Message::new("the configuration says [dns] ask = \"no\"", "設定で [dns] の ask が \"no\" になっています");
pub const NO_STORE: Message =
    Message::new("there is no store: store.location is empty", "ストアがありません（store.location が空）");
pub const NO_SIGNATURES: Message = Message::new("no signatures there", "シグネチャがありません");
pub const NAME: Message = Message::new("Name", "名前");
pub const OFFSET: Message = Message::new("Offset", "位置");
pub const LOOKS_FOR: Message = Message::new("Looks for", "探すもの");
pub const EXPRESSION: Message = Message::new("Expression", "論理式");
pub const SIGNATURES: Message = Message::new("signatures", "シグネチャ");
pub const MESSAGES: Message = Message::new("messages", "通");
pub const CHECKING: Message = Message::new("checking", "判定中");
pub const TIMING: Message = Message::new("CPU time a message", "1 通あたりの処理時間");
pub const PER_SECOND: Message = Message::new("messages a second", "通/秒");

pub const DESCRIPTION: Message = Message::new("Description", "説明");
pub const SCORE: Message = Message::new("Score", "得点");
pub const NOTE: Message = Message::new("Note", "注");
pub const WRITTEN_IN: Message = Message::new("Written in", "記述場所");
pub const REPLACES: Message = Message::new("Replaces", "置き換えた定義");
pub const CONDITIONS: Message = Message::new("Only if", "条件");
pub const INACTIVE: Message = Message::new("Does not run", "動作しない理由");
pub const PRIORITY: Message = Message::new("Priority", "優先度");
pub const FLAG: Message = Message::new("Flag", "フラグ");
pub const EFFECT: Message = Message::new("When it hits", "一致したとき");
pub const DEFINITION: Message = Message::new("Definition", "定義");
pub const LOOKS_AT: Message = Message::new("Looks at", "対象");
pub const PATTERN: Message = Message::new("Pattern", "パターン");
pub const PIECES: Message = Message::new("Piece by piece", "部分ごとの意味");
pub const EXPANDED: Message = Message::new("bytes after replace_tag", "バイト（replace_tag の展開後）");
pub const DEPENDS_ON: Message = Message::new("Depends on", "依存するルール");
pub const MISSING: Message = Message::new("no such rule", "存在しない");
pub const NOT_RUN: Message = Message::new("does not run", "動作しない");
pub const USED_BY: Message = Message::new("Used by", "利用するルール");
pub const NEITHER: Message =
    Message::new("no rule of this name, and no message in the history", "この名前のルールも、履歴のメールもありません");
pub const IS_SHIPPED: Message = Message::new(
    "it is in the rules that sekisho carries: --rule-set shipped",
    "sekisho 内蔵のルールにあります: --rule-set shipped",
);
pub const NO_HISTORY: Message = Message::new("the history cannot be read", "履歴を読めません");
pub const DID_YOU_MEAN: Message = Message::new("did you mean", "もしかして");

pub const LOADED: Message = Message::new("Rules loaded", "読み込んだルール");
pub const UNSUPPORTED: Message = Message::new("Not supported yet", "未対応");
pub const ERRORS: Message = Message::new("errors", "エラー");
pub const WARNINGS: Message = Message::new("warnings", "警告");
pub const NO_PROBLEMS: Message = Message::new("no problems found", "問題は見つかりませんでした");
pub const ACTIVE: Message = Message::new("active", "有効");
pub const TOTAL: Message = Message::new("total", "合計");
pub const SUGGESTION: Message = Message::new("help", "対処");

pub const ENVELOPE_SENDER: Message = Message::new("Envelope sender", "送信元（エンベロープ）");
pub const FROM: Message = Message::new("From", "差出人");
pub const SUBJECT: Message = Message::new("Subject", "件名");
pub const MESSAGE_ID: Message = Message::new("Message-ID", "Message-ID");
pub const CLIENT: Message = Message::new("Client", "接続元");
pub const HELO: Message = Message::new("HELO", "HELO");
pub const LOGIN: Message = Message::new("Login", "認証ユーザー");
pub const CAME_BY: Message = Message::new("Came by", "経路");
pub const CATEGORIES: Message = Message::new("Is", "分類");
pub const SIZE: Message = Message::new("Bytes", "バイト数");
pub const BECAME: Message = Message::new("What became of it", "処理結果");
pub const QUARANTINED_AS: Message = Message::new("in quarantine as", "隔離 ID");
pub const RELAYS: Message = Message::new("Relays", "中継サーバー");
pub const HITS: Message = Message::new("Hits", "該当したルール");
pub const TROUBLES: Message = Message::new("Troubles", "問題");
pub const HELD: Message = Message::new("held", "隔離中");
pub const RELEASING: Message = Message::new("releasing", "配送中");
pub const RELEASED: Message = Message::new("released", "配送済み");
pub const DELETED: Message = Message::new("deleted", "削除済み");
pub const PARTLY: Message = Message::new("partly", "一部");
pub const HELD_SINCE: Message = Message::new("held since", "隔離日時");
pub const BECAUSE: Message = Message::new("because", "理由");
pub const QUEUE_ID: Message = Message::new("queue id", "キュー ID");
pub const RECIPIENT: Message = Message::new("to", "宛先");
pub const LEARNT: Message = Message::new("learnt", "学習しました");
pub const LEARNT_BEFORE: Message = Message::new("was learnt before", "学習済みです");
pub const NOTHING_HELD: Message = Message::new("nothing of it is held", "隔離中のものはありません");
pub const TROUBLE_WITH: Message = Message::new("trouble", "問題");

/// What became of a held message: for whom, by whom and when.
pub fn released_to(id: &str, to: &str) -> String {
    match is_japanese() {
        true => format!("{id} を {to} へ配送しました"),
        false => format!("{id} released to {to}"),
    }
}

pub fn deleted_for(id: &str, to: &str) -> String {
    match is_japanese() {
        true => format!("{id} を削除しました（宛先 {to}）"),
        false => format!("{id} deleted for {to}"),
    }
}

pub fn being_released(by: &str) -> String {
    match is_japanese() {
        true => format!("{RELEASING}、{by} による"),
        false => format!("being released by {by}"),
    }
}

pub fn done(what: &Message, at: &str, by: &str) -> String {
    match is_japanese() {
        true => format!("{at} {what}、{by} による"),
        false => format!("{what} {at} by {by}"),
    }
}

pub fn dns_failed(code: u16) -> String {
    match is_japanese() {
        true => format!("DNS がエラーを返しました（応答コード {code}）"),
        false => format!("DNS answers with an error (response code {code})"),
    }
}

pub const DETAILS: Message = Message::new("Details", "詳細");
pub const NETWORK_OFF: Message = Message::new(
    "nobody may be asked: local tests only (-L, SEKISHO_LOCAL=1 or [dns] ask)",
    "ネットワークを使わない設定です (-L、SEKISHO_LOCAL=1 または [dns] の ask)",
);
pub const NO_NETWORKS: Message = Message::new(
    "there is no network to report to: name one in [digests] and load its plugin (docs/digests.md)",
    "報告先がありません。[digests] に書き、プラグインを読み込んでください (docs/digests.md)",
);
pub const REPORTED_TO: Message = Message::new("reported to", "報告しました:");
pub const REVOKED_FROM: Message = Message::new("revoked from", "取り消しました:");
