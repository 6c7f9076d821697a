//! MaxMind's databases of addresses: the country, the autonomous system and its holder, as any publisher writes them.
//!
//! In: the bytes of a file, read whole. Out: what it says of an address. The format's pointers and sizes are checked by
//! `maxminddb`; a database that is damaged says nothing of the addresses that the damage touches.

use maxminddb::{PathElement, Reader};
use std::net::IpAddr;

pub struct Database {
    reader: Reader<Vec<u8>>,
}

/// The autonomous system that announces an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    pub number: u32,
    /// Empty where the database does not name it.
    pub holder: String,
    /// The network that the database's line is about.
    pub network: String,
}

/// Of a holder's name.
const LONGEST: usize = 200;

impl Database {
    pub fn open(bytes: Vec<u8>) -> Result<Database, String> {
        Reader::from_source(bytes).map(|reader| Database { reader }).map_err(|error| error.to_string())
    }

    /// The whole of it is looked at; how many nodes it has.
    pub fn check(&self) -> Result<usize, String> {
        self.reader.verify().map_err(|error| error.to_string())?;
        match self.reader.metadata().node_count {
            0 => Err("it has no address at all".to_owned()),
            count => Ok(count as usize),
        }
    }

    /// When it was built, in seconds since 1970, and what it calls itself.
    pub fn about(&self) -> (u64, &str) {
        let metadata = self.reader.metadata();
        (metadata.build_epoch, &metadata.database_type)
    }

    /// Two letters. `country.iso_code` as MaxMind has it, `country_code` as others do.
    pub fn country(&self, address: IpAddr) -> Option<String> {
        let found = self.reader.lookup(address).ok()?;
        let at = |path: &[PathElement<'_>]| found.decode_path::<String>(path).ok().flatten();
        let code = at(&[PathElement::Key("country"), PathElement::Key("iso_code")])
            .or_else(|| at(&[PathElement::Key("country_code")]))
            .or_else(|| at(&[PathElement::Key("registered_country"), PathElement::Key("iso_code")]))?;
        let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_code.then(|| code.to_ascii_uppercase())
    }

    pub fn system(&self, address: IpAddr) -> Option<System> {
        let found = self.reader.lookup(address).ok()?;
        let number: u32 = found.decode_path(&[PathElement::Key("autonomous_system_number")]).ok().flatten()?;
        let holder: Option<String> =
            found.decode_path(&[PathElement::Key("autonomous_system_organization")]).ok().flatten();
        let holder = holder.unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(LONGEST).collect();
        let network = found.network().map(|network| network.to_string()).unwrap_or_default();
        Some(System { number, holder, network })
    }
}

#[cfg(test)]
#[path = "../tests/mmdb/mod.rs"]
pub mod writer;

#[cfg(test)]
mod tests {
    use super::*;
    use writer::{Value, write};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn countries() -> Vec<u8> {
        let code = |code: &str| {
            let inner = Value::Map(vec![("iso_code".to_owned(), text(code))]);
            Value::Map(vec![("country".to_owned(), inner)])
        };
        let flat = Value::Map(vec![("country_code".to_owned(), text("de"))]);
        write("Test-Country", &[("192.0.2.0/24", code("JP")), ("198.51.100.0/25", flat), ("10.0.0.0/8", code("long"))])
    }

    #[test]
    fn countries_and_systems() {
        let database = Database::open(countries()).unwrap();
        assert!(database.check().unwrap() > 0);
        assert_eq!(database.about().1, "Test-Country");
        let country = |address: &str| database.country(address.parse().unwrap());
        assert_eq!(country("192.0.2.77"), Some("JP".into()));
        assert_eq!(country("198.51.100.1"), Some("DE".into()));
        for nowhere in ["198.51.100.200", "10.1.1.1", "2001:db8::1"] {
            assert_eq!(country(nowhere), None, "{nowhere}");
        }
        let line = Value::Map(vec![
            ("autonomous_system_number".to_owned(), Value::Number(64500)),
            ("autonomous_system_organization".to_owned(), text("EXAMPLE Net")),
        ]);
        let database = Database::open(write("Test-ASN", &[("192.0.2.0/24", line)])).unwrap();
        let system = database.system("192.0.2.9".parse().unwrap()).unwrap();
        assert_eq!((system.number, system.holder.as_str()), (64500, "EXAMPLE Net"));
        assert_eq!(system.network, "192.0.2.0/24");
    }

    #[test]
    fn damage_is_told_and_harms_nobody() {
        let whole = countries();
        for end in 0..whole.len() {
            if let Ok(database) = Database::open(whole[..end].to_vec()) {
                let _ = database.check();
                database.country("192.0.2.1".parse().unwrap());
            }
        }
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0xff;
            if let Ok(database) = Database::open(broken) {
                let _ = database.check();
                database.country("192.0.2.1".parse().unwrap());
                database.system("2001:db8::1".parse().unwrap());
            }
        }
        assert!(Database::open(Vec::new()).is_err());
        assert!(crate::data::check("x.mmdb", &whole[..whole.len() / 2]).is_err());
        assert!(crate::data::check("x.mmdb", &whole).is_ok());
    }
}
