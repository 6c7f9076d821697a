//! Formats of one line, one signature: strings of bytes, digests, addresses, magics, passwords.

use super::set::{owner_of_macro, owner_of_signature};
use super::tables::{AddressDigest, AddressForm, AddressPattern, DigestForm, Magic, Password};
use super::{FileType, Line, Loader, Refused, Target, bad, fields, hex_bytes, number, place, range};
use patterns::PatternError;
use patterns::signature::{Modifiers, Offset, SignatureSpec};

/// A finding within a field.
pub(super) fn within(line: &Line<'_>, field: &[u8], error: PatternError) -> Refused {
    let start = place(line, field).start + error.offset.min(field.len());
    Refused::Bad { message: error.reason, at: start..start + 1 }
}

/// `Name:Target:Offset:Hex[:MinFL[:MaxFL]]`
pub(super) fn line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let ([name, target, offset, hex, min, max], count) = fields::<6>(line.text, b':');
    let (Some(name), Some(target), Some(offset), Some(hex)) = (name, target, offset, hex) else {
        return bad("expected `Name:Target:Offset:Hex`", 0..line.text.len());
    };
    if count > 6 {
        return bad("there are more than six fields", 0..line.text.len());
    }
    let name = loader.check_name(name, line)?;
    loader.check_levels(line, min, max)?;
    let Some(target) = target_number(target, line)? else { return Err(Refused::Skip) };
    string(loader, line, name, target, offset, hex)
}

/// `None`: of a later version.
fn target_number(field: &[u8], line: &Line<'_>) -> Result<Option<Target>, Refused> {
    if field == b"*" {
        return Ok(Some(Target::Any));
    }
    match number(field) {
        Some(number) => Ok(u32::try_from(number).ok().and_then(Target::from_number)),
        None => bad("a target is a number from 0 to 14", place(line, field)),
    }
}

fn string(
    loader: &mut Loader<'_>,
    line: &Line<'_>,
    name: &[u8],
    target: Target,
    offset_field: &[u8],
    hex: &[u8],
) -> Result<(), Refused> {
    let offset = offset(line, offset_field, target)?;
    // What has no wildcard goes to another matcher of ClamAV's, which wants three bytes.
    let searched = target == Target::Any || target == Target::Executable && !matches!(offset, Offset::Any);
    if searched && hex.len() < 6 && !matches!(offset, Offset::Macro(_)) && hex.iter().all(u8::is_ascii_hexdigit) {
        return bad("a string without wildcards needs three bytes", place(line, hex));
    }
    let spec = SignatureSpec {
        hex,
        modifiers: Modifiers::default(),
        offset,
        group: target as u8,
        every: matches!(offset, Offset::Macro(_)),
    };
    let ids = loader.body.add(spec).map_err(|error| within(line, hex, error))?;
    let id = loader.name(name, line);
    let owner = match offset {
        Offset::Macro(group) => owner_of_macro(group),
        _ => owner_of_signature(id),
    };
    loader.owners.extend(ids.map(|_| owner));
    Ok(())
}

pub(super) fn offset(line: &Line<'_>, field: &[u8], target: Target) -> Result<Offset, Refused> {
    let offset = Offset::parse(field).map_err(|error| within(line, field, error))?;
    if offset.is_executable() && !target.is_executable() {
        return bad("this offset is for executables alone", place(line, field));
    }
    Ok(offset)
}

/// `Name=Hex`
pub(super) fn bare_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let Some(equals) = line.text.iter().position(|b| *b == b'=') else {
        return bad("expected `Name=Hex`", 0..line.text.len());
    };
    let (name, hex) = (&line.text[..equals], &line.text[equals + 1..]);
    let name = loader.check_name(name, line)?;
    string(loader, line, name, Target::Any, b"*", hex)
}

/// `Digest:Size:Name[:MinFL[:MaxFL]]`
fn digest<'a>(loader: &Loader<'_>, line: &Line<'a>) -> Result<(Vec<u8>, Option<u32>, &'a [u8]), Refused> {
    let ([digest, size, name, min, max], count) = fields::<5>(line.text, b':');
    let (Some(digest), Some(size), Some(name)) = (digest, size, name) else {
        return bad("expected `Digest:Size:Name`", 0..line.text.len());
    };
    if count > 5 {
        return bad("there are more than five fields", 0..line.text.len());
    }
    let bytes = hex_bytes(digest).filter(|bytes| matches!(bytes.len(), 16 | 20 | 32));
    let Some(bytes) = bytes else {
        return bad("a digest is MD5, SHA-1 or SHA-256 in hexadecimal", place(line, digest));
    };
    let name = loader.check_name(name, line)?;
    loader.check_levels(line, min, max)?;
    if size == b"*" {
        if min.and_then(number).is_none_or(|min| min < 73) {
            return bad("a size of * needs a functionality level of 73 or more", place(line, size));
        }
        return Ok((bytes, None, name));
    }
    match number(size).and_then(|size| u32::try_from(size).ok()) {
        Some(size) if size != 0 && size != u32::MAX => Ok((bytes, Some(size), name)),
        _ => bad("the size is not a number of bytes", place(line, size)),
    }
}

