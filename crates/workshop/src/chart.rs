//! Bars and lines, for a terminal and as SVG.
//!
//! In: titles, labels and numbers. Out: text or an SVG element that stands alone, with a title for those who cannot see it.
//! Labels are strangers' words in part: they are escaped, and cut to the room there is.

use crate::try_rule::width;
use std::fmt::Write;

/// Values of one kind over the same labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    pub values: Vec<f64>,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: String,
    pub labels: Vec<String>,
    pub series: Vec<Series>,
}

const COLOURS: [&str; 4] = ["#b3402e", "#3b6ea8", "#6b8e23", "#8a6d3b"];
const INK: &str = "#222";
const FAINT: &str = "#ddd";
const FONT: &str = "font-family=\"'Noto Sans CJK JP','Noto Sans JP','Hiragino Sans','Yu Gothic',sans-serif\"";
/// Wider than this no label is.
const LABEL: usize = 28;

impl Chart {
    fn sum(&self, at: usize) -> f64 {
        self.series.iter().filter_map(|series| series.values.get(at)).sum()
    }

    /// Horizontal bars with their numbers, `columns` wide.
    pub fn text(&self, columns: usize) -> String {
        let label = self.labels.iter().map(|label| columns_of(label)).max().unwrap_or(0).min(LABEL);
        let most = (0..self.labels.len()).map(|at| self.sum(at)).fold(0.0, f64::max);
        let numbers = number(most).len();
        let room = columns.saturating_sub(label + numbers + 4).max(8);
        let mut out = format!("{}\n", self.title);
        for (at, name) in self.labels.iter().enumerate() {
            let sum = self.sum(at);
            let name = cut(name, label);
            let pad = " ".repeat(label - columns_of(&name).min(label));
            let _ = write!(out, "  {name}{pad} {:>numbers$} ", number(sum));
            let mut drawn = 0;
            let mut running = 0.0;
            for (index, series) in self.series.iter().enumerate() {
                running += series.values.get(at).copied().unwrap_or(0.0);
                let end = if most > 0.0 { (running / most * room as f64).round() as usize } else { 0 };
                let mark = ['█', '░', '▒', '▓'][index % 4];
                out.extend(std::iter::repeat_n(mark, end.saturating_sub(drawn)));
                drawn = drawn.max(end);
            }
            if drawn == 0 && sum > 0.0 {
                out.push('▏');
            }
            out.push('\n');
        }
        if self.series.len() > 1 {
            let legend: Vec<String> = self
                .series
                .iter()
                .enumerate()
                .map(|(index, series)| format!("{} {}", ['█', '░', '▒', '▓'][index % 4], series.name))
                .collect();
            let _ = writeln!(out, "  {}", legend.join("   "));
        }
        out
    }

    /// Horizontal bars as a whole SVG document.
    pub fn svg_bars(&self) -> String {
        let row = 26.0;
        let label = self.labels.iter().map(|label| drawn_width(&cut(label, LABEL))).fold(80.0, f64::max);
        let (left, right, top) = (label + 24.0, 80.0, if self.series.len() > 1 { 66.0 } else { 48.0 });
        let total = 720.0;
        let room = total - left - right;
        let height = top + row * self.labels.len().max(1) as f64 + 16.0;
        let most = (0..self.labels.len()).map(|at| self.sum(at)).fold(0.0, f64::max).max(1.0);
        let mut out = self.head(total, height);
        for (at, label) in self.labels.iter().enumerate() {
            let y = top + row * at as f64;
            let middle = y + row / 2.0 + 4.0;
            let _ = writeln!(
                out,
                "<text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\" font-size=\"13\">{}</text>",
                left - 8.0,
                escape(&cut(label, LABEL))
            );
            let mut x = left;
            for (index, series) in self.series.iter().enumerate() {
                let wide = series.values.get(at).copied().unwrap_or(0.0) / most * room;
                if wide > 0.0 {
                    let _ = writeln!(
                        out,
                        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                        y + 4.0,
                        wide.max(1.0),
                        row - 8.0,
                        COLOURS[index % COLOURS.len()]
                    );
                    x += wide;
                }
            }
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{middle:.0}\" font-size=\"12\" fill=\"#555\">{}</text>",
                x + 6.0,
                number(self.sum(at))
            );
        }
        out.push_str("</svg>\n");
        out
    }

    /// A line a series over the labels, as a whole SVG document.
    pub fn svg_lines(&self) -> String {
        let (total, height) = (720.0, 300.0);
        let (left, right, top, bottom) = (64.0, 20.0, 66.0, 44.0);
        let (wide, high) = (total - left - right, height - top - bottom);
        let most = self.series.iter().flat_map(|series| &series.values).copied().fold(0.0, f64::max);
        let step = nice_step(most);
        let ceiling = (most / step).ceil().max(1.0) * step;
        let count = self.labels.len();
        let x = |at: usize| left + if count > 1 { wide * at as f64 / (count - 1) as f64 } else { wide / 2.0 };
        let y = |value: f64| top + high - value / ceiling * high;
        let mut out = self.head(total, height);
        let mut value = 0.0;
        while value <= ceiling + step / 2.0 {
            let _ = writeln!(
                out,
                "<line x1=\"{left}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"{FAINT}\"/>\n\
                 <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\" font-size=\"12\" fill=\"#555\">{4}</text>",
                y(value),
                total - right,
                left - 6.0,
                y(value) + 4.0,
                number(value)
            );
            value += step;
        }
        let every = count.div_ceil(8).max(1);
        for (at, label) in self.labels.iter().enumerate().filter(|(at, _)| at % every == 0) {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"12\" fill=\"#555\">{}</text>",
                x(at),
                height - bottom + 20.0,
                escape(&cut(label, LABEL))
            );
        }
        for (index, series) in self.series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let points: Vec<String> = series
                .values
                .iter()
                .take(count)
                .enumerate()
                .map(|(at, v)| format!("{:.1},{:.1}", x(at), y(*v)))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                points.join(" ")
            );
            if count <= 62 {
                for (at, v) in series.values.iter().take(count).enumerate() {
                    let _ =
                        writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"{colour}\"/>", x(at), y(*v));
                }
            }
        }
        out.push_str("</svg>\n");
        out
    }

    /// Title, ground and, where there are several series, what their colours mean.
    fn head(&self, total: f64, height: f64) -> String {
        let title = escape(&self.title);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {total:.0} {height:.0}\" role=\"img\" {FONT} fill=\"{INK}\">\n\
             <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"16\" y=\"28\" font-size=\"16\" font-weight=\"600\">{title}</text>\n"
        );
        if self.series.len() > 1 {
            let mut x = 16.0;
            for (index, series) in self.series.iter().enumerate() {
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.0}\" y=\"40\" width=\"12\" height=\"12\" fill=\"{}\"/>\n\
                     <text x=\"{:.0}\" y=\"51\" font-size=\"12\">{}</text>",
                    COLOURS[index % COLOURS.len()],
                    x + 18.0,
                    escape(&cut(&series.name, LABEL))
                );
                x += 40.0 + 7.5 * columns_of(&cut(&series.name, LABEL)) as f64;
            }
        }
        out
    }
}

