//! The requests that name a task, and List.

use std::collections::BTreeMap;

use super::Violations;
use super::names::read_status;
use super::time::read_moment;
use crate::domain::id::TaskId;
use crate::domain::task::{Resolution, Status};
use crate::grpc::status::Reason;
use crate::pb::v1;
use crate::service::{DownloadRequest, ListRequest, TaskFilters};

/// The task that a request names.
pub(in crate::grpc) fn task_id(text: &str) -> Result<TaskId, tonic::Status> {
    let mut found = Violations::default();
    let id = read_task_id(text, &mut found);
    found.none(id)
}

/// The task of a watch, and what was seen of it.
pub(in crate::grpc) fn watch(given: &v1::WatchTaskRequest) -> Result<(TaskId, u64), tonic::Status> {
    Ok((task_id(&given.task_id)?, given.after_revision))
}

/// What a download asks for.
pub(in crate::grpc) fn download(
    given: v1::DownloadContentRequest,
) -> Result<DownloadRequest, tonic::Status> {
    let mut found = Violations::default();
    let id = read_task_id(&given.task_id, &mut found);
    let offset = read_bytes("offset", given.offset, &mut found);
    let limit = read_bytes("limit", given.limit, &mut found);
    let digest = given.expected_sha256;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digest.is_empty() && !is_digest {
        found.field(
            "expected_sha256",
            "takes 64 hexadecimal characters, or none",
        );
    }
    found.none(id.map(|id| DownloadRequest {
        id,
        index: given.output_index,
        offset,
        limit,
        expected_sha256: digest,
    }))
}

/// What a list asks for.
pub(in crate::grpc) fn list(given: v1::ListRequest) -> Result<ListRequest, tonic::Status> {
    let mut found = Violations::default();
    let request = ListRequest {
        page_size: read_page_size(given.page_size, &mut found),
        page_token: given.page_token,
        filters: read_filters(given.filters, &mut found),
    };
    found.none(Some(request))
}

/// The task of a resolution, and how it is settled.
pub(in crate::grpc) fn resolve(
    given: v1::ResolveUnknownRequest,
) -> Result<(TaskId, Resolution), tonic::Status> {
    let mut found = Violations::default();
    let id = read_task_id(&given.task_id, &mut found);
    let resolution = read_resolution(given.resolution, given.provider_task_id, &mut found);
    found.none(id.zip(resolution))
}

fn read_task_id(text: &str, found: &mut Violations) -> Option<TaskId> {
    match text.parse() {
        Ok(id) => Some(id),
        Err(invalid) => {
            let problem = crate::domain::id::InvalidTaskId::to_string(&invalid);
            found.add("task_id", Reason::TaskIdInvalid, problem);
            None
        }
    }
}

pub(super) fn read_page_size(given: i32, found: &mut Violations) -> u32 {
    u32::try_from(given).unwrap_or_else(|_| {
        found.field("page_size", "must not be negative");
        0
    })
}

/// The filters of a request; absent: all tasks.
pub(super) fn read_filters(given: Option<v1::TaskFilters>, found: &mut Violations) -> TaskFilters {
    let given = given.unwrap_or_default();
    let (after, before) = (given.create_time_after, given.create_time_before);
    TaskFilters {
        statuses: read_statuses(&given.statuses, found),
        model: given.model,
        labels: read_labels(given.labels, found),
        created_from: read_moment("filters.create_time_after", after, found),
        created_before: read_moment("filters.create_time_before", before, found),
    }
}

fn read_bytes(field: &str, given: i64, found: &mut Violations) -> u64 {
    u64::try_from(given).unwrap_or_else(|_| {
        found.field(field, "must not be negative");
        0
    })
}

/// Each status once, in the contract's order: the same filters are the same list.
fn read_statuses(given: &[i32], found: &mut Violations) -> Vec<Status> {
    let mut wanted = [false; Status::ALL.len()];
    for (index, number) in given.iter().enumerate() {
        let field = format!("filters.statuses[{index}]");
        let status = read_status(&field, *number, found);
        if let Some(place) = Status::ALL.iter().position(|known| Some(*known) == status) {
            wanted[place] = true;
        }
    }
    let kept = Status::ALL.into_iter().zip(wanted);
    kept.filter_map(|(status, wanted)| wanted.then_some(status))
        .collect()
}

/// Labels in the order of their names: a map comes in any order, and a page token is tied to one.
fn read_labels(
    given: std::collections::HashMap<String, String>,
    found: &mut Violations,
) -> Vec<(String, String)> {
    if given.len() > MAX_LABELS {
        let problem = format!("takes at most {MAX_LABELS}; got {}", given.len());
        found.field("filters.labels", problem);
        return Vec::new();
    }
    let sorted: BTreeMap<String, String> = given.into_iter().collect();
    sorted.into_iter().collect()
}

fn read_resolution(number: i32, upstream_id: String, found: &mut Violations) -> Option<Resolution> {
    let named = v1::Resolution::try_from(number).unwrap_or(v1::Resolution::Unspecified);
    let id_fits = match named {
        v1::Resolution::Attach => {
            let bytes = 1..=MAX_UPSTREAM_ID;
            bytes.contains(&upstream_id.len()) && upstream_id.bytes().all(|b| b.is_ascii_graphic())
        }
        v1::Resolution::Unspecified => true,
        v1::Resolution::NotCharged | v1::Resolution::Charged => upstream_id.is_empty(),
    };
    if !id_fits {
        let problem =
            format!("takes 1 to {MAX_UPSTREAM_ID} visible ASCII characters with ATTACH only");
        found.field("provider_task_id", problem);
    }
    match named {
        v1::Resolution::Attach => Some(Resolution::Attach { upstream_id }),
        v1::Resolution::NotCharged => Some(Resolution::NotCharged),
        v1::Resolution::Charged => Some(Resolution::Charged),
        v1::Resolution::Unspecified => {
            found.field("resolution", "must be ATTACH, NOT_CHARGED or CHARGED");
            None
        }
    }
}

