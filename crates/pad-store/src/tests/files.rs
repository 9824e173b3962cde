use serde_json::json;

use super::file;
use crate::{Expected, Health, Scope, Store, StoreError};

async fn put(store: &Store, name: &str) -> Result<(), StoreError> {
    store.put_profile(&Scope::common(), name, &json!({"kind": 1}), Expected::Anything).await.map(|_| ())
}

async fn is_there(store: &Store, name: &str) -> bool {
    store.fresh_profile(&Scope::common(), name).await.expect("the store answers").is_some()
}

#[tokio::test]
async fn a_file_keeps_what_it_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    put(&file(&folder), "alice").await.expect("written");
    assert!(is_there(&file(&folder), "alice").await, "in a new store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_open_a_new_file_at_once_all_succeed() {
    let folder = tempfile::tempdir().expect("a folder");
    let stores: Vec<Store> = (0..4).map(|_| file(&folder)).collect();
    let openings: Vec<_> =
        stores.iter().cloned().map(|store| tokio::spawn(async move { store.open().await })).collect();
    for opening in openings {
        opening.await.expect("it ends").expect("opened");
    }
    put(&stores[0], "alice").await.expect("written");
    assert!(is_there(&stores[3], "alice").await);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = file(&folder);
    store.open().await.expect("opened");
    let newer = "INSERT INTO pad_schema (version, description, success, checksum, execution_time) VALUES (99, 'x', TRUE, x'', 0)";
    match store.database().await.expect("open") {
        crate::database::Database::Sqlite { write, .. } => sqlx::query(newer).execute(write).await.expect("written"),
        crate::database::Database::Postgres(_) => unreachable!("it is a file"),
    };
    let refused = file(&folder).open().await.expect_err("refused");
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 1 }), "{refused}");
    assert!(refused.to_string().contains("newer version"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_none_of_sqlite_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pad.sqlite"), "this is a diary, not a database. ".repeat(100)).expect("written");
    let refused = file(&folder).open().await.expect_err("refused").to_string();
    assert!(refused.contains("not a database"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_gone_is_noticed_and_one_that_is_back_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = file(&folder);
    store.open().await.expect("opened");
    store.watch();
    put(&store, "alice").await.expect("written");
    let (path, away) = (folder.path().join("pad.sqlite"), folder.path().join("away"));
    let until = async |up: bool| {
        let wait = async {
            while (store.health() == Health::Up) != up {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(std::time::Duration::from_mins(1), wait).await.is_ok(), "{:?}", store.health());
    };
    std::fs::rename(&path, &away).expect("moved");
    until(false).await;
    assert!(matches!(put(&store, "bob").await, Err(StoreError::Unavailable(why)) if why.contains("not there")));
    std::fs::rename(&away, &path).expect("moved back");
    until(true).await;
    put(&store, "bob").await.expect("written");
    assert!(is_there(&store, "alice").await && is_there(&store, "bob").await);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = file(&folder);
    put(&store, "alice").await.expect("written");
    match store.database().await.expect("open") {
        // As if the file could not grow.
        crate::database::Database::Sqlite { write, .. } => {
            sqlx::query("PRAGMA max_page_count = 1").execute(write).await.expect("set")
        }
        crate::database::Database::Postgres(_) => unreachable!("it is a file"),
    };
    let mut refused = None;
    for number in 0..1000 {
        refused =
            put(&store, &format!("user {number}, who needs another page of the file sooner or later")).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(&refused, Some(StoreError::Unavailable(why)) if why.contains("full")), "{refused:?}");
    assert!(is_there(&store, "alice").await);
    assert_eq!(store.health(), Health::Up, "what can be read is read");
}
