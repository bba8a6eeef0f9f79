//! Amounts on the wire: a JSON integer, or a decimal number as text where an integer would not be exact.

use std::borrow::Cow;
use std::fmt;

use ledger::{AmountError, Scale, Sign};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use types::{Error, Result};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

/// Integers up to this survive every JSON reader, also those that know only floating point.
const MAX_EXACT_INTEGER: i64 = (1 << 53) - 1;

/// Characters of a decimal amount, at most.
const MAX_DECIMAL_CHARS: usize = 64;

/// An amount of a feature as it is sent: `12`, `"12"` or `"0.5"`. Which of them are amounts of a feature is decided by its
/// scale, in [`Amount::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    Integer(i64),
    /// A decimal number such as `0.5`; unchecked until it is parsed.
    Decimal(String),
}

impl Amount {
    /// The amount in the smallest units of `scale`, exactly: nothing is rounded.
    ///
    /// # Errors
    /// What is wrong with it, to be shown beside the field it came in.
    pub fn parse(&self, scale: Scale, sign: Sign) -> Result<i64, AmountError> {
        let integer = match self {
            Amount::Decimal(text) => return scale.parse(text, sign),
            Amount::Integer(integer) => *integer,
        };
        match sign {
            Sign::Positive if integer <= 0 => return Err(AmountError::NotPositive),
            Sign::NotNegative if integer < 0 => return Err(AmountError::Negative),
            _ => {}
        }
        integer.checked_mul(scale.one()).ok_or(AmountError::TooLarge)
    }

