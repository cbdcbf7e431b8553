//! What things cost, before and after; and that a report sums exactly what the tasks show.

use std::collections::BTreeMap;

use mediagen::pb::v1::{
    CancelRequest, Charge, CostDimension, CostReportRequest, CostReportResponse, CostTotals,
    CreateRequest, DeleteRequest, EstimateCostRequest, ListRequest, Task, TaskFilters, TaskStatus,
};
use tonic::Code;

use crate::harness::child::program;
use crate::harness::{TestApp, quick, refused, sound, video, within};

#[tokio::test]
async fn a_task_shows_the_most_it_may_cost_and_then_its_bill() {
    let app = TestApp::with(quick(), &[("runway.usd_per_credit", "0.0125")]).await;
    let made = app.create(video("a lake [sandbox:seconds=1]")).await;
    assert_eq!(made.cost.as_ref().unwrap().charge(), Charge::Estimated);
    let running = app.until(&made.id, |task| task.status() == TaskStatus::InProgress);
    let open = running.await.cost.unwrap();
    // The provider's own estimate: 2 s of gen4.5 at 12 credits.
    assert_eq!(open.estimated_millicredits, Some(24_000));
    assert_eq!(open.estimated_usd_micros, Some(300_000));
    assert_eq!(
        (open.actual_millicredits, open.charge()),
        (None, Charge::Estimated)
    );
    let bill = app.finish(&made.id).await.cost.unwrap();
    assert_eq!(bill.actual_millicredits, Some(24_000));
    assert_eq!(bill.actual_usd_micros, Some(300_000));
    assert_eq!(bill.charge(), Charge::Charged);
}

#[tokio::test]
async fn what_failed_is_charged_when_it_was_moderated_and_else_refunded() {
    let app = TestApp::start().await;
    let moderated = app
        .run(video("a lake [sandbox:fail=SAFETY.OUTPUT]"))
        .await
        .cost
        .unwrap();
    assert_eq!(moderated.charge(), Charge::Charged);
    assert_eq!(moderated.actual_millicredits, Some(24_000));
    let broken = app
        .run(video("a lake [sandbox:fail=INTERNAL]"))
        .await
        .cost
        .unwrap();
    assert_eq!(
        (broken.charge(), broken.actual_millicredits),
        (Charge::None, Some(0))
    );
    let refused = app
        .run(video("a lake [sandbox:status=400]"))
        .await
        .cost
        .unwrap();
    assert_eq!(
        (refused.charge(), refused.actual_millicredits),
        (Charge::None, None)
    );
}

#[tokio::test]
async fn an_estimate_creates_nothing_and_asks_the_provider_nothing() {
    let app = TestApp::start().await;
    let ask = async |request| {
        let mut client = app.client.clone();
        let request = EstimateCostRequest {
            request: Some(request),
        };
        within("an estimate", client.estimate_cost(request)).await
    };
    let price = ask(video("a lake")).await.unwrap().into_inner();
    assert_eq!(
        (price.seconds, &*price.size, &*price.model),
        (Some(2), "1280x720", "gen4.5")
    );
    assert_eq!(price.deployments, ["runwayml/gen4.5"]);
    let wrong = CreateRequest {
        size: "7x7".into(),
        seconds: Some(77),
        ..video("a lake")
    };
    let refusal = refused(ask(wrong).await);
    assert!(
        refusal.is(Code::InvalidArgument, "FIELD_INVALID"),
        "{refusal:?}"
    );
    assert!(
        refusal.names("request.size") && refusal.names("request.seconds"),
        "{refusal:?}"
    );
    assert_eq!(listed(&app, TaskFilters::default()).await, []);
    let counts = app.upstream.sandbox.counts();
    assert_eq!((counts.creates_accepted, counts.creates_refused), (0, 0));
}

