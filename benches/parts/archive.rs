//! The archive beside plain files: 64 MiB written, hashed and read back, then read in pieces.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use futures_util::TryStreamExt as _;
use mediagen::archive::{Archive, Key};
use mediagen::domain::id::TaskId;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::is_test;
use crate::sample::NOW;

pub fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    // Where the build is there is a real disk; the folder for temporary files is often none.
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let archive = Archive::open(&folder.path().join("archive"), None)?;
    let key = Key::output(TaskId::new(NOW.0, [0x5a; 10]), 0);
    let size = if is_test() { 1 << 20 } else { 64 << 20 };
    let piece = piece();
    let plain = folder.path().join("plain");

    runtime.block_on(write(&archive, key, &piece, size))?;
    write_plain(&plain, &piece, size)?;
    anyhow::ensure!(runtime.block_on(read(&archive, key, size))? == size);
    anyhow::ensure!(read_plain(&plain)? == size);

    let mut group = criterion.benchmark_group("archive");
    group.sample_size(10).throughput(Throughput::Bytes(size));
    group.bench_function("write, hash and read back", |b| {
        b.iter(|| runtime.block_on(write(&archive, key, &piece, size)));
    });
    group.bench_function("write and fsync a plain file", |b| {
        b.iter(|| write_plain(&plain, &piece, size));
    });
    group.bench_function("hash alone", |b| {
        b.iter(|| {
            let mut hash = Sha256::new();
            (0..size / PIECE).for_each(|_| hash.update(&piece));
            hash.finalize()
        });
    });
    group.bench_function("read, checked", |b| {
        b.iter(|| runtime.block_on(read(&archive, key, size)));
    });
    group.bench_function("read a plain file", |b| b.iter(|| read_plain(&plain)));
    group.finish();
    Ok(())
}

async fn write(archive: &Archive, key: Key, piece: &Bytes, size: u64) -> anyhow::Result<()> {
    let mut writer = archive.writer(key).await?;
    for _ in 0..size / PIECE {
        writer.write(piece.clone()).await?;
    }
    let stored = writer.finish().await?;
    anyhow::ensure!(stored.size_bytes == size);
    Ok(())
}

async fn read(archive: &Archive, key: Key, size: u64) -> anyhow::Result<u64> {
    let pieces = archive.read(key, 0, size, size);
    let add = async |sum, piece: Bytes| Ok(sum + piece.len() as u64);
    Ok(pieces.try_fold(0, add).await?)
}

fn write_plain(path: &Path, piece: &Bytes, size: u64) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    for _ in 0..size / PIECE {
        file.write_all(piece)?;
    }
    file.sync_all()
}

fn read_plain(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let mut piece = piece().to_vec();
    let mut sum = 0;
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sum),
            length => sum += length as u64,
        }
    }
}

/// As many bytes as a download reads at once.
fn piece() -> Bytes {
    (0..PIECE).map(|n| n.to_le_bytes()[0]).collect()
}

const PIECE: u64 = 64 * 1024;
