//! Metas: in which order, under which conditions, and what they come to.
//!
//! In: the value of every rule, dense by [`RuleId`]. Out: the metas' values in the same array. A meta sees how often a
//! rule hit, the value of an eval or meta, and 0 for what did not run.
//!
//! SpamAssassin 4.0 evaluates a meta when all it depends on has run, and at the end takes rules that never ran as 0,
//! but not metas that never ran. A meta whose score is 0 is looked at only if its dependencies ran in time, and counts
//! as run only if it came to 0; so `meta A !B` with `score B 0` hits or not depending on B. Administrators switch metas
//! off by such scores, so it has to be the same here. [`Gate`] keeps this away from the metas that need none of it.

use crate::scratch::Values;
use rules::spamassassin::meta::Expression;
use rules::{Kind, RuleId, Ruleset};

/// The metas to evaluate, in this order.
pub(crate) struct Metas {
    pub steps: Vec<Step>,
    /// A bit for each step that has to be evaluated for every message; the others come to 0 where nothing that they
    /// depend on has hit.
    always: Vec<u64>,
    /// By [`RuleId`]: the steps that depend on the rule are `dependents[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    dependents: Vec<u32>,
    local_only: bool,
}

/// What evaluating metas writes to, kept from message to message.
#[derive(Default)]
pub(crate) struct Desk {
    stack: Vec<f64>,
    /// A bit for each step that is still to be evaluated.
    due: Vec<u64>,
}

pub(crate) struct Step {
    pub rule: RuleId,
    expression: Expression,
    gate: Gate,
}

/// When a meta is decided.
enum Gate {
    /// Always: all it depends on runs, or is no meta.
    Open,
    /// Only where the metas it depends on were.
    Watched {
        /// The score is not 0, so a hit counts.
        scored: bool,
        /// All rules it depends on run before the end.
        early: bool,
        /// Those among its dependencies that are watched themselves.
        on: Vec<RuleId>,
    },
}

/// What is known of a rule before any message.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// Decided always; `early`: before the end of the run.
    Decided {
        early: bool,
    },
    Watched,
    Never,
    /// Part of a cycle of metas, or in need of one that is: never hits.
    Unsolved,
}

impl Metas {
    pub fn new(ruleset: &Ruleset, local_only: bool) -> Metas {
        let mut fates: Vec<Option<Fate>> = ruleset
            .rules
            .iter()
            .map(|rule| match rule.kind {
                Kind::Meta(_) => None,
                _ => Some(Fate::Decided { early: rule.active }),
            })
            .collect();
        let mut used = vec![false; ruleset.rules.len()];
        for rule in &ruleset.rules {
            if let Kind::Meta(meta) = &rule.kind {
                meta.dependencies.iter().for_each(|id| used[id.index()] = true);
            }
        }
        let mut steps = Vec::new();
        for id in in_order(ruleset) {
            let rule = ruleset.rule(id);
            let Kind::Meta(meta) = &rule.kind else { continue };
            let scored = rule.active;
            let dependencies = || meta.dependencies.iter().map(|id| (*id, fates[id.index()].unwrap_or(Fate::Never)));
            if dependencies().any(|(id, fate)| fates[id.index()].is_none() || fate == Fate::Unsolved) {
                fates[id.index()] = Some(Fate::Unsolved);
                continue;
            }
            let early = !meta.external
                && meta.undefined.is_empty()
                && dependencies().all(|(_, fate)| fate != Fate::Decided { early: false });
            let on: Vec<RuleId> = dependencies().filter(|(_, fate)| *fate == Fate::Watched).map(|(id, _)| id).collect();
            let dead = dependencies().any(|(_, fate)| fate == Fate::Never);
            let (fate, gate) = if dead || (!scored && !early) {
                (Fate::Never, None)
            } else if scored && on.is_empty() {
                (Fate::Decided { early }, Some(Gate::Open))
            } else if !scored && !used[id.index()] {
                (Fate::Never, None)
            } else {
                (Fate::Watched, Some(Gate::Watched { scored, early, on }))
            };
            fates[id.index()] = Some(fate);
            if let Some(gate) = gate {
                steps.push(Step { rule: id, expression: meta.expression.clone(), gate });
            }
        }
        let mut metas = Metas { steps, always: Vec::new(), starts: Vec::new(), dependents: Vec::new(), local_only };
        metas.index(ruleset);
        metas
    }