/// Labels that a filter takes at most.
const MAX_LABELS: usize = 8;
/// Longest provider's id that can be attached.
const MAX_UPSTREAM_ID: usize = 128;

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;
    use crate::domain::time::Timestamp;

    const ID: &str = "task_01890a5d-ac96-774b-bcce-b302099a8057";

    fn id() -> String {
        ID.replace('-', "")
    }

    /// Reason and bad fields of a refusal.
    fn refused<T: std::fmt::Debug>(result: Result<T, tonic::Status>) -> String {
        let details = result.expect_err("is refused").get_error_details();
        let fields = &details.bad_request().unwrap().field_violations;
        let fields: Vec<&str> = fields.iter().map(|found| found.field.as_str()).collect();
        format!(
            "{} {}",
            details.error_info().unwrap().reason,
            fields.join(" ")
        )
    }

    #[test]
    fn a_task_id_has_one_spelling() {
        assert_eq!(task_id(&id()).unwrap().to_string(), id());
        for bad in ["", ID, "task_", "x\u{0}", &id().to_uppercase()] {
            assert_eq!(refused(task_id(bad)), "TASK_ID_INVALID task_id", "{bad}");
        }
    }

    #[test]
    fn a_download_is_checked_field_by_field() {
        let good = v1::DownloadContentRequest {
            task_id: id(),
            output_index: 3,
            offset: 5,
            limit: i64::MAX,
            expected_sha256: "aB".repeat(32),
        };
        let request = download(good.clone()).unwrap();
        assert_eq!((request.index, request.offset), (3, 5));
        assert_eq!(request.limit, i64::MAX.unsigned_abs());
        let bad = v1::DownloadContentRequest {
            task_id: "t".to_owned(),
            offset: -1,
            limit: i64::MIN,
            expected_sha256: "ä".repeat(32),
            ..good
        };
        let expected = "FIELD_INVALID task_id offset limit expected_sha256";
        assert_eq!(refused(download(bad)), expected);
    }

    #[test]
    fn a_list_is_the_same_however_its_filters_are_ordered() {
        let labels = |names: [&str; 3]| {
            let pairs = names.map(|name| (name.to_owned(), "v".to_owned()));
            v1::TaskFilters {
                statuses: names
                    .iter()
                    .map(|name| i32::from(name.as_bytes()[0] - b'`'))
                    .collect(),
                labels: pairs.into(),
                ..v1::TaskFilters::default()
            }
        };
        let read = |names| {
            let filters = Some(labels(names));
            let request = list(v1::ListRequest {
                filters,
                ..v1::ListRequest::default()
            })
            .unwrap();
            (request.filters.statuses, request.filters.labels)
        };
        assert_eq!(read(["a", "b", "d"]), read(["d", "b", "a"]));
        let statuses = [Status::Queued, Status::Throttled, Status::Completed];
        assert_eq!(read(["a", "b", "d"]).0, statuses);
    }

    #[test]
    fn a_list_is_checked_field_by_field() {
        let never = prost_types::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        let filters = v1::TaskFilters {
            statuses: vec![1, 0, 99],
            labels: (0..9).map(|n| (n.to_string(), String::new())).collect(),
            create_time_after: Some(never),
            create_time_before: Some(prost_types::Timestamp {
                seconds: 5,
                nanos: 0,
            }),
            ..v1::TaskFilters::default()
        };
        let bad = v1::ListRequest {
            page_size: -1,
            filters: Some(filters),
            ..Default::default()
        };
        let expected = "FIELD_INVALID page_size filters.statuses[1] filters.statuses[2] \
                        filters.labels filters.create_time_after";
        assert_eq!(refused(list(bad)), expected);
        let filters = v1::TaskFilters {
            create_time_before: Some(prost_types::Timestamp {
                seconds: 5,
                nanos: 0,
            }),
            ..v1::TaskFilters::default()
        };
        let good = v1::ListRequest {
            page_size: 7,
            filters: Some(filters),
            ..Default::default()
        };
        let request = list(good).unwrap();
        assert_eq!(
            (request.page_size, request.filters.created_before),
            (7, Some(Timestamp(5000)))
        );
    }

    #[test]
    fn only_an_attachment_names_the_providers_task() {
        let ask = |resolution: v1::Resolution, provider_task_id: &str| {
            resolve(v1::ResolveUnknownRequest {
                task_id: id(),
                resolution: resolution as i32,
                provider_task_id: provider_task_id.to_owned(),
            })
        };
        let attached = Resolution::Attach {
            upstream_id: "u-1".to_owned(),
        };
        assert_eq!(ask(v1::Resolution::Attach, "u-1").unwrap().1, attached);
        assert_eq!(
            ask(v1::Resolution::Charged, "").unwrap().1,
            Resolution::Charged
        );
        for bad in ["", "a b", "ü", &"x".repeat(129)] {
            let seen = refused(ask(v1::Resolution::Attach, bad));
            assert_eq!(seen, "FIELD_INVALID provider_task_id", "{bad}");
        }
        let seen = refused(ask(v1::Resolution::NotCharged, "u"));
        assert_eq!(seen, "FIELD_INVALID provider_task_id");
        let seen = refused(ask(v1::Resolution::Unspecified, ""));
        assert_eq!(seen, "FIELD_INVALID resolution");
    }
}
