//! What groups, aliases and fallbacks mean together: every name leads somewhere, and none in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{ANY, Alias, Fall, GroupSaid, Named, Settings};
use crate::config::problem::Problem;
use crate::config::section::{Section, nearest, shortened};
use crate::domain::model::Catalog;
use crate::domain::routing::{Group, Routes};

/// Puts what is said of groups by name on the routes, and refuses names that lead nowhere.
pub fn apply(
    root: &Section<'_>,
    routes: &mut Routes,
    settings: Settings,
    left_out: &BTreeSet<String>,
    catalog: &Catalog,
) {
    let mut names = Names {
        root,
        routes,
        left_out,
        catalog,
    };
    let known: BTreeSet<&str> = settings
        .aliases
        .iter()
        .map(|alias| &*alias.name.name)
        .collect();
    for alias in &settings.aliases {
        names.alias(alias, &known);
    }
    for said in &settings.groups {
        names.group(said);
    }
    names.fallbacks(settings.fallbacks);
}

struct Names<'n> {
    root: &'n Section<'n>,
    routes: &'n mut Routes,
    left_out: &'n BTreeSet<String>,
    catalog: &'n Catalog,
}

impl Names<'_> {
    fn alias(&mut self, alias: &Alias, all: &BTreeSet<&str>) {
        let (name, target) = (&alias.name.name, &alias.target);
        if !Catalog::is_id(name) {
            return self.wrong(&alias.name, "is no name that callers could ask for");
        }
        if self.routes.groups.contains_key(name) {
            return self.wrong(&alias.name, "is the name of a group already");
        }
        if all.contains(&**target) {
            return self.wrong(&alias.name, "leads to another alias; name the group itself");
        }
        if self.left_out.contains(target) {
            return self.ignored(&alias.name, target);
        }
        if self.is_served(target) {
            let target = target.clone();
            self.routes.aliases.insert(name.clone(), target);
        } else {
            let text = self.nobody(target);
            self.wrong(&alias.name, &text);
        }
    }

    fn group(&mut self, said: &GroupSaid) {
        if let Some(name) = self.own(&said.group)
            && let Some(group) = self.routes.groups.get_mut(&name)
        {
            said.put_on(&mut group.policy);
        }
    }

    fn fallbacks(&mut self, falls: Vec<Fall>) {
        let mut steps: BTreeMap<String, Vec<Named>> = BTreeMap::new();
        let mut any = Vec::new();
        for fall in falls {
            let to = self.targets(fall.to);
            if fall.from.name == ANY {
                any.extend(to);
            } else if let Some(name) = self.own(&fall.from)
                && steps.insert(name, to).is_some()
            {
                self.wrong(&fall.from, "has fallbacks elsewhere too; keep one list");
            }
        }
        let is_last = |name: &String| any.iter().any(|named| named.name == *name);
        for name in self.routes.groups.keys().filter(|name| !is_last(name)) {
            steps.entry(name.clone()).or_insert_with(|| any.clone());
        }
        refuse_circles(self.root, &steps);
        let plain = |to: Vec<Named>| to.into_iter().map(|named| named.name).collect();
        for (name, to) in steps {
            if let Some(group) = self.routes.groups.get_mut(&name) {
                group.policy.fallbacks = plain(to);
            }
        }
        self.routes.policy.fallbacks = plain(any);
    }

    /// Fallbacks that somebody serves, under the names of their groups.
    fn targets(&self, to: Vec<Named>) -> Vec<Named> {
        let mut kept = Vec::new();
        for mut named in to {
            if self.left_out.contains(&named.name) {
                self.ignored(&named, &named.name);
            } else if self.is_served(&named.name) {
                if let Some(target) = self.routes.aliases.get(&named.name) {
                    named.name.clone_from(target);
                }
                kept.push(named);
            } else {
                let text = self.nobody(&named.name);
                self.wrong(&named, &text);
            }
        }
        kept
    }

    /// The configured group of a name; a model of the catalogue becomes one when something is said
    /// of it. `None`: there is none, and a problem or a warning says so.
    fn own(&mut self, named: &Named) -> Option<String> {
        let name = self.routes.aliases.get(&named.name);
        let name = name.unwrap_or(&named.name).clone();
        if self.routes.groups.contains_key(&name) {
            return Some(name);
        }
        if self.left_out.contains(&name) {
            self.ignored(named, &name);
            return None;
        }
        if self.root.is_given_up() {
            return None;
        }
        let id = self.catalog.resolve(&name).ok().map(|resolved| resolved.id);
        let Some(made) = id.as_ref().and_then(|id| self.routes.of_model(id)) else {
            let text = self.nobody(&name);
            self.wrong(named, &text);
            return None;
        };
        for other in self.catalog.spellings(&name) {
            if other != name && !self.routes.groups.contains_key(&other) {
                self.routes.aliases.insert(other, name.clone());
            }
        }
        let group = Group {
            name: name.clone(),
            ..made
        };
        self.routes.groups.insert(name.clone(), group);
        Some(name)
    }

    /// Whether anybody serves a name. Of what is beyond all telling it is not asked.
    fn is_served(&self, name: &str) -> bool {
        self.root.is_given_up()
            || self.routes.aliases.contains_key(name)
            || self.routes.groups.contains_key(name)
            || (self.catalog.resolve(name).ok())
                .is_some_and(|resolved| self.routes.of_model(&resolved.id).is_some())
    }

    fn nobody(&self, name: &str) -> String {
        let known: Vec<&str> = self.routes.groups.keys().map(String::as_str).collect();
        let near = nearest(name, &known).filter(|near| *near != name);
        let shown = shortened(name);
        match near {
            Some(near) => format!("nobody serves `{shown}`; did you mean `{near}`?"),
            None if self.catalog.resolve(name).is_ok() => format!(
                "`{shown}` is in the catalogue, but no account serves it; give it an entry in \
                 `model_list`"
            ),
            None => format!("nobody serves `{shown}`; give it an entry in `model_list`"),
        }
    }

    fn ignored(&self, at: &Named, name: &str) {
        let text = format!("`{}` was left out, and this with it", shortened(name));
        self.warn(at, &text);
    }

    fn wrong(&self, at: &Named, text: &str) {
        self.root.tell(Problem::new(&at.origin, &at.path, text));
    }

    fn warn(&self, at: &Named, text: &str) {
        self.root.warn_at(&at.origin, &at.path, text);
    }
}

/// Walks along the fallbacks of every group, each step once.
fn refuse_circles(root: &Section<'_>, steps: &BTreeMap<String, Vec<Named>>) {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in steps.keys() {
        // The groups on the way here, each with the next step to take from it.
        let mut way: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((group, next)) = way.last_mut() {
            let step = steps.get(*group).and_then(|steps| steps.get(*next));
            *next += 1;
            let Some(step) = step.filter(|_| !done.contains(*group)) else {
                done.insert(*group);
                way.pop();
                continue;
            };
            if let Some(from) = way.iter().position(|(group, _)| *group == step.name) {
                let around: Vec<&str> = way[from..].iter().map(|(group, _)| *group).collect();
                let text = circle(&around);
                root.tell(Problem::new(&step.origin, &step.path, &text));
            } else if steps.contains_key(&step.name) && !done.contains(&*step.name) {
                way.push((&step.name, 0));
            }
        }
    }
}

fn circle(around: &[&str]) -> String {
    let shown = around.iter().take(8).map(|name| format!("`{name}`"));
    let shown: Vec<String> = shown.collect();
    format!(
        "leads in a circle: {} and back to `{}`; take one step out",
        shown.join(" to "),
        around.first().copied().unwrap_or_default()
    )
}