    fn index(&mut self, ruleset: &Ruleset) {
        self.always = vec![0; self.steps.len().div_ceil(64)];
        let mut pairs: Vec<(RuleId, u32)> = Vec::new();
        let mut stack = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let Kind::Meta(meta) = &ruleset.rule(step.rule).kind else { continue };
            let at_rest = step.expression.evaluate(self.local_only, &mut stack, |_| 0.0) == 0.0;
            if at_rest && matches!(step.gate, Gate::Open) {
                pairs.extend(meta.dependencies.iter().map(|id| (*id, index as u32)));
            } else {
                self.always[index / 64] |= 1 << (index % 64);
            }
        }
        pairs.sort_unstable();
        let mut next = pairs.into_iter().peekable();
        for rule in 0..ruleset.rules.len() {
            self.starts.push(self.dependents.len() as u32);
            while let Some((_, step)) = next.next_if(|(id, _)| id.index() == rule) {
                self.dependents.push(step);
            }
        }
        self.starts.push(self.dependents.len() as u32);
    }

    fn dependents_of(&self, rule: RuleId) -> &[u32] {
        match (self.starts.get(rule.index()), self.starts.get(rule.index() + 1)) {
            (Some(&start), Some(&end)) => &self.dependents[start as usize..end as usize],
            _ => &[],
        }
    }

    /// Evaluates all metas that may come to something. `hit` is told which did.
    pub fn run(&self, values: &mut Values, desk: &mut Desk, mut hit: impl FnMut(RuleId)) {
        let Desk { stack, due } = desk;
        due.clone_from(&self.always);
        let mark = |due: &mut [u64], rule: RuleId| {
            for step in self.dependents_of(rule) {
                due[*step as usize / 64] |= 1 << (step % 64);
            }
        };
        values.changed().iter().for_each(|rule| mark(due, *rule));
        for word in 0..due.len() {
            // What a meta makes due stands behind it, perhaps in the same word.
            while due[word] != 0 {
                let bit = due[word].trailing_zeros();
                due[word] &= due[word] - 1;
                let step = &self.steps[word * 64 + bit as usize];
                if self.run_step(step, values, stack) {
                    hit(step.rule);
                    mark(due, step.rule);
                }
            }
        }
    }

    /// Evaluates one meta; does it hit?
    fn run_step(&self, step: &Step, values: &mut Values, stack: &mut Vec<f64>) -> bool {
        let scored = match &step.gate {
            Gate::Open => true,
            Gate::Watched { scored, on, .. } => {
                let decided = |id: &RuleId| if *scored { values.is_ready(*id) } else { values.is_early(*id) };
                if !on.iter().all(decided) {
                    return false;
                }
                *scored
            }
        };
        let value = step.expression.evaluate(self.local_only, stack, |id| values.get(id));
        let true_ = value != 0.0;
        if let Gate::Watched { early, on, .. } = &step.gate {
            let early = *early && on.iter().all(|id| values.is_early(*id));
            if scored || !true_ {
                values.set_ready(step.rule, early);
            }
        }
        if scored && true_ {
            // A hit always counts for more than nothing.
            values.set(step.rule, if value > 0.0 { value } else { 1.0 });
        }
        scored && true_
    }
}

/// Metas with their dependencies first; of a cycle, in any order.
fn in_order(ruleset: &Ruleset) -> Vec<RuleId> {
    let mut order = Vec::new();
    let mut seen = vec![false; ruleset.rules.len()];
    let mut stack: Vec<(RuleId, usize)> = Vec::new();
    for start in 0..ruleset.rules.len() {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        stack.push((RuleId(start as u32), 0));
        while let Some((id, next)) = stack.last_mut() {
            let Kind::Meta(meta) = &ruleset.rule(*id).kind else {
                stack.pop();
                continue;
            };
            match meta.dependencies.get(*next) {
                Some(dependency) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[dependency.index()], true) {
                        stack.push((*dependency, 0));
                    }
                }
                None => {
                    order.push(*id);
                    stack.pop();
                }
            }
        }
    }
    order
}
