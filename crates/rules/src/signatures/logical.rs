//! `.ldb`: several sub-signatures, joined by an expression.

use super::expression::{MOST_SUBS, Order};
use super::set::{ByteCompare, Conditions, Logical, NumberForm, SignatureId, Sub, owner_nobody, owner_of_sub};
use super::{Expression, FileType, Line, Loader, Refused, Target, bad, body, number, place, range};
use patterns::signature::{Modifiers, Offset, Pcre, PcreFlags, SignatureSpec};

/// `Name;Conditions;Expression;Sub0[;Sub1...]`
pub(super) fn line(loader: &mut Loader<'_>, line: &Line<'_>) -> Result<(), Refused> {
    let tokens = split(line.text, b';', 3);
    let [name, conditions, logic, subs @ ..] = &tokens[..] else {
        return bad("expected `Name;Conditions;Expression;Sub0`", 0..line.text.len());
    };
    if subs.is_empty() {
        return bad("a sub-signature is missing", line.text.len()..line.text.len());
    }
    let name = loader.check_name(name, line)?;
    let (target, conditions) = self::conditions(loader, line, conditions)?;
    let start = place(line, logic).start;
    let expression = Expression::parse(logic)
        .map_err(|(at, reason)| Refused::Bad { message: reason.into(), at: start + at..start + at + 1 })?;
    if subs.len() > MOST_SUBS {
        return bad("there are more than 64 sub-signatures", place(line, subs[MOST_SUBS]));
    }
    if subs.len() != usize::from(expression.highest()) + 1 {
        let message = format!(
            "the expression names {} sub-signatures, and there are {}",
            usize::from(expression.highest()) + 1,
            subs.len()
        );
        return bad(message, place(line, logic));
    }
    let logical = loader.set.logical.len() as u32;
    let first_owner = loader.owners.len();
    let first_sub = loader.set.sub_owners.len();
    let first_pcre = loader.set.pcres.len();
    match read_subs(loader, line, logical, target, &expression, subs) {
        Ok(subs) => {
            let id = loader.name(name, line);
            if must_always_be_tried(&expression, &subs) {
                loader.set.always.entry(target as u8).or_default().push(logical);
            }
            let signature = SignatureId(id);
            loader.set.logical.push(Logical { signature, target, expression, conditions, subs, yara: None });
            Ok(())
        }
        Err(refused) => {
            // Strings that were taken already belong to nobody.
            loader.owners[first_owner..].fill(owner_nobody());
            loader.set.sub_owners.truncate(first_sub);
            loader.set.pcres.truncate(first_pcre);
            Err(refused)
        }
    }
}

/// Fields; from field `after` on, a separator between slashes does not count.
fn split(text: &[u8], separator: u8, after: usize) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut slashes = false;
    for at in 0..text.len() {
        if text[at] == separator && !slashes {
            fields.push(&text[start..at]);
            start = at + 1;
        } else if text[at] == b'/' && fields.len() >= after && (at == 0 || text[at - 1] != b'\\') {
            slashes = !slashes;
        }
    }
    fields.push(&text[start..]);
    fields
}

