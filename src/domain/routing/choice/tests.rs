//! Who is chosen, table by table, and what chance decides.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;
use crate::config::catalog;
use crate::domain::generation::{Draft, Limits};
use crate::domain::routing::{Policy, Strategy};

const NOW: Timestamp = Timestamp(1_000_000);

/// A group, how each of its deployments stands, and a task that asks.
struct Stage {
    chain: Vec<Group>,
    fitness: BTreeMap<String, Fitness>,
    attempts: Vec<Attempt>,
    generation: Generation,
    catalog: Catalog,
}

fn deployment(id: &str) -> Deployment {
    Deployment {
        id: id.to_owned(),
        ..Deployment::of_model(&format!("account of {id}"), "gen4.5")
    }
}

fn group(name: &str, strategy: Strategy, deployments: Vec<Deployment>) -> Group {
    let policy = Policy {
        strategy,
        ..Policy::default()
    };
    Group {
        name: name.to_owned(),
        deployments,
        policy,
    }
}

/// A stage where deployments of these names, in groups, are all fit and idle.
fn stage(groups: &[&[&str]]) -> Stage {
    let catalog = catalog::parse(catalog::EMBEDDED).expect("it is embedded");
    let draft = Draft {
        model: "gen4.5".to_owned(),
        prompt: "a lake".to_owned(),
        ..Draft::default()
    };
    let named = |ids: &&[&str]| {
        let deployments = ids.iter().map(|id| deployment(id)).collect();
        group(ids[0], Strategy::MostRoom, deployments)
    };
    Stage {
        chain: groups.iter().map(named).collect(),
        fitness: BTreeMap::new(),
        attempts: Vec::new(),
        generation: Generation::new(&draft, &catalog, &Limits::default()).expect("it is valid"),
        catalog,
    }
}

impl Stage {
    fn set(&mut self, id: &str, change: impl FnOnce(&mut Fitness)) {
        change(self.fitness.entry(id.to_owned()).or_default());
    }

    fn unfit(&mut self, id: &str, until: i64) {
        self.set(id, |fitness| {
            fitness.unfit = Some(Unfit {
                until: Timestamp(until),
                why: "it rests",
            });
        });
    }

    fn tried(&mut self, id: &str, outcome: AttemptOutcome) {
        let number = u32::try_from(self.attempts.len()).expect("few") + 1;
        let account = format!("account of {id}");
        let mut attempt = Attempt::intended(number, id, &account, None, NOW);
        attempt.outcome = outcome;
        self.attempts.push(attempt);
    }

    fn ask<T>(&self, random: f64, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let chain: Vec<_> = self.chain.iter().map(Cow::Borrowed).collect();
        ask(&Ask {
            chain: &chain,
            generation: &self.generation,
            attempts: &self.attempts,
            catalog: &self.catalog,
            now: NOW,
            random,
        })
    }

    fn choose(&self, random: f64) -> Choice {
        let fitness = |d: &Deployment| Some(self.fitness.get(&d.id).cloned().unwrap_or_default());
        self.ask(random, |ask| choose(ask, &fitness))
    }

    fn goes_on(&self) -> bool {
        let fitness = |d: &Deployment| Some(self.fitness.get(&d.id).cloned().unwrap_or_default());
        self.ask(0.0, |ask| goes_on(ask, &fitness))
    }

    /// The id of who is chosen, or a word for why nobody is.
    fn says(&self) -> String {
        match self.choose(0.0) {
            Choice::Go(going) => going.deployment.id,
            Choice::Full { .. } => "full".to_owned(),
            Choice::Wait(unfit) => format!("wait {}", unfit.until.0),
            Choice::Skip { deployment, .. } => format!("skip {}", deployment.id),
            Choice::Nobody => "nobody".to_owned(),
        }
    }

    /// How often each is chosen of so many times.
    fn tally(&self, times: u32) -> BTreeMap<String, u32> {
        let mut rng = StdRng::seed_from_u64(7);
        let mut tally = BTreeMap::new();
        for _ in 0..times {
            if let Choice::Go(going) = self.choose(rng.random()) {
                *tally.entry(going.deployment.id).or_default() += 1;
            }
        }
        tally
    }
}

