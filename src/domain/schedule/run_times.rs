//! How long each model's generations ran lately.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The last run times of each model; bounded in models and in samples.
#[derive(Clone, Debug, Default)]
pub struct RunTimes {
    models: HashMap<String, Samples>,
}

/// What the samples of one model say. Without enough of them: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Hardly any generation is done before this.
    pub earliest: Option<Duration>,
    /// Half of them are done by then.
    pub usual: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Samples {
    ring: VecDeque<Duration>,
    learned: Learned,
}

impl RunTimes {
    /// Notes how long one generation ran, from first seen running to seen done.
    ///
    /// A model beyond `MAX_MODELS` is not learned.
    pub fn record(&mut self, model: &str, ran: Duration) {
        if let Some(samples) = self.models.get_mut(model) {
            samples.push(ran);
        } else if self.models.len() < MAX_MODELS {
            let mut samples = Samples::default();
            samples.push(ran);
            self.models.insert(model.to_owned(), samples);
        }
    }

    /// What is known of a model.
    pub fn of(&self, model: &str) -> Learned {
        self.models
            .get(model)
            .map(|samples| samples.learned)
            .unwrap_or_default()
    }
}

impl Samples {
    fn push(&mut self, ran: Duration) {
        if self.ring.len() == MAX_SAMPLES {
            self.ring.pop_front();
        }
        self.ring.push_back(ran);
        self.learned = self.learn();
    }

    fn learn(&self) -> Learned {
        if self.ring.len() < MIN_SAMPLES {
            return Learned::default();
        }
        let mut sorted: Vec<_> = self.ring.iter().copied().collect();
        sorted.sort_unstable();
        let low = sorted[sorted.len() / LOW];
        Learned {
            earliest: Some(low.mul_f64(CAUTION)),
            usual: Some(sorted[sorted.len() / 2]),
        }
    }
}

/// Models that are learned.
const MAX_MODELS: usize = 512;
/// Run times remembered for each model.
const MAX_SAMPLES: usize = 32;
/// Fewer say nothing: one odd run must not make the poller sleep.
const MIN_SAMPLES: usize = 4;
/// The low quantile is the 1/LOW one: the second shortest of a full ring.
const LOW: usize = 32;
/// How far below the low quantile a run may still end.
const CAUTION: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: impl IntoIterator<Item = u64>) -> RunTimes {
        let mut times = RunTimes::default();
        for value in values {
            times.record("m", Duration::from_secs(value));
        }
        times
    }

    #[test]
    fn a_few_samples_say_nothing() {
        assert_eq!(seconds([60, 60, 60]).of("m"), Learned::default());
        assert_eq!(seconds([60; 4]).of("other"), Learned::default());
    }

    #[test]
    fn the_earliest_end_is_below_what_was_seen() {
        let learned = seconds(60..92).of("m");
        assert_eq!(learned.usual, Some(Duration::from_secs(76)));
        assert!(learned.earliest < Some(Duration::from_mins(1)));
        assert!(learned.earliest > Some(Duration::from_secs(50)));
    }

    #[test]
    fn old_samples_are_forgotten() {
        let learned = seconds(std::iter::repeat_n(10, 32).chain(std::iter::repeat_n(100, 32)));
        assert_eq!(learned.of("m").usual, Some(Duration::from_secs(100)));
        assert_eq!(learned.of("m").earliest, Some(Duration::from_secs(90)));
    }

    #[test]
    fn the_number_of_models_is_bounded() {
        let mut times = RunTimes::default();
        for n in 0..(MAX_MODELS + 100) {
            times.record(&n.to_string(), Duration::from_secs(1));
        }
        assert_eq!(times.models.len(), MAX_MODELS);
    }
}
