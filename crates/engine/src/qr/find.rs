//! Where in a picture a QR code lies, and which of its squares are dark.
//!
//! In: a picture in black and white. Out: what its codes say. The library that reads the squares (`rqrr`) can look for codes
//! as well, but copies the picture for every pair of neighbouring corner marks, walks in spirals as long as a skewed corner
//! makes them, and stops at nothing: a stranger's picture of 1,000 pixels could hold a thread for minutes. Here every
//! step is bounded: one pass makes connected areas, one pass finds corner marks (a ring around a square, 1:1:3:1:1), and of
//! at most [`MARKS`] marks the triples that stand at right angles are tried, [`TRIES`] in all. Codes may be turned and
//! slanted a little; photographs of paper seen from the side are not read.

use std::collections::HashMap;

/// Corner marks in one picture. A code has three.
pub(crate) const MARKS: usize = 16;
/// Codes that are read in one picture, tried sizes included.
const TRIES: usize = 24;

/// Black and white, by rows.
pub(crate) struct Bitmap {
    pub width: usize,
    pub dark: Vec<bool>,
}

/// What was found, and whether more was there than is looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub texts: Vec<String>,
    pub limited: bool,
}

/// A corner mark: its middle, and how wide one square of the code is.
#[derive(Debug, Clone, Copy)]
struct Mark {
    x: f64,
    y: f64,
    module: f64,
}

/// Dark pixels in a row.
struct Run {
    start: u32,
    end: u32,
    area: u32,
}

#[derive(Default, Clone, Copy)]
struct Area {
    pixels: u64,
    x: u64,
    y: u64,
}

impl Area {
    fn middle(self) -> (f64, f64) {
        let pixels = self.pixels.max(1) as f64;
        (self.x as f64 / pixels + 0.5, self.y as f64 / pixels + 0.5)
    }
}

pub(crate) fn codes(picture: &Bitmap, wanted: usize) -> Found {
    let mut found = Found::default();
    let marks = match marks(picture) {
        Some(marks) => marks,
        None => return Found { limited: true, ..found },
    };
    let mut used = vec![false; marks.len()];
    let mut tries = 0;
    for (corner, right, down) in triples(&marks) {
        if found.texts.len() >= wanted {
            break;
        }
        if used[corner] || used[right] || used[down] {
            continue;
        }
        let (a, b, c) = (marks[corner], marks[right], marks[down]);
        for size in sizes(a, b, c) {
            if tries >= TRIES {
                found.limited = true;
                return found;
            }
            tries += 1;
            if let Some(text) = read(size, |x, y| sample(picture, a, b, c, size, x, y)) {
                found.texts.push(text);
                (used[corner], used[right], used[down]) = (true, true, true);
                break;
            }
        }
    }
    found
}

/// What the squares of a code of a size say.
pub(crate) fn read(size: usize, dark: impl Fn(usize, usize) -> bool) -> Option<String> {
    if !(21..=177).contains(&size) || size % 4 != 1 {
        return None;
    }
    let grid = rqrr::Grid::new(rqrr::SimpleGrid::from_func(size, dark));
    grid.decode().ok().map(|(_, text)| text)
}

/// Connected dark areas, and of them those that are a square within a ring. `None` where there are too many.
fn marks(picture: &Bitmap) -> Option<Vec<Mark>> {
    let mut rows: Vec<std::ops::Range<usize>> = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut parents: Vec<u32> = Vec::new();
    let mut before = 0..0;
    for row in picture.dark.chunks_exact(picture.width.max(1)) {
        let first = runs.len();
        let mut above = before.start;
        let mut x = 0;
        while let Some(start) = row[x..].iter().position(|dark| *dark).map(|at| at + x) {
            let end = row[start..].iter().position(|dark| !*dark).map_or(row.len(), |at| at + start);
            let area = parents.len() as u32;
            parents.push(area);
            let run = Run { start: start as u32, end: end as u32, area };
            while above < before.end && runs[above].end <= run.start {
                above += 1;
            }
            let mut at = above;
            while at < before.end && runs[at].start < run.end {
                unite(&mut parents, runs[at].area, area);
                at += 1;
            }
            runs.push(run);
            x = end;
        }
        before = first..runs.len();
        rows.push(before.clone());
    }

    let mut areas = vec![Area::default(); parents.len()];
    for (y, row) in rows.iter().enumerate() {
        for run in &runs[row.clone()] {
            let area = &mut areas[root(&mut parents, run.area) as usize];
            let pixels = u64::from(run.end - run.start);
            area.pixels += pixels;
            area.x += u64::from(run.start + run.end - 1) * pixels / 2;
            area.y += y as u64 * pixels;
        }
    }

    let mut seen: HashMap<(u32, u32), ()> = HashMap::new();
    let mut marks: Vec<Mark> = Vec::new();
    for row in &rows {
        for three in runs[row.clone()].windows(3) {
            let [left, middle, right] = three else { continue };
            if !like_a_mark(left, middle, right) {
                continue;
            }
            let ring = root(&mut parents, left.area);
            let stone = root(&mut parents, middle.area);
            if ring != root(&mut parents, right.area) || ring == stone || seen.insert((ring, stone), ()).is_some() {
                continue;
            }
            let (ring, stone) = (areas[ring as usize], areas[stone as usize]);
            // 24 squares around 9, about one middle.
            if stone.pixels * 16 > ring.pixels * 10 || ring.pixels * 10 > stone.pixels * 45 {
                continue;
            }
            let module = ((ring.pixels + stone.pixels) as f64 / 33.0).sqrt();
            let ((x, y), (ring_x, ring_y)) = (stone.middle(), ring.middle());
            if (x - ring_x).abs().max((y - ring_y).abs()) > module {
                continue;
            }
            if marks.len() == MARKS {
                return None;
            }
            marks.push(Mark { x, y, module });
        }
    }
    Some(marks)
}

