//! What the next hop answers when a message is handed to it by SMTP or LMTP: whatever it says, and wherever it is cut, every
//! recipient gets one last word, and the same.
//!
//! The first byte chooses the dialect, whether TLS is wanted, and where replies are cut.
#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use protocols::smtp::Dialect;
use protocols::smtp::client::{Client, ClientEvent, ClientSettings, Delivery, Outcome, WantTls};
use protocols::{Path, Tls};

const RECIPIENTS: usize = 3;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let whole = play(*first, data, data.len().max(1));
    let cut = play(*first, data, usize::from(first >> 4) + 1);
    // After STARTTLS what came before the handshake is nobody's: there it matters where it is cut.
    assert!(first & 2 != 0 || whole == cut, "however it comes, the same is understood");
});

fn play(how: u8, data: &[u8], step: usize) -> Outcome {
    let path = |address: &str| Path { address: address.as_bytes().to_vec(), ..Path::default() };
    let delivery = Delivery {
        sender: path("a@example.com"),
        recipients: (0..RECIPIENTS).map(|n| path(&format!("{n}@example.org"))).collect(),
        content: Some(b"Subject: x\n\n.body\n".to_vec()),
        forward: None,
    };
    let tls = if how & 2 == 0 { WantTls::Never } else { WantTls::IfOffered };
    let settings = ClientSettings { tls, ..ClientSettings::default() };
    let dialect = if how & 1 == 0 { Dialect::Smtp } else { Dialect::Lmtp };
    let mut client = Client::new(dialect, settings, delivery);
    let mut outcome = None;
    let mut turn = |client: &mut Client| {
        while let Some(event) = client.next_event() {
            client.output().clear();
            match event {
                ClientEvent::StartTls => client.tls_started(Tls::default()),
                ClientEvent::Recipient { index, .. } => assert!(index < RECIPIENTS),
                ClientEvent::Done(done) => assert!(outcome.replace(done).is_none(), "once"),
                ClientEvent::Close => break,
            }
        }
    };
    for piece in data.chunks(step) {
        client.receive(piece);
        turn(&mut client);
    }
    client.end_of_input();
    turn(&mut client);
    let outcome = outcome.expect("a last word");
    assert_eq!(outcome.recipients.len(), RECIPIENTS);
    outcome
}
