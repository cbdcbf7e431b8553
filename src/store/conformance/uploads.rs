//! Promises about uploads and placements.

use crate::domain::generation::Measured;
use crate::domain::id::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::upload::{PlaceKey, Placement, SpoolId, Upload, UploadId};
use crate::store::{StoreError, UploadStore};

fn upload(n: u8, tenant: &str, expires: i64) -> Upload {
    let sha256 = [n; 32];
    Upload {
        id: UploadId::new(SpoolId::new(i64::from(n), [n; 10]), &sha256),
        tenant: TenantId::named(tenant),
        content_type: "video/mp4".to_owned(),
        size_bytes: 123_456_789,
        sha256,
        measured: Measured {
            duration_ms: Some(5_000),
            width: Some(1280),
            height: None,
            frames: Some(120),
        },
        file_name: "ünïcödé.mp4".to_owned(),
        created: Timestamp(1),
        expires: Timestamp(expires),
    }
}

fn placement(account: &str, content: u8, uri: &str, expires: i64) -> Placement {
    Placement {
        key: PlaceKey {
            account: account.to_owned(),
            sha256: [content; 32],
            content_type: "video/mp4".to_owned(),
        },
        uri: uri.to_owned(),
        expires: Timestamp(expires),
    }
}

/// An upload is its tenant's alone, under its whole name, and its name is used once.
pub async fn an_upload_is_found_by_its_tenant_and_whole_name(store: &dyn UploadStore) {
    let kept = upload(1, "a", 10);
    store.add_upload(kept.clone()).await.expect("a write");
    let again = store.add_upload(kept.clone()).await;
    assert!(matches!(again, Err(StoreError::Conflict)));
    let other_content = UploadId::new(kept.id.spool(), &[9; 32]);
    for (tenant, id, expected) in [
        ("a", kept.id, Some(kept.clone())),
        ("b", kept.id, None),
        ("a", other_content, None),
        ("a", upload(2, "a", 10).id, None),
    ] {
        let found = store.upload(&TenantId::named(tenant), id).await;
        assert_eq!(found.expect("a read"), expected);
    }
    assert!(store.has_upload(kept.id.spool()).await.expect("a read"));
    let unknown = upload(2, "a", 10).id.spool();
    assert!(!store.has_upload(unknown).await.expect("a read"));
}

/// What has expired is told, oldest first, until it is removed.
pub async fn expired_uploads_are_told_until_they_are_removed(store: &dyn UploadStore) {
    for (n, expires) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        let added = store.add_upload(upload(n, "a", expires)).await;
        added.expect("a write");
    }
    let spool = |n| upload(n, "a", 0).id.spool();
    let expired = |now, limit| store.expired_uploads(Timestamp(now), limit);
    assert_eq!(expired(9, 10).await.expect("a read"), []);
    assert_eq!(
        expired(30, 10).await.expect("a read"),
        [spool(2), spool(3), spool(1)]
    );
    assert_eq!(expired(30, 1).await.expect("a read"), [spool(2)]);
    let gone = vec![spool(2), spool(3), spool(9)];
    assert_eq!(
        store.remove_uploads(gone.clone()).await.expect("a write"),
        2
    );
    assert_eq!(store.remove_uploads(gone).await.expect("a write"), 0);
    assert_eq!(expired(30, 10).await.expect("a read"), [spool(1)]);
}

/// Content has one address at each account; only the one that is meant is forgotten.
pub async fn content_has_one_address_at_an_account(store: &dyn UploadStore) {
    let first = placement("a", 1, "runway://1", 10);
    let mut other_type = placement("a", 1, "runway://3", 30);
    other_type.key.content_type = "audio/mp4".to_owned();
    let others = [placement("b", 1, "runway://2", 20), other_type];
    for placement in others.iter().chain([&first]) {
        store.place(placement.clone()).await.expect("a write");
    }
    let at = |placement: &Placement| {
        let key = placement.key.clone();
        async move { store.placement(&key).await.expect("a read") }
    };
    assert_eq!(at(&first).await, Some(first.clone()));
    let second = placement("a", 1, "runway://4", 40);
    store.place(second.clone()).await.expect("a write");
    assert_eq!(at(&first).await, Some(second.clone()));
    assert!(!store.displace(first.clone()).await.expect("a write"));
    assert_eq!(at(&first).await, Some(second.clone()));
    assert!(store.displace(second.clone()).await.expect("a write"));
    assert_eq!(at(&first).await, None);
    for other in &others {
        assert_eq!(at(other).await.as_ref(), Some(other));
    }
    let expired = store.expire_placements(Timestamp(20)).await;
    assert_eq!(expired.expect("a write"), 1);
    assert_eq!(at(&others[0]).await, None);
    assert_eq!(at(&others[1]).await.as_ref(), Some(&others[1]));
}

/// Uploads and placements are there after the store was opened anew.
pub async fn uploads_and_placements_survive_a_restart<S, F, O>(open: O)
where
    S: UploadStore,
    F: Future<Output = S>,
    O: Fn() -> F,
{
    let (kept, placed) = (upload(1, "a", 10), placement("a", 1, "runway://1", 10));
    let store = open().await;
    store.add_upload(kept.clone()).await.expect("a write");
    store.place(placed.clone()).await.expect("a write");
    drop(store);
    let store = open().await;
    let found = store.upload(&kept.tenant, kept.id).await;
    assert_eq!(found.expect("a read"), Some(kept));
    let found = store.placement(&placed.key).await;
    assert_eq!(found.expect("a read"), Some(placed));
}
