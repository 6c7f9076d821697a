//! HTTP: what monitoring asks, and `POST /v1/check` for programs that have a message and want a verdict.
//!
//! It listens on where the configuration puts it and knows no passwords and no TLS: its place is the loopback address or
//! a Unix socket. While the service drains it goes on answering, so that `/readyz` can say so.

use super::connection::{self, Stream};
use super::decide::{Outcome, Peer};
use super::memory::Share;
use super::metrics::Gauges;
use super::{Service, active};
use crate::commands::check::Record;
use crate::config::{Config, Mode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocols::{Authenticated, Connection, Decision, Path, QuestionId, Scan, Want};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Reply = Response<Full<Bytes>>;

/// A client is given this long for the head of a request, and between two requests.
const HEAD: Duration = Duration::from_secs(30);
const HEAD_BYTES: usize = 64 << 10;
/// Who monitors wants an answer, be it a bad one.
const STORE: Duration = Duration::from_secs(5);

pub async fn run(service: &Arc<Service>, stream: Box<dyn Stream>, about: &Connection) {
    let answers = service_fn(|request| {
        let (service, about) = (service.clone(), about.clone());
        async move { Ok::<_, Infallible>(answer(&service, &about, request).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answers)
        .await; // what goes wrong is the client's to notice
}

async fn answer(service: &Arc<Service>, about: &Connection, request: Request<Incoming>) -> Reply {
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.uri().path() {
        "/healthz" if reading => text(StatusCode::OK, "alive\n"),
        "/readyz" if reading => ready(service).await,
        "/metrics" if reading => metrics(service).await,
        "/v1/check" if request.method() == Method::POST => match check(service, about, request).await {
            Ok(reply) => reply,
            Err(refusal) => refusal.reply(),
        },
        "/healthz" | "/readyz" | "/metrics" => only("GET, HEAD"),
        "/v1/check" => only("POST"),
        _ => text(StatusCode::NOT_FOUND, "There are /v1/check, /metrics, /healthz and /readyz.\n"),
    }
}

fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    reply(status, "text/plain; charset=utf-8", text.into().into_bytes())
}

fn reply(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn only(methods: &'static str) -> Reply {
    let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, format!("Only {methods} here.\n"));
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    reply
}

async fn ready(service: &Service) -> Reply {
    let unready = |why: String| text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    if *service.stopping.borrow() {
        return unready("stopping".into());
    }
    if active(&service.engine.load()) == 0 {
        return unready("no rules".into());
    }
    if let Some(store) = service.store.clone() {
        let asked = tokio::task::spawn_blocking(move || store.ready());
        match tokio::time::timeout(STORE, asked).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => return unready(format!("store: {error}. {}", error.remedy())),
            Ok(Err(_)) => return unready("store: the program failed".into()),
            Err(_) => return unready("store: no answer".into()),
        }
    }
    text(StatusCode::OK, "ready\n")
}

async fn metrics(service: &Service) -> Reply {
    let quarantine = match service.store.clone() {
        Some(store) => {
            let asked = tokio::task::spawn_blocking(move || store.quarantine().bytes());
            tokio::time::timeout(STORE, asked).await.ok().and_then(Result::ok).and_then(Result::ok)
        }
        None => None,
    };
    let gauges = Gauges {
        rules: active(&service.engine.load()),
        signatures: service.signatures.load().signatures.as_ref().map_or(0, |these| these.database.set.len()),
        queued: service.judges.queued(),
        stopping: *service.stopping.borrow(),
        quarantine,
        handed_on: service.handed_on.by_outcome(),
        scanners: service.scanners.load().counts(),
        dns: Option::as_ref(&service.resolver.load()).map(|resolver| resolver.counts().to_vec()).unwrap_or_default(),
    };
    reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", service.metrics.text(&gauges).into_bytes())
}

/// Why a request is not worked on.
struct Refused(StatusCode, String);

impl Refused {
    fn reply(self) -> Reply {
        json(self.0, &serde_json::json!({ "error": self.1 }))
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    reply(status, "application/json", body)
}

/// What `sekisho check --format json` says, and what is to be done.
#[derive(Serialize)]
struct Checked<'a> {
    action: &'a str,
    direction: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    category: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    /// The action is what would be done.
    observed: bool,
    /// Where recipients differ.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    actions: &'a [(String, &'static str)],
    /// What the sending server is to be told, where the message is not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    milliseconds: f64,
    #[serde(flatten)]
    record: Record<'a>,
}

async fn check(service: &Arc<Service>, about: &Connection, request: Request<Incoming>) -> Result<Reply, Refused> {
    let began = Instant::now();
    let mut config = service.config.load_full();
    let (head, body) = request.into_parts();
    let facts = Facts::read(head.uri.query().unwrap_or_default(), &head.headers)?;
    body_is_a_message(&head.headers)?;
    if *service.stopping.borrow() {
        return Err(Refused(StatusCode::SERVICE_UNAVAILABLE, "stopping; please try again".into()));
    }
    let busy = || Refused(StatusCode::SERVICE_UNAVAILABLE, "too many connections; please try again".into());
    let deadline = config.limits.deadline.0;
    let turn = tokio::time::timeout(deadline, service.connections.clone().acquire_owned()).await;
    let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;

    let limit = usize::try_from(config.limits.message.0).unwrap_or(usize::MAX);
    let too_long =
        || Refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the message is longer than limits.message, {limit} bytes"));
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit) {
        return Err(too_long());
    }
    let mut share = Share::of(&service.memory);
    let content = match tokio::time::timeout(deadline, received(Limited::new(body, limit), &mut share)).await {
        Ok(Ok(content)) => content,
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long()),
        Ok(Err(_)) => return Err(Refused(StatusCode::BAD_REQUEST, "the request ended early".into())),
        Err(_) => return Err(Refused(StatusCode::REQUEST_TIMEOUT, "the message did not come in time".into())),
    };
    if facts.observe {
        config = Arc::new(Config { mode: Mode::Observe, ..(*config).clone() });
    }
    let explain = facts.explain;
    let via = [super::HTTP.to_owned(), about.listener.clone().unwrap_or_default()];
    let scan = Arc::new(facts.scan(about, content));
    let Outcome { answer, mut line, entry, verdict, .. } =
        connection::outcome(service, &config, &scan, Arc::new(share), Peer::Relays { each: true }, via).await;
    connection::told(service, &mut line, entry, began);
    let refusal = match answer.recipients.first().unwrap_or(&answer.decision) {
        Decision::Reject(refusal) => Some(refusal.lines(5).join("\n")),
        Decision::Defer(refusal) => Some(refusal.lines(4).join("\n")),
        _ => None,
    };
    let Some(verdict) = verdict else {
        let action = if refusal.is_some() { "defer" } else { "pass" };
        let told = serde_json::json!({ "error": line.action, "action": action, "reply": refusal });
        return Ok(json(StatusCode::SERVICE_UNAVAILABLE, &told));
    };
    let checked = Checked {
        action: line.action,
        direction: line.direction,
        category: line.category,
        reason: &line.reason,
        observed: line.observed,
        actions: &line.actions,
        reply: refusal,
        milliseconds: line.milliseconds,
        record: Record::new(scan.queue_id.as_deref().unwrap_or("-"), &verdict, explain),
    };
    Ok(json(StatusCode::OK, &checked))
}

