//! A local stand-in for the provider's API.
