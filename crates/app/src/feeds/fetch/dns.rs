//! TXT records that tell which version is the newest.

use super::transport;
use crate::config;
use crate::feeds::state::Failure;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use std::net::SocketAddr;

/// The texts of all records of this name. Not from within an asynchronous runtime.
pub fn txt(name: &str, settings: &config::Feeds) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = format!("{}.", name.trim_end_matches('.'));
    let answer = runtime.block_on(async {
        let mut builder = match settings.dns.parse::<SocketAddr>() {
            Err(_) => TokioResolver::builder_tokio().map_err(|error| transport(format!("DNS: {error}")))?,
            Ok(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                TokioResolver::builder_with_config(
                    ResolverConfig::from_name_servers(vec![server]),
                    TokioRuntimeProvider::default(),
                )
            }
        };
        builder.options_mut().attempts = 2;
        let resolver = builder.build().map_err(|error| transport(format!("DNS: {error}")))?;
        resolver.txt_lookup(name.as_str()).await.map_err(|error| transport(format!("DNS: {name} TXT: {error}")))
    })?;
    let texts = answer.answers().iter().filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    });
    Ok(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect())
}