/// The whole body; read when there is room for more.
async fn received(
    mut body: Limited<Incoming>,
    share: &mut Share,
) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut content = Vec::new();
    loop {
        share.room().await;
        let Some(frame) = body.frame().await else { return Ok(content) };
        if let Ok(data) = frame?.into_data() {
            content.extend_from_slice(&data);
            share.set(content.len());
        }
    }
}

/// A form or something compressed would be judged as what it is: no mail.
fn body_is_a_message(headers: &HeaderMap) -> Result<(), Refused> {
    let value = |name| headers.get(name).map(|value: &HeaderValue| value.as_bytes().to_ascii_lowercase());
    let form = value(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with(b"multipart/"));
    let packed = value(header::CONTENT_ENCODING).is_some_and(|coding| coding != b"identity");
    if form || packed {
        let how = "the body must be the message as it is; such as: curl --data-binary @message.eml";
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, how.into()));
    }
    Ok(())
}

/// What the request says beside the message. In the query, or in header fields of rspamd's names.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    ip: Option<std::net::IpAddr>,
    hostname: Option<String>,
    helo: Option<Vec<u8>>,
    from: Option<Vec<u8>>,
    recipients: Vec<Vec<u8>>,
    user: Option<String>,
    queue_id: Option<String>,
    observe: bool,
    explain: bool,
}

/// Names in the query, the same as fields, and whether there may be several.
const FIELDS: &[(&str, &str)] = &[
    ("ip", "ip"),
    ("hostname", "hostname"),
    ("helo", "helo"),
    ("from", "from"),
    ("rcpt", "rcpt"),
    ("user", "user"),
    ("queue_id", "queue-id"),
];
const RECIPIENTS: usize = 10_000;
const VALUE: usize = 4096;

