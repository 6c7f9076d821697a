//! LMTP (RFC 2033): SMTP's grammar with `LHLO` in front and, at the end of the message, a reply for each recipient.
//!
//! There is nothing of its own here: both ends are [`crate::smtp`]'s, told to speak this [`Dialect`].

use crate::Connection;
use crate::smtp::{Client, ClientSettings, Delivery, Dialect, Server, Settings};

pub fn server(settings: Settings, connection: Connection) -> Server {
    Server::new(Dialect::Lmtp, settings, connection)
}

pub fn client(settings: ClientSettings, delivery: Delivery) -> Client {
    Client::new(Dialect::Lmtp, settings, delivery)
}
