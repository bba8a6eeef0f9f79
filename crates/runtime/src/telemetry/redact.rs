//! Keeping secrets out of what leaves the process for people to read: logs and error reports.
//!
//! Two nets, since either alone has holes: a value is withheld when its name says that it is secret, and every text is
//! searched for what looks like a credential wherever it came from.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

pub use crate::config::REDACTED;

/// Words in a name that make its value secret. `tokens` is not among them: it counts what a language model reads.
const SECRET_WORDS: [&str; 12] = [
    "apikey",
    "authorization",
    "cookie",
    "credential",
    "otp",
    "passphrase",
    "passwd",
    "password",
    "pepper",
    "pwd",
    "secret",
    "token",
];

/// Words that name a secret when they stand before `key`.
const SECRET_KEYS: [&str; 6] = ["access", "api", "private", "root", "sealing", "signing"];

/// What looks like a secret in any text: an API key, a key that a seller issues (whatever its prefix: the body has 71
/// characters), a bearer credential, the password in an address, a cookie header, or a
/// suspicious name and the sign between it and its value. It never reaches over a value that turns out to be harmless:
/// the time that a search takes stays proportional to the text, whoever wrote it.
static SUSPECT: LazyLock<Regex> = LazyLock::new(|| {
    let words = SECRET_WORDS.join("|");
    let keys = SECRET_KEYS.join("|");
    constant(&format!(
        r#"(?ix)
        \b(?-i:sk|pk|cket|vk|dk)_(?-i:live|test)_[0-9a-z_]+
      | _[0-9a-z]{{71}}\b
      | \bbearer[\ \t]+[^\s"',;]+
      | (?<prefix>://[^\s/:@]*:)[^\s/@]+@
      | (?<cookie>\bcookie[\ \t]*[=:][\ \t]*)[^\s"][^\r\n"]*
      | (?<name>[\w-]*(?:{words}|(?:{keys})[_-]?key)[\w-]*)\\*"?[\ \t]*[=:][\ \t]*
    "#
    ))
});

/// The value after a secret name: quoted, also inside `Some(…)` and inside quoted text, or up to the next separator.
static VALUE: LazyLock<Regex> = LazyLock::new(|| {
    constant(
        r#"(?ix)\A(?:
        (?:\w+\(\s*)*"(?:[^"\\]|\\.)*" | \\+"[^"]*" | (?:(?:bearer|basic|digest)[\ \t]+)?[^\s"'&,;)\]}]+
    )"#,
    )
});

fn constant(pattern: &str) -> Regex {
    #[expect(
        clippy::unwrap_used,
        reason = "the patterns are constants, and the tests compile them"
    )]
    Regex::new(pattern).unwrap()
}

/// Whether the value of a field, header or parameter with this name is secret.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let one = words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()));
    let two = words
        .windows(2)
        .any(|pair| pair[1] == "key" && SECRET_KEYS.contains(&pair[0].as_str()));
    one || two
}

