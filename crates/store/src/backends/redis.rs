//! The store in Redis or Valkey, for several machines.
//!
//! Redis has no transactions that read and decide, but it runs scripts one at a time, whole: each method is one script
//! (or one command). All keys begin with `{sekisho}:`, one hash slot, so that it works in a cluster too; another database
//! number is another store. What is kept:
//!
//! | key | type | what |
//! |---|---|---|
//! | `r:SHELF:KEY` | hash | a record: `n` version, `v` value, `c` content, `p` positions, `w` words |
//! | `i:SHELF:LIST` | sorted set | positions, all of score 0: in the order of their bytes |
//! | `k:SHELF:LIST` | hash | position to key |
//! | `t:SHELF:WORD` | sorted set | keys of the records that have the word |
//! | `c:NAME` | hash | a count's slots; `x` orders them by expiry |
//! | `b:HASH` | string | a content; `s` its size, `u` how many records name it, `m` the sum of named sizes |
//!
//! Redis keeps nothing by default: unless it logs and syncs every write, [`Error::NotDurable`] is what the
//! operator gets when the store is opened.

use super::Location;
use super::pool::Pool;
use crate::backend::{Applied, Backend, Change, Count, Durability, Expect, Range, Record, Shelf};
use crate::error::{Error, Result};
use crate::format::Hash;
use crate::time::{Time, millis};
use redis::{Client, ConnectionLike, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};
use std::collections::HashMap;
use std::sync::LazyLock;

const PREFIX: &str = "{sekisho}:";
/// The form of what is kept.
const FORM: u64 = 1;
const IDLE: usize = 16;
const FORGOTTEN_AT_ONCE: u64 = 1_000;

/// `KEYS[1]` is the prefix in every script.
const COMMON: &str = r"
local P = KEYS[1]
local at = 0
local function take() at = at + 1 return ARGV[at] end
local function name(shelf, key) return P .. 'r:' .. shelf .. ':' .. key end
local function plain(number) return string.format('%.0f', number) end
";

const APPLY: &str = r"
local changes = {}
for n = 1, tonumber(take()) do
    local change = { put = take() == 'put', shelf = take(), key = take(), expect = take() }
    if change.put then
        change.value = take()
        change.content = take()
        change.positions = {}
        for p = 1, tonumber(take()) do change.positions[p] = { take(), take() } end
        change.words = {}
        for w = 1, tonumber(take()) do change.words[w] = take() end
    end
    changes[n] = change
end
for _, change in ipairs(changes) do
    local there = redis.call('HGET', name(change.shelf, change.key), 'n')
    if change.expect == 'absent' then
        if there then return 'conflict' end
    elseif change.expect ~= 'anything' and there ~= change.expect then
        return 'conflict'
    end
end
for _, change in ipairs(changes) do
    if change.put and change.content ~= '' and redis.call('EXISTS', P .. 'b:' .. change.content) == 0 then
        return 'no content'
    end
end
local function use(content, more)
    local users = redis.call('HINCRBY', P .. 'u', content, more)
    local size = tonumber(redis.call('HGET', P .. 's', content) or '0')
    if more > 0 and users == 1 then redis.call('INCRBY', P .. 'm', size) end
    if users <= 0 then
        redis.call('HDEL', P .. 'u', content)
        redis.call('DECRBY', P .. 'm', size)
    end