/// Tasks of every fate, model and label, some of them a day older than the others.
async fn mixed(app: &mut TestApp) -> Vec<Task> {
    let labelled = |request: CreateRequest, labels: &[(&str, &str)]| CreateRequest {
        labels: labels
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..request
    };
    let x = [("team", "x"), ("run", "1")];
    let ends = [
        labelled(sound("a bell"), &x),
        labelled(sound("two bells"), &[("team", "y")]),
        labelled(video("a lake"), &x),
        labelled(video("a lake [sandbox:fail=SAFETY.INPUT.TEXT]"), &x),
        labelled(video("a lake [sandbox:fail=INTERNAL]"), &[]),
        labelled(sound("a bell [sandbox:status=400]"), &[("team", "")]),
        labelled(sound("a last bell"), &[]),
    ];
    let mut made = Vec::new();
    for request in ends {
        made.push(app.create(request).await.id);
    }
    for id in &made {
        app.finish(id).await;
    }
    let lost = app
        .create(labelled(sound("[sandbox:accept-then-500] lost"), &x))
        .await;
    app.until(&lost.id, |task| {
        task.status() == TaskStatus::SubmissionUnknown
    })
    .await;
    let running = app.create(labelled(
        video("a sea [sandbox:seconds=600]"),
        &[("run", "2")],
    ));
    let running = running.await.id;
    app.until(&running, |task| task.status() == TaskStatus::InProgress)
        .await;
    let tried = |task: &Task| {
        task.attempts
            .first()
            .is_some_and(|first| first.end_time.is_some())
    };
    for request in [
        labelled(video("a fog [sandbox:status=503]"), &x),
        sound("[sandbox:status=503]"),
    ] {
        let waiting = app.create(request).await;
        app.until(&waiting.id, tried).await;
        if waiting.model == "gen4.5" {
            let mut client = app.client.clone();
            let request = CancelRequest {
                task_id: waiting.id,
            };
            within("the answer to Cancel", client.cancel(request))
                .await
                .unwrap();
        }
    }
    age(app, &made[..3]).await;
    listed(app, TaskFilters::default()).await
}

/// Makes tasks a day older, behind the server's back; an id says the time of creation too.
async fn age(app: &mut TestApp, ids: &[String]) {
    app.stop().await;
    let data = app.archive("").join("..").canonicalize().unwrap();
    let store = rusqlite::Connection::open(data.join("mediagen.db")).unwrap();
    store.pragma_update(None, "foreign_keys", false).unwrap();
    for id in ids {
        let key = id.strip_prefix("task_").unwrap();
        let created = i64::from_str_radix(&key[..12], 16).unwrap() - 86_400_000;
        let older = format!("{created:012x}{}", &key[12..]);
        for table in ["attempts", "history", "outputs", "labels", "deliveries"] {
            let sql = format!("UPDATE {table} SET task_id = unhex(?1) WHERE task_id = unhex(?2)");
            store.execute(&sql, [&older, key]).unwrap();
        }
        let sql =
            "UPDATE tasks SET created = created - 86400000, id = unhex(?1) WHERE id = unhex(?2)";
        assert_eq!(store.execute(sql, [&older, key]).unwrap(), 1, "{id}");
    }
    drop(store);
    app.restart(&[]).await;
}

async fn listed(app: &TestApp, filters: TaskFilters) -> Vec<Task> {
    let request = ListRequest {
        page_size: 1000,
        filters: Some(filters),
        ..ListRequest::default()
    };
    let mut client = app.client.clone();
    let page = within("a list", client.list(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.next_page_token, "");
    page.tasks
}

async fn reported(app: &TestApp, request: CostReportRequest) -> CostReportResponse {
    let mut client = app.client.clone();
    within("a report", client.cost_report(request))
        .await
        .unwrap()
        .into_inner()
}

/// The sums over tasks by the contract's words, from what the tasks themselves show.
fn summed<'a>(tasks: impl IntoIterator<Item = &'a Task>) -> CostTotals {
    let mut sum = CostTotals::default();
    for task in tasks {
        let cost = task.cost.as_ref().unwrap();
        sum.task_count += 1;
        sum.actual_millicredits += cost.actual_millicredits.unwrap_or(0);
        sum.actual_usd_micros += cost.actual_usd_micros.unwrap_or(0);
        let open = match cost.charge() {
            Charge::None => false,
            Charge::Charged => cost.actual_millicredits.is_none(),
            Charge::Unspecified | Charge::Estimated | Charge::ChargedOrUnknown => true,
        };
        if open {
            sum.estimated_millicredits += cost.estimated_millicredits.unwrap_or(0);
            sum.estimated_usd_micros += cost.estimated_usd_micros.unwrap_or(0);
        }
        let known = cost.actual_millicredits.or(cost.estimated_millicredits);
        sum.unknown_count += u64::from(cost.charge() != Charge::None && known.is_none());
    }
    sum
}