/// The words of a name in `snake_case`, `kebab-case`, `dotted.case` or `camelCase`, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        let starts = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && after_lower);
        if starts {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The text with everything that looks like a secret replaced.
pub fn scrub(text: &str) -> Cow<'_, str> {
    let mut scrubbed = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = SUSPECT.captures_at(text, at) {
        let (start, end) = found
            .get(0)
            .map_or((at, text.len()), |whole| (whole.start(), whole.end()));
        at = end;
        let (kept, replacement) = match (found.name("prefix"), found.name("cookie"), found.name("name")) {
            (Some(prefix), _, _) => (prefix.end(), "[redacted]@"),
            (_, Some(cookie), _) => (cookie.end(), REDACTED),
            (_, _, Some(name)) => {
                if !is_secret_name(name.as_str()) {
                    continue;
                }
                let Some(value) = VALUE.find(&text[end..]) else {
                    continue;
                };
                at = end + value.end();
                (
                    end,
                    if value.as_str().starts_with('"') {
                        "\"[redacted]\""
                    } else {
                        REDACTED
                    },
                )
            }
            (None, None, None) => (start, REDACTED),
        };
        scrubbed.push_str(&text[copied..kept]);
        scrubbed.push_str(replacement);
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    scrubbed.push_str(&text[copied..]);
    Cow::Owned(scrubbed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_their_words() {
        let secret = [
            "password",
            "new_password",
            "Authorization",
            "proxy-authorization",
            "set-cookie",
            "Cookie",
            "api_key",
            "apiKey",
            "x-api-key",
            "apikey",
            "client_secret",
            "access_token",
            "refreshToken",
            "smtp.password",
            "root_key",
            "private_key",
            "otp",
        ];
        for name in secret {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "tokens",
            "input_tokens",
            "key",
            "api_key_count_x_keys",
            "secretary",
            "path",
            "api",
            "",
            "idempotency_key",
        ] {
            assert_eq!(is_secret_name(name), name.contains("api_key"), "{name}");
        }
    }

    #[test]
    fn secrets_in_texts_are_replaced_and_the_rest_stays() {
        let cases = [
            ("key sk_live_p1_abcDEF0123 refused", "key [redacted] refused"),
            (
                "pk_test_p1_x,cket_live_p1_y;vk_live_1 dk_test_2",
                "[redacted],[redacted];[redacted] [redacted]",
            ),
            (
                "Authorization: Bearer abc.def-ghi, x",
                "Authorization: [redacted], x",
            ),
            (
                "authorization=Basic dXNlcjpwdw== ok",
                "authorization=[redacted] ok",
            ),
            ("got Bearer abc", "got [redacted]"),
            ("note: token: abc", "note: token: [redacted]"),
            ("cookie: a=1; b=2\nhost: x", "cookie: [redacted]\nhost: x"),
            (
                "Set-Cookie: __Host-s=abc; Path=/",
                "Set-Cookie: [redacted]; Path=/",
            ),
            (
                r#"{"cookie": "a=1; b=2", "x": "y"}"#,
                r#"{"cookie": "[redacted]", "x": "y"}"#,
            ),
            (
                r#"User { password: Some("hunter2"), age: 3 }"#,
                "User { password: [redacted]), age: 3 }",
            ),
            (
                r#"body: "{\"apiKey\": \"abc\", \"n\": 1}""#,
                r#"body: "{\"apiKey\": [redacted], \"n\": 1}""#,
            ),
            ("max_tokens: sk_live_p1_abc", "max_tokens: [redacted]"),
            ("sent bearer abc/+=, then left", "sent [redacted], then left"),
            ("GET /x?token=abc&page=2", "GET /x?token=[redacted]&page=2"),
            (
                "postgres://plinth:hunter2@db/plinth",
                "postgres://plinth:[redacted]@db/plinth",
            ),
            (
                r#"{"password":"hunter2","user":"x"}"#,
                r#"{"password":"[redacted]","user":"x"}"#,
            ),
            (
                r#"Login { password: "a\"b c", user: "x" }"#,
                r#"Login { password: "[redacted]", user: "x" }"#,
            ),
            ("error: bad sk_live_p1_abc", "error: bad [redacted]"),
            ("error:sk_live_p1_abc", "error:[redacted]"),
            ("cause=\"Bearer abc\"", "cause=\"[redacted]\""),
            ("input_tokens=12 task_live_x", "input_tokens=12 task_live_x"),
            ("https://example.com:8443/a?b=c", "https://example.com:8443/a?b=c"),
            (
                "key acme_live_031eVPRJnEj4qXsi3lcVPN003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3JwvMj!",
                "key acme_live[redacted]!",
            ),
            ("nothing here", "nothing here"),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub(text), expected);
        }
    }

    #[test]
    fn a_long_hostile_text_neither_overflows_the_stack_nor_hides_a_secret() {
        for part in [
            "tokens=",
            "token\"",
            "token=\\\"",
            "cookie",
            "://a:",
            "bearer ",
            "api_key",
            "Some(",
        ] {
            let text = format!("{} sk_live_p1_abc", part.repeat(100_000 / part.len()));
            assert!(!scrub(&text).contains("p1_abc"), "{part}");
        }
    }
}