#[test]
fn a_shuffle_honours_weights_and_never_takes_zero_while_another_can() {
    let mut stage = stage(&[&["a", "b", "c"]]);
    stage.chain[0].policy.strategy = Strategy::SimpleShuffle;
    for (deployment, weight) in stage.chain[0].deployments.iter_mut().zip([1, 3, 0]) {
        deployment.weight = weight;
    }
    let tally = stage.tally(10_000);
    // Four standard deviations of a binomial with p = 1/4 and n = 10,000 are 173.
    assert!((2_327..=2_673).contains(&tally["a"]), "{tally:?}");
    assert!(!tally.contains_key("c"));
    stage.unfit("a", 2_000_000);
    stage.unfit("b", 2_000_000);
    assert_eq!(stage.says(), "c");
}

#[test]
fn weights_that_are_all_zero_are_all_the_same() {
    let mut stage = stage(&[&["a", "b"]]);
    stage.chain[0].policy.strategy = Strategy::SimpleShuffle;
    for deployment in &mut stage.chain[0].deployments {
        deployment.weight = 0;
    }
    let tally = stage.tally(10_000);
    assert!((4_800..=5_200).contains(&tally["a"]), "{tally:?}");
}

#[test]
fn most_room_is_reckoned_against_the_limit_and_by_count_where_one_is_not_known() {
    let mut stage = stage(&[&["small", "large"]]);
    stage.set("small", |f| (f.in_flight, f.limit) = (1, Some(2)));
    stage.set("large", |f| (f.in_flight, f.limit) = (4, Some(20)));
    assert_eq!(stage.says(), "large");
    stage.set("large", |f| f.limit = None);
    assert_eq!(stage.says(), "small");
}

#[test]
fn equals_share_by_chance() {
    let tally = stage(&[&["a", "b", "c", "d"]]).tally(8_000);
    assert!(
        tally.values().all(|count| (1_800..=2_200).contains(count)),
        "{tally:?}"
    );
}

#[test]
fn least_busy_fastest_and_cheapest_go_first() {
    let mut stage = stage(&[&["a", "b"]]);
    stage.set("a", |f| {
        (f.in_flight, f.usual) = (3, Some(Duration::from_secs(9)));
    });
    stage.set("b", |f| {
        (f.in_flight, f.usual) = (5, Some(Duration::from_secs(4)));
    });
    stage.chain[0].deployments[0].price = Some(flat(10));
    for (strategy, chosen) in [
        (Strategy::LeastBusy, "a"),
        (Strategy::LatencyBased, "b"),
        (Strategy::CostBased, "a"),
    ] {
        stage.chain[0].policy.strategy = strategy;
        assert_eq!(stage.says(), chosen, "{strategy:?}");
    }
    // Dearer than the catalogue, and then unknown.
    let mut unknown = flat(1);
    unknown.parts[0].rates.clear();
    for price in [flat(1_000_000), unknown] {
        stage.chain[0].deployments[0].price = Some(price);
        assert_eq!(stage.says(), "b");
    }
}

/// A price of so many credits for a task.
fn flat(credits: u64) -> crate::domain::pricing::Tariff {
    use crate::domain::pricing::{Amount, Part, Rate, Tariff, Unit};
    let amount = Amount {
        price: Millicredits::from_credits(credits),
        per: std::num::NonZeroU64::MIN,
        fractions: false,
    };
    let rate = Rate {
        when: Vec::new(),
        amount: Some(amount),
    };
    Tariff {
        parts: vec![Part {
            unit: Unit::Task,
            rates: vec![rate],
        }],
        ..Tariff::default()
    }
}

#[test]
fn who_is_not_known_is_learned_while_idle() {
    let mut stage = stage(&[&["known", "new"]]);
    stage.chain[0].policy.strategy = Strategy::LatencyBased;
    stage.set("known", |f| f.usual = Some(Duration::from_secs(9)));
    assert_eq!(stage.says(), "new");
    stage.set("new", |f| f.in_flight = 1);
    assert_eq!(stage.says(), "known");
}

