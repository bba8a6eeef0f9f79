//! What keys may do, in the seller's own words: `documents.read`, `documents.*`, `*`. A seller's server asks for a list of
//! which all are needed, or for an expression such as `documents.read AND (documents.write OR admin)`.

use std::borrow::Cow;

use serde::Deserialize;
use types::{Error, Result};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};

/// Permissions of a key, and of a list that is asked for, at most.
pub const MAX_PERMISSIONS: usize = 100;
/// Characters of a permission, at most.
pub const MAX_PERMISSION_CHARS: usize = 128;
/// Characters of an expression, at most.
pub const MAX_EXPRESSION_CHARS: usize = 1_000;

/// How deep parentheses of an expression may stand in each other.
const MAX_DEPTH: usize = 16;
const FIELD: &str = "permissions";
const RULE: &str = "a permission is names of letters, digits, _, - and :, with dots between them, such as documents.read; the \
                    last may be * for all that begin like this";

/// The permissions of a key: in order, each once.
///
/// # Errors
/// `validation_failed`.
pub(super) fn check_granted(permissions: &[String]) -> Result<Vec<String>> {
    check_count(permissions)?;
    for (place, permission) in permissions.iter().enumerate() {
        if !is_permission(permission) {
            return Err(Error::invalid(format!("{FIELD}[{place}]"), RULE));
        }
    }
    let mut sorted = permissions.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    Ok(sorted)
}

fn check_count(permissions: &[String]) -> Result<()> {
    if permissions.len() <= MAX_PERMISSIONS {
        return Ok(());
    }
    let message = format!("must have at most {MAX_PERMISSIONS} permissions");
    Err(Error::invalid(FIELD, message))
}

/// AND and OR are none: no expression could name them.
fn is_permission(text: &str) -> bool {
    let name = match text.strip_suffix('*') {
        Some("") => return true,
        Some(begin) => begin.strip_suffix('.'),
        None => Some(text),
    };
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_name_byte);
    text.len() <= MAX_PERMISSION_CHARS
        && Operator::read(text).is_none()
        && name.is_some_and(|name| name.split('.').all(is_name))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':')
}

/// Whether somebody with the first may do the second.
fn covers(granted: &str, wanted: &str) -> bool {
    match granted.strip_suffix('*') {
        // With its dot: `documents.*` says nothing of `documents_2.read`, and nothing of `documents` itself.
        Some(begin) => wanted.starts_with(begin),
        None => granted == wanted,
    }
}

/// What a caller asks a key for.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "a list of permissions, or an expression such as \"a AND (b OR c)\""
)]
pub enum PermissionQuery {
    /// All of them.
    All(Vec<String>),
    /// Permissions joined by AND and OR; AND binds tighter.
    Expression(String),
}

impl utoipa::PartialSchema for PermissionQuery {
    fn schema() -> RefOr<Schema> {
        let text = |most| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(most))
        };
        let list = ArrayBuilder::new()
            .items(text(MAX_PERMISSION_CHARS))
            .max_items(Some(MAX_PERMISSIONS));
        OneOfBuilder::new()
            .item(list)
            .item(text(MAX_EXPRESSION_CHARS))
            .description(Some(
                "A list of which all are needed, or an expression such as `documents.read AND (documents.write OR admin)`, \
                 where AND binds tighter.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for PermissionQuery {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("PermissionQuery")
    }
}

/// What a key needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Needed {
    One(String),
    All(Vec<Needed>),
    Any(Vec<Needed>),
}

impl Needed {
    /// # Errors
    /// `validation_failed`, telling where in an expression it cannot be read.
    pub(super) fn read(query: &PermissionQuery) -> Result<Needed> {
        match query {
            PermissionQuery::All(list) => {
                let each = check_granted(list)?;
                Ok(Needed::All(each.into_iter().map(Needed::One).collect()))
            }
            PermissionQuery::Expression(text) => Expression::read(text),
        }
    }