fn conditions(loader: &Loader<'_>, line: &Line<'_>, text: &[u8]) -> Result<(Target, Conditions), Refused> {
    let mut target = None;
    let mut conditions = Conditions::default();
    for token in text.split(|b| *b == b',') {
        let Some(colon) = token.iter().position(|b| *b == b':') else {
            return bad("a condition is `Key:value`", place(line, token));
        };
        let (key, value) = (&token[..colon], &token[colon + 1..]);
        let span = || match range(value) {
            Some(Some(range)) => Ok(range),
            _ => bad("expected a range a-b", place(line, value)),
        };
        let kind = |value: &[u8]| FileType::from_name(&String::from_utf8_lossy(value)).ok_or(Refused::Skip);
        match key {
            b"Engine" => {
                let (min, max) = span()?;
                let own = u64::from(loader.options.functionality_level);
                if own < min || own > max {
                    return Err(Refused::Skip);
                }
            }
            b"Target" => match number(value) {
                Some(number) => {
                    target = Some(u32::try_from(number).ok().and_then(Target::from_number).ok_or(Refused::Skip)?);
                }
                None => return bad("a target is a number from 0 to 14", place(line, value)),
            },
            b"FileSize" => conditions.file_size = Some(span()?),
            b"EntryPoint" => conditions.entry_point = Some(span()?),
            b"NumberOfSections" => conditions.sections = Some(span()?),
            b"Container" => {
                // ClamAV compares with the container's own kind, which is never "any".
                conditions.container = Some(kind(value)?);
            }
            b"Intermediates" => {
                for value in value.split(|b| *b == b'>') {
                    conditions.intermediates.push(kind(value)?);
                }
                if conditions.intermediates.len() > 16 {
                    return bad("there are more than 16 intermediate kinds", place(line, value));
                }
            }
            b"HandlerType" => conditions.handler = Some(kind(value)?),
            b"IconGroup1" | b"IconGroup2" => conditions.icon = true,
            // Of a later version.
            _ => return Err(Refused::Skip),
        }
    }
    match target {
        Some(target) => Ok((target, conditions)),
        None => bad("`Target:` is missing", place(line, text)),
    }
}

fn read_subs(
    loader: &mut Loader<'_>,
    line: &Line<'_>,
    logical: u32,
    target: Target,
    expression: &Expression,
    fields: &[&[u8]],
) -> Result<Vec<Sub>, Refused> {
    let mut subs = Vec::with_capacity(fields.len());
    // Other sub-signatures need every place of the strings they refer to.
    let others = |field: &&&[u8]| field.starts_with(b"$") || field.contains(&b'#') || field.contains(&b'/');
    let every = expression.counts() || fields.iter().any(|field| others(&field));
    for (index, field) in fields.iter().enumerate() {
        let sub = if field.starts_with(b"$") {
            macro_sub(line, field, index)?
        } else if field.contains(&b'/') {
            pcre_sub(loader, line, field, index, target)?
        } else if let Some(compare) = byte_compare(line, field)? {
            compare
        } else if let Some(hash) = field.strip_prefix(b"fuzzy_img#") {
            let mut parts = hash.splitn(2, |b| *b == b'#');
            let bytes = parts.next().and_then(super::hex_bytes).and_then(|bytes| bytes.try_into().ok());
            match (bytes, parts.next()) {
                (Some(bytes), None | Some(b"0")) => {
                    loader.pictures += 1;
                    Sub::Image(bytes)
                }
                _ => {
                    return bad(
                        "expected `fuzzy_img#` with sixteen hexadecimal digits and distance 0",
                        place(line, field),
                    );
                }
            }
        } else {
            body_sub(loader, line, field, (logical, index as u8), target, every)?
        };
        subs.push(sub);
    }
    Ok(subs)
}

/// `[offset:]hex[::options]`
fn body_sub(
    loader: &mut Loader<'_>,
    line: &Line<'_>,
    field: &[u8],
    owner: (u32, u8),
    target: Target,
    every: bool,
) -> Result<Sub, Refused> {
    let tokens = split(field, b':', 0);
    let (offset, hex, letters): (&[u8], &[u8], &[u8]) = match tokens[..] {
        [hex] => (b"*", hex, b""),
        [offset, hex] => (offset, hex, b""),
        [hex, _, letters] => (b"*", hex, letters),
        [offset, hex, _, letters] => (offset, hex, letters),
        _ => return bad("a sub-signature is `offset:hex::options`", place(line, field)),
    };
    let offset = body::offset(line, offset, target)?;
    let modifiers = Modifiers::parse(letters).map_err(|error| body::within(line, letters, error))?;
    let spec = SignatureSpec { hex, modifiers, offset, group: target as u8, every };
    let ids = loader.body.add(spec).map_err(|error| body::within(line, hex, error))?;
    let index = loader.set.sub_owners.len();
    loader.set.sub_owners.push(owner);
    loader.owners.extend(ids.map(|_| owner_of_sub(index)));
    Ok(Sub::Body)
}

