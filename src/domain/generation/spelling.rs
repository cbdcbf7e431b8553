//! Options in the catalogue's spelling, where what brought them knows less of types than a model does.

use super::Draft;
use super::choice::Chosen;
use crate::domain::model::Shape;
use crate::domain::value::Value;

/// The draft with its options as the model's fields take them.
///
/// Where only texts are listed, as `24` in quotes, the number of that text means it: command lines lose
/// the quotes. Where every option is a text, `24` is the number unless the field takes the text.
pub(super) fn spelled(draft: &Draft, chosen: &Chosen<'_>) -> Draft {
    let mut spelled = draft.clone();
    for (name, value) in &mut spelled.options {
        let typed = || chosen.spec.typed(name).map(|(_, param)| param);
        let param = chosen.spec.options.get(name).or_else(typed);
        let shape = param.map(|param| &param.shape);
        if draft.options_are_texts {
            read(value, shape);
        }
        quote(value, shape);
    }
    spelled
}

fn quote(value: &mut Value, shape: Option<&Shape>) {
    let Some(Shape::Enum(listed)) = shape else {
        return;
    };
    if value.as_number().is_some() && !listed.iter().any(|known| known.same(value)) {
        let text = Value::String(value.to_string());
        if listed.contains(&text) {
            *value = text;
        }
    }
}

/// Makes of texts what they spell, but for those that their fields take as they are. The recursion is
/// bounded by the depth of an option.
fn read(value: &mut Value, shape: Option<&Shape>) {
    match value {
        Value::String(text) => {
            let Some(meant) = plain(text) else { return };
            let is_text = |shape: &Shape| !matches!(shape, Shape::Any) && shape.takes(value);
            if !shape.is_some_and(is_text) {
                *value = meant;
            }
        }
        Value::List(items) => {
            let inner = shape.and_then(Shape::item);
            for item in items {
                read(item, inner);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                read(member, shape.and_then(|shape| shape.member(name)));
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Number(_) => {}
    }
}

/// True, false or the number that a text spells as JSON does.
fn plain(text: &str) -> Option<Value> {
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let signs = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if padded
        || !digits.starts_with(|sign: char| sign.is_ascii_digit())
        || !digits.bytes().all(signs)
    {
        return None;
    }
    if let Ok(int) = text.parse() {
        return Some(Value::Int(int));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.filter(|_| !text.ends_with('.')).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_spells_and_nothing_else() {
        for (text, meant) in [
            ("true", Some(Value::Bool(true))),
            ("5", Some(Value::Int(5))),
            ("-5", Some(Value::Int(-5))),
            ("0", Some(Value::Int(0))),
            ("2.5", Some(Value::Number(2.5))),
            ("0.5", Some(Value::Number(0.5))),
            ("1e3", Some(Value::Number(1000.0))),
            ("True", None),
            ("null", None),
            ("", None),
            ("-", None),
            ("007", None),
            ("5.", None),
            (".5", None),
            ("+5", None),
            ("1e999", None),
            ("inf", None),
            ("5 s", None),
            ("16:9", None),
        ] {
            assert_eq!(plain(text), meant, "{text}");
        }
    }

    #[test]
    fn a_text_stays_one_where_the_field_takes_it() {
        let text = |minimum| Shape::Text {
            minimum,
            maximum: None,
        };
        let number = Shape::Integer {
            minimum: None,
            maximum: None,
        };
        let list = |item| Shape::List {
            item: Box::new(item),
            minimum: 0,
            maximum: None,
        };
        let five = || Value::String("5".to_owned());
        for (shape, given, read_as) in [
            (None, five(), Value::Int(5)),
            (Some(Shape::Any), five(), Value::Int(5)),
            (Some(text(None)), five(), five()),
            (Some(number.clone()), five(), Value::Int(5)),
            (Some(Shape::Enum(vec![five()])), five(), five()),
            (
                Some(Shape::Either(vec![number.clone(), text(None)])),
                five(),
                five(),
            ),
            (
                Some(list(number.clone())),
                Value::List(vec![five()]),
                Value::List(vec![Value::Int(5)]),
            ),
            (
                Some(list(text(None))),
                Value::List(vec![five()]),
                Value::List(vec![five()]),
            ),
        ] {
            let mut value = given;
            read(&mut value, shape.as_ref());
            assert_eq!(value, read_as, "{shape:?}");
        }
    }
}
