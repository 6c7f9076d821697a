//! clamd's protocol, the daemon's end: commands, chunks and descriptors in any order, cut anywhere.
//!
//! The input's first byte says where it is cut, and how questions are answered.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use protocols::clamd::{Server, Settings};
use protocols::{Answer, Event, Finding, Found, Material, Session};

const STREAM: usize = 4096;
const LINE: usize = 256;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let whole = play(data, data.len().max(1), *first);
    let cut = play(data, usize::from(first % 7) + 1, *first);
    // However it comes, the same is understood. Descriptors come with a read, so where they do the cut matters.
    if first & 128 == 0 {
        assert_eq!(whole, cut);
    }
});

fn play(data: &[u8], step: usize, how: u8) -> (Vec<u8>, usize) {
    let settings = Settings { stream: STREAM, line: LINE, shutdown: how & 1 == 1, ..Settings::default() };
    let mut session = Server::new(settings);
    let (mut output, mut questions, mut closed) = (Vec::new(), 0, false);
    let mut turn = |session: &mut Server| {
        while let Some(event) = session.next_event() {
            assert!(!closed, "nothing comes after the end");
            let answered = match event {
                Event::Inspect(inspect) => {
                    questions += 1;
                    if let Material::Bytes(bytes) = &inspect.material {
                        assert!(bytes.len() <= STREAM);
                    }
                    let found = match how & 6 {
                        0 => Found::Nothing,
                        2 => Found::Names(vec!["Some.Name".into(), "a\nb".into()]),
                        _ => Found::Failed("no".into()),
                    };
                    let findings = vec![Finding { path: None, found }];
                    Some((inspect.id, Answer { findings, ..Answer::default() }))
                }
                Event::Status(id) => Some((id, Answer { status: Some("END".into()), ..Answer::default() })),
                Event::Close => {
                    closed = true;
                    None
                }
                _ => None,
            };
            if let Some((id, answer)) = answered {
                assert!(session.answer(id, &answer).is_empty());
            }
        }
        output.append(session.output());
        assert!(session.kept() <= 2 * STREAM + LINE + data.len());
    };
    for piece in data.chunks(step) {
        session.receive(piece);
        if how & 128 != 0 {
            session.receive_descriptor();
        }
        turn(&mut session);
    }
    session.end_of_input();
    turn(&mut session);
    assert!(closed, "the end of the stream ends it");
    (output, questions)
}
