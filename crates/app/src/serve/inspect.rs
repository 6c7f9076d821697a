//! What do the signatures find in these bytes? Asked by clamd's clients; no mail is decided about here.
//!
//! Built in is the test string that every virus scanner knows, under the name that ClamAV gives it, so that an administrator
//! can see that things are connected rightly without any signatures.

use super::Service;
use crate::environment;
use crate::signatures::Allowed;
use mail::Message;

/// What `VERSION` says: clients look for ClamAV's name and number in front.
pub fn version() -> String {
    format!("ClamAV 1.4.6-sekisho-{}", env!("CARGO_PKG_VERSION"))
}

/// Names of what was found; with `all` every one, else the first.
pub fn inspect(service: &Service, bytes: &[u8], all: bool, scratch: &mut engine::Scratch) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(signatures) = &service.signatures.load_full().signatures {
        let allowed = service.store.as_ref().map(|store| Allowed { store, now: environment::now() });
        names = signatures.names(bytes, allowed.as_ref(), scratch);
    }
    // Official signatures have another name for it, and the same need not be told twice.
    let known = names.iter().any(|name| name.to_ascii_lowercase().contains("eicar"));
    if (all || names.is_empty()) && !known && has_test_string(bytes, &service.engine.load().views.limits) {
        names.push(EICAR.to_owned());
    }
    names.truncate(if all { usize::MAX } else { 1 });
    names
}

/// ClamAV's name for it.
pub const EICAR: &str = "Eicar-Test-Signature";

/// The string of EICAR (www.eicar.org), put together here so that no scanner takes this program for it.
pub fn test_string() -> Vec<u8> {
    [&b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-"[..], b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat()
}

/// A file is it that begins so; in a message, a part.
fn has_test_string(bytes: &[u8], limits: &mail::Limits) -> bool {
    let wanted = test_string();
    let begins = |bytes: &[u8]| bytes.trim_ascii_start().starts_with(&wanted);
    if begins(bytes) {
        return true;
    }
    let message = Message::parse(bytes, limits);
    message.leaves().any(|(_, part)| begins(part.decoded()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_string_is_found_wherever_it_begins_something() {
        let wanted = String::from_utf8(test_string()).unwrap();
        assert_eq!(wanted.len(), 68);
        let encoded = "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNU\nLUZJTEUhJEgrSCo=";
        let limits = mail::Limits::default();
        for (text, found) in [
            (wanted.clone(), true),
            (format!("\r\n{wanted}\r\n"), true),
            (format!("Subject: x\n\n{wanted}\n"), true),
            (format!("Content-Transfer-Encoding: base64\n\n{encoded}\n"), true),
            (
                format!(
                    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: application/x-dosexec\n\
                     Content-Transfer-Encoding: base64\n\n{encoded}\n--b--\n"
                ),
                true,
            ),
            (format!("Subject: x\n\nthe string is {wanted}\n"), false),
            (String::new(), false),
        ] {
            assert_eq!(has_test_string(text.as_bytes(), &limits), found, "{text}");
        }
    }
}
