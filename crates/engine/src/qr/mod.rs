//! QR codes in pictures: the links that filters of text do not see.
//!
//! In: the bytes of a PNG, JPEG or GIF, or a field of squares that a text drew. Out: the addresses its codes hold, as `Pictures` for the URI view, so that every rule
//! about links sees them. The formats' readers are used without the crate `image` around them: eight small crates instead
//! of forty-nine. On by default: most mail has no picture of this size, and what one can cost is bounded by [`PIXELS`].

mod find;

use find::Bitmap;
use mail::views::Pictures;
use mail::views::drawn::Drawing;
use std::io::Cursor;

/// Pixels of a picture that is looked at; a photograph is larger, a code is not.
const PIXELS: usize = 1_500_000;
/// Bytes of a picture.
const BYTES: usize = 2_000_000;
/// Pixels along the longer side when codes are looked for; larger pictures are made smaller.
const SIDE: usize = 1_000;
/// Codes in one picture, and bytes of what one says.
const CODES: usize = 4;
const LONGEST: usize = 2_048;

pub(crate) struct Codes;

/// Brightness by rows.
struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Pictures for Codes {
    fn links(&self, picture: &[u8]) -> Vec<Vec<u8>> {
        if picture.len() > BYTES {
            return Vec::new();
        }
        let grey = match picture {
            [0x89, b'P', b'N', b'G', ..] => png(picture),
            [0xff, 0xd8, 0xff, ..] => jpeg(picture),
            [b'G', b'I', b'F', b'8', ..] => gif(picture),
            _ => None,
        };
        grey.map(smaller).map(read).unwrap_or_default()
    }

    fn reads_drawings(&self) -> bool {
        true
    }

    fn drawn(&self, drawing: &Drawing) -> Option<Vec<u8>> {
        let whole = Field { width: drawing.width, dark: drawing.dark.clone() }.cut()?;
        let lit = Field { width: whole.width, dark: whole.dark.iter().map(|dark| !dark).collect() };
        [Some(whole), lit.cut()].into_iter().flatten().find_map(|field| address(&field.reduced()?.read()?))
    }
}

/// Squares by rows.
struct Field {
    width: usize,
    dark: Vec<bool>,
}

impl Field {
    /// Without what is light around it.
    fn cut(self) -> Option<Field> {
        let rows: Vec<&[bool]> = self.dark.chunks_exact(self.width.max(1)).collect();
        let top = rows.iter().position(|row| row.contains(&true))?;
        let bottom = rows.iter().rposition(|row| row.contains(&true))?;
        let left = rows.iter().filter_map(|row| row.iter().position(|dark| *dark)).min()?;
        let right = rows.iter().filter_map(|row| row.iter().rposition(|dark| *dark)).max()?;
        let dark = rows[top..=bottom].iter().flat_map(|row| &row[left..=right]).copied().collect();
        Some(Field { width: right + 1 - left, dark })
    }

    /// With each square of the code as one: characters are twice as high as wide, and some draw a square as several.
    fn reduced(self) -> Option<Field> {
        let height = self.dark.len() / self.width.max(1);
        let rows: Vec<&[bool]> = self.dark.chunks_exact(self.width.max(1)).collect();
        let across = (1..self.width).filter(|x| rows.iter().any(|row| row[*x] != row[x - 1])).fold(self.width, divisor);
        let down = (1..height).filter(|y| rows[*y] != rows[y - 1]).fold(height, divisor);
        if across == 0 || down == 0 {
            return None;
        }
        let dark = rows.iter().step_by(down).flat_map(|row| row.iter().step_by(across)).copied().collect();
        Some(Field { width: self.width / across, dark })
    }

