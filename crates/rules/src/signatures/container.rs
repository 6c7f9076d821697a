//! `.cvd .cld .cud`: the formats within a container, flat.
//!
//! Opened here, not verified: digests and signatures are checked where files arrive.

use unpack::published::{self, Fault, Header, Room};

/// Members of one container.
const MOST_MEMBERS: usize = 4096;

/// One file within.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Opens a container; together its members may have at most `limit` bytes.
pub fn members(bytes: &[u8], limit: u64) -> Result<Vec<Member>, Fault> {
    if bytes.len() < published::HEADER {
        return Err(Fault::Header("it is shorter than one"));
    }
    Header::parse(bytes)?;
    let mut members = Vec::new();
    published::container::<Fault>(bytes, Room { bytes: limit, files: MOST_MEMBERS }, &mut |name, bytes| {
        members.push(Member { name: name.to_owned(), bytes });
        Ok(())
    })?;
    if members.is_empty() { Err(Fault::CutOff) } else { Ok(members) }
}
