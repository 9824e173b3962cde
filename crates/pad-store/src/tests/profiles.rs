use serde_json::json;

use super::memory;
use crate::{Deleted, Document, Expected, Profile, Scope, Stamp, StoreError, StoredDocument};

#[tokio::test]
async fn a_profile_is_made_read_changed_and_deleted() {
    let (store, scope) = (memory(), Scope::common());
    assert_eq!(store.profile(&scope, "alice").await.expect("read"), None);
    let put = async |preference, expected| store.put_profile(&scope, "alice", &preference, expected).await;
    let made = put(json!({"concise": 1}), Expected::Anything).await.expect("written");
    assert!(made.created && made.profile.stamp.version == 1, "{made:?}");
    let read = async || store.profile(&scope, "alice").await.expect("read").expect("a profile");
    assert_eq!(*read().await, made.profile);
    let Profile { stamp, .. } = made.profile;
    let changed = put(json!("kindly"), Expected::State(stamp)).await.expect("written");
    assert!(!changed.created);
    assert_eq!(changed.profile.stamp, Stamp { version: 2, ..stamp });
    assert_eq!(read().await.preference, json!("kindly"), "the cache has heard of it");
    for expected in [Expected::State(stamp), Expected::Absent] {
        assert!(matches!(put(json!({}), expected).await, Err(StoreError::Conflict)), "{expected:?}");
        let deleted = store.delete_person(&scope, "alice", expected).await;
        assert!(matches!(deleted, Err(StoreError::Conflict)), "{expected:?}");
    }
    assert_eq!(read().await.stamp.version, 2, "nothing has happened");
    let deleted = store.delete_person(&scope, "alice", Expected::State(changed.profile.stamp)).await.expect("deleted");
    assert_eq!(deleted, Deleted { profiles: 1, ..Deleted::default() });
    assert_eq!(store.profile(&scope, "alice").await.expect("read"), None);
    assert!(matches!(put(json!({}), Expected::Present).await, Err(StoreError::Conflict)));
    let again = put(json!({}), Expected::Absent).await.expect("written");
    assert!(again.created && again.profile.stamp != stamp, "the old state does not come back");
}

/// sqlx closes a connection that was not given back in time, as on a machine that was asleep.
#[tokio::test]
async fn what_is_in_memory_outlives_a_connection() {
    let (store, scope) = (memory(), Scope::common());
    store.put_profile(&scope, "alice", &json!({}), Expected::Anything).await.expect("written");
    if let crate::database::Database::Sqlite { write, .. } = store.database().await.expect("open") {
        write.acquire().await.expect("a connection").close().await.expect("closed");
    }
    assert_eq!(store.profiles(&scope, None, 10).await.expect("listed").len(), 1);
}

#[tokio::test]
async fn nobody_sees_the_profiles_of_others() {
    let store = memory();
    let (ours, theirs) = (Scope::of_owner("us"), Scope::of_owner("them"));
    store.put_profile(&ours, "alice", &json!({"kind": 1}), Expected::Anything).await.expect("written");
    assert_eq!(store.profile(&theirs, "alice").await.expect("read"), None);
    assert_eq!(store.profiles(&theirs, None, 10).await.expect("listed"), []);
    let deleted = store.delete_person(&theirs, "alice", Expected::Anything).await.expect("nothing to delete");
    assert!(deleted.is_nothing());
    assert!(store.profile(&ours, "alice").await.expect("read").is_some());
}

#[tokio::test]
async fn names_are_listed_by_their_bytes_a_page_at_a_time() {
    let (store, scope) = (memory(), Scope::common());
    for name in ["b", "B", "a/b", "\u{e4}", "a b"] {
        store.put_profile(&scope, name, &json!({}), Expected::Anything).await.expect("written");
    }
    let names = async |after, limit| {
        let page = store.profiles(&scope, after, limit).await.expect("listed");
        page.into_iter().map(|profile| profile.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10).await, ["B", "a b", "a/b", "b", "\u{e4}"]);
    assert_eq!(names(Some("a b"), 2).await, ["a/b", "b"]);
    assert_eq!(names(Some("\u{e4}"), 2).await, Vec::<String>::new());
}

#[tokio::test]
async fn all_that_is_stored_about_a_user_is_deleted_together() {
    let (store, scope) = (memory(), Scope::common());
    let keep = async |id: &str, person: &str| {
        let document = Document {
            kind: "response",
            id: id.to_owned(),
            person: Some(person.to_owned()),
            body: "{}".to_owned(),
            lifetime: std::time::Duration::from_mins(1),
        };
        assert!(store.keep(&scope, document).await.expect("kept"));
    };
    keep("one", "alice").await;
    keep("two", "alice").await;
    keep("three", "bob").await;
    let about = async |person: &str, after: Option<&StoredDocument>| {
        store.documents_about(&scope, person, after, 10).await.expect("listed")
    };
    let alices = about("alice", None).await;
    assert_eq!(alices.iter().map(|document| document.id.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(about("alice", Some(&alices[0])).await, alices[1..]);
    // Without a profile there is something as well.
    let deleted = store.delete_person(&scope, "alice", Expected::Absent).await.expect("deleted");
    assert_eq!(deleted, Deleted { documents: 2, ..Deleted::default() });
    assert_eq!(about("bob", None).await.len(), 1);
}
