//! Faults that a test scripts in advance: the next N requests of a kind end this way.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A scripted fault. As JSON: `{"on": "create", "times": 2, "do": "answer", "status": 429,
/// "headers": {"retry-after": "1"}, "body": {"error": "…"}}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fault {
    /// Which requests it meets.
    pub on: Place,
    /// How many of them; 1 when absent.
    #[serde(default = "once")]
    pub times: u32,
    /// For creates: the task is accepted, and stands in the ledger, before the effect.
    #[serde(default)]
    pub accept_first: bool,
    /// What happens.
    #[serde(flatten)]
    pub effect: Effect,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// POST to a generation endpoint with a valid body.
    Create,
    /// GET of a task.
    Poll,
    /// DELETE of a task.
    Delete,
    /// GET of an output file.
    Output,
    /// POST for an upload slot.
    Slot,
    /// POST of an upload's file.
    Upload,
    /// GET of the organization.
    Organization,
}

/// What happens instead of, or on the way to, the ordinary answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Effect {
    /// This answer.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers to add.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// A JSON body; `{"error": …}` when absent.
        #[serde(default)]
        body: Option<Value>,
    },
    /// The TCP connection is reset.
    Reset,
    /// No answer comes until the client gives up or the sandbox stops.
    Hang,
    /// The ordinary answer, later.
    Delay {
        /// How much later.
        ms: u64,
    },
    /// For outputs: the connection breaks after this many bytes of the body.
    Cut {
        /// How many.
        bytes: u64,
    },
}

/// The faults that still wait for their requests, in the order they were scripted.
#[derive(Debug, Default)]
pub struct Script {
    waiting: Mutex<VecDeque<Fault>>,
}

impl Script {
    /// Adds a fault behind those that wait; `false` when the script is full.
    pub fn add(&self, fault: Fault) -> bool {
        let mut waiting = self.waiting.lock();
        let fits = waiting.len() < MAX_SCRIPTED;
        if fits && fault.times > 0 {
            waiting.push_back(fault);
        }
        fits
    }

    /// Forgets all that wait.
    pub fn clear(&self) {
        self.waiting.lock().clear();
    }

    /// The fault for a request of this kind, counted down.
    pub fn take(&self, on: Place) -> Option<Fault> {
        let mut waiting = self.waiting.lock();
        let index = waiting.iter().position(|fault| fault.on == on)?;
        let fault = waiting.get_mut(index)?;
        fault.times -= 1;
        if fault.times == 0 {
            waiting.remove(index)
        } else {
            Some(fault.clone())
        }
    }
}

fn once() -> u32 {
    1
}

const MAX_SCRIPTED: usize = 1_024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_meets_its_kind_of_request_as_often_as_it_says() {
        let script = Script::default();
        let fault = json!({"on": "poll", "times": 2, "do": "answer", "status": 503});
        assert!(script.add(serde_json::from_value(fault).expect("a fault")));
        assert!(script.take(Place::Create).is_none());
        assert!(script.take(Place::Poll).is_some());
        assert!(script.take(Place::Poll).is_some());
        assert!(script.take(Place::Poll).is_none());
    }
}
