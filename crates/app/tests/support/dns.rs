//! A name server on loopback, UDP and TCP, with zones of our invention, and with bad manners where a test wants them.
#![allow(dead_code, reason = "each test uses its part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a name is answered.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Records in text: "A 127.0.0.2", "TXT a", "NS ns.example", "MX 10 mx.example", "CNAME x".
    Records(Vec<String>),
    Silence,
    Code(u8),
    /// These bytes after the header and the question.
    Garbage(Vec<u8>),
    /// Over UDP nothing but that there is more; over TCP these records.
    Truncated(Vec<String>),
    /// A pointer that points at itself.
    Loop,
    /// An alias for this name, without what there is of that one.
    Alias(String),
}

#[derive(Default)]
pub struct Seen {
    pub asked: Mutex<BTreeMap<String, usize>>,
    now: AtomicUsize,
    /// The most questions that were waiting for their answer at the same time.
    pub most_at_once: AtomicUsize,
    pub over_tcp: AtomicUsize,
}

pub struct Dns {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

impl Dns {
    /// Each answer after `delay`. Unknown names do not exist.
    pub fn start(zones: &[(&str, Manner)], delay: Duration) -> Dns {
        let zones: BTreeMap<String, Manner> =
            zones.iter().map(|(name, how)| (name.to_lowercase(), how.clone())).collect();
        let zones = Arc::new(zones);
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (seen, stop) = (Arc::<Seen>::default(), Arc::new(AtomicBool::new(false)));
        udp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (for_udp, seen_udp, stop_udp) = (zones.clone(), seen.clone(), stop.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stop_udp.load(Ordering::Relaxed) {
                let Ok((length, from)) = udp.recv_from(&mut buffer) else { continue };
                let (question, zones, seen, udp) =
                    (buffer[..length].to_vec(), for_udp.clone(), seen_udp.clone(), udp.clone());
                std::thread::spawn(move || {
                    if let Some(answer) = serve(&question, &zones, &seen, delay, true) {
                        let _ = udp.send_to(&answer, from);
                    }
                });
            }
        });
        let (seen_tcp, stop_tcp) = (seen.clone(), stop.clone());
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                if stop_tcp.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let (zones, seen) = (zones.clone(), seen_tcp.clone());
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                        if stream.read_exact(&mut question).is_err() {
                            return;
                        }
                        seen.over_tcp.fetch_add(1, Ordering::SeqCst);
                        if let Some(answer) = serve(&question, &zones, &seen, delay, false) {
                            let framed = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
                            if stream.write_all(&framed).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        Dns { address, seen, stop }
    }

    pub fn asked(&self) -> BTreeSet<String> {
        self.seen.asked.lock().unwrap().keys().cloned().collect()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.address);
    }
}

pub fn records(records: &[&str]) -> Manner {
    Manner::Records(records.iter().map(|record| (*record).to_owned()).collect())
}

fn serve(
    question: &[u8],
    zones: &BTreeMap<String, Manner>,
    seen: &Seen,
    delay: Duration,
    udp: bool,
) -> Option<Vec<u8>> {
    let (name, kind, end) = read_question(question)?;
    *seen.asked.lock().unwrap().entry(format!("{name}/{}", type_name(kind))).or_default() += 1;
    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_at_once.fetch_max(now, Ordering::SeqCst);
    std::thread::sleep(delay);
    seen.now.fetch_sub(1, Ordering::SeqCst);

    let header = |code: u8, truncated: bool, answers: u16| {
        let mut out = question[..2].to_vec();
        out.extend([0x80 | (question[2] & 1) | if truncated { 2 } else { 0 }, 0x80 | code, 0, 1]);
        out.extend(answers.to_be_bytes());
        out.extend([0, 0, 0, 0]);
        out.extend(&question[12..end]);
        out
    };
    let mut chain = vec![name.clone()];
    let mut answers = Vec::new();
    let mut count = 0;
    let mut owner = name;
    loop {
        let Some(manner) = find(zones, &owner) else {
            return Some(if count == 0 { header(3, false, 0) } else { [header(3, false, count), answers].concat() });
        };
        let list = match manner {
            Manner::Silence => return None,
            Manner::Code(code) => return Some(header(*code, false, 0)),
            Manner::Garbage(bytes) => return Some([header(0, false, 1), bytes.clone()].concat()),
            Manner::Loop => {
                let at = (12 + question[12..end].len()) as u16 | 0xc000;
                return Some(
                    [&header(0, false, 1)[..], &at.to_be_bytes(), &[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 2]]
                        .concat(),
                );
            }
            Manner::Alias(target) => {
                let data = write_name(target);
                let fixed =
                    [&5u16.to_be_bytes()[..], &[0, 1, 0, 0, 0, 60], &(data.len() as u16).to_be_bytes()].concat();
                return Some([header(0, false, 1), write_name(&owner), fixed, data].concat());
            }
            Manner::Truncated(_) if udp => return Some(header(0, true, 0)),
            Manner::Truncated(list) | Manner::Records(list) => list,
        };
        let mut next = None;
        for record in list {
            let (of, data) = record.split_once(' ').unwrap();
            if type_number(of) == kind || of == "CNAME" {
                answers.extend(write_name(&owner));
                answers.extend(type_number(of).to_be_bytes());
                answers.extend([0, 1, 0, 0, 0, 60]);
                let data_bytes = write_data(of, data);
                answers.extend((data_bytes.len() as u16).to_be_bytes());
                answers.extend(data_bytes);
                count += 1;
                if of == "CNAME" && kind != 5 {
                    next = Some(data.trim_end_matches('.').to_lowercase());
                }
            }
        }
        match next {
            Some(alias) if !chain.contains(&alias) => {
                chain.push(alias.clone());
                owner = alias;
            }
            _ => return Some([header(0, false, count), answers].concat()),
        }
    }
}

fn find<'z>(zones: &'z BTreeMap<String, Manner>, name: &str) -> Option<&'z Manner> {
    if let Some(found) = zones.get(name) {
        return Some(found);
    }
    let mut rest = name;
    while let Some((_, above)) = rest.split_once('.') {
        if let Some(found) = zones.get(&format!("*.{above}")) {
            return Some(found);
        }
        rest = above;
    }
    None
}

fn read_question(bytes: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

fn write_name(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

fn write_data(kind: &str, data: &str) -> Vec<u8> {
    match kind {
        "A" => data.parse::<std::net::Ipv4Addr>().unwrap().octets().to_vec(),
        "AAAA" => data.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec(),
        "MX" => {
            let (preference, host) = data.split_once(' ').unwrap();
            [&preference.parse::<u16>().unwrap().to_be_bytes()[..], &write_name(host)].concat()
        }
        // Strings are divided by "|" here.
        "TXT" => {
            let strings = data.split('|').flat_map(|string| string.as_bytes().chunks(255));
            strings.flat_map(|part| std::iter::once(part.len() as u8).chain(part.iter().copied())).collect()
        }
        _ => write_name(data),
    }
}

const TYPES: &[(&str, u16)] = &[("A", 1), ("NS", 2), ("CNAME", 5), ("PTR", 12), ("MX", 15), ("TXT", 16), ("AAAA", 28)];

fn type_number(name: &str) -> u16 {
    TYPES.iter().find(|(known, _)| *known == name).unwrap().1
}

fn type_name(number: u16) -> String {
    TYPES.iter().find(|(_, known)| *known == number).map_or_else(|| number.to_string(), |(name, _)| (*name).to_owned())
}
