//! The code generated from `proto/`, and its descriptor for reflection.
//!
//! Only `grpc` and the CLI's client may name it. Everything that is said about a message, a field
//! or an error is said in the proto file; nothing is written by hand here.

/// Messages, the service trait and the client of `mediagen.v1`.
#[expect(
    clippy::allow_attributes,
    clippy::pedantic,
    clippy::large_enum_variant,
    reason = "generated: its manner is prost's and tonic's, its docs are the proto's"
)]
pub mod v1 {
    tonic::include_proto!("mediagen.v1");
}

/// The encoded `FileDescriptorSet` of the contract, its imports and its comments.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::FILE_DESCRIPTOR_SET;

    #[test]
    fn the_descriptor_names_all_twelve_rpcs() {
        let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let file = set
            .file
            .iter()
            .find(|file| file.package() == "mediagen.v1")
            .unwrap();
        let rpcs: Vec<_> = file.service[0]
            .method
            .iter()
            .map(prost_types::MethodDescriptorProto::name)
            .collect();
        let expected = "Create Status WatchTask DownloadContent Cancel List Delete ResolveUnknown \
                        UploadInput CostReport EstimateCost ListModels";
        assert_eq!(rpcs.join(" "), expected);
    }
}