    pub(super) fn is_met_by(&self, granted: &[String]) -> bool {
        match self {
            Needed::One(wanted) => granted.iter().any(|granted| covers(granted, wanted)),
            Needed::All(parts) => parts.iter().all(|part| part.is_met_by(granted)),
            Needed::Any(parts) => parts.iter().any(|part| part.is_met_by(granted)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

impl Operator {
    fn read(word: &str) -> Option<Operator> {
        if word.eq_ignore_ascii_case("and") {
            Some(Operator::And)
        } else if word.eq_ignore_ascii_case("or") {
            Some(Operator::Or)
        } else {
            None
        }
    }
}

/// The rest of an expression that is being read.
struct Expression<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Expression<'a> {
    fn read(text: &'a str) -> Result<Needed> {
        if text.len() > MAX_EXPRESSION_CHARS {
            let message = format!("must have at most {MAX_EXPRESSION_CHARS} characters");
            return Err(Error::invalid(FIELD, message));
        }
        let mut rest = Expression { text, at: 0 };
        let needed = rest.any(0)?;
        match rest.token() {
            "" => Ok(needed),
            _ => Err(rest.wrong("expected AND, OR or the end")),
        }
    }

    /// Parts joined by OR, which binds looser than AND.
    fn any(&mut self, depth: usize) -> Result<Needed> {
        let mut parts = vec![self.all(depth)?];
        while self.skip(Operator::Or) {
            parts.push(self.all(depth)?);
        }
        Ok(joined(parts, Needed::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Needed> {
        let mut parts = vec![self.part(depth)?];
        while self.skip(Operator::And) {
            parts.push(self.part(depth)?);
        }
        Ok(joined(parts, Needed::All))
    }

    fn part(&mut self, depth: usize) -> Result<Needed> {
        let token = self.token();
        if token == "(" {
            if depth == MAX_DEPTH {
                return Err(self.wrong(&format!("parentheses stand in at most {MAX_DEPTH} others")));
            }
            self.at += token.len();
            let inner = self.any(depth + 1)?;
            if self.token() != ")" {
                return Err(self.wrong("expected AND, OR or a closing parenthesis"));
            }
            self.at += 1;
            return Ok(inner);
        }
        if !is_permission(token) {
            return Err(self.wrong("expected a permission, such as documents.read"));
        }
        self.at += token.len();
        Ok(Needed::One(token.to_owned()))
    }

    fn skip(&mut self, operator: Operator) -> bool {
        let token = self.token();
        let is_next = Operator::read(token) == Some(operator);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// What comes next: a word, or one other character; empty at the end.
    fn token(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let is_word = |c: char| c.is_ascii() && (is_name_byte(c as u8) || matches!(c, '.' | '*'));
        let end = match trimmed.chars().next() {
            Some(first) if !is_word(first) => first.len_utf8(),
            _ => trimmed.find(|c| !is_word(c)).unwrap_or(trimmed.len()),
        };
        &trimmed[..end]
    }

    fn wrong(&self, expected: &str) -> Error {
        let place = self.text[..self.at].chars().count() + 1;
        Error::invalid(FIELD, format!("at character {place}: {expected}"))
    }
}

fn joined(mut parts: Vec<Needed>, join: fn(Vec<Needed>) -> Needed) -> Needed {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(permissions: &[&str]) -> Vec<String> {
        permissions
            .iter()
            .map(|permission| (*permission).to_owned())
            .collect()
    }

    fn needed(expression: &str) -> Result<Needed> {
        Needed::read(&PermissionQuery::Expression(expression.to_owned()))
    }

    fn met(expression: &str, by: &[&str]) -> bool {
        needed(expression).unwrap().is_met_by(&granted(by))
    }

    #[test]
    fn what_a_permission_is() {
        for good in [
            "a",
            "documents.read",
            "documents.*",
            "*",
            "a:b-c_d.E9",
            &"p".repeat(128),
        ] {
            assert!(check_granted(&granted(&[good])).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a*",
            "*.a",
            "a.*.b",
            "a b",
            "é",
            "a\0",
            "and",
            "OR",
            &"p".repeat(129),
        ] {
            let error = check_granted(&granted(&["fine", bad])).unwrap_err();
            assert_eq!(error.fields()[0].field, "permissions[1]", "{bad}");
        }
        let many: Vec<String> = (0..=MAX_PERMISSIONS).map(|n| n.to_string()).collect();
        assert!(check_granted(&many).is_err());
        assert_eq!(check_granted(&granted(&["b", "a", "b"])).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_star_covers_what_begins_like_it() {
        for (granted, wanted, covered) in [
            ("documents.read", "documents.read", true),
            ("documents.read", "documents.readers", false),
            ("documents.*", "documents.read", true),
            ("documents.*", "documents.a.b", true),
            ("documents.*", "documents.*", true),
            ("documents.*", "documents", false),
            ("documents.*", "documents_2.read", false),
            ("documents.read", "documents.*", false),
            ("*", "documents.*", true),
        ] {
            assert_eq!(covers(granted, wanted), covered, "{granted} covers {wanted}");
        }
    }

    #[test]
    fn a_list_needs_all_of_it() {
        let all = |list: &[&str]| Needed::read(&PermissionQuery::All(granted(list))).unwrap();
        assert!(all(&["a", "b"]).is_met_by(&granted(&["a", "b", "c"])));
        assert!(!all(&["a", "b"]).is_met_by(&granted(&["a"])));
        assert!(all(&[]).is_met_by(&[]));
    }

    #[test]
    fn expressions_mean_what_they_say() {
        assert!(met("a AND (b OR c)", &["a", "c"]));
        assert!(!met("a AND (b OR c)", &["b", "c"]));
        assert!(!met("a AND (b OR c)", &["a"]));
        // AND binds tighter.
        assert!(met("a OR b AND c", &["a"]));
        assert!(!met("a OR b AND c", &["b"]));
        assert!(met("(a or b) and c", &["b", "c"]));
        assert!(met("  a.b\tAnd((c.*))  ", &["a.*", "*"]));
        assert!(met("order", &["order"]), "a name may begin like an operator");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (expression, at) in [
            ("", 1),
            ("  ", 3),
            ("a b", 3),
            ("a AND", 6),
            ("AND a", 1),
            ("a OR OR b", 6),
            ("(a", 3),
            ("a)", 2),
            ("()", 2),
            ("a & b", 3),
            ("é", 1),
            ("a. AND b", 1),
        ] {
            let error = needed(expression).unwrap_err();
            assert_eq!(error.fields()[0].field, "permissions");
            let place = format!("at character {at}:");
            assert!(
                error.fields()[0].message.starts_with(&place),
                "{expression:?}: {error}"
            );
        }
    }

    #[test]
    fn expressions_are_bounded() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(needed(&nested(MAX_DEPTH)).is_ok());
        assert!(needed(&nested(MAX_DEPTH + 1)).is_err());
        assert!(needed(&nested(400)).is_err());
        assert!(needed(&"a".repeat(MAX_EXPRESSION_CHARS + 1)).is_err());
    }
}
