//! What models take: specifications parsed from a provider's catalogue.
//!
//! Names of fields are opaque here: they are printed in answers and compared with each other, and
//! only the provider's own module knows what one means on the wire. Prices are in `domain::pricing`.

mod catalog;
mod limits;
mod near;
mod place;
mod provider_kind;
mod rule;
mod shape;
mod size;
mod spec;

pub use catalog::{Catalog, Offer, Resolved, UnknownModel};
pub use limits::{CountLimits, InputLimits, SecondsLimits, SizeLimits, TextLimits};
pub use near::likely;
pub use place::{Misplaced, Placement};
pub use provider_kind::ProviderKind;
pub use rule::Rule;
pub use shape::{Complaint, Extras, Param, Shape};
pub use size::{canonical, dimensions, nearest, spelled};
pub use spec::{Frames, Slot, Spec, Typed};

pub(crate) use shape::listed;