/// A row's keys in words, and those of the group that a task belongs to.
type Keys = (String, String, String, BTreeMap<String, String>);

fn keys_of(task: &Task, request: &CostReportRequest) -> Keys {
    let by = |dimension: CostDimension| request.group_by.contains(&(dimension as i32));
    let given = |asked: bool, text: String| if asked { text } else { String::new() };
    let created = task.create_time.as_ref().unwrap().seconds;
    let day = jiff::Timestamp::from_second(created).unwrap().to_string();
    let label = |key: &String| Some((key.clone(), task.labels.get(key)?.clone()));
    (
        given(by(CostDimension::Model), task.model.clone()),
        given(by(CostDimension::Deployment), task.deployment.clone()),
        given(by(CostDimension::Day), day[..10].to_owned()),
        request.group_by_labels.iter().filter_map(label).collect(),
    )
}

/// The report of a request, page by page, is that of these tasks.
async fn check(app: &TestApp, tasks: &[Task], request: &CostReportRequest) {
    let mut expected: BTreeMap<Keys, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        expected
            .entry(keys_of(task, request))
            .or_default()
            .push(task);
    }
    let mut request = CostReportRequest {
        page_size: 2,
        ..request.clone()
    };
    let mut told = BTreeMap::new();
    loop {
        let page = reported(app, request.clone()).await;
        assert!(page.rows.len() <= 2);
        assert_eq!(page.totals, Some(summed(tasks)), "{request:?}");
        for row in page.rows {
            let labels = row.labels.into_iter().collect();
            let again = told.insert((row.model, row.deployment, row.day, labels), row.totals);
            assert_eq!(again, None, "a group twice");
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let sums = expected
        .into_iter()
        .map(|(keys, tasks)| (keys, Some(summed(tasks))));
    let mut sums: BTreeMap<_, _> = sums.collect();
    if request.group_by.len() + request.group_by_labels.len() == 0 {
        sums.entry(Keys::default())
            .or_insert(Some(CostTotals::default()));
    }
    assert_eq!(told, sums, "{request:?}");
}

/// Every grouping by dimensions and two labels.
fn groupings() -> Vec<CostReportRequest> {
    let dimensions = [
        CostDimension::Model,
        CostDimension::Deployment,
        CostDimension::Day,
    ];
    let labels = ["team", "run"];
    let chosen = |bits: usize| CostReportRequest {
        group_by: (0..3)
            .filter(|n| bits & (1 << n) != 0)
            .map(|n| dimensions[n] as i32)
            .collect(),
        group_by_labels: (0..2)
            .filter(|n| bits & (8 << n) != 0)
            .map(|n| labels[n].into())
            .collect(),
        ..CostReportRequest::default()
    };
    (0..32).map(chosen).collect()
}

fn filters(tasks: &[Task]) -> Vec<TaskFilters> {
    let newest = tasks[0].create_time.unwrap();
    let day_ago = prost_types::Timestamp {
        seconds: newest.seconds - 3_600,
        nanos: 0,
    };
    let label = |name: &str, value: &str| TaskFilters {
        labels: [(name.to_owned(), value.to_owned())].into(),
        ..TaskFilters::default()
    };
    vec![
        TaskFilters::default(),
        label("team", "x"),
        label("team", ""),
        label("team", "nobody"),
        TaskFilters {
            model: "gen4.5".into(),
            ..label("team", "x")
        },
        TaskFilters {
            statuses: vec![
                TaskStatus::Failed as i32,
                TaskStatus::SubmissionUnknown as i32,
            ],
            ..TaskFilters::default()
        },
        TaskFilters {
            create_time_after: Some(day_ago),
            ..TaskFilters::default()
        },
        TaskFilters {
            create_time_before: Some(day_ago),
            ..TaskFilters::default()
        },
    ]
}

#[tokio::test]
async fn a_report_sums_what_the_tasks_show_for_every_grouping_and_filter() {
    let mut app = TestApp::start().await;
    let tasks = mixed(&mut app).await;
    let charges: Vec<Charge> = tasks
        .iter()
        .map(|task| task.cost.as_ref().unwrap().charge())
        .collect();
    for charge in [
        Charge::None,
        Charge::Estimated,
        Charge::Charged,
        Charge::ChargedOrUnknown,
    ] {
        assert!(charges.contains(&charge), "{charges:?}");
    }
    for filters in filters(&tasks) {
        let chosen = listed(&app, filters.clone()).await;
        for grouping in groupings() {
            let request = CostReportRequest {
                filters: Some(filters.clone()),
                ..grouping
            };
            check(&app, &chosen, &request).await;
        }
    }
    // A deleted task is not listed, and what it cost is not forgotten.
    let ended = tasks.iter().filter(|task| task.complete_time.is_some());
    for task in ended.take(4) {
        let mut client = app.client.clone();
        let request = DeleteRequest {
            task_id: task.id.clone(),
        };
        within("the answer to Delete", client.delete(request))
            .await
            .unwrap();
    }
    assert_eq!(
        listed(&app, TaskFilters::default()).await.len(),
        tasks.len() - 4
    );
    for grouping in groupings() {
        check(&app, &tasks, &grouping).await;
    }
    app.restart(&[]).await;
    check(&app, &tasks, &groupings()[31]).await;
}

#[tokio::test]
async fn what_a_team_spent_is_one_command() {
    let app = TestApp::start().await;
    for (team, request) in [
        ("x", video("a lake")),
        ("y", video("a sea")),
        ("x", sound("a bell")),
    ] {
        let labels = [("team".to_owned(), team.to_owned())].into();
        app.run(CreateRequest { labels, ..request }).await;
    }
    let server = format!("http://{}", app.address);
    let run = async |line: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(&folder.path().join("log"));
        command.args(line.split(' ')).args(["--server", &server]);
        let ran = tokio::task::spawn_blocking(move || command.output());
        let ran = within("a command", ran).await.unwrap().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    let (code, told) = run("costs --label team=x --model gen4.5 --since 7d").await;
    let expected = "\
MODEL   TASKS  CHARGED  CHARGED USD  OPEN  OPEN USD  UNKNOWN
gen4.5      1       24        $0.24     0     $0.00        0
total       1       24        $0.24     0     $0.00        0
";
    assert_eq!((code, told.as_str()), (Some(0), expected));
    let (code, told) = run("costs --by model,label:team --until 1d --json").await;
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &json["totals"]["task_count"]), (Some(0), &0.into()));
    assert_eq!(json["rows"], serde_json::json!([]));
    let (code, told) = run("estimate --model gen4.5 --seconds 2 --json lake").await;
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &json["deployments"][0]),
        (Some(0), &"runwayml/gen4.5".into())
    );
    assert!(
        json.as_object()
            .unwrap()
            .contains_key("estimated_millicredits")
    );
    assert_eq!(run("estimate --size 7x7 lake").await.0, Some(3));
    assert_eq!(run("costs --since never").await.0, Some(2));
    assert_eq!(app.upstream.sandbox.ledger().len(), 3);
}

