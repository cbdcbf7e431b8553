//! What a generation costs, before the provider has said so.
//!
//! Integer arithmetic in millicredits. A price that is not known stays unknown: it is never zero.

use crate::domain::generation::Generation;
use crate::domain::model::Spec;
use crate::domain::money::Millicredits;

/// The most that a generation may cost by the model's price rules; `None`: not known.
pub fn estimate(_generation: &Generation, _spec: &Spec) -> Option<Millicredits> {
    None
}
