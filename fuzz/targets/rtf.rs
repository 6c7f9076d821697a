//! Rich text with embedded objects.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use unpack::{Budget, Content, Kind, Limits};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { bytes: 4 << 20, member: 1 << 20, members: 200, steps: 300_000, ..Limits::default() };
    let mut budget = Budget::new(limits);
    let unpacked = unpack::open(data, Kind::Rtf, &[], &mut budget);
    let total: u64 = unpacked.members.iter().map(|member| member.bytes.len() as u64).sum();
    assert!(total <= budget.limits().bytes && unpacked.members.len() <= budget.limits().members as usize);
    for member in &unpacked.members {
        assert!(member.content != Content::None || member.bytes.is_empty());
    }
});
