//! A task as JSON for scripts: the proto's own names, enums without their prefix, RFC 3339 times.
//!
//! Every key is always there; what is absent is null.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::pb::v1::{Attempt, Cost, HistoryEntry, Output, Task, TaskError};

/// A task.
pub fn task(task: &Task) -> Json {
    json!({
        "id": task.id,
        "request_id": task.request_id,
        "operation": bare(task.operation().as_str_name(), "OPERATION_"),
        "model": task.model,
        "deployment": task.deployment,
        "status": status_name(task),
        "status_detail": task.status_detail,
        "progress": share(task.progress),
        "revision": task.revision,
        "create_time": time(task.create_time.as_ref()),
        "submit_time": time(task.submit_time.as_ref()),
        "start_time": time(task.start_time.as_ref()),
        "complete_time": time(task.complete_time.as_ref()),
        "update_time": time(task.update_time.as_ref()),
        "prompt": task.prompt,
        "seconds": task.seconds,
        "size": task.size,
        "labels": task.labels,
        "history": task.history.iter().map(history).collect::<Vec<_>>(),
        "outputs": task.outputs.iter().map(output).collect::<Vec<_>>(),
        "cost": task.cost.as_ref().map(cost),
        "error": task.error.as_ref().map(error),
        "attempts": task.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

/// A share with four decimals at most: more are the noise of its binary form.
fn share(part: f32) -> f64 {
    (f64::from(part) * 10_000.0).round() / 10_000.0
}

/// A task's status without the enum's prefix.
pub fn status_name(task: &Task) -> &'static str {
    bare(task.status().as_str_name(), "TASK_STATUS_")
}

/// An enum value's name without the enum's.
pub fn bare(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// A time as RFC 3339; `None` when it is absent or outside the calendar.
pub fn time(time: Option<&prost_types::Timestamp>) -> Option<String> {
    let time = time?;
    Timestamp::new(time.seconds, time.nanos)
        .ok()
        .map(|time| time.to_string())
}

/// A protobuf value as the JSON that it stands for; whole numbers without a point.
pub fn plain_value(value: &prost_types::Value) -> Json {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(flag)) => json!(flag),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::NumberValue(number)) => {
            let whole = number.to_string().parse::<i64>();
            whole.map_or_else(|_| json!(number), |whole| json!(whole))
        }
        Some(Kind::ListValue(list)) => list.values.iter().map(plain_value).collect(),
        Some(Kind::StructValue(fields)) => fields
            .fields
            .iter()
            .map(|(name, field)| (name.clone(), plain_value(field)))
            .collect(),
    }
}

fn history(entry: &HistoryEntry) -> Json {
    json!({
        "revision": entry.revision,
        "status": bare(entry.status().as_str_name(), "TASK_STATUS_"),
        "time": time(entry.time.as_ref()),
    })
}

fn output(output: &Output) -> Json {
    let seconds = output.duration.as_ref().map(|length| {
        let whole = u64::try_from(length.seconds).unwrap_or(0);
        let nanos = u32::try_from(length.nanos).unwrap_or(0);
        std::time::Duration::new(whole, nanos).as_secs_f64()
    });
    json!({
        "index": output.index,
        "content_type": output.content_type,
        "size_bytes": output.size_bytes,
        "sha256": output.sha256,
        "width": output.width,
        "height": output.height,
        "duration_seconds": seconds,
        "expire_time": time(output.expire_time.as_ref()),
    })
}

fn cost(cost: &Cost) -> Json {
    json!({
        "estimated_millicredits": cost.estimated_millicredits,
        "actual_millicredits": cost.actual_millicredits,
        "estimated_usd_micros": cost.estimated_usd_micros,
        "actual_usd_micros": cost.actual_usd_micros,
        "charge": bare(cost.charge().as_str_name(), "CHARGE_"),
    })
}

fn error(error: &TaskError) -> Json {
    json!({
        "reason": error.reason,
        "message": error.message,
        "provider_code": error.provider_code,
        "provider_message": error.provider_message,
        "retryable": error.retryable,
    })
}

fn attempt(attempt: &Attempt) -> Json {
    json!({
        "number": attempt.number,
        "deployment": attempt.deployment,
        "provider_task_id": attempt.provider_task_id,
        "outcome": bare(attempt.outcome().as_str_name(), "ATTEMPT_OUTCOME_"),
        "reason": attempt.reason,
        "start_time": time(attempt.start_time.as_ref()),
        "end_time": time(attempt.end_time.as_ref()),
        "cost": attempt.cost.as_ref().map(cost),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::TaskStatus;

    #[test]
    fn names_are_the_protos_and_absent_is_null() {
        let mut sample = Task {
            id: "task_1".into(),
            revision: 3,
            progress: 0.99,
            ..Task::default()
        };
        sample.set_status(TaskStatus::InProgress);
        sample.create_time = Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 5_000_000,
        });
        sample.outputs.push(Output {
            duration: Some(prost_types::Duration {
                seconds: 5,
                nanos: 500_000_000,
            }),
            ..Output::default()
        });
        let json = task(&sample);
        assert_eq!(json["progress"].to_string(), "0.99");
        assert_eq!(json["status"], "IN_PROGRESS");
        assert_eq!(json["create_time"], "2023-11-14T22:13:20.005Z");
        assert_eq!(json["outputs"][0]["duration_seconds"], 5.5);
        assert!(json["cost"].is_null() && json.as_object().unwrap().contains_key("cost"));
    }
}
