//! What a key or a tenant may not do, or not now: its own limits and numbers, and nobody else's.

use std::time::Duration;

use crate::domain::money::Millicredits;
use crate::grpc::status::{Reason, Refusal};
use crate::service::{Denied, Limited, QueueOf};

/// The key may not ask for the model.
pub(in crate::grpc::generation) fn model_forbidden(model: &str) -> Refusal {
    let message =
        format!("the key may not ask for the model {model}; ListModels tells which it may");
    Refusal::new(Reason::ModelForbidden, message).metadata("model", model)
}

/// Nothing says what the task may cost, and the key has a budget.
pub(super) fn price_unknown(deployments: &[String]) -> Refusal {
    let named = match deployments {
        [] => "what it may cost is not known".to_owned(),
        some => {
            let shown: Vec<&str> = some.iter().take(MOST_NAMED).map(String::as_str).collect();
            let more = if some.len() > shown.len() {
                ", …"
            } else {
                ""
            };
            format!(
                "what it may cost is not known at {}{more}",
                shown.join(", ")
            )
        }
    };
    let message = format!(
        "the key has a budget, and {named}: name another model, or let the operator set a max_cost"
    );
    Refusal::new(Reason::PriceUnknown, message).metadata("deployments", deployments.join(","))
}

/// Too much of the tenant's work was moderated lately.
pub(super) fn moderated(retry_after: Duration) -> Refusal {
    let message = "too many of the tenant's requests were moderated lately: wait, and look at the \
                   prompts and inputs, for moderated work is charged";
    Refusal::new(Reason::ModerationLimitReached, message).retry_after(retry_after)
}

/// A queue is full, the key has too many tasks, or its budget is used up.
pub(super) fn limited(limited: &Limited) -> Refusal {
    let (reason, limit) = match &limited.denied {
        Denied::QueueFull { of, most } => {
            let of = match of {
                QueueOf::Server => "of the server",
                QueueOf::Tenant => "of the tenant",
                QueueOf::Model => "of the model",
            };
            let limit = format!("the queue {of} holds {most} tasks at most, and is full");
            (Reason::TaskLimitReached, limit)
        }
        Denied::KeyTasks { most } => {
            let limit = format!("the key may have {most} unfinished tasks at once, and has them");
            (Reason::TaskLimitReached, limit)
        }
        Denied::Budget(exceeded) => {
            let limit = format!(
                "the key may spend {} credits in a {} (UTC); {} are spent or held back for tasks \
                 that have not ended",
                credits(exceeded.limit),
                exceeded.period.as_str(),
                credits(exceeded.spent),
            );
            (Reason::BudgetExceeded, limit)
        }
    };
    let refusal = Refusal::new(reason, &limit)
        .quota(&limited.subject, &limit)
        .retry_after(limited.retry_after);
    let Denied::Budget(exceeded) = &limited.denied else {
        return refusal;
    };
    refusal
        .metadata("period", exceeded.period.as_str())
        .metadata("limitMillicredits", exceeded.limit.0.to_string())
        .metadata("spentMillicredits", exceeded.spent.0.to_string())
}

/// Credits with as many decimals as they need.
fn credits(amount: Millicredits) -> String {
    let (whole, rest) = (amount.0 / 1_000, amount.0 % 1_000);
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Deployments that a sentence names.
const MOST_NAMED: usize = 5;
