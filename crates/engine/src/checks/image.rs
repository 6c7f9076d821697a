//! Checks on attached pictures: how many, how large, how much text beside them.

use super::{argument_pattern, perl};
use crate::check::{Arg, Context, Finding, Kinds, Outcome};
use std::collections::BTreeSet;
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gif,
    Png,
    Jpeg,
}

#[derive(Default)]
struct Totals {
    count: u32,
    /// Square pixels.
    area: u64,
    /// (height, width)
    sizes: BTreeSet<(u32, u32)>,
}

#[derive(Default)]
struct Images {
    all: Totals,
    gif: Totals,
    png: Totals,
    jpeg: Totals,
    names: BTreeSet<Vec<u8>>,
}

impl Images {
    fn of(&self, format: &str) -> Option<&Totals> {
        match format {
            "all" => Some(&self.all),
            "gif" => Some(&self.gif),
            "png" => Some(&self.png),
            "jpeg" => Some(&self.jpeg),
            _ => None,
        }
    }
}

fn images(cx: &Context<'_>) -> Rc<Images> {
    cx.memo.get_or_init(|| {
        let mut found = Images::default();
        for (_, part) in cx.views.message.leaves() {
            let format = match part.media_type.as_str() {
                "image/gif" => Format::Gif,
                "image/png" => Format::Png,
                "image/jpeg" | "image/jpg" => Format::Jpeg,
                _ => continue,
            };
            if part.transfer_encoding() != b"base64" {
                continue;
            }
            let size = size(part.decoded(), format).filter(|(height, width)| *height > 0 && *width > 0);
            if size.is_some()
                && let Some(name) = part.name.as_ref().filter(|name| !name.is_empty())
            {
                found.names.insert(name.clone());
            }
            let totals = match format {
                Format::Gif => &mut found.gif,
                Format::Png => &mut found.png,
                Format::Jpeg => &mut found.jpeg,
            };
            for totals in [totals, &mut found.all] {
                totals.count += 1;
                if let Some((height, width)) = size {
                    totals.area = totals.area.saturating_add(u64::from(height) * u64::from(width));
                    totals.sizes.insert((height, width));
                }
            }
        }
        found
    })
}

/// Height and width that a picture's header claims.
fn size(data: &[u8], format: Format) -> Option<(u32, u32)> {
    match format {
        Format::Gif => gif_size(data),
        Format::Png => png_size(data),
        Format::Jpeg => jpeg_size(data),
    }
}

/// For the fuzzer: any bytes, any format.
pub fn picture_size(data: &[u8]) -> Option<(u32, u32)> {
    gif_size(data).or_else(|| png_size(data)).or_else(|| jpeg_size(data))
}

fn gif_size(data: &[u8]) -> Option<(u32, u32)> {
    let rest = data.strip_prefix(b"GIF87a").or_else(|| data.strip_prefix(b"GIF89a"))?;
    let number = |at: usize| Some(u32::from(u16::from_le_bytes([*rest.get(at)?, *rest.get(at + 1)?])));
    Some((number(2)?, number(0)?))
}

fn png_size(data: &[u8]) -> Option<(u32, u32)> {
    let mut rest = data.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let number = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // SpamAssassin steps from one eight-byte group to the next until it meets the header chunk.
    while !rest.is_empty() {
        let kind = rest.get(4..8)?;
        if kind == b"IEND" {
            return None;
        }
        let length = number(rest, 0)?;
        rest = &rest[8..];
        if kind == b"IHDR" && length == 13 {
            return Some((number(rest, 4)?, number(rest, 0)?));
        }
    }
    None
}

fn jpeg_size(data: &[u8]) -> Option<(u32, u32)> {
    let mut rest = data.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, high, low, tail @ ..] = rest else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if matches!(marker, 0xda | 0xd9) || length < 2 {
            return None;
        }
        let block = tail.get(..length - 2).unwrap_or(tail);
        if matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
            let number = |at: usize| Some(u32::from(u16::from_be_bytes([*block.get(at)?, *block.get(at + 1)?])));
            return Some((number(1)?, number(3)?));
        }
        rest = &tail[block.len()..];
    }
}

