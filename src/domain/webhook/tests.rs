//! What becomes of a delivery, answer by answer.

use super::*;
use crate::domain::task::samples::{NOW, task};

const PATIENCE: Patience = Patience {
    first_retry: Duration::from_secs(5),
    give_up: Duration::from_hours(72),
};

fn delivery() -> Delivery {
    let ending = Status::Completed;
    Delivery {
        event: EventId::of(task(1).id, ending),
        task: task(1).id,
        ending,
        url: "https://hooks.example.com/a?token=x".to_owned(),
        receiver: "hooks.example.com:443".to_owned(),
        state: DeliveryState::Pending { due: NOW },
        tries: 0,
        last: None,
        created: NOW,
    }
}

fn answer(status: u16) -> Reply {
    Reply::Answer {
        status,
        retry_after: None,
    }
}

#[test]
fn an_event_has_one_name_that_follows_from_the_task() {
    let of = |n, ending| EventId::of(task(n).id, ending);
    let one = of(1, Status::Completed);
    assert_eq!(one, of(1, Status::Completed));
    assert_ne!(one, of(2, Status::Completed));
    assert_ne!(one, of(1, Status::Failed));
    assert_eq!(one.as_str().len(), "evt_".len() + 32);
}

#[test]
fn only_a_2xx_delivers_and_only_a_410_gives_up_at_once() {
    for status in 100..=999 {
        let tried = delivery().tried(answer(status), PATIENCE, NOW, 0.0);
        let expected = match status {
            200..=299 => DeliveryState::Delivered { at: NOW },
            410 => DeliveryState::GivenUp { at: NOW },
            _ => DeliveryState::Pending {
                due: NOW.after(Duration::from_secs(5)),
            },
        };
        assert_eq!(tried.state, expected, "{status}");
        let last = tried.last.expect("a try");
        assert_eq!((tried.tries, last.status), (1, Some(status)));
        let is_delivered = matches!(tried.state, DeliveryState::Delivered { .. });
        assert_eq!(last.error.is_empty(), is_delivered, "{status}");
    }
}

#[test]
fn it_is_tried_for_the_last_time_when_patience_ends() {
    let mut tried = delivery();
    let mut count = 0;
    while let DeliveryState::Pending { due } = tried.state {
        assert!(due <= NOW.after(PATIENCE.give_up));
        let silence = Reply::Nothing("timed out".to_owned());
        tried = tried.tried(silence, PATIENCE, due, 0.5);
        count += 1;
        assert_eq!(tried.event, delivery().event);
    }
    let at = NOW.after(PATIENCE.give_up);
    assert_eq!(tried.state, DeliveryState::GivenUp { at });
    assert_eq!(tried.tries, count);
    assert!((10..30).contains(&count), "{count}");
}

#[test]
fn an_address_keeps_its_query_only_while_it_is_needed() {
    let pending = delivery().tried(answer(500), PATIENCE, NOW, 0.0);
    assert_eq!(pending.url, delivery().url);
    for status in [200, 410] {
        let over = delivery().tried(answer(status), PATIENCE, NOW, 0.0);
        assert_eq!(over.url, "https://hooks.example.com/a");
    }
}
