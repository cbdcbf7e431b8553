//! Compiles the proto in pure Rust (no `protoc`) and keeps its descriptor for reflection.

use std::path::PathBuf;

use prost::Message as _;

#[expect(
    clippy::disallowed_methods,
    reason = "cargo names the output folder in the environment"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    const PROTO: &str = "mediagen/v1/media_generation.proto";
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_file(PROTO)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    let files = prost_types_set(&compiler)?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    tonic_prost_build::configure().compile_fds_with_config(files, config)?;
    Ok(())
}

/// The descriptor set that code is generated from.
fn prost_types_set(
    compiler: &protox::Compiler,
) -> Result<prost_types::FileDescriptorSet, prost::DecodeError> {
    prost_types::FileDescriptorSet::decode(compiler.encode_file_descriptor_set().as_slice())
}
