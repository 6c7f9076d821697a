//! Networks of digests: any mail has a digest, any answer of a server is read or refused.
//!
//! The input's first byte chooses: the digests of a mail, or an answer of Pyzor, of Razor, of DCC's daemon.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use protocols::pyzor::{self, Operation, Request, Response};
use protocols::razor::signature::{Seed, ephemeral, whiplash};
use protocols::razor::{mail, sis};
use protocols::{dcc, razor};

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    match first % 5 {
        0 => {
            let digest = pyzor::digest(data);
            assert!(digest.len() == 40 && pyzor::predigest(data).len() <= 6);
        }
        1 => {
            let parts = mail::parts(data);
            assert!(parts.len() <= mail::PARTS);
            for part in &parts {
                let seed = Seed { seed: u32::from(*first), separator: b'\n' };
                assert_eq!(ephemeral(&part.stripped, seed).len(), 28);
                assert!(whiplash(&part.decoded).iter().all(|signature| signature.len() == 12));
            }
        }
        2 => {
            let asked = Request { operation: Operation::Check, digest: "", thread: 2000 };
            let _ = Response::read(data, &asked);
            let text = String::from_utf8_lossy(data);
            pyzor::servers(&text);
            pyzor::accounts(&text);
        }
        3 => {
            let lines = sis::read(data);
            let state = sis::State::read(lines.first().unwrap_or(&Vec::new()), &lines);
            let said: Vec<sis::Said> = lines.iter().map(|line| sis::Said::read(8, line, state.confidence)).collect();
            razor::sis::figures(&[said]);
            if let Ok(text) = std::str::from_utf8(data) {
                let written = sis::write(&[("k", text)]);
                assert_eq!(sis::value(&sis::read_line(&written), "k"), Some(text));
            }
        }
        _ => {
            if let Some(metrics) = dcc::answer(data) {
                assert!(metrics.header.starts_with("X-DCC") && metrics.figures.len() <= 4);
            }
        }
    }
});