#[test]
fn nobody_is_sent_what_it_would_hold_back_while_another_has_room() {
    for strategy in Strategy::ALL {
        let mut stage = stage(&[&["at its limit", "throttled", "free"]]);
        stage.chain[0].policy.strategy = strategy;
        stage.chain[0].deployments[0].weight = 1_000;
        stage.set("at its limit", |f| (f.in_flight, f.limit) = (4, Some(4)));
        stage.set("throttled", |f| f.throttled = 1);
        stage.set("free", |f| (f.in_flight, f.limit) = (7, Some(8)));
        assert_eq!(
            stage.tally(100).keys().collect::<Vec<_>>(),
            ["free"],
            "{strategy:?}"
        );
    }
}

#[test]
fn a_full_group_is_waited_for_and_does_not_fall_back() {
    let mut stage = stage(&[&["a", "b"], &["fallback"]]);
    stage.set("a", |f| (f.in_flight, f.limit) = (5, Some(4)));
    stage.chain[0].deployments[1].max_in_flight = Cap::AtMost(2);
    stage.set("b", |f| f.in_flight = 2);
    assert_eq!(stage.says(), "full");
    stage.set("a", |f| f.in_flight = 3);
    assert_eq!(stage.says(), "a");
    stage.set("a", |f| f.is_busy = true);
    assert_eq!(stage.says(), "full", "for a moment");
    stage.set("a", |f| (f.is_busy, f.in_flight) = (false, 4));
    stage.chain[0].deployments[1].max_in_flight = Cap::Unlimited;
    assert_eq!(stage.says(), "b");
    stage.set("b", |f| f.paced_until = Some(Timestamp(NOW.0 + 9)));
    let until = Some(Timestamp(NOW.0 + 9));
    assert_eq!(stage.choose(0.0), Choice::Full { until });
}

#[test]
fn only_who_is_alone_gets_more_than_it_may_run() {
    let mut stage = stage(&[&["a", "b"]]);
    stage.set("a", |f| (f.in_flight, f.limit) = (4, Some(4)));
    stage.set("b", |f| (f.in_flight, f.limit) = (1, Some(1)));
    assert_eq!(stage.says(), "full", "whoever is done first takes it");
    stage.unfit("b", 2_000_000);
    assert_eq!(stage.says(), "a", "a quarter more, and one at least");
    stage.set("a", |f| f.in_flight = 5);
    assert_eq!(stage.says(), "full");
}

#[test]
fn an_account_whose_limits_are_not_asked_for_yet_gets_one_task_at_a_time() {
    let mut stage = stage(&[&["a", "b"]]);
    stage.set("a", |f| f.is_new = true);
    stage.set("b", |f| (f.is_new, f.in_flight) = (true, 1));
    assert_eq!(stage.says(), "a");
    stage.set("a", |f| f.in_flight = 1);
    assert_eq!(stage.says(), "full");
    stage.set("b", |f| f.is_new = false);
    assert_eq!(stage.says(), "b");
}

#[test]
fn the_unfit_are_passed_over_and_the_next_group_follows() {
    let mut stage = stage(&[&["a", "b"], &["fallback"]]);
    stage.unfit("a", 5_000_000);
    assert_eq!(stage.says(), "b");
    stage.unfit("b", 4_000_000);
    assert_eq!(stage.says(), "fallback");
    stage.unfit("fallback", 6_000_000);
    assert_eq!(stage.says(), "wait 4000000");
}

#[test]
fn who_is_being_tried_by_another_task_is_waited_for_but_not_put_off() {
    let mut stage = stage(&[&["a", "b"]]);
    stage.unfit("a", NOW.0);
    assert_eq!(stage.says(), "b");
    stage.unfit("b", 4_000_000);
    assert_eq!(stage.says(), "full");
}

