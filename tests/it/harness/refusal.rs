//! An error as a program reads it: code, reason, fields.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// What an error says.
#[derive(Clone, Debug)]
pub struct Refused {
    pub code: Code,
    /// Empty when the error did not come from the server's own code.
    pub reason: String,
    pub metadata: HashMap<String, String>,
    /// The bad fields, each with what is wrong.
    pub fields: Vec<(String, String)>,
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// Reads a status.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().cloned();
        if let Some(info) = &info {
            assert_eq!(info.domain, "mediagen");
        }
        let (reason, metadata) = info
            .map(|info| (info.reason, info.metadata))
            .unwrap_or_default();
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone());
        Self {
            code: status.code(),
            reason,
            metadata,
            fields: violations
                .unwrap_or_default()
                .into_iter()
                .map(|violation| (violation.field, violation.description))
                .collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }

    /// Code and reason, as the contract's table has them.
    pub fn is(&self, code: Code, reason: &str) -> bool {
        self.code == code && self.reason == reason
    }

    /// Whether the field is named as bad.
    pub fn names(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == field)
    }
}

/// The refusal in a result that must be one.
pub fn refused<T: Debug>(result: Result<T, Status>) -> Refused {
    Refused::of(&result.expect_err("is refused"))
}