impl Facts {
    fn read(query: &str, headers: &HeaderMap) -> Result<Facts, Refused> {
        let mut facts = Facts::default();
        let mut in_query = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            facts.set(name, decoded(value))?;
            in_query.push(name);
        }
        for (name, field) in FIELDS.iter().filter(|(name, _)| !in_query.contains(name)) {
            for value in headers.get_all(*field) {
                facts.set(name, value.as_bytes().to_vec())?;
            }
        }
        Ok(facts)
    }

    fn set(&mut self, name: &str, value: Vec<u8>) -> Result<(), Refused> {
        let wrong = |why: &str| Refused(StatusCode::BAD_REQUEST, format!("{name:?}: {why}"));
        if value.len() > VALUE {
            return Err(wrong("too long"));
        }
        let text = || String::from_utf8(value.clone()).map_err(|_| wrong("not UTF-8"));
        match name {
            "ip" => self.ip = Some(text()?.trim().parse().map_err(|_| wrong("no IP address"))?),
            "hostname" => self.hostname = Some(text()?),
            "helo" => self.helo = Some(value),
            "from" => self.from = Some(value),
            "rcpt" if self.recipients.len() < RECIPIENTS => self.recipients.push(value),
            "rcpt" => return Err(wrong("too many recipients")),
            "user" => self.user = Some(text()?),
            "queue_id" => self.queue_id = Some(text()?),
            "observe" => self.observe = yes(&value).ok_or_else(|| wrong("say yes or no"))?,
            "explain" => self.explain = yes(&value).ok_or_else(|| wrong("say yes or no"))?,
            _ => {
                let names: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
                return Err(wrong(&format!("not known; there are {}, observe, explain", names.join(", "))));
            }
        }
        Ok(())
    }

    fn scan(self, about: &Connection, content: Vec<u8>) -> Scan {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let peer = protocols::Peer {
            // Who tells the client's address shows the message as it came from there.
            address: self.ip,
            name: filled(self.hostname),
            helo: self.helo,
            authenticated: filled(self.user).map(|name| Authenticated { name, ..Authenticated::default() }),
            server: protocols::Server { listener: about.listener.clone(), ..protocols::Server::default() },
            ..protocols::Peer::default()
        };
        Scan {
            id: QuestionId::default(),
            top_received_hidden: peer.address.is_some(),
            peer,
            sender: self.from.as_deref().map(Path::parse),
            recipients: self.recipients.iter().map(|recipient| Path::parse(recipient)).collect(),
            queue_id: filled(self.queue_id),
            user: None,
            want: Want::Decision,
            content: content.into(),
        }
    }
}

fn yes(value: &[u8]) -> Option<bool> {
    match value {
        b"" | b"1" | b"yes" | b"true" => Some(true),
        b"0" | b"no" | b"false" => Some(false),
        _ => None,
    }
}

/// `%41` and `+`; what is no such thing stays.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_read_and_wins_over_fields() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("ip", "192.0.2.9"), ("rcpt", "x@example.jp"), ("queue-id", "ABC"), ("user", "ann")] {
            headers.append(name, value.parse().unwrap());
        }
        let facts = Facts::read("ip=2001%3Adb8::1&rcpt=a%2Bb@example.jp&rcpt=<c@d>&observe&explain=no", &headers);
        let facts = facts.ok().unwrap();
        assert_eq!(facts.ip, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(facts.recipients, [b"a+b@example.jp".to_vec(), b"<c@d>".to_vec()]);
        assert_eq!((facts.queue_id.as_deref(), facts.user.as_deref()), (Some("ABC"), Some("ann")));
        assert!(facts.observe && !facts.explain);
        let scan = facts.scan(&Connection::default(), b"\n".to_vec());
        assert_eq!(scan.recipients[1].address, b"c@d");
    }

    #[test]
    fn mistakes_are_told() {
        for (query, said) in
            [("ip=here", "no IP address"), ("rctp=a@b", "not known; there are ip"), ("observe=maybe", "say yes or no")]
        {
            let Err(Refused(status, why)) = Facts::read(query, &HeaderMap::new()) else { panic!("{query}") };
            assert!(status == StatusCode::BAD_REQUEST && why.contains(said), "{query}: {why}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        for (text, bytes) in [("a%20b+c", &b"a b c"[..]), ("%e9%", b"\xe9%"), ("%zz%4", b"%zz%4"), ("", b"")] {
            assert_eq!(decoded(text), bytes);
        }
    }
}
