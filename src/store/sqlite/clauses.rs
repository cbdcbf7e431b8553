//! SQL that is put together from what a caller asked for: text of ours, values always bound.

use rusqlite::types::Value;

use super::super::TaskFilter;

/// A statement under construction, with the values of its `?` in order.
pub(super) struct Clauses {
    /// The text so far.
    pub(super) sql: String,
    /// Its values.
    pub(super) values: Vec<Value>,
}

impl Clauses {
    /// Begins a statement.
    pub(super) fn new(start: &str) -> Self {
        Self {
            sql: start.to_owned(),
            values: Vec::new(),
        }
    }

    /// Adds text without a value.
    pub(super) fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Adds text with one value.
    pub(super) fn also(&mut self, text: &str, value: impl Into<Value>) {
        self.sql.push_str(text);
        self.values.push(value.into());
    }

    /// Adds the `WHERE` that chooses among `tasks`.
    pub(super) fn choose(&mut self, filter: &TaskFilter) {
        self.also(" WHERE tenant = ?", filter.tenant.as_str().to_owned());
        if let Some(model) = &filter.model {
            self.also(" AND model = ?", model.clone());
        }
        if let Some(from) = filter.created_from {
            self.also(" AND created >= ?", from.0);
        }
        if let Some(before) = filter.created_before {
            self.also(" AND created < ?", before.0);
        }
        for (name, value) in &filter.labels {
            let clause = " AND EXISTS (SELECT 1 FROM labels WHERE task_id = tasks.id AND name = ?";
            self.also(clause, name.clone());
            self.also(" AND value = ?)", value.clone());
        }
        for (place, status) in filter.statuses.iter().enumerate() {
            let clause = [" AND status IN (?", ", ?"][usize::from(place > 0)];
            self.also(clause, status.as_str().to_owned());
        }
        if !filter.statuses.is_empty() {
            self.push(")");
        }
    }
}
