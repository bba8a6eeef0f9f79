//! SMTP, by lettre over rustls.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use types::{Error, Result};
use url::Url;

use super::Mail;
use crate::config::Smtp;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends mail, or says that there is nowhere to send it.
pub struct Mailer {
    smtp: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
}

impl Mailer {
    /// # Errors
    /// `validation_failed`, naming the setting that is wrong.
    pub fn new(config: &Smtp) -> Result<Self> {
        let from = config
            .from
            .as_str()
            .parse()
            .map_err(|error| Error::invalid("smtp.from", format!("not a sender: {error}")))?;
        let smtp = config
            .url
            .as_ref()
            .map(|url| transport(url.expose()))
            .transpose()?;
        Ok(Mailer { smtp, from })
    }

    /// Whether mail leaves this machine.
    pub fn is_smtp(&self) -> bool {
        self.smtp.is_some()
    }

    /// Whether mail can be taken. The development mailbox always takes it, and SMTP mail waits as a job when the server is
    /// away.
    pub fn is_ready(&self) -> bool {
        true
    }

    /// Sends a mail; `false` when there is no SMTP server to send it by.
    ///
    /// # Errors
    /// Unavailable, when the server does not take it now.
    pub(super) async fn send(&self, mail: &Mail) -> Result<bool> {
        let Some(smtp) = &self.smtp else { return Ok(false) };
        let recipient: Mailbox = mail
            .recipient
            .parse()
            .map_err(|error| Error::invalid("recipient", format!("not an e-mail address: {error}")))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(recipient)
            .subject(&mail.subject)
            .multipart(MultiPart::alternative_plain_html(
                mail.text.clone(),
                mail.html.clone(),
            ))
            .map_err(Error::internal)?;
        smtp.send(message).await.map_err(|error| {
            Error::unavailable("The mail server did not take the mail.").with_source(error)
        })?;
        Ok(true)
    }
}

fn transport(url: &str) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let wrong = |error: String| Error::invalid("smtp.url", error);
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    let host = parsed
        .host_str()
        .ok_or_else(|| wrong("it names no host".to_owned()))?;
    let builder = match parsed.scheme() {
        "smtps" => {
            AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(|error| wrong(error.to_string()))?
        }
        _ if is_this_machine(host) => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
        _ => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host)
            .map_err(|error| wrong(error.to_string()))?,
    };
    let builder = match parsed.port() {
        Some(port) => builder.port(port),
        None => builder,
    };
    let builder = match (parsed.username(), parsed.password()) {
        ("", _) => builder,
        (user, password) => builder.credentials(Credentials::new(
            decode(user),
            decode(password.unwrap_or_default()),
        )),
    };
    Ok(builder.timeout(Some(TIMEOUT)).build())
}

fn decode(text: &str) -> String {
    form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