end
for _, change in ipairs(changes) do
    local record = name(change.shelf, change.key)
    local old = redis.call('HMGET', record, 'n', 'c', 'p', 'w')
    if change.put and change.content ~= '' then use(change.content, 1) end
    if old[1] then
        for _, position in ipairs(cmsgpack.unpack(old[3])) do
            redis.call('ZREM', P .. 'i:' .. change.shelf .. ':' .. position[1], position[2])
            redis.call('HDEL', P .. 'k:' .. change.shelf .. ':' .. position[1], position[2])
        end
        for _, word in ipairs(cmsgpack.unpack(old[4])) do
            redis.call('ZREM', P .. 't:' .. change.shelf .. ':' .. word, change.key)
        end
        if old[2] ~= '' then use(old[2], -1) end
        redis.call('DEL', record)
    end
    if change.put then
        local version = plain(redis.call('INCR', P .. 'version'))
        redis.call('HSET', record, 'n', version, 'v', change.value, 'c', change.content,
            'p', cmsgpack.pack(change.positions), 'w', cmsgpack.pack(change.words))
        for _, position in ipairs(change.positions) do
            redis.call('ZADD', P .. 'i:' .. change.shelf .. ':' .. position[1], 0, position[2])
            redis.call('HSET', P .. 'k:' .. change.shelf .. ':' .. position[1], position[2], change.key)
        end
        for _, word in ipairs(change.words) do
            redis.call('ZADD', P .. 't:' .. change.shelf .. ':' .. word, 0, change.key)
        end
    end
end
return 'done'
";

