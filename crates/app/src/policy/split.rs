//! One message, several fates: what can be said to whoever handed it in.
//!
//! A mail server that keeps the message (milter) takes one answer for all. Recipients whose copy is not delivered are taken
//! off; copies that must look otherwise are sent on by ourselves before the answer, where there is a way to do so; and
//! what cannot be said for some only (refuse, hold, come again) becomes what loses nothing. A session that hands the
//! message on itself has a decision for each recipient, and a copy for each kind of change.

use super::Fate;
use crate::config::Action;
use protocols::{Answer, Decision, Edit, Path, Scan};

/// What one recipient's fate means in the words of a protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub decision: Decision,
    /// Of the message, not of its envelope.
    pub edits: Vec<Edit>,
    /// Instead of the recipient.
    pub redirect: Option<String>,
}

/// A copy that we hand on.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Which of the message's recipients it is for.
    pub of: Vec<usize>,
    /// Whom it goes to, in the same order.
    pub recipients: Vec<Path>,
    pub edits: Vec<Edit>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    pub answer: Answer,
    /// To be handed on before the answer is given.
    pub copies: Vec<Copy>,
    pub troubles: Vec<String>,
}

/// Changes fates that cannot stand beside each other where the mail server keeps the message.
pub fn reconcile(fates: &mut [Fate], store: bool) {
    let first = fates.first().map(|fate| fate.effective().clone());
    if fates.iter().all(|fate| Some(fate.effective()) == first.as_ref()) {
        return;
    }
    let deferred = fates.iter().any(|fate| *fate.effective() == Action::Defer);
    let held = !store && fates.iter().any(|fate| *fate.effective() == Action::Hold);
    for fate in fates {
        let instead = match fate.effective() {
            _ if deferred => Action::Defer,
            _ if held => Action::Hold,
            Action::Reject | Action::Hold if store => Action::Quarantine,
            Action::Reject => Action::Tag,
            _ => continue,
        };
        if *fate.effective() != instead {
            fate.reason = format!("{} instead of {}: recipients differ; {}", instead.name(), fate.action, fate.reason);
            fate.actions.observe = false;
            fate.action = instead;
        }
    }
}

/// Where no mail server holds: what was to be held is kept by ourselves, or else goes on with headers that say what it is.
pub fn without_holding(fates: &mut [Fate], store: bool) {
    for fate in fates.iter_mut().filter(|fate| *fate.effective() == Action::Hold) {
        let instead = if store { Action::Quarantine } else { Action::Tag };
        fate.reason = format!("{} instead of hold: nobody here can hold; {}", instead.name(), fate.reason);
        fate.action = instead;
    }
}

/// For a mail server that keeps the message. `copies`: others can be handed on.
pub fn for_mail_server(scan: &Scan, told: &[Told], copies: bool) -> Plan {
    let Some(first) = told.first() else { return Plan::default() };
    if told.iter().all(|each| each == first && each.redirect.is_none()) {
        return Plan { answer: answer(first), ..Plan::default() };
    }
    // Only who is dropped, or whose copy is kept elsewhere, may be taken off; what has to come again, is held or refused is so
    // for all.
    let stuck = told.iter().max_by_key(|each| safety(&each.decision)).filter(|each| safety(&each.decision) > 0);
    if let Some(stuck) = stuck {
        return Plan { answer: answer(stuck), ..Plan::default() };
    }
    let accepted: Vec<usize> = (0..told.len()).filter(|at| told[*at].decision == Decision::Accept).collect();
    if accepted.is_empty() {
        return Plan { answer: answer(first), ..Plan::default() };
    }
    let mut groups = groups(told, &accepted);
    // Most recipients stay with the message; where copies cannot be made, all get what the most changed one says.
    groups.sort_by_key(|group| std::cmp::Reverse(if copies { group.len() } else { told[group[0]].edits.len() }));
    let mut plan = Plan::default();
    if !copies && groups.len() > 1 {
        plan.troubles.push("recipients' headers differ and there is no relay for copies: all get the same".into());
        let all = groups.concat();
        groups = vec![[vec![groups[0][0]], all.into_iter().filter(|at| *at != groups[0][0]).collect()].concat()];
    }
    let main = groups.remove(0);
    plan.answer.edits = told[main[0]].edits.clone();
    for (at, (path, each)) in scan.recipients.iter().zip(told).enumerate() {
        let stays = main.contains(&at);
        if !stays || each.redirect.is_some() {
            plan.answer.edits.push(Edit::DeleteRecipient(path.address.clone()));
        }
        if let Some(to) = each.redirect.as_ref().filter(|_| stays) {
            plan.answer.edits.push(Edit::AddRecipient(Path::new(to.as_bytes())));
        }
    }
    plan.copies = groups.into_iter().map(|of| copy(scan, told, of)).collect();
    plan
}

