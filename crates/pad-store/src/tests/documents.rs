use std::time::Duration;

use crate::{Document, Scope, Store, StoreLimits};

const MOST: u64 = 8;
const MOST_BYTES: u64 = 1 << 20;

fn small() -> Store {
    Store::in_memory(StoreLimits { documents: MOST, document_bytes: MOST_BYTES, ..StoreLimits::default() })
}

fn response(id: &str, body: &str) -> Document {
    Document {
        kind: "response",
        id: id.to_owned(),
        person: None,
        body: body.to_owned(),
        lifetime: Duration::from_mins(1),
    }
}

async fn keep(store: &Store, id: &str, body: &str) -> bool {
    store.keep(&Scope::common(), response(id, body)).await.expect("the store answers")
}

async fn find(store: &Store, id: &str) -> Option<String> {
    let found = store.document(&Scope::common(), "response", id).await.expect("the store answers");
    found.map(|document| document.body)
}

#[tokio::test]
async fn the_latest_are_kept() {
    let store = small();
    for number in 0..MOST {
        assert!(keep(&store, &number.to_string(), "said").await);
    }
    assert_eq!(find(&store, "0").await.as_deref(), Some("said"));
    keep(&store, "new", "said").await;
    assert!(find(&store, "0").await.is_none() && find(&store, "1").await.is_some());
    let long = "x".repeat(MOST_BYTES as usize * 2 / 5);
    keep(&store, "long", &long).await;
    keep(&store, "longer", &long).await;
    assert!(find(&store, "longer").await.is_some() && find(&store, "new").await.is_some());
    keep(&store, "longest", &long).await;
    assert!(find(&store, "longest").await.is_some() && find(&store, "long").await.is_none(), "the size is bounded");
    assert!(!keep(&store, "too long", &"x".repeat(MOST_BYTES as usize + 1)).await);
    assert!(find(&store, "too long").await.is_none() && find(&store, "longest").await.is_some());
    let none = Store::in_memory(StoreLimits { documents: 0, ..StoreLimits::default() });
    assert!(!keep(&none, "a", "said").await && find(&none, "a").await.is_none());
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let (store, theirs) = (small(), Scope::of_owner("them"));
    assert!(store.keep(&theirs, response("a", "said")).await.expect("kept"));
    assert!(find(&store, "a").await.is_none());
    assert!(!store.forget(&Scope::common(), "response", "a").await.expect("the store answers"));
    assert!(!store.forget(&theirs, "pair", "a").await.expect("the store answers"), "another kind");
    assert!(store.forget(&theirs, "response", "a").await.expect("the store answers"));
    assert!(!store.forget(&theirs, "response", "a").await.expect("the store answers"));
}

#[tokio::test]
async fn what_is_too_old_is_not_there() {
    let store = small();
    let old = Document { lifetime: Duration::ZERO, ..response("old", "said") };
    assert!(store.keep(&Scope::common(), old).await.expect("kept"));
    assert!(find(&store, "old").await.is_none());
    assert!(!store.forget(&Scope::common(), "response", "old").await.expect("the store answers"));
}

#[tokio::test]
async fn whoever_has_most_loses_most() {
    let (store, theirs) = (small(), Scope::of_owner("them"));
    let old = || store.document(&theirs, "response", "old");
    store.keep(&theirs, response("old", "said")).await.expect("kept");
    for number in 0..2 * MOST {
        keep(&store, &number.to_string(), "said").await;
    }
    assert!(old().await.expect("read").is_some(), "it is older than all of the others");
    assert!(find(&store, "15").await.is_some() && find(&store, "8").await.is_none());
    let large = "x".repeat(MOST_BYTES as usize / 3);
    for number in 0..6 {
        keep(&store, &format!("large {number}"), &large).await;
    }
    assert!(old().await.expect("read").is_some() && find(&store, "large 3").await.is_none());
}
