//! A form that asks for a video: its texts, and its files, which are spooled as they come in.

use bytes::Bytes;
use futures_util::stream::unfold;

use crate::domain::id::TenantId;
use crate::domain::upload::NewUpload;
use crate::domain::value::Value;
use crate::openai::asked::nest;
use crate::openai::body::{Form, Held, Members};
use crate::openai::{Problem, refusal};
use crate::service::{Lent, Service, UploadPart};

/// The members that a form spells, the files that they name, and what the texts hold of the room for
/// bodies.
///
/// # Errors
/// What is wrong with the form or a file; what was spooled goes again.
pub(super) async fn read(
    service: &Service,
    tenant: &TenantId,
    mut form: Form,
) -> Result<(Members, Vec<Lent>, Held), Problem> {
    let mut fields: Vec<(String, Value)> = Vec::new();
    let mut files: Vec<Lent> = Vec::new();
    while let Some(part) = form.part().await? {
        let name = part.name;
        if !part.is_file {
            let text = form.text(&name, b"").await?;
            fields.push((name, Value::String(text)));
            continue;
        }
        if !takes_files(&name) {
            return Err(Problem::field(name, "takes no file; input_reference does"));
        }
        let head = form.head(HEAD).await?;
        if is_address(&head) {
            let text = form.text(&name, &head).await?;
            fields.push((name, Value::String(text.trim().to_owned())));
            continue;
        }
        if files.len() == MOST_FILES {
            let problem = format!("comes more often than {MOST_FILES} times");
            return Err(Problem::field(name, &problem));
        }
        let lent = spool(service, tenant, &mut form, head, &name).await?;
        let id = Value::String(lent.id().to_string());
        fields.push((name, Value::Object([("upload_id".to_owned(), id)].into())));
        files.push(lent);
    }
    Ok((nest(fields, &FILES)?, files, form.into_held()))
}

/// Keeps a file for this request alone.
async fn spool(
    service: &Service,
    tenant: &TenantId,
    form: &mut Form,
    head: Bytes,
    name: &str,
) -> Result<Lent, Problem> {
    // What a client says of type and name is often made up: the bytes tell.
    let announced = UploadPart::Metadata(NewUpload::default());
    let head = (!head.is_empty()).then(|| UploadPart::Chunk(head));
    let begun = [Some(announced), head].into_iter().flatten();
    let parts = unfold((begun, form), |(mut begun, form)| async move {
        let part = match begun.next() {
            Some(part) => Ok(part),
            None => match form.chunk().await {
                Ok(chunk) => Ok(UploadPart::Chunk(chunk?)),
                Err(problem) => Err(problem),
            },
        };
        Some((part, (begun, form)))
    });
    let lent = service.lend(tenant.clone(), Box::pin(parts)).await;
    lent.map_err(|error| refusal::upload(name, error))
}

/// Whether a file is an address in truth: LiteLLM's client sends every address so.
fn is_address(head: &[u8]) -> bool {
    let begins = |scheme: &&str| {
        let start = head.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    SCHEMES.iter().any(begins)
}

fn takes_files(name: &str) -> bool {
    FILES.contains(&name.strip_suffix("[]").unwrap_or(name))
}

/// The fields that may be files.
const FILES: [&str; 2] = ["input_reference", "input_references"];
/// How addresses of every kind begin.
const SCHEMES: [&str; 5] = ["https://", "http://", "data:", "runway://", "upload_"];
/// Bytes by which an address is known.
const HEAD: usize = 16;
/// Files of one form.
const MOST_FILES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_medium() {
        for address in [
            "https://e.org/a.png",
            "HTTP://x",
            "data:,",
            "runway://a",
            "upload_0",
        ] {
            assert!(is_address(address.as_bytes()), "{address}");
        }
        for medium in [&b"\x89PNG\r\n\x1a\n"[..], b"https:", b"", b"\xff\xd8\xff"] {
            assert!(!is_address(medium), "{medium:?}");
        }
    }

    #[test]
    fn files_have_their_fields() {
        for (name, takes) in [
            ("input_reference", true),
            ("input_reference[]", true),
            ("input_reference[image_url]", false),
            ("prompt", false),
        ] {
            assert_eq!(takes_files(name), takes, "{name}");
        }
    }
}
