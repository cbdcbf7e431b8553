//! Local files as a request's inputs: inline where they are small, uploaded first where not.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::client::Client;
use super::failure::{Exit, Failure};
use super::media;
use super::progress::Progress;
use super::upload::Upload;
use crate::pb::v1::input_reference::Source;
use crate::pb::v1::{CreateRequest, InputReference, Role};

/// A request, and the files that have to be uploaded before it is sent.
#[derive(Clone, Debug)]
pub struct Planned {
    request: CreateRequest,
    /// Which inputs are still to be uploaded, and from where.
    uploads: Vec<(usize, Upload)>,
}

/// One input as the command line has it.
#[derive(Clone, Debug)]
pub struct LocalInput {
    reference: InputReference,
    file: Option<LocalFile>,
}

#[derive(Clone, Debug)]
struct LocalFile {
    path: PathBuf,
    size: u64,
    content_type: &'static str,
}

impl Planned {
    /// Settles which files go inline.
    pub fn new(request: CreateRequest, inputs: Vec<LocalInput>) -> Result<Self, Failure> {
        let sizes: Vec<u64> = inputs
            .iter()
            .map(|input| input.file.as_ref().map_or(0, |file| file.size))
            .collect();
        let apart = apart(&sizes);
        let mut planned = Self {
            request,
            uploads: Vec::new(),
        };
        for (
            index,
            LocalInput {
                mut reference,
                file,
            },
        ) in inputs.into_iter().enumerate()
        {
            match file {
                Some(file) if apart.contains(&index) => {
                    let upload = Upload::new(file.path, file.size, file.content_type);
                    planned.uploads.push((index, upload));
                }
                Some(file) => reference.source = Some(Source::Data(file.read()?.into())),
                None => {}
            }
            planned.request.input_references.push(reference);
        }
        Ok(planned)
    }

    /// The request as far as it is known before anything is uploaded.
    #[cfg(test)]
    pub fn request(&self) -> &CreateRequest {
        &self.request
    }

    /// Uploads what has to be, and gives the whole request.
    pub async fn complete(
        mut self,
        client: &mut Client,
        progress: &mut Progress,
    ) -> Result<CreateRequest, Failure> {
        for (index, upload) in &self.uploads {
            let kept = upload.send(client, progress).await?;
            if let Some(reference) = self.request.input_references.get_mut(*index) {
                reference.source = Some(Source::UploadId(kept.upload_id));
            }
        }
        Ok(self.request)
    }
}

impl LocalInput {
    /// An input from a file, a URL or an upload's id; `kind` is what a file must be.
    pub fn of(place: &str, role: Role, kind: Option<&str>) -> Result<Self, Failure> {
        let mut reference = InputReference {
            role: role.into(),
            ..InputReference::default()
        };
        let path = Path::new(place);
        let is_upload = place.starts_with("upload_") && !path.exists();
        if place.contains("://") || place.starts_with("data:") {
            reference.source = Some(Source::Url(place.into()));
        } else if is_upload {
            reference.source = Some(Source::UploadId(place.into()));
        } else {
            let file = LocalFile::look_at(path)?;
            if let Some(kind) = kind.filter(|kind| !file.content_type.starts_with(kind)) {
                let needed = match kind {
                    "audio" => "sound",
                    "image" => "an image",
                    _ => "a video",
                };
                let text = format!(
                    "--{kind}: {place} is {}, and {needed} is needed",
                    file.content_type
                );
                return Err(Failure::new(Exit::Usage, text));
            }
            file.content_type.clone_into(&mut reference.content_type);
            return Ok(Self {
                reference,
                file: Some(file),
            });
        }
        Ok(Self {
            reference,
            file: None,
        })
    }
}

impl LocalInput {
    /// What the request will say about it.
    pub fn reference(&mut self) -> &mut InputReference {
        &mut self.reference
    }
}

impl LocalFile {
    fn look_at(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let mut file = File::open(path).with_context(|| format!("{name} cannot be opened"))?;
        let about = file
            .metadata()
            .with_context(|| format!("{name} cannot be read"))?;
        if !about.is_file() {
            let text = format!("{name} is no file");
            return Err(Failure::new(Exit::Usage, text));
        }
        let mut head = Vec::new();
        file.by_ref()
            .take(HEAD)
            .read_to_end(&mut head)
            .with_context(|| format!("{name} cannot be read"))?;
        let unknown = || {
            let text = format!("{name} is no image, video or sound that is known here");
            Failure::new(Exit::Refused, text)
        };
        Ok(Self {
            path: path.to_owned(),
            size: about.len(),
            content_type: media::sniff(&head).ok_or_else(unknown)?,
        })
    }

