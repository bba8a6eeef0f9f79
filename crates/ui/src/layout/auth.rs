//! A card in the middle of an otherwise empty page.

use maud::{Markup, Render, html};

use super::page::theme_switch;
use crate::alert::Alert;
use crate::icon::mark;

/// Sign-in, sign-up, a forgotten password, an invitation.
#[derive(Debug, Clone)]
pub struct AuthCard {
    heading: String,
    sentence: Option<Markup>,
    alerts: Vec<Alert>,
    body: Markup,
    below: Option<Markup>,
}

impl AuthCard {
    /// `body` is usually a form.
    pub fn new(heading: impl Into<String>, body: impl Render) -> Self {
        AuthCard {
            heading: heading.into(),
            sentence: None,
            alerts: Vec::new(),
            body: body.render(),
            below: None,
        }
    }

    pub fn sentence(mut self, sentence: impl Render) -> Self {
        self.sentence = Some(sentence.render());
        self
    }

    pub fn alert(mut self, alert: Alert) -> Self {
        self.alerts.push(alert);
        self
    }

    /// The way to the other page: "No account yet? Sign up".
    pub fn below(mut self, below: impl Render) -> Self {
        self.below = Some(below.render());
        self
    }
}

impl Render for AuthCard {
    fn render(&self) -> Markup {
        html! {
            div.auth {
                header.auth-header { a.brand href="/" { (mark()) "Plinth" } }
                main.auth-main #main tabindex="-1" {
                    div.auth-card {
                        h1 { (self.heading) }
                        @if let Some(sentence) = &self.sentence { p.muted { (sentence) } }
                        @for alert in &self.alerts { (alert) }
                        (self.body)
                    }
                    @if let Some(below) = &self.below { p.auth-below { (below) } }
                }
                footer { (theme_switch()) }
            }
        }
    }
}
