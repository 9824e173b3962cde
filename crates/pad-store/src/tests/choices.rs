use serde_json::json;

use super::{file, memory};
use crate::{Expected, NewChoice, Revision, Scope, Store, StoreError};

fn choice(evidence: i64) -> Revision {
    let append = NewChoice { evidence: json!(evidence), content: json!({"chosen": "text"}) };
    Revision { append: Some(append), ..Revision::default() }
}

async fn with_alice(store: &Store) -> Scope {
    let scope = Scope::common();
    store.put_profile(&scope, "alice", &json!({}), Expected::Anything).await.expect("written");
    scope
}

#[tokio::test]
async fn a_revision_is_made_of_what_is_there() {
    let store = memory();
    let scope = with_alice(&store).await;
    let missing = store.revise(&scope, "bob", |_, _| Ok::<_, StoreError>(choice(1))).await;
    assert!(matches!(missing, Err(StoreError::Missing(name)) if name == "bob"));
    for number in 1..=3 {
        let revised = store.revise(&scope, "alice", move |profile, choices| {
            assert_eq!((profile.choices, choices.len()), (number - 1, (number - 1) as usize));
            let sum = choices.iter().filter_map(|choice| choice.evidence.as_i64()).sum::<i64>() + number;
            Ok::<_, StoreError>(Revision { learned: Some(json!({"sum": sum})), ..choice(number) })
        });
        let revised = revised.await.expect("revised").profile;
        assert_eq!((revised.choices, revised.stamp.version), (number, number + 1));
    }
    let alice = store.profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!(alice.learned, Some(json!({"sum": 6})));
    let undone: Revision = Revision { undo: vec![2], ..Revision::default() };
    let undone = store.revise(&scope, "alice", |_, _| Ok::<_, StoreError>(undone)).await.expect("revised").profile;
    assert_eq!((undone.learned, undone.choices), (alice.learned.clone(), 3), "what is not said stays");
    let choices = store.choices(&scope, "alice", 0, 10).await.expect("listed");
    let shown: Vec<_> = choices.iter().map(|choice| (choice.number, choice.undone_at.is_some())).collect();
    assert_eq!(shown, [(1, false), (2, true), (3, false)]);
    assert_eq!(choices[0].content, Some(json!({"chosen": "text"})));
    let page = store.choices(&scope, "alice", 1, 1).await.expect("listed");
    assert_eq!(page.iter().map(|choice| choice.number).collect::<Vec<_>>(), [2]);
    store.put_profile(&scope, "alice", &json!({"kind": 1}), Expected::Present).await.expect("written");
    let alice = store.fresh_profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!((alice.learned, alice.choices), (Some(json!({"sum": 6})), 3), "they stay when weights are set");
    let deleted = store.delete_person(&scope, "alice", Expected::Anything).await.expect("deleted");
    assert_eq!((deleted.profiles, deleted.choices), (1, 3));
}

#[tokio::test]
async fn a_revision_that_fails_changes_nothing() {
    let store = memory();
    let scope = with_alice(&store).await;
    let failed = store.revise(&scope, "alice", |_, _| Err::<Revision, _>(StoreError::Conflict)).await;
    assert!(matches!(failed, Err(StoreError::Conflict)));
    let alice = store.profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!((alice.stamp.version, alice.choices), (1, 0));
    store.revise(&scope, "alice", |_, _| Ok::<_, StoreError>(choice(1))).await.expect("the lock is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_choices_at_once_none_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let servers = [file(&folder), file(&folder)];
    let scope = with_alice(&servers[0]).await;
    let mut tasks = Vec::new();
    for number in 0..100 {
        let (store, scope) = (servers[number % 2].clone(), scope.clone());
        tasks.push(tokio::spawn(async move {
            let revised = store.revise(&scope, "alice", move |_, choices| {
                let learned = Some(json!({"choices": choices.len() + 1}));
                Ok::<_, StoreError>(Revision { learned, ..choice(number as i64) })
            });
            revised.await.expect("revised");
        }));
    }
    for task in tasks {
        task.await.expect("it ends");
    }
    let alice = servers[1].fresh_profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!((alice.choices, alice.learned), (100, Some(json!({"choices": 100}))));
    let mut said: Vec<_> = servers[0].choices(&scope, "alice", 0, 1000).await.expect("listed");
    said.sort_by_key(|choice| choice.evidence.as_i64());
    assert_eq!(
        said.iter().map(|choice| choice.evidence.clone()).collect::<Vec<_>>(),
        (0..100).map(|n| json!(n)).collect::<Vec<_>>()
    );
}

/// A client that goes away while its choice is stored: either it counts or it does not, and the next one finds a free lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_comes_to_its_end_whoever_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = file(&folder);
    let scope = with_alice(&store).await;
    for number in 0..50 {
        let revised = store.revise(&scope, "alice", move |_, _| Ok::<_, StoreError>(choice(number)));
        let waited = tokio::time::timeout(std::time::Duration::from_micros(100 * number as u64), revised);
        let _ = waited.await;
    }
    let last = store.revise(&scope, "alice", |profile, choices| {
        assert_eq!(profile.choices, choices.len() as i64);
        Ok::<_, StoreError>(choice(50))
    });
    let profile = last.await.expect("the lock is free").profile;
    let cached = store.profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!(cached.stamp, profile.stamp, "the cache has heard of all of them");
}