#[tokio::test]
async fn a_model_is_chosen_by_either_spelling_of_its_name() {
    let app = TestApp::start().await;
    for model in ["gen4.5", "runwayml/gen4.5", "veo3.1"] {
        let request = CreateRequest {
            model: model.into(),
            prompt: "a lake".into(),
            ..CreateRequest::default()
        };
        app.create(request).await;
    }
    for (model, expected) in [
        ("gen4.5", &["runwayml/gen4.5", "gen4.5"][..]),
        ("runwayml/gen4.5", &["runwayml/gen4.5", "gen4.5"]),
        ("runwayml/veo3.1", &["veo3.1"]),
        ("runwayml/", &[]),
        ("gen4", &[]),
    ] {
        let filters = TaskFilters {
            model: model.into(),
            ..TaskFilters::default()
        };
        let tasks = listed(&app, filters.clone()).await;
        let models: Vec<_> = tasks.iter().map(|task| task.model.as_str()).collect();
        assert_eq!(models, expected, "{model}");
        let mut client = app.client.clone();
        let request = CostReportRequest {
            filters: Some(filters),
            ..CostReportRequest::default()
        };
        let report = within("the report", client.cost_report(request)).await;
        let totals = report.unwrap().into_inner().totals.unwrap();
        assert_eq!(totals.task_count, expected.len() as u64, "{model}");
    }
}
