//! The archive as a whole, on real files.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn archive() -> (TempDir, Archive) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(&folder.path().join("archive"), None).unwrap();
    (folder, archive)
}

fn task(n: u8) -> TaskId {
    TaskId::new(1_790_000_000_000, [n; 10])
}

fn content(len: usize) -> Bytes {
    (0..len)
        .map(|i| u8::try_from((i * 31 + i / 251) % 256).unwrap())
        .collect()
}

async fn write(archive: &Archive, key: Key, bytes: &Bytes, step: usize) -> Stored {
    let mut writer = archive.writer(key).await.unwrap();
    for chunk in bytes.chunks(step.max(1)) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn read(
    archive: &Archive,
    key: Key,
    range: (u64, u64),
    size: usize,
) -> Result<Vec<u8>, ArchiveError> {
    let mut stream = archive.read(key, range.0, range.1, size as u64);
    let mut all = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        assert!(!piece.is_empty() && piece.len() <= BLOCK);
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

fn names(archive: &Archive, task: TaskId) -> Vec<String> {
    let folder = archive.inner.root.join(task.to_string());
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn flip(archive: &Archive, name: &str, at: usize) {
    let path = archive.inner.root.join(task(1).to_string()).join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test]
async fn what_is_written_reads_back_with_its_hash() {
    let (_folder, archive) = archive();
    for (n, len) in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 17]
        .into_iter()
        .enumerate()
    {
        let key = Key::output(task(1), u32::try_from(n).unwrap());
        let bytes = content(len);
        let stored = write(&archive, key, &bytes, 10_000).await;
        assert_eq!(stored.size_bytes, len as u64);
        assert_eq!(
            stored.sha256,
            <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&bytes))
        );
        assert_eq!(
            read(&archive, key, (0, u64::MAX), len).await.unwrap(),
            bytes
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_range_equals_the_slice(
        len in 0usize..300_000, step in 1usize..100_000, from in 0u64..320_000, take in 0u64..320_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (_folder, archive) = archive();
            let (key, bytes) = (Key::output(task(1), 0), content(len));
            write(&archive, key, &bytes, step).await;
            let start = usize::try_from(from).unwrap().min(len);
            let end = usize::try_from(from + take).unwrap().min(len);
            let got = read(&archive, key, (from, take), len).await.unwrap();
            assert_eq!(got, bytes.slice(start..end));
        });
    }
}

#[tokio::test]
async fn a_flipped_byte_is_damage_and_blocks_before_it_are_still_read() {
    let (_folder, archive) = archive();
    let (key, len) = (Key::output(task(1), 0), 3 * BLOCK);
    write(&archive, key, &content(len), BLOCK).await;
    flip(&archive, "0", 2 * BLOCK + 5);
    let mut stream = archive.read(key, 0, len as u64, len as u64);
    assert!(stream.next().await.unwrap().is_ok());
    assert!(stream.next().await.unwrap().is_ok());
    assert!(matches!(
        stream.next().await,
        Some(Err(ArchiveError::Damaged(_)))
    ));
    assert!(stream.next().await.is_none());
    assert_eq!(
        read(&archive, key, (0, 2 * BLOCK as u64), len)
            .await
            .unwrap()
            .len(),
        2 * BLOCK
    );
}

#[tokio::test]
async fn every_kind_of_loss_has_its_error() {
    let (_folder, archive) = archive();
    let (key, len) = (Key::output(task(1), 0), BLOCK + 1);
    let folder = archive.inner.root.join(task(1).to_string());
    let lost = |error: &ArchiveError| matches!(error, ArchiveError::Damaged(_));
    assert_eq!(
        read(&archive, key, (0, 1), len).await.unwrap_err(),
        ArchiveError::Missing
    );
    write(&archive, key, &content(len), 999).await;
    flip(&archive, "0.sums", 0);
    assert!(lost(&read(&archive, key, (0, 1), len).await.unwrap_err()));
    write(&archive, key, &content(len), 999).await;
    assert!(lost(
        &read(&archive, key, (0, 1), len + 1).await.unwrap_err()
    ));
    std::fs::write(folder.join("0"), &content(len)[..BLOCK]).unwrap();
    assert!(lost(&read(&archive, key, (0, 1), len).await.unwrap_err()));
    std::fs::remove_file(folder.join("0.sums")).unwrap();
    assert!(lost(&read(&archive, key, (0, 1), len).await.unwrap_err()));
    std::fs::remove_file(folder.join("0")).unwrap();
    assert_eq!(
        read(&archive, key, (0, 1), len).await.unwrap_err(),
        ArchiveError::Missing
    );
}