/// What loses least counts most.
fn safety(decision: &Decision) -> u8 {
    match decision {
        Decision::Defer(_) => 3,
        Decision::Quarantine(_) => 2,
        Decision::Reject(_) => 1,
        Decision::Accept | Decision::AcceptUnseen | Decision::Discard => 0,
    }
}

/// For a session that hands the message on itself.
pub fn for_relay(scan: &Scan, told: &[Told]) -> Plan {
    let accepted: Vec<usize> = (0..told.len()).filter(|at| told[*at].decision == Decision::Accept).collect();
    let recipients = told.iter().map(|each| each.decision.clone()).collect();
    Plan {
        answer: Answer { recipients, ..told.first().map(answer).unwrap_or_default() },
        copies: groups(told, &accepted).into_iter().map(|of| copy(scan, told, of)).collect(),
        troubles: Vec::new(),
    }
}

fn answer(told: &Told) -> Answer {
    Answer { decision: told.decision.clone(), edits: told.edits.clone(), ..Answer::default() }
}

/// Recipients whose copies look alike.
fn groups(told: &[Told], of: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in of {
        match groups.iter_mut().find(|group| told[group[0]].edits == told[*at].edits) {
            Some(group) => group.push(*at),
            None => groups.push(vec![*at]),
        }
    }
    groups
}

