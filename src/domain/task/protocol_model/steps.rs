//! What can happen next, in every moment.

use super::world::{Answer, Phase, Post, Sender, World};
use super::{Mutant, Protocol};
use crate::domain::task::samples::{
    accepted, ambiguous, archived, booked, claimed, failure, rejected, remade, seen_of,
    succeeded_of,
};
use crate::domain::task::{AttemptOutcome, Event, Resolution, State, UpstreamStatus, Verdict};
use crate::domain::time::Timestamp;

type Steps = Vec<(&'static str, World)>;

/// Every next moment, and what led to it.
pub(super) fn all(world: &World, protocol: Protocol) -> Steps {
    let mut steps = Steps::new();
    callers_and_deadlines(world, protocol, &mut steps);
    process(world, protocol, &mut steps);
    for index in 0..world.senders.len() {
        sender(world, index, protocol, &mut steps);
    }
    for index in 0..world.posts.len() {
        network(world, index, &mut steps);
    }
    provider(world, protocol, &mut steps);
    steps
}

fn callers_and_deadlines(world: &World, protocol: Protocol, steps: &mut Steps) {
    let mut on_task = |name, event: &Event| steps.extend(applied(name, world, event));
    on_task("cancel", &Event::CancelRequested);
    let State::SubmissionUnknown { attempt, deadline } = world.task.state else {
        return;
    };
    if deadline.is_some() {
        for policy in protocol.policies {
            on_task("deadline", &Event::DeadlinePassed(*policy));
        }
    }
    if !protocol.operator {
        return;
    }
    // The operator waits until nothing is on its way any more, and looks before answering.
    let on_its_way = world.posts.iter().any(|post| post.attempt == attempt)
        || world.senders.iter().any(|sender| sender.attempt == attempt);
    if world.charged.contains(&attempt) {
        let upstream_id = format!("up-{attempt}");
        on_task(
            "attach",
            &Event::Resolved(Resolution::Attach { upstream_id }),
        );
        on_task("charged", &Event::Resolved(Resolution::Charged));
    } else if !on_its_way {
        on_task("not-charged", &Event::Resolved(Resolution::NotCharged));
    }
}

/// The process: it dies or freezes at any moment, picks what is queued, rescues what it finds.
fn process(world: &World, protocol: Protocol, steps: &mut Steps) {
    if world.incarnation < protocol.restarts {
        let mut frozen = world.clone();
        frozen.incarnation += 1;
        let mut killed = frozen.clone();
        killed.senders.clear();
        killed.answers.clear();
        steps.push(("kill", killed));
        if !world.senders.is_empty() {
            steps.push(("freeze", frozen));
        }
    }
    let mine = |sender: &Sender| sender.incarnation == world.incarnation;
    let picking = |sender: &Sender| mine(sender) && sender.phase == Phase::Picked;
    let queued = matches!(world.task.state, State::Queued { .. });
    if queued && world.task.attempts.len() < protocol.attempts && !world.senders.iter().any(picking)
    {
        let mut next = world.clone();
        next.senders.push(Sender {
            incarnation: world.incarnation,
            attempt: 0,
            phase: Phase::Picked,
        });
        steps.push(("pick", next));
    }
    let State::Submitting { attempt } = world.task.state else {
        return;
    };
    if world
        .senders
        .iter()
        .any(|s| mine(s) && s.attempt == attempt)
    {
        return;
    }
    if protocol.mutant == Some(Mutant::SendsAgain) {
        let mut next = world.clone();
        next.senders.push(Sender {
            incarnation: world.incarnation,
            attempt,
            phase: Phase::Claimed,
        });
        steps.push(("send-again", next));
    } else {
        steps.extend(applied("rescue", world, &ambiguous(attempt)));
    }
}

fn sender(world: &World, index: usize, protocol: Protocol, steps: &mut Steps) {
    let sender = world.senders[index];
    match sender.phase {
        Phase::Picked if protocol.mutant == Some(Mutant::PostsFirst) => {
            let attempt = next_attempt(world);
            steps.push(("post-first", posted(world, index, attempt)));
        }
        Phase::Picked => claim(world, index, protocol, steps),
        Phase::Claimed => steps.push(("post", posted(world, index, sender.attempt))),
        Phase::Waiting => {
            for (post, answer) in &world.answers {
                if *post == sender.post() {
                    answered(world, index, *answer, protocol, steps);
                }
            }
        }
    }
    if sender.incarnation != world.incarnation {
        steps.push(("frozen-dies", world.clone().without(index)));
    }
}

fn claim(world: &World, index: usize, protocol: Protocol, steps: &mut Steps) {
    let mut base = world.clone();
    if protocol.mutant == Some(Mutant::ClaimsBlindly)
        && base.task.attempts.len() < protocol.attempts
    {
        // Writes what the stale read would lead to, whatever has become of the task.
        base.task.state = State::Queued {
            not_before: Timestamp::MIN,
        };
        for attempt in &mut base.task.attempts {
            attempt.outcome = AttemptOutcome::Rejected;
        }
    }
    match base.applied(&claimed()) {
        Some(mut next) => {
            next.senders[index].attempt = next_attempt(world);
            next.senders[index].phase = Phase::Claimed;
            steps.push(("claim", next));
        }
        None => steps.push(("lost-race", world.clone().without(index))),
    }
}

fn posted(world: &World, index: usize, attempt: u32) -> World {
    let mut next = world.clone();
    let sender = &mut next.senders[index];
    (sender.attempt, sender.phase) = (attempt, Phase::Waiting);
    next.posts.push(sender.post());
    next
}

/// A create arrives, or does not; its answer arrives, or does not.
fn network(world: &World, index: usize, steps: &mut Steps) {
    let mut arrived = world.clone();
    let post = arrived.posts.remove(index);
    let mut taken = arrived.clone();
    taken.charged.push(post.attempt);
    for (name, after, answer) in [
        ("accept", &taken, Answer::Id),
        ("accept-answer-lost", &taken, Answer::Silence),
        ("accept-gateway-error", &taken, Answer::Gateway),
        ("gateway-error", &arrived, Answer::Gateway),
        ("reject", &arrived, Answer::Rejection),
        ("never-arrives", &arrived, Answer::Silence),
        ("timeout-before-arrival", world, Answer::Silence),
    ] {
        steps.extend(answer_on_its_way(after, post, answer).map(|next| (name, next)));
    }
}

/// Nobody answers a sender that is gone or has its answer; what it did to the provider stays.
fn answer_on_its_way(world: &World, post: Post, answer: Answer) -> Option<World> {
    let mut next = world.clone();
    let waits = |sender: &Sender| sender.post() == post && sender.phase == Phase::Waiting;
    let waited_for = next.senders.iter().any(waits);
    let answered = next.answers.iter().any(|(other, _)| *other == post);
    let pending = next.posts.contains(&post);
    if waited_for && !answered {
        next.answers.push((post, answer));
    } else if pending {
        return None;
    }
    Some(next)
}

fn answered(world: &World, index: usize, answer: Answer, protocol: Protocol, steps: &mut Steps) {
    let sender = world.senders[index];
    let attempt = sender.attempt;
    let late = sender.incarnation != world.incarnation;
    let mut base = world.clone().without(index);
    if protocol.mutant == Some(Mutant::PostsFirst) {
        // Only now is the intent written, together with the answer.
        base = base.applied(&claimed()).unwrap_or(base);
    }
    let mut record = |name, event: &Event| {
        let next = base.applied(event).unwrap_or_else(|| base.clone());
        steps.push((name, next));
    };
    match answer {
        Answer::Id => {
            base.received.push(attempt);
            if protocol.mutant == Some(Mutant::FencesEvidence) && late {
                steps.push(("id-refused", base));
            } else {
                let next = base.applied(&accepted(attempt)).unwrap_or(base);
                steps.push(("id", next));
            }
        }
        Answer::Gateway if protocol.mutant == Some(Mutant::TrustsGateways) => {
            record(
                "gateway-is-no",
                &rejected(attempt, Verdict::Retry(Timestamp::MIN)),
            );
        }
        Answer::Rejection => {
            record(
                "no-retry",
                &rejected(attempt, Verdict::Retry(Timestamp::MIN)),
            );
            record("no-final", &rejected(attempt, Verdict::Fail(failure())));
        }
        Answer::Gateway | Answer::Silence => record("ambiguous", &ambiguous(attempt)),
    }
}

/// What polling, archiving and booking bring; the provider is believed.
fn provider(world: &World, protocol: Protocol, steps: &mut Steps) {
    let mut on_task = |name, event: &Event| steps.extend(applied(name, world, event));
    if matches!(world.task.state, State::Submitted | State::Running) {
        let attempt = serving(world);
        on_task("running", &seen_of(attempt, UpstreamStatus::Running));
        on_task("succeeded", &succeeded_of(attempt));
        let failed = UpstreamStatus::Failed(failure());
        on_task("failed", &seen_of(attempt, failed));
        on_task("gone", &Event::Gone { attempt });
        on_task("cancelled", &Event::CancelConfirmed { attempt });
        let book_until = Timestamp::NEVER;
        on_task(
            "timed-out",
            &Event::TimedOut {
                attempt,
                book_until,
            },
        );
        making_again(world, attempt, protocol, steps);
    }
    let mut on_task = |name, event: &Event| steps.extend(applied(name, world, event));
    on_task("archived", &archived());
    on_task("archive-failed", &Event::ArchiveFailed(failure()));
    on_task("booked", &booked(Some(24_000)));
}

/// The provider's task has failed for good, and the policy lets the task be made again; or somebody
/// hears only now that a former one had.
fn making_again(world: &World, attempt: u32, protocol: Protocol, steps: &mut Steps) {
    if world.over.len() < protocol.remakes {
        let mut failed = world.clone();
        failed.over.push(attempt);
        steps.extend(applied("remade", &failed, &remade(attempt)));
        if protocol.mutant == Some(Mutant::RemakesOnTimeout) {
            steps.extend(applied("remade-on-timeout", world, &remade(attempt)));
        }
    }
    for former in &world.over {
        let believed = if protocol.mutant == Some(Mutant::BelievesTheLate) {
            attempt
        } else {
            *former
        };
        steps.extend(applied("remade-late", world, &remade(believed)));
        let failed = UpstreamStatus::Failed(failure());
        steps.extend(applied("failed-late", world, &seen_of(believed, failed)));
    }
}

/// The attempt whose task the provider has.
fn serving(world: &World) -> u32 {
    let current = world.task.current_attempt();
    current.map_or(0, |attempt| attempt.number)
}

fn applied(name: &'static str, world: &World, event: &Event) -> Option<(&'static str, World)> {
    world.applied(event).map(|next| (name, next))
}

fn next_attempt(world: &World) -> u32 {
    u32::try_from(world.task.attempts.len()).expect("few attempts") + 1
}
