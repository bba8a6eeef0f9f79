//! Inbound webhooks: one message once, however often it is sent.

use std::collections::BTreeMap;

use ::runtime::inbox::{self, Message};
use types::id::{InboxMessageId, WorkspaceId};

use crate::harness::probe::Flaky;

both_databases! {
    async fn a_message_that_is_sent_again_is_known(app: TestApp) {
        let name = WorkspaceId::generate().to_string();
        let message = Message {
            source: "probe".to_owned(),
            external_id: name.clone(),
            headers: BTreeMap::from([("kind".to_owned(), "ping".to_owned())]),
            body: b"{}".to_vec(),
        };
        let (message, name, now) = (&message, &name, app.app.now());
        let receive = async || {
            app.app
                .db()
                .of(app.system())
                .write_locked(|mut tx| async move {
                    inbox::receive(&mut tx, message, now, |_| Flaky { name: name.clone(), failures: 0 }).await
                })
                .await
                .unwrap()
        };
        let id: InboxMessageId = receive().await.expect("a new message");
        assert_eq!(receive().await, None);
        let (stored, first, second) = app
            .app
            .db()
            .of(app.system())
            .write_locked(|mut tx| async move {
                let stored = inbox::get(&mut tx, id).await?;
                let first = inbox::mark_processed(&mut tx, id, now).await?;
                Ok((stored, first, inbox::mark_processed(&mut tx, id, now).await?))
            })
            .await
            .unwrap();
        assert_eq!((&stored, first, second), (message, true, false));
    }
}