pub(super) fn hash_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let (bytes, size, name) = digest(loader, line)?;
    let id = loader.name(name, line);
    loader.hashes.add(bytes, size, id);
    Ok(())
}

pub(super) fn trusted_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let (bytes, size, name) = digest(loader, line)?;
    let id = loader.name(name, line);
    loader.allowed.add(bytes, size, id);
    Ok(())
}

/// Cuts a trailing `:level`, `:from-to` off; passes over lines for other versions.
fn without_level<'a>(loader: &Loader<'_>, line: &Line<'a>, text: &'a [u8]) -> Result<&'a [u8], Refused> {
    let Some(colon) = text.iter().rposition(|b| *b == b':') else { return Ok(text) };
    let level = &text[colon + 1..];
    let Some(Some((min, max))) = (level.first().is_some_and(u8::is_ascii_digit)).then(|| range(level)).flatten() else {
        return Ok(text);
    };
    let own = u64::from(loader.options.functionality_level);
    // A bare number is the lowest level, not the only one.
    let max = if level.contains(&b'-') { max } else { u64::MAX };
    let _ = line;
    if own < min || own > max { Err(Refused::Skip) } else { Ok(&text[..colon]) }
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// `R:regex[:FL]`, `H:host[:FL]`; `R1:` and the like are the old filters.
pub(super) fn protected_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let Some(colon) = line.text.iter().position(|b| *b == b':') else {
        return bad("expected `R:expression` or `H:host`", 0..line.text.len());
    };
    let form = match line.text.first() {
        Some(b'R') => AddressForm::ProtectedRegex,
        Some(b'H') => AddressForm::ProtectedHost,
        _ => return bad("expected `R:expression` or `H:host`", 0..colon),
    };
    let field = without_level(loader, line, &line.text[colon + 1..])?;
    if field.is_empty() {
        return bad("the address is missing", colon..line.text.len());
    }
    let pattern = AddressPattern { form, fields: vec![text(field)] };
    if form == AddressForm::ProtectedRegex
        && let Err(why) = pattern.expression()
    {
        return bad(why, place(line, field));
    }
    loader.set.phishing.protected.push(pattern);
    Ok(())
}

/// `X:real:displayed[:FL]`, `Y:real[:FL]`, `M:real:displayed[:FL]`
pub(super) fn allowed_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    const WANTED: &str = "expected `X:real:displayed`, `Y:real` or `M:real:displayed`";
    let Some(colon) = line.text.iter().position(|b| *b == b':') else {
        return bad(WANTED, 0..line.text.len());
    };
    let form = match line.text.first() {
        Some(b'X') => AddressForm::AllowedRegexes,
        Some(b'Y') => AddressForm::AllowedRealRegex,
        Some(b'M') => AddressForm::AllowedHosts,
        _ => return bad(WANTED, 0..colon),
    };
    let rest = without_level(loader, line, &line.text[colon + 1..])?;
    let fields: Vec<String> = match form {
        AddressForm::AllowedRealRegex => vec![text(rest)],
        _ => match rest.iter().position(|b| *b == b':') {
            Some(colon) => vec![text(&rest[..colon]), text(&rest[colon + 1..])],
            None => return bad(WANTED, colon + 1..line.text.len()),
        },
    };
    if fields.iter().any(String::is_empty) {
        return bad("an address is missing", colon..line.text.len());
    }
    let pattern = AddressPattern { form, fields };
    if form != AddressForm::AllowedHosts
        && let Err(why) = pattern.expression()
    {
        return bad(why, place(line, rest));
    }
    loader.set.phishing.allowed.push(pattern);
    Ok(())
}