#[tokio::test]
async fn an_unfinished_writer_leaves_nothing_behind() {
    let (_folder, archive) = archive();
    let mut writer = archive.writer(Key::output(task(1), 0)).await.unwrap();
    writer.write(content(3 * BLOCK * 4)).await.unwrap();
    assert_eq!(names(&archive, task(1)), ["0#1"]);
    drop(writer);
    // The removal runs on the blocking pool, in order with this.
    for _ in 0..1000 {
        if names(&archive, task(1)).is_empty() {
            return;
        }
        tokio::task::yield_now().await;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{:?}", names(&archive, task(1)));
}

#[tokio::test]
async fn what_a_crash_left_is_replaced() {
    let (_folder, archive) = archive();
    let folder = archive.inner.root.join(task(1).to_string());
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["0#1", "0#2", "0", "1#1"] {
        std::fs::write(folder.join(name), b"half").unwrap();
    }
    let bytes = content(10);
    write(&archive, Key::output(task(1), 0), &bytes, 3).await;
    assert_eq!(names(&archive, task(1)), ["0", "0.sums", "1#1"]);
    assert_eq!(
        read(&archive, Key::output(task(1), 0), (0, 10), 10)
            .await
            .unwrap(),
        bytes
    );
}

#[tokio::test]
async fn inputs_go_before_outputs_and_the_task_takes_all() {
    let (_folder, archive) = archive();
    archive
        .put_input(task(1), 0, content(70_000))
        .await
        .unwrap();
    archive.put_input(task(1), 1, content(5)).await.unwrap();
    write(&archive, Key::output(task(1), 0), &content(9), 9).await;
    let spooled = archive.input(task(1), 0).await.unwrap();
    let back: Vec<Bytes> = spooled.open().try_collect().await.unwrap();
    assert_eq!(
        (spooled.size_bytes(), back.concat()),
        (70_000, content(70_000).to_vec())
    );
    archive.remove_inputs(task(1)).await.unwrap();
    assert_eq!(names(&archive, task(1)), ["0", "0.sums"]);
    assert_eq!(
        archive.input(task(1), 0).await.unwrap_err(),
        ArchiveError::Missing
    );
    assert_eq!(archive.task_ids().await.unwrap(), [task(1)]);
    archive.remove_task(task(1)).await.unwrap();
    archive.remove_task(task(1)).await.unwrap();
    assert!(archive.task_ids().await.unwrap().is_empty());
}

fn spool(n: u8) -> SpoolId {
    SpoolId::new(1_790_000_000_000, [n; 10])
}

#[tokio::test]
async fn an_upload_is_given_to_tasks_and_each_keeps_its_own() {
    let (_folder, archive) = archive();
    let bytes = content(3 * BLOCK + 5);
    let stored = write(&archive, Key::upload(spool(1)), &bytes, 50_000).await;
    for (task, n) in [(task(1), 0), (task(1), 1), (task(2), 0)] {
        let given = archive.give(spool(1), stored.size_bytes, task, n).await;
        given.unwrap();
    }
    assert_eq!(archive.upload_ids().await.unwrap(), [spool(1)]);
    let counted = archive.used_bytes();
    assert_eq!(archive.measure().await.unwrap(), counted);
    archive.remove_upload(spool(1)).await.unwrap();
    archive.remove_upload(spool(1)).await.unwrap();
    archive.remove_task(task(2)).await.unwrap();
    assert!(archive.upload_ids().await.unwrap().is_empty());
    let counted = archive.used_bytes();
    assert_eq!(archive.measure().await.unwrap(), counted);
    for n in 0..2 {
        let spooled = archive.input(task(1), n).await.unwrap();
        let back: Vec<Bytes> = spooled.open().try_collect().await.unwrap();
        assert_eq!(back.concat(), bytes);
    }
    assert_eq!(
        archive.give(spool(1), stored.size_bytes, task(3), 0).await,
        Err(ArchiveError::Missing)
    );
}

#[tokio::test]
async fn where_files_have_one_name_an_upload_is_copied() {
    let (_folder, archive) = archive();
    let bytes = content(2 * BLOCK);
    write(&archive, Key::upload(spool(1)), &bytes, 50_000).await;
    let (from, to) = (Key::upload(spool(1)), Key::input(task(1), 0));
    archive.copy(from, bytes.len() as u64, to).await.unwrap();
    assert_eq!(names(&archive, task(1)), ["input-0", "input-0.sums"]);
    let size = bytes.len();
    assert_eq!(
        read(&archive, to, (0, u64::MAX), size).await.unwrap(),
        bytes
    );
}

#[tokio::test]
async fn an_abandoned_writer_has_left_nothing_behind() {
    let (_folder, archive) = archive();
    let mut writer = archive.writer(Key::upload(spool(1))).await.unwrap();
    writer.write(content(5 * BLOCK)).await.unwrap();
    writer.abandon().await.unwrap();
    archive.remove_upload(spool(1)).await.unwrap();
    assert_eq!(std::fs::read_dir(&archive.inner.root).unwrap().count(), 0);
}

#[tokio::test]
async fn the_count_follows_and_agrees_with_a_walk() {
    let (folder, archive) = archive();
    for n in 1..4 {
        write(&archive, Key::output(task(n), 0), &content(100_000), 30_000).await;
    }
    write(&archive, Key::output(task(1), 0), &content(50_000), 30_000).await;
    archive.put_input(task(1), 0, content(10)).await.unwrap();
    let counted = archive.used_bytes();
    assert_eq!(archive.measure().await.unwrap(), counted);
    archive.remove_inputs(task(1)).await.unwrap();
    archive.remove_task(task(2)).await.unwrap();
    let counted = archive.used_bytes();
    assert_eq!(archive.measure().await.unwrap(), counted);
    let again = Archive::open(&folder.path().join("archive"), Some(counted)).unwrap();
    assert!(!again.is_nearly_full());
    again.measure().await.unwrap();
    assert!(again.is_nearly_full());
}

#[tokio::test]
async fn what_is_being_written_counts_as_used_until_it_is_given_up() {
    let (_folder, archive) = archive();
    let mut writer = archive.writer(Key::output(task(1), 0)).await.unwrap();
    writer.write(content(300_000)).await.unwrap();
    assert_eq!(archive.used_bytes(), 300_000);
    let mut other = archive.writer(Key::output(task(1), 1)).await.unwrap();
    other.write(content(400_000)).await.unwrap();
    assert_eq!(archive.used_bytes(), 700_000);
    other.abandon().await.unwrap();
    assert_eq!(archive.used_bytes(), 300_000);
    writer.finish().await.unwrap();
    let counted = archive.used_bytes();
    assert_eq!(archive.measure().await.unwrap(), counted);
}

#[tokio::test]
async fn a_removed_object_does_not_cut_its_reader() {
    let (_folder, archive) = archive();
    let (key, bytes) = (Key::output(task(1), 0), content(4 * BLOCK));
    write(&archive, key, &bytes, BLOCK).await;
    let mut stream = archive.read(key, 0, u64::MAX, bytes.len() as u64);
    let mut all = stream.next().await.unwrap().unwrap().to_vec();
    archive.remove_task(task(1)).await.unwrap();
    while let Some(piece) = stream.try_next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    assert_eq!(all, bytes);
}

/// A buffer of which a message is a small part.
struct Buffer(Vec<u8>, Arc<AtomicU64>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn small_pieces_of_large_buffers_do_not_keep_the_buffers() {
    let (_folder, archive) = archive();
    let gone = Arc::new(AtomicU64::new(0));
    let mut writer = archive.writer(Key::output(task(1), 0)).await.unwrap();
    for n in 1..=100 {
        let buffer = Bytes::from_owner(Buffer(vec![7; 100_000], Arc::clone(&gone)));
        writer.write(buffer.slice(500..501)).await.unwrap();
        drop(buffer);
        assert_eq!(gone.load(Ordering::Relaxed), n);
    }
    let stored = writer.finish().await.unwrap();
    assert_eq!(stored.size_bytes, 100);
}

#[tokio::test]
async fn pieces_of_any_size_make_the_same_object() {
    let (_folder, archive) = archive();
    let bytes = content(1_000_000);
    let mut seen = Vec::new();
    let steps = [
        1_000, 16_384, 16_385, 131_071, 131_072, 200_000, 262_143, 262_144, 300_000, 1_000_000,
    ];
    for (n, step) in (20..).zip(steps) {
        seen.push(write(&archive, Key::output(task(1), n), &bytes, step).await);
    }
    let mut mixed = archive.writer(Key::output(task(1), 9)).await.unwrap();
    let mut rest = bytes.clone();
    for step in [1, 300_000, 5, 0, 131_070, 16_384, 262_143, 1, 200_000] {
        mixed
            .write(rest.split_to(step.min(rest.len())))
            .await
            .unwrap();
    }
    mixed.write(rest).await.unwrap();
    seen.push(mixed.finish().await.unwrap());
    seen.dedup();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].size_bytes, 1_000_000);
}
