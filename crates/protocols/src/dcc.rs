//! DCC's interface daemon (`dccifd`), in its ASCII protocol: what a message's digests count, at the sites that share counts.
//!
//! Out: options, who handed the message over, an envelope, the message, then the end of the stream. In: two lines of results
//! that are for mail servers, then the header field that DCC would write.

/// What a daemon's answer may have in bytes.
pub const ANSWER: usize = 65_536;
/// What DCC writes as "many".
pub const MANY: i64 = 999_999;

/// Who handed the message over, outside; empty where it is not known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Client<'a> {
    pub address: &'a str,
    pub name: &'a str,
    pub helo: &'a str,
}

/// `spam`: the message is reported as such. `options`: more of them, as `dccifd(8)` has them.
pub fn request(client: Client<'_>, message: &[u8], spam: bool, options: &str) -> Vec<u8> {
    let line = |text: &str| text.chars().filter(|letter| !letter.is_control()).collect::<String>();
    let (address, name) = (line(client.address), line(client.name));
    let mut out = String::from(if spam { "header spam grey-off " } else { "cksums grey-off " });
    out.push_str(&line(options));
    out.push('\n');
    out.push_str(&address);
    if !address.is_empty() && !name.is_empty() {
        out.push('\r');
        out.push_str(&name);
    }
    out.push('\n');
    out.push_str(&line(client.helo));
    // No sender, one recipient whom nobody knows.
    out.push_str("\n\nunknown\n\n");
    let mut out = out.into_bytes();
    out.extend_from_slice(message);
    out
}

/// What DCC counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// `X-DCC-brand-Metrics: ...`, unfolded.
    pub header: String,
    /// `body`, `fuz1`, `fuz2`, `rep`: those that are there.
    pub figures: Vec<(String, i64)>,
}

/// `None`: no answer of this protocol.
pub fn answer(bytes: &[u8]) -> Option<Metrics> {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(ANSWER)]);
    let mut lines = text.split_inclusive('\n').skip(2);
    let mut header = lines.next()?.trim_end().to_owned();
    for more in lines.map_while(|line| line.strip_prefix('\t')) {
        header.push(' ');
        header.push_str(more.trim_end());
    }
    header.starts_with("X-DCC").then_some(())?;
    header.retain(|letter| !letter.is_control());
    let figures = ["Body", "Fuz1", "Fuz2", "rep"]
        .into_iter()
        .filter_map(|name| Some((name.to_ascii_lowercase(), figure(&header, name)?)))
        .collect();
    Some(Metrics { header, figures })
}

/// `Body=many`, `Fuz1=12`, `Fuz2=ok2`.
fn figure(header: &str, name: &str) -> Option<i64> {
    let value = header.split([' ', ';']).find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    let lower = value.to_ascii_lowercase();
    if lower.starts_with("many") {
        return Some(MANY);
    }
    if lower.starts_with("ok") {
        return Some(0);
    }
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    value[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked() {
        let client = Client { address: "192.0.2.1", name: "a.example\n", helo: "b" };
        let text = String::from_utf8(request(client, b"Subject: x\n\ny\n", false, "")).unwrap();
        assert_eq!(text, "cksums grey-off \n192.0.2.1\ra.example\nb\n\nunknown\n\nSubject: x\n\ny\n");
        let report = String::from_utf8(request(Client::default(), b"", true, "no-reject")).unwrap();
        assert_eq!(report, "header spam grey-off no-reject\n\n\n\nunknown\n\n");
    }

    #[test]
    fn what_it_says() {
        let said = b"A\nA\nX-DCC-x-Metrics: host 1102; bulk Body=many\n\tFuz1=12 Fuz2=ok2 rep=83%\nreported: 0\n";
        let metrics = answer(said).unwrap();
        assert_eq!(metrics.header, "X-DCC-x-Metrics: host 1102; bulk Body=many Fuz1=12 Fuz2=ok2 rep=83%");
        let expected = [("body", MANY), ("fuz1", 12), ("fuz2", 0), ("rep", 83)];
        assert_eq!(metrics.figures, expected.map(|(name, value)| (name.to_owned(), value)));
        for wrong in [&b""[..], b"A\nA\n", b"A\nA\nSorry\n"] {
            assert_eq!(answer(wrong), None);
        }
    }
}
