//! The OpenAPI document against what is taken and answered.