    /// The whole file, which must still be as long as when it was looked at: what is being written
    /// would be sent cut.
    fn read(&self) -> Result<Vec<u8>, Failure> {
        let name = self.path.display();
        let read = || {
            let mut bytes = Vec::new();
            let file = File::open(&self.path)?;
            file.take(self.size + 1).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = read().with_context(|| format!("{name} cannot be read"))?;
        if bytes.len() as u64 == self.size {
            return Ok(bytes);
        }
        let text = format!("{name} has changed while it was read: try again");
        Err(Failure::new(Exit::Refused, text))
    }
}

/// Which files go apart: each that is large, and of the rest the largest until one message holds
/// what is left.
fn apart(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(sizes[*index]));
    let mut left: u64 = sizes.iter().sum();
    let mut apart = Vec::new();
    for index in order {
        if sizes[index] > LARGE || left > MAX_INLINE {
            left -= sizes[index];
            apart.push(index);
        }
    }
    apart
}

/// A file larger than this is uploaded; what is repeated need not be sent again then.
const LARGE: u64 = 4 << 20;
/// A server takes 16 MiB in one Create; the rest is left to the other fields.
const MAX_INLINE: u64 = 15 << 20;
/// First bytes by which a file is told.
const HEAD: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &tempfile::TempDir, name: &str, bytes: &[u8], size: u64) -> String {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        if size > 0 {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(size).unwrap();
        }
        path.display().to_string()
    }

    fn plan(places: &[&str]) -> Planned {
        let input = |place: &&str| LocalInput::of(place, Role::Unspecified, None).unwrap();
        let inputs = places.iter().map(input).collect();
        Planned::new(CreateRequest::default(), inputs).unwrap()
    }

    #[test]
    fn large_files_go_apart_and_the_largest_of_many() {
        let mib = |sizes: &[u64]| {
            let sizes: Vec<u64> = sizes.iter().map(|size| size << 20).collect();
            let mut apart = apart(&sizes);
            apart.sort_unstable();
            apart
        };
        assert_eq!(mib(&[1, 5, 4, 200]), [1, 3]);
        assert_eq!(mib(&[4, 4, 4, 3]), Vec::<usize>::new());
        assert_eq!(mib(&[3, 4, 4, 4, 4]).len(), 1);
        assert_eq!(mib(&[]), Vec::<usize>::new());
    }

    #[test]
    fn small_files_become_inline_data_of_their_type_and_the_rest_stays_or_waits() {
        let folder = tempfile::tempdir().unwrap();
        let png = b"\x89PNG\r\n\x1a\n....";
        let small = written(&folder, "a", png, 0);
        let large = written(&folder, "b", png, LARGE + 1);
        let planned = plan(&[&small, "https://x.example/y.png", &large, "upload_1"]);
        let inputs = &planned.request.input_references;
        assert_eq!(inputs[0].content_type, "image/png");
        assert!(matches!(&inputs[0].source, Some(Source::Data(data)) if data == &png[..]));
        assert!(matches!(inputs[1].source, Some(Source::Url(_))));
        assert_eq!(inputs[2].source, None);
        assert!(matches!(inputs[3].source, Some(Source::UploadId(_))));
        let waiting: Vec<usize> = planned.uploads.iter().map(|(index, _)| *index).collect();
        assert_eq!(waiting, [2]);
    }

    #[test]
    fn a_file_that_is_still_written_is_not_sent_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder, "a", b"\x89PNG\r\n\x1a\n....", 0);
        let input = LocalInput::of(&path, Role::Unspecified, None).unwrap();
        for size in [20, 5] {
            written(&folder, "a", b"\x89PNG\r\n\x1a\n", size);
            let planned = Planned::new(CreateRequest::default(), vec![input.clone()]);
            assert!(planned.unwrap_err().message.contains("has changed"));
        }
    }

    #[test]
    fn a_file_of_another_kind_or_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = written(&folder, "b.png", b"not an image", 0);
        let image = written(&folder, "c", b"\x89PNG\r\n\x1a\n", 0);
        let of = |place: &str, kind| LocalInput::of(place, Role::Unspecified, Some(kind));
        let said = |place: &str, kind| of(place, kind).unwrap_err().message;
        assert!(said(&text, "image").contains("no image"));
        assert!(said(&image, "video").contains("image/png, and a video is needed"));
        assert!(said(&folder.path().display().to_string(), "image").contains("no file"));
        assert!(said("missing.png", "image").contains("cannot be opened"));
        assert!(of(&image, "image").is_ok());
    }
}
