//! Attributes of a request (`name=value` lines) to facts; decisions to the one action that a reply may carry.

use crate::answer::{Answer, Decision, Edit, Unsaid, reply_texts};
use crate::edit::{clean_value, is_name};
use crate::facts::{Authenticated, Path, Peer, Server, Tls, confirmed_name, lossy, parse_address};
use crate::milter::session::is_address;
use crate::{Ask, QuestionId, Stage, Trouble};

/// The attributes of one request. Where a name comes twice, the last counts.
#[derive(Debug, Default)]
pub struct Request {
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Request {
    pub fn add(&mut self, line: &[u8]) -> Result<(), Trouble> {
        match line.iter().position(|b| *b == b'=') {
            Some(at) if at > 0 => {
                self.attributes.push((line[..at].to_vec(), line[at + 1..].to_vec()));
                Ok(())
            }
            _ => Err(Trouble::Malformed("an attribute")),
        }
    }

    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// An attribute that says something: empty means unknown.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.attributes.iter().rev().find(|(n, _)| n == name.as_bytes());
        found.map(|(_, v)| v.as_slice()).filter(|v| !v.is_empty())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(lossy)
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        std::str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }

    /// The question, if it is one about access.
    pub fn question(&self, id: QuestionId) -> Result<Ask, Trouble> {
        if self.get("request") != Some(b"smtpd_access_policy") {
            return Err(Trouble::Malformed("the request attribute"));
        }
        let stage = match self.get("protocol_state").unwrap_or_default() {
            b"CONNECT" => Stage::Connect,
            b"HELO" | b"EHLO" => Stage::Helo,
            b"MAIL" => Stage::Mail,
            b"RCPT" => Stage::Recipient,
            b"DATA" => Stage::Data,
            b"END-OF-MESSAGE" => Stage::EndOfMessage,
            _ => Stage::Other,
        };
        let address = self.get("client_address").and_then(parse_address);
        let name = self.get("client_name").and_then(confirmed_name);
        let peer = Peer {
            address,
            port: self.number("client_port").filter(|p| *p != 0),
            reverse_name: self.get("reverse_client_name").and_then(confirmed_name).or_else(|| name.clone()),
            name,
            unresolved: false, // it does not tell
            helo: self.get("helo_name").map(<[u8]>::to_vec),
            protocol: self.text("protocol_name"),
            authenticated: self.text("sasl_username").map(|name| Authenticated {
                name,
                mechanism: self.text("sasl_method"),
                author: self.text("sasl_sender"),
            }),
            tls: self.text("encryption_protocol").map(|version| Tls {
                version: Some(version),
                cipher: self.text("encryption_cipher"),
                bits: self.number("encryption_keysize"),
                subject: self.text("ccert_subject"),
                issuer: self.text("ccert_issuer"),
            }),
            local: address.is_none(),
            inside: false,
            server: Server {
                name: None,
                software: None,
                listener: self.text("policy_context"),
                address: self.get("server_address").and_then(parse_address),
            },
        };
        // Empty is the null sender, from MAIL on.
        let sender = matches!(stage, Stage::Mail | Stage::Recipient | Stage::Data | Stage::EndOfMessage)
            .then(|| Path::parse(self.get("sender").unwrap_or_default()));
        let before = match stage {
            Stage::Recipient => 0, // Postfix counts only later
            _ => self.number("recipient_count").unwrap_or(0),
        };
        Ok(Ask {
            id,
            stage,
            peer,
            sender,
            recipient: self.get("recipient").map(Path::parse),
            recipients_before: before,
            queue_id: self.text("queue_id"),
            size: self.number("size").filter(|s| *s != 0),
            instance: self.text("instance"),
        })
    }
}

/// One line of text for an action.
fn one_line(text: &str) -> String {
    let mut line = reply_texts(text).join(" ");
    line.truncate(480);
    line
}

/// The reply. Of several edits only one can be said.
pub fn write_action(out: &mut Vec<u8>, answer: &Answer) -> Vec<Unsaid> {
    let mut unsaid = Vec::new();
    let action = match &answer.decision {
        Decision::Accept | Decision::AcceptUnseen => {
            let mut action = None;
            for edit in &answer.edits {
                match (edit, &action) {
                    (Edit::InsertHeader { name, value, .. }, None) if is_name(name) => {
                        // A folded value becomes one line: the protocol has no second.
                        let value: Vec<u8> = clean_value(value).into_iter().filter(|b| *b != b'\n').take(900).collect();
                        action = Some([b"PREPEND ", name.as_slice(), b": ", &value].concat());
                    }
                    (Edit::AddRecipient(path), None) if is_address(&path.address) && path.parameters.is_empty() => {
                        action = Some([b"BCC ", path.address.as_slice()].concat());
                    }
                    _ => unsaid.push(Unsaid::Edit(edit.clone())),
                }
            }
            // Never OK: that would end the restrictions which keep the server from relaying for strangers.
            action.unwrap_or_else(|| b"DUNNO".to_vec())
        }
        Decision::Reject(refusal) => refusal_line(&refusal.lines(5)),
        Decision::Defer(refusal) if matches!(refusal.code_in(4), 450 | 451) => {
            let (subject, detail) = refusal.detail.unwrap_or((7, 1));
            // A later restriction that refuses for good may still do so.
            format!("DEFER_IF_PERMIT 4.{subject}.{detail} {}", one_line(&refusal.text)).into_bytes()
        }
        Decision::Defer(refusal) => refusal_line(&refusal.lines(4)),
        Decision::Discard => b"DISCARD".to_vec(),
        Decision::Quarantine(reason) => format!("HOLD {}", one_line(reason)).into_bytes(),
    };
    if !matches!(answer.decision, Decision::Accept | Decision::AcceptUnseen) {
        unsaid.extend(answer.edits.iter().cloned().map(Unsaid::Edit));
    }
    out.extend_from_slice(b"action=");
    out.extend(action.iter().filter(|b| **b >= b' '));
    out.extend_from_slice(b"\n\n");
    unsaid
}

/// `550 5.7.1 text`, what further lines there are on the same.
fn refusal_line(lines: &[String]) -> Vec<u8> {
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        match n {
            0 => text.push_str(&line.replacen('-', " ", 1)),
            _ => {
                text.push(' ');
                text.push_str(line.splitn(3, ' ').nth(2).unwrap_or_default());
            }
        }
    }
    text.truncate(900);
    text.trim_end().to_owned().into_bytes()
}
