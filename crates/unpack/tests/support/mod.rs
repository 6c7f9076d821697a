//! What the tests build containers from, and what they look at.
#![allow(dead_code)] // each test uses a part

use std::collections::BTreeMap;
use unpack::{Budget, Kind, Unpacked};

/// The archives of `data/archives.txt` by name.
pub fn archives() -> BTreeMap<String, Vec<u8>> {
    let text = include_str!("../data/archives.txt");
    let mut archives: BTreeMap<String, String> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_suffix(':') {
            Some(name) => current = name.to_owned(),
            None => archives.entry(current.clone()).or_default().push_str(line.trim()),
        }
    }
    archives.into_iter().map(|(name, hex)| (name, unhex(&hex))).collect()
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).expect("hexadecimal") as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub fn hello() -> Vec<u8> {
    b"Hello from inside. ".repeat(20)
}

pub fn open(bytes: &[u8], kind: Kind) -> Unpacked<'_> {
    unpack::open(bytes, kind, &[b"wrong".to_vec(), b"secret".to_vec()], &mut Budget::default())
}

pub fn names(unpacked: &Unpacked<'_>) -> Vec<String> {
    unpacked.members.iter().map(|member| String::from_utf8_lossy(&member.name).into_owned()).collect()
}

/// Zip archives, member by member, as wrong as a test wants them.
#[derive(Default)]
pub struct Zip {
    pub bytes: Vec<u8>,
    pub central: Vec<u8>,
    pub count: u16,
}

impl Zip {
    pub fn stored(&mut self, name: &str, data: &[u8]) -> usize {
        self.member(name, 0, data, data.len() as u32, crc(data))
    }

    pub fn deflated(&mut self, name: &str, data: &[u8]) -> usize {
        self.member(name, 8, &deflate(data), data.len() as u32, crc(data))
    }

    /// The offset of the local header.
    pub fn member(&mut self, name: &str, method: u16, packed: &[u8], size: u32, crc: u32) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(b"PK\x03\x04\x14\0\0\0");
        self.bytes.extend(fields(method, crc, packed.len() as u32, size, name));
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(packed);
        self.mention(name, method, packed.len() as u32, size, crc, offset);
        offset
    }

    pub fn mention(&mut self, name: &str, method: u16, packed: u32, size: u32, crc: u32, offset: usize) {
        self.central.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0");
        self.central.extend(fields(method, crc, packed, size, name));
        self.central.extend_from_slice(&[0; 12]);
        self.central.extend((offset as u32).to_le_bytes());
        self.central.extend_from_slice(name.as_bytes());
        self.count = self.count.wrapping_add(1);
    }

    pub fn done(mut self) -> Vec<u8> {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&self.central);
        self.bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend((self.central.len() as u32).to_le_bytes());
        self.bytes.extend(offset.to_le_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes
    }
}

fn fields(method: u16, crc: u32, packed: u32, size: u32, name: &str) -> Vec<u8> {
    let mut out = method.to_le_bytes().to_vec();
    out.extend([0; 4]);
    out.extend(crc.to_le_bytes());
    out.extend(packed.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend((name.len() as u16).to_le_bytes());
    out
}

pub fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zlib(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

/// A compound file with 512-byte sectors: streams of 4096 bytes and more in sectors, shorter ones in the small stream.
pub fn ole(streams: &[(&str, &[u8])]) -> Vec<u8> {
    const END: u32 = 0xffff_fffe;
    let mut sectors: Vec<u8> = Vec::new();
    let mut table: Vec<u32> = Vec::new();
    let mut put = |data: &[u8]| -> u32 {
        if data.is_empty() {
            return END;
        }
        let first = table.len() as u32;
        let count = data.len().div_ceil(512) as u32;
        table.extend((1..count).map(|next| first + next));
        table.push(END);
        sectors.extend_from_slice(data);
        sectors.resize(table.len() * 512, 0);
        first
    };
    let mut small: Vec<u8> = Vec::new();
    let mut small_table: Vec<u32> = Vec::new();
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for (name, data) in streams {
        let start = if data.len() < 4096 {
            let first = small_table.len() as u32;
            let count = data.len().div_ceil(64).max(1) as u32;
            small_table.extend((1..count).map(|next| first + next));
            small_table.push(END);
            small.extend_from_slice(data);
            small.resize(small_table.len() * 64, 0);
            first
        } else {
            put(data)
        };
        entries.push(entry(name, 2, start, data.len() as u32));
    }
    let small_length = small.len() as u32;
    let small_start = put(&small);
    entries.insert(0, entry("Root Entry", 5, small_start, small_length));
    let directory_start = put(&entries.concat());
    let small_numbers: Vec<u8> = small_table.iter().flat_map(|number| number.to_le_bytes()).collect();
    let small_table_start = put(&[small_numbers.clone(), vec![0xff; (512 - small_numbers.len() % 512) % 512]].concat());
    // The table describes its own sectors, too.
    let mut table_sectors = 1;
    while table.len() + table_sectors > table_sectors * 128 {
        table_sectors += 1;
    }
    let table_start = table.len() as u32;
    table.extend(std::iter::repeat_n(0xffff_fffd, table_sectors));
    table.resize(table_sectors * 128, 0xffff_ffff);
    sectors.extend(table.iter().flat_map(|number| number.to_le_bytes()));
    let mut header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    header.resize(24, 0);
    header.extend([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0, 6, 0]);
    header.resize(44, 0);
    for word in [table_sectors as u32, directory_start, 0, 4096, small_table_start, 1, END, 0] {
        header.extend(word.to_le_bytes());
    }
    for index in 0..109 {
        let number = if index < table_sectors { table_start + index as u32 } else { u32::MAX };
        header.extend(number.to_le_bytes());
    }
    [header, sectors].concat()
}

fn entry(name: &str, kind: u8, start: u32, size: u32) -> Vec<u8> {
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut entry = units.clone();
    entry.resize(64, 0);
    entry.extend((units.len() as u16 + 2).to_le_bytes());
    entry.extend([kind, 1]);
    entry.extend([0xff; 12]);
    entry.resize(116, 0);
    entry.extend(start.to_le_bytes());
    entry.extend(size.to_le_bytes());
    entry.resize(128, 0);
    entry
}
