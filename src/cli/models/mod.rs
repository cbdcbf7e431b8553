//! `mediagen models`: what a server offers, as a table, one model in full, or JSON.

mod full;
mod json;

use std::fmt::Write as _;

use clap::Args;

use super::client::{ClientArgs, explain};
use super::failure::{Exit, Failure};
use super::json::bare;
use super::show;
use crate::pb::v1::{
    DurationLimits, InputLimits, ListModelsRequest, Model, ModelOperation, Operation, Price, Role,
    SizeLimits,
};

/// Flags of `models`.
#[derive(Args, Clone, Debug)]
pub struct ModelsArgs {
    /// Only this model, with all that it takes
    #[arg(value_name = "MODEL")]
    model: Option<String>,
    /// Only this operation, as text_to_video
    #[arg(long, value_name = "OPERATION", value_parser = parse_operation)]
    operation: Option<Operation>,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// `models`.
pub async fn models(args: &ModelsArgs) -> Result<(), Failure> {
    let mut found = all(args).await?;
    if let Some(name) = &args.model {
        let bare = name.split_once('/').map_or(name.as_str(), |(_, id)| id);
        let wanted = [name.as_str(), bare];
        found.retain(|model| wanted.contains(&model.name.as_str()));
        if found.is_empty() {
            let text = format!("the server offers no model {name}; `mediagen models` lists them");
            return Err(Failure::new(Exit::NotFound, text));
        }
    }
    if args.connection.json {
        return found
            .iter()
            .try_for_each(|model| show::json(&json::model(model)));
    }
    if args.model.is_some() {
        return found
            .iter()
            .try_for_each(|model| show::line(&full::model(model)));
    }
    let rows = found.iter().flat_map(|model| {
        let operations = model.operations.iter();
        operations.map(|operation| row(&model.name, operation))
    });
    let head = ["MODEL", "OPERATION", "SIZES", "SECONDS", "INPUTS", "PRICE"];
    let head = head.map(str::to_owned);
    table(std::iter::once(head).chain(rows).collect())
}

/// Every page.
async fn all(args: &ModelsArgs) -> Result<Vec<Model>, Failure> {
    let mut client = args.connection.connect()?;
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListModelsRequest {
            operation: args.operation.unwrap_or_default().into(),
            page_token,
        };
        let page = client.list_models(request).await.map_err(explain)?;
        let page = page.into_inner();
        found.extend(page.models);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// Parses an operation in small letters; a wrong one is answered with all.
pub(super) fn parse_operation(text: &str) -> Result<Operation, String> {
    let name = format!("OPERATION_{}", text.to_uppercase().replace('-', "_"));
    let known = Operation::from_str_name(&name).filter(|known| *known != Operation::Unspecified);
    known.ok_or_else(|| {
        let names = (1..).map_while(|number| Operation::try_from(number).ok());
        let names = names.map(operation_name).collect::<Vec<_>>();
        format!("`{text}` is none of: {}", names.join(", "))
    })
}

fn operation_name(operation: Operation) -> String {
    bare(operation.as_str_name(), "OPERATION_").to_lowercase()
}

fn role_name(role: Role) -> String {
    match role {
        Role::Unspecified => "image".to_owned(),
        role => bare(role.as_str_name(), "ROLE_").to_lowercase(),
    }
}

/// One line of the table.
fn row(name: &str, operation: &ModelOperation) -> [String; 6] {
    [
        name.to_owned(),
        operation_name(operation.operation()),
        operation.size.as_ref().map_or_else(dash, sizes_in_short),
        operation.duration.as_ref().map_or_else(dash, seconds),
        inputs_in_short(&operation.inputs),
        price_in_short(&operation.prices),
    ]
}

fn dash() -> String {
    "-".to_owned()
}

fn sizes_in_short(limits: &SizeLimits) -> String {
    let mut sizes: Vec<&str> = limits.allowed.iter().map(String::as_str).collect();
    let more = sizes.len().saturating_sub(SHOWN_SIZES);
    sizes.truncate(SHOWN_SIZES);
    let mut text = sizes.join(" ");
    if more > 0 {
        let _ = write!(text, " +{more}");
    }
    match (limits.open, text.is_empty()) {
        (true, true) => "any".to_owned(),
        (true, false) => format!("{text} or any"),
        (false, _) => text,
    }
}

fn seconds(limits: &DurationLimits) -> String {
    if !limits.allowed_seconds.is_empty() {
        let all: Vec<String> = limits.allowed_seconds.iter().map(u32::to_string).collect();
        return all.join(" ");
    }
    span(limits.min_seconds.into(), limits.max_seconds.into())
}

fn span(least: u64, most: u64) -> String {
    match (least, most) {
        (0, 0) => "any".to_owned(),
        (0, most) => format!("up to {most}"),
        (least, 0) => format!("{least} or more"),
        (least, most) => format!("{least} to {most}"),
    }
}

/// The roles; those of one place are alternatives, and a question mark says that none is needed.
fn inputs_in_short(inputs: &[InputLimits]) -> String {
    let mut places: Vec<(&str, String, bool)> = Vec::new();
    for input in inputs
        .iter()
        .filter(|input| input.role() != Role::Unspecified)
    {
        let role = role_name(input.role());
        match places
            .iter_mut()
            .find(|(place, _, _)| *place == input.place)
        {
            Some((_, roles, _)) => {
                let _ = write!(roles, "|{role}");
            }
            None => places.push((&input.place, role, input.min_count > 0)),
        }
    }
    if places.is_empty() {
        return dash();
    }
    let told = places.into_iter().map(|(_, roles, needed)| {
        let mark = if needed { "" } else { "?" };
        format!("{roles}{mark}")
    });
    told.collect::<Vec<_>>().join(" ")
}

/// The first part of the price, and how many more there are; what is not known is not zero.
fn price_in_short(prices: &[Price]) -> String {
    match prices {
        [] => "unknown".to_owned(),
        [one] => price(one),
        [first, rest @ ..] => format!("{} +{}", price(first), rest.len()),
    }
}

/// One part of a price in words.
fn price(price: &Price) -> String {
    let unit = bare(price.unit().as_str_name(), "PRICE_UNIT_").to_lowercase();
    let unit = match (unit.replace('_', " "), price.unit_count) {
        (unit, 0 | 1) => unit,
        (unit, count) => format!("{count} {unit}s"),
    };
    let condition = match price.condition.as_str() {
        "" => String::new(),
        condition => format!(" ({condition})"),
    };
    match show::amount(price.millicredits, price.usd_micros) {
        Some(amount) => format!("{amount} / {unit}{condition}"),
        None => format!("unknown / {unit}{condition}"),
    }
}

/// Rows with columns as wide as their widest cell.
fn table(rows: Vec<[String; 6]>) -> Result<(), Failure> {
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        show::line(show::printable(&cells.join("  ")).trim_end())?;
    }
    Ok(())
}

/// Sizes that a line of the table shows.
const SHOWN_SIZES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::PriceUnit;

