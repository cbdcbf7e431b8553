//! The create protocol, searched to the end over the real transition function.
//!
//! [`world`] is everything outside it: the network, a provider, a process that may be killed or
//! frozen between any two steps, senders that wake up late, a caller who cancels at any moment. A
//! step is one committed transaction or one network event; the search tries every order of them.
//! One process owns the store, so there are no leases; a *frozen* sender of an earlier incarnation
//! goes on as if nothing had happened, which is the worst that a second process could do.
//! Each mutant makes one mistake that such services make, and each must be caught.

mod steps;
mod world;

use std::collections::{HashMap, VecDeque};

use super::UnknownPolicy;
use world::{Key, World};

/// What is searched.
#[derive(Clone, Copy)]
struct Protocol {
    /// What a deadline may do; any of them at any time.
    policies: &'static [UnknownPolicy],
    /// An operator, who never errs, may settle unknown submissions.
    operator: bool,
    mutant: Option<Mutant>,
    /// How often the process may start again.
    restarts: u8,
    /// How many attempts a task may make.
    attempts: usize,
    /// How often a task that failed at the provider may be made again.
    remakes: usize,
}

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// Whoever finds *submitting* sends again.
    SendsAgain,
    /// The claim does not look at the state it was made for.
    ClaimsBlindly,
    /// The create leaves before the intent is committed.
    PostsFirst,
    /// A gateway's error counts as a rejection.
    TrustsGateways,
    /// An id is taken only from the incarnation that runs now.
    FencesEvidence,
    /// A task is made again although the provider may still work on it.
    RemakesOnTimeout,
    /// What is said of a former attempt is taken to be said of the one that runs.
    BelievesTheLate,
}

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Violation {
    ChargedTwice,
    ChargedButWillRetry,
    ChargedButSaysFree,
    ReceivedIdLost,
    TwoLiveAttempts,
}

/// What a search found.
struct Outcome {
    states: usize,
    edges: usize,
    violations: HashMap<Violation, String>,
}

/// Breadth first, so that what is found is found by the shortest way; over when everything in
/// `wanted` is found, which is never if that is empty.
fn search(protocol: Protocol, wanted: &[Violation]) -> Outcome {
    let first = World::new();
    let mut seen: HashMap<Key, usize> = HashMap::from([(first.key(), 0)]);
    let mut ways: Vec<(usize, &'static str)> = vec![(0, "")];
    let mut queue = VecDeque::from([(0, first)]);
    let mut violations = HashMap::new();
    let mut edges = 0;
    while let Some((from, world)) = queue.pop_front() {
        assert!(seen.len() < MOST_STATES, "the model has grown out of hand");
        if !wanted.is_empty() && wanted.iter().all(|v| violations.contains_key(v)) {
            break;
        }
        for (step, next) in steps::all(&world, protocol) {
            edges += 1;
            let index = ways.len();
            if seen.insert(next.key(), index).is_some() {
                continue;
            }
            ways.push((from, step));
            match next.violation(protocol.policies) {
                Some(violation) => {
                    violations.entry(violation).or_insert_with(|| way(&ways));
                }
                None => queue.push_back((index, next)),
            }
        }
    }
    Outcome {
        states: ways.len(),
        edges,
        violations,
    }
}

/// The steps to the last state.
fn way(ways: &[(usize, &'static str)]) -> String {
    let mut steps = Vec::new();
    let mut at = ways.len() - 1;
    while at != 0 {
        let (from, step) = ways[at];
        steps.push(step);
        at = from;
    }
    steps.reverse();
    steps.join(" > ")
}

fn sound(protocol: Protocol) -> Outcome {
    let outcome = search(protocol, &[]);
    println!("{} states, {} edges", outcome.states, outcome.edges);
    assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
    outcome
}

fn caught(mutant: Mutant, wanted: &[Violation]) {
    let mutant = Some(mutant);
    let protocol = Protocol {
        mutant,
        remakes: 1,
        ..FAILS
    };
    let outcome = search(protocol, wanted);
    println!("{mutant:?}: {} states", outcome.states);
    for (violation, way) in &outcome.violations {
        println!("  {violation:?}: {way}");
    }
    for violation in wanted {
        assert!(outcome.violations.contains_key(violation), "{violation:?}");
    }
}

#[test]
fn no_order_of_events_breaks_the_protocol_when_unknown_fails() {
    sound(FAILS);
}

#[test]
fn no_order_of_events_breaks_the_protocol_with_an_operator_and_any_policy_that_never_resubmits() {
    let outcome = sound(Protocol {
        policies: &[UnknownPolicy::Fail, UnknownPolicy::Hold],
        operator: true,
        restarts: 3,
        ..FAILS
    });
    assert!(outcome.states >= 50_000);
}

/// Two charges are then what was opted in to; that a charge is denied or an id lost is not.
#[test]
fn resubmitting_charges_twice_at_worst_and_says_so() {
    sound(Protocol {
        policies: &[UnknownPolicy::Resubmit],
        restarts: 1,
        attempts: 2,
        ..FAILS
    });
}

/// What the provider failed to make may be paid for again, and only that.
#[test]
fn no_order_of_events_breaks_the_protocol_when_failed_tasks_are_made_again() {
    let outcome = sound(Protocol {
        remakes: 2,
        ..FAILS
    });
    assert!(outcome.states >= 10_000);
}

#[test]
fn making_again_what_may_still_be_made_is_caught() {
    caught(Mutant::RemakesOnTimeout, &[Violation::ChargedButWillRetry]);
}

#[test]
fn taking_old_news_for_news_of_the_attempt_that_runs_is_caught() {
    caught(Mutant::BelievesTheLate, &[Violation::ChargedButWillRetry]);
}

#[test]
fn sending_again_on_finding_submitting_is_caught() {
    caught(Mutant::SendsAgain, &[Violation::ChargedTwice]);
}

#[test]
fn claiming_without_looking_at_the_state_is_caught() {
    caught(Mutant::ClaimsBlindly, &[Violation::ChargedTwice]);
}

#[test]
fn posting_before_the_intent_is_caught() {
    caught(
        Mutant::PostsFirst,
        &[
            Violation::ChargedButWillRetry,
            Violation::ChargedButSaysFree,
        ],
    );
}

#[test]
fn taking_a_gateways_error_for_a_rejection_is_caught() {
    caught(
        Mutant::TrustsGateways,
        &[
            Violation::ChargedButWillRetry,
            Violation::ChargedButSaysFree,
        ],
    );
}

#[test]
fn refusing_late_evidence_is_caught() {
    caught(Mutant::FencesEvidence, &[Violation::ReceivedIdLost]);
}

/// The default: an unknown submission fails, and nobody settles it.
const FAILS: Protocol = Protocol {
    policies: &[UnknownPolicy::Fail],
    operator: false,
    mutant: None,
    restarts: 2,
    attempts: 3,
    remakes: 0,
};
/// A search that needs more has lost its bounds.
const MOST_STATES: usize = 1_000_000;
