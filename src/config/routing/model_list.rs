//! `model_list`: every entry, the groups that they make, and the ids of the deployments.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::Book;
use super::entry::{Entry, Said};
use crate::config::section::Section;
use crate::config::tree::{Node, Origin, Value};
use crate::domain::model::Catalog;
use crate::domain::money::UsdRate;
use crate::domain::routing::Deployment;

/// What `model_list` comes to.
#[derive(Default)]
pub struct List {
    /// The deployments of each group, in the order of the file.
    pub deployments: BTreeMap<String, Vec<Deployment>>,
    /// Groups all of whose entries are for something that is not made here, or for other providers.
    pub left_out: BTreeSet<String>,
    /// Whether an entry is wrong, so that nothing follows from what is missing.
    pub is_wrong: bool,
}

/// A deployment on its way to an id.
struct Numbered {
    group: String,
    deployment: Deployment,
    named: bool,
    /// Where its id is written, or else the entry.
    id: Origin,
    /// The same of its weight.
    weight: Origin,
    path: String,
}

/// Reads `model_list`; accounts that it brings are added to the book.
pub fn read(root: &Section<'_>, book: &mut Book<'_>, catalog: &Catalog, rate: UsdRate) -> List {
    let items = root.items("model_list");
    let mut list = List {
        is_wrong: items.is_empty() != is_empty(root),
        ..List::default()
    };
    if items.len() > MOST {
        root.wrong("model_list", &format!("holds more than {MOST} entries"));
        list.is_wrong = true;
        return list;
    }
    let mut all = Vec::new();
    for (index, node) in items.iter().enumerate() {
        let path = format!("model_list[{index}]");
        let Some((name, said)) = read_entry(root, &path, node, (book, catalog, rate)) else {
            list.is_wrong = true;
            continue;
        };
        list.is_wrong |= matches!(said, Said::Wrong);
        match said {
            Said::Deployment { deployment, named } => all.push(Numbered {
                group: name,
                deployment,
                named,
                id: id_node(node).origin.clone(),
                weight: weight_node(node).origin.clone(),
                path,
            }),
            Said::Open(accounts) => accounts.iter().for_each(|account| book.open_up(account)),
            Said::LeftOut | Said::Wrong => drop(list.left_out.insert(name)),
        }
    }
    number(root, &mut all);
    refuse_weightless(root, &all);
    for Numbered {
        group, deployment, ..
    } in all
    {
        list.left_out.remove(&group);
        list.deployments.entry(group).or_default().push(deployment);
    }
    list
}

fn is_empty(root: &Section<'_>) -> bool {
    match root.given("model_list").map(|node| &node.value) {
        None => true,
        Some(Value::List(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn read_entry(
    root: &Section<'_>,
    path: &str,
    node: &Node,
    (book, catalog, rate): (&mut Book<'_>, &Catalog, UsdRate),
) -> Option<(String, Said)> {
    if !matches!(node.value, Value::Map(_)) {
        root.below(path, node, |_| ()); // says so; nothing follows from it
        return None;
    }
    root.below(path, node, |own| {
        own.maybe("litellm_params", |params| {
            own.maybe("model_info", |info| {
                let entry = Entry { own, params, info };
                let name = entry.name();
                let said = entry.read(name.as_deref().unwrap_or("*"), book, catalog, rate);
                name.map(|name| (name, said))
            })
        })
    })
}

/// Gives an id to each deployment that has none: account and model, and where these repeat the
/// number of the repetition, so that further entries at the end change no id.
fn number(root: &Section<'_>, all: &mut [Numbered]) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for one in all.iter().filter(|one| one.named) {
        let id = &one.deployment.id;
        if let Some(other) = taken.insert(id.clone(), one.path.clone()) {
            let text = format!("is the id of {other} too; an id is given once");
            root.wrong_at(&one.id, &format!("{}.id", one.path), &text);
        }
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for one in all.iter_mut().filter(|one| !one.named) {
        let plain = one.deployment.id.clone();
        let number = numbers.entry(plain.clone()).or_default();
        loop {
            *number += 1;
            if *number > 1 {
                one.deployment.id = format!("{plain}#{number}");
            }
            if !taken.contains_key(&one.deployment.id) {
                break;
            }
        }
        taken.insert(one.deployment.id.clone(), one.path.clone());
    }
}

/// A group whose weights are all 0 would never be served by weight.
fn refuse_weightless(root: &Section<'_>, all: &[Numbered]) {
    let mut first: BTreeMap<&str, Option<&Numbered>> = BTreeMap::new();
    for one in all {
        let seen = first.entry(&one.group).or_insert(Some(one));
        if one.deployment.weight > 0 {
            *seen = None;
        }
    }
    for one in first.into_values().flatten() {
        let text = format!(
            "every weight of `{}` is 0, so that nothing would serve it; give one of its entries a \
             weight above 0",
            one.group
        );
        root.wrong_at(&one.weight, &format!("{}.weight", one.path), &text);
    }
}

fn id_node(node: &Node) -> &Node {
    first_along(node, &[&["id"], &["model_info", "id"]])
}

fn weight_node(node: &Node) -> &Node {
    first_along(node, &[&["weight"], &["litellm_params", "weight"]])
}

/// The node at the first path that is there, or else the node itself.
fn first_along<'n>(node: &'n Node, paths: &[&[&str]]) -> &'n Node {
    let found = paths.iter().find_map(|path| {
        let steps: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let (found, deep) = node.along(&steps);
        (deep == steps.len()).then_some(found)
    });
    found.unwrap_or(node)
}

/// Entries in all.
const MOST: usize = 1_000;
