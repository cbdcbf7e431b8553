//! What the YAML parser refuses, in words that say what to do.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

/// Why a text is not read. Nothing of the text is quoted but the name of a key.
pub(super) fn reason(error: &Error) -> String {
    match error.without_snippet() {
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an anchor holds an alias of itself: write out what it stands for".into()
        }
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "its aliases stand for more than is read: write out what they stand for".into()
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or_default();
            format!("the key `{key}` is given twice: keep one")
        }
        Error::Budget { breach, .. } => of_budget(breach).into(),
        Error::AliasError { error, .. } => reason(error),
        other => other.to_string(),
    }
}

const fn of_budget(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Depth { .. } => "is nested deeper than any key is: no more than 16 levels",
        BudgetBreach::Documents { .. } => "holds several documents: keep one, without `---`",
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
            "holds more anchors and aliases than are read: write out what they stand for"
        }
        _ => "holds more than is read: leave out what mediagen does not need",
    }
}
