//! The tables of countries and autonomous systems that rules use: of `country_db_path` and its kin, or of the sets of data
//! that were fetched (`sekisho data`).
//!
//! They are read only where a rule file loads a plugin that uses them.

use crate::rule_files::Selection;
use engine::Geography;
use feeds::mmdb::Database;
use rules::Ruleset;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a database.
const LONGEST: u64 = 1 << 30;

pub struct Tables {
    countries: Option<Database>,
    systems: Option<Database>,
}

impl Geography for Tables {
    fn has_countries(&self) -> bool {
        self.countries.is_some()
    }

    fn country(&self, address: IpAddr) -> Option<String> {
        self.countries.as_ref()?.country(address)
    }

    fn system(&self, address: IpAddr) -> Option<(u32, String)> {
        let found = self.systems.as_ref()?.system(address)?;
        Some((found.number, found.holder))
    }
}

/// What these rules want and what there is of it; what could not be read is a problem, and left out.
pub fn find(selection: &Selection, ruleset: &Ruleset, problems: &mut Vec<String>) -> Option<Arc<dyn Geography>> {
    let named = |name: &str| ruleset.settings.other(name).map(PathBuf::from).filter(|path| path.is_file());
    let mut open = |wanted: bool, path: Option<PathBuf>| {
        let path = path.filter(|_| wanted)?;
        read(&path).map_err(|error| problems.push(format!("{}: {error}", path.display()))).ok()
    };
    let country = named("country_db_path").or_else(|| selection.countries.clone());
    let countries = open(ruleset.has_plugin("RelayCountry"), country);
    let systems = open(ruleset.has_plugin("ASN"), selection.systems.clone());
    (countries.is_some() || systems.is_some()).then(|| Arc::new(Tables { countries, systems }) as Arc<dyn Geography>)
}

pub fn read(path: &Path) -> Result<Database, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("longer than {LONGEST} bytes"));
    }
    Database::open(bytes)
}