const RECORDS: &str = r"
local shelf = take()
local found = {}
for n = 1, tonumber(take()) do
    local key = take()
    local record = redis.call('HMGET', name(shelf, key), 'n', 'v')
    if record[1] then
        for _, field in ipairs({ key, record[1], record[2] }) do found[#found + 1] = field end
    end
end
return found
";

const RANGE: &str = r"
local shelf, list, from, to, backwards, limit = take(), take(), take(), take(), take(), take()
local index = P .. 'i:' .. shelf .. ':' .. list
local members
if backwards == '1' then
    members = redis.call('ZREVRANGEBYLEX', index, to, from, 'LIMIT', 0, limit)
else
    members = redis.call('ZRANGEBYLEX', index, from, to, 'LIMIT', 0, limit)
end
local found = {}
for _, member in ipairs(members) do
    local key = redis.call('HGET', P .. 'k:' .. shelf .. ':' .. list, member)
    local record = redis.call('HMGET', name(shelf, key), 'n', 'v')
    for _, field in ipairs({ key, record[1], record[2] }) do found[#found + 1] = field end
end
return found
";

/// Walks the rarest word's records. Answers where it stopped (empty: at the end) and what it found; it stops early so that
/// nobody else waits for long.
const SEARCH: &str = r"
local shelf, before, limit = take(), take(), tonumber(take())
local words = {}
for n = 1, tonumber(take()) do words[n] = P .. 't:' .. shelf .. ':' .. take() end
local rarest, fewest = 1, nil
for n, word in ipairs(words) do
    local many = redis.call('ZCARD', word)
    if not fewest or many < fewest then rarest, fewest = n, many end
end
local found, count, examined = { '' }, 0, 0
while true do
    local keys = redis.call('ZREVRANGEBYLEX', words[rarest], '(' .. before, '-', 'LIMIT', 0, 100)
    for _, key in ipairs(keys) do
        if count == limit then return found end
        before = key
        local all = true
        for n, word in ipairs(words) do
            if n ~= rarest and not redis.call('ZSCORE', word, key) then all = false break end
        end
        if all then
            local record = redis.call('HMGET', name(shelf, key), 'n', 'v')
            for _, field in ipairs({ key, record[1], record[2] }) do found[#found + 1] = field end
            count = count + 1
        end
    end
    examined = examined + #keys
    if #keys < 100 then return found end
    if examined >= 2000 then found[1] = before return found end
end
";

const COUNT: &str = r"
local count, slot, add, since, expires = take(), take(), take(), tonumber(take()), take()
local slots = P .. 'c:' .. count
if add ~= '0' then
    local kept = redis.call('HKEYS', slots)
    for _, old in ipairs(kept) do
        if tonumber(old) < since then
            redis.call('HDEL', slots, old)
            redis.call('ZREM', P .. 'x', count .. '\0' .. old)
        end
    end
    redis.call('HINCRBY', slots, slot, add)
    redis.call('ZADD', P .. 'x', 'GT', expires, count .. '\0' .. slot)
end
local sum = 0
local all = redis.call('HGETALL', slots)
for n = 1, #all, 2 do
    if tonumber(all[n]) >= since then sum = sum + tonumber(all[n + 1]) end
end
return sum
";

const FORGET: &str = r"
local old = redis.call('ZRANGEBYSCORE', P .. 'x', '-inf', '(' .. take(), 'LIMIT', 0, take())
for _, member in ipairs(old) do
    local count, slot = string.match(member, '^(.*)%z(%d+)$')
    redis.call('HDEL', P .. 'c:' .. count, slot)
    redis.call('ZREM', P .. 'x', member)
end
return #old
";

const PUT_CONTENT: &str = r"
local hash, bytes = take(), take()
redis.call('SET', P .. 'b:' .. hash, bytes)
redis.call('HSET', P .. 's', hash, #bytes)
";

const REMOVE_CONTENT: &str = r"
local hash = take()
if redis.call('HEXISTS', P .. 'u', hash) == 1 then return 0 end
redis.call('HDEL', P .. 's', hash)
return redis.call('DEL', P .. 'b:' .. hash)
";

struct Scripts {
    apply: Script,
    records: Script,
    range: Script,
    search: Script,
    count: Script,
    forget: Script,
    put_content: Script,
    remove_content: Script,
}

static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |body: &str| Script::new(&format!("{COMMON}{body}"));
    Scripts {
        apply: script(APPLY),
        records: script(RECORDS),
        range: script(RANGE),
        search: script(SEARCH),
        count: script(COUNT),
        forget: script(FORGET),
        put_content: script(PUT_CONTENT),
        remove_content: script(REMOVE_CONTENT),
    }
});

pub struct Redis {
    client: Client,
    location: Location,
    idle: Pool<redis::Connection>,
}

type Fields = Vec<Vec<u8>>;

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn records_of(fields: &[Vec<u8>]) -> Vec<Record> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    fields
        .chunks_exact(3)
        .map(|record| Record { key: record[0].clone(), version: number(&record[1]), value: record[2].clone() })
        .collect()
}

impl Redis {
    pub fn open(location: &Location) -> Result<Redis> {
        let (address, accepted) = location.address();
        let client = Client::open(address)
            .map_err(|e| Error::Location { location: location.to_string(), why: e.to_string() })?;
        let store = Redis { client, location: location.clone(), idle: Pool::new(IDLE) };
        if !accepted {
            store.check_durability()?;
        }
        store.check_form()?;
        Ok(store)
    }

    fn check_durability(&self) -> Result<()> {
        let setting = |name: &str| -> Result<Option<String>> {
            let answer: HashMap<String, String> = self.with("looking at its settings", |connection| {
                redis::cmd("CONFIG").arg("GET").arg(name).query(connection)
            })?;
            Ok(answer.get(name).cloned())
        };
        let not_durable = |what: String| Err(Error::NotDurable { place: self.place(), what });
        for (name, wanted) in [("appendonly", "yes"), ("appendfsync", "always")] {
            let found = match setting(name) {
                Ok(found) => found,
                // A hosted server may forbid the question.
                Err(Error::Backend { what, .. }) => return not_durable(what),
                Err(error) => return Err(error),
            };
            if found.as_deref() != Some(wanted) {
                return not_durable(format!("{name} is {}", found.as_deref().unwrap_or("unknown")));
            }
        }
        let limited = setting("maxmemory")?.is_some_and(|bytes| bytes != "0");
        let policy = setting("maxmemory-policy")?;
        if limited && policy.as_deref() != Some("noeviction") {
            return not_durable(format!("maxmemory-policy is {}", policy.as_deref().unwrap_or("unknown")));
        }
        Ok(())
    }

    fn check_form(&self) -> Result<()> {
        let found: u64 = self.with("looking at its form", |connection| {
            redis::cmd("SETNX").arg(key("form")).arg(FORM).exec(connection)?;
            redis::cmd("GET").arg(key("form")).query(connection)
        })?;
        match found > FORM {
            true => Err(Error::Newer { place: self.place(), found, known: FORM }),
            false => Ok(()),
        }
    }

    fn error(&self, doing: &'static str, error: &RedisError) -> Error {
        let place = self.place();
        let what = error.to_string();
        if error.is_timeout() {
            return Error::Busy { place, waited_ms: millis(self.location.patience) };
        }
        match error.kind() {
            ErrorKind::Io | ErrorKind::AuthenticationFailed => Error::Unreachable { place, what },
            ErrorKind::Server(
                ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ReadOnly,
            ) => Error::Unreachable { place, what },
            _ if what.contains("OOM") || what.contains("No space left") => Error::Full { place },
            _ => Error::Backend { place, doing, what },
        }
    }

    fn connect(&self) -> redis::RedisResult<redis::Connection> {
        let connection = self.client.get_connection_with_timeout(self.location.patience)?;
        connection.set_read_timeout(Some(self.location.patience))?;
        connection.set_write_timeout(Some(self.location.patience))?;
        Ok(connection)
    }

    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut redis::Connection) -> redis::RedisResult<T>,
    ) -> Result<T> {
        let result =
            self.idle.take(|connection| connection.check_connection(), || self.connect()).and_then(|mut connection| {
                let value = work(&mut connection)?;
                self.idle.give_back(connection);
                Ok(value)
            });
        result.map_err(|e| self.error(doing, &e))
    }

    fn run<T: FromRedisValue>(&self, doing: &'static str, script: &Script, arguments: &[&[u8]]) -> Result<T> {
        self.with(doing, |connection| {
            let mut call = script.key(PREFIX);
            for argument in arguments {
                call.arg(*argument);
            }
            call.invoke(connection)
        })
    }
}

