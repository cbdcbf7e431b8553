//! `keys`, `keys_file` and `tenants`: who may call, and how much of everything.

use std::path::PathBuf;

use crate::domain::caller::{AllowedModels, Callers as Limits, KeyId, KeyLimits, Scope};
use crate::domain::id::TenantId;
use crate::domain::time::Timestamp;

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    /// Every key of the configuration and of the keys file. None at all: whoever reaches the server
    /// may call it.
    pub keys: Vec<Key>,
    /// The file that `mediagen keys` writes; read again when it changes.
    pub keys_file: Option<PathBuf>,
    /// Limits of tenants, and what each key may spend.
    pub limits: Limits,
}

/// One API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its visible name.
    pub id: KeyId,
    /// SHA-256 of the whole key.
    pub sha256: [u8; 32],
    /// Whose tasks it sees.
    pub tenant: TenantId,
    /// The models it may ask for.
    pub models: AllowedModels,
    /// The calls it may make.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// How much of everything.
    pub limits: KeyLimits,
}
