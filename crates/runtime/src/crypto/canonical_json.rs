//! Canonical JSON after RFC 8785 (JCS), for the values that are hashed and signed: one value, one spelling.
//!
//! Numbers are the integers that every JSON reader holds exactly, ±(2⁵³ − 1). Fractions and larger integers are refused
//! rather than rounded: write them as strings, as amounts are on the wire.

use std::fmt::Write;

use serde_json::{Number, Value};

/// The largest integer that a double holds together with all below it.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
const MAX_DEPTH: usize = 64;

/// Why a value has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalJsonError {
    #[error("{number} is no integer within ±(2^53 - 1): write it as a string")]
    UnsafeNumber { number: String },
    #[error("the value is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

impl From<CanonicalJsonError> for types::Error {
    fn from(error: CanonicalJsonError) -> Self {
        types::Error::internal(error)
    }
}

/// The canonical bytes of `value`: no white space, members sorted by their names' UTF-16 code units.
pub fn canonical_json(value: &Value) -> Result<Vec<u8>, CanonicalJsonError> {
    let mut out = String::new();
    write_value(value, MAX_DEPTH, &mut out)?;
    Ok(out.into_bytes())
}

fn write_value(value: &Value, depth_left: usize, out: &mut String) -> Result<(), CanonicalJsonError> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            let depth_left = depth_left.checked_sub(1).ok_or(CanonicalJsonError::TooDeep)?;
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, out);
                write_value(item, depth_left, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let depth_left = depth_left.checked_sub(1).ok_or(CanonicalJsonError::TooDeep)?;
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                separate(index, out);
                write_string(name, out);
                out.push(':');
                write_value(member, depth_left, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_number(number: &Number, out: &mut String) -> Result<(), CanonicalJsonError> {
    let magnitude = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
    if magnitude.is_none_or(|magnitude| magnitude > MAX_SAFE_INTEGER) {
        return Err(CanonicalJsonError::UnsafeNumber {
            number: number.to_string(),
        });
    }
    out.push_str(&number.to_string());
    Ok(())
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            // Writing to a String cannot fail.
            '\0'..='\u{1f}' => drop(write!(out, "\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn canonical(value: &Value) -> String {
        String::from_utf8(canonical_json(value).unwrap()).unwrap()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991..=9_007_199_254_740_991_i64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_the_same_value(value in any_value()) {
            let text = canonical(&value);
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn members_are_sorted_by_utf_16_code_units() {
        // RFC 8785 §3.2.3: the emoji's surrogates come before the Hebrew ligature, against the order of code points.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control",
            "\u{f6}": "Latin Small Letter O With Diaeresis"
        });
        let text = canonical(&value);
        let order = [
            "\\r",
            "1",
            "\u{80}",
            "\u{f6}",
            "\u{20ac}",
            "\u{1f600}",
            "\u{fb33}",
        ];
        let places: Vec<_> = order
            .iter()
            .map(|name| text.find(&format!("\"{name}\":")))
            .collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    }

    #[test]
    fn strings_are_escaped_as_little_as_possible() {
        // The string of RFC 8785 §3.2.2, and the literals beside it.
        let value = json!({"string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/\u{7f}", "literals": [null, true, false]});
        let expected =
            "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u{7f}\"}";
        assert_eq!(canonical(&value), expected);
    }

    #[test]
    fn numbers_that_some_reader_would_round_are_refused() {
        assert_eq!(
            canonical(&json!([9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64, 0])),
            "[9007199254740991,-9007199254740991,0]"
        );
        for value in [
            json!(9_007_199_254_740_992_i64),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.5),
            json!(1e300),
        ] {
            let error = canonical_json(&json!({"amount": value})).unwrap_err();
            assert!(
                matches!(error, CanonicalJsonError::UnsafeNumber { .. }),
                "{value}"
            );
        }
    }

    #[test]
    fn a_value_nested_too_deeply_is_refused() {
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| json!([inner]));
        assert!(canonical_json(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            canonical_json(&nested(MAX_DEPTH + 1)),
            Err(CanonicalJsonError::TooDeep)
        );
    }
}
