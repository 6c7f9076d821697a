//! What name servers send: whole answers as bytes. What the library reads of them becomes text within limits, and what was
//! beyond these is told; what became text is read by SPF and DMARC's grammar elsewhere (`spf`).
//!
//! The first two bytes are the type that was asked for.
#![no_main]
#![forbid(unsafe_code)]

use engine::{Answer, Record};
use hickory_proto as proto;
use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/app/src/answers/dns/records.rs"]
#[allow(dead_code, reason = "the resolver uses the rest")]
mod records;

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_at_checked(2) else { return };
    let Ok(message) = Message::from_vec(data) else { return };
    let asked = Record(u16::from_be_bytes([kind[0], kind[1]]));
    // One without data is no answer.
    let whole = message.answers.iter().filter(|record| !matches!(record.data, RData::Update0(_)));
    let all: Vec<u16> = whole.map(|record| u16::from(record.data.record_type())).collect();
    for record in [asked, Record::A, Record::TXT, Record::MX].into_iter().chain(all.first().copied().map(Record)) {
        let found = records::of_records(message.answers.iter().map(|answer| &answer.data), record);
        let there = all.iter().filter(|kind| **kind == record.0).count();
        let texts = found.answer.records();
        assert!(matches!(found.answer, Answer::Texts(_)) == (record == Record::TXT));
        assert_eq!(texts.len(), there.min(100));
        assert_eq!(found.beyond.iter().any(|(what, _)| what == "records"), there > 100);
        // Bytes that are no UTF-8 become three.
        assert!(texts.iter().all(|text| text.len() <= 3 * 16_384));
        assert!(found.beyond.is_empty() || !records::beyond_in_words("x.test", record, &found.beyond).is_empty());
    }
});