/// `${min-max}group$`
fn macro_sub(line: &Line<'_>, field: &[u8], index: usize) -> Result<Sub, Refused> {
    let parse = || {
        let inner = field.strip_prefix(b"${")?.strip_suffix(b"$")?;
        let close = inner.iter().position(|b| *b == b'}')?;
        let dash = inner[..close].iter().position(|b| *b == b'-')?;
        let word = |text: &[u8]| number(text).and_then(|n| u32::try_from(n).ok());
        Some((word(&inner[..dash])?, word(&inner[dash + 1..close])?, word(&inner[close + 1..])?))
    };
    match parse() {
        Some((min, max, group)) if group < 32 && index > 0 => Ok(Sub::Macro { min, max, group: group as u8 }),
        Some((.., group)) if group < 32 => bad("a macro cannot be the first sub-signature", place(line, field)),
        _ => bad("a macro is `${min-max}group$`, with a group below 32", place(line, field)),
    }
}

/// `[offset:]trigger/expression/[flags]`
fn pcre_sub(
    loader: &mut Loader<'_>,
    line: &Line<'_>,
    field: &[u8],
    index: usize,
    target: Target,
) -> Result<Sub, Refused> {
    let tokens = split(field, b':', 0);
    let (offset, rest) = match tokens[..] {
        [rest] => (&b"*"[..], rest),
        [offset, rest] => (offset, rest),
        _ => return bad("an expression is `offset:trigger/expression/flags`", place(line, field)),
    };
    let offset = body::offset(line, offset, target)?;
    if matches!(offset, Offset::Macro(_)) {
        return bad("an expression cannot be a macro", place(line, field));
    }
    let slash = |at: Option<usize>| at.unwrap_or(0);
    let first = slash(rest.iter().position(|b| *b == b'/'));
    let last = slash(rest.iter().rposition(|b| *b == b'/'));
    if first == last {
        return bad("the expression's second `/` is missing", place(line, field));
    }
    let (trigger, source, letters) = (&rest[..first], &rest[first + 1..last], &rest[last + 1..]);
    if trigger.is_empty() || source.is_empty() {
        return bad("an expression needs a trigger before it", place(line, field));
    }
    let start = place(line, trigger).start;
    let trigger = Expression::parse(trigger)
        .map_err(|(at, reason)| Refused::Bad { message: reason.into(), at: start + at..start + at + 1 })?;
    if usize::from(trigger.highest()) >= index {
        return bad("a trigger names earlier sub-signatures only", start..start + first);
    }
    let mut flags = PcreFlags::default();
    let (mut global, mut rolling, mut encompass) = (false, false, false);
    for letter in letters {
        match letter {
            b'g' => global = true,
            b'r' => rolling = true,
            b'e' => encompass = true,
            b'i' => flags.caseless = true,
            b's' => flags.dot_all = true,
            b'm' => flags.multiline = true,
            b'x' => flags.extended = true,
            b'A' => flags.anchored = true,
            b'E' => flags.dollar_end_only = true,
            b'U' => flags.ungreedy = true,
            _ => return bad("flags are g r e i s m x A E U", place(line, letters)),
        }
    }
    Pcre::check(source, flags).map_err(|error| body::within(line, source, error))?;
    let pcre = loader.set.pcres.len() as u32;
    loader.set.pcres.push(Pcre::new(source, flags));
    Ok(Sub::Pcre { trigger, pcre, offset, global, rolling, encompass })
}

