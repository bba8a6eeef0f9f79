//! Keys of people: each workspace that knows a person has one of its own.

use ::runtime::subject_keys::{destroy, ensure, find_all};
use types::id::{UserId, WorkspaceId};

use crate::harness::{Backend, ROOT_KEY, TestApp, run};

/// Nodes under different root keys need a database that they share.
#[test]
fn a_new_root_key_takes_over_the_keys_that_it_meets() {
    const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
    let under = async |settings: &[(&str, &str)]| TestApp::start_with(Backend::Postgres, settings).await;
    run(Backend::Postgres, async |app| {
        let (workspace, person) = (WorkspaceId::generate(), UserId::generate().uuid());
        let key = ensure(&app.app, workspace, person).await.unwrap().unwrap().id();
        let both = under(&[("PLINTH_ROOT_KEY", NEW), ("PLINTH_RETIRED_ROOT_KEYS", ROOT_KEY)]).await;
        assert_eq!(find_all(&both.app, workspace, &[key]).await.unwrap().len(), 1);
        both.stop().await;
        let new = under(&[("PLINTH_ROOT_KEY", NEW)]).await;
        assert_eq!(
            ensure(&new.app, workspace, person).await.unwrap().unwrap().id(),
            key
        );
        // What it has not met is lost to it without the old one.
        let unmet = WorkspaceId::generate();
        ensure(&app.app, unmet, person).await.unwrap();
        assert!(ensure(&new.app, unmet, person).await.is_err());
        new.stop().await;
    });
}

both_databases! {
    async fn each_workspace_knows_a_person_by_a_key_of_its_own(app: TestApp) {
        let (one, other) = (WorkspaceId::generate(), WorkspaceId::generate());
        let person = UserId::generate().uuid();
        let key = ensure(&app.app, one, person).await.unwrap().unwrap().id();
        let other_key = ensure(&app.app, other, person).await.unwrap().unwrap().id();
        assert_ne!(key, other_key);
        assert_eq!(find_all(&app.app, one, &[key]).await.unwrap().len(), 1);
        assert!(find_all(&app.app, one, &[other_key]).await.unwrap().is_empty());

        // Whoever is erased in one workspace is still known in the other.
        let now = app.app.now();
        let system = app.app.db().of(app.system());
        assert!(system.write(|mut tx| async move { destroy(&mut tx, one, person, now).await }).await.unwrap());
        assert!(ensure(&app.app, one, person).await.unwrap().is_none());
        assert_eq!(ensure(&app.app, other, person).await.unwrap().unwrap().id(), other_key);
    }
}