/// Pixels of a label in 13-pixel letters, rather too many: which fonts there are is not known here.
fn drawn_width(text: &str) -> f64 {
    let letter = |c: char| match c {
        'A'..='Z' | 'm' | 'w' | '…' | '@' => 9.5,
        _ if width(c) > 1 => 13.5,
        _ => 7.6,
    };
    text.chars().map(letter).sum()
}

/// 1, 2 or 5 times a power of ten; about five of them in `most`.
fn nice_step(most: f64) -> f64 {
    let rough = (most / 5.0).max(1.0);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(rough)
}

/// `59,869`; halves and such with two digits.
pub fn number(value: f64) -> String {
    if value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

pub fn columns_of(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// At most so many columns; nothing that moves the cursor.
pub fn cut(text: &str, columns: usize) -> String {
    let clean = |c: char| {
        if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            '?'
        } else {
            c
        }
    };
    if columns_of(text) <= columns {
        return text.chars().map(clean).collect();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars().map(clean) {
        used += width(c);
        if used > columns {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// For XML and HTML, attributes included.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}')
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        Chart {
            title: "国別 & <all>".into(),
            labels: vec!["PH".into(), "日本".into(), "x\u{202e}y\x1b".into()],
            series: vec![
                Series { name: "spam".into(), values: vec![30.0, 10.0, 0.1] },
                Series { name: "ham".into(), values: vec![0.0, 20.0, 0.0] },
            ],
        }
    }

    #[test]
    fn a_terminal_sees_bars() {
        let text = chart().text(40);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines[1].starts_with("  PH   30 ██████████"), "{text}");
        assert!(lines[2].contains('░') && lines[3].ends_with('▏'), "{text}");
        assert!(lines[3].contains("x?y?"), "{text}");
    }

    #[test]
    fn long_labels_have_room() {
        let mut chart = chart();
        chart.labels[0] = "BRAND_NAME_FOREIGN_ADDRESS_X".into();
        let svg = chart.svg_bars();
        let at = svg.find("text-anchor=\"end\"").unwrap();
        let x: f64 = svg[..at].rsplit("x=\"").next().unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(x >= 28.0 * 8.5, "{svg}");
    }

    #[test]
    fn svg_is_well_formed_and_escaped() {
        for svg in [chart().svg_bars(), chart().svg_lines()] {
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            assert!(svg.contains("国別 &amp; &lt;all&gt;") && !svg.contains("<all>") && !svg.contains('\x1b'));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        let empty = Chart { title: String::new(), labels: vec![], series: vec![] };
        assert!(!empty.svg_lines().contains("NaN") && !empty.svg_bars().contains("NaN"));
        assert_eq!(empty.text(80), "\n");
    }

    #[test]
    fn numbers_and_steps_are_round() {
        for (value, said) in
            [(0.0, "0"), (999.0, "999"), (59869.0, "59,869"), (-1234567.0, "-1,234,567"), (0.5, "0.50")]
        {
            assert_eq!(number(value), said);
        }
        for (most, step) in [(0.0, 1.0), (5.0, 1.0), (7.0, 2.0), (60.0, 20.0), (59869.0, 20000.0)] {
            assert_eq!(nice_step(most), step, "{most}");
        }
    }
}
