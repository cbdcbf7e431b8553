//! `tenants`: how much each tenant may do, and any other.

use std::collections::BTreeMap;

use super::super::problem::{Problem, Report};
use super::super::tree::{Node, Value};
use super::entry::parse_name;
use super::fields::Fields;
use crate::domain::caller::TenantLimits;
use crate::domain::id::TenantId;

/// The limits of the tenants that have their own, and those of any other.
pub(super) fn read(
    node: &Node,
    report: &Report,
) -> (BTreeMap<TenantId, TenantLimits>, TenantLimits) {
    let nobody = BTreeMap::new();
    let named = match &node.value {
        Value::Map(named) => named,
        Value::Null => &nobody,
        Value::Text(..) | Value::List(_) => {
            let text = "must hold the names of tenants, each with its limits";
            report.add(Problem::new(&node.origin, "tenants", text));
            &nobody
        }
    };
    let limits = |name: &str, base: &TenantLimits| {
        let node = named.get(name)?;
        let path = format!("tenants.{name}");
        Some(Fields::read(path, node, report, |fields| {
            read_limits(fields, base)
        }))
    };
    let any = limits(ANY, &TenantLimits::default()).unwrap_or_default();
    let mut own = BTreeMap::new();
    for (name, node) in named.iter().filter(|(name, _)| *name != ANY) {
        match parse_name(name) {
            Ok(id) => own.extend(Some(TenantId::named(id)).zip(limits(name, &any))),
            Err(problem) => {
                let text = format!("a tenant's name {problem}");
                report.add(Problem::new(&node.origin, "tenants", &text));
            }
        }
    }
    (own, any)
}

/// What a tenant does not say is as it is for any other; null is no limit.
fn read_limits(fields: &Fields<'_>, base: &TenantLimits) -> TenantLimits {
    let limit = |key, base| {
        if fields.is_given(key) {
            fields.count(key, 1..=MOST)
        } else {
            base
        }
    };
    TenantLimits {
        max_in_flight: limit("max_in_flight", base.max_in_flight),
        max_queued: limit("max_queued", base.max_queued),
        suspended: fields.flag("suspended").unwrap_or(base.suspended),
    }
}

/// Stands for every tenant that is not named.
const ANY: &str = "default";
/// The largest limit.
const MOST: u32 = 1_000_000;
