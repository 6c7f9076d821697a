//! Journals and models: any bytes are lessons up to somewhere, or no model; what was read is written the same, and a lesson
//! that was learnt and taken back leaves nothing.
//!
//! A check sum guards both, which no fuzzer guesses: the first byte says that what follows is a body to be given its sum.
#![no_main]
#![forbid(unsafe_code)]

use learn::{Lesson, Model, Pending, Record, Statement, User};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use std::cell::RefCell;

thread_local! {
    static MODEL: RefCell<Model> = RefCell::default();
}

fuzz_target!(|data: &[u8]| {
    let record = match data.split_first() {
        Some((b'=', body)) => {
            let mut record = (body.len() as u32).to_le_bytes().to_vec();
            record.extend(&Sha256::digest(body)[..8]);
            record.extend(body);
            record
        }
        _ => data.to_vec(),
    };
    let _ = Model::from_bytes(data);
    if let Ok(statement) = Statement::from_bytes(&record) {
        assert_eq!(Statement::from_bytes(&statement.to_bytes()), Ok(statement));
    }
    if let Ok((pending, _)) = Pending::from_bytes(&record) {
        assert_eq!(Pending::from_bytes(&pending.to_bytes()).map(|(again, _)| again), Ok(pending));
    }
    let Ok((Record::Lesson(lesson), length)) = Record::from_bytes(&record) else { return };
    assert!(length <= record.len());
    let (again, _) = Record::from_bytes(&lesson.to_bytes()).expect("our own bytes");
    assert_eq!(again, Record::Lesson(lesson.clone()));
    MODEL.with_borrow_mut(|model| {
        let before = model.counts();
        let learnt = Lesson { forget: false, ..lesson.clone() };
        assert!(model.apply(&learnt) && !model.apply(&learnt));
        assert!(!model.score(&lesson.features, User::default()).probability().is_nan());
        assert!(model.apply(&Lesson { forget: true, ..lesson }));
        assert_eq!(model.counts(), before);
        assert_eq!(model.words_known(), 0);
    });
});
