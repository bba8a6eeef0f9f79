//! Outgoing mail: enqueued in the caller's transaction, sent by a job. Without an SMTP server it goes to the development
//! mailbox, a table that the dashboard shows.

mod transport;

use serde::{Deserialize, Serialize};
use storage::{Reason, Scope, System, Tx, params};
use types::id::MailId;
use types::{Result, Timestamp};

pub use self::transport::Mailer;

use crate::app::App;
use crate::jobs::{self, Job, JobContext};

/// One mail, as text and as HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub recipient: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Enqueues a mail in the caller's transaction.
pub async fn enqueue<S: Scope>(tx: &mut Tx<S>, mail: Mail, now: Timestamp) -> Result<()> {
    jobs::enqueue(tx, &SendMail { mail }, now).await.map(drop)
}

/// Sends one mail.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendMail {
    mail: Mail,
}

impl Job for SendMail {
    const KIND: &'static str = "runtime.send_mail";

    async fn run(self, app: App, context: JobContext) -> Result<()> {
        let mail = &self.mail;
        if app.mailer().send(mail).await? {
            return Ok(());
        }
        // The job's own id makes the mailbox keep one copy, should the job run twice.
        let id = MailId::from_uuid(context.id.uuid());
        let now = app.now();
        app.db()
            .of(app.issuer().system(Reason::Jobs))
            .write(|mut tx| async move { keep(&mut tx, id, mail, now).await })
            .await
    }
}

/// A mail in the development mailbox.
#[derive(Debug, Clone)]
pub struct KeptMail {
    pub id: MailId,
    pub mail: Mail,
    pub created_at: Timestamp,
}

async fn keep(tx: &mut Tx<System>, id: MailId, mail: &Mail, now: Timestamp) -> Result<()> {
    const KEEP: &str = "INSERT INTO mails (mail_id, recipient, subject, body_text, body_html, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (mail_id) DO NOTHING";
    let params = params![id, &mail.recipient, &mail.subject, &mail.text, &mail.html, now];
    tx.execute(KEEP, params).await.map(drop)
}

/// The newest mails of the development mailbox. They are everybody's: who may see them is for whoever shows them to ask.
pub async fn mailbox(app: &App, most: u32) -> Result<Vec<KeptMail>> {
    app.db()
        .of(app.issuer().system(Reason::Operator))
        .read(|mut tx| async move { newest(&mut tx, most).await })
        .await
}

async fn newest(tx: &mut Tx<System>, most: u32) -> Result<Vec<KeptMail>> {
    const NEWEST: &str = "SELECT * FROM mails ORDER BY created_at DESC, mail_id DESC LIMIT $1";
    let rows = tx.fetch_all(NEWEST, params![most]).await?;
    rows.iter()
        .map(|row| {
            let mail = Mail {
                recipient: row.get("recipient")?,
                subject: row.get("subject")?,
                text: row.get("body_text")?,
                html: row.get("body_html")?,
            };
            Ok(KeptMail {
                id: row.get("mail_id")?,
                mail,
                created_at: row.get("created_at")?,
            })
        })
        .collect()
}