/// `S[1|2]:P:prefix`, `S[1|2]:F:sha256`, `S:W:sha256`
pub(super) fn digest_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let ([list, form, digest, level], _) = fields::<4>(line.text, b':');
    let (Some(list), Some(form), Some(digest)) = (list, form, digest) else {
        return bad("expected `S:F:digest`", 0..line.text.len());
    };
    let list = match list {
        b"S" => 0,
        b"S1" => 1,
        b"S2" => 2,
        _ => return bad("expected S, S1 or S2", place(line, list)),
    };
    let form = match form {
        b"P" => DigestForm::Prefix,
        b"F" => DigestForm::Full,
        b"W" => DigestForm::Allowed,
        _ => return bad("expected P, F or W", place(line, form)),
    };
    let len = if form == DigestForm::Prefix { 4 } else { 32 };
    let Some(bytes) = hex_bytes(digest).filter(|bytes| bytes.len() == len) else {
        return bad(format!("expected {len} bytes in hexadecimal"), place(line, digest));
    };
    if let Some(level) = level {
        let own = u64::from(loader.options.functionality_level);
        match range(level) {
            Some(Some((min, max))) => {
                let max = if level.contains(&b'-') { max } else { u64::MAX };
                if own < min || own > max {
                    return Err(Refused::Skip);
                }
            }
            _ => return bad("a functionality level is a number or a range", place(line, level)),
        }
    }
    loader.set.phishing.digests.push(AddressDigest { list, form, bytes });
    Ok(())
}

/// `MagicType:Offset:Hex:Name:RequiredType:DetectedType[:MinFL[:MaxFL]]`
pub(super) fn magic_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let ([form, offset, hex, name, required, detected, min, max], count) = fields::<8>(line.text, b':');
    let (Some(form), Some(offset), Some(hex), Some(name), Some(required), Some(detected)) =
        (form, offset, hex, name, required, detected)
    else {
        return bad("expected `MagicType:Offset:Hex:Name:RequiredType:DetectedType`", 0..line.text.len());
    };
    if count > 8 {
        return bad("there are more than eight fields", 0..line.text.len());
    }
    // Publishers leave the first of two levels empty.
    loader.check_levels(line, min.filter(|min| !min.is_empty()), max)?;
    let form_number = match form {
        b"0" => 0,
        b"1" => 1,
        b"4" => 4,
        _ => return bad("a magic is of type 0, 1 or 4", place(line, form)),
    };
    let kind = |field: &[u8]| match FileType::from_name(&String::from_utf8_lossy(field)) {
        Some(kind) => Ok(kind),
        None => bad("this kind of file is not known", place(line, field)),
    };
    let (required, detected) = (kind(required)?, kind(detected)?);
    let bytes = hex_bytes(hex).filter(|bytes| !bytes.is_empty());
    let magic =
        Magic { name: text(name), form: form_number, offset: text(offset), hex: text(hex), bytes, required, detected };
    // By the table that will hold it.
    let asked = unpack::Magic {
        class: magic.form,
        offset: &magic.offset,
        pattern: &magic.hex,
        required: None,
        kind: unpack::Kind::from_clam_name(magic.detected.name()).unwrap_or(unpack::Kind::TextAscii),
    };
    if let Err(why) = unpack::Magics::empty().add(&asked) {
        return bad(why, place(line, if why.contains("offset") { offset } else { hex }));
    }
    loader.set.magics.push(magic);
    Ok(())
}

/// `Name;[Engine:a-b,Container:CL_TYPE_x];0|1;Password`
pub(super) fn password_line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let mut fields = line.text.splitn(4, |b| *b == b';');
    let (Some(name), Some(conditions), Some(form), Some(password)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return bad("expected `Name;Conditions;0 or 1;Password`", 0..line.text.len());
    };
    let name = loader.check_name(name, line)?;
    let mut container = FileType::any();
    for condition in conditions.split(|b| *b == b',').filter(|condition| !condition.is_empty()) {
        if let Some(kind) = condition.strip_prefix(b"Container:") {
            match FileType::from_name(&String::from_utf8_lossy(kind)) {
                Some(kind) => container = kind,
                None => return Err(Refused::Skip),
            }
        } else if let Some(levels) = condition.strip_prefix(b"Engine:") {
            let Some(Some((min, max))) = range(levels) else {
                return bad("a range of levels is a-b", place(line, levels));
            };
            let own = u64::from(loader.options.functionality_level);
            if own < min || own > max {
                return Err(Refused::Skip);
            }
        } else {
            return Err(Refused::Skip);
        }
    }
    let password = match form {
        b"0" => password.to_vec(),
        b"1" => match hex_bytes(password) {
            Some(bytes) => bytes,
            None => return bad("the password is not hexadecimal", place(line, password)),
        },
        _ => return bad("the password's form is 0 (text) or 1 (hexadecimal)", place(line, form)),
    };
    loader.set.passwords.push(Password { name: text(name), container, password });
    Ok(())
}
