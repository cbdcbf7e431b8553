//! Uploads and placements as rows.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::{StoreError, UploadStore};
use super::SqliteStore;
use crate::domain::generation::Measured;
use crate::domain::id::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::upload::{PlaceKey, Placement, SpoolId, Upload, UploadId};

#[async_trait]
impl UploadStore for SqliteStore {
    async fn add_upload(&self, upload: Upload) -> Result<(), StoreError> {
        let added = self.writer.run(move |c| insert(c, &upload)).await;
        added.map(drop)
    }

    async fn upload(&self, tenant: &TenantId, id: UploadId) -> Result<Option<Upload>, StoreError> {
        let tenant = tenant.clone();
        self.readers.run(move |c| find(c, &tenant, id)).await
    }

    async fn has_upload(&self, spool: SpoolId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM uploads WHERE id = ?1";
        let look = move |c: &Connection| Ok(c.prepare_cached(sql)?.exists([spool.as_bytes()])?);
        self.readers.run(look).await
    }

    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SpoolId>, StoreError> {
        self.readers.run(move |c| expired(c, now, limit)).await
    }

    async fn remove_uploads(&self, spools: Vec<SpoolId>) -> Result<usize, StoreError> {
        let remove = move |c: &Connection| {
            let mut delete = c.prepare_cached("DELETE FROM uploads WHERE id = ?1")?;
            let mut removed = 0;
            for spool in &spools {
                removed += delete.execute([spool.as_bytes()])?;
            }
            Ok(removed)
        };
        self.writer.run(remove).await
    }

    async fn placement(&self, key: &PlaceKey) -> Result<Option<Placement>, StoreError> {
        let key = key.clone();
        self.readers.run(move |c| placement(c, key)).await
    }

    async fn place(&self, placement: Placement) -> Result<(), StoreError> {
        let placed = self.writer.run(move |c| place(c, &placement)).await;
        placed.map(drop)
    }

    async fn displace(&self, placement: Placement) -> Result<bool, StoreError> {
        let Placement { key, uri, .. } = placement;
        let sql = "DELETE FROM placements \
                   WHERE account = ?1 AND sha256 = ?2 AND content_type = ?3 AND uri = ?4";
        let remove = move |c: &Connection| {
            let which = params![key.account, key.sha256, key.content_type, uri];
            Ok(c.prepare_cached(sql)?.execute(which)?)
        };
        Ok(self.writer.run(remove).await? > 0)
    }

    async fn expire_placements(&self, now: Timestamp) -> Result<usize, StoreError> {
        let sql = "DELETE FROM placements WHERE expires <= ?1";
        let remove = move |c: &Connection| Ok(c.prepare_cached(sql)?.execute([now.0])?);
        self.writer.run(remove).await
    }
}

fn insert(c: &Connection, upload: &Upload) -> Result<usize, StoreError> {
    let measured = upload.measured;
    let mut statement = c.prepare_cached(
        "INSERT INTO uploads (id, tenant, content_type, size_bytes, sha256, width, height, \
         duration_ms, frames, file_name, created, expires) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    Ok(statement.execute(params![
        upload.id.spool().as_bytes(),
        upload.tenant.as_str(),
        upload.content_type,
        signed(upload.size_bytes),
        upload.sha256,
        measured.width,
        measured.height,
        measured.duration_ms.map(signed),
        measured.frames.map(signed),
        upload.file_name,
        upload.created.0,
        upload.expires.0,
    ])?)
}

fn find(c: &Connection, tenant: &TenantId, id: UploadId) -> Result<Option<Upload>, StoreError> {
    let sql = "SELECT content_type, size_bytes, sha256, width, height, duration_ms, frames, \
               file_name, created, expires FROM uploads WHERE id = ?1 AND tenant = ?2";
    let spool = id.spool();
    let found = c
        .prepare_cached(sql)?
        .query_row(params![spool.as_bytes(), tenant.as_str()], |row| {
            Ok(decode(row, tenant, id))
        })
        .optional()?;
    let found = found.transpose()?;
    // A name with another content's digest is nobody's.
    Ok(found.filter(|upload| UploadId::new(id.spool(), &upload.sha256) == id))
}

fn decode(row: &Row<'_>, tenant: &TenantId, id: UploadId) -> Result<Upload, StoreError> {
    let corrupt = |column| StoreError::Corrupt {
        table: "uploads",
        row: id.spool().to_string(),
        column,
    };
    let time = |index, column| row.get(index).map_err(|_| corrupt(column)).map(Timestamp);
    let count = |index, column| {
        let stored: Option<i64> = row.get(index).map_err(|_| corrupt(column))?;
        let count = stored.map(u64::try_from).transpose();
        count.map_err(|_| corrupt(column))
    };
    Ok(Upload {
        id,
        tenant: tenant.clone(),
        content_type: row.get(0).map_err(|_| corrupt("content_type"))?,
        size_bytes: count(1, "size_bytes")?.ok_or_else(|| corrupt("size_bytes"))?,
        sha256: row.get(2).map_err(|_| corrupt("sha256"))?,
        measured: Measured {
            width: row.get(3).map_err(|_| corrupt("width"))?,
            height: row.get(4).map_err(|_| corrupt("height"))?,
            duration_ms: count(5, "duration_ms")?,
            frames: count(6, "frames")?,
        },
        file_name: row.get(7).map_err(|_| corrupt("file_name"))?,
        created: time(8, "created")?,
        expires: time(9, "expires")?,
    })
}

fn expired(c: &Connection, now: Timestamp, limit: usize) -> Result<Vec<SpoolId>, StoreError> {
    let sql = "SELECT id FROM uploads WHERE expires <= ?1 ORDER BY expires, id LIMIT ?2";
    let mut statement = c.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([now.0, limit], |row| row.get(0))?;
    let mut found = Vec::new();
    for row in rows {
        if let Some(spool) = SpoolId::from_bytes(row?) {
            found.push(spool);
        } else {
            tracing::error!("an upload whose name makes no sense is left out");
        }
    }
    Ok(found)
}

fn placement(c: &Connection, key: PlaceKey) -> Result<Option<Placement>, StoreError> {
    let sql = "SELECT uri, expires FROM placements \
               WHERE account = ?1 AND sha256 = ?2 AND content_type = ?3";
    let found = c
        .prepare_cached(sql)?
        .query_row(params![key.account, key.sha256, key.content_type], |row| {
            Ok((row.get(0)?, Timestamp(row.get(1)?)))
        })
        .optional()?;
    Ok(found.map(|(uri, expires)| Placement { key, uri, expires }))
}

fn place(c: &Connection, placement: &Placement) -> Result<usize, StoreError> {
    let Placement { key, uri, expires } = placement;
    let mut statement = c.prepare_cached(
        "INSERT INTO placements (account, sha256, content_type, uri, expires) \
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account, sha256, content_type) \
         DO UPDATE SET uri = excluded.uri, expires = excluded.expires",
    )?;
    let values = params![key.account, key.sha256, key.content_type, uri, expires.0];
    Ok(statement.execute(values)?)
}

/// Sizes stay far below 2^63; a larger one is stored as the largest.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
