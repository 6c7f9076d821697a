//! RDAP's answers about an address (RFC 9083), read liberally: RIPE's may lack an object class, ARIN's pad octets with
//! zeros, LACNIC's may name the address asked for as the whole range.

use super::{Network, Reply};
use crate::range::Range;
use serde_json::Value;

pub fn read(json: &[u8]) -> Reply {
    let Ok(answer) = serde_json::from_slice::<Value>(json) else { return Reply::default() };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let address = |key: &str| text(&answer, key).split('/').next().unwrap_or_default().to_owned();
    let range: Option<Range> = format!("{}-{}", address("startAddress"), address("endAddress")).parse().ok();
    let remarks = answer.get("remarks").and_then(Value::as_array).into_iter().flatten();
    let said: Vec<String> = remarks
        .filter_map(|remark| remark.get("description")?.as_array())
        .flatten()
        .filter_map(|line| line.as_str().map(str::to_owned))
        .collect();
    let events = answer.get("events").and_then(Value::as_array).into_iter().flatten();
    let changed = events
        .filter(|event| {
            text(event, "eventAction").starts_with("last changed") || text(event, "eventAction") == "registration"
        })
        .map(|event| text(event, "eventDate"))
        .max();
    let network = Network {
        range: range.map(|range| (range.first(), range.last())),
        name: text(&answer, "name"),
        holder: said.first().cloned().unwrap_or_default(),
        country: text(&answer, "country").to_ascii_uppercase(),
        status: text(&answer, "type"),
        changed: changed.unwrap_or_default(),
        source: text(&answer, "port43"),
    };
    let referral = said.iter().any(|line| line.contains("whois.nic.ad.jp")).then(|| "whois.nic.ad.jp".to_owned());
    Reply::of(vec![network], referral)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_answers_are_read() {
        for (json, range, name, country) in [
            (
                r#"{"startAddress":"180.94.0.0","endAddress":"180.94.31.255","name":"GLOBALSPEED-PH","country":"PH","type":"ALLOCATED PORTABLE"}"#,
                "180.94.0.0/19",
                "GLOBALSPEED-PH",
                "PH",
            ),
            (r#"{"startAddress":"192.0.2.0/32","endAddress":"192.0.2.255/32","name":"X"}"#, "192.0.2.0/24", "X", ""),
            (r#"{"startAddress":"074.125.000.000","endAddress":"074.125.255.255"}"#, "74.125.0.0/16", "", ""),
        ] {
            let reply = read(json.as_bytes());
            let [network] = reply.networks.as_slice() else { panic!("{reply:?}") };
            assert_eq!(network.range().unwrap().to_string(), range);
            assert_eq!((network.name.as_str(), network.country.as_str()), (name, country));
        }
        for wrong in ["", "[]", "{}", "{\"startAddress\":7}", "\u{0}"] {
            assert_eq!(read(wrong.as_bytes()), Reply::default(), "{wrong}");
        }
    }

    #[test]
    fn the_latest_event_counts_and_a_remark_refers() {
        let reply = read(
            br#"{"startAddress":"192.0.2.0","endAddress":"192.0.2.255","events":[{"eventAction":"registration","eventDate":"2008-01-01T00:00:00Z"},
            {"eventAction":"last changed","eventDate":"2020-02-02T00:00:00Z"}],"remarks":[{"description":["Japan Network","see whois.nic.ad.jp"]}]}"#,
        );
        assert_eq!(reply.networks[0].changed, "2020-02-02T00:00:00Z");
        assert_eq!(reply.referral.as_deref(), Some("whois.nic.ad.jp"));
    }
}
