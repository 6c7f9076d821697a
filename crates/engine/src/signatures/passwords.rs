//! Words of a mail's text that may open the archive attached to it: those near a word for password.

/// In the languages that such mail is written in.
const WORDS: &[&str] = &[
    "password",
    "passwort",
    "passcode",
    "passwd",
    "пароль",
    "contraseña",
    "mot de passe",
    "パスワード",
    "暗証",
    "解凍",
    "密码",
    "密碼",
    "口令",
    "비밀번호",
    "pass",
    "pwd",
    "pin",
    "code",
];

/// Passwords tried in all, and how long one may be.
const MOST: usize = 60;
const LONGEST: usize = 64;
/// Words looked at on each side.
const NEAR: usize = 6;
/// Bytes of a text that are read.
const READ: usize = 64 << 10;

/// Adds what may be passwords, the likeliest first. The text may be markup: tags divide words.
pub fn collect(text: &[u8], passwords: &mut Vec<Vec<u8>>) {
    let text = String::from_utf8_lossy(&text[..text.len().min(READ)]).into_owned();
    let lower = text.to_lowercase();
    // Lower case may have other lengths; then places do not fit, and the lower text serves.
    let text = if lower.len() == text.len() { text } else { lower.clone() };
    for word in WORDS {
        for (at, _) in lower.match_indices(word).take(4) {
            let after = text.get(at + word.len()..).unwrap_or_default();
            let before = text.get(..at).unwrap_or_default();
            words(after).take(NEAR).for_each(|word| add(word, passwords));
            let mut close: Vec<&str> = words(&before[floor(before, before.len().saturating_sub(200))..]).collect();
            close.reverse();
            close.into_iter().take(2).for_each(|word| add(word, passwords));
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let divides = |c: char| c.is_whitespace() || "<>\"'「」『』【】（）()：:；;，、。,=“”‘’".contains(c);
    text.split(divides).filter(|word| !word.is_empty()).take(40)
}

fn add(word: &str, passwords: &mut Vec<Vec<u8>>) {
    let mut one = |word: &str| {
        let fits = !word.is_empty() && word.len() <= LONGEST && word.is_ascii();
        if fits && passwords.len() < MOST && !passwords.iter().any(|known| known == word.as_bytes()) {
            passwords.push(word.as_bytes().to_vec());
        }
    };
    one(word);
    one(word.trim_end_matches(['.', '!', '?']));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_near_a_word_for_password() {
        for (text, password) in [
            ("The archive's password is: s3cret!", "s3cret!"),
            ("添付ファイルのパスワードは「abc-123」です。", "abc-123"),
            ("解压密码：1234", "1234"),
            ("<p>Password: <b>Inv2026</b></p>", "Inv2026"),
            ("use 7788 as password", "7788"),
        ] {
            let mut found = Vec::new();
            collect(text.as_bytes(), &mut found);
            assert!(found.iter().any(|word| word == password.as_bytes()), "{text}: {found:?}");
        }
        let mut many = Vec::new();
        collect("password a1 b2 c3 d4 e5 f6 g7 ".repeat(1000).as_bytes(), &mut many);
        assert!(many.len() <= MOST);
    }
}