fn copy(scan: &Scan, told: &[Told], of: Vec<usize>) -> Copy {
    let to = |at: &usize| match &told[*at].redirect {
        Some(to) => Path::new(to.as_bytes()),
        None => scan.recipients.get(*at).cloned().unwrap_or_default(),
    };
    Copy { recipients: of.iter().map(to).collect(), edits: told[of[0]].edits.clone(), of }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Actions, Direction};
    use crate::policy::category::Category;
    use protocols::Refusal;

    fn fate(action: &str) -> Fate {
        Fate {
            recipient: Path::new("a@example.jp"),
            direction: Direction::Inbound,
            actions: Actions::default(),
            action: action.parse().unwrap(),
            category: Some(Category::Spam),
            reason: "r".into(),
            score: 9.0,
            required: 5.0,
            spam: true,
        }
    }

    #[test]
    fn a_refusal_says_why() {
        let refusal = |category: Category, reason: &str, text: &str| {
            let mut fate = Fate { category: Some(category), reason: reason.into(), ..fate("reject") };
            fate.actions.reject_text = text.into();
            fate.refusal()
        };
        assert_eq!(refusal(Category::Spam, "score 9.0 of 5.0", ""), "Message refused: it looks like spam");
        assert_eq!(refusal(Category::Virus, "Eicar", ""), "Message refused: it carries malware");
        let named = refusal(Category::Banned, "a.zip/請求書\r\n.exe", "");
        assert_eq!(named, "Message refused: attachments such as ?????.exe are not taken here");
        assert_eq!(refusal(Category::Banned, "a.exe", "Not here"), "Not here");
    }

    #[test]
    fn what_cannot_be_said_for_some_only_loses_nothing() {
        for (wanted, store, done) in [
            ("reject reject", true, "reject reject"),
            ("reject tag", true, "quarantine tag"),
            ("reject tag", false, "tag tag"),
            ("defer tag reject", true, "defer defer defer"),
            ("hold tag", true, "quarantine tag"),
            ("hold tag", false, "hold hold"),
            ("discard pass", true, "discard pass"),
            ("quarantine tag", true, "quarantine tag"),
        ] {
            let mut fates: Vec<Fate> = wanted.split(' ').map(fate).collect();
            reconcile(&mut fates, store);
            let all: Vec<String> = fates.iter().map(|fate| fate.action.to_string()).collect();
            assert_eq!(all.join(" "), done, "{wanted} {store}");
        }
        let mut fates = [fate("reject"), fate("reject")];
        fates[1].actions.observe = true;
        reconcile(&mut fates, true);
        assert_eq!((fates[0].effective(), fates[1].effective()), (&Action::Quarantine, &Action::Pass));
    }

    #[test]
    fn what_nobody_can_hold_is_kept_or_tagged() {
        for (wanted, store, done) in
            [("hold pass", true, "quarantine pass"), ("hold", false, "tag"), ("reject hold", true, "reject quarantine")]
        {
            let mut fates: Vec<Fate> = wanted.split(' ').map(fate).collect();
            without_holding(&mut fates, store);
            let all: Vec<String> = fates.iter().map(|fate| fate.action.to_string()).collect();
            assert_eq!(all.join(" "), done, "{wanted} {store}");
        }
    }

    fn scan(recipients: &[&str]) -> Scan {
        let mut session = (protocols::protocol("spamd").unwrap().open)(&Default::default(), &Default::default());
        session.receive(b"CHECK SPAMC/1.2\r\nContent-length: 2\r\n\r\n\n\n");
        let Some(protocols::Event::Scan(scan)) = session.next_event() else { panic!("a scan") };
        Scan { recipients: recipients.iter().map(|to| Path::new(to.as_bytes())).collect(), ..*scan }
    }

    fn deliver(header: &str) -> Told {
        Told { decision: Decision::Accept, edits: vec![Edit::top("X", header)], redirect: None }
    }

    fn not(decision: Decision) -> Told {
        Told { decision, edits: Vec::new(), redirect: None }
    }

    #[test]
    fn a_mail_server_is_told_one_thing_for_all() {
        let scan = scan(&["a@x", "b@x", "c@x"]);
        let refused = Decision::Reject(Refusal::new(554, (7, 1), "no"));
        let off = |who: &str| Edit::DeleteRecipient(who.into());

        let plan = for_mail_server(&scan, &[not(refused.clone()), not(refused.clone()), not(refused.clone())], true);
        assert_eq!((plan.answer.decision, plan.copies), (refused, vec![]));

        let plan = for_mail_server(&scan, &[deliver("1"), not(Decision::Discard), deliver("1")], true);
        assert_eq!(plan.answer.decision, Decision::Accept);
        assert_eq!(plan.answer.edits, [Edit::top("X", "1"), off("b@x")]);

        // Two look alike and stay; the third's copy is ours to send.
        let told = [deliver("1"), deliver("2"), deliver("2")];
        let plan = for_mail_server(&scan, &told, true);
        assert_eq!(plan.answer.edits, [Edit::top("X", "2"), off("a@x")]);
        let copy = Copy { of: vec![0], recipients: vec![Path::new("a@x")], edits: vec![Edit::top("X", "1")] };
        assert_eq!(plan.copies, [copy]);

        // No way to send copies: nobody is taken off.
        let plan = for_mail_server(&scan, &told, false);
        assert_eq!((plan.answer.edits.len(), plan.copies.len(), plan.troubles.len()), (1, 0, 1));

        // What cannot be said for one only is said for all: nobody is taken off whose copy is nowhere else.
        let (again, held) = (Decision::Defer(Refusal::new(451, (7, 1), "later")), Decision::Quarantine("held".into()));
        for (told, said) in [
            ([not(held.clone()), deliver("1"), deliver("1")], &held),
            ([deliver("1"), not(again.clone()), not(held.clone())], &again),
            ([not(Decision::Discard), not(held.clone()), not(Decision::Discard)], &held),
        ] {
            let plan = for_mail_server(&scan, &told, true);
            assert_eq!((&plan.answer.decision, plan.answer.edits, plan.copies), (said, vec![], vec![]));
        }

        let redirected = Told { redirect: Some("s@x".into()), ..deliver("1") };
        let plan = for_mail_server(&scan, &[redirected, deliver("1"), deliver("1")], true);
        assert_eq!(plan.answer.edits, [Edit::top("X", "1"), off("a@x"), Edit::AddRecipient(Path::new("s@x"))]);
    }

    #[test]
    fn a_relay_has_a_decision_for_each_and_a_copy_for_each_kind() {
        let scan = scan(&["a@x", "b@x", "c@x"]);
        let redirected = Told { redirect: Some("s@x".into()), ..deliver("1") };
        let plan = for_relay(&scan, &[redirected, not(Decision::Discard), deliver("2")]);
        assert_eq!(plan.answer.recipients, [Decision::Accept, Decision::Discard, Decision::Accept]);
        let to: Vec<_> = plan.copies.iter().map(|copy| (copy.of.clone(), copy.recipients.clone())).collect();
        assert_eq!(to, [(vec![0], vec![Path::new("s@x")]), (vec![2], vec![Path::new("c@x")])]);
    }
}
