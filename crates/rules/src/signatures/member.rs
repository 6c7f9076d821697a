//! `.cdb`: members of containers by name, size and place, without looking into them.

use super::set::{MemberSignature, SignatureId};
use super::{FileType, Line, Loader, Refused, bad, body, fields, number, place, range};
use patterns::{Flags, GroupId, PatternSpec};

/// `Name:Container:ContainerSize:FileName:SizeInContainer:SizeReal:Encrypted:Position:Res1:Res2[:MinFL[:MaxFL]]`
pub(super) fn line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let (all, count) = fields::<12>(line.text, b':');
    if !(10..=12).contains(&count) {
        return bad("expected ten to twelve fields", 0..line.text.len());
    }
    let field = |index: usize| all[index].unwrap_or_default();
    let name = loader.check_name(field(0), line)?;
    loader.check_levels(line, all[10], all[11])?;
    let container = match field(1) {
        b"*" => None,
        kind => match FileType::from_name(&String::from_utf8_lossy(kind)) {
            Some(kind) => Some(kind),
            None => return bad("this kind of file is not known", place(line, kind)),
        },
    };
    let span = |index: usize| match range(field(index)) {
        Some(range) => Ok(range),
        None => bad("expected a number, a range a-b, or *", place(line, field(index))),
    };
    let (container_size, packed, size, position) = (span(2)?, span(4)?, span(5)?, span(7)?);
    let encrypted = match field(6) {
        b"*" => None,
        b"0" => Some(false),
        b"1" => Some(true),
        other => return bad("expected 0, 1 or *", place(line, other)),
    };
    let crc32 = match field(8) {
        b"*" | b"" => None,
        other => {
            let value = std::str::from_utf8(other).ok().and_then(|text| u32::from_str_radix(text, 16).ok());
            let value = value.map(u64::from).or_else(|| number(other));
            match value {
                Some(value) => Some((value, value)),
                None => return bad("the checksum is not hexadecimal", place(line, other)),
            }
        }
    };
    let pattern = match field(3) {
        b"*" => None,
        expression => {
            let spec = PatternSpec::regex(GroupId(0), expression, Flags::default());
            Some(loader.member_names.add(spec).map_err(|error| body::within(line, expression, error))?)
        }
    };
    let signature = SignatureId(loader.name(name, line));
    loader.set.members.push(MemberSignature {
        signature,
        container,
        container_size,
        name: pattern,
        packed,
        size,
        encrypted,
        position,
        crc32,
    });
    Ok(())
}
