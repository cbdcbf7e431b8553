//! What the declarations promise.
