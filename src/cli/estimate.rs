//! `mediagen estimate`: what a request would cost, without making it.

use serde_json::{Value as Json, json};

use super::client::explain;
use super::failure::{Exit, Failure};
use super::json::bare;
use super::progress::Progress;
use super::show;
use super::tasks::CreateArgs;
use crate::pb::v1::{Cost, EstimateCostRequest, EstimateCostResponse};

/// Asks the server; the flags are those of `create`.
pub async fn run(args: &CreateArgs) -> Result<(), Failure> {
    let planned = args.request.to_request()?;
    let mut client = args.connection.connect()?;
    // The price of some requests goes by the length of their inputs, so the server has to see them.
    let mut progress = Progress::new(args.connection.json);
    let request = planned.complete(&mut client, &mut progress).await?;
    progress.clear();
    let request = EstimateCostRequest {
        request: Some(request),
    };
    let answer = client
        .estimate_cost(request)
        .await
        .map_err(explain)?
        .into_inner();
    let lacks = || Failure::new(Exit::Other, "the server's answer lacks its cost");
    let cost = answer.cost.ok_or_else(lacks)?;
    if args.connection.json {
        show::json(&to_json(&answer, &cost))
    } else {
        show::line(&describe(&answer, &cost))
    }
}

fn to_json(answer: &EstimateCostResponse, cost: &Cost) -> Json {
    json!({
        "model": answer.model,
        "operation": bare(answer.operation().as_str_name(), "OPERATION_"),
        "size": answer.size,
        "seconds": answer.seconds,
        "estimated_millicredits": cost.estimated_millicredits,
        "estimated_usd_micros": cost.estimated_usd_micros,
        "deployments": answer.deployments,
        "notes": answer.notes,
    })
}

fn describe(answer: &EstimateCostResponse, cost: &Cost) -> String {
    let operation = bare(answer.operation().as_str_name(), "OPERATION_");
    let price = show::amount(cost.estimated_millicredits, cost.estimated_usd_micros);
    let price = price.map_or_else(|| "unknown".to_owned(), |price| format!("at most {price}"));
    let seconds = answer.seconds.map(|n| n.to_string()).unwrap_or_default();
    let mut rows = vec![
        ("cost", price),
        ("model", answer.model.clone()),
        ("operation", operation.to_lowercase()),
        ("size", answer.size.clone()),
        ("seconds", seconds),
        ("sent to", answer.deployments.join(", ")),
    ];
    rows.extend(answer.notes.iter().map(|note| ("note", note.clone())));
    let known = rows.iter().filter(|(_, text)| !text.is_empty());
    let lines: Vec<_> = known
        .map(|(name, text)| format!("{name:<9} {text}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::Operation;

    fn answer() -> EstimateCostResponse {
        EstimateCostResponse {
            cost: None,
            deployments: vec!["runwayml/gen4.5".into()],
            operation: Operation::TextToVideo.into(),
            model: "gen4.5".into(),
            seconds: Some(5),
            size: String::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_price_is_told_with_what_it_is_for() {
        let cost = Cost {
            estimated_millicredits: Some(60_000),
            estimated_usd_micros: Some(600_000),
            ..Cost::default()
        };
        let expected = "cost      at most 60 credits, $0.60\nmodel     gen4.5\n\
                        operation text_to_video\nseconds   5\nsent to   runwayml/gen4.5\n\
                        note      assumed 8 s";
        let answer_with_note = EstimateCostResponse {
            notes: vec!["assumed 8 s".into()],
            ..answer()
        };
        assert_eq!(describe(&answer_with_note, &cost), expected);
        assert_eq!(to_json(&answer(), &cost)["estimated_usd_micros"], 600_000);
    }

    #[test]
    fn an_unknown_price_is_unknown_in_words_and_null_in_json() {
        let told = describe(&answer(), &Cost::default());
        assert!(told.starts_with("cost      unknown\n"), "{told}");
        let json = to_json(&answer(), &Cost::default());
        assert!(json["estimated_millicredits"].is_null());
    }
}
