//! Objects and lists out of the flat names of a form: `metadata[team]`, `list[]`, `objects[][uri]`.

use crate::domain::value::Value;
use crate::openai::Problem;
use crate::openai::body::Members;

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<'a> {
    Member(&'a str),
    Next,
}

/// The members that the fields of a form spell. `many` are names that may come more than once without
/// saying that they are lists.
///
/// # Errors
/// 400 with the field that comes twice or is two things.
pub(in crate::openai) fn nest(
    fields: Vec<(String, Value)>,
    many: &[&str],
) -> Result<Members, Problem> {
    let mut root = Value::Object(Members::new());
    let is_repeated = |name: &str| fields.iter().filter(|(other, _)| other == name).count() > 1;
    let lists: Vec<&str> = many
        .iter()
        .copied()
        .filter(|name| is_repeated(name))
        .collect();
    for (name, value) in fields {
        let mut steps = steps(&name);
        if steps.len() > DEEPEST {
            return Err(Problem::field(name.clone(), "is nested too deep"));
        }
        if lists.contains(&name.as_str()) {
            steps.push(Step::Next);
        }
        if !put(&mut root, &steps, value) {
            let problem = "comes twice, or is a value in one place and an object in another";
            return Err(Problem::field(name.clone(), problem));
        }
    }
    match root {
        Value::Object(members) => Ok(members),
        _ => Ok(Members::new()),
    }
}

/// The steps of a name; one that is not spelled as it should be is one step.
fn steps(name: &str) -> Vec<Step<'_>> {
    let whole = || vec![Step::Member(name)];
    let Some((base, rest)) = name.split_once('[') else {
        return whole();
    };
    let Some(rest) = rest.strip_suffix(']').filter(|_| !base.is_empty()) else {
        return whole();
    };
    let inner = rest.split("][").map(|step| match step {
        "" => Step::Next,
        member => Step::Member(member),
    });
    std::iter::once(Step::Member(base)).chain(inner).collect()
}

/// Puts a value where the steps lead; false where something else stands.
fn put(at: &mut Value, steps: &[Step<'_>], value: Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return false;
    };
    match (step, at) {
        (Step::Member(name), Value::Object(members)) => {
            if let Some(known) = members.get_mut(*name) {
                return put(known, rest, value);
            }
            let fresh = fresh(rest, value);
            members.insert((*name).to_owned(), fresh);
            true
        }
        (Step::Next, Value::List(items)) => {
            // The members of one object follow each other: the next begins where one comes again.
            let last = items.last_mut();
            if let Some(last) = last.filter(|last| !rest.is_empty() && is_free(last, rest)) {
                return put(last, rest, value);
            }
            items.push(fresh(rest, value));
            true
        }
        _ => false,
    }
}

/// What stands where nothing stood.
fn fresh(steps: &[Step<'_>], value: Value) -> Value {
    match steps.split_first() {
        None => value,
        Some((Step::Next, rest)) => Value::List(vec![fresh(rest, value)]),
        Some((Step::Member(name), rest)) => {
            Value::Object([((*name).to_owned(), fresh(rest, value))].into())
        }
    }
}

/// Whether a value has room where the steps lead.
fn is_free(at: &Value, steps: &[Step<'_>]) -> bool {
    match (steps.split_first(), at) {
        (Some((Step::Member(name), rest)), Value::Object(members)) => {
            members.get(*name).is_none_or(|known| is_free(known, rest))
        }
        (Some((Step::Next, _)), Value::List(_)) => true,
        _ => false,
    }
}

/// Steps of a name.
const DEEPEST: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::body::{Budget, read};

    fn nested(fields: &[(&str, &str)]) -> Result<Value, Problem> {
        let field =
            |(name, text): &(&str, &str)| ((*name).to_owned(), Value::String((*text).to_owned()));
        nest(fields.iter().map(field).collect(), &["input_reference"]).map(Value::Object)
    }

    #[test]
    fn flat_names_are_what_they_spell() {
        for (fields, json) in [
            (&[("a", "1"), ("b", "2")][..], r#"{"a": "1", "b": "2"}"#),
            (
                &[("m[x]", "1"), ("m[y]", "2")],
                r#"{"m": {"x": "1", "y": "2"}}"#,
            ),
            (&[("l[]", "1"), ("l[]", "2")], r#"{"l": ["1", "2"]}"#),
            (
                &[("o[][uri]", "1"), ("o[][tag]", "2"), ("o[][uri]", "3")],
                r#"{"o": [{"uri": "1", "tag": "2"}, {"uri": "3"}]}"#,
            ),
            (
                &[("a[b][c]", "1"), ("a[b][d]", "2")],
                r#"{"a": {"b": {"c": "1", "d": "2"}}}"#,
            ),
            (
                &[("input_reference", "1"), ("input_reference", "2")],
                r#"{"input_reference": ["1", "2"]}"#,
            ),
            (
                &[("a[b", "1"), ("[c]", "2"), ("d]", "3")],
                r#"{"a[b": "1", "[c]": "2", "d]": "3"}"#,
            ),
        ] {
            let json = read(json, &Budget::default());
            assert_eq!(nested(fields).unwrap(), json.unwrap(), "{fields:?}");
        }
    }

    #[test]
    fn a_field_is_one_thing_and_once() {
        for bad in [
            &[("a", "1"), ("a", "2")][..],
            &[("a", "1"), ("a[b]", "2")],
            &[("a[b]", "1"), ("a", "2")],
            &[("a[]", "1"), ("a[b]", "2")],
            &[("a[b]", "1"), ("a[b]", "2")],
            &[("a[b][c][d][e][f][g][h][i][j][k]", "1")],
        ] {
            assert!(nested(bad).is_err(), "{bad:?}");
        }
    }
}