    fn read(&self) -> Option<String> {
        let at = |x: usize, y: usize| self.dark[y * self.width + x];
        (self.width > 0 && self.dark.len() == self.width * self.width).then(|| find::read(self.width, at)).flatten()
    }
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn read(grey: Grey) -> Vec<Vec<u8>> {
    let prepared =
        rqrr::PreparedImage::prepare_from_greyscale(grey.width, grey.height, |x, y| grey.pixels[y * grey.width + x]);
    let places = (0..grey.height).flat_map(|y| (0..grey.width).map(move |x| (x, y)));
    let dark = places.map(|(x, y)| u8::from(prepared.get_pixel_at(x, y)) != 0).collect();
    let mut picture = Bitmap { width: grey.width, dark };
    let mut found = find::codes(&picture, CODES);
    if found.texts.is_empty() && !found.limited {
        // Light on dark.
        picture.dark.iter_mut().for_each(|dark| *dark = !*dark);
        found = find::codes(&picture, CODES);
    }
    found.texts.iter().filter_map(|text| address(text)).collect()
}

/// Addresses of the web alone: tickets and inventory numbers are nobody's business.
fn address(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    (text.len() <= LONGEST && (begins("http://") || begins("https://"))).then(|| text.as_bytes().to_vec())
}

fn allowed(width: usize, height: usize) -> bool {
    let area = width.checked_mul(height);
    width >= 21 && height >= 21 && area.is_some_and(|area| area <= PIXELS)
}

fn png(bytes: &[u8]) -> Option<Grey> {
    let limits = png::Limits { bytes: PIXELS * 8 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().ok()?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if !allowed(width, height) {
        return None;
    }
    let mut data = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut data).ok()?;
    let samples = frame.color_type.samples();
    let pixels = data.chunks_exact(samples).take(width * height).map(|pixel| match *pixel {
        [grey] => grey,
        [grey, alpha] => over_white(grey, alpha),
        [r, g, b] => brightness(r, g, b),
        [r, g, b, alpha] => over_white(brightness(r, g, b), alpha),
        _ => 255,
    });
    Grey::new(width, height, pixels.collect())
}

fn jpeg(bytes: &[u8]) -> Option<Grey> {
    use zune_jpeg::JpegDecoder;
    use zune_jpeg::zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
    let options = DecoderOptions::default()
        .set_max_width(20_000)
        .set_max_height(20_000)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    if !allowed(width, height) {
        return None;
    }
    let pixels = decoder.decode().ok()?;
    Grey::new(width, height, pixels)
}

fn gif(bytes: &[u8]) -> Option<Grey> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    options.set_memory_limit(gif::MemoryLimit::Bytes(std::num::NonZeroU64::new(PIXELS as u64 * 4)?));
    let mut decoder = options.read_info(Cursor::new(bytes)).ok()?;
    if !allowed(usize::from(decoder.width()), usize::from(decoder.height())) {
        return None;
    }
    let frame = decoder.read_next_frame().ok()??;
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    if !allowed(width, height) {
        return None;
    }
    let pixels = frame.buffer.chunks_exact(4).map(|p| over_white(brightness(p[0], p[1], p[2]), p[3]));
    Grey::new(width, height, pixels.collect())
}

fn brightness(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as u8
}

fn over_white(grey: u8, alpha: u8) -> u8 {
    let alpha = u32::from(alpha);
    ((u32::from(grey) * alpha + 255 * (255 - alpha)) / 255) as u8
}

impl Grey {
    /// `None` where pixels are missing.
    fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Grey> {
        (pixels.len() == width * height).then_some(Grey { width, height, pixels })
    }
}

/// Squares of pixels become one, until the longer side is short enough.
fn smaller(grey: Grey) -> Grey {
    let by = grey.width.max(grey.height).div_ceil(SIDE);
    if by <= 1 {
        return grey;
    }
    let (width, height) = (grey.width / by, grey.height / by);
    let mean = |x: usize, y: usize| {
        let rows = (0..by).flat_map(|dy| {
            let from = (y * by + dy) * grey.width + x * by;
            &grey.pixels[from..from + by]
        });
        (rows.map(|p| u32::from(*p)).sum::<u32>() / (by * by) as u32) as u8
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect();
    Grey { width, height, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_picture_or_too_large_holds_nothing() {
        assert!(Codes.links(b"").is_empty());
        assert!(Codes.links(b"\x89PNG\r\n\x1a\nx").is_empty());
        assert!(Codes.links(&[0xff, 0xd8, 0xff, 0xe0, 1, 2]).is_empty());
        assert!(Codes.links(b"GIF89a\xff\xff\xff\xff").is_empty());
        assert!(!allowed(20, 20) && !allowed(2_000, 2_000) && !allowed(usize::MAX, 2) && allowed(200, 200));
    }

    #[test]
    fn large_pictures_are_made_smaller() {
        let grey = smaller(Grey { width: 1_200, height: 40, pixels: vec![7; 48_000] });
        assert_eq!((grey.width, grey.height, grey.pixels.len()), (600, 20, 12_000));
        assert!(grey.pixels.iter().all(|p| *p == 7));
    }
}
