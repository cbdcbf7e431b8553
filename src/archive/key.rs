//! The name of an object: a task id and an integer, never a caller's text.

use object_store::path::Path;

use crate::domain::id::TaskId;

/// The name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    task: TaskId,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Output(u32),
    Input(u32),
}

impl Key {
    /// An output of a task: `<task_id>/<index>`.
    pub const fn output(task: TaskId, index: u32) -> Self {
        Self {
            task,
            part: Part::Output(index),
        }
    }

    /// A spooled input of a task: `<task_id>/input-<n>`.
    pub const fn input(task: TaskId, n: u32) -> Self {
        Self {
            task,
            part: Part::Input(n),
        }
    }

    pub(super) const fn task(&self) -> TaskId {
        self.task
    }

    /// The name within the task.
    pub(super) fn name(&self) -> String {
        match self.part {
            Part::Output(index) => index.to_string(),
            Part::Input(n) => format!("{INPUT}{n}"),
        }
    }

    /// Where the bytes are.
    pub(super) fn object(&self) -> Path {
        Path::from(format!("{}/{}", self.task, self.name()))
    }

    /// Where the sums are.
    pub(super) fn sums(&self) -> Path {
        Path::from(format!("{}/{}.sums", self.task, self.name()))
    }
}

/// Whether a name within a task is of an input, or of its sums.
pub(super) fn is_input(name: &str) -> bool {
    name.starts_with(INPUT)
}

const INPUT: &str = "input-";