impl Backend for Redis {
    fn place(&self) -> String {
        self.location.to_string()
    }

    fn ready(&self) -> Result<()> {
        self.with("looking at it", |connection| redis::cmd("PING").exec(connection))
    }

    fn verify(&self) -> Result<()> {
        // Redis checks its log when it loads it; there is nothing to read through from outside.
        self.ready()
    }

    fn records(&self, shelf: Shelf, keys: &[&[u8]]) -> Result<Vec<Option<Record>>> {
        let many = keys.len().to_string();
        let mut arguments: Vec<&[u8]> = vec![shelf.name().as_bytes(), many.as_bytes()];
        arguments.extend_from_slice(keys);
        let fields: Fields = self.run("reading", &SCRIPTS.records, &arguments)?;
        let found: HashMap<Vec<u8>, Record> =
            records_of(&fields).into_iter().map(|record| (record.key.clone(), record)).collect();
        Ok(keys.iter().map(|key| found.get(*key).cloned()).collect())
    }

    fn range(&self, range: &Range<'_>) -> Result<Vec<Record>> {
        if range.limit == 0 || range.to.is_some_and(|to| to <= range.from) {
            return Ok(Vec::new());
        }
        let from = [b"[".as_slice(), range.from].concat();
        let to = range.to.map_or_else(|| b"+".to_vec(), |to| [b"(".as_slice(), to].concat());
        let backwards: &[u8] = if range.backwards { b"1" } else { b"0" };
        let limit = range.limit.to_string();
        let shelf = range.shelf.name().as_bytes();
        let arguments: [&[u8]; 6] = [shelf, range.list.as_bytes(), &from, &to, backwards, limit.as_bytes()];
        let fields: Fields = self.run("listing", &SCRIPTS.range, &arguments)?;
        Ok(records_of(&fields))
    }

    fn search(&self, shelf: Shelf, words: &[&str], before: u64, limit: usize) -> Result<Vec<Record>> {
        let many = words.len().to_string();
        let mut before = before.to_be_bytes().to_vec();
        let mut found = Vec::new();
        while found.len() < limit {
            let missing = (limit - found.len()).to_string();
            let mut arguments: Vec<&[u8]> = vec![shelf.name().as_bytes(), &before, missing.as_bytes(), many.as_bytes()];
            arguments.extend(words.iter().map(|word| word.as_bytes()));
            let fields: Fields = self.run("searching", &SCRIPTS.search, &arguments)?;
            let Some((stopped, records)) = fields.split_first() else { break };
            found.extend(records_of(records));
            if stopped.is_empty() {
                break;
            }
            before.clone_from(stopped);
        }
        Ok(found)
    }

