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
        self.any_of("model", filter.models.iter().cloned());
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
        let statuses = filter.statuses.iter();
        self.any_of("status", statuses.map(|status| status.as_str().to_owned()));
    }

    /// Demands one of some values of a column; of none, nothing.
    fn any_of(&mut self, column: &str, values: impl ExactSizeIterator<Item = String>) {
        if values.len() == 0 {
            return;
        }
        let places = vec!["?"; values.len()].join(", ");
        self.push(&format!(" AND {column} IN ({places})"));
        self.values.extend(values.map(Value::from));
    }
}
