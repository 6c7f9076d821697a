//! Seals a message (ARC, RFC 8617): what we found out about its signatures goes with it, where ours will break them.
//!
//! In: a message as it leaves us, and the results. Out: the three fields of one more set of the chain. A chain that was
//! broken before is said to be so once (`cv=fail`), and not gone on with.

use super::{Field, Signer, canonical, fold_all, is, own_field, signature, signed_names};
use crate::config::dkim::{Canonicalization, Form};
use crate::tags::tag_in;
use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail::Authentication;
use mail::authentication::Outcome;
use protocols::{Edit, edit};

/// What was found out about the message when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// As `Authentication-Results` has it: our name, then the results.
    pub text: String,
    pub chain: Chain,
}

/// What the verifier says of the chain that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    None,
    Pass,
    Fail,
}

impl Chain {
    /// `None`: not known now; sealing would say so for ever.
    pub fn of(found: &Authentication) -> Option<Chain> {
        match found.arc.result {
            Outcome::None => Some(Chain::None),
            Outcome::Pass => Some(Chain::Pass),
            Outcome::TempError => None,
            _ => Some(Chain::Fail),
        }
    }
}

/// RFC 8617, 4.2.1.
const SETS: usize = 50;

#[derive(Default, Clone, Copy)]
struct Set<'m> {
    results: Option<Field<'m>>,
    signature: Option<Field<'m>>,
    seal: Option<Field<'m>>,
    twice: bool,
}

const RESULTS: &str = "ARC-Authentication-Results";
const SIGNATURE: &str = "ARC-Message-Signature";
const SEAL: &str = "ARC-Seal";
/// A set is always written so.
const FORM: Canonicalization = Canonicalization { header: Form::Relaxed, body: Form::Relaxed };

impl Signer {
    /// Nothing, where the chain must not go on.
    pub(super) fn seal(&self, message: &[u8], results: &Results, now: i64) -> anyhow::Result<Vec<Edit>> {
        let (domain, selector) = (&self.arc.domain, &self.arc.selector);
        let (_, key) = self
            .keys
            .iter()
            .find(|(written, _)| written.selector == *selector && written.domains.contains(domain))
            .context("arc: there is no key")?;
        let (fields, body) = edit::split(message);
        let sets = sets(&fields);
        if sets.len() >= SETS
            || sets.iter().any(|set| set.seal.is_some_and(|(_, value)| tag_in(value, "cv") == Some("fail")))
        {
            return Ok(Vec::new());
        }
        let whole =
            |set: &Set<'_>| !set.twice && set.results.is_some() && set.signature.is_some() && set.seal.is_some();
        let chain = match results.chain {
            _ if sets.is_empty() => Chain::None,
            Chain::Pass if sets.iter().all(whole) => Chain::Pass,
            _ => Chain::Fail,
        };
        let cv = match chain {
            Chain::None => "none",
            Chain::Pass => "pass",
            Chain::Fail => "fail",
        };
        let instance = sets.len() + 1;
        let said = format!("i={instance}; {}", results.text);

        let mut headers = self.dkim.headers.clone();
        headers.push("DKIM-Signature".to_owned());
        let names = signed_names(&fields, &headers, &[])?;
        let hash = canonical::body_hash(FORM.body, body);
        let start =
            format!("i={instance}; a={}; c=relaxed/relaxed; d={domain}; s={selector};\n\tt={now};", key.algorithm());
        let signed = signature(SIGNATURE, start, &fields, &names, FORM, &hash, key)?;

        let mut data = Vec::new();
        // A broken chain is not vouched for.
        for set in sets.iter().filter(|_| chain == Chain::Pass) {
            for (name, value) in [set.results, set.signature, set.seal].into_iter().flatten() {
                canonical::field(Form::Relaxed, name, value, &mut data);
            }
        }
        canonical::field(Form::Relaxed, RESULTS.as_bytes(), said.as_bytes(), &mut data);
        canonical::field(Form::Relaxed, SIGNATURE.as_bytes(), signed.as_bytes(), &mut data);
        let mut seal =
            format!("i={instance}; a={}; cv={cv}; d={domain}; s={selector};\n\tt={now};\n\tb=", key.algorithm());
        own_field(Form::Relaxed, SEAL, &seal, &mut data);
        let sealed = STANDARD.encode(key.sign(&data)?);
        fold_all(&mut seal, &sealed);
        Ok(vec![Edit::top(SEAL, seal), Edit::top(SIGNATURE, signed), Edit::top(RESULTS, said)])
    }
}

/// The sets that are there, by instance; holes are empty ones.
fn sets<'m>(fields: &[Field<'m>]) -> Vec<Set<'m>> {
    let mut sets: Vec<Set<'m>> = Vec::new();
    for field in fields {
        let (name, value) = *field;
        if ![RESULTS, SIGNATURE, SEAL].iter().any(|own| is(name, own)) {
            continue;
        }
        let instance = tag_in(value, "i").and_then(|text| text.parse::<usize>().ok());
        let Some(instance) = instance.filter(|instance| (1..=SETS).contains(instance)) else { continue };
        if sets.len() < instance {
            sets.resize(instance, Set::default());
        }
        let set = &mut sets[instance - 1];
        let place = match name {
            name if is(name, RESULTS) => &mut set.results,
            name if is(name, SIGNATURE) => &mut set.signature,
            _ => &mut set.seal,
        };
        if place.replace(*field).is_some() {
            set.twice = true;
        }
    }
    sets
}