/// `min <= value <= max`; no maximum, no limit.
pub(super) fn within(value: f64, min: Option<&Arg>, max: Option<&Arg>) -> bool {
    min.is_some_and(|min| value >= perl::number(min)) && max.is_none_or(|max| value <= perl::number(max))
}

/// Bytes of the text that a rule of this kind sees.
pub(super) fn text_length(cx: &Context<'_>) -> usize {
    match cx.kind {
        Kinds::RawBody => cx.views.rawbody().bytes.len(),
        _ => cx.views.body().bytes.len(),
    }
}

pub fn image_count(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [format, bounds @ ..] = args else { return Ok(Finding::NO) };
    let images = images(cx);
    Ok(images.of(format).is_some_and(|found| within(f64::from(found.count), bounds.first(), bounds.get(1))).into())
}

pub fn pixel_coverage(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [format, bounds @ ..] = args else { return Ok(Finding::NO) };
    let images = images(cx);
    Ok(images.of(format).is_some_and(|found| within(found.area as f64, bounds.first(), bounds.get(1))).into())
}

pub fn image_to_text_ratio(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [format, min, max, ..] = args else { return Ok(Finding::NO) };
    let images = images(cx);
    let Some(area) = images.of(format).map(|found| found.area).filter(|area| *area > 0) else { return Ok(Finding::NO) };
    let text = text_length(cx);
    let ratio = text as f64 / area as f64;
    Ok((text > 0 && ratio >= perl::number(min) && ratio < perl::number(max)).into())
}

pub fn image_size_exact(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [format, height, width, ..] = args else { return Ok(Finding::NO) };
    let wanted = height.parse().ok().zip(width.parse().ok());
    let images = images(cx);
    Ok(images.of(format).zip(wanted).is_some_and(|(found, size)| found.sizes.contains(&size)).into())
}

pub fn image_size_range(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let [format, bounds @ ..] = args else { return Ok(Finding::NO) };
    let images = images(cx);
    Ok(images.of(format).is_some_and(|found| any_size_within(&found.sizes, bounds)).into())
}

/// Bounds: least height, least width, greatest height, greatest width; the last two may be missing.
pub(super) fn any_size_within(sizes: &BTreeSet<(u32, u32)>, bounds: &[Arg]) -> bool {
    let (height, width) = (bounds.first(), bounds.get(1));
    sizes
        .iter()
        .any(|(h, w)| within(f64::from(*h), height, bounds.get(2)) && within(f64::from(*w), width, bounds.get(3)))
}

pub fn image_named(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    Ok(args.first().is_some_and(|name| images(cx).names.contains(name.as_bytes())).into())
}

pub fn image_name_regex(cx: &Context<'_>, args: &[Arg]) -> Outcome {
    let Some(pattern) = args.first() else { return Ok(Finding::NO) };
    Ok(images(cx).names.iter().any(|name| argument_pattern::is_match_delimited(pattern, name) == Some(true)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_headers() {
        assert_eq!(gif_size(b"GIF89a\x20\x00\x10\x00\x80\x00\x00"), Some((16, 32)));
        assert_eq!(gif_size(b"GIF89a\x20"), None);
        let png =
            [&b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x20\x00\x00\x00\x10"[..], &[8, 2, 0, 0, 0]].concat();
        assert_eq!(png_size(&png), Some((16, 32)));
        assert_eq!(png_size(b"\x89PNG\r\n\x1a\n\x00\x00"), None);
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20\x03";
        assert_eq!(jpeg_size(jpeg), Some((16, 32)));
        assert_eq!(jpeg_size(b"\xff\xd8\xff\xe0\x00\x01"), None);
        assert_eq!(picture_size(b"BM"), None);
    }
}
