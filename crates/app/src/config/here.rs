//! Whether this machine has what a configuration names: users, groups, rule files. That the values can be meant is known
//! by then; this is for `sekisho config check`, before a start finds out.

use super::Config;
use crate::serve::privileges::Account;
use crate::serve::{authentication, gate, listen};
use protocols::Stages;

/// What there is to say of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// With these the service does not start.
    pub mistakes: Vec<String>,
    /// With these it does, and may surprise.
    pub doubts: Vec<String>,
}

pub fn look(config: &Config) -> Looked {
    let mut looked = Looked::default();
    if let Err(error) = Account::of(config) {
        looked.mistakes.push(format!("{error:#}"));
    }
    for of in &config.listen {
        for (what, name, file) in [("user", &of.owner, "/etc/passwd"), ("group", &of.group, "/etc/group")] {
            if listen::id(name, file).is_none() {
                looked.mistakes.push(format!("listen: {} on {}: there is no {what} {name:?}", of.protocol, of.socket));
            }
        }
    }
    let location = &config.store.location;
    if !location.is_empty()
        && let Err(error) = location.parse::<store::Location>()
    {
        looked.mistakes.push(format!("store.location: {error}. {}", error.remedy()));
    }
    for path in config.rules.extra.iter().filter(|path| !path.exists()) {
        looked.mistakes.push(format!("rules.extra: {}: no such file or folder, or not for us to see", path.display()));
    }
    let listens = |protocol: &str| config.listen.iter().any(|listen| listen.protocol == protocol);
    if listens("milter") && listens("policy") && gate::stages(config) != Stages::NONE {
        looked.doubts.push(
            "listen: milter and policy both ask about greylist, limits and lists: let Postfix use one of them, or mail is \
             counted twice"
                .into(),
        );
    }
    looked.doubts.extend(authentication::doubt(config, false));
    looked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_here_is_told() {
        let text = "[service]\nuser = \"no-such-user\"\n[rules]\nextra = [\"/no/such.cf\"]\n[store]\nlocation = \"mysql://h\"\n\
                    [[listen]]\nprotocol = \"milter\"\nsocket = \"unix:/x\"\ngroup = \"no-such-group\"\n";
        let looked = look(&Config::parse(text).unwrap());
        let expected = ["\"no-such-user\"", "\"no-such-group\"", "store.location", "/no/such.cf"];
        assert_eq!(looked.mistakes.len(), expected.len(), "{looked:?}");
        for (mistake, expected) in looked.mistakes.iter().zip(expected) {
            assert!(mistake.contains(expected), "{mistake}");
        }
        assert_eq!(look(&Config::default()), Looked::default());
        let both = "[greylist]\neverybody = true\n[[listen]]\nprotocol = \"milter\"\nsocket = \"inet:1@h\"\n\
                    [[listen]]\nprotocol = \"policy\"\nsocket = \"inet:2@h\"\n";
        assert_eq!(look(&Config::parse(both).unwrap()).doubts.len(), 1);
    }
}
