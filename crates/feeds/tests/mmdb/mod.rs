//! Writes small databases in MaxMind's format (version 2.0, records of 24 bits, IPv4), for tests.
#![allow(dead_code, reason = "each test uses its part of it")]

#[derive(Debug, Clone)]
pub enum Value {
    Text(String),
    Number(u32),
    Map(Vec<(String, Value)>),
}

/// A database of this type with these networks, `192.0.2.0/24`; none within another.
pub fn write(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    const NOTHING: usize = usize::MAX;
    let mut data = Vec::new();
    // Each node two records: another node, or (beyond NODE) a place in the data.
    const NODE: usize = 1 << 32;
    let mut nodes: Vec<[usize; 2]> = vec![[NOTHING; 2]];
    for (network, value) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let bits = address.parse::<std::net::Ipv4Addr>().unwrap().to_bits();
        let length: u32 = length.parse().unwrap();
        let place = data.len();
        encode(value, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[node][side] = NODE + place;
            } else {
                if nodes[node][side] == NOTHING {
                    nodes.push([NOTHING; 2]);
                    nodes[node][side] = nodes.len() - 1;
                }
                node = nodes[node][side];
            }
        }
    }
    let count = nodes.len();
    let mut out = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match *record {
            NOTHING => count,
            place if place >= NODE => count + 16 + (place - NODE),
            node => node,
        };
        out.extend(&(number as u32).to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(&data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let text = |text: &str| Value::Text(text.to_owned());
    let mut metadata = Vec::new();
    // A map of nine; numbers in the kinds that the format asks for.
    metadata.push(0xe0 | 9);
    let mut add = |name: &str, bytes: &[u8]| {
        encode(&text(name), &mut metadata);
        metadata.extend(bytes);
    };
    add("binary_format_major_version", &[0xa1, 2]);
    add("binary_format_minor_version", &[0xa0]);
    add("build_epoch", &[0x04, 0x02, 0x65, 0x00, 0x00, 0x00]);
    let mut kind_bytes = Vec::new();
    encode(&text(kind), &mut kind_bytes);
    add("database_type", &kind_bytes);
    let mut description = Vec::new();
    encode(&Value::Map(vec![("en".to_owned(), text("test"))]), &mut description);
    add("description", &description);
    add("ip_version", &[0xa1, 4]);
    add("languages", &[0x00, 0x04]);
    let mut nodes_bytes = vec![0xc4];
    nodes_bytes.extend((count as u32).to_be_bytes());
    add("node_count", &nodes_bytes);
    add("record_size", &[0xa1, 24]);
    out.extend(metadata);
    out
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    let mut head = |kind: u8, length: usize| match length {
        0..=28 => out.push(kind << 5 | length as u8),
        _ => out.extend([kind << 5 | 29, (length - 29) as u8]),
    };
    match value {
        Value::Text(text) => {
            head(2, text.len());
            out.extend(text.bytes());
        }
        Value::Number(number) => {
            head(6, 4);
            out.extend(number.to_be_bytes());
        }
        Value::Map(entries) => {
            head(7, entries.len());
            for (name, value) in entries {
                encode(&Value::Text(name.clone()), out);
                encode(value, out);
            }
        }
    }
}
