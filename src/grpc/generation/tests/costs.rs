//! `EstimateCost` and `CostReport`.

use super::*;

async fn estimate(
    server: &Server,
    request: v1::CreateRequest,
) -> Result<v1::EstimateCostResponse, Status> {
    let request = v1::EstimateCostRequest {
        request: Some(request),
    };
    let answer = server.client().estimate_cost(request).await;
    answer.map(Response::into_inner)
}

async fn report(
    server: &Server,
    request: v1::CostReportRequest,
) -> Result<v1::CostReportResponse, Status> {
    let answer = server.client().cost_report(request).await;
    answer.map(Response::into_inner)
}

#[tokio::test]
async fn an_estimate_says_what_would_become_of_a_request_and_leaves_nothing() {
    let server = Server::start().await;
    let request = v1::CreateRequest {
        model: String::new(),
        seconds: None,
        size: String::new(),
        ..lake()
    };
    let price = estimate(&server, request).await.unwrap();
    assert_eq!(price.model, "gen4.5");
    assert_eq!(price.operation(), v1::Operation::TextToVideo);
    assert_eq!((price.seconds, price.size.as_str()), (Some(5), "1280x720"));
    assert_eq!(price.deployments, ["nobody/gen4.5"]);
    let cost = price.cost.unwrap();
    assert_eq!(
        (cost.actual_millicredits, cost.actual_usd_micros),
        (None, None)
    );
    assert_eq!(cost.charge(), v1::Charge::Unspecified);
    let listed = server.client().list(v1::ListRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().tasks, []);
    assert_eq!(server.archive.task_ids().await.unwrap(), []);
}

#[tokio::test]
async fn an_estimate_refuses_what_create_refuses_and_names_it_from_its_own_message() {
    let server = Server::start().await;
    let wrong = v1::CreateRequest {
        request_id: "no\tid".to_owned(),
        size: "1x1".to_owned(),
        seconds: Some(0),
        labels: [(String::new(), String::new())].into(),
        timeout: Some(prost_types::Duration {
            seconds: 90_000,
            nanos: 0,
        }),
        operation: 99,
        ..lake()
    };
    for request in [
        wrong.clone(),
        v1::CreateRequest {
            operation: 0,
            ..wrong
        },
    ] {
        let created = server.client().create(request.clone()).await.unwrap_err();
        let estimated = estimate(&server, request).await.unwrap_err();
        assert_eq!(estimated.code(), created.code());
        let prefixed = fields(&created)
            .into_iter()
            .map(|field| format!("request.{field}"));
        assert_eq!(fields(&estimated), prefixed.collect::<Vec<_>>());
        assert!(fields(&estimated).len() >= 4, "{estimated:?}");
        let reason = |status: &Status| status.get_details_error_info().unwrap().reason;
        assert_eq!(reason(&estimated), reason(&created));
    }
    let unknown = v1::CreateRequest {
        model: "gen4.6".to_owned(),
        ..lake()
    };
    let refusal = refused(estimate(&server, unknown).await);
    assert_eq!(refusal, (Code::InvalidArgument, "MODEL_UNKNOWN".to_owned()));
    // What Create would find under an id is not asked.
    let made = server.client().create(lake()).await.unwrap().into_inner();
    let other = v1::CreateRequest {
        request_id: made.task.unwrap().request_id,
        seed: Some(99),
        ..lake()
    };
    assert!(estimate(&server, other).await.is_ok());
    let nothing = v1::EstimateCostRequest::default();
    let refusal = server.client().estimate_cost(nothing).await.unwrap_err();
    assert_eq!(fields(&refusal), ["request"]);
}

#[tokio::test]
async fn a_report_is_paged_and_its_tokens_are_its_own() {
    let server = Server::start().await;
    for team in ["x", "y", "z"] {
        let labels = [("team".to_owned(), team.to_owned())].into();
        let request = v1::CreateRequest { labels, ..lake() };
        server.client().create(request).await.unwrap();
    }
    let by_team = |page_token: &str| v1::CostReportRequest {
        group_by_labels: vec!["team".to_owned()],
        page_size: 2,
        page_token: page_token.to_owned(),
        ..v1::CostReportRequest::default()
    };
    let first = report(&server, by_team("")).await.unwrap();
    let second = report(&server, by_team(&first.next_page_token))
        .await
        .unwrap();
    let teams = |page: &v1::CostReportResponse| -> Vec<String> {
        page.rows
            .iter()
            .map(|row| row.labels["team"].clone())
            .collect()
    };
    assert_eq!(
        (teams(&first), teams(&second)),
        (vec!["x".into(), "y".into()], vec!["z".into()])
    );
    assert_eq!(second.next_page_token, "");
    assert_eq!(first.totals, second.totals);
    assert_eq!(first.totals.unwrap().task_count, 3);
    let foreign = v1::CostReportRequest {
        group_by: vec![v1::CostDimension::Model as i32],
        group_by_labels: Vec::new(),
        ..by_team(&first.next_page_token)
    };
    let list = v1::ListRequest {
        page_size: 1,
        ..v1::ListRequest::default()
    };
    let of_a_list = server
        .client()
        .list(list)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    for request in [foreign, by_team(&of_a_list), by_team("x")] {
        let refusal = refused(report(&server, request).await);
        assert_eq!(
            refusal,
            (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned())
        );
    }
}

#[tokio::test]
async fn a_report_without_groups_is_one_row() {
    let server = Server::start().await;
    let empty = report(&server, v1::CostReportRequest::default())
        .await
        .unwrap();
    assert_eq!(
        (empty.rows.len(), empty.totals),
        (1, Some(v1::CostTotals::default()))
    );
    assert_eq!(empty.rows[0].totals, empty.totals);
    server.task().await;
    let told = report(&server, v1::CostReportRequest::default())
        .await
        .unwrap();
    assert_eq!(told.totals.unwrap().task_count, 1);
}
