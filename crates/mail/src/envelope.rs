//! What the SMTP session said, apart from the message itself. Empty where the message came from a file.

use std::net::IpAddr;

#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// `MAIL FROM` without angle brackets; `Some("")` is the null sender, `None` unknown.
    pub sender: Option<Vec<u8>>,
    pub recipients: Vec<Vec<u8>>,
    pub client_address: Option<IpAddr>,
    pub client_name: Option<String>,
    pub helo: Option<Vec<u8>>,
    pub authenticated: Option<String>,
    pub queue_id: Option<String>,
}