    /// Checks that it is a number at all, where it is not known yet of which feature.
    ///
    /// # Errors
    /// `validation_failed`, naming the field.
    pub(crate) fn check_field(&self, field: &str) -> Result<()> {
        let Amount::Decimal(text) = self else {
            return Ok(());
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let is_number = match unsigned.split_once('.') {
            None => digits(unsigned),
            Some((whole, fraction)) => digits(whole) && digits(fraction),
        };
        if is_number && text.len() <= MAX_DECIMAL_CHARS {
            return Ok(());
        }
        Err(Error::invalid(field, "must be a number, such as 3 or \"0.5\""))
    }

    /// [`Amount::parse`] for an amount that came in `field` of a request.
    ///
    /// # Errors
    /// `validation_failed`, naming the field.
    pub fn parse_field(&self, field: &str, scale: Scale, sign: Sign) -> Result<i64> {
        self.parse(scale, sign)
            .map_err(|error| Error::invalid(field, error.to_string()))
    }

    /// How so many of the smallest units of `scale` are sent: whole numbers as an integer while every JSON reader keeps them
    /// exact, everything else as text.
    pub fn from_units(units: i64, scale: Scale) -> Amount {
        if scale == Scale::WHOLE && units.unsigned_abs() <= MAX_EXACT_INTEGER.unsigned_abs() {
            Amount::Integer(units)
        } else {
            Amount::Decimal(scale.format(units))
        }
    }

    /// As [`Amount::from_units`], for a sum of many amounts, which may be more than one amount can be.
    pub fn from_sum(units: i128, scale: Scale) -> Amount {
        if let Ok(units) = i64::try_from(units) {
            return Amount::from_units(units, scale);
        }
        let sign = if units < 0 { "-" } else { "" };
        let (magnitude, one) = (units.unsigned_abs(), u128::from(scale.one().unsigned_abs()));
        let (whole, rest) = (magnitude / one, magnitude % one);
        if rest == 0 {
            return Amount::Decimal(format!("{sign}{whole}"));
        }
        let fraction = format!("{rest:0width$}", width = usize::from(scale.places()));
        Amount::Decimal(format!("{sign}{whole}.{}", fraction.trim_end_matches('0')))
    }
}

/// The decimal number alone.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Integer(integer) => integer.fmt(f),
            Amount::Decimal(text) => f.write_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, or a decimal number as text, such as \"0.5\"")
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Amount, E> {
        Ok(Amount::Integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Amount, E> {
        i64::try_from(integer)
            .map(Amount::Integer)
            .map_err(|_| E::custom("is larger than an amount can be"))
    }

    /// To JSON `1.0` is an integer too; any other fraction has been rounded by now.
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount, E> {
        if number.fract() == 0.0 && number.abs() <= MAX_EXACT_INTEGER as f64 {
            return Ok(Amount::Integer(number as i64));
        }
        Err(E::invalid_value(de::Unexpected::Float(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        Ok(Amount::Decimal(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Amount, E> {
        Ok(Amount::Decimal(text))
    }
}

impl utoipa::PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        let integer = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        let decimal = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$"))
            .max_length(Some(MAX_DECIMAL_CHARS));
        OneOfBuilder::new()
            .item(integer)
            .item(decimal)
            .description(Some(
                "An exact number at the feature's scale. Answers use an integer for whole numbers below 2^53 and text \
                 otherwise; requests may use either.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for Amount {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Amount")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Amount {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn integers_and_texts_mean_the_same() {
        let cents = Scale::new(2).unwrap();
        for json in ["12", "\"12\"", "12.0", "\"12.00\""] {
            assert_eq!(read(json).parse(cents, Sign::Positive), Ok(1200), "{json}");
        }
    }

    #[test]
    fn a_fraction_must_be_text() {
        let error = serde_json::from_str::<Amount>("0.1").unwrap_err().to_string();
        assert!(error.contains("as text"), "{error}");
        assert!(serde_json::from_str::<Amount>("1e300").is_err());
        assert!(serde_json::from_str::<Amount>("null").is_err());
    }

    #[test]
    fn signs_and_sizes_are_checked_either_way() {
        let cents = Scale::new(2).unwrap();
        for json in ["-1", "\"-1\""] {
            assert_eq!(
                read(json).parse(cents, Sign::NotNegative),
                Err(AmountError::Negative)
            );
        }
        for json in ["0", "\"0\""] {
            assert_eq!(
                read(json).parse(cents, Sign::Positive),
                Err(AmountError::NotPositive)
            );
        }
        for json in ["9223372036854775807", "\"18446744073709551615\""] {
            assert_eq!(read(json).parse(cents, Sign::Any), Err(AmountError::TooLarge));
        }
        // The API's description says that an integer has 64 bits.
        assert!(serde_json::from_str::<Amount>("18446744073709551615").is_err());
    }

    #[test]
    fn answers_are_exact_for_every_reader() {
        let cents = Scale::new(2).unwrap();
        let json = |units, scale| serde_json::to_string(&Amount::from_units(units, scale)).unwrap();
        assert_eq!(json(MAX_EXACT_INTEGER, Scale::WHOLE), "9007199254740991");
        assert_eq!(json(MAX_EXACT_INTEGER + 1, Scale::WHOLE), "\"9007199254740992\"");
        assert_eq!(json(1200, cents), "\"12\"");
        assert_eq!(json(-5, cents), "\"-0.05\"");
    }

    #[test]
    fn sums_are_exact_beyond_what_one_amount_can_be() {
        let text = |units, places| Amount::from_sum(units, Scale::new(places).unwrap()).to_string();
        let most = i128::from(i64::MAX);
        assert_eq!(text(2 * most, 0), "18446744073709551614");
        assert_eq!(text(-2 * most, 2), "-184467440737095516.14");
        assert_eq!(text(10 * (most + 1), 1), "9223372036854775808");
        assert_eq!(text(1200, 2), "12");
    }

    #[test]
    fn what_is_no_number_is_told_before_the_feature_is_known() {
        for text in ["1", "-1", "0.50"] {
            assert!(
                Amount::Decimal(text.to_owned()).check_field("amount").is_ok(),
                "{text}"
            );
        }
        for text in ["", "-", ".5", "1.", "1e3", "one", &"9".repeat(65)] {
            assert!(
                Amount::Decimal(text.to_owned()).check_field("amount").is_err(),
                "{text}"
            );
        }
    }
}
