//! What each call needs of its caller. Every call is here, or it is nobody's.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use crate::domain::caller::Scope;
use crate::pb;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing: anybody may call.
    Open,
    /// A key with a scope.
    Needs {
        /// Which.
        scope: Scope,
        /// Whether the call may be long, so that it is counted, and ends with its key.
        is_stream: bool,
    },
    /// There is no such call, as far as anybody is concerned.
    Unknown,
}

/// The rules, by path.
#[derive(Clone, Debug)]
pub(super) struct Rules(HashMap<String, Rule>);

impl Rules {
    /// The rules of every call that is described and has a scope.
    pub fn new() -> Result<Self, prost::DecodeError> {
        let mut rules = HashMap::new();
        for (path, method) in methods(pb::FILE_DESCRIPTOR_SET)? {
            if let Some(scope) = scope(method.name()) {
                let is_stream = method.server_streaming() || method.client_streaming();
                rules.insert(path, Rule::Needs { scope, is_stream });
            }
        }
        Ok(Self(rules))
    }

    /// The rule of a path.
    pub fn of(&self, path: &str) -> Rule {
        if path.starts_with(HEALTH) {
            return Rule::Open;
        }
        if REFLECTION.contains(&path) {
            return Rule::Needs {
                scope: Scope::Read,
                is_stream: true,
            };
        }
        self.0.get(path).copied().unwrap_or(Rule::Unknown)
    }
}

/// The scope that a call of `MediaGeneration` needs; the test knows that none is missing.
fn scope(method: &str) -> Option<Scope> {
    Some(match method {
        "Create" | "Cancel" | "Delete" | "UploadInput" => Scope::Create,
        "Status" | "WatchTask" | "DownloadContent" | "List" | "EstimateCost" | "CostReport"
        | "ListModels" => Scope::Read,
        "ResolveUnknown" => Scope::Operate,
        _ => return None,
    })
}

/// Every method that a descriptor set declares, by its path.
fn methods(set: &[u8]) -> Result<Vec<(String, MethodDescriptorProto)>, prost::DecodeError> {
    let set = FileDescriptorSet::decode(set)?;
    let mut found = Vec::new();
    for file in set.file {
        let package = file.package().to_owned();
        for service in file.service {
            let name = service.name().to_owned();
            let path =
                |method: &MethodDescriptorProto| format!("/{package}.{name}/{}", method.name());
            found.extend(
                service
                    .method
                    .into_iter()
                    .map(|method| (path(&method), method)),
            );
        }
    }
    Ok(found)
}

/// A load balancer has no key.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// The two versions of reflection.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_contract_has_its_rule() {
        let rules = Rules::new().unwrap();
        let methods = methods(pb::FILE_DESCRIPTOR_SET).unwrap();
        assert!(methods.len() >= 12);
        for (path, method) in methods {
            let Rule::Needs { is_stream, .. } = rules.of(&path) else {
                panic!("{path} has no scope: give it one in `scope`");
            };
            let expected = ["WatchTask", "DownloadContent", "UploadInput"];
            assert_eq!(is_stream, expected.contains(&method.name()), "{path}");
        }
    }

    #[test]
    fn what_is_not_described_is_nobodys() {
        let rules = Rules::new().unwrap();
        for path in [
            "/mediagen.v1.MediaGeneration/Createx",
            "/mediagen.v1.MediaGeneration/",
            "/mediagen.v2.MediaGeneration/Create",
            "//mediagen.v1.MediaGeneration/Create",
            "/mediagen.v1.mediageneration/create",
            "/grpc.health.v1.Healthy/Check",
            "/",
            "",
        ] {
            assert_eq!(rules.of(path), Rule::Unknown, "{path}");
        }
        assert_eq!(rules.of("/grpc.health.v1.Health/Watch"), Rule::Open);
    }
}
