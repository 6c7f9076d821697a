//! Archives: the first byte chooses the format, or lets the magic choose; what comes out is opened again.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use unpack::{Budget, Content, Kind, Limits, Note};

const ARCHIVES: [Kind; 15] = [
    Kind::Zip,
    Kind::Gzip,
    Kind::Bzip2,
    Kind::Xz,
    Kind::Zstd,
    Kind::PosixTar,
    Kind::CpioNewc,
    Kind::SevenZip,
    Kind::Rar,
    Kind::Arj,
    Kind::Lha,
    Kind::Cab,
    Kind::Iso9660,
    Kind::Uuencoded,
    Kind::OneNote,
];

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let kind = ARCHIVES.get(usize::from(*first)).copied().unwrap_or_else(|| unpack::kind(data));
    let limits =
        Limits { bytes: 4 << 20, member: 1 << 20, members: 200, depth: 4, steps: 300_000, ..Limits::default() };
    let mut budget = Budget::new(limits);
    let mut total = 0;
    let mut members = 0;
    walk(data, kind, &mut budget, &mut total, &mut members);
    assert!(total <= budget.limits().bytes && members <= budget.limits().members);
});

fn walk(data: &[u8], kind: Kind, budget: &mut Budget, total: &mut u64, members: &mut u32) {
    if !budget.enter() {
        return;
    }
    let unpacked = unpack::open(data, kind, &[b"secret".to_vec()], budget);
    let mut positions = 1..;
    for member in &unpacked.members {
        *total += member.bytes.len() as u64;
        *members += 1;
        assert_eq!(Some(member.position), positions.next());
        assert!(member.content != Content::None || member.bytes.is_empty());
        assert!(member.bytes.len() as u64 <= budget.limits().member);
        let inner = unpack::kind(&member.bytes);
        if unpack::opens(inner) {
            walk(&member.bytes, inner, budget, total, members);
        }
    }
    if unpacked.notes.iter().any(|note| matches!(note, Note::Limit(_))) {
        assert!(budget.reached().next().is_some(), "a limit is noted that was not reached");
    }
    budget.leave();
}
