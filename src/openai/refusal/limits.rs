//! What a key or a tenant may not do, or not now: its own limits and numbers, and nobody else's.

use std::time::Duration;

use http::StatusCode;

use crate::domain::money::Millicredits;
use crate::openai::{Kind, Problem};
use crate::service::{Denied, Limited, QueueOf};

/// The key may not ask for the model.
pub(super) fn model_forbidden(model: &str) -> Problem {
    let message =
        format!("the key may not ask for the model {model}; GET /v1/models tells which it may");
    let barred = Problem::new(StatusCode::FORBIDDEN, Kind::Permission, message);
    barred.code("model_forbidden").param("model")
}

/// Nothing says what the task may cost, and the key has a budget.
pub(super) fn price_unknown(deployments: &[String]) -> Problem {
    let named: Vec<&str> = deployments
        .iter()
        .map(String::as_str)
        .take(MOST_NAMED)
        .collect();
    let more = if deployments.len() > named.len() {
        ", …"
    } else {
        ""
    };
    let place = match &named[..] {
        [] => String::new(),
        some => format!(" at {}{more}", some.join(", ")),
    };
    let problem = format!(
        "has no known price{place}, and the key has a budget: name another model, or let the operator \
         set a max_cost"
    );
    Problem::field("model", &problem).code("price_unknown")
}

/// Too much of the tenant's work was moderated lately.
pub(super) fn moderated(retry_after: Duration) -> Problem {
    let message = "too many of the tenant's requests were moderated lately: wait, and look at the \
                   prompts and inputs, for moderated work is charged";
    later(
        Kind::RateLimit,
        message,
        "moderation_limit_reached",
        retry_after,
    )
}

/// A queue is full, the key has too many tasks, or its budget is used up.
pub(super) fn limited(limited: &Limited) -> Problem {
    let wait = limited.retry_after;
    match &limited.denied {
        Denied::QueueFull { of, most } => {
            let of = match of {
                QueueOf::Server => "of the server",
                QueueOf::Tenant => "of the tenant",
                QueueOf::Model => "of the model",
            };
            let message = format!("the queue {of} holds {most} tasks at most, and is full");
            later(Kind::RateLimit, &message, "task_limit_reached", wait)
        }
        Denied::KeyTasks { most } => {
            let message = format!("the key may have {most} unfinished tasks at once, and has them");
            later(Kind::RateLimit, &message, "task_limit_reached", wait)
        }
        Denied::Budget(exceeded) => {
            let message = format!(
                "the key may spend {} credits in a {} (UTC); {} are spent or held back for tasks \
                 that have not ended",
                credits(exceeded.limit),
                exceeded.period.as_str(),
                credits(exceeded.spent),
            );
            // It may be hours away: no library should wait for it by itself.
            later(Kind::Quota, &message, "budget_exceeded", wait).once()
        }
    }
}

fn later(kind: Kind, message: &str, code: &'static str, wait: Duration) -> Problem {
    let full = Problem::new(StatusCode::TOO_MANY_REQUESTS, kind, message);
    full.code(code).retry_after(wait)
}

/// Credits with as many decimals as they need.
fn credits(amount: Millicredits) -> String {
    let (whole, rest) = (amount.0 / 1_000, amount.0 % 1_000);
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Deployments that a sentence names.
const MOST_NAMED: usize = 5;
