//! Amounts. Inside, an amount is an `i64` of the meter's smallest unit; outside, a decimal text. The [`Scale`] of a
//! meter says how many decimal places lie between the two and never changes once the meter exists.

use serde::{Deserialize, Serialize};

/// The longest text that is looked at: more digits than any `i64`, with room for harmless zeros.
const MAX_TEXT_BYTES: usize = 64;

/// Decimal places of a meter: 0 to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Scale(u8);

/// Which signs a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Above zero: what a consume, a reserve or a grant takes.
    Positive,
    /// Zero or above: what a limit or a settle takes.
    NotNegative,
    /// Any: what an imported correction takes.
    Any,
}

/// Why a text is no amount of this meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("not a decimal number; write digits, such as 12 or 0.5, without signs of grouping or exponents")]
    NotDecimal,
    #[error("the meter counts to {0} decimal places; round the amount to them")]
    TooFine(u8),
    #[error("too large for this meter; split it into several events")]
    TooLarge,
    #[error("must be above zero")]
    NotPositive,
    #[error("must not be below zero")]
    Negative,
    #[error("a scale is a number of decimal places from 0 to 9")]
    Scale,
}

impl Scale {
    /// Whole numbers.
    pub const WHOLE: Scale = Scale(0);
    /// The finest scale: billionths.
    pub const MAX: Scale = Scale(9);

    /// A scale of so many decimal places, at most 9.
    pub const fn new(places: u8) -> Result<Scale, AmountError> {
        if places > Self::MAX.0 {
            return Err(AmountError::Scale);
        }
        Ok(Scale(places))
    }

    pub const fn places(self) -> u8 {
        self.0
    }

    /// How many of the smallest unit make one.
    pub const fn one(self) -> i64 {
        10_i64.pow(self.0 as u32)
    }

    /// Reads a decimal text, such as `12`, `-0.5` or `1.50`, exactly: nothing is ever rounded. Zeros beyond the scale
    /// are harmless; another digit there is [`AmountError::TooFine`].
    pub fn parse(self, text: &str, sign: Sign) -> Result<i64, AmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > MAX_TEXT_BYTES || !all_digits(whole) || !all_digits(fraction) {
            return Err(AmountError::NotDecimal);
        }
        let fraction = fraction.trim_end_matches('0');
        let places = usize::from(self.0);
        if fraction.len() > places {
            return Err(AmountError::TooFine(self.0));
        }
        let padding = std::iter::repeat_n(b'0', places - fraction.len());
        let magnitude = whole
            .bytes()
            .chain(fraction.bytes())
            .chain(padding)
            .try_fold(0_i128, |sum, byte| {
                let next = sum * 10 + i128::from(byte - b'0');
                (next <= i128::from(i64::MAX)).then_some(next)
            })
            .and_then(|magnitude| i64::try_from(magnitude).ok())
            .ok_or(AmountError::TooLarge)?;
        let amount = if negative { -magnitude } else { magnitude };
        match sign {
            Sign::Positive if amount <= 0 => Err(AmountError::NotPositive),
            Sign::NotNegative if amount < 0 => Err(AmountError::Negative),
            _ => Ok(amount),
        }
    }

    /// The shortest decimal text of an amount; [`Scale::parse`] reads it back.
    pub fn format(self, amount: i64) -> String {
        let sign = if amount < 0 { "-" } else { "" };
        let magnitude = amount.unsigned_abs();
        let one = self.one().unsigned_abs();
        let (whole, rest) = (magnitude / one, magnitude % one);
        if rest == 0 {
            return format!("{sign}{whole}");
        }
        let fraction = format!("{rest:0width$}", width = usize::from(self.0));
        format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl TryFrom<u8> for Scale {
    type Error = AmountError;

    fn try_from(places: u8) -> Result<Scale, AmountError> {
        Scale::new(places)
    }
}

impl From<Scale> for u8 {
    fn from(scale: Scale) -> u8 {
        scale.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cents(text: &str) -> Result<i64, AmountError> {
        Scale(2).parse(text, Sign::Any)
    }

    #[test]
    fn reads_exactly() {
        assert_eq!(cents("12"), Ok(1200));
        assert_eq!(cents("-0.5"), Ok(-50));
        assert_eq!(cents("1.5000"), Ok(150));
        assert_eq!(cents("007"), Ok(700));
        assert_eq!(
            Scale::WHOLE.parse("9223372036854775807", Sign::Positive),
            Ok(i64::MAX)
        );
    }

    #[test]
    fn refuses_what_it_would_have_to_guess() {
        for text in [
            "", "-", ".5", "5.", "+5", "1e3", "1,000", " 1", "0x10", "٣", "--1", "1.2.3", "NaN",
        ] {
            assert_eq!(cents(text), Err(AmountError::NotDecimal), "{text}");
        }
        assert_eq!(cents(&"0".repeat(65)), Err(AmountError::NotDecimal));
        assert_eq!(cents("0.001"), Err(AmountError::TooFine(2)));
        assert_eq!(cents("92233720368547758.08"), Err(AmountError::TooLarge));
        assert_eq!(cents(&"9".repeat(60)), Err(AmountError::TooLarge));
    }

    #[test]
    fn refuses_the_wrong_sign() {
        for text in ["0", "-0", "-1"] {
            assert_eq!(
                Scale::WHOLE.parse(text, Sign::Positive),
                Err(AmountError::NotPositive)
            );
        }
        assert_eq!(
            Scale::WHOLE.parse("-1", Sign::NotNegative),
            Err(AmountError::Negative)
        );
        assert_eq!(Scale::WHOLE.parse("0", Sign::NotNegative), Ok(0));
    }

    #[test]
    fn a_scale_has_at_most_nine_places() {
        assert_eq!(Scale::new(10), Err(AmountError::Scale));
        assert!(serde_json::from_str::<Scale>("10").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(amount in (i64::MIN + 1)..=i64::MAX, places in 0_u8..=9) {
            let scale = Scale(places);
            prop_assert_eq!(scale.parse(&scale.format(amount), Sign::Any), Ok(amount));
        }
    }
}
