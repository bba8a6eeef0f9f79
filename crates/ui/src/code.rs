//! Text to be copied: snippets, ids, and secrets that are shown once.

use maud::{Markup, Render, html};

use crate::icon::Icon;

/// A block of code with a copy button.
#[derive(Debug, Clone)]
pub struct Snippet {
    label: String,
    text: String,
}

impl Snippet {
    /// `label` says what the code is, such as `Shell` or `TypeScript`.
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Snippet {
            label: label.into(),
            text: text.into(),
        }
    }
}

impl Render for Snippet {
    fn render(&self) -> Markup {
        html! {
            figure.code {
                figcaption.code-label { span { (self.label) } (copy_button(&self.text, "Copy", false)) }
                pre tabindex="0" aria-label=(self.label) { code { (self.text) } }
            }
        }
    }
}

/// A short value in a fixed-width face with a copy button, such as an id.
pub fn copyable(value: &str) -> Markup {
    html! { span.copyable { code { (value) } (copy_button(value, "Copy", true)) } }
}

/// A secret, at the one moment when it can be read. `what` names it: "secret key".
pub fn secret_once(what: &str, secret: &str) -> Markup {
    html! {
        div.secret role="status" {
            p.secret-title { (Icon::Key) "Copy your " (what) " now" }
            p.secret-text { "It is shown this once. We keep only a fingerprint of it, so nobody can show it again." }
            div.secret-value { code tabindex="0" { (secret) } (copy_button(secret, "Copy", false)) }
        }
    }
}

/// Appears only when the script runs, because nothing else can write to the clipboard.
fn copy_button(text: &str, label: &str, quiet: bool) -> Markup {
    let class = if quiet {
        "btn btn-ghost btn-small btn-icon js-only"
    } else {
        "btn btn-small js-only"
    };
    html! {
        button class=(class) type="button" data-copy=(text) title=[quiet.then_some(label)] {
            (Icon::Copy)
            @if quiet { span.sr-only { (label) } } @else { span data-copy-label { (label) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_escaped_in_the_text_and_in_what_is_copied() {
        let markup = Snippet::new("Shell", "echo \"<&>\"").render().into_string();
        assert!(markup.contains("<code>echo &quot;&lt;&amp;&gt;&quot;</code>"));
        assert!(markup.contains("data-copy=\"echo &quot;&lt;&amp;&gt;&quot;\""));
    }

    #[test]
    fn a_secret_can_be_read_without_a_script() {
        let markup = secret_once("secret key", "sk_live_p1_abc").into_string();
        assert!(markup.contains("<code tabindex=\"0\">sk_live_p1_abc</code>"));
    }
}
