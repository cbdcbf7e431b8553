//! Promises of the cost report: its sums are those of the tasks, however they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{create, every_task_of, lead};
use crate::domain::id::TenantId;
use crate::domain::money::Millicredits;
use crate::domain::task::samples::{accepted, archived, claimed, situations, succeeded, task_of};
use crate::domain::task::{Event, Purge, Status, Task};
use crate::domain::time::Timestamp;
use crate::store::{CostKey, CostQuery, CostReport, CostTotals, Grouping, TaskFilter, TaskStore};

/// Tasks in every situation, of two models, three days and some labels; a few belong to another
/// tenant, and a few have no estimate.
async fn mixed(store: &dyn TaskStore) -> Vec<Arc<Task>> {
    let mut tasks = Vec::new();
    let mut n = 0;
    for (_, events) in situations() {
        for variant in 0..6_u32 {
            n += 1;
            let mut task = task_of(["a", "b"][usize::from(variant == 5)], &format!("k{n}"), n);
            task.times.created = Timestamp(task.times.created.0 + i64::from(variant % 3) * DAY);
            if variant == 4 {
                task.estimate = None;
            }
            let order = Arc::make_mut(&mut task.order);
            ["turbo", "äleph"][n as usize % 2].clone_into(&mut order.model);
            order.labels = match variant {
                0 => BTreeMap::new(),
                1 => labels(&[("team", "")]),
                2 => labels(&[("team", "x"), ("run", "=1")]),
                _ => labels(&[("team", "röd"), ("run", "-")]),
            };
            let created = create(store, task).await;
            tasks.push(lead(store, created, &events).await);
        }
    }
    tasks
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn label(name: &str) -> Grouping {
    Grouping::Label(name.to_owned())
}

fn query(filter: &TaskFilter, group_by: &[Grouping]) -> CostQuery {
    CostQuery {
        filter: filter.clone(),
        group_by: group_by.to_vec(),
        after: None,
        limit: 1000,
    }
}

/// What the report must say, reckoned from the tasks themselves.
fn expected(
    tasks: &[Arc<Task>],
    filter: &TaskFilter,
    group_by: &[Grouping],
) -> (BTreeMap<Vec<CostKey>, CostTotals>, CostTotals) {
    let mut groups: BTreeMap<Vec<CostKey>, CostTotals> = BTreeMap::new();
    let mut all = CostTotals::default();
    if group_by.is_empty() {
        groups.insert(Vec::new(), all);
    }
    for task in tasks.iter().filter(|task| passes(task, filter)) {
        let keys = group_by
            .iter()
            .map(|grouping| key(task, grouping))
            .collect();
        let group = groups.entry(keys).or_default();
        *group = group.with(&task.cost());
        all = all.with(&task.cost());
    }
    (groups, all)
}

fn passes(task: &Task, filter: &TaskFilter) -> bool {
    let created = task.times.created;
    let labelled = |(name, value): &(String, String)| task.order.labels.get(name) == Some(value);
    task.tenant == filter.tenant
        && (filter.statuses.is_empty() || filter.statuses.contains(&task.status()))
        && (filter.models.is_empty() || filter.models.contains(&task.order.model))
        && filter.labels.iter().all(labelled)
        && filter.created_from.is_none_or(|from| created >= from)
        && filter.created_before.is_none_or(|before| created < before)
}

fn key(task: &Task, grouping: &Grouping) -> CostKey {
    match grouping {
        Grouping::Model => CostKey::Text(task.order.model.clone()),
        Grouping::Deployment => CostKey::Text(task.deployment().unwrap_or_default().to_owned()),
        Grouping::Day => CostKey::Day(task.times.created.0.div_euclid(DAY)),
        Grouping::Label(name) => {
            let value = task.order.labels.get(name).cloned();
            value.map_or(CostKey::Missing, CostKey::Text)
        }
    }
}

fn check(report: &CostReport, tasks: &[Arc<Task>], filter: &TaskFilter, group_by: &[Grouping]) {
    let (groups, all) = expected(tasks, filter, group_by);
    let told: Vec<_> = report
        .rows
        .iter()
        .map(|row| (row.keys.clone(), row.totals))
        .collect();
    assert_eq!(told, Vec::from_iter(groups), "{group_by:?} {filter:?}");
    assert_eq!(report.totals, all, "{group_by:?} {filter:?}");
}

fn groupings() -> Vec<Vec<Grouping>> {
    use Grouping::{Day, Deployment, Model};
    vec![
        vec![],
        vec![Model],
        vec![Deployment],
        vec![Day],
        vec![label("team")],
        vec![label("nobody has it")],
        vec![Day, Model, Deployment],
        vec![Model, label("team"), label("run")],
        vec![
            Deployment,
            Day,
            Model,
            label("run"),
            label("team"),
            label("x"),
            label("y"),
        ],
    ]
}

/// For every grouping and filter the groups, their order and all sums are those of the tasks.
pub async fn costs_are_those_of_the_tasks(store: &dyn TaskStore) {
    let tasks = mixed(store).await;
    let all = every_task_of("a");
    let with = |change: &dyn Fn(&mut TaskFilter)| {
        let mut filter = all.clone();
        change(&mut filter);
        filter
    };
    let noon = Timestamp(tasks[0].times.created.0 + DAY / 2);
    let filters = [
        all.clone(),
        every_task_of("b"),
        every_task_of("nobody"),
        with(&|filter| filter.models = vec!["turbo".to_owned()]),
        with(&|filter| filter.models = ["turbo", "nobody's", "äleph"].map(str::to_owned).into()),
        with(&|filter| filter.statuses = vec![Status::Failed, Status::Queued]),
        with(&|filter| filter.labels = vec![("team".to_owned(), String::new())]),
        with(&|filter| {
            let wanted = labels(&[("team", "röd"), ("run", "-")]);
            filter.labels = wanted.into_iter().collect();
        }),
        with(&|filter| filter.created_from = Some(noon)),
        with(&|filter| {
            filter.created_before = Some(noon);
            filter.statuses = vec![Status::Completed];
        }),
    ];
    for filter in &filters {
        for group_by in groupings() {
            let report = store.cost_report(&query(filter, &group_by)).await;
            check(&report.expect("a report"), &tasks, filter, &group_by);
        }
    }
}

/// Pages of any size hold every group once, in order, and the same totals.
pub async fn costs_are_paged_by_their_keys(store: &dyn TaskStore) {
    mixed(store).await;
    let filter = every_task_of("a");
    for group_by in groupings() {
        let whole = store
            .cost_report(&query(&filter, &group_by))
            .await
            .expect("a report");
        for limit in [1, 2, 5] {
            let mut rows = Vec::new();
            let mut asked = query(&filter, &group_by);
            asked.limit = limit;
            loop {
                let page = store.cost_report(&asked).await.expect("a page");
                assert_eq!(page.totals, whole.totals);
                assert!(page.rows.len() <= limit && rows.len() <= whole.rows.len());
                let Some(last) = page.rows.last() else { break };
                asked.after = Some(last.keys.clone());
                rows.extend(page.rows);
                if group_by.is_empty() {
                    break;
                }
            }
            assert_eq!(rows, whole.rows, "{group_by:?} by {limit}");
        }
    }
}

/// What a deleted task cost stays in the sums until its record goes.
pub async fn a_deleted_task_counts_until_its_record_goes(store: &dyn TaskStore) {
    let filter = every_task_of("a");
    let created = create(store, task_of("a", "k", 1)).await;
    let walk = [
        claimed(),
        accepted(1),
        succeeded(),
        archived(),
        Event::Deleted,
    ];
    let deleted = lead(store, created, &walk).await;
    let totals = async || {
        let report = store.cost_report(&query(&filter, &[Grouping::Model])).await;
        report.expect("a report").totals
    };
    let expected = CostTotals::default().with(&deleted.cost());
    assert_eq!(
        (totals().await, expected.actual),
        (expected, Millicredits(24_000))
    );
    let rested = lead(store, deleted, &[Event::Purged(Purge::All)]).await;
    assert_eq!(totals().await, expected);
    store.remove(vec![rested.id]).await.expect("a write");
    assert_eq!(totals().await, CostTotals::default());
}

/// Amounts beyond every expectation neither fail a report nor wrap round.
pub async fn absurd_amounts_do_not_break_the_sums(store: &dyn TaskStore) {
    for n in 1..=5 {
        let mut task = task_of("a", &format!("k{n}"), n);
        task.estimate = Some(Millicredits(u64::MAX / 2));
        create(store, task).await;
    }
    let report = store.cost_report(&query(&every_task_of("a"), &[])).await;
    let totals = report.expect("a report").totals;
    assert_eq!(
        (totals.tasks, totals.estimated),
        (5, Millicredits(u64::MAX))
    );
    let other = CostQuery {
        filter: TaskFilter {
            tenant: TenantId::named("b"),
            ..every_task_of("a")
        },
        ..query(&every_task_of("a"), &[])
    };
    let report = store.cost_report(&other).await.expect("a report");
    assert_eq!(
        (report.rows.len(), report.totals),
        (1, CostTotals::default())
    );
}

/// Milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