/// 1:1:3:1:1, a little more or less.
fn like_a_mark(left: &Run, middle: &Run, right: &Run) -> bool {
    let lengths = [
        left.end - left.start,
        middle.start - left.end,
        middle.end - middle.start,
        right.start - middle.end,
        right.end - right.start,
    ]
    .map(f64::from);
    let one = lengths.iter().sum::<f64>() / 7.0;
    let near = |length: f64, wanted: f64| (length - wanted * one).abs() <= one * 0.75 + 0.5;
    near(lengths[0], 1.0)
        && near(lengths[1], 1.0)
        && near(lengths[2], 3.0)
        && near(lengths[3], 1.0)
        && near(lengths[4], 1.0)
}

fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while parents[at as usize] != at {
        let up = parents[parents[at as usize] as usize];
        parents[at as usize] = up;
        at = up;
    }
    at
}

fn unite(parents: &mut [u32], one: u32, other: u32) {
    let (one, other) = (root(parents, one), root(parents, other));
    parents[one.max(other) as usize] = one.min(other);
}

/// Marks at a right angle with legs of one length: the corner, the one to its right, the one below it.
fn triples(marks: &[Mark]) -> Vec<(usize, usize, usize)> {
    let mut found: Vec<(f64, (usize, usize, usize))> = Vec::new();
    for (corner, a) in marks.iter().enumerate() {
        for (right, b) in marks.iter().enumerate() {
            for (down, c) in marks.iter().enumerate() {
                let different = corner != right && corner != down && right != down;
                let alike = |m: &Mark| m.module <= a.module * 1.5 && a.module <= m.module * 1.5;
                if !different || !alike(b) || !alike(c) {
                    continue;
                }
                let (ux, uy, vx, vy) = (b.x - a.x, b.y - a.y, c.x - a.x, c.y - a.y);
                let (u, v) = (ux.hypot(uy), vx.hypot(vy));
                // Clockwise, in pictures whose rows go down.
                let cross = ux * vy - uy * vx;
                if u < a.module * 10.0 || v < a.module * 10.0 || cross <= 0.9 * u * v {
                    continue;
                }
                let uneven = (u - v).abs() / u.max(v);
                if uneven < 0.15 {
                    found.push((uneven + 1.0 - cross / (u * v), (corner, right, down)));
                }
            }
        }
    }
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    found.into_iter().map(|(_, triple)| triple).collect()
}

/// Sizes that the distance of the marks speaks for, the likeliest first.
fn sizes(a: Mark, b: Mark, c: Mark) -> impl Iterator<Item = usize> {
    let module = (a.module + b.module + c.module) / 3.0;
    let legs = ((b.x - a.x).hypot(b.y - a.y) + (c.x - a.x).hypot(c.y - a.y)) / 2.0;
    let size = legs / module.max(0.5) + 7.0;
    let version = ((size - 17.0) / 4.0).round().clamp(0.0, 50.0) as i32;
    [0, 1, -1]
        .into_iter()
        .map(move |step| version + step)
        .filter(|v| (1..=40).contains(v))
        .map(|v| (v * 4 + 17) as usize)
}

