//! How a setting's text becomes a value: the trait, and the general types. The types of one setting are in `values`.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;
use url::Url;

use super::declare::Shape;

/// What a secret is shown as.
pub const REDACTED: &str = "[redacted]";

/// A type that a setting can have.
pub trait Value: Sized {
    const SHAPE: Shape = Shape::Text;
    const SECRET: bool = false;

    /// Reads the text. The error completes the sentence "write …" and never repeats the text, which may be secret.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text that would be parsed to this value, secrets left out.
    fn show(&self) -> String;
}

fn parse_as<T: FromStr>(text: &str, right: &str) -> Result<T, String> {
    text.parse().map_err(|_| right.to_owned())
}

macro_rules! displayed {
    ($($type:ty, $shape:expr, $right:literal;)+) => {$(
        impl Value for $type {
            const SHAPE: Shape = $shape;

            fn parse(text: &str) -> Result<Self, String> {
                parse_as(text, $right)
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

displayed! {
    bool, Shape::Boolean, "true or false";
    u16, Shape::Integer, "a number from 0 to 65535";
    u32, Shape::Integer, "a whole number";
    u64, Shape::Integer, "a whole number";
    usize, Shape::Integer, "a whole number";
    SocketAddr, Shape::Text, "an IP address and a port, such as 127.0.0.1:8787 or [::]:8787";
    crate::egress::Block, Shape::Text, "an IP address or a CIDR block, such as 10.0.0.0/8";
    crate::egress::AllowedHost, Shape::Text, "a host name, an IP address or a CIDR block, such as hooks.internal or 10.1.0.0/16";
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path".to_owned());
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for SecretString {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn show(&self) -> String {
        REDACTED.to_owned()
    }
}

/// A base address: http or https, without credentials, query and fragment.
impl Value for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let right = "an address such as https://plinth.example.com, without credentials, query and fragment";
        let url: Url = parse_as(text.trim_end_matches('/'), right)?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(url) } else { Err(right.to_owned()) }
    }

    fn show(&self) -> String {
        self.as_str().trim_end_matches('/').to_owned()
    }
}

/// `none`, or a value.
impl<T: Value> Value for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(None);
        }
        T::parse(text)
            .map(Some)
            .map_err(|right| format!("{right}, or none"))
    }

    fn show(&self) -> String {
        self.as_ref().map_or("none".to_owned(), T::show)
    }
}

/// Values separated by commas.
impl<T: Value> Value for Vec<T> {
    const SHAPE: Shape = Shape::List;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(str::trim)
            .filter(|element| !element.is_empty())
            .map(|element| T::parse(element).map_err(|right| format!("for each element {right}")))
            .collect()
    }

    fn show(&self) -> String {
        let shown: Vec<String> = self.iter().map(T::show).collect();
        shown.join(",")
    }
}

/// A choice among words.
pub(super) fn choose<T: Copy + Display>(text: &str, choices: &[T]) -> Result<T, String> {
    let found = choices.iter().find(|choice| choice.to_string() == text);
    found.copied().ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(T::to_string).collect();
        format!("one of {}", words.join(", "))
    })
}
