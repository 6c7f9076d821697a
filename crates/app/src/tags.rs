//! Lists of tags, `v=DKIM1; k=rsa; p=...`: how DKIM, ARC and DMARC write signatures and records.
//!
//! In: a list. Out: the first value of a tag, without the blanks around it. Names are told apart by case (RFC 6376, section
//! 3.2).

pub fn tag<'t>(list: &'t str, name: &str) -> Option<&'t str> {
    tag_in(list.as_bytes(), name)
}

/// Of a field as it came; `None` also where the value is no text.
pub fn tag_in<'t>(list: &'t [u8], name: &str) -> Option<&'t str> {
    list.split(|byte| *byte == b';').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..at].trim_ascii() == name.as_bytes()).then(|| std::str::from_utf8(pair[at + 1..].trim_ascii()).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name() {
        let list = " v=DMARC1 ;p = none; rua=mailto:a@b?x=y;; P=reject; p=quarantine";
        assert_eq!((tag(list, "v"), tag(list, "p")), (Some("DMARC1"), Some("none")));
        assert_eq!((tag(list, "rua"), tag(list, "P")), (Some("mailto:a@b?x=y"), Some("reject")));
        assert_eq!((tag(list, "sp"), tag("", "v")), (None, None));
        assert_eq!(tag_in(b"i=1; mx.example; \xff=x; cv=none", "cv"), Some("none"));
    }
}