    fn apply(&self, changes: &[Change], _: Durability) -> Result<Applied> {
        let mut arguments: Vec<Vec<u8>> = vec![changes.len().to_string().into_bytes()];
        for change in changes {
            let put = matches!(change, Change::Put { .. });
            arguments.push(if put { b"put".to_vec() } else { b"delete".to_vec() });
            arguments.push(change.shelf().name().into());
            arguments.push(change.key().to_vec());
            arguments.push(match change.expect() {
                Expect::Anything => b"anything".to_vec(),
                Expect::Absent => b"absent".to_vec(),
                Expect::Version(version) => version.to_string().into_bytes(),
            });
            if let Change::Put { value, positions, words, content, .. } = change {
                arguments.push(value.clone());
                arguments.push(content.map(|hash| hash.to_string().into_bytes()).unwrap_or_default());
                arguments.push(positions.len().to_string().into_bytes());
                for position in positions {
                    arguments.push(position.list.into());
                    arguments.push(position.at.clone());
                }
                arguments.push(words.len().to_string().into_bytes());
                arguments.extend(words.iter().map(|word| word.clone().into_bytes()));
            }
        }
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let outcome: String = self.run("writing", &SCRIPTS.apply, &arguments)?;
        match outcome.as_str() {
            "done" => Ok(Applied::Done),
            "conflict" => Ok(Applied::Conflict),
            "no content" => Ok(Applied::NoContent),
            _ => Err(Error::Backend { place: self.place(), doing: "writing", what: format!("answered {outcome:?}") }),
        }
    }

    fn count(&self, count: &Count<'_>) -> Result<i64> {
        let numbers = [
            count.slot.to_string(),
            count.add.to_string(),
            count.since.to_string(),
            count.expires.millis().to_string(),
        ];
        let mut arguments: Vec<&[u8]> = vec![count.name];
        arguments.extend(numbers.iter().map(|number| number.as_bytes()));
        self.run("counting", &SCRIPTS.count, &arguments)
    }

    fn forget_counts(&self, now: Time) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let (now, limit) = (now.millis().to_string(), FORGOTTEN_AT_ONCE.to_string());
            let gone: u64 = self.run("forgetting counts", &SCRIPTS.forget, &[now.as_bytes(), limit.as_bytes()])?;
            forgotten += gone;
            if gone < FORGOTTEN_AT_ONCE {
                return Ok(forgotten);
            }
        }
    }

    fn put_content(&self, hash: &Hash, bytes: &[u8]) -> Result<()> {
        self.run("writing a content", &SCRIPTS.put_content, &[hash.to_string().as_bytes(), bytes])
    }

    fn content(&self, hash: &Hash) -> Result<Option<Vec<u8>>> {
        self.with("reading a content", |connection| redis::cmd("GET").arg(key(&format!("b:{hash}"))).query(connection))
    }

    fn content_bytes(&self) -> Result<u64> {
        let sum: Option<u64> =
            self.with("adding up", |connection| redis::cmd("GET").arg(key("m")).query(connection))?;
        Ok(sum.unwrap_or(0))
    }

    fn remove_content(&self, hash: &Hash) -> Result<bool> {
        let removed: u64 = self.run("removing a content", &SCRIPTS.remove_content, &[hash.to_string().as_bytes()])?;
        Ok(removed > 0)
    }

    fn remove_unnamed_contents(&self) -> Result<u64> {
        let hashes: Vec<String> =
            self.with("listing contents", |connection| redis::cmd("HKEYS").arg(key("s")).query(connection))?;
        let mut removed = 0;
        for hash in hashes {
            if let Ok(hash) = hash.parse() {
                removed += u64::from(self.remove_content(&hash)?);
            }
        }
        Ok(removed)
    }
}
