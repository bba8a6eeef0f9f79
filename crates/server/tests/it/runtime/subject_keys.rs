//! Keys of people: each workspace that knows a person has one of its own.

use ::runtime::subject_keys::{destroy, ensure, find_all};
use types::id::{UserId, WorkspaceId};

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