/// `id(offset#options#comparisons)`; `None`: it is something else.
fn byte_compare(line: &Line<'_>, field: &[u8]) -> Result<Option<Sub>, Refused> {
    let (Some(open), Some(first)) = (field.iter().position(|b| *b == b'('), field.iter().position(|b| *b == b'#'))
    else {
        return Ok(None);
    };
    if field.iter().rposition(|b| *b == b'#') == Some(first) {
        return Ok(None);
    }
    let wrong = || bad("a comparison is `id(offset#options#=value)`", place(line, field));
    let Some(sub) = number(&field[..open]).filter(|sub| *sub < MOST_SUBS as u64) else { return wrong() };
    let Some(inner) = field[open + 1..].strip_suffix(b")") else { return wrong() };
    let parts: Vec<&[u8]> = inner.split(|b| *b == b'#').collect();
    let [offset, options, comparisons] = parts[..] else { return wrong() };
    let offset = match offset {
        [b'>', b'>', rest @ ..] => integer(rest),
        [b'<', b'<', rest @ ..] => integer(rest).map(|n| -n),
        [] | [b'0', ..] => Some(0),
        _ => None,
    };
    let Some(offset) = offset.filter(|offset| offset.unsigned_abs() < 1 << 40) else { return wrong() };
    let letters = options.iter().take_while(|b| !b.is_ascii_digit()).count();
    let (letters, len) = options.split_at(letters);
    let Some(len) = integer(len).and_then(|len| u32::try_from(len).ok()) else { return wrong() };
    let mut form = None;
    let (mut little_endian, mut exact) = (None, false);
    for letter in letters {
        let new = match letter {
            b'h' => NumberForm::Hexadecimal,
            b'd' => NumberForm::Decimal,
            b'a' => NumberForm::Automatic,
            b'i' => NumberForm::Binary,
            b'l' if little_endian != Some(false) => {
                little_endian = Some(true);
                continue;
            }
            b'b' if little_endian != Some(true) => {
                little_endian = Some(false);
                continue;
            }
            b'e' => {
                exact = true;
                continue;
            }
            _ => return wrong(),
        };
        if form.is_some_and(|form| form != new) {
            return wrong();
        }
        form = Some(new);
    }
    let Some(form) = form else { return wrong() };
    let little_endian = little_endian.unwrap_or(false);
    let fits = match form {
        NumberForm::Binary => matches!(len, 1 | 2 | 4 | 8),
        NumberForm::Hexadecimal => (1..=18).contains(&len),
        NumberForm::Decimal => (1..=256).contains(&len) && !little_endian,
        NumberForm::Automatic => (1..=256).contains(&len),
    };
    if !fits {
        return bad("this number of bytes cannot be compared in this form", place(line, options));
    }
    let mut read = Vec::new();
    for comparison in comparisons.split(|b| *b == b',') {
        let (order, value) = match comparison {
            [b'<', rest @ ..] => (Order::Less, integer(rest)),
            [b'>', rest @ ..] => (Order::More, integer(rest)),
            [b'=', rest @ ..] => (Order::Equal, integer(rest)),
            _ => return wrong(),
        };
        let Some(value) = value else { return wrong() };
        read.push((order, value));
    }
    if read.len() > 2 {
        return wrong();
    }
    let sub = sub as u8;
    Ok(Some(Sub::Compare(ByteCompare { sub, offset, form, little_endian, exact, len, comparisons: read })))
}

/// Decimal, or hexadecimal after `0x`.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // A leading sign is not taken.
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| i64::from_str_radix(digits, radix).ok()).flatten()
}

/// Can it hit where none of its strings lies?
fn must_always_be_tried(expression: &Expression, subs: &[Sub]) -> bool {
    let nothing = [0; MOST_SUBS];
    let starts = |sub: &Sub| match sub {
        Sub::Pcre { trigger, .. } => trigger.holds(&nothing),
        _ => false,
    };
    expression.holds(&nothing) || subs.iter().any(starts)
}