#[test]
fn a_round_tries_each_once_before_it_begins_again() {
    let mut stage = stage(&[&["a", "b"], &["fallback"]]);
    for expected in ["b", "fallback"] {
        let last = if expected == "b" { "a" } else { "b" };
        stage.tried(last, AttemptOutcome::Rejected);
        assert!(stage.goes_on());
        assert_eq!(stage.says(), expected);
    }
    stage.tried("fallback", AttemptOutcome::Rejected);
    assert!(!stage.goes_on(), "the round is over");
    assert_eq!(stage.says(), "a", "another begins");
    stage.tried("a", AttemptOutcome::Rejected);
    assert!(stage.goes_on());
    assert_eq!(stage.says(), "b");
}

#[test]
fn a_request_turned_down_for_its_addresses_may_go_to_the_same_again() {
    let mut stage = stage(&[&["a"]]);
    let mut attempt = Attempt::intended(1, "a", "account of a", None, NOW);
    attempt.outcome = AttemptOutcome::Rejected;
    attempt.fault = Some(RejectionKind::Caller);
    stage.attempts.push(attempt);
    assert!(stage.goes_on());
    assert_eq!(stage.says(), "a");
}

#[test]
fn what_failed_at_one_goes_to_another_and_back_only_when_nobody_else_is_fit() {
    let mut stage = stage(&[&["a", "b"], &["fallback"]]);
    stage.tried("a", AttemptOutcome::Ended);
    assert_eq!(stage.says(), "b");
    stage.tried("b", AttemptOutcome::Ended);
    assert_eq!(stage.says(), "fallback");
    stage.unfit("fallback", 2_000_000);
    assert_eq!(stage.says(), "a");
    let mut alone = super::tests::stage(&[&["a"]]);
    alone.tried("a", AttemptOutcome::Ended);
    assert_eq!(alone.says(), "a");
}

#[test]
fn who_does_not_take_the_request_is_skipped_once() {
    let mut stage = stage(&[&["a"], &["images"], &["last"]]);
    stage.chain[1].deployments[0].model = "gen4_image".to_owned();
    assert_eq!(stage.says(), "a", "whoever is not reached is not judged");
    stage.unfit("a", 2_000_000);
    let Choice::Skip { deployment, why } = stage.choose(0.0) else {
        panic!("{}", stage.says());
    };
    assert_eq!(deployment.id, "images");
    assert!(why.contains("gen4_image does not do"), "{why}");
    stage.tried("images", AttemptOutcome::Skipped);
    assert_eq!(stage.says(), "last");
    stage.chain.truncate(2);
    stage.chain.remove(0);
    assert_eq!(stage.says(), "nobody");
}

#[test]
fn a_fallback_of_another_model_is_asked_for_what_it_has() {
    let mut stage = stage(&[&["a"], &["other"]]);
    stage.chain[1].deployments[0].model = "veo3.1".to_owned();
    stage.unfit("a", 2_000_000);
    let Choice::Go(going) = stage.choose(0.0) else {
        panic!("{}", stage.says());
    };
    assert_eq!(going.adapted.generation.model, "veo3.1");
    assert_eq!(going.adapted.generation.seconds, Some(6));
    let changes = going.adapted.changes.join("; ");
    assert!(changes.contains("veo3.1 makes no 5 seconds"), "{changes}");
    let spec = stage.catalog.spec("veo3.1", stage.generation.operation);
    let price = crate::domain::pricing::estimate(&going.adapted.generation, spec.expect("it is"));
    assert_eq!((going.estimated, price.is_some()), (price, true));
}

#[test]
fn an_account_that_is_not_configured_is_nobody() {
    let stage = stage(&[&["a"]]);
    assert_eq!(stage.ask(0.0, |ask| choose(ask, &|_| None)), Choice::Nobody);
}

#[test]
fn a_name_that_means_another_deployment_now_is_not_held_to_what_it_was() {
    let mut stage = stage(&[&["a"]]);
    stage.tried("a", AttemptOutcome::Skipped);
    assert_eq!(stage.choose(0.0), Choice::Nobody);
    "veo3.1".clone_into(&mut stage.attempts[0].model);
    assert!(matches!(stage.choose(0.0), Choice::Go(_)));
    stage.attempts[0].model.clear();
    "another".clone_into(&mut stage.attempts[0].account);
    assert!(matches!(stage.choose(0.0), Choice::Go(_)));
}
