//! TXT records that tell which version is the newest.

use super::transport;
use crate::answers::dns::Resolver;
use crate::config;
use crate::config::dns::{Ask, Dns};
use crate::feeds::state::Failure;
use engine::{Answer, Record};
use std::time::Instant;

/// The texts of all records of this name. Not from within an asynchronous runtime.
pub fn txt(name: &str, settings: &config::Feeds) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let servers = config::dns::server(&settings.dns).into_iter().collect();
    let dns = Dns { ask: Ask::Yes, servers, authorities: settings.authorities.clone(), ..Dns::default() };
    let wrong = |why: &str| transport(format!("DNS: {name} TXT: {why}"));
    let resolver = Resolver::new(&dns, &rules::Settings::default(), runtime.handle());
    let resolver = resolver.map_err(|error| wrong(&format!("{error:#}")))?.ok_or_else(|| wrong("not asked"))?;
    let deadline = Instant::now() + dns.deadline.0;
    match runtime.block_on(resolver.ask(name, Record::TXT, deadline)) {
        Answer::Texts(texts) if !texts.is_empty() => Ok(texts.iter().map(|strings| strings.concat()).collect()),
        Answer::Texts(_) | Answer::NoSuchName => Err(wrong("there is no such record")),
        Answer::Failed(code) => Err(wrong(&format!("the server answers with code {code}"))),
        _ => Err(wrong("no answer")),
    }
}