    #[test]
    fn an_operation_is_named_in_small_letters() {
        assert_eq!(parse_operation("text-to-video"), Ok(Operation::TextToVideo));
        assert_eq!(
            parse_operation("VOICE_ISOLATION"),
            Ok(Operation::VoiceIsolation)
        );
        let told = parse_operation("unspecified").unwrap_err();
        assert!(
            told.contains("text_to_video") && told.contains("voice_isolation"),
            "{told}"
        );
    }

    #[test]
    fn an_unknown_price_is_not_zero() {
        let part = |millicredits, condition: &str| Price {
            unit: PriceUnit::OutputSecond.into(),
            millicredits,
            usd_micros: millicredits.map(|amount: i64| amount * 10),
            condition: condition.to_owned(),
            unit_count: 1,
        };
        assert_eq!(price_in_short(&[]), "unknown");
        let known = part(Some(12_500), "1080p");
        assert_eq!(
            price(&known),
            "12.5 credits, $0.125 / output second (1080p)"
        );
        assert_eq!(price(&part(None, "")), "unknown / output second");
        let two = [part(Some(1_000), ""), known];
        assert_eq!(price_in_short(&two), "1 credit, $0.01 / output second +1");
        let block = Price {
            unit_count: 6,
            ..part(Some(1_000), "")
        };
        assert_eq!(price(&block), "1 credit, $0.01 / 6 output seconds");
    }

    #[test]
    fn limits_are_told_in_short() {
        let limits = SizeLimits {
            allowed: ["16:9", "1:1", "9:16", "4:3"].map(str::to_owned).into(),
            default: "16:9".to_owned(),
            open: true,
            min_pixels: 100,
            max_pixels: 0,
        };
        assert_eq!(sizes_in_short(&limits), "16:9 1:1 9:16 +1 or any");
        let listed = DurationLimits {
            allowed_seconds: vec![4, 8],
            min_seconds: 4,
            max_seconds: 8,
            default_seconds: Some(4),
        };
        assert_eq!(seconds(&listed), "4 8");
        let bounds = DurationLimits {
            min_seconds: 2,
            max_seconds: 10,
            ..DurationLimits::default()
        };
        assert_eq!(seconds(&bounds), "2 to 10");
    }
}
