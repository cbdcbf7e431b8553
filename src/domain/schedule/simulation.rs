//! The poll schedule against many simulated generations: target P7, lag and number of questions.
//!
//! Deterministic: one seed, one walk. A generation waits, perhaps throttled, then runs for a
//! log-normal time around its model's; progress is told a little wrong, and not by every model.

use std::time::Duration;

use super::{Learned, PollPace, PollState, RunTimes, next_poll};
use crate::domain::task::Progress;
use crate::domain::time::{Timestamp, millis};

const PACE: PollPace = PollPace {
    floor: Duration::from_secs(5),
    max_backoff: Duration::from_mins(1),
};
const FLOOR: i64 = 5_000;

/// A small generator of pseudo-random numbers (splitmix64): reproducible, and enough here.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits")) / f64::from(u32::MAX)
    }

    /// A draw of mean 0 and deviation 1, near enough to normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// A model: its usual run time in seconds, the spread of it, and whether it tells progress.
struct Model {
    name: &'static str,
    usual: f64,
    sigma: f64,
    tells: bool,
}

const MODELS: [Model; 5] = [
    Model {
        name: "image",
        usual: 14.0,
        sigma: 0.35,
        tells: false,
    },
    Model {
        name: "turbo",
        usual: 35.0,
        sigma: 0.25,
        tells: true,
    },
    Model {
        name: "video",
        usual: 75.0,
        sigma: 0.25,
        tells: true,
    },
    Model {
        name: "silent",
        usual: 110.0,
        sigma: 0.2,
        tells: false,
    },
    Model {
        name: "long",
        usual: 300.0,
        sigma: 0.35,
        tells: true,
    },
];

/// One generation at the provider: moments in milliseconds from its submission.
struct Run {
    throttled_until: i64,
    starts: i64,
    ends: i64,
    tells: bool,
    wrong_by: f64,
}

impl Run {
    fn roll(model: &Model, dice: &mut Dice) -> Self {
        let held = if dice.roll() < 0.1 { 60.0 } else { 0.0 };
        let throttled = dice.roll() * held;
        let starts = throttled + dice.roll() * 8.0;
        let runs = model.usual * (model.sigma * dice.normal()).exp();
        Self {
            throttled_until: ms(throttled),
            starts: ms(starts),
            ends: ms(starts + runs),
            tells: model.tells,
            wrong_by: 0.1 * (dice.roll() - 0.5),
        }
    }

    fn progress(&self, now: i64) -> Progress {
        if !self.tells || now < self.starts {
            return Progress::default();
        }
        let ran = Duration::from_millis((now - self.starts).unsigned_abs()).as_secs_f64();
        let all = Duration::from_millis((self.ends - self.starts).unsigned_abs()).as_secs_f64();
        // Providers tell progress in hundredths.
        Progress::from_share((ran / all * (1.0 + self.wrong_by) * 100.0).floor() / 100.0)
    }
}

/// What following one generation cost and how late its end was seen.
struct Followed {
    questions: i64,
    lag: i64,
    ran: Duration,
    start_seen_after: i64,
}

fn follow(run: &Run, learned: Learned, dice: &mut Dice) -> Followed {
    let mut state = PollState {
        submitted: Timestamp(0),
        running_since: None,
        throttled: false,
        progress: Progress::default(),
        failures: 0,
        retry_after: None,
    };
    let (mut now, mut questions) = (Timestamp(0), 0);
    loop {
        let next = next_poll(now, &state, &PACE, &learned, dice.roll());
        assert!(next.0 - now.0 >= FLOOR, "denser than the floor");
        now = next;
        questions += 1;
        if now.0 >= run.ends {
            let began = state.running_since.unwrap_or(now);
            return Followed {
                questions,
                lag: now.0 - run.ends,
                ran: now.since(began),
                start_seen_after: began.0 - run.starts,
            };
        }
        state.throttled = now.0 < run.throttled_until;
        if now.0 >= run.starts {
            state.running_since.get_or_insert(now);
        }
        state.progress = run.progress(now.0);
    }
}

#[derive(Default, Debug)]
struct Tally {
    lags: Vec<i64>,
    questions: i64,
    fixed: i64,
}

impl Tally {
    fn quantile(&mut self, per_mille: usize) -> i64 {
        self.lags.sort_unstable();
        self.lags[(self.lags.len() - 1) * per_mille / 1000]
    }
}

fn simulate(model: &Model, runs: usize, dice: &mut Dice) -> Tally {
    let (mut times, mut tally) = (RunTimes::default(), Tally::default());
    for n in 0..runs {
        let run = Run::roll(model, dice);
        let followed = follow(&run, times.of(model.name), dice);
        assert!(
            run.throttled_until > 0 || followed.start_seen_after <= 2 * FLOOR * 5 / 4,
            "a start went unnoticed for {} ms",
            followed.start_seen_after
        );
        times.record(model.name, followed.ran);
        // The first runs only teach.
        if n >= 32 {
            tally.lags.push(followed.lag);
            tally.questions += followed.questions;
            tally.fixed += (run.ends + FLOOR - 1) / FLOOR;
        }
    }
    tally
}

#[test]
fn ends_are_seen_soon_with_fewer_questions_than_at_a_fixed_pace() {
    let mut dice = Dice(7);
    let mut all = Tally::default();
    for model in &MODELS {
        let mut tally = simulate(model, 8_000, &mut dice);
        println!(
            "{:7} lag p50 {:5} ms, p99 {:5} ms, worst {:5} ms; questions {:.0} % of the fixed pace",
            model.name,
            tally.quantile(500),
            tally.quantile(990),
            tally.quantile(1000),
            percent(tally.questions, tally.fixed),
        );
        assert!(tally.questions < tally.fixed, "{}", model.name);
        all.lags.append(&mut tally.lags);
        all.questions += tally.questions;
        all.fixed += tally.fixed;
    }
    let (p50, p99) = (all.quantile(500), all.quantile(990));
    let share = percent(all.questions, all.fixed);
    println!("all     lag p50 {p50} ms, p99 {p99} ms; questions {share:.0} % of the fixed pace");
    assert!(p50 <= FLOOR / 2, "p50 {p50} ms");
    assert!(p99 <= FLOOR * 12 / 10, "p99 {p99} ms");
    assert!(share < 80.0, "{share} %");
}

fn ms(seconds: f64) -> i64 {
    millis(Duration::from_secs_f64(seconds))
}

fn percent(part: i64, whole: i64) -> f64 {
    let exact = |n: i64| f64::from(i32::try_from(n).expect("counts are small"));
    100.0 * exact(part) / exact(whole)
}