/// The middle of a square of the code.
fn sample(picture: &Bitmap, a: Mark, b: Mark, c: Mark, size: usize, x: usize, y: usize) -> bool {
    let span = (size - 7) as f64;
    let (u, v) = ((x as f64 - 3.0) / span, (y as f64 - 3.0) / span);
    let px = a.x + (b.x - a.x) * u + (c.x - a.x) * v;
    let py = a.y + (b.y - a.y) * u + (c.y - a.y) * v;
    if px < 0.0 || py < 0.0 || px >= picture.width as f64 {
        return false;
    }
    picture.dark.get(py as usize * picture.width + px as usize).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWN: &str = include_str!("../../tests/qr/drawn.txt");
    const SAYS: &str = "https://login.example.top/verify?id=42";

    /// The drawing of half blocks, light on dark, as squares of a code with a light edge of two.
    fn squares() -> Vec<Vec<bool>> {
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for line in DRAWN.lines() {
            for half in ['▀', '▄'] {
                rows.push(line.chars().map(|c| c != '█' && c != half).collect());
            }
        }
        rows.truncate(rows[0].len());
        rows
    }

    /// A picture of it: `place` says which square of the code lies at a pixel.
    fn picture(side: usize, place: impl Fn(f64, f64) -> (f64, f64)) -> Bitmap {
        let squares = squares();
        let at = |x: f64, y: f64| {
            let inside = x >= 0.0 && y >= 0.0;
            inside && squares.get(y as usize).and_then(|row| row.get(x as usize)).copied().unwrap_or(false)
        };
        let pixels = (0..side).flat_map(|y| (0..side).map(move |x| (x as f64 + 0.5, y as f64 + 0.5)));
        let dark = pixels.map(|(x, y)| place(x, y)).map(|(x, y)| at(x, y)).collect();
        Bitmap { width: side, dark }
    }

    #[test]
    fn codes_are_read_whatever_their_size_and_turn() {
        for scale in [2.0, 3.0, 6.5] {
            let straight = picture(400, |x, y| (x / scale - 5.0, y / scale - 5.0));
            assert_eq!(codes(&straight, 4).texts, [SAYS], "scale {scale}");
        }
        for degrees in [7.0, 45.0, 90.0, 180.0, 261.0] {
            let (sin, cos) = f64::to_radians(degrees).sin_cos();
            let turned = picture(400, |x, y| {
                let (x, y) = ((x - 200.0) / 6.0, (y - 200.0) / 6.0);
                (x * cos + y * sin + 16.5, y * cos - x * sin + 16.5)
            });
            assert_eq!(codes(&turned, 4).texts, [SAYS], "turned by {degrees}");
        }
        let slanted = picture(400, |x, y| ((x - y * 0.06) / 6.0 - 6.0, y / 6.2 - 6.0));
        assert_eq!(codes(&slanted, 4).texts, [SAYS]);
    }

    #[test]
    fn two_codes_are_two() {
        let one = squares().len() as f64 * 4.0 + 20.0;
        let two = picture(400, |x, y| (x % one / 4.0, y / 4.0));
        assert_eq!(codes(&two, 4).texts, [SAYS, SAYS]);
        assert_eq!(codes(&two, 1).texts, [SAYS]);
    }

    #[test]
    fn a_picture_full_of_corner_marks_is_put_aside() {
        let mark = |x: usize, y: usize| {
            let (x, y) = (x / 5, y / 5);
            x < 7 && y < 7 && (x == 0 || y == 0 || x == 6 || y == 6 || (2..5).contains(&x) && (2..5).contains(&y))
        };
        let dark = (0..1_000 * 1_000).map(|at| mark(at % 1_000 % 50, at / 1_000 % 50)).collect();
        assert_eq!(codes(&Bitmap { width: 1_000, dark }, 4), Found { texts: Vec::new(), limited: true });
        // As many as are looked at, none of which belong together: a bounded number of tries.
        let dark = (0..200 * 200).map(|at| mark(at % 200 % 50, at / 200 % 50)).collect();
        assert!(codes(&Bitmap { width: 200, dark }, 4).texts.is_empty());
    }

    #[test]
    fn nothing_is_found_in_noise() {
        let mut state = 7_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 31 == 1
        };
        let dark = (0..300 * 300).map(|_| noise()).collect();
        assert!(codes(&Bitmap { width: 300, dark }, 4).texts.is_empty());
        assert!(codes(&Bitmap { width: 0, dark: Vec::new() }, 4).texts.is_empty());
        assert!(codes(&Bitmap { width: 3, dark: vec![true; 7] }, 4).texts.is_empty());
    }
}
