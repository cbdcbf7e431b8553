//! The name of an object: an id and an integer, never a caller's text.

use object_store::path::Path;

use crate::domain::id::TaskId;
use crate::domain::upload::SpoolId;

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Output(TaskId, u32),
    Input(TaskId, u32),
    Made(TaskId, u32),
    Upload(SpoolId),
}

impl Key {
    /// An output of a task: `<task_id>/<index>`.
    pub const fn output(task: TaskId, index: u32) -> Self {
        Self(Place::Output(task, index))
    }

    /// A spooled input of a task: `<task_id>/input-<n>`.
    pub const fn input(task: TaskId, n: u32) -> Self {
        Self(Place::Input(task, n))
    }

    /// An output that came with the acceptance of its create: `<task_id>/made-<n>`.
    pub const fn made(task: TaskId, n: u32) -> Self {
        Self(Place::Made(task, n))
    }

    /// What a caller uploaded: `<spool id>/0`.
    pub const fn upload(spool: SpoolId) -> Self {
        Self(Place::Upload(spool))
    }

    /// The folder of everything that lives and dies with it.
    pub(super) fn folder(&self) -> String {
        match self.0 {
            Place::Output(task, _) | Place::Input(task, _) | Place::Made(task, _) => {
                task.to_string()
            }
            Place::Upload(spool) => spool.to_string(),
        }
    }

    /// The name within the folder.
    pub(super) fn name(&self) -> String {
        match self.0 {
            Place::Output(_, index) => index.to_string(),
            Place::Input(_, n) => format!("{INPUT}{n}"),
            Place::Made(_, n) => format!("{MADE}{n}"),
            Place::Upload(_) => "0".to_owned(),
        }
    }

    /// Where the bytes are.
    pub(super) fn object(&self) -> Path {
        Path::from(format!("{}/{}", self.folder(), self.name()))
    }

    /// Where the sums are.
    pub(super) fn sums(&self) -> Path {
        Path::from(format!("{}/{}.sums", self.folder(), self.name()))
    }
}

/// Whether a name within a task is of something that is of no use after its end, or of its sums.
pub(super) fn is_spooled(name: &str) -> bool {
    name.starts_with(INPUT) || is_made(name)
}

/// Whether a name within a task is of an output as it came, or of its sums.
pub(super) fn is_made(name: &str) -> bool {
    name.starts_with(MADE)
}

const INPUT: &str = "input-";
const MADE: &str = "made-";
